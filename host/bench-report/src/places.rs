// SPDX-License-Identifier: BSD-2-Clause
//! Whose an address is. With -icount nothing is loaded at random, and no two layers
//! share an address: Linux' programs are below TF-A or far above, TAs in between.

use anyhow::{Context, Result};
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};
use std::path::Path;

/// What a call goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layer {
    /// Linux' programs: the one that measures, and tee-supplicant.
    Program,
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
    pub(crate) const ALL: [Self; 6] = [
        Self::Program,
        Self::Linux,
        Self::Driver,
        Self::TfA,
        Self::Core,
        Self::Ta,
    ];

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Program => "program",
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

/// Where Linux is, with its modules.
const LINUX: u64 = 0xffff_8000_0000_0000;
/// Where TAs are.
const TAS: std::ops::Range<u64> = 0x4000_0000..0x8000_0000;

/// Functions by address.
#[derive(Default)]
pub(crate) struct Places {
    symbols: Vec<(u64, Symbol)>,
    /// Where TF-A and the core have their code.
    secure: Vec<(Layer, std::ops::Range<u64>)>,
}

impl Places {
    /// Everything of a system with that name. What Linux has is in its own list of
    /// symbols, as it was in that boot.
    pub(crate) fn read(build: &Path, system: &str, kallsyms: &Path) -> Result<Self> {
        let mut places = Self::default();
        places.kallsyms(&crate::read(kallsyms)?)?;
        places.elf(Layer::TfA, &build.join("tfa/qemu/release/bl31/bl31.elf"))?;
        places.elf(
            Layer::Core,
            &build.join("optee").join(system).join("core/tee.elf"),
        )?;
        places.symbols.sort();
        Ok(places)
    }

    /// `ADDRESS TYPE NAME [MODULE]`
    fn kallsyms(&mut self, text: &str) -> Result<()> {
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let address = words.next().context("an empty line among the symbols")?;
            let name = words.nth(1).context("a symbol without a name")?;
            let layer = match words.next() {
                Some("[tee]" | "[optee]") => Layer::Driver,
                _ => Layer::Linux,
            };
            let address = u64::from_str_radix(address, 16)?;
            self.symbols.push((address, (layer, plain(name))));
        }
        Ok(())
    }

    fn elf(&mut self, layer: Layer, path: &Path) -> Result<()> {
        let octets = std::fs::read(path).with_context(|| path.display().to_string())?;
        let file = object::File::parse(&*octets).with_context(|| path.display().to_string())?;
        for section in file.sections() {
            let code = section.kind() == object::SectionKind::Text;
            let range = section.address()..section.address() + section.size();
            if code && section.address() != 0 {
                self.secure.push((layer, range));
            }
        }
        for symbol in file.symbols() {
            let name = symbol.name()?;
            // Neither $x and $d nor files, sections and absolute numbers.
            let code = matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Label)
                || symbol.kind() == SymbolKind::Unknown;
            if code && symbol.section_index().is_some() && !name.starts_with('$') {
                let name = format!("{:#}", rustc_demangle::demangle(name));
                self.symbols.push((symbol.address(), (layer, plain(&name))));
            }
        }
        Ok(())
    }

    pub(crate) fn of(&self, address: u64) -> Symbol {
        let layer = self.layer(address);
        let after = self.symbols.partition_point(|(at, _)| *at <= address);
        match self.symbols[..after].last() {
            Some((_, symbol)) if symbol.0 == layer => symbol.clone(),
            Some((_, symbol)) if (symbol.0, layer) == (Layer::Driver, Layer::Linux) => {
                symbol.clone()
            }
            _ => (layer, "(unnamed)".into()),
        }
    }

    /// Linux stands for its driver, too.
    fn layer(&self, address: u64) -> Layer {
        if address >= LINUX {
            return Layer::Linux;
        }
        if TAS.contains(&address) {
            return Layer::Ta;
        }
        let mut secure = self.secure.iter();
        let found = secure.find(|(_, range)| range.contains(&address));
        found.map_or(Layer::Program, |(layer, _)| *layer)
    }
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
    fn an_address_has_one_owner() {
        let mut places = Places::default();
        places
            .kallsyms(
                "ffff800080000000 T _text\nffff80007a600000 t optee_invoke_func.isra.0\t[optee]\n",
            )
            .unwrap();
        places.secure.push((Layer::Core, 0xe10_0000..0xe18_0000));
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
