// SPDX-License-Identifier: BSD-2-Clause
//! Messages whose shape is wrong.

use super::super::operator::Refused;
use super::world::*;
use anyhow::{Result, ensure};
use client_binding_policy::Refusal;
use client_binding_policy::abi::{
    ClientUuid, Login, OPTEE_MSG_LOGIN_ATTESTED as ATTESTED, OPTEE_MSG_LOGIN_RELEASE as RELEASE,
    Operation,
};
use client_binding_proto::{vault_c, whoami};
use client_binding_raw::code::TEE_ERROR_BAD_PARAMETERS;
use client_binding_raw::pta::Pta;
use client_binding_raw::{self as raw, Tee};

const TA: Login = Login::TRUSTED_APP;

pub(super) fn misplaced(world: &World) -> Result<()> {
    let (s, me, other) = (world.session, world.owner.claim(), Who::user(1000).claim());
    let t = ta(whoami::UUID);
    for slot in 1..5 {
        let params = [vec![NONE; slot], vec![me]].concat();
        // Without a claim in front an invoke is nobody's, and the others have parameters too many.
        world.play(LATER.map(|cmd| {
            let bound = if cmd == INVOKE { DENIED } else { BAD };
            row(
                format_args!("{cmd}, slot {slot}"),
                Message::new(cmd, s, &params),
                bound,
                BAD,
            )
        }))?;
    }
    world.play(rows! {
        "twice" INVOKE(s; me, me) => BAD, BAD;
        "twice, the second another's" INVOKE(s; me, other) => BAD, BAD;
        "twice, the first another's" INVOKE(s; other, me) => DENIED, BAD;
        "twice, apart" INVOKE(s; me, NONE, me) => BAD, BAD;
        "five" INVOKE(s; me, me, me, me, me) => BAD, BAD;
        "cancel, twice" CANCEL(s; me, me) => BAD, BAD;
        "cancel, one another's" CANCEL(s; other, me) => BAD, BAD;
        "close, twice" CLOSE(s; me, me) => BAD, BAD;
        "close, one another's" CLOSE(s; other, me) => BAD, BAD;
        "open, nothing" OPEN(0; ) => BAD, BAD;
        "open, one" OPEN(0; t) => BAD, BAD;
        "open, late" OPEN(0; NONE, t, me) => BAD, BAD;
        "open, apart" OPEN(0; t, NONE, me) => BAD, BAD;
        "open, three" OPEN(0; t, me, me) => BAD, BAD;
    })
}

pub(super) fn missing(world: &World) -> Result<()> {
    let (s, [a, b]) = (world.session, world.owner.uuid);
    let plain = [VALUE_IN, a, b, 1];
    world.play(rows! {
        "invoke" INVOKE(s; ) => DENIED, REACHED;
        "invoke, a value" INVOKE(s; plain) => DENIED, REACHED;
        "invoke, four" INVOKE(s; plain, plain, plain, plain) => DENIED, REACHED;
        "cancel" CANCEL(s; ) => DENIED, DONE;
        "cancel, a value" CANCEL(s; plain) => BAD, BAD;
        "close, a value" CLOSE(s; plain) => BAD, BAD;
    })?;
    // What works on the stock core needs a session of its own.
    let session = world.open(whoami::UUID, world.owner.with(ATTESTED))?;
    world.play(rows! { "close" CLOSE(session; ) => DENIED, DONE; })?;
    if world.bound {
        world.release(session)?;
    }
    Ok(())
}

