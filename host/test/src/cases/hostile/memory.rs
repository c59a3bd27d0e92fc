// SPDX-License-Identifier: BSD-2-Clause
//! References to shared memory in messages that are refused or malformed.
//!
//! Unregistering waits until the last reference is gone: it hangs if one was forgotten.

use super::change::flip;
use super::world::*;
use crate::stats::Stats;
use anyhow::{Result, ensure};
use client_binding_policy::abi::{
    OPTEE_MSG_LOGIN_ATTESTED as ATTESTED, OPTEE_MSG_LOGIN_RELEASE as RELEASE,
};
use client_binding_proto::vault_c;
use client_binding_raw::code::TEE_ERROR_BAD_PARAMETERS;

/// What the data page is registered as.
const COOKIE: u64 = 0x7e57_0001;
/// Both commands answer without an origin.
const FINE: Answer = Answer::Tee(0, POISON);
const UNKNOWN: Answer = Answer::Tee(TEE_ERROR_BAD_PARAMETERS, POISON);

/// Runs something with the data page registered.
fn registered(world: &World, play: impl FnOnce() -> Result<()>) -> Result<()> {
    let memory = [TMEM[1] | NONCONTIG, list(world), PAGE as u64, COOKIE];
    let unregister = Message::new(UNREGISTER_SHM, 0, &[[RMEM_IN, 0, 0, COOKIE]]);
    world.ask("register", &Message::new(REGISTER_SHM, 0, &[memory]), FINE)?;
    play()?;
    world.ask("unregister", &unregister, FINE)?;
    world.ask("unregister again", &unregister, UNKNOWN)?;
    Ok(())
}

/// The list of pages that non-contiguous memory is described by.
fn list(world: &World) -> u64 {
    world.put64(LIST / 4, world.address + DATA as u64);
    world.address + LIST as u64
}

pub(super) fn invokes(world: &World) -> Result<()> {
    for kind in RMEM {
        registered(world, || {
            (0..3).try_for_each(|_| {
                with_memory(world, [kind, 0, 64, COOKIE])?;
                with_memory(world, [kind, 0, 64, world.cookie])
            })
        })?;
    }
    // Where the claim is refused the core does not even look at memory that it would have to map.
    if world.bound {
        for kind in TMEM {
            with_refused_claim(world, [kind | NONCONTIG, list(world), PAGE as u64, COOKIE])?;
        }
    }
    Ok(())
}

fn with_refused_claim(world: &World, m: Param) -> Result<()> {
    let (s, me, other) = (world.session, world.owner, Who::user(1000).claim());
    world.play(rows! {
        "no claim" INVOKE(s; m) => DENIED, REACHED;
        "no claim, four" INVOKE(s; m, m, m, m) => DENIED, REACHED;
        "another's" INVOKE(s; other, m) => DENIED, BAD;
        "another's, four" INVOKE(s; other, m, m, m, m) => DENIED, BAD;
        "late" INVOKE(s; m, me.claim()) => DENIED, BAD;
        "unknown login" INVOKE(s; me.by(3).claim(), m, m) => BAD, BAD;
        "high bit" INVOKE(s; me.with(1 << 50), m) => BAD, BAD;
        "release" INVOKE(s; me.with(RELEASE), m) => BAD, BAD;
        "no such session" INVOKE(u32::MAX; me.claim(), m) => BAD, BAD;
        "no such session, no claim" INVOKE(u32::MAX; m) => BAD, BAD;
        "cancel" CANCEL(s; m) => BAD, BAD;
        "cancel, claim first" CANCEL(s; me.claim(), m) => BAD, BAD;
        "cancel, claim last" CANCEL(s; m, me.claim()) => BAD, BAD;
        "close" CLOSE(s; m) => BAD, BAD;
        "close, claim first" CLOSE(s; me.claim(), m) => BAD, BAD;
        "close, another's first" CLOSE(s; other, m, m) => BAD, BAD;
    })
}

fn with_memory(world: &World, m: Param) -> Result<()> {
    let (s, claim) = (world.session, world.owner.claim());
    let dead = [RMEM_IN, 0, 64, COOKIE + 1];
    let long = [RMEM_IN, 1, PAGE as u64, COOKIE];
    let wraps = [RMEM_IN, u64::MAX, 2, COOKIE];
    let contiguous = [TMEM[0], world.address, 64, 0];
    let null = [TMEM[1], 0, 64, 0];
    let meta = [m[0] | META, m[1], m[2], m[3]];
    with_refused_claim(world, m)?;
    world.play(rows! {
        "good" INVOKE(s; claim, m) => REACHED, BAD;
        "good, four" INVOKE(s; claim, m, m, m, m) => REACHED, BAD;
        "good, five" INVOKE(s; claim, m, m, m, m, m) => BAD, BAD;
        "claim twice" INVOKE(s; claim, m, claim) => BAD, BAD;
        "claim twice, last" INVOKE(s; claim, m, m, m, claim) => BAD, BAD;
        "as META" INVOKE(s; claim, m, meta) => BAD, BAD;
        "then a dead one" INVOKE(s; claim, m, dead) => BAD, BAD;
        "then a long one" INVOKE(s; claim, m, m, long) => SECURITY, BAD;
        "then one that wraps" INVOKE(s; claim, m, m, m, wraps) => SECURITY, BAD;
        "then a contiguous one" INVOKE(s; claim, m, contiguous) => BAD, BAD;
        "then a null one" INVOKE(s; claim, m, null) => REACHED, BAD;
        "then none that there is" INVOKE(s; claim, m, [4, 0, 0, 0]) => BAD, BAD;
        "no claim, then a dead one" INVOKE(s; m, dead) => DENIED, BAD;
        "no claim, then a long one" INVOKE(s; m, long) => DENIED, SECURITY;
    })
}

