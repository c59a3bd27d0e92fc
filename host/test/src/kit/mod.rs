// SPDX-License-Identifier: BSD-2-Clause
//! What it takes to attack: real users, real file descriptors, other programs, memory behind Rust's back.

pub mod fuse;
pub mod memory;
pub mod people;
pub mod program;
pub mod sys;
