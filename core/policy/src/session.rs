// SPDX-License-Identifier: BSD-2-Clause

use crate::Refusal;
use client_binding_abi::pta::pair;
use client_binding_abi::{Claim, ClientUuid, Identity, Login, Operation};

/// Somebody vouches for the client: the normal world does with each operation, the core for a TA.
const ATTESTED: u32 = 1;
/// It is a TA, which has no words with which the normal world could name it.
const BY_TA: u32 = 2;
/// [`ATTESTED`] where the record has it, above the login method.
const ATTESTED_WORD: u64 = (ATTESTED as u64) << 32;

/// The client of one session, written before the session can be found (B14) and
/// never changed afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Session {
    uuid: ClientUuid,
    login: Login,
    state: u32,
}

impl Session {
    /// A session about to be opened by `client`.
    ///
    /// `attested`: the normal world will send a claim with each later operation.
    /// TA to TA sessions need none; the core itself knows the caller (B9).
    /// B13: an unknown login method is nobody's, whichever way it came.
    pub const fn new(client: Identity, attested: bool) -> Result<Self, Refusal> {
        if client.login.is_known() {
            Ok(Self::of_known(client, attested))
        } else {
            Err(Refusal::Malformed)
        }
    }

    /// The same for a login method that is one.
    pub(crate) const fn of_known(client: Identity, attested: bool) -> Self {
        Self {
            uuid: client.uuid,
            login: client.login,
            state: match client.login {
                Login::TRUSTED_APP => ATTESTED | BY_TA,
                _ if attested => ATTESTED,
                _ => 0,
            },
        }
    }

    /// The identity given at open.
    pub const fn client(&self) -> Identity {
        Identity {
            login: self.login,
            uuid: self.uuid,
        }
    }

    /// Whether somebody vouches for the client's identity.
    pub const fn is_attested(&self) -> bool {
        self.state & ATTESTED != 0
    }

    /// The client, if somebody vouches for it.
    pub fn vouched_for(&self) -> Option<Identity> {
        self.is_attested().then(|| self.client())
    }

    /// Decides an invoke, cancel or close from the normal world.
    ///
    /// - B2: the claim must be the identity of the open.
    /// - B11: a release is never refused.
    /// - B13: an attested session cannot be talked down to no claims; a session
    ///   of a normal world that sends none works as it always did.
    #[inline]
    pub const fn check(&self, operation: Operation, claim: Option<&Claim>) -> Result<(), Refusal> {
        let Some(claim) = claim else {
            return if self.is_attested() {
                Err(Refusal::ClaimMissing)
            } else {
                Ok(())
            };
        };
        if self.recognizes(claim) {
            return Ok(());
        }
        match claim.decode(operation) {
            None => Err(Refusal::Malformed),
            Some(decoded) if decoded.release => Ok(()),
            Some(decoded) => {
                if self.matches(decoded.identity) {
                    Ok(())
                } else {
                    Err(Refusal::NotTheClient)
                }
            }
        }
    }

    /// Whether it is the attested client's own claim, bit for bit: then there is nothing to
    /// decode, and [`Self::check`] says yes. Nobody in the normal world speaks for a TA.
    #[inline]
    pub const fn recognizes(&self, claim: &Claim) -> bool {
        let [a, b] = self.uuid.0;
        let [c, d] = claim.uuid.0;
        let word = pair(self.login.0, self.state);
        // Few branches, for every call from the normal world pays for them.
        (a ^ c) | (b ^ d) | (word ^ claim.login ^ ATTESTED_WORD) | claim.login >> 32 == 0
    }

