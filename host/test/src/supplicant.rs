// SPDX-License-Identifier: BSD-2-Clause
//! tee-supplicant, which ends when a client dies whose request it serves. Systems restart it.

use crate::bench::until;
use crate::world::{Process, ROOT};
use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

fn running() -> Result<Option<Pid>> {
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else {
            continue;
        };
        let read = |name| fs::read_to_string(entry.path().join(name)).unwrap_or_default();
        // The last of its threads closes the device, of which there may be only one.
        let threads = fs::read_dir(entry.path().join("task")).map_or(0, Iterator::count);
        let dead = read("stat").contains(") Z") && threads < 2;
        if read("comm").trim() == "tee-supplicant" && !dead {
            return Ok(Some(Pid::from_raw(pid)));
        }
    }
    Ok(None)
}

pub(crate) fn stop() -> Result<()> {
    let pid = running()?.context("there is no tee-supplicant")?;
    kill(pid, Signal::SIGKILL)?;
    until(Duration::from_secs(5), "it does not die", || {
        Ok(running()?.is_none())
    })
}

pub(crate) fn start() -> Result<()> {
    // In a group of its own it does not end with the case.
    Command::new("tee-supplicant")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("tee-supplicant does not start")?;
    Ok(())
}

/// Starts it if there is none.
pub(crate) fn revive() -> Result<()> {
    match running()? {
        Some(_) => Ok(()),
        None => start(),
    }
}

/// Whatever becomes of a case, the next one needs the supplicant.
pub(crate) struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = ROOT.act();
        let _ = revive();
    }
}

/// Keeps it alive until dropped, as an init system would.
pub(crate) struct Keeper(Process);

impl Keeper {
    pub(crate) fn start() -> Result<Self> {
        Ok(Self(Process::start(|_| -> Result<()> {
            ROOT.act()?;
            loop {
                // If the device is still busy the next one will do.
                let _ = revive();
                thread::sleep(Duration::from_millis(50));
            }
        })?))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = ROOT.act();
        let _ = self.0.kill();
        let _ = nix::sys::wait::waitpid(self.0.pid, None);
    }
}
