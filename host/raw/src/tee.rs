// SPDX-License-Identifier: BSD-2-Clause
//! The TEE as the kernel offers it: whoever holds the descriptor may ask, sessions
//! are numbers, and nothing asks who is calling. libteec keeps its descriptor to itself.

use crate::Login;
use crate::code::*;
use crate::lend::halves;
use crate::sys::{self, Invoke, Limit, OpenSession, Param, Params, SharedMemory};
use anyhow::Context;
use client_binding_proto::{GRANT, Identity, Shape, TaUuid};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// A connection to the TEE.
#[derive(Debug)]
pub struct Tee(OwnedFd);

/// A session, for everybody who holds the file descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session(pub u32);

/// What came back from the TEE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The TEE answered.
    Tee {
        /// The TEE's or the TA's code.
        ret: u32,
        /// Who said so.
        origin: u32,
        /// The output values.
        values: [(u32, u32); 4],
    },
    /// The call ended in the kernel with this errno.
    Kernel(i32),
}

impl Answer {
    /// It worked.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Tee { ret, .. } if ret == TEE_SUCCESS)
    }

    /// The one refusal that counts: access denied, by the TEE itself.
    pub fn is_denied(self) -> bool {
        matches!(self, Self::Tee { ret, origin, .. }
            if (ret, origin) == (TEE_ERROR_ACCESS_DENIED, TEE_ORIGIN_TEE))
    }

    /// The command was cancelled.
    pub fn is_cancelled(self) -> bool {
        self.code() == Some(TEE_ERROR_CANCEL)
    }

    /// The TEE's or the TA's code.
    pub fn code(self) -> Option<u32> {
        match self {
            Self::Tee { ret, .. } => Some(ret),
            Self::Kernel(_) => None,
        }
    }

    /// The output values, if the command succeeded.
    pub fn values(self) -> Result<[(u32, u32); 4], Self> {
        match self {
            Self::Tee {
                ret: TEE_SUCCESS,
                values,
                ..
            } => Ok(values),
            failure => Err(failure),
        }
    }

    /// The answer to a `WhoAmI` command.
    pub fn identity(self) -> Result<Identity, Self> {
        let [a, b, c, _] = self.values()?;
        Ok(Identity::from_values([a, b, c]))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ret, origin) = match *self {
            Self::Kernel(errno) => {
                return write!(f, "{}, from the kernel", Errno::from_raw(errno));
            }
            Self::Tee { ret, origin, .. } => (ret, origin),
        };
        let text = match ret {
            TEE_SUCCESS => return f.write_str("success"),
            TEE_ERROR_ACCESS_DENIED => "access denied",
            TEE_ERROR_CANCEL => "cancelled",
            TEE_ERROR_GENERIC => "generic error",
            TEE_ERROR_BAD_PARAMETERS => "bad parameters",
            TEE_ERROR_ITEM_NOT_FOUND => "not found",
            TEE_ERROR_OUT_OF_MEMORY => "out of memory",
            TEE_ERROR_BUSY => "busy",
            TEE_ERROR_COMMUNICATION => "communication failed",
            TEE_ERROR_TARGET_DEAD => "the TA is dead",
            _ => "error",
        };
        let by = match origin {
            TEE_ORIGIN_API => "the client's API",
            TEE_ORIGIN_COMMS => "the way to the TEE",
            TEE_ORIGIN_TEE => "the TEE",
            TEE_ORIGIN_TRUSTED_APP => "the TA",
            _ => "nobody known",
        };
        write!(f, "{text} ({ret:#x}), by {by}")
    }
}

impl std::error::Error for Answer {}

impl Tee {
    /// Opens the device.
    pub fn connect() -> anyhow::Result<Self> {
        Self::connect_to(0).context("cannot open /dev/tee0")
    }

    /// Opens the device with that number.
    pub fn connect_to(number: u32) -> io::Result<Self> {
        let path = format!("/dev/tee{number}");
        let file = File::options().read(true).write(true).open(path)?;
        Ok(Self(file.into()))
    }

