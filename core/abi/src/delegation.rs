// SPDX-License-Identifier: BSD-2-Clause
//! The two pseudo TAs of delegation: who lends calls `client_binding.lend`, who was lent something opens a session to
//! `client_binding.grant`.
//!
//! The latter takes one parameter when it is opened, `VALUE_INPUT`: the two halves of a grant's number, the lower one in a. Its
//! commands are those of the TA that was lent, with that TA's parameters.
//!
//! The former has commands of its own. [`Command::Version`](crate::delegation::Command::Version) is the one to ask first: it stays as it
//! is, and the rest is as described here if it answers [`VERSION`](crate::delegation::VERSION). Records are structures of
//! little-endian numbers without padding.

use crate::pta::{
    MEMREF_INPUT, MEMREF_OUTPUT, NONE, VALUE_INOUT, VALUE_INPUT, VALUE_OUTPUT, from_octets, pair,
    param_types, to_octets, unpair,
};
use crate::{ClientUuid, Login};

/// UUID of `client_binding.lend`, in the order it is written out: `93674269-d5fe-448f-a2f4-01fd310c91ab`.
pub const LEND_UUID: [u8; 16] = [
    0x93, 0x67, 0x42, 0x69, 0xd5, 0xfe, 0x44, 0x8f, 0xa2, 0xf4, 0x01, 0xfd, 0x31, 0x0c, 0x91, 0xab,
];

/// UUID of `client_binding.grant`, in the order it is written out: `f382b691-f352-4a3f-a9a6-cd4d9a067a9c`.
pub const GRANT_UUID: [u8; 16] = [
    0xf3, 0x82, 0xb6, 0x91, 0xf3, 0x52, 0x4a, 0x3f, 0xa9, 0xa6, 0xcd, 0x4d, 0x9a, 0x06, 0x7a, 0x9c,
];

/// Version of commands, records and the numbers in them.
pub const VERSION: u32 = 3;

/// For ever, as a lifetime.
pub const FOREVER: u64 = u64::MAX;
/// Any number of uses.
pub const UNLIMITED: u32 = u32::MAX;
/// How often a grant may be passed on, at the most.
pub const MAX_DEPTH: u32 = 3;
/// How many commands a grant can name, or a TA allow.
pub const MAX_COMMANDS: usize = 8;

/// What can be asked of `client_binding.lend`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Command {
    /// Lends commands of a session.
    ///
    /// 0: `MEMREF_INPUT`, a [`Request`]. 1: `VALUE_OUTPUT`, the two halves of the grant's number, the lower one in a.
    Lend = 0,
    /// Takes a grant back, and with it all that was passed on from it. No command of those is let into the TA afterwards.
    ///
    /// 0: `VALUE_INPUT`, the two halves of its number, the lower one in a. 1: `VALUE_INOUT`: in, 1 in a if a command that is
    /// in the TA is to be cancelled, or 0; out, 1 in a if there is one, or 0. b is 0.
    Revoke = 1,
    /// What the caller may take back, as [`Listed`] records.
    ///
    /// 0: `MEMREF_OUTPUT`. If it is too short it gets `TEE_ERROR_SHORT_BUFFER` and the size that is needed; otherwise its size becomes that of
    /// what was written.
    List = 2,
    /// The [`VERSION`].
    ///
    /// 0: `VALUE_OUTPUT`, the version in a, 0 in b.
    Version = 3,
    /// From a TA: which commands of the session that it is serving may be lent, in place of those before.
    ///
    /// 0: `MEMREF_INPUT`, up to [`MAX_COMMANDS`] numbers.
    Allow = 4,
    /// From a TA: lets its instance go. When nobody has a session with it, and it has none with other TAs, it is nobody's: whoever opens
    /// it next owns it, and finds what the TA left in it.
    Disown = 5,
    /// How many grants there may be at a time.
    ///
    /// 0: `VALUE_OUTPUT`, in all in a, of the sessions of one client in b. 1: `VALUE_OUTPUT`, how many of the latter to one grantee in a, 0 in
    /// b.
    Limits = 6,
    /// Lends commands of a session that is a parameter: an object that the open file of the caller holds.
    ///
    /// 0 and 1: as of [`Lend`](Self::Lend); the request's own number is 0. 2: `VALUE_INPUT`, a [session](crate::object::Kind::Session).
    LendObject = 7,
}

