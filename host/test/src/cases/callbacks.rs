// SPDX-License-Identifier: BSD-2-Clause
//! Objects that commands are given: what a TA calls while it serves its client, and sessions that are lent as objects.

use super::delegation::{allow, request};
use super::objects::{ask, connect, fails, open, shared};
use super::{Case, G, O};
use crate::bench::{Bench, Seat, flavour, released, until};
use crate::stats::Stats;
use crate::world::{STRANGER, let_person};
use anyhow::{Context, Result, anyhow, ensure};
use client_binding_client::identity::Principal;
use client_binding_client::object::{Reply, Root};
use client_binding_client::{Login as ClientLogin, Param};
use client_binding_policy::abi::delegation::Command as Lending;
use client_binding_policy::abi::pta::pair;
use client_binding_proto::probe::{Command, Kind, words};
use client_binding_proto::{GRANT, LEND, Param as ParamKind};
use client_binding_raw::code::{
    TEE_ERROR_ACCESS_DENIED, TEE_ERROR_BAD_PARAMETERS, TEE_ERROR_BUSY, TEE_ERROR_ITEM_NOT_FOUND,
    TEE_ERROR_NOT_SUPPORTED, TEE_ERROR_SHORT_BUFFER, TEE_ERROR_TIMEOUT,
};
use client_binding_raw::lend::{Lender, halves, take_up};
use client_binding_raw::object::{
    GIVEN, MOST_OF_CALL, Object, ROOT, callback, numbers, root, value,
};
use client_binding_raw::sys::{self, Operand};
use client_binding_raw::{Answer, Login, Tee};
use client_binding_test::kit::people::Process;
use client_binding_test::kit::sys::{read_only_page, set_thread_uid, suppl};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use std::os::fd::AsFd;
use std::sync::mpsc;
use std::thread::{self, Scope};
use std::time::{Duration, Instant};
use uuid::Uuid;

pub(super) const CASES: &[Case] = &[
    Case::service(
        12020,
        "A TA calls objects of its client while it serves it",
        &[O + 4],
        called,
    ),
    Case::service(
        12021,
        "What is no object of the running command is not called, whatever number it is",
        &[O + 3],
        no_object,
    ),
    Case::service(
        12022,
        "A call comes to the client of the session alone, and only it answers",
        &[O + 4],
        other_identity,
    ),
    Case::service(
        12023,
        "A client that does not answer is given up in time, and its answer with it",
        &[O + 4],
        unanswered,
    )
    .within(60),
    Case::service(
        12024,
        "Who answers, or who asks, is killed or stopped in the middle of a call",
        &[O + 4],
        killed,
    )
    .within(90),
    Case::service(
        12025,
        "Who answers uses the session that waits for it",
        &[O + 4],
        entered_again,
    ),
    Case::service(
        12026,
        "More commands wait for clients than the TEE has threads",
        &[O + 4],
        all_threads,
    )
    .within(60),
    Case::service(
        12027,
        "A TA that keeps others waiting calls nobody",
        &[O + 4],
        single_instance,
    ),
    Case::service(
        12028,
        "What makes no sense is a clear error, and the call is there still",
        &[O + 4],
        meaningless,
    ),
    Case::service(
        12029,
        "A client is told nothing of what tee-supplicant is asked",
        &[O + 4],
        supplicant,
    ),
    Case::service(
        12030,
        "A TA does not pass on what it was given",
        &[O + 3],
        passed_on,
    ),
    Case::service(
        12032,
        "A command of a grantee calls nobody: the owner would wait",
        &[O + 4, G + 6],
        by_grantee,
    ),
    Case::service(
        12033,
        "Who waits for a session gives up when that waits for its client",
        &[O + 4],
        waited_for,
    )
    .within(60),
    Case::refusal(
        12031,
        "A session is lent as an object, and a number is none",
        &[G + 2, O + 3],
        lent,
    ),
];

/// A connection where TAs can be given objects.
pub(super) fn giving(b: &Bench) -> Result<Option<Tee>> {
    let Some(tee) = connect(b)? else {
        return Ok(None);
    };
    let mut operands = vec![value(ParamKind::ValueOut, 0, 0)];
    let answer = tee.operate(ROOT, root::VERSION, 0, &mut operands);
    answer.values().context("version")?;
    let gives = numbers(&operands[0]).1 & GIVEN != 0;
    ensure!(gives == b.verifies(), "TAs can be given objects: {gives}");
    if gives {
        return Ok(Some(tee));
    }
    let object = open(&tee, shared())?;
    let answer = call_back(&tee, object, 1, 0, 1000, &[], &mut []).0;
    fails("a callback", answer, Errno::EOPNOTSUPP)?;
    Ok(None)
}

