// SPDX-License-Identifier: BSD-2-Clause
//! What is played on systems: the regression suite, upstream's own, the demonstration, the bench. Each run is kept in a folder, and
//! a program of host/evidence judges.

use crate::arch::{Arch, Processor};
use crate::bases::{build, top};
use crate::interrupt;
use crate::machine::tas_for;
use crate::tool::{emptied, folder_name, logged, said, xtask};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

/// NAME:CORE:KERNEL:DRIVER, or NAME:CORE:KERNEL:DRIVER:LIBTEEC
#[derive(Clone)]
pub(crate) struct System {
    name: String,
    core: String,
    kernel: String,
    driver: String,
    libteec: Option<String>,
}

impl System {
    fn of(core: &str, driver: &str, kernel: &str) -> Self {
        let [name, core, kernel, driver] = ["", core, kernel, driver].map(str::to_owned);
        Self {
            name,
            core,
            kernel,
            driver,
            libteec: None,
        }
    }

    /// What binding-test expects of that core and driver.
    fn stack(&self) -> &'static str {
        match (self.core.as_str(), self.driver.as_str()) {
            ("stock", "stock") => "stock",
            ("stock", _) => "stock-core",
            (_, "stock") => "stock-driver",
            ("all", _) => "bound-all",
            _ => "bound",
        }
    }

    /// `xtask boot` on it, as a step or not.
    fn boot(&self, processor: Processor, step: bool, name: &str) -> Command {
        let name = &processor.named(name);
        let mut command = Command::new(xtask());
        if step {
            command = Command::new(top().join("scripts/step"));
            command.arg(name).arg(xtask());
        }
        command.arg("boot").args(processor.arguments());
        command.args([
            "--core",
            &self.core,
            "--kernel",
            &self.kernel,
            "--driver",
            &self.driver,
        ]);
        if let Some(libteec) = &self.libteec {
            command.args(["--libteec", libteec]);
        }
        command.args(["--name", name]);
        command
    }
}

impl FromStr for System {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts: Vec<_> = text.split(':').map(str::to_owned).collect();
        let libteec = (parts.len() == 5).then(|| parts.pop()).flatten();
        let [name, core, kernel, driver] = <[String; 4]>::try_from(parts).map_err(|_| {
            "a system is NAME:CORE:KERNEL:DRIVER or NAME:CORE:KERNEL:DRIVER:LIBTEEC".to_owned()
        })?;
        let name = folder_name(&name)?;
        Ok(Self {
            name,
            core,
            kernel,
            driver,
            libteec,
        })
    }
}

/// Waits for a boot with `--to` that folder.
fn played(boot: &mut Command, folder: &Path) -> Result<ExitStatus> {
    let status = boot.status()?;
    tell(folder, status)?;
    Ok(status)
}

/// However a boot ended, there are the files that a report reads.
fn tell(folder: &Path, status: ExitStatus) -> Result<()> {
    interrupt::check()?;
    for file in ["output", "errors", "secure-world.log"] {
        File::options()
            .create(true)
            .append(true)
            .open(folder.join(file))?;
    }
    let ended = folder.join("status");
    if !ended.exists() {
        fs::write(ended, format!("{}\n", code(status)))?;
    }
    Ok(())
}

/// What the guest said, if all went well there.
fn output(name: &str, folder: &Path) -> Result<String> {
    let told = |file| fs::read_to_string(folder.join(file));
    let errors = told("errors")?;
    ensure!(
        told("status")?.trim() == "0",
        "{name}: {}",
        errors.trim_end()
    );
    Ok(told("output")?)
}

/// The exit status of a program that judges is ours.
fn judged_by(program: &str, command: &mut Command) -> Result<u8> {
    let status = command.status();
    let status = status.with_context(|| format!("cannot execute {program}"))?;
    interrupt::check()?;
    Ok(code(status))
}

/// Of what was killed, that of a system that failed.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().and_then(|code| code.try_into().ok());
    code.unwrap_or(125)
}

/// The regression suite
#[derive(Args)]
pub(crate) struct Suite {
    #[command(flatten)]
    processor: Processor,
    /// Seconds for one boot
    #[arg(long, value_name = "S", default_value_t = 900)]
    timeout: u64,
    /// The name "swapped" stands for a stock system judged as if it were bound: all attacks must be complained of there. A
    /// name that ends in "-full" plays the long cases, too, and many rounds of the others
    #[arg(required = true, value_name = "NAME:CORE:KERNEL:DRIVER[:LIBTEEC]")]
    systems: Vec<System>,
    /// Which cases: numbers, with x for any digit, or a rule; all of them if none
    #[arg(last = true, value_name = "CASE")]
    cases: Vec<String>,
}

