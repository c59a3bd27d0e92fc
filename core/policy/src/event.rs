// SPDX-License-Identifier: BSD-2-Clause

use crate::instance::Opening;
use crate::{Binding, Instance, Quota, Refusal, Session};
use client_binding_abi::{Claim, ClientUuid, Identity, Login, Operation};

/// What happened to a session. Nothing else is ever decided.
///
/// That a session or an instance is gone is no event: what was known of it goes with its record.
#[derive(Debug)]
pub enum Event<'a> {
    /// Somebody in the normal world begins to open it.
    Begin(&'a Claim),
    /// A TA does, and the core knows which (B9).
    BeginByTa(ClientUuid),
    /// Its client's sessions were counted, see [`Quota`].
    Counted(Quota),
    /// It is about to be let into an instance: when that is found, when it is loaded, and when somebody has the TA.
    Enter(&'a Instance, Binding),
    /// The TA, which has not been left yet, has accepted it.
    Accepted(&'a mut Instance, Binding),
    /// Somebody in the normal world invokes it, cancels or closes it, with a claim or without.
    Use(Operation, Option<&'a Claim>),
}

/// What is to become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Go on.
    Go,
    /// Go on, and ask again: nobody owns the instance yet, or none was found.
    Undecided,
    /// Do nothing for it.
    Refused(Refusal),
}

impl From<Opening> for Verdict {
    fn from(opening: Opening) -> Self {
        match opening {
            Opening::Go => Self::Go,
            Opening::Undecided => Self::Undecided,
        }
    }
}

/// Decides, and writes down what has to be known later: who opened the session, and who owns the instance.
///
/// The caller holds the lock that all records are under (B14).
pub fn decide(event: Event<'_>, session: &mut Session) -> Verdict {
    let decided = match event {
        Event::Begin(claim) => match claim.decode(Operation::Open) {
            Some(decoded) => {
                *session = Session::of_known(decoded.identity, decoded.attested);
                Ok(Verdict::Undecided)
            }
            None => Err(Refusal::Malformed),
        },
        Event::BeginByTa(uuid) => {
            *session = Session::of_known(Identity::new(Login::TRUSTED_APP, uuid), true);
            Ok(Verdict::Undecided)
        }
        Event::Counted(quota) => quota.check().map(|()| Verdict::Undecided),
        Event::Enter(instance, binding) => instance.check_open(session, binding).map(Into::into),
        Event::Accepted(instance, binding) => {
            instance.opened(session, binding).map(|()| Verdict::Go)
        }
        Event::Use(operation, claim) => session.check(operation, claim).map(|()| Verdict::Go),
    };
    decided.unwrap_or_else(Verdict::Refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use client_binding_abi::{OPTEE_MSG_LOGIN_ATTESTED, OPTEE_MSG_LOGIN_RELEASE};

    const A: ClientUuid = ClientUuid([1, 2]);
    const ANYBODY: Identity = Identity::new(Login::PUBLIC, ClientUuid::NIL);

    fn session(login: Login, attested: bool) -> Session {
        Session::new(Identity::new(login, A), attested).unwrap()
    }

    fn logins() -> impl Iterator<Item = Login> {
        Login::NORMAL_WORLD.into_iter().chain([Login::TRUSTED_APP])
    }

    #[test]
    fn who_begins_is_written_down() {
        for login in logins() {
            for bits in [
                0,
                OPTEE_MSG_LOGIN_ATTESTED,
                OPTEE_MSG_LOGIN_RELEASE,
                1 << 32,
            ] {
                let mut record = Session::new(ANYBODY, false).unwrap();
                let before = record;
                let claim = Claim {
                    uuid: A,
                    login: u64::from(login.0) | bits,
                };
                let verdict = decide(Event::Begin(&claim), &mut record);
                // The normal world does not speak for a TA, and says nothing else with an open.
                if login == Login::TRUSTED_APP || bits & !OPTEE_MSG_LOGIN_ATTESTED != 0 {
                    assert_eq!(verdict, Verdict::Refused(Refusal::Malformed), "{login:?}");
                    assert_eq!(record, before);
                } else {
                    assert_eq!(verdict, Verdict::Undecided);
                    assert_eq!(record, session(login, bits != 0));
                }
            }
        }
    }

    #[test]
    fn a_ta_begins_as_itself() {
        let mut record = Session::new(ANYBODY, false).unwrap();
        assert_eq!(decide(Event::BeginByTa(A), &mut record), Verdict::Undecided);
        assert_eq!(record, session(Login::TRUSTED_APP, false));
        assert!(record.is_attested());
    }

    #[test]
    fn who_has_room_goes_on_undecided() {
        let mut record = session(Login::USER, true);
        for (left, verdict) in [
            (0, Verdict::Refused(Refusal::QuotaReached)),
            (1, Verdict::Undecided),
        ] {
            assert_eq!(
                decide(Event::Counted(Quota::new(left)), &mut record),
                verdict
            );
        }
    }

    /// What the records decide is tested where they are; here, that they are asked, each the right thing.
    #[test]
    fn the_records_decide_the_rest() {
        let expected = |answer: Result<Verdict, Refusal>| answer.unwrap_or_else(Verdict::Refused);
        for binding in [Binding::Unbound, Binding::ByImage, Binding::ByHeader] {
            for owner in logins() {
                let mut owned = Instance::new();
                // PUBLIC owns nothing that is bound by its header.
                let _ = owned.opened(&session(owner, true), binding);
                for instance in [Instance::new(), owned] {
                    for (login, attested) in logins().flat_map(|l| [(l, false), (l, true)]) {
                        let mut record = session(login, attested);
                        let entered = instance.check_open(&record, binding).map(Verdict::from);
                        let event = Event::Enter(&instance, binding);
                        assert_eq!(decide(event, &mut record), expected(entered));
                        let (mut one, mut other) = (instance, instance);
                        let opened = one.opened(&record, binding).map(|()| Verdict::Go);
                        let event = Event::Accepted(&mut other, binding);
                        assert_eq!(decide(event, &mut record), expected(opened));
                        assert_eq!(one, other);
                        assert_eq!(record, session(login, attested));
                    }
                }
            }
        }
        for (login, attested) in logins().flat_map(|l| [(l, false), (l, true)]) {
            for operation in Operation::ALL {
                let own = Claim {
                    uuid: session(login, attested).client().uuid,
                    login: login.0.into(),
                };
                for claim in [None, Some(&own)] {
                    let mut record = session(login, attested);
                    let used = record.check(operation, claim).map(|()| Verdict::Go);
                    let event = Event::Use(operation, claim);
                    assert_eq!(decide(event, &mut record), expected(used));
                }
            }
        }
    }
}
