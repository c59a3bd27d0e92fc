// SPDX-License-Identifier: BSD-2-Clause
//! Prints who the TEE thinks you are, and who it should think you are.
//!
//! Not just `whoami`: busybox has one that its shell prefers to any file.

use clap::Parser;
use client_binding_abi as abi;
use client_binding_ca::{
    DEVICE_FROM, EXIT_CODES, Expected, Failure, LOGINS, connect, expected, finish, parse_login,
    print,
};
use client_binding_client::{Login, Param};
use client_binding_proto::Identity;
use client_binding_proto::whoami::{Command, UUID};
use std::path::PathBuf;
use std::process::ExitCode;
use uuid::Uuid;

/// Tells who the TEE thinks you are, beside what follows from your uid, gid and program
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Args {
    #[arg(long, default_value = "user", value_parser = parse_login, help = LOGINS)]
    login: Login,
    #[arg(long, value_name = "SOCKET", help = DEVICE_FROM)]
    device_from: Option<PathBuf>,
    /// Print the client UUID that a TA is going to see, without asking one
    #[arg(long)]
    expect: bool,
}

fn main() -> ExitCode {
    finish("tee-whoami", run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let (expected, note) = expected(args.login)?;
    let (uuid, reason) = match expected {
        Expected::Nobody => (Some(Uuid::nil()), "a public client has none".into()),
        Expected::Unknown => (None, "only the kernel knows".into()),
        Expected::Principal(principal) => {
            let name = principal.name();
            let reason = format!("the version-5 UUID of \"{name}\"");
            (Some(principal.uuid()), reason)
        }
    };
    let shown = uuid.map_or("unknown".into(), |uuid| uuid.to_string());
    let noted = note.iter().map(|note| format!("note      {note}\n"));
    let noted: String = noted.collect();
    if args.expect {
        return print(format!("{shown} ({reason})\n{noted}").as_bytes());
    }

    let session = connect(args.device_from.as_deref())?
        .open(Uuid::from_bytes(UUID.octets), args.login)
        .map_err(|error| Failure::at_open(error, "whoami", args.login))?;
    let mut params = [
        Param::ValueOut(0, 0),
        Param::ValueOut(0, 0),
        Param::ValueOut(0, 0),
        Param::None,
    ];
    session
        .invoke(Command::WhoAmI.number(), &mut params)
        .map_err(Failure::at_invoke)?;
    let [a, b, c, _] = params.map(|param| param.value());
    let seen = Identity::from_values([a, b, c]);
    let seen_uuid = Uuid::from_bytes(seen.uuid);

    let as_expected = uuid.map_or(!seen_uuid.is_nil(), |uuid| uuid == seen_uuid);
    let matches = seen.login == args.login.method() && as_expected;
    let text = format!(
        "login     {} ({})\nuuid      {seen_uuid}\nexpected  {shown} ({reason})\n{noted}match     {}\n",
        login_name(seen.login),
        seen.login,
        if matches { "yes" } else { "no" }
    );
    print(text.as_bytes())?;
    match note {
        _ if matches => Ok(()),
        None => Err(Failure::other("the TEE sees somebody else")),
        Some(_) => Err(Failure::other(
            "the TEE sees somebody else, unless this user namespace is inside of another one",
        )),
    }
}

fn login_name(number: u32) -> &'static str {
    match abi::Login(number) {
        abi::Login::PUBLIC => "public",
        abi::Login::USER => "user",
        abi::Login::GROUP => "group",
        abi::Login::APPLICATION => "application",
        abi::Login::APPLICATION_USER => "user application",
        abi::Login::APPLICATION_GROUP => "group application",
        abi::Login::PROCESS => "process",
        abi::Login::REE_KERNEL => "kernel",
        abi::Login::TRUSTED_APP => "trusted app",
        _ => "other",
    }
}
