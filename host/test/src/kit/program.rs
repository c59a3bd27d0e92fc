// SPDX-License-Identifier: BSD-2-Clause
//! Other programs: copies of this one, and what they do on a descriptor that they inherit.

use super::people::{OWNER, ROOT};
use anyhow::{Context, Result, anyhow};
use client_binding_client::app;
use client_binding_client::identity::Measurement;
use client_binding_raw::{Session, Tee, pass};
use nix::unistd::getpid;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Where there is fs-verity.
pub const DISK: &str = "/clients";

/// The file that this program is.
pub fn myself() -> Result<PathBuf> {
    Ok(fs::read_link("/proc/self/exe")?)
}

/// Without fs-verity; one octet longer if it's to be another program that does the same.
pub fn copy(from: &Path, to: &Path, change: bool) -> Result<()> {
    // What is there cannot be written to.
    let _ = fs::remove_file(to);
    fs::copy(from, to)?;
    if change {
        File::options().append(true).open(to)?.write_all(b"\n")?;
    }
    Ok(())
}

/// With fs-verity if the original has it.
pub fn copy_alike(from: &Path, to: &Path, change: bool) -> Result<()> {
    copy(from, to, change)?;
    match app::measure(from)? {
        Measurement::Verity(_) => Ok(app::protect(to)?),
        Measurement::File(_) => Ok(()),
    }
}

/// A program on the disk, as long as this lives. Root makes and removes it; we are the owner then.
pub struct Program(pub PathBuf);

impl Program {
    fn new(name: &str, make: impl FnOnce(&Path, &Path) -> Result<()>) -> Result<Self> {
        ROOT.act()?;
        let path = Path::new(DISK).join(format!("{name}-{}", getpid()));
        make(&myself()?, &path)?;
        Ok(Self(path))
    }

    /// It does the same as this one but is another.
    pub fn other() -> Result<Self> {
        Self::new("other", |from, to| copy_alike(from, to, true))
    }

    /// A copy.
    pub fn same() -> Result<Self> {
        Self::new("same", |from, to| copy_alike(from, to, false))
    }

    /// A copy without fs-verity.
    pub fn plain() -> Result<Self> {
        Self::new("plain", |from, to| copy(from, to, false))
    }

    /// A copy of that one, without fs-verity.
    pub fn of(file: &Path) -> Result<Self> {
        Self::new("copy", |_, to| copy(file, to, false))
    }

    /// A copy with nothing behind it, up to that size.
    pub fn sparse(size: u64) -> Result<Self> {
        Self::new("sparse", |from, to| {
            copy(from, to, false)?;
            Ok(File::options().write(true).open(to)?.set_len(size)?)
        })
    }

    /// Another name of this one.
    pub fn link() -> Result<Self> {
        Self::new("link", |from, to| Ok(fs::hard_link(from, to)?))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = ROOT.act();
        let _ = fs::remove_file(&self.0);
        let _ = fs::remove_file(self.0.with_extension("link"));
        let _ = OWNER.act();
    }
}

/// A program that inherits the descriptor, and is told of it and of the session behind the option.
pub fn heir(program: &Path, option: &str, tee: &Tee, session: Session) -> Result<Command> {
    let mut command = Command::new(program);
    command
        .arg(option)
        .arg(tee.inheritable()?.to_string())
        .arg(session.0.to_string());
    Ok(command)
}

/// Executes it, and takes what [`on_inherited`] printed.
pub fn said<T: DeserializeOwned>(mut command: Command) -> Result<T> {
    let output = command.output().context("cannot execute")?;
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).map_err(|_| anyhow!("the program said: {said}"))
}

/// What such a program does with the numbers that it was told.
pub fn on_inherited<T: Serialize>(
    numbers: &[u32],
    act: impl FnOnce(&Tee, Session) -> T,
) -> ExitCode {
    let answer = (|| -> Result<T> {
        let [fd, session] = numbers.try_into().map_err(|_| anyhow!("two numbers"))?;
        let tee = Tee::from(pass::inherited(RawFd::try_from(fd)?)?);
        Ok(act(&tee, Session(session)))
    })();
    match answer.and_then(|answer| Ok(serde_json::to_string(&answer)?)) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
