// SPDX-License-Identifier: BSD-2-Clause
//! What the systems are made for.

use crate::bases::build;
use clap::ValueEnum;
use std::path::PathBuf;

/// As Linux calls it
#[derive(Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Arch {
    /// AArch64
    #[default]
    Arm64,
    /// AArch32
    Arm,
}

impl Arch {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::Arm => "arm",
        }
    }

    /// What of both architectures has that name.
    pub(crate) fn named(self, name: &str) -> String {
        match self {
            Self::Arm64 => name.to_owned(),
            Self::Arm => format!("arm-{name}"),
        }
    }

    /// Where mk/main.mk has what is made for it.
    pub(crate) fn build(self) -> PathBuf {
        match self {
            Self::Arm64 => build(),
            Self::Arm => build().join("arm"),
        }
    }

    pub(crate) fn cross(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64-linux-gnu-",
            Self::Arm => "arm-linux-gnueabihf-",
        }
    }
}
