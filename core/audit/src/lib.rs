// SPDX-License-Identifier: BSD-2-Clause
//! What becomes known of refusals: how many there were, which the last ones were, and whether a line may be logged.
//!
//! Decides nothing. The caller holds a lock of its own around each call.

#![no_std]
#![forbid(unsafe_code)]

mod denials;
mod log;

pub use denials::{Denials, Reader, Refused};
pub use log::{Counted, RefusalLog};
