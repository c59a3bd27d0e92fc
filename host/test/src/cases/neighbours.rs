// SPDX-License-Identifier: BSD-2-Clause
//! Who else talks to TAs: other TAs, the kernel; and what else can be talked to: pseudo
//! TAs, a TA in C.

use super::Case;
use super::delegation::has_delegation;
use super::races::{dismiss, knock};
use crate::bench::{Bench, Seat, died, flavour, visit};
use crate::stats::Stats;
use crate::world::{CLIENTS, OWNER, Process, STRANGER, let_person};
use anyhow::{Context, Result, ensure};
use client_binding_policy::abi;
use client_binding_proto::probe::{Command, FILLED, Flavour, Kind, LARGE, Opening, words};
use client_binding_proto::{LEND, Param as ParamKind, STATS, TaUuid, vault, vault_c};
use client_binding_raw::code::{TEE_ERROR_ACCESS_DENIED, TEE_ERROR_BUSY, TEE_ERROR_CANCEL};
use client_binding_raw::lend::halves;
use client_binding_raw::pta::with_types;
use client_binding_raw::sys::{Param, Params};
use client_binding_raw::{Answer, Login, Tee};
use nix::errno::Errno;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

const TRUSTED_APP: u32 = 0xf000_0000;
const REE_KERNEL: u32 = 0x8000_0000;

/// The last number of implementations' own that none of them is.
fn implementations_last() -> u32 {
    let mut numbers = (REE_KERNEL..TRUSTED_APP).rev();
    let unknown = numbers.find(|&number| !abi::Login(number).is_known());
    unknown.expect("a few are known")
}

