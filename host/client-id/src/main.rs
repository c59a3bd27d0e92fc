// SPDX-License-Identifier: BSD-2-Clause
//! Computes the identities of clients, for TAs that name theirs.

#![forbid(unsafe_code)]

mod people;
mod table;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use client_binding_identity::{Application, Measurement, Principal};
use people::People;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use table::Named;
use uuid::Uuid;

const CLIENTS: &str = "Clients, any number of them:
  user NAME            whoever logs in as this user
  group NAME           a member of this group
  app FILE             whoever executes this file
  user-app NAME FILE   this user, executing this file
  group-app NAME FILE  a member of this group, executing this file
  ta UUID              another TA
  kernel               the Linux kernel

NAME is a name or a number. A FILE is measured as fs-verity does it with SHA-256, blocks
of 4096 octets and no salt, or with --file-hash by the SHA-256 of its content: say how the
device is going to do it. The same file in another place is the same client.

Example, in the build of an image:
  client-id --c --root image/ user-app vaultd image/usr/bin/vaultd kernel >clients.h";

/// Computes the identity that a TA sees of a client
///
/// Prints login method, client UUID and what it is computed from, a line for each client;
/// or a table for a TA that lets nobody else in.
#[derive(Parser)]
#[command(version, after_help = CLIENTS)]
struct Args {
    /// Print a table for a TA in Rust: include!() it, and give it to client_binding_clients::require()
    #[arg(long, conflicts_with = "c")]
    rust: bool,
    /// Print a header for a TA in C, with a function for its open hook
    #[arg(long)]
    c: bool,
    /// Whose etc/passwd and etc/group know the names
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// The device has no fs-verity: the driver hashes the file
    #[arg(long)]
    file_hash: bool,
    /// See below
    #[arg(required = true, value_name = "CLIENT")]
    clients: Vec<String>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("client-id: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<String> {
    let clients = read(&args.clients, &args.root, args.file_hash)?;
    Ok(if args.rust {
        table::rust(&clients)
    } else if args.c {
        table::c(&clients)
    } else {
        table::text(&clients)
    })
}

fn read(words: &[String], root: &Path, file_hash: bool) -> Result<Vec<Named>> {
    let people = People::of(root);
    let mut words = words.iter().map(String::as_str);
    let mut clients = Vec::new();
    while let Some(kind) = words.next() {
        let mut next = |what| {
            words
                .next()
                .with_context(|| format!("{what} is missing after {kind}"))
        };
        let client = match kind {
            "user" => Named::Principal(Principal::User(people.uid(next("NAME")?)?)),
            "group" => Named::Principal(Principal::Group(people.gid(next("NAME")?)?)),
            "app" => Named::Principal(Principal::Application(measure(next("FILE")?, file_hash)?)),
            "user-app" => {
                let uid = people.uid(next("NAME")?)?;
                let app = measure(next("FILE")?, file_hash)?;
                Named::Principal(Principal::UserApplication(uid, app))
            }
            "group-app" => {
                let gid = people.gid(next("NAME")?)?;
                let app = measure(next("FILE")?, file_hash)?;
                Named::Principal(Principal::GroupApplication(gid, app))
            }
            "ta" => {
                let text = next("UUID")?;
                let uuid = Uuid::try_parse(text);
                Named::TrustedApp(uuid.with_context(|| format!("{text:?} is not a UUID"))?)
            }
            "kernel" => Named::Kernel,
            _ => bail!(
                "{kind:?} is not a kind of client: write user, group, app, user-app, group-app, ta or kernel"
            ),
        };
        ensure!(!clients.contains(&client), "{kind}: named twice");
        clients.push(client);
    }
    Ok(clients)
}

fn measure(file: &str, file_hash: bool) -> Result<Application> {
    let content = fs::read(file).with_context(|| format!("cannot read {file}"))?;
    Ok(Application::OwnCode(if file_hash {
        Measurement::file(&content)
    } else {
        Measurement::verity(&content)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Result<Vec<Named>> {
        let words: Vec<_> = text.split(' ').map(String::from).collect();
        // There are no names here, but numbers do without.
        read(&words, Path::new("/nonexistent"), false)
    }

    #[test]
    fn clients_are_read_one_after_another() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let app = measure(file, false).unwrap();
        let text = format!(
            "user 7 group 8 app {file} user-app 9 {file} group-app 10 {file} ta da2865b7-72bf-45d3-a678-7fdd24616a37 kernel"
        );
        let expected = [
            Named::Principal(Principal::User(7)),
            Named::Principal(Principal::Group(8)),
            Named::Principal(Principal::Application(app)),
            Named::Principal(Principal::UserApplication(9, app)),
            Named::Principal(Principal::GroupApplication(10, app)),
            Named::TrustedApp(uuid::uuid!("da2865b7-72bf-45d3-a678-7fdd24616a37")),
            Named::Kernel,
        ];
        assert_eq!(words(&text).unwrap(), expected);
        assert_ne!(measure(file, true).unwrap(), app);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, says) in [
            ("user", "NAME is missing after user"),
            ("user-app 7", "FILE is missing after user-app"),
            ("group -1", "-1"),
            ("user 4294967295", "no uid"),
            ("app /nonexistent", "cannot read /nonexistent"),
            ("ta x", "not a UUID"),
            ("public", "not a kind of client"),
            ("kernel kernel", "twice"),
        ] {
            let error = format!("{:#}", words(text).unwrap_err());
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
