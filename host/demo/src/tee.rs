// SPDX-License-Identifier: BSD-2-Clause
//! The TEE as whoever holds a file descriptor sees it: sessions are numbers, and
//! nothing asks who is calling. libteec keeps its descriptor to itself.

use crate::sys::{self, Invoke, OpenSession, Param};
use anyhow::{Context, Result, bail, ensure};
use client_binding_client::Login;
use client_binding_proto::{Identity, Shape, TaUuid};
use nix::errno::Errno;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const TEE_SUCCESS: u32 = 0;
const TEE_ERROR_ACCESS_DENIED: u32 = 0xffff_0001;
const TEE_ERROR_CANCEL: u32 = 0xffff_0002;
const TEE_ORIGIN_TEE: u32 = 3;

/// A connection to the TEE.
pub(crate) struct Tee(OwnedFd);

/// A session, for everybody who holds the file descriptor.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Session(u32);

/// The owner itself was denied its session.
#[derive(Debug)]
pub(crate) struct OwnerRefused(pub(crate) String);

impl fmt::Display for OwnerRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OwnerRefused {}

/// What came back from the TEE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// The TEE's or the TA's code, its origin, and the output values.
    Tee {
        ret: u32,
        origin: u32,
        values: [(u32, u32); 4],
    },
    /// The call ended in the kernel with this errno.
    Kernel(i32),
}

impl Answer {
    pub(crate) fn is_success(self) -> bool {
        matches!(self, Self::Tee { ret, .. } if ret == TEE_SUCCESS)
    }

    /// The one refusal that counts: access denied, by the TEE itself.
    pub(crate) fn is_denied(self) -> bool {
        matches!(self, Self::Tee { ret, origin, .. }
            if (ret, origin) == (TEE_ERROR_ACCESS_DENIED, TEE_ORIGIN_TEE))
    }

    pub(crate) fn is_cancelled(self) -> bool {
        matches!(self, Self::Tee { ret, .. } if ret == TEE_ERROR_CANCEL)
    }

    /// The output values, if the command succeeded.
    pub(crate) fn values(self) -> Result<[(u32, u32); 4]> {
        match self {
            Self::Tee {
                ret: TEE_SUCCESS,
                values,
                ..
            } => Ok(values),
            failure => bail!("{failure}"),
        }
    }

    /// The answer to a `WhoAmI` command.
    pub(crate) fn identity(self) -> Result<Identity> {
        let [a, b, c, _] = self.values()?;
        Ok(Identity::from_values([a, b, c]))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Tee {
                ret: TEE_SUCCESS, ..
            } => f.write_str("success"),
            Self::Tee { ret, origin, .. } => {
                let error = client_binding_client::Error::from_numbers(ret, origin);
                write!(f, "{error}")
            }
            Self::Kernel(errno) => write!(f, "{}, from the kernel", Errno::from_raw(errno)),
        }
    }
}

impl Tee {
    pub(crate) fn connect() -> Result<Self> {
        let file = File::options().read(true).write(true).open("/dev/tee0");
        Ok(Self(file.context("cannot open /dev/tee0")?.into()))
    }

    /// Opens a session that the caller rightfully wants.
    pub(crate) fn open(&self, ta: TaUuid, login: Login) -> Result<Session> {
        let mut argument = OpenSession {
            uuid: ta.octets,
            ..OpenSession::default()
        };
        match login {
            Login::Public => argument.login = 0,
            Login::User => argument.login = 1,
            Login::Group(gid) => {
                argument.login = 2;
                argument.client_uuid[..4].copy_from_slice(&gid.to_ne_bytes());
            }
        }
        // The kernel measures the buffer by the number of parameters.
        argument.num_params = 4;
        sys::open_session(self.as_fd(), &mut argument).context("open session")?;
        let answer = Answer::Tee {
            ret: argument.ret,
            origin: argument.ret_origin,
            values: [(0, 0); 4],
        };
        if answer.is_denied() {
            return Err(OwnerRefused(answer.to_string()).into());
        }
        ensure!(answer.is_success(), "open session: {answer}");
        Ok(Session(argument.session))
    }

    /// Invokes a command with values only.
    pub(crate) fn invoke(&self, session: Session, command: u32, shape: Shape, a: u32) -> Answer {
        let mut argument = Invoke {
            func: command,
            session: session.0,
            num_params: 4,
            params: shape.0.map(|kind| Param {
                attr: kind as u64,
                ..Param::default()
            }),
            ..Invoke::default()
        };
        argument.params[0].a = a.into();
        match sys::invoke(self.as_fd(), &mut argument) {
            Ok(()) => Answer::Tee {
                ret: argument.ret,
                origin: argument.ret_origin,
                values: argument
                    .params
                    .map(|param| (param.a as u32, param.b as u32)),
            },
            Err(errno) => Answer::Kernel(errno as i32),
        }
    }

    pub(crate) fn cancel(&self, session: Session) -> nix::Result<()> {
        sys::cancel(self.as_fd(), session.0, 0)
    }

    pub(crate) fn close(&self, session: Session) -> nix::Result<()> {
        sys::close_session(self.as_fd(), session.0)
    }
}

impl AsFd for Tee {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Tee {
    fn from(fd: OwnedFd) -> Self {
        Self(fd)
    }
}
