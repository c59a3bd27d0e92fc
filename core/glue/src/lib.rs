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

use client_binding_policy::abi::{Claim, ClientUuid, Login, Operation};
use client_binding_policy::{self as policy, Binding, Instance, Quota, Refusal, Session, Verdict};
use core::ffi::c_char;
use core::mem::{align_of, offset_of, size_of};

pub mod audit;
pub mod grants;
pub mod objects;
#[cfg(target_os = "none")]
mod panic;
pub mod pta;

/// What the functions, records and numbers here mean. It rises with any change of that, and so does the number in
/// client_binding.c, or the files of another version would get along with this library.
pub const CLIENT_BINDING_GLUE_VERSION: u32 = 3;

/// Event: a TA begins to open a session. The claim is the core's own word.
pub const CLIENT_BINDING_BEGIN_BY_TA: u32 = 0;
/// Event: the normal world begins to open a session, with a claim.
pub const CLIENT_BINDING_BEGIN: u32 = 1;
/// Event: the sessions of the client were counted. `number` is how many more it may have.
pub const CLIENT_BINDING_COUNTED: u32 = 2;
/// Event: the session is about to be let into an instance. `number` is a binding.
pub const CLIENT_BINDING_ENTER: u32 = 3;
/// Event: the TA, which was not left yet, has accepted the session. `number` is a binding.
pub const CLIENT_BINDING_ACCEPTED: u32 = 4;
/// Event: the normal world uses the session, without a claim.
pub const CLIENT_BINDING_USE: u32 = 5;
/// Event: the normal world uses the session, with a claim.
pub const CLIENT_BINDING_CLAIMED_USE: u32 = 6;
/// Event: a grant is used, which [`client_binding_use_grant`](grants::client_binding_use_grant) decides and writes down here.
pub const CLIENT_BINDING_USE_GRANT: u32 = 7;

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

/// A `TEE_UUID`, word by word.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct TeeUuid(pub [u32; 4]);

/// What happened, the verdict on it, and what the log will say if that is a refusal.
#[repr(C)]
pub struct Event {
    /// Who asks: a copy of what is in shared memory, or what the core knows. Unused if no claim came.
    pub claim: Claim,
    /// One of the events.
    pub happened: u32,
    /// `OPTEE_MSG_CMD_*`
    pub operation: u32,
    /// What the event says it is; after a refusal the login method of the owner. Not read for the use of a session.
    pub number: u32,
    /// The verdict.
    pub verdict: u32,
    /// The TA that is opened. Otherwise written by C along with a refusal, and not read here.
    pub ta: TeeUuid,
}

/// Whether a claim of these words is that of the session's attested client, bit for bit. Then its use goes on, and no event
/// has to be told. Every call from the normal world pays for this.
///
/// # Safety
/// With `tee_ta_mutex` held. `session` was zeroed when it was made, and only this library wrote to it since.
#[no_mangle]
pub extern "C" fn client_binding_recognizes(session: &Session, a: u64, b: u64, login: u64) -> bool {
    let uuid = ClientUuid([a, b]);
    session.recognizes(&Claim { uuid, login })
}

/// Decides about a session, and writes down who opened it, or who owns the instance.
///
/// `instance` is NULL but for the events that are about one.
///
/// # Safety
/// With `tee_ta_mutex` held. `session` and `instance` were zeroed when they were made, and only this library wrote to
/// them since; when a session begins, others cannot find it.
#[no_mangle]
pub extern "C" fn client_binding_decide(
    event: &mut Event,
    session: &mut Session,
    instance: Option<&mut Instance>,
) -> u32 {
    let mut owner = session.client().login;
    let happened = match (event.happened, instance) {
        (CLIENT_BINDING_BEGIN_BY_TA, _) if event.claim.login == u64::from(Login::TRUSTED_APP.0) => {
            Some(policy::Event::BeginByTa(event.claim.uuid))
        }
        (CLIENT_BINDING_BEGIN, _) => Some(policy::Event::Begin(&event.claim)),
        (CLIENT_BINDING_COUNTED, _) => Some(policy::Event::Counted(Quota::new(event.number))),
        (CLIENT_BINDING_ENTER, Some(instance)) => {
            owner = instance.login();
            let binding = Binding::from_number(event.number);
            Some(policy::Event::Enter(instance, binding))
        }
        (CLIENT_BINDING_ACCEPTED, Some(instance)) => {
            owner = instance.login();
            let binding = Binding::from_number(event.number);
            Some(policy::Event::Accepted(instance, binding))
        }
        (CLIENT_BINDING_USE, _) => Operation::from_number(event.operation)
            .map(|operation| policy::Event::Use(operation, None)),
        (CLIENT_BINDING_CLAIMED_USE, _) => Operation::from_number(event.operation)
            .map(|operation| policy::Event::Use(operation, Some(&event.claim))),
        _ => None,
    };
    // What is no event is nobody's.
    let verdict = happened.map_or(Verdict::Refused(Refusal::Malformed), |happened| {
        policy::decide(happened, session)
    });
    event.verdict = match verdict {
        Verdict::Go => CLIENT_BINDING_GO,
        Verdict::Undecided => CLIENT_BINDING_UNDECIDED,
        Verdict::Refused(refusal) => {
            event.number = owner.0;
            refusal as u32
        }
    };
    event.verdict
}

/// Whether the instance has an owner.
///
/// # Safety
/// With `tee_ta_mutex` held.
#[no_mangle]
pub extern "C" fn client_binding_instance_is_owned(instance: &Instance) -> bool {
    instance.owner().is_some()
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

/// Which list has the session among those of its client: any number.
///
/// # Safety
/// With `tee_ta_mutex` held.
#[no_mangle]
pub extern "C" fn client_binding_quota_list(session: &Session) -> u32 {
    Quota::list(session)
}

/// Looks at one of the sessions of that list while `opener` asks for another: `left` is how many it may still
/// have, from the limit downwards.
///
/// # Safety
/// With `tee_ta_mutex` held; `left` is the caller's own variable.
#[no_mangle]
pub extern "C" fn client_binding_quota_note(left: &mut Quota, opener: &Session, other: &Session) {
    left.note(opener, other);
}
