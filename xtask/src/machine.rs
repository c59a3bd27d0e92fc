// SPDX-License-Identifier: BSD-2-Clause
//! The machine: boots the system that was built, runs a command in it, and says how both ended.

mod lost;
mod qemu;

use crate::bases::build;
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use lost::{Watch, linux_lost, secure_lost};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::fs::{self, File};
use std::io::{self, PipeReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What nobody waited for any longer, as timeout(1) says it.
const TIMED_OUT: u8 = 124;
/// The system failed: no boot, a panic in the secure world, an oops in Linux.
const FAILED: u8 = 125;
const INTERRUPTED: u8 = 130;

/// Which system, and what to do with it
#[derive(Args)]
pub(crate) struct Boot {
    /// Which OP-TEE
    #[arg(long, value_name = "NAME", default_value = "bound")]
    pub(crate) core: String,
    /// Which driver in Linux
    #[arg(long, value_name = "NAME", default_value = "bound")]
    pub(crate) driver: String,
    /// Which Linux
    #[arg(long, value_name = "NAME", default_value = "debian")]
    pub(crate) kernel: String,
    /// Which TAs, stock or bound; those that fit the core unless told
    #[arg(long, value_name = "NAME")]
    pub(crate) ta: Option<String>,
    /// Logs are kept in build/run/NAME
    #[arg(long, default_value = "last")]
    pub(crate) name: String,
    /// The secure world's log is added to that file, too
    #[arg(long, value_name = "FILE")]
    pub(crate) secure_log: Option<PathBuf>,
    /// Copied over the guest's root
    #[arg(long, value_name = "DIR")]
    pub(crate) overlay: Option<PathBuf>,
    /// A console instead of a command
    #[arg(long, conflicts_with_all = ["job", "to"])]
    pub(crate) shell: bool,
    /// Processors
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) smp: u8,
    /// One processor, and a clock that counts instructions
    #[arg(long)]
    pub(crate) icount: bool,
    /// For QEMU's translator
    #[arg(long, value_name = "FILE,ARGUMENTS")]
    pub(crate) plugin: Option<String>,
    /// Wait for a debugger
    #[arg(long)]
    pub(crate) gdb: bool,
    /// Seconds; 0 is for ever
    #[arg(long, value_name = "S", default_value_t = 600)]
    pub(crate) timeout: u64,
    /// When the command has printed TEXT, let a second pass and reset the machine: it boots and runs it once more
    #[arg(long, value_name = "TEXT")]
    pub(crate) reset_at: Option<String>,
    /// The command's output goes to DIR/output, its complaints to DIR/errors, too, and how it ended to DIR/status: the exit
    /// status here is 0 unless the system failed
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
    /// What is run as root
    #[arg(last = true, value_name = "CMD")]
    pub(crate) job: Vec<String>,
}

/// Boots. The exit status: the command's own; 124 after a time-out; 125 if the system failed.
pub(crate) fn boot(options: &Boot) -> Result<u8> {
    let folder = Folder::new()?;
    let code = match play(options, &folder.path) {
        Ok(code) => code,
        Err(error) => {
            let logs = format!("build/run/{}", options.name);
            writeln!(options.errors()?, "qemu-run: {error:#}\nlogs: {logs}")?;
            FAILED
        }
    };
    folder.keep(options)?;
    let Some(to) = &options.to else {
        return Ok(code);
    };
    fs::write(to.join("status"), format!("{code}\n"))?;
    Ok(if [TIMED_OUT, FAILED, INTERRUPTED].contains(&code) {
        code
    } else {
        0
    })
}

impl Boot {
    fn output(&self) -> Result<Box<dyn Write + Send>> {
        Ok(match &self.to {
            Some(to) => Box::new(appended(&to.join("output"))?),
            None => Box::new(io::stdout()),
        })
    }

    fn errors(&self) -> Result<Box<dyn Write + Send>> {
        Ok(match &self.to {
            Some(to) => Box::new(Both(appended(&to.join("errors"))?)),
            None => Box::new(io::stderr()),
        })
    }
}

/// A file, and standard error.
struct Both(File);

