// SPDX-License-Identifier: BSD-2-Clause
//! What is lent. C keeps the table and what each session's TA allows, under `tee_ta_mutex` like all records.

use super::pta::Records;
use super::{Event, TeeUuid, CLIENT_BINDING_GO, CLIENT_BINDING_USE_GRANT};
use client_binding_policy::abi::delegation::{
    Command, Listed, Request, GRANT_PARAM_TYPES, MAX_COMMANDS, VERSION,
};
use client_binding_policy::abi::object::Kind;
use client_binding_policy::abi::{ClientUuid, TeeResult};
use client_binding_policy::{
    Commands, Grant, Grants, Instance, Lending, Limits, NotLent, Objects, Session, Target, Terms,
};

/// Command of `client_binding.lend` that is answered by [`client_binding_lend`].
pub const CLIENT_BINDING_LEND: u32 = 0;
/// Command that is answered by [`client_binding_revoke`].
pub const CLIENT_BINDING_REVOKE: u32 = 1;
/// Command that is answered by calling [`client_binding_put_grant`] for each slot.
pub const CLIENT_BINDING_LIST: u32 = 2;
/// Command that is answered with [`CLIENT_BINDING_LEND_ABI`].
pub const CLIENT_BINDING_LEND_VERSION: u32 = 3;
/// Command of a TA that is answered by [`client_binding_allow`].
pub const CLIENT_BINDING_ALLOW: u32 = 4;
/// Command of a TA that is answered by [`client_binding_disown`].
pub const CLIENT_BINDING_DISOWN: u32 = 5;
/// Command that is answered with what C was built with.
pub const CLIENT_BINDING_LIMITS: u32 = 6;
/// Command that is answered by [`client_binding_lend`], for the session that the third parameter is.
pub const CLIENT_BINDING_LEND_OBJECT: u32 = 7;
/// The version of what `client_binding.lend` says.
pub const CLIENT_BINDING_LEND_ABI: u32 = 3;
/// Size of what it is sent to lend something.
pub const CLIENT_BINDING_REQUEST_SIZE: usize = 96;
/// The most that it is sent to allow something, in octets.
pub const CLIENT_BINDING_ALLOW_SIZE: usize = 32;
/// The only types with which a session to `client_binding.grant` is opened.
pub const CLIENT_BINDING_GRANT_TYPES: u32 = 1;

/// Step of a use: a session is opened for what is lent. It spends nothing.
pub const CLIENT_BINDING_TAKE_UP: u32 = 0;
/// Step of a use: before anybody waits for the target.
pub const CLIENT_BINDING_CHECK: u32 = 1;
/// Step of a use: it has the target. If it may go on, [`client_binding_grant_left`] must follow.
pub const CLIENT_BINDING_LET_IN: u32 = 2;

/// A time that the normal world could set, which is none.
pub const CLIENT_BINDING_NO_CLOCK: u64 = u64::MAX;

/// Size of a grant, asserted on both sides. It is aligned as a `uint64_t`.
pub const CLIENT_BINDING_GRANT_SIZE: usize = 136;
/// Size of what a TA allows, asserted on both sides. It is aligned as a `uint32_t`.
pub const CLIENT_BINDING_LENDING_SIZE: usize = 36;

const _: () = {
    assert!(CLIENT_BINDING_LEND == Command::Lend as u32);
    assert!(CLIENT_BINDING_REVOKE == Command::Revoke as u32);
    assert!(CLIENT_BINDING_LIST == Command::List as u32);
    assert!(CLIENT_BINDING_LEND_VERSION == Command::Version as u32);
    assert!(CLIENT_BINDING_ALLOW == Command::Allow as u32);
    assert!(CLIENT_BINDING_DISOWN == Command::Disown as u32);
    assert!(CLIENT_BINDING_LIMITS == Command::Limits as u32);
    assert!(CLIENT_BINDING_LEND_OBJECT == Command::LendObject as u32);
    assert!(CLIENT_BINDING_LEND_ABI == VERSION);
    assert!(CLIENT_BINDING_REQUEST_SIZE == Request::SIZE);
    assert!(CLIENT_BINDING_ALLOW_SIZE == MAX_COMMANDS * size_of::<u32>());
    assert!(CLIENT_BINDING_GRANT_TYPES == GRANT_PARAM_TYPES);
    assert!(size_of::<Grant>() == CLIENT_BINDING_GRANT_SIZE);
    assert!(align_of::<Grant>() == align_of::<u64>());
    assert!(size_of::<Lending>() == CLIENT_BINDING_LENDING_SIZE);
    assert!(align_of::<Lending>() == align_of::<u32>());
};

