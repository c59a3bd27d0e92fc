// SPDX-License-Identifier: BSD-2-Clause
//! The records of the policy against a model that keeps the whole history and
//! looks everything up in it, written from the rules and not from the code.

use client_binding_policy::abi::{
    Claim, ClientUuid, Identity, Login, OPTEE_MSG_LOGIN_RELEASE, Operation,
};
use client_binding_policy::{Binding, Instance, LogBudget, Opening, Refusal, Session};
use proptest::prelude::*;

/// What happened, in order.
#[derive(Clone, Debug)]
enum Event {
    Open {
        client: Identity,
        attested: bool,
    },
    /// The TA answers the nth open that is under way.
    Answer {
        nth: usize,
        opened: bool,
    },
    /// An operation on the nth open session.
    Operate {
        nth: usize,
        operation: Operation,
        claim: Option<Claim>,
    },
    /// The context goes away (only when no session is left on it).
    Destroy,
}

#[derive(Clone)]
struct ModelSession {
    client: Identity,
    attested: bool,
    answer: Option<bool>,
}

#[derive(Default)]
struct Model {
    sessions: Vec<ModelSession>,
}

impl Model {
    fn owner(&self) -> Option<Identity> {
        let first = self.sessions.iter().find(|s| s.answer == Some(true));
        first.map(|s| s.client)
    }

    fn someone_opening(&self) -> Option<Identity> {
        let under_way = self.sessions.iter().find(|s| s.answer.is_none());
        under_way.map(|s| s.client)
    }

    fn open(&self, client: Identity, attested: bool, binding: Binding) -> Result<Opening, Refusal> {
        let by_a_ta = client.login == Login::TRUSTED_APP;
        if binding == Binding::Unbound {
            return Ok(Opening::Go); // B4, B10
        }
        if !attested && !by_a_ta {
            return Err(Refusal::Unattested); // B13
        }
        if client.login == Login::PUBLIC && binding == Binding::ByHeader {
            return Err(Refusal::Anonymous); // B7
        }
        match (self.owner(), self.someone_opening()) {
            (Some(owner), _) if owner != client => Err(Refusal::NotTheOwner), // B3
            (None, Some(other)) if other != client => Ok(Opening::Wait),      // B6, B14
            _ => Ok(Opening::Go),
        }
    }

    fn operate(
        session: &ModelSession,
        operation: Operation,
        claim: Option<Claim>,
    ) -> Result<(), Refusal> {
        let Some(claim) = claim else {
            let promised = session.attested || session.client.login == Login::TRUSTED_APP;
            return if promised {
                Err(Refusal::ClaimMissing)
            } else {
                Ok(())
            };
        };
        let released = operation == Operation::Close && claim.login >> 62 == 1;
        let word = if released {
            claim.login - OPTEE_MSG_LOGIN_RELEASE
        } else {
            claim.login
        };
        let login = Login::NORMAL_WORLD
            .into_iter()
            .find(|login| u64::from(login.0) == word);
        match login {
            None => Err(Refusal::Malformed),
            Some(_) if released => Ok(()), // B11
            Some(login) => {
                let anonymous = login == Login::PUBLIC || login == Login::REE_KERNEL;
                let same_uuid = anonymous || claim.uuid == session.client.uuid;
                if login == session.client.login && same_uuid {
                    Ok(())
                } else {
                    Err(Refusal::NotTheClient) // B2
                }
            }
        }
    }
}

fn uuid() -> impl Strategy<Value = ClientUuid> {
    prop_oneof![
        Just(ClientUuid::NIL),
        Just(ClientUuid([1, 1])),
        Just(ClientUuid([1, 2])),
        Just(ClientUuid([2, 1])),
    ]
}

fn login() -> impl Strategy<Value = Login> {
    prop::sample::select([&Login::NORMAL_WORLD[..], &[Login::TRUSTED_APP]].concat())
}

