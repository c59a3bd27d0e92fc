// SPDX-License-Identifier: BSD-2-Clause
//! Numbers and wire layouts that the normal and the secure world share.
//!
//! What arrives from the normal world is a [`Claim`]: three words of a message
//! parameter. Only [`Claim::decode`] turns it into an [`Identity`].

#![no_std]
#![forbid(unsafe_code)]

/// cbindgen:ignore
pub mod delegation;
/// cbindgen:ignore
pub mod object;
/// cbindgen:ignore
pub mod pta;

/// Capability "the core verifies claims" in the secure world's answer to
/// `OPTEE_SMC_EXCHANGE_CAPABILITIES`.
///
/// Bit 30 keeps clear of the bits that upstream hands out from 0 upwards.
pub const OPTEE_SMC_SEC_CAP_CLIENT_BINDING: u32 = 1 << 30;

/// The same capability in the answer to `OPTEE_FFA_EXCHANGE_CAPABILITIES`.
pub const OPTEE_FFA_SEC_CAP_CLIENT_BINDING: u32 = 1 << 30;

/// TA header flag: an instance of this TA answers only to the client that owns it.
///
/// Goes into `struct ta_head.flags` (`user_ta_header.h`); bits 0 to 13 are upstream's.
pub const TA_FLAG_CLIENT_BOUND: u32 = 1 << 30;

/// Open only: invoke, cancel and close of this session will carry a claim.
///
/// Stands in the upper half of the login word, which a core without client
/// binding truncates to 32 bits.
pub const OPTEE_MSG_LOGIN_ATTESTED: u64 = 1 << 63;

/// Close only: the file descriptor or its kernel owner is gone; nobody is left to refuse.
pub const OPTEE_MSG_LOGIN_RELEASE: u64 = 1 << 62;

/// How a client identified itself: `TEE_LOGIN_*` of the GlobalPlatform TEE
/// Internal Core API (section "Login types"), OP-TEE's `TEE_LOGIN_REE_KERNEL`
/// and our `TEE_LOGIN_PROCESS`.
///
/// A newtype and not an enum: the number lives in memory that C writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Login(pub u32);

impl Login {
    /// No identity at all.
    pub const PUBLIC: Self = Self(0x0000_0000);
    /// UUIDv5 of `uid=<hex>`.
    pub const USER: Self = Self(0x0000_0001);
    /// UUIDv5 of `gid=<hex>`.
    pub const GROUP: Self = Self(0x0000_0002);
    /// UUIDv5 of `app=<measurement of the executable>`.
    pub const APPLICATION: Self = Self(0x0000_0004);
    /// UUIDv5 of `uid=<hex>:app=<measurement>`.
    pub const APPLICATION_USER: Self = Self(0x0000_0005);
    /// UUIDv5 of `gid=<hex>:app=<measurement>`.
    pub const APPLICATION_GROUP: Self = Self(0x0000_0006);
    /// The Linux kernel itself, nil UUID.
    pub const REE_KERNEL: Self = Self(0x8000_0000);
    /// One running process. The last of the numbers that the Internal Core API leaves to
    /// implementations, 0x80000000 to 0xEFFFFFFF; Linux keeps those below 0xC0000000 from
    /// user space (`TEE_IOCTL_LOGIN_REE_KERNEL_MAX`).
    pub const PROCESS: Self = Self(0xefff_ffff);
    /// Another TA; the UUID is that TA's.
    pub const TRUSTED_APP: Self = Self(0xf000_0000);

    /// The methods a message from the normal world may name.
    pub const NORMAL_WORLD: [Self; 8] = [
        Self::PUBLIC,
        Self::USER,
        Self::GROUP,
        Self::APPLICATION,
        Self::APPLICATION_USER,
        Self::APPLICATION_GROUP,
        Self::REE_KERNEL,
        Self::PROCESS,
    ];

    /// Whether it is a method at all: one of the normal world's, or that of a TA.
    pub const fn is_known(self) -> bool {
        Self::from_normal_world(self.0).is_some() || self.0 == Self::TRUSTED_APP.0
    }

    /// Whether the method comes with a client UUID of its own.
    pub const fn has_uuid(self) -> bool {
        !matches!(self, Self::PUBLIC | Self::REE_KERNEL)
    }

    const fn from_normal_world(number: u32) -> Option<Self> {
        match Self(number) {
            login @ (Self::PUBLIC
            | Self::USER
            | Self::GROUP
            | Self::APPLICATION
            | Self::APPLICATION_USER
            | Self::APPLICATION_GROUP
            | Self::REE_KERNEL
            | Self::PROCESS) => Some(login),
            _ => None,
        }
    }
}

/// A client UUID: its 16 octets in RFC 9562 order, loaded as the two words that
/// carry them in a message parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct ClientUuid(pub [u64; 2]);

