// SPDX-License-Identifier: BSD-2-Clause
//! Sessions and memory as objects, on kernels that know them. They are names and no right: what is refused is what is refused of a
//! session.

use super::delegation::{allow, can_lend, request};
use super::demonstration::{Ran, ran};
use super::{Case, G, O};
use crate::bench::{Bench, Seat, flavour, released, until};
use crate::stats::Stats;
use crate::world::{OWNER, STRANGER, let_person};
use anyhow::{Context, Result, anyhow, ensure};
use client_binding_proto::probe::{Command, Flavour, Kind};
use client_binding_proto::{GRANT, Identity, Param as ParamKind};
use client_binding_raw::code::{
    TEE_ERROR_ACCESS_DENIED, TEE_ERROR_CANCEL, TEE_ERROR_SHORT_BUFFER, TEE_ORIGIN_COMMS,
    TEE_ORIGIN_TRUSTED_APP,
};
use client_binding_raw::lend::{Lender, halves};
use client_binding_raw::object::{
    GIVEN, MEMORY, MOST_OBJECTS, MOST_OCTETS, Object, ROOT, SESSION, numbers, root, value,
};
use client_binding_raw::sys::{self, Operand};
use client_binding_raw::{Answer, Login, Tee};
use client_binding_test::kit::sys::{RawParam, operate, read_only_page, set_thread_uid};
use nix::errno::Errno;
use nix::sys::utsname::uname;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

pub(super) const CASES: &[Case] = &[
    Case::service(
        12001,
        "Objects are announced where there are some, and what is not announced is not there",
        &[O + 1],
        announced,
    ),
    Case::service(
        12002,
        "An operation of an object is a command of the session, with buffers, memory and values",
        &[O + 1, O + 2, O + 5],
        served,
    ),
    Case::refusal(
        12003,
        "A stranger invokes, cancels and releases an object of a descriptor that was passed on",
        &[2, 12, O + 7],
        stranger,
    ),
    Case::service(
        12004,
        "An id means nothing in another open file",
        &[O + 1, O + 5],
        other_file,
    ),
    Case::service(
        12005,
        "What has no meaning is a clear error and changes nothing",
        &[O + 1],
        meaningless,
    ),
    Case::service(
        12006,
        "Buffers that are empty, as large as may be, too large, too small, or not there",
        &[O + 2],
        buffers,
    ),
    Case::service(
        12007,
        "Nobody logs in as the kernel by an object",
        &[8, O + 7],
        as_kernel,
    ),
    Case::refusal(
        12008,
        "A limited descriptor opens another TA as an object",
        &[G + 13, O + 7],
        limited,
    ),
    Case::service(
        12009,
        "An open file has so many objects, and what is released makes room",
        &[O + 1],
        many,
    ),
    Case::service(
        12010,
        "Objects end with the open file, also while their memory is mapped",
        &[11, O + 6],
        mapped,
    ),
    Case::service(
        12011,
        "Threads use objects at once, and none sees the octets of another",
        &[O + 2],
        threads,
    ),
    Case::service(
        12012,
        "An object is released while its command runs",
        &[11, O + 6],
        released_in_use,
    ),
    Case::refusal(
        12014,
        "A stranger releases an object over and over while its client uses it",
        &[2, 12, O + 7],
        hammered,
    ),
    Case::service(
        12015,
        "One thread releases objects while another makes them",
        &[O + 1],
        made_and_released,
    ),
    Case::refusal(
        12016,
        "What was lent is taken up as an object, by others, for more, or instead of another",
        &[G + 6, G + 13, O + 7],
        taken_up,
    ),
    Case::service(
        12013,
        "An open whose answer cannot be delivered leaves nothing",
        &[11, O + 6],
        undelivered,
    ),
    Case::service(
        12017,
        "The vault's program keeps a secret by an object",
        &[O + 7],
        vault_by_object,
    )
    .keeping(),
];

/// The first Linux with the interface.
const SINCE: (u32, u32) = (6, 18);

/// Whether there have to be objects.
fn has_objects(b: &Bench) -> Result<bool> {
    let name = uname()?;
    let release = name.release().to_str().context("the release of Linux")?;
    let mut numbers = release.split(['.', '-', '+']).map(str::parse);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return Err(anyhow!("Linux {release}"));
    };
    Ok(b.stack.has_bound_driver() && (major, minor) >= SINCE)
}

/// The owner's connection, where there are objects.
pub(super) fn connect(b: &Bench) -> Result<Option<Tee>> {
    OWNER.act()?;
    Ok(match has_objects(b)? {
        true => Some(Tee::connect()?),
        false => None,
    })
}

