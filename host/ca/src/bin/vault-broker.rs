// SPDX-License-Identifier: BSD-2-Clause
//! Lets processes that may not open /dev/tee0 use one TA.
//!
//! Who they are is for the TA's client binding to see, so nobody is asked here: who may connect is a matter of the socket's
//! permissions.

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use client_binding_ca::{EXIT_CODES, Failure, finish};
use client_binding_client::Client;
use client_binding_proto::vault::UUID;
use client_binding_raw::pass;
use std::env;
use std::io;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::ExitCode;
use uuid::Uuid;

/// Sends each client of a UNIX socket a descriptor of the TEE that is good for one TA alone
///
/// Whoever gets it is still who it is: the TA's sessions answer to it as if it had opened the device itself. Give its socket to
/// vault --device-from. The kernel needs CONFIG_TEE_CLIENT_LIMIT.
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Args {
    /// The TA, which is the vault if you do not say
    #[arg(long, value_name = "UUID", default_value_t = Uuid::from_bytes(UUID.octets), hide_default_value = true)]
    ta: Uuid,
    /// Instead, what this grant lends
    #[arg(long, value_name = "NUMBER", conflicts_with = "ta")]
    grant: Option<u64>,
    /// Where to listen; a service of systemd is given its socket
    socket: Option<PathBuf>,
}

fn main() -> ExitCode {
    finish("vault-broker", run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    // Better now than for each client.
    drop(limited(args)?);
    for connection in listener(args)?.incoming() {
        let connection =
            connection.map_err(|error| Failure::other(format!("cannot accept: {error}")))?;
        let sent = limited(args).and_then(|client| {
            let sent = client.send_to(&connection);
            sent.map_err(|error| Failure::other(format!("cannot send: {error}")))
        });
        // One client that went away is no reason to let down the others.
        if let Err(failure) = sent {
            eprintln!("vault-broker: {failure}");
        }
    }
    Ok(())
}

fn limited(args: &Args) -> Result<Client, Failure> {
    let limited = Client::connect().and_then(|client| {
        match args.grant {
            Some(number) => client.limit_to_grant(number),
            None => client.limit_to_ta(args.ta),
        }?;
        Ok(client)
    });
    limited.map_err(Failure::at_limit)
}

fn listener(args: &Args) -> Result<UnixListener, Failure> {
    let Some(path) = &args.socket else {
        return activated()
            .map_err(|error| Failure::other(format!("the socket that I was given: {error}")));
    };
    UnixListener::bind(path).map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => " (if no other broker is there, remove it)",
            _ => "",
        };
        Failure::other(format!(
            "cannot listen on {}: {error}{advice}",
            path.display()
        ))
    })
}

/// The socket that systemd passes, as sd_listen_fds(3) describes.
fn activated() -> io::Result<UnixListener> {
    let is = |name, value: &str| env::var(name).is_ok_and(|found| found == value);
    if !is("LISTEN_PID", &std::process::id().to_string()) || !is("LISTEN_FDS", "1") {
        let text = "name a socket; only a service with one socket unit is given one";
        Args::command()
            .error(ErrorKind::MissingRequiredArgument, text)
            .exit();
    }
    Ok(pass::inherited(3)?.into())
}
