// SPDX-License-Identifier: BSD-2-Clause
//! How lending ends: taken back, out of time, with the owner, the grantee, the TA or the supplicant.

use super::{Loan, THIRD, Watch, Way, allow, can_lend, request, shown};
use crate::bench::{Bench, Seat, ask, died, flavour, opening, released, visit};
use crate::cases::{Case, G};
use crate::stats::Stats;
use crate::supplicant;
use crate::world::{OWNER, Process, ROOT, STRANGER, let_person};
use anyhow::{Context, Result, anyhow, ensure};
use client_binding_policy::abi::delegation::Request;
use client_binding_proto::probe::{Command, Kind, Opening};
use client_binding_raw::code::{TEE_ERROR_ACCESS_DENIED, TEE_ERROR_BAD_PARAMETERS};
use client_binding_raw::lend::{Lender, take_up};
use client_binding_raw::{Answer, Login, Tee};
use std::thread;
use std::time::{Duration, Instant};

pub(in crate::cases) const CASES: &[Case] = &[
    Case::refusal(
        11014,
        "Grantees hammer while their grant is taken back",
        &[G + 7, G + 8],
        hammered,
    )
    .bound(),
    Case::service(
        11054,
        "A command runs when its grant is taken back",
        &[G + 8],
        taken_back_from_under,
    )
    .bound(),
    Case::service(
        11015,
        "Owner, grantee, both or the TA go, whatever the grantee is doing",
        &[G + 8, G + 10],
        |b| {
            let mut played = 0;
            for phase in [Phase::Waiting, Phase::Inside, Phase::Between] {
                for end in [
                    End::OwnerCloses,
                    End::OwnerDies,
                    End::GranteeDies,
                    End::BothDie,
                    End::TaPanics,
                ] {
                    // That one is 11013.
                    if (phase, end) == (Phase::Inside, End::TaPanics) {
                        continue;
                    }
                    let done = goes(b, phase, end);
                    if !done.with_context(|| format!("{phase:?}, {end:?}"))? {
                        return Ok(None);
                    }
                    played += 1;
                }
            }
            Ok(Some(format!("{played} ways to go")))
        },
    )
    .bound(),
    Case::service(
        11022,
        "A grantee's command needs the supplicant, which is gone",
        &[G + 6, G + 8],
        without_supplicant,
    )
    .bound(),
    Case::refusal(
        11029,
        "A grantee goes on a millisecond after its time",
        &[G + 4],
        to_the_millisecond,
    )
    .bound(),
    Case::service(
        11056,
        "What is lent until it is closed ends when the grantee closes it, and nobody else",
        &[G + 8],
        until_closed,
    )
    .bound(),
];

fn hammered(b: &Bench) -> Result<Option<String>> {
    let seat = Seat::owned(flavour(Kind::Shared, true), Login::User)?;
    let watch = Watch::get()?;
    let (rounds, mut told, mut late) = (b.rounds(12, 300), 0, 0);
    for round in 0..rounds {
        let Some(loan) = Loan::make(b, &seat, &[Command::Clock], |_| ())? else {
            return Ok(None);
        };
        let hammering = |_| {
            Process::start(|line| {
                STRANGER.be()?;
                let way = loan.take_up(Login::User)?.context("it was lent to us")?;
                let mut served = Vec::new();
                line.go()?;
                loop {
                    match shown(way.invoke_patiently(Command::Clock, 1)) {
                        Ok(when) => served.push(when),
                        Err(answer) => {
                            line.wait()?;
                            return Ok((served, Some(answer)));
                        }
                    }
                    if line.called()? {
                        return Ok((served, None));
                    }
                }
            })
        };
        let mut grantees = (0..3).map(hammering).collect::<Result<Vec<_>>>()?;
        for grantee in &mut grantees {
            grantee.line.wait()?;
        }
        let moment = b.random().u64(0..60);
        thread::sleep(Duration::from_millis(moment));
        let running = loan.revoke(false)?;
        let taken_back = watch.now()?;
        thread::sleep(Duration::from_millis(60));
        let mut after = 0;
        for mut grantee in grantees {
            grantee.line.go()?;
            let (served, last): (Vec<u64>, Option<Answer>) = grantee.finish()?;
            after += served.iter().filter(|when| **when > taken_back).count();
            if b.verifies() {
                let denied = last.is_some_and(Answer::is_denied);
                ensure!(denied, "round {round}: the last answer is {last:?}");
            }
        }
        if b.verifies() {
            ensure!(
                after <= usize::from(running),
                "round {round}: {after} entered afterwards; one was running: {running}"
            );
        }
        told += u32::from(running);
        late += after;
    }
    ensure!(b.verifies() || late > 0, "the attack fails by itself");
    seat.works()?;
    Ok(Some(format!(
        "{rounds} rounds, {told} times one was running, {late} commands began afterwards"
    )))
}

