// SPDX-License-Identifier: BSD-2-Clause
//! `bench`: does nothing, to be measured.

#![no_std]
#![no_main]
// The entry points that the attributes make are public and bare.
#![allow(missing_docs)]

// For its panic handler.
use client_binding_ta_kit as _;
use optee_utee::{ParametersAny, Result};
use optee_utee::{ta_close_session, ta_create, ta_destroy, ta_invoke_command, ta_open_session};

#[ta_create]
fn create() -> Result<()> {
    Ok(())
}

#[ta_open_session]
fn open(_params: &mut ParametersAny) -> Result<()> {
    Ok(())
}

#[ta_close_session]
fn close() {}

#[ta_destroy]
fn destroy() {}

#[ta_invoke_command]
fn invoke(_number: u32, _params: &mut ParametersAny) -> Result<()> {
    Ok(())
}

mod header {
    // Generated.
    #![allow(unreachable_pub, non_upper_case_globals)]
    #![allow(clippy::undocumented_unsafe_blocks)]
    include!(concat!(env!("OUT_DIR"), "/user_ta_header.rs"));
}