pub(super) fn open(tee: &Tee, ta: &Flavour) -> Result<Object> {
    let object = tee.open_object(ta.uuid, Login::User, vec![]);
    object.with_context(|| format!("{} does not open", ta.name))
}

pub(super) fn shared() -> &'static Flavour {
    flavour(Kind::Shared, false)
}

/// A command without parameters of its own: who the TA takes us for.
pub(super) fn ask(tee: &Tee, object: Object) -> Answer {
    let none = || value(ParamKind::ValueOut, 0, 0);
    let mut operands = vec![none(), none(), none()];
    tee.operate(object.id, Command::WhoAmI.number(), 0, &mut operands)
}

fn works(tee: &Tee, object: Object, identity: Identity) -> Result<()> {
    let now = ask(tee, object)
        .identity()
        .context("the object is broken")?;
    ensure!(now == identity, "we became somebody else");
    Ok(())
}

pub(super) fn denied(answer: Answer, origin: u32) -> bool {
    matches!(answer, Answer::Tee { ret, origin: by, .. } if (ret, by) == (TEE_ERROR_ACCESS_DENIED, origin))
}

pub(super) fn fails(what: &str, answer: Answer, errno: Errno) -> Result<()> {
    let expected = answer == Answer::Kernel(errno as i32);
    ensure!(expected, "{what}: {answer} instead of {errno}");
    Ok(())
}

fn announced(b: &Bench) -> Result<Option<String>> {
    let tee = Tee::connect()?;
    let (is, should) = (sys::has_objects(tee.as_fd())?, has_objects(b)?);
    ensure!(is == should, "announced: {is}");
    let mut operands = vec![value(ParamKind::ValueOut, 0, 0)];
    let answer = tee.operate(ROOT, root::VERSION, 0, &mut operands);
    if !should {
        fails("version", answer, Errno::EINVAL)?;
        return Ok(Some("none".into()));
    }
    answer.values().context("version")?;
    let (version, features) = numbers(&operands[0]);
    let known = u64::from(b.verifies()) * GIVEN;
    ensure!((version, features) == (1, known), "{version}, {features}");
    Ok(Some(format!("version {version}")))
}

/// The octets that the probe turns around, and those that it copies.
fn mirror(
    tee: &Tee,
    object: Object,
    from: Operand<'_>,
    octets: &mut [u8],
    room: &mut [u8],
) -> (Answer, [usize; 2]) {
    let mut operands = vec![
        value(ParamKind::ValueInOut, 1, 2),
        from,
        Operand::InOut(octets, 0),
        Operand::Out(room, 0),
    ];
    let answer = tee.operate(object.id, Command::Mirror.number(), 0, &mut operands);
    let sizes = [2, 3].map(|n| match operands[n] {
        Operand::Out(_, size) | Operand::InOut(_, size) => size,
        _ => 0,
    });
    (answer, sizes)
}

fn served(b: &Bench) -> Result<Option<String>> {
    let Some(tee) = connect(b)? else {
        return Ok(None);
    };
    let object = open(&tee, shared())?;
    ensure!(object.kind == SESSION, "it is {object:?}");
    let session = tee.open(shared().uuid, Login::User).context("a session")?;
    let identity = ask(&tee, object).identity().context("who am I")?;
    let of_session = crate::bench::ask(&tee, session).identity();
    ensure!(of_session == Ok(identity), "a session says {of_session:?}");

    let memory = tee.allocate(4096)?;
    memory.write(0, b"shared memory");
    let memory_object = tee
        .memory_object(&memory, ParamKind::MemIn)
        .context("memory")?;
    ensure!(memory_object.kind == MEMORY, "it is {memory_object:?}");
    let ways = [
        ("a buffer", Operand::In(b"a buffer"), 8),
        (
            "memory",
            Operand::Plain(memory.param(ParamKind::MemIn)),
            4096,
        ),
        ("a memory object", memory_object.operand(), 4096),
    ];
    for (way, from, size) in ways {
        let (mut octets, mut room) = (*b"turned around", vec![0xee; 5000]);
        let (answer, sizes) = mirror(&tee, object, from, &mut octets, &mut room);
        let values = answer.values().context(way)?;
        ensure!(values[0] == (2, 1), "{way}: values {values:?}");
        ensure!(sizes == [octets.len(), size], "{way}: sizes {sizes:?}");
        ensure!(
            octets.map(|octet| !octet) == *b"turned around",
            "{way}: not turned"
        );
        let begin = if size == 8 {
            &b"a buffer"[..]
        } else {
            b"shared memory"
        };
        ensure!(room.starts_with(begin), "{way}: not copied");
        ensure!(
            room[size..].iter().all(|octet| *octet == 0xee),
            "{way}: more copied"
        );
    }
    for object in [memory_object, object] {
        tee.release(object).values().context("release")?;
        fails("released twice", tee.release(object), Errno::EINVAL)?;
    }
    fails("invoked after its end", ask(&tee, object), Errno::EINVAL)?;
    Ok(Some("three ways".into()))
}

