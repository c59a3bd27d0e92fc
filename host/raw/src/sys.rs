// SPDX-License-Identifier: BSD-2-Clause
//! The system calls that Rust cannot vouch for; nothing else here is unsafe.
//!
//! The structures are those of Linux' `include/uapi/linux/tee.h`.
#![expect(unsafe_code, reason = "Rust cannot vouch for system calls")]

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use std::ffi::c_void;
use std::mem::offset_of;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;

/// The parameters of an operation.
pub type Params = [Param; 4];

/// `struct tee_ioctl_param`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Param {
    /// `TEE_IOCTL_PARAM_ATTR_*`.
    pub attr: u64,
    /// First number, or offset into shared memory.
    pub a: u64,
    /// Second number, or size.
    pub b: u64,
    /// Number of the shared memory.
    pub c: u64,
}

/// `struct tee_ioctl_open_session_arg` with room for four parameters.
#[repr(C)]
#[derive(Debug, Default)]
pub struct OpenSession {
    /// The TA.
    pub uuid: [u8; 16],
    /// What the login method asks for.
    pub client_uuid: [u8; 16],
    /// `TEE_IOCTL_LOGIN_*`.
    pub login: u32,
    /// Unused by OP-TEE.
    pub cancel_id: u32,
    /// The session.
    pub session: u32,
    /// `TEEC_*`.
    pub ret: u32,
    /// `TEEC_ORIGIN_*`.
    pub ret_origin: u32,
    /// How many there are.
    pub num_params: u32,
    /// The parameters.
    pub params: Params,
}

/// `struct tee_ioctl_invoke_arg` with room for four parameters.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Invoke {
    /// The command.
    pub func: u32,
    /// The session.
    pub session: u32,
    /// Unused by OP-TEE.
    pub cancel_id: u32,
    /// `TEEC_*`.
    pub ret: u32,
    /// `TEEC_ORIGIN_*`.
    pub ret_origin: u32,
    /// How many there are.
    pub num_params: u32,
    /// The parameters.
    pub params: Params,
}

/// `struct tee_ioctl_version_data`.
#[repr(C)]
#[derive(Default)]
struct Version {
    implementation: u32,
    implementation_caps: u32,
    caps: u32,
}

/// `TEE_IMPL_ID_OPTEE`.
pub const OPTEE: u32 = 1;

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

#[repr(C)]
struct Allocate {
    size: u64,
    flags: u32,
    id: i32,
}

/// `struct tee_ioctl_limit_data`: which sessions may be opened.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Limit {
    /// The only TA.
    pub ta: [u8; 16],
    /// The only value that may be the first parameter, if it is one at all.
    pub param: Param,
}

/// How many parameters an operation of an object may have here: what root asks for and how it went, and the TA's.
pub const MOST_OPERANDS: usize = 8;

/// `struct tee_ioctl_object_invoke_arg` with room for that many.
#[repr(C)]
#[derive(Default)]
struct ObjectInvoke {
    id: u64,
    op: u32,
    ret: u32,
    num_params: u32,
    reserved: u32,
    params: [Param; MOST_OPERANDS],
}

/// A parameter of an operation of an object.
#[derive(Debug)]
pub enum Operand<'a> {
    /// Numbers, shared memory or an object: anything but an address.
    Plain(Param),
    /// Octets for the TEE.
    In(&'a [u8]),
    /// Room for octets from the TEE, and how many it has.
    Out(&'a mut [u8], usize),
    /// Octets there and back, and how many come back.
    InOut(&'a mut [u8], usize),
}

impl Operand<'_> {
    // TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_*
    const UBUF_IN: u64 = 8;
    const UBUF_OUT: u64 = 9;
    const UBUF_INOUT: u64 = 10;

    fn as_param(&mut self) -> nix::Result<Param> {
        let (attr, start, size) = match self {
            // The type is the lowest octet.
            Self::Plain(param)
                if (Self::UBUF_IN..=Self::UBUF_INOUT).contains(&(param.attr & 0xff)) =>
            {
                return Err(nix::Error::EINVAL);
            }
            Self::Plain(param) => return Ok(*param),
            Self::In(octets) => (Self::UBUF_IN, octets.as_ptr(), octets.len()),
            Self::Out(room, _) => (Self::UBUF_OUT, room.as_mut_ptr().cast_const(), room.len()),
            Self::InOut(octets, _) => (
                Self::UBUF_INOUT,
                octets.as_mut_ptr().cast_const(),
                octets.len(),
            ),
        };
        Ok(Param {
            attr,
            a: start as u64,
            b: size as u64,
            c: 0,
        })
    }

    fn take_back(&mut self, param: Param) {
        match self {
            Self::Plain(plain) => *plain = param,
            Self::In(_) => {}
            Self::Out(_, size) | Self::InOut(_, size) => {
                *size = usize::try_from(param.b).unwrap_or(usize::MAX);
            }
        }
    }
}

/// `struct tee_iocl_supp_recv_arg` as a client gives it: room for octets, and for what they are.
#[repr(C)]
#[derive(Default)]
struct Receive {
    func: u32,
    num_params: u32,
    params: [Param; 2],
}

/// `struct tee_iocl_supp_send_arg` as a client gives it.
#[repr(C)]
#[derive(Default)]
struct Send {
    ret: u32,
    num_params: u32,
    params: [Param; 1],
}

/// A TA calls an object of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The number that it was given with.
    pub object: u64,
    /// What it is to do.
    pub operation: u32,
    /// Tells this call from others of the open file.
    pub number: u64,
    /// How many octets came with it.
    pub size: usize,
    /// How many may go back.
    pub room: u64,
    /// For how many milliseconds the TA will wait.
    pub millis: u64,
}

