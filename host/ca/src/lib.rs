// SPDX-License-Identifier: BSD-2-Clause
//! What the clients share: how a login is written, and how a failure ends a program.

mod grantee;
mod myself;

use client_binding_client::app;
use client_binding_client::identity::{Application, Principal};
use client_binding_client::{Client, Error, Login, Origin};
use client_binding_proto::vault::{Refusal, SECRET_MAX};
pub use grantee::{GRANTEES, parse_grantee};
use myself::{IdMap, has_own_code_only};
use std::fmt::{self, Display, Formatter};
use std::io::{Read, Write, stdout};
use std::os::unix::net::UnixStream;
use std::path::Path;
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

/// How people write a login, for the help of each program.
pub const LOGINS: &str =
    "public, user, group=GID, application, user-application, group-application=GID or process";

/// Reads one of [`LOGINS`].
pub fn parse_login(text: &str) -> Result<Login, String> {
    let (name, gid) = match text.split_once('=') {
        Some((name, gid)) => match gid.parse() {
            Ok(gid) => (name, Some(gid)),
            Err(_) => return Err(format!("{gid:?} is not a group number")),
        },
        None => (text, None),
    };
    Ok(match (name, gid) {
        ("public", None) => Login::Public,
        ("user", None) => Login::User,
        ("group", Some(gid)) => Login::Group(gid),
        ("application", None) => Login::Application,
        ("user-application", None) => Login::UserApplication,
        ("group-application", Some(gid)) => Login::GroupApplication(gid),
        ("process", None) => Login::Process,
        _ => return Err(format!("write {LOGINS}")),
    })
}

/// Whom a TA is going to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nobody: the nil UUID.
    Nobody,
    /// This one.
    Principal(Principal),
    /// Somebody whose UUID nobody outside the kernel can tell beforehand.
    Unknown,
}

/// Whom a TA is going to see if this very program logs in, by what it can find out about
/// itself; and what to say of it inside of a user namespace, where users and groups are
/// counted otherwise than the TEE sees them.
pub fn expected(login: Login) -> Result<(Expected, Option<String>), Failure> {
    let known = |principal| (Expected::Principal(principal), None);
    Ok(match login {
        Login::Public => (Expected::Nobody, None),
        Login::User => Number::user()?.of(Principal::User),
        Login::Group(gid) => Number::group(gid)?.of(Principal::Group),
        Login::Application => known(Principal::Application(application()?)),
        Login::UserApplication => {
            let app = application()?;
            Number::user()?.of(|uid| Principal::UserApplication(uid, app))
        }
        Login::GroupApplication(gid) => {
            let app = application()?;
            Number::group(gid)?.of(|gid| Principal::GroupApplication(gid, app))
        }
        Login::Process => (Expected::Unknown, None),
    })
}

/// What this process is an application by.
fn application() -> Result<Application, Failure> {
    let measurement = app::measure(Path::new("/proc/self/exe"));
    let measurement = measurement.map_err(Failure::other)?;
    let own = has_own_code_only().map_err(|error| Failure::other(format!("my memory: {error}")))?;
    Ok(match own {
        true => Application::OwnCode(measurement),
        false => Application::AnyCode(measurement),
    })
}

/// A user or a group, as it is counted here and outside of the user namespace.
struct Number {
    kind: &'static str,
    here: u32,
    outside: Option<u32>,
}

impl Number {
    fn user() -> Result<Self, Failure> {
        let uid = nix::unistd::geteuid().as_raw();
        Self::new("uid", uid, IdMap::of_users())
    }

    fn group(gid: u32) -> Result<Self, Failure> {
        Self::new("gid", gid, IdMap::of_groups())
    }

    fn new(kind: &'static str, here: u32, map: std::io::Result<IdMap>) -> Result<Self, Failure> {
        let map = map.map_err(|error| Failure::other(format!("/proc/self/{kind}_map: {error}")))?;
        Ok(Self {
            kind,
            here,
            outside: map.outside(here),
        })
    }

