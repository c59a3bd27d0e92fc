// SPDX-License-Identifier: BSD-2-Clause
//! Boards: whether the core of each platform that the OP-TEE tree knows builds with client binding, and how much that adds to it.

use crate::bases::{build, top};
use crate::interrupt;
use crate::tool::{end_of, logged, make, removed};
use anyhow::{Context, Result, ensure};
use clap::Args;
use glob::Pattern;
use regex_lite::Regex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::Instant;
use walkdir::WalkDir;

/// Which, and how
#[derive(Args)]
pub(crate) struct Boards {
    /// Do not build the stock cores, so that nothing is compared
    #[arg(long)]
    ours_only: bool,
    /// As OP-TEE's PLATFORM has them, * for anything, and the kind of core if only one is meant: 'imx-*', k3-am62x/arm64. All of
    /// them if none
    #[arg(value_name = "PLATFORM[-FLAVOR][/KIND]", value_parser = Pattern::new)]
    names: Vec<Pattern>,
}

impl Boards {
    /// Whether one of these names was asked for.
    fn ask_for(&self, names: &[&str]) -> bool {
        let asked = |pattern: &Pattern| names.iter().any(|name| pattern.matches(name));
        self.names.is_empty() || self.names.iter().any(asked)
    }
}

/// A flavor of a platform, with a kind of core that it can have.
struct Board {
    name: String,
    /// What make is told.
    args: String,
    /// The folder of the library for it.
    glue: &'static str,
    /// Whether the normal world has a say in what time it is.
    clock: &'static str,
    has_user_tas: bool,
}

/// What came of a build.
#[derive(Serialize, Deserialize)]
struct Outcome {
    /// What it was made of.
    state: String,
    /// Octets of tee.bin, or why there is none.
    size: Result<u64, String>,
}

/// Builds them. Fails if one does not build with ours that does on stock.
pub(crate) fn boards(options: &Boards) -> Result<u8> {
    let start = Instant::now();
    let work = build().join("boards");
    fs::create_dir_all(&work)?;
    let lock = File::create(work.join(".lock"))?;
    lock.try_lock().context("another run is under way")?;
    let states = [state("stock", false)?, state("bound", true)?];
    let boards = chosen(options)?;
    ensure!(!boards.is_empty(), "no such board has user TAs");
    eprintln!("{} boards ({} s)", boards.len(), start.elapsed().as_secs());
    let (mut rows, mut counts) = (Vec::new(), [0, 0]);
    for (n, board) in boards.iter().enumerate() {
        let stock = (!options.ours_only)
            .then(|| board.built(None, &states[0]))
            .transpose()?;
        // What the stock tree cannot is no fault of ours.
        let ours = match stock {
            Some(Err(_)) => None,
            _ => Some(board.built(Some(board.glue), &states[1])?),
        };
        let seconds = start.elapsed().as_secs();
        eprintln!(
            "{} of {}: {} ({seconds} s)",
            n + 1,
            boards.len(),
            board.name
        );
        counts[0] += usize::from(!matches!(stock, Some(Err(_))));
        counts[1] += usize::from(matches!(ours, Some(Ok(_))));
        rows.push(board.row(stock.as_ref(), ours.as_ref()));
    }
    println!("| board | clock | stock | ours | added | |\n|---|---|--:|--:|--:|---|");
    println!("{}\n", rows.join("\n"));
    let (all, [tried, ours]) = (boards.len(), counts);
    if !options.ours_only {
        println!("{all} boards, {tried} of which the stock tree builds here.");
    }
    println!("{ours} of {tried} build with client binding.");
    Ok(u8::from(ours == 0 || ours < tried))
}

/// Those that were asked for.
fn chosen(options: &Boards) -> Result<Vec<Board>> {
    let mut boards = Vec::new();
    for (platform, arch) in platforms(&build().join("src/optee-stock"))? {
        // A kind is only known when make has been asked.
        let kinds = ["arm", "arm64", "riscv64"].map(|kind| format!("{platform}/{kind}"));
        let names: Vec<_> = kinds
            .iter()
            .chain([&platform])
            .map(|name| &**name)
            .collect();
        if options.ask_for(&names) {
            boards.extend(configured(&platform, &arch)?);
        }
    }
    boards.retain(|board| {
        let platform = board.name.split('/').next().unwrap_or_default();
        board.has_user_tas && options.ask_for(&[platform, &board.name])
    });
    Ok(boards)
}

