// SPDX-License-Identifier: BSD-2-Clause
//! What changes while OP-TEE looks at it.

use super::world::*;
use anyhow::{Context, Result, anyhow, ensure};
use client_binding_client::identity::Principal;
use client_binding_policy::abi::{
    OPTEE_MSG_LOGIN_ATTESTED as ATTESTED, OPTEE_MSG_LOGIN_RELEASE as RELEASE,
};
use client_binding_proto::{Identity, TaUuid, vault_c, whoami};
use std::collections::BTreeSet;
use std::sync::Barrier;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::thread;

/// At least so many messages; more if an expected answer did not come yet, up to the second number.
const ROUNDS: std::ops::Range<usize> = 200..6000;

/// Sends a message again and again while another processor changes a word of it from one
/// of two values to the other. Each of the expected answers must come, and no other.
pub(super) fn flip(
    world: &World,
    what: &str,
    message: &Message,
    (at, values): (usize, [u32; 2]),
    expected: &[Answer],
    mut then: impl FnMut(&Reply) -> Result<()>,
) -> Result<()> {
    let stop = AtomicBool::new(false);
    let word = world.word(at);
    let mut seen = BTreeSet::new();
    let mut rounds = || {
        for round in 0..ROUNDS.end {
            if round >= ROUNDS.start && seen.len() == expected.len() {
                break;
            }
            let reply = world.send(message)?;
            let answer = reply.answer;
            ensure!(expected.contains(&answer), "{what}: {answer}");
            seen.insert(answer);
            then(&reply)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                // At once, to get between two readings.
                for value in values {
                    word.store(value, Relaxed);
                }
            }
        });
        let result = rounds();
        stop.store(true, Relaxed);
        result
    })?;
    for answer in expected {
        ensure!(seen.contains(answer), "{what}: never {answer}");
    }
    Ok(())
}

fn nothing(_: &Reply) -> Result<()> {
    Ok(())
}

pub(super) fn identity(world: &World) -> Result<()> {
    let me = world.owner;
    let [a, b] = me.uuid;
    for (cmd, good) in [(INVOKE, REACHED), (CANCEL, DONE)] {
        let message = Message::new(cmd, world.session, &[me.claim()]);
        let flip = |what, at, values, bad| {
            let expected = world.here(vec![good, bad], vec![BAD]);
            flip(world, what, &message, (at, values), &expected, nothing)
        };
        flip("a", word::param(0, 1), [a as u32, 0], DENIED)?;
        flip(
            "high half of a",
            word::param(0, 1) + 1,
            [(a >> 32) as u32, 1],
            DENIED,
        )?;
        flip("b", word::param(0, 2), [b as u32, 7], DENIED)?;
        flip("login", word::param(0, 3), [me.login, 0], DENIED)?;
        flip(
            "unknown login",
            word::param(0, 3),
            [me.login, 0xf000_0000],
            BAD,
        )?;
        flip("high bits", word::param(0, 3) + 1, [0, 1 << 30], BAD)?;
    }
    Ok(())
}

pub(super) fn shape(world: &World) -> Result<()> {
    let message = Message::new(INVOKE, world.session, &[world.owner.claim()]);
    let flip = |what, at, values, bound: &[Answer], stock: &[Answer]| {
        let expected = world.here(bound, stock);
        flip(world, what, &message, (at, values), expected, nothing)
    };
    let attr = word::param(0, 0);
    let meta = META_VALUE as u32;
    let either = &[REACHED, DENIED];
    flip(
        "value",
        attr,
        [meta, VALUE_IN as u32],
        either,
        &[REACHED, BAD],
    )?;
    flip("memory", attr, [meta, RMEM_IN as u32], either, &[BAD])?;
    flip(
        "another bit",
        attr,
        [meta, meta | NONCONTIG as u32],
        either,
        &[BAD],
    )?;
    let n = word::NUM_PARAMS;
    flip("0", n, [1, 0], either, &[REACHED, BAD])?;
    flip("5", n, [1, 5], &[REACHED], &[BAD])?;
    flip("6", n, [1, 6], &[REACHED, BAD], &[BAD])?;
    flip("127", n, [1, 127], &[REACHED, BAD], &[BAD])?;
    flip("128", n, [1, 128], &[REACHED, EBADADDR], &[BAD, EBADADDR])
}

