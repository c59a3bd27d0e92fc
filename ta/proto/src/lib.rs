// SPDX-License-Identifier: BSD-2-Clause
//! What each TA and its clients agree on: UUIDs, command numbers, parameter
//! shapes and limits. One module per pair.

#![no_std]

pub mod bench;
pub mod calls;
pub mod probe;
pub mod relay;
pub mod signer;
pub mod vault;
pub mod vault_c;
pub mod whoami;

/// The UUID of a TA, in the order in which people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaUuid {
    /// The usual text form.
    pub text: &'static str,
    /// The same as octets.
    pub octets: [u8; 16],
}

impl TaUuid {
    /// Reads the usual text form; a malformed constant stops the build.
    const fn new(text: &'static str) -> Self {
        let Ok(uuid) = uuid::Uuid::try_parse(text) else {
            panic!("this is no UUID");
        };
        let octets = uuid.into_bytes();
        Self { text, octets }
    }
}

/// One of the four parameters of a command.
///
/// The numbers are those of `TEE_PARAM_TYPE_*`, of `TEEC_*` for temporary
/// memory and of `TEE_IOCTL_PARAM_ATTR_TYPE_*`: one shape serves all three APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Param {
    /// Unused.
    None = 0,
    /// Two numbers for the TA.
    ValueIn = 1,
    /// Two numbers from the TA.
    ValueOut = 2,
    /// Two numbers there and back.
    ValueInOut = 3,
    /// Octets for the TA.
    MemIn = 5,
    /// Room for octets from the TA.
    MemOut = 6,
    /// Octets there and back.
    MemInOut = 7,
}

/// The parameters of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape(pub [Param; 4]);

impl Shape {
    /// As `TEE_PARAM_TYPES` and `TEEC_PARAM_TYPES` pack it.
    pub const fn types(self) -> u32 {
        let [a, b, c, d] = self.0;
        a as u32 | (b as u32) << 4 | (c as u32) << 8 | (d as u32) << 12
    }
}

/// A command number that the TA does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownCommand(pub u32);

/// A table of commands: number and shape of each, and the checked way back.
macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident = $number:literal [$($param:ident),*],)*) => {
        /// The commands of this TA.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum Command { $($(#[$doc])* $name = $number,)* }

        impl Command {
            /// Every command, in order of number.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// What goes over the wire.
            pub const fn number(self) -> u32 {
                self as u32
            }

            /// The parameters the command takes.
            pub const fn shape(self) -> $crate::Shape {
                match self {
                    $(Self::$name => $crate::Shape([$($crate::Param::$param),*]),)*
                }
            }
        }

        impl TryFrom<u32> for Command {
            type Error = $crate::UnknownCommand;

            fn try_from(number: u32) -> Result<Self, Self::Error> {
                match number {
                    $($number => Ok(Self::$name),)*
                    _ => Err($crate::UnknownCommand(number)),
                }
            }
        }
    };
}
use commands;

/// The client as a TA sees it (`gpd.client.identity`), in the three output
/// values that every `WhoAmI` command answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `TEE_LOGIN_*`.
    pub login: u32,
    /// The client UUID, nil for logins without one.
    pub uuid: [u8; 16],
}

impl Identity {
    /// login, then the octets of the UUID as four big-endian numbers.
    pub fn to_values(self) -> [(u32, u32); 3] {
        let [a, b, c, d] = core::array::from_fn(|word| {
            u32::from_be_bytes(core::array::from_fn(|octet| self.uuid[word * 4 + octet]))
        });
        [(self.login, 0), (a, b), (c, d)]
    }

    /// The way back, at the client.
    pub fn from_values([(login, _), (a, b), (c, d)]: [(u32, u32); 3]) -> Self {
        let words = [a, b, c, d].map(u32::to_be_bytes);
        Self {
            login,
            uuid: core::array::from_fn(|octet| words[octet / 4][octet % 4]),
        }
    }
}

/// The pseudo TA that tells of instances and memory (`CFG_TA_STATS`); it takes sessions from anybody.
pub const STATS: TaUuid = TaUuid::new("d96a5b40-e2c7-b1af-8794-1002a5d5c61b");
/// `client_binding.lend`, where grants are made and taken back.
pub const LEND: TaUuid = TaUuid::new("93674269-d5fe-448f-a2f4-01fd310c91ab");
/// `client_binding.grant`, where what was lent is used.
pub const GRANT: TaUuid = TaUuid::new("f382b691-f352-4a3f-a9a6-cd4d9a067a9c");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuid_text_and_octets_agree() {
        let uuid = TaUuid::new("abfa79a1-ab1a-4690-a804-5b744a19130d");
        assert_eq!(
            uuid.octets,
            [
                0xab, 0xfa, 0x79, 0xa1, 0xab, 0x1a, 0x46, 0x90, 0xa8, 0x04, 0x5b, 0x74, 0x4a, 0x19,
                0x13, 0x0d
            ]
        );
    }

    #[test]
    fn every_ta_has_its_own_uuid() {
        let mut all = [whoami::UUID; 15];
        all[1..5].copy_from_slice(&[vault::UUID, vault_c::UUID, relay::UUID, signer::UUID]);
        all[5..7].copy_from_slice(&[vault_c::DECLARED, probe::DECLARED.uuid]);
        all[7..].copy_from_slice(&probe::FLAVOURS.map(|flavour| flavour.uuid));
        for (i, a) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|b| a.octets != b.octets));
        }
    }

    macro_rules! numbers_round_trip {
        ($pair:ident) => {
            for &command in $pair::Command::ALL {
                assert_eq!($pair::Command::try_from(command.number()), Ok(command));
            }
            for number in [0x0bad, u32::MAX] {
                assert_eq!(
                    $pair::Command::try_from(number),
                    Err(UnknownCommand(number))
                );
            }
        };
    }

    #[test]
    fn command_numbers_round_trip_and_unknown_ones_are_errors() {
        numbers_round_trip!(whoami);
        numbers_round_trip!(vault);
        numbers_round_trip!(relay);
        numbers_round_trip!(signer);
        numbers_round_trip!(probe);
    }

    #[test]
    fn shapes_pack_like_tee_param_types() {
        assert_eq!(vault::Command::Put.shape().types(), 0x0055);
        assert_eq!(vault::Command::Get.shape().types(), 0x0065);
        assert_eq!(whoami::Command::WhoAmI.shape().types(), 0x0222);
    }

    #[test]
    fn identity_survives_the_wire() {
        let identity = Identity {
            login: 0xf000_0000,
            uuid: core::array::from_fn(|i| i as u8 * 17),
        };
        let values = identity.to_values();
        assert_eq!(values[1], (0x0011_2233, 0x4455_6677));
        assert_eq!(Identity::from_values(values), identity);
    }
}