pub(super) fn attributes(world: &World) -> Result<()> {
    for bit in 0..64 {
        let mut claim = world.owner.claim();
        claim[0] ^= 1 << bit;
        // Without META it is a value for the TA.
        let stock = if 1 << bit == META { REACHED } else { BAD };
        let (t, me, s) = (ta(whoami::UUID), world.owner.claim(), world.session);
        let mut t_wrong = t;
        t_wrong[0] ^= 1 << bit;
        world.play(rows! {
            "invoke" INVOKE(s; claim) => DENIED, stock;
            "cancel" CANCEL(s; claim) => BAD, BAD;
            "close" CLOSE(s; claim) => BAD, BAD;
            "open, client" OPEN(0; t, claim) => BAD, BAD;
            "open, TA" OPEN(0; t_wrong, me) => BAD, BAD;
        })?;
    }
    Ok(())
}

pub(super) fn high_bits(world: &World) -> Result<()> {
    let (s, me) = (world.session, world.owner);
    let mixed = [ATTESTED | RELEASE, u64::MAX << 32];
    for bits in (32..64).map(|bit| 1 << bit).chain(mixed) {
        world.play(rows! {
            "invoke" INVOKE(s; me.with(bits)) => BAD, BAD;
            "cancel" CANCEL(s; me.with(bits)) => BAD, BAD;
        })?;
        if bits != RELEASE {
            world.play(rows! { "close" CLOSE(s; me.with(bits)) => BAD, BAD; })?;
        }
        // A stock core does not look at them when it opens.
        let message = Message::open(whoami::UUID, me.with(bits), &[]);
        let opens = !world.bound || bits == ATTESTED;
        let answer = if opens { SERVED } else { BAD };
        let reply = world.ask(&format!("open, {bits:#x}"), &message, answer)?;
        if opens {
            world.release(reply.session)?;
        }
    }
    Ok(())
}

/// What the core has refused since boot: all opens, and all that was malformed.
pub(super) fn counted(world: &World) -> Result<[u64; 2]> {
    if !world.bound {
        return Ok([0; 2]);
    }
    let counters = Pta::open(Tee::connect()?)?.counters()?;
    Ok([
        counters.by_operation[OPEN as usize],
        counters.by_refusal[Refusal::Malformed as usize],
    ])
}

pub(super) fn logins(world: &World) -> Result<()> {
    let s = world.session;
    let known = Login::NORMAL_WORLD.map(|login| login.0);
    let numbers = (0..0x20_u32)
        .chain((5..32).flat_map(|bit| [(1 << bit) - 1, 1 << bit, 1 << bit | 1]))
        .chain([TA.0, u32::MAX, !1]);
    let [mut opens, mut malformed] = counted(world)?;
    for login in numbers.filter(|login| !known.contains(login)) {
        let who = world.owner.by(login);
        let t = ta(whoami::UUID);
        world.play(rows! {
            "invoke" INVOKE(s; who.claim()) => BAD, BAD;
            "cancel" CANCEL(s; who.claim()) => BAD, BAD;
            "close" CLOSE(s; who.claim()) => BAD, BAD;
            "release" CLOSE(s; who.with(RELEASE)) => BAD, BAD;
            "open" OPEN(0; t, who.claim()) => BAD, BAD;
            "open, attested" OPEN(0; t, who.with(ATTESTED)) => BAD, BAD;
        })?;
        opens += world.here(2, 0);
        malformed += world.here(6, 0);
    }
    let now = counted(world)?;
    ensure!(
        now == [opens, malformed],
        "{now:?} refused opens and malformed claims were counted instead of {opens} and {malformed}"
    );
    Ok(())
}

/// What a session can be opened by: a stock core does not know processes.
fn opening(world: &World) -> impl Iterator<Item = Login> {
    let bound = world.bound;
    let logins = Login::NORMAL_WORLD.into_iter();
    logins.filter(move |&login| bound || login != Login::PROCESS)
}

