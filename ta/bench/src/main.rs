// SPDX-License-Identifier: BSD-2-Clause
//! `bench`: does nothing, to be measured.

#![no_std]
#![no_main]
#![expect(missing_docs, reason = "what the attributes make is public and bare")]
#![expect(unsafe_code, reason = "the entry points are C's, and so is the header")]

use client_binding_proto::bench::Command;
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
fn invoke(number: u32, _params: &mut ParametersAny) -> Result<()> {
    if number == Command::Allow.number() {
        client_binding_clients::delegable(&[Command::Nothing.number()])?;
    }
    Ok(())
}

client_binding_ta_kit::header!();
