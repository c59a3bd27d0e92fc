// SPDX-License-Identifier: BSD-2-Clause
//! Opens the pseudo TAs that bindctl asks, or tells why not.

use crate::failure::Failure;
use anyhow::anyhow;
use client_binding_policy::abi::{delegation, pta};
use client_binding_raw::code::{
    TEE_ERROR_ACCESS_DENIED, TEE_ERROR_ITEM_NOT_FOUND, TEE_ERROR_NOT_SUPPORTED,
};
use client_binding_raw::lend::Lender;
use client_binding_raw::pta::Pta;
use client_binding_raw::{Answer, Login, Tee};
use nix::errno::Errno;
use std::io;

/// A pseudo TA.
#[derive(Clone, Copy)]
pub(crate) struct Service {
    pub(crate) name: &'static str,
    /// What OP-TEE lacks without it.
    pub(crate) brings: &'static str,
    /// What OP-TEE is built with to have it.
    pub(crate) option: &'static str,
    /// The one that bindctl understands.
    pub(crate) version: u32,
}

const PTA: Service = Service {
    name: "client_binding.pta",
    brings: "view for operators",
    option: "CFG_CLIENT_BINDING_PTA",
    version: pta::VERSION,
};

const LEND: Service = Service {
    name: "client_binding.lend",
    brings: "delegation",
    option: "CFG_CLIENT_BINDING_DELEGATION",
    version: delegation::VERSION,
};

/// Opens the device.
pub(crate) fn connect() -> Result<Tee, Failure> {
    Tee::connect().map_err(no_device)
}

/// Opens a session as the user who calls, and asks first whether they mean the same by what they say.
pub(crate) fn open() -> Result<Pta, Failure> {
    let pta = Pta::open(connect()?).map_err(|answer| PTA.no_session(answer))?;
    PTA.same_version(pta.version())?;
    Ok(pta)
}

/// The same with who knows what is lent.
pub(crate) fn lender(tee: &Tee) -> Result<Lender<'_>, Failure> {
    let lender = Lender::open(tee, Login::User).map_err(|answer| LEND.no_session(answer))?;
    LEND.same_version(lender.version())?;
    Ok(lender)
}

/// Takes a grant back, and tells whether a command of it is in the TA.
pub(crate) fn revoke(lender: &Lender<'_>, number: u64, cancel: bool) -> Result<bool, Failure> {
    let revoked = lender.revoke(number, cancel);
    revoked.map_err(|answer| not_revoked(number, answer))
}

fn not_revoked(number: u64, answer: Answer) -> Failure {
    match answer.code() {
        Some(TEE_ERROR_ACCESS_DENIED) => Failure::NoGrant(number),
        _ => Failure::Other(anyhow!(answer).context(format!("cannot take grant {number} back"))),
    }
}

impl Service {
    fn same_version(self, answer: Result<u32, Answer>) -> Result<(), Failure> {
        match answer {
            Ok(version) if version == self.version => Ok(()),
            Ok(other) => Err(Failure::OtherVersion(self, Some(other))),
            // It does not know the question.
            Err(answer) if answer.code() == Some(TEE_ERROR_NOT_SUPPORTED) => {
                Err(Failure::OtherVersion(self, None))
            }
            Err(answer) => {
                let context = format!("cannot ask {} for its version", self.name);
                Err(Failure::Other(anyhow!(answer).context(context)))
            }
        }
    }

    fn no_session(self, answer: Answer) -> Failure {
        match answer.code() {
            Some(TEE_ERROR_ITEM_NOT_FOUND) => Failure::NoPta(self),
            Some(TEE_ERROR_ACCESS_DENIED) => {
                Failure::NotRoot("client_binding.pta answers to root alone")
            }
            _ => {
                let context = format!("cannot open a session with {}", self.name);
                Failure::Other(anyhow!(answer).context(context))
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use client_binding_raw::code::TEE_ERROR_BUSY;

    fn device(errno: Errno) -> Failure {
        let error = io::Error::from_raw_os_error(errno as i32);
        no_device(anyhow::Error::new(error).context("cannot open /dev/tee0"))
    }

    fn answer(ret: u32) -> Answer {
        Answer::Tee {
            ret,
            origin: 3,
            values: Default::default(),
        }
    }

    fn session(ret: u32) -> Failure {
        PTA.no_session(answer(ret))
    }

    fn version(answer: Result<u32, Answer>) -> Failure {
        PTA.same_version(answer).unwrap_err()
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
            (session(TEE_ERROR_BUSY), 1),
            (PTA.no_session(Answer::Kernel(Errno::ENOMEM as i32)), 1),
            (LEND.no_session(answer(TEE_ERROR_ITEM_NOT_FOUND)), 3),
            (not_revoked(256, answer(TEE_ERROR_ACCESS_DENIED)), 6),
            (not_revoked(256, answer(TEE_ERROR_BUSY)), 1),
            (version(Ok(0)), 5),
            (version(Ok(PTA.version + 1)), 5),
            (version(Err(answer(TEE_ERROR_NOT_SUPPORTED))), 5),
            (version(Err(answer(TEE_ERROR_BUSY))), 1),
        ] {
            assert_eq!(failure.status(), status, "{failure}");
        }
    }

    #[test]
    fn it_goes_on_with_its_own_version_alone() {
        for service in [PTA, LEND] {
            let Service { name, version, .. } = service;
            assert!(service.same_version(Ok(version)).is_ok());
            let told = service.same_version(Ok(version + 1)).unwrap_err();
            let told = told.to_string();
            let versions = [version, version + 1].map(|v| format!("version {v}"));
            assert!(versions.iter().all(|v| told.contains(v)), "{told}");
            assert!(told.starts_with(name), "{told}");
        }
        let told = version(Err(answer(TEE_ERROR_NOT_SUPPORTED))).to_string();
        assert!(told.contains("no version"), "{told}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let told = LEND
            .no_session(answer(TEE_ERROR_ITEM_NOT_FOUND))
            .to_string();
        for part in ["no delegation", "CFG_CLIENT_BINDING_DELEGATION=y"] {
            assert!(told.contains(part), "{told}");
        }
        let told = not_revoked(256, answer(TEE_ERROR_ACCESS_DENIED)).to_string();
        assert!(told.contains("no grant 256"), "{told}");
    }
}
