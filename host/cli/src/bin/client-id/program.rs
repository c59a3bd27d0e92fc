// SPDX-License-Identifier: BSD-2-Clause
//! Whether a process that executes a file is going to execute nothing else.

use anyhow::{Context, Result, bail, ensure};
use object::elf;
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endianness, FileKind};

/// Why the program is not all the code that its process has; nothing if the file shows no reason. An error if the file
/// is no program.
pub(crate) fn other_code(content: &[u8]) -> Result<Option<&'static str>> {
    ensure!(
        !content.starts_with(b"#!"),
        "a script: what runs is its interpreter, and that is measured"
    );
    match FileKind::parse(content) {
        Ok(FileKind::Elf64) => look::<elf::FileHeader64<Endianness>>(content),
        Ok(FileKind::Elf32) => look::<elf::FileHeader32<Endianness>>(content),
        _ => bail!("not an ELF program"),
    }
}

fn look<Elf: FileHeader<Endian = Endianness>>(content: &[u8]) -> Result<Option<&'static str>> {
    let header = Elf::parse(content).context("a damaged ELF file")?;
    let endian = header.endian()?;
    ensure!(
        [elf::ET_EXEC, elf::ET_DYN].contains(&header.e_type(endian)),
        "an ELF file, but not a program"
    );
    let segments = header
        .program_headers(endian, content)
        .context("a damaged ELF file")?;
    ensure!(
        segments.iter().any(|segment| {
            let flags = segment.p_flags(endian);
            segment.p_type(endian) == elf::PT_LOAD && flags.contains(elf::PF_X)
        }),
        "an ELF file without code"
    );
    // What Linux does to a 32-bit program that says nothing of its stack.
    let mut executable_stack = !header.is_type_64();
    let mut reason = None;
    for segment in segments {
        let flags = segment.p_flags(endian);
        match segment.p_type(endian) {
            elf::PT_INTERP => return Ok(Some(LINKED)),
            elf::PT_GNU_STACK => executable_stack = flags.contains(elf::PF_X),
            elf::PT_LOAD if flags.contains(elf::PF_W | elf::PF_X) => {
                reason = Some("it has code that it can write to");
            }
            _ => {}
        }
        let dynamic = segment
            .dynamic(endian, content)
            .context("a damaged ELF file")?;
        for entry in dynamic.unwrap_or_default() {
            let value: u64 = entry.d_val(endian).into();
            match entry.d_tag(endian) {
                elf::DT_NULL => break,
                elf::DT_NEEDED => return Ok(Some(LINKED)),
                elf::DT_TEXTREL => reason = Some(RELOCATED),
                elf::DT_FLAGS if value & elf::DF_TEXTREL.0 != 0 => {
                    reason = Some(RELOCATED);
                }
                _ => {}
            }
        }
    }
    if executable_stack {
        reason = reason.or(Some("its stack is executable"));
    }
    Ok(reason)
}

/// The variable that tells a loader within the program, if there is one, where to find more code.
///
/// A static glibc has such a loader for character sets, host and user look-ups, and `dlopen()`; a static musl has none.
pub(crate) fn loader(content: &[u8]) -> Option<&'static str> {
    ["GCONV_PATH", "LD_LIBRARY_PATH"]
        .into_iter()
        .find(|variable| {
            let string = format!("\0{variable}\0");
            content
                .windows(string.len())
                .any(|octets| octets == string.as_bytes())
        })
}

