// SPDX-License-Identifier: BSD-2-Clause
//! Bare system calls on the TEE's device, and what came back: below the client library.

pub mod code;
pub mod lend;
mod login;
pub mod object;
pub mod pass;
pub mod pta;
pub mod sys;
mod tee;

pub use login::Login;
pub use tee::{Answer, Session, Tee};