impl ClientUuid {
    /// The nil UUID.
    pub const NIL: Self = Self([0, 0]);

    /// From octets in the order they are written out.
    pub const fn from_octets(octets: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = octets;
        Self([
            u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            u64::from_le_bytes([i, j, k, l, m, n, o, p]),
        ])
    }

    /// From a `TEE_UUID`, as its fields lie in the words of a little-endian core.
    pub const fn from_tee_uuid([low, mid_and_high, a, b]: [u32; 4]) -> Self {
        let mid_and_high = mid_and_high.swap_bytes().rotate_left(16);
        Self([
            (mid_and_high as u64) << 32 | low.swap_bytes() as u64,
            (b as u64) << 32 | a as u64,
        ])
    }
}

/// A client identity (`TEE_Identity`): login method and client UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// Login method.
    pub login: Login,
    /// Client UUID; nil where the method has none.
    pub uuid: ClientUuid,
}

impl Identity {
    /// An identity whose UUID is nil where `login` has none, whatever was given.
    pub const fn new(login: Login, uuid: ClientUuid) -> Self {
        let uuid = if login.has_uuid() {
            uuid
        } else {
            ClientUuid::NIL
        };
        Self { login, uuid }
    }
}

/// What a session is asked to do.
/// The numbers are those of the message commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Operation {
    /// `OPTEE_MSG_CMD_OPEN_SESSION`
    Open = 0,
    /// `OPTEE_MSG_CMD_INVOKE_COMMAND`
    Invoke = 1,
    /// `OPTEE_MSG_CMD_CLOSE_SESSION`
    Close = 2,
    /// `OPTEE_MSG_CMD_CANCEL`
    Cancel = 3,
}

impl Operation {
    /// All operations.
    pub const ALL: [Self; 4] = [Self::Open, Self::Invoke, Self::Close, Self::Cancel];

    /// The operation behind a message command's number.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Open),
            1 => Some(Self::Invoke),
            2 => Some(Self::Close),
            3 => Some(Self::Cancel),
            _ => None,
        }
    }

    const fn allowed_bits(self) -> u64 {
        match self {
            Self::Open => OPTEE_MSG_LOGIN_ATTESTED,
            Self::Close => OPTEE_MSG_LOGIN_RELEASE,
            Self::Invoke | Self::Cancel => 0,
        }
    }
}

/// An identity as the normal world states it: the words a, b and c of a META
/// `VALUE_INPUT` parameter, copied once out of shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Claim {
    /// Words a and b: the octets of the client UUID.
    pub uuid: ClientUuid,
    /// Word c: login method and `OPTEE_MSG_LOGIN_*` bits.
    pub login: u64,
}

/// A claim that was decoded and is well formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Who the normal world says is calling.
    pub identity: Identity,
    /// [`OPTEE_MSG_LOGIN_ATTESTED`] was set.
    pub attested: bool,
    /// [`OPTEE_MSG_LOGIN_RELEASE`] was set.
    pub release: bool,
}

impl Claim {
    /// `None` for a login method the normal world may not name and for a bit
    /// that means nothing on `operation`.
    pub const fn decode(&self, operation: Operation) -> Option<Decoded> {
        let bits = self.login & !(u32::MAX as u64);
        if bits & !operation.allowed_bits() != 0 {
            return None;
        }
        let Some(login) = Login::from_normal_world(self.login as u32) else {
            return None;
        };
        Some(Decoded {
            identity: Identity::new(login, self.uuid),
            attested: bits & OPTEE_MSG_LOGIN_ATTESTED != 0,
            release: bits & OPTEE_MSG_LOGIN_RELEASE != 0,
        })
    }
}

/// `TEE_Result` values of the GlobalPlatform TEE Internal Core API that a refusal turns into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct TeeResult(pub u32);

impl TeeResult {
    /// `TEE_SUCCESS`
    pub const SUCCESS: Self = Self(0x0000_0000);
    /// `TEE_ERROR_ACCESS_DENIED`
    pub const ACCESS_DENIED: Self = Self(0xffff_0001);
    /// `TEE_ERROR_ACCESS_CONFLICT`
    pub const ACCESS_CONFLICT: Self = Self(0xffff_0003);
    /// `TEE_ERROR_BAD_PARAMETERS`
    pub const BAD_PARAMETERS: Self = Self(0xffff_0006);
    /// `TEE_ERROR_BAD_STATE`
    pub const BAD_STATE: Self = Self(0xffff_0007);
    /// `TEE_ERROR_ITEM_NOT_FOUND`
    pub const ITEM_NOT_FOUND: Self = Self(0xffff_0008);
    /// `TEE_ERROR_NOT_SUPPORTED`
    pub const NOT_SUPPORTED: Self = Self(0xffff_000a);
    /// `TEE_ERROR_BUSY`
    pub const BUSY: Self = Self(0xffff_000d);
    /// `TEE_ERROR_COMMUNICATION`
    pub const COMMUNICATION: Self = Self(0xffff_000e);
    /// `TEE_ERROR_SHORT_BUFFER`
    pub const SHORT_BUFFER: Self = Self(0xffff_0010);
    /// `TEE_ERROR_TIMEOUT`, OP-TEE's own.
    pub const TIMEOUT: Self = Self(0xffff_3001);
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: ClientUuid = ClientUuid([0x1122_3344_5566_7788, 0x99aa_bbcc_ddee_ff00]);

