// SPDX-License-Identifier: BSD-2-Clause
//! Every state that a small system can get into, with the policy's own records in it.
//!
//! Two processes, each of which may change its uid to the other's, log in as a user, as a
//! group that both are members of, or as nobody, to two instances. An open finds the instance, has the TA some time
//! later, and the TA answers later still, or panics. On each state that is reached the policy is asked about
//! everything that could be tried there, and its answer is compared with what the
//! rules say of the history, which the model keeps beside the records.

use client_binding_policy::abi::{
    Claim, ClientUuid, Identity, Login, OPTEE_MSG_LOGIN_RELEASE, Operation,
};
use client_binding_policy::{Binding, Instance, Opening, Quota, Refusal, Session};
use stateright::{Checker, Model, Property};

const UIDS: [ClientUuid; 2] = [ClientUuid([1, 1]), ClientUuid([1, 2])];
const GID: ClientUuid = ClientUuid([2, 1]);
const LOGINS: [Login; 3] = [Login::PUBLIC, Login::USER, Login::GROUP];
const LATER: [Operation; 3] = [Operation::Invoke, Operation::Cancel, Operation::Close];

/// A system, by what does not change in it.
#[derive(Clone, Debug)]
struct System {
    bindings: [Binding; 2],
    /// The TAs let in several at once.
    concurrent: bool,
    /// Sessions at the same time.
    sessions: usize,
    /// What a driver may say of its opens: that claims follow, or that they don't.
    attests: &'static [bool],
    /// How many sessions a client may have.
    quota: Option<u32>,
    /// The TAs may disown their instances.
    disowns: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    /// Whose uid each process has.
    uids: [usize; 2],
    contexts: [Context; 2],
    /// In an order that does not depend on the history.
    sessions: Vec<Client>,
}

/// The context of an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Context {
    record: Instance,
    panicked: bool,
    /// Whose open was the first that the TA accepted.
    first: Option<Identity>,
    /// The same of the context that was there before.
    before: Option<Identity>,
    /// The TA has let it go since.
    disowned: bool,
}

/// Somebody who has opened a session, or is about to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Client {
    record: Session,
    instance: usize,
    phase: Phase,
    /// The policy wants to be asked again, as the core remembers it.
    undecided: bool,
    /// What was said when the session was opened.
    identity: Identity,
    attested: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Phase {
    /// For the TA, which another may be in.
    Waiting,
    /// The TA has been entered and has not answered.
    Opening,
    Open,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    Open {
        process: usize,
        login: Login,
        instance: usize,
        attested: bool,
    },
    /// Somebody who waited has the TA.
    Enter(usize),
    /// The TA's answer to an open.
    Answer(usize, bool),
    Panic(usize),
    /// By the TA, while it is in an open or a command.
    Disown(usize),
    Close {
        session: usize,
        process: usize,
        login: Login,
    },
    /// By whoever drops the last reference.
    Release {
        session: usize,
        process: usize,
    },
    /// The process takes the other uid.
    Change(usize),
    /// A context without sessions goes away; the next open gets a new one.
    Reload(usize),
}

impl State {
    fn identity(&self, process: usize, login: Login) -> Identity {
        let uuid = match login {
            Login::USER => UIDS[self.uids[process]],
            Login::GROUP => GID,
            _ => ClientUuid::NIL,
        };
        Identity::new(login, uuid)
    }

    fn on(&self, instance: usize) -> impl Iterator<Item = &Client> {
        let on = move |client: &&Client| client.instance == instance;
        self.sessions.iter().filter(on)
    }

    /// What the policy says of one more session of that client.
    fn check_quota(&self, client: Identity, limit: u32) -> Result<(), Refusal> {
        let mut quota = Quota::new(limit);
        let opener = record(client, true);
        self.sessions
            .iter()
            .for_each(|other| quota.note(&opener, &other.record));
        quota.check()
    }

