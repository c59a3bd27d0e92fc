// SPDX-License-Identifier: BSD-2-Clause
//! A use of a grant against another one, against taking it back and against the close of the session, in each order that their
//! sections under `tee_ta_mutex` can come in on any number of processors.
//!
//! The sections are those of `core/client_binding/delegation.c`, the table is the policy's own. Two grantees use the same session, the second
//! one what the first has passed on; its client invokes, somebody takes the first grant back, and the session is closed.

use client_binding_policy::abi::delegation::FOREVER;
use client_binding_policy::abi::{ClientUuid, Identity, Login};
use client_binding_policy::{Commands, Grant, Grants, Lending, Limits, Session, Target, Terms};
use stateright::{Checker, Model, Property};

const OWNER: Identity = Identity::new(Login::USER, ClientUuid([1, 1]));
const GRANTEES: [Identity; 2] = [
    Identity::new(Login::USER, ClientUuid([2, 2])),
    Identity::new(Login::USER, ClientUuid([3, 3])),
];
const COMMAND: u32 = 7;
const TOKEN: u64 = 1;
const USES: u32 = 2;

/// Who does something: the grantees, each as long as it is served or told to try again, and three who do it once.
const OWNERS_COMMAND: usize = 2;
const TAKING_BACK: usize = 3;
const CLOSE: usize = 4;

/// How far somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum At {
    Start,
    /// For the session's lock.
    Waits,
    /// With that lock.
    InTa,
    Done,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    slots: [Grant; 2],
    made: u64,
    numbers: [u64; 2],
    at: [At; 5],
    /// Who has the session's lock.
    locked: Option<usize>,
    /// A grantee waits for it already.
    awaited: bool,
    unlinked: bool,
    taken_back: bool,
    /// What must never be.
    fault: Option<&'static str>,
    /// How often each was let in.
    served: [u32; 2],
    /// Somebody was told that a command is in the TA.
    told_of_one: bool,
}

/// What is asked with the table and the session at hand.
fn with<T>(state: &mut State, ask: impl FnOnce(&mut Grants<'_>, &Target<'_>) -> T) -> T {
    let session = Session::new(OWNER, true).unwrap();
    let lending = Lending {
        commands: Commands::new(&[COMMAND]).unwrap(),
    };
    let target = Target {
        token: TOKEN,
        id: 1,
        session: &session,
        lending: &lending,
    };
    let mut grants = Grants {
        slots: &mut state.slots,
        made: &mut state.made,
    };
    ask(&mut grants, &target)
}

fn by(who: Identity) -> Session {
    Session::new(who, true).unwrap()
}

/// Both grants, made by the owner and by the first grantee.
fn lent() -> State {
    let mut state = State {
        slots: [Grant::FREE; 2],
        made: 0,
        numbers: [0; 2],
        at: [At::Start; 5],
        locked: None,
        awaited: false,
        unlinked: false,
        taken_back: false,
        fault: None,
        served: [0; 2],
        told_of_one: false,
    };
    let limits = Limits {
        by_owner: 2,
        to_grantee: 2,
    };
    for (nth, (maker, grantee)) in [(OWNER, GRANTEES[0]), (GRANTEES[0], GRANTEES[1])]
        .into_iter()
        .enumerate()
    {
        let terms = Terms {
            commands: Commands::new(&[COMMAND]).unwrap(),
            uses: USES,
            lifetime: FOREVER,
            badge: 0,
            depth: 1 - nth as u32,
            grantee,
            parent: nth.checked_sub(1).map_or(0, |parent| state.numbers[parent]),
            flags: 0,
        };
        let made = with(&mut state, |grants, target| {
            grants.make(target, &by(maker), &terms, None, limits)
        });
        state.numbers[nth] = made.unwrap();
    }
    state
}

impl State {
    /// Whether the grant has a target, as C asks before anything else.
    fn is_lent(&self, nth: usize) -> bool {
        !self.unlinked && self.slots.iter().any(|g| g.number() == self.numbers[nth])
    }

    /// `enter_target()`: refused, told to try again, waiting, or inside.
    fn use_grant(&mut self, nth: usize) {
        let (number, who) = (self.numbers[nth], by(GRANTEES[nth]));
        let check = |grants: &mut Grants<'_>, target: &Target<'_>| {
            grants.check(number, &who, COMMAND, target, None).is_ok()
        };
        if !self.is_lent(nth) || !with(self, check) {
            self.at[nth] = At::Done;
        } else if self.awaited {
            // BUSY: it comes again.
        } else if self.locked.is_some() {
            self.awaited = true;
            self.at[nth] = At::Waits;
        } else {
            self.let_in(nth);
        }
    }

    /// With the session and its TA at hand.
    fn let_in(&mut self, nth: usize) {
        let (number, who) = (self.numbers[nth], by(GRANTEES[nth]));
        let enter = |grants: &mut Grants<'_>, target: &Target<'_>| {
            grants.enter(number, &who, COMMAND, target, None).is_ok()
        };
        if !with(self, enter) {
            self.at[nth] = At::Done;
            return;
        }
        self.locked = Some(nth);
        self.at[nth] = At::InTa;
        self.served[nth] += 1;
        if self.taken_back {
            self.fault = Some("a command was let in after its grant was taken back");
        }
        if self.served.iter().sum::<u32>() > USES {
            self.fault = Some("more were let in than there are uses");
        }
    }

