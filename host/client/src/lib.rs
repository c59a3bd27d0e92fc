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
//!
//! # Lending
//!
//! With delegation single commands of a session can be lent to another client, as far as the TA allows:
//!
//! ```no_run
//! use client_binding_client::identity::Principal;
//! use client_binding_client::{Client, Login};
//! use std::time::Duration;
//! use uuid::uuid;
//!
//! # fn main() -> Result<(), client_binding_client::Error> {
//! # let client = Client::connect()?;
//! let session = client.open(uuid!("da2865b7-72bf-45d3-a678-7fdd24616a37"), Login::UserApplication)?;
//! let ten_minutes = Duration::from_secs(600);
//! let grant = session.grant(Principal::User(33), &[1]).uses(3).expires_in(ten_minutes).make()?;
//! println!("{}", grant.number());
//! // Whoever is user 33, in another process:
//! # let number = grant.number();
//! let lent = client.take_up(number, Login::User)?;
//! # let mut params = [const { client_binding_client::Param::None }; 4];
//! lent.invoke(1, &mut params)?;
//! // The owner takes it back, as it does by dropping it:
//! grant.revoke()?;
//! # Ok(())
//! # }
//! ```

pub mod app;
mod device;
mod error;
pub mod identity;
mod lend;
mod limit;
pub mod object;
mod session;
#[cfg(test)]
mod tests;

#[doc(inline)]
pub use client_binding_abi::delegation::Listed;
#[doc(inline)]
pub use client_binding_raw::Login;
pub use error::{Code, Error, Origin};
pub use lend::{Grant, Grantee, Offer};
use lend::{Lender, Of};
use std::sync::{Arc, OnceLock};
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
        let raw = session::Session::open(self.0.clone(), ta, login, &Param::None)?;
        Ok(Session::new(raw, login, None))
    }

    /// Opens a session for what was lent under that number, with the login method that it was lent to. The commands are those of the TA that
    /// it is of.
    ///
    /// [`Error::AccessDenied`], here and in each command, whatever the reason: it was lent to somebody else, it is over, it does not
    /// lend that command.
    pub fn take_up(&self, number: u64, login: Login) -> Result<Session, Error> {
        let raw = lend::take_up(self.0.clone(), number, login)?;
        Ok(Session::new(raw, login, Some(number)))
    }

    /// What who logs in so may take back: what is lent of its sessions, and what it passed on. Root sees all.
    pub fn grants(&self, login: Login) -> Result<Vec<Listed>, Error> {
        Lender::open(self.0.clone(), login)?.list()
    }

    /// Takes a grant back by its number, and all that was passed on from it. Tells whether a command of those is in the TA still, which is
    /// asked to `cancel` it.
    ///
    /// [`Error::AccessDenied`]: there is no such grant, or it is somebody else's.
    pub fn revoke(&self, number: u64, login: Login, cancel: bool) -> Result<bool, Error> {
        Lender::open(self.0.clone(), login)?.revoke(number, cancel)
    }
}

/// A session with a TA, closed when dropped.
///
/// It may be used from several threads at once; the TEE serves them one after another.
pub struct Session {
    raw: session::Session,
    login: Login,
    /// The grant that it is for.
    taken_up: Option<u64>,
    /// Opened by who lends, the first time.
    lender: OnceLock<Arc<Lender>>,
}

impl Session {
    fn new(raw: session::Session, login: Login, taken_up: Option<u64>) -> Self {
        Self {
            raw,
            login,
            taken_up,
            lender: OnceLock::new(),
        }
    }

    /// Lends these commands, at most eight, as soon as the offer is [made](Offer::make). Of a session that was
    /// [taken up](Client::take_up) it passes on what was lent, if that has [depth](Offer::depth): never more commands, uses or time than are
    /// left of it, which the offer has to say.
    pub fn grant(&self, to: impl Into<Grantee>, commands: &[u32]) -> Offer<'_> {
        Offer::new(Of::Session(self), to.into(), commands)
    }

    /// Logs in as the session did: nobody else may lend it.
    fn lender(&self) -> Result<Arc<Lender>, Error> {
        if let Some(lender) = self.lender.get() {
            return Ok(lender.clone());
        }
        let lender = Arc::new(Lender::open(self.raw.context().clone(), self.login)?);
        Ok(self.lender.get_or_init(|| lender).clone())
    }

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
        self.raw.invoke(command, params, &cancellation.0)
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
    /// An object of this program's, by a number that the program chooses: the TA can call it as long as the command runs. What it is told
    /// comes to whom [`object::Root::serve`] was given. Of an [`object::Object`] alone, like those that follow.
    Callback(u32),
    /// Memory by its [name](object::Memory::name): the TA gets it as a buffer.
    Memory(object::Name<'a>),
    /// A place for an object that the TA hands out, empty if it hands out none. What is in it before the command is released. An object that
    /// was handed out lends commands of the one that it came from: it is over when it is dropped, or that one is.
    ObjectOut(Option<object::Object>),
}

impl Param<'_> {
    /// The numbers of a value, (0, 0) for anything else.
    pub fn value(&self) -> (u32, u32) {
        match *self {
            Self::ValueIn(a, b) | Self::ValueOut(a, b) | Self::ValueInOut(a, b) => (a, b),
            _ => (0, 0),
        }
    }

    /// Takes the object that the TA has handed out.
    pub fn take_object(&mut self) -> Option<object::Object> {
        match self {
            Self::ObjectOut(place) => place.take(),
            _ => None,
        }
    }

    /// Whether only objects have such parameters.
    fn is_of_objects(&self) -> bool {
        matches!(
            self,
            Self::Callback(_) | Self::Memory(_) | Self::ObjectOut(_)
        )
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
