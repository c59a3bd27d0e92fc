// SPDX-License-Identifier: BSD-2-Clause
//! Clients that die, TAs that panic, a supplicant that goes, memory that ends: the next
//! client is served, whoever it is, and the rules of ownership hold.

use super::Case;
use crate::bench::{Bench, Seat, died, flavour, opening, released, until, visit};
use crate::stats::{Memory, Stats};
use crate::supplicant;
use crate::world::{OWNER, Process, ROOT, STRANGER, let_person};
use anyhow::{Context, Result, anyhow, bail, ensure};
use client_binding_proto::probe::{Command, Flavour, Kind, Opening, REFUSED};
use client_binding_raw::code::{
    TEE_ERROR_BUSY, TEE_ERROR_COMMUNICATION, TEE_ERROR_OUT_OF_MEMORY, TEE_ORIGIN_COMMS,
    TEE_ORIGIN_TRUSTED_APP,
};
use client_binding_raw::{Answer, Login, Tee};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// How long the driver may take for what it does by itself.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) const CASES: &[Case] = &[
    Case::service(
        4001,
        "The owner is killed while the TA opens",
        &[5, 6, 11],
        |b| {
            killed(b, 150, |tee, ta| {
                let how = opening(Opening::Serve, 100);
                let _ = tee.open_with(ta.uuid, Login::User, how);
                Ok(())
            })
        },
    ),
    Case::service(
        4002,
        "The owner is killed inside a command",
        &[5, 11],
        |b| {
            killed(b, 300, |tee, ta| {
                Seat::on(tee, ta, Login::User)?.command(Command::Wait, 1000);
                Ok(())
            })
        },
    ),
    Case::service(
        4004,
        "The owner is killed while it opens and closes",
        &[5, 6, 11],
        |b| {
            killed(b, 300, |tee, ta| {
                let seat = Seat::on(tee, ta, Login::User)?;
                loop {
                    let session = seat.tee.open(ta.uuid, Login::User)?;
                    seat.tee.close(session)?;
                }
            })
        },
    ),
    Case::service(
        4011,
        "The TA refuses the first open: it owns nothing",
        &[6],
        refused_open,
    ),
    Case::refusal(
        4012,
        "The TA refuses a further open: the owner stays",
        &[5, 6],
        refused_further,
    )
    .bound(),
    Case::service(
        4013,
        "The TA panics in the first open: it owns nothing",
        &[6, 18],
        |b| {
            for_kinds(b, |ta| {
                let answer =
                    Tee::connect()?.open_with(ta.uuid, Login::User, opening(Opening::Panic, 0));
                died(answer.err().context("it opened")?)
            })
        },
    ),
    Case::service(4014, "The TA panics in a command", &[5, 18], |b| {
        for_kinds(b, |ta| Seat::take(ta, Login::User)?.crash())
    }),
    Case::service(4015, "The TA panics while it closes", &[5, 11, 18], |b| {
        for_kinds(b, |ta| {
            let seat = Seat::take(ta, Login::User)?;
            seat.command(Command::PanicAtClose, 0).values()?;
            seat.close()
        })
    }),
    Case::service(
        4016,
        "The TA panics in a further open of its owner",
        &[18],
        |b| {
            for_kinds(b, |ta| {
                let seat = Seat::take(ta, Login::User)?;
                let how = opening(Opening::Panic, 0);
                let answer = match seat.tee.open_with(ta.uuid, Login::User, how) {
                    Err(answer) if ta.kind != Kind::Single => answer,
                    // One session at a time.
                    Err(answer) => {
                        ensure!(answer.code() == Some(TEE_ERROR_BUSY), "{answer}");
                        seat.command(Command::Panic, 0)
                    }
                    Ok(_) => bail!("it opened"),
                };
                died(answer)
            })
        },
    ),
    Case::refusal(
        4017,
        "A panicked instance keeps its owner, its replacement gets another",
        &[18],
        replaced,
    )
    .bound(),
    Case::service(
        4018,
        "A close waits for a TA that panics meanwhile",
        &[11, 18],
        close_waits_for_panic,
    ),
    Case::service(
        4021,
        "As many sessions as the heap allows",
        &[11],
        all_sessions,
    ),
    Case::service(
        4022,
        "As many instances as the TAs' memory allows",
        &[11],
        all_instances,
    )
    .long(),
    Case::service(
        4023,
        "More commands at once than threads",
        &[11],
        all_threads,
    ),
    Case::service(
        4024,
        "Thousands of opens, one after another",
        &[11],
        many_opens,
    ),
    Case::service(
        4101,
        "A close, a cancel that is not delivered: the session stays",
        &[11],
        undelivered_call,
    ),
    Case::service(
        4102,
        "An open that is not delivered leaves nothing",
        &[6, 11],
        undelivered_open,
    ),
    Case::service(
        4103,
        "A release that is not delivered is delivered later",
        &[11],
        undelivered_release,
    ),
    Case::service(
        4105,
        "A call that is taken is done, whatever becomes of its answer",
        &[2, 11],
        lost_answer,
    ),
    Case::service(
        4031,
        "The supplicant dies and comes back",
        &[11],
        supplicant_dies,
    ),
    Case::service(
        4041,
        "A first open that takes long holds up nobody else",
        &[6],
        long_open,
    ),
];