pub(super) fn identities(world: &World) -> Result<()> {
    let me = world.owner;
    let [a, b] = me.uuid;
    let one_bit = (0..128).map(|bit| (1_u128 << bit) ^ (u128::from(b) << 64 | u128::from(a)));
    let uuids = one_bit.map(|uuid| [uuid as u64, (uuid >> 64) as u64]);
    let uuids = uuids.chain([[0; 2], [b, a], Who::user(1000).uuid]);
    for who in uuids.map(|uuid| Who { uuid, ..me }) {
        let other = who.claim();
        world.play(LATER.map(|cmd| {
            let message = Message::new(cmd, world.session, &[other]);
            row(format_args!("{cmd}, {other:x?}"), message, DENIED, BAD)
        }))?;
    }
    // A login without a UUID does not look at it, and none stands for another.
    for owner in opening(world) {
        let session = world.open(whoami::UUID, me.by(owner.0).with(ATTESTED))?;
        for login in opening(world) {
            let claim = me.by(login.0).claim();
            let (invoke, cancel) = if login == owner {
                (REACHED, DONE)
            } else {
                (DENIED, DENIED)
            };
            world.play(rows! {
                "invoke by another login" INVOKE(session; claim) => invoke, BAD;
                "cancel by another login" CANCEL(session; claim) => cancel, BAD;
            })?;
            if login != owner {
                world.play(rows! {
                    "close by another login" CLOSE(session; claim) => DENIED, BAD;
                })?;
            }
        }
        world.release(session)?;
    }
    Ok(())
}

pub(super) fn owners(world: &World) -> Result<()> {
    let me = world.owner;
    let owned = world.open(vault_c::UUID, me.with(ATTESTED))?;
    let [a, b] = me.uuid;
    let bits = (0..128).map(|bit| (1_u128 << bit) ^ (u128::from(b) << 64 | u128::from(a)));
    let uuids = bits.map(|uuid| [uuid as u64, (uuid >> 64) as u64]);
    let others = uuids.map(|uuid| Who { uuid, ..me });
    let logins = opening(world)
        .filter(|login| login.0 != me.login)
        .map(|login| me.by(login.0));
    for other in others.chain(logins) {
        let what = format!("{:#x} {:x?}", other.login, other.uuid);
        let message = Message::open(vault_c::UUID, other.with(ATTESTED), &[]);
        let reply = world.ask(&what, &message, world.here(DENIED, SERVED))?;
        if !world.bound {
            world.release(reply.session)?;
        }
    }
    let again = world.open(vault_c::UUID, me.with(ATTESTED))?;
    world.release(again)?;
    world.release(owned)
}

pub(super) fn numbers(world: &World) -> Result<()> {
    let claim = world.owner.claim();
    let attested = world.owner.with(ATTESTED);
    for n in (0..=128).chain([255, 300]) {
        let say = |cmd, first: &[Param], bound, stock| {
            let mut message = Message::new(cmd, world.session, first);
            message.params.truncate(n as usize);
            message.count = n;
            // 127 parameters fill a page; with more it is no message.
            let or_too_many = |answer| if n > 127 { EBADADDR } else { answer };
            let what = format!("{n} in {cmd}, {} first", first.len());
            world.play([row(what, message, or_too_many(bound), or_too_many(stock))])
        };
        say(INVOKE, &[], DENIED, if n <= 4 { REACHED } else { BAD })?;
        match n {
            0 => say(CANCEL, &[], DENIED, DONE)?,
            _ => say(CANCEL, &[], BAD, BAD)?,
        }
        if n > 0 {
            say(CLOSE, &[], BAD, BAD)?;
            say(INVOKE, &[claim], if n <= 5 { REACHED } else { BAD }, BAD)?;
            say(CANCEL, &[claim], if n == 1 { DONE } else { BAD }, BAD)?;
        }
        if n > 1 {
            say(CLOSE, &[claim], BAD, BAD)?;
        }
        if !(2..=6).contains(&n) {
            say(OPEN, &[ta(whoami::UUID), attested], BAD, BAD)?;
        }
    }
    for n in 0..=4 {
        let message = Message::open(whoami::UUID, attested, &vec![NONE; n]);
        let reply = world.ask("open", &message, SERVED)?;
        world.release(reply.session)?;
    }
    Ok(())
}

