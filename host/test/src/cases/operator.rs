// SPDX-License-Identifier: BSD-2-Clause
//! What an operator is told: owners and refusals, by `client_binding.pta`.

use super::delegation::{Loan, request};
use super::hostile::send_refused;
use super::neighbours::through;
use super::{Case, G};
use crate::bench::{Bench, Seat, evict, flavour, opening, until, visit};
use crate::world::{CLIENTS, OWNER, Person, Process, ROOT, STRANGER, let_person};
use anyhow::{Context, Result, bail, ensure};
use client_binding_client::identity::Principal;
use client_binding_policy::abi::pta::{Command, Counters, Denial, Instance, KEPT, VERSION};
use client_binding_policy::abi::{self, ClientUuid, Operation};
use client_binding_policy::{Binding, Refusal};
use client_binding_proto::probe::{self, Kind, Opening};
use client_binding_proto::{Param as ParamKind, TaUuid};
use client_binding_raw::code::{
    TEE_ERROR_ACCESS_DENIED, TEE_ERROR_BAD_PARAMETERS, TEE_ERROR_BUSY, TEE_ERROR_NOT_SUPPORTED,
    TEE_ERROR_SHORT_BUFFER,
};
use client_binding_raw::lend::Lender;
use client_binding_raw::pta::{PTA, Pta, params, typed};
use client_binding_raw::sys::{Param, Params};
use client_binding_raw::{Answer, Login, Tee};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Read, Seek};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

pub(super) const CASES: &[Case] = &[
    Case::service(
        10001,
        "The PTA answers to root as a user alone",
        &[16],
        who_may_ask,
    ),
    Case::service(
        10002,
        "The PTA is asked what it does not know",
        &[16],
        wrong_questions,
    ),
    Case::service(
        10003,
        "A buffer that is too short is told the size",
        &[16],
        short_buffers,
    ),
    Case::service(
        10004,
        "The PTA tells the version of what it says",
        &[16],
        version,
    ),
    Case::service(
        10011,
        "Instances: whose they are and from when on",
        &[3, 5, 6, 16],
        owners,
    )
    .bound(),
    Case::service(
        10021,
        "Refusals: each kind is told as it was",
        &[16],
        each_kind,
    )
    .bound(),
    Case::service(
        10026,
        "Refusals: each that takes another driver is told as it was",
        &[13, 16],
        each_kind_of_message,
    ),
    Case::service(10022, "Refusals: what is alike is one entry", &[16], alike),
    Case::service(
        10023,
        "Refusals: who comes late learns how many it missed",
        &[16],
        late,
    ),
    Case::service(
        10024,
        "Refusals: a flood from four processors while the owner works",
        &[12, 16],
        flood,
    ),
    Case::service(
        10025,
        "Refusals: the driver counts each and wakes whoever has read that",
        &[16],
        wake_ups,
    ),
    Case::service(
        10031,
        "Grants: bindctl tells root of them, and takes one back",
        &[G + 8, G + 10],
        grants,
    )
    .bound(),
];

/// Becomes root and opens the PTA, which only root can use then. Nothing where the core knows of no client binding.
pub(super) fn open_pta(bench: &Bench) -> Result<Option<Pta>> {
    if !bench.stack.has_bound_core() {
        return Ok(None);
    }
    ROOT.act()?;
    let pta = Pta::open(Tee::connect()?).context("client_binding.pta")?;
    Ok(Some(pta))
}

/// As it stands in a record.
pub(super) fn uuid(ta: TaUuid) -> ClientUuid {
    ClientUuid::from_octets(ta.octets)
}

