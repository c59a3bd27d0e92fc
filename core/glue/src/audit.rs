// SPDX-License-Identifier: BSD-2-Clause
//! What was refused, for the log and for `client_binding.pta`. C keeps the records of it, and a spinlock for them.

use super::{Event, TeeUuid, CLIENT_BINDING_USE_GRANT};
use client_binding_audit::{Counted, RefusalLog, Refused};
use client_binding_policy::abi::pta::KEPT;
use client_binding_policy::abi::{ClientUuid, Login};

/// The refusals that are kept.
pub type Denials = client_binding_audit::Denials<KEPT>;

/// Size of the refusals that are kept, asserted on both sides. They are aligned as a `uint64_t`.
pub const CLIENT_BINDING_DENIALS_SIZE: usize = 4784;

const _: () = {
    assert!(size_of::<Denials>() == CLIENT_BINDING_DENIALS_SIZE);
    assert!(align_of::<Denials>() == align_of::<u64>());
};

/// Counts a refusal at `second` of the system time. True if it may be logged; then
/// `count` is the number of refusals since boot and `suppressed` how many went unlogged before it.
///
/// # Safety
/// With the lock of the records held. `log` was zeroed in the beginning, and only this library wrote to it since;
/// `count` and `suppressed` are the caller's own variables.
#[no_mangle]
pub extern "C" fn client_binding_log_count(
    log: &mut RefusalLog,
    second: u32,
    count: &mut u64,
    suppressed: &mut u32,
) -> bool {
    let refusal = log.count(second);
    let Counted { line, .. } = refusal;
    *count = refusal.count;
    *suppressed = line.unwrap_or(0).into();
    line.is_some()
}

/// Records a refusal at `time`, in milliseconds of the system time.
///
/// # Safety
/// With the lock of the records held. `denials` was zeroed in the beginning, and only this library wrote to it since.
/// `event` is one that was refused.
#[no_mangle]
pub extern "C" fn client_binding_denials_record(denials: &mut Denials, event: &Event, time: u64) {
    let TeeUuid(ta) = event.ta;
    let ClientUuid([grant, _]) = event.claim.uuid;
    denials.record(&Refused {
        time,
        ta: ClientUuid::from_tee_uuid(ta),
        operation: event.operation,
        refusal: event.verdict,
        claim: Login(event.claim.login as u32),
        owner: Login(event.number),
        grant: match event.happened {
            CLIENT_BINDING_USE_GRANT => grant,
            _ => 0,
        },
    });
}
