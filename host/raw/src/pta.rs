// SPDX-License-Identifier: BSD-2-Clause
//! Asks `client_binding.pta`.

use crate::code::TEE_ERROR_SHORT_BUFFER;
use crate::sys::{Param, Params, SharedMemory};
use crate::{Answer, Login, Session, Tee};
use anyhow::{Context, Result, bail, ensure};
use client_binding_abi::pta::{self, Command, Counters, Denial, Instance};
use client_binding_proto::{Param as Kind, TaUuid};

/// The pseudo TA.
pub const PTA: TaUuid = TaUuid {
    text: "55954ecb-456c-4c1c-b842-66156832f6ad",
    octets: pta::UUID,
};

/// An open session. Only who opened it may use it.
pub struct Pta {
    /// The connection.
    pub tee: Tee,
    /// Ends with the connection.
    pub session: Session,
}

impl Pta {
    /// Opens a session as the user who calls.
    pub fn open(tee: Tee) -> Result<Self, Answer> {
        let session = tee.open(PTA, Login::User)?;
        Ok(Self { tee, session })
    }

    /// The version of what it says: [`pta::VERSION`] is what this crate understands.
    pub fn version(&self) -> Result<u32, Answer> {
        let command = Command::Version;
        let answer = self
            .tee
            .invoke_with(self.session, command as u32, typed(command));
        let [(version, _), ..] = answer.values()?;
        Ok(version)
    }

    /// All instances.
    pub fn instances(&self) -> Result<Vec<Instance>> {
        let (records, _) = self.ask(Command::Instances, 0)?;
        Ok(records.iter().map(Instance::from_octets).collect())
    }

    /// The refusals after one that is known, and how many of them are lost.
    pub fn denials(&self, known: u64) -> Result<(Vec<Denial>, u64)> {
        let (records, lost) = self.ask(Command::Denials, known)?;
        Ok((records.iter().map(Denial::from_octets).collect(), lost))
    }

    /// What was counted.
    pub fn counters(&self) -> Result<Counters> {
        let (records, _) = self.ask(Command::Counters, 0)?;
        let [record] = &records[..] else {
            bail!("client_binding.pta counts {} times", records.len());
        };
        Ok(Counters::from_octets(record))
    }

    /// What is written there grows between two questions, so it may take several.
    fn ask<const SIZE: usize>(
        &self,
        command: Command,
        known: u64,
    ) -> Result<(Vec<[u8; SIZE]>, u64)> {
        let mut size = 2 * pta::KEPT * Denial::SIZE;
        loop {
            let room = self.tee.allocate(size);
            let room = room.context("no memory to share with the TEE")?;
            let params = params(command, known, &room);
            let answer = self.tee.invoke_with(self.session, command as u32, params);
            if let Answer::Tee { ret, values, .. } = answer
                && ret == TEE_ERROR_SHORT_BUFFER
                && values[0].1 as usize > size
            {
                size = values[0].1 as usize;
                continue;
            }
            let [(_, written), (low, high), ..] = answer
                .values()
                .with_context(|| format!("client_binding.pta: {command:?}"))?;
            let mut octets = room.read();
            octets.truncate(written as usize);
            return Ok((records(&octets)?.into(), pta::pair(low, high)));
        }
    }
}

/// The parameters of a command that puts records: all of a buffer, and the last refusal that is known.
pub fn params(command: Command, known: u64, room: &SharedMemory) -> Params {
    let mut params = typed(command);
    params[0] = room.param(Kind::MemOut);
    if command == Command::Denials {
        let (low, high) = pta::unpair(known);
        (params[1].a, params[1].b) = (low.into(), high.into());
    }
    params
}

/// The parameters of a command, with nothing in them.
pub fn typed(command: Command) -> Params {
    with_types(command.param_types())
}

/// Parameters of those types, with nothing in them.
pub fn with_types(types: u32) -> Params {
    std::array::from_fn(|nth| Param {
        attr: (types >> (4 * nth) & 0xf).into(),
        ..Param::default()
    })
}

fn records<const SIZE: usize>(octets: &[u8]) -> Result<&[[u8; SIZE]]> {
    let (records, rest) = octets.as_chunks();
    ensure!(
        rest.is_empty(),
        "client_binding.pta answers with {} octets, which are no records of {SIZE}: that OP-TEE is of another version",
        octets.len()
    );
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_records_or_an_error() {
        assert_eq!(records::<4>(&[0; 8]).unwrap().len(), 2);
        assert!(records::<4>(&[]).unwrap().is_empty());
        assert!(records::<4>(&[0; 9]).is_err());
    }
}
