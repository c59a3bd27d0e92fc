// SPDX-License-Identifier: BSD-2-Clause
//! Lends, passes on and takes back: what `client_binding.lend` is asked for.

use crate::identity::Principal;
use crate::object::Object;
use crate::session::{Cancellation, Context, Session as Raw};
use crate::{Error, Login, Origin, Param, Session};
use client_binding_abi as abi;
use client_binding_abi::ClientUuid;
use client_binding_abi::delegation::{Command, FOREVER, Listed, Request};
use client_binding_abi::pta::{pair, unpair};
use client_binding_proto::{GRANT, LEND, TaUuid};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Who may use a grant: one identity, whoever else knows its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grantee {
    login: abi::Login,
    uuid: ClientUuid,
}

impl Grantee {
    /// A TA, which acts for all of its clients.
    pub const fn ta(ta: Uuid) -> Self {
        let uuid = ClientUuid::from_octets(ta.into_bytes());
        let login = abi::Login::TRUSTED_APP;
        Self { login, uuid }
    }
}

impl From<Principal> for Grantee {
    fn from(principal: Principal) -> Self {
        Self {
            login: principal.login(),
            uuid: ClientUuid::from_octets(principal.uuid().into_bytes()),
        }
    }
}

/// What is to be lent: any number of times, until the session is closed, unless it is told otherwise.
#[must_use = "nothing is lent before `make()`"]
pub struct Offer<'s> {
    of: Of<'s>,
    /// Nothing if there are more commands than can be named.
    request: Option<Request>,
}

