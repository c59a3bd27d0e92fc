// SPDX-License-Identifier: BSD-2-Clause
//! Runs cases, each in a process group of its own: one that hangs is named and ended,
//! and credentials, descriptors and sessions don't outlive a case. What outlives it
//! in the secure world is a leak.

use crate::bench::{Bench, CALLS, Seat, crowd, flavour};
use crate::cases::{Case, Row};
use crate::stats::{Snapshot, Stats};
use crate::supplicant;
use crate::world::{OWNER, Process, ROOT, let_person};
use crate::{Args, Format};
use anyhow::{Context, Result, ensure};
use client_binding_proto::probe::Kind;
use client_binding_raw::{Login, Tee};
use client_binding_test::{Event, Verdict};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, geteuid, setpgid};
use std::io::{Write, stdout};
use std::thread;
use std::time::{Duration, Instant};

/// What the core's heap may keep after a case: room for what is made once and stays, far
/// less than a session for each of a case's rounds.
const HEAP_SLACK: u32 = 2048;

/// Runs the cases; true if all ended as they should.
pub(crate) fn run(args: &Args, cases: &[&'static Case]) -> Result<bool> {
    ensure!(
        geteuid().is_root(),
        "start me as root: I have to become several users"
    );
    let mut out = Output::new(args.format);
    let cases: Vec<_> = cases
        .iter()
        .filter(|case| args.full || !case.long)
        .collect();
    out.event(&Event::Plan {
        stack: args.expect,
        seed: args.seed,
        cases: cases.iter().map(|case| case.planned(args.expect)).collect(),
    })?;
    if !args.demonstration {
        warm_up()?;
    }
    for round in 0..args.repeat {
        let seed = args.seed.wrapping_add(round.into());
        let bench = Bench::new(args.expect, args.max_sessions, args.full, seed);
        for case in &cases {
            out.start(case)?;
            let start = Instant::now();
            let ended = if args.demonstration {
                play(case, &bench)
            } else {
                judge(case, &bench)
            };
            out.end(case, &ended, start.elapsed())?;
            if ended.stuck {
                out.event(&Event::Done)?;
                return Ok(out.summary(true));
            }
        }
    }
    out.event(&Event::Done)?;
    Ok(out.summary(false))
}

/// Some memory is taken at a first use and kept: for a connection, a supplicant, a TA.
fn warm_up() -> Result<()> {
    for _ in 0..2 {
        let tee = Tee::connect()?;
        // An absent TA would be found out by the cases.
        let _ = tee.open(flavour(Kind::Shared, false).uuid, Login::Public);
    }
    let_person(ROOT, || {
        let seat = Seat::take(flavour(Kind::Shared, false), Login::Public)?;
        crowd(&seat, CALLS)?;
        seat.close()
    })
    .context("many calls at once")
}

struct Ended {
    verdict: Verdict,
    detail: String,
    stuck: bool,
}

impl Ended {
    fn fail(detail: String) -> Self {
        Self {
            verdict: Verdict::Fail,
            detail,
            stuck: false,
        }
    }
}

fn judge(case: &'static Case, bench: &Bench) -> Ended {
    let before = match snapshot() {
        Ok(snapshot) => snapshot,
        Err(error) => return Ended::fail(format!("before the case: {error:#}")),
    };
    let mut ended = play(case, bench);
    if ended.stuck {
        return ended;
    }
    // It may have ended with a client that was killed.
    if let Err(error) = supplicant::revive() {
        return Ended::fail(format!("{}; {error:#}", ended.detail));
    }
    // What is left for ever may be.
    if case.keeps || case.as_row().is_some_and(Row::keeps_instance) {
        return ended;
    }
    if let Err(error) = no_leak(&before) {
        ended.verdict = Verdict::Fail;
        let detail = &ended.detail;
        ended.detail = format!("{detail}; afterwards: {error:#}");
    }
    ended
}

fn snapshot() -> Result<Snapshot> {
    Stats::open()?.snapshot()
}

fn no_leak(before: &Snapshot) -> Result<()> {
    let after = Stats::open()?.settled(before.memory)?;
    let (was, is) = (before.memory, after.memory);
    let kept = is.tas <= was.tas && is.heap <= was.heap + HEAP_SLACK;
    ensure!(
        kept && after.instances == before.instances,
        "leaked: {before} became {after}"
    );
    Ok(())
}

fn play(case: &'static Case, bench: &Bench) -> Ended {
    let closed = case.bound && !bench.stack.opens_bound();
    let stage = Process::start(|_| {
        setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
        if closed {
            fails_closed()
        } else {
            case.play(bench)
        }
    });
    let mut stage = match stage {
        Ok(stage) => stage,
        Err(error) => return Ended::fail(format!("{error:#}")),
    };
    let patience = Duration::from_secs(if bench.full { 7200 } else { case.seconds });
    if let Err(error) = stage.line.patience(patience) {
        return Ended::fail(format!("{error:#}"));
    }
    let pid = stage.pid;
    let result = stage.finish::<Option<String>>();
    // Also what the case left running.
    let _ = killpg(pid, Signal::SIGKILL);
    match result {
        Ok(Some(detail)) => Ended {
            verdict: if closed { Verdict::Closed } else { Verdict::Ok },
            detail,
            stuck: false,
        },
        Ok(None) => Ended {
            verdict: Verdict::Skipped,
            detail: "something it needs is not there".into(),
            stuck: false,
        },
        Err(error) => Ended {
            verdict: Verdict::Fail,
            detail: format!("{error:#}"),
            stuck: !dies(pid),
        },
    }
}

/// A process that hangs in the kernel does not even die.
fn dies(pid: Pid) -> bool {
    for _ in 0..200 {
        match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => thread::sleep(Duration::from_millis(25)),
            _ => return true,
        }
    }
    false
}

