// SPDX-License-Identifier: BSD-2-Clause
//! What can go wrong, by name.

use client_binding_raw::code::{
    TEE_ERROR_ACCESS_CONFLICT, TEE_ERROR_ACCESS_DENIED, TEE_ERROR_BAD_PARAMETERS, TEE_ERROR_BUSY,
    TEE_ERROR_CANCEL, TEE_ERROR_COMMUNICATION, TEE_ERROR_GENERIC, TEE_ERROR_ITEM_NOT_FOUND,
    TEE_ERROR_NOT_SUPPORTED, TEE_ERROR_OUT_OF_MEMORY, TEE_ERROR_SHORT_BUFFER,
    TEE_ERROR_TARGET_DEAD, TEE_ORIGIN_API, TEE_ORIGIN_COMMS, TEE_ORIGIN_TEE,
    TEE_ORIGIN_TRUSTED_APP,
};
use nix::errno::Errno;
use std::fmt;

/// Which layer a failure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This library.
    Api,
    /// The way to the TEE: the kernel and its driver.
    Comms,
    /// The TEE itself; the TA was not entered.
    Tee,
    /// The TA.
    TrustedApp,
    /// None that the specification knows.
    Unknown(u32),
}

impl From<u32> for Origin {
    fn from(number: u32) -> Self {
        match number {
            TEE_ORIGIN_API => Self::Api,
            TEE_ORIGIN_COMMS => Self::Comms,
            TEE_ORIGIN_TEE => Self::Tee,
            TEE_ORIGIN_TRUSTED_APP => Self::TrustedApp,
            _ => Self::Unknown(number),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api => f.write_str("the client library"),
            Self::Comms => f.write_str("the driver"),
            Self::Tee => f.write_str("the TEE"),
            Self::TrustedApp => f.write_str("the TA"),
            Self::Unknown(number) => write!(f, "unknown origin {number}"),
        }
    }
}

/// An error number without a name of its own in [`Error`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Code(pub(crate) u32);

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error {self:?}")
    }
}

/// Why something failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No TEE device could be opened.
    NoTee,
    /// This client may not do that: another owner, another login, not a member of the group.
    AccessDenied {
        /// Who says so.
        origin: Origin,
    },
    /// The TA crashed, now or earlier.
    TargetDead {
        /// Who says so.
        origin: Origin,
    },
    /// The TA serves one session, and it is taken.
    Busy {
        /// Who says so.
        origin: Origin,
    },
    /// There is no such TA, or the TA has no such thing.
    NotFound {
        /// Who says so.
        origin: Origin,
    },
    /// The command was cancelled.
    Cancelled {
        /// Who says so.
        origin: Origin,
    },
    /// Memory ran out.
    OutOfMemory {
        /// Whose.
        origin: Origin,
    },
    /// The parameters don't suit the command, or the session is gone.
    BadParameters {
        /// Who says so.
        origin: Origin,
    },
    /// An output buffer was too small.
    ShortBuffer {
        /// The size that each of the four should have had.
        needed: [usize; 4],
    },
    /// Whoever calls is not a member of the group that the login names.
    NotAMember {
        /// The group.
        gid: u32,
    },
    /// This OP-TEE was built without delegation.
    NoDelegation,
    /// More than the TA allows to be lent, or than was lent to who passes it on.
    TooMuchLent,
    /// What is lent for a time needs a clock that the normal world cannot set, and this platform has none.
    NoClock,
    /// There are as many grants as there may be: in all, of this client, or to that grantee.
    TooManyGrants,
    /// The kernel did not pass it on, for a reason that has no name of its own here.
    Kernel {
        /// The reason, `E...` of errno(3).
        errno: i32,
    },
    /// This kernel's driver has no objects, or other ones: `CONFIG_OPTEE_OBJECTS` of our driver for Linux 6.18 and later. Of objects that
    /// a TA is given: or OP-TEE knows none, without `CFG_CLIENT_BINDING_OBJECTS`.
    NoObjects,
    /// This kernel knows no limits: `CONFIG_TEE_CLIENT_LIMIT` of our driver.
    CannotLimit,
    /// The TEE could not be reached.
    Communication {
        /// Who says so.
        origin: Origin,
    },
    /// Anything else.
    Other {
        /// The number.
        code: Code,
        /// Who says so.
        origin: Origin,
    },
}

