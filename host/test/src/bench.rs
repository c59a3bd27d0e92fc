// SPDX-License-Identifier: BSD-2-Clause
//! What cases are made of: a session in somebody's hands, and what was expected of an
//! answer.

use crate::stats::{Memory, Stats};
use crate::world::{OWNER, Person};
use anyhow::{Context, Result, anyhow, bail, ensure};
use client_binding_proto::probe::{Command, Flavour, Kind, Opening};
use client_binding_proto::{Identity, Param as ParamKind};
use client_binding_raw::code::TEE_ERROR_TARGET_DEAD;
use client_binding_raw::sys::{Param, Params};
use client_binding_raw::{Answer, Login, Session, Tee};
use client_binding_test::Stack;
use nix::errno::Errno;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What a case knows of its surroundings.
pub(crate) struct Bench {
    pub(crate) stack: Stack,
    /// How many sessions a client may have, 0 for any number.
    pub(crate) max_sessions: usize,
    pub(crate) full: bool,
    random: Mutex<fastrand::Rng>,
}

impl Bench {
    pub(crate) fn new(stack: Stack, max_sessions: usize, full: bool, seed: u64) -> Self {
        let random = Mutex::new(fastrand::Rng::with_seed(seed));
        Self {
            stack,
            max_sessions,
            full,
            random,
        }
    }

    /// Where every random choice comes from.
    pub(crate) fn random(&self) -> MutexGuard<'_, fastrand::Rng> {
        self.random.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether claims are made and verified.
    pub(crate) fn verifies(&self) -> bool {
        self.stack.verifies()
    }

    /// How many rounds to do.
    pub(crate) fn rounds(&self, quick: u32, full: u32) -> u32 {
        if self.full { full } else { quick }
    }

    /// Somebody who is not the client invoked or opened.
    pub(crate) fn attacked(&self, answer: Answer) -> Result<()> {
        if self.verifies() {
            ensure!(answer.is_denied(), "the attack was not denied: {answer}");
        } else {
            ensure!(answer.is_success(), "the attack fails by itself: {answer}");
        }
        Ok(())
    }

    /// Somebody who is not the client cancelled or closed.
    pub(crate) fn attacked_quietly(&self, result: nix::Result<()>) -> Result<()> {
        let expected = if self.verifies() {
            Err(Errno::EACCES)
        } else {
            Ok(())
        };
        ensure!(
            result == expected,
            "the attack ended with {result:?} instead of {expected:?}"
        );
        Ok(())
    }

    /// Somebody who is not the client invoked in a session.
    pub(crate) fn attacked_session(&self, seat: &Seat, answer: Answer) -> Result<String> {
        self.attacked(answer)?;
        if let Ok(identity) = answer.identity() {
            ensure!(
                identity == seat.identity,
                "the TA took the attacker for {identity:x?}, the owner is {:x?}",
                seat.identity
            );
        }
        seat.works()?;
        Ok(answer.to_string())
    }
}

/// The flavour of a kind.
pub(crate) fn flavour(kind: Kind, bound: bool) -> &'static Flavour {
    Flavour::of(kind, bound).expect("there is one of each")
}

/// What a TA says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    /// Which instance.
    pub(crate) instance: (u32, u32),
    /// Its sessions.
    pub(crate) sessions: u32,
    /// How often it was entered to open one.
    pub(crate) opens: u32,
    /// How often for a command, this one included.
    pub(crate) invokes: u32,
}

/// A session with a probe, in our hands.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) tee: Tee,
    pub(crate) session: Session,
    pub(crate) flavour: &'static Flavour,
    pub(crate) identity: Identity,
}

impl Seat {
    /// Opens one over a connection of its own, as whoever we are.
    pub(crate) fn take(flavour: &'static Flavour, login: Login) -> Result<Self> {
        Self::on(Tee::connect()?, flavour, login)
    }

    /// Opens one over that connection.
    pub(crate) fn on(tee: Tee, flavour: &'static Flavour, login: Login) -> Result<Self> {
        let open = tee.open(flavour.uuid, login);
        let session = open.with_context(|| format!("{} does not open", flavour.name))?;
        let identity = ask(&tee, session).identity();
        let identity = identity.context("the first command")?;
        Ok(Self {
            tee,
            session,
            flavour,
            identity,
        })
    }

    /// The owner's.
    pub(crate) fn owned(flavour: &'static Flavour, login: Login) -> Result<Self> {
        OWNER.act()?;
        Self::take(flavour, login)
    }

    /// Asks the TA who we are.
    pub(crate) fn ask(&self) -> Answer {
        ask(&self.tee, self.session)
    }

