// SPDX-License-Identifier: BSD-2-Clause

use crate::{Refusal, Session};
use client_binding_abi::Login;

/// How many sessions a client may still open (B19).
///
/// Nothing is kept between two opens, so nothing can be miscounted: all sessions that the
/// client may have are looked at again, whatever became of those that were opened before.
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

    /// Which list has the sessions of that one's client: who looks at all of that list has noted all that count.
    pub const fn list(session: &Session) -> u32 {
        // Half a word of a hash, but for TAs and those who have no UUID.
        session.client().uuid.0[0] as u32
    }

    /// Decides the open, when all sessions that count were looked at.
    pub const fn check(self) -> Result<(), Refusal> {
        match self.0 {
            0 => Err(Refusal::QuotaReached),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use client_binding_abi::{ClientUuid, Identity};
    use std::vec::Vec;

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
    fn what_counts_is_in_one_list() {
        let sessions = Login::NORMAL_WORLD.into_iter().flat_map(|login| {
            [[0, 1], [1, 0], [1, 1], [1 << 32, 0], [u64::MAX; 2]]
                .map(|uuid| Session::new(Identity::new(login, ClientUuid(uuid)), true).unwrap())
        });
        let sessions: Vec<_> = sessions.collect();
        for (opener, other) in sessions
            .iter()
            .flat_map(|s| sessions.iter().map(move |o| (s, o)))
        {
            let mut quota = Quota::new(1);
            quota.note(opener, other);
            let same = Quota::list(opener) == Quota::list(other);
            assert!(quota.check().is_ok() || same, "{opener:?} {other:?}");
        }
        // Clients whose UUIDs differ where they are random don't share one.
        let lists: Vec<_> = sessions.iter().map(Quota::list).collect();
        assert!(lists.contains(&0) && lists.contains(&1) && lists.contains(&u32::MAX));
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