/// Has the probe call our object of that number, and tells its answer, our result and the size of what we answered.
fn call_back(
    tee: &Tee,
    object: Object,
    id: u64,
    operation: u32,
    millis: u64,
    octets: &[u8],
    room: &mut [u8],
) -> (Answer, u32, usize) {
    let mut operands = vec![
        callback(id).operand(),
        value(ParamKind::ValueInOut, operation.into(), millis),
        Operand::In(octets),
        Operand::Out(room, 0),
    ];
    let answer = tee.operate(object.id, Command::CallBack.number(), 0, &mut operands);
    let result = numbers(&operands[1]).0 as u32;
    let size = match operands[3] {
        Operand::Out(_, size) => size,
        _ => 0,
    };
    (answer, result, size)
}

/// Has it call two parameters of which the first two are these.
fn call_any(
    tee: &Tee,
    object: Object,
    given: [Operand<'_>; 2],
    called: (u64, u64),
) -> Result<(u32, u32)> {
    let [first, second] = given;
    let mut operands = vec![
        first,
        second,
        value(ParamKind::ValueIn, called.0, called.1),
        value(ParamKind::ValueOut, 0, 0),
    ];
    let answer = tee.operate(object.id, Command::CallAny.number(), 0, &mut operands);
    let values = answer.values().context("the probe")?;
    Ok(values[3])
}

pub(super) fn is(what: &str, answer: Answer, code: u32) -> Result<()> {
    let is_so = answer.code() == Some(code);
    ensure!(is_so, "{what}: {answer} instead of {code:#x}");
    Ok(())
}

pub(super) fn private(tee: &Tee) -> Result<Object> {
    open(tee, flavour(Kind::Private, false))
}

fn called(b: &Bench) -> Result<Option<String>> {
    if giving(b)?.is_none() {
        return Ok(None);
    }
    let root = Root::connect()?;
    let (told, heard) = mpsc::channel();
    let server = root.serve(move |call| {
        let reply = match call.operation {
            // More than there is room for.
            3 => vec![7; call.room + 1],
            4 => vec![],
            _ => call.octets.iter().rev().copied().collect(),
        };
        let _ = told.send((call.object, call.operation, call.octets.to_vec(), call.room));
        Reply {
            result: call.operation * 1000,
            octets: reply,
        }
    })?;
    let ta = Uuid::from_bytes(flavour(Kind::Private, false).uuid.octets);
    let object = root.open(ta, ClientLogin::User)?;
    let ways: [(u32, u32, &[u8], usize, usize); 5] = [
        (0, 1, b"a question", 64, 10),
        (u32::MAX, 2, &[0xa5; 64], 64, 64),
        (7, 4, b"", 0, 0),
        (7, 4, b"no answer", 64, 0),
        (7, 1, b"exact", 5, 5),
    ];
    for (id, operation, octets, room, size) in ways {
        let mut room = vec![0; room];
        let expected = (id, operation, octets.to_vec(), room.len());
        let mut params = [
            Param::Callback(id),
            Param::ValueInOut(operation, 5000),
            Param::MemIn(octets),
            Param::MemOut(&mut room, 0),
        ];
        object.invoke(Command::CallBack.number(), &mut params)?;
        ensure!(
            params[1].value().0 == operation * 1000,
            "{id}: our result is lost"
        );
        let written = params[3].written();
        let turned: Vec<u8> = octets.iter().rev().copied().take(size).collect();
        ensure!(written == turned, "{id}: {written:?} instead of {turned:?}");
        let heard = heard.recv_timeout(Duration::from_secs(1))?;
        ensure!(heard == expected, "we were told {heard:?}");
    }
    let tee = Tee::connect()?;
    drop(server);
    // What is given twice, or beside others, is called each.
    let object = private(&tee)?;
    let calls = thread::scope(|scope| {
        let serving = serve(scope, &tee, 4, |call| (call.object as u32, vec![]));
        let twice = || callback(5).operand();
        let both = call_any(&tee, object, [twice(), twice()], (0, 1))?;
        ensure!(both == (0, 0), "an object twice: {both:x?}");
        let both = call_any(
            &tee,
            object,
            [callback(1).operand(), callback(2).operand()],
            (1, 0),
        )?;
        ensure!(both == (0, 0), "two objects: {both:x?}");
        joined(serving)
    })?;
    let objects: Vec<_> = calls.iter().map(|call| call.object).collect();
    ensure!(objects == [5, 5, 2, 1], "they were {objects:?}");
    let (answer, size) = thread::scope(|scope| {
        let serving = serve(scope, &tee, 1, |_| (0, vec![7; 65]));
        let (answer, _, _) = call_back(&tee, object, 1, 0, 5000, &[], &mut [0; 64]);
        joined(serving).map(|calls| (answer, calls[0].room))
    })?;
    is(
        "an answer that is too large",
        answer,
        TEE_ERROR_SHORT_BUFFER,
    )?;
    ensure!(size == 64, "there is room for {size}");
    Ok(Some("octets both ways".into()))
}

/// Answers that many calls in another thread.
fn serve<'scope>(
    scope: &'scope Scope<'scope, '_>,
    tee: &'scope Tee,
    times: usize,
    handle: impl Fn(&sys::Call) -> (u32, Vec<u8>) + Send + 'scope,
) -> thread::ScopedJoinHandle<'scope, Result<Vec<sys::Call>>> {
    scope.spawn(move || {
        let mut calls = vec![];
        let mut room = [0; MOST_OF_CALL];
        for _ in 0..times {
            let call = sys::receive(tee.as_fd(), 0, &mut room).context("receive")?;
            let (result, octets) = handle(&call);
            sys::send(tee.as_fd(), call.number, result, &octets).context("send")?;
            calls.push(call);
        }
        Ok(calls)
    })
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().map_err(|_| anyhow!("a thread died"))?
}

