// SPDX-License-Identifier: BSD-2-Clause
//! The regression suite of client binding: what its two halves, the program in the
//! guest and the report on the host, both know, the table of verdicts, and what attacks are made of.

pub mod kit;
pub mod matrix;
mod record;

pub use record::{Event, Outcome, Planned, Proves, Refused, Shown, Stack, Verdict, parse};
