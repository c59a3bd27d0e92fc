// SPDX-License-Identifier: BSD-2-Clause
//! The system calls that Rust cannot vouch for; nothing else here is unsafe.
//!
//! The structures are those of Linux' `include/uapi/linux/tee.h`.
#![allow(unsafe_code)]

use nix::cmsg_space;
use nix::libc;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::unistd::ForkResult;
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// The parameters of an operation.
pub(crate) type Params = [Param; 4];

/// `struct tee_ioctl_param`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Param {
    pub(crate) attr: u64,
    pub(crate) a: u64,
    pub(crate) b: u64,
    pub(crate) c: u64,
}

/// `struct tee_ioctl_open_session_arg` with room for four parameters.
#[repr(C)]
#[derive(Debug, Default)]
pub(crate) struct OpenSession {
    pub(crate) uuid: [u8; 16],
    pub(crate) client_uuid: [u8; 16],
    pub(crate) login: u32,
    pub(crate) cancel_id: u32,
    pub(crate) session: u32,
    pub(crate) ret: u32,
    pub(crate) ret_origin: u32,
    pub(crate) num_params: u32,
    pub(crate) params: Params,
}

/// `struct tee_ioctl_invoke_arg` with room for four parameters.
#[repr(C)]
#[derive(Debug, Default)]
pub(crate) struct Invoke {
    pub(crate) func: u32,
    pub(crate) session: u32,
    pub(crate) cancel_id: u32,
    pub(crate) ret: u32,
    pub(crate) ret_origin: u32,
    pub(crate) num_params: u32,
    pub(crate) params: Params,
}

/// `struct tee_ioctl_buf_data`.
#[repr(C)]
struct Buffer {
    ptr: u64,
    len: u64,
}

#[repr(C)]
struct Cancel {
    cancel_id: u32,
    session: u32,
}

#[repr(C)]
struct CloseSession {
    session: u32,
}

mod ioctls {
    use super::{Buffer, Cancel, CloseSession};
    const TEE: u8 = 0xa4;
    nix::ioctl_read!(open_session, TEE, 2, Buffer);
    nix::ioctl_read!(invoke, TEE, 3, Buffer);
    nix::ioctl_read!(cancel, TEE, 4, Cancel);
    nix::ioctl_read!(close_session, TEE, 5, CloseSession);
}

fn buffer_of<T>(argument: &mut T) -> Buffer {
    Buffer {
        ptr: std::ptr::from_mut(argument) as u64,
        len: size_of::<T>() as u64,
    }
}

/// `TEE_IOC_OPEN_SESSION`.
pub(crate) fn open_session(fd: BorrowedFd<'_>, argument: &mut OpenSession) -> nix::Result<()> {
    // SAFETY: the buffer names the structure that Linux expects here and its true size.
    unsafe { ioctls::open_session(fd.as_raw_fd(), &mut buffer_of(argument)) }.map(drop)
}

/// `TEE_IOC_INVOKE`.
pub(crate) fn invoke(fd: BorrowedFd<'_>, argument: &mut Invoke) -> nix::Result<()> {
    // SAFETY: as above.
    unsafe { ioctls::invoke(fd.as_raw_fd(), &mut buffer_of(argument)) }.map(drop)
}

/// `TEE_IOC_CANCEL`.
pub(crate) fn cancel(fd: BorrowedFd<'_>, session: u32, cancel_id: u32) -> nix::Result<()> {
    let mut argument = Cancel { cancel_id, session };
    // SAFETY: the structure is the one that Linux expects here.
    unsafe { ioctls::cancel(fd.as_raw_fd(), &mut argument) }.map(drop)
}

/// `TEE_IOC_CLOSE_SESSION`.
pub(crate) fn close_session(fd: BorrowedFd<'_>, session: u32) -> nix::Result<()> {
    let mut argument = CloseSession { session };
    // SAFETY: the structure is the one that Linux expects here.
    unsafe { ioctls::close_session(fd.as_raw_fd(), &mut argument) }.map(drop)
}

/// Forks. Only processes with a single thread do that here.
pub(crate) fn fork() -> nix::Result<ForkResult> {
    assert_eq!(threads(), 1, "a process with threads must not fork");
    // SAFETY: there is one thread, so no lock can be held by another one.
    unsafe { nix::unistd::fork() }
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// Changes the user of the calling thread alone. libc's `setresuid` would change
/// it for the whole process.
pub(crate) fn set_thread_uid(real: u32, effective: u32, saved: u32) -> nix::Result<()> {
    // SAFETY: takes numbers only.
    let result = unsafe { libc::syscall(libc::SYS_setresuid, real, effective, saved) };
    nix::errno::Errno::result(result).map(drop)
}

/// Takes a file descriptor out of a UNIX socket.
pub(crate) fn receive_fd(socket: BorrowedFd<'_>) -> nix::Result<Option<OwnedFd>> {
    let mut octet = [0];
    let mut room = [IoSliceMut::new(&mut octet)];
    let mut ancillary = cmsg_space!(RawFd);
    let message = recvmsg::<()>(
        socket.as_raw_fd(),
        &mut room,
        Some(&mut ancillary),
        MsgFlags::MSG_CMSG_CLOEXEC,
    )?;
    let fd = message.cmsgs()?.find_map(|message| match message {
        ControlMessageOwned::ScmRights(fds) => fds.first().copied(),
        _ => None,
    });
    // SAFETY: the kernel has just made it for us; nobody else knows it.
    Ok(fd.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }))
}