    /// It works, and the TA takes us for whom it took us at first.
    pub(crate) fn works(&self) -> Result<()> {
        let identity = self.ask().identity().context("the session is broken")?;
        ensure!(identity == self.identity, "we became somebody else");
        Ok(())
    }

    /// Invokes a command with one number.
    pub(crate) fn command(&self, command: Command, a: u32) -> Answer {
        let shape = command.shape();
        self.tee.invoke(self.session, command.number(), shape, a)
    }

    pub(crate) fn status(&self) -> Result<Status> {
        let [number, (sessions, opens), (invokes, _), _] =
            self.command(Command::Status, 0).values()?;
        Ok(Status {
            instance: number,
            sessions,
            opens,
            invokes,
        })
    }

    /// Closes the session as whoever we are.
    pub(crate) fn close(self) -> Result<()> {
        self.tee.close(self.session).context("close")
    }

    /// Makes the TA panic and leaves: whatever it was, its instance ends.
    pub(crate) fn crash(self) -> Result<()> {
        died(self.command(Command::Panic, 0))?;
        self.close()
    }
}

/// How many calls the cases may make at once: the runner has made as many before.
///
/// The driver keeps memory for as many calls as there ever were at the same time, and
/// upstream's with it the context of who needed it first, and all sessions of that context.
pub(crate) const CALLS: usize = 200;

/// That many calls at once in a session: the first takes its time, the others wait for it.
/// If they come too slowly it takes more.
pub(crate) fn crowd(seat: &Seat, calls: usize) -> Result<()> {
    for millis in [1000, 4000, 16_000] {
        if crowd_within(seat, calls, millis)? {
            return Ok(());
        }
    }
    bail!("{calls} calls do not come within the time that one takes");
}

fn crowd_within(seat: &Seat, calls: usize, millis: u32) -> Result<bool> {
    let there = AtomicUsize::new(0);
    thread::scope(|scope| {
        let first = scope.spawn(|| seat.command(Command::Wait, millis).values());
        thread::sleep(Duration::from_millis(200));
        let others: Vec<_> = (1..calls)
            .map(|_| {
                scope.spawn(|| {
                    there.fetch_add(1, Ordering::Relaxed);
                    seat.works()
                })
            })
            .collect();
        while there.load(Ordering::Relaxed) < others.len() {
            thread::sleep(Duration::from_millis(10));
        }
        thread::sleep(Duration::from_millis(200));
        let together = !first.is_finished() && others.iter().all(|other| !other.is_finished());
        for other in others {
            other.join().map_err(|_| anyhow!("a thread died"))??;
        }
        first.join().map_err(|_| anyhow!("a thread died"))??;
        Ok(together)
    })
}

/// Asks a TA who we are, in somebody's session.
pub(crate) fn ask(tee: &Tee, session: Session) -> Answer {
    let who_am_i = Command::WhoAmI;
    tee.invoke(session, who_am_i.number(), who_am_i.shape(), 0)
}

/// The TA panicked.
pub(crate) fn died(answer: Answer) -> Result<()> {
    let dead = answer.code() == Some(TEE_ERROR_TARGET_DEAD);
    ensure!(dead, "a panic should have been the answer, not: {answer}");
    Ok(())
}

/// Parameters for an open that does not just serve.
pub(crate) fn opening(how: Opening, millis: u32) -> Params {
    let mut params = Params::default();
    params[0] = Param {
        attr: ParamKind::ValueIn as u64,
        a: how as u64,
        b: millis.into(),
        c: 0,
    };
    params
}

/// An instance that stays after its last session must end with the case that made it.
pub(crate) fn evict(flavour: &'static Flavour, login: Login) -> Result<()> {
    if flavour.kind == Kind::Kept {
        Seat::take(flavour, login)?.crash()?;
    }
    Ok(())
}

/// Another person opens, looks who the TA takes them for, and closes again.
pub(crate) fn visit(person: Person, flavour: &'static Flavour, login: Login) -> Result<Answer> {
    crate::world::let_person(person, || {
        let tee = Tee::connect()?;
        Ok(match tee.open(flavour.uuid, login) {
            Ok(session) => ask(&tee, session),
            Err(answer) => answer,
        })
    })
}

/// Looks every ten milliseconds whether it is so, and fails if it is not in time.
pub(crate) fn until(
    patience: Duration,
    too_late: &str,
    is_so: impl Fn() -> Result<bool>,
) -> Result<()> {
    let start = Instant::now();
    while !is_so()? {
        ensure!(start.elapsed() < patience, "{too_late}");
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Waits until a TA that was not there before is gone again.
pub(crate) fn released(stats: &Stats, before: Memory, ta: &Flavour) -> Result<()> {
    let now = stats.settled(before)?;
    ensure!(now.instances_of(ta.uuid) == 0, "not released: {now}");
    Ok(())
}
