// SPDX-License-Identifier: BSD-2-Clause
//! The C face of the policy crate, linked into `tee.elf`.
//!
//! The functions take references. What C owes for each of them: the pointer is aligned, and not NULL unless the
//! function says that it may be; what it points to is in the core's own memory, was written before, and nobody else
//! writes to it during the call; if the function writes to it, no other parameter points there. What a function asks
//! for beyond that is its Safety. Any octets make a record, a claim or a number; a `bool` is 0 or 1.
//!
//! The callers are the files of `core/client_binding` in OP-TEE and `kernel/client_binding.h`. They hold `tee_ta_mutex`
//! wherever they pass a record of a session or an instance (B14), copy claims out of shared memory first, and tell the
//! magic identity pointers apart before they call.

// core/fuzz compiles this as a module, for a host.
#![cfg_attr(target_os = "none", no_std)]
#![expect(unsafe_code, reason = "C calls Rust here; check-unsafe counts it")]

use client_binding_policy::abi::{Claim, ClientUuid, Identity, Login, Operation};
use client_binding_policy::{Binding, Instance, Opening, Quota, Refusal, RefusalLog, Session};
use core::ffi::c_char;
use core::mem::{align_of, offset_of, size_of};

#[cfg(target_os = "none")]
mod panic;
pub mod pta;

/// Verdict: go on.
pub const CLIENT_BINDING_GO: u32 = 0;
/// Verdict on an open: go on, nobody owns the instance yet. Ask again when you have the TA, and tell when it has
/// accepted. Any other verdict is a refusal.
pub const CLIENT_BINDING_UNDECIDED: u32 = 1 << 16;

/// Bound neither by header nor by image.
pub const CLIENT_BINDING_UNBOUND: u32 = 0;
/// Bound by `CFG_CLIENT_BINDING_ALL`.
pub const CLIENT_BINDING_BY_IMAGE: u32 = 1;
/// Bound by `TA_FLAG_CLIENT_BOUND`.
pub const CLIENT_BINDING_BY_HEADER: u32 = 2;

/// Size of the session and of the instance record, asserted on both sides.
pub const CLIENT_BINDING_RECORD_SIZE: usize = 24;
/// Size of a claim, asserted on both sides.
pub const CLIENT_BINDING_CLAIM_SIZE: usize = 24;
/// Offset of a claim's login word, asserted on both sides.
pub const CLIENT_BINDING_CLAIM_LOGIN: usize = 16;

const _: () = {
    assert!(CLIENT_BINDING_UNBOUND == Binding::Unbound as u32);
    assert!(CLIENT_BINDING_BY_IMAGE == Binding::ByImage as u32);
    assert!(CLIENT_BINDING_BY_HEADER == Binding::ByHeader as u32);
    assert!(size_of::<Session>() == CLIENT_BINDING_RECORD_SIZE);
    assert!(size_of::<Instance>() == CLIENT_BINDING_RECORD_SIZE);
    assert!(align_of::<Session>() == align_of::<u64>());
    assert!(align_of::<Instance>() == align_of::<u64>());
    assert!(size_of::<Claim>() == CLIENT_BINDING_CLAIM_SIZE);
    assert!(offset_of!(Claim, login) == CLIENT_BINDING_CLAIM_LOGIN);
};

/// Starts the record of a session that a client is about to open.
///
/// `uuid`: the `TEE_UUID`, word by word.
/// `attested`: the normal world promised a claim with each later operation.
/// Leaves the record alone if that is no login method.
///
/// # Safety
/// With `tee_ta_mutex` held, before others can find the session. `uuid` has the size and the alignment of a `TEE_UUID`.
#[no_mangle]
pub extern "C" fn client_binding_session_init(
    session: &mut Session,
    login: u32,
    uuid: &[u32; 4],
    attested: bool,
) -> u32 {
    let uuid = ClientUuid::from_tee_uuid(*uuid);
    match Session::new(Identity::new(Login(login), uuid), attested) {
        Ok(new) => {
            *session = new;
            CLIENT_BINDING_GO
        }
        Err(refusal) => refusal as u32,
    }
}

/// Decides an invoke, close or cancel from the normal world; `claim` is NULL if none came.
///
/// # Safety
/// With `tee_ta_mutex` held. `claim` is NULL or a copy of what is in shared memory.
#[no_mangle]
pub extern "C" fn client_binding_session_check(
    session: &Session,
    operation: u32,
    claim: Option<&Claim>,
) -> u32 {
    match claim {
        Some(claim) if session.recognizes(claim) => CLIENT_BINDING_GO,
        _ => check_the_rest(session, operation, claim),
    }
}

/// Apart, because every call from the normal world pays for what is above.
#[cold]
#[inline(never)]
fn check_the_rest(session: &Session, operation: u32, claim: Option<&Claim>) -> u32 {
    let Some(operation) = Operation::from_number(operation) else {
        return Refusal::Malformed as u32;
    };
    match session.check(operation, claim) {
        Ok(()) => CLIENT_BINDING_GO,
        Err(refusal) => refusal as u32,
    }
}

