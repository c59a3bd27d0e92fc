// SPDX-License-Identifier: BSD-2-Clause
//! The one room that asks the TEE.
#![expect(unsafe_code, reason = "the TEE's UUIDs are C's")]

use crate::{Client, Uuid};
use client_binding_abi::Login;
use optee_utee::property::{ClientIdentity, PropertyKey};
use optee_utee::{ErrorKind, Identity, Result, raw};

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
