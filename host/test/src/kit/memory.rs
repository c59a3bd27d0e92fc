// SPDX-License-Identifier: BSD-2-Clause
//! What a program does with memory: its own code, and pages of files that it keeps in hand.
#![expect(
    unsafe_code,
    reason = "Rust cannot vouch for what is done to memory behind its back"
)]

use nix::libc;
use nix::sched::CloneFlags;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous, mprotect, munmap};
use nix::unistd::Pid;
use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

/// What Linux on this machine calls a page.
pub const PAGE: usize = 4096;

fn page() -> nix::Result<NonZeroUsize> {
    NonZeroUsize::new(PAGE).ok_or(nix::Error::EINVAL)
}

/// Maps the first page of a file to be executed, for as long as this program runs.
pub fn map_code(file: BorrowedFd<'_>) -> nix::Result<()> {
    map_code_at(None, file)
}

/// The same below all that the program consists of.
pub fn map_code_first(file: BorrowedFd<'_>) -> nix::Result<()> {
    map_code_at(NonZeroUsize::new(1 << 20), file)
}

fn map_code_at(hint: Option<NonZeroUsize>, file: BorrowedFd<'_>) -> nix::Result<()> {
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_EXEC;
    // SAFETY: a new mapping, which nothing else can be in the way of.
    unsafe { mmap(hint, page()?, protection, MapFlags::MAP_PRIVATE, file, 0) }.map(drop)
}

/// A page of memory that could be executed, as long as this lives.
pub struct AnonymousCode(NonNull<c_void>);

impl AnonymousCode {
    /// Maps one.
    pub fn map() -> nix::Result<Self> {
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_EXEC;
        // SAFETY: a new mapping, which nothing else can be in the way of.
        unsafe { mmap_anonymous(None, page()?, protection, MapFlags::MAP_PRIVATE) }.map(Self)
    }
}

impl Drop for AnonymousCode {
    fn drop(&mut self) {
        // SAFETY: our own mapping, which nothing refers to.
        let _ = unsafe { munmap(self.0, PAGE) };
    }
}

/// Writes to a page of this program's code, what is there already.
pub fn patch_text() -> nix::Result<()> {
    patch(patch_text as *const () as usize & !(PAGE - 1), PAGE)
}

/// The same to the kernel's vDSO, whose protection is that of all of it.
pub fn patch_vdso() -> nix::Result<()> {
    let maps = std::fs::read_to_string("/proc/self/maps").map_err(|_| nix::Error::EIO)?;
    let vdso = maps.lines().find(|line| line.ends_with("[vdso]"));
    let range = vdso.and_then(|line| line.split(' ').next()?.split_once('-'));
    let (start, end) = range.ok_or(nix::Error::ENOENT)?;
    let [start, end] = [start, end].map(|text| usize::from_str_radix(text, 16).unwrap_or(0));
    patch(start, end - start)
}

fn patch(start: usize, size: usize) -> nix::Result<()> {
    let start = NonNull::new(std::ptr::with_exposed_provenance_mut::<u8>(start));
    let start = start.ok_or(nix::Error::EINVAL)?;
    let code = ProtFlags::PROT_READ | ProtFlags::PROT_EXEC;
    // SAFETY: the pages go on to be code, which may be what runs just now.
    unsafe { mprotect(start.cast(), size, code | ProtFlags::PROT_WRITE) }?;
    // SAFETY: the first octet, which can be read.
    let octet = unsafe { start.read_volatile() };
    // SAFETY: the same octet again, so that what runs does not change.
    unsafe { start.write_volatile(octet) };
    // SAFETY: as it was.
    unsafe { mprotect(start.cast(), size, code) }
}

