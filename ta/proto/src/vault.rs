// SPDX-License-Identifier: BSD-2-Clause
//! `vault`: keeps small named secrets in memory for the one client it is bound to.

use crate::{TaUuid, commands};

/// The TA's UUID.
pub const UUID: TaUuid = TaUuid::new("da2865b7-72bf-45d3-a678-7fdd24616a37");

/// Longest name of a secret.
pub const NAME_MAX: usize = 32;
/// Longest secret.
pub const SECRET_MAX: usize = 1024;
/// Number of secrets.
pub const CAPACITY: usize = 16;
/// Room for the answer to [`Command::List`]: each name with its line end.
pub const LIST_MAX: usize = CAPACITY * (NAME_MAX + 1);

commands! {
    /// Name, secret of 1 to [`SECRET_MAX`] octets. Replaces what was there.
    Put = 0 [MemIn, MemIn, None, None],
    /// Name, room for the secret. A short buffer tells the size it should have had. It can be lent: a grant's badge is the
    /// [number](Self::Number) of the one secret that the grantee gets, by its name or without a name. Any other name is
    /// answered with `TEE_ERROR_ACCESS_DENIED`.
    Get = 1 [MemIn, MemOut, None, None],
    /// Names, each followed by a line end. A short buffer tells the size it should have had.
    List = 2 [MemOut, None, None, None],
    /// Name.
    Delete = 3 [MemIn, None, None, None],
    /// Answers with open sessions in `a` and secrets in `b`.
    Status = 4 [ValueOut, None, None, None],
    /// Answers with the three values of [`crate::Identity`].
    WhoAmI = 5 [ValueOut, ValueOut, ValueOut, None],
    /// Name. Answers with the secret's number, its lower half in `a`. It stays when the secret is put anew, and is no other's before the
    /// vault's instance ends.
    Number = 6 [MemIn, ValueOut, None, None],
    /// For tests: waits for `a` milliseconds unless cancelled.
    Wait = 0x7000 [ValueIn, None, None, None],
}

/// What the vault answers when it cannot do as told. Its codes come with the
/// origin "trusted app" and differ from each other, so a client can tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Refusal {
    /// The name is empty, too long or has characters outside `A-Z a-z 0-9 . _ -`: `TEE_ERROR_BAD_FORMAT`.
    BadName = 0xffff_0005,
    /// The secret is longer than [`SECRET_MAX`]: `TEE_ERROR_EXCESS_DATA`.
    TooLarge = 0xffff_0004,
    /// There are [`CAPACITY`] secrets already: `TEE_ERROR_STORAGE_NO_SPACE`.
    Full = 0xffff_3041,
    /// No secret has this name: `TEE_ERROR_ITEM_NOT_FOUND`.
    NotFound = 0xffff_0008,
    /// The secret is empty: `TEE_ERROR_NO_DATA`.
    Empty = 0xffff_000b,
}

impl Refusal {
    /// Every refusal.
    pub const ALL: [Self; 5] = [
        Self::BadName,
        Self::TooLarge,
        Self::Full,
        Self::NotFound,
        Self::Empty,
    ];

    /// The `TEE_ERROR_*` number.
    pub const fn code(self) -> u32 {
        self as u32
    }

    /// The refusal behind a code with origin "trusted app".
    pub fn from_code(code: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.code() == code)
    }
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::BadName => write!(
                f,
                "a name has 1 to {NAME_MAX} characters out of A-Z a-z 0-9 . _ -"
            ),
            Self::TooLarge => write!(f, "a secret has at most {SECRET_MAX} octets"),
            Self::Full => write!(f, "the vault is full: delete one of its {CAPACITY} secrets"),
            Self::NotFound => f.write_str("no secret has this name"),
            Self::Empty => f.write_str("a secret cannot be empty"),
        }
    }
}

/// Whether `name` may name a secret.
pub fn name_is_valid(name: &[u8]) -> bool {
    (1..=NAME_MAX).contains(&name.len())
        && name
            .iter()
            .all(|c| c.is_ascii_alphanumeric() || b"._-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        extern crate std;
        for good in ["a", "disk-key.1_B", &"x".repeat(NAME_MAX)] {
            assert!(name_is_valid(good.as_bytes()), "{good}");
        }
        for bad in ["", "a b", "a\n", "a/b", "ä", &"x".repeat(NAME_MAX + 1)] {
            assert!(!name_is_valid(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn refusals_round_trip() {
        for refusal in Refusal::ALL {
            assert_eq!(Refusal::from_code(refusal.code()), Some(refusal));
        }
        assert_eq!(Refusal::from_code(0xffff_0001), None);
    }
}