impl Error {
    /// From what the TEE answered; `needed` are the sizes the parameters came back with.
    pub(crate) fn new(code: u32, origin: u32, needed: [usize; 4]) -> Self {
        let origin = origin.into();
        match code {
            TEE_ERROR_ACCESS_DENIED => Self::AccessDenied { origin },
            TEE_ERROR_TARGET_DEAD => Self::TargetDead { origin },
            TEE_ERROR_BUSY => Self::Busy { origin },
            TEE_ERROR_ITEM_NOT_FOUND => Self::NotFound { origin },
            TEE_ERROR_CANCEL => Self::Cancelled { origin },
            TEE_ERROR_OUT_OF_MEMORY => Self::OutOfMemory { origin },
            TEE_ERROR_BAD_PARAMETERS => Self::BadParameters { origin },
            TEE_ERROR_SHORT_BUFFER => Self::ShortBuffer { needed },
            TEE_ERROR_COMMUNICATION => Self::Communication { origin },
            // What libteec makes of every other error of the kernel's.
            TEE_ERROR_GENERIC if origin == Origin::Comms => Self::Communication { origin },
            _ => Self::Other {
                code: Code(code),
                origin,
            },
        }
    }

    /// What `client_binding.lend` means by that.
    pub(crate) fn in_lending(self) -> Self {
        match self.code() {
            TEE_ERROR_ACCESS_CONFLICT => Self::TooMuchLent,
            TEE_ERROR_NOT_SUPPORTED => Self::NoClock,
            TEE_ERROR_BUSY => Self::TooManyGrants,
            _ => self,
        }
    }

    /// From the numbers of the specification, for TAs that report what another TA told them.
    pub fn from_numbers(code: u32, origin: u32) -> Self {
        Self::new(code, origin, [0; 4])
    }

    /// The `TEEC_ERROR_*` number, for protocols in which a TA gives numbers a meaning of its own.
    pub fn code(&self) -> u32 {
        match self {
            Self::NoTee | Self::NoDelegation => TEE_ERROR_ITEM_NOT_FOUND,
            Self::TooMuchLent => TEE_ERROR_ACCESS_CONFLICT,
            Self::NoClock => TEE_ERROR_NOT_SUPPORTED,
            Self::AccessDenied { .. } => TEE_ERROR_ACCESS_DENIED,
            Self::TargetDead { .. } => TEE_ERROR_TARGET_DEAD,
            Self::Busy { .. } | Self::TooManyGrants => TEE_ERROR_BUSY,
            Self::NotFound { .. } => TEE_ERROR_ITEM_NOT_FOUND,
            Self::Cancelled { .. } => TEE_ERROR_CANCEL,
            Self::OutOfMemory { .. } => TEE_ERROR_OUT_OF_MEMORY,
            Self::BadParameters { .. } => TEE_ERROR_BAD_PARAMETERS,
            Self::ShortBuffer { .. } => TEE_ERROR_SHORT_BUFFER,
            Self::NotAMember { .. } | Self::Kernel { .. } => TEE_ERROR_GENERIC,
            Self::CannotLimit | Self::NoObjects => TEE_ERROR_NOT_SUPPORTED,
            Self::Communication { .. } => TEE_ERROR_COMMUNICATION,
            Self::Other { code, .. } => code.0,
        }
    }

    /// Which layer failed.
    pub fn origin(&self) -> Origin {
        match *self {
            Self::NoTee => Origin::Api,
            Self::NoDelegation => Origin::Tee,
            // It's a pseudo TA that says so.
            Self::TooMuchLent | Self::NoClock | Self::TooManyGrants => Origin::TrustedApp,
            Self::ShortBuffer { .. } => Origin::TrustedApp,
            Self::NotAMember { .. } | Self::Kernel { .. } => Origin::Comms,
            Self::CannotLimit | Self::NoObjects => Origin::Comms,
            Self::AccessDenied { origin }
            | Self::TargetDead { origin }
            | Self::Busy { origin }
            | Self::NotFound { origin }
            | Self::Cancelled { origin }
            | Self::OutOfMemory { origin }
            | Self::BadParameters { origin }
            | Self::Communication { origin }
            | Self::Other { origin, .. } => origin,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::NoTee => return f.write_str("no TEE device can be opened"),
            Self::ShortBuffer { needed } => {
                return write!(f, "an output buffer is too small (needed: {needed:?})");
            }
            Self::NotAMember { gid } => return write!(f, "you are not a member of group {gid}"),
            Self::NoDelegation => {
                return f
                    .write_str("this OP-TEE was built without delegation, nothing can be lent");
            }
            Self::TooMuchLent => {
                return f.write_str(
                    "that is more than the TA allows to be lent, or than you were lent yourself",
                );
            }
            Self::NoClock => {
                return f.write_str("this platform has no clock that the normal world cannot set: lend without a time");
            }
            Self::TooManyGrants => {
                return f.write_str("there are as many grants as there may be: take one back");
            }
            Self::Kernel { errno } => {
                let errno = Errno::from_raw(*errno);
                return write!(f, "{} ({errno:?}), said {}", errno.desc(), self.origin());
            }
            Self::CannotLimit => return f.write_str("this kernel cannot limit descriptors"),
            Self::NoObjects => {
                return f.write_str("this kernel's driver, or OP-TEE, has no such objects");
            }
            Self::Other { code, origin } => return write!(f, "{code}, said {origin}"),
            Self::AccessDenied { .. } => "access denied",
            Self::TargetDead { .. } => "the TA crashed",
            Self::Busy { .. } => "the TA is busy",
            Self::NotFound { .. } => "not found",
            Self::Cancelled { .. } => "cancelled",
            Self::OutOfMemory { .. } => "out of memory",
            Self::BadParameters { .. } => "bad parameters",
            Self::Communication { .. } => "the TEE cannot be reached",
        };
        write!(f, "{what}, said {}", self.origin())
    }
}