pub(super) fn other_commands(world: &World) -> Result<()> {
    /// Registering answers without an origin.
    const REFUSED: Answer = Answer::Tee(TEE_ERROR_BAD_PARAMETERS, POISON);
    let (claim, memory) = (world.owner.claim(), [TMEM[1] | NONCONTIG, 0, 64, 1]);
    let meta = [memory[0] | META, 0, 64, 1];
    world.play(rows! {
        "register, nothing" REGISTER_SHM(0; ) => REFUSED, REFUSED;
        "register, a claim" REGISTER_SHM(0; claim) => REFUSED, REFUSED;
        "register, claim first" REGISTER_SHM(0; claim, memory) => REFUSED, REFUSED;
        "register, claim last" REGISTER_SHM(0; memory, claim) => REFUSED, REFUSED;
        "register as META" REGISTER_SHM(0; meta) => REFUSED, REFUSED;
        "unregister, nothing" UNREGISTER_SHM(0; ) => BAD, BAD;
        // Reads the login as a cookie that nobody registered.
        "unregister, a claim" UNREGISTER_SHM(0; claim) => REFUSED, REFUSED;
        "unregister, claim first" UNREGISTER_SHM(0; claim, memory) => BAD, BAD;
    })?;
    for cmd in [9, 10, 11, 12, 0x100, 1 << 31, u32::MAX] {
        world.play(rows! {
            "unknown command" cmd(world.session; ) => EBADCMD, EBADCMD;
            "unknown command, a claim" cmd(world.session; claim) => EBADCMD, EBADCMD;
        })?;
    }
    Ok(())
}

pub(super) fn releases(world: &World) -> Result<()> {
    let (s, me) = (world.session, world.owner);
    for who in [me, Who::user(1000), Who::NOBODY] {
        let release = who.with(RELEASE);
        world.play(rows! {
            "invoke" INVOKE(s; release) => BAD, BAD;
            "cancel" CANCEL(s; release) => BAD, BAD;
            "and a promise" CLOSE(s; who.with(RELEASE | ATTESTED)) => BAD, BAD;
            "a promise" CLOSE(s; who.with(ATTESTED)) => BAD, BAD;
            "and another bit" CLOSE(s; who.with(RELEASE | 1 << 32)) => BAD, BAD;
            "and a parameter" CLOSE(s; release, NONE) => BAD, BAD;
        })?;
        // A hostile kernel may close what it likes, but only once, and nothing else suffers.
        let session = world.open(whoami::UUID, me.with(ATTESTED))?;
        world.play(rows! { "release" CLOSE(session; release) => DONE, BAD; })?;
        if !world.bound {
            world.release(session)?;
        }
        let again = Message::new(CLOSE, session, &world.proper(release));
        world.ask("release again", &again, NOT_FOUND)?;
    }
    // Behind the driver's back: the owner finds nothing, and that is all.
    let tee = Tee::connect()?;
    let session = tee.open(whoami::UUID, raw::Login::User)?;
    world.release(session.0)?;
    let command = whoami::Command::WhoAmI;
    let answer = tee.invoke(session, command.number(), command.shape(), 0);
    ensure!(
        answer.code() == Some(TEE_ERROR_BAD_PARAMETERS),
        "behind its back: {answer}"
    );
    Ok(())
}

