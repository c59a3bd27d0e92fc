// SPDX-License-Identifier: BSD-2-Clause
//! What is lent, and what is not. Where nothing can be lent all that can be passed on is the descriptor, and everything is reached: that is each
//! attack's control.

pub(super) mod crowd;
pub(super) mod deputy;
pub(super) mod ends;
pub(super) mod reach;

use super::{Case, G};
use crate::bench::{Bench, Seat, flavour, until};
use crate::world::{CLIENTS, OWNER, Person, Process, ROOT, STRANGER, let_person};
use anyhow::{Context, Result, anyhow, ensure};
use client_binding_client::identity::Principal;
use client_binding_policy::abi;
use client_binding_policy::abi::delegation::{FOREVER, Listed, Request, UNLIMITED};
use client_binding_proto::probe::{Command, Flavour, Kind};
use client_binding_proto::{GRANT, LEND, Param as ParamKind};
use client_binding_raw::code::{
    TEE_ERROR_ACCESS_CONFLICT, TEE_ERROR_ACCESS_DENIED, TEE_ERROR_BAD_PARAMETERS, TEE_ERROR_BUSY,
    TEE_ERROR_CANCEL,
};
use client_binding_raw::lend::{Lender, take_up};
use client_binding_raw::sys::Params;
use client_binding_raw::{Answer, Login, Session, Tee};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Somebody else again.
const THIRD: Person = Person {
    uid: 1002,
    groups: &[1002],
};

