// SPDX-License-Identifier: BSD-2-Clause
//! Which client UUID Linux computes for a user or a group that logs in to a TA:
//! a version-5 UUID of a short text in a namespace of its own.

#![forbid(unsafe_code)]

use uuid::{Uuid, uuid};

/// The namespace of client UUIDs (`tee_client_uuid_ns` in Linux' `tee_core.c`).
pub const NAMESPACE: Uuid = uuid!("58ac9ca0-2086-4683-a1b8-ec4bc08e01b6");

/// Somebody who has a client UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A USER login by this effective uid.
    User(u32),
    /// A GROUP login with this gid.
    Group(u32),
}

impl Principal {
    /// The text that is hashed.
    pub fn name(self) -> String {
        match self {
            Self::User(uid) => format!("uid={uid:x}"),
            Self::Group(gid) => format!("gid={gid:x}"),
        }
    }

    /// The client UUID.
    pub fn uuid(self) -> Uuid {
        Uuid::new_v5(&NAMESPACE, self.name().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        for (principal, expected) in [
            (Principal::User(0), "ef0180a3-13f3-5d1c-b7f5-888c0e21059a"),
            (
                Principal::User(0x3e8),
                "fc34275c-d8dd-5ba7-968b-504718363b87",
            ),
            (Principal::Group(0), "d93bc168-f863-58d3-a1fe-bb2039421b99"),
            (
                Principal::Group(0x3e8),
                "0ece43ed-001d-51bd-bab7-480c8954c3cf",
            ),
        ] {
            assert_eq!(principal.uuid().to_string(), expected, "{principal:?}");
        }
    }

    #[test]
    fn names_have_no_padding() {
        assert_eq!(Principal::User(1000).name(), "uid=3e8");
        assert_eq!(Principal::Group(u32::MAX - 1).name(), "gid=fffffffe");
    }
}