/// Decodes the claim of an open: its login method with nothing else in it, the UUID made nil
/// where the method has none, and whether the session will carry claims.
/// Leaves everything alone if it is refused, because it is malformed.
///
/// # Safety
/// `claim` is a copy of what is in shared memory.
#[no_mangle]
pub extern "C" fn client_binding_decode_open(claim: &mut Claim, attested: &mut bool) -> u32 {
    let Some(decoded) = claim.decode(Operation::Open) else {
        return Refusal::Malformed as u32;
    };
    claim.uuid = decoded.identity.uuid;
    claim.login = decoded.identity.login.0.into();
    *attested = decoded.attested;
    CLIENT_BINDING_GO
}

/// Decides an open of `instance` by `session`. Changes nothing.
///
/// # Safety
/// With `tee_ta_mutex` held. `instance` was zeroed when its context was made, and only this library wrote to it since.
#[no_mangle]
pub extern "C" fn client_binding_instance_check(
    instance: &Instance,
    session: &Session,
    binding: u32,
) -> u32 {
    match instance.check_open(session, Binding::from_number(binding)) {
        Ok(Opening::Go) => CLIENT_BINDING_GO,
        Ok(Opening::Undecided) => CLIENT_BINDING_UNDECIDED,
        Err(refusal) => refusal as u32,
    }
}

/// Records that the TA, which has not been left yet, has accepted an undecided open.
///
/// # Safety
/// With `tee_ta_mutex` held. `instance` as for [`client_binding_instance_check`].
#[no_mangle]
pub extern "C" fn client_binding_instance_opened(
    instance: &mut Instance,
    session: &Session,
    binding: u32,
) -> u32 {
    match instance.opened(session, Binding::from_number(binding)) {
        Ok(()) => CLIENT_BINDING_GO,
        Err(refusal) => refusal as u32,
    }
}

/// Login method of the session's client.
///
/// # Safety
/// With `tee_ta_mutex` held.
#[no_mangle]
pub extern "C" fn client_binding_session_login(session: &Session) -> u32 {
    session.client().login.0
}

/// Whether the instance has an owner.
///
/// # Safety
/// With `tee_ta_mutex` held.
#[no_mangle]
pub extern "C" fn client_binding_instance_is_owned(instance: &Instance) -> bool {
    instance.owner().is_some()
}

/// Login method of the instance's owner, PUBLIC if there is none.
///
/// # Safety
/// With `tee_ta_mutex` held.
#[no_mangle]
pub extern "C" fn client_binding_instance_login(instance: &Instance) -> u32 {
    instance.login().0
}

/// The `TEE_Result` for a verdict.
///
/// # Safety
/// Takes a number.
#[no_mangle]
pub extern "C" fn client_binding_result(verdict: u32) -> u32 {
    Refusal::from_number(verdict).map_or(0, |refusal| refusal.result().0)
}

/// The reason for the secure log, NUL terminated; empty for a verdict that refuses nothing.
///
/// # Safety
/// Takes a number. The text is there for ever; nobody writes to it.
#[no_mangle]
pub extern "C" fn client_binding_reason(verdict: u32) -> *const c_char {
    Refusal::from_number(verdict)
        .map_or(c"", Refusal::text)
        .as_ptr()
}

/// Looks at one of the sessions that the normal world has while `opener` asks for another: `left` is how many
/// it may still have, from the limit downwards.
///
/// # Safety
/// With `tee_ta_mutex` held; `left` is the caller's own variable.
#[no_mangle]
pub extern "C" fn client_binding_quota_note(left: &mut Quota, opener: &Session, other: &Session) {
    left.note(opener, other);
}

/// Decides the open when all of them were looked at.
///
/// # Safety
/// Takes a number.
#[no_mangle]
pub extern "C" fn client_binding_quota_check(left: Quota) -> u32 {
    match left.check() {
        Ok(()) => CLIENT_BINDING_GO,
        Err(refusal) => refusal as u32,
    }
}

static REFUSALS: RefusalLog = RefusalLog::new();

/// Counts a refusal at `second` of the system time. True if it may be logged; then
/// `count` is the number of refusals since boot and `suppressed` how many went unlogged before it.
///
/// # Safety
/// `count` and `suppressed` are the caller's own variables.
#[no_mangle]
pub extern "C" fn client_binding_count_refusal(
    second: u32,
    count: &mut u64,
    suppressed: &mut u32,
) -> bool {
    let refusal = REFUSALS.count(second);
    *count = refusal.count;
    may_log(refusal.line, suppressed)
}

fn may_log(line: Option<u16>, suppressed: &mut u32) -> bool {
    *suppressed = line.unwrap_or(0).into();
    line.is_some()
}
