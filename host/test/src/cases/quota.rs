// SPDX-License-Identifier: BSD-2-Clause
//! How many sessions a client may have, where the core has a limit for that.

use super::Case;
use super::neighbours::through;
use super::operator::{open_pta, uuid};
use crate::bench::{Bench, Seat, flavour, opening};
use crate::world::{CLIENTS, OWNER, Process, ROOT, STRANGER, let_person};
use anyhow::{Context, Result, bail, ensure};
use client_binding_policy::Refusal;
use client_binding_policy::abi::{self, Operation};
use client_binding_proto::probe::{Command, Kind, Opening};
use client_binding_proto::{STATS, TaUuid};
use client_binding_raw::code::TEE_ERROR_BUSY;
use client_binding_raw::{Answer, Login, Session, Tee};
use std::time::{Duration, Instant};

/// Whoever gets that many has no limit.
const MOST: usize = 20;

pub(super) const CASES: &[Case] = &[
    Case::service(
        10101,
        "A client gets as many sessions as it may have, over all TAs",
        &[19],
        over_all_tas,
    ),
    Case::service(
        10102,
        "Everybody who is nobody shares one limit",
        &[7, 19],
        nobody,
    ),
    Case::service(10103, "A TA has no limit", &[9, 19], tas),
    Case::service(
        10104,
        "Failed opens and panics take nothing of the limit",
        &[6, 18, 19],
        failures,
    ),
    Case::service(
        10105,
        "Clients that are killed give back what they had",
        &[11, 19],
        killed,
    ),
    Case::service(
        10106,
        "Many open at once: as many as may get in",
        &[14, 19],
        race,
    ),
];

/// Opens sessions with those TAs in turn until that is too much.
fn fill(tee: &Tee, tas: &[TaUuid], login: Login) -> Result<Vec<Session>> {
    let mut sessions = Vec::new();
    for &ta in tas.iter().cycle().take(MOST) {
        match tee.open(ta, login) {
            Ok(session) => sessions.push(session),
            Err(answer) => {
                is_too_much(answer)?;
                return Ok(sessions);
            }
        }
    }
    bail!("nobody counts the sessions of {login:?}")
}

fn is_too_much(answer: Answer) -> Result<()> {
    let refused = matches!(
        answer,
        Answer::Tee {
            ret: TEE_ERROR_BUSY,
            origin: 3,
            ..
        }
    );
    ensure!(refused, "{answer} instead of busy, by the TEE");
    Ok(())
}

/// As many as that client may have now, given back at once.
fn room(tee: &Tee, ta: TaUuid, login: Login) -> Result<usize> {
    let sessions = fill(tee, &[ta], login)?;
    let count = sessions.len();
    for session in sessions {
        tee.close(session)?;
    }
    Ok(count)
}

/// The limit, if the core is said to have one. Becomes the owner.
fn limit(bench: &Bench) -> Result<Option<usize>> {
    OWNER.act()?;
    let limit = bench.max_sessions;
    if limit == 0 {
        return Ok(None);
    }
    let seen = room(&Tee::connect()?, STATS, Login::User)?;
    ensure!(seen == limit, "{seen} sessions instead of {limit}");
    Ok(Some(limit))
}

fn over_all_tas(bench: &Bench) -> Result<Option<String>> {
    let Some(limit) = limit(bench)? else {
        return Ok(None);
    };
    let Some(pta) = open_pta(bench)? else {
        return Ok(None);
    };
    let known = pta.counters()?.refusals;
    OWNER.act()?;
    let [shared, private] = [Kind::Shared, Kind::Private].map(|kind| flavour(kind, false).uuid);
    let tee = Tee::connect()?;
    let sessions = fill(&tee, &[shared, private, STATS], Login::User)?;
    ensure!(sessions.len() == limit, "{} sessions", sessions.len());
    // Over another descriptor, too; not for others, nor for another login of the same user.
    let other = Tee::connect()?;
    is_too_much(other.open(private, Login::User).err().context("one more")?)?;
    ensure!(
        room(&other, shared, Login::Group(CLIENTS))? == limit,
        "by group"
    );
    let strangers = let_person(STRANGER, || room(&Tee::connect()?, shared, Login::User))?;
    ensure!(strangers == limit, "a stranger gets {strangers}");
    // What is given back can be had again, and not more.
    for session in sessions {
        tee.close(session)?;
        let again = other.open(private, Login::User)?;
        is_too_much(other.open(shared, Login::User).err().context("one more")?)?;
        other.close(again)?;
        tee.open(STATS, Login::User)?;
    }
    ROOT.act()?;
    let (denials, _) = pta.denials(known)?;
    let told = denials.iter().any(|denial| {
        denial.operation == Operation::Open as u32
            && denial.refusal == Refusal::QuotaReached as u32
            && denial.ta == uuid(private)
            && denial.claim == abi::Login::USER
    });
    ensure!(told, "the operator is not told: {denials:?}");
    Ok(Some(format!("{limit} sessions")))
}

fn nobody(bench: &Bench) -> Result<Option<String>> {
    let Some(limit) = limit(bench)? else {
        return Ok(None);
    };
    let ta = flavour(Kind::Shared, false).uuid;
    let tee = Tee::connect()?;
    // The kernel may have some.
    let sessions = fill(&tee, &[ta], Login::Public)?;
    ensure!(sessions.len() <= limit, "{} of {limit}", sessions.len());
    for person in [STRANGER, ROOT] {
        let answer = let_person(person, || Ok(Tee::connect()?.open(ta, Login::Public).err()))?;
        is_too_much(answer.context("another user")?)?;
    }
    ensure!(room(&tee, ta, Login::User)? == limit, "the user itself");
    Ok(Some(format!("{} sessions for all", sessions.len())))
}

