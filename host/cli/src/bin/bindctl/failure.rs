// SPDX-License-Identifier: BSD-2-Clause
//! How bindctl fails, what it says then and its exit status.

use crate::pta::Service;
use std::fmt;

/// What keeps bindctl from answering.
pub(crate) enum Failure {
    /// No device of a TEE.
    NoTee,
    /// No such pseudo TA in OP-TEE.
    NoPta(Service),
    /// The caller may not ask.
    NotRoot(&'static str),
    /// The pseudo TA is of another version, or of a time before there were any.
    OtherVersion(Service, Option<u32>),
    /// No grant with that number, or none that the caller may take back: which of the two OP-TEE does not tell.
    NoGrant(u64),
    /// Anything else.
    Other(anyhow::Error),
}

impl Failure {
    /// As `--help` lists them; 2 is what clap ends with.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::Other(_) => 1,
            Self::NoTee | Self::NoPta(_) => 3,
            Self::NotRoot(_) => 4,
            Self::OtherVersion(..) => 5,
            Self::NoGrant(_) => 6,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTee => f.write_str(
                "there is no /dev/tee0: load the driver (modprobe optee) and see what the kernel log says of optee",
            ),
            Self::NoPta(Service { name, brings, option, .. }) => write!(
                f,
                "OP-TEE has no {brings} (no pseudo TA {name}): build it with CFG_CLIENT_BINDING=y {option}=y",
            ),
            Self::NotRoot(what) => write!(f, "{what}: be root, and not of a user namespace"),
            Self::OtherVersion(Service { name, version, .. }, other) => {
                match other {
                    Some(other) => write!(f, "{name} of this OP-TEE speaks version {other}")?,
                    None => write!(f, "{name} of this OP-TEE has no version")?,
                }
                write!(f, ", this bindctl understands version {version} alone: take the one that was built with that OP-TEE")
            }
            Self::NoGrant(number) => write!(
                f,
                "there is no grant {number}, or it is not yours to take back: `bindctl grants` tells which are there"
            ),
            Self::Other(error) => write!(f, "{error:#}"),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}