pub(super) fn dead_sessions(world: &World) -> Result<()> {
    let me = world.owner;
    let closed = world.open(whoami::UUID, me.with(ATTESTED))?;
    world.release(closed)?;
    for s in [closed, 0, closed + 1, closed + 1000, 1 << 31, u32::MAX] {
        for claim in [
            me.claim(),
            Who::user(1000).claim(),
            me.by(3).claim(),
            me.with(1 << 40),
        ] {
            world.play(rows! {
                "invoke" INVOKE(s; claim) => BAD, BAD;
                "cancel" CANCEL(s; claim) => BAD, BAD;
                "close" CLOSE(s; claim) => NOT_FOUND, BAD;
            })?;
        }
        world.play(rows! {
            "invoke without claim" INVOKE(s; ) => BAD, BAD;
            "cancel without claim" CANCEL(s; ) => BAD, BAD;
            "close without claim" CLOSE(s; ) => NOT_FOUND, NOT_FOUND;
        })?;
    }
    // Sessions between TAs are in lists of their own: no number and no claim reaches them.
    let claim = Who {
        login: TA.0,
        uuid: ClientUuid::from_octets(whoami::UUID.octets).0,
    }
    .claim();
    for session in 1..64 {
        for cmd in LATER {
            let answer = world.send(&Message::new(cmd, session, &[claim]))?.answer;
            let refused = answer == BAD || (cmd == CLOSE && answer == NOT_FOUND);
            ensure!(refused, "as a TA, {cmd} in {session}: {answer}");
        }
    }
    Ok(())
}

pub(super) fn unattested(world: &World) -> Result<()> {
    let (me, other) = (world.owner, Who::user(1000).claim());
    if world.stack.owns_instances(false) {
        // Where the image binds every TA that holds for all of them.
        let message = Message::open(whoami::UUID, me.claim(), &[]);
        world.ask("any TA", &message, DENIED)?;
        world.ask(
            "bound TA",
            &Message::open(vault_c::UUID, me.claim(), &[]),
            DENIED,
        )?;
        return Ok(());
    }
    let s = world.open(whoami::UUID, me.claim())?;
    world.play(rows! {
        "invoke without claim" INVOKE(s; NONE) => REACHED, REACHED;
        "cancel without claim" CANCEL(s; ) => DONE, DONE;
        "invoke" INVOKE(s; me.claim()) => REACHED, BAD;
        "cancel" CANCEL(s; me.claim()) => DONE, BAD;
        "invoke as another" INVOKE(s; other) => DENIED, BAD;
        "cancel as another" CANCEL(s; other) => DENIED, BAD;
        "close as another" CLOSE(s; other) => DENIED, BAD;
        "invoke, misplaced" INVOKE(s; NONE, me.claim()) => BAD, BAD;
        "close, misplaced" CLOSE(s; NONE, me.claim()) => BAD, BAD;
        "high bit" INVOKE(s; me.with(1 << 33)) => BAD, BAD;
        "as a TA" CLOSE(s; me.by(TA.0).claim()) => BAD, BAD;
        "close without claim" CLOSE(s; ) => DONE, DONE;
    })?;
    // Who does not vouch for callers gets no bound TA; on the stock core it has no flag.
    let message = Message::open(vault_c::UUID, me.claim(), &[]);
    let reply = world.ask("bound TA", &message, world.here(DENIED, SERVED))?;
    if !world.bound {
        world.release(reply.session)?;
    }
    Ok(())
}

pub(super) fn refused(world: &World) -> Result<[Refused; 3]> {
    const UNKNOWN: Login = Login(0x1f);
    let (s, me) = (world.session, world.owner);
    let message = Message::open(vault_c::UUID, me.claim(), &[]);
    world.play(rows! {
        "malformed" INVOKE(s; me.by(UNKNOWN.0).claim()) => BAD, BAD;
        "without claim" INVOKE(s; ) => DENIED, REACHED;
    })?;
    world.ask("unattested", &message, DENIED)?;
    let (ta, client) = (whoami::UUID, Login::USER);
    Ok([
        (ta, Operation::Invoke, Refusal::Malformed, UNKNOWN, client),
        (
            ta,
            Operation::Invoke,
            Refusal::ClaimMissing,
            Login::PUBLIC,
            client,
        ),
        (
            vault_c::UUID,
            Operation::Open,
            Refusal::Unattested,
            client,
            Login::PUBLIC,
        ),
    ])
}
