// SPDX-License-Identifier: BSD-2-Clause
//! `client_binding.pta`.

use super::audit::Denials;
use client_binding_audit::Reader;
use client_binding_policy::abi::pta::{
    Command, Counters, Denial, Instance as Record, KEPT, VERSION,
};
use client_binding_policy::abi::{ClientUuid, TeeResult};
use client_binding_policy::{may_ask, Instance, Session};

/// Command that is answered by calling [`client_binding_pta_put_instance`] for each context.
pub const CLIENT_BINDING_PTA_INSTANCES: u32 = 0;
/// Command that is answered by calling [`client_binding_pta_put_denial`]. Its second parameter is a number: in, of the
/// last refusal that is known; out, of those that are lost.
pub const CLIENT_BINDING_PTA_DENIALS: u32 = 1;
/// Command that is answered with [`client_binding_pta_put_counters`].
pub const CLIENT_BINDING_PTA_COUNTERS: u32 = 2;
/// Command that is answered with [`CLIENT_BINDING_PTA_ABI`].
pub const CLIENT_BINDING_PTA_VERSION: u32 = 3;
/// The version of what the PTA says.
pub const CLIENT_BINDING_PTA_ABI: u32 = 2;
/// State of a context: a user TA.
pub const CLIENT_BINDING_PTA_USER_TA: u32 = 1;
/// State of a context: it has panicked.
pub const CLIENT_BINDING_PTA_PANICKED: u32 = 1 << 1;
/// State of a context: it is being loaded.
pub const CLIENT_BINDING_PTA_LOADING: u32 = 1 << 2;
/// How many refusals are kept.
pub const CLIENT_BINDING_PTA_KEPT: usize = 64;

const _: () = {
    assert!(CLIENT_BINDING_PTA_INSTANCES == Command::Instances as u32);
    assert!(CLIENT_BINDING_PTA_DENIALS == Command::Denials as u32);
    assert!(CLIENT_BINDING_PTA_COUNTERS == Command::Counters as u32);
    assert!(CLIENT_BINDING_PTA_VERSION == Command::Version as u32);
    assert!(CLIENT_BINDING_PTA_ABI == VERSION);
    assert!(CLIENT_BINDING_PTA_USER_TA == Record::USER_TA);
    assert!(CLIENT_BINDING_PTA_PANICKED == Record::PANICKED);
    assert!(CLIENT_BINDING_PTA_LOADING == Record::LOADING);
    assert!(CLIENT_BINDING_PTA_KEPT == KEPT);
};

/// The caller's buffer, and how much of it what was put there takes or would take.
///
/// C owes that all `room` octets stay mapped, can be written to, and are no variable of the core's or of this library.
#[repr(C)]
pub struct Records {
    /// Shared with the normal world, so it is written to and never read; NULL if there is no room.
    pub(crate) buffer: *mut u8,
    pub(crate) room: usize,
    pub(crate) size: usize,
}

impl Records {
    pub(crate) fn put(&mut self, record: &[u8]) {
        let to = self.buffer.wrapping_add(self.size);
        self.size = self.size.saturating_add(record.len());
        if self.size <= self.room {
            // SAFETY: C owes the `room` octets at `buffer`; those from `to` on for the record's length are among
            // them, and the record, a variable of this library, is not. The normal world may write there at any
            // time: what is in there is never read.
            unsafe { to.copy_from_nonoverlapping(record.as_ptr(), record.len()) };
        }
    }
}

/// What the core knows of a context.
#[repr(C)]
pub struct Context {
    ta: ClientUuid,
    binding: u32,
    ta_flags: u32,
    sessions: u32,
    state: u32,
}

/// Whether who has opened a session to the PTA may do so.
///
/// # Safety
/// With `tee_ta_mutex` held.
#[no_mangle]
pub extern "C" fn client_binding_pta_open(session: &Session, param_types: u32) -> u32 {
    let result = if param_types != 0 {
        TeeResult::BAD_PARAMETERS
    } else if !may_ask(session.client()) {
        TeeResult::ACCESS_DENIED
    } else {
        TeeResult::SUCCESS
    };
    result.0
}

/// Whether that is a command with the parameters it takes.
///
/// # Safety
/// Takes numbers.
#[no_mangle]
pub extern "C" fn client_binding_pta_check(command: u32, param_types: u32) -> u32 {
    let result = match Command::from_number(command) {
        None => TeeResult::NOT_SUPPORTED,
        Some(command) if command.param_types() != param_types => TeeResult::BAD_PARAMETERS,
        Some(_) => TeeResult::SUCCESS,
    };
    result.0
}

/// Puts the next refusal that is not known to who reads. False if there is none.
///
/// # Safety
/// With the lock of `denials` held, see [`audit`](super::audit). `records` and `reader` are the caller's own, `records` is
/// true to its buffer.
#[no_mangle]
pub extern "C" fn client_binding_pta_put_denial(
    records: &mut Records,
    denials: &Denials,
    reader: &mut Reader,
) -> bool {
    let denial = reader.next(denials);
    if let Some(denial) = denial {
        records.put(&Denial::to_octets(&denial));
    }
    denial.is_some()
}

/// Puts the numbers of what was refused.
///
/// # Safety
/// As for [`client_binding_pta_put_denial`].
#[no_mangle]
pub extern "C" fn client_binding_pta_put_counters(records: &mut Records, denials: &Denials) {
    records.put(&Counters::to_octets(denials.counters()));
}

/// Puts an instance.
///
/// # Safety
/// With `tee_ta_mutex` held. `records` and `context` are the caller's own, `records` is true to its buffer.
#[no_mangle]
pub extern "C" fn client_binding_pta_put_instance(
    records: &mut Records,
    context: &Context,
    instance: &Instance,
) {
    let (ownership, owner) = instance.ownership();
    let record = Record {
        ta: context.ta,
        owner: owner.uuid,
        login: owner.login,
        ownership,
        binding: context.binding,
        ta_flags: context.ta_flags,
        sessions: context.sessions,
        state: context.state,
    };
    records.put(&record.to_octets());
}

/// Whether everything that was put found room.
///
/// # Safety
/// `records` is the caller's own.
#[no_mangle]
pub extern "C" fn client_binding_pta_result(records: &Records) -> u32 {
    let result = if records.size > records.room {
        TeeResult::SHORT_BUFFER
    } else {
        TeeResult::SUCCESS
    };
    result.0
}