/// What it is by default, and the 64-bit core if that is something else.
fn configured(platform: &str, arch: &str) -> Result<Vec<Board>> {
    let args = format!("ARCH={arch} PLATFORM={platform}");
    let default = Board::configured(platform, args.clone())?;
    // One that cannot be configured tells why when it is built.
    let default = default.unwrap_or_else(|| Board {
        name: platform.into(),
        args: args.clone(),
        glue: "glue",
        clock: "",
        has_user_tas: true,
    });
    let other = match default.glue {
        "glue-arm" => Board::configured(platform, args + " CFG_ARM64_core=y")?,
        _ => None,
    };
    Ok([Some(default), other].into_iter().flatten().collect())
}

impl Board {
    fn configured(platform: &str, args: String) -> Result<Option<Self>> {
        let out = build().join("boards");
        let mut make = goal(&args, None, "conf.mk")?;
        if done(&mut make, &out.join("conf.log"))?.is_some() {
            return Ok(None);
        }
        let conf = fs::read_to_string(out.join("out/conf.mk"))?;
        let is_set = |name: &str| conf.lines().any(|line| line == format!("CFG_{name}=y"));
        let (kind, glue) = match () {
            () if is_set("RV64_core") => ("riscv64", "glue-riscv64"),
            () if !is_set("ARM64_core") => ("arm", "glue-arm"),
            () if is_set("CORE_BTI") => ("arm64", "glue-bti"),
            () => ("arm64", "glue"),
        };
        Ok(Some(Self {
            name: format!("{platform}/{kind}"),
            args,
            glue,
            clock: if is_set("SECURE_TIME_SOURCE_REE") {
                "REE"
            } else {
                "secure"
            },
            has_user_tas: is_set("WITH_USER_TA"),
        }))
    }

    /// Builds it, if it was not built of just the same before: with the library in `glue`, or without client binding.
    fn built(&self, glue: Option<&str>, tree: &Sha256) -> Result<Result<u64, String>> {
        let state = tree.clone().chain_update(&self.args).finalize();
        let state = state.iter().map(|octet| format!("{octet:02x}")).collect();
        let tree = glue.map_or("stock", |_| "bound");
        let file = build().join(format!("boards/{}.{tree}", self.name));
        let known = fs::read(&file).ok();
        let known = known.and_then(|octets| serde_json::from_slice::<Outcome>(&octets).ok());
        if let Some(outcome) = known.filter(|outcome| outcome.state == state) {
            return Ok(outcome.size);
        }
        fs::create_dir_all(file.parent().context("no folder")?)?;
        let log = file.with_added_extension("log");
        let size = match done(&mut goal(&self.args, glue, "core/tee.bin")?, &log)? {
            None => Ok(fs::metadata(build().join("boards/out/core/tee.bin"))?.len()),
            Some(said) => Err(first_error(&said)),
        };
        let outcome = Outcome { state, size };
        fs::write(&file, serde_json::to_vec(&outcome)?)?;
        Ok(outcome.size)
    }

    fn row(
        &self,
        stock: Option<&Result<u64, String>>,
        ours: Option<&Result<u64, String>>,
    ) -> String {
        let octets = |built: Option<&Result<u64, String>>| match built {
            Some(Ok(size)) => size.to_string(),
            Some(Err(_)) => "no".into(),
            None => String::new(),
        };
        let added = match (stock, ours) {
            (Some(Ok(stock)), Some(Ok(ours))) => {
                ours.wrapping_sub(*stock).cast_signed().to_string()
            }
            _ => String::new(),
        };
        let why = [stock, ours]
            .into_iter()
            .flatten()
            .find_map(|built| built.as_ref().err());
        format!(
            "| {:<34} | {:<6} | {:>7} | {:>7} | {added:>6} | {} |",
            self.name,
            self.clock,
            octets(stock),
            octets(ours),
            why.map_or("", String::as_str)
        )
    }
}

/// A goal of mk/boards.mk: a file below the output folder, which is empty before.
fn goal(args: &str, glue: Option<&str>, file: &str) -> Result<Command> {
    removed(&build().join("boards/out"))?;
    let mut make = make(&["board"]);
    make.env("BOARD_ARGS", args)
        .env("BOARD_GLUE", glue.unwrap_or_default())
        .env("BOARD_FILE", file);
    Ok(make)
}

/// What it said if OP-TEE's make failed. That it was not come to is an error.
fn done(make: &mut Command, log: &Path) -> Result<Option<String>> {
    let status = logged(make, log, false)?.status()?;
    interrupt::check()?;
    let said = String::from_utf8_lossy(&fs::read(log)?).into_owned();
    ensure!(said.contains("make -s -C"), "make board:{}", end_of(log));
    Ok((!status.success()).then_some(said))
}

