// SPDX-License-Identifier: BSD-2-Clause
//! The records of the policy against a model that keeps the whole history and
//! looks everything up in it, written from the rules and not from the code. Random
//! histories (main.rs) and the fuzz targets (core/fuzz) go through it.

use client_binding_policy::abi::OPTEE_MSG_LOGIN_RELEASE;
use client_binding_policy::abi::{Claim, Identity, Login, Operation};
use client_binding_policy::{Binding, Instance, Opening, Quota, Refusal, Session};

/// What happened, in order.
#[derive(Clone, Debug)]
pub(crate) enum Event {
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
pub(crate) struct ModelSession {
    pub(crate) client: Identity,
    pub(crate) attested: bool,
    pub(crate) answer: Option<bool>,
    pub(crate) closed: bool,
}

impl ModelSession {
    fn is_gone(&self) -> bool {
        self.closed || self.answer == Some(false)
    }
}

#[derive(Default)]
pub(crate) struct Model {
    sessions: Vec<ModelSession>,
}

impl Model {
    fn owner(&self) -> Option<Identity> {
        let first = self.sessions.iter().find(|s| s.answer == Some(true));
        first.map(|s| s.client)
    }

    fn is_someone_opening(&self) -> bool {
        self.sessions.iter().any(|s| s.answer.is_none())
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
        match self.owner() {
            Some(owner) if owner != client => Err(Refusal::NotTheOwner), // B3
            Some(_) => Ok(Opening::Go),
            None => Ok(Opening::Undecided), // B6
        }
    }

    /// B19
    fn has_room(&self, client: Identity, limit: usize) -> bool {
        let its = |s: &&ModelSession| s.client == client && !s.is_gone();
        let trusted = client.login == Login::REE_KERNEL || client.login == Login::TRUSTED_APP;
        trusted || self.sessions.iter().filter(its).count() < limit
    }

    pub(crate) fn operate(
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

/// Lets the policy and the model go through the same history, with a limit for a client's
/// sessions or none; panics where they differ.
pub(crate) fn agree(binding: Binding, limit: Option<u32>, events: impl IntoIterator<Item = Event>) {
    let mut model = Model::default();
    let mut instance = Instance::new();
    let mut records: Vec<Session> = Vec::new();

    for event in events {
        match event {
            Event::Open { client, attested } => {
                let session = Session::new(client, attested).unwrap();
                if let Some(limit) = limit {
                    let mut quota = Quota::new(limit);
                    let all = records.iter().zip(&model.sessions);
                    for (record, _) in all.filter(|(_, s)| !s.is_gone()) {
                        quota.note(&session, record);
                    }
                    let room = model.has_room(client, limit as usize);
                    assert_eq!(
                        quota.check(),
                        room.then_some(()).ok_or(Refusal::QuotaReached)
                    );
                    if !room {
                        continue;
                    }
                }
                let verdict = instance.check_open(&session, binding);
                assert_eq!(verdict, model.open(client, attested, binding));
                if verdict.is_ok() {
                    records.push(session);
                    model.sessions.push(ModelSession {
                        client,
                        attested,
                        answer: None,
                        closed: false,
                    });
                }
            }
            Event::Answer { nth, opened } => {
                let open: Vec<usize> = (0..records.len())
                    .filter(|&i| model.sessions[i].answer.is_none())
                    .collect();
                let Some(&i) = open.get(nth) else { continue };
                // Who owns it may have changed since that open was looked at.
                let ModelSession {
                    client, attested, ..
                } = model.sessions[i];
                let expected = model.open(client, attested, binding);
                let verdict = instance.check_open(&records[i], binding);
                assert_eq!(verdict, expected);
                if opened {
                    let verdict = instance.opened(&records[i], binding);
                    assert_eq!(verdict, expected.map(|_| ()));
                }
                model.sessions[i].answer = Some(opened && expected.is_ok());
            }
            Event::Operate {
                nth,
                operation,
                claim,
            } => {
                let Some(record) = records.get(nth) else {
                    continue;
                };
                let verdict = record.check(operation, claim.as_ref());
                let session = &mut model.sessions[nth];
                assert_eq!(verdict, Model::operate(session, operation, claim));
                let closes = operation == Operation::Close && verdict.is_ok();
                session.closed |= closes && session.answer.is_some();
            }
            Event::Destroy => {
                if !model.is_someone_opening() {
                    model = Model::default();
                    instance = Instance::new();
                    records.clear();
                }
            }
        }
        let owner = model.owner().filter(|_| binding != Binding::Unbound);
        assert_eq!(instance.owner(), owner);
    }
}
