// SPDX-License-Identifier: BSD-2-Clause
//! The one room that asks the TEE.
#![expect(unsafe_code, reason = "the TEE's UUIDs are C's")]

use crate::{Client, Uuid};
use client_binding_abi::Login;
use core::ffi::CStr;
use optee_utee::property::{ClientIdentity, PropertyKey};
use optee_utee::{Error, ErrorKind, Identity, Result, raw};

/// Who the TEE says the client of the session is that is being opened or served.
pub fn client() -> Result<Client> {
    Ok(client_of(&ClientIdentity.get()?))
}

pub(crate) fn client_of(identity: &Identity) -> Client {
    let uuid = identity.uuid();
    // SAFETY: the pointer is to `uuid`, which lives on.
    let raw::TEE_UUID {
        timeLow,
        timeMid,
        timeHiAndVersion,
        clockSeqAndNode,
    } = unsafe { *uuid.as_raw_ptr() };
    Client::new(
        Login(identity.login_type().into()),
        Uuid::from_fields(timeLow, timeMid, timeHiAndVersion, &clockSeqAndNode),
    )
}

/// `TEE_ERROR_ACCESS_DENIED` unless the client is one of these. For the open hook.
pub fn require(clients: &[Client]) -> Result<()> {
    if clients.contains(&client()?) {
        Ok(())
    } else {
        Err(ErrorKind::AccessDenied.into())
    }
}

/// A property of the current client that is a binary block of eight octets. optee-utee asks for the size first, which libutee
/// takes for a mistake.
pub(crate) fn octets(name: &CStr) -> Result<[u8; 8]> {
    let mut octets = [0; 8];
    let mut size = octets.len();
    // SAFETY: the name ends with a NUL, and the buffer comes with its size.
    let code = unsafe {
        raw::TEE_GetPropertyAsBinaryBlock(
            raw::TEE_PROPSET_CURRENT_CLIENT,
            name.as_ptr().cast(),
            octets.as_mut_ptr().cast(),
            &mut size,
        )
    };
    match code {
        raw::TEE_SUCCESS if size == octets.len() => Ok(octets),
        raw::TEE_SUCCESS => Err(ErrorKind::BadFormat.into()),
        code => Err(Error::from_raw_error(code)),
    }
}
