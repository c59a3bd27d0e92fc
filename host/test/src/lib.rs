// SPDX-License-Identifier: BSD-2-Clause
//! The regression suite of client binding: what its two halves, the program in the
//! guest and the report on the host, both know, and the table of verdicts.

pub mod matrix;
mod record;

pub use record::{Event, Outcome, Planned, Proves, Refused, Shown, Stack, Verdict, parse};