fn no_object(b: &Bench) -> Result<Option<String>> {
    let Some(tee) = giving(b)? else {
        return Ok(None);
    };
    let object = private(&tee)?;
    let other = private(&tee)?;
    let memory = tee.allocate(4096)?;
    let memory = tee.memory_object(&memory, ParamKind::MemIn)?;
    let nothing = (TEE_ERROR_ITEM_NOT_FOUND, TEE_ERROR_ITEM_NOT_FOUND);
    let id = object.id;
    let plain = || value(ParamKind::ValueIn, id, 2);
    // The third parameter is a value, the fourth one for an answer, and no command has a fifth one.
    for called in [(0, 1), (2, 3), (4, 5), (8, 32), (0x8000_0000, 0xffff_ffff)] {
        let answers = call_any(&tee, object, [plain(), plain()], called)?;
        ensure!(answers == nothing, "numbers, {called:?}: {answers:x?}");
        let given = [callback(id).operand(), other.operand()];
        if called.0 != 0 {
            let answers = call_any(&tee, object, given, called)?;
            ensure!(
                answers == nothing,
                "beside an object, {called:?}: {answers:x?}"
            );
        }
    }
    let answers = call_any(&tee, object, [other.operand(), plain()], (0, 1))?;
    ensure!(answers == nothing, "a session is called: {answers:x?}");
    // A callback for one command is none for the next.
    thread::scope(|scope| {
        let serving = serve(scope, &tee, 1, |_| (0, vec![]));
        let (answer, ..) = call_back(&tee, object, 1, 0, 5000, &[], &mut []);
        answer.values().context("a callback")?;
        joined(serving)
    })?;
    let stale = tee.operate(object.id, Command::CallNothing.number(), 0, &mut vec![]);
    is("one of the last command", stale, TEE_ERROR_ITEM_NOT_FOUND)?;
    let wrong = |operand: Operand<'_>| {
        let (v, mut operands) = (|| value(ParamKind::ValueIn, 0, 0), vec![operand]);
        operands.extend([v(), v(), value(ParamKind::ValueOut, 0, 0)]);
        tee.operate(object.id, Command::CallAny.number(), 0, &mut operands)
    };
    for (what, operand) in [
        ("a number of 33 bits", callback(1 << 32).operand()),
        ("no kind", Object { id: 1, kind: 3 }.operand()),
        (
            "a session as a callback's kind",
            Object {
                id: other.id,
                kind: 4,
            }
            .operand(),
        ),
        (
            "a session that is not there",
            Object { id: 77, kind: 1 }.operand(),
        ),
    ] {
        fails(what, wrong(operand), Errno::EINVAL)?;
    }
    is("memory", wrong(memory.operand()), TEE_ERROR_BAD_PARAMETERS)?;
    // Objects go along with commands alone.
    let opened = tee.open_object(shared().uuid, Login::User, vec![callback(1).operand()]);
    let refused = opened == Err(Answer::Kernel(Errno::EINVAL as i32));
    ensure!(refused, "with an open: {opened:?}");
    Ok(Some("ITEM_NOT_FOUND".into()))
}