fn stranger(b: &Bench) -> Result<Option<String>> {
    let Some(tee) = connect(b)? else {
        return Ok(None);
    };
    let object = open(&tee, shared())?;
    let identity = ask(&tee, object).identity().context("who am I")?;
    let tries: [Answer; 3] = let_person(STRANGER, || {
        Ok([
            ask(&tee, object),
            tee.cancel_object(object, 0),
            tee.release(object),
        ])
    })?;
    for answer in tries {
        b.attacked(answer)?;
    }
    match b.verifies() {
        true => works(&tee, object, identity)?,
        false => fails("after its end", ask(&tee, object), Errno::EINVAL)?,
    }
    Ok(Some(tries[0].to_string()))
}

fn other_file(b: &Bench) -> Result<Option<String>> {
    let (Some(tee), Some(other)) = (connect(b)?, connect(b)?) else {
        return Ok(None);
    };
    let object = open(&tee, shared())?;
    let memory = tee.allocate(4096)?;
    let memory = tee
        .memory_object(&memory, ParamKind::MemIn)
        .context("memory")?;
    let own = open(&other, shared())?;
    for id in [object.id, memory.id] {
        let foreign = Object { id, kind: 0 };
        if id == own.id {
            continue;
        }
        fails("invoke", ask(&other, foreign), Errno::EINVAL)?;
        fails("cancel", other.cancel_object(foreign, 0), Errno::EINVAL)?;
        fails("release", other.release(foreign), Errno::EINVAL)?;
        let (answer, _) = mirror(&other, own, foreign.operand(), &mut [], &mut []);
        fails("parameter", answer, Errno::EINVAL)?;
    }
    tee.release(object)
        .values()
        .context("the object's own file")?;
    Ok(Some("unknown there".into()))
}

// TEE_IOCTL_PARAM_ATTR_TYPE_* and TEE_IOCTL_PARAM_ATTR_META
pub(super) const VALUE_IN: u64 = 1;
pub(super) const VALUE_OUT: u64 = 2;
const VALUE_INOUT: u64 = 3;
const MEM_IN: u64 = 5;
const MEM_OUT: u64 = 6;
const UBUF_IN: u64 = 8;
pub(super) const UBUF_OUT: u64 = 9;
const UBUF_INOUT: u64 = 10;
const OBJREF_IN: u64 = 11;
pub(super) const OBJREF_OUT: u64 = 12;
const OBJREF_INOUT: u64 = 13;
const META: u64 = 0x100;

/// Kernel memory, as far as user space can name it.
const BEYOND: u64 = 0xffff_8000_0000_0000;