    const fn matches(&self, client: Identity) -> bool {
        let [a, b] = self.uuid.0;
        let [c, d] = client.uuid.0;
        // One branch, and no telling where the first difference was.
        (a ^ c) | (b ^ d) | (self.login.0 ^ client.login.0) as u64 == 0
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use client_binding_abi::{OPTEE_MSG_LOGIN_ATTESTED, OPTEE_MSG_LOGIN_RELEASE};
    use std::vec::Vec;

    const A: ClientUuid = ClientUuid([1, 2]);
    const LATER: [Operation; 3] = [Operation::Invoke, Operation::Close, Operation::Cancel];

    fn session(client: Identity, attested: bool) -> Session {
        Session::new(client, attested).unwrap()
    }

    fn claim(login: Login, uuid: ClientUuid) -> Claim {
        Claim {
            uuid,
            login: login.0.into(),
        }
    }

    /// Every login × every login × same or other UUID × each operation × attested or not.
    #[test]
    fn only_the_identity_of_the_open_passes() {
        for owner in Login::NORMAL_WORLD {
            for attested in [false, true] {
                let session = session(Identity::new(owner, A), attested);
                for login in Login::NORMAL_WORLD {
                    for uuid in [
                        A,
                        ClientUuid::NIL,
                        ClientUuid([1, 3]),
                        ClientUuid([0, 2]),
                        ClientUuid([2, 1]),
                    ] {
                        for operation in LATER {
                            let same = owner == login && (uuid == A || !owner.has_uuid());
                            let expected = if same {
                                Ok(())
                            } else {
                                Err(Refusal::NotTheClient)
                            };
                            assert_eq!(
                                session.check(operation, Some(&claim(login, uuid))),
                                expected,
                                "{owner:?} {login:?} {uuid:?} {operation:?}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn no_claim_passes_only_where_none_was_promised() {
        for owner in Login::NORMAL_WORLD {
            for operation in LATER {
                let promised = session(Identity::new(owner, A), true);
                assert_eq!(
                    promised.check(operation, None),
                    Err(Refusal::ClaimMissing),
                    "{owner:?} {operation:?}"
                );
                let stock = session(Identity::new(owner, A), false);
                assert_eq!(stock.check(operation, None), Ok(()));
            }
        }
    }

    #[test]
    fn a_release_passes_whatever_it_carries() {
        for owner in Login::NORMAL_WORLD {
            let session = session(Identity::new(owner, A), true);
            for login in Login::NORMAL_WORLD {
                let release = Claim {
                    uuid: ClientUuid([7, 7]),
                    login: u64::from(login.0) | OPTEE_MSG_LOGIN_RELEASE,
                };
                assert_eq!(session.check(Operation::Close, Some(&release)), Ok(()));
                for operation in [Operation::Invoke, Operation::Cancel] {
                    assert_eq!(
                        session.check(operation, Some(&release)),
                        Err(Refusal::Malformed),
                        "a release is a close and nothing else"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_no_claim_is_malformed() {
        let session = session(Identity::new(Login::USER, A), true);
        for word in [
            u64::from(Login::TRUSTED_APP.0),
            3,
            7,
            1 << 32 | 1,
            OPTEE_MSG_LOGIN_ATTESTED | 1,
        ] {
            for operation in LATER {
                let claim = Claim {
                    uuid: A,
                    login: word,
                };
                assert_eq!(
                    session.check(operation, Some(&claim)),
                    Err(Refusal::Malformed)
                );
            }
        }
    }

    #[test]
    fn nobody_in_the_normal_world_speaks_for_a_ta() {
        let session = session(Identity::new(Login::TRUSTED_APP, A), false);
        for operation in LATER {
            assert_eq!(
                session.check(operation, Some(&claim(Login::TRUSTED_APP, A))),
                Err(Refusal::Malformed)
            );
            assert_eq!(session.check(operation, None), Err(Refusal::ClaimMissing));
        }
    }

    #[test]
    fn the_short_cut_is_for_the_client_alone() {
        for owner in Login::NORMAL_WORLD {
            let session = session(Identity::new(owner, A), true);
            let own = claim(owner, session.client().uuid);
            assert!(session.recognizes(&own), "{owner:?}");
            let released = own.login | OPTEE_MSG_LOGIN_RELEASE;
            let other = ClientUuid([1, 3]);
            for (uuid, login) in [(own.uuid, released), (other, own.login), (own.uuid, 3)] {
                assert!(!session.recognizes(&Claim { uuid, login }), "{owner:?}");
            }
        }
    }

    /// No bit of the upper half stands for what the record has there.
    #[test]
    fn the_short_cut_takes_no_bits_above_the_login_method() {
        let logins = Login::NORMAL_WORLD.into_iter().chain([Login::TRUSTED_APP]);
        for (client, attested) in logins.flat_map(|login| [(login, false), (login, true)]) {
            let session = session(Identity::new(client, A), attested);
            let uuid = session.client().uuid;
            for high in (0..8).chain((0..32).map(|bit| 1 << bit)) {
                let login = high << 32 | u64::from(client.0);
                let own = attested && client != Login::TRUSTED_APP && high == 0;
                let recognized = session.recognizes(&Claim { uuid, login });
                assert_eq!(recognized, own, "{client:?} {attested} {high:#x}");
                // Nor does the lower half stand for what the upper one has.
                let folded = login ^ high;
                let recognized = session.recognizes(&Claim {
                    uuid,
                    login: folded,
                });
                assert_eq!(recognized, own, "{client:?} {attested} {folded:#x}");
            }
        }
    }

    /// Every class of numbers: GlobalPlatform's and the gaps between, what it leaves to implementations
    /// with both of ours, what it keeps, TAs, what is beyond; and one bit away from each that is known.
    #[test]
    fn what_is_no_method_opens_nothing_and_passes_nowhere() {
        let known: Vec<u32> = (Login::NORMAL_WORLD.into_iter().chain([Login::TRUSTED_APP]))
            .map(|login| login.0)
            .collect();
        let near = known
            .iter()
            .flat_map(|login| (0..32).map(move |bit| login ^ 1 << bit));
        let powers = (0..32).flat_map(|bit| [(1_u32 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        let edges = [
            0x7fff_ffff,
            0x8000_0001,
            0xbfff_ffff,
            0xc000_0000,
            0xefff_fffe,
            0xf000_0001,
        ];
        let numbers = (0..0x1_0000)
            .chain(edges)
            .chain(u32::MAX - 0xffff..=u32::MAX);
        for number in numbers.chain(near).chain(powers) {
            for attested in [false, true] {
                let opened = Session::new(Identity::new(Login(number), A), attested);
                if known.contains(&number) {
                    assert_eq!(opened.unwrap().client().login, Login(number));
                } else {
                    assert_eq!(opened, Err(Refusal::Malformed), "{number:#x}");
                }
            }
            if Login::NORMAL_WORLD.contains(&Login(number)) {
                continue;
            }
            for owner in known.iter().map(|&login| Identity::new(Login(login), A)) {
                for operation in LATER {
                    assert_eq!(
                        session(owner, true).check(operation, Some(&claim(Login(number), A))),
                        Err(Refusal::Malformed),
                        "{number:#x} in a session of {owner:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_core_vouches_for_tas() {
        let client = Identity::new(Login::TRUSTED_APP, A);
        assert!(session(client, false).is_attested());
        assert_eq!(session(client, false).client(), client);
    }
}