    /// Those of a client, whatever has become of them.
    fn sessions_of(&self, client: Identity) -> usize {
        let its = |c: &&Client| c.identity == client;
        self.sessions.iter().filter(its).count()
    }

    /// Lets a client into that phase, or not, as the policy says if it wants to be asked.
    fn decide(&mut self, mut client: Client, phase: Phase, binding: Binding) {
        let context = &self.contexts[client.instance];
        if context.panicked {
            return; // The core's business: TEE_ERROR_TARGET_DEAD.
        }
        if client.undecided {
            match context.record.check_open(&client.record, binding) {
                Ok(opening) => client.undecided = opening == Opening::Undecided,
                Err(_) => return,
            }
        }
        client.phase = phase;
        self.sessions.push(client);
    }

    fn answer(&mut self, mut client: Client, opened: bool, binding: Binding) {
        let context = &mut self.contexts[client.instance];
        if !opened || client.undecided && context.record.opened(&client.record, binding).is_err() {
            return;
        }
        context.first = context.first.or(Some(client.identity));
        client.undecided = false;
        client.phase = Phase::Open;
        self.sessions.push(client);
    }
}

fn record(client: Identity, attested: bool) -> Session {
    Session::new(client, attested).unwrap()
}

fn claim(identity: Identity) -> Claim {
    Claim {
        uuid: identity.uuid,
        login: identity.login.0.into(),
    }
}

fn release(identity: Identity) -> Claim {
    let mut claim = claim(identity);
    claim.login |= OPTEE_MSG_LOGIN_RELEASE;
    claim
}

/// Everybody who could call.
fn everybody() -> impl Iterator<Item = Identity> {
    UIDS.map(|uid| Identity::new(Login::USER, uid))
        .into_iter()
        .chain([Identity::new(Login::GROUP, GID)])
        .chain([Identity::new(Login::PUBLIC, ClientUuid::NIL)])
}

