// SPDX-License-Identifier: BSD-2-Clause

use crate::{Refusal, Session};
use client_binding_abi::{ClientUuid, Identity, Login, pta};

/// Why an instance is bound, or that it is not (B4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Binding {
    /// Pseudo TAs (B10), and user TAs without the flag in an ordinary image.
    Unbound = 0,
    /// A user TA without the flag in an image built with `CFG_CLIENT_BINDING_ALL=y`.
    ByImage = 1,
    /// `TA_FLAG_CLIENT_BOUND` stands in the signed header.
    ByHeader = 2,
}

impl Binding {
    /// The binding with this number; the strictest for a number that has none.
    pub const fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Unbound,
            1 => Self::ByImage,
            _ => Self::ByHeader,
        }
    }
}

/// What an open that is not refused is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opening {
    /// Let in: the instance is its client's, or bound to nobody, and stays so.
    Go,
    /// Nobody owns the instance yet: asked again by who has the TA, and settled when it has answered.
    Undecided,
}

/// The owner of one TA instance context.
///
/// Zeroed memory is an instance without owner. There is one from the first open that
/// the TA accepts (B6) until the context is destroyed, panicked or not (B18), or the TA has let it go and nobody uses it (B5).
/// Opens under way leave no trace here, so they exclude nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Instance {
    uuid: ClientUuid,
    login: Login,
    owned: u32,
}

const FREE: u32 = 0;
const OWNED: u32 = 1;
const DISOWNED: u32 = 2;

impl Default for Instance {
    fn default() -> Self {
        Self::new()
    }
}

impl Instance {
    /// An instance that nobody has opened.
    pub const fn new() -> Self {
        Self {
            uuid: ClientUuid::NIL,
            login: Login::PUBLIC,
            owned: FREE,
        }
    }

    /// The owner, once the TA has accepted an open.
    pub const fn owner(&self) -> Option<Identity> {
        match self.owned {
            FREE => None,
            _ => Some(self.identity()),
        }
    }

    /// Login method of the owner, PUBLIC if there is none.
    pub const fn login(&self) -> Login {
        self.login
    }

    /// Whether there is an owner, as `client_binding.pta` tells it, and who it is.
    pub const fn ownership(&self) -> (u32, Identity) {
        let number = match self.owned {
            FREE => pta::Instance::FREE,
            DISOWNED => pta::Instance::DISOWNED,
            _ => pta::Instance::OWNED,
        };
        (number, self.identity())
    }

    const fn identity(&self) -> Identity {
        Identity {
            login: self.login,
            uuid: self.uuid,
        }
    }

    /// Decides an open. Changes nothing.
    ///
    /// - B7: PUBLIC cannot own a TA that asks for binding.
    /// - B13: nor can anybody for whom nobody vouches.
    /// - B3: only the owner may join.
    pub fn check_open(&self, session: &Session, binding: Binding) -> Result<Opening, Refusal> {
        if binding == Binding::Unbound {
            return Ok(Opening::Go);
        }
        if !session.is_attested() {
            return Err(Refusal::Unattested);
        }
        if binding == Binding::ByHeader && session.client().login == Login::PUBLIC {
            return Err(Refusal::Anonymous);
        }
        match self.owner() {
            None => Ok(Opening::Undecided),
            Some(owner) if owner == session.client() => Ok(Opening::Go),
            Some(_) => Err(Refusal::NotTheOwner),
        }
    }

    /// Records that the TA, which has not been left yet, accepts `session`: the first one's client is the owner.
    ///
    /// Decides once more, for a TA that several threads may be in. Who is refused
    /// was in the TA, but gets no session.
    pub fn opened(&mut self, session: &Session, binding: Binding) -> Result<(), Refusal> {
        if self.check_open(session, binding)? == Opening::Undecided {
            let Identity { login, uuid } = session.client();
            *self = Self {
                uuid,
                login,
                owned: OWNED,
            };
        }
        Ok(())
    }

    /// The TA wants it to be somebody else's, once nobody uses it (B5). False if it is nobody's.
    pub fn disown(&mut self) -> bool {
        if self.owned != FREE {
            self.owned = DISOWNED;
        }
        self.owned != FREE
    }