/// On a fresh boot for each system; the table of all results.
pub(crate) fn suite(suite: &Suite) -> Result<u8> {
    let (mut folders, processor) = (Vec::new(), suite.processor);
    let made = processor.user().build().join("suite");
    for system in &suite.systems {
        let folder = emptied(made.join("runs").join(processor.named(&system.name)))?;
        let (mut expect, mut options) = (system.stack(), Vec::new());
        let mut limit = suite.timeout;
        if system.name == "swapped" {
            expect = "bound";
            options.push("--attacks".to_owned());
        } else if system.name.ends_with("-full") {
            options.push("--full".to_owned());
            limit = 28_800;
        } else if system.name.ends_with("-debug") {
            // That kernel takes its time.
            limit *= 3;
        }
        if let Some(sessions) = quota(&processor.arch.build(), &system.core)? {
            options.extend(["--max-sessions".to_owned(), sessions]);
        }
        let name = format!("suite-{}", system.name);
        let log = folder.join("secure-world.log");
        let mut boot = system.boot(processor, true, &name);
        boot.arg("--to")
            .arg(&folder)
            .arg("--secure-log")
            .arg(log)
            .args(["--smp", "4"]);
        boot.args(["--timeout", &limit.to_string(), "--overlay"])
            .arg(made.join(tas_for(&system.core)));
        boot.args(["--", "binding-test", "--format", "json", "--expect", expect]);
        // How it ended is an answer, which the report judges.
        played(boot.args(&options).args(&suite.cases), &folder)?;
        folders.push(folder);
    }
    let mut report = Command::new(build().join("suite-report"));
    report
        .arg("--junit")
        .arg(made.join("junit.xml"))
        .args(folders);
    judged_by("suite-report", &mut report)
}

/// How many sessions a client may have on that core, if there is a limit.
fn quota(made: &Path, core: &str) -> Result<Option<String>> {
    let path = made.join("optee").join(core).join("conf.mk");
    let made =
        fs::read_to_string(&path).with_context(|| format!("no core {core}: {}", path.display()))?;
    let mut limits = made
        .lines()
        .filter_map(|l| l.strip_prefix("CFG_CLIENT_BINDING_MAX_SESSIONS="));
    Ok(limits
        .next()
        .filter(|limit| *limit != "0")
        .map(str::to_owned))
}

/// Upstream's own suite
///
/// Kept of a run: build/xtest/runs/NAME and build/run/xtest-NAME. One case:
/// scripts/qemu-run.sh --overlay build/xtest/overlay -- xtest -t regression 1013
#[derive(Args)]
pub(crate) struct Xtest {
    /// Seconds for one boot
    #[arg(long, value_name = "S", default_value_t = 2400)]
    timeout: u64,
    /// Of xtest's suites this one alone
    #[arg(long, value_parser = SUITES)]
    only: Option<String>,
    /// The others are compared with the first, case by case: nothing may differ but what host/test/xtest-differences lists
    #[arg(required = true, value_name = "NAME:CORE:KERNEL:DRIVER[:LIBTEEC]")]
    systems: Vec<System>,
}

const SUITES: [&str; 2] = ["regression", "pkcs11"];

impl Xtest {
    fn suites(&self) -> impl Iterator<Item = &str> {
        let only = self.only.as_deref();
        SUITES
            .into_iter()
            .filter(move |suite| only.is_none_or(|only| only == *suite))
    }

    /// What the guest's shell does.
    fn script(&self) -> String {
        let each = |suite| format!("xtest -t {suite} -l 0; echo \"{suite}: $?\"; ");
        self.suites().map(each).collect()
    }

    fn boot(&self, system: &System, folder: &Path) -> Result<Child> {
        let mut boot = system.boot(
            Processor::of(Arch::Arm64),
            false,
            &format!("xtest-{}", system.name),
        );
        boot.arg("--to")
            .arg(folder)
            .arg("--overlay")
            .arg(build().join("xtest/overlay"));
        boot.args([
            "--timeout",
            &self.timeout.to_string(),
            "--",
            "sh",
            "-c",
            &self.script(),
        ]);
        Ok(logged(&mut boot, &folder.join("boot.log"), false)?.spawn()?)
    }
}