fn meaningless(b: &Bench) -> Result<Option<String>> {
    let Some(tee) = connect(b)? else {
        return Ok(None);
    };
    let object = open(&tee, shared())?;
    let identity = ask(&tee, object).identity().context("who am I")?;
    let memory = tee.allocate(4096)?;
    let (shm, memory) = (
        memory.param(ParamKind::MemIn),
        tee.memory_object(&memory, ParamKind::MemIn)
            .context("memory")?,
    );
    let uuid = shared().uuid.octets;
    let uuid = [UBUF_IN, uuid.as_ptr() as u64, 16, 0];
    let (login, place, nothing) = ([VALUE_IN, 1, 0, 0], [OBJREF_OUT, 0, 0, 0], [0; 4]);
    let session = [OBJREF_IN, object.id, 0, 0];
    let shm = [MEM_IN, shm.a, shm.b, shm.c];
    let who = Command::WhoAmI.number();
    let mut tries: Vec<(u64, u32, Vec<RawParam>)> = vec![
        // What is no object, or is one of another kind.
        (0, who, vec![]),
        (object.id + 100, who, vec![]),
        (object.id | 1 << 32, who, vec![]),
        (u64::from(u32::MAX), who, vec![]),
        (1 << 31, who, vec![]),
        (ROOT - 1, who, vec![]),
        (memory.id, who, vec![]),
        // What the root object does not do.
        (ROOT, 0, vec![]),
        (ROOT, root::VERSION - 1, vec![]),
        (ROOT, 0xffff_ffff, vec![]),
        // What it does otherwise.
        (ROOT, root::VERSION, vec![]),
        (ROOT, root::VERSION, vec![login]),
        (ROOT, root::VERSION, vec![[VALUE_OUT; 4]; 2]),
        (ROOT, root::OPEN, vec![uuid, login]),
        (ROOT, root::OPEN, vec![login, uuid, place]),
        (ROOT, root::OPEN, vec![uuid, [VALUE_INOUT, 1, 0, 0], place]),
        (ROOT, root::OPEN, vec![uuid, login, [OBJREF_INOUT, 0, 0, 0]]),
        (
            ROOT,
            root::OPEN,
            vec![[UBUF_IN, uuid[1], 15, 0], login, place],
        ),
        (
            ROOT,
            root::OPEN,
            vec![[UBUF_IN, uuid[1], 17, 0], login, place],
        ),
        (
            ROOT,
            root::OPEN,
            vec![uuid, [VALUE_IN, 1 << 32 | 1, 0, 0], place],
        ),
        (
            ROOT,
            root::OPEN,
            vec![uuid, [VALUE_IN, 2, 1 << 32, 0], place],
        ),
        (ROOT, root::OPEN, vec![uuid, [VALUE_IN, 1, 0, 1], place]),
        (ROOT, root::OPEN, vec![uuid, login, place, session]),
        (ROOT, root::OPEN, vec![uuid, login, place, place]),
        (
            ROOT,
            root::OPEN,
            [vec![uuid, login, place], vec![nothing; 5]].concat(),
        ),
        (ROOT, root::RELEASE, vec![]),
        (ROOT, root::RELEASE, vec![login]),
        (ROOT, root::RELEASE, vec![[OBJREF_IN, ROOT, 0, 0]]),
        (ROOT, root::RELEASE, vec![[OBJREF_IN, 0, 0, 0]]),
        (ROOT, root::RELEASE, vec![[OBJREF_IN, object.id, MEMORY, 0]]),
        (
            ROOT,
            root::RELEASE,
            vec![[OBJREF_IN, object.id, 1 << 63, 0]],
        ),
        (ROOT, root::RELEASE, vec![session; 2]),
        (ROOT, root::MEMORY, vec![shm]),
        (
            ROOT,
            root::MEMORY,
            vec![[MEM_OUT, shm[1], shm[2], shm[3]], place],
        ),
        (ROOT, root::MEMORY, vec![session, place]),
        (ROOT, root::MEMORY, vec![[MEM_IN, 0, 0, u64::MAX], place]),
        (ROOT, root::CANCEL, vec![session]),
        (
            ROOT,
            root::CANCEL,
            vec![[OBJREF_IN, memory.id, 0, 0], nothing],
        ),
        (
            ROOT,
            root::CANCEL,
            vec![[OBJREF_IN, memory.id, 0, 0], [VALUE_IN, 0, 0, 0]],
        ),
        (ROOT, root::CANCEL, vec![session, [VALUE_IN, 1 << 32, 0, 0]]),
        (ROOT, root::CANCEL, vec![session, [VALUE_IN, 0, 1, 0]]),
    ];
    // What a TA cannot get, in each place.
    let odd: [RawParam; 16] = [
        [VALUE_IN, 1 << 32, 0, 0],
        [VALUE_IN, 0, 1 << 32, 0],
        [VALUE_IN, 0, 0, 1],
        [VALUE_INOUT, 1 << 32, 0, 0],
        [VALUE_INOUT, 0, 0, 1],
        [OBJREF_IN, memory.id, SESSION, 0],
        [OBJREF_IN, memory.id, MEMORY | SESSION, 0],
        [OBJREF_IN, memory.id | 1 << 32, 0, 0],
        [OBJREF_IN, ROOT, 0, 0],
        [OBJREF_IN, 0, 0, 0],
        [OBJREF_OUT | META, 0, 0, 0],
        [OBJREF_INOUT, memory.id, 0, 0],
        [VALUE_IN | META, 0, 0, 0],
        [UBUF_IN | META, uuid[1], 16, 0],
        [OBJREF_IN | META, memory.id, 0, 0],
        [14, 0, 0, 0],
    ];
    for (n, odd) in (0..4).flat_map(|n| odd.iter().map(move |odd| (n, odd))) {
        let mut params = vec![nothing; 4];
        params[n] = *odd;
        tries.push((object.id, who, params));
    }
    let status = [VALUE_INOUT | META, 0, 0, 0];
    for params in [
        vec![nothing; 5],
        vec![nothing; 127],
        vec![nothing, status],
        vec![status, status],
        vec![[VALUE_OUT | META, 0, 0, 0]],
        vec![[VALUE_INOUT | META, 1 << 32, 0, 0]],
        vec![[VALUE_INOUT | META, 0, 1, 0]],
        vec![[VALUE_INOUT | META, 0, 0, 1]],
    ] {
        tries.push((object.id, who, params));
    }
    let count = tries.len();
    for (id, op, params) in tries {
        let answer = operate(tee.as_fd(), id, op, &params);
        let expected = answer == Err(Errno::EINVAL);
        ensure!(expected, "{id:#x}, {op:#x}, {params:x?}: {answer:?}");
    }
    works(&tee, object, identity)?;
    Ok(Some(format!("{count} of them")))
}

