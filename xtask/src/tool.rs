// SPDX-License-Identifier: BSD-2-Clause
//! Other programs.

use crate::bases::top;
use anyhow::{Context, Result, ensure};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs it; that it fails is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_owned();
    let status = command
        .status()
        .with_context(|| format!("cannot execute {program:?}"))?;
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
    for inherited in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"] {
        make.env_remove(inherited);
    }
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
