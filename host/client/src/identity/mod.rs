// SPDX-License-Identifier: BSD-2-Clause
//! Which client UUID Linux computes for whom logs in to a TA: a version-5 UUID of a
//! short text in a namespace of its own.

mod measure;
mod people;

use client_binding_abi::{ClientUuid, Login};
pub use measure::{Application, Digest, Measurement};
pub use people::{Names, people};
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
    /// An APPLICATION login by whoever executes this.
    Application(Application),
    /// A USER_APPLICATION login: this effective uid executes that.
    UserApplication(u32, Application),
    /// A GROUP_APPLICATION login: a member of the group with this gid executes that.
    GroupApplication(u32, Application),
    /// A PROCESS login.
    Process(Process),
}

/// A process among all that there were and will be. Only the kernel knows all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// A random number of the kernel, made when the driver is loaded.
    pub boot: Uuid,
    /// The number of the process in the initial namespace.
    pub tgid: u32,
    /// When it was started, in nanoseconds since the boot.
    pub start: u64,
    /// How often it, and those it was forked from, called exec.
    pub execs: u64,
}

impl Principal {
    /// The login method.
    pub const fn login(self) -> Login {
        match self {
            Self::User(_) => Login::USER,
            Self::Group(_) => Login::GROUP,
            Self::Application(_) => Login::APPLICATION,
            Self::UserApplication(..) => Login::APPLICATION_USER,
            Self::GroupApplication(..) => Login::APPLICATION_GROUP,
            Self::Process(_) => Login::PROCESS,
        }
    }

    /// The text that is hashed.
    pub fn name(self) -> String {
        match self {
            Self::User(uid) => format!("uid={uid:x}"),
            Self::Group(gid) => format!("gid={gid:x}"),
            Self::Application(app) => app.to_string(),
            Self::UserApplication(uid, app) => format!("uid={uid:x}:{app}"),
            Self::GroupApplication(gid, app) => format!("gid={gid:x}:{app}"),
            Self::Process(process) => {
                let Process {
                    boot,
                    tgid,
                    start,
                    execs,
                } = process;
                format!("boot={boot}:tgid={tgid:x}:start={start:x}:exec={execs:x}")
            }
        }
    }

    /// The client UUID.
    pub fn uuid(self) -> Uuid {
        Uuid::new_v5(&NAMESPACE, self.name().as_bytes())
    }
}

/// A client UUID as it is written.
pub fn uuid(client: ClientUuid) -> Uuid {
    let [high, low] = client.0.map(u64::swap_bytes);
    Uuid::from_u64_pair(high, low)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 00112233445566778899aabbccddeeff, twice.
    fn digest() -> Digest {
        Digest::Sha256(std::array::from_fn(|i| (i % 16 * 0x11) as u8))
    }

    /// What Python's `uuid.uuid5(NAMESPACE, name)` says, name written by hand.
    #[test]
    fn known_answers() {
        let app = Application::OwnCode(Measurement::Verity(digest()));
        let any = Application::AnyCode(Measurement::Verity(digest()));
        let Digest::Sha256(octets) = digest() else {
            unreachable!()
        };
        let file = Measurement::File(octets);
        let process = Process {
            boot: uuid!("00112233-4455-6677-8899-aabbccddeeff"),
            tgid: 26,
            start: 1_000_000_000,
            execs: 2,
        };
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
            (
                Principal::Application(app),
                "319d78ca-fa39-5e22-aa69-ee6fc19b3f5f",
            ),
            (
                Principal::UserApplication(1000, app),
                "e84cb092-b192-5186-a149-c2ee1d2fbba4",
            ),
            (
                Principal::GroupApplication(2000, app),
                "0c94a489-432d-5750-8164-15410be7c282",
            ),
            (
                Principal::Application(any),
                "2436f0f0-6101-5db3-a25c-5e258ff12046",
            ),
            (
                Principal::UserApplication(1000, any),
                "e8730086-9c57-5148-a9de-145022cb0653",
            ),
            (
                Principal::GroupApplication(2000, any),
                "6d2f8c38-b239-5cdc-aba2-ccccbf5fea1b",
            ),
            (
                Principal::Application(Application::OwnCode(file)),
                "a9ac3916-68a8-5dee-826f-e8fcf65093c8",
            ),
            (
                Principal::UserApplication(1000, Application::OwnCode(file)),
                "3ae7bc46-45ed-5db8-b614-a09bd3bedad6",
            ),
            (
                Principal::GroupApplication(2000, Application::OwnCode(file)),
                "f8e56984-ca7b-5583-8eb2-b38c8dbfcad7",
            ),
            (
                Principal::Application(Application::AnyCode(file)),
                "3b1de8bf-bb2a-5826-9d35-4dab08e99eca",
            ),
            (
                Principal::UserApplication(1000, Application::AnyCode(file)),
                "806a4620-043c-5e7b-ad34-4919279ae264",
            ),
            (
                Principal::GroupApplication(2000, Application::AnyCode(file)),
                "f0ca53d2-ada6-580f-9ba9-dd9b1393a850",
            ),
            (
                Principal::Process(process),
                "ef0a5b10-1dca-56c3-bfc9-5e5c6f736e53",
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
