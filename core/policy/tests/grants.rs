// SPDX-License-Identifier: BSD-2-Clause
//! Every state that a small system of grants can get into, with the policy's own table in it.
//!
//! Two sessions, each of another client, and a third who has none. Of both sessions commands are lent, to anybody; one grant is
//! passed on. They are used, by one command in a session at a time, taken back, and run out of uses and of time; one
//! session ends, in the middle of a command too, and another gets its token. On each state that is reached the policy is asked about
//! everything that could be tried there, and its answer is compared with what the rules say of the history, which the
//! model keeps beside the table.

use client_binding_policy::abi::delegation::{FOREVER, Request, UNLIMITED};
use client_binding_policy::abi::{ClientUuid, Identity, Login};
use client_binding_policy::{
    Commands, Grant, Grants, Lending, Limits, NotLent, Refusal, Session, Target, Terms,
};
use stateright::{Checker, Model, Property};

const PEOPLE: [Identity; 3] = [
    Identity::new(Login::USER, ClientUuid([1, 1])),
    Identity::new(Login::USER, ClientUuid([2, 2])),
    Identity::new(Login::TRUSTED_APP, ClientUuid([3, 3])),
];
const COMMANDS: [u32; 2] = [5, 6];
const LAST_INSTANT: u64 = 2;
const LIMITS: Limits = Limits {
    by_owner: 8,
    to_grantee: 8,
};

/// What is lent, by which grants differ.
fn offers() -> [Terms; 3] {
    let terms = |commands, uses, lifetime, depth, until_closed| Terms {
        commands: Commands::new(commands).unwrap(),
        uses,
        lifetime,
        badge: 0,
        depth,
        grantee: PEOPLE[1],
        parent: 0,
        flags: u32::from(until_closed) * Request::UNTIL_CLOSED,
    };
    [
        terms(&COMMANDS[..1], 1, FOREVER, 0, false),
        terms(&COMMANDS[..1], 2, FOREVER, 1, true),
        terms(&COMMANDS, UNLIMITED, 1, 1, false),
    ]
}

struct System {
    /// Grants made by the clients of the sessions, and by grantees.
    made: [usize; 2],
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    slots: [Grant; 3],
    numbers: u64,
    now: u64,
    sessions: [Lent; 2],
    history: Vec<Made>,
}

/// A session, as its TA sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Lent {
    /// It allows one command, or both.
    commands: usize,
    /// How many there were before with its token.
    before: u8,
}

/// What a grant is, by the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Made {
    number: u64,
    session: usize,
    parent: Option<usize>,
    grantee: Identity,
    commands: usize,
    left: Option<u32>,
    until: Option<u64>,
    depth: u32,
    until_closed: bool,
    /// Taken back, by whomever, or its session is no more, or the one that was for it.
    over: bool,
    running: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    Make {
        session: usize,
        parent: Option<usize>,
        grantee: usize,
        offer: usize,
    },
    Enter(usize, usize),
    Left(usize),
    Revoke(usize),
    /// One of the people closes a session that was for it.
    Close(usize, usize),
    /// The session ends, and its token is that of a new one.
    End(usize),
    /// The TA allows another number of commands.
    Allow(usize),
    Tick,
}

impl State {
    fn chain(&self, grant: usize) -> impl Iterator<Item = &Made> {
        std::iter::successors(Some(&self.history[grant]), |made| {
            made.parent.map(|parent| &self.history[parent])
        })
    }

    /// G4, G5, G8: whether it lends anything.
    fn lends(&self, grant: usize) -> bool {
        self.chain(grant).all(|made| {
            !made.over && made.left != Some(0) && made.until.is_none_or(|until| self.now < until)
        })
    }

    /// G1, G3, G4 on top.
    fn allows(&self, grant: usize, who: Identity, command: usize) -> Result<(), Refusal> {
        let made = &self.history[grant];
        if self.is_forgotten(made) {
            Err(Refusal::NoGrant)
        } else if made.grantee != who {
            Err(Refusal::NotTheGrantee)
        } else if !self.lends(grant) {
            Err(Refusal::NoGrant)
        } else if command < made.commands && command < self.sessions[made.session].commands {
            Ok(())
        } else {
            Err(Refusal::NotLent)
        }
    }

    /// Whose it was is not known any more: the operator is told another reason, the grantee the same.
    fn is_forgotten(&self, made: &Made) -> bool {
        self.slots.iter().all(|slot| slot.number() != made.number)
    }

