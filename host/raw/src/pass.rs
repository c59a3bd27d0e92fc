// SPDX-License-Identifier: BSD-2-Clause
//! Descriptors that come from another process, which Rust cannot vouch for.
#![expect(unsafe_code, reason = "Rust cannot vouch for system calls")]

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use nix::{cmsg_space, libc};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Sends a descriptor over a UNIX socket.
pub fn send(socket: impl AsFd, fd: impl AsFd) -> nix::Result<()> {
    let fds = [fd.as_fd().as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&fds)];
    // There has to be an octet for it to come with.
    let octet = [IoSlice::new(b"\n")];
    let socket = socket.as_fd().as_raw_fd();
    sendmsg::<()>(socket, &octet, &rights, MsgFlags::MSG_NOSIGNAL, None).map(drop)
}

/// Takes a descriptor out of a UNIX socket; nothing if the message brought none.
pub fn receive(socket: impl AsFd) -> nix::Result<Option<OwnedFd>> {
    let mut octet = [0];
    let mut room = [IoSliceMut::new(&mut octet)];
    let mut ancillary = cmsg_space!(RawFd);
    let message = recvmsg::<()>(
        socket.as_fd().as_raw_fd(),
        &mut room,
        Some(&mut ancillary),
        MsgFlags::MSG_CMSG_CLOEXEC,
    )?;
    let fds = message.cmsgs()?.flat_map(|message| match message {
        ControlMessageOwned::ScmRights(fds) => fds,
        _ => Vec::new(),
    });
    // SAFETY: the kernel has just made them for us; nobody else knows them.
    let fds: Vec<_> = fds.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }).collect();
    // More than one would be closed.
    Ok(fds.into_iter().next())
}

/// A descriptor that this program was started with and that nothing in it uses yet.
pub fn inherited(fd: RawFd) -> nix::Result<OwnedFd> {
    // SAFETY: only reads a flag of it, and fails if there is no such descriptor.
    Errno::result(unsafe { libc::fcntl(fd, libc::F_GETFD) })?;
    // SAFETY: it exists, and the caller knows that nobody else uses it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
