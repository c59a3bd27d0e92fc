// SPDX-License-Identifier: BSD-2-Clause
//! Eight grantees at once, each another user with a grant and a badge of its own.

use super::{THIRD, Way, allow, can_lend, one_of_eight, request};
use crate::bench::{Bench, Seat, flavour, released, visit};
use crate::cases::{Case, G};
use crate::stats::Stats;
use crate::world::{OWNER, Process, ROOT};
use anyhow::{Context, Result, ensure};
use client_binding_client::identity::Principal;
use client_binding_proto::probe::{Command, Kind};
use client_binding_raw::lend::Lender;
use client_binding_raw::{Answer, Login};
use std::thread;
use std::time::{Duration, Instant};

pub(in crate::cases) const CASES: &[Case] = &[
    Case::service(
        11028,
        "Eight grantees and the owner invoke at the same time, and none is taken for another",
        &[G + 6, G + 9],
        interleaved,
    )
    .bound(),
    Case::service(
        11019,
        "The owner goes while eight grantees hammer",
        &[G + 7, G + 8],
        released_under_hammers,
    )
    .bound(),
    Case::service(
        11027,
        "Eight grantees keep the owner waiting no longer than eight sessions of its own",
        &[G + 7],
        fairness,
    ),
];

/// Lends each of the eight something of a session, if that can be.
fn lend_eight(b: &Bench, seat: &Seat, commands: &[Command]) -> Result<Option<Vec<u64>>> {
    if !can_lend(b, seat)? {
        return Ok(None);
    }
    allow(seat, commands)?;
    let lender = Lender::open(&seat.tee, Login::User)?;
    let numbers = (0..8).map(|nth| {
        let mut request = request(seat, one_of_eight(nth), commands);
        request.badge = badge(nth);
        lender.lend(&request)?.context("lending")
    });
    numbers.collect::<Result<_>>().map(Some)
}

/// Both halves tell whose it is.
fn badge(nth: usize) -> u64 {
    let nth = nth as u64 + 1;
    nth << 40 | nth
}

fn interleaved(b: &Bench) -> Result<Option<String>> {
    let rounds = b.rounds(20, 1000);
    for kind in [Kind::Shared, Kind::Private, Kind::Single] {
        let seat = Seat::owned(flavour(kind, true), Login::User)?;
        let Some(numbers) = lend_eight(b, &seat, &[Command::Invoker])? else {
            return Ok(None);
        };
        let mut grantees = Vec::new();
        for (nth, number) in numbers.into_iter().enumerate() {
            let person = one_of_eight(nth);
            grantees.push(Process::start(move |line| {
                person.be()?;
                let way = Way::by(number, Login::User)?.context("it was lent to us")?;
                let uuid = Principal::User(person.uid).uuid().into_bytes();
                line.go()?;
                line.wait()?;
                for round in 0..rounds {
                    let answer = way.invoke_patiently(Command::Invoker, 0);
                    let (identity, badge) = invoker(answer)?;
                    ensure!(
                        (identity.uuid, badge) == (uuid, self::badge(nth)),
                        "{kind:?}, round {round}: number {nth} is taken for {identity:x?} with {badge:#x}"
                    );
                }
                Ok(())
            })?);
        }
        for grantee in &mut grantees {
            grantee.line.wait()?;
        }
        for grantee in &mut grantees {
            grantee.line.go()?;
        }
        for round in 0..rounds {
            let own = invoker(seat.command(Command::Invoker, 0))?;
            ensure!(
                own == (seat.identity, 0),
                "{kind:?}, round {round}: the owner is taken for {own:x?}"
            );
        }
        for grantee in grantees {
            grantee.finish::<()>()?;
        }
        let listed = Lender::open(&seat.tee, Login::User)?.list()?;
        let used: Vec<_> = listed.iter().map(|grant| grant.used).collect();
        ensure!(used == [rounds; 8], "{kind:?}: {used:?} uses are counted");
        seat.close()?;
    }
    Ok(Some(format!("{rounds} rounds each, three kinds of TA")))
}

fn invoker(answer: Answer) -> Result<(client_binding_proto::Identity, u64)> {
    let [.., (low, high)] = answer.values()?;
    let badge = client_binding_policy::abi::pta::pair(low, high);
    Ok((answer.identity()?, badge))
}