fn other_identity(b: &Bench) -> Result<Option<String>> {
    let Some(tee) = giving(b)? else {
        return Ok(None);
    };
    let object = private(&tee)?;
    thread::scope(|scope| {
        let stranger = scope.spawn(|| -> Result<[nix::Result<()>; 2]> {
            set_thread_uid(0, 0, 0)?;
            set_thread_uid(STRANGER.uid, STRANGER.uid, 0)?;
            let mut room = [0; MOST_OF_CALL];
            let received = sys::receive(tee.as_fd(), 0, &mut room).map(drop);
            let seen = room.iter().any(|octet| *octet != 0);
            ensure!(!seen, "the stranger has {room:?}");
            // The number is no secret.
            Ok([received, sys::send(tee.as_fd(), 1, 0, b"forged")])
        });
        // It waits before there is anything to be had.
        thread::sleep(Duration::from_millis(1000));
        let asking = scope.spawn(|| call_back(&tee, object, 1, 9, 8000, b"private", &mut []));
        thread::sleep(Duration::from_millis(1500));
        ensure!(!asking.is_finished(), "somebody answered");
        let mut room = [0; MOST_OF_CALL];
        let call = sys::receive(tee.as_fd(), 0, &mut room).context("the client")?;
        ensure!(&room[..call.size] == b"private", "the client gets {call:?}");
        ensure!(call.number == 1, "the first call is {call:?}");
        // Let the stranger go on, and answer in the client's stead, while it is at work.
        stop(&tee)?;
        let [received, sent] = joined(stranger)?;
        ensure!(received == Err(Errno::ESHUTDOWN), "receive: {received:?}");
        ensure!(sent == Err(Errno::ENOENT), "send: {sent:?}");
        sys::send(tee.as_fd(), call.number, 5, &[]).context("the client's answer")?;
        let (answer, result, _) = asking.join().map_err(|_| anyhow!("a thread died"))?;
        answer.values().context("the command")?;
        ensure!(result == 5, "the answer is {result}");
        Ok(Some("not seen, not answered".into()))
    })
}

fn stop(tee: &Tee) -> Result<()> {
    tee.stops(true).map(drop).context("stop")
}

fn unanswered(b: &Bench) -> Result<Option<String>> {
    let Some(tee) = giving(b)? else {
        return Ok(None);
    };
    let object = private(&tee)?;
    let start = Instant::now();
    let (answer, ..) = call_back(&tee, object, 1, 0, 1000, b"anybody?", &mut []);
    is("nobody there", answer, TEE_ERROR_TIMEOUT)?;
    let took = start.elapsed();
    let in_time = (Duration::from_millis(900)..Duration::from_secs(10)).contains(&took);
    ensure!(in_time, "it took {took:?}");
    thread::scope(|scope| {
        let asking = scope.spawn(|| call_back(&tee, object, 1, 0, 4000, &[], &mut [0; 64]));
        let mut room = [0; MOST_OF_CALL];
        let call = sys::receive(tee.as_fd(), 0, &mut room).context("receive")?;
        ensure!((1..=4000).contains(&call.millis), "it has {call:?}");
        let (answer, ..) = asking.join().map_err(|_| anyhow!("a thread died"))?;
        is("taken and not answered", answer, TEE_ERROR_TIMEOUT)?;
        let late = sys::send(tee.as_fd(), call.number, 0, b"late");
        ensure!(late == Err(Errno::ENOENT), "too late: {late:?}");
        Ok(())
    })?;
    for millis in [0, 600_001] {
        let (answer, ..) = call_back(&tee, object, 1, 0, millis, &[], &mut []);
        is("no time, or too much", answer, TEE_ERROR_BAD_PARAMETERS)?;
    }
    let after = ask(&tee, object).identity();
    after.context("the session afterwards")?;
    Ok(Some(format!("{} ms", took.as_millis())))
}