    /// Opens a session.
    pub fn open(&self, ta: TaUuid, login: Login) -> Result<Session, Answer> {
        self.open_with(ta, login, Params::default())
    }

    /// Opens a session with parameters for the TA.
    pub fn open_with(&self, ta: TaUuid, login: Login, params: Params) -> Result<Session, Answer> {
        self.open_by(ta, login.method(), login.group(), params)
    }

    /// The same by the number of a login method, whether there is one or not.
    pub fn open_by(
        &self,
        ta: TaUuid,
        method: u32,
        group: Option<u32>,
        params: Params,
    ) -> Result<Session, Answer> {
        let mut argument = OpenSession {
            uuid: ta.octets,
            login: method,
            num_params: params.len() as u32,
            params,
            ..OpenSession::default()
        };
        if let Some(gid) = group {
            argument.client_uuid[..4].copy_from_slice(&gid.to_ne_bytes());
        }
        let result = sys::open_session(self.as_fd(), &mut argument);
        let answer = answer(result, argument.ret, argument.ret_origin, &argument.params);
        answer.values().map(|_| Session(argument.session))
    }

    /// Invokes a command with values only, all but the first of which are zero.
    pub fn invoke(&self, session: Session, command: u32, shape: Shape, a: u32) -> Answer {
        let mut params = shape.0.map(|kind| Param {
            attr: kind as u64,
            ..Param::default()
        });
        params[0].a = a.into();
        self.invoke_with(session, command, params)
    }

    /// Invokes a command.
    pub fn invoke_with(&self, session: Session, command: u32, params: Params) -> Answer {
        let mut argument = Invoke {
            func: command,
            session: session.0,
            num_params: params.len() as u32,
            params,
            ..Invoke::default()
        };
        let result = sys::invoke(self.as_fd(), &mut argument);
        answer(result, argument.ret, argument.ret_origin, &argument.params)
    }

    /// Asks to cancel what runs in the session.
    pub fn cancel(&self, session: Session) -> nix::Result<()> {
        sys::cancel(self.as_fd(), session.0, 0)
    }

    /// Closes a session.
    pub fn close(&self, session: Session) -> nix::Result<()> {
        sys::close_session(self.as_fd(), session.0)
    }

    /// From now on the open file is for sessions with that TA alone, whoever has it.
    pub fn limit_to_ta(&self, ta: TaUuid) -> nix::Result<()> {
        sys::limit(self.as_fd(), &Limit::to_ta(ta.octets))
    }

    /// From now on the open file is for what was lent by that grant alone, whoever has it.
    pub fn limit_to_grant(&self, number: u64) -> nix::Result<()> {
        sys::limit(self.as_fd(), &Limit::to_grant(number))
    }

    /// Lets programs inherit the descriptor. libteec opens the device without `O_CLOEXEC`; we have to
    /// ask for that.
    pub fn inheritable(&self) -> nix::Result<RawFd> {
        fcntl(self, FcntlArg::F_SETFD(FdFlag::empty()))?;
        Ok(self.as_fd().as_raw_fd())
    }

    /// Memory that the TEE can reach, too.
    pub fn allocate(&self, size: usize) -> nix::Result<SharedMemory> {
        SharedMemory::allocate(self.as_fd(), size)
    }
}

impl Limit {
    /// To that TA.
    pub fn to_ta(ta: [u8; 16]) -> Self {
        let param = Param::default();
        Self { ta, param }
    }

    /// To that grant, which is named when a session for it is opened.
    pub fn to_grant(number: u64) -> Self {
        let (ta, param) = (GRANT.octets, halves(number));
        Self { ta, param }
    }
}

fn answer(result: nix::Result<()>, ret: u32, origin: u32, params: &Params) -> Answer {
    match result {
        Ok(()) => Answer::Tee {
            ret,
            origin,
            values: params.map(|param| (param.a as u32, param.b as u32)),
        },
        Err(errno) => Answer::Kernel(errno as i32),
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

impl From<Tee> for OwnedFd {
    fn from(tee: Tee) -> Self {
        tee.0
    }
}