/// The eight at work, with commands of so many milliseconds, until they are told to end or refused. Each was served once.
fn hammering(numbers: &[u64], millis: u32) -> Result<Vec<Process>> {
    let mut grantees = Vec::new();
    for (nth, number) in numbers.iter().enumerate() {
        grantees.push(Process::start(|line| {
            one_of_eight(nth).be()?;
            let way = Way::by(*number, Login::User)?.context("it was lent to us")?;
            let first = way.invoke_patiently(Command::Clock, 0);
            ensure!(first.is_success(), "before: {first}");
            line.go()?;
            loop {
                let answer = way.invoke_patiently(Command::Clock, millis);
                if !answer.is_success() {
                    return Ok(Some([answer, way.invoke_patiently(Command::Clock, 0)]));
                } else if line.called()? {
                    return Ok(None);
                }
            }
        })?);
    }
    for grantee in &mut grantees {
        grantee.line.wait()?;
    }
    Ok(grantees)
}

fn released_under_hammers(b: &Bench) -> Result<Option<String>> {
    let ta = flavour(Kind::Shared, true);
    let mut seen = Vec::new();
    for killed in [false, true] {
        ROOT.act()?;
        let before = Stats::open()?.memory()?;
        let mut owner = Process::start(|line| {
            OWNER.be()?;
            let seat = Seat::take(ta, Login::User)?;
            line.say(&lend_eight(b, &seat, &[Command::Clock])?)?;
            line.wait()?;
            seat.close()
        })?;
        let Some(numbers) = owner.line.hear::<Option<Vec<u64>>>()? else {
            return Ok(None);
        };
        let grantees = hammering(&numbers, 100)?;
        thread::sleep(Duration::from_millis(500));
        let start = Instant::now();
        if killed {
            owner.kill()?;
            owner.reap()?;
        } else {
            owner.line.go()?;
            owner.finish::<()>()?;
        }
        // One told that its command was cancelled was inside; whatever comes then is refused.
        for grantee in grantees {
            let last: Option<[Answer; 2]> = grantee.finish()?;
            let told = last.is_some_and(|[first, next]| {
                (first.is_denied() || first.is_cancelled()) && next.is_denied()
            });
            ensure!(told, "a grantee was told {last:?}");
        }
        released(&Stats::open()?, before, ta)?;
        let took = start.elapsed();
        ensure!(took < Duration::from_secs(10), "it took {took:?}");
        let answer = visit(THIRD, ta, Login::User)?;
        ensure!(answer.is_success(), "the next client: {answer}");
        seen.push(took.as_millis());
    }
    Ok(Some(format!(
        "all over {} ms after the close, {} ms after the kill",
        seen[0], seen[1]
    )))
}

fn fairness(b: &Bench) -> Result<Option<String>> {
    const MILLIS: u32 = 10;
    let ta = flavour(Kind::Shared, true);
    let seat = Seat::owned(ta, Login::User)?;
    let mut sessions = Vec::new();
    for _ in 0..8 {
        sessions.push(Process::start(|line| {
            OWNER.be()?;
            let seat = Seat::take(ta, Login::User)?;
            line.go()?;
            while !line.called()? {
                seat.command(Command::Clock, MILLIS).values()?;
            }
            seat.close()
        })?);
    }
    for session in &mut sessions {
        session.line.wait()?;
    }
    let ordinary = owners_wait(&seat)?;
    for mut session in sessions {
        session.line.go()?;
        session.finish::<()>()?;
    }
    let ordinary_seen = format!(
        "the owner waits {} ms for eight sessions",
        ordinary.as_millis()
    );
    let Some(numbers) = lend_eight(b, &seat, &[Command::Clock])? else {
        return Ok(Some(ordinary_seen));
    };
    let grantees = hammering(&numbers, MILLIS)?;
    let delegated = owners_wait(&seat)?;
    for mut grantee in grantees {
        grantee.line.go()?;
        let last: Option<[Answer; 2]> = grantee.finish()?;
        ensure!(last.is_none(), "a grantee was told {last:?}");
    }
    let seen = format!(
        "{ordinary_seen}, {} ms for eight grantees",
        delegated.as_millis()
    );
    // A machine that emulates another one has moods.
    ensure!(
        delegated <= 2 * ordinary + Duration::from_millis(100),
        "{seen}"
    );
    Ok(Some(seen))
}

/// For a command that takes no time, on the average.
fn owners_wait(seat: &Seat) -> Result<Duration> {
    const COMMANDS: u32 = 6;
    let start = Instant::now();
    for _ in 0..COMMANDS {
        seat.works()?;
    }
    Ok(start.elapsed() / COMMANDS)
}
