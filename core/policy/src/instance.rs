// SPDX-License-Identifier: BSD-2-Clause

use crate::{Refusal, Session};
use client_binding_abi::{ClientUuid, Identity, Login, pta};

const OWNED: u32 = 1 << 31;
const OPENS: u32 = OWNED - 1;

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

/// What an open may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opening {
    /// Go on and enter the TA.
    Go,
    /// Another client's first open has not been answered by the TA yet: ask again when it has.
    Wait,
}

/// The owner of one TA instance context.
///
/// Zeroed memory is an instance without owner. While first opens are under way
/// the owner is tentative: others wait, and if every open fails the instance is
/// as before (B6). The first success makes it the owner until the context is
/// destroyed (B5), panicked or not (B18).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Instance {
    uuid: ClientUuid,
    login: Login,
    state: u32,
}

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
            state: 0,
        }
    }

    /// The owner, once an open has succeeded.
    pub const fn owner(&self) -> Option<Identity> {
        if self.state & OWNED != 0 {
            Some(self.candidate())
        } else {
            None
        }
    }

    /// Login method of the owner, or of the first opener while that open is under way.
    pub const fn login(&self) -> Login {
        self.login
    }

    /// Whether there is an owner, as `client_binding.pta` tells it, and who it is or may become.
    pub const fn ownership(&self) -> (u32, Identity) {
        let number = match self.state {
            0 => pta::Instance::FREE,
            state if state & OWNED == 0 => pta::Instance::OPENING,
            _ => pta::Instance::OWNED,
        };
        (number, self.candidate())
    }

    const fn candidate(&self) -> Identity {
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
        if self.state == 0 {
            return Ok(Opening::Go);
        }
        if self.candidate() != session.client() {
            return if self.state & OWNED != 0 {
                Err(Refusal::NotTheOwner)
            } else {
                Ok(Opening::Wait)
            };
        }
        if self.state == OPENS {
            return Err(Refusal::TooManyOpens);
        }
        Ok(Opening::Go)
    }

    /// Records that `session`, which [`check_open`](Self::check_open) has just
    /// let go on under the same lock, is about to enter the TA.
    ///
    /// For any other session this does nothing, nor for an instance that has its
    /// owner: what the TA answers changes nothing then.
    pub fn begin_open(&mut self, session: &mut Session, binding: Binding) {
        if binding == Binding::Unbound
            || self.state & OWNED != 0
            || session.is_opening()
            || self.check_open(session, binding) != Ok(Opening::Go)
        {
            return;
        }
        if self.state == 0 {
            self.uuid = session.client().uuid;
            self.login = session.client().login;
        }
        self.state += 1;
        session.set_opening(true);
    }

    /// Records the TA's answer to an open that [`begin_open`](Self::begin_open)
    /// recorded. True if others may be waiting for it.
    pub fn end_open(&mut self, session: &mut Session, opened: bool) -> bool {
        if !session.is_opening() || self.state & OPENS == 0 {
            return false;
        }
        session.set_opening(false);
        let was_owned = self.state & OWNED != 0;
        self.state -= 1;
        if opened {
            self.state |= OWNED;
        } else if self.state == 0 {
            *self = Self::new();
        }
        !was_owned
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
        Session::new(client(login, n), true)
    }

    fn logins() -> impl Iterator<Item = Login> {
        Login::NORMAL_WORLD.into_iter().chain([Login::TRUSTED_APP])
    }

    fn owned_by(session: &Session, binding: Binding) -> Instance {
        let mut instance = Instance::new();
        let mut session = *session;
        instance.begin_open(&mut session, binding);
        assert!(instance.end_open(&mut session, true));
        instance
    }

    /// The whole decision table: owner state × binding × login × same login or
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
                let mut pending = Instance::new();
                pending.begin_open(&mut owner.clone(), binding);
                let owned = if binding == Binding::Unbound {
                    Instance::new()
                } else {
                    owned_by(&owner, binding)
                };
                for login in logins() {
                    for n in [1, 2] {
                        for attested in [false, true] {
                            let joiner = Session::new(client(login, n), attested);
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
                                } else if same {
                                    Ok(Opening::Go)
                                } else {
                                    other
                                }
                            };
                            assert_eq!(
                                free.check_open(&joiner, binding),
                                expect(Ok(Opening::Go)),
                                "free {binding:?} {owner:?} {joiner:?}"
                            );
                            assert_eq!(
                                pending.check_open(&joiner, binding),
                                expect(Ok(Opening::Wait)),
                                "pending {binding:?} {owner:?} {joiner:?}"
                            );
                            assert_eq!(
                                owned.check_open(&joiner, binding),
                                expect(Err(Refusal::NotTheOwner)),
                                "owned {binding:?} {owner:?} {joiner:?}"
                            );
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
        let mut a = session(Login::USER, 1);
        instance.begin_open(&mut a, Binding::Unbound);
        assert!(!instance.end_open(&mut a, true));
        assert_eq!(instance, Instance::new());
        assert_eq!(a, session(Login::USER, 1));
    }

    #[test]
    fn a_failed_first_open_owns_nothing() {
        for binding in BOUND {
            let mut instance = Instance::new();
            let mut a = session(Login::USER, 1);
            instance.begin_open(&mut a, binding);
            assert_eq!((instance.owner(), instance.login()), (None, Login::USER));
            assert_eq!(instance.ownership(), (pta::Instance::OPENING, a.client()));
            assert!(instance.end_open(&mut a, false), "waiters must be told");
            assert_eq!(instance, Instance::new());
            let nobody = Identity::new(Login::PUBLIC, ClientUuid::NIL);
            assert_eq!(instance.ownership(), (pta::Instance::FREE, nobody));
        }
    }

    #[test]
    fn a_failed_further_open_changes_nothing() {
        let a = session(Login::GROUP, 1);
        let owned = owned_by(&a, Binding::ByHeader);
        let mut instance = owned;
        let mut again = a;
        instance.begin_open(&mut again, Binding::ByHeader);
        assert_eq!((instance, again), (owned, a), "there is nothing to record");
        let expected = (pta::Instance::OWNED, a.client());
        assert_eq!(instance.ownership(), expected);
        assert!(!instance.end_open(&mut again, false), "nobody waits");
        assert_eq!(instance, owned);
        assert_eq!(instance.ownership(), expected);
    }

    #[test]
    fn two_first_opens_of_one_client_settle_in_any_order() {
        for (first, second) in [(true, true), (true, false), (false, true), (false, false)] {
            let mut instance = Instance::new();
            let mut a = session(Login::USER, 1);
            let mut b = a;
            instance.begin_open(&mut a, Binding::ByHeader);
            instance.begin_open(&mut b, Binding::ByHeader);
            instance.end_open(&mut a, first);
            let stranger = session(Login::USER, 2);
            let between = instance.check_open(&stranger, Binding::ByHeader);
            assert_eq!(
                between,
                if first {
                    Err(Refusal::NotTheOwner)
                } else {
                    Ok(Opening::Wait)
                }
            );
            instance.end_open(&mut b, second);
            let owner = (first || second).then_some(a.client());
            assert_eq!(instance.owner(), owner);
        }
    }

    #[test]
    fn an_open_is_settled_once() {
        let mut instance = Instance::new();
        let mut a = session(Login::USER, 1);
        assert!(!instance.end_open(&mut a, true), "never began");
        assert_eq!(instance, Instance::new());
        instance.begin_open(&mut a, Binding::ByHeader);
        let begun = instance;
        instance.begin_open(&mut a, Binding::ByHeader);
        assert_eq!(instance, begun, "began twice");
        instance.end_open(&mut a, true);
        let owned = instance;
        assert!(!instance.end_open(&mut a, false), "settled twice");
        assert_eq!(instance, owned);
    }

    #[test]
    fn nobody_settles_the_open_of_another() {
        let [mut a, mut b, mut outsider] = [session(Login::USER, 1); 3];
        let mut instance = Instance::new();
        let mut other = Instance::new();
        instance.begin_open(&mut a, Binding::ByHeader);
        instance.begin_open(&mut b, Binding::ByHeader);
        let begun = instance;
        assert!(!other.end_open(&mut a, true), "begun elsewhere");
        assert_eq!(other, Instance::new());
        assert!(!instance.end_open(&mut outsider, true), "never began");
        assert_eq!(instance, begun);
        assert!(instance.end_open(&mut a, false));
        let settled = instance;
        assert!(!instance.end_open(&mut a, true), "settled twice");
        assert_eq!(instance, settled);
        assert!(instance.end_open(&mut b, true));
        assert_eq!(instance.owner(), Some(b.client()));
    }

    #[test]
    fn a_refused_open_cannot_begin() {
        let mut instance = owned_by(&session(Login::USER, 1), Binding::ByHeader);
        let before = instance;
        for mut stranger in [session(Login::USER, 2), session(Login::PUBLIC, 0)] {
            instance.begin_open(&mut stranger, Binding::ByHeader);
            assert!(!instance.end_open(&mut stranger, true));
            assert_eq!(instance, before);
        }
    }

    #[test]
    fn the_count_of_opens_never_wraps() {
        let [mut a, mut b] = [session(Login::USER, 1); 2];
        let mut instance = Instance::new();
        instance.begin_open(&mut a, Binding::ByHeader);
        instance.state |= OPENS;
        assert_eq!(
            instance.check_open(&b, Binding::ByHeader),
            Err(Refusal::TooManyOpens)
        );
        let full = instance;
        instance.begin_open(&mut b, Binding::ByHeader);
        assert_eq!(instance, full);
        assert!(instance.end_open(&mut a, true));
        assert_eq!(
            instance.check_open(&b, Binding::ByHeader),
            Ok(Opening::Go),
            "opens of the owner are not counted"
        );
    }
}
