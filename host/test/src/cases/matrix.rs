// SPDX-License-Identifier: BSD-2-Clause
//! Every combination of `client_binding_test::matrix`, played.

use super::Case;
use crate::bench::{Bench, Seat, ask, evict, flavour};
use crate::world::{LEAVER, MEMBER, OWNER, STRANGER, let_person};
use anyhow::{Context, Result, anyhow, bail, ensure};
use client_binding_proto::probe::{Command, Kind};
use client_binding_raw::code::TEE_ERROR_BUSY;
use client_binding_raw::{Answer, Login, Tee};
use client_binding_test::matrix::{CLIENTS, Caller, Cell, Deed, Method, Ruling, cells, ruling};
use nix::errno::Errno;
use serde::{Serialize, de::DeserializeOwned};

macro_rules! matrix {
    ($($number:literal $name:literal $rules:tt $owner:ident $deeds:expr;)*) => {
        &[$(Case::refusal($number, $name, &$rules, |bench| play(bench, Method::$owner, $deeds))),*]
    };
}

const OPENS: &[Deed] = &[
    Deed::Open(Method::Public),
    Deed::Open(Method::User),
    Deed::Open(Method::Group),
];

pub(super) const CASES: &[Case] = matrix! {
    1001 "Who may open again what a user owns" [3, 4, 5, 7, 17] User OPENS;
    1002 "Who may open again what a group owns" [3, 4, 5, 7, 17] Group OPENS;
    1003 "Who may open again what PUBLIC opened" [4, 7] Public OPENS;
    1011 "Who may invoke in a user's session" [1, 2, 17] User &[Deed::Invoke];
    1012 "Who may invoke in a group's session" [1, 2, 17] Group &[Deed::Invoke];
    1013 "Who may invoke in a PUBLIC session" [2, 7] Public &[Deed::Invoke];
    1021 "Who may cancel in a user's session" [1, 2, 17] User &[Deed::Cancel];
    1022 "Who may cancel in a group's session" [1, 2, 17] Group &[Deed::Cancel];
    1023 "Who may cancel in a PUBLIC session" [2, 7] Public &[Deed::Cancel];
    1031 "Who may close a user's session" [1, 2, 17] User &[Deed::Close];
    1032 "Who may close a group's session" [1, 2, 17] Group &[Deed::Close];
    1033 "Who may close a PUBLIC session" [2, 7] Public &[Deed::Close];
};

fn login(method: Method) -> Login {
    match method {
        Method::Public => Login::Public,
        Method::User => Login::User,
        Method::Group => Login::Group(CLIENTS),
    }
}

fn play(bench: &Bench, owner: Method, deeds: &[Deed]) -> Result<Option<String>> {
    let mut played = 0;
    for kind in Kind::ALL {
        for bound in [false, true] {
            if bound && !bench.stack.opens_bound() {
                continue;
            }
            let cells = cells(owner, kind, bound, deeds);
            played += block(bench, &cells)
                .with_context(|| format!("{owner:?} in {}", flavour(kind, bound).name))?;
        }
    }
    Ok(Some(format!("{played} combinations")))
}

/// Cells that differ in caller and deed alone.
fn block(bench: &Bench, cells: &[Cell]) -> Result<usize> {
    let Some(first) = cells.first() else {
        return Ok(0);
    };
    let (flavour, login) = (flavour(first.kind, first.bound), login(first.owner));
    OWNER.act()?;
    if rule(bench, first)? == Ruling::NoOwner {
        let answer = Tee::connect()?.open(flavour.uuid, login);
        let denied = matches!(answer, Err(answer) if answer.is_denied());
        ensure!(denied, "a login that is no identity ended with {answer:?}");
        return Ok(1);
    }
    let mut seat = Seat::take(flavour, login)?;
    // While it is open, an instance that has room for it need not be loaded again.
    let anchor = match first.kind {
        Kind::Shared => Some(Seat::take(flavour, login)?),
        _ => None,
    };
    let mut played = 0;
    for cell in cells {
        let expected = rule(bench, cell)?;
        if !bench.full && loads(cell, expected) && bench.random().u8(0..4) > 0 {
            continue;
        }
        played += 1;
        let gone = play_cell(&seat, cell, expected).with_context(|| format!("{cell:?}"))?;
        OWNER.act()?;
        if gone {
            seat = Seat::take(flavour, login)?;
        }
        seat.works().with_context(|| format!("after {cell:?}"))?;
    }
    seat.close()?;
    drop(anchor);
    evict(flavour, login)?;
    Ok(played)
}

