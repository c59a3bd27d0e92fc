// SPDX-License-Identifier: BSD-2-Clause
//! System calls of those who attack that Rust cannot vouch for.
#![expect(unsafe_code, reason = "Rust cannot vouch for system calls")]

use client_binding_raw::pass;
use nix::libc;
use nix::sys::mman::{MRemapFlags, MapFlags, ProtFlags, mmap_anonymous, mprotect, mremap};
use nix::unistd::ForkResult;
use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU32;
use std::thread;
use std::time::{Duration, Instant};

/// Forks. Only processes with a single thread do that here.
pub fn fork() -> nix::Result<ForkResult> {
    // One that was joined has told so, and is there for a moment longer.
    let patience = Instant::now();
    while threads() > 1 && patience.elapsed() < Duration::from_secs(1) {
        thread::yield_now();
    }
    assert_eq!(threads(), 1, "a process with threads must not fork");
    // SAFETY: there is one thread, so no lock can be held by another one.
    unsafe { nix::unistd::fork() }
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// Changes the user of the calling thread alone. libc's `setresuid` would change
/// it for the whole process.
pub fn set_thread_uid(real: u32, effective: u32, saved: u32) -> nix::Result<()> {
    // SAFETY: takes numbers only.
    let result = unsafe { libc::syscall(libc::SYS_setresuid, real, effective, saved) };
    nix::errno::Errno::result(result).map(drop)
}

/// Takes a file descriptor out of another process, as a debugger may.
///
/// `fd` is the number it has there.
pub fn take_fd(pid: nix::unistd::Pid, fd: RawFd) -> nix::Result<OwnedFd> {
    let owned = |result: libc::c_long| {
        let fd = nix::errno::Errno::result(result)?;
        // SAFETY: the kernel has just made it for us; nobody else knows it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
    };
    // SAFETY: takes numbers only.
    let process = owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) })?;
    let process = process.as_raw_fd();
    // SAFETY: takes numbers only.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process, fd, 0) })
}

/// Lets processes of other users that hold the right capability look into us, which a
/// change of credentials forbids.
pub fn be_dumpable() -> nix::Result<()> {
    nix::sys::prctl::set_dumpable(true)
}

/// `struct tee_ioctl_shm_register_data` of Linux' `include/uapi/linux/tee.h`.
#[repr(C)]
struct Register {
    addr: u64,
    length: u64,
    flags: u32,
    id: i32,
}

mod ioctls {
    nix::ioctl_readwrite!(register, 0xa4, 9, super::Register);
}

/// Memory of ours that the TEE can reach from now on: the file that stands for it, and its number.
pub fn register(tee: BorrowedFd<'_>, memory: &'static [AtomicU32]) -> nix::Result<(OwnedFd, i32)> {
    let mut argument = Register {
        addr: memory.as_ptr() as u64,
        length: size_of_val(memory) as u64,
        flags: 0,
        id: 0,
    };
    // SAFETY: the structure is the one that Linux expects here; the memory stays, and anybody may write to it.
    let fd = unsafe { ioctls::register(tee.as_raw_fd(), &mut argument) }?;
    // SAFETY: the kernel has just made it for us; nobody else knows it.
    Ok((unsafe { OwnedFd::from_raw_fd(fd) }, argument.id))
}

/// `TEE_IOC_LIMIT` with an argument of that size at that address, whatever is there.
pub fn limit_at(tee: BorrowedFd<'_>, size: usize, address: usize) -> nix::Result<()> {
    let request = nix::request_code_write!(0xa4, 255, size);
    // SAFETY: Linux only reads there, and finds out itself whether it can.
    let answer = unsafe { libc::ioctl(tee.as_raw_fd(), request as libc::Ioctl, address) };
    nix::errno::Errno::result(answer).map(drop)
}

/// `TEE_IOC_SUPPL_RECV` or `TEE_IOC_SUPPL_SEND`, by its number.
pub fn ask_as_supplicant(tee: BorrowedFd<'_>, number: u8) -> nix::Result<()> {
    let nothing = [0_u64; 2];
    let request = nix::request_code_read!(0xa4, number, size_of_val(&nothing));
    // SAFETY: a `struct tee_ioctl_buf_data` without a buffer, which is only read.
    let answer = unsafe { libc::ioctl(tee.as_raw_fd(), request as libc::Ioctl, &nothing) };
    nix::errno::Errno::result(answer).map(drop)
}

/// `struct tee_ioctl_param`: what it is, and three numbers.
pub type RawParam = [u64; 4];

/// A page of ours that nobody can write to.
pub fn read_only_page() -> u64 {
    static PAGE: OnceLock<u64> = OnceLock::new();
    *PAGE.get_or_init(|| {
        let size = NonZeroUsize::new(4096).expect("is not zero");
        // SAFETY: a new mapping, which stays.
        let page =
            unsafe { mmap_anonymous(None, size, ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE) };
        page.expect("there is memory for a page").as_ptr() as u64
    })
}

