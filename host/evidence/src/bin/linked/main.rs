// SPDX-License-Identifier: BSD-2-Clause
//! Checks what came out of the compilers: the Rust library, its header, the C files that call it, and the core that all was
//! linked into.

mod a64;
mod float;
mod guests;
mod image;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use comfy_table::{Table, presets::NOTHING};
use image::{CODE, Image, Key, named};
use object::read::archive::ArchiveFile;
use object::{Architecture, Object, ObjectSection, ObjectSymbol, SymbolKind, SymbolSection};
use rustc_demangle::demangle;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Checks client binding's part of a linked OP-TEE core
///
/// Each finding is a line. A finding may be about the Rust library (its symbols, its sections), or about what the linker made
/// of it and of the C files: who panics, who calls through a register, how much stack a call takes. The latter is known of AArch64
/// alone.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The Rust library
    archive: PathBuf,
    /// Its generated header
    header: PathBuf,
    /// The core that all is linked into, with its symbols; without it, only the library is looked at
    #[arg(requires = "objects")]
    core: Option<PathBuf>,
    /// The object files of core/client_binding
    objects: Vec<PathBuf>,
    /// The series that the C files come from
    #[arg(long, num_args = 1.., required = true)]
    series: Vec<PathBuf>,
    /// The same core without client binding, to compare the stack with
    #[arg(long)]
    stock: Option<PathBuf>,
    /// The core serves the guests of a hypervisor (CFG_NS_VIRTUALIZATION): nothing of ours may be shared by them
    #[arg(long, requires = "core")]
    guests: bool,
    /// Print the stack of each function, too
    #[arg(long)]
    table: bool,
}

/// What the library may leave to the core.
const FROM_CORE: [&str; 6] = [
    "memcpy",
    "memset",
    "memmove",
    "memcmp",
    "bcmp",
    "__do_panic",
];
/// Those of them that a function of the library may come to. They take no stack to speak of and come back.
const MEMORY: [&str; 5] = ["memcpy", "memset", "memmove", "memcmp", "bcmp"];
/// What the series has for it on AArch32, with a 4 or 8 behind for the aligned ones.
const HELPERS: [&str; 4] = [
    "__aeabi_memcpy",
    "__aeabi_memmove",
    "__aeabi_memset",
    "__aeabi_memclr",
];
const OF_THE_API: &str = "client_binding_";
const OF_THE_HEADER: &str = "client_binding_header_";

/// Ends the core, or may.
const PANIC: &str = "__do_panic";
/// OP-TEE's assert() and the compiler's stack protector: the core is built with them, stock or not. They are welcome in
/// C where nothing is hot.
const GUARDS: [&str; 4] = [
    "_assert_log",
    "_assert_break",
    "_assert_trap",
    "__stack_chk_fail",
];

/// Where each call from the normal world comes in: the second if the compiler put the first into it.
const ENTRIES: [&str; 2] = ["entry_invoke_command", "__tee_entry_std"];
/// What it must come to before the TA.
const CHECK: &str = "client_binding_recognizes";
/// What it comes to as well unless the claim is the client's own, bit for bit.
const COLD: &str = "client_binding_may_others_use";
/// Where a stock core finds the session, which nobody checks.
const STOCK_LOOKUP: &str = "tee_ta_get_session";
/// What finding and checking may take beyond that. A thread has 8 KiB.
const STACK: u64 = 128;

/// Findings: what is wrong, and with what.
#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    fn none<T: ToString>(&mut self, what: &str, evidence: impl IntoIterator<Item = T>) {
        let lines = evidence
            .into_iter()
            .map(|item| format!("{what}: {}", item.to_string()));
        self.0.extend(lines);
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let mut findings = Findings::default();
    let rust = library(&args, &mut findings)?;
    if let Some(core) = &args.core {
        linked(&args, core, rust, &mut findings)?;
    }
    for finding in &findings.0 {
        println!("{finding}");
    }
    ensure!(findings.0.is_empty(), "{} findings", findings.0.len());
    Ok(())
}

/// What the linker made of the library and of C.
fn linked(args: &Args, core: &Path, rust: BTreeSet<Key>, findings: &mut Findings) -> Result<()> {
    let read = |path: &Path| fs::read(path).with_context(|| path.display().to_string());
    let objects = args.objects.iter().map(|object| read(object));
    let objects = objects.collect::<Result<Vec<_>>>()?;
    let mut c = BTreeSet::new();
    for octets in &objects {
        c.extend(functions(octets)?);
    }
    if args.guests {
        findings.none("not a guest's own", guests::shared(&read(core)?, &objects)?);
    }
    let core = Image::read(core)?;
    let ours = Ours::new(&core, rust, c);
    vectors(&core, findings)?;
    ours.pointers(findings);
    ours.calls(findings);
    let text = ours.hot_path(args.stock.as_deref(), findings)?;
    if args.table {
        ours.table(&text)?;
    }
    Ok(())
}