/// What it is, what it is answered with, and how it is made.
type Mistake = (&'static str, u32, fn(&mut Request));

pub(super) const CASES: &[Case] = &[
    Case::service(
        11001,
        "A grantee is served what it was lent, as itself",
        &[G + 1, G + 2, G + 6, G + 9],
        |b| {
            for kind in [Kind::Shared, Kind::Private, Kind::Single] {
                let seat = Seat::owned(flavour(kind, true), Login::User)?;
                let commands = [Command::WhoAmI, Command::Invoker];
                let Some(loan) =
                    Loan::make(b, &seat, &commands, |r| r.badge = 0xbad9_e000_0000_0007)?
                else {
                    return Ok(None);
                };
                let client = loan.used(STRANGER, Command::WhoAmI, 0)?.identity()?;
                ensure!(client == seat.identity, "the session is {client:x?}'s");
                if loan.number.is_some() {
                    let answer = loan.used(STRANGER, Command::Invoker, 0)?;
                    let [.., badge] = answer.values()?;
                    let expected = Principal::User(STRANGER.uid).uuid().into_bytes();
                    ensure!(
                        answer.identity()?.uuid == expected,
                        "invoked by {answer:x?}"
                    );
                    ensure!(badge == (7, 0xbad9_e000), "the badge is {badge:x?}");
                    let own = seat.command(Command::Invoker, 0);
                    ensure!(
                        own.identity()? == seat.identity && own.values()?[3] == (0, 0),
                        "the owner: {own:x?}"
                    );
                }
                seat.works()?;
                seat.close()?;
            }
            Ok(Some("three kinds of TA".into()))
        },
    )
    .bound(),
    Case::refusal(
        11002,
        "A grantee invokes what it was not lent",
        &[G + 4],
        |b| {
            let seat = Seat::owned(flavour(Kind::Shared, true), Login::User)?;
            let Some(loan) = Loan::make(b, &seat, &[Command::WhoAmI], |_| ())? else {
                return Ok(None);
            };
            let before = seat.status()?;
            let answer = loan.used(STRANGER, Command::Status, 0)?;
            b.attacked(answer)?;
            let entered = seat.status()?.invokes - before.invokes - 1;
            ensure!(
                entered == u32::from(!b.verifies()),
                "entered {entered} times"
            );
            Ok(Some(answer.to_string()))
        },
    )
    .bound(),
    Case::refusal(
        11003,
        "A third client uses the number of somebody else's grant",
        &[G + 3],
        |b| {
            let seat = Seat::owned(flavour(Kind::Shared, true), Login::User)?;
            let Some(loan) = Loan::make(b, &seat, &[Command::WhoAmI], |_| ())? else {
                return Ok(None);
            };
            let mut seen = String::new();
            for person in [THIRD, ROOT, OWNER] {
                let answer = loan.used(person, Command::WhoAmI, 0)?;
                // The owner's own descriptor is the owner's, on stock.
                b.attacked(answer)?;
                seen = answer.to_string();
            }
            // The same user by another login method.
            let by_group =
                loan.used_by(STRANGER, Login::Group(STRANGER.uid), Command::WhoAmI, 0)?;
            b.attacked(by_group)?;
            ensure!(
                loan.used(STRANGER, Command::WhoAmI, 0)?.is_success(),
                "the grantee"
            );
            Ok(Some(seen))
        },
    )
    .bound(),
    Case::refusal(
        11004,
        "A grantee uses the owner's own descriptor",
        &[G + 5],
        |b| {
            let seat = Seat::owned(flavour(Kind::Shared, true), Login::User)?;
            let Some(_loan) = Loan::make(b, &seat, &[Command::WhoAmI], |_| ())? else {
                return Ok(None);
            };
            let answer = let_person(STRANGER, || Ok(seat.ask()))?;
            b.attacked_session(&seat, answer).map(Some)
        },
    )
    .bound(),
    Case::refusal(
        11005,
        "A grantee becomes somebody else after it took up its grant",
        &[G + 6],
        |b| {
            let seat = Seat::owned(flavour(Kind::Shared, true), Login::User)?;
            let Some(loan) = Loan::make(b, &seat, &[Command::WhoAmI], |_| ())? else {
                return Ok(None);
            };
            let answer = Process::start(|_| {
                STRANGER.act()?;
                let way = loan.take_up(Login::User)?.context("it was lent to us")?;
                ensure!(
                    way.invoke(Command::WhoAmI, 0).is_success(),
                    "as the grantee"
                );
                THIRD.act()?;
                Ok(way.invoke(Command::WhoAmI, 0))
            })?
            .finish()?;
            b.attacked(answer)?;
            Ok(Some(answer.to_string()))
        },
    )
    .bound(),
    Case::refusal(
        11006,
        "A grantee goes on when its time is over",
        &[G + 4],
        |b| {
            let seat = Seat::owned(flavour(Kind::Shared, true), Login::User)?;
            let start = Instant::now();
            let Some(loan) = Loan::make(b, &seat, &[Command::WhoAmI], |r| r.lifetime = 2000)?
            else {
                return Ok(None);
            };
            let (in_time, too_late) = Process::start(|_| {
                STRANGER.be()?;
                let way = loan.take_up(Login::User)?.context("it was lent to us")?;
                let in_time = way.invoke(Command::WhoAmI, 0);
                let early = start.elapsed() < Duration::from_millis(1900);
                thread::sleep(Duration::from_millis(2500).saturating_sub(start.elapsed()));
                Ok((early.then_some(in_time), way.invoke(Command::WhoAmI, 0)))
            })?
            .finish::<(Option<Answer>, Answer)>()?;
            if let Some(in_time) = in_time {
                ensure!(in_time.is_success(), "in time: {in_time}");
            }
            b.attacked(too_late)?;
            Ok(Some(too_late.to_string()))
        },
    )
    .bound(),
    Case::refusal(
        11007,
        "Eight threads use a grant more often than it allows, whether the TA fails or not",
        &[G + 4, G + 7],
        |b| {
            const USES: u32 = 20;
            let seat = Seat::owned(flavour(Kind::Shared, true), Login::User)?;
            // Nothing is held, and the TA says so: to fail is a use as well.
            for command in [Command::WhoAmI, Command::AskHeld] {
                let Some(loan) = Loan::make(b, &seat, &[command], |r| r.uses = USES)? else {
                    return Ok(None);
                };
                let before = seat.status()?;
                let served: u32 = let_person(STRANGER, || {
                    let way = loan.take_up(Login::User)?.context("it was lent to us")?;
                    let served = AtomicU32::new(0);
                    thread::scope(|scope| {
                        for _ in 0..8 {
                            scope.spawn(|| {
                                for _ in 0..10 {
                                    if !way.invoke_patiently(command, 0).is_denied() {
                                        served.fetch_add(1, Ordering::Relaxed);
                                    }
                                }
                            });
                        }
                    });
                    Ok(served.into_inner())
                })?;
                let entered = seat.status()?.invokes - before.invokes - 1;
                let expected = if b.verifies() { USES } else { 80 };
                ensure!(
                    (served, entered) == (expected, expected),
                    "{command:?}: served {served}, entered {entered}"
                );
            }
            Ok(Some("20 of 80 where it is counted".into()))
        },
    )
    .bound(),
    Case::refusal(
        11008,
        "A grantee goes on when its grant was taken back",
        &[G + 8],
        |b| {
            let seat = Seat::owned(flavour(Kind::Shared, true), Login::User)?;
            let Some(loan) = Loan::make(b, &seat, &[Command::WhoAmI], |_| ())? else {
                return Ok(None);
            };
            let grantee = loan.at_work()?;
            loan.revoke(false)?;
            let answer = goes_on(grantee)?;
            b.attacked(answer)?;
            Ok(Some(answer.to_string()))
        },
    )
    .bound(),
    Case::refusal(
        11009,
        "A grantee goes on when the owner is gone",
        &[G + 8],
        |b| {
            // On stock the grantee's copy of the descriptor keeps it all alive: until its process ends, nothing is closed.
            let seat = Seat::owned(flavour(Kind::Shared, true), Login::User)?;
            let Some(loan) = Loan::make(b, &seat, &[Command::WhoAmI], |_| ())? else {
                return Ok(None);
            };
            let grantee = loan.at_work()?;
            let number = loan.number;
            if b.verifies() {
                seat.close()?;
            } else {
                drop(seat);
            }
            let answer = goes_on(grantee)?;
            b.attacked(answer)?;
            // Nor does a session that comes after it bring it back.
            if let Some(number) = number {
                let seat = Seat::owned(flavour(Kind::Shared, true), Login::User)?;
                let way = let_person(STRANGER, || {
                    let tee = Tee::connect()?;
                    Ok(take_up(&tee, number, Login::User).err())
                })?;
                let denied = way.is_some_and(Answer::is_denied);
                ensure!(denied, "after the owner came again: {way:?}");
                seat.works()?;
            }
            Ok(Some(answer.to_string()))
        },
    )
    .bound(),
    Case::service(
        11010,
        "What is lent to nobody, or means nothing, is a clear error",
        &[G + 1, G + 3, G + 4],
        |b| {
            let seat = Seat::owned(flavour(Kind::Shared, true), Login::User)?;
            if !can_lend(b, &seat)? {
                return Ok(None);
            }
            allow(&seat, &[Command::WhoAmI])?;
            let lender = Lender::open(&seat.tee, Login::User)?;
            let good = request(&seat, STRANGER, &[Command::WhoAmI]);
            let ways: [Mistake; 12] = [
                ("to PUBLIC", TEE_ERROR_BAD_PARAMETERS, |r| r.login = 0),
                ("to the kernel", TEE_ERROR_BAD_PARAMETERS, |r| {
                    r.login = 0x8000_0000
                }),
                ("to no method", TEE_ERROR_BAD_PARAMETERS, |r| r.login = 3),
                ("to nil", TEE_ERROR_BAD_PARAMETERS, |r| {
                    r.grantee = abi::ClientUuid::NIL
                }),
                ("no command", TEE_ERROR_BAD_PARAMETERS, |r| r.count = 0),
                ("too many commands", TEE_ERROR_BAD_PARAMETERS, |r| {
                    r.count = 9
                }),
                ("no use", TEE_ERROR_BAD_PARAMETERS, |r| r.uses = 0),
                ("no time", TEE_ERROR_BAD_PARAMETERS, |r| r.lifetime = 0),
                ("beyond the clock", TEE_ERROR_BAD_PARAMETERS, |r| {
                    r.lifetime = FOREVER - 1
                }),
                ("deeper than may be", TEE_ERROR_BAD_PARAMETERS, |r| {
                    r.depth = 4
                }),
                (
                    "what the TA does not allow",
                    TEE_ERROR_ACCESS_CONFLICT,
                    |r| r.commands[0] = Command::Status as u32,
                ),
                ("another session", TEE_ERROR_ACCESS_DENIED, |r| {
                    r.session ^= 0x4000_0000
                }),
            ];
            for (what, code, change) in ways {
                let mut bad = good;
                change(&mut bad);
                let answer = lender.lend(&bad)?;
                ensure!(
                    answer.map_err(Answer::code) == Err(Some(code)),
                    "{what}: {answer:?}"
                );
            }
            for size in [1, Request::SIZE - 1, Request::SIZE + 1] {
                let mut octets = good.to_octets().to_vec();
                octets.resize(size, 0);
                let answer = lender.lend_octets(&octets)?;
                ensure!(
                    answer.map_err(Answer::code) == Err(Some(TEE_ERROR_BAD_PARAMETERS)),
                    "{size} octets: {answer:?}"
                );
            }
            let listed = lender.list()?;
            ensure!(listed.is_empty(), "something was lent: {listed:?}");
            ensure!(lender.lend(&good)?.is_ok(), "what is good");
            Ok(Some(format!("{} errors", ways.len() + 3)))
        },
    )
    .bound(),
    Case::refusal(11011, "Somebody lends what is the owner's", &[G + 2], |b| {
        let seat = Seat::owned(flavour(Kind::Shared, true), Login::User)?;
        if !b.verifies() {
            // There is nothing between the descriptor and whoever has it.
            let answer = let_person(STRANGER, || Ok(seat.ask()))?;
            b.attacked(answer)?;
            return Ok(Some(answer.to_string()));
        }
        if !can_lend(b, &seat)? {
            return Ok(None);
        }
        allow(&seat, &[Command::WhoAmI])?;
        let request = request(&seat, STRANGER, &[Command::WhoAmI]);
        let answers: Vec<Option<u32>> = let_person(STRANGER, || {
            let own = Tee::connect()?;
            let mut answers = Vec::new();
            for tee in [&own, &seat.tee] {
                let lender = Lender::open(tee, Login::User)?;
                answers.push(lender.lend(&request)?.err().and_then(Answer::code));
            }
            Ok(answers)
        })?;
        ensure!(
            answers
                .iter()
                .all(|code| *code == Some(TEE_ERROR_ACCESS_DENIED)),
            "{answers:x?}"
        );
        // Nor does the owner by another login method, or through a session that somebody else uses.
        let by_group = Lender::open(&seat.tee, Login::Group(CLIENTS))?.lend(&request)?;
        ensure!(
            by_group.map_err(Answer::code) == Err(Some(TEE_ERROR_ACCESS_DENIED)),
            "as a group: {by_group:?}"
        );
        Ok(Some("access denied".into()))
    })
    .bound(),
    Case::service(
        11012,
        "What is passed on is less, and ends with what it came from",
        &[G + 5, G + 8],
        |b| {
            let seat = Seat::owned(flavour(Kind::Shared, true), Login::User)?;
            let commands = [Command::WhoAmI, Command::Status];
            let Some(loan) = Loan::make(b, &seat, &commands, |r| (r.depth, r.uses) = (1, 5))?
            else {
                return Ok(None);
            };
            let Some(number) = loan.number else {
                return Ok(None);
            };
            let good = Request {
                parent: number,
                session: 0,
                uses: 2,
                depth: 0,
                ..request(&seat, THIRD, &[Command::WhoAmI])
            };
            let child: u64 = let_person(STRANGER, || {
                let tee = Tee::connect()?;
                let lender = Lender::open(&tee, Login::User)?;
                let more: [fn(&mut Request); 4] = [
                    |r| r.uses = 6,
                    |r| r.uses = UNLIMITED,
                    |r| r.depth = 1,
                    |r| r.commands[0] = Command::Invoker as u32,
                ];
                for change in more {
                    let mut bad = good;
                    change(&mut bad);
                    let answer = lender.lend(&bad)?;
                    ensure!(
                        answer.map_err(Answer::code) == Err(Some(TEE_ERROR_ACCESS_CONFLICT)),
                        "{bad:?}: {answer:?}"
                    );
                }
                lender
                    .lend(&good)?
                    .map_err(|answer| anyhow!("passing on: {answer}"))
            })?;
            let passed = Loan {
                number: Some(child),
                ..loan
            };
            ensure!(
                passed.used(THIRD, Command::WhoAmI, 0)?.is_success(),
                "passed on"
            );
            ensure!(
                passed.used(THIRD, Command::Status, 0)?.is_denied(),
                "more than that"
            );
            // Whoever has it on loan twice removed may not lend it.
            let further = Request {
                parent: child,
                ..request(&seat, OWNER, &[Command::WhoAmI])
            };
            let further = Request {
                session: 0,
                ..further
            };
            let refused = let_person(THIRD, || {
                let tee = Tee::connect()?;
                let answer = Lender::open(&tee, Login::User)?.lend(&further)?;
                Ok(answer.err())
            })?;
            ensure!(
                refused.and_then(Answer::code) == Some(TEE_ERROR_ACCESS_CONFLICT),
                "further: {refused:?}"
            );
            let listed = Lender::open(&seat.tee, Login::User)?.list()?;
            let used: Vec<_> = listed
                .iter()
                .map(|grant| (grant.used, grant.uses))
                .collect();
            ensure!(used == [(1, 4), (1, 1)], "{used:?}");
            Lender::open(&seat.tee, Login::User)?.revoke(number, false)?;
            ensure!(
                passed.used(THIRD, Command::WhoAmI, 0)?.is_denied(),
                "after its parent"
            );
            Ok(Some("passed on once".into()))
        },
    )
    .bound(),
    Case::service(
        11013,
        "A TA panics in a grantee's command: it is told, and nothing is lent any more",
        &[G + 8, G + 10],
        |b| {
            let seat = Seat::owned(flavour(Kind::Shared, true), Login::User)?;
            let commands = [Command::WhoAmI, Command::Panic];
            let Some(loan) = Loan::make(b, &seat, &commands, |_| ())? else {
                return Ok(None);
            };
            if loan.number.is_none() {
                return Ok(None);
            }
            crate::bench::died(loan.used(STRANGER, Command::Panic, 0)?)?;
            for command in commands {
                let answer = loan.used(STRANGER, command, 0)?;
                ensure!(answer.is_denied(), "{command:?} afterwards: {answer}");
            }
            let lender = Lender::open(&seat.tee, Login::User)?;
            ensure!(lender.list()?.is_empty(), "something is lent still");
            let again = lender.lend(&request(&seat, STRANGER, &commands))?;
            let denied = again.map_err(Answer::code) == Err(Some(TEE_ERROR_ACCESS_DENIED));
            ensure!(denied, "the dead session is lent: {again:?}");
            crate::bench::died(seat.ask())?;
            seat.close()?;
            let seat = Seat::owned(flavour(Kind::Shared, true), Login::User)?;
            let loan = Loan::make(b, &seat, &[Command::WhoAmI], |_| ())?;
            let loan = loan.context("the next instance")?;
            ensure!(
                loan.used(STRANGER, Command::WhoAmI, 0)?.is_success(),
                "the next instance"
            );
            Ok(Some("told once, denied twice".into()))
        },
    )
    .bound(),
    Case::refusal(
        11016,
        "A grantee cancels the owner's command",
        &[G + 8],
        |b| {
            let seat = Seat::owned(flavour(Kind::Shared, true), Login::User)?;
            let Some(loan) = Loan::make(b, &seat, &[Command::WhoAmI], |_| ())? else {
                return Ok(None);
            };
            // Before there are threads, of which a child has none.
            let mut grantee = Process::start(|line| {
                STRANGER.be()?;
                let way = loan.take_up(Login::User)?.context("it was lent to us")?;
                line.wait()?;
                for _ in 0..20 {
                    way.tee.cancel(way.session)?;
                    thread::sleep(Duration::from_millis(50));
                }
                Ok(())
            })?;
            let answer = thread::scope(|scope| -> Result<Answer> {
                let waits = scope.spawn(|| seat.command(Command::Wait, 1500));
                thread::sleep(Duration::from_millis(100));
                grantee.line.go()?;
                waits.join().map_err(|_| anyhow!("a thread died"))
            })?;
            grantee.finish::<()>()?;
            if b.verifies() {
                ensure!(answer.is_success(), "the owner's command: {answer}");
            } else {
                ensure!(
                    answer.code() == Some(TEE_ERROR_CANCEL),
                    "the attack fails by itself: {answer}"
                );
            }
            Ok(Some(answer.to_string()))
        },
    )
    .bound(),
    Case::service(
        11017,
        "Whatever the reason, a grantee is told the same",
        &[G + 6, G + 10],
        |b| {
            let seat = Seat::owned(flavour(Kind::Shared, true), Login::User)?;
            let Some(loan) = Loan::make(b, &seat, &[Command::WhoAmI], |r| r.uses = 1)? else {
                return Ok(None);
            };
            let Some(number) = loan.number else {
                return Ok(None);
            };
            let spent = loan.used(STRANGER, Command::WhoAmI, 0)?;
            ensure!(spent.is_success(), "the one use: {spent}");
            let answers: Vec<Option<Answer>> = let_person(STRANGER, || {
                let tee = Tee::connect()?;
                let numbers = [
                    0,
                    1,
                    number,
                    number + 1,
                    number + 256,
                    number ^ (1 << 40),
                    u64::MAX,
                ];
                let mut answers: Vec<_> = numbers
                    .map(|number| take_up(&tee, number, Login::User).err())
                    .into();
                answers.push(tee.open(GRANT, Login::User).err());
                Ok(answers)
            })?;
            let denied = answers
                .iter()
                .all(|answer| answer.is_some_and(Answer::is_denied));
            ensure!(denied, "{answers:x?}");
            Ok(Some(format!("{} times", answers.len())))
        },
    )
    .bound(),
    Case::service(
        11018,
        "One grantee waits for the session, the others are told that it is busy",
        &[G + 7],
        |b| {
            let seat = Seat::owned(flavour(Kind::Shared, true), Login::User)?;
            let Some(loan) = Loan::make(b, &seat, &[Command::WhoAmI], |_| ())? else {
                return Ok(None);
            };
            if loan.number.is_none() {
                return Ok(None);
            }
            let mut grantee = Process::start(|line| {
                STRANGER.be()?;
                let mut ways = Vec::new();
                for _ in 0..3 {
                    ways.push(loan.take_up(Login::User)?.context("it was lent to us")?);
                }
                line.wait()?;
                let answers: Vec<Answer> = thread::scope(|scope| {
                    let calls: Vec<_> = ways
                        .iter()
                        .map(|way| scope.spawn(|| way.invoke(Command::WhoAmI, 0)))
                        .collect();
                    let answers = calls.into_iter().map(|call| call.join());
                    answers.collect::<Result<_, _>>()
                })
                .map_err(|_| anyhow!("a thread died"))?;
                Ok(answers)
            })?;
            thread::scope(|scope| -> Result<()> {
                let waits = scope.spawn(|| seat.command(Command::Wait, 1500));
                thread::sleep(Duration::from_millis(300));
                grantee.line.go()?;
                let answer = waits.join().map_err(|_| anyhow!("a thread died"))?;
                ensure!(answer.is_success(), "the owner's command: {answer}");
                Ok(())
            })?;
            let answers: Vec<Answer> = grantee.finish()?;
            let served = answers.iter().filter(|answer| answer.is_success()).count();
            let busy = |answer: &&Answer| answer.code() == Some(TEE_ERROR_BUSY);
            let busy = answers.iter().filter(busy).count();
            ensure!((served, busy) == (1, 2), "{answers:x?}");
            Ok(Some("one of three".into()))
        },
    )
    .bound(),
    Case::service(
        11021,
        "Hundreds of grants are made, used and taken back, and nothing is left",
        &[G + 8, G + 11],
        |b| {
            let seat = Seat::owned(flavour(Kind::Shared, true), Login::User)?;
            if !can_lend(b, &seat)? {
                return Ok(None);
            }
            allow(&seat, &[Command::WhoAmI])?;
            let lender = Lender::open(&seat.tee, Login::User)?;
            let request = request(&seat, OWNER, &[Command::WhoAmI]);
            let rounds = b.rounds(300, 10_000);
            for round in 0..rounds {
                let number = lender
                    .lend(&request)?
                    .map_err(|a| anyhow!("{round}: {a}"))?;
                let session = take_up(&seat.tee, number, Login::User)?;
                let used = crate::bench::ask(&seat.tee, session);
                ensure!(used.is_success(), "{round}: {used}");
                ensure!(!lender.revoke(number, false)?, "{round}: one runs");
                let used = crate::bench::ask(&seat.tee, session);
                ensure!(used.is_denied(), "{round}: {used}");
                seat.tee.close(session)?;
            }
            ensure!(lender.list()?.is_empty(), "some are left");
            // So much to one grantee, so much in all; and none of it is left when the session is closed.
            let until_full = |to: Person| -> Result<usize> {
                let mut request = request;
                request.grantee = uuid_of(to);
                for made in 0.. {
                    match lender.lend(&request)? {
                        Ok(_) => ensure!(made < 256, "there is no end to it"),
                        Err(answer) => {
                            let full = answer.code() == Some(TEE_ERROR_BUSY);
                            ensure!(full, "after {made}: {answer}");
                            return Ok(made);
                        }
                    }
                }
                unreachable!("it ends before numbers do")
            };
            let made = [OWNER, STRANGER, THIRD].map(until_full);
            let made = made.into_iter().collect::<Result<Vec<_>>>()?;
            ensure!(
                made == [8, 8, 0],
                "{made:?} were made: are the limits others?"
            );
            let listed: Vec<Listed> = lender.list()?;
            ensure!(listed.len() == 16, "{} are listed", listed.len());
            let tee = Tee::connect()?;
            seat.close()?;
            ensure!(
                Lender::open(&tee, Login::User)?.list()?.is_empty(),
                "left after the close"
            );
            Ok(Some(format!("{rounds} grants, 16 at once")))
        },
    )
    .bound(),
];

/// One of eight more, each another user.
fn one_of_eight(nth: usize) -> Person {
    static UIDS: [u32; 8] = [1011, 1012, 1013, 1014, 1015, 1016, 1017, 1018];
    let [uid] = UIDS[nth..][..1] else {
        unreachable!("it has one");
    };
    Person {
        uid,
        groups: &UIDS[nth..][..1],
    }
}

/// What the TEE's clock showed when [`Command::Clock`] began.
fn shown(answer: Answer) -> Result<u64, Answer> {
    let [_, (low, high), ..] = answer.values()?;
    Ok(abi::pta::pair(low, high))
}

/// The TEE's clock, in the hands of somebody who is no party to anything.
struct Watch(Seat);

impl Watch {
    /// For whoever calls.
    fn get() -> Result<Self> {
        Ok(Self(Seat::take(
            flavour(Kind::Private, false),
            Login::User,
        )?))
    }

    fn now(&self) -> Result<u64> {
        Ok(shown(self.0.command(Command::Clock, 0))?)
    }
}

/// What an owner lends.
pub(super) struct Loan<'a> {
    seat: &'a Seat,
    /// The grant; nothing where there are none, and the descriptor is passed on.
    pub(super) number: Option<u64>,
}

