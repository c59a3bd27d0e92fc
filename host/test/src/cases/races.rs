// SPDX-License-Identifier: BSD-2-Clause
//! Several at once, best on several processors.

use super::Case;
use crate::bench::{Bench, Seat, ask, died, evict, flavour, opening, released};
use crate::stats::Stats;
use crate::world::{OWNER, Person, Process, ROOT, STRANGER, let_person};
use anyhow::{Context, Result, anyhow, bail, ensure};
use client_binding_proto::probe::{Command, FLAVOURS, Flavour, Kind, Opening, REFUSED};
use client_binding_raw::code::{
    TEE_ERROR_ACCESS_DENIED, TEE_ERROR_BAD_PARAMETERS, TEE_ERROR_BUSY, TEE_ERROR_CANCEL,
    TEE_ERROR_OUT_OF_MEMORY, TEE_ERROR_TARGET_DEAD,
};
use client_binding_raw::{Answer, Login, Session, Tee};
use client_binding_test::kit::sys;
use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

pub(super) const CASES: &[Case] = &[
    Case::refusal(
        5001,
        "Two users open an unloaded bound TA at once: one gets it",
        &[3, 14],
        |b| open_open(b, Opening::Serve),
    )
    .bound(),
    Case::service(
        5002,
        "Of two users that open at once the TA refuses one",
        &[6, 14],
        |b| open_open(b, Opening::Refuse),
    )
    .bound(),
    Case::service(
        5003,
        "Of two users that open at once one makes the TA panic",
        &[6, 14, 18],
        |b| open_open(b, Opening::Panic),
    )
    .bound(),
    Case::service(
        5004,
        "Nobody cancels a session that is being opened",
        &[2, 14],
        cancel_open,
    ),
    Case::service(
        5005,
        "The owner closes while its other process invokes",
        &[2],
        close_invoke,
    ),
    Case::service(
        5010,
        "A close waits for the command that runs",
        &[2, 11],
        close_waits,
    ),
    Case::refusal(
        5006,
        "One thread changes its euid while others invoke",
        &[2, 17],
        changing_thread,
    ),
    Case::service(
        5007,
        "Sixty-four threads, everything at once, TAs that panic",
        &[2, 3, 5, 18],
        storm,
    ),
    Case::refusal(
        5008,
        "A stranger parks threads behind the owner's long command",
        &[12],
        park,
    ),
    Case::refusal(
        5009,
        "A stranger hammers the owner's session",
        &[12],
        hammer,
    ),
    Case::service(
        5011,
        "Strangers whom a TA refuses do not keep the owner from its first open",
        &[3, 6],
        starve,
    )
    .bound()
    .within(480),
    Case::refusal(
        5012,
        "A stranger queues for a TA that becomes another's, and enters it",
        &[3, 6],
        late_comer,
    )
    .bound(),
];

fn open_open(bench: &Bench, how: Opening) -> Result<Option<String>> {
    let ta = flavour(Kind::Shared, true);
    let rounds = bench.rounds(6, 2000);
    let mut won = [0, 0];
    let before = Stats::open()?.memory()?;
    for nth in 0..rounds {
        let (wait, delay) = {
            let mut random = bench.random();
            (random.u32(0..20), random.u64(0..3000))
        };
        // The first does not just open; who is second is decided by the race.
        let mut clients = [(OWNER, how, 0), (STRANGER, Opening::Serve, delay)]
            .map(|(person, how, delay)| client(person, ta, how, wait, delay));
        for client in &mut clients {
            let client = client.as_mut().map_err(|error| anyhow!("{error:#}"))?;
            client.line.wait()?;
        }
        let mut answers = Vec::new();
        for client in clients.iter_mut().flatten() {
            client.line.go()?;
        }
        for client in clients.iter_mut().flatten() {
            answers.push(client.line.hear::<Answer>()?);
        }
        for mut client in clients.into_iter().flatten() {
            client.line.go()?;
            client.finish::<()>()?;
        }
        let seen = answers.iter().map(ToString::to_string).collect::<Vec<_>>();
        let context = || format!("round {nth}: {}", seen.join(" and "));
        judge_open(bench, how, &answers, &mut won).with_context(context)?;
        released(&Stats::open()?, before, ta)?;
    }
    Ok(Some(format!(
        "{rounds} rounds, won by {} and {}",
        won[0], won[1]
    )))
}