pub(super) const CASES: &[Case] = &[
    Case::service(8001, "A TA is a client of an unbound TA", &[9], |b| {
        let seat = Seat::owned(flavour(Kind::Private, false), Login::User)?;
        let mut seen = 0;
        for kind in [Kind::Shared, Kind::Single, Kind::Kept] {
            // It would be that TA's until the next boot.
            if kind == Kind::Kept && b.stack.owns_instances(false) {
                continue;
            }
            let other = flavour(kind, false);
            let (answer, login) = ask_through(&seat, other)?;
            ensure!(
                answer.is_success() && login == TRUSTED_APP,
                "{}: {answer}",
                other.name
            );
            crate::bench::evict(other, Login::User)?;
            seen += 1;
        }
        Ok(Some(format!("{seen} kinds of TA")))
    }),
    Case::refusal(
        8002,
        "A TA opens for another user what the owner owns",
        &[3, 9],
        |b| {
            let other = flavour(Kind::Shared, true);
            let seat = Seat::owned(other, Login::User)?;
            let before = seat.status()?;
            let (answer, _) = let_person(STRANGER, || {
                ask_through(
                    &Seat::take(flavour(Kind::Private, false), Login::User)?,
                    other,
                )
            })?;
            b.attacked(answer)?;
            let entered = seat.status()?.opens - before.opens;
            ensure!(
                entered == u32::from(!b.verifies()),
                "the TA was entered {entered} times"
            );
            Ok(Some(answer.to_string()))
        },
    )
    .bound(),
    Case::refusal(
        8003,
        "A client in Linux opens what a TA owns",
        &[3, 9],
        |b| {
            let (through, other) = (flavour(Kind::Private, false), flavour(Kind::Shared, true));
            let seat = Seat::owned(through, Login::User)?;
            hold_through(&seat, other)?;
            let mut seen = String::new();
            for (person, login) in [
                (OWNER, Login::User),
                (OWNER, Login::Group(CLIENTS)),
                (STRANGER, Login::User),
            ] {
                let answer = visit(person, other, login)?;
                b.attacked(answer)?;
                seen = answer.to_string();
            }
            // The same TA, whoever its own client is, is the owner.
            let (again, _) = let_person(STRANGER, || {
                ask_through(&Seat::take(through, Login::User)?, other)
            })?;
            ensure!(again.is_success(), "the owning TA again: {again}");
            // Another TA is not.
            let another = Seat::owned(flavour(Kind::Single, false), Login::User)?;
            b.attacked(ask_through(&another, other)?.0)?;
            seat.command(Command::Drop, 0).values()?;
            let next = visit(STRANGER, other, Login::User)?;
            ensure!(next.is_success(), "the next owner: {next}");
            Ok(Some(seen))
        },
    )
    .bound(),
    Case::service(8004, "A TA owns a bound TA on any stack", &[9, 13], |_| {
        let other = flavour(Kind::Shared, true);
        let seat = Seat::owned(flavour(Kind::Private, false), Login::User)?;
        let (answer, login) = ask_through(&seat, other)?;
        ensure!(answer.is_success() && login == TRUSTED_APP, "{answer}");
        Ok(Some("served".into()))
    }),
    Case::service(
        8005,
        "A TA's time-out ends the command it waits for in time",
        &[9],
        |b| {
            if !b.stack.has_bound_core() {
                return Ok(None);
            }
            let seat = Seat::owned(flavour(Kind::Private, false), Login::User)?;
            let mut seen = Vec::new();
            // Both carry a second; the latter has seconds of its own.
            for timeout in [900, 3900] {
                let command = Command::WaitInTime;
                let mut params: Params = command.shape().0.map(|kind| Param {
                    attr: kind as u64,
                    a: timeout.into(),
                    ..Param::default()
                });
                let other = words(flavour(Kind::Shared, false).uuid);
                for (param, (a, b)) in params.iter_mut().zip(other) {
                    (param.a, param.b) = (a.into(), b.into());
                }
                let [.., (millis, code)] = seat
                    .tee
                    .invoke_with(seat.session, command.number(), params)
                    .values()?;
                ensure!(
                    code == TEE_ERROR_CANCEL,
                    "ended with {code:#x} after {millis} ms"
                );
                // It looks every fifty milliseconds; the machine may be busy.
                let late = millis.wrapping_sub(timeout);
                ensure!(late < 800, "{timeout} ms took {millis}");
                seen.push(millis);
            }
            Ok(Some(format!("{seen:?} ms")))
        },
    )
    .within(120),
    Case::service(8011, "A pseudo TA serves everybody at once", &[10], |_| {
        OWNER.act()?;
        let tee = Tee::connect()?;
        let mut sessions = Vec::new();
        for login in [Login::User, Login::Group(CLIENTS), Login::Public] {
            sessions.push(tee.open(STATS, login)?);
        }
        let served = let_person(STRANGER, || {
            let tee = Tee::connect()?;
            let session = tee.open(STATS, Login::User)?;
            Ok(time(&tee, session))
        })?;
        ensure!(served.is_success(), "another user: {served}");
        for session in sessions {
            ensure!(time(&tee, session).is_success(), "the owner");
            tee.close(session)?;
        }
        Ok(Some("four logins".into()))
    }),
    Case::refusal(
        8012,
        "Another user invokes and closes in a session with a pseudo TA",
        &[2, 10],
        |b| {
            OWNER.act()?;
            let tee = Tee::connect()?;
            let session = tee.open(STATS, Login::User)?;
            let (answer, closed) = let_person(STRANGER, || {
                let answer = time(&tee, session);
                Ok((answer, tee.close(session).err().map(|errno| errno as i32)))
            })?;
            b.attacked(answer)?;
            b.attacked_quietly(closed.map_or(Ok(()), |errno| Err(Errno::from_raw(errno))))?;
            if b.verifies() {
                ensure!(time(&tee, session).is_success(), "the owner");
            }
            Ok(Some(answer.to_string()))
        },
    ),
    Case::service(
        8021,
        "Nobody in user space logs in as the kernel or by an unknown method",
        &[8],
        |_| {
            let kernel = Answer::Kernel(Errno::EPERM as i32);
            let invalid = Answer::Kernel(Errno::EINVAL as i32);
            let mut seen = 0;
            for person in [crate::world::ROOT, OWNER] {
                person.act()?;
                let tee = Tee::connect()?;
                let reserved =
                    [REE_KERNEL, REE_KERNEL + 1, 0xbfff_ffff].map(|login| (login, kernel));
                // Both ends of what nobody has defined, of GP's, implementations' and TAs' range.
                let unknown = [
                    3,
                    7,
                    0x7fff_ffff,
                    0xc000_0000,
                    implementations_last(),
                    TRUSTED_APP,
                    TRUSTED_APP + 1,
                    u32::MAX,
                ]
                .map(|login| (login, invalid));
                for (login, expected) in reserved.into_iter().chain(unknown) {
                    let opened = tee.open_by(
                        flavour(Kind::Private, false).uuid,
                        login,
                        None,
                        Params::default(),
                    );
                    ensure!(opened == Err(expected), "login {login:#x}: {opened:?}");
                    seen += 1;
                }
            }
            Ok(Some(format!("{seen} logins")))
        },
    ),
    Case::service(8022, "The kernel enumerates its devices", &[8], |_| {
        // It does that as PUBLIC, from a worker, while the driver loads.
        let devices = fs::read_dir("/sys/bus/tee/devices")?.count();
        Ok((devices > 0).then(|| format!("{devices} devices")))
    }),
    Case::service(
        8032,
        "A TA without the flag: who else is served depends on the image",
        &[4, 7],
        served_together,
    ),
    Case::refusal(
        8031,
        "A bound TA in C: another user joins and invokes",
        &[2, 3, 4],
        |b| {
            OWNER.act()?;
            let tee = Tee::connect()?;
            let session = tee.open(vault_c::UUID, Login::User)?;
            let shape = vault::Command::WhoAmI.shape();
            let who_am_i = vault_c::Command::WhoAmI.number();
            let invoked = let_person(STRANGER, || Ok(tee.invoke(session, who_am_i, shape, 0)))?;
            b.attacked(invoked)?;
            let join = |login| {
                let other = Tee::connect()?;
                Ok(match other.open(vault_c::UUID, login) {
                    Ok(session) => other.invoke(session, who_am_i, shape, 0),
                    Err(answer) => answer,
                })
            };
            for (person, login) in [(STRANGER, Login::User), (STRANGER, Login::Public)] {
                b.attacked(let_person(person, || join(login))?)?;
            }
            let same = let_person(OWNER, || join(Login::User))?;
            ensure!(same.is_success(), "the same user: {same}");
            ensure!(
                tee.invoke(session, who_am_i, shape, 0).is_success(),
                "the owner"
            );
            Ok(Some(invoked.to_string()))
        },
    )
    .bound(),
    Case::service(
        8041,
        "A TA opens itself, or a TA that is open further up",
        &[9],
        open_again,
    ),
    Case::service(
        8042,
        "A TA invokes, closes, panics on a session with a TA further up",
        &[9, 18],
        use_from_below,
    ),
    Case::service(
        8043,
        "A TA opens a bound TA that refuses strangers all the time",
        &[6, 9],
        open_beside_strangers,
    )
    .bound()
    .within(240),
    Case::service(
        8044,
        "Statistics of TAs wait for nobody who uses one",
        &[12],
        ask_statistics,
    ),
    Case::service(
        8045,
        "Statistics of a TA whose session's number is a pseudo TA's by then",
        &[12],
        ask_statistics_in_vain,
    ),
    Case::service(
        8046,
        "The number of a closed session isn't the next one's",
        &[12],
        number_again,
    ),
    Case::service(
        8047,
        "A TA does not reach what the one before had mapped",
        &[12],
        look_back,
    ),
];