pub(super) fn session(world: &World) -> Result<()> {
    let (me, other) = (world.owner, Who::user(1000));
    let (mine, theirs) = (
        world.session,
        world.open(whoami::UUID, other.with(ATTESTED))?,
    );
    let claim = world.proper(me.claim());
    let first = claim.len();
    let params = [claim.clone(), vec![[VALUE_OUT, 0, 0, 0]; 3]].concat();
    let message = Message::new(INVOKE, mine, &params);
    let them = Principal::User(1000).uuid();
    let mut reached = 0;
    let at = (word::SESSION, [mine, theirs]);
    let expected = world.here(&[SERVED, DENIED][..], &[SERVED]);
    flip(world, "session", &message, at, expected, |reply| {
        let value = |n: usize| {
            let [_, a, b, _] = reply.params[first + n];
            (a as u32, b as u32)
        };
        let identity = Identity::from_values([value(0), value(1), value(2)]);
        reached += usize::from(reply.answer == SERVED && identity.uuid == *them.as_bytes());
        Ok(())
    })?;
    // The attack that must succeed where nobody looks.
    ensure!((reached > 0) != world.bound, "reached {reached} times");

    let at = (word::SESSION, [mine, u32::MAX]);
    flip(
        world,
        "no such session",
        &message,
        at,
        &[SERVED, BAD],
        nothing,
    )?;
    let message = Message::new(INVOKE, mine, &claim);
    let at = (word::CMD, [INVOKE, CANCEL]);
    flip(world, "command", &message, at, &[REACHED, DONE], nothing)?;
    let at = (word::CMD, [INVOKE, 0x100]);
    flip(
        world,
        "no such command",
        &message,
        at,
        &[REACHED, EBADCMD],
        nothing,
    )?;

    let message = Message::new(INVOKE, theirs, &world.proper(other.claim()));
    world.ask("they", &message, REACHED)?;
    world.release(theirs)
}

pub(super) fn open(world: &World) -> Result<()> {
    let (me, other) = (world.owner, Who::user(1000));
    // The instance lives: nothing is loaded, so no remote procedure call needs its place
    // behind parameters whose number changes.
    let held = world.open(vault_c::UUID, me.with(ATTESTED))?;
    let message = Message::open(vault_c::UUID, me.with(ATTESTED), &[]);
    // Closes from memory that nobody changes.
    let closer = World::new(world.stack, world.full)?.context("the driver was hostile")?;
    let flip = |what, at, values, bound: &[Answer], stock: &[Answer]| {
        let expected = world.here(bound, stock);
        flip(world, what, &message, (at, values), expected, |reply| {
            if reply.answer == SERVED {
                closer.release(reply.session)?;
            }
            Ok(())
        })
    };
    let meta = META_VALUE as u32;
    let (login, high) = (word::param(1, 3), word::param(1, 3) + 1);
    let (malformed, denied) = (&[SERVED, BAD], &[SERVED, DENIED]);
    flip(
        "attribute of the TA",
        word::param(0, 0),
        [meta, 1],
        malformed,
        malformed,
    )?;
    flip(
        "attribute of the client",
        word::param(1, 0),
        [meta, 0],
        malformed,
        malformed,
    )?;
    flip("number 1", word::NUM_PARAMS, [2, 1], malformed, malformed)?;
    flip(
        "number 127",
        word::NUM_PARAMS,
        [2, 127],
        malformed,
        malformed,
    )?;
    flip("unknown login", login, [me.login, 3], malformed, malformed)?;
    // The stock core opens for everybody.
    let uuids = [me, other].map(|who| who.uuid[0] as u32);
    flip("client", word::param(1, 1), uuids, denied, &[SERVED])?;
    flip("login", login, [me.login, 2], denied, &[SERVED])?;
    flip("PUBLIC", login, [me.login, 0], denied, &[SERVED])?;
    flip("promise", high, [1 << 31, 0], denied, &[SERVED])?;
    flip("high bit", high, [1 << 31, 1 << 30], malformed, &[SERVED])?;
    world.release(held)
}

