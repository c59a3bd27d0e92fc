// SPDX-License-Identifier: BSD-2-Clause
//! A series, patch by patch or part by part: each must apply, and what is there after it must build.

use crate::bases::build;
use crate::tool::{self, run, without_make};
use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What must hold
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Kind {
    /// The modules build without a warning, more than the usual ones (W=1), with all options of the series; at its end sparse
    /// has nothing to say either, with these options and without them
    Linux,
    /// The core builds without a warning with CFG_CLIENT_BINDING=y, and ldelf with it; with all there is to it after each patch,
    /// with what is on by default after the last one
    Optee,
    /// With CFG_CLIENT_BINDING=n tee.bin stays byte for byte what it is with the first parts of the series alone, fixes and
    /// refactoring (B15): after each further patch when line numbers, which asserts and traces carry, are pinned; after the last
    /// one with neither of the two and nothing pinned
    OpteeOff,
    /// The crate's tests pass, and cargo fmt has nothing to change
    Teec,
}

/// A series and where it is tried
#[derive(Args)]
pub(crate) struct Check {
    kind: Kind,
    /// The base of bases.toml whose tree it is, if that is not the one called like the kind
    #[arg(long)]
    base: Option<String>,
    /// Part by part: what is between is only applied
    #[arg(long)]
    parts: bool,
    /// The tree without the series
    stock: PathBuf,
    /// A folder; what is in it from the last time makes it quicker
    work: PathBuf,
    /// Whole, in their order
    #[arg(required = true, value_name = "PATCH")]
    patches: Vec<PathBuf>,
}

/// With nothing pinned, a core whose code carries no line numbers.
const SILENT: &str = "CFG_CLIENT_BINDING=n CFG_TEE_CORE_LOG_LEVEL=0 CFG_TEE_CORE_DEBUG=n";
const PINNED: &str = "CFG_CLIENT_BINDING=n CPPFLAGS='-D__LINE__=0 -Wno-builtin-macro-redefined'";

/// Checks it.
pub(crate) fn check(check: &Check) -> Result<()> {
    let tree = check.work.join("src");
    fs::create_dir_all(&tree)?;
    reset(&check.stock, &tree)?;
    match check.kind {
        Kind::Linux => check.linux(&tree),
        Kind::Optee => check.optee(&tree),
        Kind::OpteeOff => check.optee_off(&tree),
        Kind::Teec => check.teec(&tree),
    }
}

impl Check {
    /// Each patch, with the one after it.
    fn in_order(&self) -> impl Iterator<Item = (&PathBuf, Option<&PathBuf>)> {
        let next = self.patches.iter().skip(1).map(Some).chain([None]);
        self.patches.iter().zip(next)
    }

    /// Whether what is there after it is built.
    fn is_seen(&self, patch: &Path, next: Option<&PathBuf>) -> bool {
        !self.parts || next.is_none_or(|next| next.parent() != patch.parent())
    }

    fn linux(&self, tree: &Path) -> Result<()> {
        let modules = |args| {
            let mut make = make("series-build-linux", tree, Path::new(""), args);
            make.env("SERIES_BASE", self.base.as_deref().unwrap_or("linux"));
            make
        };
        for (patch, next) in self.in_order() {
            apply(tree, patch, 1)?;
            if self.is_seen(patch, next) {
                run(&mut modules("W=1"))?;
            }
        }
        let sparse = || modules("W=1 C=2 CF=-Wsparse-error");
        run(&mut sparse())?;
        run(sparse().env("LINUX_OPTIONS", ""))
    }

    fn optee(&self, tree: &Path) -> Result<()> {
        let glue = build().join("glue");
        let on = format!(
            "CFG_WERROR=y CFG_CLIENT_BINDING=y CLIENT_BINDING_GLUE={}",
            glue.display()
        );
        let core = |options: &str| {
            let args = format!("{on} {options}");
            run(&mut make(
                "series-build-optee",
                tree,
                &self.work.join("out"),
                &args,
            ))
        };
        for (patch, next) in self.in_order() {
            apply(tree, patch, 1)?;
            if self.is_seen(patch, next) {
                core(
                    "CFG_CLIENT_BINDING_MAX_SESSIONS=4 CFG_CLIENT_BINDING_PTA=y CFG_CLIENT_BINDING_DELEGATION=y",
                )?;
            }
        }
        core("")
    }