impl std::error::Error for Error {}

/// What the kernel says has the numbers that libteec gives it.
impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        let origin = Origin::Comms;
        match errno {
            Errno::EINVAL => Self::BadParameters { origin },
            Errno::ENOMEM => Self::OutOfMemory { origin },
            _ => Self::Kernel {
                errno: errno as i32,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMED: [u32; 9] = [
        TEE_ERROR_ACCESS_DENIED,
        TEE_ERROR_TARGET_DEAD,
        TEE_ERROR_BUSY,
        TEE_ERROR_ITEM_NOT_FOUND,
        TEE_ERROR_CANCEL,
        TEE_ERROR_OUT_OF_MEMORY,
        TEE_ERROR_BAD_PARAMETERS,
        TEE_ERROR_SHORT_BUFFER,
        TEE_ERROR_COMMUNICATION,
    ];

    #[test]
    fn every_code_survives_and_the_named_ones_have_names() {
        for code in (0xffff_0000..0xffff_0020).chain([0xffff_3024, 0xffff_3041, 7]) {
            let error = Error::new(code, TEE_ORIGIN_TEE, [1, 2, 3, 4]);
            assert_eq!(error.code(), code);
            let named = !matches!(error, Error::Other { .. });
            assert_eq!(named, NAMED.contains(&code), "{error:?}");
        }
    }

    #[test]
    fn every_origin_survives() {
        for (number, origin) in [
            (1, Origin::Api),
            (2, Origin::Comms),
            (3, Origin::Tee),
            (4, Origin::TrustedApp),
            (9, Origin::Unknown(9)),
        ] {
            let error = Error::new(TEE_ERROR_ACCESS_DENIED, number, [0; 4]);
            assert_eq!(error, Error::AccessDenied { origin });
            assert_eq!(error.origin(), origin);
        }
    }

    #[test]
    fn a_driver_without_words_is_a_communication_error() {
        let error = Error::new(TEE_ERROR_GENERIC, TEE_ORIGIN_COMMS, [0; 4]);
        assert!(matches!(error, Error::Communication { .. }));
        let error = Error::new(TEE_ERROR_GENERIC, TEE_ORIGIN_TEE, [0; 4]);
        assert!(matches!(error, Error::Other { .. }));
    }

    #[test]
    fn the_kernel_is_heard_as_libteec_hears_it() {
        let origin = Origin::Comms;
        assert_eq!(Error::from(Errno::EINVAL), Error::BadParameters { origin });
        assert_eq!(Error::from(Errno::ENOMEM), Error::OutOfMemory { origin });
        for errno in [Errno::EPERM, Errno::EACCES, Errno::ENODATA, Errno::EINTR] {
            let error = Error::from(errno);
            assert_eq!(error.code(), TEE_ERROR_GENERIC, "{error}");
            assert_eq!(error.origin(), origin, "{error}");
        }
    }

    #[test]
    fn messages_name_cause_and_origin() {
        let denied = Error::new(TEE_ERROR_ACCESS_DENIED, 3, [0; 4]);
        assert_eq!(denied.to_string(), "access denied, said the TEE");
        let other = Error::new(0xffff_0005, 4, [0; 4]);
        assert_eq!(other.to_string(), "error 0xffff0005, said the TA");
        let told = "Operation not permitted (EPERM), said the driver";
        assert_eq!(Error::from(Errno::EPERM).to_string(), told);
        let told = "you are not a member of group 6001";
        assert_eq!(Error::NotAMember { gid: 6001 }.to_string(), told);
    }
}
