// SPDX-License-Identifier: BSD-2-Clause
//! What a grantee's and the owner's calls and memory reach of each other's, and what their parameters may be.

use super::{Loan, Way, allow, can_lend, request};
use crate::bench::{Bench, Seat, flavour};
use crate::cases::{Case, G};
use crate::world::{Process, STRANGER, let_person};
use anyhow::{Context, Result, anyhow, ensure};
use client_binding_policy::abi::delegation::Request;
use client_binding_proto::probe::{Command, Kind};
use client_binding_proto::{GRANT, LEND, Param as ParamKind};
use client_binding_raw::code::{
    TEE_ERROR_ACCESS_DENIED, TEE_ERROR_ITEM_NOT_FOUND, TEE_ERROR_SHORT_BUFFER,
};
use client_binding_raw::lend::{Lender, take_up};
use client_binding_raw::sys::{Param, Params};
use client_binding_raw::{Answer, Login, Session, Tee};
use client_binding_test::Stack;
use client_binding_test::kit::memory::PAGE;
use client_binding_test::kit::sys::register;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

pub(in crate::cases) const CASES: &[Case] = &[
    Case::refusal(
        11023,
        "The owner cancels a grantee's command, which the grantee itself can",
        &[G + 8],
        cancels,
    )
    .bound(),
    Case::refusal(
        11024,
        "A grantee closes its session while the owner's command runs",
        &[G + 5, G + 8],
        closes,
    )
    .bound(),
    Case::refusal(
        11051,
        "A grantee names the owner's memory, and the owner the grantee's",
        &[G + 6],
        others_memory,
    )
    .bound(),
    Case::service(
        11052,
        "A grantee's parameters are what they are in a direct call",
        &[G + 6],
        parameters,
    )
    .bound(),
    Case::service(
        11053,
        "Where one half does not know of delegation, that is said plainly",
        &[G + 2],
        mixes,
    ),
];

fn cancels(b: &Bench) -> Result<Option<String>> {
    let seat = Seat::owned(flavour(Kind::Shared, true), Login::User)?;
    let Some(loan) = Loan::make(b, &seat, &[Command::Clock], |_| ())? else {
        return Ok(None);
    };
    let mut grantee = Process::start(|line| {
        STRANGER.be()?;
        let way = loan.take_up(Login::User)?.context("it was lent to us")?;
        line.go()?;
        let by_owner = way.invoke(Command::Clock, 1000);
        let by_itself = cancelled_by_itself(&way)?;
        Ok([by_owner, by_itself])
    })?;
    grantee.line.wait()?;
    for _ in 0..10 {
        thread::sleep(Duration::from_millis(50));
        seat.tee.cancel(seat.session)?;
    }
    let [by_owner, by_itself]: [Answer; 2] = grantee.finish()?;
    ensure!(by_itself.is_cancelled(), "by itself: {by_itself}");
    if b.verifies() {
        ensure!(by_owner.is_success(), "the grantee's command: {by_owner}");
    } else {
        ensure!(
            by_owner.is_cancelled(),
            "the attack fails by itself: {by_owner}"
        );
    }
    seat.works()?;
    Ok(Some(by_owner.to_string()))
}

/// A grantee's command that would take long, cancelled in its own session.
fn cancelled_by_itself(way: &Way) -> Result<Answer> {
    thread::scope(|scope| {
        let runs = scope.spawn(|| way.invoke(Command::Clock, 10_000));
        while !runs.is_finished() {
            thread::sleep(Duration::from_millis(50));
            way.tee.cancel(way.session)?;
        }
        runs.join().map_err(|_| anyhow!("a thread died"))
    })
}

