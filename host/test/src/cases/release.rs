// SPDX-License-Identifier: BSD-2-Clause
//! B11: whoever drops the last reference, the session goes, and nothing stays. A session
//! that stayed would keep the instance and its owner: the next client is another user.

use super::Case;
use crate::bench::{Bench, CALLS, Seat, ask, crowd, flavour, released, until, visit};
use crate::stats::Stats;
use crate::world::{Line, OWNER, Person, Process, ROOT, STRANGER, let_person};
use anyhow::{Context, Result, ensure};
use client_binding_proto::probe::{self, Flavour, Kind};
use client_binding_raw::{Answer, Login, Session, Tee, pass};
use client_binding_test::Stack;
use client_binding_test::kit::sys;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, socketpair,
};
use nix::sys::wait::WaitStatus;
use std::io::{IoSlice, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicU32;
use std::thread;
use std::time::{Duration, Instant};

pub(super) const CASES: &[Case] = &[
    Case::service(
        3001,
        "The last holder of the descriptor is another user",
        &[11],
        |b| rounds(b, last_holder),
    ),
    Case::service(3002, "The last holder is killed", &[11], |b| {
        rounds(b, killed)
    }),
    Case::service(
        3003,
        "The last reference is in flight in a socket nobody holds",
        &[11],
        |b| rounds(b, in_flight),
    ),
    Case::service(
        3004,
        "Others may try to close before the last holder ends",
        &[2, 11],
        |b| rounds(b, refused_close),
    ),
    Case::service(
        3005,
        "Memory that a client shared outlives it, its sessions do not",
        &[11],
        memory_outlives,
    )
    .within(180),
    Case::service(
        3006,
        "The descriptor is closed by executing another user's program",
        &[11],
        |b| rounds(b, close_on_exec),
    ),
    Case::service(
        3007,
        "Many sessions on one descriptor end at once",
        &[11],
        |b| rounds(b, many_sessions),
    ),
    Case::service(
        3008,
        "The owner ends after more calls at once than there ever were",
        &[11],
        crowded,
    ),
    Case::service(
        3009,
        "A process ends or executes, whoever holds what it had",
        &[11],
        process_ends,
    )
    .within(300),
    Case::service(
        3010,
        "Who waits for the session of a dead process is killed",
        &[11],
        killed_waiting,
    ),
    Case::service(
        3011,
        "Another client keeps another TA busy that the dead process used, too",
        &[11],
        not_behind_others,
    ),
];

/// On an instance that ends with its last session, bound where that can be had.
fn rounds(
    bench: &Bench,
    round: impl Fn(&Bench, &'static Flavour) -> Result<()>,
) -> Result<Option<String>> {
    let ta = flavour(Kind::Shared, bench.stack.opens_bound());
    let rounds = bench.rounds(5, 1000);
    let before = Stats::open()?.memory()?;
    for nth in 0..rounds {
        (|| -> Result<()> {
            round(bench, ta)?;
            ROOT.act()?;
            released(&Stats::open()?, before, ta)
        })()
        .with_context(|| format!("round {nth}"))?;
    }
    // If the owner were still there, this one would not get in.
    let answer = visit(STRANGER, ta, Login::User)?;
    ensure!(answer.is_success(), "the next client: {answer}");
    Ok(Some(format!("{rounds} rounds, the next client is served")))
}

fn held(ta: &'static Flavour) -> Result<()> {
    let now = Stats::open()?.snapshot()?;
    ensure!(now.sessions_of(ta.uuid) > 0, "released too early: {now}");
    Ok(())
}

fn last_holder(_: &Bench, ta: &'static Flavour) -> Result<()> {
    // Forked before there is anything to inherit.
    let mut stranger = Process::start(|line| {
        STRANGER.be()?;
        let held = line.receive_fd()?;
        line.go()?;
        line.wait()?;
        drop(held);
        Ok(())
    })?;
    let seat = Seat::owned(ta, Login::User)?;
    stranger.line.send_fd(&seat.tee)?;
    stranger.line.wait()?;
    drop(seat);
    ROOT.act()?;
    held(ta)?;
    stranger.line.go()?;
    stranger.finish()
}

fn killed(_: &Bench, ta: &'static Flavour) -> Result<()> {
    let mut victim = Process::start(|line| {
        OWNER.be()?;
        let _seat = Seat::take(ta, Login::User)?;
        line.go()?;
        line.wait()
    })?;
    victim.line.wait()?;
    victim.kill()?;
    victim.reap()?;
    Ok(())
}

/// Two sockets that hold each other and the descriptor: Linux collects them in a worker.
fn in_flight(_: &Bench, ta: &'static Flavour) -> Result<()> {
    let seat = Seat::owned(ta, Login::User)?;
    let (near, far) = socketpair(
        AddressFamily::Unix,
        SockType::Datagram,
        None,
        SockFlag::SOCK_CLOEXEC,
    )?;
    for (from, to) in [(&near, &far), (&far, &near)] {
        let fds = [
            seat.tee.as_fd().as_raw_fd(),
            from.as_raw_fd(),
            to.as_raw_fd(),
        ];
        let rights = [ControlMessage::ScmRights(&fds)];
        let octet = [IoSlice::new(b"\n")];
        sendmsg::<()>(from.as_raw_fd(), &octet, &rights, MsgFlags::empty(), None)?;
    }
    drop(seat);
    ROOT.act()?;
    held(ta)?;
    drop((near, far));
    // The collector comes when a socket is closed.
    drop(Line::pair()?);
    Ok(())
}

fn refused_close(bench: &Bench, ta: &'static Flavour) -> Result<()> {
    let mut stranger = Process::start(|line| {
        STRANGER.be()?;
        let tee = Tee::from(line.receive_fd()?);
        let session = line.hear()?;
        for _ in 0..3 {
            let closed: Option<i32> = tee.close(session).err().map(|errno| errno as i32);
            line.say(&closed)?;
            line.wait()?;
        }
        Ok(())
    })?;
    let seat = Seat::owned(ta, Login::User)?;
    stranger.line.send_fd(&seat.tee)?;
    stranger.line.say(&seat.session)?;
    for nth in 0..3 {
        let closed: Option<i32> = stranger.line.hear()?;
        let expected = match (bench.verifies(), nth) {
            (true, _) => Some(Errno::EACCES as i32),
            (false, 0) => None,
            (false, _) => Some(Errno::EINVAL as i32),
        };
        ensure!(
            closed == expected,
            "close {nth} ended with errno {closed:?}"
        );
        if nth < 2 {
            stranger.line.go()?;
        }
    }
    if bench.verifies() {
        seat.works()?;
    }
    // The stranger holds the descriptor longer than its owner.
    drop(seat);
    stranger.line.go()?;
    stranger.finish()
}

/// What is left of a client, in the hands of others.
#[derive(Clone, Copy, Debug)]
enum Left {
    /// A child inherited the descriptor.
    Inherited,
    /// The descriptor was sent to somebody.
    Sent,
    /// It is in flight.
    InFlight,
    /// The file of memory that the TEE gave was sent.
    Memory,
    /// The file of memory that the client registered was sent.
    Registered,
    /// A child inherited a mapping of such memory.
    Mapped,
}

/// How a client goes.
#[derive(Clone, Copy, Debug)]
enum Going {
    Exits,
    IsKilled,
    /// It executes another program, which inherits the descriptor or not.
    Executes(bool),
}

/// Who holds something of a client that is gone.
struct Holder {
    left: Left,
    line: Line,
    fd: Option<OwnedFd>,
    session: Session,
    client: Option<Process>,
}

static REGISTERED: [AtomicU32; 1024] = [const { AtomicU32::new(0) }; 1024];

impl Holder {
    /// A client of the owner's comes, has a session, and goes.
    fn of_gone(ta: &'static Flavour, login: Login, left: Left, going: Going) -> Result<Self> {
        let (mut ours, mut theirs) = Line::pair()?;
        let (mut news, executed) = UnixStream::pair()?;
        let mut client = Process::start(|line| {
            OWNER.be()?;
            let seat = Seat::take(ta, login)?;
            line.say(&seat.session)?;
            match left {
                Left::Inherited => drop(Process::start(|_| theirs.wait())?),
                Left::Sent | Left::InFlight => theirs.send_fd(&seat.tee)?,
                Left::Memory => {
                    let memory = seat.tee.allocate(4096)?;
                    theirs.send_fd(memory.file().context("no file")?)?;
                }
                Left::Registered => {
                    theirs.send_fd(sys::register(seat.tee.as_fd(), &REGISTERED)?.0)?;
                }
                Left::Mapped => {
                    let mut memory = seat.tee.allocate(4096)?;
                    memory.close();
                    let device = seat.tee.as_fd().as_raw_fd();
                    drop(Process::start(|_| -> Result<()> {
                        // The child has no descriptor, which is all that this is about.
                        drop(pass::inherited(device)?);
                        theirs.go()?;
                        let waited = theirs.wait();
                        drop(memory);
                        std::process::exit(i32::from(waited.is_err()))
                    })?);
                }
            }
            line.go()?;
            line.wait()?;
            match going {
                Going::Exits => Ok(()),
                Going::IsKilled => loop {
                    thread::sleep(Duration::from_secs(1));
                },
                Going::Executes(inherits) => {
                    if inherits {
                        seat.tee.inheritable()?;
                    }
                    let mut shell = Command::new("sh");
                    shell.args(["-c", "echo; exec sleep 1000"]);
                    Err(shell.stdout(OwnedFd::from(executed)).exec().into())
                }
            }
        })?;
        let session = client.line.hear()?;
        client.line.wait()?;
        let fd = match left {
            Left::Sent | Left::Memory | Left::Registered => Some(ours.receive_fd()?),
            Left::Mapped => {
                ours.wait()?;
                None
            }
            Left::Inherited | Left::InFlight => None,
        };
        client.line.go()?;
        let client = match going {
            Going::Exits => {
                client.reap()?;
                None
            }
            Going::IsKilled => {
                client.kill()?;
                client.reap()?;
                None
            }
            Going::Executes(_) => {
                // Linux has closed what it closes before the program does anything.
                news.read_exact(&mut [0]).context("it did not execute")?;
                Some(client)
            }
        };
        Ok(Self {
            left,
            line: ours,
            fd,
            session,
            client,
        })
    }

    /// Uses the session that it has the descriptor of.
    fn ask(&mut self) -> Result<Option<Answer>> {
        if let Left::InFlight = self.left {
            self.fd = Some(self.line.receive_fd()?);
        }
        let descriptor = matches!(self.left, Left::Sent | Left::InFlight);
        Ok(match self.fd.take() {
            Some(fd) if descriptor => {
                let tee = Tee::from(fd);
                let answer = ask(&tee, self.session);
                self.fd = Some(tee.into());
                Some(answer)
            }
            other => {
                self.fd = other;
                None
            }
        })
    }

    /// Lets go.
    fn end(mut self) -> Result<()> {
        drop(self.fd);
        // Nobody listens where there is no child.
        let _ = self.line.go();
        if let Some(client) = self.client {
            client.kill()?;
            client.reap()?;
        }
        Ok(())
    }
}

/// The next one opens and is the first of a new instance.
fn next_opens(person: Person, ta: &'static Flavour, login: Login) -> Result<()> {
    let status = let_person(person, || {
        let seat = Seat::take(ta, login).context("the next client")?;
        let status = seat.status()?;
        Ok((status.sessions, status.opens))
    })?;
    ensure!(status == (1, 1), "the old instance: {status:?}");
    Ok(())
}

const GOINGS: [Going; 4] = [
    Going::Exits,
    Going::IsKilled,
    Going::Executes(false),
    Going::Executes(true),
];

/// Each of these is left, each way that a client goes. Nothing is, when the holder has let go.
fn each_way(
    (ta, login): (&'static Flavour, Login),
    all_left: &[Left],
    goings: &[Going],
    mut then: impl FnMut(&mut Holder) -> Result<()>,
) -> Result<Option<String>> {
    let before = Stats::open()?.memory()?;
    let mut seen = 0;
    for &left in all_left {
        for &going in goings {
            (|| -> Result<()> {
                let mut holder = Holder::of_gone(ta, login, left, going)?;
                then(&mut holder)?;
                holder.end()?;
                released(&Stats::open()?, before, ta)
            })()
            .with_context(|| format!("{left:?}, {going:?}"))?;
            seen += 1;
        }
    }
    Ok(Some(format!("{seen} ways, the next client is served")))
}

fn memory_outlives(bench: &Bench) -> Result<Option<String>> {
    let ta = flavour(Kind::Shared, bench.stack.opens_bound());
    let memory = [Left::Memory, Left::Registered, Left::Mapped];
    // Who inherits the descriptor of a user holds it by right.
    each_way((ta, Login::User), &memory, &GOINGS[..3], |_| {
        if bench.stack.has_bound_driver() {
            next_opens(STRANGER, ta, Login::User)
        } else {
            held(ta)
        }
    })
}

fn process_ends(bench: &Bench) -> Result<Option<String>> {
    if !bench.verifies() {
        return Ok(None);
    }
    let ta = flavour(Kind::Shared, true);
    let stats = Stats::open()?;
    let before = stats.memory()?;
    let all = [
        Left::Inherited,
        Left::Sent,
        Left::InFlight,
        Left::Memory,
        Left::Registered,
        Left::Mapped,
    ];
    let mut alone = false;
    each_way((ta, Login::Process), &all, &GOINGS, |holder| {
        alone = !alone;
        if holder.client.is_none() && alone {
            // Without anybody who opens something.
            until(Duration::from_secs(2), "not released", || {
                Ok(stats.memory()?.tas <= before.tas)
            })?;
        }
        next_opens(OWNER, ta, Login::Process)?;
        if let Some(answer) = holder.ask()? {
            let gone = Answer::Kernel(Errno::EINVAL as i32);
            ensure!(answer == gone, "the holder: {answer}");
        }
        Ok(())
    })
}

/// Another user has a session, and keeps the TA busy with it from when it is told.
fn busy_stranger(ta: &'static Flavour, millis: u32) -> Result<Process> {
    let mut busy = Process::start(move |line| {
        STRANGER.be()?;
        let seat = Seat::take(ta, Login::User)?;
        line.go()?;
        line.wait()?;
        seat.command(probe::Command::Wait, millis).values()?;
        Ok(())
    })?;
    busy.line.wait()?;
    Ok(busy)
}

/// The sessions of a dead process are closed one after another, but for who waits for one. A TA with
/// several instances: of those with one, OP-TEE enters one at a time.
fn not_behind_others(bench: &Bench) -> Result<Option<String>> {
    const LONG: u32 = 4000;
    if bench.stack != Stack::Bound {
        return Ok(None);
    }
    let (shared, ta) = (flavour(Kind::Shared, false), flavour(Kind::Private, true));
    let before = Stats::open()?.memory()?;
    let mut busy = busy_stranger(shared, LONG)?;
    let mut client = Process::start(|line| {
        OWNER.be()?;
        let seat = Seat::take(shared, Login::Process)?;
        let opened = seat.tee.open(ta.uuid, Login::Process);
        opened.context("the bound TA")?;
        line.send_fd(&seat.tee)?;
        line.wait()
    })?;
    let held = client.line.receive_fd()?;
    busy.line.go()?;
    thread::sleep(Duration::from_millis(300));
    client.kill()?;
    client.reap()?;
    let start = Instant::now();
    next_opens(OWNER, ta, Login::Process)?;
    let took = start.elapsed();
    ensure!(took < Duration::from_secs(2), "served after {took:?}");
    busy.finish::<()>()?;
    drop(held);
    released(&Stats::open()?, before, ta)?;
    Ok(Some(format!("served after {} ms", took.as_millis())))
}

/// The TA is busy with another client when the session of the dead one has to be closed.
fn killed_waiting(bench: &Bench) -> Result<Option<String>> {
    const LONG: u32 = 4000;
    if bench.stack != Stack::Bound {
        return Ok(None);
    }
    let ta = flavour(Kind::Shared, false);
    let before = Stats::open()?.memory()?;
    let mut busy = busy_stranger(ta, LONG)?;
    let (mut ours, mut theirs) = Line::pair()?;
    let mut client = Process::start(|line| {
        OWNER.be()?;
        let seat = Seat::take(ta, Login::Process)?;
        theirs.send_fd(&seat.tee)?;
        line.go()?;
        line.wait()
    })?;
    client.line.wait()?;
    let held = ours.receive_fd()?;
    busy.line.go()?;
    thread::sleep(Duration::from_millis(300));
    client.kill()?;
    client.reap()?;
    let mut waiter = Process::start(|line| {
        OWNER.be()?;
        line.go()?;
        Seat::take(ta, Login::Process)?.close()
    })?;
    waiter.line.wait()?;
    thread::sleep(Duration::from_millis(300));
    let start = Instant::now();
    waiter.kill()?;
    let end = waiter.reap()?;
    let took = start.elapsed();
    let killed = matches!(end, WaitStatus::Signaled(..));
    ensure!(killed, "it did not wait: {end:?}");
    ensure!(took < Duration::from_secs(1), "it died after {took:?}");
    busy.finish::<()>()?;
    drop(held);
    released(&Stats::open()?, before, ta)?;
    Ok(Some(format!("dead after {} ms", took.as_millis())))
}

/// The descriptor goes while Linux changes the credentials of the process.
fn close_on_exec(_: &Bench, ta: &'static Flavour) -> Result<()> {
    let program = super::travel::set_user_id(STRANGER)?;
    let holder = Process::start(|_| {
        OWNER.be()?;
        let seat = Seat::take(ta, Login::User)?;
        fcntl(&seat.tee, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        let mut program = Command::new(&program.0);
        let program = program.arg("--list").stdout(Stdio::null());
        Err::<(), _>(program.exec().into())
    })?;
    let end = holder.reap()?;
    let ended = matches!(end, WaitStatus::Exited(_, 0));
    ensure!(ended, "the program ended with {end:?}");
    Ok(())
}

fn many_sessions(bench: &Bench, ta: &'static Flavour) -> Result<()> {
    let seat = Seat::owned(ta, Login::User)?;
    for _ in 0..bench.random().u32(5..30) {
        seat.tee.open(ta.uuid, Login::User)?;
    }
    let_person(STRANGER, || {
        let tee = seat.tee;
        drop(tee);
        Ok(())
    })
}

/// With the stock driver the session would stay until the driver goes, see [`CALLS`].
fn crowded(bench: &Bench) -> Result<Option<String>> {
    if !bench.stack.has_bound_driver() {
        return Ok(None);
    }
    let ta = flavour(Kind::Shared, bench.stack.opens_bound());
    let before = Stats::open()?.memory()?;
    let calls = CALLS + 40;
    let owner = Process::start(|_| {
        OWNER.be()?;
        let seat = Seat::take(ta, Login::User)?;
        crowd(&seat, calls)
    })?;
    owner.finish::<()>()?;
    released(&Stats::open()?, before, ta)?;
    let answer = visit(STRANGER, ta, Login::User)?;
    ensure!(answer.is_success(), "the next client: {answer}");
    Ok(Some(format!("{calls} calls, the next client is served")))
}