fn buffers(b: &Bench) -> Result<Option<String>> {
    let Some(tee) = connect(b)? else {
        return Ok(None);
    };
    let object = open(&tee, shared())?;
    let (answer, sizes) = mirror(&tee, object, Operand::In(&[]), &mut [], &mut []);
    answer.values().context("empty ones")?;
    ensure!(sizes == [0; 2], "empty ones: {sizes:?}");

    let third = MOST_OCTETS / 4;
    let (from, mut octets) = (vec![1; third], vec![2; third]);
    let mut room = vec![0; MOST_OCTETS - 2 * third];
    let (answer, sizes) = mirror(&tee, object, Operand::In(&from), &mut octets, &mut room);
    answer.values().context("the largest")?;
    ensure!(sizes == [third; 2], "the largest: {sizes:?}");
    ensure!(
        room[..third] == from && octets == vec![!2; third],
        "the largest"
    );

    let mut room = vec![0; MOST_OCTETS - 2 * third + 1];
    let (answer, _) = mirror(&tee, object, Operand::In(&from), &mut octets, &mut room);
    fails("one octet more", answer, Errno::E2BIG)?;

    let mut room = [7; 9];
    let (answer, sizes) = mirror(&tee, object, Operand::In(&[5; 10]), &mut [], &mut room);
    let short = matches!(answer, Answer::Tee { ret, origin, .. }
        if (ret, origin) == (TEE_ERROR_SHORT_BUFFER, TEE_ORIGIN_TRUSTED_APP));
    ensure!(short, "too small: {answer}");
    ensure!(sizes[1] == 10 && room == [7; 9], "too small: {sizes:?}");

    let mirror = Command::Mirror.number();
    let (value, page) = ([VALUE_INOUT, 1, 2, 0], read_only_page());
    let params = |from, octets, room| vec![value, from, octets, room];
    let some = [UBUF_IN, from.as_ptr() as u64, 16, 0];
    let (to_page, beyond) = ([UBUF_OUT, page, 16, 0], [UBUF_IN, BEYOND, 16, 0]);
    let nothing = [UBUF_INOUT, 0, 0, 0];
    for (what, params) in [
        (
            "NULL in",
            params([UBUF_IN, 0, 16, 0], nothing, [UBUF_OUT, page, 0, 0]),
        ),
        (
            "NULL in and out",
            params(some, [UBUF_INOUT, 0, 16, 0], to_page),
        ),
        ("NULL out", params(some, nothing, [UBUF_OUT, 0, 16, 0])),
        ("out where nobody writes", params(some, nothing, to_page)),
        (
            "in and out where nobody writes",
            params(some, [UBUF_INOUT, page, 16, 0], [UBUF_OUT, page, 0, 0]),
        ),
        (
            "the kernel's in",
            params(beyond, nothing, [UBUF_OUT, page, 0, 0]),
        ),
        (
            "the kernel's out",
            params(some, nothing, [UBUF_OUT, BEYOND, 16, 0]),
        ),
    ] {
        let answer = operate(tee.as_fd(), object.id, mirror, &params);
        ensure!(answer == Err(Errno::EFAULT), "{what}: {answer:?}");
    }
    let endless = params([UBUF_IN, 1 << 12, 1 << 40, 0], nothing, nothing);
    let answer = operate(tee.as_fd(), object.id, mirror, &endless);
    ensure!(answer == Err(Errno::E2BIG), "endless: {answer:?}");
    ask(&tee, object).identity().context("afterwards")?;
    Ok(Some("as they should be".into()))
}

fn as_kernel(b: &Bench) -> Result<Option<String>> {
    let Some(tee) = connect(b)? else {
        return Ok(None);
    };
    // TEE_IOCTL_LOGIN_REE_KERNEL, and the range that it begins.
    for method in [0x8000_0000, 0x8000_0001, 0xbfff_ffff] {
        let opened = tee.open_object_by(shared().uuid, method, None, vec![]);
        let refused = opened == Err(Answer::Kernel(Errno::EPERM as i32));
        ensure!(refused, "{method:#x}: {opened:?}");
    }
    Ok(Some("EPERM".into()))
}

