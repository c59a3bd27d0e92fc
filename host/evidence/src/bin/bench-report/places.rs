// SPDX-License-Identifier: BSD-2-Clause
//! Whose an address is. No two layers share one: Linux' programs are below TF-A or far
//! above, TAs in between.

use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};
use std::ops::Range;
use std::path::Path;

/// What a call goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layer {
    /// Linux' programs: the one that measures, with libc, and tee-supplicant.
    Program,
    /// Debian's `libteec.so`, where the program that measures has it.
    Libteec,
    /// Linux without the driver.
    Linux,
    /// `tee.ko` and `optee.ko`.
    Driver,
    /// What runs in EL3.
    TfA,
    /// `tee.elf`.
    Core,
    /// The TA and its libraries, and what loads it.
    Ta,
}

impl Layer {
    pub(crate) const ALL: [Self; 7] = [
        Self::Program,
        Self::Libteec,
        Self::Linux,
        Self::Driver,
        Self::TfA,
        Self::Core,
        Self::Ta,
    ];

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Libteec => "libteec",
            Self::Linux => "Linux",
            Self::Driver => "driver",
            Self::TfA => "TF-A",
            Self::Core => "OP-TEE",
            Self::Ta => "TA",
        }
    }
}

/// A function, or all there is to know.
pub(crate) type Symbol = (Layer, String);

/// Of a function without a symbol; sorted before whatever begins at the same address.
const UNNAMED: &str = "(unnamed)";
/// Where Linux is, with its modules, and where TAs are.
const AARCH64: (u64, Range<u64>) = (0xffff_8000_0000_0000, 0x4000_0000..0x8000_0000);
/// There TAs are where programs are, too: both count as programs.
const AARCH32: (u64, Range<u64>) = (0xbf00_0000, 0..0);

/// Functions by address.
pub(crate) struct Places {
    symbols: Vec<(u64, Symbol)>,
    /// Where libteec, TF-A and the core have their code.
    code: Vec<(Layer, Range<u64>)>,
    linux: u64,
    tas: Range<u64>,
}

impl Default for Places {
    fn default() -> Self {
        let (linux, tas) = AARCH64;
        Self {
            symbols: Vec::new(),
            code: Vec::new(),
            linux,
            tas,
        }
    }
}

impl Places {
    /// Everything of a system with that name. What the program printed in that boot
    /// says where libteec was, and Linux' own list of symbols what Linux had.
    pub(crate) fn read(build: &Path, system: &str, boot: &Path) -> Result<Self> {
        let text = crate::read(boot)?;
        let (map, kallsyms) = text.split_once('\n').unwrap_or_default();
        let mut places = Self::default();
        let told = || boot.display().to_string();
        let libteec = loaded(map).with_context(told)?;
        places.kallsyms(kallsyms).with_context(told)?;
        let tfa = if system.starts_with("ffa-") {
            "tfa-ffa"
        } else {
            "tfa"
        };
        for (layer, file, bias) in [
            (Layer::Libteec, "libteec/usr/lib/libteec.so", libteec),
            (Layer::Core, &format!("optee/{system}/core/tee.elf"), 0),
            (Layer::TfA, &format!("{tfa}/qemu/release/bl31/bl31.elf"), 0),
        ] {
            // On AArch32 the core is the monitor, too.
            if layer == Layer::TfA && places.linux == AARCH32.0 {
                continue;
            }
            let file = build.join(file);
            let named = || file.display().to_string();
            let octets = std::fs::read(&file).with_context(named)?;
            let is_64 = places.elf(layer, &octets, bias).with_context(named)?;
            if !is_64 {
                (places.linux, places.tas) = AARCH32;
            }
        }
        places.symbols.sort();
        Ok(places)
    }

