// SPDX-License-Identifier: BSD-2-Clause
//! A TA lets its instance go. Only one that stays after its last session shows what becomes of it.

use super::Case;
use super::neighbours::hold_through;
use crate::bench::{Bench, Seat, evict, flavour, visit};
use crate::world::{OWNER, STRANGER, let_person};
use anyhow::{Result, ensure};
use client_binding_policy::abi::delegation;
use client_binding_proto::LEND;
use client_binding_proto::probe::{Command, Kind};
use client_binding_raw::code::{TEE_ERROR_ACCESS_DENIED, TEE_ERROR_ITEM_NOT_FOUND};
use client_binding_raw::sys::Params;
use client_binding_raw::{Answer, Login, Tee};

/// `TEE_ERROR_BAD_STATE`: nobody owns the instance.
const TEE_ERROR_BAD_STATE: u32 = 0xffff_0007;

pub(super) const CASES: &[Case] = &[
    Case::service(
        11060,
        "An instance that its TA disowned is whose the next open is",
        &[5],
        |b| {
            let Some(seat) = disowned(b)? else {
                return Ok(None);
            };
            // As long as it is used it is the owner's, who may go on and come again.
            refused(visit(STRANGER, seat.flavour, Login::User)?)?;
            seat.works()?;
            let second = Seat::owned(seat.flavour, Login::User)?;
            seat.close()?;
            refused(visit(STRANGER, second.flavour, Login::User)?)?;
            let instance = second.status()?.instance;
            let kept = second.flavour;
            second.close()?;
            let_person(STRANGER, || {
                let next = Seat::take(kept, Login::User)?;
                ensure!(next.status()?.instance == instance, "another instance");
                next.close()
            })?;
            // It was disowned once.
            refused(visit(OWNER, kept, Login::User)?)?;
            let_person(STRANGER, || evict(kept, Login::User))?;
            Ok(Some("the same instance, another owner".into()))
        },
    )
    .bound(),
    Case::service(
        11061,
        "A TA that has sessions with others keeps its owner",
        &[5],
        |b| {
            let Some(seat) = disowned(b)? else {
                return Ok(None);
            };
            let kept = seat.flavour;
            hold_through(&seat, flavour(Kind::Shared, false))?;
            seat.close()?;
            refused(visit(STRANGER, kept, Login::User)?)?;
            let seat = Seat::owned(kept, Login::User)?;
            seat.command(Command::Drop, 0).values()?;
            seat.close()?;
            let_person(STRANGER, || evict(kept, Login::User))?;
            Ok(Some("until it closed them".into()))
        },
    )
    .bound(),
    Case::service(
        11062,
        "Nobody but its TA disowns an instance, and none that nobody owns",
        &[5],
        |b| {
            let Some(seat) = disowned(b)? else {
                return Ok(None);
            };
            let kept = seat.flavour;
            evict(kept, Login::User)?;
            drop(seat);
            let tee = Tee::connect()?;
            let session = tee.open(LEND, Login::User)?;
            let number = delegation::Command::Disown as u32;
            let by_client = tee.invoke_with(session, number, Params::default());
            refused(by_client)?;
            let unbound = Seat::owned(flavour(Kind::Kept, false), Login::User)?;
            let nobodys = unbound.command(Command::Disown, 0);
            ensure!(
                nobodys.code() == Some(TEE_ERROR_BAD_STATE),
                "of an unbound TA: {nobodys}"
            );
            unbound.crash()?;
            Ok(Some(by_client.to_string()))
        },
    )
    .bound(),
];

/// A session with a TA that has disowned its instance; nothing where no TA can.
fn disowned(b: &Bench) -> Result<Option<Seat>> {
    let seat = Seat::owned(flavour(Kind::Kept, true), Login::User)?;
    let answer = seat.command(Command::Disown, 0);
    if answer.code() == Some(TEE_ERROR_ITEM_NOT_FOUND) || !b.verifies() {
        seat.crash()?;
        return Ok(None);
    }
    answer.values()?;
    Ok(Some(seat))
}

fn refused(answer: Answer) -> Result<()> {
    let denied = answer.code() == Some(TEE_ERROR_ACCESS_DENIED);
    ensure!(denied, "let in: {answer}");
    Ok(())
}