    /// Nobody has a session with it, nor has it one with others.
    pub fn unused(&mut self) {
        if self.owned == DISOWNED {
            *self = Self::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: [Binding; 2] = [Binding::ByImage, Binding::ByHeader];

    fn client(login: Login, n: u64) -> Identity {
        Identity::new(login, ClientUuid([n, n]))
    }

    fn session(login: Login, n: u64) -> Session {
        Session::new(client(login, n), true).unwrap()
    }

    fn logins() -> impl Iterator<Item = Login> {
        Login::NORMAL_WORLD.into_iter().chain([Login::TRUSTED_APP])
    }

    fn owned_by(session: &Session, binding: Binding) -> Instance {
        let mut instance = Instance::new();
        assert_eq!(instance.opened(session, binding), Ok(()));
        instance
    }

    /// The whole decision table: owned or not × binding × login × same login or
    /// not × same UUID or not × attested or not.
    #[test]
    fn decision_table() {
        for binding in [Binding::Unbound, Binding::ByImage, Binding::ByHeader] {
            for owner in logins() {
                if binding == Binding::ByHeader && owner == Login::PUBLIC {
                    continue; // cannot come to own anything, see below
                }
                let owner = session(owner, 1);
                let free = Instance::new();
                let owned = owned_by(&owner, binding);
                for login in logins() {
                    for n in [1, 2] {
                        for attested in [false, true] {
                            let joiner = Session::new(client(login, n), attested).unwrap();
                            let same = joiner.client() == owner.client();
                            let vouched = attested || login == Login::TRUSTED_APP;
                            let anonymous = login == Login::PUBLIC && binding == Binding::ByHeader;
                            let expect = |other| {
                                if binding == Binding::Unbound {
                                    Ok(Opening::Go)
                                } else if !vouched {
                                    Err(Refusal::Unattested)
                                } else if anonymous {
                                    Err(Refusal::Anonymous)
                                } else {
                                    other
                                }
                            };
                            let undecided = expect(Ok(Opening::Undecided));
                            assert_eq!(
                                free.check_open(&joiner, binding),
                                undecided,
                                "free {binding:?} {owner:?} {joiner:?}"
                            );
                            let decided = expect(if same {
                                Ok(Opening::Go)
                            } else {
                                Err(Refusal::NotTheOwner)
                            });
                            assert_eq!(
                                owned.check_open(&joiner, binding),
                                decided,
                                "owned {binding:?} {owner:?} {joiner:?}"
                            );
                            for (before, verdict) in [(free, undecided), (owned, decided)] {
                                let mut after = before;
                                let opened = after.opened(&joiner, binding);
                                assert_eq!(opened, verdict.map(|_| ()));
                                let expected = match verdict {
                                    Ok(Opening::Undecided) => Some(joiner.client()),
                                    _ => before.owner(),
                                };
                                assert_eq!(after.owner(), expected, "{before:?} {joiner:?}");
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn an_unknown_binding_is_the_strictest() {
        for n in 0..5 {
            let binding = Binding::from_number(n);
            assert_eq!(binding as u32, n.min(2));
        }
    }

    #[test]
    fn unbound_instances_record_nothing() {
        let mut instance = Instance::default();
        for n in [1, 2] {
            let opened = instance.opened(&session(Login::USER, n), Binding::Unbound);
            assert_eq!((opened, instance), (Ok(()), Instance::new()));
        }
    }

    #[test]
    fn it_is_told_who_the_owner_is() {
        let nobody = Identity::new(Login::PUBLIC, ClientUuid::NIL);
        let mut instance = Instance::new();
        assert_eq!(instance.ownership(), (pta::Instance::FREE, nobody));
        assert_eq!((instance.owner(), instance.login()), (None, Login::PUBLIC));
        let a = session(Login::GROUP, 1);
        for _ in 0..2 {
            assert_eq!(instance.opened(&a, Binding::ByHeader), Ok(()));
            assert_eq!(instance.owner(), Some(a.client()));
            assert_eq!(instance.ownership(), (pta::Instance::OWNED, a.client()));
            assert_eq!(instance.login(), Login::GROUP);
        }
    }

    /// Several wait for a TA whose owner is not known yet, the same client's and others'; the first that the TA
    /// accepts decides for all, and an open that failed decided nothing.
    #[test]
    fn who_has_the_ta_is_asked_again() {
        for binding in BOUND {
            let [a, b] = [1, 2].map(|n| session(Login::USER, n));
            let mut instance = Instance::new();
            for waiting in [a, b] {
                let verdict = instance.check_open(&waiting, binding);
                assert_eq!(verdict, Ok(Opening::Undecided));
            }
            // That of b fails in the TA, then a's does not.
            assert_eq!(instance, Instance::new());
            assert_eq!(instance.opened(&a, binding), Ok(()));
            let verdicts = [a, b].map(|waited| instance.check_open(&waited, binding));
            assert_eq!(verdicts, [Ok(Opening::Go), Err(Refusal::NotTheOwner)]);
            // B was inside all the while, of a TA that lets in more than one thread.
            let before = instance;
            let late = instance.opened(&b, binding);
            assert_eq!((late, instance), (Err(Refusal::NotTheOwner), before));
        }
    }

    /// Its sessions are as before as long as there are any; then whoever comes next owns it.
    #[test]
    fn what_was_disowned_is_whose_the_next_open_is() {
        let [a, b] = [1, 2].map(|n| session(Login::USER, n));
        let mut nobodys = Instance::new();
        assert!(!nobodys.disown());
        nobodys.unused();
        assert_eq!(nobodys, Instance::new());
        for next in [a, b] {
            let mut instance = owned_by(&a, Binding::ByHeader);
            instance.unused();
            assert_eq!(instance, owned_by(&a, Binding::ByHeader));
            for _ in 0..2 {
                assert!(instance.disown());
                assert_eq!(instance.ownership(), (pta::Instance::DISOWNED, a.client()));
                assert_eq!(instance.login(), Login::USER);
                let verdicts = [a, b].map(|s| instance.check_open(&s, Binding::ByHeader));
                assert_eq!(verdicts, [Ok(Opening::Go), Err(Refusal::NotTheOwner)]);
                assert_eq!(instance.opened(&a, Binding::ByHeader), Ok(()));
            }
            instance.unused();
            assert_eq!(instance, Instance::new());
            assert_eq!(instance.opened(&next, Binding::ByHeader), Ok(()));
            assert_eq!(instance, owned_by(&next, Binding::ByHeader));
        }
    }

    #[test]
    fn a_refused_open_cannot_become_the_owner() {
        let mut instance = Instance::new();
        let unattested = Session::new(client(Login::USER, 1), false).unwrap();
        for refused in [session(Login::PUBLIC, 0), unattested] {
            assert!(instance.opened(&refused, Binding::ByHeader).is_err());
            assert_eq!(instance, Instance::new());
        }
    }
}
