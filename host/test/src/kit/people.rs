// SPDX-License-Identifier: BSD-2-Clause
//! Processes with the credentials of real people, and how they talk to each other.

use super::sys;
use anyhow::{Context, Result, anyhow};
use client_binding_raw::pass;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Gid, Pid, Uid, setgroups, setresgid, setresuid};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::exit;

/// Somebody the guest's `/etc/passwd` knows.
#[derive(Clone, Copy)]
pub struct Person {
    /// The user's number; the group of the same number is the user's own.
    pub uid: u32,
    /// The groups, the own one among them.
    pub groups: &'static [u32],
}

/// The group that the owner is a member of.
pub const CLIENTS: u32 = 2000;
/// Whose sessions they are.
pub const OWNER: Person = Person {
    uid: 1000,
    groups: &[1000, CLIENTS],
};
/// Who can become everybody.
pub const ROOT: Person = Person {
    uid: 0,
    groups: &[0],
};
/// Whose they are not.
pub const STRANGER: Person = Person {
    uid: 1001,
    groups: &[1001],
};

impl Person {
    fn gid(self) -> Gid {
        Gid::from_raw(self.uid)
    }

    /// Become that person like a daemon does, which keeps root as its saved uid and
    /// can become somebody else.
    pub fn act(self) -> Result<()> {
        self.act_in(self.groups)
    }

    /// The same with other groups.
    pub fn act_in(self, groups: &[u32]) -> Result<()> {
        self.switch(groups, Uid::from_raw(0))
    }

    /// Become that person for good.
    pub fn be(self) -> Result<()> {
        self.switch(self.groups, Uid::from_raw(self.uid))
    }

    fn switch(self, groups: &[u32], saved: Uid) -> Result<()> {
        let root = Uid::from_raw(0);
        setresuid(root, root, root).context("cannot become root again")?;
        let groups: Vec<_> = groups.iter().copied().map(Gid::from_raw).collect();
        setgroups(&groups).context("setgroups")?;
        setresgid(self.gid(), self.gid(), self.gid()).context("setresgid")?;
        let uid = Uid::from_raw(self.uid);
        // The real uid is the person's: it is what the saved one is that counts.
        setresuid(uid, uid, saved).context("setresuid")
    }
}

/// One end of the line between two processes.
pub struct Line(BufReader<UnixStream>);

impl Line {
    /// Both ends.
    pub fn pair() -> Result<(Self, Self)> {
        let (a, b) = UnixStream::pair().context("socketpair")?;
        Ok((Self(BufReader::new(a)), Self(BufReader::new(b))))
    }

    /// "Your turn."
    pub fn go(&mut self) -> Result<()> {
        self.0.get_mut().write_all(b"\n").context("nobody listens")
    }

    /// Waits for [`Line::go`].
    pub fn wait(&mut self) -> Result<()> {
        self.0.read_exact(&mut [0]).context("nobody is left")
    }

    /// Whether it is our turn, without waiting for it.
    pub fn called(&mut self) -> Result<bool> {
        self.0.get_ref().set_nonblocking(true)?;
        let word = self.0.read_exact(&mut [0]);
        self.0.get_ref().set_nonblocking(false)?;
        match word {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error).context("nobody is left"),
        }
    }

    /// Sends something to [`Line::hear`].
    pub fn say<T: Serialize>(&mut self, message: &T) -> Result<()> {
        let mut text = serde_json::to_vec(message)?;
        text.push(b'\n');
        self.0.get_mut().write_all(&text).context("nobody listens")
    }

    /// Waits for something that was [said](Line::say).
    pub fn hear<T: DeserializeOwned>(&mut self) -> Result<T> {
        let mut text = String::new();
        self.0
            .read_line(&mut text)
            .context("the other process hangs")?;
        serde_json::from_str(&text).context("the other process ended without a word")
    }

    /// Sends a file descriptor.
    pub fn send_fd(&mut self, fd: impl AsFd) -> Result<()> {
        pass::send(self.0.get_ref(), fd).context("sendmsg")
    }

    /// Waits for a file descriptor.
    pub fn receive_fd(&mut self) -> Result<OwnedFd> {
        pass::receive(self.0.get_ref())?.context("the message brought no descriptor")
    }

    /// Gives up after that long.
    pub fn patience(&mut self, limit: std::time::Duration) -> Result<()> {
        Ok(self.0.get_mut().set_read_timeout(Some(limit))?)
    }
}

/// A process of our own.
pub struct Process {
    /// Its number.
    pub pid: Pid,
    /// Its line to us.
    pub line: Line,
}

impl Process {
    /// Forks. The child does what it is told, says how it went and ends.
    pub fn start<T: Serialize>(task: impl FnOnce(&mut Line) -> Result<T>) -> Result<Self> {
        let (ours, mut theirs) = Line::pair()?;
        match sys::fork().context("fork")? {
            ForkResult::Parent { child: pid } => Ok(Self { pid, line: ours }),
            ForkResult::Child => {
                drop(ours);
                let result = task(&mut theirs).map_err(|error| format!("{error:#}"));
                let said = theirs.say(&result);
                exit(if said.is_ok() { 0 } else { 1 });
            }
        }
    }

    /// Waits for the end of the process and for what it has to say.
    pub fn finish<T: DeserializeOwned>(mut self) -> Result<T> {
        let result: Result<T, String> = self.line.hear()?;
        self.reap()?;
        result.map_err(|error| anyhow!(error))
    }

    /// Sends SIGKILL.
    pub fn kill(&self) -> Result<()> {
        kill(self.pid, Signal::SIGKILL).context("kill")
    }

    /// Waits for the end of the process alone.
    pub fn reap(self) -> Result<WaitStatus> {
        waitpid(self.pid, None).context("waitpid")
    }
}

/// Lets another person do something that ends with an answer, in a process that
/// inherits all our descriptors.
pub fn let_person<T: Serialize + DeserializeOwned>(
    person: Person,
    task: impl FnOnce() -> Result<T>,
) -> Result<T> {
    Process::start(|_| {
        person.be()?;
        task()
    })?
    .finish()
}