fn client(
    person: Person,
    ta: &'static Flavour,
    how: Opening,
    wait: u32,
    delay: u64,
) -> Result<Process> {
    Process::start(move |line| {
        person.be()?;
        let tee = Tee::connect()?;
        line.go()?;
        line.wait()?;
        thread::sleep(Duration::from_micros(delay));
        let opened = tee.open_with(ta.uuid, Login::User, opening(how, wait));
        line.say(&match opened {
            Ok(session) => ask(&tee, session),
            Err(answer) => answer,
        })?;
        line.wait()
    })
}

fn judge_open(bench: &Bench, how: Opening, answers: &[Answer], won: &mut [u32; 2]) -> Result<()> {
    let [first, second] = *answers else {
        return Err(anyhow!("two answers"));
    };
    for (won, answer) in won.iter_mut().zip(answers) {
        *won += u32::from(answer.is_success());
    }
    match how {
        Opening::Serve if bench.verifies() => {
            let one = first.is_success() && second.is_denied()
                || first.is_denied() && second.is_success();
            ensure!(one, "not exactly one won");
        }
        Opening::Serve => ensure!(first.is_success() && second.is_success(), "both share it"),
        // What the first leaves behind owns nothing. The panic takes those with it who wait for
        // the instance, or share it.
        Opening::Refuse | Opening::Panic => {
            ensure!(!first.is_success(), "it should not have opened");
            let dead = how == Opening::Panic && second.code() == Some(TEE_ERROR_TARGET_DEAD);
            ensure!(second.is_success() || dead, "the other one lost, too");
        }
    }
    Ok(())
}

/// Linux knows no session before the TEE has opened it, so whoever guesses its number in
/// time is told that there is none. What the TEE itself answers is for chapter 6.
fn cancel_open(bench: &Bench) -> Result<Option<String>> {
    let ta = flavour(Kind::Private, false);
    OWNER.act()?;
    let tee = Tee::connect()?;
    // The number that the next session will have, or one of the next.
    let mut next = tee.open(ta.uuid, Login::User)?.0 + 1;
    let mut tried = 0;
    for _ in 0..bench.rounds(3, 100) {
        let mut guesser = Process::start(|line| {
            STRANGER.be()?;
            line.wait()?;
            let start = Instant::now();
            let mut tried = 0;
            while start.elapsed() < Duration::from_millis(250) {
                for number in next..next + 8 {
                    let result = tee.cancel(Session(number));
                    ensure!(
                        matches!(result, Err(Errno::EINVAL | Errno::EACCES)),
                        "cancelling a guess ended with {result:?}"
                    );
                    tried += 1;
                }
            }
            Ok(tried)
        })?;
        guesser.line.go()?;
        let opened = tee.open_with(ta.uuid, Login::User, opening(Opening::Serve, 200));
        let session = opened.context("the open was disturbed")?;
        // Once it is open, a stranger's cancellation is found out elsewhere: close quickly.
        tee.close(session)?;
        next = session.0;
        tried += match guesser.finish::<u32>() {
            Ok(tried) => tried,
            // Where nobody verifies, a guess that hits the open session cancels.
            Err(error) if bench.verifies() => return Err(error),
            Err(_) => 0,
        };
    }
    Ok(Some(format!("{tried} guesses")))
}

fn close_invoke(bench: &Bench) -> Result<Option<String>> {
    let ta = flavour(Kind::Shared, bench.stack.opens_bound());
    let witness = Seat::owned(ta, Login::User)?;
    let rounds = bench.rounds(20, 2000);
    let mut served = 0;
    for _ in 0..rounds {
        let delay = bench.random().u64(0..4000);
        let seat = Seat::take(ta, Login::User)?;
        let mut other = Process::start(|line| {
            OWNER.be()?;
            line.go()?;
            let mut served = 0_u32;
            loop {
                let answer = seat.ask();
                if !answer.is_success() {
                    return Ok((served, answer));
                }
                served += 1;
            }
        })?;
        other.line.wait()?;
        thread::sleep(Duration::from_micros(delay));
        seat.close()?;
        let (before, answer): (u32, Answer) = other.finish()?;
        // Linux has forgotten the session, or the TEE has.
        let gone = answer == Answer::Kernel(Errno::EINVAL as i32)
            || answer.code() == Some(TEE_ERROR_BAD_PARAMETERS);
        ensure!(gone, "the end was: {answer}");
        served += before;
    }
    ensure!(witness.status()?.sessions == 1, "{:?}", witness.status()?);
    Ok(Some(format!(
        "{rounds} rounds, {served} commands in between"
    )))
}