impl Model for System {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            uids: [0, 1],
            contexts: Default::default(),
            sessions: Vec::new(),
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for process in 0..2 {
            actions.push(Action::Change(process));
            for login in LOGINS {
                if state.sessions.len() < self.sessions {
                    for instance in 0..2 {
                        actions.extend(self.attests.iter().map(|&attested| Action::Open {
                            process,
                            login,
                            instance,
                            attested,
                        }));
                    }
                }
                actions.extend((0..state.sessions.len()).map(|session| Action::Close {
                    session,
                    process,
                    login,
                }));
            }
            actions.extend(
                (0..state.sessions.len()).map(|session| Action::Release { session, process }),
            );
        }
        for session in 0..state.sessions.len() {
            actions.push(Action::Enter(session));
            actions.push(Action::Answer(session, true));
            actions.push(Action::Answer(session, false));
        }
        for instance in 0..2 {
            actions.push(Action::Panic(instance));
            actions.extend(self.disowns.then_some(Action::Disown(instance)));
            actions.push(Action::Reload(instance));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Open {
                process,
                login,
                instance,
                attested,
            } => {
                let identity = state.identity(process, login);
                let allowed = |limit| state.check_quota(identity, limit).is_ok();
                if !self.quota.is_none_or(allowed) {
                    return None;
                }
                if state.on(instance).next().is_none() {
                    let context = &mut state.contexts[instance];
                    context.record.unused();
                    if std::mem::take(&mut context.disowned) {
                        context.first = None;
                    }
                }
                let client = Client {
                    record: record(identity, attested),
                    instance,
                    phase: Phase::Waiting,
                    undecided: true,
                    identity,
                    attested,
                };
                state.decide(client, Phase::Waiting, self.bindings[instance]);
            }
            Action::Enter(session) => {
                let client = state.sessions.remove(session);
                let busy = state.on(client.instance).any(|c| c.phase == Phase::Opening);
                if client.phase != Phase::Waiting || busy && !self.concurrent {
                    return None;
                }
                state.decide(client, Phase::Opening, self.bindings[client.instance]);
            }
            Action::Answer(session, opened) => {
                let client = state.sessions.remove(session);
                if client.phase != Phase::Opening {
                    return None;
                }
                state.answer(client, opened, self.bindings[client.instance]);
            }
            Action::Panic(instance) => {
                if state.on(instance).all(|c| c.phase == Phase::Waiting) {
                    return None; // Nobody is inside.
                }
                let opening = |c: &Client| c.instance == instance && c.phase == Phase::Opening;
                while let Some(at) = state.sessions.iter().position(opening) {
                    let client = state.sessions.remove(at);
                    state.answer(client, false, self.bindings[instance]);
                }
                state.contexts[instance].panicked = true;
            }
            Action::Disown(instance) => {
                let context = &state.contexts[instance];
                if context.panicked || state.on(instance).all(|c| c.phase == Phase::Waiting) {
                    return None;
                }
                let owned = context.first.is_some() && self.bindings[instance] != Binding::Unbound;
                let context = &mut state.contexts[instance];
                assert_eq!(context.record.disown(), owned);
                context.disowned = owned;
            }
            Action::Close {
                session,
                process,
                login,
            } => {
                let client = state.sessions.remove(session);
                let claim = claim(state.identity(process, login));
                let passes = client.record.check(Operation::Close, Some(&claim)).is_ok();
                if client.phase != Phase::Open || !passes {
                    return None;
                }
            }
            Action::Release { session, process } => {
                let client = state.sessions.remove(session);
                let claim = release(state.identity(process, Login::USER));
                let passes = client.record.check(Operation::Close, Some(&claim)).is_ok();
                if client.phase != Phase::Open || !passes {
                    return None;
                }
            }
            Action::Change(process) => state.uids[process] ^= 1,
            Action::Reload(instance) => {
                if state.on(instance).next().is_some() {
                    return None;
                }
                let context = &mut state.contexts[instance];
                *context = Context {
                    before: context.first,
                    ..Context::default()
                };
            }
        }
        state.sessions.sort_by_key(|client| {
            let Client {
                instance,
                phase,
                undecided,
                identity,
                attested,
                ..
            } = *client;
            (instance, phase, undecided, identity, attested)
        });
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            always(
                "B2, B13: a session answers to its client alone",
                |_, state| {
                    state.sessions.iter().all(|client| {
                        LATER.into_iter().all(|operation| {
                            let unclaimed = client.record.check(operation, None).is_ok();
                            unclaimed != client.attested
                                && everybody().all(|caller| {
                                    let passes =
                                        client.record.check(operation, Some(&claim(caller)));
                                    passes.is_ok() == (caller == client.identity)
                                })
                        })
                    })
                },
            ),
            always("B11: a release passes, whoever makes it", |_, state| {
                state.sessions.iter().all(|client| {
                    everybody().all(|caller| {
                        let release = release(caller);
                        client
                            .record
                            .check(Operation::Close, Some(&release))
                            .is_ok()
                    })
                })
            }),
            always(
                "B14: who the client is stands in the record from the beginning",
                |_, state| {
                    let identities = state
                        .sessions
                        .iter()
                        .map(|c| (c.record.client(), c.identity));
                    identities
                        .into_iter()
                        .all(|(record, identity)| record == identity)
                },
            ),
            always(
                "B3: nobody shares a bound instance with another identity",
                |system, state| {
                    (0..2).all(|instance| {
                        // An open of a concurrent TA is settled when the TA has accepted it.
                        let inside = |c: &&Client| match c.phase {
                            Phase::Waiting => false,
                            Phase::Opening => !system.concurrent,
                            Phase::Open => true,
                        };
                        let mut inside = state.on(instance).filter(inside);
                        let first = inside.next().map(|c| c.identity);
                        system.bindings[instance] == Binding::Unbound
                            || inside.all(|c| Some(c.identity) == first)
                    })
                },
            ),
            always(
                "B5, B6, B18: the owner is whose open the TA accepted first",
                |system, state| {
                    (0..2).all(|instance| {
                        let Context { record, first, .. } = state.contexts[instance];
                        let bound = system.bindings[instance] != Binding::Unbound;
                        record.owner() == first.filter(|_| bound)
                    })
                },
            ),
            always("B3, B6, B7, B13: who may open", |system, state| {
                (0..2).all(|instance| {
                    everybody().all(|caller| {
                        [false, true].into_iter().all(|attested| {
                            let asked = state.contexts[instance]
                                .record
                                .check_open(&record(caller, attested), system.bindings[instance]);
                            asked
                                == system.rules(
                                    &state.contexts[instance],
                                    instance,
                                    caller,
                                    attested,
                                )
                        })
                    })
                })
            }),
            always(
                "B7: PUBLIC owns nothing that asks for binding",
                |system, state| {
                    (0..2).all(|instance| {
                        let owner = state.contexts[instance].record.owner();
                        system.bindings[instance] != Binding::ByHeader
                            || owner.is_none_or(|owner| owner.login != Login::PUBLIC)
                    })
                },
            ),
            always(
                "B6: a context that nobody owns is as new, whoever waits for it or is inside",
                |_, state| {
                    (0..2).all(|instance| {
                        let record = state.contexts[instance].record;
                        record.owner().is_some() || record == Instance::new()
                    })
                },
            ),
        ];
        if self.quota.is_some() {
            properties.extend([
                always("B19: nobody has more than it may have", |system, state| {
                    everybody().all(|client| {
                        let sessions = state.sessions_of(client) as u32;
                        system.quota.is_none_or(|limit| sessions <= limit)
                    })
                }),
                always("B19: who has less may have one more", |system, state| {
                    everybody().all(|client| {
                        let sessions = state.sessions_of(client) as u32;
                        system.quota.is_none_or(|limit| {
                            state.check_quota(client, limit).is_ok() == (sessions < limit)
                        })
                    })
                }),
                sometimes(
                    "one client has all it may have, another one more",
                    |system, state| {
                        let [a, b] = UIDS.map(|uid| Identity::new(Login::USER, uid));
                        system.quota == Some(state.sessions_of(a) as u32)
                            && state.sessions_of(b) > 0
                    },
                ),
                sometimes("PUBLIC has all it may have", |system, state| {
                    let public = Identity::new(Login::PUBLIC, ClientUuid::NIL);
                    system.quota == Some(state.sessions_of(public) as u32)
                }),
                sometimes("sessions of a dead TA fill a quota", |system, state| {
                    let user = Identity::new(Login::USER, UIDS[0]);
                    system.quota == Some(state.sessions_of(user) as u32)
                        && state.on(0).all(|c| c.identity == user)
                        && state.contexts[0].panicked
                }),
            ]);
        }
        if self.attests.contains(&true) {
            properties.extend([
                sometimes("somebody waits while another opens", |_, state| {
                    let mut waiting = state.on(0).filter(|c| c.phase == Phase::Waiting);
                    waiting.any(|waits| {
                        let mut opening = state.on(0).filter(|c| c.phase == Phase::Opening);
                        opening.any(|c| c.identity != waits.identity)
                    })
                }),
                sometimes(
                    "what somebody waits for has become another's",
                    |_, state| {
                        let first = state.contexts[0].first;
                        let waits =
                            |c: &Client| c.phase == Phase::Waiting && Some(c.identity) != first;
                        first.is_some() && state.on(0).any(waits)
                    },
                ),
                sometimes("a stranger who waits is all that is left", |_, state| {
                    let first = state.contexts[0].first;
                    let waits = |c: &Client| c.phase == Phase::Waiting && Some(c.identity) != first;
                    first.is_some() && state.on(0).count() > 0 && state.on(0).all(waits)
                }),
                sometimes("somebody owns what another waited for first", |_, state| {
                    // The one before was refused by the TA, or a context is gone.
                    state.contexts[0]
                        .first
                        .is_some_and(|first| first.uuid == UIDS[1])
                        && state.on(0).any(|c| c.phase == Phase::Open)
                }),
                sometimes("the owner has two sessions", |_, state| {
                    state.on(0).filter(|c| c.phase == Phase::Open).count() == 2
                }),
                sometimes(
                    "an instance without sessions keeps its owner",
                    |_, state| {
                        state.on(0).next().is_none() && state.contexts[0].record.owner().is_some()
                    },
                ),
                sometimes("a panicked instance keeps its owner", |_, state| {
                    state.contexts[0].panicked && state.contexts[0].record.owner().is_some()
                }),
                sometimes("a TA panics at its first open", |_, state| {
                    state.contexts[0].panicked && state.contexts[0].record.owner().is_none()
                }),
                sometimes("after a reload somebody else is the owner", |_, state| {
                    let Context { first, before, .. } = state.contexts[0];
                    first.is_some() && before.is_some() && first != before
                }),
                sometimes("the instances have different owners", |_, state| {
                    let [a, b] = state.contexts.map(|context| context.first);
                    a.is_some() && b.is_some() && a != b
                }),
                sometimes(
                    "no process is the client of a session any more",
                    |_, state| {
                        state.sessions.iter().any(|c| {
                            c.identity.login == Login::USER
                                && UIDS.iter().position(|uid| *uid == c.identity.uuid)
                                    != Some(state.uids[0])
                                && state.uids[0] == state.uids[1]
                        })
                    },
                ),
            ]);
        }
        properties
    }
}