    fn of(self, principal: impl FnOnce(u32) -> Principal) -> (Expected, Option<String>) {
        let Self {
            kind,
            here,
            outside,
        } = self;
        match outside {
            Some(same) if same == here => (Expected::Principal(principal(same)), None),
            Some(outside) => (
                Expected::Principal(principal(outside)),
                Some(format!(
                    "{kind} {here} here is {outside} outside of this user namespace"
                )),
            ),
            None => (
                Expected::Unknown,
                Some(format!(
                    "{kind} {here} is nobody outside of this user namespace"
                )),
            ),
        }
    }
}

/// The help of [`connect`]'s argument.
pub const DEVICE_FROM: &str =
    "Do not open the device, but be sent a descriptor of it by the broker at this socket";

/// Connects to the TEE, or is sent a connection by a broker (see `vault-broker`).
pub fn connect(device_from: Option<&Path>) -> Result<Client, Failure> {
    let Some(path) = device_from else {
        return Client::connect().map_err(Failure::at_connect);
    };
    let received = UnixStream::connect(path).and_then(Client::receive_from);
    received.map_err(|error| {
        let path = path.display();
        let advice = "does vault-broker run, and may you write to its socket?";
        Failure::new(format!("no TEE from {path}: {error} ({advice})"), 6)
    })
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

    /// No connection to the TEE.
    fn at_connect(error: Error) -> Self {
        Self::new(
            format!("{error} (is there a /dev/tee0, and may you open it?)"),
            6,
        )
    }

    /// A connection without objects, or whose TAs can be given none.
    pub fn at_objects(error: Error) -> Self {
        match error {
            Error::NoObjects => Self::new(error, 6),
            error => Self::at_command(error),
        }
    }

    /// A descriptor that could not be limited.
    pub fn at_limit(error: Error) -> Self {
        match error {
            Error::NoTee => Self::at_connect(error),
            Error::CannotLimit => Self::new(
                format!("{error} (its TEE driver needs CONFIG_TEE_CLIENT_LIMIT)"),
                6,
            ),
            _ => Self::other(format!("cannot limit a descriptor: {error}")),
        }
    }

    /// A session that could not be opened.
    pub fn at_open(error: Error, ta: &str, login: Login) -> Self {
        let (advice, status) = match (&error, login) {
            (
                Error::AccessDenied {
                    origin: Origin::Comms,
                },
                _,
            ) => ("the descriptor is limited to something else".into(), 3),
            (Error::AccessDenied { .. }, Login::Public) => (
                format!("{ta} may want to know its client: try --login user"),
                3,
            ),
            (Error::AccessDenied { .. }, _) => (
                format!(
                    "{ta} belongs to another client or to another login, or names others as its clients; use the login it knows"
                ),
                3,
            ),
            (Error::NotFound { .. }, _) => (
                format!("is {ta} installed in /usr/lib/optee_armtz, and does tee-supplicant run?"),
                6,
            ),
            (Error::NotAMember { .. }, _) => (
                "the kernel looks at the groups that the process has, not at /etc/group".into(),
                3,
            ),
            (
                Error::BadParameters {
                    origin: Origin::Comms,
                },
                Login::Application
                | Login::UserApplication
                | Login::GroupApplication(_)
                | Login::Process,
            ) => (
                "this kernel's driver has no such login: try --login user".into(),
                6,
            ),
            (
                Error::Kernel { .. },
                Login::Application | Login::UserApplication | Login::GroupApplication(_),
            ) => (
                "this process is no application to the driver; the kernel's log says why".into(),
                3,
            ),
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

    /// What was lent could not be taken up.
    pub fn at_take_up(error: Error, number: u64, login: Login) -> Self {
        match error {
            Error::AccessDenied { .. } => Self::new(
                format!(
                    "cannot use grant {number}: {error} (it is over, or was lent to another client or to another login)"
                ),
                3,
            ),
            Error::NoDelegation => Self::other(error),
            error => Self::at_open(error, "what was lent", login),
        }
    }

    /// The vault's secret that was lent could not be had.
    pub fn at_lent(error: Error) -> Self {
        match error {
            Error::AccessDenied {
                origin: Origin::TrustedApp,
            } => Self::new(
                format!("{error} (the secret that you were lent has another name, or was deleted)"),
                3,
            ),
            error => Self::at_invoke(error),
        }
    }

    /// Something could not be lent, listed or taken back.
    pub fn at_lending(error: Error) -> Self {
        match error {
            Error::AccessDenied { .. } => {
                Self::new(format!("{error}: there is no such grant of yours"), 3)
            }
            Error::BadParameters { .. } => Self::new(
                format!("{error}: nothing can be lent for such a time, or to such a client"),
                2,
            ),
            error => Self::at_invoke(error),
        }
    }

    /// A command that failed.
    pub fn at_invoke(error: Error) -> Self {
        if error.origin() == Origin::TrustedApp
            && let Some(refusal) = Refusal::from_code(error.code())
        {
            let status = if refusal == Refusal::NotFound { 4 } else { 5 };
            return Self::new(refusal, status);
        }
        Self::at_command(error)
    }

    /// The same of a TA whose own codes mean nothing in particular.
    pub fn at_command(error: Error) -> Self {
        match error {
            Error::AccessDenied { .. } => Self::new(error, 3),
            Error::TargetDead { .. } | Error::Communication { .. } | Error::Kernel { .. } => {
                Self::new(error, 6)
            }
            _ => Self::other(error),
        }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
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
        assert_eq!(parse_login("application"), Ok(Login::Application));
        assert_eq!(parse_login("user-application"), Ok(Login::UserApplication));
        let both = parse_login("group-application=7");
        assert_eq!(both, Ok(Login::GroupApplication(7)));
        assert_eq!(parse_login("process"), Ok(Login::Process));
        for bad in [
            "",
            "User",
            "group",
            "group=",
            "group=-1",
            "group=4294967296",
            "user=1",
            "application=1",
            "group-application",
            "process=1",
        ] {
            assert!(parse_login(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_tee_sees_numbers_as_they_are_outside() {
        let of = |outside| {
            let kind = "uid";
            let number = Number {
                kind,
                here: 7,
                outside,
            };
            number.of(Principal::User)
        };
        let known = |uid| Expected::Principal(Principal::User(uid));
        assert_eq!(of(Some(7)), (known(7), None));
        let note = "uid 7 here is 1000 outside of this user namespace";
        assert_eq!(of(Some(1000)), (known(1000), Some(note.into())));
        let note = "uid 7 is nobody outside of this user namespace";
        assert_eq!(of(None), (Expected::Unknown, Some(note.into())));
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
        for (error, login, status) in [
            (Error::NotAMember { gid: 7 }, Login::Group(7), 3),
            (Error::NotAMember { gid: 7 }, Login::GroupApplication(7), 3),
            (Error::Kernel { errno: 1 }, Login::Application, 3),
            (Error::Kernel { errno: 1 }, Login::User, 6),
        ] {
            assert_eq!(Failure::at_open(error, "x", login).status, status);
        }
        let open = |code, login| Failure::at_open(Error::from_numbers(code, 3), "x", login).status;
        let lent = |code, origin| {
            let error = Error::from_numbers(code, origin);
            let by_number = Failure::at_take_up(error.clone(), 7, Login::User).status;
            (
                by_number,
                Failure::at_lent(error.clone()).status,
                Failure::at_lending(error).status,
            )
        };
        assert_eq!(lent(0xffff_0001, 3), (3, 3, 3));
        assert_eq!(lent(0xffff_0006, 4), (6, 1, 2));
        assert_eq!(lent(0xffff_000d, 3), (6, 1, 1));
        for error in [
            Error::NoDelegation,
            Error::NoClock,
            Error::TooManyGrants,
            Error::TooMuchLent,
        ] {
            assert_eq!(Failure::at_lending(error).status, 1);
        }
        let none = Failure::at_take_up(Error::NoDelegation, 7, Login::User);
        assert_eq!(none.status, 1);
        assert_eq!(open(0xffff_0001, Login::User), 3);
        assert_eq!(open(0xffff_0008, Login::User), 6);
    }
}