/// Stock stops at each of these. Nobody is served, but who has asked gets an answer.
fn open_again(bench: &Bench) -> Result<Option<String>> {
    if !bench.stack.has_bound_core() {
        return Ok(None);
    }
    let mut seen = 0;
    for bound in [false, true] {
        if bound && !bench.stack.opens_bound() {
            continue;
        }
        for kind in [Kind::Shared, Kind::Kept, Kind::Single] {
            let ta = flavour(kind, bound);
            let seat = Seat::owned(ta, Login::User)?;
            let expected = if bench.stack.owns_instances(bound) {
                TEE_ERROR_ACCESS_DENIED
            } else {
                TEE_ERROR_BUSY
            };
            let is_refused = |answer: Answer| {
                let right = answer.code() == Some(expected);
                ensure!(right, "{} opens itself: {answer}", ta.name);
                Ok(())
            };
            is_refused(ask_through(&seat, ta)?.0)?;
            // By way of TAs that run in the same thread: one of many instances, one of one.
            for between in [Kind::Private, Kind::Shared, Kind::Single] {
                if bench.stack.owns_instances(false) && between != Kind::Private {
                    continue;
                }
                let between = flavour(between, false);
                if between != ta {
                    is_refused(forward(&seat, between, Command::AskBack)?)?;
                    seen += 1;
                }
            }
            seat.works()?;
            ensure!(seat.status()?.sessions == 1, "{:?}", seat.status()?);
            if kind == Kind::Kept {
                seat.crash()?;
            } else {
                seat.close()?;
            }
            seen += 1;
        }
    }
    Ok(Some(format!("{seen} ways")))
}