/// As many systems at a time as there are processors.
pub(crate) fn xtest(xtest: &Xtest) -> Result<u8> {
    let runs = build().join("xtest/runs");
    let folders: Vec<_> = xtest
        .systems
        .iter()
        .map(|s| emptied(runs.join(&s.name)))
        .collect::<Result<_>>()?;
    let (start, mut said) = (Instant::now(), Instant::now());
    let mut waiting = xtest.systems.iter().zip(&folders);
    let mut running: Vec<(&PathBuf, Child)> = Vec::new();
    loop {
        let mut going = Vec::new();
        for (folder, mut boot) in running {
            match boot.try_wait()? {
                None => going.push((folder, boot)),
                Some(_) if interrupt::noticed() => {}
                Some(status) => tell(folder, status)?,
            }
        }
        running = going;
        while !interrupt::noticed() && running.len() < thread::available_parallelism()?.get() {
            let Some((system, folder)) = waiting.next() else {
                break;
            };
            running.push((folder, xtest.boot(system, folder)?));
        }
        if running.is_empty() {
            break;
        }
        thread::sleep(Duration::from_secs(1));
        if said.elapsed() >= Duration::from_secs(30) {
            said = Instant::now();
            let seconds = start.elapsed().as_secs();
            println!("xtest {seconds} s{}", progress(&folders));
        }
    }
    interrupt::check()?;
    let mut report = Command::new(build().join("xtest-report"));
    report
        .arg("--differences")
        .arg(top().join("host/test/xtest-differences"))
        .args(xtest.suites().flat_map(|suite| ["--suite", suite]))
        .args(folders);
    judged_by("xtest-report", &mut report)
}

/// Where each run is.
fn progress(folders: &[PathBuf]) -> String {
    let mut line = String::new();
    for folder in folders {
        let Ok(output) = fs::read(folder.join("output")) else {
            continue;
        };
        let output = String::from_utf8_lossy(&output);
        let begun: Vec<_> = output
            .lines()
            .filter_map(|line| line.strip_prefix("* "))
            .collect();
        let name = folder.file_name().unwrap_or_default().display();
        let _ = write!(line, "; {name}: {} begun, ", begun.len());
        line += &match begun.last().and_then(|case| case.split(' ').next()) {
            _ if folder.join("status").exists() => "ended".into(),
            Some(case) => format!("in {case}"),
            None => "booting".into(),
        };
    }
    line
}

/// The demonstration, on the stock and on the bound system, side by side
#[derive(Args)]
pub(crate) struct Demo {
    #[command(flatten)]
    processor: Processor,
    /// On the two mixes of a stock and a bound half instead
    #[arg(long, conflicts_with = "only")]
    mixes: bool,
    /// On one system instead
    #[arg(long, num_args = 3, value_names = ["CORE", "DRIVER", "KERNEL"], conflicts_with = "kernel")]
    only: Option<Vec<String>>,
    /// On this Linux
    #[arg(long, value_name = "NAME", default_value = "debian")]
    kernel: String,
    /// What else `xtask boot` takes
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "BOOT-OPTION"
    )]
    boot: Vec<String>,
}

impl System {
    /// What logs of the demonstration are called there.
    fn demonstration(&self) -> String {
        let mut name = format!("demo-{}", self.core);
        if self.stack().starts_with("stock-") {
            name += &format!("-core-{}-driver", self.driver);
        }
        if self.kernel != "debian" {
            name += &format!("-{}-kernel", self.kernel);
        }
        name
    }
}

/// Whether an operator looks at it afterwards: where all is bound, and there is somebody to ask.
fn asks(system: &System) -> bool {
    system.stack().starts_with("bound") && system.core != "plain"
}

/// What the guest's shell does.
fn demonstrate(system: &System) -> String {
    let stack = system.stack();
    // The table tells of a row that is bad.
    let job = format!("binding-test --demonstration --format json --expect {stack} || [ $? = 1 ]");
    if !asks(system) {
        return job;
    }
    let asked = ["bindctl denials", "bindctl denials --json"];
    let asked = asked.map(|asked| format!(" && echo && echo == && {asked}"));
    format!("{{ {job}; }}{}", asked.concat())
}

/// Between what the demonstration says and what an operator sees afterwards: a line, and an empty one before it.
const BETWEEN: &str = "\n==\n";