fn who_may_ask(bench: &Bench) -> Result<Option<String>> {
    let Some(pta) = open_pta(bench)? else {
        return Ok(None);
    };
    let before = pta.counters()?;
    let strangers = [
        (STRANGER, Login::User),
        (OWNER, Login::User),
        (OWNER, Login::Group(CLIENTS)),
        (OWNER, Login::Public),
        (ROOT, Login::Group(0)),
        (ROOT, Login::Public),
    ];
    let methods = [
        (ROOT, Login::Application),
        (ROOT, Login::UserApplication),
        (ROOT, Login::GroupApplication(0)),
        (ROOT, Login::Process),
    ];
    let methods = methods.iter().filter(|_| bench.stack.has_bound_driver());
    let mut refused = 0;
    for &(person, login) in strangers.iter().chain(methods) {
        let opened = let_person(person, || {
            Ok(match Tee::connect()?.open(PTA, login) {
                Ok(_) => bail!("user {} got in as {login:?}", person.uid),
                Err(answer) => answer,
            })
        })?;
        ensure!(
            opened.code() == Some(TEE_ERROR_ACCESS_DENIED),
            "{login:?}: {opened}"
        );
        refused += 1;
    }
    // Nor a TA, be it root's.
    let seat = Seat::take(flavour(Kind::Private, false), Login::User)?;
    let (answer, _) = through(&seat, probe::Command::Ask, PTA)?;
    ensure!(
        answer.code() == Some(TEE_ERROR_ACCESS_DENIED),
        "a TA: {answer}"
    );
    ensure!(pta.counters()? == before, "that was counted");
    Ok(Some(format!("{refused} clients and a TA denied")))
}

fn wrong_questions(bench: &Bench) -> Result<Option<String>> {
    let Some(pta) = open_pta(bench)? else {
        return Ok(None);
    };
    let memory = pta.tee.allocate(KEPT * Denial::SIZE)?;
    let room = memory.param(ParamKind::MemOut);
    let mut asked = 0;
    let mut expect = |command: u32, params: Params, code| {
        asked += 1;
        let answer = pta.tee.invoke_with(pta.session, command, params);
        ensure!(
            answer.code() == Some(code),
            "command {command}, {params:?}: {answer}"
        );
        Ok(())
    };
    for command in Command::ALL {
        let right = match command {
            Command::Version => typed(command),
            _ => params(command, 0, &memory),
        };
        for nth in 0..4 {
            for attr in [0, 1, 2, 3, 5, 6, 7] {
                let mut params = right;
                let memory = if attr > 3 { room } else { Param::default() };
                params[nth] = Param { attr, ..memory };
                if params[nth].attr != right[nth].attr {
                    expect(command as u32, params, TEE_ERROR_BAD_PARAMETERS)?;
                }
            }
        }
    }
    for command in [Command::ALL.len() as u32, 0x7fff_ffff, u32::MAX] {
        expect(command, Params::default(), TEE_ERROR_NOT_SUPPORTED)?;
        expect(
            command,
            params(Command::Counters, 0, &memory),
            TEE_ERROR_NOT_SUPPORTED,
        )?;
    }
    for person in [ROOT, STRANGER] {
        for nth in 0..4 {
            for attr in [1, 2, 3, 5, 6, 7] {
                let opened = let_person(person, || {
                    let tee = Tee::connect()?;
                    let memory = tee.allocate(16)?;
                    let mut params = Params::default();
                    if attr > 3 {
                        params[nth] = memory.param(ParamKind::MemOut);
                    }
                    params[nth].attr = attr;
                    Ok(tee.open_with(PTA, Login::User, params).err())
                })?;
                asked += 1;
                ensure!(
                    opened.and_then(|answer| answer.code()) == Some(TEE_ERROR_BAD_PARAMETERS),
                    "an open with parameter {nth} of type {attr}: {opened:?}"
                );
            }
        }
    }
    // It still answers.
    pta.counters()?;
    Ok(Some(format!("{asked} wrong questions")))
}

fn version(bench: &Bench) -> Result<Option<String>> {
    let Some(pta) = open_pta(bench)? else {
        return Ok(None);
    };
    let version = pta.version()?;
    ensure!(version == VERSION, "{version}");
    Ok(Some(format!("version {version}")))
}

