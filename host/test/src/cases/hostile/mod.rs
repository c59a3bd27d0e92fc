// SPDX-License-Identifier: BSD-2-Clause
//! Chapter 6: messages that no sane driver sends. They need the driver of `host/hostile`.
//!
//! For each message it is said what a core with client binding and what a stock core must
//! answer, code and origin. After each case the owner's session works, and OP-TEE's heap
//! and instances are to the octet what they were.

mod change;
mod memory;
mod shape;
mod world;

use super::Case;
use super::operator::Refused;
use crate::bench::Bench;
use crate::stats::Stats;
use anyhow::{Context, Result, ensure};
use client_binding_policy::abi::OPTEE_MSG_LOGIN_ATTESTED;
use client_binding_proto::vault_c;
use world::World;

macro_rules! cases {
    ($($kind:ident $number:literal $name:literal $rules:tt $play:expr;)*) => {
        &[$(Case::$kind($number, $name, &$rules, |bench| run(bench, $play)),)*]
    };
}

pub(super) const CASES: &[Case] = cases! {
    service 6001 "A claim that is not the first parameter is none" [12] shape::misplaced;
    refusal 6002 "An attested session does not answer without a claim" [2, 13] shape::missing;
    service 6003 "Each bit of a claim's attribute counts" [12] shape::attributes;
    service 6004 "High login bits mean something in one place only" [13] shape::high_bits;
    service 6005 "Unknown logins and TRUSTED_APP are no claims" [8, 9] shape::logins;
    service 6006 "Each bit of the identity counts" [2, 7, 8] shape::identities;
    service 6007 "Any number of parameters" [12] shape::numbers;
    service 6008 "Other commands know no claims" [12] shape::other_commands;
    service 6009 "A release closes whosever session and does nothing else" [11] shape::releases;
    service 6010 "Sessions that are closed, never were or belong to a TA" [2, 9] shape::dead_sessions;
    refusal 6011 "Sessions opened without the promise of claims" [13] shape::unattested;
    service 6012 "A bad message holds no reference to shared memory" [12] memory::invokes;
    service 6013 "A refused open holds no reference to shared memory" [3, 6, 12] memory::opens;
    service 6014 "Memory references that change under way" [12] memory::changing;
    service 6015 "Upstream's leak of references is no larger than it was" [12] memory::upstreams_leak;
    refusal 6016 "Each bit of an owner's identity counts" [3, 7] shape::owners;
    service 6021 "Identity words that change under way" [2] change::identity;
    service 6022 "Attributes and numbers that change under way" [2, 12] change::shape;
    refusal 6023 "Session and command that change under way" [2] change::session;
    refusal 6024 "An open that changes under way" [3, 13] change::open;
    refusal 6031 "Who hammers on a session that is being opened" [14] change::opening;
    service 6032 "Who waits for a session whose open fails" [6, 14] change::failing_open;
};

/// Sends what only a hostile driver does, and says what an operator must be told. Nothing if this driver does not.
pub(super) fn send_refused(bench: &Bench) -> Result<Option<[Refused; 3]>> {
    match World::new(bench.stack, bench.full)? {
        Some(world) => shape::refused(&world).map(Some),
        None => Ok(None),
    }
}

fn run(bench: &Bench, play: fn(&World) -> Result<()>) -> Result<Option<String>> {
    let Some(world) = World::new(bench.stack, bench.full)? else {
        return Ok(None);
    };
    world.owner_is_served()?;
    // The first to ask a pseudo TA leaves its context, which is kept alive; so does the first TA that asks for something to be lent.
    shape::counted(&world)?;
    let first = world.open(vault_c::UUID, world.owner.with(OPTEE_MSG_LOGIN_ATTESTED))?;
    world.release(first)?;
    let mut before = Stats::open()?.snapshot()?;
    play(&world)?;
    world.owner_is_served().context("afterwards")?;
    let after = Stats::open()?.snapshot()?;
    before.memory.heap += world.lost();
    ensure!(before == after, "leak: {before} became {after}");
    Ok(Some(world.summary()))
}
