// SPDX-License-Identifier: BSD-2-Clause
//! What a TA says and asks of delegation.

use crate::{Client, tee};
use alloc::ffi::CString;
use client_binding_abi::delegation::{Command, LEND_UUID, MAX_COMMANDS, Request};
use client_binding_abi::{ClientUuid, pta};
use core::ffi::CStr;
use optee_utee::property::{PropertyKey, PropertySet, PropertyValue};
use optee_utee::{
    ErrorKind, Identity, ParamIndex, Result, TaSession, TaSessionBuilder, TeeParams, Uuid,
};

/// Who invokes the command that is being served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invoker {
    /// Who that is: the client of the session, or a grantee.
    pub client: Client,
    /// The grant that is being used; nothing if it is the client of the session.
    pub grant: Option<Grant>,
}

/// A grant, as the TA sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its number.
    pub number: u64,
    /// What its maker wants the TA to be told at each use.
    pub badge: u64,
}

/// Asks who invokes. An OP-TEE without delegation says `ItemNotFound`.
pub fn invoker() -> Result<Invoker> {
    let identity =
        Property::<Identity>::new(c"org.trustedfirmware.optee.client_binding.invoker").get()?;
    let used = number(c"org.trustedfirmware.optee.client_binding.grant")?;
    let grant = match used {
        0 => None,
        used => Some(Grant {
            number: used,
            badge: number(c"org.trustedfirmware.optee.client_binding.badge")?,
        }),
    };
    Ok(Invoker {
        client: tee::client_of(&identity),
        grant,
    })
}

/// Allows these commands of the session that is being opened or served to be lent by its client, in place of those before: at most
/// eight. What is no longer among them nobody can use any more who was lent it.
pub fn delegable(commands: &[u32]) -> Result<()> {
    let mut octets = [0; MAX_COMMANDS * 4];
    let room = octets.get_mut(..commands.len() * 4);
    let room = room.ok_or(ErrorKind::BadParameters)?;
    for (octets, command) in room.chunks_exact_mut(4).zip(commands) {
        octets.copy_from_slice(&command.to_le_bytes());
    }
    let mut params = TeeParams::new().with_memref_in(ParamIndex::Arg0, room);
    session()?.invoke_command(Command::Allow as u32, &mut params)
}

/// What a TA lends of the session that it is serving.
#[derive(Clone, Copy, Debug)]
pub struct Offer(Request);

impl Offer {
    /// These commands, at most eight, to that client: any number of times, for ever.
    pub fn new(to: Client, commands: &[u32]) -> Result<Self> {
        let grantee = ClientUuid::from_octets(to.uuid().into_bytes());
        let request = Request::new(to.login(), grantee, commands);
        Ok(Self(request.ok_or(ErrorKind::BadParameters)?))
    }

    /// That many times.
    pub fn uses(mut self, uses: u32) -> Self {
        self.0.uses = uses;
        self
    }

    /// For that many milliseconds.
    pub fn expires_in(mut self, millis: u64) -> Self {
        self.0.lifetime = millis;
        self
    }

    /// With this number, which the TA is told at each use. While the TA serves a grantee it must be that one's badge: what is minted then
    /// is passed on.
    pub fn badge(mut self, badge: u64) -> Self {
        self.0.badge = badge;
        self
    }

    /// It may be passed on, that many times one after the other.
    pub fn depth(mut self, depth: u32) -> Self {
        self.0.depth = depth;
        self
    }

    /// Until the grantee closes a session that is for it. What a command puts out as an object is to be lent so: a client that asks for
    /// an object gets such a session.
    pub fn until_closed(mut self) -> Self {
        self.0.flags = Request::UNTIL_CLOSED;
        self
    }

    /// Lends it, and tells the grant's number.
    pub fn mint(self) -> Result<u64> {
        let octets = self.0.to_octets();
        let mut params = TeeParams::new()
            .with_memref_in(ParamIndex::Arg0, &octets)
            .with_value_out(ParamIndex::Arg1, 0, 0);
        session()?.invoke_command(Command::Lend as u32, &mut params)?;
        let number = params[ParamIndex::Arg1].output_value();
        let (low, high) = number.ok_or(ErrorKind::BadFormat)?;
        Ok(pta::pair(low, high))
    }
}

/// Takes a grant of the session that is being served back. Tells whether a command of it is in the TA.
pub fn revoke(number: u64) -> Result<bool> {
    let (low, high) = pta::unpair(number);
    let mut params = TeeParams::new()
        .with_value_in(ParamIndex::Arg0, low, high)
        .with_value_inout(ParamIndex::Arg1, 0, 0);
    session()?.invoke_command(Command::Revoke as u32, &mut params)?;
    let running = params[ParamIndex::Arg1].output_value();
    Ok(running.is_some_and(|(running, _)| running != 0))
}

/// Lets the instance go: when nobody has a session with it any more, and it has none with other TAs, whoever opens it next owns it. They
/// find what is left in it, so wipe first what is not theirs. An instance that nobody owns is `BadState`.
pub fn disown() -> Result<()> {
    session()?.invoke_command(Command::Disown as u32, &mut TeeParams::new())
}

fn session() -> Result<TaSession> {
    TaSessionBuilder::new(Uuid::from_bytes(LEND_UUID)).build()
}

fn number(name: &'static CStr) -> Result<u64> {
    tee::octets(name).map(u64::from_le_bytes)
}

/// A property of the current client.
struct Property<T> {
    name: &'static CStr,
    value: core::marker::PhantomData<T>,
}

impl<T> Property<T> {
    fn new(name: &'static CStr) -> Self {
        let value = core::marker::PhantomData;
        Self { name, value }
    }
}

impl<T: PropertyValue> PropertyKey for Property<T> {
    type Output = T;

    fn key(&self) -> CString {
        self.name.into()
    }

    fn set(&self) -> PropertySet {
        PropertySet::CurrentClient
    }
}