/// B13: a bound TA opens for nobody while nobody says who calls.
fn fails_closed() -> Result<Option<String>> {
    OWNER.act()?;
    let tee = Tee::connect()?;
    for kind in Kind::ALL {
        match tee.open(flavour(kind, true).uuid, Login::User) {
            Err(answer) if answer.is_denied() => {}
            other => anyhow::bail!("a bound TA answered {other:?} to a caller nobody vouches for"),
        }
    }
    Ok(Some("a bound TA opens for nobody".into()))
}

struct Output {
    format: Format,
    passed: u32,
    skipped: u32,
    failed: Vec<u32>,
}

impl Output {
    fn new(format: Format) -> Self {
        Self {
            format,
            passed: 0,
            skipped: 0,
            failed: Vec::new(),
        }
    }

    /// At once, or nobody would know where a hanging guest was.
    fn line(&self, format: Format, text: &str) -> Result<()> {
        if self.format == format {
            let mut out = stdout().lock();
            writeln!(out, "{text}")?;
            out.flush()?;
        }
        Ok(())
    }

    fn event(&self, event: &Event) -> Result<()> {
        self.line(Format::Json, &serde_json::to_string(event)?)
    }

    fn start(&self, case: &Case) -> Result<()> {
        let Case { number, name, .. } = case;
        self.line(Format::Text, &format!("* binding_{number} {name}"))?;
        self.event(&Event::Start { number: *number })
    }

    fn end(&mut self, case: &Case, ended: &Ended, took: Duration) -> Result<()> {
        let (verdict, detail, number) = (ended.verdict, &ended.detail, case.number);
        match verdict {
            Verdict::Ok | Verdict::Closed => self.passed += 1,
            Verdict::Skipped => self.skipped += 1,
            Verdict::Fail => self.failed.push(number),
        }
        let word = match verdict {
            Verdict::Ok => "OK",
            Verdict::Closed => "OK (closed)",
            Verdict::Skipped => "SKIPPED",
            Verdict::Fail => "FAIL",
        };
        let millis = took.as_millis() as u64;
        self.line(Format::Text, &format!("  {detail} ({millis} ms)"))?;
        self.line(Format::Text, &format!("  binding_{number} {word}"))?;
        self.event(&Event::End {
            number,
            verdict,
            detail: detail.clone(),
            millis,
        })?;
        if ended.stuck {
            let text = "  it hangs in the kernel and cannot be ended: the rest is not run";
            self.line(Format::Text, text)?;
        }
        Ok(())
    }

    fn summary(&self, stuck: bool) -> bool {
        let (passed, skipped, failed) = (self.passed, self.skipped, self.failed.len());
        let mut text = format!("+-----\n{passed} cases passed, {skipped} skipped, {failed} failed");
        for number in &self.failed {
            text += &format!(" binding_{number}");
        }
        let _ = self.line(Format::Text, &text);
        failed == 0 && !stuck
    }
}
