// SPDX-License-Identifier: BSD-2-Clause
//! Waiting until somebody may have been refused.

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::File;
use std::io::{ErrorKind, Read, Seek};
use std::os::fd::AsFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Linux wakes who polls this when OP-TEE denied somebody access, once for each time that it was read.
pub(crate) const ATTRIBUTE: &str = "/sys/class/tee/tee0/refused_calls";
/// Not everything that is refused passes the driver as that: what TAs ask of each other does not, nor BUSY.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often to ask where nothing wakes us, and at most: whoever is refused all the time fills no log faster than
/// with what OP-TEE keeps, once in a period.
const PERIOD: Duration = Duration::from_secs(1);

/// What wakes us, if the driver has it.
pub(crate) struct Watch {
    file: Option<File>,
    armed: Instant,
}

impl Watch {
    /// No file inside if the driver has none.
    pub(crate) fn open(path: &str) -> Result<Self> {
        let file = match File::open(path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("cannot open {path}")),
        };
        let armed = Instant::now();
        Ok(Self { file, armed })
    }

    /// Whether anything wakes us.
    pub(crate) fn is_woken(&self) -> bool {
        self.file.is_some()
    }

    /// What happens from now on ends the next [`wait`](Self::wait), however long it takes until that begins.
    pub(crate) fn arm(&mut self) -> Result<()> {
        self.armed = Instant::now();
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let mut text = String::new();
        let read = file.rewind().and_then(|()| file.read_to_string(&mut text));
        read.with_context(|| format!("cannot read {ATTRIBUTE}"))?;
        Ok(())
    }

    /// Waits for news, or until it is time to ask anyway. False if nobody reads what is written to `out` any more.
    pub(crate) fn wait(&self, out: impl AsFd) -> Result<bool> {
        let file = self.file.as_ref();
        let timeout = PollTimeout::try_from(if file.is_some() { PATIENCE } else { PERIOD })?;
        // A pipe without a reader is an error whatever is asked for.
        let mut polled = vec![PollFd::new(out.as_fd(), PollFlags::empty())];
        polled.extend(file.map(|file| PollFd::new(file.as_fd(), PollFlags::POLLPRI)));
        match poll(&mut polled, timeout) {
            Ok(0) | Err(Errno::EINTR) => return Ok(true),
            Ok(_) => {}
            Err(error) => return Err(error).context("poll"),
        }
        let is_read = polled[0]
            .revents()
            .is_none_or(|events| !events.contains(PollFlags::POLLERR));
        if is_read {
            sleep(PERIOD.saturating_sub(self.armed.elapsed()));
        }
        Ok(is_read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_without_the_file_is_no_error() {
        let watch = Watch::open("/nonexistent/refused_calls").unwrap();
        assert!(!watch.is_woken());
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml/refused_calls");
        assert!(Watch::open(path).is_err());
    }

    #[test]
    fn it_ends_when_nobody_reads() {
        let watch = Watch::open("/nonexistent/refused_calls").unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        assert!(watch.wait(&writer).unwrap());
        drop(reader);
        assert!(!watch.wait(&writer).unwrap());
    }
}