    fn claim(login: u64) -> Claim {
        Claim { uuid: UUID, login }
    }

    #[test]
    fn octets_stand_in_memory_order() {
        let octets = core::array::from_fn(|i| i as u8);
        let words = ClientUuid::from_octets(octets).0;
        assert_eq!(words[0].to_le_bytes(), octets[..8]);
        assert_eq!(words[1].to_le_bytes(), octets[8..]);
    }

    /// 00112233-4455-6677-8899-aabbccddeeff, in both ways.
    #[test]
    fn the_fields_of_a_tee_uuid_are_its_octets() {
        let octets = core::array::from_fn(|i| 0x11 * i as u8);
        let words = [0x0011_2233, 0x6677_4455, 0xbbaa_9988, 0xffee_ddcc];
        assert_eq!(
            ClientUuid::from_tee_uuid(words),
            ClientUuid::from_octets(octets)
        );
    }

    #[test]
    fn every_normal_world_login_decodes_and_no_other() {
        // Every u32 would take long in debug builds; all small numbers, all single bits and their neighbours do.
        let numbers = (0..=0x1_0000_u32).chain((16..32).flat_map(|bit| {
            let n = 1_u32 << bit;
            [n - 1, n, n | 1, n | 0x7000_0000]
        }));
        let process = Login::PROCESS.0;
        let above = [process - 1, process, Login::TRUSTED_APP.0, u32::MAX];
        for n in numbers.chain(above) {
            let known = Login::NORMAL_WORLD.contains(&Login(n));
            let decoded = claim(n.into()).decode(Operation::Invoke);
            assert_eq!(decoded.is_some(), known, "{n:#x}");
            let is_ta = n == Login::TRUSTED_APP.0;
            assert_eq!(Login(n).is_known(), known || is_ta, "{n:#x}");
        }
    }

    #[test]
    fn each_high_bit_is_accepted_only_where_it_means_something() {
        for bit in 32..64 {
            for operation in Operation::ALL {
                let word = 1_u64 << bit;
                let meant = match operation {
                    Operation::Open => bit == 63,
                    Operation::Close => bit == 62,
                    _ => false,
                };
                let decoded = claim(word | 1).decode(operation);
                assert_eq!(decoded.is_some(), meant, "bit {bit} on {operation:?}");
                if let Some(decoded) = decoded {
                    assert_eq!(decoded.attested, bit == 63);
                    assert_eq!(decoded.release, bit == 62);
                    assert_eq!(decoded.identity, Identity::new(Login::USER, UUID));
                }
            }
        }
    }

    #[test]
    fn operation_numbers_go_there_and_back() {
        for n in 0..8 {
            let operation = Operation::from_number(n);
            assert_eq!(operation.map(|o| o as u32), (n < 4).then_some(n));
        }
    }

    /// Upstream hands out capabilities from bit 0 up, and had TA flags up to bit 13.
    #[test]
    fn our_bits_are_high_and_single() {
        for bit in [
            OPTEE_SMC_SEC_CAP_CLIENT_BINDING,
            OPTEE_FFA_SEC_CAP_CLIENT_BINDING,
            TA_FLAG_CLIENT_BOUND,
        ] {
            assert_eq!(bit, 0x4000_0000);
        }
        let words = [OPTEE_MSG_LOGIN_ATTESTED, OPTEE_MSG_LOGIN_RELEASE];
        assert_eq!(words, [0x8000_0000_0000_0000, 0x4000_0000_0000_0000]);
    }

    #[test]
    fn a_login_with_uuid_keeps_what_was_sent() {
        for login in Login::NORMAL_WORLD {
            let decoded = claim(login.0.into()).decode(Operation::Invoke).unwrap();
            let anonymous = [Login::PUBLIC, Login::REE_KERNEL].contains(&login);
            assert_eq!(decoded.identity.uuid == UUID, !anonymous, "{login:?}");
        }
    }

    #[test]
    fn a_login_without_uuid_drops_what_was_sent() {
        for login in [Login::PUBLIC, Login::REE_KERNEL] {
            let decoded = claim(login.0.into()).decode(Operation::Cancel).unwrap();
            assert_eq!(decoded.identity.uuid, ClientUuid::NIL);
            assert!(!decoded.attested && !decoded.release);
        }
    }
}
