// SPDX-License-Identifier: BSD-2-Clause
//! Other programs.

use crate::bases::{build, top};
use crate::interrupt;
use anyhow::{Context, Result, ensure};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a make above this one left in the environment is not for one below, nor for cargo.
pub(crate) fn without_make(command: &mut Command) -> &mut Command {
    for inherited in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"] {
        command.env_remove(inherited);
    }
    command
}

/// This program, as it is built; it may have been built anew since it was started.
pub(crate) fn xtask() -> PathBuf {
    build().join("xtask")
}

/// A name that a folder of ours can have.
pub(crate) fn folder_name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.starts_with('.') || text.contains('/') {
        return Err("a name is not empty, has no / and does not begin with a dot".into());
    }
    Ok(text.into())
}

/// Nothing is there any more.
pub(crate) fn removed(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| folder.display().to_string())
        }
        _ => Ok(()),
    }
}

/// An empty folder.
pub(crate) fn emptied(folder: PathBuf) -> Result<PathBuf> {
    removed(&folder)?;
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    Ok(folder)
}

/// Runs it; that it fails is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_owned();
    let status = command
        .status()
        .with_context(|| format!("cannot execute {program:?}"))?;
    interrupt::check()?;
    ensure!(status.success(), "{program:?} failed");
    Ok(())
}

/// What it prints.
pub(crate) fn said(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_owned();
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot execute {program:?}"))?;
    ensure!(output.status.success(), "{program:?} failed");
    Ok(String::from_utf8_lossy(&output.stdout).trim().into())
}

/// Goals of mk/main.mk, as if nobody had called make before.
pub(crate) fn make(goals: &[&str]) -> Command {
    let mut make = Command::new("make");
    make.args(["--no-print-directory", "-f", "mk/main.mk"])
        .args(goals)
        .current_dir(top());
    without_make(&mut make);
    make
}

/// Everything that it says goes to a file.
pub(crate) fn logged<'a>(
    command: &'a mut Command,
    log: &Path,
    append: bool,
) -> Result<&'a mut Command> {
    let mut how = File::options();
    let file = how
        .create(true)
        .write(true)
        .append(append)
        .truncate(!append)
        .open(log)?;
    Ok(command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file))
}

/// What people want to see of a log after a failure.
pub(crate) fn end_of(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().map(|line| format!("\n    {line}")).collect();
    lines[lines.len().saturating_sub(20)..].concat()
}