/// These come last: they take the TEE away for a while.
pub(super) const LAST: &[Case] = &[
    Case::service(
        4104,
        "The driver is unloaded with a release not delivered",
        &[11],
        unload_undelivered,
    ),
    Case::service(
        4091,
        "The driver is unloaded with sessions open",
        &[11],
        unload,
    ),
    Case::service(
        4092,
        "The driver is unbound with the device open",
        &[11],
        unbind,
    ),
    Case::service(
        4099,
        "The owner is killed while the supplicant serves it",
        &[5, 11],
        killed_at_supplicant,
    )
    .long(),
];

/// The owner is killed at a random moment of what it does, over and over. Its other process
/// keeps the TA loaded meanwhile: a kill while the supplicant loads it is case 4099.
fn killed(
    bench: &Bench,
    within_millis: u64,
    act: impl Fn(Tee, &'static Flavour) -> Result<()>,
) -> Result<Option<String>> {
    let ta = flavour(Kind::Shared, bench.stack.opens_bound());
    let rounds = bench.rounds(5, 500);
    let before = Stats::open()?.memory()?;
    for nth in 0..rounds {
        let other = Seat::owned(ta, Login::User)?;
        ROOT.act()?;
        let mut victim = Process::start(|line| {
            OWNER.be()?;
            let tee = Tee::connect()?;
            line.go()?;
            act(tee, ta)
        })?;
        let moment = kill_within(bench, &mut victim, within_millis)?;
        victim.reap()?;
        let context = || format!("round {nth}, killed after {moment} us");
        // What the killed one had is gone, what the other has is not.
        OWNER.act()?;
        let sessions = other.status()?.sessions;
        ensure!(sessions == 1, "{sessions} sessions, {}", context());
        drop(other);
        next_is_served(before, ta).with_context(context)?;
    }
    Ok(Some(format!("{rounds} rounds, the next client is served")))
}

/// At some microsecond after it says that it starts.
fn kill_within(bench: &Bench, victim: &mut Process, millis: u64) -> Result<u64> {
    victim.line.wait()?;
    let moment = bench.random().u64(0..millis * 1000);
    thread::sleep(Duration::from_micros(moment));
    victim.kill()?;
    Ok(moment)
}

/// Upstream, client binding or not: a client that is killed while the supplicant serves it
/// may take the supplicant with it, and keep its device busy for ever.
fn killed_at_supplicant(bench: &Bench) -> Result<Option<String>> {
    let ta = flavour(Kind::Shared, bench.stack.opens_bound());
    let _keeper = supplicant::Keeper::start()?;
    let rounds = bench.rounds(5, 200);
    let before = Stats::open()?.memory()?;
    for nth in 0..rounds {
        let mut victim = Process::start(|line| {
            OWNER.be()?;
            line.go()?;
            Seat::take(ta, Login::User)?.command(Command::Supplicant, 100);
            Ok(())
        })?;
        kill_within(bench, &mut victim, 400)?;
        victim.reap()?;
        let mut next = Process::start(|_| next_is_served(before, ta))?;
        next.line.patience(Duration::from_secs(10))?;
        let pid = next.pid;
        if let Err(error) = next.finish::<()>() {
            let _ = kill(pid, Signal::SIGKILL);
            return Ok(Some(format!(
                "known upstream defect met in round {nth}: {error:#}"
            )));
        }
    }
    Ok(Some(format!("{rounds} rounds, the next client is served")))
}

/// Another user opens: the first of a new instance.
fn next_is_served(before: Memory, ta: &'static Flavour) -> Result<()> {
    released(&Stats::open()?, before, ta)?;
    let answer = visit(STRANGER, ta, Login::User)?;
    ensure!(answer.is_success(), "the next client: {answer}");
    Ok(())
}

/// Something ends the owner's instance of every kind; another user must be served then.
fn for_kinds(
    bench: &Bench,
    end: impl Fn(&'static Flavour) -> Result<()>,
) -> Result<Option<String>> {
    let bound: &[bool] = if bench.stack.opens_bound() {
        &[false, true]
    } else {
        &[false]
    };
    let mut seen = 0;
    for kind in Kind::ALL {
        for &bound in bound {
            let ta = flavour(kind, bound);
            let_person(OWNER, || end(ta)).with_context(|| ta.name)?;
            let_person(STRANGER, || {
                let seat = Seat::take(ta, Login::User).context("the next client")?;
                ensure!(seat.status()?.sessions == 1, "it is the old instance");
                if kind == Kind::Kept {
                    seat.crash()
                } else {
                    Ok(())
                }
            })
            .with_context(|| ta.name)?;
            seen += 1;
        }
    }
    Ok(Some(format!(
        "{seen} kinds of TA, the next client is served in a new instance"
    )))
}

fn refuse(tee: &Tee, ta: &Flavour) -> Result<()> {
    match tee.open_with(ta.uuid, Login::User, opening(Opening::Refuse, 0)) {
        Err(Answer::Tee {
            ret: REFUSED,
            origin: TEE_ORIGIN_TRUSTED_APP,
            ..
        }) => Ok(()),
        other => bail!("the TA should have refused, not {other:?}"),
    }
}

fn refused_open(bench: &Bench) -> Result<Option<String>> {
    for kind in Kind::ALL {
        let ta = flavour(kind, bench.stack.opens_bound());
        let_person(OWNER, || refuse(&Tee::connect()?, ta))?;
        let_person(STRANGER, || {
            let seat = Seat::take(ta, Login::User).with_context(|| ta.name)?;
            if kind == Kind::Kept {
                seat.crash()
            } else {
                Ok(())
            }
        })?;
    }
    Ok(Some("the next client is served".into()))
}

fn refused_further(bench: &Bench) -> Result<Option<String>> {
    let mut seen = String::new();
    for kind in [Kind::Shared, Kind::Kept] {
        let ta = flavour(kind, true);
        let seat = Seat::owned(ta, Login::User)?;
        refuse(&seat.tee, ta)?;
        let answer = visit(STRANGER, ta, Login::User)?;
        bench.attacked(answer)?;
        seen = answer.to_string();
        let answer = visit(OWNER, ta, Login::User)?;
        ensure!(answer.is_success(), "the owner again: {answer}");
        if kind == Kind::Kept {
            // Without any session the instance and its owner stay; a failed open changes nothing.
            seat.close()?;
            refuse(&Tee::connect()?, ta)?;
            bench.attacked(visit(STRANGER, ta, Login::User)?)?;
            Seat::take(ta, Login::User)?.crash()?;
        }
    }
    Ok(Some(seen))
}

fn replaced(bench: &Bench) -> Result<Option<String>> {
    let mut seen = String::new();
    for kind in [Kind::Shared, Kind::Kept] {
        let ta = flavour(kind, true);
        let seat = Seat::owned(ta, Login::User)?;
        let other = seat.tee.open(ta.uuid, Login::User)?;
        died(seat.command(Command::Panic, 0))?;
        died(seat.ask())?;
        died(crate::bench::ask(&seat.tee, other))?;
        // The old instance lives as long as its sessions; the new one is another user's.
        let next = let_person(STRANGER, || {
            let answer = seat.ask();
            let next = Seat::take(ta, Login::User).context("the next client")?;
            let owner_again = Tee::connect()?.open(ta.uuid, Login::User);
            ensure!(
                owner_again.is_ok(),
                "the new owner's second session: {owner_again:?}"
            );
            if kind == Kind::Kept {
                next.crash()?;
            }
            Ok(answer)
        })?;
        if bench.verifies() {
            ensure!(next.is_denied(), "the stranger in the dead session: {next}");
        } else {
            died(next)?;
        }
        seen = next.to_string();
        seat.close()?;
    }
    Ok(Some(seen))
}

fn close_waits_for_panic(bench: &Bench) -> Result<Option<String>> {
    let ta = flavour(Kind::Shared, bench.stack.opens_bound());
    let before = Stats::open()?.memory()?;
    let seat = Seat::owned(ta, Login::User)?;
    let how = opening(Opening::Panic, 1000);
    let (opened, closed, took) = thread::scope(|scope| {
        let opener = scope.spawn(|| seat.tee.open_with(ta.uuid, Login::User, how));
        thread::sleep(Duration::from_millis(400));
        let start = Instant::now();
        let closed = seat.tee.close(seat.session);
        (opener.join(), closed, start.elapsed().as_millis())
    });
    let opened = opened.map_err(|_| anyhow!("a thread died"))?;
    died(opened.err().context("it opened")?)?;
    closed.context("close")?;
    ensure!(took > 200, "the close took {took} ms only");
    released(&Stats::open()?, before, ta)?;
    Seat::take(ta, Login::User)?.close()?;
    Ok(Some(format!("it took {took} ms")))
}

fn all_sessions(bench: &Bench) -> Result<Option<String>> {
    let ta = flavour(Kind::Shared, bench.stack.opens_bound());
    let mut most = 0;
    for _ in 0..2 {
        let seat = Seat::owned(ta, Login::User)?;
        let mut sessions = Vec::new();
        let error = loop {
            match seat.tee.open(ta.uuid, Login::User) {
                Ok(session) => sessions.push(session),
                Err(error) => break error,
            }
            ensure!(sessions.len() < 20_000, "there is no end");
        };
        ensure!(
            error.code() == Some(TEE_ERROR_OUT_OF_MEMORY),
            "the end is: {error}"
        );
        // With a little room again the TEE goes on; without any, it may have to end a TA.
        for session in sessions.drain(sessions.len() - 8..) {
            seat.tee.close(session)?;
        }
        seat.works()?;
        for &session in &sessions {
            seat.tee.close(session)?;
        }
        ensure!(sessions.len() > 100, "only {} sessions", sessions.len());
        ensure!(
            most == 0 || sessions.len() + 4 > most,
            "{most}, then {}",
            sessions.len()
        );
        most = sessions.len();
    }
    Ok(Some(format!("{most} sessions, twice")))
}

fn all_instances(bench: &Bench) -> Result<Option<String>> {
    let ta = flavour(Kind::Private, bench.stack.opens_bound());
    OWNER.act()?;
    let mut most = 0;
    for _ in 0..2 {
        let tee = Tee::connect()?;
        let mut count = 0;
        let error = loop {
            match tee.open(ta.uuid, Login::User) {
                Ok(_) => count += 1,
                Err(error) => break error,
            }
        };
        ensure!(
            error.code() == Some(TEE_ERROR_OUT_OF_MEMORY),
            "the end is: {error}"
        );
        ensure!(count > 4, "only {count} instances");
        ensure!(most == 0 || count == most, "{most}, then {count}");
        most = count;
    }
    Ok(Some(format!("{most} instances, twice")))
}

fn all_threads(_: &Bench) -> Result<Option<String>> {
    const CLIENTS: u32 = 10;
    let ta = flavour(Kind::Private, false);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|nth| {
            Process::start(move |_| {
                if nth % 2 == 0 {
                    OWNER.be()?
                } else {
                    STRANGER.be()?
                }
                let seat = Seat::take(ta, Login::User)?;
                for _ in 0..3 {
                    seat.command(Command::Wait, 50).values()?;
                }
                seat.close()
            })
        })
        .collect();
    for client in clients {
        client?.finish::<()>()?;
    }
    Ok(Some(format!("{CLIENTS} clients served")))
}

fn many_opens(bench: &Bench) -> Result<Option<String>> {
    let ta = flavour(Kind::Shared, bench.stack.opens_bound());
    let seat = Seat::owned(ta, Login::User)?;
    let opens = bench.rounds(300, 10_000);
    for _ in 0..opens {
        let tee = Tee::connect()?;
        let session = tee.open(ta.uuid, Login::User)?;
        tee.close(session)?;
    }
    ensure!(
        seat.status()?.opens == opens + 1,
        "the TA saw {:?}",
        seat.status()?
    );
    Ok(Some(format!("{opens} opens")))
}

/// `xtask boot --reset-at` resets the machine in the middle of this one.
fn long_open(bench: &Bench) -> Result<Option<String>> {
    const LONG: u32 = 2000;
    let ta = flavour(Kind::Shared, bench.stack.opens_bound());
    let mut slow = Process::start(|line| {
        OWNER.be()?;
        let tee = Tee::connect()?;
        line.go()?;
        let start = Instant::now();
        let opened = tee.open_with(ta.uuid, Login::User, opening(Opening::Serve, LONG));
        opened.context("the long open")?;
        Ok(start.elapsed().as_millis() as u64)
    })?;
    slow.line.wait()?;
    let mut served = 0;
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(u64::from(LONG) - 500) {
        let answer = visit(STRANGER, flavour(Kind::Private, false), Login::User)?;
        ensure!(answer.is_success(), "somebody else's TA: {answer}");
        served += 1;
    }
    let took: u64 = slow.finish()?;
    ensure!(took >= u64::from(LONG), "it took {took} ms only");
    Ok(Some(format!(
        "{served} opens of another TA during one of {took} ms"
    )))
}

fn supplicant_dies(bench: &Bench) -> Result<Option<String>> {
    let shared = flavour(Kind::Shared, bench.stack.opens_bound());
    let private = flavour(Kind::Private, false);
    // Forked before the supplicant's guard, which is for this process alone.
    let mut client = Process::start(|line| {
        OWNER.be()?;
        line.wait()?;
        Seat::take(private, Login::User)?.close()
    })?;
    let mut victim = Process::start(|line| {
        OWNER.be()?;
        line.wait()?;
        Seat::take(private, Login::User)?.close()
    })?;
    let seat = Seat::owned(shared, Login::User)?;
    ROOT.act()?;
    let _guard = supplicant::Guard;
    supplicant::stop()?;
    // What is loaded serves on; what has to be loaded waits, or is told so.
    OWNER.act()?;
    seat.works()?;
    ROOT.act()?;
    // Dead before there is a supplicant again: who is killed while it serves can end it (4099).
    victim.line.go()?;
    thread::sleep(Duration::from_millis(200));
    victim.kill()?;
    victim.reap()?;
    client.line.go()?;
    thread::sleep(Duration::from_millis(200));
    let _keeper = supplicant::Keeper::start()?;
    let waited: Result<()> = client.finish();
    OWNER.act()?;
    seat.works()?;
    Seat::take(private, Login::User)?.works()?;
    Ok(Some(match waited {
        Ok(()) => "who came meanwhile waited and was served".into(),
        Err(error) => format!("who came meanwhile got: {error:#}"),
    }))
}

/// Where host/hostile takes what is to fail.
const FAULT: &str = "/sys/module/optee/parameters/fault";

/// What a message may meet on its way.
#[derive(Clone, Copy, Debug)]
enum Obstacle {
    NoMemory,
    /// The call fails with that number: negative from Linux, else from OP-TEE.
    Call(i32),
    /// It does not, but that comes back.
    Answer(i32),
}

/// `OPTEE_MSG_CMD_*`.
const OPEN: u32 = 0;
const INVOKE: u32 = 1;
const CLOSE: u32 = 2;
const CANCEL: u32 = 3;

const OBSTACLES: [Obstacle; 6] = [
    Obstacle::NoMemory,
    // As FF-A says that OP-TEE is busy, as a wait says that a signal came, as an SMC says that there is no memory.
    Obstacle::Call(-(Errno::EBUSY as i32)),
    Obstacle::Call(-(Errno::EINTR as i32)),
    Obstacle::Call(6),
    // As FF-A denies a call, or takes its parameters for invalid: of a session the driver itself would say that OP-TEE
    // refused the caller, or that there is none.
    Obstacle::Call(-(Errno::EACCES as i32)),
    Obstacle::Call(-(Errno::EINVAL as i32)),
];

impl Obstacle {
    /// Puts it in the way of the next messages; only of those with that command where it can be told.
    fn put(self, command: u32, times: u32) -> Result<()> {
        let text = match self {
            Self::NoMemory => format!("memory {} {times}", -(Errno::ENOMEM as i32)),
            Self::Call(error) => format!("call {error} {times} {command}"),
            Self::Answer(error) => format!("answer {error} {times} {command}"),
        };
        fs::write(FAULT, text).context(FAULT)
    }

    /// What Linux makes of it.
    fn errno(self) -> Errno {
        match self {
            Self::NoMemory => Errno::ENOMEM,
            Self::Call(error) | Self::Answer(error) => match Errno::from_raw(-error) {
                // What may go better the next time.
                errno @ (Errno::EBUSY | Errno::EINTR) => errno,
                _ => Errno::EIO,
            },
        }
    }
}

/// How many messages have still to meet theirs.
fn still_to_fail() -> Result<u32> {
    Ok(fs::read_to_string(FAULT)?.trim().parse()?)
}

fn can_fail() -> bool {
    fs::exists(FAULT).unwrap_or(false)
}

fn undelivered_call(bench: &Bench) -> Result<Option<String>> {
    if !can_fail() {
        return Ok(None);
    }
    let ta = flavour(Kind::Shared, bench.stack.opens_bound());
    let before = Stats::open()?.memory()?;
    for obstacle in OBSTACLES {
        let failed = Err(obstacle.errno());
        let seat = Seat::owned(ta, Login::User)?;
        for (what, command) in [("cancel", CANCEL), ("close", CLOSE)] {
            ROOT.act()?;
            obstacle.put(command, 1)?;
            OWNER.act()?;
            let result = match command {
                CANCEL => seat.tee.cancel(seat.session),
                _ => seat.tee.close(seat.session),
            };
            ensure!(result == failed, "{what}, {obstacle:?}: {result:?}");
            seat.works().with_context(|| format!("after the {what}"))?;
        }
        seat.close()?;
        ROOT.act()?;
        next_is_served(before, ta).with_context(|| format!("{obstacle:?}"))?;
    }
    Ok(Some(format!("{} obstacles", OBSTACLES.len())))
}

fn undelivered_open(bench: &Bench) -> Result<Option<String>> {
    if !can_fail() {
        return Ok(None);
    }
    let ta = flavour(Kind::Shared, bench.stack.opens_bound());
    let before = Stats::open()?.memory()?;
    for obstacle in OBSTACLES {
        ROOT.act()?;
        obstacle.put(OPEN, 1)?;
        OWNER.act()?;
        let tee = Tee::connect()?;
        let opened = tee.open(ta.uuid, Login::User);
        let failed = match (obstacle, opened) {
            (Obstacle::NoMemory, Err(Answer::Kernel(errno))) => errno == Errno::ENOMEM as i32,
            (Obstacle::Call(_), Err(Answer::Tee { ret, origin, .. })) => {
                (ret, origin) == (TEE_ERROR_COMMUNICATION, TEE_ORIGIN_COMMS)
            }
            _ => false,
        };
        ensure!(failed, "{obstacle:?}: {opened:?}");
        ROOT.act()?;
        next_is_served(before, ta).with_context(|| format!("{obstacle:?}"))?;
    }
    Ok(Some(format!("{} obstacles", OBSTACLES.len())))
}

fn undelivered_release(bench: &Bench) -> Result<Option<String>> {
    const TIMES: u32 = 4;
    if !can_fail() {
        return Ok(None);
    }
    let ta = flavour(Kind::Shared, bench.stack.opens_bound());
    let before = Stats::open()?.memory()?;
    let mut logins = vec![Login::User];
    if bench.verifies() {
        logins.push(Login::Process);
    }
    for obstacle in OBSTACLES {
        for &login in &logins {
            let mut client = Process::start(|line| {
                OWNER.be()?;
                let seat = Seat::take(ta, login)?;
                line.send_fd(&seat.tee)?;
                line.wait()
            })?;
            // Whoever holds the descriptor holds a user's session, but not a process'.
            let held = client.line.receive_fd()?;
            let held = (login == Login::Process).then_some(held);
            obstacle.put(CLOSE, TIMES)?;
            client.kill()?;
            client.reap()?;
            let never = format!("{obstacle:?}, {login:?}: no other attempt");
            until(PATIENCE, &never, || Ok(still_to_fail()? == 0))?;
            next_is_served(before, ta).with_context(|| format!("{obstacle:?}, {login:?}"))?;
            drop(held);
        }
    }
    Ok(Some(format!(
        "{} obstacles, delivered in the end",
        OBSTACLES.len()
    )))
}

fn lost_answer(bench: &Bench) -> Result<Option<String>> {
    if !can_fail() {
        return Ok(None);
    }
    let ta = flavour(Kind::Shared, bench.stack.opens_bound());
    let before = Stats::open()?.memory()?;
    let lose = |answer: Obstacle, command, times| {
        ROOT.act()?;
        answer.put(command, times)?;
        OWNER.act()
    };
    // As an SMC and as FF-A say that OP-TEE does not go on with it.
    for answer in [3, -(Errno::EREMOTEIO as i32)].map(Obstacle::Answer) {
        (|| -> Result<()> {
            let seat = Seat::owned(ta, Login::User)?;
            lose(answer, INVOKE, 1)?;
            let invoked = seat.ask();
            let lost = invoked.code() == Some(TEE_ERROR_COMMUNICATION);
            ensure!(lost, "invoke: {invoked}");
            seat.works().context("after the invoke")?;
            lose(answer, CANCEL, 1)?;
            let cancelled = seat.tee.cancel(seat.session);
            ensure!(cancelled == Err(Errno::EREMOTEIO), "cancel: {cancelled:?}");
            seat.works().context("after the cancel")?;
            lose(answer, CLOSE, 1)?;
            seat.tee.close(seat.session).context("close")?;
            let gone = Answer::Kernel(Errno::EINVAL as i32);
            ensure!(seat.ask() == gone, "the session is still there");
            next_is_served(before, ta)?;
            let seat = Seat::owned(ta, Login::User)?;
            lose(answer, CLOSE, 2)?;
            drop(seat);
            thread::sleep(Duration::from_millis(500));
            ROOT.act()?;
            let attempts = 2 - still_to_fail()?;
            answer.put(CLOSE, 0)?;
            ensure!(attempts == 1, "{attempts} releases");
            next_is_served(before, ta)
        })()
        .with_context(|| format!("{answer:?}"))?;
    }
    Ok(Some("2 answers".into()))
}

/// Unloading is the last attempt that there is.
fn unload_undelivered(bench: &Bench) -> Result<Option<String>> {
    if !can_fail() {
        return Ok(None);
    }
    let ta = flavour(Kind::Shared, bench.stack.opens_bound());
    let before = Stats::open()?.memory()?;
    let seat = Seat::owned(ta, Login::User)?;
    ROOT.act()?;
    supplicant::stop()?;
    let _guard = supplicant::Guard;
    let obstacle = Obstacle::Call(-(Errno::ENOMEM as i32));
    obstacle.put(CLOSE, u32::MAX)?;
    drop(seat);
    thread::sleep(Duration::from_millis(300));
    let attempts = u32::MAX - still_to_fail()?;
    ensure!(attempts > 1, "{attempts} attempts");
    obstacle.put(CLOSE, 0)?;
    reload()?;
    let _keeper = supplicant::Keeper::start()?;
    next_is_served(before, ta)?;
    Ok(Some(format!("after {attempts} attempts")))
}

fn module(arguments: &[&str]) -> Result<bool> {
    let output = std::process::Command::new("busybox")
        .args(arguments)
        .output()?;
    Ok(output.status.success())
}

fn unload(bench: &Bench) -> Result<Option<String>> {
    let ta = flavour(Kind::Shared, bench.stack.opens_bound());
    let seat = Seat::owned(ta, Login::User)?;
    ROOT.act()?;
    ensure!(!module(&["rmmod", "optee"])?, "it went with a session open");
    OWNER.act()?;
    seat.works()?;
    ROOT.act()?;
    drop(seat);
    supplicant::stop()?;
    let _guard = supplicant::Guard;
    reload()?;
    let _keeper = supplicant::Keeper::start()?;
    Seat::owned(ta, Login::User)?.works()?;
    Ok(Some("refused while in use, loads again".into()))
}

/// The device that OP-TEE is to Linux, and the folder of its driver.
fn device() -> Result<(String, PathBuf)> {
    for bus in ["platform", "arm_ffa"] {
        let driver = PathBuf::from(format!("/sys/bus/{bus}/drivers/optee"));
        for entry in fs::read_dir(&driver).into_iter().flatten() {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_symlink() && name != "module" {
                return Ok((name, driver));
            }
        }
    }
    bail!("no device is bound")
}

/// Who has the device open goes on, and the driver waits; nobody else opens it. The stock driver would wait for ever.
/// Without clients nothing keeps the device of tee-supplicant, which tells that to go.
fn unbind(bench: &Bench) -> Result<Option<String>> {
    if !bench.stack.has_bound_driver() {
        return Ok(None);
    }
    let ta = flavour(Kind::Private, bench.stack.opens_bound());
    let before = Stats::open()?.memory()?;
    ROOT.act()?;
    let (name, driver) = device()?;
    let mut logins = vec![Login::User];
    if bench.verifies() {
        logins.extend([Login::Application, Login::Process]);
    }
    let mut clients = Vec::new();
    for login in logins {
        for closes in [true, false] {
            let mut client = Process::start(|line| {
                OWNER.be()?;
                let seat = Seat::take(ta, login)?;
                line.go()?;
                // The driver goes away under way.
                seat.command(Command::Wait, 1000).values()?;
                line.wait()?;
                seat.works()?;
                if closes { seat.close() } else { Ok(()) }
            })?;
            client.line.wait()?;
            clients.push(client);
        }
    }
    let _guard = supplicant::Guard;
    let unbinding = Process::start(|_| fs::write(driver.join("unbind"), &name).context("unbind"))?;
    until(PATIENCE, "the device can still be opened", || {
        Ok(Tee::connect().is_err())
    })?;
    let told = || Ok(!fs::exists("/dev/teepriv0")?);
    thread::sleep(Duration::from_millis(200));
    ensure!(!told()?, "tee-supplicant is told to go before clients have");
    let served = clients.len();
    for mut client in clients {
        client.line.go()?;
        client.finish::<()>()?;
    }
    until(PATIENCE, "tee-supplicant is not told to go", told)?;
    supplicant::stop()?;
    unbinding.finish::<()>()?;
    ensure!(Tee::connect().is_err(), "the device is still there");
    fs::write(driver.join("bind"), &name).context("bind")?;
    open_to_all()?;
    let _keeper = supplicant::Keeper::start()?;
    next_is_served(before, ta)?;
    Ok(Some(format!("{served} clients went on")))
}

/// As it is at boot.
fn open_to_all() -> Result<()> {
    Ok(fs::set_permissions(
        "/dev/tee0",
        Permissions::from_mode(0o666),
    )?)
}

/// Without a supplicant, which holds the driver.
fn reload() -> Result<()> {
    let start = Instant::now();
    while !module(&["rmmod", "optee"])? {
        ensure!(
            start.elapsed() < Duration::from_secs(10),
            "it does not unload without any"
        );
        thread::sleep(Duration::from_millis(50));
    }
    let gone = Tee::connect();
    ensure!(gone.is_err(), "the device is still there");
    ensure!(
        module(&["insmod", "/lib/modules/optee.ko"])?,
        "it does not load again"
    );
    open_to_all()
}