fn taken_back_from_under(b: &Bench) -> Result<Option<String>> {
    for kind in [Kind::Shared, Kind::Private] {
        let seat = Seat::owned(flavour(kind, true), Login::User)?;
        for (cancels, millis) in [(false, 700), (true, 10_000)] {
            let Some(loan) = Loan::make(b, &seat, &[Command::Clock], |_| ())? else {
                return Ok(None);
            };
            if loan.number.is_none() {
                return Ok(None);
            }
            let grantee = Process::start(|_| {
                STRANGER.be()?;
                let way = loan.take_up(Login::User)?.context("it was lent to us")?;
                let running = way.invoke(Command::Clock, millis);
                Ok([running, way.invoke(Command::Clock, 0)])
            })?;
            loan.runs()?;
            let start = Instant::now();
            ensure!(loan.revoke(cancels)?, "nobody says that one runs");
            ensure!(
                start.elapsed() < Duration::from_millis(400),
                "taking back waits for the command"
            );
            let [running, next]: [Answer; 2] = grantee.finish()?;
            let as_asked = if cancels {
                running.is_cancelled()
            } else {
                running.is_success()
            };
            ensure!(as_asked, "{kind:?}, cancel {cancels}: {running}");
            ensure!(
                start.elapsed() < Duration::from_secs(5),
                "the command was not cancelled in time"
            );
            ensure!(next.is_denied(), "the next command: {next}");
            // What ended the grantee's command does not end the owner's next one.
            let own = seat.command(Command::Wait, 1);
            ensure!(own.is_success(), "the owner's next command: {own}");
        }
        taken_back_before_entering(b, &seat).with_context(|| format!("{kind:?}"))?;
        seat.close()?;
    }
    Ok(Some(
        "one ended by itself, one was cancelled, one that waited was not let in".into(),
    ))
}

/// The grantee waits for the owner's own command: it is not in the TA, and does not get there.
fn taken_back_before_entering(b: &Bench, seat: &Seat) -> Result<()> {
    let loan = Loan::make(b, seat, &[Command::Clock], |_| ())?.context("it can lend")?;
    let mut grantee = Process::start(|line| {
        STRANGER.be()?;
        let way = loan.take_up(Login::User)?.context("it was lent to us")?;
        line.go()?;
        line.wait()?;
        Ok([way.invoke(Command::Clock, 0), way.invoke(Command::Clock, 0)])
    })?;
    grantee.line.wait()?;
    let pause = || thread::sleep(Duration::from_millis(200));
    thread::scope(|scope| {
        let own = scope.spawn(|| seat.command(Command::Clock, OWNERS));
        pause();
        grantee.line.go()?;
        pause();
        let start = Instant::now();
        ensure!(!loan.revoke(true)?, "it is said that one runs");
        ensure!(
            start.elapsed() < Duration::from_millis(200),
            "taking back waits for the owner's own command"
        );
        let own = own.join().map_err(|_| anyhow!("a thread died"))?;
        ensure!(own.is_success(), "the owner's own command: {own}");
        Ok(())
    })?;
    let [waited, next]: [Answer; 2] = grantee.finish()?;
    ensure!(waited.is_denied(), "the command that waited: {waited}");
    ensure!(next.is_denied(), "the next command: {next}");
    Ok(())
}

/// What the grantee is doing.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// It waits for the session, in which the owner's command is.
    Waiting,
    /// Its command is in the TA.
    Inside,
    /// Neither.
    Between,
}

/// Who goes, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    OwnerCloses,
    OwnerDies,
    GranteeDies,
    BothDie,
    TaPanics,
}