/// Plays and shows it.
pub(crate) fn demo(demo: &Demo) -> Result<u8> {
    let systems = match &demo.only {
        Some(only) => vec![System::of(&only[0], &only[1], &only[2])],
        None if demo.mixes => vec![
            System::of("stock", "bound", &demo.kernel),
            System::of("bound", "stock", &demo.kernel),
        ],
        None => vec![
            System::of("stock", "stock", &demo.kernel),
            System::of("bound", "bound", &demo.kernel),
        ],
    };
    let kept = tempfile::tempdir()?;
    let mut report = Command::new(build().join("demo-report"));
    let mut refused = None;
    for system in &systems {
        let stack = system.stack();
        let name = system.demonstration();
        let folder = kept.path().join(&name);
        let mut boot = system.boot(demo.processor, true, &name);
        boot.args(&demo.boot).arg("--to").arg(&folder).args([
            "--",
            "sh",
            "-c",
            &demonstrate(system),
        ]);
        let status = played(&mut boot, &folder)?;
        if !status.success() {
            return Ok(code(status));
        }
        let output = output(&name, &folder)?;
        let parts: Vec<_> = output.split(BETWEEN).collect();
        let events = kept.path().join(stack);
        fs::write(&events, parts[0])?;
        report.arg(events);
        match parts[..] {
            [_] if !asks(system) => {}
            [_, told, json] if asks(system) => {
                let file = kept.path().join("denials.json");
                fs::write(&file, json)?;
                refused = Some((told.to_owned(), file));
            }
            _ => bail!("{name} says something else: {output}"),
        }
    }
    if let Some((_, file)) = &refused {
        report.arg("--refused").arg(file);
    }
    let code = judged_by("demo-report", &mut report)?;
    if let Some((told, _)) = refused {
        print!("\nWhat the secure world refused:\n\n{told}");
    }
    Ok(code)
}

/// Counts instructions of calls on the stock and on the bound system
#[derive(Args)]
pub(crate) struct Bench {
    /// On which processor
    #[arg(long, value_enum, default_value_t)]
    arch: Arch,
    /// On cores with asserts, which nobody ships
    #[arg(long, conflicts_with = "update")]
    asserts: bool,
    /// On cores that are called through FF-A, with a kernel that knows it, after `scripts/build bench-files-ffa`
    #[arg(long, conflicts_with_all = ["update", "asserts", "arch"])]
    ffa: bool,
    /// How often each system is booted: all boots must say the same
    #[arg(long, value_name = "N", default_value_t = 1)]
    boots: u32,
    /// Write down the counts that stand instead of comparing
    #[arg(long)]
    update: bool,
    /// Without the rows with 10,000 sessions, which want cores of their own
    #[arg(long, conflicts_with = "update")]
    no_crowd: bool,
    /// What else binding-bench takes
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "PROGRAM-OPTION"
    )]
    program: Vec<String>,
}

/// Prints what client binding adds, and compares it with host/bench/counts.txt.
pub(crate) fn bench(bench: &Bench) -> Result<u8> {
    // These counts are those that may not rise.
    let stand = bench.arch == Arch::Arm64 && !bench.asserts && !bench.ffa;
    ensure!(
        stand || !bench.update,
        "what is counted on AArch32 is held to nothing"
    );
    let made = bench.arch.build();
    let folder = made.join("bench");
    let boots = emptied(folder.join("boots"))?;
    let mut folders = Vec::new();
    for n in 1..=bench.boots {
        let boot = emptied(boots.join(n.to_string()))?;
        for (core, driver, options) in [
            ("stock", "stock", &[][..]),
            ("off", "stock", &[]),
            ("bound", "bound", &["--denied", "--lend"]),
        ] {
            bench.count(&boot, n, driver, core, options)?;
        }
        folders.push(boot);
    }
    let first = folders.first().context("no boot, no count")?;
    if !bench.no_crowd {
        for (core, driver) in [("crowd-stock", "stock"), ("crowd-bound", "bound")] {
            bench.count(first, 1, driver, core, &["--crowd", "10000"])?;
        }
    }
    let made_with = format!(
        "rustc {}, gcc {}, Linux {}",
        said(Command::new("rustc").arg("--version"))?
            .split(' ')
            .nth(1)
            .unwrap_or("?"),
        said(Command::new(format!("{}gcc", bench.arch.cross())).arg("-dumpfullversion"))?,
        fs::read_to_string(made.join("dl/linux/version"))?.trim()
    );
    let mut report = Command::new(build().join("bench-report"));
    report.args(["--made-with", &made_with]);
    if stand {
        report.arg("--chart").arg(folder.join("invoke.svg"));
        report.arg("--standing");
        if bench.update {
            // The sources are read-only in the build root.
            report.arg(folder.join("counts.txt")).arg("--update");
        } else {
            report.arg(top().join("host/bench/counts.txt"));
        }
    }
    if bench.no_crowd {
        report.arg("--no-crowd");
    }
    report.args(["--prefix", bench.prefix()]);
    report.arg("--build").arg(made).args(folders);
    judged_by("bench-report", &mut report)
}

