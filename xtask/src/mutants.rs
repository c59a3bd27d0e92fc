// SPDX-License-Identifier: BSD-2-Clause
//! Mutants: bugs brought back, one at a time, to see whether the suite notices.
//!
//! All are tried with the driver that also sends what no driver should, and does not deliver what it should (host/hostile): the
//! driver's own bugs are brought back in that one.

use crate::bases::{build, top};
use crate::interrupt;
use crate::machine::CANNOT_BOOT;
use crate::tool::{end_of, logged, make, run, xtask};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use regex_lite::Regex;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::thread;
use std::time::Instant;
use walkdir::WalkDir;

/// Which, and how
#[derive(Args)]
pub(crate) struct Mutants {
    /// Only see whether they apply and compile: the objects of the files that a mutant changes, nothing again that is as it was
    #[arg(long)]
    compile: bool,
    /// Files of host/test/mutants without their ends, * for anything; all of them if none
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// What a mutant is a change of.
#[derive(Clone, Copy, PartialEq)]
enum Tree {
    Optee,
    Linux,
    /// Linux 7.3, for what the driver has there alone.
    Linux73,
    /// The decision library, which is linked into the core.
    Rust,
    /// The core, as it is built without the option.
    Off,
}

/// A tree that is changed in place.
const TREES: [Tree; 4] = [Tree::Optee, Tree::Linux, Tree::Linux73, Tree::Rust];

impl Tree {
    /// Without mutants.
    fn name(self) -> &'static str {
        match self {
            Self::Optee | Self::Off => "optee",
            Self::Linux => "linux",
            Self::Linux73 => "linux-7.3",
            Self::Rust => "rust",
        }
    }

    fn changed(self) -> PathBuf {
        build().join("src").join(format!("{}-mutant", self.name()))
    }

    /// Puts the sources back as they are without any mutant. They are compared by content, and what is put back looks new to make.
    fn refresh(self) -> Result<()> {
        let mut rsync = Command::new("rsync");
        rsync.args(["-rlc", "--delete"]);
        let (from, exclude): (_, &[&str]) = match self {
            Self::Rust => {
                for kept in [
                    "/Cargo.toml",
                    "/Cargo.lock",
                    "/core/***",
                    "/ta/***",
                    "/host/***",
                    "/xtask/***",
                ] {
                    rsync.arg(format!("--include={kept}"));
                }
                (top().to_owned(), &["/*"])
            }
            Self::Linux | Self::Linux73 => (
                build().join(format!("src/{}-hostile", self.name())),
                &[
                    ".stamp",
                    ".checked",
                    "*.o",
                    "*.ko",
                    "*.mod*",
                    "*.cmd",
                    ".tmp_*",
                    "modules.order",
                    "Module.symvers",
                ],
            ),
            Self::Optee | Self::Off => (build().join("src/optee-bound"), &[".stamp", ".checked"]),
        };
        rsync.args(
            exclude
                .iter()
                .map(|products| format!("--exclude={products}")),
        );
        run(rsync.arg(from.join("")).arg(self.changed().join("")))
    }

    /// Which kernel a mutant is booted with that does not say.
    fn kernel(self) -> &'static str {
        match self {
            Self::Linux73 => "debian-7.3",
            _ => "debian",
        }
    }

    fn is_driver(self) -> bool {
        matches!(self, Self::Linux | Self::Linux73)
    }

    /// What will run when a mutant of that tree is booted.
    fn built(self) -> Result<Vec<u8>> {
        let core = build().join("optee/mutant/core/tee.bin");
        let drivers = ["tee.ko", "optee.ko"]
            .map(|module| build().join(self.name()).join("mutant").join(module));
        let files = if self.is_driver() {
            &drivers[..]
        } else {
            &[core]
        };
        let mut sum = Sha256::new();
        for file in files {
            sum.update(fs::read(file).with_context(|| file.display().to_string())?);
        }
        Ok(sum.finalize().to_vec())
    }

    /// What a compiled mutant depends on, but the mutant itself.
    fn state(self) -> Result<Vec<u8>> {
        let mut sum = Sha256::new_with_prefix(include_str!("mutants.rs"))
            .chain_update(include_str!("tool.rs"));
        for file in
            ["mutants", "optee", "linux", "glue"].map(|name| top().join(format!("mk/{name}.mk")))
        {
            sum.update(fs::read(file)?);
        }
        match self {
            Self::Optee => sum.update(fs::read(build().join("glue/client_binding_glue.h"))?),
            Self::Linux | Self::Linux73 => {
                sum.update(fs::read(
                    build().join("dl").join(self.name()).join("version"),
                )?);
            }
            _ => {}
        }
        for entry in WalkDir::new(self.changed()).sort_by_file_name() {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy();
            let source = [".c", ".h", ".S", ".mk", ".rs"]
                .iter()
                .any(|end| name.ends_with(end));
            let source = source || name == "Makefile" || name.starts_with("Cargo.");
            if entry.file_type().is_file() && source && !name.ends_with(".mod.c") {
                sum.update(entry.path().as_os_str().as_encoded_bytes());
                sum.update(fs::read(entry.path())?);
            }
        }
        Ok(sum.finalize().to_vec())
    }
}