/// The archive and its header: what it offers, what it needs, and that it can panic nowhere.
fn library(args: &Args, findings: &mut Findings) -> Result<BTreeSet<Key>> {
    let octets = fs::read(&args.archive).context("the library")?;
    let archive = ArchiveFile::parse(&*octets)?;
    let mut all = BTreeSet::new();
    let mut api = BTreeSet::new();
    for member in archive.members() {
        let data = member?.data(&*octets)?;
        let file = object::File::parse(data)?;
        all.extend(functions(data)?);
        for symbol in file.symbols() {
            let name = symbol.name()?;
            if symbol.is_undefined() && !name.is_empty() && !is_of_core(name, file.architecture()) {
                findings.none("the library needs", [name]);
            }
            if ["panicking", "rust_begin_unwind", "panic_fmt", PANIC]
                .iter()
                .any(|panic| name.contains(panic))
            {
                findings.none("a panic path in the library", [demangle(name)]);
            }
            // No code: it says to which header the library belongs.
            if name.starts_with(OF_THE_HEADER) && symbol.section() == SymbolSection::Absolute {
                continue;
            }
            if symbol.is_definition() && symbol.is_global() {
                api.insert(name.to_string());
                // Any other could replace one of OP-TEE's.
                if symbol.is_weak() || !name.starts_with(OF_THE_API) {
                    findings.none("a global symbol that is not of the API", [name]);
                }
            }
        }
        findings.none(
            "a floating-point or vector register in the library",
            float::users(&file)?,
        );
        let unwinding = [
            ".data",
            ".bss",
            ".got",
            ".init_array",
            ".ctors",
            ".eh_frame",
        ];
        let sections = file.sections().filter(|section| section.size() > 0);
        let names = sections.filter_map(|section| Some(section.name().ok()?.to_string()));
        let bad = names.filter(|name| unwinding.iter().any(|prefix| name.starts_with(prefix)));
        findings.none("a writable or unwinding section in the library", bad);
    }
    ensure!(!api.is_empty(), "no symbol in the library");
    let header = fs::read_to_string(&args.header).context("the header")?;
    let words = header
        .split(|c: char| !(c.is_ascii_lowercase() || c == '_' || c == '('))
        .filter_map(|word| word.split_once('('));
    let declared: BTreeSet<_> = words
        .map(|(name, _)| name.to_string())
        .filter(|name| name.starts_with(OF_THE_API))
        .collect();
    findings.none(
        "not both in header and library",
        api.symmetric_difference(&declared),
    );
    let mut unused = api;
    for patch in &args.series {
        let text = fs::read_to_string(patch).with_context(|| patch.display().to_string())?;
        let added: Vec<_> = text.lines().filter(|line| line.starts_with('+')).collect();
        unused.retain(|name| !added.iter().any(|line| line.contains(&format!("{name}("))));
    }
    findings.none("no patch of the series calls", unused);
    Ok(all)
}

/// Whether the library may leave it to a core of that architecture.
fn is_of_core(name: &str, architecture: Architecture) -> bool {
    FROM_CORE.contains(&name)
        || architecture == Architecture::Arm && HELPERS.contains(&name.trim_end_matches(['4', '8']))
}

/// The functions that an object file defines.
fn functions(octets: &[u8]) -> Result<BTreeSet<Key>> {
    let file = object::File::parse(octets)?;
    let symbols = named(&file, &CODE)?.into_iter();
    Ok(symbols
        .filter(|(_, symbol)| symbol.kind() == SymbolKind::Text)
        .map(|(key, _)| key)
        .collect())
}

/// The core is built with -mgeneral-regs-only: the normal world's vector registers are live in it.
fn vectors(core: &Image, findings: &mut Findings) -> Result<()> {
    let saves = |name: &&String| name.trim_start_matches('_').starts_with("vfp_");
    ensure!(
        core.vector_users.iter().any(|name| saves(&name)),
        "no vector register even where they are saved"
    );
    let others = core.vector_users.iter().filter(|name| !saves(name));
    findings.none("a vector register outside of vfp_*", others);
    Ok(())
}

/// The functions of ours in a linked core.
struct Ours<'a> {
    core: &'a Image,
    /// Where they are, and whether they are Rust.
    functions: BTreeMap<u64, bool>,
}

impl<'a> Ours<'a> {
    fn new(core: &'a Image, rust: BTreeSet<Key>, c: BTreeSet<Key>) -> Self {
        let mut functions = BTreeMap::new();
        for (names, is_rust) in [(rust, true), (c, false)] {
            for key in names {
                // What no option of this core needs, the linker has dropped.
                if let Some(at) = core.place(&key) {
                    functions.insert(at, is_rust);
                }
            }
        }
        Self { core, functions }
    }