fn killed(b: &Bench) -> Result<Option<String>> {
    let Some(tee) = giving(b)? else {
        return Ok(None);
    };
    let stats = Stats::open()?;
    let before = stats.memory()?;
    let ta = flavour(Kind::Private, false);
    let object = open(&tee, ta)?;
    let server = |answers: bool| {
        let tee = &tee;
        Process::start(move |line| {
            line.go()?;
            let mut room = [0; MOST_OF_CALL];
            let call = sys::receive(tee.as_fd(), 0, &mut room).context("receive")?;
            line.say(&call.number)?;
            line.wait()?;
            if answers {
                sys::send(tee.as_fd(), call.number, 3, &[]).context("send")?;
            }
            Ok(())
        })
    };
    let client = |millis: u64| {
        let tee = &tee;
        Process::start(move |_| {
            let (answer, result, _) = call_back(tee, object, 1, 0, millis, &[], &mut []);
            Ok((answer.code(), result))
        })
    };
    // Whoever answers is killed at work.
    let mut serving = server(false)?;
    serving.line.wait()?;
    let asking = client(5000)?;
    serving.line.hear::<u64>()?;
    serving.kill()?;
    serving.reap()?;
    let (code, _): (Option<u32>, u32) = asking.finish()?;
    ensure!(
        code == Some(TEE_ERROR_TIMEOUT),
        "the server is killed: {code:x?}"
    );
    // It is stopped, and goes on.
    let mut serving = server(true)?;
    serving.line.wait()?;
    let asking = client(20_000)?;
    serving.line.hear::<u64>()?;
    kill(serving.pid, Signal::SIGSTOP)?;
    kill(asking.pid, Signal::SIGSTOP)?;
    serving.line.go()?;
    thread::sleep(Duration::from_millis(300));
    kill(asking.pid, Signal::SIGCONT)?;
    kill(serving.pid, Signal::SIGCONT)?;
    let answered: (Option<u32>, u32) = asking.finish()?;
    ensure!(
        answered == (Some(0), 3),
        "stopped for a while: {answered:x?}"
    );
    serving.finish::<()>()?;
    // Whoever asks is killed, before the call is taken and after. It does not wait until nobody answers.
    for taken in [false, true] {
        let start = Instant::now();
        let serving = if taken { Some(server(false)?) } else { None };
        let asking = client(60_000)?;
        match serving {
            Some(mut serving) => {
                serving.line.wait()?;
                serving.line.hear::<u64>()?;
                asking.kill()?;
                asking.reap()?;
                serving.line.go()?;
                serving.finish::<()>()?;
            }
            None => {
                until(Duration::from_secs(30), "it never asks", || {
                    Ok(ask(&tee, object) == Answer::Kernel(Errno::EBUSY as i32))
                })?;
                asking.kill()?;
                asking.reap()?;
            }
        }
        let took = start.elapsed();
        ensure!(took < Duration::from_secs(30), "{taken}: it took {took:?}");
        let after = ask(&tee, object).identity();
        after.context("the session afterwards")?;
    }
    tee.release(object).values().context("release")?;
    drop(tee);
    released(&stats, before, ta)?;
    Ok(Some("nobody waits".into()))
}

fn entered_again(b: &Bench) -> Result<Option<String>> {
    let Some(tee) = giving(b)? else {
        return Ok(None);
    };
    let (object, other) = (private(&tee)?, private(&tee)?);
    let (answer, tries) = thread::scope(|scope| {
        let asking = scope.spawn(|| call_back(&tee, object, 1, 0, 8000, &[], &mut []));
        let mut room = [0; MOST_OF_CALL];
        let call = sys::receive(tee.as_fd(), 0, &mut room).context("receive")?;
        let tries = [ask(&tee, object), tee.release(object), ask(&tee, other)];
        sys::send(tee.as_fd(), call.number, 0, &[]).context("send")?;
        let (answer, ..) = asking.join().map_err(|_| anyhow!("a thread died"))?;
        anyhow::Ok((answer, tries))
    })?;
    answer.values().context("the command")?;
    let [again, release, beside] = tries;
    fails("another command", again, Errno::EBUSY)?;
    fails("release", release, Errno::EBUSY)?;
    beside.identity().context("another session")?;
    ask(&tee, object).identity().context("afterwards")?;
    tee.release(object).values().context("release afterwards")?;
    Ok(Some("EBUSY".into()))
}

fn all_threads(b: &Bench) -> Result<Option<String>> {
    /// More than the image has threads (CFG_NUM_THREADS): four, of which three may wait; by FF-A one.
    const CLIENTS: usize = 5;
    let Some(tee) = giving(b)? else {
        return Ok(None);
    };
    let objects = (0..CLIENTS)
        .map(|_| private(&tee))
        .collect::<Result<Vec<_>>>()?;
    let seat = Seat::take(shared(), Login::User)?;
    let codes = thread::scope(|scope| -> Result<Vec<Option<u32>>> {
        let begin = |object: &Object| {
            let (tee, object) = (&tee, *object);
            scope.spawn(move || call_back(tee, object, 1, 0, 10_000, &[], &mut []).0.code())
        };
        let asking: Vec<_> = objects.iter().map(begin).collect();
        thread::sleep(Duration::from_millis(1000));
        let start = Instant::now();
        seat.works()?;
        ensure!(
            start.elapsed() < Duration::from_secs(6),
            "others waited for {:?}",
            start.elapsed()
        );
        let end = |thread: thread::ScopedJoinHandle<'_, _>| {
            thread.join().map_err(|_| anyhow!("a thread died"))
        };
        asking.into_iter().map(end).collect()
    })?;
    let count = |code| codes.iter().filter(|it| **it == Some(code)).count();
    let (busy, waited) = (count(TEE_ERROR_BUSY), count(TEE_ERROR_TIMEOUT));
    ensure!(
        [1, 3].contains(&waited) && busy + waited == CLIENTS,
        "{codes:x?}"
    );
    let (answer, ..) = call_back(&tee, objects[0], 1, 0, 100, &[], &mut []);
    is("afterwards", answer, TEE_ERROR_TIMEOUT)?;
    Ok(Some(format!("{waited} waited, {busy} BUSY")))
}