mod ioctls {
    use super::{Allocate, Buffer, Cancel, CloseSession, Limit};
    const TEE: u8 = 0xa4;
    nix::ioctl_readwrite!(allocate, TEE, 1, Allocate);
    nix::ioctl_read!(open_session, TEE, 2, Buffer);
    nix::ioctl_read!(invoke, TEE, 3, Buffer);
    nix::ioctl_read!(cancel, TEE, 4, Cancel);
    nix::ioctl_read!(close_session, TEE, 5, CloseSession);
    nix::ioctl_read!(receive, TEE, 6, Buffer);
    nix::ioctl_read!(send, TEE, 7, Buffer);
    nix::ioctl_read!(object_invoke, TEE, 10, Buffer);
    // The last number there is, where upstream's will not come.
    nix::ioctl_write_ptr!(limit, TEE, 255, Limit);
}

fn buffer_of<T>(argument: &mut T) -> Buffer {
    Buffer {
        ptr: std::ptr::from_mut(argument) as u64,
        len: size_of::<T>() as u64,
    }
}

mod version {
    nix::ioctl_read!(version, 0xa4, 0, super::Version);
}

/// `TEE_IOC_VERSION`.
fn version(fd: BorrowedFd<'_>) -> nix::Result<Version> {
    let mut argument = Version::default();
    // SAFETY: the structure is the one that Linux expects here.
    unsafe { version::version(fd.as_raw_fd(), &mut argument) }?;
    Ok(argument)
}

/// Whose TEE it is.
pub fn implementation(fd: BorrowedFd<'_>) -> nix::Result<u32> {
    Ok(version(fd)?.implementation)
}

/// Whether it knows objects.
pub fn has_objects(fd: BorrowedFd<'_>) -> nix::Result<bool> {
    const TEE_GEN_CAP_OBJREF: u32 = 1 << 4;
    Ok(version(fd)?.caps & TEE_GEN_CAP_OBJREF != 0)
}

/// `TEE_IOC_OPEN_SESSION`.
pub fn open_session(fd: BorrowedFd<'_>, argument: &mut OpenSession) -> nix::Result<()> {
    // SAFETY: the buffer names the structure that Linux expects here and its true size.
    unsafe { ioctls::open_session(fd.as_raw_fd(), &mut buffer_of(argument)) }.map(drop)
}

/// `TEE_IOC_INVOKE`.
pub fn invoke(fd: BorrowedFd<'_>, argument: &mut Invoke) -> nix::Result<()> {
    // SAFETY: as above.
    unsafe { ioctls::invoke(fd.as_raw_fd(), &mut buffer_of(argument)) }.map(drop)
}

