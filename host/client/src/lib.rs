// SPDX-License-Identifier: BSD-2-Clause
//! A client library for OP-TEE on the kernel's own interface: logins that say who you are,
//! errors that say what happened, commands that another thread can cancel. There is no C in
//! it, and no library that a program would have to be linked with at run time: that is what
//! an application's identity needs.
//!
//! ```no_run
//! use client_binding_client::{Cancellation, Client, Login, Param};
//! use uuid::uuid;
//!
//! # fn main() -> Result<(), client_binding_client::Error> {
//! let client = Client::connect()?;
//! let session = client.open(uuid!("abfa79a1-ab1a-4690-a804-5b744a19130d"), Login::User)?;
//! let mut params = [Param::ValueOut(0, 0), Param::ValueOut(0, 0), Param::ValueOut(0, 0), Param::None];
//! session.invoke(0, &mut params)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Who owns a session
//!
//! With client binding a session answers only to the login it was opened with: the
//! kernel tells the TEE at every call who calls, by effective uid or by group
//! membership. A process that changes its credentials after [`Client::open`] gets
//! [`Error::AccessDenied`] until it changes them back, and so does a thread with
//! credentials of its own. Log in after the change, or as [`Login::Public`].
//!
//! An application is a measurement of root's executable: its fs-verity digest, else the
//! SHA-256 of its content. A user's own copy, a process that is being traced, and one whose
//! executable was deleted are none; what keeps a login from working is in the kernel's log.
//! A process with code besides the file's, such as shared libraries, is another application
//! than one without, and is worth less to a TA.
//!
//! Dropping a [`Session`] closes it. The kernel does not tell whether the TEE
//! agreed; a session that it refused to close is freed when the last file
//! descriptor of the connection goes.

pub mod app;
mod device;
mod error;
pub mod identity;
mod session;
#[cfg(test)]
mod tests;

#[doc(inline)]
pub use client_binding_raw::Login;
pub use error::{Code, Error, Origin};
use std::sync::Arc;
use uuid::Uuid;

/// A connection to the TEE. Sessions keep it open.
#[derive(Clone)]
pub struct Client(session::Context);

impl Client {
    /// Connects to the first TEE that serves clients.
    pub fn connect() -> Result<Self, Error> {
        match device::connect() {
            Some(device) => Ok(Self(Arc::new(device))),
            None => Err(Error::NoTee),
        }
    }

    /// Opens a session with a TA.
    pub fn open(&self, ta: Uuid, login: Login) -> Result<Session, Error> {
        Ok(Session(session::Session::open(self.0.clone(), ta, login)?))
    }
}

/// A session with a TA, closed when dropped.
///
/// It may be used from several threads at once; the TEE serves them one after another.
pub struct Session(session::Session);

impl Session {
    /// Runs a command of the TA.
    pub fn invoke(&self, command: u32, params: &mut [Param<'_>; 4]) -> Result<(), Error> {
        self.invoke_cancellable(command, params, &Cancellation::default())
    }

    /// Runs a command that `cancellation` can cut short, if the TA plays along.
    pub fn invoke_cancellable(
        &self,
        command: u32,
        params: &mut [Param<'_>; 4],
        cancellation: &Cancellation,
    ) -> Result<(), Error> {
        self.0.invoke(command, params, &cancellation.0)
    }
}

/// A parameter of a command.
#[derive(Debug, PartialEq, Eq)]
pub enum Param<'a> {
    /// Unused.
    None,
    /// Two numbers for the TA.
    ValueIn(u32, u32),
    /// Two numbers from the TA.
    ValueOut(u32, u32),
    /// Two numbers there and back.
    ValueInOut(u32, u32),
    /// Octets for the TA.
    MemIn(&'a [u8]),
    /// Room for octets from the TA, and how many it wrote.
    MemOut(&'a mut [u8], usize),
    /// Octets there and back, and how many the TA wrote.
    MemInOut(&'a mut [u8], usize),
}

impl Param<'_> {
    /// The numbers of a value, (0, 0) for anything else.
    pub fn value(&self) -> (u32, u32) {
        match *self {
            Self::ValueIn(a, b) | Self::ValueOut(a, b) | Self::ValueInOut(a, b) => (a, b),
            _ => (0, 0),
        }
    }

    /// The octets of a buffer, or the room that it has.
    fn buffer(&self) -> Option<&[u8]> {
        match self {
            Self::MemIn(buffer) => Some(buffer),
            Self::MemOut(buffer, _) | Self::MemInOut(buffer, _) => Some(buffer),
            _ => None,
        }
    }

    /// What the TA wrote to a buffer, nothing for anything else.
    pub fn written(&self) -> &[u8] {
        match self {
            Self::MemOut(buffer, written) | Self::MemInOut(buffer, written) => {
                buffer.get(..*written).unwrap_or_default()
            }
            _ => &[],
        }
    }
}

/// Cancels commands from another thread. Clones cancel the same commands.
#[derive(Clone, Default)]
pub struct Cancellation(session::Cancellation);

impl Cancellation {
    /// A handle under which commands can be run.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the TEE to cancel what runs under this handle; what is started under
    /// it later ends at once with [`Error::Cancelled`].
    ///
    /// It is a request. A TA may ignore it, and a command that is just on its way
    /// into the TEE may miss it: repeat it while the command goes on.
    pub fn cancel(&self) {
        self.0.cancel();
    }
}
