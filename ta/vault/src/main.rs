// SPDX-License-Identifier: BSD-2-Clause
//! `vault`: keeps small named secrets for the one client it is bound to.
//!
//! Two things make it so: a flag in the header (`build.rs`), for which the TEE lets in
//! nobody but the owner, and a list of who may become the owner. What the owner lends is
//! one secret: the TA allows no more.

#![no_std]
#![no_main]
#![expect(missing_docs, reason = "what the attributes make is public and bare")]
#![expect(unsafe_code, reason = "the entry points are C's, and so is the header")]

#[cfg(not(unbound))]
use client_binding_clients::Client;
use client_binding_clients::{delegable, invoker};
use client_binding_proto::vault::{Command, LIST_MAX, NAME_MAX, Refusal, SECRET_MAX};
use client_binding_store::Store;
use client_binding_ta_kit as kit;
use optee_utee::{Error, ErrorKind, ParameterAny, ParameterValueRead, ParametersAny, Result};
use optee_utee::{ta_close_session, ta_create, ta_destroy, ta_invoke_command, ta_open_session};
use spin::Mutex;
use zeroize::Zeroizing;

/// Who may own it. The build measures the program that it ships: `client-id --rust`.
#[cfg(not(unbound))]
const CLIENTS: &[Client] = &include!(env!(
    "VAULT_CLIENTS",
    "VAULT_CLIENTS must be the absolute path of what client-id --rust printed"
));

/// All of the instance. Never contended: the TEE enters an instance once at a time.
static VAULT: Mutex<Vault> = Mutex::new(Vault {
    sessions: 0,
    store: Store::new(),
});

struct Vault {
    sessions: u32,
    store: Store,
}

#[ta_create]
fn create() -> Result<()> {
    Ok(())
}

#[ta_open_session]
fn open(_params: &mut ParametersAny) -> Result<()> {
    #[cfg(not(unbound))]
    client_binding_clients::require(CLIENTS)?;
    if_delegation(delegable(&[Command::Get.number()]))?;
    VAULT.lock().sessions += 1;
    Ok(())
}

/// What an OP-TEE without delegation does not know is nothing.
fn if_delegation<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Err(error) if error.kind() == ErrorKind::ItemNotFound => Ok(None),
        answer => answer.map(Some),
    }
}

#[ta_close_session]
fn close() {
    VAULT.lock().sessions -= 1;
}

#[ta_destroy]
fn destroy() {
    VAULT.lock().store.clear();
}

#[ta_invoke_command]
fn invoke(number: u32, params: &mut ParametersAny) -> Result<()> {
    let command = Command::try_from(number).map_err(|_| ErrorKind::NotSupported)?;
    kit::check(params, command.shape())?;
    match command {
        Command::Put => put(params),
        Command::Get => get(params),
        Command::List => list(params),
        Command::Delete => delete(params),
        Command::Status => status(params),
        Command::Number => number_of(params),
        Command::WhoAmI => kit::answer_identity(kit::client_identity()?, params),
        Command::Wait => kit::wait(params.0.as_value_input()?.get_a()),
    }
}

fn put(params: &mut ParametersAny) -> Result<()> {
    let mut name = [0; NAME_MAX];
    let mut secret = Zeroizing::new([0; SECRET_MAX]);
    let name = read_name(&params.0, &mut name)?;
    let secret = kit::read(&params.1, secret.as_mut_slice())?.ok_or(refused(Refusal::TooLarge))?;
    VAULT.lock().store.put(name, secret).map_err(refused)
}

fn get(params: &mut ParametersAny) -> Result<()> {
    let mut name = [0; NAME_MAX];
    let name = read_name(&params.0, &mut name)?;
    let grant = if_delegation(invoker())?.and_then(|invoker| invoker.grant);
    let vault = VAULT.lock();
    let secret = match grant {
        None => vault.store.get(name).map_err(refused)?,
        // A grantee is not told which other names there are.
        Some(grant) => vault
            .store
            .get_numbered(grant.badge, name)
            .ok_or(ErrorKind::AccessDenied)?,
    };
    kit::answer_octets(&mut params.1, secret)
}

fn number_of(params: &mut ParametersAny) -> Result<()> {
    let mut name = [0; NAME_MAX];
    let name = read_name(&params.0, &mut name)?;
    let number = VAULT.lock().store.number(name).map_err(refused)?;
    kit::answer_value(&mut params.1, number as u32, (number >> 32) as u32)
}

fn list(params: &mut ParametersAny) -> Result<()> {
    let mut text = heapless::Vec::<u8, LIST_MAX>::new();
    for name in VAULT.lock().store.names() {
        text.extend_from_slice(name)
            .and_then(|()| text.extend_from_slice(b"\n"))
            .map_err(|_| ErrorKind::Overflow)?;
    }
    kit::answer_octets(&mut params.0, &text)
}

fn delete(params: &mut ParametersAny) -> Result<()> {
    let mut name = [0; NAME_MAX];
    let name = read_name(&params.0, &mut name)?;
    VAULT.lock().store.delete(name).map_err(refused)
}

fn status(params: &mut ParametersAny) -> Result<()> {
    let vault = VAULT.lock();
    let secrets = vault.store.names().count();
    let secrets = u32::try_from(secrets).map_err(|_| ErrorKind::Overflow)?;
    kit::answer_value(&mut params.0, vault.sessions, secrets)
}

fn read_name<'a>(param: &ParameterAny, room: &'a mut [u8; NAME_MAX]) -> Result<&'a [u8]> {
    kit::read(param, room)?.ok_or(refused(Refusal::BadName))
}

fn refused(refusal: Refusal) -> Error {
    Error::from_raw_error(refusal.code())
}

client_binding_ta_kit::header!();