fn closes(b: &Bench) -> Result<Option<String>> {
    let seat = Seat::owned(flavour(Kind::Shared, true), Login::User)?;
    let Some(loan) = Loan::make(b, &seat, &[Command::Clock], |_| ())? else {
        return Ok(None);
    };
    let mut grantee = Process::start(|line| {
        STRANGER.be()?;
        let way = loan.take_up(Login::User)?.context("it was lent to us")?;
        ensure!(way.invoke(Command::Clock, 0).is_success(), "before");
        line.go()?;
        line.wait()?;
        Ok(way.tee.close(way.session)?)
    })?;
    grantee.line.wait()?;
    let running = thread::scope(|scope| -> Result<Answer> {
        let runs = scope.spawn(|| seat.command(Command::Clock, 600));
        thread::sleep(Duration::from_millis(200));
        grantee.line.go()?;
        runs.join().map_err(|_| anyhow!("a thread died"))
    })?;
    grantee.finish::<()>()?;
    let next = seat.ask();
    if b.verifies() {
        ensure!(running.is_success(), "the owner's command: {running}");
        seat.works()?;
        ensure!(
            loan.used(STRANGER, Command::Clock, 0)?.is_success(),
            "the grant went with one session of it"
        );
    } else {
        ensure!(!next.is_success(), "the attack fails by itself: {next}");
    }
    Ok(Some(format!("the owner's next command: {next}")))
}

fn others_memory(b: &Bench) -> Result<Option<String>> {
    const SIZE: usize = 64;
    let seat = Seat::owned(flavour(Kind::Shared, true), Login::User)?;
    let Some(loan) = Loan::make(b, &seat, &[Command::Mirror], |_| ())? else {
        return Ok(None);
    };
    let owners = seat.tee.allocate(SIZE)?;
    owners.write(0, &[0x5a; SIZE]);
    let mirror = |tee: &Tee, session, params: [Param; 3]| {
        let [from, turned, to] = params;
        let value = Param {
            attr: ParamKind::ValueInOut as u64,
            ..Param::default()
        };
        tee.invoke_with(session, Command::Mirror.number(), [value, from, turned, to])
    };
    let mut grantee = Process::start(|line| {
        STRANGER.be()?;
        let way = loan.take_up(Login::User)?.context("it was lent to us")?;
        let (turned, mine) = (way.tee.allocate(SIZE)?, way.tee.allocate(SIZE)?);
        let (turned, to) = (
            turned.param(ParamKind::MemInOut),
            mine.param(ParamKind::MemOut),
        );
        let answer = mirror(
            &way.tee,
            way.session,
            [owners.param(ParamKind::MemIn), turned, to],
        );
        // Whatever number: nothing but its own.
        let mut reached = Vec::new();
        for number in (0..64).filter(|number| ![turned.c, to.c].contains(number)) {
            let mut from = owners.param(ParamKind::MemIn);
            from.c = number;
            if mirror(&way.tee, way.session, [from, turned, to]).is_success() {
                reached.push((number, mine.read() == [0x5a; SIZE]));
            }
        }
        line.say(&mine.param(ParamKind::MemIn).c)?;
        line.wait()?;
        Ok((answer, reached))
    })?;
    let theirs: u64 = grantee.line.hear()?;
    let rest = (seat.tee.allocate(SIZE)?, seat.tee.allocate(SIZE)?);
    let mut from = owners.param(ParamKind::MemIn);
    from.c = theirs;
    let (turned, to) = (
        rest.0.param(ParamKind::MemInOut),
        rest.1.param(ParamKind::MemOut),
    );
    let reverse = mirror(&seat.tee, seat.session, [from, turned, to]);
    grantee.line.go()?;
    let (answer, reached): (Answer, Vec<(u64, bool)>) = grantee.finish()?;
    if b.verifies() {
        for (who, answer) in [("the grantee", answer), ("the owner", reverse)] {
            let refused = matches!(answer, Answer::Kernel(_));
            ensure!(refused, "{who} reaches the other's memory: {answer}");
        }
        ensure!(reached.is_empty(), "the grantee reaches {reached:?}");
    } else {
        ensure!(
            answer.is_success() && reached.iter().any(|(_, secret)| *secret),
            "the attack fails by itself: {answer}, {reached:?}"
        );
    }
    seat.works()?;
    Ok(Some(answer.to_string()))
}