fn short_buffers(bench: &Bench) -> Result<Option<String>> {
    let Some(pta) = open_pta(bench)? else {
        return Ok(None);
    };
    let seat = Seat::take(flavour(Kind::Private, false), Login::User)?;
    // Something to tell, where there is somebody to refuse.
    let_person(STRANGER, || Ok(seat.ask()))?;
    let memory = pta.tee.allocate(2 * KEPT * Denial::SIZE)?;
    let mut told = Vec::new();
    for command in Command::ALL {
        if command == Command::Version {
            continue; // It takes none.
        }
        let size_of = |answer: client_binding_raw::Answer| match answer {
            client_binding_raw::Answer::Tee { ret, values, .. } => Ok((ret, values[0].1 as usize)),
            kernel => bail!("{command:?}: {kernel}"),
        };
        let known = pta.counters()?.refusals.saturating_sub(1);
        let ask = |room| {
            let mut params = params(command, known, &memory);
            params[0].b = room as u64;
            size_of(pta.tee.invoke_with(pta.session, command as u32, params))
        };
        let (_, needed) = ask(2 * KEPT * Denial::SIZE)?;
        for room in [0, 1, needed / 2, needed.saturating_sub(1)] {
            let expected = if room < needed {
                TEE_ERROR_SHORT_BUFFER
            } else {
                0
            };
            ensure!(
                ask(room)? == (expected, needed),
                "{command:?} with {room} of {needed} octets: {:x?}",
                ask(room)?
            );
        }
        // The rest of it is left alone, if it is just enough and if it is not.
        for room in [needed, needed.saturating_sub(1)] {
            for word in memory.words() {
                word.store(u32::MAX, std::sync::atomic::Ordering::Relaxed);
            }
            ask(room)?;
            let rest = &memory.read()[room..];
            ensure!(
                rest.iter().all(|octet| *octet == 0xff),
                "{command:?} writes behind {room} octets"
            );
        }
        told.push(needed.to_string());
    }
    Ok(Some(format!("{} octets", told.join(", "))))
}

fn instances(pta: &Pta, ta: TaUuid) -> Result<Vec<Instance>> {
    let mut instances = pta.instances()?;
    instances.retain(|instance| instance.ta == uuid(ta));
    Ok(instances)
}

/// The one instance of a TA.
fn instance(pta: &Pta, ta: TaUuid) -> Result<Instance> {
    ROOT.act()?;
    let instances = instances(pta, ta)?;
    match instances[..] {
        [instance] => Ok(instance),
        _ => bail!("{} has the instances {instances:?}", ta.text),
    }
}

