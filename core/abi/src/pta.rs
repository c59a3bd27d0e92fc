// SPDX-License-Identifier: BSD-2-Clause
//! `client_binding.pta`: what the secure world tells the kernel and root of owners and refusals.
//!
//! Commands only read. [`Command::Version`](crate::pta::Command::Version) is the one to ask first: it stays as it is,
//! and the rest is as described here if it answers [`VERSION`](crate::pta::VERSION). Parameter 0 of the others is a
//! buffer for records, which are structures of little-endian numbers without padding. A buffer that is too short gets
//! `TEE_ERROR_SHORT_BUFFER` and the size that is needed; otherwise its size becomes that of what was written.

use crate::{ClientUuid, Login};

/// The UUID, in the order it is written out: `55954ecb-456c-4c1c-b842-66156832f6ad`.
pub const UUID: [u8; 16] = [
    0x55, 0x95, 0x4e, 0xcb, 0x45, 0x6c, 0x4c, 0x1c, 0xb8, 0x42, 0x66, 0x15, 0x68, 0x32, 0xf6, 0xad,
];

/// Version of commands, records and the numbers in them. An OP-TEE that does not know [`Command::Version`] has none.
pub const VERSION: u32 = 2;

pub(crate) const NONE: u32 = 0;
pub(crate) const VALUE_INPUT: u32 = 1;
pub(crate) const VALUE_OUTPUT: u32 = 2;
pub(crate) const VALUE_INOUT: u32 = 3;
pub(crate) const MEMREF_INPUT: u32 = 5;
pub(crate) const MEMREF_OUTPUT: u32 = 6;

/// `TEE_PARAM_TYPES()`
pub(crate) const fn param_types(types: [u32; 4]) -> u32 {
    types[0] | types[1] << 4 | types[2] << 8 | types[3] << 12
}

/// What the PTA can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Command {
    /// All instances of TAs, as [`Instance`] records.
    ///
    /// 0: `MEMREF_OUTPUT`.
    Instances = 0,
    /// Refusals after one whose number the caller knows, as [`Denial`] records from the oldest to the newest.
    ///
    /// 0: `MEMREF_OUTPUT`. 1: `VALUE_INOUT`, two halves of a 64-bit number, the lower one in a: in, the last
    /// refusal that the caller knows (0 for none); out, how many after that are lost because newer ones took their place.
    Denials = 1,
    /// What was counted since boot, as one [`Counters`] record.
    ///
    /// 0: `MEMREF_OUTPUT`.
    Counters = 2,
    /// The [`VERSION`].
    ///
    /// 0: `VALUE_OUTPUT`, the version in a, 0 in b.
    Version = 3,
}

impl Command {
    /// All commands.
    pub const ALL: [Self; 4] = [
        Self::Instances,
        Self::Denials,
        Self::Counters,
        Self::Version,
    ];

    /// The command with this number.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Instances),
            1 => Some(Self::Denials),
            2 => Some(Self::Counters),
            3 => Some(Self::Version),
            _ => None,
        }
    }

    /// The only parameter types it takes.
    pub const fn param_types(self) -> u32 {
        match self {
            Self::Instances | Self::Counters => param_types([MEMREF_OUTPUT, NONE, NONE, NONE]),
            Self::Denials => param_types([MEMREF_OUTPUT, VALUE_INOUT, NONE, NONE]),
            Self::Version => param_types([VALUE_OUTPUT, NONE, NONE, NONE]),
        }
    }
}

/// How many refusals that differ are kept.
pub const KEPT: usize = 64;

/// Two 32-bit numbers, one after the other.
pub const fn pair(first: u32, second: u32) -> u64 {
    first as u64 | (second as u64) << 32
}

/// And back.
pub const fn unpair(word: u64) -> (u32, u32) {
    (word as u32, (word >> 32) as u32)
}

pub(crate) fn to_octets<const WORDS: usize, const SIZE: usize>(words: [u64; WORDS]) -> [u8; SIZE] {
    const { assert!(SIZE == WORDS * 8) };
    let mut octets = [0; SIZE];
    for (octets, word) in octets.as_chunks_mut().0.iter_mut().zip(words) {
        *octets = word.to_le_bytes();
    }
    octets
}

pub(crate) fn from_octets<const WORDS: usize, const SIZE: usize>(
    octets: &[u8; SIZE],
) -> [u64; WORDS] {
    const { assert!(SIZE == WORDS * 8) };
    let mut words = [0; WORDS];
    for (word, octets) in words.iter_mut().zip(octets.as_chunks().0) {
        *word = u64::from_le_bytes(*octets);
    }
    words
}

