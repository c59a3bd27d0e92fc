// SPDX-License-Identifier: BSD-2-Clause
//! How a file descriptor, and the session on it, gets into the wrong hands.

use super::Case;
use crate::bench::{Bench, Seat, ask, flavour};
use crate::world::{CLIENTS, LEAVER, MEMBER, OWNER, Person, Process, STRANGER, let_person};
use anyhow::{Context, Result, anyhow, ensure};
use client_binding_client::identity::Principal;
use client_binding_proto::probe::Kind;
use client_binding_raw::{Answer, Login, Session, Tee};
use client_binding_test::kit::program::{self, myself};
use client_binding_test::kit::sys;
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{chdir, chroot, geteuid, getpid, setegid};
use std::fs;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread;

pub(super) const CASES: &[Case] = &[
    Case::refusal(2001, "A child with another uid invokes", &[1, 2], |b| {
        users(b, |seat| let_person(STRANGER, || Ok(seat.ask())))
    }),
    Case::refusal(
        2002,
        "A program that another user executes inherits the descriptor",
        &[1, 2],
        |b| {
            users(b, |seat| {
                let_person(STRANGER, || invoke_in_program(seat, &myself()?))
            })
        },
    ),
    Case::refusal(
        2003,
        "The descriptor is sent over a UNIX socket",
        &[1, 2],
        scm_rights,
    ),
    Case::refusal(
        2004,
        "The descriptor is taken with pidfd_getfd",
        &[1, 2],
        pidfd_getfd,
    ),
    Case::refusal(
        2005,
        "The owner executes a set-user-id program of another user",
        &[2, 17],
        |b| {
            let program = set_user_id(STRANGER)?;
            users(b, |seat| {
                let_person(OWNER, || invoke_in_program(seat, &program.0))
            })
        },
    ),
    Case::service(
        2006,
        "Another user executes a set-user-id program of the owner",
        &[17],
        |b| {
            // The effective user counts, as upstream: such a program acts for the owner.
            let program = set_user_id(OWNER)?;
            served(b, |seat| {
                let_person(STRANGER, || invoke_in_program(seat, &program.0))
            })
        },
    ),
    Case::refusal(2007, "The process changes its euid", &[2, 17], |b| {
        users(b, |seat| {
            STRANGER.act()?;
            let answer = seat.ask();
            OWNER.act()?;
            Ok(answer)
        })
    }),
    Case::refusal(2008, "A thread has credentials of its own", &[17], |b| {
        users(b, other_thread)
    }),
    Case::refusal(
        2009,
        "A user namespace maps another uid onto the owner's",
        &[17],
        |b| {
            users(b, |seat| {
                let_person(STRANGER, || {
                    in_namespace(STRANGER, OWNER.uid, None)?;
                    Ok(seat.ask())
                })
            })
        },
    ),
    Case::refusal(
        2010,
        "A user namespace maps another gid onto the owner's group",
        &[17],
        |b| {
            attack(b, Login::Group(CLIENTS), |seat| {
                let_person(STRANGER, || {
                    in_namespace(STRANGER, STRANGER.uid, Some(CLIENTS))?;
                    Ok(seat.ask())
                })
            })
        },
    ),
    Case::refusal(
        2011,
        "From such a namespace another user opens what the owner owns",
        &[3, 17],
        |b| {
            OWNER.act()?;
            let seat = Seat::take(flavour(Kind::Shared, true), Login::User)?;
            let answer = let_person(STRANGER, || {
                in_namespace(STRANGER, OWNER.uid, None)?;
                let tee = Tee::connect()?;
                Ok(match tee.open(seat.flavour.uuid, Login::User) {
                    Ok(session) => ask(&tee, session),
                    Err(answer) => answer,
                })
            })?;
            b.attacked(answer)?;
            seat.works()?;
            Ok(Some(answer.to_string()))
        },
    )
    .bound(),
    Case::refusal(
        2020,
        "A group logs in by its number in a user namespace, not that number's group outside",
        &[17],
        group_of_namespace,
    ),
    Case::service(
        2012,
        "The owner goes on in a user namespace that maps nobody",
        &[17],
        |b| {
            served(b, |seat| {
                let_person(OWNER, || {
                    unshare(CloneFlags::CLONE_NEWUSER)?;
                    ensure!(geteuid().as_raw() != OWNER.uid, "there is a mapping");
                    Ok(seat.ask())
                })
            })
        },
    ),
    Case::refusal(2013, "Another user in a chroot invokes", &[2], |b| {
        users(b, |seat| in_chroot(seat, STRANGER))
    }),
    Case::service(2014, "The owner goes on in a chroot", &[2], |b| {
        served(b, |seat| in_chroot(seat, OWNER))
    }),
    Case::refusal(
        2015,
        "The owner's user has lost the group that logged in",
        &[2, 17],
        |b| {
            attack(b, Login::Group(CLIENTS), |seat| {
                OWNER.act_in(LEAVER.groups)?;
                let answer = seat.ask();
                OWNER.act()?;
                Ok(answer)
            })
        },
    ),
    Case::service(
        2016,
        "A member that has the group as its effective one only goes on",
        &[17],
        |b| {
            for seat in seats(b, Login::Group(CLIENTS))? {
                let answer = let_person(crate::world::ROOT, || {
                    setegid(CLIENTS.into())?;
                    Ok(seat.ask())
                })?;
                ensure!(answer.is_success(), "{answer}");
            }
            Ok(Some("served".into()))
        },
    ),
    Case::service(
        2017,
        "Another member of the group shares the group's session",
        &[17],
        |b| {
            for seat in seats(b, Login::Group(CLIENTS))? {
                let answer = let_person(MEMBER, || Ok(seat.ask()))?;
                ensure!(answer.is_success(), "{answer}");
            }
            Ok(Some("served".into()))
        },
    ),
    Case::service(
        2018,
        "The owner regains its euid and goes on",
        &[2, 17],
        |b| {
            served(b, |seat| {
                STRANGER.act()?;
                seat.ask();
                OWNER.act()?;
                Ok(seat.ask())
            })
        },
    ),
    Case::service(
        2019,
        "Another user claims to be in the group",
        &[1, 17],
        |_| {
            // Refused by Linux on every stack: nobody logs in as a group of others.
            let answer = let_person(STRANGER, || {
                let tee = Tee::connect()?;
                let uuid = flavour(Kind::Private, false).uuid;
                Ok(tee.open(uuid, Login::Group(CLIENTS)).err())
            })?;
            let eperm = Answer::Kernel(Errno::EPERM as i32);
            ensure!(answer == Some(eperm), "{answer:?}");
            Ok(Some(eperm.to_string()))
        },
    ),
];