/// How long the owner's command takes, in milliseconds.
const OWNERS: u32 = 700;
/// How long the grantee's would take if nobody cancelled it.
const GRANTEES: u32 = 5000;

/// False if nothing can be lent here.
fn goes(b: &Bench, phase: Phase, end: End) -> Result<bool> {
    let ta = flavour(Kind::Shared, true);
    ROOT.act()?;
    let before = Stats::open()?.memory()?;
    let mut owner = Process::start(|line| {
        OWNER.be()?;
        let seat = Seat::take(ta, Login::User)?;
        if !can_lend(b, &seat)? {
            return line.say(&None::<u64>);
        }
        allow(&seat, &[Command::Clock])?;
        let request = request(&seat, STRANGER, &[Command::Clock]);
        let number = Lender::open(&seat.tee, Login::User)?.lend(&request)?;
        line.say(&Some(number.context("lending")?))?;
        line.wait()?;
        thread::scope(|scope| {
            let busy = scope.spawn(|| match (phase, end) {
                (Phase::Waiting, End::TaPanics) => {
                    let panics = opening(Opening::Panic, OWNERS);
                    let opened = seat.tee.open_with(ta.uuid, Login::User, panics);
                    opened.map_or_else(died, |_| Err(anyhow!("the TA does not panic")))
                }
                (Phase::Waiting, End::GranteeDies) => {
                    Ok(seat.command(Command::Clock, OWNERS).values().map(drop)?)
                }
                // However that ends.
                (Phase::Waiting, _) => {
                    seat.command(Command::Clock, OWNERS);
                    Ok(())
                }
                _ => Ok(()),
            });
            line.wait()?;
            match (phase, end) {
                (_, End::OwnerCloses) => seat.tee.close(seat.session)?,
                (Phase::Between, End::TaPanics) => died(seat.command(Command::Panic, 0))?,
                _ => {}
            }
            busy.join().map_err(|_| anyhow!("a thread died"))?
        })?;
        match end {
            End::OwnerCloses => Ok(()),
            End::TaPanics => died(seat.ask()).context("the owner"),
            // The grantee comes again, and gets what it was lent.
            _ => {
                seat.works().context("the owner")?;
                line.go()?;
                line.wait()
            }
        }
    })?;
    let Some(number) = owner.line.hear::<Option<u64>>()? else {
        return Ok(false);
    };
    let mut grantee = Process::start(|line| {
        STRANGER.be()?;
        let way = Way::by(number, Login::User)?.context("it was lent to us")?;
        ensure!(way.invoke(Command::Clock, 0).is_success(), "before");
        line.go()?;
        line.wait()?;
        let inside = phase == Phase::Inside;
        let first = way.invoke(Command::Clock, if inside { GRANTEES } else { 0 });
        line.say(&first)?;
        line.wait()?;
        Ok(way.invoke(Command::Clock, 0))
    })?;
    grantee.line.wait()?;
    // Who waits or is inside is so a while after it was told to.
    let pause = || thread::sleep(Duration::from_millis(200));
    owner.line.go()?;
    pause();
    if phase != Phase::Between {
        grantee.line.go()?;
        pause();
    }
    let start = Instant::now();
    match end {
        End::OwnerCloses | End::TaPanics => owner.line.go()?,
        End::OwnerDies => owner.kill()?,
        End::GranteeDies => {
            grantee.kill()?;
            owner.line.go()?;
        }
        End::BothDie => {
            owner.kill()?;
            grantee.kill()?;
        }
    }
    match end {
        End::OwnerCloses | End::TaPanics => owner.finish::<()>()?,
        End::OwnerDies | End::BothDie => drop(owner.reap()?),
        End::GranteeDies => {
            owner.line.wait()?;
            grantee.reap()?;
            let way = let_stranger(number)?;
            ensure!(way.is_success(), "the grantee comes again: {way}");
            owner.line.go()?;
            return owner.finish::<()>().map(|()| true);
        }
    }
    if end == End::BothDie {
        grantee.reap()?;
    } else {
        if phase == Phase::Between {
            grantee.line.go()?;
        }
        let first: Answer = grantee.line.hear()?;
        grantee.line.go()?;
        let next: Answer = grantee.finish()?;
        let as_expected = match (phase, end) {
            (Phase::Inside, _) => first.is_cancelled(),
            // A dead owner's session is closed when its own command has ended, and who waited may have come first.
            (Phase::Waiting, End::OwnerDies) => first.is_success() || first.is_denied(),
            _ => first.is_denied(),
        };
        ensure!(as_expected, "the grantee is told: {first}");
        ensure!(next.is_denied(), "the grantee goes on: {next}");
    }
    ensure!(
        start.elapsed() < Duration::from_millis(u64::from(GRANTEES) - 1000),
        "the owner goes no sooner than the grantee lets it"
    );
    ROOT.act()?;
    released(&Stats::open()?, before, ta)?;
    let answer = visit(THIRD, ta, Login::User)?;
    ensure!(answer.is_success(), "the next client: {answer}");
    Ok(true)
}

