// SPDX-License-Identifier: BSD-2-Clause
//! What the systems are made for.

use crate::bases::build;
use clap::{Args, ValueEnum};
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
    fn name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::Arm => "arm",
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

/// A system's
#[derive(Args, Clone, Copy)]
pub(crate) struct Processor {
    /// For which processor OP-TEE and Linux are
    #[arg(long, value_enum, default_value_t)]
    pub(crate) arch: Arch,
    /// For which one TAs and the guest's programs are; the same unless told. AArch64 can have them of AArch32
    #[arg(long, value_enum, value_name = "ARCH")]
    user: Option<Arch>,
}

impl Processor {
    pub(crate) fn of(arch: Arch) -> Self {
        Self { arch, user: None }
    }

    pub(crate) fn user(self) -> Arch {
        self.user.unwrap_or(self.arch)
    }

    pub(crate) fn arguments(self) -> [&'static str; 4] {
        ["--arch", self.arch.name(), "--user", self.user().name()]
    }

    /// What of all processors has that name.
    pub(crate) fn named(self, name: &str) -> String {
        match (self.arch, self.user()) {
            (Arch::Arm64, Arch::Arm64) => name.to_owned(),
            (Arch::Arm64, Arch::Arm) => format!("user-arm-{name}"),
            (Arch::Arm, _) => format!("arm-{name}"),
        }
    }
}