/// Loading a TA takes long. Of what needs that, a part chosen by the seed will do when
/// time is short; the attacks of a stranger are always among it.
fn loads(cell: &Cell, expected: Ruling) -> bool {
    let load = matches!(
        (cell.deed, cell.kind),
        (Deed::Open(_), Kind::Private) | (Deed::Close, Kind::Private | Kind::Single)
    );
    load && expected == Ruling::Done && cell.caller != Caller::Stranger
}

fn rule(bench: &Bench, cell: &Cell) -> Result<Ruling> {
    ruling(cell, bench.stack).map_err(|error| anyhow!(error))
}

/// True if the session is gone, as it should.
fn play_cell(seat: &Seat, cell: &Cell, expected: Ruling) -> Result<bool> {
    match cell.deed {
        Deed::Open(method) => {
            let before = seat.status()?;
            let (ta, login) = (seat.flavour.uuid, login(method));
            let answer = act_as(cell.caller, || {
                let tee = Tee::connect()?;
                Ok(match tee.open(ta, login) {
                    Ok(session) => ask(&tee, session),
                    Err(answer) => answer,
                })
            })?;
            OWNER.act()?;
            check(answer, expected)?;
            let shared = expected == Ruling::Done && cell.kind != Kind::Private;
            let entered = seat.status()?.opens - before.opens;
            ensure!(
                entered == u32::from(shared),
                "the owner's instance was entered {entered} times to open"
            );
            Ok(false)
        }
        Deed::Invoke => {
            let before = seat.status()?.invokes;
            let answer = act_as(cell.caller, || Ok(seat.ask()))?;
            OWNER.act()?;
            check(answer, expected)?;
            let entered = seat.status()?.invokes - before - 1;
            ensure!(
                entered == u32::from(expected == Ruling::Done),
                "the TA was entered {entered} times"
            );
            Ok(false)
        }
        // A cancellation that arrives stays until the next command, which it ends.
        Deed::Cancel => {
            let result = act_as(cell.caller, || Ok(errno(seat.tee.cancel(seat.session))))?;
            OWNER.act()?;
            check_errno(result, expected)?;
            let next = seat.command(Command::Wait, 1);
            ensure!(
                next.is_cancelled() == (expected == Ruling::Done),
                "the owner's next command: {next}"
            );
            Ok(false)
        }
        Deed::Close => {
            let result = act_as(cell.caller, || Ok(errno(seat.tee.close(seat.session))))?;
            OWNER.act()?;
            check_errno(result, expected)?;
            if expected == Ruling::Done {
                let next = seat.ask();
                ensure!(!next.is_success(), "a closed session serves");
            }
            Ok(expected == Ruling::Done)
        }
    }
}

fn act_as<T: Serialize + DeserializeOwned>(
    caller: Caller,
    task: impl FnOnce() -> Result<T>,
) -> Result<T> {
    match caller {
        Caller::Owner => task(),
        Caller::Returned => {
            STRANGER.act()?;
            OWNER.act()?;
            task()
        }
        Caller::Twin => let_person(OWNER, task),
        Caller::Stranger => let_person(STRANGER, task),
        Caller::Member => let_person(MEMBER, task),
        Caller::Leaver => let_person(LEAVER, task),
    }
}

fn errno(result: nix::Result<()>) -> Option<i32> {
    result.err().map(|errno| errno as i32)
}

fn check(answer: Answer, expected: Ruling) -> Result<()> {
    let as_expected = match expected {
        Ruling::Done => answer.is_success(),
        Ruling::Denied => answer.is_denied(),
        Ruling::Busy => answer.code() == Some(TEE_ERROR_BUSY),
        Ruling::NotInGroup => answer == Answer::Kernel(Errno::EPERM as i32),
        Ruling::NoOwner => false,
    };
    ensure!(as_expected, "{answer} instead of {expected:?}");
    Ok(())
}

fn check_errno(result: Option<i32>, expected: Ruling) -> Result<()> {
    let wanted = match expected {
        Ruling::Done => None,
        Ruling::Denied => Some(Errno::EACCES as i32),
        other => bail!("{other:?} is not for this deed"),
    };
    ensure!(result == wanted, "errno {result:?} instead of {wanted:?}");
    Ok(())
}
