// SPDX-License-Identifier: BSD-2-Clause
//! A TA names the clients that may own it.
//!
//! ```
//! use client_binding_clients::Client;
//!
//! const CLIENTS: &[Client] = &[
//!     Client::user(1000),
//!     Client::application("verity-sha256:555b589c26ee43b7a2510e6c67ced9fb3190b6da6e9e683984551f5d77a763de"),
//!     Client::KERNEL,
//! ];
//! ```
//!
//! The compiler makes a table of identities of it; nothing is hashed when the TA runs.
//! One line at the beginning of the TA's open hook holds everybody else off:
//!
//! ```text
//! #[ta_open_session]
//! fn open(params: &mut ParametersAny) -> Result<()> {
//!     client_binding_clients::require(CLIENTS)?;
//! ```
//!
//! A client that is refused here has never owned the instance, however often it tries.
//! With `TA_FLAG_CLIENT_BOUND` the first client on the list owns the instance until it
//! ends, and the others on the list are kept out like anybody else; without the flag,
//! the list alone decides who gets in, and sessions answer to who opened them.
//!
//! There is no entry for PUBLIC, which is nobody, and none for PROCESS, whose identity
//! is not known before the process runs.

#![no_std]

#[cfg(feature = "optee-utee")]
extern crate alloc;

#[cfg(feature = "optee-utee")]
mod lend;
#[cfg(feature = "optee-utee")]
mod object;
#[cfg(feature = "optee-utee")]
mod tee;

use client_binding_abi::Login;
use const_sha1::{ConstSlice, sha1_from_const_slice};
#[cfg(feature = "optee-utee")]
pub use lend::{Grant, Invoker, Offer, delegable, disown, invoker, revoke};
#[cfg(feature = "optee-utee")]
pub use object::{Answer, call};
#[cfg(feature = "optee-utee")]
pub use tee::{client, require};
pub use uuid::{Uuid, uuid};

/// The namespace of client UUIDs (`tee_client_uuid_ns` in Linux' `tee_core.c`).
const NAMESPACE: Uuid = uuid!("58ac9ca0-2086-4683-a1b8-ec4bc08e01b6");

/// A client, by what the TEE tells of it: `TEE_Identity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    login: Login,
    uuid: Uuid,
}

impl Client {
    /// The Linux kernel.
    pub const KERNEL: Self = Self::new(Login::REE_KERNEL, Uuid::nil());

    /// Whose TEE_Identity that is.
    pub const fn new(login: Login, uuid: Uuid) -> Self {
        Self { login, uuid }
    }

    /// A USER login by this effective uid.
    pub const fn user(uid: u32) -> Self {
        Self::named(Login::USER, Name::new().id("uid=", uid))
    }

    /// A GROUP login with this gid.
    pub const fn group(gid: u32) -> Self {
        Self::named(Login::GROUP, Name::new().id("gid=", gid))
    }

    /// An APPLICATION login by whoever executes what measures so, and no other code:
    /// `verity-sha256:`, `verity-sha512:` or `file-sha256:` and the digest in hexadecimal
    /// digits, as `client-id` prints it. What is malformed stops the build.
    pub const fn application(measurement: &str) -> Self {
        Self::named(Login::APPLICATION, Name::new().app(OWN_CODE, measurement))
    }

    /// A USER_APPLICATION login: this effective uid executes that.
    pub const fn user_application(uid: u32, measurement: &str) -> Self {
        let name = Name::new().id("uid=", uid).text(":");
        let name = name.app(OWN_CODE, measurement);
        Self::named(Login::APPLICATION_USER, name)
    }

    /// A GROUP_APPLICATION login: a member of the group with this gid executes that.
    pub const fn group_application(gid: u32, measurement: &str) -> Self {
        let name = Name::new().id("gid=", gid).text(":");
        let name = name.app(OWN_CODE, measurement);
        Self::named(Login::APPLICATION_GROUP, name)
    }