fn tas(bench: &Bench) -> Result<Option<String>> {
    let Some(limit) = limit(bench)? else {
        return Ok(None);
    };
    // Two users, each with an instance of the TA that has more sessions than a client may have.
    let held = |person: crate::world::Person| {
        person.act()?;
        let seat = Seat::take(flavour(Kind::Private, false), Login::User)?;
        for nth in 0..=limit {
            let (answer, _) = through(&seat, Command::Hold, flavour(Kind::Shared, false).uuid)?;
            ensure!(
                answer.is_success(),
                "a TA gets {answer} after {nth} sessions"
            );
        }
        anyhow::Ok(seat)
    };
    for (person, seat) in [(OWNER, held(OWNER)?), (STRANGER, held(STRANGER)?)] {
        person.act()?;
        seat.command(Command::Drop, 0).values()?;
        seat.close()?;
    }
    Ok(Some(format!("{} sessions of a TA", 2 * (limit + 1))))
}

fn failures(bench: &Bench) -> Result<Option<String>> {
    let Some(limit) = limit(bench)? else {
        return Ok(None);
    };
    let tee = Tee::connect()?;
    let ta = flavour(Kind::Shared, false).uuid;
    for _ in 0..2 * limit {
        for how in [Opening::Refuse, Opening::Panic] {
            ensure!(
                tee.open_with(ta, Login::User, opening(how, 0)).is_err(),
                "{how:?}"
            );
        }
        let absent = TaUuid {
            octets: [7; 16],
            ..ta
        };
        let answer = tee.open(absent, Login::User).err().context("no such TA")?;
        ensure!(answer.code() != Some(TEE_ERROR_BUSY), "{answer}");
    }
    ensure!(room(&tee, ta, Login::User)? == limit, "after failed opens");
    // Sessions with a TA that has panicked are there until they are closed.
    let seat = Seat::take(flavour(Kind::Shared, false), Login::User)?;
    let sessions = fill(&seat.tee, &[ta], Login::User)?;
    crate::bench::died(seat.command(Command::Panic, 0))?;
    is_too_much(tee.open(STATS, Login::User).err().context("one more")?)?;
    for session in sessions {
        seat.tee.close(session)?;
    }
    ensure!(
        room(&tee, ta, Login::User)? == limit - 1,
        "one of the dead TA's is left"
    );
    seat.close()?;
    ensure!(room(&tee, ta, Login::User)? == limit, "after a panic");
    Ok(Some(format!(
        "{limit} sessions, after {} failed opens",
        6 * limit
    )))
}

fn killed(bench: &Bench) -> Result<Option<String>> {
    let Some(limit) = limit(bench)? else {
        return Ok(None);
    };
    let ta = flavour(Kind::Shared, false).uuid;
    let tee = Tee::connect()?;
    // Keeps the TA loaded, and takes one.
    let _seat = tee.open(ta, Login::User)?;
    let rounds = bench.rounds(5, 200);
    for round in 0..rounds {
        ROOT.act()?;
        let mut victim = Process::start(|line| -> Result<()> {
            OWNER.be()?;
            let tee = Tee::connect()?;
            line.go()?;
            loop {
                for session in fill(&tee, &[ta], Login::User)? {
                    tee.close(session)?;
                }
            }
        })?;
        victim.line.wait()?;
        let moment = bench.random().u64(0..100_000);
        std::thread::sleep(Duration::from_micros(moment));
        victim.kill()?;
        victim.reap()?;
        OWNER.act()?;
        // The last of its sessions may end a little later.
        let start = Instant::now();
        while room(&tee, ta, Login::User)? != limit - 1 {
            ensure!(
                start.elapsed() < Duration::from_secs(5),
                "round {round}, killed after {moment} us"
            );
        }
    }
    Ok(Some(format!("{rounds} clients killed")))
}

fn race(bench: &Bench) -> Result<Option<String>> {
    let Some(limit) = limit(bench)? else {
        return Ok(None);
    };
    let rounds = bench.rounds(10, 500);
    let mut most = 0;
    for round in 0..rounds {
        ROOT.act()?;
        let mut clients = Vec::new();
        for nth in 0..2 * limit {
            let ta = flavour([Kind::Shared, Kind::Private][nth % 2], false).uuid;
            clients.push(Process::start(move |line| {
                OWNER.be()?;
                let tee = Tee::connect()?;
                line.go()?;
                line.wait()?;
                let opened = tee.open(ta, Login::User);
                line.say(&opened.err())?;
                line.wait()
            })?);
        }
        for client in &mut clients {
            client.line.wait()?;
        }
        for client in &mut clients {
            client.line.go()?;
        }
        let mut got = 0;
        for client in &mut clients {
            match client.line.hear::<Option<Answer>>()? {
                None => got += 1,
                Some(answer) => is_too_much(answer)?,
            }
        }
        // None of them had to give way to one that was refused in the end.
        ensure!(got == limit, "round {round}: {got} of {limit} got in");
        most = most.max(got);
        for mut client in clients {
            client.line.go()?;
            client.finish::<()>()?;
        }
    }
    Ok(Some(format!(
        "{rounds} rounds, {most} of {} each",
        2 * limit
    )))
}
