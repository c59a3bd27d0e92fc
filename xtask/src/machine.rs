// SPDX-License-Identifier: BSD-2-Clause
//! The machine: boots the system that was built, runs a command in it, and says how both ended.

mod lost;
mod processors;
mod qemu;

pub(crate) use qemu::tas_for;

use crate::arch::{Arch, Processor};
use crate::bases::build;
use crate::interrupt::{self, INTERRUPTED, Interrupted};
use crate::tool::{folder_name, removed};
use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use lost::{Watch, linux_lost, secure_lost};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use processors::Waiting;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, PipeReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What nobody waited for any longer, as timeout(1) says it.
const TIMED_OUT: u8 = 124;
/// The system failed: no boot, a panic in the secure world, an oops in Linux.
const FAILED: u8 = 125;

/// Which system, and what to do with it
#[derive(Args)]
#[command(args_override_self = true)]
pub(crate) struct Boot {
    #[command(flatten)]
    pub(crate) processor: Processor,
    /// Which OP-TEE
    #[arg(long, value_name = "NAME", default_value = "bound")]
    pub(crate) core: String,
    /// Which driver in Linux
    #[arg(long, value_name = "NAME", default_value = "bound")]
    pub(crate) driver: String,
    /// Which Linux
    #[arg(long, value_name = "NAME", default_value = "debian")]
    pub(crate) kernel: String,
    /// Another libteec, and its supplicant
    #[arg(long, value_name = "VERSION")]
    pub(crate) libteec: Option<String>,
    /// Which TAs, stock or bound; those that fit the core unless told
    #[arg(long, value_name = "NAME")]
    pub(crate) ta: Option<String>,
    /// Logs are kept in build/run/NAME
    #[arg(long, default_value = "last", value_parser = folder_name)]
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
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) reset_at: Option<String>,
    /// The command's output goes to DIR/output, its complaints to DIR/errors, too, and how it ended to DIR/status: the exit
    /// status here is 0 unless the system failed
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
    /// What is run as root
    #[arg(last = true, value_name = "CMD")]
    pub(crate) job: Vec<String>,
}

/// What is said of a system that could not be tried at all.
pub(crate) const CANNOT_BOOT: &str = "qemu-run: cannot boot: ";

/// Boots. The exit status: the command's own; 124 after a time-out; 125 if the system failed; 130 if there was a signal.
pub(crate) fn boot(options: &Boot) -> Result<u8> {
    if let Some(to) = &options.to {
        fs::create_dir_all(to)?;
        for file in ["output", "errors"] {
            File::create(to.join(file))?;
        }
        let _ = fs::remove_file(to.join("status"));
    }
    let folder = Folder::new()?;
    let (code, mut complaint) = match play(options, &folder.path) {
        Ok(ended) => ended,
        Err(error) if error.is::<Interrupted>() => (INTERRUPTED, String::new()),
        Err(error) => (FAILED, format!("{CANNOT_BOOT}{error:#}\n")),
    };
    if [TIMED_OUT, FAILED].contains(&code) {
        complaint += &format!("logs: build/run/{}\n", options.name);
    }
    let kept = folder.keep(options);
    if let Some(to) = &options.to {
        appended(&to.join("errors"))?.write_all(complaint.as_bytes())?;
        fs::write(to.join("status"), format!("{code}\n"))?;
    }
    // Whoever reads that may have gone.
    let _ = io::stderr().write_all(complaint.as_bytes());
    kept?;
    let told = options.to.is_some() && ![TIMED_OUT, FAILED, INTERRUPTED].contains(&code);
    Ok(if told { 0 } else { code })
}

impl Boot {
    fn output(&self) -> Result<Sink> {
        let file = self.to.as_ref().map(|to| appended(&to.join("output")));
        let screen = Box::new(io::stdout()) as Box<dyn Write + Send>;
        Ok(Sink {
            file: file.transpose()?,
            screen: self.to.is_none().then_some(screen),
        })
    }

    fn errors(&self) -> Result<Sink> {
        let file = self.to.as_ref().map(|to| appended(&to.join("errors")));
        Ok(Sink {
            file: file.transpose()?,
            screen: Some(Box::new(io::stderr())),
        })
    }
}

/// Where what the guest says goes.
struct Sink {
    file: Option<File>,
    screen: Option<Box<dyn Write + Send>>,
}