/// How a grantee invokes.
pub(super) struct Way {
    tee: Tee,
    session: Session,
}

impl<'a> Loan<'a> {
    /// Nothing if this core was built without delegation.
    pub(super) fn make(
        b: &Bench,
        seat: &'a Seat,
        commands: &[Command],
        change: impl FnOnce(&mut Request),
    ) -> Result<Option<Self>> {
        if !b.verifies() {
            return Ok(Some(Self { seat, number: None }));
        }
        if !can_lend(b, seat)? {
            return Ok(None);
        }
        allow(seat, commands)?;
        let mut request = request(seat, STRANGER, commands);
        change(&mut request);
        let made = Lender::open(&seat.tee, Login::User)?.lend(&request)?;
        let number = Some(made.context("lending")?);
        Ok(Some(Self { seat, number }))
    }

    /// As whoever calls.
    pub(super) fn take_up(&self, login: Login) -> Result<Result<Way, Answer>> {
        match self.number {
            Some(number) => Way::by(number, login),
            None => {
                let tee = std::os::fd::AsFd::as_fd(&self.seat.tee);
                let tee = tee.try_clone_to_owned()?.into();
                let session = self.seat.session;
                Ok(Ok(Way { tee, session }))
            }
        }
    }

    /// Waits until a command of a grant is in the TA.
    fn runs(&self) -> Result<()> {
        let lender = Lender::open(&self.seat.tee, Login::User)?;
        until(Duration::from_secs(5), "no command of it runs", || {
            let listed = lender.list()?;
            Ok(listed
                .iter()
                .any(|grant| grant.state & Listed::RUNNING != 0))
        })
    }

