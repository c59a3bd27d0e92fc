// SPDX-License-Identifier: BSD-2-Clause
//! The TEE's device, as far as clients need it; tests have one of paper.

use client_binding_raw::sys::{self, Call, Invoke, OpenSession, Operand, SharedMemory};
use client_binding_raw::{Answer, Session, Tee};
use std::os::fd::AsFd;

/// One open file of it.
pub(crate) trait Device: AsFd + Send + Sync {
    fn open(&self, argument: &mut OpenSession) -> nix::Result<()>;
    fn invoke(&self, argument: &mut Invoke) -> nix::Result<()>;
    fn cancel(&self, session: u32) -> nix::Result<()>;
    fn close(&self, session: u32) -> nix::Result<()>;
    fn allocate(&self, size: usize) -> nix::Result<Box<dyn Memory>>;
    /// Whether there are objects.
    fn has_objects(&self) -> bool;
    /// An operation of an object.
    fn operate(&self, id: u64, op: u32, cancel_id: u32, operands: &mut Vec<Operand<'_>>) -> Answer;
    /// How many times those who [receive](Self::receive) were told that it is over: once more, or as it is.
    fn stops(&self, once_more: bool) -> Option<u32>;
    /// Waits for a call by a TA.
    fn receive(&self, stops: u32, room: &mut [u8]) -> nix::Result<Call>;
    /// Answers it.
    fn send(&self, number: u64, result: u32, octets: &[u8]) -> nix::Result<()>;
    /// Whether the calling thread is a member of the group.
    fn is_member(&self, gid: u32) -> bool;
}

/// Memory that is shared with the TEE.
pub(crate) trait Memory {
    /// Its number.
    fn id(&self) -> u64;
    fn write(&self, offset: usize, octets: &[u8]);
    fn read(&self, offset: usize, octets: &mut [u8]);
}

/// How libteec counts, too: `/dev/tee0` and on.
const DEVICES: u32 = 10;

/// The first OP-TEE that this process may open.
pub(crate) fn connect() -> Option<impl Device> {
    (0..DEVICES)
        .filter_map(|number| Tee::connect_to(number).ok())
        .find(|tee| sys::implementation(tee.as_fd()) == Ok(sys::OPTEE))
}

impl Device for Tee {
    fn open(&self, argument: &mut OpenSession) -> nix::Result<()> {
        sys::open_session(self.as_fd(), argument)
    }

    fn invoke(&self, argument: &mut Invoke) -> nix::Result<()> {
        sys::invoke(self.as_fd(), argument)
    }

    fn cancel(&self, session: u32) -> nix::Result<()> {
        Self::cancel(self, Session(session))
    }

    fn close(&self, session: u32) -> nix::Result<()> {
        Self::close(self, Session(session))
    }

    fn allocate(&self, size: usize) -> nix::Result<Box<dyn Memory>> {
        Ok(Box::new(Self::allocate(self, size)?))
    }

    fn has_objects(&self) -> bool {
        sys::has_objects(self.as_fd()) == Ok(true)
    }

    fn operate(&self, id: u64, op: u32, cancel_id: u32, operands: &mut Vec<Operand<'_>>) -> Answer {
        Self::operate(self, id, op, cancel_id, operands)
    }

    fn stops(&self, once_more: bool) -> Option<u32> {
        Self::stops(self, once_more).ok()
    }

    fn receive(&self, stops: u32, room: &mut [u8]) -> nix::Result<Call> {
        sys::receive(self.as_fd(), stops, room)
    }

    fn send(&self, number: u64, result: u32, octets: &[u8]) -> nix::Result<()> {
        sys::send(self.as_fd(), number, result, octets)
    }

    fn is_member(&self, gid: u32) -> bool {
        let gid = nix::unistd::Gid::from_raw(gid);
        let groups = nix::unistd::getgroups();
        // What isn't known isn't said.
        nix::unistd::getegid() == gid || groups.map_or(true, |groups| groups.contains(&gid))
    }
}

impl Memory for SharedMemory {
    fn id(&self) -> u64 {
        self.param(client_binding_proto::Param::MemIn).c
    }

    fn write(&self, offset: usize, octets: &[u8]) {
        Self::write(self, offset, octets);
    }

    fn read(&self, offset: usize, octets: &mut [u8]) {
        self.read_into(offset, octets);
    }
}