pub(super) fn opening(world: &World) -> Result<()> {
    let (me, other) = (world.owner, Who::user(1000));
    let claims = [other.claim(), Who::NOBODY.claim(), other.with(1 << 40)];
    let next = AtomicU32::new(0);
    let opens = || {
        (0..if world.full { 1000 } else { 20 }).try_for_each(|_| {
            let session = world.open(whoami::UUID, me.with(ATTESTED))?;
            let message = Message::new(INVOKE, session, &world.proper(me.claim()));
            let served = world.ask("the owner", &message, REACHED);
            world.release(session)?;
            // Which the next one will have, too, or one more.
            next.store(session + u32::from(world.bound), Relaxed);
            served.map(drop)
        })
    };
    let answers = meanwhile(world, opens, |attacker, say| {
        let session = next.load(Relaxed);
        if !attacker.bound {
            return say(Message::new(CANCEL, session, &[]));
        }
        for cmd in LATER {
            say(Message::new(cmd, session, &[]))?;
            for claim in claims {
                say(Message::new(cmd, session, &[claim]))?;
            }
        }
        Ok(())
    })?;
    let expected = world.here(&[DENIED, BAD, NOT_FOUND][..], &[DONE, BAD]);
    for answer in &answers {
        ensure!(expected.contains(answer), "the attacker got {answer}");
    }
    ensure!(
        answers.contains(&expected[0]),
        "the attacker was never in time"
    );
    Ok(())
}

/// The open of a TA that does not exist, and somebody who finds its session meanwhile and waits.
///
/// Not on the stock core: up to 4.10 it frees the session under who waits, who then waits for ever.
pub(super) fn failing_open(world: &World) -> Result<()> {
    if !world.bound {
        return Ok(());
    }
    const MISSING: TaUuid = TaUuid {
        text: "abababab-abab-abab-abab-abababababab",
        octets: [0xab; 16],
    };
    let me = world.owner;
    let open = Message::open(MISSING, me.with(ATTESTED), &[]);
    let next = AtomicU32::new(0);
    let opens = || {
        // Each open counts on from here.
        let session = world.open(whoami::UUID, me.with(ATTESTED))?;
        world.release(session)?;
        next.store(session, Relaxed);
        (0..if world.full { 500 } else { 20 }).try_for_each(|_| {
            next.fetch_add(1, Relaxed);
            world.ask("open", &open, NOT_FOUND).map(drop)
        })
    };
    let answers = meanwhile(world, opens, |attacker, say| {
        let next = next.load(Relaxed);
        say(Message::new(INVOKE, next, &[me.claim()]))?;
        say(Message::new(CANCEL, next, &[me.claim()]))?;
        say(Message::new(
            CLOSE,
            next,
            &attacker.proper(me.with(RELEASE)),
        ))
    })?;
    for answer in answers {
        let harmless = [BAD, NOT_FOUND, DONE].contains(&answer);
        ensure!(harmless, "the attacker got {answer}");
    }
    Ok(())
}

/// The answers that somebody else gets while we do something.
fn meanwhile(
    world: &World,
    we: impl FnOnce() -> Result<()>,
    they: impl Fn(&World, &mut dyn FnMut(Message) -> Result<()>) -> Result<()> + Sync,
) -> Result<BTreeSet<Answer>> {
    let (stack, full) = (world.stack, world.full);
    let ready = Barrier::new(2);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let them = scope.spawn(|| {
            let attacker = World::new(stack, full);
            ready.wait();
            let attacker = attacker?.context("the driver was hostile")?;
            let mut answers = BTreeSet::new();
            while !stop.load(Relaxed) {
                they(&attacker, &mut |message| {
                    answers.insert(attacker.send(&message)?.answer);
                    Ok(())
                })?;
            }
            Ok(answers)
        });
        ready.wait();
        let result = we();
        stop.store(true, Relaxed);
        let answers = them.join().map_err(|_| anyhow!("the attacker died"))?;
        result.and(answers)
    })
}