/// `TEE_IOC_OBJECT_INVOKE` with parameters as they are, however many. Linux is told no other places to write to than those that
/// cannot be written to.
pub fn operate(tee: BorrowedFd<'_>, id: u64, op: u32, params: &[RawParam]) -> nix::Result<()> {
    for [attr, at, ..] in params {
        let nowhere = *at == 0 || *at == read_only_page() || *at > u64::MAX / 2;
        assert!(!matches!(attr & 0xff, 9 | 10) || nowhere);
    }
    let mut argument = vec![id, op.into(), params.len() as u64];
    argument.extend(params.as_flattened());
    let buffer = [
        argument.as_mut_ptr() as u64,
        size_of_val(argument.as_slice()) as u64,
    ];
    let request = nix::request_code_read!(0xa4, 10, size_of_val(&buffer));
    // SAFETY: a `struct tee_ioctl_buf_data` with its true size, and in it a `struct tee_ioctl_object_invoke_arg` that is ours, and that
    // Linux may write to; besides it writes where nobody can.
    let answer = unsafe { libc::ioctl(tee.as_raw_fd(), request as libc::Ioctl, &buffer) };
    nix::errno::Errno::result(answer).map(drop)
}

/// `TEE_IOC_SUPPL_RECV` (6) or `TEE_IOC_SUPPL_SEND` (7) with parameters that need not make sense. The addresses in them have to be of places
/// where nobody can write.
pub fn suppl(tee: BorrowedFd<'_>, nr: u8, params: &[RawParam]) -> nix::Result<()> {
    let mut argument = vec![(params.len() as u64) << 32];
    argument.extend(params.as_flattened());
    let buffer = [
        argument.as_mut_ptr() as u64,
        size_of_val(argument.as_slice()) as u64,
    ];
    let request = nix::request_code_read!(0xa4, nr, size_of_val(&buffer));
    // SAFETY: a `struct tee_ioctl_buf_data` with its true size, and in it two numbers of 32 bits and parameters, that are ours and that Linux
    // may write to; besides it writes where nobody can.
    let answer = unsafe { libc::ioctl(tee.as_raw_fd(), request as libc::Ioctl, &buffer) };
    nix::errno::Errno::result(answer).map(drop)
}

/// `struct mount_attr`.
#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Mounts what is at a place once more in that place, with the owners of its files mapped as in that user namespace.
pub fn mount_idmapped(place: &std::ffi::CStr, namespace: BorrowedFd<'_>) -> nix::Result<()> {
    const OPEN_TREE_CLONE: u32 = 1;
    const MOUNT_ATTR_IDMAP: u64 = 0x0010_0000;
    const MOVE_MOUNT_F_EMPTY_PATH: u32 = 4;
    let (here, nothing) = (libc::AT_FDCWD, c"".as_ptr());
    // SAFETY: takes a path and numbers.
    let tree = unsafe { libc::syscall(libc::SYS_open_tree, here, place.as_ptr(), OPEN_TREE_CLONE) };
    let tree = nix::errno::Errno::result(tree)?;
    // SAFETY: the kernel has just made it for us; nobody else knows it.
    let tree = unsafe { OwnedFd::from_raw_fd(tree as RawFd) };
    let attributes = MountAttributes {
        set: MOUNT_ATTR_IDMAP,
        clear: 0,
        propagation: 0,
        user_namespace: namespace.as_raw_fd() as u64,
    };
    let (fd, size) = (tree.as_raw_fd(), size_of::<MountAttributes>());
    let flags = libc::AT_EMPTY_PATH;
    // SAFETY: the structure is the one that Linux expects here, with its true size.
    let set = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd,
            nothing,
            flags,
            &attributes,
            size,
        )
    };
    nix::errno::Errno::result(set)?;
    let flags = MOVE_MOUNT_F_EMPTY_PATH;
    // SAFETY: takes paths and numbers.
    let moved = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            fd,
            nothing,
            here,
            place.as_ptr(),
            flags,
        )
    };
    nix::errno::Errno::result(moved).map(drop)
}

/// Gives a file an extended attribute.
pub fn set_attribute(
    path: &std::path::Path,
    name: &std::ffi::CStr,
    value: &[u8],
) -> nix::Result<()> {
    use nix::NixPath;
    let set = |path: &std::ffi::CStr| {
        // SAFETY: three objects with their true sizes.
        unsafe {
            libc::setxattr(
                path.as_ptr(),
                name.as_ptr(),
                value.as_ptr().cast(),
                value.len(),
                0,
            )
        }
    };
    nix::errno::Errno::result(path.with_nix_path(set)?).map(drop)
}

/// The file that `binfmt_misc` had us interpret, if we were told to have it open.
pub fn interpreted_fd() -> nix::Result<OwnedFd> {
    const AT_EXECFD: libc::c_ulong = 2;
    // SAFETY: only reads what the kernel gave this program.
    let fd = unsafe { libc::getauxval(AT_EXECFD) };
    match RawFd::try_from(fd) {
        Ok(fd) if fd > 0 => pass::inherited(fd),
        _ => Err(nix::Error::ENOENT),
    }
}