/// The owner's sessions with an unbound TA and, where it can be had, a bound one.
fn seats(bench: &Bench, login: Login) -> Result<Vec<Seat>> {
    let mut seats = vec![Seat::owned(flavour(Kind::Private, false), login)?];
    if bench.stack.opens_bound() {
        seats.push(Seat::owned(flavour(Kind::Shared, true), login)?);
    }
    Ok(seats)
}

fn attack(
    bench: &Bench,
    login: Login,
    attack: impl Fn(&Seat) -> Result<Answer>,
) -> Result<Option<String>> {
    let mut seen = String::new();
    for seat in seats(bench, login)? {
        let before = seat.status()?.invokes;
        let answer = attack(&seat)?;
        seen = bench.attacked_session(&seat, answer)?;
        // Beside the attack: what the owner asked, and this question.
        let entered = seat.status()?.invokes - before - 2;
        let expected = u32::from(!bench.verifies());
        ensure!(entered == expected, "the TA was entered {entered} times");
    }
    Ok(Some(seen))
}

fn users(bench: &Bench, act: impl Fn(&Seat) -> Result<Answer>) -> Result<Option<String>> {
    attack(bench, Login::User, act)
}

fn served(bench: &Bench, act: impl Fn(&Seat) -> Result<Answer>) -> Result<Option<String>> {
    for seat in seats(bench, Login::User)? {
        let answer = act(&seat)?;
        ensure!(
            answer.is_success(),
            "a rightful client was refused: {answer}"
        );
        seat.works()?;
    }
    Ok(Some("served".into()))
}

/// Another copy of this program, which changes to that user whoever executes it.
pub(super) struct SetUserId(pub(super) PathBuf);

pub(super) fn set_user_id(person: Person) -> Result<SetUserId> {
    crate::world::ROOT.act()?;
    let path = PathBuf::from(format!("/tmp/set-user-id-{}", getpid()));
    fs::copy(myself()?, &path)?;
    chown(&path, Some(person.uid), Some(person.uid))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o4755))?;
    Ok(SetUserId(path))
}

impl Drop for SetUserId {
    fn drop(&mut self) {
        let _ = crate::world::ROOT.act();
        let _ = fs::remove_file(&self.0);
    }
}

pub(super) fn in_program(option: &str, seat: &Seat, program: &Path) -> Result<Command> {
    program::heir(program, option, &seat.tee, seat.session)
}

pub(super) fn invoke_in_program(seat: &Seat, program: &Path) -> Result<Answer> {
    program::said(in_program("--invoke-on", seat, program)?)
}