    /// A grantee who was served and waits to invoke once more.
    fn at_work(&self) -> Result<Process> {
        let mut grantee = Process::start(|line| {
            STRANGER.be()?;
            let way = self.take_up(Login::User)?.context("it was lent to us")?;
            ensure!(way.invoke(Command::WhoAmI, 0).is_success(), "before");
            line.go()?;
            line.wait()?;
            Ok(way.invoke(Command::WhoAmI, 0))
        })?;
        grantee.line.wait()?;
        Ok(grantee)
    }

    pub(super) fn used(&self, person: Person, command: Command, a: u32) -> Result<Answer> {
        self.used_by(person, Login::User, command, a)
    }

    /// By a process of that person.
    fn used_by(&self, person: Person, login: Login, command: Command, a: u32) -> Result<Answer> {
        let_person(person, || {
            Ok(match self.take_up(login)? {
                Ok(way) => way.invoke(command, a),
                Err(answer) => answer,
            })
        })
    }

    /// Takes it back, or what comes closest to it where nothing is lent: not to hand the descriptor out any more.
    fn revoke(&self, cancel: bool) -> Result<bool> {
        match self.number {
            Some(number) => {
                let lender = Lender::open(&self.seat.tee, Login::User)?;
                Ok(lender.revoke(number, cancel)?)
            }
            None => Ok(false),
        }
    }
}

