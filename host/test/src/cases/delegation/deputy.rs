// SPDX-License-Identifier: BSD-2-Clause
//! TAs that use what was lent to them, and TAs that lend.

use super::{Loan, THIRD, Way, allow, can_lend, request, request_for_ta};
use crate::bench::{Bench, Seat, flavour};
use crate::cases::{Case, G};
use crate::world::{Person, Process, STRANGER, let_person};
use anyhow::{Context, Result, anyhow, ensure};
use client_binding_policy::abi::delegation::Request;
use client_binding_policy::abi::pta::{pair, unpair};
use client_binding_proto::Param as ParamKind;
use client_binding_proto::probe::{Command, Flavour, Kind};
use client_binding_raw::code::{
    TEE_ERROR_ACCESS_CONFLICT, TEE_ERROR_ACCESS_DENIED, TEE_ERROR_BUSY, TEE_ERROR_ITEM_NOT_FOUND,
};
use client_binding_raw::lend::Lender;
use client_binding_raw::sys::Params;
use client_binding_raw::{Answer, Login, Session, Tee};
use client_binding_test::Stack;
use std::thread;
use std::time::Duration;

pub(in crate::cases) const CASES: &[Case] = &[
    Case::service(
        11020,
        "A TA is a grantee, and outlives what was lent to it",
        &[G + 12],
        outlives,
    )
    .bound(),
    Case::service(
        11025,
        "A TA lives on that comes too late or when others are served",
        &[G + 7, G + 10, G + 12],
        refused,
    )
    .bound(),
    Case::service(
        11055,
        "Whose client may use what was lent to a TA is for that TA to say",
        &[G + 12],
        deputies,
    )
    .bound(),
    Case::service(
        11026,
        "A TA lends what it serves, and no more than it is asked with",
        &[G + 2, G + 5, G + 8],
        minted,
    )
    .bound(),
];

/// The TA of that session takes a grant up. Its answer.
fn takes_up(seat: &Seat, number: u64) -> Result<u32> {
    let (low, high) = unpair(number);
    let mut params = Params::default();
    params[0].attr = ParamKind::ValueIn as u64;
    (params[0].a, params[0].b) = (low.into(), high.into());
    params[1].attr = ParamKind::ValueOut as u64;
    let command = Command::TakeUp.number();
    let answer = seat.tee.invoke_with(seat.session, command, params);
    let [_, (code, _), ..] = answer.values()?;
    Ok(code)
}

fn outlives(b: &Bench) -> Result<Option<String>> {
    let seat = Seat::owned(flavour(Kind::Shared, true), Login::User)?;
    if !can_lend(b, &seat)? {
        return Ok(None);
    }
    allow(&seat, &[Command::WhoAmI])?;
    let ta = flavour(Kind::Private, false);
    let lender = Lender::open(&seat.tee, Login::User)?;
    let request = request_for_ta(&seat, ta, &[Command::WhoAmI]);
    let number = lender.lend(&request)?.context("lending")?;
    // Whoever is its client: the TA is the grantee.
    let mut deputy = Process::start(|line| {
        let deputy = deputy_with(ta, number)?;
        let before = deputy.command(Command::AskHeld, 0);
        line.go()?;
        line.wait()?;
        let after = deputy.command(Command::AskHeld, 0);
        deputy.works()?;
        ensure!(
            takes_up(&deputy, number)? == TEE_ERROR_ACCESS_DENIED,
            "taken up again"
        );
        Ok([before, after])
    })?;
    deputy.line.wait()?;
    // Another TA is not.
    let other = Seat::take(flavour(Kind::Single, false), Login::User)?;
    let refused = takes_up(&other, number)?;
    ensure!(
        refused == TEE_ERROR_ACCESS_DENIED,
        "another TA: {refused:#x}"
    );
    other.close()?;
    lender.revoke(number, false)?;
    deputy.line.go()?;
    let [before, after]: [Answer; 2] = deputy.finish()?;
    ensure!(before.is_success(), "before: {before}");
    ensure!(
        after.code() == Some(TEE_ERROR_ACCESS_DENIED),
        "after: {after}"
    );
    Ok(Some(after.to_string()))
}

/// A stranger's session with a TA that has taken up the grant.
fn deputy_with(ta: &'static Flavour, number: u64) -> Result<Seat> {
    STRANGER.be()?;
    let deputy = Seat::take(ta, Login::User)?;
    ensure!(
        takes_up(&deputy, number)? == 0,
        "the TA does not take it up"
    );
    Ok(deputy)
}