/// `TEE_IOC_OBJECT_INVOKE`: the result, and what came back in the operands.
pub fn object_invoke(
    fd: BorrowedFd<'_>,
    id: u64,
    op: u32,
    operands: &mut [Operand<'_>],
) -> nix::Result<u32> {
    let mut argument = ObjectInvoke {
        id,
        op,
        num_params: operands.len() as u32,
        ..ObjectInvoke::default()
    };
    if operands.len() > argument.params.len() {
        return Err(nix::Error::E2BIG);
    }
    for (param, operand) in argument.params.iter_mut().zip(&mut *operands) {
        *param = operand.as_param()?;
    }
    let mut buffer = buffer_of(&mut argument);
    buffer.len = (offset_of!(ObjectInvoke, params) + operands.len() * size_of::<Param>()) as u64;
    // SAFETY: the buffer names the structure that Linux expects here, and how much of it there is. What it writes to besides are
    // operands, whose addresses and sizes come from references, and shared memory, which Rust has no references to but to atomics.
    unsafe { ioctls::object_invoke(fd.as_raw_fd(), &mut buffer) }?;
    for (param, operand) in argument.params.iter().zip(operands) {
        operand.take_back(*param);
    }
    Ok(argument.ret)
}

// TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT and TEE_IOCTL_PARAM_ATTR_META
const META_VALUE_INOUT: u64 = 3 | 0x100;

/// `TEE_IOC_SUPPL_RECV` as a client: waits for a call. `ESHUTDOWN`: there is none, and the root object says another number of `stops`.
pub fn receive(fd: BorrowedFd<'_>, stops: u32, room: &mut [u8]) -> nix::Result<Call> {
    let mut argument = Receive {
        num_params: 2,
        ..Receive::default()
    };
    argument.params[0] = Param {
        attr: META_VALUE_INOUT,
        a: room.as_mut_ptr() as u64,
        b: room.len() as u64,
        c: stops.into(),
    };
    // SAFETY: the buffer names the structure that Linux expects here. What it writes to besides is `room`, of which it knows the size.
    unsafe { ioctls::receive(fd.as_raw_fd(), &mut buffer_of(&mut argument)) }?;
    let [what, terms] = argument.params;
    Ok(Call {
        object: what.a,
        operation: argument.func,
        number: what.b,
        size: usize::try_from(what.c).unwrap_or(usize::MAX),
        room: terms.a,
        millis: terms.b,
    })
}

/// `TEE_IOC_SUPPL_SEND` as a client: answers a call. `ENOENT`: nobody waits for it any more.
pub fn send(fd: BorrowedFd<'_>, number: u64, result: u32, octets: &[u8]) -> nix::Result<()> {
    let answer = Param {
        attr: META_VALUE_INOUT,
        a: number,
        b: octets.as_ptr() as u64,
        c: octets.len() as u64,
    };
    let mut argument = Send {
        ret: result,
        num_params: 1,
        params: [answer],
    };
    // SAFETY: the buffer names the structure that Linux expects here, and what that names is only read.
    unsafe { ioctls::send(fd.as_raw_fd(), &mut buffer_of(&mut argument)) }.map(drop)
}

/// `TEE_IOC_CANCEL`.
pub fn cancel(fd: BorrowedFd<'_>, session: u32, cancel_id: u32) -> nix::Result<()> {
    let mut argument = Cancel { cancel_id, session };
    // SAFETY: the structure is the one that Linux expects here.
    unsafe { ioctls::cancel(fd.as_raw_fd(), &mut argument) }.map(drop)
}

/// `TEE_IOC_CLOSE_SESSION`.
pub fn close_session(fd: BorrowedFd<'_>, session: u32) -> nix::Result<()> {
    let mut argument = CloseSession { session };
    // SAFETY: the structure is the one that Linux expects here.
    unsafe { ioctls::close_session(fd.as_raw_fd(), &mut argument) }.map(drop)
}

/// `TEE_IOC_LIMIT`. A kernel without it says `EINVAL`.
pub fn limit(fd: BorrowedFd<'_>, argument: &Limit) -> nix::Result<()> {
    // SAFETY: the structure is the one that Linux expects here.
    unsafe { ioctls::limit(fd.as_raw_fd(), argument) }.map(drop)
}

/// Memory that the TEE can reach, too. The kernel keeps the connection open for as
/// long as this exists.
#[derive(Debug)]
pub struct SharedMemory {
    id: i32,
    map: NonNull<c_void>,
    size: NonZeroUsize,
    fd: Option<OwnedFd>,
}

impl SharedMemory {
    pub(crate) fn allocate(tee: BorrowedFd<'_>, size: usize) -> nix::Result<Self> {
        let size = NonZeroUsize::new(size).ok_or(nix::Error::EINVAL)?;
        let mut argument = Allocate {
            size: size.get() as u64,
            flags: 0,
            id: 0,
        };
        // SAFETY: the structure is the one that Linux expects here.
        let fd = unsafe { ioctls::allocate(tee.as_raw_fd(), &mut argument) }?;
        // SAFETY: the kernel has just made it for us; nobody else knows it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping, which nothing else can be in the way of.
        let map = unsafe { mmap(None, size, protection, MapFlags::MAP_SHARED, &fd, 0) }?;
        Ok(Self {
            id: argument.id,
            map,
            size,
            fd: Some(fd),
        })
    }

    /// The file that it is; nothing after [`SharedMemory::close`].
    pub fn file(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().map(AsFd::as_fd)
    }

    /// Closes the file. The mapping stays.
    pub fn close(&mut self) {
        self.fd = None;
    }

    /// All of it as a parameter of the type `attr`.
    pub fn param(&self, attr: client_binding_proto::Param) -> Param {
        Param {
            attr: attr as u64,
            a: 0,
            b: self.size.get() as u64,
            c: self.id as u64,
        }
    }

    /// All of it, in words that anybody may change at any time.
    pub fn words(&self) -> &[AtomicU32] {
        let start = self.map.as_ptr().cast();
        // SAFETY: the mapping has that size, begins with a page and lives as long as we do.
        unsafe { std::slice::from_raw_parts(start, self.size.get() / size_of::<AtomicU32>()) }
    }

    /// What is in it now.
    pub fn read(&self) -> Vec<u8> {
        let mut octets = vec![0; self.size.get()];
        self.read_into(0, &mut octets);
        octets
    }

    /// What is in it from that offset on.
    pub fn read_into(&self, offset: usize, octets: &mut [u8]) {
        for (octet, from) in octets.iter_mut().zip(self.places(offset)) {
            // SAFETY: a readable place; volatile, for the other world may write.
            *octet = unsafe { from.read_volatile() };
        }
    }

    /// Puts that there from the offset on.
    pub fn write(&self, offset: usize, octets: &[u8]) {
        for (octet, to) in octets.iter().zip(self.places(offset)) {
            // SAFETY: a writable place; volatile, for the other world may read.
            unsafe { to.write_volatile(*octet) };
        }
    }

    /// Where its octets are, from the offset on.
    fn places(&self, offset: usize) -> impl Iterator<Item = *mut u8> {
        let start = self.map.as_ptr().cast::<u8>();
        // SAFETY: within the mapping, which lives as long as we do.
        (offset..self.size.get()).map(move |offset| unsafe { start.add(offset) })
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // SAFETY: our own mapping; references into it have ended.
        let unmapped = unsafe { munmap(self.map, self.size.get()) };
        debug_assert_eq!(unmapped, Ok(()));
    }
}

/// `struct fsverity_enable_arg`.
#[repr(C)]
#[derive(Default)]
struct EnableVerity {
    version: u32,
    hash_algorithm: u32,
    block_size: u32,
    salt_size: u32,
    salt_ptr: u64,
    sig_size: u32,
    reserved1: u32,
    sig_ptr: u64,
    reserved2: [u64; 11],
}

/// `struct fsverity_digest` without its digest.
#[repr(C)]
struct VerityDigest {
    algorithm: u16,
    size: u16,
}

/// The same with room for the longest one.
#[repr(C)]
struct MeasureVerity {
    head: VerityDigest,
    digest: [u8; 64],
}

mod verity {
    use super::{EnableVerity, VerityDigest};
    nix::ioctl_write_ptr!(enable, b'f', 133, EnableVerity);
    nix::ioctl_readwrite!(measure, b'f', 134, VerityDigest);
}

/// `FS_IOC_ENABLE_VERITY` with SHA-256, blocks of 4096 octets and no salt. From then on
/// nobody can write to the file; now nobody may have it open for that.
pub fn enable_verity(file: BorrowedFd<'_>) -> nix::Result<()> {
    let argument = EnableVerity {
        version: 1,
        hash_algorithm: 1,
        block_size: 4096,
        ..EnableVerity::default()
    };
    // SAFETY: the structure is the one that Linux expects here.
    unsafe { verity::enable(file.as_raw_fd(), &argument) }.map(drop)
}

/// `FS_IOC_MEASURE_VERITY`: the number of the algorithm, and the digest.
pub fn measure_verity(file: BorrowedFd<'_>) -> nix::Result<(u16, Vec<u8>)> {
    let mut argument = MeasureVerity {
        head: VerityDigest {
            algorithm: 0,
            size: 64,
        },
        digest: [0; 64],
    };
    let pointer = std::ptr::from_mut(&mut argument).cast();
    // SAFETY: Linux writes behind the head no more than its size allows.
    unsafe { verity::measure(file.as_raw_fd(), pointer) }?;
    let size = usize::from(argument.head.size).min(argument.digest.len());
    Ok((argument.head.algorithm, argument.digest[..size].to_vec()))
}