    fn step(&mut self, who: usize) -> Option<()> {
        match (who, self.at[who]) {
            (_, At::Done) => return None,
            (TAKING_BACK, _) => {
                let number = self.numbers[0];
                let told = with(self, |g, _| g.revoke(number, &by(OWNER), 0));
                let inside = self.locked.is_some_and(|who| who < GRANTEES.len());
                if told.is_ok_and(|running| running != inside) {
                    self.fault = Some("the wrong thing was told of what is in the TA");
                }
                self.told_of_one |= told == Ok(true);
                self.taken_back = true;
                self.at[who] = At::Done;
            }
            // A close ends the lending before it waits.
            (CLOSE, At::Start) => {
                with(self, |grants, _| grants.end(TOKEN));
                self.at[who] = At::Waits;
            }
            (OWNERS_COMMAND, At::Start) => self.at[who] = At::Waits,
            (_, At::Start) => self.use_grant(who),
            (_, At::Waits) if self.unlinked => {
                self.at[who] = At::Done;
            }
            (_, At::Waits) if self.locked.is_some() => return None,
            (OWNERS_COMMAND | CLOSE, At::Waits) => {
                self.locked = Some(who);
                self.at[who] = At::InTa;
            }
            (_, At::Waits) => {
                self.awaited = false;
                self.let_in(who);
            }
            (_, At::InTa) if self.locked != Some(who) => {
                self.fault = Some("two are in the TA");
            }
            (CLOSE, At::InTa) => {
                // Unlinked: who waits is woken, and nothing is left to be found.
                with(self, |grants, _| grants.end(TOKEN));
                self.unlinked = true;
                self.locked = None;
                self.at[who] = At::Done;
                if self.slots != [Grant::FREE; 2] {
                    self.fault = Some("a grant is left when its session is gone");
                }
            }
            (OWNERS_COMMAND, At::InTa) => {
                self.locked = None;
                self.at[who] = At::Done;
            }
            (_, At::InTa) => {
                let number = self.numbers[who];
                with(self, |grants, _| grants.left(number));
                self.locked = None;
                self.at[who] = At::Start;
            }
        }
        Some(())
    }
}

struct Core;

impl Model for Core {
    type State = State;
    type Action = usize;

    fn init_states(&self) -> Vec<State> {
        vec![lent()]
    }

    fn actions(&self, _: &State, actions: &mut Vec<usize>) {
        actions.extend(0..5);
    }

    fn next_state(&self, last: &State, who: usize) -> Option<State> {
        // Nothing has to be found out after a fault.
        if last.fault.is_some() {
            return None;
        }
        let mut state = last.clone();
        state.step(who)?;
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            always("G7, G8", |_, state| state.fault.is_none()),
            always("who is in the TA has the lock", |_, state| {
                let inside = state.at.iter().filter(|at| **at == At::InTa).count();
                inside == usize::from(state.locked.is_some())
            }),
            always("one grantee waits at the most", |_, state| {
                let waiting = |at: &&At| **at == At::Waits;
                state.at[..2].iter().filter(waiting).count() <= 1
            }),
            // Nobody waits for what never comes.
            always("somebody can go on, or all are through", |_, state| {
                (0..5).all(|who| state.at[who] == At::Done)
                    || (0..5).any(|who| state.clone().step(who).is_some())
            }),
            sometimes("all uses are spent by both", |_, state| {
                state.served == [1, 1]
            }),
            sometimes(
                "it is taken back while its command is inside",
                |_, state| state.told_of_one && state.locked == Some(0),
            ),
            sometimes("a child's command is told of", |_, state| {
                state.told_of_one && state.locked == Some(1)
            }),
            sometimes("a grantee waits while it is taken back", |_, state| {
                state.taken_back && state.awaited
            }),
            sometimes("a close waits for a grantee's command", |_, state| {
                state.at[CLOSE] == At::Waits && state.locked == Some(0)
            }),
            sometimes("a grantee waits when the session goes", |_, state| {
                state.unlinked && state.awaited
            }),
            sometimes("nobody is served", |_, state| {
                state.served == [0, 0] && state.at == [At::Done; 5]
            }),
        ]
    }
}

fn always(name: &'static str, holds: fn(&Core, &State) -> bool) -> Property<Core> {
    Property::always(name, holds)
}

fn sometimes(name: &'static str, holds: fn(&Core, &State) -> bool) -> Property<Core> {
    Property::sometimes(name, holds)
}

#[test]
fn each_order_of_using_taking_back_and_closing() {
    let checker = Core.checker().spawn_bfs().join();
    checker.assert_properties();
    assert!(checker.is_done(), "not all of it");
    println!("{} states", checker.unique_state_count());
}
