// SPDX-License-Identifier: BSD-2-Clause
//! What the clients share: how a login is written, and how a failure ends a program.

#![forbid(unsafe_code)]

use client_binding_client::{Error, Login, Origin};
use client_binding_proto::vault::{Refusal, SECRET_MAX};
use std::fmt::Display;
use std::io::{Read, Write, stdout};
use std::process::ExitCode;
use zeroize::Zeroizing;

/// Printed below the help of each program.
pub const EXIT_CODES: &str = "Exit status:
  0  done
  1  something else went wrong
  2  wrong usage
  3  access denied
  4  no such secret
  5  the vault does not take this: bad name, too large, empty, or it is full
  6  the TEE or the TA cannot be reached";

/// Reads `public`, `user` or `group=GID`.
pub fn parse_login(text: &str) -> Result<Login, String> {
    match text.split_once('=') {
        None if text == "public" => Ok(Login::Public),
        None if text == "user" => Ok(Login::User),
        Some(("group", gid)) => match gid.parse() {
            Ok(gid) => Ok(Login::Group(gid)),
            Err(_) => Err(format!("{gid:?} is not a group number")),
        },
        _ => Err("write public, user or group=GID".into()),
    }
}

/// Why a program ends without having done its work.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    message: String,
    status: u8,
}

impl Failure {
    /// A failure that has no status of its own.
    pub fn other(message: impl Display) -> Self {
        Self::new(message, 1)
    }

    fn new(message: impl Display, status: u8) -> Self {
        let message = message.to_string();
        Self { message, status }
    }

    /// A session that could not be opened.
    pub fn at_open(error: Error, ta: &str, login: Login) -> Self {
        let (advice, status) = match (&error, login) {
            (Error::NoTee, _) => ("is there a /dev/tee0, and may you open it?".into(), 6),
            (Error::AccessDenied { .. }, Login::Public) => (
                format!("{ta} may want to know its client: try --login user"),
                3,
            ),
            (Error::AccessDenied { .. }, _) => (
                format!(
                    "{ta} belongs to another client or to another login; use the login that opened it first"
                ),
                3,
            ),
            (Error::NotFound { .. }, _) => (
                format!("is {ta} installed in /usr/lib/optee_armtz, and does tee-supplicant run?"),
                6,
            ),
            (
                Error::Communication { .. }
                | Error::BadParameters {
                    origin: Origin::Comms,
                },
                Login::Group(gid),
            ) => (format!("are you a member of group {gid}?"), 3),
            (Error::Busy { .. }, _) => ("try again when its other client is done".into(), 6),
            (Error::Other { .. }, _) => (
                format!(
                    "a {ta} with the flag for client binding does not load on a core without it; see the secure world's log"
                ),
                6,
            ),
            _ => ("see the kernel's and the secure world's log".into(), 6),
        };
        Self::new(format!("cannot open {ta}: {error} ({advice})"), status)
    }

    /// A command that failed.
    pub fn at_invoke(error: Error) -> Self {
        if error.origin() == Origin::TrustedApp
            && let Some(refusal) = Refusal::from_code(error.code())
        {
            let status = if refusal == Refusal::NotFound { 4 } else { 5 };
            return Self::new(refusal, status);
        }
        match error {
            Error::AccessDenied { .. } => Self::new(error, 3),
            Error::TargetDead { .. } | Error::Communication { .. } => Self::new(error, 6),
            _ => Self::other(error),
        }
    }
}

/// Ends a program: its message on stderr, its status for the caller.
pub fn finish(program: &str, result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { message, status }) => {
            eprintln!("{program}: {message}");
            ExitCode::from(status)
        }
    }
}

/// The secret on stdin, every octet of it, line ends too.
pub fn read_secret(input: impl Read) -> Result<Zeroizing<Vec<u8>>, Failure> {
    // One octet more than allowed tells "too large" from "just fits", and a buffer
    // that does not grow leaves no copies behind.
    let mut secret = Zeroizing::new(Vec::with_capacity(SECRET_MAX + 1));
    input
        .take(SECRET_MAX as u64 + 1)
        .read_to_end(&mut secret)
        .map_err(|error| Failure::other(format!("cannot read the secret from stdin: {error}")))?;
    match secret.len() {
        0 => Err(Failure::new(Refusal::Empty, 5)),
        len if len > SECRET_MAX => Err(Failure::new(Refusal::TooLarge, 5)),
        _ => Ok(secret),
    }
}

/// Writes to stdout as it is.
pub fn print(octets: &[u8]) -> Result<(), Failure> {
    let mut out = stdout().lock();
    out.write_all(octets)
        .and_then(|()| out.flush())
        .map_err(|error| Failure::other(format!("cannot write to stdout: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins() {
        assert_eq!(parse_login("public"), Ok(Login::Public));
        assert_eq!(parse_login("user"), Ok(Login::User));
        assert_eq!(parse_login("group=2000"), Ok(Login::Group(2000)));
        for bad in [
            "",
            "User",
            "group",
            "group=",
            "group=-1",
            "group=4294967296",
            "user=1",
        ] {
            assert!(parse_login(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn secrets_are_taken_as_they_are() {
        assert_eq!(**read_secret(&b"a\n"[..]).unwrap(), *b"a\n");
        let largest = [7; SECRET_MAX];
        assert_eq!(**read_secret(&largest[..]).unwrap(), largest);
        let too_large = [7; SECRET_MAX + 1];
        assert_eq!(read_secret(&too_large[..]).unwrap_err().status, 5);
        assert_eq!(read_secret(&b""[..]).unwrap_err().status, 5);
    }

    #[test]
    fn statuses() {
        let invoke = |code, origin| Failure::at_invoke(Error::from_numbers(code, origin)).status;
        assert_eq!(invoke(0xffff_0001, 3), 3);
        assert_eq!(invoke(0xffff_0008, 4), 4);
        assert_eq!(invoke(0xffff_3041, 4), 5);
        assert_eq!(invoke(0xffff_3024, 3), 6);
        assert_eq!(invoke(0xffff_0008, 3), 1, "not the vault's words");
        let open = |code, login| Failure::at_open(Error::from_numbers(code, 3), "x", login).status;
        assert_eq!(open(0xffff_0001, Login::User), 3);
        assert_eq!(open(0xffff_0008, Login::User), 6);
    }
}