    /// The grant whose command is in the TA, in that session.
    fn running(&self, session: usize) -> Option<usize> {
        self.history
            .iter()
            .position(|made| made.session == session && made.running)
    }

    fn is_busy(&self, session: usize) -> bool {
        self.running(session).is_some()
    }

    /// What the policy says, on a copy of its table.
    fn ask<T>(&self, session: usize, ask: impl FnOnce(&mut Grants<'_>, &Target<'_>) -> T) -> T {
        let (mut slots, mut numbers) = (self.slots, self.numbers);
        self.with(&mut slots, &mut numbers, session, ask)
    }

    /// The same, and it stays.
    fn act<T>(&mut self, session: usize, act: impl FnOnce(&mut Grants<'_>, &Target<'_>) -> T) -> T {
        let (mut slots, mut numbers) = (self.slots, self.numbers);
        let answer = self.with(&mut slots, &mut numbers, session, act);
        (self.slots, self.numbers) = (slots, numbers);
        answer
    }

    fn with<T>(
        &self,
        slots: &mut [Grant],
        made: &mut u64,
        session: usize,
        act: impl FnOnce(&mut Grants<'_>, &Target<'_>) -> T,
    ) -> T {
        let record = Session::new(PEOPLE[session], true).unwrap();
        let lending = Lending {
            commands: Commands::new(&COMMANDS[..self.sessions[session].commands]).unwrap(),
        };
        let mut grants = Grants { slots, made };
        let target = Target {
            token: token(session),
            id: session as u32,
            session: &record,
            lending: &lending,
        };
        act(&mut grants, &target)
    }

    /// G2 to G5: whether that is made, were there room for any number.
    fn may_make(
        &self,
        session: usize,
        parent: Option<usize>,
        terms: &Terms,
    ) -> Result<(), NotLent> {
        let count = terms.commands.as_slice().len();
        if parent.is_some_and(|parent| !self.lends(parent)) {
            return Err(NotLent::NotYours);
        }
        let within = |made: &Made| {
            count <= made.commands
                && made.left.is_none_or(|left| terms.uses <= left)
                && made.until.is_none_or(|until| {
                    terms.lifetime != FOREVER && self.now + terms.lifetime <= until
                })
                && terms.depth < made.depth
        };
        let allowed = count <= self.sessions[session].commands;
        if allowed && parent.is_none_or(|parent| within(&self.history[parent])) {
            Ok(())
        } else {
            Err(NotLent::TooMuch)
        }
    }

    /// Who lends that, and the number of the grant that is passed on.
    fn maker(&self, session: usize, parent: Option<usize>) -> (Identity, u64) {
        match parent {
            None => (PEOPLE[session], 0),
            Some(parent) => {
                let parent = &self.history[parent];
                (parent.grantee, parent.number)
            }
        }
    }

    fn over(&mut self, ends: impl Fn(usize, &Made) -> bool) {
        for n in 0..self.history.len() {
            let parent = self.history[n].parent;
            let orphan = parent.is_some_and(|parent| self.history[parent].over);
            self.history[n].over |= orphan || ends(n, &self.history[n]);
        }
    }
}

fn by(who: Identity) -> Session {
    Session::new(who, true).unwrap()
}

fn token(session: usize) -> u64 {
    session as u64 + 1
}