/// All grants.
///
/// C owes that `count` of them are at `grants`, zeroed in the beginning and written to by this library alone.
#[repr(C)]
pub struct Table {
    pub(crate) grants: *mut Grant,
    pub(crate) count: usize,
    /// How many were made since the core booted.
    pub(crate) made: u64,
    /// How many a session's client may have lent at a time.
    pub(crate) by_owner: u32,
    /// And how many of those to one grantee.
    pub(crate) to_grantee: u32,
}

impl Table {
    fn grants(&mut self) -> Grants<'_> {
        // SAFETY: C owes `count` grants at `grants`, which nobody else touches while tee_ta_mutex is held; zeroed octets
        // are one, and so is what this library wrote. The table is borrowed for as long as they are.
        let slots = unsafe { core::slice::from_raw_parts_mut(self.grants, self.count) };
        Grants {
            slots,
            made: &mut self.made,
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            by_owner: self.by_owner,
            to_grantee: self.to_grantee,
        }
    }
}

fn clock(now: u64) -> Option<u64> {
    (now != CLIENT_BINDING_NO_CLOCK).then_some(now)
}

fn told<T>(answer: Result<T, NotLent>) -> (u32, Option<T>) {
    match answer {
        Ok(value) => (TeeResult::SUCCESS.0, Some(value)),
        Err(reason) => (reason.result().0, None),
    }
}

/// A session that is to be lent.
#[repr(C)]
pub struct Lent<'a> {
    /// Its token; 0 if there is none.
    pub(crate) target: u64,
    pub(crate) session: &'a Session,
    pub(crate) lending: &'a Lending,
    /// Its number.
    pub(crate) id: u32,
}

/// A use of a grant.
#[repr(C)]
pub struct Use {
    /// The grant's number.
    pub(crate) number: u64,
    /// The token of the session whose commands it lends, as [`client_binding_grant_target`] has told it under the same hold of the lock.
    pub(crate) target: u64,
    /// Milliseconds, or [`CLIENT_BINDING_NO_CLOCK`].
    pub(crate) now: u64,
    pub(crate) command: u32,
    /// One of the steps.
    pub(crate) step: u32,
}

/// The token of the session whose commands the grant lends; 0 if there is no such grant.
///
/// # Safety
/// With `tee_ta_mutex` held.
#[no_mangle]
pub extern "C" fn client_binding_grant_target(table: &mut Table, number: u64) -> u64 {
    table.grants().find(number).map_or(0, Grant::target)
}

/// Decides a step of a use, and the verdict is the event's. `who` opened the session that the grant is used by; `session` and
/// `lending` are the target's, or that session's if there is no target.
///
/// # Safety
/// With `tee_ta_mutex` held. `event` and `used` are the caller's own. The records were zeroed when they were made, and only this library wrote
/// to them since.
#[no_mangle]
pub extern "C" fn client_binding_use_grant(
    event: &mut Event,
    table: &mut Table,
    used: &Use,
    who: &Session,
    session: &Session,
    lending: &Lending,
) -> u32 {
    let (mut grants, now) = (table.grants(), clock(used.now));
    let target = Target {
        token: used.target,
        id: 0,
        session,
        lending,
    };
    let verdict = match used.step {
        CLIENT_BINDING_TAKE_UP => grants.take_up(used.number, who, &target, now),
        CLIENT_BINDING_CHECK => grants.check(used.number, who, used.command, &target, now),
        _ => grants.enter(used.number, who, used.command, &target, now),
    };
    event.verdict = verdict.map_or_else(|refusal| refusal as u32, |()| CLIENT_BINDING_GO);
    if verdict.is_err() {
        event.happened = CLIENT_BINDING_USE_GRANT;
        // Of the claim only the login method is told (B16).
        event.claim.uuid = ClientUuid([used.number, 0]);
        event.claim.login = who.client().login.0.into();
        event.number = session.client().login.0;
    }
    event.verdict
}

