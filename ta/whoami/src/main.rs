// SPDX-License-Identifier: BSD-2-Clause
//! `whoami`: tells a client who the TEE thinks it is.

#![no_std]
#![no_main]
#![expect(missing_docs, reason = "what the attributes make is public and bare")]
#![expect(unsafe_code, reason = "the entry points are C's, and so is the header")]

use client_binding_proto::whoami::Command;
use client_binding_ta_kit as kit;
use optee_utee::{ErrorKind, ParameterValueRead, ParametersAny, Result};
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
fn invoke(number: u32, params: &mut ParametersAny) -> Result<()> {
    let command = Command::try_from(number).map_err(|_| ErrorKind::NotSupported)?;
    kit::check(params, command.shape())?;
    match command {
        Command::WhoAmI => kit::answer_identity(kit::client_identity()?, params),
        Command::Wait => kit::wait(params.0.as_value_input()?.get_a()),
        Command::Panic => panic!("the client asked for it"),
    }
}

client_binding_ta_kit::header!();
