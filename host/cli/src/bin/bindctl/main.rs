// SPDX-License-Identifier: BSD-2-Clause
//! Shows what OP-TEE knows: who owns which TA, who lent what to whom, and who was refused.

mod cursor;
mod failure;
mod grants;
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
use grants::{LentView, Revoked};
use names::Names;
use serde::Serialize;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;
use view::{CountersView, InstanceView, NewsView, Status};
use watch::Watch;

const ABOUT: &str = "Shows who owns which TA, who lent what to whom, and who was refused

OP-TEE with client binding lets a session be used by the client that opened it alone, and an instance of a bound TA by \
the client that owns it. bindctl asks OP-TEE's pseudo TA client_binding.pta what came of that, and client_binding.lend which \
commands are lent to others. Nothing but `bindctl revoke` changes anything, and that can only take back what was lent.

OP-TEE must be built with CFG_CLIENT_BINDING=y CFG_CLIENT_BINDING_PTA=y; for grants and revoke with \
CFG_CLIENT_BINDING_DELEGATION=y. client_binding.pta answers to root alone. client_binding.lend tells root of all grants, and \
any other user of those that the user, logged in as a user, may take back.";

const AFTER: &str = "Clients:
  A client is a login method and a client UUID, which cannot be computed back. For USER and GROUP logins bindctl computes
  those of all users in /etc/passwd and all groups in /etc/group, and tells the name of the one that fits. An application
  or a process has no name here; client-id computes the UUID of an application.

Exit status:
  0  done
  1  an error in between, which is told
  2  wrong arguments
  3  there is no TEE, or its OP-TEE has not the pseudo TA that is asked
  4  not allowed: not root, or root of a user namespace only
  5  that pseudo TA is of another version than this program understands
  6  there is no grant with that number, or it is not the caller's to take back

Examples:
  bindctl status
  bindctl denials --since 1200
  bindctl denials --follow --json | jq 'select(.reason == \"not-the-client\")'
  bindctl owners --json | jq -r '.[].client.name'
  bindctl grants
  bindctl revoke 256 --cancel";

const DENIALS: &str = "Tells what was refused, from the oldest to the newest

Refusals are numbered from 1 since boot. Those that are alike and came one after the other are one entry. OP-TEE keeps \
the last entries only; how many refusals are lost is told. Times are those of the last one, by the secure world's clock. \
CLAIM is the login method of who was refused, OWNER that of the session's client, or of the instance's owner for an open. \
Who was refused is not recorded.

With --follow it prints those that are kept, then one line for each that comes. The driver wakes it at once, but not more \
often than every second; without /sys/class/tee/tee0/refused_calls it asks every second. Refusals that the driver does not \
see as such (a TA that opens another one, a client at its limit of sessions) are told within ten seconds.";

const GRANTS: &str = "Tells what is lent: whose session's commands, to whom, how often and until when

OWNER is the client of the session, GRANTEE whoever may invoke the commands: login method and name, or client UUID if no user \
and no group has it. USED is how often the grant was used, LEFT how often it may be used still. BADGE is a number that the \
maker of the grant chose for the TA. DEPTH is how often it may be passed on one after the other, FROM the grant that it was \
passed on from. STATE is \"over\" if it lends nothing any more, since it or what it was passed on from is used up, out of \
time or taken back, and \"running\" while a command of it is in the TA.

How many grants there may be is told below: in all, of the sessions of one owner, of those to one grantee. Who wants to lend more is \
told TEE_ERROR_BUSY. \"Full\" names what is in the way, as far as the caller sees it: root sees all.";

const REVOKE: &str = "Takes a grant back, and all that was passed on from it

No command of those is let into the TA afterwards. One that is in the TA already ends when the TA ends it; whether there is \
one is told. With --cancel it is cancelled, which a TA may ignore. That can be asked for later, too.

Root may take back any grant. Other users may take back those of their own sessions and those that they passed on, if they \
did that logged in as users.";

/// Shows who owns which TA, who lent what to whom, and who was refused
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
    /// Tells what is lent, by whom, to whom and until when
    #[command(long_about = GRANTS)]
    Grants,
    /// Takes a grant back
    #[command(long_about = REVOKE)]
    Revoke {
        /// The grant's, as `bindctl grants` tells it
        number: u64,
        /// Cancel a command of it that is in the TA
        #[arg(long)]
        cancel: bool,
    },
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
    match args.command {
        Command::Status => {
            let pta = pta::open()?;
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
            let instances = pta::open()?.instances()?;
            let owners = view::owners(&instances, &Names::of(Path::new("/etc")));
            print(args.json, &owners, |owners| view::owners_text(owners))?;
        }
        Command::Denials {
            follow: true,
            since,
        } => follow(&pta::open()?, Cursor(since), args.json)?,
        Command::Denials { since, .. } => {
            let news = news(&pta::open()?, &mut Cursor(since))?;
            print(args.json, &news, |news| view::denials_text(news))?;
        }
        Command::Grants => {
            let tee = pta::connect()?;
            let lender = pta::lender(&tee)?;
            let listed = lender.list().context("cannot list what is lent")?;
            let limits = lender.limits();
            let limits = limits.context("cannot ask how much may be lent")?;
            let lent = LentView::new(&listed, limits, &Names::of(Path::new("/etc")));
            print(args.json, &lent, LentView::text)?;
        }
        Command::Revoke { number, cancel } => {
            let tee = pta::connect()?;
            let running = pta::revoke(&pta::lender(&tee)?, number, cancel)?;
            let revoked = Revoked::new(number, running, cancel);
            print(args.json, &revoked, Revoked::text)?;
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
        let args = Args::parse_from(["bindctl", "revoke", "256", "--cancel"]);
        let Command::Revoke {
            number: 256,
            cancel: true,
        } = args.command
        else {
            panic!("misread");
        };
        for bad in [&["revoke"][..], &["revoke", "-1"], &["revoke", "x"]] {
            let args = ["bindctl"].iter().chain(bad);
            assert!(Args::try_parse_from(args).is_err(), "{bad:?}");
        }
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