/// The command has come back.
///
/// # Safety
/// With `tee_ta_mutex` held.
#[no_mangle]
pub extern "C" fn client_binding_grant_left(table: &mut Table, number: u64) {
    table.grants().left(number);
}

/// `who` has closed a session that was for that grant.
///
/// # Safety
/// With `tee_ta_mutex` held. The record was zeroed when it was made, and only this library wrote to it since.
#[no_mangle]
pub extern "C" fn client_binding_grant_closed(table: &mut Table, number: u64, who: &Session) {
    table.grants().closed(number, who);
}

/// The session is closed, or its TA has panicked: none of its grants lends anything any more. True if a command of one is in the TA.
///
/// # Safety
/// With `tee_ta_mutex` held.
#[no_mangle]
pub extern "C" fn client_binding_end_grants(table: &mut Table, target: u64) -> bool {
    table.grants().end(target)
}

/// What the maker of a grant wants the TA to be told; 0 if there is no such grant.
///
/// # Safety
/// With `tee_ta_mutex` held.
#[no_mangle]
pub extern "C" fn client_binding_grant_badge(table: &mut Table, number: u64) -> u64 {
    table.grants().find(number).map_or(0, Grant::badge)
}

/// Whether that is a command of `client_binding.lend` with the parameters it takes. `by_ta`: a TA gives it. `objects`: which parameters
/// are objects.
///
/// # Safety
/// Takes numbers.
#[no_mangle]
pub extern "C" fn client_binding_lend_check(
    command: u32,
    param_types: u32,
    by_ta: bool,
    objects: u16,
) -> u32 {
    let result = match Command::from_number(command) {
        None => TeeResult::NOT_SUPPORTED,
        Some(command) if command.param_types() != param_types => TeeResult::BAD_PARAMETERS,
        Some(Command::Allow | Command::Disown) if !by_ta => TeeResult::ACCESS_DENIED,
        // It would be written to a buffer of the TA's, which the core must not do without a detour.
        Some(Command::List) if by_ta => TeeResult::ACCESS_DENIED,
        // A number says nothing of who holds the session.
        Some(Command::LendObject) if Objects(objects).kind(2) != Some(Kind::Session) => {
            TeeResult::ACCESS_DENIED
        }
        Some(_) => TeeResult::SUCCESS,
    };
    result.0
}

/// Which session a request is about, and in `parent` the grant that is passed on instead, or 0.
///
/// # Safety
/// Both are the caller's own: `request` no memory that others could write to.
#[no_mangle]
pub extern "C" fn client_binding_requested(
    request: &[u8; CLIENT_BINDING_REQUEST_SIZE],
    parent: &mut u64,
) -> u32 {
    let request = Request::from_octets(request);
    *parent = request.parent;
    request.session
}

