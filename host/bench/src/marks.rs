// SPDX-License-Identifier: BSD-2-Clause
//! The marks: instructions that do nothing.
#![cfg_attr(
    any(target_arch = "aarch64", target_arch = "arm"),
    expect(unsafe_code, reason = "a mark is an instruction")
)]

use client_binding_proto::calls::{ARM, BEGIN, Call, DISARM, END};

#[cfg(target_arch = "arm")]
use client_binding_proto::calls::a32_hint as hint;
#[cfg(target_arch = "aarch64")]
use client_binding_proto::calls::a64_hint as hint;

/// The hint of that number; elsewhere than on the guest, nothing.
macro_rules! hint {
    ($number:expr) => {{
        #[cfg(any(target_arch = "aarch64", target_arch = "arm"))]
        // SAFETY: a hint that has no meaning is a nop.
        unsafe {
            std::arch::asm!(".inst {}", const hint($number))
        };
        #[cfg(not(any(target_arch = "aarch64", target_arch = "arm")))]
        let _: u8 = $number;
    }};
}

/// Makes the call between its marks.
#[inline(always)]
pub(crate) fn around<T>(call: Call, make: impl FnOnce() -> T) -> T {
    macro_rules! begin {
        ($($call:ident)*) => {
            match call { $(Call::$call => hint!(BEGIN + Call::$call as u8),)* }
        };
    }
    begin!(Nothing Invoke0 Invoke4 Invoke1M Invoke8M Stranger0 Stranger4 Cancel Open0 Open4 Close Crowd CrowdOfFile Load0 Load4 Unload Lender0 Grantee0 Lend Revoke);
    let result = make();
    hint!(END);
    result
}

/// Counts from here on.
pub(crate) fn arm() {
    hint!(ARM);
    // It happens when the machine has a pause.
    for _ in 0..10 {
        std::thread::yield_now();
    }
}

/// Counts no longer.
pub(crate) fn disarm() {
    hint!(DISARM);
}