/// What a grantee is answered who was [at work](Loan::at_work).
fn goes_on(mut grantee: Process) -> Result<Answer> {
    grantee.line.go()?;
    grantee.finish()
}

impl Way {
    /// As whoever calls.
    fn by(number: u64, login: Login) -> Result<Result<Self, Answer>> {
        let tee = Tee::connect()?;
        let taken = take_up(&tee, number, login);
        Ok(taken.map(|session| Self { tee, session }))
    }

    pub(super) fn invoke(&self, command: Command, a: u32) -> Answer {
        self.tee
            .invoke(self.session, command.number(), command.shape(), a)
    }

    /// Until it is told something else than that another one waits already.
    fn invoke_patiently(&self, command: Command, a: u32) -> Answer {
        loop {
            let answer = self.invoke(command, a);
            if answer.code() != Some(TEE_ERROR_BUSY) {
                return answer;
            }
            thread::yield_now();
        }
    }
}

pub(super) fn can_lend(b: &Bench, seat: &Seat) -> Result<bool> {
    has_delegation(b, &seat.tee)
}

pub(super) fn has_delegation(b: &Bench, tee: &Tee) -> Result<bool> {
    if !b.verifies() {
        return Ok(false);
    }
    match tee.open(LEND, Login::User) {
        Ok(session) => {
            tee.close(session)?;
            Ok(true)
        }
        Err(answer)
            if answer.code() == Some(client_binding_raw::code::TEE_ERROR_ITEM_NOT_FOUND) =>
        {
            Ok(false)
        }
        Err(answer) => Err(answer.into()),
    }
}