fn claim() -> impl Strategy<Value = Option<Claim>> {
    let word = (login(), prop_oneof![4 => Just(0), 1 => 0_u64..4])
        .prop_map(|(login, high)| u64::from(login.0) | high << 62);
    let word = prop_oneof![8 => word, 1 => any::<u64>()];
    proptest::option::weighted(
        0.9,
        (uuid(), word).prop_map(|(uuid, login)| Claim { uuid, login }),
    )
}

fn event() -> impl Strategy<Value = Event> {
    let operation =
        prop::sample::select(vec![Operation::Invoke, Operation::Close, Operation::Cancel]);
    prop_oneof![
        4 => (login(), uuid(), prop::bool::weighted(0.9)).prop_map(|(login, uuid, attested)| {
            Event::Open { client: Identity::new(login, uuid), attested }
        }),
        4 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(nth, opened)| {
            Event::Answer { nth: nth.index(8), opened }
        }),
        4 => (any::<prop::sample::Index>(), operation, claim()).prop_map(
            |(nth, operation, claim)| Event::Operate { nth: nth.index(8), operation, claim }
        ),
        1 => Just(Event::Destroy),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn policy_and_model_agree(
        binding in prop::sample::select(vec![Binding::Unbound, Binding::ByImage, Binding::ByHeader]),
        events in prop::collection::vec(event(), 1..60),
    ) {
        let mut model = Model::default();
        let mut instance = Instance::new();
        let mut records: Vec<Session> = Vec::new();

        for event in events {
            match event {
                Event::Open { client, attested } => {
                    let mut session = Session::new(client, attested);
                    let verdict = instance.check_open(&session, binding);
                    prop_assert_eq!(verdict, model.open(client, attested, binding));
                    if verdict == Ok(Opening::Go) {
                        instance.begin_open(&mut session, binding);
                        records.push(session);
                        model.sessions.push(ModelSession { client, attested, answer: None });
                    }
                }
                Event::Answer { nth, opened } => {
                    let open: Vec<usize> = (0..records.len())
                        .filter(|&i| model.sessions[i].answer.is_none())
                        .collect();
                    let Some(&i) = open.get(nth) else { continue };
                    let could_wait = binding != Binding::Unbound && model.owner().is_none();
                    model.sessions[i].answer = Some(opened);
                    let wake = instance.end_open(&mut records[i], opened);
                    prop_assert_eq!(wake, could_wait);
                }
                Event::Operate { nth, operation, claim } => {
                    let Some(record) = records.get(nth) else { continue };
                    prop_assert_eq!(
                        record.check(operation, claim.as_ref()),
                        Model::operate(&model.sessions[nth], operation, claim)
                    );
                }
                Event::Destroy => {
                    if model.someone_opening().is_none() {
                        model = Model::default();
                        instance = Instance::new();
                        records.clear();
                    }
                }
            }
            let owner = model.owner().filter(|_| binding != Binding::Unbound);
            prop_assert_eq!(instance.owner(), owner);
        }
    }

    #[test]
    fn any_claim_decodes_without_panic(a: u64, b: u64, login: u64, operation in 0_u32..4) {
        let operation = Operation::from_number(operation).unwrap();
        if let Some(decoded) = (Claim { uuid: ClientUuid([a, b]), login }).decode(operation) {
            prop_assert!(Login::NORMAL_WORLD.contains(&decoded.identity.login));
            prop_assert_eq!(decoded.identity.login.0, login as u32);
        }
    }

    #[test]
    fn the_log_never_exceeds_burst_and_rate(steps in prop::collection::vec(0_u32..3, 1..200)) {
        let (mut budget, mut second, mut lines, mut calls, mut told) = (LogBudget::default(), 0, 0, 0, 0);
        for step in steps {
            second += step;
            calls += 1;
            let (next, line) = budget.take(second);
            budget = next;
            if let Some(suppressed) = line {
                lines += 1;
                told += u32::from(suppressed);
            }
            prop_assert!(lines <= 10 + second, "{} lines after {} s", lines, second);
        }
        prop_assert!(lines + told <= calls);
    }
}