/// A patch with a head.
struct Mutant {
    name: String,
    path: PathBuf,
    text: String,
    tree: Tree,
    /// Which rule it breaks.
    rule: String,
}

impl Mutant {
    fn read(path: PathBuf) -> Result<Self> {
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let text = fs::read_to_string(&path).with_context(|| name.clone())?;
        let tree = match head(&text, "Tree") {
            Some("optee") => Tree::Optee,
            Some("linux") => Tree::Linux,
            Some("linux-7.3") => Tree::Linux73,
            Some("rust") => Tree::Rust,
            Some("off") => Tree::Off,
            _ => bail!("{name} does not say what Tree it is for"),
        };
        let rule = head(&text, "Rule")
            .with_context(|| format!("{name} does not say which Rule it breaks"))?;
        Ok(Self {
            rule: rule.into(),
            name,
            path,
            tree,
            text,
        })
    }

    /// Which cases are run: if it does not say, those of the rule.
    fn cases(&self) -> impl Iterator<Item = &str> {
        head(&self.text, "Cases")
            .unwrap_or(&self.rule)
            .split_whitespace()
    }

    /// Which kernel it is booted with.
    fn kernel(&self) -> &str {
        head(&self.text, "Kernel").unwrap_or(self.tree.kernel())
    }

    /// What else the core is built with.
    fn options(&self) -> &str {
        head(&self.text, "Options").unwrap_or_default()
    }

    /// The files that it changes.
    fn touched(&self) -> impl Iterator<Item = &str> {
        let files = self
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("+++ b/"));
        files.map(|file| file.split('\t').next().unwrap_or_default())
    }

    /// No fuzz, or it might land where it does nothing.
    fn apply(&self, log: &Path, more: &[&str]) -> Result<bool> {
        let mut patch = Command::new("patch");
        patch
            .args(["-s", "-p1", "--no-backup-if-mismatch"])
            .args(more);
        patch.arg("-d").arg(self.tree.changed());
        let status = logged(&mut patch, log, true)?
            .stdin(File::open(&self.path)?)
            .status()?;
        Ok(status.success())
    }
}

/// A field of what stands before the patch.
fn head<'a>(text: &'a str, field: &str) -> Option<&'a str> {
    let head = text.lines().take_while(|line| !line.is_empty());
    let mut values = head.filter_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    values
        .next()
        .map(str::trim)
        .filter(|value| !value.is_empty())
}

fn log_of(name: &str) -> PathBuf {
    build().join(format!("log/mutant-{name}.log"))
}

/// Not what an editor leaves.
fn matching(pattern: &str) -> Result<glob::Paths> {
    let mut how = glob::MatchOptions::new();
    how.require_literal_leading_dot = true;
    Ok(glob::glob_with(pattern, how)?)
}

/// Those that were asked for.
fn chosen(names: &[String]) -> Result<Vec<Mutant>> {
    let all = ["*".to_owned()];
    let folder = top().join("host/test/mutants");
    let mut mutants = Vec::new();
    for name in if names.is_empty() { &all } else { names } {
        let before = mutants.len();
        for path in matching(&folder.join(format!("{name}.patch")).display().to_string())? {
            mutants.push(Mutant::read(path?)?);
        }
        ensure!(
            mutants.len() > before,
            "no mutant {name} in host/test/mutants"
        );
    }
    Ok(mutants)
}

/// Tries them. Fails if one survived.
pub(crate) fn mutants(options: &Mutants) -> Result<u8> {
    let mutants = chosen(&options.names)?;
    fs::create_dir_all(build().join("log"))?;
    let lock = File::create(build().join("log/.mutants"))?;
    lock.try_lock().context("another run is under way")?;
    // Or they would be tried on what the trees were before the last change.
    let stamps = ["optee-bound", "linux-hostile", "linux-7.3-hostile"]
        .map(|tree| build().join(format!("src/{tree}/.stamp")));
    run(make(&[]).arg("-s").args(stamps))?;
    if options.compile {
        compile(&mutants)
    } else {
        play_all(&mutants)
    }
}

