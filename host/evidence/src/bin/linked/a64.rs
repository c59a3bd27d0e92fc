// SPDX-License-Identifier: BSD-2-Clause
//! The few facts about A64 instructions that the checks need, by the encodings of the Arm Architecture Reference Manual
//! (section C4.1).

/// Where an instruction may send the processor, beside the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Next,
    /// `bl`
    Call(u64),
    /// `b`, `b.cond`, `cbz`, `tbz` and their likes
    Jump(u64),
    /// `br`, `blr` and their authenticating likes: anywhere.
    Anywhere,
}

/// What an instruction does to the stack pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stack {
    Kept,
    Grows(u64),
    Shrinks,
    /// To something that cannot be read off the instruction.
    Computed,
}

const SP: u32 = 31;

const fn bits(word: u32, from: u32, count: u32) -> u32 {
    word >> from & ((1 << count) - 1)
}

/// The same as a signed number.
const fn signed(word: u32, from: u32, count: u32) -> i64 {
    ((word << (32 - from - count)) as i32 >> (32 - count)) as i64
}

pub(crate) const fn flow(at: u64, word: u32) -> Flow {
    if bits(word, 26, 5) == 0b00101 {
        let target = at.wrapping_add_signed(4 * signed(word, 0, 26));
        return if bits(word, 31, 1) == 1 {
            Flow::Call(target)
        } else {
            Flow::Jump(target)
        };
    }
    if bits(word, 24, 8) == 0b0101_0100 || bits(word, 25, 6) == 0b01_1010 {
        return Flow::Jump(at.wrapping_add_signed(4 * signed(word, 5, 19)));
    }
    if bits(word, 25, 6) == 0b01_1011 {
        return Flow::Jump(at.wrapping_add_signed(4 * signed(word, 5, 14)));
    }
    // opc is 2 for `ret`, more for returns from exceptions.
    if bits(word, 25, 7) == 0b110_1011 && !matches!(bits(word, 21, 3), 2 | 4 | 5) {
        return Flow::Anywhere;
    }
    Flow::Next
}

pub(crate) const fn stack(word: u32) -> Stack {
    let (to, from) = (bits(word, 0, 5), bits(word, 5, 5));
    // Add and subtract (immediate) that set no flags: those that do have no stack pointer to write to.
    if bits(word, 23, 6) == 0b10_0010 && bits(word, 29, 1) == 0 && to == SP {
        let amount = (bits(word, 10, 12) as u64) << (12 * bits(word, 22, 1));
        return match (from, bits(word, 30, 1)) {
            (SP, 1) => Stack::Grows(amount),
            (SP, _) => Stack::Shrinks,
            _ => Stack::Computed,
        };
    }
    // The same of registers, and the logical ones with an immediate.
    let extended = bits(word, 21, 8) == 0b0101_1001 && bits(word, 29, 1) == 0;
    let logical = bits(word, 23, 6) == 0b10_0100 && bits(word, 29, 2) != 3;
    if (extended || logical) && to == SP {
        return Stack::Computed;
    }
    // Pairs, and single registers, that leave the new address in their base.
    let offset = if bits(word, 27, 3) == 0b101 && bits(word, 25, 1) == 0 && bits(word, 23, 1) == 1 {
        // In units of the registers' size: general ones have 32 bits if opc is 0, vectors from 32 to 128.
        let size = if bits(word, 26, 1) == 1 {
            2 + bits(word, 30, 2)
        } else {
            2 + bits(word, 31, 1)
        };
        signed(word, 15, 7) << size
    } else if bits(word, 27, 3) == 0b111
        && bits(word, 24, 2) == 0
        && bits(word, 21, 1) == 0
        && bits(word, 10, 1) == 1
    {
        signed(word, 12, 9)
    } else {
        return Stack::Kept;
    };
    if from != SP {
        Stack::Kept
    } else if offset < 0 {
        Stack::Grows(offset.unsigned_abs())
    } else {
        Stack::Shrinks
    }
}