fn use_from_below(bench: &Bench) -> Result<Option<String>> {
    // The lower TA opens the upper one first, and would own it.
    if !bench.stack.has_bound_core() || bench.stack.owns_instances(false) {
        return Ok(None);
    }
    let (upper, lower) = (flavour(Kind::Shared, false), flavour(Kind::Kept, false));
    let above = Seat::owned(upper, Login::User)?;
    let below = Seat::owned(lower, Login::User)?;
    hold_through(&below, upper)?;
    // Not from below it works as ever.
    below.command(Command::AskHeld, 0).values()?;
    let closed = forward(&above, lower, Command::Drop)?;
    ensure!(closed.is_success(), "a close: {closed}");
    above.works()?;
    // A command is refused, too, and libutee lets nobody survive that who has asked.
    for command in [Command::Panic, Command::AskHeld] {
        let below = Seat::take(lower, Login::User)?;
        hold_through(&below, upper)?;
        died(forward(&above, lower, command)?)?;
        above.works()?;
        below.close()?;
    }
    below.close()?;
    above.works()?;
    above.close()?;
    Ok(Some("closed, panicked, and invoked".into()))
}

/// The TA in between has the lock of all TAs of one instance, so it cannot wait for one that is busy; that no
/// stranger may make the other one busy by waiting for it is what this is about. Between two opens the other is
/// gone, and a PUBLIC stranger has it loaded before it is refused.
fn open_beside_strangers(bench: &Bench) -> Result<Option<String>> {
    let other = flavour(Kind::Shared, true);
    let seat = Seat::owned(flavour(Kind::Single, false), Login::User)?;
    let mut seen = Vec::new();
    for login in [Login::User, Login::Public] {
        let strangers = knock(other, login, Opening::Refuse, 2)?;
        let times = bench.rounds(40, 1000);
        let mut served = 0;
        let mut last = String::new();
        for _ in 0..times {
            let (answer, _) = ask_through(&seat, other)?;
            served += u32::from(answer.is_success());
            last = answer.to_string();
        }
        dismiss(strangers)?;
        seen.push(format!("{served} times beside {login:?}"));
        ensure!(
            served == times,
            "served {} of {times}, the last time {last}",
            seen.join(", ")
        );
    }
    Ok(Some(seen.join(", ")))
}