const LINKED: &str = "it is linked at run time";
const RELOCATED: &str = "it changes its own code when it starts";

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::fs;

    /// A program header: type, flags, content.
    type Segment<'a> = (u32, u32, &'a [u8]);
    const CODE: Segment<'static> = (1, 5, b"code");
    const STACK: Segment<'static> = (0x6474_e551, 6, b"");

    /// Enough of a 64-bit little-endian ELF file.
    pub(crate) fn elf(segments: &[Segment<'_>]) -> Vec<u8> {
        build(true, false, 3, segments)
    }

    /// Linked statically, at run time, and statically with a loader.
    pub(crate) fn kinds() -> [Vec<u8>; 3] {
        let interpreter = (3, 4, &b"/lib/ld-linux-aarch64.so.1\0"[..]);
        let strings = (1, 4, &b"\0LD_LIBRARY_PATH\0"[..]);
        [
            elf(&[CODE, STACK]),
            elf(&[CODE, STACK, interpreter]),
            elf(&[CODE, STACK, strings]),
        ]
    }

    fn build(wide: bool, big: bool, kind: u16, segments: &[Segment<'_>]) -> Vec<u8> {
        let number = |value: u64, octets: usize| -> Vec<u8> {
            if big {
                value.to_be_bytes()[8 - octets..].to_vec()
            } else {
                value.to_le_bytes()[..octets].to_vec()
            }
        };
        let word = if wide { 8 } else { 4 };
        let (head, each) = if wide { (64, 56) } else { (52, 32) };
        let mut file = b"\x7fELF".to_vec();
        file.extend([if wide { 2 } else { 1 }, if big { 2 } else { 1 }, 1]);
        file.resize(16, 0);
        for (value, octets) in [
            (kind.into(), 2),
            (183, 2),
            (1, 4),
            (0, word),
            (head, word),
            (0, word),
            (0, 4),
            (head, 2),
            (each, 2),
            (segments.len() as u64, 2),
            (0, 2),
            (0, 2),
            (0, 2),
        ] {
            file.extend(number(value, octets));
        }
        let mut offset = head + each * segments.len() as u64;
        for (kind, flags, content) in segments {
            let size = content.len() as u64;
            let (early, late) = if wide {
                (&[*flags][..], &[][..])
            } else {
                (&[][..], &[*flags][..])
            };
            file.extend(number((*kind).into(), 4));
            early
                .iter()
                .for_each(|&flags| file.extend(number(flags.into(), 4)));
            for value in [offset, 0, 0, size, size] {
                file.extend(number(value, word));
            }
            late.iter()
                .for_each(|&flags| file.extend(number(flags.into(), 4)));
            file.extend(number(1, word));
            offset += size;
        }
        segments
            .iter()
            .for_each(|(_, _, content)| file.extend(*content));
        file
    }

    fn dynamic(entries: &[(u64, u64)]) -> Vec<u8> {
        let ends = entries.iter().chain([&(0, 0), &(1, 1)]);
        ends.flat_map(|(tag, value)| [tag.to_le_bytes(), value.to_le_bytes()].concat())
            .collect()
    }

    fn says(content: &[u8]) -> Option<&'static str> {
        other_code(content).unwrap()
    }

    #[test]
    fn a_static_program_is_all_of_its_code() {
        assert_eq!(says(&kinds()[0]), None);
        // At a fixed address; and a static PIE, which has a dynamic section but needs nothing. What stands behind its
        // end doesn't count.
        assert_eq!(says(&build(true, false, 2, &[CODE, STACK])), None);
        let section = dynamic(&[(0x6fff_fffb, 0x0800_0000), (30, 8)]);
        assert_eq!(says(&elf(&[CODE, STACK, (2, 6, &section)])), None);
        assert_eq!(says(&elf(&[CODE])), None);
    }

    #[test]
    fn a_loader_is_found_by_what_it_asks_for() {
        let [alone, _, loading] = kinds();
        assert_eq!(loader(&alone), None);
        assert_eq!(loader(&loading), Some("LD_LIBRARY_PATH"));
        assert_eq!(says(&loading), None);
        assert_eq!(loader(b"x\0GCONV_PATH\0"), Some("GCONV_PATH"));
        // Not what only speaks of it.
        for text in [&b"set GCONV_PATH\0"[..], b"\0LD_LIBRARY_PATH=", b""] {
            assert_eq!(loader(text), None);
        }
    }

    #[test]
    fn what_brings_other_code_is_said() {
        let section = dynamic(&[(30, 8), (1, 1)]);
        for (content, reason) in [
            (kinds()[1].clone(), LINKED),
            (elf(&[CODE, STACK, (2, 6, &section)]), LINKED),
            (elf(&[CODE, STACK, (2, 6, &dynamic(&[(22, 0)]))]), RELOCATED),
            (elf(&[CODE, STACK, (2, 6, &dynamic(&[(30, 4)]))]), RELOCATED),
            (
                elf(&[CODE, STACK, (1, 7, b"")]),
                "it has code that it can write to",
            ),
            (
                elf(&[CODE, (0x6474_e551, 7, b"")]),
                "its stack is executable",
            ),
        ] {
            assert_eq!(says(&content), Some(reason));
        }
    }

    #[test]
    fn every_class_and_byte_order() {
        for big in [false, true] {
            for wide in [false, true] {
                let program = |segments: &[_]| says(&build(wide, big, 2, segments));
                assert_eq!(program(&[CODE, STACK]), None);
                assert_eq!(program(&[CODE, STACK, (3, 4, b"/x\0")]), Some(LINKED));
                assert_eq!(program(&[CODE]).is_some(), !wide);
            }
        }
    }

    #[test]
    fn what_is_no_program_is_refused() {
        let whole = &kinds()[1];
        for (content, reason) in [
            (b"#!/bin/sh\n".to_vec(), "script"),
            (b"hello, world, this is a text".to_vec(), "not an ELF"),
            (vec![], "not an ELF"),
            (build(true, false, 1, &[CODE, STACK]), "not a program"),
            (elf(&[STACK]), "without code"),
            (whole[..70].to_vec(), "damaged"),
            (whole[..40].to_vec(), "damaged"),
        ] {
            let error = other_code(&content).unwrap_err().to_string();
            assert!(error.contains(reason), "{reason}: {error}");
        }
    }

    #[test]
    fn no_damage_makes_it_panic() {
        let section = dynamic(&[(30, 8)]);
        let whole = elf(&[CODE, STACK, (2, 6, &section)]);
        for at in 0..whole.len() {
            let _ = other_code(&whole[..at]);
            for octet in [0, 0x7f, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = octet;
                let _ = other_code(&damaged);
            }
        }
    }

    #[test]
    fn this_very_program_is_linked_at_run_time() {
        if cfg!(all(
            target_os = "linux",
            target_env = "gnu",
            not(target_feature = "crt-static")
        )) {
            let content = fs::read(std::env::current_exe().unwrap()).unwrap();
            assert_eq!(says(&content), Some(LINKED));
        }
    }
}
