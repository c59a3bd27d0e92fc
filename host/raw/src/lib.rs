// SPDX-License-Identifier: BSD-2-Clause
//! Real users, real file descriptors and bare system calls on the TEE's device: what
//! it takes to attack a session, for the demonstration and the regression suite.

pub mod app;
pub mod code;
pub mod fuse;
pub mod memory;
pub mod people;
pub mod program;
pub mod pta;
pub mod sys;
mod tee;

pub use tee::{Answer, Login, Session, Tee};