/// How a mutant fared.
enum Verdict {
    CaughtBy(String),
    Survived,
    /// What kept it from being tried.
    Untried(String),
}

fn play_all(mutants: &[Mutant]) -> Result<u8> {
    // Once without any, or everything would look caught.
    for tree in TREES {
        tree.refresh()?;
    }
    let step = top().join("scripts/step");
    let mut trees = Command::new(step);
    trees.args([
        "mutant-trees",
        "make",
        "--no-print-directory",
        "-f",
        "mk/main.mk",
        "mutant-optee",
        "mutant-linux",
        "mutant-linux-7.3",
    ]);
    run(trees.current_dir(top()))?;
    let mut unmutated = Vec::new();
    for tree in TREES {
        unmutated.push((tree, tree.built()?));
    }
    for (kernel, cases) in [
        ("debian", &["1xxx", "2xxx"][..]),
        ("debian-7.3", &["12002"]),
    ] {
        if !mutants.iter().any(|mutant| mutant.kernel() == kernel) {
            continue;
        }
        match play("none", "mutant", kernel, "mutant", cases.iter().copied())? {
            Verdict::Survived => {}
            Verdict::CaughtBy(what) | Verdict::Untried(what) => {
                bail!("the system without any mutant, with kernel {kernel}: {what}")
            }
        }
    }
    let (mut caught, mut changed) = (0, Tree::Optee);
    for mutant in mutants {
        let start = Instant::now();
        let verdict = match try_one(mutant, &unmutated, &mut changed)? {
            Verdict::CaughtBy(what) => {
                caught += 1;
                format!("caught by {what}")
            }
            Verdict::Survived => "SURVIVED".into(),
            Verdict::Untried(why) => why,
        };
        let seconds = start.elapsed().as_secs();
        println!(
            "{:<46} {:<4} {verdict} ({seconds} s)",
            mutant.name, mutant.rule
        );
    }
    println!("{caught} caught, {} not", mutants.len() - caught);
    Ok(u8::from(caught != mutants.len()))
}

fn try_one(mutant: &Mutant, unmutated: &[(Tree, Vec<u8>)], changed: &mut Tree) -> Result<Verdict> {
    let untried = |why: &str| Ok(Verdict::Untried(why.into()));
    if mutant.tree == Tree::Off {
        return try_off(mutant);
    }
    // The library is linked into the core: whichever was changed before must not have its bug any more.
    changed.refresh()?;
    *changed = mutant.tree;
    let log = build().join("log/mutant-build.log");
    if !mutant.apply(&log, &["-F0"])? {
        return untried("does not apply");
    }
    let mut goal = make(&[&format!("mutant-{}", mutant.tree.name())]);
    goal.arg(format!("MUTANT_OPTIONS={}", mutant.options()));
    if !logged(&mut goal, &log, false)?.status()?.success() {
        return untried("does not build");
    }
    if unmutated.contains(&(mutant.tree, mutant.tree.built()?)) {
        return untried("is to the byte what is there without it");
    }
    let (core, driver) = if mutant.tree.is_driver() {
        ("bound", "mutant")
    } else {
        ("mutant", "hostile")
    };
    play(&mutant.name, core, mutant.kernel(), driver, mutant.cases())
}

/// The core without the option must not change with it.
fn try_off(mutant: &Mutant) -> Result<Verdict> {
    let folder = build().join("test/1-fixes");
    fs::create_dir_all(&folder)?;
    let together = |to: &Path, parts: &str, more: &str| {
        let mut all = String::new();
        let patches = build()
            .join(format!("series/optee/{parts}-*/*.patch"))
            .display()
            .to_string();
        for patch in matching(&patches)? {
            all += &fs::read_to_string(patch?)?;
        }
        Ok::<_, anyhow::Error>(fs::write(to, all + more)?)
    };
    let (plain, rest) = (
        folder.join("plain.patch"),
        build().join("test/mutant.patch"),
    );
    together(&plain, "[123]", "")?;
    together(&rest, "[45]", &mutant.text)?;
    let mut check = Command::new(xtask());
    check.args(["series", "check", "optee-off"]);
    check.args([
        build().join("src/optee-stock"),
        build().join("test/optee-off"),
        plain,
        rest,
    ]);
    let log = log_of(&mutant.name);
    if logged(&mut check, &log, false)?.status()?.success() {
        return Ok(Verdict::Survived);
    }
    Ok(if fs::read_to_string(&log)?.contains("tee.bin changed") {
        Verdict::CaughtBy("check-optee-off".into())
    } else {
        Verdict::Untried("does not build".into())
    })
}