impl Write for Both {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(octets)?;
        self.0.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn appended(path: &Path) -> Result<File> {
    let file = File::options().create(true).append(true).open(path);
    file.with_context(|| path.display().to_string())
}

/// What a run leaves: under a name of its own until it is over.
struct Folder {
    path: PathBuf,
    all: PathBuf,
}

impl Folder {
    fn new() -> Result<Self> {
        let all = build().join("run");
        fs::create_dir_all(&all)?;
        forget_killed(&all)?;
        let path = tempfile::Builder::new()
            .prefix(".")
            .tempdir_in(&all)?
            .keep();
        for log in ["normal-world.log", "secure-world.log", "qemu.log", "status"] {
            File::create(path.join(log))?;
        }
        Ok(Self { path, all })
    }

    /// The logs outlive the run under a stable name; of two runs with one name the later stays.
    fn keep(&self, options: &Boot) -> Result<()> {
        let _ = fs::remove_dir_all(self.path.join("job"));
        for made in [
            "job.cpio",
            "overlay.cpio",
            "initrd.cpio",
            "virt.dtb",
            "control",
        ] {
            let _ = fs::remove_file(self.path.join(made));
        }
        if let Some(log) = &options.secure_log {
            let said = fs::read(self.path.join("secure-world.log"))?;
            appended(log)?.write_all(&said)?;
        }
        let lock = File::create(self.all.join(".lock"))?;
        lock.lock()?;
        let kept = self.all.join(&options.name);
        let _ = fs::remove_dir_all(&kept);
        Ok(fs::rename(&self.path, kept)?)
    }
}

/// What a killed run left behind, a day later.
fn forget_killed(all: &Path) -> Result<()> {
    for entry in fs::read_dir(all)? {
        let entry = entry?;
        let Ok(about) = entry.metadata() else {
            continue;
        };
        let old = about
            .modified()?
            .elapsed()
            .is_ok_and(|age| age.as_secs() > 86_400);
        if about.is_dir() && old && entry.file_name().as_encoded_bytes().starts_with(b".") {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

fn play(options: &Boot, run: &Path) -> Result<u8> {
    if let Some(to) = &options.to {
        fs::create_dir_all(to)?;
        for file in ["output", "errors"] {
            File::create(to.join(file))?;
        }
    }
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
    }
    let qemu = qemu::Qemu::prepare(options, run)?;
    if options.gdb {
        eprint!("{}", qemu.for_debuggers());
    }
    let reset_at = options.reset_at.as_deref();
    let printed = Arc::new(AtomicBool::new(false));
    let mut running = qemu.start()?;
    let mut pumps = Vec::new();
    if let Some((output, errors)) = running.pipes.take() {
        let found = reset_at.map(|text| (text.as_bytes().to_vec(), Arc::clone(&printed)));
        pumps.push(pump(output, options.output()?, found));
        pumps.push(pump(errors, options.errors()?, None));
    }
    let mut machine = Machine {
        run,
        child: running.child,
        printed,
        reset: None,
    };
    let end = machine.wait(options, &interrupted);
    machine.stop()?;
    for pump in pumps {
        let _ = pump.join();
    }
    judge(options, run, end?, machine.reset.is_some())
}

/// Copies what comes, and notices a text in it.
fn pump(
    mut from: PipeReader,
    mut to: Box<dyn Write + Send>,
    find: Option<(Vec<u8>, Arc<AtomicBool>)>,
) -> JoinHandle<()> {
    thread::spawn(move || {
        let (mut buffer, mut seen) = ([0; 8192], Vec::new());
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let part = &buffer[..count];
            // Who reads us may have gone; the guest must be able to go on.
            let _ = to.write_all(part).and_then(|()| to.flush());
            let Some((text, found)) = &find else { continue };
            seen.extend_from_slice(part);
            if seen.windows(text.len()).any(|window| window == text) {
                found.store(true, Ordering::Relaxed);
            }
            let over = seen.len().saturating_sub(text.len());
            seen.drain(..over);
        }
    })
}

/// How QEMU ended.
enum End {
    /// By itself, or because the secure world was lost.
    Over(String),
    TimedOut,
    Interrupted,
}

struct Machine<'a> {
    run: &'a Path,
    child: Child,
    /// The text that a reset waits for.
    printed: Arc<AtomicBool>,
    /// QEMU's monitor, once the machine was reset.
    reset: Option<UnixStream>,
}

impl Machine<'_> {
    fn wait(&mut self, options: &Boot, interrupted: &AtomicBool) -> Result<End> {
        let start = Instant::now();
        let (mut watch, mut looked) = (Watch::new(self.run), start);
        loop {
            let over = self.child.try_wait()?;
            // The same signal may have ended QEMU.
            if interrupted.load(Ordering::Relaxed) {
                return Ok(End::Interrupted);
            }
            if let Some(status) = over {
                return Ok(End::Over(status.to_string()));
            }
            if options.timeout > 0 && start.elapsed().as_secs() >= options.timeout {
                return Ok(End::TimedOut);
            }
            if self.reset.is_none() && self.printed.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_secs(1));
                self.reset = Some(self.reset()?);
            }
            // A lost secure world hangs the guest: the run ends rather than waits for the time-out.
            if looked.elapsed() >= Duration::from_millis(500) {
                looked = Instant::now();
                if watch.sees_loss()? {
                    thread::sleep(Duration::from_secs(2));
                    return Ok(End::Over("stopped".into()));
                }
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Any other reboot still ends the run.
    fn reset(&self) -> Result<UnixStream> {
        let mut monitor = UnixStream::connect(self.run.join("control"))?;
        let at_reboot =
            |what| format!(r#"{{"execute": "set-action", "arguments": {{"reboot": "{what}"}}}}"#);
        let commands = format!(
            r#"{{"execute": "qmp_capabilities"}}{}{{"execute": "system_reset"}}{}"#,
            at_reboot("reset"),
            at_reboot("shutdown")
        );
        writeln!(monitor, "{commands}")?;
        Ok(monitor)
    }

    /// By asking first: QEMU gives a terminal back as it was.
    fn stop(&mut self) -> Result<()> {
        let asked = Instant::now();
        while self.child.try_wait()?.is_none() {
            if asked.elapsed() > Duration::from_secs(5) {
                self.child.kill()?;
            } else {
                let pid = i32::try_from(self.child.id())?;
                let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

fn judge(options: &Boot, run: &Path, end: End, was_reset: bool) -> Result<u8> {
    let text = |name| {
        let octets = fs::read(run.join(name))?;
        Ok::<_, io::Error>(String::from_utf8_lossy(&octets).replace('\r', ""))
    };
    let (secure, normal, status) = (
        text("secure-world.log")?,
        text("normal-world.log")?,
        text("status")?,
    );
    let mut errors = options.errors()?;
    let said = |key: &str| {
        status
            .lines()
            .filter_map(|line| line.strip_prefix(key))
            .next_back()
    };
    if let End::Interrupted = end {
        return Ok(INTERRUPTED);
    }
    for (lines, world, log) in [
        (
            secure_lost(&secure, &normal),
            "the secure world panicked",
            "secure-world.log",
        ),
        (linux_lost(&normal), "Linux failed", "normal-world.log"),
    ] {
        if !lines.is_empty() {
            writeln!(errors, "{}", lines.join("\n"))?;
            bail!("{world} (see {log})");
        }
    }
    let tell_where = |errors: &mut dyn Write| {
        let stage = said("stage: ").unwrap_or("before its init");
        writeln!(errors, "The guest was at: {stage}")?;
        tell_end_of(errors, "normal", &normal, 8)?;
        tell_end_of(errors, "secure", &secure, 4)
    };
    let End::Over(how) = end else {
        tell_where(&mut errors)?;
        let (after, logs) = (options.timeout, &options.name);
        writeln!(
            errors,
            "qemu-run: time-out after {after} s; logs: build/run/{logs}"
        )?;
        return Ok(TIMED_OUT);
    };
    if let Some(error) = said("error: ") {
        bail!("{error}");
    }
    if let Some(text) = &options.reset_at {
        ensure!(
            was_reset,
            "CMD did not print '{text}': the machine was not reset"
        );
    }
    let Some(code) = said("exit: ") else {
        tell_where(&mut errors)?;
        write!(errors, "{}", text("qemu.log")?)?;
        bail!("the guest ended without finishing its job (QEMU's {how})");
    };
    code.trim().parse().context("the exit status of the job")
}

/// The last lines of a world's log.
fn tell_end_of(to: &mut dyn Write, world: &str, log: &str, count: usize) -> io::Result<()> {
    let lines: Vec<_> = log.lines().collect();
    for line in &lines[lines.len().saturating_sub(count)..] {
        writeln!(to, "    {world} world: {line}")?;
    }
    Ok(())
}