impl Sink {
    /// Whoever looks at the screen may have gone, and the guest must be able to go on. A file must have all of it.
    fn put(&mut self, octets: &[u8]) -> io::Result<()> {
        if let Some(screen) = &mut self.screen {
            let _ = screen.write_all(octets).and_then(|()| screen.flush());
        }
        self.file
            .as_mut()
            .map_or(Ok(()), |file| file.write_all(octets))
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
        let lock = File::create(self.all.join(".lock"))?;
        lock.lock()?;
        let kept = self.all.join(&options.name);
        removed(&kept)?;
        fs::rename(&self.path, &kept)?;
        if let Some(log) = &options.secure_log {
            let said = fs::read(kept.join("secure-world.log"))?;
            appended(log)?.write_all(&said)?;
        }
        Ok(())
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

fn play(options: &Boot, run: &Path) -> Result<(u8, String)> {
    let qemu = qemu::Qemu::prepare(options, run);
    // A signal may be what kept the programs that it needs from ending well.
    interrupt::check()?;
    let qemu = qemu?;
    if options.gdb {
        eprint!("{}", qemu.for_debuggers());
    }
    let printed = Arc::new(AtomicBool::new(false));
    let text = options.reset_at.as_deref().map(str::as_bytes);
    let found = text.map(|text| (text.to_vec(), Arc::clone(&printed)));
    let (to_output, to_errors) = (options.output()?, options.errors()?);
    let mut running = qemu.start()?;
    let mut pumps = Vec::new();
    if let Some((output, errors)) = running.pipes.take() {
        pumps.push(pump(output, to_output, found));
        pumps.push(pump(errors, to_errors, None));
    }
    let mut machine = Machine {
        run,
        waiting: Waiting::of(running.child.id()),
        child: running.child,
        printed,
        reset: false,
    };
    let end = machine.wait(options);
    machine.stop()?;
    for pump in pumps {
        let copied = pump.join().map_err(|_| anyhow!("a thread panicked"))?;
        copied.context("what the guest said")?;
    }
    judge(options, run, end?, machine.reset)
}

/// Copies what comes, and notices a text in it.
fn pump(
    mut from: PipeReader,
    mut to: Sink,
    find: Option<(Vec<u8>, Arc<AtomicBool>)>,
) -> JoinHandle<io::Result<()>> {
    thread::spawn(move || {
        let (mut buffer, mut seen, mut copied) = ([0; 8192], Vec::new(), Ok(()));
        while let count @ 1.. = from.read(&mut buffer)? {
            let part = &buffer[..count];
            copied = copied.and_then(|()| to.put(part));
            let Some((text, found)) = &find else { continue };
            seen.extend_from_slice(part);
            if seen.windows(text.len()).any(|window| window == text) {
                found.store(true, Ordering::Relaxed);
            }
            let over = seen.len().saturating_sub(text.len());
            seen.drain(..over);
        }
        copied
    })
}

/// How QEMU ended.
enum End {
    ByItself(ExitStatus),
    /// We ended it, because the secure world was lost.
    Lost,
    /// We ended it, because its job was done.
    Finished,
    TimedOut,
}

struct Machine<'a> {
    run: &'a Path,
    child: Child,
    waiting: Waiting,
    /// The text that a reset waits for.
    printed: Arc<AtomicBool>,
    /// The machine was reset.
    reset: bool,
}

impl Machine<'_> {
    fn wait(&mut self, options: &Boot) -> Result<End> {
        let start = Instant::now();
        let (mut watch, mut looked) = (Watch::new(self.run), start);
        loop {
            let over = self.child.try_wait()?;
            // The same signal may have ended QEMU.
            interrupt::check()?;
            if let Some(status) = over {
                return Ok(End::ByItself(status));
            }
            if options.timeout > 0 && start.elapsed().as_secs() >= options.timeout {
                return Ok(End::TimedOut);
            }
            if !self.reset && self.printed.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_secs(1));
                self.reset().context("the machine's reset")?;
            }
            // A lost secure world hangs the guest: the run ends rather than waits for the time-out.
            if looked.elapsed() >= Duration::from_millis(500) {
                looked = Instant::now();
                let lost = watch.sees_loss()?;
                self.waiting.look(watch.all_started());
                if lost {
                    thread::sleep(Duration::from_secs(2));
                    return Ok(End::Lost);
                }
                // This one has no power to switch off: its OP-TEE waits for ever where Linux asks for that.
                if options.processor.arch == Arch::Arm && self.finished()? {
                    return Ok(End::Finished);
                }
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The guest has said how it ended. What it said before has come.
    fn finished(&self) -> Result<bool> {
        let status = fs::read_to_string(self.run.join("status"))?;
        let ends = |line: &str| {
            ["exit: ", "error: "]
                .iter()
                .any(|end| line.starts_with(end))
        };
        Ok(status.lines().any(ends))
    }

    /// Any other reboot still ends the run.
    fn reset(&mut self) -> Result<()> {
        let monitor = UnixStream::connect(self.run.join("control"))?;
        monitor.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut answers = BufReader::new(&monitor).lines();
        let reboot = |what| json!({"execute": "set-action", "arguments": {"reboot": what}});
        for command in [
            json!({"execute": "qmp_capabilities"}),
            reboot("reset"),
            json!({"execute": "system_reset"}),
            reboot("shutdown"),
        ] {
            writeln!(&monitor, "{command}")?;
            // Events and the greeting come in between.
            loop {
                let answer = answers.next().context("no answer")??;
                let answer: Value = serde_json::from_str(&answer)?;
                ensure!(answer.get("error").is_none(), "{command}: {answer}");
                if answer.get("return").is_some() {
                    break;
                }
            }
        }
        self.reset = true;
        self.waiting.again();
        Ok(())
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

fn judge(options: &Boot, run: &Path, end: End, was_reset: bool) -> Result<(u8, String)> {
    let text = |name| {
        let octets = fs::read(run.join(name))?;
        Ok::<_, io::Error>(String::from_utf8_lossy(&octets).replace('\r', ""))
    };
    let (secure, normal) = (text("secure-world.log")?, text("normal-world.log")?);
    let status = text("status")?;
    let said = |key: &'static str| {
        status
            .lines()
            .filter_map(move |line| line.strip_prefix(key))
    };
    let failed = |why: String| Ok((FAILED, why));
    for (lines, what) in [
        (
            secure_lost(&secure, &normal),
            "the secure world panicked (see secure-world.log)",
        ),
        (linux_lost(&normal), "Linux failed (see normal-world.log)"),
    ] {
        if !lines.is_empty() {
            return failed(format!("{}\nqemu-run: {what}\n", lines.join("\n")));
        }
    }
    let stage = said("stage: ").next_back();
    let at = format!(
        "The guest was at: {}\n{}{}",
        stage.unwrap_or("before its init"),
        end_of("normal", &normal, 8),
        end_of("secure", &secure, 4)
    );
    let how = match end {
        End::TimedOut => {
            let after = options.timeout;
            return Ok((
                TIMED_OUT,
                format!("{at}qemu-run: time-out after {after} s\n"),
            ));
        }
        // It did not come to a guest.
        End::ByItself(status) if !status.success() && stage.is_none() => {
            bail!("{}", text("qemu.log")?.trim_end());
        }
        End::ByItself(status) => status.to_string(),
        End::Lost | End::Finished => "stopped".into(),
    };
    if let Some(error) = said("error: ").next_back() {
        return failed(format!("qemu-run: {error}\n"));
    }
    let codes: Vec<_> = said("exit: ").collect();
    if let (Some(text), false) = (&options.reset_at, was_reset && codes.len() < 2) {
        let why = format!("CMD did not print '{text}' in time: the machine was not reset");
        return failed(format!("qemu-run: {why}\n"));
    }
    let Some(code) = codes.last() else {
        let why = format!("the guest ended without finishing its job (QEMU's {how})");
        return failed(format!("{at}{}qemu-run: {why}\n", text("qemu.log")?));
    };
    let code = code.trim().parse().context("the exit status of the job")?;
    Ok((code, String::new()))
}

/// The last lines of a world's log.
fn end_of(world: &str, log: &str, count: usize) -> String {
    let lines: Vec<_> = log.lines().collect();
    let last = &lines[lines.len().saturating_sub(count)..];
    last.iter()
        .map(|line| format!("    {world} world: {line}\n"))
        .collect()
}