impl Command {
    /// All commands.
    pub const ALL: [Self; 8] = [
        Self::Lend,
        Self::Revoke,
        Self::List,
        Self::Version,
        Self::Allow,
        Self::Disown,
        Self::Limits,
        Self::LendObject,
    ];

    /// The command with this number.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Lend),
            1 => Some(Self::Revoke),
            2 => Some(Self::List),
            3 => Some(Self::Version),
            4 => Some(Self::Allow),
            5 => Some(Self::Disown),
            6 => Some(Self::Limits),
            7 => Some(Self::LendObject),
            _ => None,
        }
    }

    /// The only parameter types it takes.
    pub const fn param_types(self) -> u32 {
        match self {
            Self::Lend => param_types([MEMREF_INPUT, VALUE_OUTPUT, NONE, NONE]),
            Self::Revoke => param_types([VALUE_INPUT, VALUE_INOUT, NONE, NONE]),
            Self::List => param_types([MEMREF_OUTPUT, NONE, NONE, NONE]),
            Self::Version => param_types([VALUE_OUTPUT, NONE, NONE, NONE]),
            Self::Allow => param_types([MEMREF_INPUT, NONE, NONE, NONE]),
            Self::Disown => param_types([NONE; 4]),
            Self::Limits => param_types([VALUE_OUTPUT, VALUE_OUTPUT, NONE, NONE]),
            Self::LendObject => param_types([MEMREF_INPUT, VALUE_OUTPUT, VALUE_INPUT, NONE]),
        }
    }
}

/// The only parameter types with which `client_binding.grant` is opened.
pub const GRANT_PARAM_TYPES: u32 = param_types([VALUE_INPUT, NONE, NONE, NONE]);

/// What is to be lent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Request {
    /// The grant that is passed on; 0 if it is a session that is lent.
    pub parent: u64,
    /// A number that the TA is told at each use. Of a grant that is passed on it stays as it was.
    pub badge: u64,
    /// For how many milliseconds, or [`FOREVER`].
    pub lifetime: u64,
    /// Client UUID of the grantee.
    pub grantee: ClientUuid,
    /// Number of the session. 0 from a TA, which lends what it is serving, and with a parent.
    pub session: u32,
    /// Login method of the grantee.
    pub login: u32,
    /// How often it may be used, or [`UNLIMITED`].
    pub uses: u32,
    /// How often it may be passed on.
    pub depth: u32,
    /// How many commands follow.
    pub count: u32,
    /// 0 or [`UNTIL_CLOSED`](Self::UNTIL_CLOSED).
    pub flags: u32,
    /// The commands. Those after `count` mean nothing.
    pub commands: [u32; MAX_COMMANDS],
}

impl Request {
    /// Size of the record.
    pub const SIZE: usize = 96;

    /// A flag: it ends when the grantee closes a session that is for it.
    pub const UNTIL_CLOSED: u32 = 1;

    /// These commands, at most [`MAX_COMMANDS`], to that client: any number of times, for ever. Of which session or grant they
    /// are is not said yet.
    pub fn new(login: Login, grantee: ClientUuid, commands: &[u32]) -> Option<Self> {
        let mut request = Self {
            lifetime: FOREVER,
            uses: UNLIMITED,
            login: login.0,
            grantee,
            count: commands.len() as u32,
            ..Self::default()
        };
        let room = request.commands.get_mut(..commands.len())?;
        room.copy_from_slice(commands);
        Some(request)
    }