/// The suite, on that core and driver.
fn play<'a>(
    name: &str,
    core: &str,
    kernel: &str,
    driver: &str,
    cases: impl Iterator<Item = &'a str>,
) -> Result<Verdict> {
    let log = log_of(name);
    let mut suite = Command::new(xtask());
    suite
        .args([
            "suite",
            "--timeout",
            "300",
            &format!("mutant:{core}:{kernel}:{driver}"),
            "--",
        ])
        .args(cases);
    let status = logged(&mut suite, &log, false)?.status()?;
    interrupt::check()?;
    if status.success() {
        return Ok(Verdict::Survived);
    }
    let said = fs::read(&log)?;
    Ok(match complaint(&String::from_utf8_lossy(&said)) {
        Some(what) => Verdict::CaughtBy(what),
        None => Verdict::Untried(format!("cannot tell: build/log/mutant-{name}.log")),
    })
}

/// What a suite that ended badly complained of: numbers of cases, or its first words.
fn complaint(log: &str) -> Option<String> {
    static BAD: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new("^mutant: binding_([0-9]+) .*: (FAIL|HUNG): ").expect("a regex")
    });
    let cases: BTreeSet<_> = log
        .lines()
        .filter_map(|line| BAD.captures(line))
        .map(|bad| bad[1].to_owned() + if &bad[2] == "HUNG" { " (hangs)" } else { "" })
        .collect();
    if !cases.is_empty() {
        return Some(cases.into_iter().collect::<Vec<_>>().join(" "));
    }
    let mut words = log.lines().filter(|line| !line.contains(": MISSING: "));
    let first = words.find_map(|line| line.strip_prefix("mutant: "))?;
    // That is no fault of the mutant's.
    let tried = !log.contains(CANNOT_BOOT);
    tried.then(|| first.chars().take(90).collect())
}

/// Whether they apply and compile: trees side by side.
fn compile(mutants: &[Mutant]) -> Result<u8> {
    let kept = build().join("mutants");
    fs::create_dir_all(&kept)?;
    let workers = TREES.map(|tree| {
        let of_tree = mutants
            .iter()
            .filter(move |mutant| mutant.tree.name() == tree.name());
        (tree, of_tree.collect::<Vec<_>>())
    });
    let bad = thread::scope(|scope| {
        let workers =
            workers.map(|(tree, mutants)| scope.spawn(move || compile_all(tree, &mutants)));
        let mut bad = 0;
        for worker in workers {
            bad += worker
                .join()
                .unwrap_or_else(|_| bail!("a worker panicked"))?;
        }
        Ok::<_, anyhow::Error>(bad)
    })?;
    if bad > 0 {
        return Ok(1);
    }
    println!("{} mutants apply and compile", mutants.len());
    Ok(0)
}

/// A line for each that is not as it should be, whose number is the result, and for each that was compiled.
fn compile_all(tree: Tree, mutants: &[&Mutant]) -> Result<usize> {
    tree.refresh()?;
    let (state, mut bad) = (tree.state()?, 0);
    for mutant in mutants {
        let (start, name) = (Instant::now(), &mutant.name);
        let key: String = Sha256::new()
            .chain_update(&state)
            .chain_update(&mutant.text)
            .finalize()
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect();
        let known = build().join("mutants").join(name);
        if fs::read_to_string(&known).is_ok_and(|known| known == key) {
            continue;
        }
        let log = log_of(name);
        File::create(&log)?;
        if !mutant.apply(&log, &["-F0"])? {
            bad += 1;
            let said = end_of(&log);
            tree.refresh()?;
            match anew(mutant)? {
                Some(text) => {
                    fs::write(build().join(format!("mutants/{name}.patch")), text)?;
                    println!(
                        "{name}: DOES NOT APPLY without fuzz; build/mutants/{name}.patch does, if it still says the same"
                    );
                }
                None => println!("{name}: DOES NOT APPLY{said}"),
            }
            tree.refresh()?;
            continue;
        }
        if logged(&mut compilation(mutant), &log, true)?
            .status()?
            .success()
        {
            println!("{name}: compiles ({} s)", start.elapsed().as_secs());
            fs::write(known, key)?;
        } else {
            bad += 1;
            println!("{name}: DOES NOT COMPILE{}", end_of(&log));
        }
        ensure!(
            mutant.apply(&log, &["-F0", "-R"])?,
            "{name} does not go away again"
        );
    }
    Ok(bad)
}