fn limited(b: &Bench) -> Result<Option<String>> {
    let Some(tee) = connect(b)? else {
        return Ok(None);
    };
    tee.limit_to_ta(shared().uuid).context("limiting")?;
    open(&tee, shared())?;
    let other = flavour(Kind::Private, false);
    let answer = tee.open_object(other.uuid, Login::User, vec![]);
    let answer = answer.err().context("another TA opens")?;
    ensure!(denied(answer, TEE_ORIGIN_COMMS), "another TA: {answer}");
    Ok(Some(answer.to_string()))
}

fn many(b: &Bench) -> Result<Option<String>> {
    let Some(tee) = connect(b)? else {
        return Ok(None);
    };
    let memory = tee.allocate(4096)?;
    let make = || tee.memory_object(&memory, ParamKind::MemIn);
    let objects = (0..MOST_OBJECTS)
        .map(|_| make())
        .collect::<Result<Vec<_>, _>>()?;
    let full = Err(Answer::Kernel(Errno::ENOSPC as i32));
    for _ in 0..2 {
        let more = make();
        ensure!(more == full, "one more: {more:?}");
    }
    let session = tee.open_object(shared().uuid, Login::User, vec![]);
    ensure!(session == full, "a session: {session:?}");
    for object in &objects {
        tee.release(*object).values().context("release")?;
        let again = make().context("one instead")?;
        ensure!(!objects.contains(&again), "{again:?} comes again at once");
        ensure!(make() == full, "two instead of one");
        tee.release(again).values().context("release")?;
        make()?;
    }
    Ok(Some(format!("{MOST_OBJECTS}")))
}

fn mapped(b: &Bench) -> Result<Option<String>> {
    let Some(tee) = connect(b)? else {
        return Ok(None);
    };
    let stats = Stats::open()?;
    let before = stats.memory()?;
    let ta = flavour(Kind::Private, false);
    let object = open(&tee, ta)?;
    let mut memory = tee.allocate(4096)?;
    for kind in [ParamKind::MemIn, ParamKind::MemInOut] {
        tee.memory_object(&memory, kind).context("memory")?;
    }
    let (answer, _) = mirror(&tee, object, Operand::In(b"buffer"), &mut [1], &mut [0; 6]);
    answer.values().context("a command")?;
    memory.close();
    drop(tee);
    released(&stats, before, ta)?;
    memory.write(0, b"mapped still");
    drop(memory);
    // The TEE knows of each memory: what little stays is seen of many.
    let before = stats.memory()?.heap;
    for _ in 0..100 {
        let tee = Tee::connect()?;
        let memory = tee.allocate(1 << 16)?;
        tee.memory_object(&memory, ParamKind::MemInOut)?;
    }
    let stays = stats.memory()?.heap.saturating_sub(before);
    ensure!(
        stays < 4096,
        "{stays} octets stay of the memory of 100 files"
    );
    Ok(Some("all released".into()))
}

fn threads(b: &Bench) -> Result<Option<String>> {
    let Some(tee) = connect(b)? else {
        return Ok(None);
    };
    let rounds = b.rounds(20, 500);
    thread::scope(|scope| {
        let begin = |n: u8| {
            let tee = &tee;
            scope.spawn(move || -> Result<()> {
                let object = open(tee, flavour(Kind::Private, false))?;
                for round in 0..rounds {
                    let size = 1 + (usize::from(n) * 977 + round as usize * 331) % 9000;
                    let (from, mut octets) = (vec![n; size], vec![!n; size]);
                    let mut room = vec![0; size];
                    let (answer, sizes) =
                        mirror(tee, object, Operand::In(&from), &mut octets, &mut room);
                    answer
                        .values()
                        .with_context(|| format!("thread {n}, round {round}"))?;
                    ensure!(sizes == [size; 2], "thread {n}: sizes {sizes:?}");
                    ensure!(
                        room == from && octets == from,
                        "thread {n} sees another's octets"
                    );
                }
                Ok(())
            })
        };
        // As many as there is secure memory for.
        let threads: Vec<_> = (1..=6).map(begin).collect();
        for thread in threads {
            thread.join().map_err(|_| anyhow!("a thread died"))??;
        }
        Ok(Some(format!("{rounds} rounds")))
    })
}

