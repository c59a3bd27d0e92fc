// SPDX-License-Identifier: BSD-2-Clause
//! What the vault's owner lends.

use crate::Vault;
use client_binding_abi::delegation::{FOREVER, UNLIMITED};
use client_binding_ca::{Failure, GRANTEES, parse_grantee, print};
use client_binding_client::identity::{Names, Principal, uuid};
use client_binding_client::{Client, Grant, Listed, Login};
use client_binding_proto::vault::{Command, UUID};
use comfy_table::{Table, presets};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::collections::HashMap;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

/// What is lent, to whom, and how far.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Name of the secret
    name: String,
    #[arg(long, value_parser = parse_grantee, value_name = "WHOM", help = GRANTEES)]
    to: Principal,
    /// How often it may be read; otherwise any number of times
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..i64::from(UNLIMITED)))]
    uses: Option<u32>,
    /// For how long, such as 10m or 1h30m; otherwise as long as this runs
    #[arg(long = "for", value_parser = parse_time, value_name = "TIME")]
    time: Option<Duration>,
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    match time.as_millis() {
        0 => Err("that is no time: write at least 1ms".to_owned()),
        _ => Ok(time),
    }
}

/// How often to ask whether it is over.
const PERIOD: Duration = Duration::from_secs(1);

pub(crate) fn share(vault: &Vault, args: &Args) -> Result<(), Failure> {
    let number = crate::number(vault, args.name.as_bytes())?;
    // Before there is something that a signal has to end.
    let signals = Signals::watch().map_err(|errno| Failure::other(errno.desc()))?;
    let mut offer = vault.grant(args.to.into(), Command::Get);
    offer = offer.badge(number);
    if let Some(uses) = args.uses {
        offer = offer.uses(uses);
    }
    if let Some(time) = args.time {
        offer = offer.expires_in(time);
    }
    let grant = offer.make().map_err(Failure::at_lending)?;
    print(format!("{}\n", grant.number()).as_bytes())?;
    while lends(&grant)? {
        if signals
            .wait()
            .map_err(|errno| Failure::other(errno.desc()))?
        {
            break;
        }
    }
    Ok(())
}

/// Whether it can be used still, or is being used.
fn lends(grant: &Grant) -> Result<bool, Failure> {
    let listed = grant.look().map_err(Failure::at_lending)?;
    Ok(listed.is_some_and(|grant| grant.state != Listed::OVER))
}

/// What asks us to end.
struct Signals(SignalFd);

impl Signals {
    fn watch() -> nix::Result<Self> {
        let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
        signals.thread_block()?;
        Ok(Self(SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC)?))
    }

    /// Whether one came within a [`PERIOD`].
    fn wait(&self) -> nix::Result<bool> {
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(PERIOD).unwrap_or(PollTimeout::MAX);
        Ok(poll(&mut fds, timeout)? != 0)
    }
}

pub(crate) fn unshare(client: &Client, number: u64, login: Login) -> Result<(), Failure> {
    // A command that runs is as good as done: there is none that takes its time.
    client
        .revoke(number, login, false)
        .map(drop)
        .map_err(Failure::at_lending)
}

pub(crate) fn shares(client: &Client, login: Login, as_object: bool) -> Result<(), Failure> {
    let mut grants = client.grants(login).map_err(Failure::at_lending)?;
    grants.retain(|grant| uuid(grant.ta).into_bytes() == UUID.octets);
    if grants.is_empty() {
        return Ok(());
    }
    // Root sees those of others, and would be refused by the vault.
    let mine = |grant: &Listed| grant.owner_login.0 == login.method();
    let secrets = match grants.iter().any(mine) {
        true => secrets(client, login, as_object)?,
        false => HashMap::new(),
    };
    let names = Names::of(Path::new("/etc"));
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header([
        "grant",
        "to",
        "secret",
        "uses left",
        "time left",
    ]);
    for grant in &grants {
        table.add_row(row(grant, &secrets, &names));
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned() + "\n");
    print(lines.collect::<String>().as_bytes())
}

/// The names of the secrets by their numbers.
fn secrets(
    client: &Client,
    login: Login,
    as_object: bool,
) -> Result<HashMap<u64, String>, Failure> {
    let vault = Vault::open(client, login, as_object)?;
    let names = crate::list(&vault)?;
    let names = names.split(|&c| c == b'\n').filter(|name| !name.is_empty());
    names
        .map(|name| {
            let number = crate::number(&vault, name)?;
            Ok((number, String::from_utf8_lossy(name).into_owned()))
        })
        .collect()
}

fn row(grant: &Listed, secrets: &HashMap<u64, String>, names: &Names) -> [String; 5] {
    let to = names.find(grant.grantee_login, grant.grantee);
    let secret = secrets.get(&grant.badge).cloned();
    [
        grant.number.to_string(),
        to.unwrap_or_else(|| uuid(grant.grantee).to_string()),
        secret.unwrap_or_else(|| format!("number {}", grant.badge)),
        match grant.uses {
            UNLIMITED => "any".to_owned(),
            uses => uses.to_string(),
        },
        match grant.left {
            FOREVER => "any".to_owned(),
            left => {
                humantime::format_duration(Duration::from_secs(left.div_ceil(1000))).to_string()
            }
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use client_binding_abi::ClientUuid;

    #[test]
    fn times() {
        assert_eq!(parse_time("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(parse_time("1h 30m"), Ok(Duration::from_secs(5400)));
        for bad in ["", "10", "0s", "10us", "-1s", "soon"] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_share_is_told_by_names_if_there_are_any() {
        let web = Principal::User(33);
        let mut grant = Listed::from_octets(&[0; Listed::SIZE]);
        grant.number = 256;
        grant.badge = 7;
        grant.grantee_login = web.login();
        grant.grantee = ClientUuid::from_octets(web.uuid().into_bytes());
        (grant.uses, grant.left) = (UNLIMITED, FOREVER);
        let unnamed = row(&grant, &HashMap::new(), &Names::default());
        let uuid = web.uuid().to_string();
        assert_eq!(unnamed, ["256", &uuid, "number 7", "any", "any"]);
        (grant.uses, grant.left) = (2, 59_001);
        let names = Names::from_texts("web:x:33:33:::\n", "");
        let secrets = HashMap::from([(7, "key".to_owned())]);
        let named = row(&grant, &secrets, &names);
        assert_eq!(named, ["256", "web (uid 33)", "key", "2", "1m"]);
    }
}