/// Where memory that goes there, there and back, and back begins, and how long it is.
type Areas = [(usize, usize); 3];

/// In a room of their own each.
const ROOM: usize = 3 * PAGE;

const AREAS: [Areas; 8] = [
    [(0, 16), (0, 16), (0, 16)],
    // Over the border of a page, up to it, from it, and more than a page.
    [(PAGE - 3, 7), (PAGE - 1, 2), (PAGE - 8, 16)],
    [(PAGE - 5, 5), (0, PAGE), (2 * PAGE - 6, 6)],
    [(PAGE, 9), (2 * PAGE, 1), (PAGE, 10)],
    [(1, 2 * PAGE), (7, 2 * PAGE + 1), (3, 2 * PAGE + 4)],
    // Nothing.
    [(0, 0), (8, 0), (16, 0)],
    [(PAGE, 0), (PAGE - 1, 3), (PAGE, 64)],
    // Too little.
    [(5, 100), (5, 100), (PAGE - 50, 99)],
];

fn parameters(b: &Bench) -> Result<Option<String>> {
    for kind in [Kind::Shared, Kind::Private] {
        let seat = Seat::owned(flavour(kind, true), Login::User)?;
        let Some(loan) = Loan::make(b, &seat, &[Command::Mirror], |_| ())? else {
            return Ok(None);
        };
        let direct = all_mirrored(&seat.tee, seat.session)?;
        let lent: Vec<Answer> = let_person(STRANGER, || {
            let way = loan.take_up(Login::User)?.context("it was lent to us")?;
            all_mirrored(&way.tee, way.session)
        })?;
        ensure!(
            direct == lent,
            "{kind:?}: directly {direct:x?}, by a grant {lent:x?}"
        );
        seat.close()?;
    }
    Ok(Some(format!(
        "{} shapes, in memory of the driver's and of the client's",
        AREAS.len()
    )))
}

/// Memory of the client's own, which it registers.
static REGISTERED: [AtomicU32; 3 * ROOM / 4 + 1] = [const { AtomicU32::new(0) }; 3 * ROOM / 4 + 1];

/// Every shape, in memory that the driver gave and in some that was registered, which begins within a page.
fn all_mirrored(tee: &Tee, session: Session) -> Result<Vec<Answer>> {
    let given = tee.allocate(3 * ROOM)?;
    let registered = &REGISTERED[1..];
    let (_file, number) = register(tee.as_fd(), registered)?;
    let mut answers = Vec::new();
    for areas in AREAS {
        for (number, words) in [
            (given.param(ParamKind::None).c, given.words()),
            (number as u64, registered),
        ] {
            let answer = mirrored(tee, session, number, words, areas);
            answers.push(answer.with_context(|| format!("{areas:?}"))?);
        }
    }
    // No memory at all, which is a kind of its own.
    let none = |kind: ParamKind| Param {
        attr: kind as u64,
        c: u64::MAX,
        ..Param::default()
    };
    let params = [
        none(ParamKind::ValueInOut),
        none(ParamKind::MemIn),
        none(ParamKind::MemInOut),
        none(ParamKind::MemOut),
    ];
    answers.push(tee.invoke_with(session, Command::Mirror.number(), params));
    Ok(answers)
}

