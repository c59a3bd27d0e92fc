// SPDX-License-Identifier: BSD-2-Clause
//! What `client_binding.pta` says of instances and refusals.

use crate::bench::Bench;
use crate::world::ROOT;
use anyhow::{Context, Result, ensure};
use client_binding_policy::abi::pta::{self, Command, Counters, Denial, Instance};
use client_binding_proto::{Param as Kind, TaUuid};
use client_binding_raw::sys::{Param, Params, SharedMemory};
use client_binding_raw::{Answer, Login, Session, Tee};

pub(crate) const PTA: TaUuid = TaUuid {
    text: "55954ecb-456c-4c1c-b842-66156832f6ad",
    octets: pta::UUID,
};
const VALUE_INOUT: u64 = 3;
/// How many refusals that differ the core keeps.
pub(crate) const KEPT: usize = 64;

/// An open session with the PTA. Root's, so that only root can use it.
pub(crate) struct Pta {
    tee: Tee,
    session: Session,
    room: SharedMemory,
}

impl Pta {
    /// Becomes root. Nothing where the core knows of no client binding.
    pub(crate) fn open(bench: &Bench) -> Result<Option<Self>> {
        if !bench.stack.has_bound_core() {
            return Ok(None);
        }
        ROOT.act()?;
        let tee = Tee::connect()?;
        let session = tee.open(PTA, Login::User).context("client_binding.pta")?;
        let room = tee.allocate(2 * KEPT * Denial::SIZE)?;
        Ok(Some(Self { tee, session, room }))
    }

    /// Invokes anything.
    pub(crate) fn invoke(&self, command: u32, params: Params) -> Answer {
        self.tee.invoke_with(self.session, command, params)
    }

    /// The parameters of a command, with room for that many octets.
    pub(crate) fn params(&self, command: Command, known: u64, room: usize) -> Params {
        let mut params = Params::default();
        params[0] = self.room.param(Kind::MemOut);
        params[0].b = room as u64;
        if command == Command::Denials {
            params[1] = Param {
                attr: VALUE_INOUT,
                a: known & u64::from(u32::MAX),
                b: known >> 32,
                c: 0,
            };
        }
        params
    }

    /// The octets of the shared memory.
    pub(crate) fn memory(&self) -> &SharedMemory {
        &self.room
    }

    fn records<const SIZE: usize>(
        &self,
        command: Command,
        known: u64,
    ) -> Result<(Vec<[u8; SIZE]>, u64)> {
        let params = self.params(command, known, 2 * KEPT * Denial::SIZE);
        let answer = self.invoke(command as u32, params);
        let [(_, size), (low, high), ..] = answer
            .values()
            .with_context(|| format!("{command:?} of the PTA"))?;
        let octets = self.room.read();
        let (records, rest) = octets[..size as usize].as_chunks();
        ensure!(rest.is_empty(), "{command:?} answers with {size} octets");
        Ok((records.into(), u64::from(high) << 32 | u64::from(low)))
    }

    /// The refusals after one that is known, and how many of them are lost.
    pub(crate) fn denials(&self, known: u64) -> Result<(Vec<Denial>, u64)> {
        let (records, lost) = self.records(Command::Denials, known)?;
        Ok((records.iter().map(Denial::from_octets).collect(), lost))
    }

    pub(crate) fn counters(&self) -> Result<Counters> {
        let (records, _) = self.records(Command::Counters, 0)?;
        let [record] = records[..] else {
            anyhow::bail!("{} records of counters", records.len());
        };
        Ok(Counters::from_octets(&record))
    }

    /// The number of the last refusal.
    pub(crate) fn newest(&self) -> Result<u64> {
        Ok(self.counters()?.refusals)
    }

    /// The instances of one TA.
    pub(crate) fn instances(&self, ta: TaUuid) -> Result<Vec<Instance>> {
        let (records, _) = self.records(Command::Instances, 0)?;
        let instances = records.iter().map(Instance::from_octets);
        Ok(instances
            .filter(|instance| instance.ta == uuid(ta))
            .collect())
    }
}

/// As it stands in a record.
pub(crate) fn uuid(ta: TaUuid) -> client_binding_policy::abi::ClientUuid {
    client_binding_policy::abi::ClientUuid::from_octets(ta.octets)
}