/// Everything that a core is made of but the arguments.
fn state(tree: &str, with_glue: bool) -> Result<Sha256> {
    let mut sum = Sha256::new();
    let mut files = ["boards", "optee"]
        .map(|name| top().join(format!("mk/{name}.mk")))
        .to_vec();
    if with_glue {
        let glues = ["glue", "glue-bti", "glue-arm", "glue-riscv64"];
        files.extend(glues.map(|glue| build().join(glue).join("libclient_binding_glue.a")));
    }
    for entry in WalkDir::new(build().join("src").join(format!("optee-{tree}"))).sort_by_file_name()
    {
        let entry = entry?;
        if entry.file_type().is_file() {
            files.push(entry.into_path());
        }
    }
    for file in files {
        sum.update(file.as_os_str().as_encoded_bytes());
        sum.update(fs::read(&file).with_context(|| file.display().to_string())?);
    }
    Ok(sum)
}

/// Every PLATFORM that a tree has, with its flavors, and the ARCH of each.
fn platforms(tree: &Path) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for folder in glob::glob(&tree.join("core/arch/*/plat-*").display().to_string())? {
        let folder = folder?;
        let part = |path: &Path| path.file_name().unwrap_or_default().display().to_string();
        let arch = folder.parent().map(part).unwrap_or_default();
        let platform = part(&folder);
        let platform = platform.trim_start_matches("plat-");
        let mut texts = String::new();
        for file in WalkDir::new(&folder).sort_by_file_name() {
            let file = file?.into_path();
            if file
                .extension()
                .is_some_and(|end| ["mk", "c", "h", "S"].iter().any(|e| end == *e))
            {
                texts += &fs::read_to_string(&file)?;
            }
        }
        let flavors = flavors(&texts)?;
        let names = flavors.iter().map(|flavor| format!("{platform}-{flavor}"));
        let names: Vec<_> = match flavors.is_empty() {
            true => vec![platform.into()],
            false => names.collect(),
        };
        found.extend(names.into_iter().map(|name| (name, arch.clone())));
    }
    Ok(found)
}

/// What a platform's files compare its flavor with.
fn flavors(texts: &str) -> Result<BTreeSet<String>> {
    let texts = texts.replace("\\\n", " ");
    let mut flavors = BTreeSet::new();
    for names in [
        r"(?m)^PLATFORM_FLAVOR\s*\?=\s*(\w+)",
        r"\$[({]PLATFORM_FLAVOR[)}],\s*(\w[\w\s]*)\)",
        r"(?m)^[\w-]+-flavorlist\s*:?=([\w \t]+)$",
        r"(?m)^flavor_dts_file-(\w+)\s*=",
        r"(?:defined\(|ifdef )PLATFORM_FLAVOR_(\w+)",
    ] {
        for found in Regex::new(names)?.captures_iter(&texts) {
            flavors.extend(found[1].split_whitespace().map(String::from));
        }
    }
    Ok(flavors)
}

/// The first line that complains, short enough for a table.
fn first_error(log: &str) -> String {
    let complaints = ["error", "Error", "***", "not found", "No such file"];
    let complains = |line: &&str| complaints.iter().any(|word| line.contains(word));
    let line = log.lines().find(complains).or(log.lines().last());
    let line = line.unwrap_or("it says nothing").replace('|', "/");
    line.replace("/build/boards/out/", "")
        .chars()
        .take(120)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flavor_is_what_is_compared() {
        let conf = "PLATFORM_FLAVOR ?= one\n\
            small-flavorlist = \\\n\ttwo \\\n\tthree \\\n\n\
            ifneq (,$(filter $(PLATFORM_FLAVOR),$(small-flavorlist)))\n\
            else ifneq (,$(filter ${PLATFORM_FLAVOR},four \\\n\tfive))\n\
            ifeq ($(PLATFORM_FLAVOR), six)\n\
            ifneq ($(PLATFORM_FLAVOR),)\n\
            flavor_dts_file-SEVEN = seven.dts\n\
            flavorlist-512M = $(flavor_dts_file-SEVEN)\n\
            #if defined(PLATFORM_FLAVOR_eight) || defined(PLATFORM_FLAVOR_one)\n\
            #else /* PLATFORM_FLAVOR_nine */\n";
        let found: Vec<_> = flavors(conf).unwrap().into_iter().collect();
        let expected = [
            "SEVEN", "eight", "five", "four", "one", "six", "three", "two",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_first_complaint_is_told() {
        let log =
            "core/a.c: warning: x\n/build/boards/out/b.o: error: a | b\nmake: *** [b] Error 1\n";
        assert_eq!(first_error(log), "b.o: error: a / b");
        assert_eq!(first_error("killed"), "killed");
    }
}