    /// As it goes over the wire.
    pub fn to_octets(&self) -> [u8; Self::SIZE] {
        let [c0, c1, c2, c3, c4, c5, c6, c7] = self.commands;
        to_octets([
            self.parent,
            self.badge,
            self.lifetime,
            self.grantee.0[0],
            self.grantee.0[1],
            pair(self.session, self.login),
            pair(self.uses, self.depth),
            pair(self.count, self.flags),
            pair(c0, c1),
            pair(c2, c3),
            pair(c4, c5),
            pair(c6, c7),
        ])
    }

    /// As it came over the wire.
    pub fn from_octets(octets: &[u8; Self::SIZE]) -> Self {
        let [parent, badge, lifetime, g0, g1, words @ ..] = from_octets::<12, _>(octets);
        let [a, b, c, commands @ ..] = words.map(unpair);
        let [(c0, c1), (c2, c3), (c4, c5), (c6, c7)] = commands;
        Self {
            parent,
            badge,
            lifetime,
            grantee: ClientUuid([g0, g1]),
            session: a.0,
            login: a.1,
            uses: b.0,
            depth: b.1,
            count: c.0,
            flags: c.1,
            commands: [c0, c1, c2, c3, c4, c5, c6, c7],
        }
    }
}

/// A grant, as its maker and the operator see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its number.
    pub number: u64,
    /// That of the grant that it was passed on from, or 0.
    pub parent: u64,
    /// Its badge.
    pub badge: u64,
    /// How many milliseconds are left, or [`FOREVER`].
    pub left: u64,
    /// UUID of the TA.
    pub ta: ClientUuid,
    /// Client UUID of the session's client.
    pub owner: ClientUuid,
    /// Client UUID of the grantee.
    pub grantee: ClientUuid,
    /// Login method of the session's client.
    pub owner_login: Login,
    /// Login method of the grantee.
    pub grantee_login: Login,
    /// How many uses are left, or [`UNLIMITED`].
    pub uses: u32,
    /// How often it was used.
    pub used: u32,
    /// How often it may be passed on.
    pub depth: u32,
    /// Number of the session.
    pub session: u32,
    /// Bits: [`RUNNING`](Self::RUNNING), [`OVER`](Self::OVER).
    pub state: u32,
    /// How many commands follow.
    pub count: u32,
    /// The commands.
    pub commands: [u32; MAX_COMMANDS],
}

impl Listed {
    /// Size of the record.
    pub const SIZE: usize = 144;

    /// A command of it is in the TA.
    pub const RUNNING: u32 = 1;
    /// It lends nothing any more.
    pub const OVER: u32 = 1 << 1;

    /// As it goes over the wire.
    pub fn to_octets(&self) -> [u8; Self::SIZE] {
        let [c0, c1, c2, c3, c4, c5, c6, c7] = self.commands;
        let [ta, owner, grantee] = [self.ta.0, self.owner.0, self.grantee.0];
        to_octets([
            self.number,
            self.parent,
            self.badge,
            self.left,
            ta[0],
            ta[1],
            owner[0],
            owner[1],
            grantee[0],
            grantee[1],
            pair(self.owner_login.0, self.grantee_login.0),
            pair(self.uses, self.used),
            pair(self.depth, self.session),
            pair(self.state, self.count),
            pair(c0, c1),
            pair(c2, c3),
            pair(c4, c5),
            pair(c6, c7),
        ])
    }