/// Stock stops at each of these: for a session that its own thread is in, and for one whose user waits for the TA
/// of this thread to be left.
fn ask_statistics(bench: &Bench) -> Result<Option<String>> {
    if !bench.stack.has_bound_core() {
        return Ok(None);
    }
    let asks = |seat: &Seat| -> Result<()> {
        seat.command(Command::Statistics, 0).values()?;
        Ok(())
    };
    for kind in Kind::ALL {
        let seat = Seat::owned(flavour(kind, false), Login::User)?;
        asks(&seat).with_context(|| format!("{kind:?}"))?;
        if kind == Kind::Kept {
            seat.crash()?;
        } else {
            seat.close()?;
        }
    }
    let times = bench.rounds(100, 2000);
    let seat = Seat::owned(flavour(Kind::Single, false), Login::User)?;
    let mut user = Process::start(|line| -> Result<()> {
        OWNER.be()?;
        let other = Seat::take(flavour(Kind::Shared, false), Login::User)?;
        line.go()?;
        while !line.called()? {
            other.works()?;
        }
        other.close()
    })?;
    user.line.wait()?;
    for _ in 0..times {
        asks(&seat).context("beside another TA that is in use")?;
    }
    user.line.go()?;
    user.finish::<()>()?;
    seat.close()?;
    Ok(Some(format!("{times} times beside another")))
}

/// Stock stops: it jumps to NULL.
fn ask_statistics_in_vain(bench: &Bench) -> Result<Option<String>> {
    // Its pseudo TA is one that does not wait for the statistics, which are a pseudo TA's, too.
    if !bench.stack.has_bound_core() || !has_delegation(bench, &Tee::connect()?)? {
        return Ok(None);
    }
    let times = bench.rounds(400, 4000);
    // Each of them is entered before what comes last, whose session has time to go.
    let seats = (0..10).map(|_| Seat::owned(flavour(Kind::Private, false), Login::User));
    let seats = seats.collect::<Result<Vec<_>>>()?;
    let stats = Stats::open()?;
    // No single instance: that would wait for the statistics, too.
    let ta = flavour(Kind::Private, false).uuid;
    let mut user = Process::start(|line| -> Result<u32> {
        OWNER.be()?;
        let tee = Tee::connect()?;
        line.go()?;
        let mut same = 0;
        while !line.called()? {
            // Until it was noted, and then until it is asked for.
            let pause = bench.random().u64(0..15);
            let [its, pseudo] = [(ta, pause), (LEND, 3)].map(|(uuid, pause)| -> Result<u32> {
                let session = tee.open(uuid, Login::User)?;
                thread::sleep(Duration::from_millis(pause));
                tee.close(session)?;
                Ok(session.0)
            });
            same += u32::from(its? == pseudo?);
        }
        Ok(same)
    })?;
    user.line.wait()?;
    // A core with a pager has to fetch each of these TAs each time.
    let (end, mut asked) = (Instant::now() + Duration::from_secs(30), 0);
    while asked < times && Instant::now() < end {
        stats.snapshot()?;
        asked += 1;
    }
    user.line.go()?;
    // If one does, the statistics may ask a pseudo TA, as on stock.
    let same: u32 = user.finish()?;
    ensure!(same == 0, "{same} numbers came again at once");
    seats.into_iter().try_for_each(Seat::close)?;
    Ok(Some(format!("{asked} times")))
}

/// On stock the next one has it if no other session is open.
fn number_again(bench: &Bench) -> Result<Option<String>> {
    if !bench.stack.has_bound_core() {
        return Ok(None);
    }
    OWNER.act()?;
    let tee = Tee::connect()?;
    let mut before = tee.open(STATS, Login::User)?;
    for round in 0..bench.rounds(50, 1000) {
        tee.close(before)?;
        let next = tee.open(STATS, Login::User)?;
        ensure!(next != before, "session {} after {round} opens", before.0);
        before = next;
    }
    tee.close(before)?;
    Ok(Some(format!("up to session {}", before.0)))
}