/// The objects of the files that it changes, or all if a header is among them.
fn compilation(mutant: &Mutant) -> Command {
    let mut goals = Vec::new();
    for file in mutant.touched() {
        let object = file.strip_suffix(".c").map(|file| format!("{file}.o"));
        let (all, object) = match mutant.tree {
            Tree::Linux | Tree::Linux73 => (
                "modules",
                object.and_then(|o| Some(o.strip_prefix("drivers/tee/")?.to_owned())),
            ),
            _ => (
                "core/tee.elf",
                object.filter(|object| object.starts_with("core/")),
            ),
        };
        let Some(object) = object else {
            goals = vec![all.to_owned()];
            break;
        };
        goals.push(object);
    }
    let off = if mutant.tree == Tree::Off {
        " CFG_CLIENT_BINDING=n"
    } else {
        ""
    };
    let options = format!("{}{off}", mutant.options());
    let folder: String = options
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    let mut make = make(&[&format!("mutant-compile-{}", mutant.tree.name())]);
    make.arg(format!("MUTANT_OPTIONS={options}"))
        .arg(format!("MUTANT_GOALS={}", goals.join(" ")));
    make.arg(format!(
        "MUTANT_OUT={}",
        build().join(format!("mutants/out-{folder}")).display()
    ));
    make
}

/// The mutant as it would be written now, if it applies with fuzz.
fn anew(mutant: &Mutant) -> Result<Option<String>> {
    let (tree, old) = (mutant.tree.changed(), tempfile::tempdir()?);
    for file in mutant.touched() {
        if !tree.join(file).exists() {
            return Ok(None);
        }
        let kept = old.path().join(file);
        fs::create_dir_all(kept.parent().unwrap_or(old.path()))?;
        fs::copy(tree.join(file), kept)?;
    }
    if !mutant.apply(&build().join("log/mutant-anew.log"), &[])? {
        return Ok(None);
    }
    let head = mutant
        .text
        .lines()
        .take_while(|line| !line.starts_with("--- a/"));
    let mut text: String = head.map(|line| format!("{line}\n")).collect();
    for file in mutant.touched() {
        let mut diff = Command::new("diff");
        diff.args([
            "-U2",
            "--label",
            &format!("a/{file}"),
            "--label",
            &format!("b/{file}"),
        ]);
        let said = diff
            .arg(old.path().join(file))
            .arg(tree.join(file))
            .output()?;
        ensure!(said.status.code() <= Some(1), "diff of {file} failed");
        text += &String::from_utf8(said.stdout)?;
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_at_the_first_empty_line() {
        let text =
            "Tree: rust\nRule: B1\nCases: 1001 2xxx\n\nOptions: no\n+++ b/core/a.c\t1\n+++ b/b.h\n";
        assert_eq!(head(text, "Rule"), Some("B1"));
        assert_eq!(head(text, "Options"), None);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own-x.patch");
        fs::write(&path, text).unwrap();
        let mutant = Mutant::read(path.clone()).unwrap();
        assert_eq!(
            (mutant.name.as_str(), mutant.rule.as_str()),
            ("own-x", "B1")
        );
        assert_eq!(mutant.cases().collect::<Vec<_>>(), ["1001", "2xxx"]);
        assert_eq!(mutant.touched().collect::<Vec<_>>(), ["core/a.c", "b.h"]);
        assert_eq!(head("Cases: \n", "Cases"), None);
        for bad in [
            "",
            "Tree: linux\n",
            "Tree: linux\nRule: \n",
            "Rule: B1\n",
            "Tree: else\nRule: B1\n",
        ] {
            fs::write(&path, bad).unwrap();
            assert!(Mutant::read(path.clone()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_complaint_is_a_case_or_else_the_first_words() {
        let log = "suite-mutant ...\nmutant: binding_1002 x: FAIL: why\nmutant: binding_1001 y: HUNG: no end\n\
            mutant: binding_1002 z: FAIL: why\n";
        assert_eq!(complaint(log).unwrap(), "1001 (hangs) 1002");
        let log = "mutant: binding_1 x: MISSING: y\nmutant: the system failed\nmutant: more\n";
        assert_eq!(complaint(log).unwrap(), "the system failed");
        let cannot = format!("mutant: the system failed (status 125): {CANNOT_BOOT}no room\n");
        assert!(complaint(&cannot).is_none());
        assert!(complaint("suite-mutant FAILED\n").is_none());
    }

    #[test]
    fn those_that_are_here_can_be_read() {
        assert!(chosen(&[]).unwrap().len() > 50);
        assert!(chosen(&["own-fix-not-off".into()]).is_ok());
        assert!(chosen(&["no-such-*".into()]).is_err());
    }
}