/// What the guest's shell counts, and where the kernel's functions are.
const COUNT: &str = "binding-bench \"$@\" && exec grep ' [tT] ' /proc/kallsyms";

impl Bench {
    /// What cores of such a build are called.
    fn prefix(&self) -> &'static str {
        match (self.asserts, self.ffa) {
            (true, _) => "asserts-",
            (_, true) => "ffa-",
            _ => "shipped-",
        }
    }

    /// One boot: CORE.counts and CORE.symbols in that folder.
    fn count(
        &self,
        to: &Path,
        number: u32,
        stack: &str,
        core: &str,
        options: &[&str],
    ) -> Result<()> {
        let core = &format!("{}{core}", self.prefix());
        let step = &format!("bench-{core}-{number}");
        let processor = Processor::of(self.arch);
        let (bench, said) = (self.arch.build().join("bench"), emptied(to.join(core))?);
        let plugin = bench.join("libclient_binding_bench_plugin.so");
        let counts = to.join(format!("{core}.counts"));
        let plugin = format!("{},out={}", plugin.display(), counts.display());
        let kernel = if self.ffa { "small" } else { "debian" };
        let system = System::of(core, stack, kernel);
        let mut boot = system.boot(processor, true, step);
        boot.args(["--ta", stack, "--icount", "--plugin", &plugin]);
        boot.arg("--overlay")
            .arg(bench.join(stack))
            .arg("--to")
            .arg(&said);
        boot.args(["--", "sh", "-c", COUNT, "sh"]).args(options);
        played(boot.args(&self.program), &said)?;
        let symbols = to.join(format!("{core}.symbols"));
        Ok(fs::write(symbols, output(step, &said)?)?)
    }
}

/// Measures how many commands a second the stock and the bound system answer, in turns
#[derive(Args)]
pub(crate) struct Throughput {
    /// On which processor
    #[arg(long, value_enum, default_value_t)]
    arch: Arch,
    /// How often each system is booted
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How long each row is measured
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    time: u32,
}

/// Boots one after the other, each with four processors, and prints the ratios.
pub(crate) fn throughput(throughput: &Throughput) -> Result<u8> {
    let bench = throughput.arch.build().join("bench");
    let boots = emptied(bench.join("throughput"))?;
    let mut report = Command::new(build().join("throughput-report"));
    for round in 1..=throughput.rounds {
        let folder = |stack| boots.join(format!("throughput-{stack}-{round}"));
        let mut pair = [("stock", &[][..]), ("bound", &["--denied"])];
        // What a host's load does to the first of two, it does to each as often.
        if round % 2 == 0 {
            pair.reverse();
        }
        for (stack, options) in pair {
            let name = format!("throughput-{stack}-{round}");
            let said = emptied(folder(stack))?;
            let system = System::of(&format!("shipped-{stack}"), stack, "debian");
            let mut boot = system.boot(Processor::of(throughput.arch), true, &name);
            boot.args(["--ta", stack, "--smp", "4", "--overlay"])
                .arg(bench.join(format!("probes/{stack}")))
                .arg("--to")
                .arg(&said);
            boot.args(["--", "binding-bench", "--throughput"])
                .arg(throughput.time.to_string())
                .args(options);
            played(&mut boot, &said)?;
            output(&name, &said)?;
        }
        report.args(["stock", "bound"].map(|stack| folder(stack).join("output")));
    }
    judged_by("throughput-report", &mut report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_has_four_parts() {
        let system: System = "all:all:debian:bound".parse().unwrap();
        assert_eq!((system.name.as_str(), system.stack()), ("all", "bound-all"));
        assert!(system.libteec.is_none());
        let system: System = "new:bound:debian:bound:4.11".parse().unwrap();
        assert_eq!(system.libteec.as_deref(), Some("4.11"));
        for text in [
            "",
            "a",
            "a:b:c",
            "a:b:c:d:e:f",
            ":a:b:c",
            "../a:b:c:d",
            "..:b:c:d",
            "/a:b:c:d",
        ] {
            assert!(text.parse::<System>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_expected_follows_from_core_and_driver() {
        for (core, driver, stack) in [
            ("stock", "stock", "stock"),
            ("stock", "hostile", "stock-core"),
            ("kasan", "stock", "stock-driver"),
            ("all", "bound", "bound-all"),
            ("mutant", "mutant", "bound"),
        ] {
            assert_eq!(System::of(core, driver, "debian").stack(), stack);
        }
    }
}