/// `struct prctl_mm_map`.
#[repr(C)]
struct MemoryMap {
    start_code: u64,
    end_code: u64,
    start_data: u64,
    end_data: u64,
    start_brk: u64,
    brk: u64,
    start_stack: u64,
    arg_start: u64,
    arg_end: u64,
    env_start: u64,
    env_end: u64,
    /// A pointer of the kernel's, `auxv_size`, `exe_fd`: as wide as the kernel is, whatever the program.
    auxv_and_exe: [u32; 4],
}

/// Makes Linux believe that we execute that file, which takes a user namespace of one's own and
/// `CONFIG_CHECKPOINT_RESTORE`. Only processes with a single thread do that here.
pub fn pretend_to_execute(file: BorrowedFd<'_>) -> anyhow::Result<()> {
    assert_eq!(threads(), 1, "a thread could be using what moves");
    let executable = std::fs::read_link("/proc/self/exe")?;
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let of_executable = |line: &&str| line.ends_with(&format!(" {}", executable.display()));
    let maps: Vec<_> = maps.lines().filter(of_executable).map(mapping).collect();
    // What is mapped cannot be exchanged.
    let here = pretend_to_execute as fn(_) -> _ as usize;
    for map in maps {
        let (start, size, mut protection) = map.ok_or(nix::Error::EINVAL)?;
        // Of an executable that has an interpreter nothing runs.
        if !(start.addr().get()..start.addr().get() + size.get()).contains(&here) {
            protection.remove(ProtFlags::PROT_EXEC);
        }
        replace_by_copy(start, size, protection)?;
    }
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields);
    let fields: Vec<_> = fields.unwrap_or_default().split_whitespace().collect();
    // Numbered as in proc(5), where the state is the third.
    let field = |number: usize| fields.get(number - 3).and_then(|field| field.parse().ok());
    let field = |number| field(number).ok_or(nix::Error::EINVAL);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/arch")?;
    let exe = file.as_raw_fd() as u32;
    let argument = MemoryMap {
        start_code: field(26)?,
        end_code: field(27)?,
        start_data: field(45)?,
        end_data: field(46)?,
        start_brk: field(47)?,
        // SAFETY: moves nothing.
        brk: unsafe { libc::sbrk(0) } as u64,
        start_stack: field(28)?,
        arg_start: field(48)?,
        arg_end: field(49)?,
        env_start: field(50)?,
        env_end: field(51)?,
        auxv_and_exe: match kernel.starts_with("armv") {
            true => [0, 0, exe, 0],
            false => [0, 0, 0, exe],
        },
    };
    // SAFETY: everything but the executable stays what it is.
    let result = unsafe {
        libc::prctl(
            libc::PR_SET_MM,
            libc::PR_SET_MM_MAP,
            &argument,
            size_of_val(&argument),
            0,
        )
    };
    nix::errno::Errno::result(result)?;
    // Who looks at what is mapped finds it, too.
    super::memory::map_code(file)?;
    Ok(())
}

/// A line of `/proc/self/maps`: start, size and protection.
fn mapping(line: &str) -> Option<(NonNull<c_void>, NonZeroUsize, ProtFlags)> {
    let mut words = line.split(' ');
    let (start, end) = words.next()?.split_once('-')?;
    let letters = words.next()?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let size = usize::from_str_radix(end, 16).ok()?.checked_sub(start)?;
    let mut protection = ProtFlags::empty();
    for (letter, flag) in [
        ('r', ProtFlags::PROT_READ),
        ('w', ProtFlags::PROT_WRITE),
        ('x', ProtFlags::PROT_EXEC),
    ] {
        protection.set(flag, letters.contains(letter));
    }
    let start = NonNull::new(std::ptr::with_exposed_provenance_mut(start))?;
    Some((start, NonZeroUsize::new(size)?, protection))
}

/// Puts a copy in the place of a mapping that can be read.
fn replace_by_copy(
    start: NonNull<c_void>,
    size: NonZeroUsize,
    protection: ProtFlags,
) -> nix::Result<()> {
    let writable = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new mapping, which nothing else can be in the way of.
    let copy = unsafe { mmap_anonymous(None, size, writable, MapFlags::MAP_PRIVATE) }?;
    // SAFETY: both have that size, and nothing else runs that could write meanwhile.
    unsafe {
        start
            .cast::<u8>()
            .copy_to_nonoverlapping(copy.cast(), size.get())
    };
    // SAFETY: nobody knows the new mapping yet.
    unsafe { mprotect(copy, size.get(), protection) }?;
    let flags = MRemapFlags::MREMAP_MAYMOVE | MRemapFlags::MREMAP_FIXED;
    // SAFETY: the content and the protection are those of what was there.
    unsafe { mremap(copy, size.get(), size.get(), flags, Some(start)) }.map(drop)
}
