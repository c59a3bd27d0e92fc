// SPDX-License-Identifier: BSD-2-Clause
//! Keeps small named secrets in the TEE.

mod share;

use clap::{Parser, Subcommand};
use client_binding_ca::{
    DEVICE_FROM, EXIT_CODES, Failure, LOGINS, connect, finish, parse_login, print, read_secret,
};
use client_binding_client::object::{Object, Root};
use client_binding_client::{Client, Error, Grantee, Login, Offer, Param, Session};
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
    /// Use the vault as an object of Linux 7.3
    #[arg(long, global = true)]
    object: bool,
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
    let open = || Vault::open(&client, owner, args.object);
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
                    let lent = Vault::take_up(&client, number, login, args.object)?;
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
        Action::Shares => share::shares(&client, owner, args.object),
    }
}

/// A session with the vault.
enum Vault {
    Session(Session),
    Object(Object),
}

impl Vault {
    fn open(client: &Client, login: Login, as_object: bool) -> Result<Self, Failure> {
        let ta = Uuid::from_bytes(UUID.octets);
        let opened = if as_object {
            let root = Root::of(client).map_err(Failure::at_objects)?;
            root.open(ta, login).map(Self::Object)
        } else {
            client.open(ta, login).map(Self::Session)
        };
        opened.map_err(|error| Failure::at_open(error, "vault", login))
    }

    fn take_up(
        client: &Client,
        number: u64,
        login: Login,
        as_object: bool,
    ) -> Result<Self, Failure> {
        let lent = if as_object {
            let root = Root::of(client).map_err(Failure::at_objects)?;
            root.take_up(number, login).map(Self::Object)
        } else {
            client.take_up(number, login).map(Self::Session)
        };
        lent.map_err(|error| Failure::at_take_up(error, number, login))
    }

    fn invoke(&self, command: Command, params: &mut [Param<'_>; 4]) -> Result<(), Error> {
        match self {
            Self::Session(session) => session.invoke(command.number(), params),
            Self::Object(object) => object.invoke(command.number(), params),
        }
    }

    fn grant(&self, to: Grantee, command: Command) -> Offer<'_> {
        match self {
            Self::Session(session) => session.grant(to, &[command.number()]),
            Self::Object(object) => object.grant(to, &[command.number()]),
        }
    }
}

fn get(vault: &Vault, name: &str, failure: fn(Error) -> Failure) -> Result<(), Failure> {
    let mut room = Zeroizing::new([0; SECRET_MAX]);
    let room = Param::MemOut(room.as_mut_slice(), 0);
    let mut params = [
        Param::MemIn(name.as_bytes()),
        room,
        Param::None,
        Param::None,
    ];
    vault.invoke(Command::Get, &mut params).map_err(failure)?;
    print(params[1].written())
}

/// The names, in order, each with its line end.
fn list(vault: &Vault) -> Result<Vec<u8>, Failure> {
    let mut room = [0; LIST_MAX];
    let room = Param::MemOut(&mut room, 0);
    let mut params = [room, Param::None, Param::None, Param::None];
    ask(vault, Command::List, &mut params)?;
    let mut names: Vec<_> = params[0]
        .written()
        .split_inclusive(|&c| c == b'\n')
        .collect();
    names.sort();
    Ok(names.concat())
}

/// The number by which a secret is lent.
fn number(vault: &Vault, name: &[u8]) -> Result<u64, Failure> {
    let mut params = [
        Param::MemIn(name),
        Param::ValueOut(0, 0),
        Param::None,
        Param::None,
    ];
    ask(vault, Command::Number, &mut params)?;
    let (low, high) = params[1].value();
    Ok(u64::from(high) << 32 | u64::from(low))
}

fn ask(vault: &Vault, command: Command, params: &mut [Param<'_>; 4]) -> Result<(), Failure> {
    vault.invoke(command, params).map_err(Failure::at_invoke)
}