fn refused(b: &Bench) -> Result<Option<String>> {
    const LIFETIME: u64 = 3000;
    let seat = Seat::owned(flavour(Kind::Shared, true), Login::User)?;
    if !can_lend(b, &seat)? {
        return Ok(None);
    }
    allow(&seat, &[Command::WhoAmI])?;
    let ta = flavour(Kind::Private, false);
    let request = Request {
        lifetime: LIFETIME,
        ..request_for_ta(&seat, ta, &[Command::WhoAmI])
    };
    let number = Lender::open(&seat.tee, Login::User)?.lend(&request)?;
    let number = number.context("lending")?;
    let mut deputy = Process::start(|line| {
        let deputy = deputy_with(ta, number)?;
        let in_time = deputy.command(Command::AskHeld, 0);
        line.go()?;
        line.wait()?;
        let meanwhile = deputy.command(Command::AskHeld, 0);
        line.go()?;
        deputy.works().context("told that it is busy")?;
        thread::sleep(Duration::from_millis(LIFETIME));
        let too_late = deputy.command(Command::AskHeld, 0);
        deputy.works().context("told that it is too late")?;
        Ok([in_time, meanwhile, too_late])
    })?;
    deputy.line.wait()?;
    thread::scope(|scope| -> Result<()> {
        let runs = scope.spawn(|| seat.command(Command::Wait, 500));
        thread::sleep(Duration::from_millis(150));
        deputy.line.go()?;
        deputy.line.wait()?;
        ensure!(!runs.is_finished(), "the TA waits for the session");
        let answer = runs.join().map_err(|_| anyhow!("a thread died"))?;
        ensure!(answer.is_success(), "the owner: {answer}");
        Ok(())
    })?;
    let answers: [Answer; 3] = deputy.finish()?;
    ensure!(answers[0].is_success(), "in time: {}", answers[0]);
    let codes = answers.map(Answer::code);
    ensure!(
        codes[1..] == [Some(TEE_ERROR_BUSY), Some(TEE_ERROR_ACCESS_DENIED)],
        "busy and too late: {answers:x?}"
    );
    Ok(Some(answers[2].to_string()))
}

/// The core knows the TA alone. One instance for all is one grantee for all; it is kept apart by an instance for each session, or by an
/// owner of the instance.
fn deputies(b: &Bench) -> Result<Option<String>> {
    let served = if b.stack == Stack::BoundAll {
        Some(TEE_ERROR_ACCESS_DENIED)
    } else {
        Some(0)
    };
    let ways = [
        (flavour(Kind::Shared, false), served),
        (
            flavour(Kind::Private, false),
            Some(TEE_ERROR_ITEM_NOT_FOUND),
        ),
        (flavour(Kind::Shared, true), Some(TEE_ERROR_ACCESS_DENIED)),
    ];
    let seat = Seat::owned(flavour(Kind::Private, true), Login::User)?;
    if !can_lend(b, &seat)? {
        return Ok(None);
    }
    allow(&seat, &[Command::WhoAmI])?;
    for (ta, expected) in ways {
        let lender = Lender::open(&seat.tee, Login::User)?;
        let request = request_for_ta(&seat, ta, &[Command::WhoAmI]);
        let number = lender.lend(&request)?.context("lending")?;
        let mut client = Process::start(|line| {
            let deputy = deputy_with(ta, number)?;
            line.go()?;
            line.wait()?;
            let own = deputy.command(Command::AskHeld, 0);
            ensure!(own.is_success(), "its own client: {own}");
            Ok(())
        })?;
        client.line.wait()?;
        let other = let_person(THIRD, || {
            let tee = Tee::connect()?;
            let command = Command::AskHeld;
            Ok(match tee.open(ta.uuid, Login::User) {
                Ok(session) => tee.invoke(session, command.number(), command.shape(), 0),
                Err(answer) => answer,
            })
        })?;
        client.line.go()?;
        client.finish::<()>().with_context(|| ta.name.to_owned())?;
        ensure!(
            other.code() == expected,
            "{}: its other client: {other}",
            ta.name
        );
        lender.revoke(number, false)?;
    }
    Ok(Some(
        "shared: served; an instance each: nothing there; bound: denied".into(),
    ))
}

