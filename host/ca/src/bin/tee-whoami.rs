// SPDX-License-Identifier: BSD-2-Clause
//! Prints who the TEE thinks you are, and who it should think you are.
//!
//! Not just `whoami`: busybox has one that its shell prefers to any file.

#![forbid(unsafe_code)]

use clap::Parser;
use client_binding_abi as abi;
use client_binding_ca::{EXIT_CODES, Failure, finish, parse_login};
use client_binding_client::{Client, Login, Param};
use client_binding_identity::Principal;
use client_binding_proto::Identity;
use client_binding_proto::whoami::{Command, UUID};
use std::process::ExitCode;
use uuid::Uuid;

/// Tells who the TEE thinks you are, beside what follows from your uid or gid
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Args {
    /// public, user or group=GID
    #[arg(long, default_value = "user", value_parser = parse_login)]
    login: Login,
}

fn main() -> ExitCode {
    finish("tee-whoami", run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    let session = Client::connect()
        .and_then(|client| client.open(Uuid::from_bytes(UUID.octets), args.login))
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

    let (method, principal) = match args.login {
        Login::Public => (abi::Login::PUBLIC, None),
        Login::User => {
            let euid = nix::unistd::geteuid().as_raw();
            (abi::Login::USER, Some(Principal::User(euid)))
        }
        Login::Group(gid) => (abi::Login::GROUP, Some(Principal::Group(gid))),
    };
    let (expected, reason) = match principal {
        Some(principal) => (
            principal.uuid(),
            format!("the version-5 UUID of \"{}\"", principal.name()),
        ),
        None => (Uuid::nil(), "a public client has none".into()),
    };
    println!("login     {} ({})", login_name(seen.login), seen.login);
    println!("uuid      {seen_uuid}");
    println!("expected  {expected} ({reason})");
    if (seen.login, seen_uuid) == (method.0, expected) {
        println!("match     yes");
        Ok(())
    } else {
        println!("match     no");
        Err(Failure::other("the TEE sees somebody else"))
    }
}

fn login_name(number: u32) -> &'static str {
    match abi::Login(number) {
        abi::Login::PUBLIC => "public",
        abi::Login::USER => "user",
        abi::Login::GROUP => "group",
        abi::Login::REE_KERNEL => "kernel",
        abi::Login::TRUSTED_APP => "trusted app",
        _ => "other",
    }
}