/// Lends what the request says. `who` is the client of the session to `client_binding.lend`; `target`, `id`, `session` and `lending` are those
/// of the session that is lent: the one with the request's number, that of the grant which is passed on, or that which the TA `who` is
/// serving. If there is none, `target` is 0 and the records are any.
///
/// # Safety
/// With `tee_ta_mutex` held. `request` and `number` are the caller's own: `request` no memory that others could write to. The records were zeroed when they were made, and only this library
/// wrote to them since.
#[no_mangle]
pub extern "C" fn client_binding_lend(
    table: &mut Table,
    request: &[u8; CLIENT_BINDING_REQUEST_SIZE],
    who: &Session,
    lent: &Lent<'_>,
    now: u64,
    number: &mut u64,
) -> u32 {
    let limits = table.limits();
    let target = Target {
        token: lent.target,
        id: lent.id,
        session: lent.session,
        lending: lent.lending,
    };
    let made = Terms::read(&Request::from_octets(request)).and_then(|terms| {
        table
            .grants()
            .make(&target, who, &terms, clock(now), limits)
    });
    let (result, made) = told(made);
    *number = made.unwrap_or(0);
    result
}

/// Takes a grant back for `who`, the client of the session to `client_binding.lend`; `serving` is the token of the session that it is
/// serving if that is a TA, otherwise 0. `running` says whether a command of it is in the TA.
///
/// # Safety
/// With `tee_ta_mutex` held. `running` is the caller's own.
#[no_mangle]
pub extern "C" fn client_binding_revoke(
    table: &mut Table,
    number: u64,
    who: &Session,
    serving: u64,
    running: &mut bool,
) -> u32 {
    let (result, dying) = told(table.grants().revoke(number, who, serving));
    *running = dying.unwrap_or(false);
    result
}

/// Puts the grant of a slot, if there is one that `who` may take back.
///
/// # Safety
/// With `tee_ta_mutex` held. `records` is the caller's own, and true to its buffer.
#[no_mangle]
pub extern "C" fn client_binding_put_grant(
    records: &mut Records,
    table: &mut Table,
    slot: usize,
    who: &Session,
    ta: &TeeUuid,
    now: u64,
) {
    let TeeUuid(words) = *ta;
    let ta = ClientUuid::from_tee_uuid(words);
    if let Some(grant) = table.grants().list(slot, who, ta, clock(now)) {
        records.put(&Listed::to_octets(&grant));
    }
}

/// The token of the session that the grant of a slot lends; 0 if there is none.
///
/// # Safety
/// With `tee_ta_mutex` held.
#[no_mangle]
pub extern "C" fn client_binding_slot_target(table: &mut Table, slot: usize) -> u64 {
    table.grants().slots.get(slot).map_or(0, Grant::target)
}

/// Allows the first `size` octets' commands to be lent, and no others.
///
/// # Safety
/// With `tee_ta_mutex` held. `octets` is the caller's own. `lending` was zeroed when it was made, and only this library wrote to it since.
#[no_mangle]
pub extern "C" fn client_binding_allow(
    lending: &mut Lending,
    octets: &[u8; CLIENT_BINDING_ALLOW_SIZE],
    size: usize,
) -> u32 {
    let numbers: [u32; MAX_COMMANDS] = core::array::from_fn(|n| {
        octets
            .as_chunks()
            .0
            .get(n)
            .map_or(0, |n| u32::from_le_bytes(*n))
    });
    let count = size / size_of::<u32>();
    let commands = numbers.get(..count).and_then(Commands::new);
    match commands.filter(|_| size.is_multiple_of(size_of::<u32>())) {
        Some(commands) => {
            *lending = Lending { commands };
            TeeResult::SUCCESS.0
        }
        None => TeeResult::BAD_PARAMETERS.0,
    }
}

/// The TA lets its instance go.
///
/// # Safety
/// With `tee_ta_mutex` held.
#[no_mangle]
pub extern "C" fn client_binding_disown(instance: &mut Instance) -> u32 {
    let result = match instance.disown() {
        true => TeeResult::SUCCESS,
        false => TeeResult::BAD_STATE,
    };
    result.0
}

/// Nobody has a session with the instance, nor has it one with others: if it was let go it is nobody's.
///
/// # Safety
/// With `tee_ta_mutex` held.
#[no_mangle]
pub extern "C" fn client_binding_instance_unused(instance: &mut Instance) {
    instance.unused();
}
