// SPDX-License-Identifier: BSD-2-Clause
//! The processors that wait for Linux to start them.
//!
//! They spin in TF-A (its WFE is no more than a yield to QEMU), while each TLBI of the first one waits until all have stopped.
//! Linux makes some 100,000 of them before it starts the others. Where the host has fewer processors than the machine, the
//! first one has to wait for its turn each time: it takes 100 seconds to where Linux prints, and 2 if the others are idle to
//! the host's scheduler.

use std::fs::{self, DirEntry};
use std::path::PathBuf;
use std::process::{Command, Stdio};

pub(super) struct Waiting {
    /// QEMU's threads.
    tasks: PathBuf,
    held: Vec<String>,
    /// There is nothing to hold, or not any longer.
    over: bool,
}

impl Waiting {
    /// Who may not take it back leaves them as they are.
    pub(super) fn of(qemu: u32) -> Self {
        Self {
            tasks: format!("/proc/{qemu}/task").into(),
            held: Vec::new(),
            over: !chrt(&["--idle", "0", "chrt", "--other", "0", "true"]),
        }
    }

    /// To be called now and then. What cannot be done makes a boot slow, not wrong.
    pub(super) fn look(&mut self, started: bool) {
        if started {
            self.held
                .retain(|task| !chrt(&["--other", "--pid", "0", task]));
            self.over = true;
        } else if !self.over && self.held.is_empty() {
            let tasks = fs::read_dir(&self.tasks).into_iter().flatten().flatten();
            let other = |task: &DirEntry| {
                let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
                name.starts_with("CPU ") && !name.starts_with("CPU 0/")
            };
            self.held = tasks
                .filter(other)
                .map(|task| task.file_name().to_string_lossy().into_owned())
                .filter(|task| chrt(&["--idle", "--pid", "0", task]))
                .collect();
        }
    }

    /// The machine starts over.
    pub(super) fn again(&mut self) {
        self.over = false;
    }
}

fn chrt(arguments: &[&str]) -> bool {
    let mut chrt = Command::new("chrt");
    chrt.args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    chrt.status().is_ok_and(|status| status.success())
}