fn single_instance(b: &Bench) -> Result<Option<String>> {
    let Some(tee) = giving(b)? else {
        return Ok(None);
    };
    let object = open(&tee, shared())?;
    let (answer, ..) = call_back(&tee, object, 1, 0, 100, &[], &mut []);
    is("a single instance", answer, TEE_ERROR_NOT_SUPPORTED)?;
    Ok(Some(answer.to_string()))
}

const VALUE_IN: u64 = 1;
const META_INOUT: u64 = 0x103;

fn meaningless(b: &Bench) -> Result<Option<String>> {
    let Some(tee) = giving(b)? else {
        return Ok(None);
    };
    let object = private(&tee)?;
    let none = [0; 4];
    thread::scope(|scope| {
        let asking = scope.spawn(|| call_back(&tee, object, 1, 0, 20_000, b"0123456789", &mut []));
        let page = read_only_page();
        let what = |a: u64, size: u64| [META_INOUT, a, size, 0];
        let fd = tee.as_fd();
        let recv: [(&str, Errno, &[[u64; 4]]); 11] = [
            ("nothing", Errno::EINVAL, &[]),
            ("one parameter", Errno::EINVAL, &[what(page, 64)]),
            ("three", Errno::EINVAL, &[what(page, 64), none, none]),
            ("not META", Errno::EINVAL, &[[3, page, 64, 0], none]),
            ("in", Errno::EINVAL, &[[0x101, page, 64, 0], none]),
            (
                "a second value",
                Errno::EINVAL,
                &[what(page, 64), [VALUE_IN, 0, 0, 0]],
            ),
            (
                "no such memory",
                Errno::EINVAL,
                &[what(page, 64), [5, 0, 64, 99]],
            ),
            ("too little room", Errno::EMSGSIZE, &[what(page, 9), none]),
            ("NULL", Errno::EFAULT, &[what(0, 64), none]),
            (
                "nobody writes there",
                Errno::EFAULT,
                &[what(page, 64), none],
            ),
            (
                "the kernel's",
                Errno::EFAULT,
                &[what(0xffff_8000_0000_0000, 64), none],
            ),
        ];
        // They say so when there is a call.
        thread::sleep(Duration::from_millis(500));
        for (name, errno, params) in recv {
            let answer = suppl(fd, 6, params);
            ensure!(answer == Err(errno), "receive, {name}: {answer:?}");
        }
        let mut room = [0; 64];
        let call = sys::receive(fd, 0, &mut room).context("the call is gone")?;
        ensure!(&room[..call.size] == b"0123456789", "it says {room:?}");
        let reply = |number: u64, at: u64, size: u64| [META_INOUT, number, at, size];
        let n = call.number;
        let send: [(&str, Errno, &[[u64; 4]]); 9] = [
            ("nothing", Errno::EINVAL, &[]),
            ("two parameters", Errno::EINVAL, &[reply(n, 0, 0), none]),
            ("not META", Errno::EINVAL, &[[3, n, 0, 0]]),
            ("out", Errno::EINVAL, &[[0x102, n, 0, 0]]),
            ("another call", Errno::ENOENT, &[reply(n + 1, 0, 0)]),
            ("call 0", Errno::ENOENT, &[reply(0, 0, 0)]),
            ("the last of all", Errno::ENOENT, &[reply(u64::MAX, 0, 0)]),
            ("more than a page", Errno::E2BIG, &[reply(n, page, 4097)]),
            ("endless", Errno::E2BIG, &[reply(n, page, u64::MAX)]),
        ];
        for (name, errno, params) in send {
            let answer = suppl(fd, 7, params);
            ensure!(answer == Err(errno), "send, {name}: {answer:?}");
        }
        ensure!(!asking.is_finished(), "one of those was the answer");
        sys::send(fd, n, 4, &[]).context("the answer")?;
        let again = sys::send(fd, n, 5, &[]);
        ensure!(again == Err(Errno::ENOENT), "a second answer: {again:?}");
        let (answer, result, _) = asking.join().map_err(|_| anyhow!("a thread died"))?;
        answer.values().context("the command")?;
        ensure!(result == 4, "the answer is {result}");
        // An answer from nowhere.
        let asking = scope.spawn(|| call_back(&tee, object, 1, 0, 8000, &[], &mut [0; 64]));
        let call = sys::receive(fd, 0, &mut room).context("receive")?;
        for at in [0, 0xffff_8000_0000_0000] {
            let answer = suppl(fd, 7, &[reply(call.number, at, 64)]);
            ensure!(answer == Err(Errno::EFAULT), "from nowhere: {answer:?}");
        }
        sys::send(fd, call.number, 6, b"there").context("the answer")?;
        let (answer, result, size) = asking.join().map_err(|_| anyhow!("a thread died"))?;
        answer.values().context("the command")?;
        ensure!((result, size) == (6, 5), "{result}, {size} octets");
        Ok(())
    })?;
    ask(&tee, object).identity().context("afterwards")?;
    Ok(Some("as they should be".into()))
}