    /// As it came over the wire.
    pub fn from_octets(octets: &[u8; Self::SIZE]) -> Self {
        let [
            number,
            parent,
            badge,
            left,
            t0,
            t1,
            o0,
            o1,
            g0,
            g1,
            words @ ..,
        ] = from_octets::<18, _>(octets);
        let [logins, uses, depth, state, commands @ ..] = words.map(unpair);
        let [(c0, c1), (c2, c3), (c4, c5), (c6, c7)] = commands;
        Self {
            number,
            parent,
            badge,
            left,
            ta: ClientUuid([t0, t1]),
            owner: ClientUuid([o0, o1]),
            grantee: ClientUuid([g0, g1]),
            owner_login: Login(logins.0),
            grantee_login: Login(logins.1),
            uses: uses.0,
            used: uses.1,
            depth: depth.0,
            session: depth.1,
            state: state.0,
            count: state.1,
            commands: [c0, c1, c2, c3, c4, c5, c6, c7],
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
    fn a_request_stands_where_it_is_documented() {
        let octets = octets();
        let request = Request::from_octets(&octets);
        let expected = Request {
            parent: u64_at(&octets, 0),
            badge: u64_at(&octets, 8),
            lifetime: u64_at(&octets, 16),
            grantee: uuid_at(&octets, 24),
            session: u32_at(&octets, 40),
            login: u32_at(&octets, 44),
            uses: u32_at(&octets, 48),
            depth: u32_at(&octets, 52),
            count: u32_at(&octets, 56),
            flags: u32_at(&octets, 60),
            commands: core::array::from_fn(|i| u32_at(&octets, 64 + 4 * i)),
        };
        assert_eq!(request, expected);
        assert_eq!(request.to_octets(), octets);
    }

    #[test]
    fn a_new_request_is_for_ever_and_has_room_for_eight_commands() {
        let grantee = ClientUuid([1, 2]);
        let eight = [1, 2, 3, 4, 5, 6, 7, 8];
        let request = Request::new(Login::GROUP, grantee, &eight[..3]).unwrap();
        let expected = Request {
            lifetime: FOREVER,
            uses: UNLIMITED,
            grantee,
            login: 2,
            count: 3,
            commands: [1, 2, 3, 0, 0, 0, 0, 0],
            ..Request::default()
        };
        assert_eq!(request, expected);
        let request = Request::new(Login::USER, grantee, &eight).unwrap();
        assert_eq!((request.count, request.commands), (8, eight));
        assert_eq!(Request::new(Login::USER, grantee, &[0; 9]), None);
    }

    #[test]
    fn a_grant_stands_where_it_is_documented() {
        let octets = octets();
        let listed = Listed::from_octets(&octets);
        let expected = Listed {
            number: u64_at(&octets, 0),
            parent: u64_at(&octets, 8),
            badge: u64_at(&octets, 16),
            left: u64_at(&octets, 24),
            ta: uuid_at(&octets, 32),
            owner: uuid_at(&octets, 48),
            grantee: uuid_at(&octets, 64),
            owner_login: Login(u32_at(&octets, 80)),
            grantee_login: Login(u32_at(&octets, 84)),
            uses: u32_at(&octets, 88),
            used: u32_at(&octets, 92),
            depth: u32_at(&octets, 96),
            session: u32_at(&octets, 100),
            state: u32_at(&octets, 104),
            count: u32_at(&octets, 108),
            commands: core::array::from_fn(|i| u32_at(&octets, 112 + 4 * i)),
        };
        assert_eq!(listed, expected);
        assert_eq!(listed.to_octets(), octets);
    }

    /// `tee_internal_api.h` of OP-TEE: VALUE_INPUT is 1, VALUE_OUTPUT 2, VALUE_INOUT 3, MEMREF_INPUT 5, MEMREF_OUTPUT 6.
    #[test]
    fn each_command_has_its_number_and_its_types() {
        for n in 0..9 {
            let command = Command::from_number(n);
            let known = Command::ALL.get(n as usize).copied();
            assert_eq!(command, known);
            assert_eq!(command.map(|c| c as u32), known.map(|_| n));
        }
        let types = [
            0x0025, 0x0031, 0x0006, 0x0002, 0x0005, 0x0000, 0x0022, 0x0125,
        ];
        assert_eq!(Command::ALL.map(Command::param_types), types);
        assert_eq!(GRANT_PARAM_TYPES, 0x0001);
    }

    /// Version 4 and variant of RFC 9562: random ones.
    #[test]
    fn the_uuids_are_random_ones() {
        for uuid in [LEND_UUID, GRANT_UUID, crate::pta::UUID] {
            assert_eq!((uuid[6] >> 4, uuid[8] >> 6), (4, 2));
        }
    }
}