    /// An APPLICATION login by whoever executes what measures so, **whatever other code is in the process**: of a
    /// program that is linked at run time, or that compiles when it runs. Linux has another identity for that, because
    /// it is worth less: everybody who may execute the file can bring code along (`LD_PRELOAD` is one way) and is then
    /// this client. A process without other code isn't this client but [`Client::application`].
    pub const fn application_with_any_code(measurement: &str) -> Self {
        Self::named(Login::APPLICATION, Name::new().app(ANY_CODE, measurement))
    }

    /// A USER_APPLICATION login: this effective uid executes that, with any other code beside it. It keeps out other
    /// users; to this one it is worth what [`Client::application_with_any_code`] is.
    pub const fn user_application_with_any_code(uid: u32, measurement: &str) -> Self {
        let name = Name::new().id("uid=", uid).text(":");
        let name = name.app(ANY_CODE, measurement);
        Self::named(Login::APPLICATION_USER, name)
    }

    /// A GROUP_APPLICATION login: a member of the group with this gid executes that, with any other code beside it. It
    /// keeps out other groups; to members it is worth what [`Client::application_with_any_code`] is.
    pub const fn group_application_with_any_code(gid: u32, measurement: &str) -> Self {
        let name = Name::new().id("gid=", gid).text(":");
        let name = name.app(ANY_CODE, measurement);
        Self::named(Login::APPLICATION_GROUP, name)
    }

    /// Another TA.
    pub const fn trusted_app(uuid: Uuid) -> Self {
        Self::new(Login::TRUSTED_APP, uuid)
    }

    /// How it logs in.
    pub const fn login(self) -> Login {
        self.login
    }

    /// Its client UUID; nil for the kernel.
    pub const fn uuid(self) -> Uuid {
        self.uuid
    }

    /// The version-5 UUID of a name.
    const fn named(login: Login, name: Name) -> Self {
        let hashed = ConstSlice::from_slice(NAMESPACE.as_bytes()).push_other(name.0);
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] =
            sha1_from_const_slice(&hashed).as_bytes();
        let octets = [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p];
        Self::new(login, uuid::Builder::from_sha1_bytes(octets).into_uuid())
    }
}

/// What stands before the measurement of a process that executes nothing else.
const OWN_CODE: &str = "app=";
/// And of one that does.
const ANY_CODE: &str = "app-any-code=";

/// What Linux hashes.
struct Name(ConstSlice);

impl Name {
    const fn new() -> Self {
        Self(ConstSlice::new())
    }

    const fn text(self, text: &str) -> Self {
        Self(self.0.push_slice(text.as_bytes()))
    }

    /// `key` and a number in hexadecimal digits without leading zeros.
    const fn id(self, key: &str, number: u32) -> Self {
        let mut name = self.text(key);
        let mut shift = u32::BITS - (number | 1).leading_zeros() / 4 * 4;
        while shift > 0 {
            shift -= 4;
            let digit = char::from_digit(number >> shift & 0xf, 16).expect("four bits");
            name.0 = name.0.push_slice(&[digit as u8]);
        }
        name
    }

    const fn app(self, key: &str, measurement: &str) -> Self {
        assert!(
            is_measurement(measurement.as_bytes()),
            "a measurement looks like verity-sha256: or file-sha256: and 64 digits of 0-9 a-f"
        );
        self.text(key).text(measurement)
    }
}

