// SPDX-License-Identifier: BSD-2-Clause
//! `client_binding.pta`. Called with foreign interrupts masked wherever `DENIALS` is locked, or a thread that
//! holds it could be put aside while another core spins. Each function's Safety says so.

use client_binding_policy::abi::pta::{
    Command, Counters, Denial, Instance as Record, KEPT, VERSION,
};
use client_binding_policy::abi::{ClientUuid, TeeResult};
use client_binding_policy::{may_ask, Denials, Instance, Reader, Refused, Session};
use core::mem::offset_of;
use spin::Mutex;

static DENIALS: Mutex<Denials<KEPT>> = Mutex::new(Denials::new());

/// Command that is answered by calling [`client_binding_pta_put_instance`] for each context.
pub const CLIENT_BINDING_PTA_INSTANCES: u32 = 0;
/// Command that has a second parameter, for [`client_binding_pta_answer`].
pub const CLIENT_BINDING_PTA_DENIALS: u32 = 1;
/// Command that is answered with [`CLIENT_BINDING_PTA_ABI`].
pub const CLIENT_BINDING_PTA_VERSION: u32 = 3;
/// The version of what the PTA says.
pub const CLIENT_BINDING_PTA_ABI: u32 = 1;
/// State of a context: a user TA.
pub const CLIENT_BINDING_PTA_USER_TA: u32 = 1;
/// State of a context: it has panicked.
pub const CLIENT_BINDING_PTA_PANICKED: u32 = 1 << 1;
/// State of a context: it is being loaded.
pub const CLIENT_BINDING_PTA_LOADING: u32 = 1 << 2;
/// Size of a refusal, asserted on both sides.
pub const CLIENT_BINDING_REFUSED_SIZE: usize = 40;

const _: () = {
    assert!(CLIENT_BINDING_PTA_INSTANCES == Command::Instances as u32);
    assert!(CLIENT_BINDING_PTA_DENIALS == Command::Denials as u32);
    assert!(CLIENT_BINDING_PTA_VERSION == Command::Version as u32);
    assert!(CLIENT_BINDING_PTA_ABI == VERSION);
    assert!(CLIENT_BINDING_PTA_USER_TA == Record::USER_TA);
    assert!(CLIENT_BINDING_PTA_PANICKED == Record::PANICKED);
    assert!(CLIENT_BINDING_PTA_LOADING == Record::LOADING);
    assert!(size_of::<Refused>() == CLIENT_BINDING_REFUSED_SIZE);
    assert!(offset_of!(Refused, owner) == CLIENT_BINDING_REFUSED_SIZE - 4);
};

/// The caller's buffer, and how much of it what was put there takes or would take.
///
/// C owes that all `room` octets stay mapped, can be written to, and are no variable of the core's or of this library.
#[repr(C)]
pub struct Records {
    /// Shared with the normal world, so it is written to and never read; NULL if there is no room.
    buffer: *mut u8,
    room: usize,
    size: usize,
}

impl Records {
    fn put(&mut self, record: &[u8]) {
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

/// Counts and records a refusal. True if it may be logged; then `count` and `suppressed` are as
/// [`client_binding_count_refusal`](super::client_binding_count_refusal) tells them.
///
/// # Safety
/// With foreign interrupts masked; all three are the caller's own variables.
#[no_mangle]
pub extern "C" fn client_binding_record_refusal(
    refused: &Refused,
    count: &mut u64,
    suppressed: &mut u32,
) -> bool {
    *count = DENIALS.lock().record(refused);
    super::may_log(
        super::REFUSALS.line((refused.time / 1000) as u32),
        suppressed,
    )
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

/// Answers a command that was checked and puts records, but not of instances. `number` is its second parameter, 0 if it has
/// none.
///
/// # Safety
/// With foreign interrupts masked. `records` and `number` are the caller's own, `records` is true to its buffer.
#[no_mangle]
pub extern "C" fn client_binding_pta_answer(command: u32, records: &mut Records, number: &mut u64) {
    match Command::from_number(command) {
        Some(Command::Denials) => {
            let mut reader = Reader::new(*number);
            // More than are kept there can be if others come meanwhile. Each is copied under the lock, and put outside of it.
            for _ in 0..KEPT {
                let Some(denial) = reader.next(&DENIALS.lock()) else {
                    break;
                };
                records.put(&Denial::to_octets(&denial));
            }
            *number = reader.lost();
        }
        Some(Command::Counters) => {
            let counters = *DENIALS.lock().counters();
            records.put(&Counters::to_octets(&counters));
        }
        Some(Command::Instances | Command::Version) | None => {}
    }
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

/// Where the refusals are kept, for a core that checks its accesses (KASAN): the library is not built to tell it.
///
/// # Safety
/// `size` is the caller's own variable. Nobody but this library reads or writes the memory.
#[no_mangle]
pub extern "C" fn client_binding_pta_memory(size: &mut usize) -> *const u8 {
    *size = size_of_val(&DENIALS);
    (&raw const DENIALS).cast()
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