/// An instance of a TA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instance {
    /// UUID of the TA.
    pub ta: ClientUuid,
    /// Client UUID of the owner. Nil if there is none, or if the login method has none.
    pub owner: ClientUuid,
    /// Login method to that UUID.
    pub login: Login,
    /// Whether there is an owner: [`FREE`](Self::FREE), [`OWNED`](Self::OWNED) or [`DISOWNED`](Self::DISOWNED).
    pub ownership: u32,
    /// Why it is bound, 0 if it is not: the number of a `Binding` of the policy.
    pub binding: u32,
    /// `TA_FLAG_*` of its header.
    pub ta_flags: u32,
    /// Sessions, among them those whose open is under way.
    pub sessions: u32,
    /// Bits: [`USER_TA`](Self::USER_TA), [`PANICKED`](Self::PANICKED), [`LOADING`](Self::LOADING).
    pub state: u32,
}

impl Instance {
    /// Size of the record.
    pub const SIZE: usize = 56;

    /// Nobody's.
    pub const FREE: u32 = 0;
    /// An open has succeeded. 1 was: the first one is under way.
    pub const OWNED: u32 = 2;
    /// The TA has let it go: the owner's for as long as there are sessions, then whose the next open is.
    pub const DISOWNED: u32 = 3;

    /// A user TA, not a pseudo TA.
    pub const USER_TA: u32 = 1;
    /// The TA has panicked.
    pub const PANICKED: u32 = 1 << 1;
    /// The TA is being loaded; its flags and its binding are not known yet.
    pub const LOADING: u32 = 1 << 2;

    /// As it goes over the wire.
    pub fn to_octets(&self) -> [u8; Self::SIZE] {
        let [ta, owner] = [self.ta.0, self.owner.0];
        to_octets([
            ta[0],
            ta[1],
            owner[0],
            owner[1],
            pair(self.login.0, self.ownership),
            pair(self.binding, self.ta_flags),
            pair(self.sessions, self.state),
        ])
    }

    /// As it came over the wire.
    pub fn from_octets(octets: &[u8; Self::SIZE]) -> Self {
        let [ta0, ta1, owner0, owner1, a, b, c] = from_octets(octets);
        let [(login, ownership), (binding, ta_flags), (sessions, state)] = [a, b, c].map(unpair);
        Self {
            ta: ClientUuid([ta0, ta1]),
            owner: ClientUuid([owner0, owner1]),
            login: Login(login),
            ownership,
            binding,
            ta_flags,
            sessions,
            state,
        }
    }
}

/// Refusals that came one after the other and were alike.
///
/// A reader who knows some of them, because more came later, gets them all once more: new are those after the last
/// number it knew. Who the refused client is stands nowhere (B16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Number of the first one since boot, from 1.
    pub first: u64,
    /// Number of the last one.
    pub last: u64,
    /// When the first one was, in milliseconds of the secure world's system time.
    pub first_time: u64,
    /// When the last one was.
    pub last_time: u64,
    /// UUID of the TA; nil if the session was not tied to one yet.
    pub ta: ClientUuid,
    /// What was refused: the number of an [`Operation`](crate::Operation).
    pub operation: u32,
    /// Why: the number of a `Refusal` of the policy.
    pub refusal: u32,
    /// Login method of the claim; PUBLIC where none came. Anything, if the claim was malformed.
    pub claim: Login,
    /// Login method of the session's client, or of the instance's owner for an open; PUBLIC where there is none.
    pub owner: Login,
    /// The number of the grant that was used, whether there is such a grant or not; 0 if none was.
    pub grant: u64,
}

impl Denial {
    /// Size of the record.
    pub const SIZE: usize = 72;

    /// As it goes over the wire.
    pub fn to_octets(&self) -> [u8; Self::SIZE] {
        to_octets([
            self.first,
            self.last,
            self.first_time,
            self.last_time,
            self.ta.0[0],
            self.ta.0[1],
            pair(self.operation, self.refusal),
            pair(self.claim.0, self.owner.0),
            self.grant,
        ])
    }

    /// As it came over the wire.
    pub fn from_octets(octets: &[u8; Self::SIZE]) -> Self {
        let [first, last, first_time, last_time, ta0, ta1, a, b, grant] = from_octets(octets);
        let [(operation, refusal), (claim, owner)] = [a, b].map(unpair);
        Self {
            first,
            last,
            first_time,
            last_time,
            ta: ClientUuid([ta0, ta1]),
            operation,
            refusal,
            claim: Login(claim),
            owner: Login(owner),
            grant,
        }
    }
}

/// What was refused since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// All refusals, which is the number of the last one.
    pub refusals: u64,
    /// By the number of the operation.
    pub by_operation: [u64; 4],
    /// By the number of the refusal; there is none with number 0.
    pub by_refusal: [u64; 16],
}