/// Starts a task that shares our memory and lets us trace it, and waits until we do. It ends with us, or by SIGKILL.
pub fn traced_sharer() -> nix::Result<Pid> {
    static TRACED: AtomicU32 = AtomicU32::new(0);
    let stack = Box::leak(vec![0; 16 * PAGE].into_boxed_slice());
    let life = || {
        // SAFETY: takes numbers only; the C library is not used, for its memory is ours.
        unsafe { libc::syscall(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        // SAFETY: as above.
        unsafe { libc::syscall(libc::SYS_ptrace, libc::PTRACE_TRACEME, 0, 0, 0) };
        TRACED.store(1, Ordering::SeqCst);
        loop {
            // SAFETY: only waits.
            unsafe { libc::syscall(libc::SYS_ppoll, 0, 0, 0, 0, 0) };
        }
    };
    // SAFETY: it has a stack of its own, and calls nothing but the kernel.
    let pid = unsafe {
        nix::sched::clone(
            Box::new(life),
            stack,
            CloneFlags::CLONE_VM,
            Some(libc::SIGCHLD),
        )
    }?;
    while TRACED.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    Ok(pid)
}

/// A page of a file that is mapped to be written to.
pub struct Window(NonNull<c_void>);

impl Window {
    /// Maps the first page of the file.
    pub fn open(file: BorrowedFd<'_>) -> nix::Result<Self> {
        Self::map(file, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE)
    }

    /// Maps it to be read.
    pub fn look(file: BorrowedFd<'_>) -> nix::Result<Self> {
        Self::map(file, ProtFlags::PROT_READ)
    }

    fn map(file: BorrowedFd<'_>, protection: ProtFlags) -> nix::Result<Self> {
        // SAFETY: a new mapping, which nothing else can be in the way of.
        unsafe { mmap(None, page()?, protection, MapFlags::MAP_SHARED, file, 0) }.map(Self)
    }

    /// Where it is.
    pub fn address(&self) -> usize {
        self.0.addr().get()
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: our own mapping; addresses of it are numbers.
        let _ = unsafe { munmap(self.0, PAGE) };
    }
}

/// Writes what is at one address to another, both of which may be bad, as a debugger of ourselves. Linux has the page that is
/// written to in hand while it waits for the other.
pub fn copy_page(from: usize, to: usize) -> nix::Result<usize> {
    let of = |start: usize| libc::iovec {
        iov_base: std::ptr::with_exposed_provenance_mut(start),
        iov_len: PAGE,
    };
    let (local, remote, us) = (of(from), of(to), nix::unistd::getpid().as_raw());
    // SAFETY: Linux checks both; nothing in this program refers to them.
    let copied = unsafe { libc::process_vm_writev(us, &local, 1, &remote, 1, 0) };
    nix::errno::Errno::result(copied).map(|copied| copied as usize)
}

/// Reads the first page of a file to an address, which may be bad. Linux has the page that is written to in hand while it waits
/// for the file, if it reads directly.
pub fn read_page(file: BorrowedFd<'_>, to: usize) -> nix::Result<usize> {
    let to = std::ptr::with_exposed_provenance_mut::<c_void>(to);
    // SAFETY: Linux checks the address; nothing in this program refers to it.
    let read = unsafe { libc::pread(file.as_raw_fd(), to, PAGE, 0) };
    nix::errno::Errno::result(read).map(|read| read as usize)
}

/// `struct io_uring_params`.
#[repr(C)]
#[derive(Default)]
struct RingParams {
    sq_entries: u32,
    cq_entries: u32,
    flags: u32,
    sq_thread_cpu: u32,
    sq_thread_idle: u32,
    features: u32,
    wq_fd: u32,
    resv: [u32; 3],
    sq_off: RingOffsets,
    cq_off: RingOffsets,
}

/// `struct io_sqring_offsets`, which has the size of `struct io_cqring_offsets`.
#[repr(C)]
#[derive(Default)]
struct RingOffsets {
    head: u32,
    tail: u32,
    mask: u32,
    entries: u32,
    flags: u32,
    dropped: u32,
    array: u32,
    resv: [u32; 3],
}

/// `struct io_uring_sqe`, as far as a read needs it.
#[repr(C)]
struct RingEntry {
    opcode: u8,
    flags: u8,
    ioprio: u16,
    fd: i32,
    offset: u64,
    address: u64,
    length: u32,
    rest: [u32; 9],
}

/// A page that an io_uring has in hand, whatever becomes of the mapping and the file.
pub struct Pin {
    ring: OwnedFd,
    page: usize,
}

impl Pin {
    /// Takes the page. Linux refuses some kinds of files.
    pub fn take(window: &Window) -> nix::Result<Self> {
        let mut params = RingParams::default();
        // SAFETY: the structure is the one that Linux expects here.
        let ring = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, &mut params) };
        let ring = nix::errno::Errno::result(ring)?;
        // SAFETY: the kernel has just made it for us; nobody else knows it.
        let ring = unsafe { OwnedFd::from_raw_fd(ring as RawFd) };
        let page = window.address();
        let buffer = libc::iovec {
            iov_base: std::ptr::with_exposed_provenance_mut(page),
            iov_len: PAGE,
        };
        // SAFETY: 0 is IORING_REGISTER_BUFFERS, and there is one buffer; Linux checks its address.
        let result =
            unsafe { libc::syscall(libc::SYS_io_uring_register, ring.as_raw_fd(), 0, &buffer, 1) };
        nix::errno::Errno::result(result)?;
        Ok(Self { ring, page })
    }

    /// Reads into the page from a file, at an offset in the page.
    pub fn read(&self, from: BorrowedFd<'_>, length: u32) -> nix::Result<()> {
        const OFF_SQES: libc::off_t = 0x1000_0000;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let map = |offset| {
            // SAFETY: a new mapping, which nothing else can be in the way of.
            unsafe {
                mmap(
                    None,
                    page()?,
                    protection,
                    MapFlags::MAP_SHARED,
                    &self.ring,
                    offset,
                )
            }
        };
        let entry = RingEntry {
            opcode: 4, // IORING_OP_READ_FIXED
            flags: 0,
            ioprio: 0,
            fd: from.as_raw_fd(),
            offset: 0,
            address: self.page as u64,
            length,
            rest: [0; 9],
        };
        let (rings, entries) = (map(0)?, map(OFF_SQES)?);
        let mut params = RingParams::default();
        // SAFETY: the structure is the one that Linux expects here; this ring only tells where things are in it.
        let other = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, &mut params) };
        let other = nix::errno::Errno::result(other)?;
        // SAFETY: the kernel has just made it for us; nobody else knows it.
        drop(unsafe { OwnedFd::from_raw_fd(other as RawFd) });
        // SAFETY: the ring has one entry, at the start of its mapping.
        unsafe { entries.cast::<RingEntry>().write_volatile(entry) };
        let word = |offset: u32| {
            rings
                .as_ptr()
                .wrapping_byte_add(offset as usize)
                .cast::<u32>()
        };
        // SAFETY: the kernel said where the word is, and aligned it.
        unsafe { word(params.sq_off.array).write_volatile(0) };
        // SAFETY: as above; the mapping stays.
        let tail = unsafe { AtomicU32::from_ptr(word(params.sq_off.tail)) };
        tail.store(1, Ordering::Release);
        // SAFETY: takes numbers only: submit one, wait for one.
        let result = unsafe {
            libc::syscall(
                libc::SYS_io_uring_enter,
                self.ring.as_raw_fd(),
                1,
                1,
                1,
                0,
                0,
            )
        };
        nix::errno::Errno::result(result).map(drop)
    }
}
