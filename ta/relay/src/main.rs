// SPDX-License-Identifier: BSD-2-Clause
//! `relay`: a TA that is itself a client of the vault, which names it as one.

#![no_std]
#![no_main]
#![expect(missing_docs, reason = "what the attributes make is public and bare")]
#![expect(unsafe_code, reason = "the entry points are C's, and so is the header")]

use client_binding_proto::Identity;
use client_binding_proto::relay::Command;
use client_binding_proto::vault::{self, NAME_MAX, SECRET_MAX};
use client_binding_ta_kit as kit;
use optee_utee::{Error, ErrorKind, ParamIndex, ParameterAny, ParametersAny, Result};
use optee_utee::{TaSessionBuilder, TeeParams, Uuid};
use optee_utee::{ta_close_session, ta_create, ta_destroy, ta_invoke_command, ta_open_session};
use zeroize::Zeroizing;

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
        Command::Put => put(params),
        Command::Get => get(params),
        Command::WhoAmI => whoami(params),
    }
}

fn put(params: &mut ParametersAny) -> Result<()> {
    let mut name = [0; NAME_MAX];
    let mut secret = Zeroizing::new([0; SECRET_MAX]);
    let name = read(&params.0, &mut name)?;
    let secret = read(&params.1, secret.as_mut_slice())?;
    let mut forwarded = TeeParams::new()
        .with_memref_in(ParamIndex::Arg0, name)
        .with_memref_in(ParamIndex::Arg1, secret);
    let answer = ask(vault::Command::Put, &mut forwarded);
    report(&mut params.2, &answer)
}

fn get(params: &mut ParametersAny) -> Result<()> {
    let mut name = [0; NAME_MAX];
    let mut secret = Zeroizing::new([0; SECRET_MAX]);
    let name = read(&params.0, &mut name)?;
    let mut forwarded = TeeParams::new()
        .with_memref_in(ParamIndex::Arg0, name)
        .with_memref_out(ParamIndex::Arg1, secret.as_mut_slice());
    let answer = ask(vault::Command::Get, &mut forwarded);
    report(&mut params.2, &answer)?;
    let found = forwarded[ParamIndex::Arg1].written_slice();
    kit::answer_octets(
        &mut params.1,
        found.filter(|_| answer.is_ok()).unwrap_or(b""),
    )
}

fn whoami(params: &mut ParametersAny) -> Result<()> {
    let mut forwarded = TeeParams::new()
        .with_value_out(ParamIndex::Arg0, 0, 0)
        .with_value_out(ParamIndex::Arg1, 0, 0)
        .with_value_out(ParamIndex::Arg2, 0, 0);
    let answer = ask(vault::Command::WhoAmI, &mut forwarded);
    report(&mut params.3, &answer)?;
    let values = [ParamIndex::Arg0, ParamIndex::Arg1, ParamIndex::Arg2];
    let values = values.map(|index| forwarded[index].output_value().unwrap_or_default());
    kit::answer_identity(Identity::from_values(values), params)
}

/// One command in a session of its own.
fn ask(command: vault::Command, params: &mut TeeParams) -> Result<()> {
    TaSessionBuilder::new(Uuid::from_bytes(vault::UUID.octets))
        .build()?
        .invoke_command(command.number(), params)
}

/// The vault's answer is data for the client, whatever it says.
fn report(param: &mut ParameterAny, answer: &Result<()>) -> Result<()> {
    let (code, origin) = match answer {
        Ok(()) => (0, optee_utee::raw::TEE_ORIGIN_TRUSTED_APP),
        Err(error) => (error.raw_code(), error.origin().map_or(0, u32::from)),
    };
    kit::answer_value(param, code, origin)
}

fn read<'a>(param: &ParameterAny, room: &'a mut [u8]) -> Result<&'a [u8]> {
    kit::read(param, room)?.ok_or(Error::from(ErrorKind::ExcessData))
}

client_binding_ta_kit::header!();