impl Counters {
    /// Size of the record.
    pub const SIZE: usize = 168;

    /// As it goes over the wire.
    pub fn to_octets(&self) -> [u8; Self::SIZE] {
        let mut words = [0; 21];
        let [refusals, o0, o1, o2, o3, by_refusal @ ..] = &mut words;
        *refusals = self.refusals;
        [*o0, *o1, *o2, *o3] = self.by_operation;
        *by_refusal = self.by_refusal;
        to_octets(words)
    }

    /// As it came over the wire.
    pub fn from_octets(octets: &[u8; Self::SIZE]) -> Self {
        let [refusals, o0, o1, o2, o3, by_refusal @ ..] = from_octets::<21, _>(octets);
        Self {
            refusals,
            by_operation: [o0, o1, o2, o3],
            by_refusal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each octet differs from its neighbours, so that none can be in a wrong place.
    fn octets<const SIZE: usize>() -> [u8; SIZE] {
        core::array::from_fn(|i| i as u8 ^ 0xa5)
    }

    fn u32_at(octets: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(octets[at..at + 4].try_into().unwrap())
    }

    fn u64_at(octets: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(octets[at..at + 8].try_into().unwrap())
    }

    fn uuid_at(octets: &[u8], at: usize) -> ClientUuid {
        ClientUuid::from_octets(octets[at..at + 16].try_into().unwrap())
    }

    #[test]
    fn an_instance_stands_where_it_is_documented() {
        let octets = octets();
        let instance = Instance::from_octets(&octets);
        let expected = Instance {
            ta: uuid_at(&octets, 0),
            owner: uuid_at(&octets, 16),
            login: Login(u32_at(&octets, 32)),
            ownership: u32_at(&octets, 36),
            binding: u32_at(&octets, 40),
            ta_flags: u32_at(&octets, 44),
            sessions: u32_at(&octets, 48),
            state: u32_at(&octets, 52),
        };
        assert_eq!(instance, expected);
        assert_eq!(instance.to_octets(), octets);
    }

    #[test]
    fn a_denial_stands_where_it_is_documented() {
        let octets = octets();
        let denial = Denial::from_octets(&octets);
        let expected = Denial {
            first: u64_at(&octets, 0),
            last: u64_at(&octets, 8),
            first_time: u64_at(&octets, 16),
            last_time: u64_at(&octets, 24),
            ta: uuid_at(&octets, 32),
            operation: u32_at(&octets, 48),
            refusal: u32_at(&octets, 52),
            claim: Login(u32_at(&octets, 56)),
            owner: Login(u32_at(&octets, 60)),
            grant: u64_at(&octets, 64),
        };
        assert_eq!(denial, expected);
        assert_eq!(denial.to_octets(), octets);
    }

    #[test]
    fn counters_stand_where_they_are_documented() {
        let octets = octets();
        let counters = Counters::from_octets(&octets);
        let expected = Counters {
            refusals: u64_at(&octets, 0),
            by_operation: core::array::from_fn(|i| u64_at(&octets, 8 + 8 * i)),
            by_refusal: core::array::from_fn(|i| u64_at(&octets, 40 + 8 * i)),
        };
        assert_eq!(counters, expected);
        assert_eq!(counters.to_octets(), octets);
    }

    /// `tee_internal_api.h` of OP-TEE: MEMREF_OUTPUT is 6, VALUE_INOUT is 3, VALUE_OUTPUT is 2.
    #[test]
    fn each_command_has_its_number_and_its_types() {
        let types = [0x0006, 0x0036, 0x0006, 0x0002];
        for n in 0..6 {
            let command = Command::from_number(n);
            let known = Command::ALL.get(n as usize).copied();
            assert_eq!(command, known);
            assert_eq!(command.map(|c| c as u32), known.map(|_| n));
        }
        assert_eq!(Command::ALL.map(Command::param_types), types);
        assert_eq!(param_types([1, 2, 3, 4]), 0x4321);
    }

    #[test]
    fn what_is_said_of_an_instance_keeps_its_number() {
        assert_eq!(
            [Instance::FREE, Instance::OWNED, Instance::DISOWNED],
            [0, 2, 3]
        );
        let bits = [Instance::USER_TA, Instance::PANICKED, Instance::LOADING];
        assert_eq!(bits, [1, 2, 4]);
    }

    /// Version 4 and variant of RFC 9562: a random one.
    #[test]
    fn the_uuid_is_a_random_one() {
        assert_eq!((UUID[6] >> 4, UUID[8] >> 6), (4, 2));
    }
}