/// The grantee, in a new process.
fn let_stranger(number: u64) -> Result<Answer> {
    crate::world::let_person(STRANGER, || {
        Ok(match Way::by(number, Login::User)? {
            Ok(way) => way.invoke_patiently(Command::Clock, 0),
            Err(answer) => answer,
        })
    })
}

/// It is not killed while it serves: its device would be busy until the command ends, which waits for it, on stock as well.
fn without_supplicant(b: &Bench) -> Result<Option<String>> {
    // An instance each.
    let seat = || Seat::owned(flavour(Kind::Private, true), Login::User);
    let (first, second) = (seat()?, seat()?);
    // Forked before the supplicant's guard, which is for this process alone.
    let grantee = |seat| {
        let Some(loan) = Loan::make(b, seat, &[Command::Supplicant], |_| ())? else {
            return Ok(None);
        };
        let mut grantee = Process::start(|line| {
            STRANGER.be()?;
            let way = loan.take_up(Login::User)?.context("it was lent to us")?;
            line.go()?;
            line.wait()?;
            let waited = way.invoke(Command::Supplicant, 1);
            Ok([waited, way.invoke(Command::Supplicant, 1)])
        })?;
        grantee.line.wait()?;
        anyhow::Ok(Some(grantee))
    };
    let (Some(mut victim), Some(mut other)) = (grantee(&first)?, grantee(&second)?) else {
        return Ok(None);
    };
    ROOT.act()?;
    let _guard = supplicant::Guard;
    supplicant::stop()?;
    let pause = || thread::sleep(Duration::from_millis(300));
    victim.line.go()?;
    pause();
    victim.kill()?;
    victim.reap()?;
    OWNER.act()?;
    // libutee panics a TA whose storage does not answer. That is its owner's to know, and nobody else's loss.
    let after = first.ask();
    if !after.is_success() {
        died(after)?;
    }
    second.works()?;
    other.line.go()?;
    pause();
    ROOT.act()?;
    let _keeper = supplicant::Keeper::start()?;
    let [waited, next]: [Answer; 2] = other.finish()?;
    ensure!(next.is_success(), "the grantee's next command: {next}");
    OWNER.act()?;
    let own = second.command(Command::Supplicant, 1);
    ensure!(own.is_success(), "the owner's: {own}");
    Ok(Some(format!(
        "who waited got: {waited}; the owner of the session in which one was killed: {after}"
    )))
}

