// SPDX-License-Identifier: BSD-2-Clause
//! Who is behind a client UUID. It cannot be computed back, but those of all users and groups can be computed.

use client_binding_abi::{ClientUuid, Login};
use client_binding_client::identity::{Principal, people};
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use uuid::Uuid;

/// A UUID as it is written.
pub(crate) fn uuid(client: ClientUuid) -> Uuid {
    let [high, low] = client.0.map(u64::swap_bytes);
    Uuid::from_u64_pair(high, low)
}

/// A login method as OP-TEE calls it, without `TEE_LOGIN_`.
pub(crate) fn login(login: Login) -> String {
    let name = match login {
        Login::PUBLIC => "PUBLIC",
        Login::USER => "USER",
        Login::GROUP => "GROUP",
        Login::APPLICATION => "APPLICATION",
        Login::APPLICATION_USER => "APPLICATION_USER",
        Login::APPLICATION_GROUP => "APPLICATION_GROUP",
        Login::REE_KERNEL => "REE_KERNEL",
        Login::PROCESS => "PROCESS",
        Login::TRUSTED_APP => "TRUSTED_APP",
        Login(number) => return format!("{number:#x}"),
    };
    name.to_owned()
}

/// The users and groups of this system.
#[derive(Default)]
pub(crate) struct Names(HashMap<(Login, Uuid), String>);

impl Names {
    /// From `passwd` and `group` in a folder. A system may have neither.
    pub(crate) fn of(etc: &Path) -> Self {
        let read = |file| fs::read_to_string(etc.join(file)).unwrap_or_default();
        Self::from_texts(&read("passwd"), &read("group"))
    }

    fn from_texts(passwd: &str, group: &str) -> Self {
        let users =
            people(passwd).map(|(name, uid)| (Principal::User(uid), format!("{name} (uid {uid})")));
        let groups =
            people(group).map(|(name, gid)| (Principal::Group(gid), format!("{name} (gid {gid})")));
        let mut names = HashMap::new();
        for (principal, name) in users.chain(groups) {
            // Of several names of a number the first one counts, as for getpwuid().
            names
                .entry((principal.login(), principal.uuid()))
                .or_insert(name);
        }
        Self(names)
    }

    /// The name, if there is one.
    pub(crate) fn find(&self, login: Login, client: ClientUuid) -> Option<String> {
        let uuid = uuid(client);
        match login {
            Login::PUBLIC => Some("anybody".to_owned()),
            Login::REE_KERNEL => Some("the kernel".to_owned()),
            Login::TRUSTED_APP => Some(format!("TA {uuid}")),
            _ => self.0.get(&(login, uuid)).cloned(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn names() -> Names {
        Names::from_texts(
            "root:x:0:0:::\nowner:x:1000:1000:::\nalso:x:1000:1000:::\n",
            "root:x:0:\nclients:x:2000:owner\n",
        )
    }

    pub(crate) fn client(principal: Principal) -> ClientUuid {
        ClientUuid::from_octets(principal.uuid().into_bytes())
    }

    #[test]
    fn users_and_groups_are_found_by_their_login_alone() {
        let names = names();
        let owner = client(Principal::User(1000));
        let clients = client(Principal::Group(2000));
        for (login, uuid, expected) in [
            (Login::USER, owner, Some("owner (uid 1000)")),
            (Login::GROUP, clients, Some("clients (gid 2000)")),
            (Login::GROUP, owner, None),
            (Login::USER, clients, None),
            (Login::PROCESS, owner, None),
            (Login::USER, client(Principal::User(1)), None),
            (Login::USER, ClientUuid::NIL, None),
            (Login::PUBLIC, ClientUuid::NIL, Some("anybody")),
            (Login::REE_KERNEL, ClientUuid::NIL, Some("the kernel")),
        ] {
            assert_eq!(names.find(login, uuid).as_deref(), expected, "{login:?}");
        }
        let ta = names.find(Login::TRUSTED_APP, owner).unwrap();
        assert_eq!(ta, "TA fc34275c-d8dd-5ba7-968b-504718363b87");
    }

    #[test]
    fn a_system_without_users_is_one() {
        let names = Names::of(Path::new("/nonexistent"));
        assert_eq!(names.find(Login::USER, client(Principal::User(0))), None);
    }

    #[test]
    fn a_uuid_is_written_in_the_order_of_its_octets() {
        let octets = std::array::from_fn(|i| i as u8);
        let expected = Uuid::from_bytes(octets);
        assert_eq!(uuid(ClientUuid::from_octets(octets)), expected);
    }

    #[test]
    fn each_login_has_a_name() {
        let known = Login::NORMAL_WORLD.map(login);
        assert!(known.iter().all(|name| !name.starts_with("0x")));
        assert_eq!(login(Login(9)), "0x9");
    }
}