impl Model for System {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let session = Lent {
            commands: 2,
            before: 0,
        };
        vec![State {
            slots: [Grant::FREE; 3],
            numbers: 0,
            now: 0,
            sessions: [session; 2],
            history: Vec::new(),
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for session in 0..2 {
            let parents = (0..state.history.len()).filter(|n| state.history[*n].session == session);
            for parent in parents.map(Some).chain([None]) {
                for grantee in 0..PEOPLE.len() {
                    actions.extend((0..offers().len()).map(|offer| Action::Make {
                        session,
                        parent,
                        grantee,
                        offer,
                    }));
                }
            }
        }
        for grant in 0..state.history.len() {
            actions.extend((0..2).map(|command| Action::Enter(grant, command)));
            actions.push(Action::Left(grant));
            actions.push(Action::Revoke(grant));
            actions.extend((0..PEOPLE.len()).map(|who| Action::Close(grant, who)));
        }
        // One of the two is enough.
        actions.extend([Action::End(0), Action::Allow(0), Action::Tick]);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Make {
                session,
                parent,
                grantee,
                offer,
            } => {
                let made = last
                    .history
                    .iter()
                    .filter(|made| made.parent.is_some() == parent.is_some());
                if made.count() == self.made[usize::from(parent.is_some())] {
                    return None;
                }
                let (who, number) = last.maker(session, parent);
                let grantee = PEOPLE[grantee];
                let terms = Terms {
                    grantee,
                    parent: number,
                    ..offers()[offer]
                };
                let number = state.act(session, |grants, target| {
                    grants.make(target, &by(who), &terms, Some(last.now), LIMITS)
                });
                state.history.push(Made {
                    number: number.ok()?,
                    session,
                    parent,
                    grantee,
                    commands: terms.commands.as_slice().len(),
                    left: (terms.uses != UNLIMITED).then_some(terms.uses),
                    until: (terms.lifetime != FOREVER).then(|| last.now + terms.lifetime),
                    depth: terms.depth,
                    until_closed: terms.flags == Request::UNTIL_CLOSED,
                    over: false,
                    running: false,
                });
            }
            Action::Enter(grant, command) => {
                let Made {
                    number,
                    session,
                    grantee,
                    ..
                } = last.history[grant];
                // The core has the session's lock. That uses are counted must not make ever new states.
                let slot = last.slots.iter().find(|slot| slot.number() == number);
                if last.is_busy(session) || slot.is_some_and(|slot| slot.used() == 2) {
                    return None;
                }
                let entered = state.act(session, |grants, target| {
                    grants.enter(
                        number,
                        &by(grantee),
                        COMMANDS[command],
                        target,
                        Some(last.now),
                    )
                });
                entered.ok()?;
                state.history[grant].running = true;
                let mut link = Some(grant);
                while let Some(n) = link {
                    let made = &mut state.history[n];
                    made.left = made.left.map(|left| left.saturating_sub(1));
                    link = made.parent;
                }
            }
            Action::Left(grant) => {
                if !last.history[grant].running {
                    return None;
                }
                let number = last.history[grant].number;
                state.act(0, |grants, _| grants.left(number));
                state.history[grant].running = false;
            }
            Action::Revoke(grant) => {
                let Made {
                    number, session, ..
                } = last.history[grant];
                let owner = by(PEOPLE[session]);
                let _ = state.act(session, |grants, _| grants.revoke(number, &owner, 0));
                state.over(|n, _| n == grant);
            }
            Action::Close(grant, who) => {
                let made = last.history[grant];
                let who = PEOPLE[who];
                state.act(made.session, |grants, _| {
                    grants.closed(made.number, &by(who))
                });
                state.over(|n, _| n == grant && made.until_closed && made.grantee == who);
            }
            Action::End(session) => {
                // A command that runs ends with its session, but for the moment; the token is free when it has come back.
                if last.sessions[session].before == 1
                    || last.history.iter().all(|made| made.session != session)
                {
                    return None;
                }
                state.act(session, |grants, target| grants.end(target.token));
                state.over(|_, made| made.session == session);
                state.sessions[session].before += 1;
            }
            Action::Allow(session) => state.sessions[session].commands ^= 3,
            Action::Tick => {
                if last.now == LAST_INSTANT {
                    return None;
                }
                state.now += 1;
            }
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            always("G1, G3 to G5, G8: who may use what", |_, state| {
                (0..state.history.len()).all(|grant| {
                    let Made {
                        number, session, ..
                    } = state.history[grant];
                    PEOPLE.into_iter().all(|who| {
                        (0..2).all(|command| {
                            let asked = state.ask(session, |grants, target| {
                                grants.check(
                                    number,
                                    &by(who),
                                    COMMANDS[command],
                                    target,
                                    Some(state.now),
                                )
                            });
                            asked == state.allows(grant, who, command)
                        })
                    })
                })
            }),
            always(
                "G6: a number is worth nothing with another session",
                |_, state| {
                    state.history.iter().all(|made| {
                        let elsewhere = state.ask(1 - made.session, |grants, target| {
                            grants.take_up(made.number, &by(made.grantee), target, Some(state.now))
                        });
                        elsewhere.is_err()
                    })
                },
            ),
            always(
                "G7: one command at a time, and it is known whose",
                |_, state| {
                    (0..2).all(|session| {
                        let mut running = state
                            .history
                            .iter()
                            .filter(|m| m.session == session && m.running);
                        let known = state.ask(session, |grants, target| {
                            grants.running(target.token).copied()
                        });
                        let first = running.next();
                        running.next().is_none()
                            && known.map(|grant| grant.number()) == first.map(|m| m.number)
                    })
                },
            ),
            always("G7: uses are spent exactly", |_, state| {
                state.history.iter().all(|made| {
                    let slot = state.slots.iter().find(|slot| slot.number() == made.number);
                    slot.is_none_or(|slot| slot.uses() == made.left.unwrap_or(UNLIMITED))
                })
            }),
            always("G2 to G5: who may lend what", |_, state| {
                (0..2).all(|session| {
                    let parents =
                        (0..state.history.len()).filter(|n| state.history[*n].session == session);
                    parents.map(Some).chain([None]).all(|parent| {
                        offers().iter().all(|terms| {
                            PEOPLE.into_iter().all(|who| {
                                let (its, number) = state.maker(session, parent);
                                let terms = Terms {
                                    parent: number,
                                    ..*terms
                                };
                                let made = state.ask(session, |grants, target| {
                                    grants.make(target, &by(who), &terms, Some(state.now), LIMITS)
                                });
                                // The TA that is serving the session passes on what it is served for.
                                let serves = parent.is_none() && who.login == Login::TRUSTED_APP;
                                let expected = if serves {
                                    state.may_make(session, state.running(session), &terms)
                                } else if who == its {
                                    state.may_make(session, parent, &terms)
                                } else {
                                    Err(NotLent::NotYours)
                                };
                                // That the table is full is another matter.
                                made == Err(NotLent::Full) && expected.is_ok()
                                    || made.map(drop) == expected
                            })
                        })
                    })
                })
            }),
            always("G8: who may take it back", |_, state| {
                state.history.iter().all(|made| {
                    let parent = made.parent.map(|parent| state.history[parent]);
                    let known = !state.is_forgotten(made);
                    let parent_is_known = parent.filter(|parent| !state.is_forgotten(parent));
                    PEOPLE.into_iter().all(|who| {
                        let revoked = state.ask(made.session, |grants, _| {
                            grants.revoke(made.number, &by(who), 0)
                        });
                        let its = who == PEOPLE[made.session]
                            || parent_is_known.is_some_and(|p| p.grantee == who);
                        revoked.is_ok() == (known && its)
                    })
                })
            }),
            always("G11: what is over takes no place for long", |_, state| {
                let room = state.ask(0, |grants, target| {
                    let (offer, owner) = (&offers()[0], by(PEOPLE[0]));
                    let made = grants.make(target, &owner, offer, Some(state.now), LIMITS);
                    made != Err(NotLent::Full)
                });
                // What runs keeps that which it was passed on from.
                let in_use = |n: usize| {
                    let mut running = state.history.iter().enumerate().filter(|(_, m)| m.running);
                    running.any(|(child, _)| {
                        state
                            .chain(child)
                            .any(|made| made.number == state.history[n].number)
                            && !state.is_forgotten(&state.history[n])
                    })
                };
                let needed = (0..state.history.len()).filter(|n| state.lends(*n) || in_use(*n));
                room == (needed.count() < state.slots.len()) || state.sessions[0].commands == 0
            }),
            sometimes("all of them lend something", |system: &System, state| {
                state.history.len() == system.made.iter().sum::<usize>()
                    && (0..state.history.len()).all(|grant| state.lends(grant))
            }),
            sometimes("one runs that was passed on and is over", |_, state| {
                state
                    .history
                    .iter()
                    .any(|made| made.running && made.over && made.parent.is_some())
            }),
            sometimes("one runs and is spent", |_, state| {
                state
                    .history
                    .iter()
                    .any(|made| made.running && made.left == Some(0))
            }),
            sometimes("one is out of time", |_, state| {
                state
                    .history
                    .iter()
                    .any(|made| made.until.is_some_and(|until| until <= state.now))
            }),
            sometimes("two run, each in its session", |_, state| {
                (0..2).all(|session| state.is_busy(session))
            }),
        ]
    }
}

fn always(name: &'static str, condition: fn(&System, &State) -> bool) -> Property<System> {
    Property::always(name, condition)
}

fn sometimes(name: &'static str, condition: fn(&System, &State) -> bool) -> Property<System> {
    Property::sometimes(name, condition)
}

#[test]
fn grants() {
    let checker = System { made: [2, 1] }
        .checker()
        .threads(2)
        .spawn_bfs()
        .join();
    checker.assert_properties();
    println!("grants: {} states", checker.unique_state_count());
}