    /// `ADDRESS TYPE NAME [MODULE]`. Anything else is libteec's, which tells what failed
    /// without an answer there and nowhere else.
    fn kallsyms(&mut self, text: &str) -> Result<()> {
        for line in text.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            let address = words.first().map(|word| u64::from_str_radix(word, 16));
            let (Some(Ok(address)), Some(name)) = (address, words.get(2)) else {
                bail!("neither a symbol of Linux nor expected: {line}");
            };
            let layer = match words.get(3) {
                Some(&("[tee]" | "[optee]")) => Layer::Driver,
                _ => Layer::Linux,
            };
            self.symbols.push((address, (layer, plain(name))));
        }
        Ok(())
    }

    /// What is that much above the addresses in the file. Says whether those have 64 bits.
    fn elf(&mut self, layer: Layer, octets: &[u8], bias: u64) -> Result<bool> {
        let file = object::File::parse(octets)?;
        for section in file.sections() {
            let code = section.kind() == object::SectionKind::Text;
            let start = section.address() + bias;
            if code && section.address() != 0 {
                self.code.push((layer, start..start + section.size()));
            }
        }
        for symbol in file.symbols().chain(file.dynamic_symbols()) {
            let name = symbol.name()?;
            // Neither $x and $d nor files, sections and absolute numbers.
            let code = matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Label)
                || symbol.kind() == SymbolKind::Unknown;
            if code && symbol.section_index().is_some() && !name.starts_with('$') {
                let name = format!("{:#}", rustc_demangle::demangle(name));
                // That of a T32 function is odd.
                let start = (symbol.address() & !u64::from(!file.is_64())) + bias;
                self.symbols.push((start, (layer, plain(&name))));
                if layer == Layer::Libteec {
                    // What follows may be one of those that Debian took away.
                    let end = start + symbol.size();
                    self.symbols.push((end, (layer, UNNAMED.into())));
                }
            }
        }
        Ok(file.is_64())
    }

    pub(crate) fn of(&self, address: u64) -> Symbol {
        let layer = self.layer(address);
        let after = self.symbols.partition_point(|(at, _)| *at <= address);
        match self.symbols[..after].last() {
            Some((_, symbol)) if symbol.0 == layer => symbol.clone(),
            Some((_, symbol)) if (symbol.0, layer) == (Layer::Driver, Layer::Linux) => {
                symbol.clone()
            }
            _ => (layer, UNNAMED.into()),
        }
    }

    /// Linux stands for its driver, too.
    fn layer(&self, address: u64) -> Layer {
        if address >= self.linux {
            return Layer::Linux;
        }
        if self.tas.contains(&address) {
            return Layer::Ta;
        }
        let mut code = self.code.iter();
        let found = code.find(|(_, range)| range.contains(&address));
        found.map_or(Layer::Program, |(layer, _)| *layer)
    }
}

/// How far above the addresses in its file an object is, by the line about its code in
/// `/proc/PID/maps`: `START-END MODE OFFSET DEVICE INODE PATH`. The code of a library
/// is as far behind its start in the file as in memory.
fn loaded(line: &str) -> Result<u64> {
    let words: Vec<_> = line.split_whitespace().collect();
    let ([start, "r-xp", offset, ..], true) = (&words[..], words.len() == 6) else {
        bail!("this does not say where libteec was: {line}");
    };
    let start = start.split('-').next().unwrap_or_default();
    let number = |text| u64::from_str_radix(text, 16);
    let bias = number(start)?.checked_sub(number(offset)?);
    bias.with_context(|| format!("no library is there: {line}"))
}

/// Without what the compiler adds to the names of parts and copies.
fn plain(name: &str) -> String {
    let ends = [".isra.", ".part.", ".constprop.", ".cold"];
    let end = ends.iter().filter_map(|end| name.find(end)).min();
    name[..end.unwrap_or(name.len())].into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libteec_prints_is_an_error() {
        let map = "ffff89300000-ffff89303000 r-xp 00010000 00:02 70  /usr/lib/libteec.so.2.0.0";
        assert_eq!(loaded(map).unwrap(), 0xffff_892f_0000);
        for map in ["", "ffff89300000 T _text", &map.replace("r-x", "r--")] {
            assert!(loaded(map).is_err());
        }
        let mut places = Places::default();
        let failure = "ERR [171] TEEC:TEEC_CloseSession:675: Failed to close session 0x2\n";
        assert!(places.kallsyms(failure).is_err());
        assert!(places.kallsyms("ffff800080000000 T\n").is_err());
    }

    #[test]
    fn a_library_is_where_it_was_loaded() {
        let octets = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let entry = object::File::parse(&*octets).unwrap().entry();
        let mut places = Places::default();
        let bias = 0xffff_0000_0000;
        places.elf(Layer::Libteec, &octets, bias).unwrap();
        places.symbols.sort();
        let start = (Layer::Libteec, "_start".into());
        assert_eq!(places.of(entry + bias), start);
        assert_eq!(places.of(entry), (Layer::Program, UNNAMED.into()));
    }

    #[test]
    fn an_address_has_one_owner() {
        let mut places = Places::default();
        places
            .kallsyms(
                "ffff800080000000 T _text\nffff80007a600000 t optee_invoke_func.isra.0\t[optee]\n",
            )
            .unwrap();
        places.code.push((Layer::Core, 0xe10_0000..0xe18_0000));
        places
            .symbols
            .push((0xe10_0100, (Layer::Core, "memset".into())));
        places.symbols.sort();
        let of = |address| {
            let (layer, name) = places.of(address);
            (layer, name)
        };
        assert_eq!(of(0x40_1000), (Layer::Program, "(unnamed)".into()));
        assert_eq!(of(0xe10_0104), (Layer::Core, "memset".into()));
        assert_eq!(of(0xe10_0000), (Layer::Core, "(unnamed)".into()));
        assert_eq!(of(0x4000_5000), (Layer::Ta, "(unnamed)".into()));
        assert_eq!(of(0xffff_a000_1000), (Layer::Program, "(unnamed)".into()));
        assert_eq!(
            of(0xffff_8000_7a60_0004),
            (Layer::Driver, "optee_invoke_func".into())
        );
        assert_eq!(of(0xffff_8000_8000_0004), (Layer::Linux, "_text".into()));
    }
}