fn always(name: &'static str, holds: fn(&System, &State) -> bool) -> Property<System> {
    Property::always(name, holds)
}

fn sometimes(name: &'static str, holds: fn(&System, &State) -> bool) -> Property<System> {
    Property::sometimes(name, holds)
}

impl System {
    /// What the rules say of an open, by the history and not by the record.
    fn rules(
        &self,
        context: &Context,
        instance: usize,
        caller: Identity,
        attested: bool,
    ) -> Result<Opening, Refusal> {
        let binding = self.bindings[instance];
        match context.first {
            _ if binding == Binding::Unbound => Ok(Opening::Go),
            _ if !attested => Err(Refusal::Unattested),
            _ if binding == Binding::ByHeader && caller.login == Login::PUBLIC => {
                Err(Refusal::Anonymous)
            }
            None => Ok(Opening::Undecided),
            Some(owner) if owner != caller => Err(Refusal::NotTheOwner),
            Some(_) => Ok(Opening::Go),
        }
    }
}

fn explore(system: System) {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let checker = system.clone().checker().threads(threads).spawn_bfs().join();
    checker.assert_properties();
    assert!(checker.is_done(), "not all of it");
    println!(
        "{system:?}: {} states, at most {} steps away",
        checker.unique_state_count(),
        checker.max_depth()
    );
}

/// Two instances that are bound by their headers.
const BOUND: System = System {
    bindings: [Binding::ByHeader; 2],
    concurrent: false,
    sessions: 3,
    attests: &[true],
    quota: None,
    disowns: false,
};

#[test]
fn two_bound_instances() {
    explore(BOUND);
}

#[test]
fn one_by_its_header_one_by_the_image() {
    explore(System {
        bindings: [Binding::ByHeader, Binding::ByImage],
        ..BOUND
    });
}

#[test]
fn two_that_several_are_in_at_once() {
    explore(System {
        bindings: [Binding::ByHeader, Binding::ByImage],
        concurrent: true,
        sessions: 2,
        disowns: true,
        ..BOUND
    });
}

#[test]
fn one_bound_one_not_under_drivers_of_both_kinds() {
    explore(System {
        bindings: [Binding::ByHeader, Binding::Unbound],
        sessions: 2,
        attests: &[false, true],
        disowns: true,
        ..BOUND
    });
}

#[test]
fn two_sessions_for_each_client() {
    explore(System {
        bindings: [Binding::ByHeader, Binding::Unbound],
        quota: Some(2),
        ..BOUND
    });
}
