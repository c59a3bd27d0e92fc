// SPDX-License-Identifier: BSD-2-Clause
//! What a world prints when it is lost.

use anyhow::Result;
use regex_lite::Regex;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// OP-TEE's panic, abort and assertion. A user TA's panic is none of these.
static CORE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[EF]/TC:.*(Panic( |$)|Core [a-z-]+-abort|assertion .* failed)").expect("a regex")
});
/// TF-A's panic and unhandled exception.
const FIRMWARE: [&str; 4] = ["PANIC", "ASSERT:", "BACKTRACE:", "Unhandled "];
/// OP-TEE's on a processor that Linux starts, if it prints that, and what Linux prints later on.
const OTHER_BEGINS: &str = "Secondary CPU";
const LINUX_BEGINS: &str = "Booting Linux on physical CPU";
/// TF-A also panics when it has asked the machine to power off and the machine takes its time.
const POWER_OFF: &str = "ERROR:   QEMU System Power off";

/// A warning of TF-A's has no time stamp.
static LINUX: LazyLock<Regex> = LazyLock::new(|| {
    let alternatives = [
        "Kernel panic|Oops|Internal error|BUG: ",
        r"\] WARNING: |KASAN|INFO: (task .* blocked|trying to register)",
        "rcu: INFO: |ODEBUG: |kmemleak: .* suspected|DEBUG_LOCKS_WARN_ON",
    ];
    Regex::new(&alternatives.join("|")).expect("a regex")
});

/// The lines that tell that the secure world is lost.
pub(super) fn secure_lost<'a>(secure: &'a str, normal: &'a str) -> Vec<&'a str> {
    let lost: Vec<_> = secure.lines().filter(|line| CORE.is_match(line)).collect();
    if !lost.is_empty() || powered_off(normal) {
        return lost;
    }
    let both = secure.lines().chain(normal.lines());
    both.filter(|line| of_firmware(line)).collect()
}

fn powered_off(normal: &str) -> bool {
    normal.lines().any(|line| line.starts_with(POWER_OFF))
}

fn of_firmware(line: &str) -> bool {
    FIRMWARE.iter().any(|start| line.starts_with(start))
}

/// The lines that tell that Linux is.
pub(super) fn linux_lost(normal: &str) -> Vec<&str> {
    normal.lines().filter(|line| LINUX.is_match(line)).collect()
}

/// Looks at both logs while they grow.
pub(super) struct Watch {
    secure: Follower,
    normal: Follower,
    powered_off: bool,
    all_started: bool,
}

impl Watch {
    pub(super) fn new(run: &Path) -> Self {
        Self {
            secure: Follower::new(run.join("secure-world.log")),
            normal: Follower::new(run.join("normal-world.log")),
            powered_off: false,
            all_started: false,
        }
    }

    /// Whether one of the lines that came since the last look tells that the secure world is lost.
    pub(super) fn sees_loss(&mut self) -> Result<bool> {
        let (secure, normal) = (self.secure.more()?, self.normal.more()?);
        self.powered_off |= powered_off(&normal);
        self.all_started |= secure.contains(OTHER_BEGINS) || normal.contains(LINUX_BEGINS);
        let mut lines = secure_lost(&secure, &normal).into_iter();
        Ok(lines.any(|line| !self.powered_off || !of_firmware(line)))
    }

    /// Whether Linux has begun to start the other processors since this was asked.
    pub(super) fn all_started(&mut self) -> bool {
        mem::take(&mut self.all_started)
    }
}

struct Follower {
    path: PathBuf,
    at: u64,
    /// A line that has no end yet.
    begun: Vec<u8>,
}

impl Follower {
    fn new(path: PathBuf) -> Self {
        let begun = Vec::new();
        Self { path, at: 0, begun }
    }

    /// The whole lines that came since the last look.
    fn more(&mut self) -> Result<String> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.at))?;
        let count = file.read_to_end(&mut self.begun)?;
        self.at += count as u64;
        let ends = self.begun.iter().rposition(|octet| *octet == b'\n');
        let whole: Vec<_> = self.begun.drain(..ends.map_or(0, |at| at + 1)).collect();
        Ok(String::from_utf8_lossy(&whole).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_is_a_loss() {
        let panic = "E/TC:0 0 Panic at core/kernel/panic.c:12 <f>";
        for line in [
            panic,
            "E/TC:3 0 Panic",
            "E/TC:0 0 Core data-abort at address 0x0 (translation fault)",
            "E/TC:? 0 assertion 'a' failed at b.c:1 in c()",
        ] {
            assert_eq!(secure_lost(&format!("I/TC: x\n{line}\n"), ""), [line]);
        }
        for line in [
            "E/TC:? 0 TA panicked with code 0x1",
            "E/TA: Panic",
            "D/TC:0 0 Panicked?",
        ] {
            assert!(secure_lost(line, "").is_empty(), "{line}");
        }
        for line in [
            "Kernel panic - not syncing: x",
            "[ 1.0] WARNING: CPU: 0",
            "BUG: KASAN: x",
        ] {
            assert_eq!(linux_lost(line), [line]);
        }
        assert!(linux_lost("WARNING: BL31 is in debug mode").is_empty());
    }

    #[test]
    fn firmware_may_panic_once_it_has_powered_off() {
        assert_eq!(
            secure_lost("", "PANIC at PC : 0x0\n"),
            ["PANIC at PC : 0x0"]
        );
        let off = "ERROR:   QEMU System Power off: operation not handled.\nPANIC at PC : 0x0\n";
        assert!(secure_lost("", off).is_empty());
        assert_eq!(secure_lost("E/TC:0 0 Panic\n", off).len(), 1);
    }

    #[test]
    fn a_watch_sees_whole_lines_once() {
        let run = tempfile::tempdir().unwrap();
        let (secure, normal) = (
            run.path().join("secure-world.log"),
            run.path().join("normal-world.log"),
        );
        fs::write(&secure, "E/TC:0 0 Pan").unwrap();
        fs::write(&normal, "").unwrap();
        let mut watch = Watch::new(run.path());
        assert!(!watch.sees_loss().unwrap());
        fs::write(&secure, "E/TC:0 0 Panic\n").unwrap();
        assert!(watch.sees_loss().unwrap());
        assert!(!watch.sees_loss().unwrap());
        fs::write(&normal, "ERROR:   QEMU System Power off\n").unwrap();
        assert!(!watch.sees_loss().unwrap());
        fs::write(&normal, "ERROR:   QEMU System Power off\nPANIC\n").unwrap();
        assert!(!watch.sees_loss().unwrap());
    }
}