/// Whether Linux could have written it.
const fn is_measurement(text: &[u8]) -> bool {
    let (rest, verity) = match text {
        [b'v', b'e', b'r', b'i', b't', b'y', b'-', rest @ ..] => (rest, true),
        [b'f', b'i', b'l', b'e', b'-', rest @ ..] => (rest, false),
        _ => return false,
    };
    let (mut digest, octets) = match rest {
        [b's', b'h', b'a', b'2', b'5', b'6', b':', digest @ ..] => (digest, 32),
        [b's', b'h', b'a', b'5', b'1', b'2', b':', digest @ ..] if verity => (digest, 64),
        _ => return false,
    };
    if digest.len() != octets * 2 {
        return false;
    }
    while let [digit, rest @ ..] = digest {
        if !matches!(digit, b'0'..=b'9' | b'a'..=b'f') {
            return false;
        }
        digest = rest;
    }
    true
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use client_binding_client::identity::{Application, Digest, Measurement, Principal};
    use proptest::prelude::*;
    use std::string::ToString;

    /// What Python's `uuid.uuid5()` says.
    #[test]
    fn the_compiler_computes_known_answers() {
        const USER: Client = Client::user(0x3e8);
        const APP: Client = Client::user_application(
            1000,
            "verity-sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        );
        const ANY: Client = Client::user_application_with_any_code(
            1000,
            "file-sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        );
        const TA: Client = Client::trusted_app(uuid!("da2865b7-72bf-45d3-a678-7fdd24616a37"));
        assert_eq!(USER.uuid(), uuid!("fc34275c-d8dd-5ba7-968b-504718363b87"));
        assert_eq!(APP.uuid(), uuid!("e84cb092-b192-5186-a149-c2ee1d2fbba4"));
        assert_eq!(ANY.uuid(), uuid!("806a4620-043c-5e7b-ad34-4919279ae264"));
        let logins = [USER, APP, TA, Client::KERNEL].map(|client| client.login().0);
        assert_eq!(logins, [1, 5, 0xf000_0000, 0x8000_0000]);
        assert_eq!(Client::KERNEL.uuid(), Uuid::nil());
    }

    fn measurement() -> impl Strategy<Value = Measurement> {
        let half = any::<[u8; 32]>;
        let sha512 = |(a, b): ([u8; 32], [u8; 32])| {
            Digest::Sha512(std::array::from_fn(
                |i| if i < 32 { a[i] } else { b[i - 32] },
            ))
        };
        prop_oneof![
            half().prop_map(|octets| Measurement::Verity(Digest::Sha256(octets))),
            (half(), half()).prop_map(move |both| Measurement::Verity(sha512(both))),
            half().prop_map(Measurement::File),
        ]
    }

    proptest! {
        /// The host computes it in another way.
        #[test]
        fn it_is_what_the_host_computes(id in any::<u32>(), shift in 0..32_u32, app in measurement()) {
            // Small numbers too.
            let id = id >> shift;
            let text = app.to_string();
            let (own, any) = (Application::OwnCode(app), Application::AnyCode(app));
            for (client, principal) in [
                (Client::user(id), Principal::User(id)),
                (Client::group(id), Principal::Group(id)),
                (Client::application(&text), Principal::Application(own)),
                (Client::user_application(id, &text), Principal::UserApplication(id, own)),
                (Client::group_application(id, &text), Principal::GroupApplication(id, own)),
                (Client::application_with_any_code(&text), Principal::Application(any)),
                (Client::user_application_with_any_code(id, &text), Principal::UserApplication(id, any)),
                (Client::group_application_with_any_code(id, &text), Principal::GroupApplication(id, any)),
            ] {
                prop_assert_eq!(client.uuid(), principal.uuid());
                prop_assert_eq!(client.login(), principal.login());
            }
        }

        #[test]
        fn one_wrong_character_is_noticed(app in measurement(), at in any::<prop::sample::Index>(), c in "[^0-9a-f]") {
            let text = app.to_string();
            let mut wrong: std::vec::Vec<_> = text.chars().collect();
            let at = at.index(wrong.len());
            prop_assume!(wrong[at].to_string() != c);
            wrong[at] = c.chars().next().unwrap();
            let wrong = wrong.into_iter().collect::<std::string::String>();
            prop_assert!(!is_measurement(wrong.as_bytes()));
            prop_assert!(is_measurement(text.as_bytes()));
            prop_assert!(!is_measurement(&text.as_bytes()[..at]));
        }
    }

    #[test]
    fn what_linux_never_writes_is_no_measurement() {
        for (name, octets) in [
            ("ima-sha256", 32),
            ("verity-sha1", 20),
            ("file-sha1", 20),
            ("file-sha512", 64),
            ("app=verity-sha256", 32),
        ] {
            let text = std::format!("{name}:{}", "ab".repeat(octets));
            assert!(!is_measurement(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn the_smallest_and_the_largest_numbers() {
        for id in [0, 1, 15, 16, u32::MAX] {
            assert_eq!(Client::user(id).uuid(), Principal::User(id).uuid(), "{id}");
        }
    }
}
