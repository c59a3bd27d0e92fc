// SPDX-License-Identifier: BSD-2-Clause
//! Lends, and uses what was lent: `client_binding.lend` and `client_binding.grant`.

use crate::pta::with_types;
use crate::sys::{Param, Params};
use crate::{Answer, Login, Session, Tee};
use anyhow::{Context, Result};
use client_binding_abi::delegation::{Command, Listed, Request};
use client_binding_abi::pta::{pair, unpair};
use client_binding_proto::{GRANT, LEND, Param as Kind};

/// An open session with [`LEND`]. Only who opened it may use it.
pub struct Lender<'a> {
    tee: &'a Tee,
    session: Session,
}

impl<'a> Lender<'a> {
    /// Opens a session as whoever calls.
    pub fn open(tee: &'a Tee, login: Login) -> Result<Self, Answer> {
        let session = tee.open(LEND, login)?;
        Ok(Self { tee, session })
    }

    /// Lends something, and tells the number of the grant.
    pub fn lend(&self, request: &Request) -> Result<Result<u64, Answer>> {
        self.lend_octets(&request.to_octets())
    }

    /// The same by octets, whatever they are.
    pub fn lend_octets(&self, octets: &[u8]) -> Result<Result<u64, Answer>> {
        let room = self.tee.allocate(octets.len());
        let room = room.context("no memory to share with the TEE")?;
        room.write(0, octets);
        let mut params = with_types(Command::Lend.param_types());
        params[0] = room.param(Kind::MemIn);
        let values = self.invoke(Command::Lend, params).values();
        Ok(values.map(|[_, (low, high), ..]| pair(low, high)))
    }

    /// Takes a grant back, and tells whether a command of it is in the TA, which is cancelled if asked for.
    pub fn revoke(&self, number: u64, cancel: bool) -> Result<bool, Answer> {
        let mut params = with_types(Command::Revoke.param_types());
        params[0] = halves(number);
        params[1].a = cancel.into();
        let [_, (running, _), ..] = self.invoke(Command::Revoke, params).values()?;
        Ok(running != 0)
    }

    /// What the caller may take back.
    pub fn list(&self) -> Result<Vec<Listed>> {
        let room = self.tee.allocate(256 * Listed::SIZE);
        let room = room.context("no memory to share with the TEE")?;
        let mut params = with_types(Command::List.param_types());
        params[0] = room.param(Kind::MemOut);
        let [(_, written), ..] = self.invoke(Command::List, params).values()?;
        let mut octets = room.read();
        octets.truncate(written as usize);
        let (records, rest) = octets.as_chunks();
        anyhow::ensure!(rest.is_empty(), "{} octets are no grants", octets.len());
        Ok(records.iter().map(Listed::from_octets).collect())
    }

    /// How many grants there may be at a time.
    pub fn limits(&self) -> Result<Limits, Answer> {
        let params = with_types(Command::Limits.param_types());
        let [(in_all, of_owner), (to_grantee, _), ..] =
            self.invoke(Command::Limits, params).values()?;
        Ok(Limits {
            in_all,
            of_owner,
            to_grantee,
        })
    }

    /// The version of what it says: [`VERSION`](client_binding_abi::delegation::VERSION) is what this crate understands.
    pub fn version(&self) -> Result<u32, Answer> {
        let params = with_types(Command::Version.param_types());
        let [(version, _), ..] = self.invoke(Command::Version, params).values()?;
        Ok(version)
    }

    /// A command with those parameters.
    pub fn invoke(&self, command: Command, params: Params) -> Answer {
        self.tee.invoke_with(self.session, command as u32, params)
    }
}

/// How many grants there may be at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of all clients.
    pub in_all: u32,
    /// Of the sessions of one client.
    pub of_owner: u32,
    /// Of those to one grantee.
    pub to_grantee: u32,
}

/// Opens a session for what was lent.
pub fn take_up(tee: &Tee, number: u64, login: Login) -> Result<Session, Answer> {
    let mut params = Params::default();
    params[0] = halves(number);
    tee.open_with(GRANT, login, params)
}

/// The number of a grant as a parameter.
pub fn halves(number: u64) -> Param {
    let (low, high) = unpair(number);
    Param {
        attr: Kind::ValueIn as u64,
        a: low.into(),
        b: high.into(),
        c: 0,
    }
}