fn supplicant(b: &Bench) -> Result<Option<String>> {
    let Some(tee) = giving(b)? else {
        return Ok(None);
    };
    let object = private(&tee)?;
    let waiting = thread::scope(|scope| {
        let waiting = scope.spawn(|| sys::receive(tee.as_fd(), 0, &mut [0; MOST_OF_CALL]));
        thread::sleep(Duration::from_millis(500));
        let mut operands = vec![value(ParamKind::ValueIn, 20, 0)];
        let answer = tee.operate(object.id, Command::Supplicant.number(), 0, &mut operands);
        answer.values().context("the command")?;
        ensure!(!waiting.is_finished(), "the client was told of it");
        stop(&tee)?;
        waiting.join().map_err(|_| anyhow!("a thread died"))
    })?;
    ensure!(waiting == Err(Errno::ESHUTDOWN), "receive: {waiting:?}");
    Ok(Some("20 requests".into()))
}

fn passed_on(b: &Bench) -> Result<Option<String>> {
    let Some(tee) = giving(b)? else {
        return Ok(None);
    };
    let object = private(&tee)?;
    let [first, second] = words(flavour(Kind::Private, true).uuid);
    let word = |(a, b): (u32, u32)| value(ParamKind::ValueIn, a.into(), b.into());
    let command = Command::CallNothing.number();
    // The object has the number of the command that the other TA is asked for.
    let mut operands = vec![
        word(first),
        word(second),
        callback(command.into()).operand(),
        value(ParamKind::ValueOut, 0, 0),
    ];
    let answer = tee.operate(object.id, Command::Forward.number(), 0, &mut operands);
    let values = answer.values().context("the command")?;
    let code = values[3].0;
    ensure!(code == TEE_ERROR_ITEM_NOT_FOUND, "the other TA: {code:#x}");
    Ok(Some("ITEM_NOT_FOUND".into()))
}

fn lent(b: &Bench) -> Result<Option<String>> {
    let Some(tee) = giving(b)? else {
        return Ok(None);
    };
    let seat = Seat::owned(shared(), Login::User)?;
    let object = open(&tee, shared())?;
    let octets = Command::WhoAmI.number().to_le_bytes();
    let mut operands = vec![Operand::In(&octets)];
    let answer = tee.operate(object.id, Command::Allow.number(), 0, &mut operands);
    answer.values().context("the TA allows it")?;
    let lender = tee.open_object(LEND, Login::User, vec![]);
    let lender = lender.context("client_binding.lend")?;
    let mut terms = request(&seat, STRANGER, &[Command::WhoAmI]);
    terms.session = 0;
    let terms = terms.to_octets();
    let lend = |session: Operand<'_>| {
        let mut operands = vec![
            Operand::In(&terms),
            value(ParamKind::ValueOut, 0, 0),
            session,
        ];
        let answer = tee.operate(lender.id, Lending::LendObject as u32, 0, &mut operands);
        (answer, numbers(&operands[1]))
    };
    let (answer, (low, high)) = lend(object.operand());
    answer.values().context("lending an object")?;
    let number = pair(low as u32, high as u32);
    let used = let_person(STRANGER, || {
        let tee = Tee::connect()?;
        let session = take_up(&tee, number, Login::User)?;
        Ok(crate::bench::ask(&tee, session))
    })?;
    used.identity().context("the grantee")?;
    // The same in a program's words.
    let root = Root::connect()?;
    let session = root.open(Uuid::from_bytes(shared().uuid.octets), ClientLogin::User)?;
    let mut params = [Param::MemIn(&octets), Param::None, Param::None, Param::None];
    session.invoke(Command::Allow.number(), &mut params)?;
    let stranger = Principal::User(STRANGER.uid);
    let grant = session
        .grant(stranger, &[Command::WhoAmI.number()])
        .make()?;
    let listed = grant.look()?.context("the grant is not there")?;
    ensure!(listed.used == 0, "the grant is {listed:?}");
    grant.revoke()?;
    // Its number in the TEE, or any other.
    for number in 0..64 {
        let (answer, _) = lend(value(ParamKind::ValueIn, number, 0));
        is("a number", answer, TEE_ERROR_ACCESS_DENIED)?;
    }
    let (answer, _) = lend(callback(object.id).operand());
    is("a callback", answer, TEE_ERROR_ACCESS_DENIED)?;
    // Another file's is not to be had, though it is of the same user.
    let other = Tee::connect()?;
    let foreign = (0..8)
        .map(|_| open(&other, shared()))
        .collect::<Result<Vec<_>>>()?;
    let foreign = foreign.last().context("there are eight")?;
    fails("another file's", lend(foreign.operand()).0, Errno::EINVAL)?;
    Ok(Some(used.to_string()))
}

