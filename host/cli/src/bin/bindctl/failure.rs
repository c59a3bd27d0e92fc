// SPDX-License-Identifier: BSD-2-Clause
//! How bindctl fails, what it says then and its exit status.

use client_binding_policy::abi::pta::VERSION;
use std::fmt;

/// What keeps bindctl from answering.
pub(crate) enum Failure {
    /// No device of a TEE.
    NoTee,
    /// No PTA in OP-TEE.
    NoPta,
    /// The caller may not ask.
    NotRoot(&'static str),
    /// The PTA is of another version, or of a time before there were any.
    OtherVersion(Option<u32>),
    /// Anything else.
    Other(anyhow::Error),
}

impl Failure {
    /// As `--help` lists them; 2 is what clap ends with.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::Other(_) => 1,
            Self::NoTee | Self::NoPta => 3,
            Self::NotRoot(_) => 4,
            Self::OtherVersion(_) => 5,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTee => f.write_str(
                "there is no /dev/tee0: load the driver (modprobe optee) and see what the kernel log says of optee",
            ),
            Self::NoPta => f.write_str(
                "OP-TEE has no client_binding.pta: build it with CFG_CLIENT_BINDING=y CFG_CLIENT_BINDING_PTA=y",
            ),
            Self::NotRoot(what) => write!(f, "{what}: be root, and not of a user namespace"),
            Self::OtherVersion(other) => {
                match other {
                    Some(other) => write!(f, "client_binding.pta of this OP-TEE speaks version {other}")?,
                    None => f.write_str("client_binding.pta of this OP-TEE has no version")?,
                }
                write!(f, ", this bindctl understands version {VERSION} alone: take the one that was built with that OP-TEE")
            }
            Self::Other(error) => write!(f, "{error:#}"),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}
