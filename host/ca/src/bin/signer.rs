// SPDX-License-Identifier: BSD-2-Clause
//! Has documents signed that somebody has confirmed.

use clap::Parser;
use client_binding_ca::{Failure, LOGINS, connect, finish, parse_login, print};
use client_binding_client::object::{Call, Object, Reply, Root};
use client_binding_client::{Error, Login, Param};
use client_binding_proto::signer::{Command, DOCUMENT_MAX, SIGNATURE_SIZE, UUID};
use client_binding_raw::code::TEE_ERROR_TIMEOUT;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs;
use std::io::{Write, stderr, stdin};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use uuid::Uuid;

/// Has the signer TA sign files, each after you have said yes
///
/// The TA asks this program in the middle of its command, and signs what it has asked about, with a key that nobody has
/// when the program ends. You have a minute to answer. With each signature the TA hands an object out that can verify
/// and cannot sign: by that one the signature is checked before it is printed. This takes Linux 7.3 with
/// CONFIG_OPTEE_OBJECTS, and OP-TEE with CFG_CLIENT_BINDING_OBJECTS and CFG_CLIENT_BINDING_DELEGATION.
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Args {
    #[arg(long, default_value = "user", value_parser = parse_login, help = LOGINS)]
    login: Login,
    /// Say yes to all
    #[arg(long)]
    yes: bool,
    /// Files of up to 4096 octets
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

const EXIT_CODES: &str = "Exit status:
  0  all files are signed
  1  one is not, since nobody said yes; or something else went wrong
  2  wrong usage
  3  access denied
  6  the TEE or the TA cannot be reached, or has no objects";

fn main() -> ExitCode {
    finish("signer", run(Args::parse()))
}

fn run(args: Args) -> Result<(), Failure> {
    let documents: Result<Vec<_>, _> = args.files.iter().map(|file| read(file)).collect();
    let documents = documents?;
    let name = |file: &PathBuf| file.display().to_string();
    let names: Vec<_> = args.files.iter().map(name).collect();
    let root = Root::of(&connect(None)?).map_err(Failure::at_objects)?;
    let asked = names.clone();
    let agrees = move |call: Call<'_>| args.yes || confirms(&asked, call);
    let _server = root
        .serve(move |call| Reply::result(u32::from(!agrees(call))))
        .map_err(Failure::at_objects)?;
    let signer = root
        .open(Uuid::from_bytes(UUID.octets), args.login)
        .map_err(|error| Failure::at_open(error, "signer", args.login))?;
    let mut refused = Vec::new();
    for ((number, name), document) in (0..).zip(&names).zip(&documents) {
        match sign(&signer, number, document) {
            Ok((signature, handle)) => {
                let nothing = || Failure::other("the TA hands out nothing to verify with");
                verify(&handle.ok_or_else(nothing)?, document, &signature)?;
                print(format!("{}  {name}\n", hex(&signature)).as_bytes())?;
            }
            Err(Error::Cancelled { .. }) => refused.push(name.as_str()),
            Err(error) if error.code() == TEE_ERROR_TIMEOUT => refused.push(name.as_str()),
            Err(error) => return Err(Failure::at_command(error)),
        }
    }
    match refused.as_slice() {
        [] => Ok(()),
        names => Err(Failure::other(format!("not signed: {}", names.join(", ")))),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let name = file.display();
    let document = fs::read(file).map_err(|error| Failure::other(format!("{name}: {error}")))?;
    match document.len() {
        0..=DOCUMENT_MAX => Ok(document),
        size => Err(Failure::other(format!(
            "{name}: {size} octets, and {DOCUMENT_MAX} are the most"
        ))),
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Whether somebody at the terminal agrees, in time.
fn confirms(names: &[String], call: Call<'_>) -> bool {
    let name = names.get(call.object as usize).map_or("?", String::as_str);
    let text = String::from_utf8_lossy(call.octets);
    let (size, text) = (call.octets.len(), text.escape_debug());
    let asked = write!(stderr(), "{name}, {size} octets: {text}\nSign it? [y/N] ");
    let answer = asked.ok().and_then(|()| line(call.time));
    if answer.is_none() {
        // Nobody else ends the line.
        let _ = writeln!(stderr());
    }
    matches!(answer.as_deref(), Some(b"y" | b"Y" | b"yes"))
}

/// A line of stdin, and not an octet more, if it comes before the TA gives up.
fn line(time: Duration) -> Option<Vec<u8>> {
    let stdin = stdin().as_fd().try_clone_to_owned().ok()?;
    let timeout = PollTimeout::try_from(time).unwrap_or(PollTimeout::NONE);
    let (mut line, mut octet) = (Vec::new(), [0]);
    loop {
        let mut sources = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        let ready = poll(&mut sources, timeout).is_ok_and(|ready| ready > 0);
        if !ready || nix::unistd::read(&stdin, &mut octet) != Ok(1) {
            return None;
        }
        match octet {
            [b'\n'] => return Some(line),
            [octet] => line.push(octet),
        }
    }
}

type Signature = [u8; SIGNATURE_SIZE];

fn sign(
    signer: &Object,
    number: u32,
    document: &[u8],
) -> Result<(Signature, Option<Object>), Error> {
    let mut signature = [0; SIGNATURE_SIZE];
    let mut params = [
        Param::Callback(number),
        Param::MemIn(document),
        Param::MemOut(&mut signature, 0),
        Param::ObjectOut(None),
    ];
    signer.invoke(Command::Sign.number(), &mut params)?;
    let handle = params[3].take_object();
    Ok((signature, handle))
}

fn verify(handle: &Object, document: &[u8], signature: &Signature) -> Result<(), Failure> {
    let mut params = [
        Param::MemIn(document),
        Param::MemIn(signature),
        Param::None,
        Param::None,
    ];
    let verified = handle.invoke(Command::Verify.number(), &mut params);
    verified.map_err(Failure::at_command)
}