    fn optee_off(&self, tree: &Path) -> Result<()> {
        let core = |name: &str, args: &str| {
            let out = self.work.join(name);
            run(&mut make("series-build-optee", tree, &out, args))?;
            fs::read(out.join("core/tee.bin")).with_context(|| format!("{name}: tee.bin"))
        };
        let (plain, optional): (Vec<_>, Vec<_>) =
            self.in_order().partition(|(patch, _)| is_plain(patch));
        ensure!(!optional.is_empty(), "no patch that an option turns on");
        let in_order = self.patches.is_sorted_by_key(|patch| !is_plain(patch));
        ensure!(
            in_order,
            "a patch that is always there comes after one that is not"
        );
        for (patch, _) in plain {
            apply(tree, patch, 1)?;
        }
        let pinned = core("pinned", PINNED)?;
        let silent = core("silent", SILENT)?;
        let changed = "though CFG_CLIENT_BINDING=n";
        for (patch, next) in optional {
            apply(tree, patch, 1)?;
            ensure!(
                !self.is_seen(patch, next) || core("pinned", PINNED)? == pinned,
                "tee.bin changed with {} {changed}",
                patch.display()
            );
        }
        ensure!(
            core("silent", SILENT)? == silent,
            "tee.bin changed with the series {changed}"
        );
        Ok(())
    }

    fn teec(&self, tree: &Path) -> Result<()> {
        let manifest = tree.join("Cargo.toml");
        for patch in &self.patches {
            // crates/optee-teec/src
            apply(tree, patch, 3)?;
            for args in [["test", "--quiet"], ["fmt", "--check"]] {
                let mut cargo = Command::new("cargo");
                cargo.args(args).arg("--manifest-path").arg(&manifest);
                run(without_make(&mut cargo))?;
            }
        }
        Ok(())
    }
}

/// Whether it is there whatever the options are.
fn is_plain(patch: &Path) -> bool {
    let part = patch.parent().and_then(Path::file_name).unwrap_or_default();
    ["1-fixes", "2-refactoring", "3-speed"]
        .map(OsStr::new)
        .contains(&part)
}

/// Back to the tree without the series, file by file, so that make notices what the last round left.
fn reset(stock: &Path, tree: &Path) -> Result<()> {
    let mut rsync = Command::new("rsync");
    rsync.args(["-rlp", "--checksum", "--delete"]);
    rsync.args(["*.o", "*.ko", "*.mod*", ".*.cmd"].map(|products| format!("--exclude={products}")));
    run(rsync.arg(stock.join("")).arg(tree.join("")))
}

fn apply(tree: &Path, patch: &Path, strip: u8) -> Result<()> {
    println!("== {}", patch.display());
    let mut git = Command::new("git");
    git.arg("-C")
        .arg(tree)
        .args(["apply", "--whitespace=error-all", &format!("-p{strip}")]);
    run(git.arg(
        patch
            .canonicalize()
            .with_context(|| patch.display().to_string())?,
    ))
}

/// A goal of mk/test.mk, which builds the tree as it would be built.
fn make(goal: &str, tree: &Path, out: &Path, args: &str) -> Command {
    let mut make = tool::make(&[goal]);
    make.env("SERIES_TREE", tree)
        .env("SERIES_OUT", out)
        .env("SERIES_ARGS", args);
    make
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_parts_are_plain() {
        for (patch, plain) in [
            ("a/1-fixes/0001-b.patch", true),
            ("2-refactoring/0001.patch", true),
            ("3-speed/0001.patch", true),
            ("a/4-binding/1-fixes.patch", false),
            ("0001-b.patch", false),
        ] {
            assert_eq!(is_plain(Path::new(patch)), plain, "{patch}");
        }
    }

    #[test]
    fn a_part_is_seen_where_it_ends() {
        let patches = ["1/0001.patch", "1/0002.patch", "2/0003.patch"].map(PathBuf::from);
        let mut check = Check {
            kind: Kind::Linux,
            base: None,
            parts: true,
            stock: PathBuf::new(),
            work: PathBuf::new(),
            patches: patches.into(),
        };
        let seen = |check: &Check| -> Vec<_> {
            let patches = check.in_order();
            patches
                .map(|(patch, next)| check.is_seen(patch, next))
                .collect()
        };
        assert_eq!(seen(&check), [false, true, true]);
        check.parts = false;
        assert_eq!(seen(&check), [true; 3]);
    }
}
