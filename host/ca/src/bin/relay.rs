// SPDX-License-Identifier: BSD-2-Clause
//! Keeps secrets in a vault that belongs to another TA, the relay.

use clap::{Parser, Subcommand};
use client_binding_ca::{
    EXIT_CODES, Failure, LOGINS, connect, finish, parse_login, print, read_secret,
};
use client_binding_client::{Error, Login, Param};
use client_binding_proto::Identity;
use client_binding_proto::relay::{Command, UUID};
use client_binding_proto::vault::SECRET_MAX;
use std::io::stdin;
use std::process::ExitCode;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Asks the relay TA to ask the vault
///
/// The relay serves everybody; to the vault it is the client. It is among those that the
/// vault names, and the vault's owner if it comes first.
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Args {
    #[arg(long, global = true, default_value = "public", value_parser = parse_login, help = LOGINS)]
    login: Login,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Have what comes on stdin kept, every octet of it
    Put {
        /// 1 to 32 characters out of A-Z a-z 0-9 . _ -
        name: String,
    },
    /// Write a secret to stdout as it was put
    Get {
        /// Name of the secret
        name: String,
    },
    /// Print who the vault thinks the relay is
    Whoami,
}

fn main() -> ExitCode {
    finish("relay", run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let secret = match &args.action {
        Action::Put { .. } => read_secret(stdin())?,
        _ => Zeroizing::default(),
    };
    let mut room = Zeroizing::new([0; SECRET_MAX]);
    let value = || Param::ValueOut(0, 0);
    let (command, mut params) = match &args.action {
        Action::Put { name } => {
            let secret = Param::MemIn(&secret);
            (
                Command::Put,
                [Param::MemIn(name.as_bytes()), secret, value(), Param::None],
            )
        }
        Action::Get { name } => {
            let room = Param::MemOut(room.as_mut_slice(), 0);
            (
                Command::Get,
                [Param::MemIn(name.as_bytes()), room, value(), Param::None],
            )
        }
        Action::Whoami => (Command::WhoAmI, [value(), value(), value(), value()]),
    };
    connect(None)?
        .open(Uuid::from_bytes(UUID.octets), args.login)
        .map_err(|error| Failure::at_open(error, "relay", args.login))?
        .invoke(command.number(), &mut params)
        .map_err(Failure::at_invoke)?;

    let answer = if command == Command::WhoAmI { 3 } else { 2 };
    let (code, origin) = params[answer].value();
    if code != 0 {
        return Err(Failure::at_invoke(Error::from_numbers(code, origin)));
    }
    match command {
        Command::Put => Ok(()),
        Command::Get => print(params[1].written()),
        Command::WhoAmI => {
            let [a, b, c, _] = params.map(|param| param.value());
            let seen = Identity::from_values([a, b, c]);
            println!("login  {:#x}", seen.login);
            println!("uuid   {}", Uuid::from_bytes(seen.uuid));
            Ok(())
        }
    }
}
