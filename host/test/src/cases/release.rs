// SPDX-License-Identifier: BSD-2-Clause
//! B11: whoever drops the last reference, the session goes, and nothing stays. A session
//! that stayed would keep the instance and its owner: the next client is another user.

use super::Case;
use crate::bench::{Bench, CALLS, Seat, crowd, flavour, released, visit};
use crate::stats::Stats;
use crate::world::{Line, OWNER, Process, ROOT, STRANGER, let_person};
use anyhow::{Context, Result, ensure};
use client_binding_proto::probe::{Flavour, Kind};
use client_binding_raw::{Login, Tee};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, socketpair,
};
use nix::sys::wait::WaitStatus;
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

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
    Case::service(3005, "Shared memory outlives the descriptor", &[11], |b| {
        rounds(b, shared_memory)
    }),
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

fn shared_memory(_: &Bench, ta: &'static Flavour) -> Result<()> {
    let (mut ours, mut theirs) = Line::pair()?;
    let seat = Seat::owned(ta, Login::User)?;
    let memory = seat.tee.allocate(4096)?;
    let mut stranger = Process::start(|line| {
        STRANGER.be()?;
        drop(seat);
        theirs.go()?;
        line.wait()?;
        drop(memory);
        Ok(())
    })?;
    // The closure took both; in this process they are gone with it.
    ours.wait()?;
    ROOT.act()?;
    held(ta)?;
    stranger.line.go()?;
    stranger.finish()
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
