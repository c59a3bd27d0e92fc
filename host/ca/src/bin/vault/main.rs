// SPDX-License-Identifier: BSD-2-Clause
//! Keeps small named secrets in the TEE.

use clap::{Parser, Subcommand};
use client_binding_ca::{EXIT_CODES, Failure, LOGINS, finish, parse_login, print, read_secret};
use client_binding_client::{Client, Login, Param, Session};
use client_binding_proto::vault::{Command, LIST_MAX, SECRET_MAX, UUID};
use std::io::stdin;
use std::process::ExitCode;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Keeps small named secrets in the TEE, for you alone
///
/// The vault's TA was built to serve one user who executes this very program, and serves
/// nobody else until the TEE restarts. Secrets are in memory only.
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Args {
    #[arg(long, global = true, default_value = "user-application", value_parser = parse_login,
        help = format!("{LOGINS}; the vault takes its default alone, unless the system is a stock one"))]
    login: Login,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Keep what comes on stdin, every octet of it, in place of what was there
    Put {
        /// 1 to 32 characters out of A-Z a-z 0-9 . _ -
        name: String,
    },
    /// Write a secret to stdout as it was put
    Get {
        /// Name of the secret
        name: String,
    },
    /// Print the names
    List,
    /// Wipe a secret
    Delete {
        /// Name of the secret
        name: String,
    },
}

fn main() -> ExitCode {
    finish("vault", run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let secret = match &args.action {
        Action::Put { .. } => read_secret(stdin())?,
        _ => Zeroizing::default(),
    };
    let session = Client::connect()
        .and_then(|client| client.open(Uuid::from_bytes(UUID.octets), args.login))
        .map_err(|error| Failure::at_open(error, "vault", args.login))?;
    let ask = |command: Command, params: &mut _| ask(&session, command, params);
    match &args.action {
        Action::Put { name } => ask(
            Command::Put,
            &mut [
                Param::MemIn(name.as_bytes()),
                Param::MemIn(&secret),
                Param::None,
                Param::None,
            ],
        ),
        Action::Get { name } => {
            let mut room = Zeroizing::new([0; SECRET_MAX]);
            let room = Param::MemOut(room.as_mut_slice(), 0);
            let mut params = [
                Param::MemIn(name.as_bytes()),
                room,
                Param::None,
                Param::None,
            ];
            ask(Command::Get, &mut params)?;
            print(params[1].written())
        }
        Action::List => {
            let mut room = [0; LIST_MAX];
            let room = Param::MemOut(&mut room, 0);
            let mut params = [room, Param::None, Param::None, Param::None];
            ask(Command::List, &mut params)?;
            let mut names: Vec<_> = params[0]
                .written()
                .split_inclusive(|&c| c == b'\n')
                .collect();
            names.sort();
            print(&names.concat())
        }
        Action::Delete { name } => ask(
            Command::Delete,
            &mut [
                Param::MemIn(name.as_bytes()),
                Param::None,
                Param::None,
                Param::None,
            ],
        ),
    }
}

fn ask(session: &Session, command: Command, params: &mut [Param<'_>; 4]) -> Result<(), Failure> {
    session
        .invoke(command.number(), params)
        .map_err(Failure::at_invoke)
}