fn owners(bench: &Bench) -> Result<Option<String>> {
    let Some(pta) = open_pta(bench)? else {
        return Ok(None);
    };
    let mut told = 0;
    for kind in [Kind::Shared, Kind::Kept, Kind::Single, Kind::Private] {
        for bound in [true, false] {
            let ta = flavour(kind, bound);
            let owned = bench.stack.owns_instances(bound);
            let expected = |seat: &Seat, sessions, ownership| Instance {
                ta: uuid(ta.uuid),
                owner: if owned {
                    ClientUuid::from_octets(seat.identity.uuid)
                } else {
                    ClientUuid::NIL
                },
                login: abi::Login(if owned { seat.identity.login } else { 0 }),
                ownership: if owned { ownership } else { Instance::FREE },
                binding: match (owned, bound) {
                    (true, true) => Binding::ByHeader,
                    (true, false) => Binding::ByImage,
                    _ => Binding::Unbound,
                } as u32,
                ta_flags: 0,
                sessions,
                state: Instance::USER_TA,
            };
            let check = |expected: Instance| {
                let told = instance(&pta, ta.uuid)?;
                // Upstream's flags and the header's are in it, and others may be.
                let ours = if bound { abi::TA_FLAG_CLIENT_BOUND } else { 0 };
                let has_flags = told.ta_flags & 0x1c == kind.flags()
                    && told.ta_flags & abi::TA_FLAG_CLIENT_BOUND == ours;
                let same = Instance {
                    ta_flags: 0,
                    ..told
                } == expected;
                ensure!(
                    same && has_flags,
                    "{}: {told:?} instead of {expected:?}",
                    ta.name
                );
                Ok(())
            };
            let seat = Seat::owned(ta, Login::User)?;
            check(expected(&seat, 1, Instance::OWNED))?;
            if matches!(kind, Kind::Shared | Kind::Kept) {
                OWNER.act()?;
                let second = seat.tee.open(ta.uuid, Login::User)?;
                check(expected(&seat, 2, Instance::OWNED))?;
                OWNER.act()?;
                seat.tee.close(second)?;
                check(expected(&seat, 1, Instance::OWNED))?;
            }
            if kind == Kind::Kept {
                OWNER.act()?;
                let stays = expected(&seat, 0, Instance::OWNED);
                seat.close()?;
                check(stays)?;
                OWNER.act()?;
                evict(ta, Login::User)?;
            } else {
                OWNER.act()?;
                seat.close()?;
            }
            ROOT.act()?;
            ensure!(instances(&pta, ta.uuid)?.is_empty(), "{} stays", ta.name);
            told += 1;
        }
    }
    // The TA has not answered yet.
    let ta = flavour(Kind::Shared, true);
    let mut opener = Process::start(|line| {
        OWNER.be()?;
        let tee = Tee::connect()?;
        line.go()?;
        let refused = tee.open_with(ta.uuid, Login::User, opening(Opening::Refuse, 1000));
        ensure!(refused.is_err(), "the TA refuses");
        Ok(())
    })?;
    opener.line.wait()?;
    let start = Instant::now();
    loop {
        ensure!(
            start.elapsed() < Duration::from_secs(20),
            "no open under way was seen"
        );
        let seen = instances(&pta, ta.uuid)?;
        if seen
            .iter()
            .any(|i| i.sessions == 1 && i.state == Instance::USER_TA)
        {
            let unowned = |i: &Instance| {
                (i.ownership, i.owner, i.login)
                    == (Instance::FREE, ClientUuid::NIL, abi::Login::PUBLIC)
            };
            ensure!(
                seen.iter().all(unowned),
                "an owner before the TA has accepted: {seen:?}"
            );
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    opener.finish::<()>()?;
    ensure!(
        instances(&pta, ta.uuid)?.is_empty(),
        "a refused open leaves an instance"
    );
    // A pseudo TA is one, too.
    let own = instance(&pta, PTA)?;
    ensure!(
        (own.binding, own.ownership, own.state, own.sessions) == (0, 0, 0, 1),
        "{own:?}"
    );
    Ok(Some(format!("{told} TAs, and one while it is opened")))
}

fn each_kind(bench: &Bench) -> Result<Option<String>> {
    if !bench.verifies() {
        return Ok(None);
    }
    let Some(pta) = open_pta(bench)? else {
        return Ok(None);
    };
    let ta = flavour(Kind::Shared, true);
    let before = pta.counters()?;
    let seat = Seat::owned(ta, Login::User)?;
    let_person(STRANGER, || {
        ensure!(seat.ask().is_denied(), "invoke");
        ensure!(seat.tee.cancel(seat.session).is_err(), "cancel");
        ensure!(seat.tee.close(seat.session).is_err(), "close");
        Ok(())
    })?;
    for (person, login) in [
        (STRANGER, Login::User),
        (OWNER, Login::Group(CLIENTS)),
        (STRANGER, Login::Public),
    ] {
        ensure!(visit(person, ta, login)?.is_denied(), "{login:?}");
    }
    ROOT.act()?;
    let to_user =
        |operation, refusal, claim| (ta.uuid, operation, refusal, claim, abi::Login::USER);
    are_told(
        &pta,
        before,
        &[
            to_user(Operation::Invoke, Refusal::NotTheClient, abi::Login::USER),
            to_user(Operation::Cancel, Refusal::NotTheClient, abi::Login::USER),
            to_user(Operation::Close, Refusal::NotTheClient, abi::Login::USER),
            to_user(Operation::Open, Refusal::NotTheOwner, abi::Login::USER),
            to_user(Operation::Open, Refusal::NotTheOwner, abi::Login::GROUP),
            to_user(Operation::Open, Refusal::Anonymous, abi::Login::PUBLIC),
        ],
    )
}

/// No sane driver sends what is refused like so.
fn each_kind_of_message(bench: &Bench) -> Result<Option<String>> {
    let Some(pta) = open_pta(bench)? else {
        return Ok(None);
    };
    let before = pta.counters()?;
    match send_refused(bench)? {
        Some(refused) => are_told(&pta, before, &refused),
        None => Ok(None),
    }
}

/// What was refused: by which TA, what, why, to whom, and whose it is.
pub(super) type Refused = (TaUuid, Operation, Refusal, abi::Login, abi::Login);

/// What has been refused since then is that.
fn are_told(pta: &Pta, before: Counters, expected: &[Refused]) -> Result<Option<String>> {
    let known = before.refusals;
    let (denials, lost) = pta.denials(known)?;
    ensure!(
        (denials.len(), lost) == (expected.len(), 0),
        "{lost} lost, {denials:?}"
    );
    let mut counters = before;
    let mut time = 0;
    for (nth, (denial, &(ta, operation, refusal, claim, owner))) in
        denials.iter().zip(expected).enumerate()
    {
        let number = known + 1 + nth as u64;
        let is = Denial {
            first: number,
            last: number,
            first_time: denial.first_time,
            last_time: denial.first_time,
            ta: uuid(ta),
            operation: operation as u32,
            refusal: refusal as u32,
            claim,
            owner,
            grant: 0,
        };
        ensure!(
            *denial == is && denial.first_time >= time,
            "{denial:?} instead of {is:?}"
        );
        time = denial.first_time;
        counters.refusals += 1;
        counters.by_operation[operation as usize] += 1;
        counters.by_refusal[refusal as usize] += 1;
    }
    let now = pta.counters()?;
    ensure!(now == counters, "{before:?} became {now:?}");
    Ok(Some(format!("{} kinds", expected.len())))
}

fn alike(bench: &Bench) -> Result<Option<String>> {
    if !bench.verifies() {
        return Ok(None);
    }
    let Some(pta) = open_pta(bench)? else {
        return Ok(None);
    };
    let known = pta.counters()?.refusals;
    let seat = Seat::owned(flavour(Kind::Shared, false), Login::User)?;
    let_person(STRANGER, || {
        for _ in 0..100 {
            ensure!(seat.ask().is_denied(), "invoke");
        }
        Ok(())
    })?;
    ROOT.act()?;
    let newest = known + 100;
    // Whoever knows some of them gets the entry again.
    for reader in [known, known + 50, newest - 1] {
        let (denials, lost) = pta.denials(reader)?;
        let [entry] = denials[..] else {
            bail!("{denials:?}");
        };
        ensure!(
            (entry.first, entry.last, lost) == (known + 1, newest, 0),
            "{entry:?}, {lost} lost"
        );
        ensure!(entry.first_time <= entry.last_time, "{entry:?}");
    }
    for reader in [newest, newest + 1, u64::MAX] {
        let seen = pta.denials(reader)?;
        ensure!(seen == (Vec::new(), 0), "after {reader}: {seen:?}");
    }
    Ok(Some("100 refusals".into()))
}

fn late(bench: &Bench) -> Result<Option<String>> {
    if !bench.verifies() {
        return Ok(None);
    }
    let Some(pta) = open_pta(bench)? else {
        return Ok(None);
    };
    const REFUSALS: u64 = 150;
    let known = pta.counters()?.refusals;
    let seat = Seat::owned(flavour(Kind::Shared, false), Login::User)?;
    let_person(STRANGER, || {
        for _ in 0..REFUSALS / 2 {
            ensure!(seat.ask().is_denied(), "invoke");
            ensure!(seat.tee.cancel(seat.session).is_err(), "cancel");
        }
        Ok(())
    })?;
    ROOT.act()?;
    let newest = known + REFUSALS;
    for behind in [REFUSALS, REFUSALS - 1, KEPT as u64 + 1, KEPT as u64, 1, 0] {
        let (denials, lost) = pta.denials(newest - behind)?;
        let kept = behind.min(KEPT as u64);
        ensure!(
            (denials.len() as u64, lost) == (kept, behind - kept),
            "{behind} behind: {} and {lost} lost",
            denials.len()
        );
        for (denial, number) in denials.iter().zip(newest + 1 - kept..) {
            ensure!(
                (denial.first, denial.last) == (number, number),
                "{denial:?} is not {number}"
            );
        }
    }
    let (_, lost) = pta.denials(0)?;
    ensure!(lost == newest - KEPT as u64, "{lost} lost since boot");
    Ok(Some(format!(
        "{} of {REFUSALS} lost",
        REFUSALS - KEPT as u64
    )))
}

/// Strangers on all processors make as many refusals as they can, no two alike in a row. The owner works all the while, and a
/// reader misses none without being told.
fn flood(bench: &Bench) -> Result<Option<String>> {
    if !bench.verifies() {
        return Ok(None);
    }
    let Some(pta) = open_pta(bench)? else {
        return Ok(None);
    };
    let lasts = Duration::from_secs(bench.rounds(2, 60).into());
    let known = pta.counters()?.refusals;
    let seat = Seat::owned(flavour(Kind::Shared, false), Login::User)?;
    ROOT.act()?;
    let mut strangers = Vec::new();
    for nth in 0..4 {
        strangers.push(Process::start(|_| {
            STRANGER.be()?;
            let start = Instant::now();
            let mut refused = 0_u64;
            while start.elapsed() < lasts {
                if (refused + nth).is_multiple_of(2) {
                    ensure!(seat.ask().is_denied(), "invoke");
                } else {
                    ensure!(seat.tee.cancel(seat.session).is_err(), "cancel");
                }
                refused += 1;
            }
            Ok(refused)
        })?);
    }
    // Follows them, and ends when all are told or missed.
    let mut reader = Process::start(|line| {
        let (mut last, mut told, mut lost) = (known, 0, 0);
        let mut follow = || {
            let (denials, missed) = pta.denials(last)?;
            lost += missed;
            for denial in denials {
                ensure!(denial.last > last, "{denial:?} after {last}");
                told += denial.last - last.max(denial.first - 1);
                last = denial.last;
            }
            anyhow::Ok((told, lost))
        };
        let start = Instant::now();
        while start.elapsed() < lasts {
            follow()?;
        }
        line.wait()?;
        loop {
            let sums = follow()?;
            if sums == follow()? {
                return Ok(sums);
            }
        }
    })?;
    OWNER.act()?;
    let start = Instant::now();
    let (mut served, mut longest) = (0, Duration::ZERO);
    while start.elapsed() < lasts {
        let call = Instant::now();
        seat.works()?;
        longest = longest.max(call.elapsed());
        served += 1;
    }
    let mut refused = 0;
    for stranger in strangers {
        refused += stranger.finish::<u64>()?;
    }
    reader.line.go()?;
    let (told, lost) = reader.finish::<(u64, u64)>()?;
    ROOT.act()?;
    let Counters { refusals, .. } = pta.counters()?;
    ensure!(
        refusals - known == refused,
        "{refused} were refused, {} counted",
        refusals - known
    );
    ensure!(
        told + lost == refused,
        "{refused} were refused, {told} told and {lost} lost"
    );
    ensure!(
        longest < Duration::from_secs(5),
        "the owner waited {longest:?}"
    );
    OWNER.act()?;
    seat.works().context("afterwards")?;
    Ok(Some(format!(
        "{refused} refused, {told} told, {lost} lost; the owner served {served} times, within {} ms",
        longest.as_millis()
    )))
}

/// A stranger cannot make the kernel wake anybody twice for one read.
fn wake_ups(bench: &Bench) -> Result<Option<String>> {
    if !bench.verifies() {
        return Ok(None);
    }
    const ATTRIBUTE: &str = "/sys/class/tee/tee0/refused_calls";
    let is_hidden = || Ok(File::open(ATTRIBUTE).is_err());
    ensure!(let_person(STRANGER, is_hidden)?, "everybody may read it");
    let seat = Seat::owned(flavour(Kind::Shared, false), Login::User)?;
    ROOT.act()?;
    let file = File::open(ATTRIBUTE)?;
    let count = || {
        let mut text = String::new();
        (&file).rewind()?;
        (&file).read_to_string(&mut text)?;
        anyhow::Ok(text.trim_end().parse::<u64>()?)
    };
    let before = count()?;
    // Edge-triggered, it tells every wake-up, whatever was read meanwhile.
    let epoll = Epoll::new(EpollCreateFlags::empty())?;
    let edges = EpollFlags::EPOLLPRI | EpollFlags::EPOLLET;
    epoll.add(&file, EpollEvent::new(edges, 0))?;
    let refusal_wakes = || {
        let_person(STRANGER, || {
            ensure!(seat.ask().is_denied(), "invoke");
            Ok(())
        })?;
        let woken = epoll.wait(&mut [EpollEvent::empty()], EpollTimeout::ZERO)?;
        anyhow::Ok(woken == 1)
    };
    ensure!(refusal_wakes()?, "after a read nobody is woken");
    ensure!(!refusal_wakes()?, "woken again without a read");
    ensure!(count()? == before + 2, "not counted");
    ensure!(refusal_wakes()?, "after the second read nobody is woken");
    ensure!(count()? == before + 3, "not counted");
    Ok(Some("3 refusals, 2 wake-ups".into()))
}

/// What bindctl says to somebody: its exit status, what it prints and what it complains of.
fn bindctl(person: Person, args: &[&str]) -> Result<(Option<i32>, String, String)> {
    let_person(person, || {
        let output = process::Command::new("/usr/bin/bindctl")
            .args(args)
            .output()
            .context("cannot execute bindctl")?;
        let [out, err] =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        Ok((output.status.code(), out, err))
    })
}

/// What it prints as JSON.
fn bindctl_json(person: Person, args: &[&str]) -> Result<Value> {
    let (status, out, err) = bindctl(person, &[args, &["--json"]].concat())?;
    ensure!(status == Some(0), "bindctl {args:?}: {status:?}, {err}");
    Ok(serde_json::from_str(&out)?)
}

fn grants(bench: &Bench) -> Result<Option<String>> {
    if !bench.stack.has_bound_core() {
        let (status, _, err) = bindctl(ROOT, &["grants"])?;
        let says_so = err.contains("OP-TEE has no delegation");
        ensure!(status == Some(3) && says_so, "{status:?}: {err}");
        return Ok(Some("no delegation".into()));
    }
    let ta = flavour(Kind::Shared, true);
    let seat = Seat::owned(ta, Login::User)?;
    let commands = [probe::Command::WhoAmI, probe::Command::Wait];
    let lent = Loan::make(bench, &seat, &commands, |r| (r.uses, r.badge) = (3, 7))?;
    let Some((loan, number)) = lent.and_then(|loan| loan.number.map(|number| (loan, number)))
    else {
        return Ok(None);
    };
    let used = loan.used(STRANGER, probe::Command::WhoAmI, 0)?;
    ensure!(used.is_success(), "the grantee: {used}");

    let told = bindctl_json(ROOT, &["grants"])?;
    let user = |name, person: Person| {
        let uuid = Principal::User(person.uid).uuid().to_string();
        json!({ "login": "USER", "uuid": uuid, "name": format!("{name} (uid {})", person.uid) })
    };
    let expected = json!({
        "grants": [{
        "number": number,
        "parent": null,
        "ta": ta.uuid.text,
        "session": seat.session.0,
        "owner": user("owner", OWNER),
        "grantee": user("stranger", STRANGER),
        "commands": commands.map(|command| command.number()),
        "used": 1,
        "uses_left": 2,
        "time_left_ms": null,
        "badge": 7,
        "depth": 0,
        "running": false,
        "over": false,
    }],
        "limits": { "in_all": 32, "of_owner": 16, "to_grantee": 8 },
    });
    ensure!(
        told == expected,
        "root is told {told} instead of {expected}"
    );
    let (_, text, _) = bindctl(ROOT, &["grants"])?;
    ensure!(text.contains(&format!(" {number} ")), "root reads {text}");

    // Everybody sees and takes back what is theirs.
    ensure!(
        bindctl_json(OWNER, &["grants"])? == told,
        "the owner is told something else"
    );
    ensure!(
        bindctl_json(STRANGER, &["grants"])?["grants"] == json!([]),
        "a grantee sees it"
    );
    let number = number.to_string();
    for (person, number) in [(STRANGER, &*number), (ROOT, "1")] {
        let (status, _, err) = bindctl(person, &["revoke", number])?;
        let says_so = err.contains(&format!("there is no grant {number}"));
        ensure!(
            status == Some(6) && says_so,
            "uid {}: {status:?}, {err}",
            person.uid
        );
    }
    let (status, ..) = bindctl(ROOT, &["revoke", "x"])?;
    ensure!(status == Some(2), "{status:?}");

    let mut grantee = Process::start(|line| {
        STRANGER.be()?;
        let way = loan.take_up(Login::User)?.context("it was lent to us")?;
        line.go()?;
        let answer = way.invoke(probe::Command::Wait, 20_000);
        line.wait()?;
        Ok((answer, way.invoke(probe::Command::WhoAmI, 0)))
    })?;
    grantee.line.wait()?;
    until(Duration::from_secs(10), "its command is not seen", || {
        Ok(bindctl_json(ROOT, &["grants"])?["grants"][0]["running"] == true)
    })?;
    let told = bindctl_json(ROOT, &["revoke", &number, "--cancel"])?;
    ensure!(
        told["running"] == true && told["cancelled"] == true,
        "{told}"
    );
    grantee.line.go()?;
    let (cancelled, after) = grantee.finish::<(Answer, Answer)>()?;
    ensure!(cancelled.is_cancelled(), "what was in the TA: {cancelled}");
    ensure!(after.is_denied(), "afterwards: {after}");
    let (_, text, _) = bindctl(ROOT, &["grants"])?;
    ensure!(text.starts_with("Nothing is lent."), "{text}");
    ensure!(!text.contains("Full"), "{text}");

    // Who is told that there is no more room can ask why.
    OWNER.act()?;
    let lender = Lender::open(&seat.tee, Login::User)?;
    let request = request(&seat, STRANGER, &commands);
    let mut told = Ok(0);
    while told.is_ok() {
        told = lender.lend(&request)?;
    }
    let busy = told.is_err_and(|answer| answer.code() == Some(TEE_ERROR_BUSY));
    ensure!(busy, "the last of them: {told:?}");
    for person in [ROOT, OWNER] {
        let (_, text, _) = bindctl(person, &["grants"])?;
        let why = "Full: USER owner (uid 1000) to USER stranger (uid 1001).";
        ensure!(text.contains(why), "uid {} reads {text}", person.uid);
    }
    OWNER.act()?;
    seat.works()?;
    Ok(Some(after.to_string()))
}