/// Tells the TA to allow them to be lent.
pub(super) fn allow(seat: &Seat, commands: &[Command]) -> Result<()> {
    let octets: Vec<u8> = commands
        .iter()
        .flat_map(|command| command.number().to_le_bytes())
        .collect();
    let room = seat.tee.allocate(octets.len())?;
    room.write(0, &octets);
    let mut params = Params::default();
    params[0] = room.param(ParamKind::MemIn);
    let answer = seat
        .tee
        .invoke_with(seat.session, Command::Allow.number(), params);
    ensure!(answer.is_success(), "the TA allows nothing: {answer}");
    Ok(())
}

pub(super) fn uuid_of(user: Person) -> abi::ClientUuid {
    abi::ClientUuid::from_octets(Principal::User(user.uid).uuid().into_bytes())
}

/// Those commands to that TA, for ever.
fn request_for_ta(seat: &Seat, to: &Flavour, commands: &[Command]) -> Request {
    Request {
        login: abi::Login::TRUSTED_APP.0,
        grantee: abi::ClientUuid::from_octets(to.uuid.octets),
        ..request(seat, STRANGER, commands)
    }
}

/// Those commands to that user, for ever.
pub(super) fn request(seat: &Seat, to: Person, commands: &[Command]) -> Request {
    let mut request = Request {
        session: seat.session.0,
        login: abi::Login::USER.0,
        grantee: uuid_of(to),
        uses: UNLIMITED,
        lifetime: FOREVER,
        count: commands.len() as u32,
        ..Request::default()
    };
    for (to, command) in request.commands.iter_mut().zip(commands) {
        *to = command.number();
    }
    request
}