pub(super) fn opens(world: &World) -> Result<()> {
    let (me, other) = (world.owner, Who::user(1000));
    // The instance is the owner's and lives, so that only the opens count.
    let held = world.open(vault_c::UUID, me.with(ATTESTED))?;
    for kind in RMEM {
        let (m, dead) = ([kind, 0, 64, COOKIE], [RMEM_IN, 0, 64, COOKIE + 1]);
        let open = |client, rest: &[Param]| Message::open(vault_c::UUID, client, rest);
        let bad = [
            open(me.by(3).with(ATTESTED), &[m]),
            open(me.with(ATTESTED), &[m, m, me.claim()]),
            open(me.with(ATTESTED), &[m, m, dead]),
            open(me.with(ATTESTED), &[m; 5]),
        ];
        // The stock core opens these.
        let denied = [
            open(other.with(ATTESTED), &[m]),
            open(other.with(ATTESTED), &[m; 4]),
            open(Who::NOBODY.with(ATTESTED), &[m; 4]),
            open(me.claim(), &[m; 4]),
        ];
        registered(world, || {
            for _ in 0..3 {
                for message in &bad {
                    world.ask("bad open", message, BAD)?;
                }
                for message in &denied {
                    let reply = world.ask("open", message, world.here(DENIED, SERVED))?;
                    if !world.bound {
                        world.release(reply.session)?;
                    }
                }
            }
            Ok(())
        })?;
    }
    world.release(held)
}

pub(super) fn changing(world: &World) -> Result<()> {
    let claim = world.owner.claim();
    let memory = [RMEM_IN, 64, 64, COOKIE];
    let params = [world.proper(claim), vec![memory; 2]].concat();
    let message = Message::new(INVOKE, world.session, &params);
    let second = params.len() - 1;
    let first = second - 1;
    let attr = |n| word::param(n, 0);
    let rmem = RMEM_IN as u32;
    let flip = |what, at, values, expected: &[Answer]| {
        flip(world, what, &message, (at, values), expected, |_| Ok(()))
    };
    registered(world, || {
        flip("value", attr(second), [rmem, VALUE_IN as u32], &[REACHED])?;
        flip(
            "META",
            attr(second),
            [rmem, META_VALUE as u32],
            &[REACHED, BAD],
        )?;
        flip("output", attr(first), [rmem, RMEM[1] as u32], &[REACHED])?;
        flip(
            "contiguous",
            attr(first),
            [rmem, TMEM[0] as u32],
            &[REACHED, BAD],
        )?;
        flip(
            "offset",
            word::param(second, 1),
            [64, PAGE as u32],
            &[REACHED, SECURITY],
        )?;
        flip(
            "size",
            word::param(second, 2),
            [64, PAGE as u32],
            &[REACHED, SECURITY],
        )?;
        flip(
            "cookie",
            word::param(second, 3),
            [COOKIE as u32, 1],
            &[REACHED, BAD],
        )?;
        flip(
            "number",
            word::NUM_PARAMS,
            [message.count, 127],
            &[REACHED, BAD],
        )?;
        if world.bound {
            flip(
                "claim or memory",
                attr(0),
                [META_VALUE as u32, rmem],
                &[REACHED, DENIED],
            )?;
            flip(
                "whose",
                word::param(0, 1),
                [claim[1] as u32, 0],
                &[REACHED, DENIED],
            )?;
        }
        Ok(())
    })
}

/// Up to 4.10 (fixed by 51d99cd24) the reference is kept if the attribute has one more bit.
pub(super) fn upstreams_leak(world: &World) -> Result<()> {
    const TIMES: u32 = 10;
    /// What describes a page, with room for a debugging core's notes.
    const OBJECT: u32 = 256;
    let memory = [TMEM[0] | NONCONTIG, list(world), PAGE as u64, COOKIE];
    let params = [world.proper(world.owner.claim()), vec![memory]].concat();
    let message = Message::new(INVOKE, world.session, &params);
    let before = Stats::open()?.memory()?.heap;
    for _ in 0..TIMES {
        world.ask("invoke", &message, REACHED)?;
    }
    let lost = Stats::open()?.memory()?.heap - before;
    ensure!(lost <= TIMES * OBJECT && lost % TIMES == 0, "{lost} octets");
    world.lose(lost);
    Ok(())
}