pub(super) fn close_in_program(seat: &Seat, program: &Path) -> Result<nix::Result<()>> {
    let errno: Option<i32> = program::said(in_program("--close-on", seat, program)?)?;
    Ok(errno.map_or(Ok(()), |errno| Err(Errno::from_raw(errno))))
}

/// What such a program does: invoke in session, on descriptor.
pub(crate) fn invoke_on(numbers: &[u32]) -> ExitCode {
    program::on_inherited(numbers, ask)
}

/// Or close it.
pub(crate) fn close_on(numbers: &[u32]) -> ExitCode {
    program::on_inherited(numbers, |tee, session| {
        tee.close(session).err().map(|errno| errno as i32)
    })
}

fn scm_rights(bench: &Bench) -> Result<Option<String>> {
    let mut seen = None;
    for (kind, bound) in [(Kind::Private, false), (Kind::Shared, true)] {
        if bound && !bench.stack.opens_bound() {
            continue;
        }
        // Forked before there is anything to inherit.
        let mut stranger = Process::start(|line| {
            STRANGER.be()?;
            let tee = Tee::from(line.receive_fd()?);
            let session = line.hear()?;
            Ok(ask(&tee, session))
        })?;
        let seat = Seat::owned(flavour(kind, bound), Login::User)?;
        stranger.line.send_fd(&seat.tee)?;
        stranger.line.say(&seat.session)?;
        seen = Some(bench.attacked_session(&seat, stranger.finish()?)?);
    }
    Ok(seen)
}

fn pidfd_getfd(bench: &Bench) -> Result<Option<String>> {
    let owner = getpid();
    let mut taker = Process::start(|line| {
        let (fd, session): (RawFd, Session) = line.hear()?;
        let tee = Tee::from(sys::take_fd(owner, fd).context("pidfd_getfd")?);
        STRANGER.be()?;
        Ok(ask(&tee, session))
    })?;
    let seat = Seat::owned(flavour(Kind::Private, false), Login::User)?;
    let fd = seat.tee.as_fd().as_raw_fd();
    taker.line.say(&(fd, seat.session))?;
    Ok(Some(bench.attacked_session(&seat, taker.finish()?)?))
}

fn other_thread(seat: &Seat) -> Result<Answer> {
    let attack = || -> Result<Answer> {
        sys::set_thread_uid(0, 0, 0)?;
        sys::set_thread_uid(STRANGER.uid, STRANGER.uid, STRANGER.uid)?;
        Ok(seat.ask())
    };
    let answer = thread::scope(|scope| scope.spawn(attack).join());
    ensure!(geteuid().as_raw() == OWNER.uid, "the whole process changed");
    answer.map_err(|_| anyhow!("the thread died"))?
}

/// Enters a namespace in which the person's own uid, and gid if told so, look like others.
pub(super) fn in_namespace(person: Person, uid: u32, gid: Option<u32>) -> Result<()> {
    // A process that changed its uid may not write its own maps, unless it is dumpable.
    sys::be_dumpable()?;
    unshare(CloneFlags::CLONE_NEWUSER).context("unshare")?;
    fs::write("/proc/self/uid_map", format!("{uid} {} 1", person.uid)).context("uid_map")?;
    ensure!(geteuid().as_raw() == uid, "the namespace maps nothing");
    if let Some(gid) = gid {
        fs::write("/proc/self/setgroups", "deny").context("setgroups")?;
        fs::write("/proc/self/gid_map", format!("{gid} {} 1", person.uid)).context("gid_map")?;
    }
    Ok(())
}

/// The stranger's group, which has the number of the owner's in there.
fn group_of_namespace(bench: &Bench) -> Result<Option<String>> {
    let mut inside = Process::start(|line| {
        STRANGER.be()?;
        in_namespace(STRANGER, STRANGER.uid, Some(CLIENTS))?;
        let seat = Seat::take(flavour(Kind::Private, false), Login::Group(CLIENTS))?;
        let group = Principal::Group(STRANGER.uid).uuid();
        ensure!(seat.identity.uuid == *group.as_bytes(), "another group");
        line.send_fd(&seat.tee)?;
        line.say(&seat.session)?;
        line.wait()?;
        seat.works()
    })?;
    let tee = Tee::from(inside.line.receive_fd()?);
    let session = inside.line.hear()?;
    let answer = let_person(MEMBER, || Ok(ask(&tee, session)))?;
    bench.attacked(answer)?;
    inside.line.go()?;
    inside.finish::<()>()?;
    Ok(Some(answer.to_string()))
}

fn in_chroot(seat: &Seat, person: Person) -> Result<Answer> {
    Process::start(|_| {
        crate::world::ROOT.act()?;
        chroot("/run")?;
        chdir("/")?;
        person.be()?;
        Ok(seat.ask())
    })?
    .finish()
}
