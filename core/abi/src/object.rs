// SPDX-License-Identifier: BSD-2-Clause
//! Objects of a client's that a TA is given: how the normal world says which parameters are some, and `client_binding.object`, the
//! pseudo TA by which a TA calls them.
//!
//! A kind has four bits. Those of the nth parameter of a command are bits 32 + 4n and following of the login word of its claim, if the secure
//! world has announced [`OPTEE_SMC_SEC_CAP_OBJECTS`](crate::object::OPTEE_SMC_SEC_CAP_OBJECTS). An object comes to the TA as a `VALUE_INPUT`.

use crate::pta::{
    MEMREF_INPUT, MEMREF_OUTPUT, NONE, VALUE_INOUT, VALUE_INPUT, VALUE_OUTPUT, param_types,
};

/// Capability "claims may say which parameters are objects", beside
/// [`OPTEE_SMC_SEC_CAP_CLIENT_BINDING`](crate::OPTEE_SMC_SEC_CAP_CLIENT_BINDING).
pub const OPTEE_SMC_SEC_CAP_OBJECTS: u32 = 1 << 29;

/// The same capability in the answer to `OPTEE_FFA_EXCHANGE_CAPABILITIES`.
pub const OPTEE_FFA_SEC_CAP_OBJECTS: u32 = 1 << 29;

/// Where the kinds begin in the login word of a claim.
pub const OPTEE_MSG_LOGIN_OBJECTS_SHIFT: u32 = 32;

/// What a parameter is. The numbers are those of `OPTEE_OBJREF_*` in Linux' `include/uapi/linux/optee.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// No object: what it is without kinds.
    Plain = 0,
    /// A session that the open file of the caller holds. a: its number, b: 0.
    Session = 1,
    /// An object of the caller's own, which can be called as long as the command runs. a: the number that the caller has given it, b: 0.
    Callback = 2,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Session, Self::Callback];

    /// The kind with this number.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Plain),
            1 => Some(Self::Session),
            2 => Some(Self::Callback),
            _ => None,
        }
    }
}

/// UUID of `client_binding.object`, in the order it is written out: `68f823af-c488-497f-aff5-26b70ff8ad45`.
pub const UUID: [u8; 16] = [
    0x68, 0xf8, 0x23, 0xaf, 0xc4, 0x88, 0x49, 0x7f, 0xaf, 0xf5, 0x26, 0xb7, 0x0f, 0xf8, 0xad, 0x45,
];

/// Version of commands and the numbers in them.
pub const VERSION: u32 = 1;

/// How many octets a call takes, each way.
pub const MAX_OCTETS: u64 = 4096;
/// How many milliseconds a client has for an answer, at the most: ten minutes.
pub const MAX_MILLIS: u32 = 600_000;

/// What a TA can ask of `client_binding.object`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Command {
    /// Calls an object of the client whose command the TA is serving.
    ///
    /// 0: `VALUE_INPUT`, in a which parameter of that command it is, in b the operation. 1: `MEMREF_INPUT`, octets for the client. 2:
    /// `MEMREF_OUTPUT`, room for its answer, and then the size of that. 3: `VALUE_INOUT`, in a how many milliseconds it has, from 1 to
    /// [`MAX_MILLIS`], and then its result; b is 0.
    Call = 0,
    /// The [`VERSION`].
    ///
    /// 0: `VALUE_OUTPUT`, the version in a, 0 in b.
    Version = 1,
}

impl Command {
    /// All commands.
    pub const ALL: [Self; 2] = [Self::Call, Self::Version];

    /// The command with this number.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Call),
            1 => Some(Self::Version),
            _ => None,
        }
    }

    /// The only parameter types it takes.
    pub const fn param_types(self) -> u32 {
        match self {
            Self::Call => param_types([VALUE_INPUT, MEMREF_INPUT, MEMREF_OUTPUT, VALUE_INOUT]),
            Self::Version => param_types([VALUE_OUTPUT, NONE, NONE, NONE]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_its_meaning() {
        for n in 0..16 {
            let kind = Kind::from_number(n);
            assert_eq!(kind, Kind::ALL.get(n as usize).copied());
            assert_eq!(kind.map(|kind| kind as u32), kind.map(|_| n));
            let command = Command::from_number(n);
            assert_eq!(command, Command::ALL.get(n as usize).copied());
            assert_eq!(command.map(|command| command as u32), command.map(|_| n));
        }
        assert_eq!(Command::ALL.map(Command::param_types), [0x3651, 0x0002]);
    }

    /// Version 4 and variant of RFC 9562: a random one.
    #[test]
    fn the_uuid_is_a_random_one() {
        assert_eq!((UUID[6] >> 4, UUID[8] >> 6), (4, 2));
    }
}