fn released_in_use(b: &Bench) -> Result<Option<String>> {
    let Some(tee) = connect(b)? else {
        return Ok(None);
    };
    let stats = Stats::open()?;
    let before = stats.memory()?;
    let ta = flavour(Kind::Private, false);
    let object = open(&tee, ta)?;
    let wait = |object: Object, millis: u64| {
        let mut operands = vec![value(ParamKind::ValueIn, millis, 0)];
        tee.operate(object.id, Command::Wait.number(), 1, &mut operands)
    };
    let cancelled = thread::scope(|scope| -> Result<Answer> {
        let running = scope.spawn(|| wait(object, 20_000));
        until(Duration::from_secs(15), "it is not cancelled", || {
            let answer = tee.cancel_object(object, 1);
            ensure!(answer.is_success(), "cancel: {answer}");
            Ok(running.is_finished())
        })?;
        running.join().map_err(|_| anyhow!("a thread died"))
    })?;
    let code = cancelled.code();
    ensure!(code == Some(TEE_ERROR_CANCEL), "cancelled: {cancelled}");
    // The last request may have come after the command, and be for the next one.
    tee.release(object).values().context("release")?;
    let object = open(&tee, ta)?;
    let answer = thread::scope(|scope| -> Result<Answer> {
        let running = scope.spawn(|| wait(object, 1500));
        thread::sleep(Duration::from_millis(500));
        tee.release(object).values().context("release")?;
        running.join().map_err(|_| anyhow!("a thread died"))
    })?;
    ensure!(answer.is_success(), "the command: {answer}");
    released(&stats, before, ta)?;
    Ok(Some("after the command".into()))
}

fn undelivered(b: &Bench) -> Result<Option<String>> {
    let Some(tee) = connect(b)? else {
        return Ok(None);
    };
    let stats = Stats::open()?;
    let before = stats.memory()?;
    let ta = flavour(Kind::Private, false);
    let uuid = [UBUF_IN, ta.uuid.octets.as_ptr() as u64, 16, 0];
    let open = [uuid, [VALUE_IN, 1, 0, 0], [OBJREF_OUT, 0, 0, 0]];
    let served = [[VALUE_IN, 0, 0, 0], [UBUF_INOUT, read_only_page(), 16, 0]];
    let params = [open.as_slice(), &served].concat();
    for _ in 0..MOST_OBJECTS + 1 {
        let answer = operate(tee.as_fd(), ROOT, root::OPEN, &params);
        ensure!(answer == Err(Errno::EFAULT), "{answer:?}");
        if !b.full {
            break;
        }
    }
    released(&stats, before, ta)?;
    Ok(Some("EFAULT".into()))
}

fn hammered(b: &Bench) -> Result<Option<String>> {
    let Some(tee) = connect(b)? else {
        return Ok(None);
    };
    let object = open(&tee, shared())?;
    let identity = ask(&tee, object).identity().context("who am I")?;
    let release = || tee.release(object);
    if !b.verifies() {
        let answer = let_person(STRANGER, || Ok(release()))?;
        b.attacked(answer)?;
        return Ok(Some(answer.to_string()));
    }
    let rounds = b.rounds(200, 5000);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let strangers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| -> Result<u32> {
                    set_thread_uid(0, 0, 0)?;
                    set_thread_uid(STRANGER.uid, STRANGER.uid, 0)?;
                    let mut tries = 0;
                    while !over.load(Ordering::Relaxed) {
                        b.attacked(release())?;
                        tries += 1;
                    }
                    Ok(tries)
                })
            })
            .collect();
        let served = (0..rounds).try_for_each(|_| works(&tee, object, identity));
        over.store(true, Ordering::Relaxed);
        let mut tries = 0;
        for stranger in strangers {
            tries += stranger.join().map_err(|_| anyhow!("a thread died"))??;
        }
        served?;
        tee.release(object)
            .values()
            .context("the client's release")?;
        Ok(Some(format!("{rounds} commands beside {tries} releases")))
    })
}

fn made_and_released(b: &Bench) -> Result<Option<String>> {
    let Some(tee) = connect(b)? else {
        return Ok(None);
    };
    let memory = tee.allocate(4096)?;
    let rounds = b.rounds(3000, 100_000);
    let (last, over) = (AtomicU64::new(1), AtomicBool::new(false));
    thread::scope(|scope| {
        let releasing = scope.spawn(|| -> Result<u32> {
            let mut early = 0;
            while !over.load(Ordering::Relaxed) {
                // The number that comes next, if it is one already.
                let last = last.load(Ordering::Relaxed);
                for id in last..last + 3 {
                    let answer = tee.release(Object { id, kind: 0 });
                    if answer.is_success() {
                        early += 1;
                    } else {
                        fails("release", answer, Errno::EINVAL)?;
                    }
                }
            }
            Ok(early)
        });
        let made = (0..rounds).try_for_each(|_| {
            let object = tee.memory_object(&memory, ParamKind::MemIn)?;
            ensure!(object.kind == MEMORY, "{object:?}");
            last.store(object.id, Ordering::Relaxed);
            let answer = tee.release(object);
            let is_over = answer == Answer::Kernel(Errno::EINVAL as i32);
            ensure!(answer.is_success() || is_over, "release: {answer}");
            Ok(())
        });
        over.store(true, Ordering::Relaxed);
        let early = releasing.join().map_err(|_| anyhow!("a thread died"))??;
        made?;
        let again = (0..MOST_OBJECTS).map(|_| tee.memory_object(&memory, ParamKind::MemIn));
        again
            .collect::<Result<Vec<_>, _>>()
            .context("room for all afterwards")?;
        Ok(Some(format!(
            "{rounds} made, {early} released by the other"
        )))
    })
}

