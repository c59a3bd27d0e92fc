// SPDX-License-Identifier: BSD-2-Clause
//! Opens `client_binding.pta`, or tells why not.

use crate::failure::Failure;
use anyhow::anyhow;
use client_binding_policy::abi::pta::VERSION;
use client_binding_raw::code::{
    TEE_ERROR_ACCESS_DENIED, TEE_ERROR_ITEM_NOT_FOUND, TEE_ERROR_NOT_SUPPORTED,
};
use client_binding_raw::pta::Pta;
use client_binding_raw::{Answer, Tee};
use nix::errno::Errno;
use std::io;

/// Opens the device and a session as the user who calls, and asks first whether they mean the same by what they say.
pub(crate) fn open() -> Result<Pta, Failure> {
    let pta = Pta::open(Tee::connect().map_err(no_device)?).map_err(no_session)?;
    same_version(pta.version())?;
    Ok(pta)
}

fn same_version(answer: Result<u32, Answer>) -> Result<(), Failure> {
    match answer {
        Ok(VERSION) => Ok(()),
        Ok(other) => Err(Failure::OtherVersion(Some(other))),
        // It does not know the question.
        Err(answer) if answer.code() == Some(TEE_ERROR_NOT_SUPPORTED) => {
            Err(Failure::OtherVersion(None))
        }
        Err(answer) => Err(Failure::Other(
            anyhow!(answer).context("cannot ask client_binding.pta for its version"),
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
        no_session(answer(ret))
    }

    fn version(answer: Result<u32, Answer>) -> Failure {
        same_version(answer).unwrap_err()
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
            (no_session(Answer::Kernel(Errno::ENOMEM as i32)), 1),
            (version(Ok(0)), 5),
            (version(Ok(VERSION + 1)), 5),
            (version(Err(answer(TEE_ERROR_NOT_SUPPORTED))), 5),
            (version(Err(answer(TEE_ERROR_BUSY))), 1),
        ] {
            assert_eq!(failure.status(), status, "{failure}");
        }
    }

    #[test]
    fn it_goes_on_with_its_own_version_alone() {
        assert!(same_version(Ok(VERSION)).is_ok());
        let told = version(Ok(VERSION + 1)).to_string();
        let versions = [VERSION, VERSION + 1].map(|v| format!("version {v}"));
        assert!(versions.iter().all(|v| told.contains(v)), "{told}");
        let told = version(Err(answer(TEE_ERROR_NOT_SUPPORTED))).to_string();
        assert!(told.contains("no version"), "{told}");
    }
}
