// SPDX-License-Identifier: BSD-2-Clause
//! Keeps small named secrets in the TEE.

mod share;

use clap::{Parser, Subcommand};
use client_binding_ca::{
    DEVICE_FROM, EXIT_CODES, Failure, LOGINS, connect, finish, parse_login, print, read_secret,
};
use client_binding_client::{Client, Error, Login, Param, Session};
use client_binding_proto::vault::{Command, LIST_MAX, SECRET_MAX, UUID};
use std::io::stdin;
use std::path::PathBuf;
use std::process::ExitCode;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Keeps small named secrets in the TEE, for you alone
///
/// The vault's TA was built to serve one user who executes this very program, and serves
/// nobody else until the TEE restarts, but whom that user lends a secret. Secrets are in memory only.
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Args {
    #[arg(long, global = true, value_parser = parse_login,
        help = format!("{LOGINS}; the vault takes user-application alone, which is the default, unless the system is a stock one; \
            for get --grant the default is user"))]
    login: Option<Login>,
    #[arg(long, global = true, value_name = "SOCKET", help = DEVICE_FROM)]
    device_from: Option<PathBuf>,
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
        #[arg(required_unless_present = "grant")]
        name: Option<String>,
        /// The one that somebody lent you under this number, whatever its name is
        #[arg(long, value_name = "NUMBER")]
        grant: Option<u64>,
    },
    /// Print the names
    List,
    /// Wipe a secret
    Delete {
        /// Name of the secret
        name: String,
    },
    /// Lend a secret to somebody, as long as this runs
    ///
    /// Prints the grant's number, which is no secret, for `vault get --grant NUMBER`. Then it waits until all uses are made, the time is over
    /// or `vault unshare NUMBER` takes it back. SIGINT and SIGTERM take it back, too; exit status 0 in any case. What is put under the
    /// same name meanwhile is lent as well, what is put there after a `vault delete` is not.
    Share(share::Args),
    /// Take back what was lent
    Unshare {
        /// The grant's number
        number: u64,
    },
    /// Print what is lent: number, to whom, which secret, how often and how long it may be used still
    Shares,
}

fn main() -> ExitCode {
    finish("vault", run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let secret = match &args.action {
        Action::Put { .. } => read_secret(stdin())?,
        _ => Zeroizing::default(),
    };
    let owner = args.login.unwrap_or(Login::UserApplication);
    let client = connect(args.device_from.as_deref())?;
    let open = || open(&client, owner);
    match &args.action {
        Action::Put { name } => ask(
            &open()?,
            Command::Put,
            &mut [
                Param::MemIn(name.as_bytes()),
                Param::MemIn(&secret),
                Param::None,
                Param::None,
            ],
        ),
        Action::Get { name, grant } => {
            let name = name.as_deref().unwrap_or_default();
            match *grant {
                None => get(&open()?, name, Failure::at_invoke),
                Some(number) => {
                    let login = args.login.unwrap_or(Login::User);
                    let lent = client.take_up(number, login);
                    let lent = lent.map_err(|error| Failure::at_take_up(error, number, login))?;
                    get(&lent, name, Failure::at_lent)
                }
            }
        }
        Action::List => print(&list(&open()?)?),
        Action::Delete { name } => ask(
            &open()?,
            Command::Delete,
            &mut [
                Param::MemIn(name.as_bytes()),
                Param::None,
                Param::None,
                Param::None,
            ],
        ),
        Action::Share(args) => share::share(&open()?, args),
        Action::Unshare { number } => share::unshare(&client, *number, owner),
        Action::Shares => share::shares(&client, owner),
    }
}

fn open(client: &Client, login: Login) -> Result<Session, Failure> {
    client
        .open(Uuid::from_bytes(UUID.octets), login)
        .map_err(|error| Failure::at_open(error, "vault", login))
}

fn get(session: &Session, name: &str, failure: fn(Error) -> Failure) -> Result<(), Failure> {
    let mut room = Zeroizing::new([0; SECRET_MAX]);
    let room = Param::MemOut(room.as_mut_slice(), 0);
    let mut params = [
        Param::MemIn(name.as_bytes()),
        room,
        Param::None,
        Param::None,
    ];
    session
        .invoke(Command::Get.number(), &mut params)
        .map_err(failure)?;
    print(params[1].written())
}

/// The names, in order, each with its line end.
fn list(session: &Session) -> Result<Vec<u8>, Failure> {
    let mut room = [0; LIST_MAX];
    let room = Param::MemOut(&mut room, 0);
    let mut params = [room, Param::None, Param::None, Param::None];
    ask(session, Command::List, &mut params)?;
    let mut names: Vec<_> = params[0]
        .written()
        .split_inclusive(|&c| c == b'\n')
        .collect();
    names.sort();
    Ok(names.concat())
}

/// The number by which a secret is lent.
fn number(session: &Session, name: &[u8]) -> Result<u64, Failure> {
    let mut params = [
        Param::MemIn(name),
        Param::ValueOut(0, 0),
        Param::None,
        Param::None,
    ];
    ask(session, Command::Number, &mut params)?;
    let (low, high) = params[1].value();
    Ok(u64::from(high) << 32 | u64::from(low))
}

fn ask(session: &Session, command: Command, params: &mut [Param<'_>; 4]) -> Result<(), Failure> {
    session
        .invoke(command.number(), params)
        .map_err(Failure::at_invoke)
}
