// SPDX-License-Identifier: BSD-2-Clause
//! Who may talk to a session, and who may join a TA instance.
//!
//! Pure decisions: no locks, no allocation, no panics, no `unsafe`. The caller
//! hands in facts, holds whatever lock protects the records, and obeys the
//! answer. Rules are cited by their numbers (B1 to B21) in `docs/rules.md`.

#![no_std]
#![forbid(unsafe_code)]

mod access;
mod event;
mod grant;
mod instance;
mod object;
mod quota;
mod session;

pub use access::may_ask;
pub use client_binding_abi as abi;
pub use event::{Event, Verdict, decide};
pub use grant::{Commands, Grant, Grants, Lending, Limits, NotLent, Target, Terms};
pub use instance::{Binding, Instance, Opening};
pub use object::{Call, NotCalled, Objects};
pub use quota::Quota;
pub use session::Session;

use abi::TeeResult;

/// Why an operation was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Refusal {
    /// The claim is not a claim: unknown login method or unknown bits.
    Malformed = 1,
    /// B2: the caller is not the client that opened the session.
    NotTheClient = 2,
    /// B13: the session was opened with claims and this operation came without.
    ClaimMissing = 3,
    /// B3: another client owns the instance.
    NotTheOwner = 4,
    /// B7: PUBLIC is no identity and cannot own a TA that asks for binding.
    Anonymous = 5,
    /// B13: the normal world does not attest its callers.
    Unattested = 6,
    /// B19: the client has as many sessions as it may have.
    QuotaReached = 7,
    /// G4, G8: there is no such grant, or it is over.
    NoGrant = 8,
    /// G3: it is lent to somebody else.
    NotTheGrantee = 9,
    /// G1, G4: it does not lend that command.
    NotLent = 10,
}

impl Refusal {
    /// Every refusal.
    pub const ALL: [Self; 10] = [
        Self::Malformed,
        Self::NotTheClient,
        Self::ClaimMissing,
        Self::NotTheOwner,
        Self::Anonymous,
        Self::Unattested,
        Self::QuotaReached,
        Self::NoGrant,
        Self::NotTheGrantee,
        Self::NotLent,
    ];

    /// The refusal with this number.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Malformed),
            2 => Some(Self::NotTheClient),
            3 => Some(Self::ClaimMissing),
            4 => Some(Self::NotTheOwner),
            5 => Some(Self::Anonymous),
            6 => Some(Self::Unattested),
            7 => Some(Self::QuotaReached),
            8 => Some(Self::NoGrant),
            9 => Some(Self::NotTheGrantee),
            10 => Some(Self::NotLent),
            _ => None,
        }
    }

    /// What the client is told: never more than that it was refused (B16).
    ///
    /// `BUSY` where the same open may succeed later, once a session is closed.
    pub const fn result(self) -> TeeResult {
        match self {
            Self::Malformed => TeeResult::BAD_PARAMETERS,
            Self::QuotaReached => TeeResult::BUSY,
            Self::NotTheClient
            | Self::ClaimMissing
            | Self::NotTheOwner
            | Self::Anonymous
            | Self::Unattested
            | Self::NoGrant
            | Self::NotTheGrantee
            | Self::NotLent => TeeResult::ACCESS_DENIED,
        }
    }

    /// What the secure log says.
    pub const fn text(self) -> &'static core::ffi::CStr {
        match self {
            Self::Malformed => c"malformed claim",
            Self::NotTheClient => c"not the client of the session (B2)",
            Self::ClaimMissing => c"claim missing on an attested session (B13)",
            Self::NotTheOwner => c"another client owns the instance (B3)",
            Self::Anonymous => c"PUBLIC cannot own a bound TA (B7)",
            Self::Unattested => c"normal world does not attest its clients (B13)",
            Self::QuotaReached => c"the client has too many sessions (B19)",
            Self::NoGrant => c"no such grant, or it is over (G8)",
            Self::NotTheGrantee => c"the grant is somebody else's (G3)",
            Self::NotLent => c"the grant does not lend that command (G4)",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_refuses_and_says_why() {
        for (i, refusal) in Refusal::ALL.iter().enumerate() {
            assert_ne!(refusal.result(), TeeResult::SUCCESS);
            assert!(!refusal.text().is_empty());
            assert_eq!(Refusal::from_number(*refusal as u32), Some(*refusal));
            for other in &Refusal::ALL[i + 1..] {
                assert_ne!(refusal.text(), other.text());
                assert_ne!(*refusal as u32, *other as u32);
            }
        }
    }

    #[test]
    fn other_numbers_are_no_refusal() {
        for n in [0, Refusal::ALL.len() as u32 + 1, 1 << 16, u32::MAX] {
            assert_eq!(Refusal::from_number(n), None);
        }
    }

    #[test]
    fn identity_refusals_all_look_alike_to_the_client() {
        for refusal in Refusal::ALL {
            let expected = match refusal {
                Refusal::Malformed => TeeResult::BAD_PARAMETERS,
                Refusal::QuotaReached => TeeResult::BUSY,
                _ => TeeResult::ACCESS_DENIED,
            };
            assert_eq!(refusal.result(), expected);
        }
    }
}