/// Has the TA lend a command to a user. The grant's number.
fn mint(
    (tee, session): (&Tee, Session),
    to: Person,
    depth: u32,
    command: Command,
    uses: u32,
) -> Result<u64, Answer> {
    let mut params = Params::default();
    let given = [(to.uid, depth), (command.number(), uses)];
    for (param, (a, b)) in params.iter_mut().zip(given) {
        param.attr = ParamKind::ValueIn as u64;
        (param.a, param.b) = (a.into(), b.into());
    }
    params[2].attr = ParamKind::ValueOut as u64;
    let answer = tee.invoke_with(session, Command::Mint.number(), params);
    let [_, _, (low, high), _] = answer.values()?;
    Ok(pair(low, high))
}

fn minted(b: &Bench) -> Result<Option<String>> {
    let seat = Seat::owned(flavour(Kind::Shared, true), Login::User)?;
    if !can_lend(b, &seat)? {
        return Ok(None);
    }
    let lent = [Command::WhoAmI, Command::Mint];
    allow(&seat, &lent)?;
    let owner = (&seat.tee, seat.session);
    let loan = |number| Loan {
        seat: &seat,
        number: Some(number),
    };
    let used = |number, person| loan(number).used(person, Command::WhoAmI, 0);
    let too_much = |made: Result<u64, Answer>, what| {
        let code = made.map_err(Answer::code);
        ensure!(
            code == Err(Some(TEE_ERROR_ACCESS_CONFLICT)),
            "{what}: {made:?}"
        );
        Ok(())
    };

    // For the owner: what the TA allows.
    let number = mint(owner, STRANGER, 0, Command::WhoAmI, 2)?;
    let status = loan(number).used(STRANGER, Command::Status, 0)?;
    ensure!(status.is_denied(), "another command: {status}");
    let third = used(number, THIRD)?;
    ensure!(third.is_denied(), "a third client: {third}");
    for expected in [true, true, false] {
        let answer = used(number, STRANGER)?;
        let right = [answer.is_denied(), answer.is_success()][usize::from(expected)];
        ensure!(right, "two uses: {answer}");
    }
    too_much(
        mint(owner, STRANGER, 0, Command::Status, 1),
        "what it does not allow",
    )?;
    // It takes back what it lent.
    let number = mint(owner, STRANGER, 0, Command::WhoAmI, 2)?;
    let (low, high) = unpair(number);
    let mut params = Params::default();
    params[0].attr = ParamKind::ValueIn as u64;
    (params[0].a, params[0].b) = (low.into(), high.into());
    let answer = seat
        .tee
        .invoke_with(seat.session, Command::Revoke.number(), params);
    ensure!(answer.is_success(), "the TA takes it back: {answer}");
    let answer = used(number, STRANGER)?;
    ensure!(answer.is_denied(), "taken back by the TA: {answer}");

    // For a grantee: what that one may pass on, which is nothing without depth.
    let lender = Lender::open(&seat.tee, Login::User)?;
    for depth in [0, 1] {
        let request = Request {
            depth,
            uses: 10,
            ..request(&seat, STRANGER, &lent)
        };
        let parent = lender.lend(&request)?.context("lending")?;
        let child: Option<u64> = let_person(STRANGER, || {
            let way = Way::by(parent, Login::User)?.context("it was lent to us")?;
            let grantee = (&way.tee, way.session);
            let more = [
                ("deeper", depth, Command::WhoAmI, 2),
                ("more often", 0, Command::WhoAmI, 11),
                ("another command", 0, Command::Status, 2),
            ];
            for (what, depth, command, uses) in more {
                if depth > 0 || what != "deeper" {
                    too_much(mint(grantee, THIRD, depth, command, uses), what)?;
                }
            }
            let made = mint(grantee, THIRD, 0, Command::WhoAmI, 2);
            if depth == 0 {
                too_much(made, "without depth")?;
                return Ok(None);
            }
            Ok(Some(made.context("passing on")?))
        })?;
        if let Some(child) = child {
            let answer = used(child, THIRD)?;
            ensure!(answer.is_success(), "passed on by the TA: {answer}");
            lender.revoke(parent, false)?;
            let answer = used(child, THIRD)?;
            ensure!(answer.is_denied(), "after its parent: {answer}");
        }
    }
    seat.works()?;
    Ok(Some("for its client, and for a grantee".into()))
}