fn by_grantee(b: &Bench) -> Result<Option<String>> {
    let Some(tee) = giving(b)? else {
        return Ok(None);
    };
    let seat = Seat::owned(flavour(Kind::Private, false), Login::User)?;
    allow(&seat, &[Command::CallBack])?;
    let lender = Lender::open(&seat.tee, Login::User)?;
    let number = lender.lend(&request(&seat, STRANGER, &[Command::CallBack]))?;
    let number = number.context("lending")?;
    let answer = let_person(STRANGER, || {
        let number = Operand::Plain(halves(number));
        let object = tee.open_object(GRANT, Login::User, vec![number]);
        let object = object.context("the grantee")?;
        Ok(call_back(&tee, object, 1, 0, 1000, &[], &mut []).0)
    })?;
    is("a grantee's", answer, TEE_ERROR_NOT_SUPPORTED)?;
    seat.works()?;
    Ok(Some(answer.to_string()))
}

fn waited_for(b: &Bench) -> Result<Option<String>> {
    /// How long the call waits.
    const TIME: Duration = Duration::from_secs(20);
    let Some(tee) = giving(b)? else {
        return Ok(None);
    };
    let object = private(&tee)?;
    let (later, release) = thread::scope(|scope| -> Result<(Answer, Answer)> {
        // One has the session for a while, one will call, and two come after that, to give a command and to release it.
        let wait = scope.spawn(|| {
            let mut operands = vec![value(ParamKind::ValueIn, 2000, 0)];
            tee.operate(object.id, Command::Wait.number(), 0, &mut operands)
        });
        thread::sleep(Duration::from_millis(500));
        let millis = TIME.as_millis() as u64;
        let tee = &tee;
        let asking = scope.spawn(move || call_back(tee, object, 1, 0, millis, &[], &mut []).0);
        thread::sleep(Duration::from_millis(500));
        let start = Instant::now();
        let later = scope.spawn(|| ask(tee, object));
        // A session that is being released takes no command: EINVAL.
        thread::sleep(Duration::from_millis(300));
        let release = scope.spawn(|| tee.release(object));
        let end = |thread: thread::ScopedJoinHandle<'_, _>| {
            thread.join().map_err(|_| anyhow!("a thread died"))
        };
        let (later, release) = (end(later)?, end(release)?);
        let took = start.elapsed();
        ensure!(took < TIME / 2, "they waited for {took:?}");
        let mut room = [0; MOST_OF_CALL];
        let call = sys::receive(tee.as_fd(), 0, &mut room).context("receive")?;
        sys::send(tee.as_fd(), call.number, 0, &[]).context("send")?;
        for (what, thread) in [("the first", wait), ("the call", asking)] {
            end(thread)?.values().context(what)?;
        }
        Ok((later, release))
    })?;
    // On a host that is slow the driver says so.
    let busy = Answer::Kernel(Errno::EBUSY as i32);
    if later != busy {
        is("a command", later, TEE_ERROR_BUSY)?;
    }
    ensure!(release == busy, "a release: {release}");
    ask(&tee, object).identity().context("afterwards")?;
    tee.release(object).values().context("release afterwards")?;
    Ok(Some(format!("{later}, {release}")))
}
