// SPDX-License-Identifier: BSD-2-Clause
//! What the programs that judge runs have in common.

pub mod suite;

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A run as `xtask suite` and `xtask xtest` keep it: a folder that has its name.
pub struct Kept {
    folder: PathBuf,
    /// Of the system that it was on.
    pub name: String,
    /// How it ended: the exit status of whoever booted that system.
    pub status: i32,
}

impl Kept {
    /// The run that was kept there.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        let name = folder.file_name().context("a folder has a name")?;
        let mut kept = Self {
            folder: folder.into(),
            name: name.to_string_lossy().into_owned(),
            status: 0,
        };
        kept.status = kept.text("status")?.trim().parse().context("status")?;
        Ok(kept)
    }

    /// A file of it.
    pub fn text(&self, file: &str) -> Result<String> {
        let path = self.folder.join(file);
        let octets = fs::read(&path).with_context(|| path.display().to_string())?;
        Ok(String::from_utf8_lossy(&octets).into_owned())
    }
}

/// What to say of a run that ended with that status, having complained of `errors`.
pub fn system_failed(status: i32, errors: &str) -> String {
    let last = errors.trim_end();
    format!("the system failed (status {status}): {last}")
}

/// Whether all was as it should be; 2 if nobody can tell.
pub fn exit_code(program: &str, judged: Result<bool>) -> ExitCode {
    match judged {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{program}: {error:#}");
            ExitCode::from(2)
        }
    }
}
