// SPDX-License-Identifier: BSD-2-Clause
//! Asks `client_binding.pta`.

use crate::failure::Failure;
use anyhow::{Context, anyhow};
use client_binding_abi::TeeResult;
use client_binding_abi::pta::{Command, Counters, Denial, Instance, UUID};
use client_binding_proto::{Param as Kind, TaUuid};
use client_binding_raw::code::{TEE_ERROR_ACCESS_DENIED, TEE_ERROR_ITEM_NOT_FOUND};
use client_binding_raw::sys::{Param, Params};
use client_binding_raw::{Answer, Login, Session, Tee};
use nix::errno::Errno;
use std::io;

const PTA: TaUuid = TaUuid {
    text: "client_binding.pta",
    octets: UUID,
};

/// An open session.
pub(crate) struct Pta {
    tee: Tee,
    session: Session,
}

/// A command's second parameter, where it has one.
fn number(a: u32, b: u32) -> u64 {
    u64::from(b) << 32 | u64::from(a)
}

impl Pta {
    /// Opens the device and a session as the user who calls.
    pub(crate) fn open() -> Result<Self, Failure> {
        let tee = Tee::connect().map_err(no_device)?;
        let session = tee.open(PTA, Login::User).map_err(no_session)?;
        Ok(Self { tee, session })
    }

    /// All instances.
    pub(crate) fn instances(&self) -> anyhow::Result<Vec<Instance>> {
        let (octets, _) = self.ask(Command::Instances, 0)?;
        Ok(records(&octets)?
            .iter()
            .map(Instance::from_octets)
            .collect())
    }

    /// The refusals after one that is known, and how many of them are lost.
    pub(crate) fn denials(&self, known: u64) -> anyhow::Result<(Vec<Denial>, u64)> {
        let (octets, lost) = self.ask(Command::Denials, known)?;
        let denials = records(&octets)?.iter().map(Denial::from_octets).collect();
        Ok((denials, lost))
    }

    /// What was counted.
    pub(crate) fn counters(&self) -> anyhow::Result<Counters> {
        let (octets, _) = self.ask(Command::Counters, 0)?;
        let [record] = records(&octets)? else {
            return Err(anyhow!(
                "client_binding.pta answers with {} octets of counters",
                octets.len()
            ));
        };
        Ok(Counters::from_octets(record))
    }

    /// What is written there grows between two questions, so it may take several.
    fn ask(&self, command: Command, known: u64) -> anyhow::Result<(Vec<u8>, u64)> {
        let mut size = 4096;
        loop {
            let room = self
                .tee
                .allocate(size)
                .context("no memory to share with the TEE")?;
            let types = command.param_types();
            let mut params: Params = std::array::from_fn(|nth| Param {
                attr: (types >> (4 * nth) & 0xf).into(),
                ..Param::default()
            });
            params[0] = room.param(Kind::MemOut);
            if command == Command::Denials {
                params[1].a = known & u64::from(u32::MAX);
                params[1].b = known >> 32;
            }
            match self.tee.invoke_with(self.session, command as u32, params) {
                Answer::Tee { ret, values, .. } if ret == TeeResult::SHORT_BUFFER.0 => {
                    let needed = values[0].1 as usize;
                    if needed <= size {
                        return Err(anyhow!(
                            "client_binding.pta finds {size} octets too short for {needed}"
                        ));
                    }
                    size = needed;
                }
                answer => {
                    let values = answer
                        .values()
                        .with_context(|| format!("client_binding.pta: {command:?}"))?;
                    let [(_, written), (a, b), ..] = values;
                    let mut octets = room.read();
                    octets.truncate(written as usize);
                    return Ok((octets, number(a, b)));
                }
            }
        }
    }
}

impl Drop for Pta {
    fn drop(&mut self) {
        // If that fails, the end of the connection closes it.
        let _ = self.tee.close(self.session);
    }
}

fn records<const SIZE: usize>(octets: &[u8]) -> anyhow::Result<&[[u8; SIZE]]> {
    match octets.as_chunks() {
        (records, []) => Ok(records),
        _ => Err(anyhow!(
            "client_binding.pta answers with {} octets, which are no records of {SIZE}: this bindctl is for another OP-TEE",
            octets.len()
        )),
    }
}

fn no_device(error: anyhow::Error) -> Failure {
    let errno = error.downcast_ref().and_then(io::Error::raw_os_error);
    match errno.map(Errno::from_raw) {
        Some(Errno::EACCES | Errno::EPERM) => {
            Failure::NotRoot("/dev/tee0 does not open for this user")
        }
        Some(Errno::ENOENT | Errno::ENODEV | Errno::ENXIO) => Failure::NoTee,
        _ => Failure::Other(error),
    }
}

fn no_session(answer: Answer) -> Failure {
    match answer.code() {
        Some(TEE_ERROR_ITEM_NOT_FOUND) => Failure::NoPta,
        Some(TEE_ERROR_ACCESS_DENIED) => {
            Failure::NotRoot("client_binding.pta answers to root alone")
        }
        _ => {
            Failure::Other(anyhow!(answer).context("cannot open a session with client_binding.pta"))
        }
    }
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

    fn device(errno: Errno) -> Failure {
        let error = io::Error::from_raw_os_error(errno as i32);
        no_device(anyhow::Error::new(error).context("cannot open /dev/tee0"))
    }

    fn session(ret: u32) -> Failure {
        no_session(Answer::Tee {
            ret,
            origin: 3,
            values: Default::default(),
        })
    }

    #[test]
    fn each_failure_ends_with_its_status() {
        for (failure, status) in [
            (device(Errno::ENOENT), 3),
            (device(Errno::ENXIO), 3),
            (device(Errno::EACCES), 4),
            (device(Errno::EPERM), 4),
            (device(Errno::EMFILE), 1),
            (session(TEE_ERROR_ITEM_NOT_FOUND), 3),
            (session(TEE_ERROR_ACCESS_DENIED), 4),
            (session(TeeResult::BUSY.0), 1),
            (no_session(Answer::Kernel(Errno::ENOMEM as i32)), 1),
        ] {
            assert_eq!(failure.status(), status, "{failure}");
        }
    }

    #[test]
    fn a_number_comes_in_two_halves() {
        assert_eq!(number(0x89ab_cdef, 0x0123_4567), 0x0123_4567_89ab_cdef);
    }
}