/// Whether it touches a floating-point, SIMD, SVE or SME register.
pub(crate) const fn is_vector(word: u32) -> bool {
    let group = bits(word, 25, 4);
    let sme = group == 0 && bits(word, 31, 1) == 1;
    let sve = group == 0b0010;
    let data = group & 0b0111 == 0b0111;
    let memory = group & 0b0101 == 0b0100 && bits(word, 26, 1) == 1;
    sme || sve || data || memory
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_instructions_go() {
        for (word, expected) in [
            (0x9400_0002, Flow::Call(0x1008)), // bl .+8
            (0x17ff_ffff, Flow::Jump(0xffc)),  // b .-4
            (0x5400_0041, Flow::Jump(0x1008)), // b.ne .+8
            (0xb4ff_ffe0, Flow::Jump(0xffc)),  // cbz x0, .-4
            (0x3700_0040, Flow::Jump(0x1008)), // tbnz w0, #0, .+8
            (0xd61f_0000, Flow::Anywhere),     // br x0
            (0xd63f_0020, Flow::Anywhere),     // blr x1
            (0xd73f_0822, Flow::Anywhere),     // blraa x1, x2
            (0xd65f_03c0, Flow::Next),         // ret
            (0xd65f_0bff, Flow::Next),         // retaa
            (0xd69f_03e0, Flow::Next),         // eret
            (0xd503_201f, Flow::Next),         // nop
        ] {
            assert_eq!(flow(0x1000, word), expected, "{word:#x}");
        }
    }

    #[test]
    fn what_moves_the_stack_pointer() {
        for (word, expected) in [
            (0xd104_43ff, Stack::Grows(0x110)),  // sub sp, sp, #0x110
            (0xd140_07ff, Stack::Grows(0x1000)), // sub sp, sp, #1, lsl #12
            (0x9104_43ff, Stack::Shrinks),       // add sp, sp, #0x110
            (0xa9bc_7bfd, Stack::Grows(64)),     // stp x29, x30, [sp, #-64]!
            (0xa8c4_7bfd, Stack::Shrinks),       // ldp x29, x30, [sp], #64
            (0xf81f_0ffe, Stack::Grows(16)),     // str x30, [sp, #-16]!
            (0xf841_07fe, Stack::Shrinks),       // ldr x30, [sp], #16
            (0x6dbf_27e8, Stack::Grows(16)),     // stp d8, d9, [sp, #-16]!
            (0xa900_7bfd, Stack::Kept),          // stp x29, x30, [sp]
            (0xa9bf_7c1f, Stack::Kept),          // stp xzr, xzr, [x0, #-16]!
            (0x9101_03fd, Stack::Kept),          // add x29, sp, #0x40
            (0xf100_03ff, Stack::Kept),          // subs xzr, sp, #0
            (0x9100_001f, Stack::Computed),      // mov sp, x0
            (0xcb20_63ff, Stack::Computed),      // sub sp, sp, x0
            (0x927c_ec1f, Stack::Computed),      // and sp, x0, #-16
        ] {
            assert_eq!(stack(word), expected, "{word:#x}");
        }
    }

    #[test]
    fn which_registers() {
        for word in [
            0x1e60_4020, // fmov d0, d1
            0x3dc0_0000, // ldr q0, [x0]
            0x6dbf_27e8, // stp d8, d9, [sp, #-16]!
            0x4ea1_1c20, // mov v0.16b, v1.16b
            0x9e67_0000, // fmov d0, x0
            0x1c00_0040, // ldr s0, .+8
            0x0420_0000, // add z0.b, z1.b, z0.b and its like
        ] {
            assert!(is_vector(word), "{word:#x}");
        }
        for word in [
            0xf940_0020, // ldr x0, [x1]
            0xa9bc_7bfd, // stp x29, x30, [sp, #-64]!
            0xd503_201f, // nop
            0x9400_0002, // bl .+8
            0xc85f_7c20, // ldxr x0, [x1]
            0x9b02_7c20, // mul x0, x1, x2
            0xd280_0000, // mov x0, #0
            0x5800_0040, // ldr x0, .+8
        ] {
            assert!(!is_vector(word), "{word:#x}");
        }
    }
}
