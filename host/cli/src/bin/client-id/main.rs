// SPDX-License-Identifier: BSD-2-Clause
//! Computes the identities of clients, for TAs that name theirs.

mod people;
mod program;
mod table;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use client_binding_client::identity::{Application, Measurement, Principal};
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

A FILE is the whole program: link it statically, to musl. Code from elsewhere, like that
of shared libraries, is not measured, and a process that has such code is another client,
which --any-code names. It is worth less: whoever may execute FILE can bring code along,
by LD_PRELOAD for one, and is then this client too.

A static glibc has a loader in it, for character sets and for host and user names. Whoever
may execute FILE can have it load code, by GCONV_PATH for one, and that code can hide
whenever the driver looks. --own-code says that FILE never calls it: it uses neither
setlocale(), iconv(), getaddrinfo(), getpwnam() and their kind, nor dlopen().

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
    /// Each FILE has code besides its own when it runs, from libraries or a compiler
    #[arg(long)]
    any_code: bool,
    /// Each FILE has no code but its own when it runs, though there is a loader in it
    #[arg(long, conflicts_with = "any_code")]
    own_code: bool,
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
    let how = How {
        file_hash: args.file_hash,
        any_code: args.any_code,
        own_code: args.own_code,
    };
    let clients = read(&args.clients, &args.root, how)?;
    if clients.iter().any(|client| client.has_any_code()) {
        eprintln!(
            "client-id: whoever may execute a program with code besides its own can bring code along and is this client"
        );
    }
    Ok(if args.rust {
        table::rust(&clients)
    } else if args.c {
        table::c(&clients)
    } else {
        table::text(&clients)
    })
}

/// How the device is going to know a program.
#[derive(Clone, Copy)]
struct How {
    file_hash: bool,
    any_code: bool,
    own_code: bool,
}

