// SPDX-License-Identifier: BSD-2-Clause

use crate::{Refusal, Session};
use client_binding_abi::Login;

/// How many sessions a client may still open (B19).
///
/// Nothing is kept between two opens, so nothing can be miscounted: all sessions that the
/// normal world has are looked at again, whatever became of those that were opened before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Quota(u32);

impl Quota {
    /// Somebody who may have that many sessions, none of which was looked at yet.
    pub const fn new(limit: u32) -> Self {
        Self(limit)
    }

    /// Looks at one of the sessions there are while `opener` asks for another.
    ///
    /// The kernel and TAs are trusted to know when to stop. PUBLIC is a client like others: one for all.
    pub fn note(&mut self, opener: &Session, other: &Session) {
        let counted = !matches!(
            opener.client().login,
            Login::REE_KERNEL | Login::TRUSTED_APP
        );
        if counted && opener.client() == other.client() {
            self.0 = self.0.saturating_sub(1);
        }
    }

    /// Decides the open, when all sessions were looked at.
    pub const fn check(self) -> Result<(), Refusal> {
        match self.0 {
            0 => Err(Refusal::QuotaReached),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use client_binding_abi::{ClientUuid, Identity};

    /// Whether somebody who has that many sessions, and somebody else one, gets another.
    fn decide(login: Login, n: u64, sessions: u32) -> Result<(), Refusal> {
        let session = |n| Session::new(Identity::new(login, ClientUuid([n, n])), true).unwrap();
        let mut quota = Quota::new(3);
        for _ in 0..sessions {
            quota.note(&session(n), &session(1));
        }
        quota.note(
            &session(n),
            &Session::new(Identity::new(Login::USER, ClientUuid([9, 9])), false).unwrap(),
        );
        quota.check()
    }

    #[test]
    fn a_client_gets_as_many_as_it_may_have() {
        for login in Login::NORMAL_WORLD.into_iter().chain([Login::TRUSTED_APP]) {
            let trusted = [Login::REE_KERNEL, Login::TRUSTED_APP].contains(&login);
            for sessions in 0..5 {
                let more = sessions < 3 || trusted;
                let expected = if more {
                    Ok(())
                } else {
                    Err(Refusal::QuotaReached)
                };
                assert_eq!(decide(login, 1, sessions), expected, "{login:?} {sessions}");
                // To somebody else of that method they are nothing; of PUBLIC there is only one.
                let expected = if login.has_uuid() { Ok(()) } else { expected };
                assert_eq!(decide(login, 2, sessions), expected, "{login:?} {sessions}");
            }
        }
    }

    #[test]
    fn one_user_two_methods_two_quotas() {
        let uuid = ClientUuid([1, 1]);
        let [user, application] = [Login::USER, Login::APPLICATION]
            .map(|l| Session::new(Identity::new(l, uuid), true).unwrap());
        let mut quota = Quota::new(1);
        quota.note(&user, &application);
        assert_eq!(quota.check(), Ok(()));
    }
}