/// One of them: what comes back must be what is meant.
fn mirrored(
    tee: &Tee,
    session: Session,
    number: u64,
    words: &[AtomicU32],
    areas: Areas,
) -> Result<Answer> {
    let mut expected: Vec<u8> = (0..3 * ROOM).map(|place| (place % 251) as u8).collect();
    for (word, octets) in words.iter().zip(expected.as_chunks().0) {
        word.store(u32::from_ne_bytes(*octets), Ordering::Relaxed);
    }
    let kinds = [ParamKind::MemIn, ParamKind::MemInOut, ParamKind::MemOut];
    let mut params = Params::default();
    params[0] = Param {
        attr: ParamKind::ValueInOut as u64,
        a: 0x1234_5678,
        b: 0x9abc_def0,
        c: 0,
    };
    for (nth, ((at, size), kind)) in areas.into_iter().zip(kinds).enumerate() {
        params[nth + 1] = Param {
            attr: kind as u64,
            a: (nth * ROOM + at) as u64,
            b: size as u64,
            c: number,
        };
    }
    let answer = tee.invoke_with(session, Command::Mirror.number(), params);
    let [from, turned, to] = areas;
    let fits = from.1 <= to.1;
    for octet in &mut expected[ROOM + turned.0..][..turned.1] {
        *octet = !*octet;
    }
    if fits {
        expected.copy_within(from.0..from.0 + from.1, 2 * ROOM + to.0);
    }
    let Answer::Tee { ret, values, .. } = answer else {
        return Err(answer.into());
    };
    let code = if fits { 0 } else { TEE_ERROR_SHORT_BUFFER };
    ensure!(ret == code, "{answer}");
    if fits {
        let value = (0x9abc_def0, 0x1234_5678);
        ensure!(values[0] == value, "the value is {:x?}", values[0]);
    }
    ensure!(
        values[3].1 as usize == from.1,
        "the size is {} and not {}",
        values[3].1,
        from.1
    );
    // What a command that failed leaves in memory that goes there and back is not its answer.
    let seen: Vec<u8> = words
        .iter()
        .flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes())
        .collect();
    let wrong = seen.iter().zip(&expected).position(|(a, b)| a != b);
    ensure!(wrong.is_none(), "octet {wrong:?} of the memory is another");
    Ok(answer)
}

fn mixes(b: &Bench) -> Result<Option<String>> {
    // A TA that opens on each of them.
    let seat = Seat::owned(flavour(Kind::Private, false), Login::User)?;
    let code = |answer: Option<Answer>| answer.and_then(Answer::code);
    let seen = if b.stack == Stack::StockDriver {
        // Whoever says who calls is not there, so nobody lends, and nobody was lent anything.
        allow(&seat, &[Command::WhoAmI])?;
        let lender = Lender::open(&seat.tee, Login::User)?;
        let own: Request = request(&seat, STRANGER, &[Command::WhoAmI]);
        let answer = lender.lend(&own)?.err();
        ensure!(
            code(answer) == Some(TEE_ERROR_ACCESS_DENIED),
            "lending: {answer:?}"
        );
        ensure!(lender.list()?.is_empty(), "something is listed");
        let answer = take_up(&seat.tee, 256, Login::User).err();
        ensure!(
            answer.is_some_and(Answer::is_denied),
            "taking up: {answer:?}"
        );
        "the core refuses whom no driver attests"
    } else if can_lend(b, &seat)? {
        // Both know of it, and a TA need not be bound to be lent.
        let loan = Loan::make(b, &seat, &[Command::WhoAmI], |_| ())?.context("lending")?;
        let answer = loan.used(STRANGER, Command::WhoAmI, 0)?;
        ensure!(answer.identity()? == seat.identity, "{answer:x?}");
        "both know of it"
    } else {
        for ta in [LEND, GRANT] {
            let answer = seat.tee.open(ta, Login::User).err();
            let absent = code(answer) == Some(TEE_ERROR_ITEM_NOT_FOUND);
            ensure!(absent, "{}: {answer:?}", ta.text);
        }
        let answer = take_up(&seat.tee, 256, Login::User).err();
        ensure!(
            code(answer) == Some(TEE_ERROR_ITEM_NOT_FOUND),
            "a grant: {answer:?}"
        );
        let answer = seat.command(Command::Invoker, 0);
        ensure!(
            answer.code() == Some(TEE_ERROR_ITEM_NOT_FOUND),
            "the TA: {answer}"
        );
        "the core says that there is no such thing"
    };
    seat.works()?;
    Ok(Some(seen.into()))
}