fn read(words: &[String], root: &Path, how: How) -> Result<Vec<Named>> {
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
            "app" => Named::Principal(Principal::Application(measure(next("FILE")?, how)?)),
            "user-app" => {
                let uid = people.uid(next("NAME")?)?;
                let app = measure(next("FILE")?, how)?;
                Named::Principal(Principal::UserApplication(uid, app))
            }
            "group-app" => {
                let gid = people.gid(next("NAME")?)?;
                let app = measure(next("FILE")?, how)?;
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

fn measure(file: &str, how: How) -> Result<Application> {
    let content = fs::read(file).with_context(|| format!("cannot read {file}"))?;
    let other_code = program::other_code(&content).with_context(|| file.to_string())?;
    let measurement = if how.file_hash {
        hashable(content.len() as u64).with_context(|| file.to_string())?;
        Measurement::file(&content)
    } else {
        Measurement::verity(&content)
    };
    // A file does not show whether the program makes code when it runs.
    if how.any_code {
        return Ok(Application::AnyCode(measurement));
    }
    if let Some(reason) = other_code {
        bail!(
            "{file}: {reason}, and what it executes then is not measured; link it statically, or say --any-code (client-id --help tells what that is worth)"
        );
    }
    if !how.own_code
        && let Some(variable) = program::loader(&content)
    {
        bail!(
            "{file}: there is a loader in it, and by {variable} whoever executes it has it load code; link it to musl, or say --own-code if it never calls the loader (client-id --help tells when)"
        );
    }
    Ok(Application::OwnCode(measurement))
}

fn hashable(size: u64) -> Result<()> {
    let most = Measurement::FILE_MAX;
    ensure!(
        size <= most,
        "{size} octets, of which the driver hashes {most} at most: the device needs fs-verity for this file"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use program::tests::kinds;
    use std::env::temp_dir;

    /// Files of the test with this name: a static program, one that isn't, one with a loader, and a script.
    struct Files(PathBuf);

    impl Files {
        fn new(test: &str) -> Self {
            let dir = temp_dir().join(format!("client-id-{test}-{}", std::process::id()));
            fs::create_dir(&dir).unwrap();
            let [own, linked, loading] = kinds();
            fs::write(dir.join("static"), own).unwrap();
            fs::write(dir.join("linked"), linked).unwrap();
            fs::write(dir.join("loading"), loading).unwrap();
            fs::write(dir.join("script"), "#!/bin/sh\n").unwrap();
            Self(dir)
        }

        /// A word that begins with @ is one of the files.
        fn read(&self, text: &str, how: How) -> Result<Vec<Named>> {
            let word = |word: &str| match word.strip_prefix('@') {
                Some(name) => self.0.join(name).to_str().unwrap().into(),
                None => String::from(word),
            };
            let words: Vec<_> = text.split(' ').map(word).collect();
            // There are no names here, but numbers do without.
            read(&words, Path::new("/nonexistent"), how)
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const VERITY: How = How {
        file_hash: false,
        any_code: false,
        own_code: false,
    };
    const HASH: How = How {
        file_hash: true,
        ..VERITY
    };
    const ANY: How = How {
        any_code: true,
        ..VERITY
    };
    const OWN: How = How {
        own_code: true,
        ..VERITY
    };

    #[test]
    fn clients_are_read_one_after_another() {
        let files = Files::new("read");
        let content = &kinds()[0];
        let text = "user 7 group 8 app @static user-app 9 @static group-app 10 @static ta da2865b7-72bf-45d3-a678-7fdd24616a37 kernel";
        for (how, app) in [
            (VERITY, Application::OwnCode(Measurement::verity(content))),
            (HASH, Application::OwnCode(Measurement::file(content))),
            (ANY, Application::AnyCode(Measurement::verity(content))),
        ] {
            let expected = [
                Named::Principal(Principal::User(7)),
                Named::Principal(Principal::Group(8)),
                Named::Principal(Principal::Application(app)),
                Named::Principal(Principal::UserApplication(9, app)),
                Named::Principal(Principal::GroupApplication(10, app)),
                Named::TrustedApp(uuid::uuid!("da2865b7-72bf-45d3-a678-7fdd24616a37")),
                Named::Kernel,
            ];
            assert_eq!(files.read(text, how).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_linked_at_run_time_has_to_be_asked_for() {
        let files = Files::new("linked");
        for text in ["app @linked", "user-app 7 @linked", "group-app 7 @linked"] {
            let error = files.read(text, VERITY).unwrap_err().to_string();
            assert!(error.contains("linked at run time"), "{error}");
            assert!(error.contains("--any-code"), "{error}");
            let [client] = files.read(text, ANY).unwrap()[..] else {
                panic!("one client")
            };
            assert!(client.has_any_code(), "{client:?}");
        }
    }

    #[test]
    fn a_loader_has_to_be_vouched_for() {
        let files = Files::new("loading");
        let error = files.read("app @loading", VERITY).unwrap_err().to_string();
        assert!(error.contains("LD_LIBRARY_PATH"), "{error}");
        assert!(error.contains("--own-code"), "{error}");
        let measured = Measurement::verity(&kinds()[2]);
        let own = Application::OwnCode(measured);
        let expected = [Named::Principal(Principal::Application(own))];
        assert_eq!(files.read("app @loading", OWN).unwrap(), expected);
        assert!(files.read("app @loading", ANY).unwrap()[0].has_any_code());
        // Nobody can vouch for what is linked at run time.
        assert!(files.read("app @linked", OWN).is_err());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let files = Files::new("wrong");
        for (text, says) in [
            ("user", "NAME is missing after user"),
            ("user-app 7", "FILE is missing after user-app"),
            ("group -1", "-1"),
            ("user 4294967295", "no uid"),
            ("app /nonexistent", "cannot read /nonexistent"),
            ("app @script", "a script"),
            ("ta x", "not a UUID"),
            ("public", "not a kind of client"),
            ("kernel kernel", "twice"),
        ] {
            let error = format!("{:#}", files.read(text, VERITY).unwrap_err());
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn the_driver_hashes_no_large_files() {
        hashable(64 << 20).unwrap();
        let error = hashable((64 << 20) + 1).unwrap_err().to_string();
        assert!(error.contains("67108865 octets"), "{error}");
        assert!(error.contains("needs fs-verity"), "{error}");
    }
}
