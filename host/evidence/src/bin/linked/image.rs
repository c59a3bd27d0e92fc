// SPDX-License-Identifier: BSD-2-Clause
//! A linked OP-TEE core: its functions and who calls whom.

use crate::a64::{self, Flow, Stack};
use anyhow::{Context, Result, bail, ensure};
use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, SymbolKind, elf};
use rustc_demangle::demangle;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::iter::successors;
use std::path::Path;

/// A function as the disassembly shows it.
#[derive(Default)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) end: u64,
    /// All that it ever takes from the stack, as if each branch that takes some were gone through.
    pub(crate) frame: u64,
    /// Its frame has a size that the instructions do not tell.
    pub(crate) computed: bool,
    /// Where it calls through a register.
    pub(crate) indirect: Vec<u64>,
    /// Functions that it calls or ends in.
    pub(crate) calls: BTreeSet<u64>,
}

pub(crate) struct Image {
    pub(crate) functions: BTreeMap<u64, Function>,
    names: BTreeMap<Key, u64>,
    /// Functions with an instruction that touches a vector register.
    pub(crate) vector_users: BTreeSet<String>,
    /// Addresses that the core fills in with an address when it starts: place, section, target.
    pub(crate) pointers: Vec<(u64, String, u64)>,
}

impl Image {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let octets = fs::read(path).with_context(|| path.display().to_string())?;
        Self::parse(&octets).with_context(|| path.display().to_string())
    }

    fn parse(octets: &[u8]) -> Result<Self> {
        let file = object::File::parse(octets)?;
        ensure!(
            file.architecture() == object::Architecture::Aarch64,
            "not for AArch64"
        );
        let mut image = Self {
            functions: BTreeMap::new(),
            names: BTreeMap::new(),
            vector_users: BTreeSet::new(),
            pointers: Vec::new(),
        };
        // What stands before an address: a name, and whether code (`$x`) or data (`$d`) follows.
        let mut labels = BTreeMap::new();
        let mut marks = BTreeMap::new();
        for symbol in file.symbols() {
            match symbol.name()?.get(..2) {
                Some("$x") => _ = marks.insert(symbol.address(), true),
                Some("$d") => _ = marks.insert(symbol.address(), false),
                _ => {}
            }
        }
        for (key, symbol) in named(&file, &CODE)? {
            let at = symbol.address();
            labels.insert(at, key.name.clone());
            if symbol.size() > 0 {
                let function = Function {
                    name: key.name.clone(),
                    end: at + symbol.size(),
                    ..Function::default()
                };
                image.functions.insert(at, function);
            }
            image.names.insert(key, at);
        }
        for section in file
            .sections()
            .filter(|section| has(section, elf::SHF_ALLOC.0 | elf::SHF_EXECINSTR.0))
        {
            let mut code = true;
            for (at, word) in (section.address()..)
                .step_by(4)
                .zip(section.data()?.chunks_exact(4))
            {
                code = *marks.get(&at).unwrap_or(&code);
                if code {
                    let word = u32::from_le_bytes(word.try_into()?);
                    let label = labels.range(..=at).next_back().map_or("", |(_, name)| name);
                    image.note(at, word, label);
                }
            }
        }
        ensure!(!image.functions.is_empty(), "no function");
        // A core that relocates itself lists every address that stands in data.
        for (at, relocation) in file.dynamic_relocations().into_iter().flatten() {
            let section = file.sections().find(|section| {
                (section.address()..section.address() + section.size()).contains(&at)
            });
            let section = section.and_then(|section| section.name().ok().map(String::from));
            image
                .pointers
                .push((at, section.unwrap_or_default(), relocation.addend() as u64));
        }
        ensure!(
            !image.pointers.is_empty(),
            "no relocation: built without CFG_CORE_ASLR?"
        );
        Ok(image)
    }

    fn note(&mut self, at: u64, word: u32, label: &str) {
        if a64::is_vector(word) && !self.vector_users.contains(label) {
            self.vector_users.insert(label.into());
        }
        let Some((&start, function)) = self.functions.range_mut(..=at).next_back() else {
            return;
        };
        if at >= function.end {
            return;
        }
        match a64::stack(word) {
            Stack::Grows(octets) => function.frame += octets,
            Stack::Computed => function.computed = true,
            Stack::Kept | Stack::Shrinks => {}
        }
        match a64::flow(at, word) {
            Flow::Anywhere => function.indirect.push(at),
            // A jump within the function calls nobody.
            Flow::Jump(to) if (start..function.end).contains(&to) => {}
            Flow::Call(to) | Flow::Jump(to) => {
                function.calls.insert(to);
            }
            Flow::Next => {}
        }
    }

    pub(crate) fn place(&self, key: &Key) -> Option<u64> {
        self.names.get(key).copied()
    }

    /// Where a name is that no other file uses.
    pub(crate) fn address(&self, name: &str) -> Option<u64> {
        let mut places = self.names.iter().filter(|(key, _)| key.name == name);
        places
            .next()
            .map(|(_, at)| *at)
            .filter(|_| places.next().is_none())
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Function> {
        self.functions.get(&self.address(name)?)
    }

    pub(crate) fn name(&self, at: u64) -> String {
        let function = self
            .functions
            .get(&at)
            .map(|function| function.name.clone());
        let label = || {
            self.names
                .iter()
                .find(|(_, place)| **place == at)
                .map(|(key, _)| key.name.clone())
        };
        function
            .or_else(label)
            .unwrap_or_else(|| format!("{at:#x}"))
    }

    /// Everything that is called from there on, without leaving `within`.
    pub(crate) fn reachable(&self, from: u64, within: &dyn Fn(u64) -> bool) -> BTreeSet<u64> {
        let mut seen = BTreeSet::new();
        let mut left = vec![from];
        while let Some(at) = left.pop() {
            if within(at) && seen.insert(at) {
                left.extend(
                    self.functions
                        .get(&at)
                        .into_iter()
                        .flat_map(|function| &function.calls),
                );
            }
        }
        seen
    }

    /// The fewest calls from one function to another, both ends included.
    pub(crate) fn way(&self, from: &str, to: &str) -> Result<Vec<u64>> {
        let find = |name: &str| {
            self.address(name)
                .with_context(|| format!("no function {name}"))
        };
        let (from_at, to_at) = (find(from)?, find(to)?);
        let mut callers = BTreeMap::from([(from_at, None)]);
        let mut queue = VecDeque::from([from_at]);
        while let Some(at) = queue.pop_front() {
            if at == to_at {
                let mut way: Vec<_> = successors(Some(at), |at| callers[at]).collect();
                way.reverse();
                return Ok(way);
            }
            for &next in self
                .functions
                .get(&at)
                .into_iter()
                .flat_map(|function| &function.calls)
            {
                if let Entry::Vacant(place) = callers.entry(next) {
                    place.insert(Some(at));
                    queue.push_back(next);
                }
            }
        }
        bail!("{from} does not come to {to}")
    }

    /// The stack that functions take together.
    pub(crate) fn frames(&self, way: &[u64]) -> Result<u64> {
        way.iter().map(|at| self.frame(*at)).sum()
    }

    fn frame(&self, at: u64) -> Result<u64> {
        let function = self
            .functions
            .get(&at)
            .with_context(|| format!("no function {}", self.name(at)))?;
        ensure!(
            !function.computed,
            "{}: a frame of computed size",
            function.name
        );
        Ok(function.frame)
    }

    /// The most octets of stack that a call of `at` takes in functions that are `ours`. Fails for what has no bound.
    pub(crate) fn deepest(&self, at: u64, ours: &dyn Fn(u64) -> bool) -> Result<u64> {
        self.deepest_below(at, ours, &mut Vec::new())
    }

    fn deepest_below(
        &self,
        at: u64,
        ours: &dyn Fn(u64) -> bool,
        above: &mut Vec<u64>,
    ) -> Result<u64> {
        ensure!(!above.contains(&at), "{} calls itself", self.name(at));
        let frame = self.frame(at)?;
        above.push(at);
        let mut below = 0;
        for &to in self.functions[&at].calls.iter().filter(|to| ours(**to)) {
            below = below.max(self.deepest_below(to, ours, above)?);
        }
        above.pop();
        Ok(frame + below)
    }
}

/// What stands in sections of code.
pub(crate) const CODE: [SymbolKind; 2] = [SymbolKind::Text, SymbolKind::Label];

/// What a function or variable is called, and in which source file if it is static.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    file: String,
    pub(crate) name: String,
}

/// What the file defines of these kinds. The static symbols of a source file follow its own.
pub(crate) fn named<'data, 'file>(
    file: &'file object::File<'data>,
    kinds: &[SymbolKind],
) -> Result<Vec<(Key, object::Symbol<'data, 'file>)>> {
    let mut source = "";
    let mut found = Vec::new();
    for symbol in file.symbols() {
        match symbol.kind() {
            SymbolKind::File => source = symbol.name()?,
            kind if kinds.contains(&kind) && symbol.is_definition() => {
                let file = if symbol.is_local() {
                    source.into()
                } else {
                    String::new()
                };
                let name = format!("{:#}", demangle(symbol.name()?));
                found.push((Key { file, name }, symbol));
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Whether the section has all of these flags (`SHF_*`).
pub(crate) fn has(section: &object::Section<'_, '_>, flags: u64) -> bool {
    matches!(section.flags(), SectionFlags::Elf { sh_flags, .. } if sh_flags.0 & flags == flags)
}
