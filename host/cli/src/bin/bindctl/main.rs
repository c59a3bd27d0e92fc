// SPDX-License-Identifier: BSD-2-Clause
//! Shows what `client_binding.pta` knows: who owns which TA, and who was refused.

mod cursor;
mod failure;
mod names;
mod pta;
mod reason;
mod view;
mod watch;

use anyhow::Context;
use clap::{Parser, Subcommand};
use client_binding_raw::pta::Pta;
use cursor::Cursor;
use failure::Failure;
use names::Names;
use serde::Serialize;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;
use view::{CountersView, InstanceView, NewsView, Status};
use watch::Watch;

const ABOUT: &str = "Shows who owns which TA, and who was refused

OP-TEE with client binding lets a session be used by the client that opened it alone, and an instance of a bound TA by \
the client that owns it. bindctl asks OP-TEE's pseudo TA client_binding.pta what came of that. It changes nothing.

OP-TEE must be built with CFG_CLIENT_BINDING=y CFG_CLIENT_BINDING_PTA=y. The pseudo TA answers to root alone.";

const AFTER: &str = "Clients:
  A client is a login method and a client UUID, which cannot be computed back. For USER and GROUP logins bindctl computes
  those of all users in /etc/passwd and all groups in /etc/group, and tells the name of the one that fits. An application
  or a process has no name here; client-id computes the UUID of an application.

Exit status:
  0  done
  1  an error in between, which is told
  2  wrong arguments
  3  there is no TEE, or its OP-TEE has no client_binding.pta
  4  not allowed: not root, or root of a user namespace only
  5  client_binding.pta is of another version than this program understands

Examples:
  bindctl status
  bindctl denials --since 1200
  bindctl denials --follow --json | jq 'select(.reason == \"not-the-client\")'
  bindctl owners --json | jq -r '.[].client.name'";

const DENIALS: &str = "Tells what was refused, from the oldest to the newest

Refusals are numbered from 1 since boot. Those that are alike and came one after the other are one entry. OP-TEE keeps \
the last entries only; how many refusals are lost is told. Times are those of the last one, by the secure world's clock. \
CLAIM is the login method of who was refused, OWNER that of the session's client, or of the instance's owner for an open. \
Who was refused is not recorded.

With --follow it prints those that are kept, then one line for each that comes. The driver wakes it at once, but not more \
often than every second; without /sys/class/tee/tee0/refused_calls it asks every second. Refusals that the driver does not \
see as such (a TA that opens another one, a client at its limit of sessions) are told within ten seconds.";

/// Shows who owns which TA, and who was refused
#[derive(Parser)]
#[command(version, long_about = ABOUT, after_long_help = AFTER)]
struct Args {
    #[command(subcommand)]
    command: Command,
    /// Print JSON; with --follow, one object a line
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Tells all instances of TAs with their owners, and how much was refused
    Status,
    /// Tells what was refused, why, and what usually helps
    #[command(long_about = DENIALS)]
    Denials {
        /// Go on and tell what comes
        #[arg(long, short)]
        follow: bool,
        /// Leave out refusals up to this number
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        since: u64,
    },
    /// Tells for each client which TAs it owns
    Owners,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Other(error)) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bindctl: {failure}");
            ExitCode::from(failure.status())
        }
    }
}

/// Who reads has read enough.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

fn run(args: &Args) -> Result<(), Failure> {
    let pta = pta::open()?;
    match args.command {
        Command::Status => {
            let names = Names::of(Path::new("/etc"));
            let instances = pta.instances()?;
            let status = Status {
                instances: instances
                    .iter()
                    .map(|instance| InstanceView::new(instance, &names))
                    .collect(),
                refused: CountersView::new(&pta.counters()?),
            };
            print(args.json, &status, Status::text)?;
        }
        Command::Owners => {
            let owners = view::owners(&pta.instances()?, &Names::of(Path::new("/etc")));
            print(args.json, &owners, |owners| view::owners_text(owners))?;
        }
        Command::Denials {
            follow: true,
            since,
        } => follow(&pta, Cursor(since), args.json)?,
        Command::Denials { since, .. } => {
            let news = news(&pta, &mut Cursor(since))?;
            print(args.json, &news, |news| view::denials_text(news))?;
        }
    }
    Ok(())
}

fn print<T: Serialize>(json: bool, what: &T, text: impl Fn(&T) -> String) -> anyhow::Result<()> {
    let text = if json {
        serde_json::to_string_pretty(what)? + "\n"
    } else {
        text(what)
    };
    write(&text)
}

fn write(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.context("cannot write")
}

fn news(pta: &Pta, cursor: &mut Cursor) -> anyhow::Result<Vec<NewsView>> {
    let (denials, lost) = pta.denials(cursor.0)?;
    let news = cursor.advance(&denials, lost);
    Ok(news.iter().map(NewsView::new).collect())
}

/// Until somebody ends it, or nobody reads it.
fn follow(pta: &Pta, mut cursor: Cursor, json: bool) -> anyhow::Result<()> {
    let mut watch = Watch::open(watch::ATTRIBUTE)?;
    if !watch.is_woken() {
        eprintln!(
            "bindctl: the driver has no {}, so OP-TEE is asked every second",
            watch::ATTRIBUTE
        );
    }
    loop {
        watch.arm()?;
        for each in news(pta, &mut cursor)? {
            let line = if json {
                serde_json::to_string(&each)?
            } else {
                each.line()
            };
            write(&(line + "\n"))?;
        }
        if !watch.wait(io::stdout())? {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn arguments() {
        Args::command().debug_assert();
        let args = Args::parse_from(["bindctl", "denials", "-f", "--since", "7", "--json"]);
        assert!(args.json);
        let Command::Denials {
            follow: true,
            since: 7,
        } = args.command
        else {
            panic!("misread");
        };
        assert!(Args::try_parse_from(["bindctl"]).is_err());
        assert!(Args::try_parse_from(["bindctl", "denials", "--since", "-1"]).is_err());
    }

    #[test]
    fn a_reader_that_goes_away_is_no_error() {
        let of = |kind| {
            Err::<(), _>(io::Error::from(kind))
                .context("cannot write")
                .unwrap_err()
        };
        assert!(is_broken_pipe(&of(ErrorKind::BrokenPipe)));
        assert!(!is_broken_pipe(&of(ErrorKind::StorageFull)));
    }
}