fn close_waits(bench: &Bench) -> Result<Option<String>> {
    const LONG: u32 = 1500;
    let seat = Seat::owned(
        flavour(Kind::Private, bench.stack.opens_bound()),
        Login::User,
    )?;
    let (answer, closed, took) = thread::scope(|scope| {
        let runner = scope.spawn(|| seat.command(Command::Wait, LONG));
        thread::sleep(Duration::from_millis(400));
        let start = Instant::now();
        let closed = seat.tee.close(seat.session);
        let took = start.elapsed().as_millis();
        (runner.join(), closed, took)
    });
    let answer = answer.map_err(|_| anyhow!("a thread died"))?;
    ensure!(answer.is_success(), "the command: {answer}");
    closed.context("close")?;
    ensure!(took > 500, "the close took {took} ms only");
    Ok(Some(format!("it took {took} ms")))
}

fn changing_thread(bench: &Bench) -> Result<Option<String>> {
    let seat = Seat::owned(flavour(Kind::Private, false), Login::User)?;
    let stop = AtomicBool::new(false);
    let served = AtomicU32::new(0);
    let changes = bench.rounds(100, 5000);
    let changing = || -> Result<()> {
        for nth in 0..changes {
            sys::set_thread_uid(0, 0, 0)?;
            let uid = if nth % 2 == 0 {
                STRANGER.uid
            } else {
                OWNER.uid
            };
            sys::set_thread_uid(uid, uid, 0)?;
            let answer = seat.ask();
            if uid == STRANGER.uid {
                bench.attacked(answer)?;
            } else {
                ensure!(answer.is_success(), "as the owner: {answer}");
            }
        }
        Ok(())
    };
    let steady = || -> Result<()> {
        while !stop.load(Ordering::Relaxed) {
            seat.works()?;
            served.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    };
    thread::scope(|scope| -> Result<()> {
        let steady = [scope.spawn(steady), scope.spawn(steady)];
        let changed = scope.spawn(changing).join();
        stop.store(true, Ordering::Relaxed);
        for thread in steady {
            thread.join().map_err(|_| anyhow!("a thread died"))??;
        }
        changed.map_err(|_| anyhow!("a thread died"))?
    })?;
    let served = served.into_inner();
    ensure!(served > 0, "the other threads did nothing");
    Ok(Some(format!(
        "{changes} changes, others served {served} times"
    )))
}

/// What a thread of the storm may see, beside success.
fn is_weather(answer: Answer) -> bool {
    match answer {
        Answer::Tee { ret, .. } => matches!(
            ret,
            TEE_ERROR_ACCESS_DENIED
                | TEE_ERROR_CANCEL
                // The session is gone.
                | TEE_ERROR_BAD_PARAMETERS
                | TEE_ERROR_OUT_OF_MEMORY
                | TEE_ERROR_BUSY
                | TEE_ERROR_TARGET_DEAD
        ),
        Answer::Kernel(errno) => errno == Errno::EINVAL as i32,
    }
}

fn storm(bench: &Bench) -> Result<Option<String>> {
    const PROCESSES: usize = 4;
    const THREADS: usize = 16;
    let length = Duration::from_secs(if bench.full { 120 } else { 6 });
    let seeds: Vec<u64> = {
        let mut random = bench.random();
        (0..PROCESSES * THREADS).map(|_| random.u64(..)).collect()
    };
    // Somebody who has nothing to do with it must be served throughout.
    let calm = Seat::owned(flavour(Kind::Private, false), Login::User)?;
    let foreign = calm.session;
    let mut processes = Vec::new();
    for seeds in seeds.chunks(THREADS) {
        let person = if processes.len() % 2 == 0 {
            OWNER
        } else {
            STRANGER
        };
        let (calm, bound) = (&calm.tee, bench.stack.opens_bound());
        let verifies = bench.verifies();
        processes.push(Process::start(move |_| {
            person.be()?;
            let tee = Tee::connect()?;
            thread::scope(|scope| -> Result<u32> {
                let threads: Vec<_> = seeds
                    .iter()
                    .map(|&seed| {
                        let tee = &tee;
                        scope.spawn(move || -> Result<u32> {
                            let mut random = fastrand::Rng::with_seed(seed);
                            let start = Instant::now();
                            let mut done = 0;
                            while start.elapsed() < length {
                                bluster(tee, &mut random, bound)?;
                                if person.uid != OWNER.uid && verifies {
                                    let answer = ask(calm, foreign);
                                    ensure!(answer.is_denied(), "in the owner's session: {answer}");
                                }
                                done += 1;
                            }
                            Ok(done)
                        })
                    })
                    .collect();
                let mut done = 0;
                for thread in threads {
                    done += thread.join().map_err(|_| anyhow!("a thread died"))??;
                }
                Ok(done)
            })
        })?);
    }
    let start = Instant::now();
    while start.elapsed() < length {
        calm.works()?;
        thread::sleep(Duration::from_millis(10));
    }
    let mut done = 0;
    for process in processes {
        done += process.finish::<u32>()?;
    }
    calm.works()?;
    // Instances that stay after their last session: whoever owns them ends them.
    for bound in [false, true] {
        let ta = flavour(Kind::Kept, bound);
        for person in [OWNER, STRANGER] {
            if bound && !bench.stack.opens_bound() {
                continue;
            }
            let _ = let_person(person, || Seat::take(ta, Login::User).and_then(Seat::crash));
        }
    }
    Ok(Some(format!(
        "{done} operations of {} threads",
        PROCESSES * THREADS
    )))
}

fn bluster(tee: &Tee, random: &mut fastrand::Rng, bound: bool) -> Result<()> {
    let flavours = if bound { &FLAVOURS[..] } else { &FLAVOURS[4..] };
    // Loading is slow: mostly those that stay loaded.
    let ta = match random.u8(0..16) {
        0 => random.choice(flavours).context("no flavours")?,
        n => flavour(Kind::Kept, bound && n % 2 == 0),
    };
    let how = match random.u8(0..60) {
        0 => Opening::Panic,
        1..4 => Opening::Refuse,
        _ => Opening::Serve,
    };
    let session = match tee.open_with(ta.uuid, Login::User, opening(how, 0)) {
        Ok(session) => session,
        Err(answer) => {
            let refused = how == Opening::Refuse && answer.code() == Some(REFUSED);
            ensure!(refused || is_weather(answer), "open: {answer}");
            return Ok(());
        }
    };
    for _ in 0..random.u8(0..4) {
        let command = match random.u8(0..60) {
            0 => Command::Panic,
            1 => Command::Supplicant,
            2..10 => Command::Wait,
            _ => Command::Status,
        };
        let shape = command.shape();
        let answer = tee.invoke(session, command.number(), shape, 1);
        ensure!(
            answer.is_success() || is_weather(answer),
            "{command:?}: {answer}"
        );
        if random.u8(0..4) == 0 {
            // Anybody's on this connection.
            let _ = tee.cancel(Session(random.u32(1..64)));
        }
    }
    if random.u8(0..8) == 0 {
        let _ = tee.close(Session(random.u32(1..64)));
    }
    let _ = tee.close(session);
    Ok(())
}

/// How long somebody else's short command takes while the owner's long one runs and
/// strangers invoke in the owner's session.
fn park(bench: &Bench) -> Result<Option<String>> {
    const LONG: u32 = 1500;
    const STRANGERS: usize = 8;
    let ta = flavour(Kind::Private, false);
    let seat = Seat::owned(ta, Login::User)?;
    let bystander = Seat::take(ta, Login::User)?;
    let mut runner = Process::start(|line| {
        OWNER.be()?;
        line.go()?;
        let start = Instant::now();
        let answer = seat.command(Command::Wait, LONG);
        Ok((answer, start.elapsed().as_millis() as u64))
    })?;
    runner.line.wait()?;
    thread::sleep(Duration::from_millis(200));
    let mut strangers = Vec::new();
    for _ in 0..STRANGERS {
        strangers.push(Process::start(|_| {
            STRANGER.be()?;
            Ok(seat.ask())
        })?);
    }
    thread::sleep(Duration::from_millis(200));
    let start = Instant::now();
    bystander.works()?;
    let took = start.elapsed().as_millis() as u64;
    let (answer, ran): (Answer, u64) = runner.finish()?;
    ensure!(answer.is_success(), "the owner's command: {answer}");
    for stranger in strangers {
        bench.attacked(stranger.finish()?)?;
    }
    if bench.verifies() {
        ensure!(
            took < 500,
            "somebody else waited {took} ms for a short command"
        );
    } else {
        ensure!(
            took > 500,
            "somebody else waited {took} ms only, the attack fails by itself"
        );
    }
    Ok(Some(format!(
        "somebody else waited {took} ms while {ran} ms ran"
    )))
}

/// With processors enough for both, the owner's commands may become this much slower.
const SLOWER: u128 = 4;

fn hammer(bench: &Bench) -> Result<Option<String>> {
    let seat = Seat::owned(flavour(Kind::Private, false), Login::User)?;
    let commands = bench.rounds(200, 2000);
    let measure = || -> Result<u128> {
        let mut times = Vec::new();
        for _ in 0..commands {
            let start = Instant::now();
            seat.works()?;
            times.push(start.elapsed().as_micros());
        }
        times.sort_unstable();
        Ok(times[times.len() / 2])
    };
    let alone = measure()?;
    let mut stranger = Process::start(|line| -> Result<()> {
        STRANGER.be()?;
        line.go()?;
        loop {
            bench.attacked(seat.ask())?;
        }
    })?;
    stranger.line.wait()?;
    let beside = measure()?;
    let end = waitpid(stranger.pid, Some(WaitPidFlag::WNOHANG))?;
    ensure!(end == WaitStatus::StillAlive, "the stranger ended: {end:?}");
    ROOT.act()?;
    stranger.kill()?;
    stranger.reap()?;
    OWNER.act()?;
    let text = format!("median {alone} us alone, {beside} us beside a stranger");
    ensure!(!bench.verifies() || beside <= alone * SLOWER, "{text}");
    Ok(Some(text))
}

/// Strangers who open all the time, and close what they get; they have begun. [`dismiss`] ends them.
pub(super) fn knock(
    ta: &'static Flavour,
    login: Login,
    how: Opening,
    strangers: usize,
) -> Result<Vec<Process>> {
    ROOT.act()?;
    let mut strangers = (0..strangers)
        .map(|_| {
            Process::start(|line| -> Result<u32> {
                STRANGER.be()?;
                let tee = Tee::connect()?;
                line.go()?;
                let mut knocks = 0;
                while !line.called()? {
                    knocks += 1;
                    if let Ok(session) = tee.open_with(ta.uuid, login, opening(how, 0)) {
                        ensure!(how == Opening::Serve, "the TA refuses");
                        tee.close(session)?;
                    }
                }
                Ok(knocks)
            })
        })
        .collect::<Result<Vec<_>>>()?;
    for stranger in &mut strangers {
        stranger.line.wait()?;
    }
    OWNER.act()?;
    Ok(strangers)
}

/// How often a second the owner of an instance opens and closes another session while others open all the time.
fn reopens(ta: &'static Flavour, strangers: usize, times: u32) -> Result<(f64, f64)> {
    let seat = Seat::owned(ta, Login::User)?;
    let strangers = knock(ta, Login::User, Opening::Serve, strangers)?;
    let tee = Tee::connect()?;
    let start = Instant::now();
    for _ in 0..times {
        tee.close(tee.open(ta.uuid, Login::User)?)?;
    }
    let time = start.elapsed().as_secs_f64();
    let theirs = f64::from(dismiss(strangers)?) / time;
    seat.close()?;
    Ok((f64::from(times) / time, theirs))
}

/// How long the owner's first opens of an instance take altogether while others open all the time, whom the TA
/// refuses. If it is kept alive, they have loaded it before the owner comes; else they load it all the time.
fn opens(ta: &'static Flavour, login: Login, strangers: usize, rounds: u32) -> Result<Duration> {
    let strangers = knock(ta, login, Opening::Refuse, strangers)?;
    let mut time = Duration::ZERO;
    for round in 0..rounds {
        let tee = Tee::connect()?;
        if ta.kind != Kind::Kept {
            thread::sleep(Duration::from_millis(u64::from(round % 8) * 5));
        } else if strangers.is_empty() {
            let loaded = tee.open_with(ta.uuid, Login::User, opening(Opening::Refuse, 0));
            ensure!(loaded.is_err(), "the TA refuses");
        } else {
            thread::sleep(Duration::from_millis(400));
        }
        let start = Instant::now();
        let session = tee.open(ta.uuid, Login::User);
        time += start.elapsed();
        let session = session.with_context(|| format!("the owner in round {round}"))?;
        let dead = tee.invoke(session, Command::Panic.number(), Command::Panic.shape(), 0);
        died(dead)?;
        tee.close(session)?;
    }
    dismiss(strangers)?;
    if ta.kind == Kind::Kept {
        // What they have loaded last stays.
        evict(ta, Login::User)?;
    }
    Ok(time)
}

/// Ends them when they have an answer: a client that is killed while its TA is being loaded can end tee-supplicant. Says how
/// often they have opened.
pub(super) fn dismiss(strangers: Vec<Process>) -> Result<u32> {
    let mut knocks = 0;
    for mut stranger in strangers {
        stranger.line.go()?;
        knocks += stranger.finish::<u32>()?;
    }
    Ok(knocks)
}

/// Of two equal rates, measured one after the other on a machine that does other things as well, one may be so much less.
const SLACK: f64 = 0.75;

/// Beside a TA without the flag it is as on stock: each stranger has it in turn. While there is no owner that is so
/// beside a bound one as well; chance and load make it longer or shorter, what this is about made it ten times as
/// long, or ended with BUSY.
fn starve(bench: &Bench) -> Result<Option<String>> {
    if bench.stack.owns_instances(false) == bench.stack.owns_instances(true) {
        return Ok(None); // There is none to compare with.
    }
    let mut seen = Vec::new();
    for strangers in [0, 1, 7] {
        let times = bench.rounds(200, 2000);
        let [stock, ours] = [false, true].map(|bound| flavour(Kind::Shared, bound));
        seen.push(in_one_of_three(|| {
            let (stock, served) = reopens(stock, strangers, times)?;
            let (ours, refused) = reopens(ours, strangers, times)?;
            let text = format!(
                "{ours:.0} opens a second beside {refused:.0} of {strangers}, {stock:.0} beside {served:.0} if unbound"
            );
            Ok((ours >= SLACK * stock, text))
        })?);
    }
    let rounds = bench.rounds(8, 60);
    for (kind, login) in [
        (Kind::Kept, Login::User),
        (Kind::Shared, Login::User),
        (Kind::Shared, Login::Public),
    ] {
        for strangers in [0, 1, 7] {
            let [stock, ours] = [false, true].map(|bound| flavour(kind, bound));
            seen.push(in_one_of_three(|| {
                let stock = opens(stock, login, strangers, rounds)?.as_millis();
                let ours = opens(ours, login, strangers, rounds)?.as_millis();
                let text = format!(
                    "{ours} ms beside {strangers} of {login:?} at {kind:?}, {stock} ms if unbound"
                );
                Ok((ours <= 3 * stock + 20 * u128::from(rounds), text))
            })?);
        }
    }
    Ok(Some(seen.join("; ")))
}

/// Chance and load are not on one side three times; a TA that is kept from its owner is.
fn in_one_of_three(mut measure: impl FnMut() -> Result<(bool, String)>) -> Result<String> {
    let mut seen = Vec::new();
    for _ in 0..3 {
        let (is_fair, text) = measure()?;
        if is_fair {
            return Ok(text);
        }
        seen.push(text);
    }
    bail!("{}", seen.join("; "))
}

/// The TA is in its first open and takes its time when the stranger comes.
fn late_comer(bench: &Bench) -> Result<Option<String>> {
    let ta = flavour(Kind::Shared, true);
    let mut stranger = Process::start(|line| {
        STRANGER.be()?;
        let tee = Tee::connect()?;
        line.go()?;
        line.wait()?;
        thread::sleep(Duration::from_millis(700));
        Ok(match tee.open(ta.uuid, Login::User) {
            Ok(session) => ask(&tee, session),
            Err(answer) => answer,
        })
    })?;
    stranger.line.wait()?;
    OWNER.act()?;
    let tee = Tee::connect()?;
    stranger.line.go()?;
    let session = tee.open_with(ta.uuid, Login::User, opening(Opening::Serve, 1500));
    let session = session.context("the owner")?;
    let answer = stranger.finish::<Answer>()?;
    bench.attacked(answer)?;
    let status = tee.invoke(
        session,
        Command::Status.number(),
        Command::Status.shape(),
        0,
    );
    let [_, (_, opens), ..] = status.values().context("the owner's command")?;
    ensure!(
        opens == 1 + u32::from(!bench.verifies()),
        "the TA was entered {opens} times to open"
    );
    tee.close(session)?;
    Ok(Some(answer.to_string()))
}
