// SPDX-License-Identifier: BSD-2-Clause
//! QEMU's plugin API, version 4, as far as it is used here; nothing else is unsafe.
//!
//! The declarations follow `qemu-plugin.h`. QEMU calls a plugin with one lock or on one
//! processor's thread; with `-icount` there is one such thread.
#![expect(unsafe_code, reason = "QEMU's plugin API is C")]

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::ptr::null_mut;

/// What QEMU knows this plugin by.
pub(crate) type Id = u64;
type Instruction = c_void;

#[repr(C)]
struct Block {
    _opaque: [u8; 0],
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Entry {
    board: *mut c_void,
    offset: usize,
}

/// `QEMU_PLUGIN_INLINE_ADD_U64`
const ADD: c_int = 0;
/// `QEMU_PLUGIN_CB_NO_REGS`
const NO_REGISTERS: c_int = 0;

unsafe extern "C" {
    fn qemu_plugin_register_vcpu_tb_trans_cb(id: Id, f: extern "C" fn(Id, *mut Block));
    fn qemu_plugin_register_atexit_cb(id: Id, f: extern "C" fn(Id, *mut c_void), data: *mut c_void);
    fn qemu_plugin_reset(id: Id, f: extern "C" fn(Id));
    fn qemu_plugin_tb_n_insns(block: *const Block) -> usize;
    fn qemu_plugin_tb_get_insn(block: *const Block, index: usize) -> *mut Instruction;
    fn qemu_plugin_insn_data(instruction: *const Instruction, to: *mut c_void, n: usize) -> usize;
    fn qemu_plugin_insn_vaddr(instruction: *const Instruction) -> u64;
    fn qemu_plugin_register_vcpu_insn_exec_cb(
        instruction: *mut Instruction,
        f: extern "C" fn(c_uint, *mut c_void),
        flags: c_int,
        data: *mut c_void,
    );
    fn qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
        instruction: *mut Instruction,
        operation: c_int,
        entry: Entry,
        number: u64,
    );
    fn qemu_plugin_scoreboard_new(size: usize) -> *mut c_void;
    fn qemu_plugin_scoreboard_find(board: *mut c_void, processor: c_uint) -> *mut c_void;
}

/// The version of the API that this is written for.
#[unsafe(no_mangle)]
pub(crate) static qemu_plugin_version: c_int = 4;

/// QEMU's first call. Anything but 0 ends QEMU.
///
/// # Safety
/// For QEMU alone: `argv` has `argc` C strings.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn qemu_plugin_install(
    id: Id,
    _info: *const c_void,
    argc: c_int,
    argv: *const *const c_char,
) -> c_int {
    let arguments: Vec<String> = (0..argc as usize)
        .map(|index| {
            // SAFETY: there are argc of them.
            let text = unsafe { argv.add(index) };
            // SAFETY: each can be read.
            let text = unsafe { text.read() };
            // SAFETY: each is a C string.
            unsafe { CStr::from_ptr(text) }
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    match crate::install(id, &arguments) {
        Ok(()) => {
            register(id);
            0
        }
        Err(error) => {
            eprintln!("bench-plugin: {error}");
            1
        }
    }
}

fn register(id: Id) {
    // SAFETY: the function lives as long as the plugin.
    unsafe { qemu_plugin_register_vcpu_tb_trans_cb(id, translated) };
    // SAFETY: as above; it is given no data.
    unsafe { qemu_plugin_register_atexit_cb(id, at_exit, null_mut()) };
}

/// Translates everything anew.
pub(crate) fn reset(id: Id) {
    // SAFETY: the function lives as long as the plugin.
    unsafe { qemu_plugin_reset(id, again) };
}

extern "C" fn again(id: Id) {
    crate::cleared();
    register(id);
}

extern "C" fn at_exit(_: Id, _: *mut c_void) {
    crate::finish();
}

extern "C" fn marked(_: c_uint, code: *mut c_void) {
    crate::executed(code as usize as u32);
}

extern "C" fn translated(_: Id, block: *mut Block) {
    // SAFETY: QEMU gives a block that lives as long as this call.
    let count = unsafe { qemu_plugin_tb_n_insns(block) };
    for index in 0..count {
        // SAFETY: the block has that instruction.
        let instruction = unsafe { qemu_plugin_tb_get_insn(block, index) };
        // SAFETY: the instruction lives as long as its block.
        let address = unsafe { qemu_plugin_insn_vaddr(instruction) };
        let mut code = 0_u32;
        // SAFETY: QEMU writes no more than it is told there is room for.
        unsafe { qemu_plugin_insn_data(instruction, (&raw mut code).cast(), size_of_val(&code)) };
        match crate::translated(address, code) {
            crate::Wish::Nothing => {}
            crate::Wish::Tell => {
                let data = code as usize as *mut c_void;
                // SAFETY: the data is a number, the function lives as long as the plugin.
                unsafe {
                    qemu_plugin_register_vcpu_insn_exec_cb(instruction, marked, NO_REGISTERS, data)
                };
            }
            crate::Wish::Count(entry) => {
                // SAFETY: the entry lies in a scoreboard, which is never freed.
                unsafe {
                    qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
                        instruction,
                        ADD,
                        entry.0,
                        1,
                    )
                };
            }
        }
    }
}

/// Counters that translated code adds to.
pub(crate) struct Board {
    board: *mut c_void,
    room: usize,
}
// SAFETY: a scoreboard belongs to QEMU and stays where it is; whoever has it is behind the lock of its owner.
unsafe impl Send for Board {}

/// Where one of them is.
pub(crate) struct Counter(Entry);

impl Board {
    pub(crate) fn new(room: usize) -> Self {
        // SAFETY: takes a number; the board is never freed.
        let board = unsafe { qemu_plugin_scoreboard_new(room * size_of::<u64>()) };
        Self { board, room }
    }

    pub(crate) fn counter(&self, slot: usize) -> Option<Counter> {
        (slot < self.room).then(|| {
            Counter(Entry {
                board: self.board,
                offset: slot * size_of::<u64>(),
            })
        })
    }

    /// The first counters of the only processor.
    pub(crate) fn counters(&mut self, count: usize) -> &mut [u64] {
        // SAFETY: the first processor is there when one executes something.
        let first = unsafe { qemu_plugin_scoreboard_find(self.board, 0) };
        // SAFETY: the processor has `room` counters; it is this thread, which is here and adds nothing meanwhile.
        unsafe { std::slice::from_raw_parts_mut(first.cast(), count.min(self.room)) }
    }
}