fn taken_up(b: &Bench) -> Result<Option<String>> {
    let Some(tee) = connect(b)? else {
        return Ok(None);
    };
    let seat = Seat::owned(shared(), Login::User)?;
    if !can_lend(b, &seat)? {
        return Ok(None);
    }
    allow(&seat, &[Command::WhoAmI])?;
    let lender = Lender::open(&seat.tee, Login::User)?;
    let lend = || lender.lend(&request(&seat, STRANGER, &[Command::WhoAmI]));
    let [number, another] = [lend()?.context("lending")?, lend()?.context("lending")?];
    let take_up = |tee: &Tee, number| {
        let number = Operand::Plain(halves(number));
        tee.open_object(GRANT, Login::User, vec![number])
    };
    let is_denied = |what, opened: Result<Object, Answer>| {
        let answer = opened
            .err()
            .with_context(|| format!("{what} takes it up"))?;
        ensure!(answer.is_denied(), "{what}: {answer}");
        Ok(())
    };
    is_denied("the owner", take_up(&tee, number))?;
    let object = let_person(STRANGER, || {
        is_denied("no grant", take_up(&tee, number + 1))?;
        let object = take_up(&tee, number).context("the grantee")?;
        works(&tee, object, seat.identity)?;
        let none = || value(ParamKind::ValueOut, 0, 0);
        let mut operands = vec![none(), none(), none()];
        let more = tee.operate(object.id, Command::Status.number(), 0, &mut operands);
        ensure!(more.is_denied(), "a command that was not lent: {more}");
        // What the limit names is the TA's first parameter, not the root's.
        let limited = Tee::connect()?;
        limited.limit_to_grant(number).context("limiting")?;
        let opened = take_up(&limited, another);
        let by_limit = matches!(opened, Err(answer) if denied(answer, TEE_ORIGIN_COMMS));
        ensure!(by_limit, "another grant than the limit's: {opened:?}");
        let object = take_up(&limited, number).context("the limit's")?;
        works(&limited, object, seat.identity)?;
        limited.release(object).values().context("release")?;
        take_up(&tee, number).context("once more")
    })?;
    let owner = ask(&tee, object);
    ensure!(
        owner.is_denied(),
        "the owner, by the grantee's object: {owner}"
    );
    let released = let_person(STRANGER, || Ok(tee.release(object)))?;
    ensure!(released.is_success(), "release: {released}");
    Ok(Some(owner.to_string()))
}

fn vault_by_object(b: &Bench) -> Result<Option<String>> {
    let has_objects = connect(b)?.is_some();
    if !b.verifies() {
        return Ok(None);
    }
    let name = "by-an-object";
    if !has_objects {
        let without = let_person(OWNER, || ran(&["--object", "put", name], b"a secret"))?;
        let clear = matches!(&without, Ran::Failed(error) if error.contains("has no such objects"));
        ensure!(clear, "without objects: {without:?}");
        return Ok(Some("a clear error".into()));
    }
    let run = |person, arguments: &[&str], input: &[u8]| {
        let output = let_person(person, || ran(arguments, input))?;
        match output {
            Ran::Done(output) => Ok(Some(output)),
            Ran::Denied(_) => Ok(None),
            Ran::Failed(error) => Err(anyhow!("vault {arguments:?}: {error}")),
        }
    };
    let put = run(OWNER, &["--object", "put", name], b"a secret")?;
    ensure!(put == Some(vec![]), "put: {put:?}");
    for arguments in [&["get", name][..], &["--object", "get", name]] {
        let got = run(OWNER, arguments, b"")?;
        ensure!(
            got.as_deref() == Some(b"a secret"),
            "{arguments:?}: {got:?}"
        );
    }
    let stranger = run(STRANGER, &["--object", "--login", "user", "list"], b"")?;
    ensure!(stranger.is_none(), "a stranger lists {stranger:?}");
    let deleted = run(OWNER, &["--object", "delete", name], b"")?;
    ensure!(deleted.is_some(), "delete");
    Ok(Some("the owner's alone".into()))
}