    fn is_ours(&self, at: u64) -> bool {
        self.functions.contains_key(&at)
    }

    /// An address in data would be a pointer that could be called, or overwritten.
    fn pointers(&self, findings: &mut Findings) {
        for (at, section, to) in &self.core.pointers {
            let ours = self.functions.keys().any(|start| {
                let end = self
                    .core
                    .functions
                    .get(start)
                    .map_or(start + 4, |function| function.end);
                (*start..end).contains(to)
            });
            // The core maps these read-only once it has filled them in.
            if ours && ![".data.rel.ro", ".got", ".rodata"].contains(&section.as_str()) {
                findings.none(
                    "a writable pointer to a function",
                    [format!("{at:#x} in {section}, to {}", self.core.name(*to))],
                );
            }
        }
    }

    /// Nobody panics, calls what cannot be told from the code, or takes stack without a bound.
    fn calls(&self, findings: &mut Findings) {
        for (at, rust) in &self.functions {
            let Some(function) = self.core.functions.get(at) else {
                continue;
            };
            let name = &function.name;
            let unbounded = self.core.deepest(*at, &|to| self.is_ours(to)).err();
            findings.none("no bound for the stack", unbounded);
            findings.none(
                "a call through a register",
                function
                    .indirect
                    .iter()
                    .map(|place| format!("{name} at {place:#x}")),
            );
            for to in &function.calls {
                let to_name = self.core.name(*to);
                let allowed = if *rust {
                    self.is_ours(*to) || MEMORY.contains(&&*to_name)
                } else {
                    to_name != PANIC
                };
                if !allowed {
                    findings.none(
                        "a call that is not allowed",
                        [format!("{name} to {to_name}")],
                    );
                }
            }
        }
    }

    /// How a call of the normal world comes to the verdict: the stack that takes, and that nothing on the way can stop the core.
    fn hot_path(&self, stock: Option<&Path>, findings: &mut Findings) -> Result<String> {
        let core = self.core;
        let entry = ENTRIES
            .iter()
            .find(|name| core.find(name).is_some())
            .context("no entry")?;
        let way = core.way(entry, CHECK)?;
        for at in way.iter().filter(|at| self.is_ours(**at)) {
            let function = &core.functions[at];
            let guards = function
                .calls
                .iter()
                .map(|to| core.name(*to))
                .filter(|to| GUARDS.contains(&&**to));
            findings.none(
                "an assertion on the hot path",
                guards.map(|to| format!("{} to {to}", function.name)),
            );
        }

        let taken = |way: &[u64]| {
            let (down, last) = way.split_at(way.len() - 1);
            let below = core.deepest(last[0], &|at| self.is_ours(at))?;
            Ok::<_, anyhow::Error>(core.frames(down)? + below)
        };
        let hot = taken(&way)?;
        let cold = taken(&core.way(entry, COLD)?)?;
        let names: Vec<_> = way.iter().map(|at| core.name(*at)).collect();
        let mut text = format!(
            "An invoke takes {} octets of stack down to its check, {} if it is not let pass at first sight: {}.",
            hot,
            cold,
            names.join(" > ")
        );
        if let Some(path) = stock {
            let stock = Image::read(path)?;
            let before = stock.frames(&stock.way(entry, STOCK_LOOKUP)?)?;
            let added = hot.saturating_sub(before);
            text += &format!(
                "\nA stock core's takes {before} down to {STOCK_LOOKUP}: {added} fewer. The limit is {STACK}."
            );
            if added > STACK {
                findings.none("too much stack", [&text]);
            }
        }
        Ok(text)
    }

    fn table(&self, text: &str) -> Result<()> {
        let mut table = Table::new();
        table
            .load_preset(NOTHING)
            .set_header(["function", "frame", "deepest", "leaves to"]);
        for at in self.functions.keys() {
            let Some(function) = self.core.functions.get(at) else {
                continue;
            };
            let deepest = self.core.deepest(*at, &|to| self.is_ours(to))?;
            let reached = self.core.reachable(*at, &|to| self.is_ours(to));
            let leaves = reached.iter().flat_map(|at| &self.core.functions[at].calls);
            let leaves: BTreeSet<_> = leaves
                .filter(|to| !self.is_ours(**to))
                .map(|to| self.core.name(*to))
                .collect();
            let leaves = leaves.into_iter().collect::<Vec<_>>().join(" ");
            table.add_row([
                function.name.clone(),
                function.frame.to_string(),
                deepest.to_string(),
                leaves,
            ]);
        }
        println!("{}\n\n{text}", table.trim_fmt());
        Ok(())
    }
}