/// Each thread of the core has a page directory, which one TA after the other has: of the first's nothing may be left.
fn look_back(_: &Bench) -> Result<Option<String>> {
    const SIZE: u32 = 3 << 20;
    let large = Seat::owned(&LARGE, Login::User)?;
    let small = Seat::take(flavour(Kind::Private, false), Login::User)?;
    let (low, high) = large.command(Command::Fill, SIZE).values()?[1];
    let last = abi::pta::pair(low, high) + u64::from(SIZE) - 1;
    let peek = |seat: &Seat| {
        let mut params = with_types(Command::Peek.shape().types());
        params[0] = halves(last);
        seat.tee
            .invoke_with(seat.session, Command::Peek.number(), params)
    };
    let (octet, _) = peek(&large).values().context("the TA's own memory")?[1];
    ensure!(octet == u32::from(FILLED), "{octet:#x} at {last:#x}");
    died(peek(&small))?;
    large.close()?;
    Ok(Some(format!("at {last:#x}")))
}

/// The TA opens another and invokes a command without parameters there.
fn forward(seat: &Seat, other: &Flavour, command: Command) -> Result<Answer> {
    let mut params = with_types(Command::Forward.shape().types());
    for (param, (a, b)) in params.iter_mut().zip(words(other.uuid)) {
        (param.a, param.b) = (a.into(), b.into());
    }
    params[2].a = command.number().into();
    let answer = seat
        .tee
        .invoke_with(seat.session, Command::Forward.number(), params);
    let (ret, origin) = answer.values().context("the TA in between")?[3];
    Ok(Answer::Tee {
        ret,
        origin,
        values: [(0, 0); 4],
    })
}

/// What `CFG_CLIENT_BINDING_ALL=y` breaks: a TA that serves several clients at once.
fn served_together(bench: &Bench) -> Result<Option<String>> {
    let mut refused = 0;
    for kind in [Kind::Shared, Kind::Kept] {
        let ta = flavour(kind, false);
        for login in [Login::User, Login::Public] {
            let seat = Seat::owned(ta, login)?;
            for (person, other) in [
                (OWNER, Login::User),
                (OWNER, Login::Public),
                (STRANGER, Login::User),
                (STRANGER, Login::Public),
            ] {
                let same = other == login && (person.uid == OWNER.uid || other == Login::Public);
                let answer = visit(person, ta, other)?;
                let denied = bench.stack.owns_instances(false) && !same;
                let as_expected = if denied {
                    answer.is_denied()
                } else {
                    answer.is_success()
                };
                let uid = person.uid;
                ensure!(
                    as_expected,
                    "{login:?} owns {}, {uid} opens as {other:?}: {answer}",
                    ta.name
                );
                refused += u32::from(denied);
            }
            seat.crash()?;
        }
    }
    Ok(Some(format!("{refused} of 16 refused")))
}

/// The TEE's time, a command of the statistics PTA without side effect.
fn time(tee: &Tee, session: client_binding_raw::Session) -> Answer {
    let out = ParamKind::ValueOut;
    let shape = client_binding_proto::Shape([out, out, ParamKind::None, ParamKind::None]);
    tee.invoke(session, 4, shape, 0)
}

/// The TA does that, as a client of another.
pub(super) fn through(seat: &Seat, command: Command, other: TaUuid) -> Result<(Answer, u32)> {
    let mut params = with_types(command.shape().types());
    for (param, (a, b)) in params.iter_mut().zip(words(other)) {
        (param.a, param.b) = (a.into(), b.into());
    }
    let answer = seat.tee.invoke_with(seat.session, command.number(), params);
    let values = answer.values().context("the TA in between")?;
    let (ret, origin) = values[2];
    let answer = Answer::Tee {
        ret,
        origin,
        values: [(0, 0); 4],
    };
    Ok((answer, values[3].0))
}

fn ask_through(seat: &Seat, other: &Flavour) -> Result<(Answer, u32)> {
    through(seat, Command::Ask, other.uuid)
}

pub(super) fn hold_through(seat: &Seat, other: &Flavour) -> Result<()> {
    let (answer, _) = through(seat, Command::Hold, other.uuid)?;
    ensure!(answer.is_success(), "the TA does not get in: {answer}");
    Ok(())
}