/// How long before and after each use is judged by the TEE's own clock, which another TA shows.
fn to_the_millisecond(b: &Bench) -> Result<Option<String>> {
    // With a sanitizer in the core, and emulated, to begin takes a second or two.
    const LIFETIME: u64 = 4000;
    let seat = Seat::owned(flavour(Kind::Shared, true), Login::User)?;
    let watch = Watch::get()?;
    let start = watch.now()?;
    let Some(loan) = Loan::make(b, &seat, &[Command::Clock], |r| r.lifetime = LIFETIME)? else {
        return Ok(None);
    };
    // It ends in that millisecond, or as soon as it may on a system that knows no end.
    let (mut first, mut last) = (start + LIFETIME, watch.now()? + LIFETIME);
    if loan.number.is_some() {
        let lender = Lender::open(&seat.tee, Login::User)?;
        while first < last && watch.now()? < start + LIFETIME / 2 {
            let before = watch.now()?;
            let listed = lender.list()?;
            let after = watch.now()?;
            let left = listed.first().context("it is not listed")?.left;
            ensure!(left <= LIFETIME, "{left} ms are left");
            (first, last) = (first.max(before + left), last.min(after + left));
            ensure!(first <= last, "what is left does not agree with the clock");
        }
    }
    let grantee = Process::start(|_| {
        STRANGER.be()?;
        let watch = Watch::get()?;
        let way = loan.take_up(Login::User)?.context("it was lent to us")?;
        let mut uses = Vec::new();
        loop {
            let before = watch.now()?;
            let answer = way.invoke(Command::Clock, 0);
            let after = watch.now()?;
            uses.push((before, after, answer));
            if before > last + 100 {
                return Ok(uses);
            }
        }
    })?;
    let uses: Vec<(u64, u64, Answer)> = grantee.finish()?;
    let early = uses.iter().filter(|(_, after, _)| *after < first);
    let late = uses.iter().filter(|(before, ..)| *before >= last);
    let (early, late): (Vec<_>, Vec<_>) = (early.collect(), late.collect());
    ensure!(
        !early.is_empty() && !late.is_empty(),
        "{} and {} uses are too few",
        early.len(),
        late.len()
    );
    for (before, after, answer) in &early {
        ensure!(
            answer.is_success(),
            "from {before} to {after}, {} ms early: {answer}",
            first - after
        );
    }
    for (before, _, answer) in &late {
        b.attacked(*answer)
            .with_context(|| format!("{} ms late", before - last))?;
    }
    let nearest = |after: Option<u64>| after.map_or("none".into(), |ms| format!("{ms} ms"));
    let before = early.iter().map(|(_, after, _)| first - after).min();
    let behind = late.iter().map(|(before, ..)| before - last).min();
    Ok(Some(format!(
        "the end is known to {} ms; {} uses before it, the last one {} early; {} after it, the first one {} late",
        last - first,
        early.len(),
        nearest(before),
        late.len(),
        nearest(behind)
    )))
}

fn until_closed(b: &Bench) -> Result<Option<String>> {
    let seat = Seat::owned(flavour(Kind::Private, true), Login::User)?;
    if !can_lend(b, &seat)? {
        return Ok(None);
    }
    allow(&seat, &[Command::WhoAmI])?;
    let lender = Lender::open(&seat.tee, Login::User)?;
    let mut terms = request(&seat, STRANGER, &[Command::WhoAmI]);
    let plain = lender.lend(&terms)?.context("lend")?;
    terms.flags = Request::UNTIL_CLOSED;
    let number = lender.lend(&terms)?.context("lend until it is closed")?;
    // Of who may not take it up nothing is closed.
    let refused = take_up(&seat.tee, number, Login::User).err();
    let refused = refused.context("the owner takes it up")?;
    ensure!(refused.code() == Some(TEE_ERROR_ACCESS_DENIED), "{refused}");
    let seen = let_person(STRANGER, || {
        let tee = Tee::connect()?;
        let sessions = [number, number, plain].map(|n| take_up(&tee, n, Login::User));
        let [first, second, other] = sessions;
        let (first, second, other) = (first?, second?, other?);
        ask(&tee, second).identity().context("used")?;
        tee.close(first).context("close")?;
        let after = ask(&tee, second);
        let late = take_up(&tee, number, Login::User).err();
        let late = late.context("it is taken up again")?;
        tee.close(other).context("close")?;
        let again = take_up(&tee, plain, Login::User)?;
        ask(&tee, again)
            .identity()
            .context("what was lent for ever")?;
        Ok([after, late])
    })?;
    for answer in seen {
        let denied = answer.code() == Some(TEE_ERROR_ACCESS_DENIED);
        ensure!(denied, "it goes on: {answer}");
    }
    let left = lender.list()?;
    ensure!(left.len() == 1 && left[0].number == plain, "left: {left:?}");
    // One flag is known.
    terms.flags = 2;
    let unknown = lender.lend(&terms)?.err().context("another flag")?;
    let refused = unknown.code() == Some(TEE_ERROR_BAD_PARAMETERS);
    ensure!(refused, "another flag: {unknown}");
    Ok(Some(seen[0].to_string()))
}