/// What something is lent of.
#[derive(Clone, Copy)]
pub(crate) enum Of<'s> {
    Session(&'s Session),
    /// It has no number that anybody could name.
    Object(&'s Object),
}

impl<'s> Offer<'s> {
    pub(crate) fn new(of: Of<'s>, to: Grantee, commands: &[u32]) -> Self {
        let request = Request::new(to.login, to.uuid, commands);
        let taken_up = match of {
            Of::Session(session) => session.taken_up,
            Of::Object(object) => object.taken_up,
        };
        let offer = Self { of, request };
        offer.with(|request| match (taken_up, of) {
            (Some(number), _) => request.parent = number,
            (None, Of::Session(session)) => request.session = session.raw.number(),
            (None, Of::Object(_)) => {}
        })
    }

    fn with(mut self, change: impl FnOnce(&mut Request)) -> Self {
        if let Some(request) = &mut self.request {
            change(request);
        }
        self
    }

    /// That many times.
    pub fn uses(self, uses: u32) -> Self {
        self.with(|request| request.uses = uses)
    }

    /// For that long, in whole milliseconds.
    pub fn expires_in(self, time: Duration) -> Self {
        // What the number can't say isn't for ever, but more than the TEE can count.
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.with(|request| request.lifetime = millis.min(FOREVER - 1))
    }

    /// With this number, which the TA is told at each use. What is passed on keeps the badge that it has.
    pub fn badge(self, badge: u64) -> Self {
        self.with(|request| request.badge = badge)
    }

    /// The grantee may pass it on, that many times one after the other, three at most.
    pub fn depth(self, depth: u32) -> Self {
        self.with(|request| request.depth = depth)
    }

    /// Until the grantee closes a session that is for it, and not for longer.
    pub fn until_closed(self) -> Self {
        self.with(|request| request.flags = Request::UNTIL_CLOSED)
    }

    /// Lends it.
    ///
    /// - [`Error::NoDelegation`]: this OP-TEE lends nothing.
    /// - [`Error::TooMuchLent`]: a command that the TA does not allow to be lent, or more than the grant that is passed on has.
    /// - [`Error::BadParameters`]: terms that mean nothing, such as no use, no time or no command; a grantee that is nobody.
    /// - [`Error::NoClock`]: there is nothing here to measure a time with.
    /// - [`Error::TooManyGrants`]: one has to be taken back before.
    /// - [`Error::AccessDenied`]: this is not who opened the session, or what is passed on is over.
    /// - [`Error::NoObjects`], of an object: OP-TEE knows none.
    pub fn make(self) -> Result<Grant, Error> {
        let origin = Origin::Api;
        let request = self.request.ok_or(Error::BadParameters { origin })?;
        let (lender, number) = match self.of {
            Of::Session(session) => {
                let lender = session.lender()?;
                let number = lender.lend(&request)?;
                (lender, number)
            }
            Of::Object(object) => object.lend(&request)?,
        };
        Ok(Grant {
            lender,
            number,
            kept: false,
        })
    }
}

/// What was lent. Dropping it takes it back.
///
/// It ends with its session all the same, and what was passed on with the grant that it came from; which of them is dropped first makes no
/// difference. [`Grant::keep`] leaves it to that.
#[must_use = "dropping it takes it back"]
pub struct Grant {
    lender: Arc<Lender>,
    number: u64,
    kept: bool,
}

impl Grant {
    /// What the grantee has to know. It is no secret.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What the TEE says of it; nothing if it is gone: taken back by its number, or its session is closed.
    pub fn look(&self) -> Result<Option<Listed>, Error> {
        let all = self.lender.list()?;
        Ok(all.into_iter().find(|grant| grant.number == self.number))
    }

    /// Takes it back: nothing new of it enters the TA. Tells whether a command of it is there still.
    ///
    /// [`Error::AccessDenied`]: it is gone already.
    pub fn revoke(self) -> Result<bool, Error> {
        self.end(false)
    }

    /// The same, and asks the TA to cancel such a command.
    pub fn revoke_and_cancel(self) -> Result<bool, Error> {
        self.end(true)
    }

    fn end(mut self, cancel: bool) -> Result<bool, Error> {
        self.kept = true;
        self.lender.revoke(self.number, cancel)
    }

    /// Lets it be, and tells its number: it ends by itself, or by [`Client::revoke`](crate::Client::revoke).
    pub fn keep(mut self) -> u64 {
        self.kept = true;
        self.number
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        if !self.kept {
            // If it is gone, all the better.
            let _ = self.lender.revoke(self.number, false);
        }
    }
}

/// A session with `client_binding.lend`.
pub(crate) struct Lender(Raw);

impl Lender {
    pub(crate) fn open(context: Context, login: Login) -> Result<Self, Error> {
        Ok(Self(open(context, LEND, login, &Param::None)?))
    }

    pub(crate) fn lend(&self, request: &Request) -> Result<u64, Error> {
        let octets = request.to_octets();
        let mut params = [
            Param::MemIn(&octets),
            Param::ValueOut(0, 0),
            Param::None,
            Param::None,
        ];
        self.invoke(Command::Lend, &mut params)
            .map_err(Error::in_lending)?;
        let (low, high) = params[1].value();
        Ok(pair(low, high))
    }

    pub(crate) fn revoke(&self, number: u64, cancel: bool) -> Result<bool, Error> {
        let mut params = [
            value(number),
            Param::ValueInOut(cancel.into(), 0),
            Param::None,
            Param::None,
        ];
        self.invoke(Command::Revoke, &mut params)?;
        Ok(params[1].value().0 != 0)
    }

    pub(crate) fn list(&self) -> Result<Vec<Listed>, Error> {
        let mut room = vec![0; 16 * Listed::SIZE];
        loop {
            let size = room.len();
            let mut params = [
                Param::MemOut(&mut room, 0),
                Param::None,
                Param::None,
                Param::None,
            ];
            match self.invoke(Command::List, &mut params) {
                // There may be more of them the next time.
                Err(Error::ShortBuffer { needed }) if needed[0] > size => {
                    room.resize(needed[0], 0);
                }
                Err(error) => return Err(error),
                Ok(()) => {
                    let (records, _) = params[0].written().as_chunks();
                    return Ok(records.iter().map(Listed::from_octets).collect());
                }
            }
        }
    }

    fn invoke(&self, command: Command, params: &mut [Param<'_>; 4]) -> Result<(), Error> {
        self.0
            .invoke(command as u32, params, &Cancellation::default())
    }
}

/// Opens a session for what was lent.
pub(crate) fn take_up(context: Context, number: u64, login: Login) -> Result<Raw, Error> {
    open(context, GRANT, login, &value(number))
}

/// Where there is no delegation the pseudo TA is a TA that nobody knows.
fn open(context: Context, ta: TaUuid, login: Login, param: &Param<'_>) -> Result<Raw, Error> {
    let opened = Raw::open(context, Uuid::from_bytes(ta.octets), login, param);
    opened.map_err(without_delegation)
}

pub(crate) fn without_delegation(error: Error) -> Error {
    match error {
        Error::NotFound { .. } => Error::NoDelegation,
        error => error,
    }
}

pub(crate) fn value(number: u64) -> Param<'static> {
    let (low, high) = unpair(number);
    Param::ValueIn(low, high)
}
