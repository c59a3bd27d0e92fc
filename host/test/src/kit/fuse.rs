// SPDX-License-Identifier: BSD-2-Clause
//! A file system of a user's: one file, with what is in it now, and something else later on.

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// The name of the file.
pub const NAME: &str = "program";
/// Who looks for that changes what is in it.
pub const SWITCH: &str = "switch";

/// What it's made of.
pub struct Server {
    device: File,
    /// What is in the file.
    pub content: Vec<u8>,
    /// Where that begins which is there later on, and how it goes on.
    pub later: (usize, Vec<u8>),
    /// Whose it is, as far as this says so.
    pub uid: u32,
    /// It isn't read before there is a file of this name.
    pub gate: Option<PathBuf>,
}

// Of enum fuse_opcode.
const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const READ: u32 = 15;
const RELEASE: u32 = 18;
const FLUSH: u32 = 25;
const INIT: u32 = 26;
const INTERRUPT: u32 = 36;
const BATCH_FORGET: u32 = 42;

const ROOT_NODE: u64 = 1;
const FILE_NODE: u64 = 2;

impl Server {
    /// Mounts it for a user, who is the only one that gets at it.
    pub fn mount(on: &Path, user: u32, content: Vec<u8>) -> Result<Self> {
        let device = File::options().read(true).write(true).open("/dev/fuse");
        let device = device.context("/dev/fuse")?;
        let fd = device.as_raw_fd();
        let options = format!("fd={fd},rootmode=40000,user_id={user},group_id={user}");
        let options = Some(options.as_str());
        mount(Some("fuse"), on, Some("fuse"), MsFlags::empty(), options).context("fuse")?;
        Ok(Self {
            device,
            content,
            later: (0, Vec::new()),
            uid: user,
            gate: None,
        })
    }

    /// Answers until it's unmounted.
    pub fn serve(mut self) -> Result<()> {
        let mut request = vec![0; 1 << 20];
        loop {
            let size = match self.device.read(&mut request) {
                Ok(size) => size,
                Err(error) if error.raw_os_error() == Some(Errno::ENODEV as i32) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let request = request.get(..size).context("too long")?;
            let (opcode, unique, node) = (word(request, 4)?, long(request, 8)?, long(request, 16)?);
            let body = request.get(40..).context("too short")?;
            let answer = match opcode {
                FORGET | INTERRUPT | BATCH_FORGET => continue,
                other => self.answer(other, node, body),
            };
            let (error, data) = match answer {
                Ok(data) => (0, data),
                Err(errno) => (-(errno as i32), Vec::new()),
            };
            self.send(error, unique, &data)?;
        }
    }

    fn send(&mut self, error: i32, unique: u64, data: &[u8]) -> Result<()> {
        let mut message = Vec::with_capacity(16 + data.len());
        message.extend(u32::try_from(16 + data.len())?.to_le_bytes());
        message.extend(error.to_le_bytes());
        message.extend(unique.to_le_bytes());
        message.extend(data);
        match self.device.write(&message) {
            // Who asked has been killed, or nobody has the file any more.
            Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) => Ok(()),
            result => Ok(result.map(drop)?),
        }
    }

    fn answer(&mut self, opcode: u32, node: u64, body: &[u8]) -> Result<Vec<u8>, Errno> {
        match opcode {
            INIT => {
                // 7.31, no features, reads ahead what a page is, 64 KiB at once
                let mut init = vec![0; 64];
                for (at, number) in [(0, 7), (4, 31), (8, 4096), (20, 1 << 16), (24, 1)] {
                    init[at..at + 4].copy_from_slice(&u32::to_le_bytes(number));
                }
                Ok(init)
            }
            LOOKUP if body.starts_with(NAME.as_bytes()) => {
                let mut entry = vec![0; 40];
                entry[..8].copy_from_slice(&FILE_NODE.to_le_bytes());
                entry.extend(self.attributes(FILE_NODE));
                Ok(entry)
            }
            LOOKUP if body.starts_with(SWITCH.as_bytes()) => {
                let (at, later) = &self.later;
                if let Some(place) = self.content.get_mut(*at..at + later.len()) {
                    place.copy_from_slice(later);
                }
                Err(Errno::ENOENT)
            }
            LOOKUP => Err(Errno::ENOENT),
            GETATTR => {
                let mut answer = vec![0; 16];
                answer.extend(self.attributes(node));
                Ok(answer)
            }
            // What of the file is cached is dropped then. Who closes it doesn't wait for an answer: FOPEN_NOFLUSH.
            OPEN => {
                let mut answer = vec![0; 16];
                answer[8] = 1 << 5;
                Ok(answer)
            }
            READ => {
                while self.gate.as_ref().is_some_and(|gate| !gate.exists()) {
                    thread::sleep(Duration::from_millis(10));
                }
                let start = long(body, 8).map_err(|_| Errno::EIO)?;
                let size = word(body, 16).map_err(|_| Errno::EIO)?;
                let start = self.content.len().min(start as usize);
                let end = self.content.len().min(start + size as usize);
                Ok(self.content[start..end].to_vec())
            }
            RELEASE | FLUSH => Ok(Vec::new()),
            _ => Err(Errno::ENOSYS),
        }
    }

    /// `struct fuse_attr`
    fn attributes(&self, node: u64) -> Vec<u8> {
        let (mode, size) = match node {
            ROOT_NODE => (0o040_755, 0),
            _ => (0o100_755, self.content.len() as u64),
        };
        let mut attributes = Vec::new();
        for number in [node, size, size.div_ceil(512), 0, 0, 0] {
            attributes.extend(number.to_le_bytes());
        }
        for number in [0, 0, 0, mode, 1, self.uid, self.uid, 0, 4096, 0] {
            attributes.extend(number.to_le_bytes());
        }
        attributes
    }
}

fn word(octets: &[u8], at: usize) -> Result<u32> {
    let octets = octets.get(at..at + 4).context("too short")?;
    Ok(u32::from_le_bytes(octets.try_into()?))
}

fn long(octets: &[u8], at: usize) -> Result<u64> {
    let octets = octets.get(at..at + 8).context("too short")?;
    Ok(u64::from_le_bytes(octets.try_into()?))
}
