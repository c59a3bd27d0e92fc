// SPDX-License-Identifier: BSD-2-Clause
//! Which code of the library touches a floating-point or vector register, on each kind of core.

use crate::a64;
use anyhow::{Result, bail};
use object::{Architecture, Object, ObjectSection, ObjectSymbol, SectionKind};
use std::collections::BTreeMap;

/// The sections with such code; each function has one of its own.
pub(crate) fn users(file: &object::File<'_>) -> Result<Vec<String>> {
    let step = match file.architecture() {
        Architecture::Aarch64 => step_a64,
        Architecture::Arm => step_t32,
        Architecture::Riscv64 => step_rv64,
        other => bail!("{other:?} is no kind of core that is known here"),
    };
    let mut found = Vec::new();
    for section in file.sections().filter(|s| s.kind() == SectionKind::Text) {
        // From there on there is data (`$d`) or code again.
        let mut data = BTreeMap::new();
        for symbol in file.symbols() {
            if symbol.section_index() == Some(section.index()) {
                match symbol.name()?.get(..2) {
                    Some("$d") => _ = data.insert(symbol.address() as usize, true),
                    Some("$a") => bail!("{} is not Thumb", section.name()?),
                    Some("$t" | "$x") => _ = data.insert(symbol.address() as usize, false),
                    _ => {}
                }
            }
        }
        let octets = section.data()?;
        let mut at = 0;
        while let Some(rest) = octets.get(at..).filter(|rest| rest.len() > 1) {
            let (size, floats) = match data.range(..=at).next_back() {
                Some((_, true)) => (2, false),
                _ => step(halfword(rest, 0), halfword(rest, 2)),
            };
            if floats {
                found.push(section.name()?.into());
                break;
            }
            at += size;
        }
    }
    Ok(found)
}

fn halfword(octets: &[u8], at: usize) -> u16 {
    let pair = octets.get(at..at + 2).unwrap_or(&[0, 0]);
    u16::from_le_bytes([pair[0], pair[1]])
}

/// How long an instruction is, and whether it touches such a register: so all three.
fn step_a64(first: u16, second: u16) -> (usize, bool) {
    (
        4,
        a64::is_vector(u32::from(second) << 16 | u32::from(first)),
    )
}

/// Arm Architecture Reference Manual for Armv7-A, A6.3: coprocessors 10 and 11, and Advanced SIMD.
fn step_t32(first: u16, second: u16) -> (usize, bool) {
    if first >> 11 < 0b11101 {
        return (2, false);
    }
    let coprocessor = first & 0xec00 == 0xec00 && second & 0x0e00 == 0x0a00;
    let data = first & 0xef00 == 0xef00;
    let elements = first & 0xff10 == 0xf900;
    (4, coprocessor || data || elements)
}

/// The RISC-V Instruction Set Manual, volume I: the map of opcodes, and that of the compressed ones.
fn step_rv64(first: u16, _: u16) -> (usize, bool) {
    if first & 3 != 3 {
        let double = matches!((first >> 13, first & 3), (1 | 5, 0 | 2));
        return (2, double);
    }
    let float = matches!(
        first & 0x7f,
        0x07 | 0x27 | 0x43 | 0x47 | 0x4b | 0x4f | 0x53 | 0x57
    );
    (4, float)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_registers() {
        for (first, second, expected) in [
            (0xb5f0, 0, (2, false)),      // push {r4-r7, lr}
            (0xe7fe, 0, (2, false)),      // b .
            (0xf000, 0xf800, (4, false)), // bl .+4
            (0xe92d, 0x4ff0, (4, false)), // push.w {r4-r11, lr}
            (0xee1d, 0x3f70, (4, false)), // mrc p15, 0, r3, c13, c0, 3
            (0xe8d1, 0x0f7f, (4, false)), // ldrexd r0, pc... and its like
            (0xf890, 0x1000, (4, false)), // ldrb.w r1, [r0]
            (0xed2d, 0x8b10, (4, true)),  // vpush {d8-d15}
            (0xeeb0, 0x0b41, (4, true)),  // vmov.f64 d0, d1
            (0xeef1, 0xfa10, (4, true)),  // vmrs apsr_nzcv, fpscr
            (0xef00, 0x0150, (4, true)),  // vand q0, q0, q0
            (0xff80, 0x0050, (4, true)),  // vmvn.i32 and its like
            (0xf920, 0x0a8d, (4, true)),  // vld1.32 {d0-d1}, [r0]!
        ] {
            assert_eq!(step_t32(first, second), expected, "{first:#x} {second:#x}");
        }
        for (first, expected) in [
            (0x1101, (2, false)), // addi sp, sp, -32
            (0xec06, (2, false)), // sd ra, 24(sp)
            (0x60e2, (2, false)), // ld ra, 24(sp)
            (0x2501, (2, false)), // sext.w a0, a0
            (0xa001, (2, false)), // j .
            (0x2108, (2, true)),  // fld fa0, 0(a0)
            (0xa108, (2, true)),  // fsd fa0, 0(a0)
            (0x2502, (2, true)),  // fld fa0, 0(sp)
            (0xa02a, (2, true)),  // fsd fa0, 0(sp)
            (0x3503, (4, false)), // ld a0, imm(rs)
            (0x0073, (4, false)), // ecall
            (0xa52f, (4, false)), // an atomic one
            (0x2507, (4, true)),  // flw fa0, imm(rs)
            (0x2027, (4, true)),  // fsw
            (0x7553, (4, true)),  // fadd.s
            (0x0057, (4, true)),  // a vector one
        ] {
            assert_eq!(step_rv64(first, 0), expected, "{first:#x}");
        }
        assert_eq!(step_a64(0x4020, 0x1e60), (4, true)); // fmov d0, d1
        assert_eq!(step_a64(0x7bfd, 0xa9bc), (4, false)); // stp x29, x30, [sp, #-64]!
    }
}
