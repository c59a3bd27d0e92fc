// SPDX-License-Identifier: BSD-2-Clause

use super::{Principal, uuid};
use client_binding_abi::{ClientUuid, Login};
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use uuid::Uuid;

/// Names and numbers of an `/etc/passwd` or `/etc/group`: the name stands first, its number third (passwd(5), group(5)).
pub fn people(text: &str) -> impl Iterator<Item = (&str, u32)> {
    text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        Some((name, fields.nth(1)?.parse().ok()?))
    })
}

/// The users and groups of a system. A client UUID cannot be computed back, but those of all of them can be computed.
#[derive(Debug, Default)]
pub struct Names(HashMap<(Login, Uuid), String>);

impl Names {
    /// From `passwd` and `group` in a folder. A system may have neither.
    pub fn of(etc: &Path) -> Self {
        let read = |file| fs::read_to_string(etc.join(file)).unwrap_or_default();
        Self::from_texts(&read("passwd"), &read("group"))
    }

    /// From what stands in `passwd` and `group`.
    pub fn from_texts(passwd: &str, group: &str) -> Self {
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
    pub fn find(&self, login: Login, client: ClientUuid) -> Option<String> {
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
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_none_are_left_out() {
        let text = "root:x:0:0:root:/root:/bin/sh\nbad:x\n\n#x:y:z\n+::\nowner:x:1000:7:::\nclients:x:2000:";
        let known = [("root", 0), ("owner", 1000), ("clients", 2000)];
        assert_eq!(people(text).collect::<Vec<_>>(), known);
    }

    fn client(principal: Principal) -> ClientUuid {
        ClientUuid::from_octets(principal.uuid().into_bytes())
    }

    #[test]
    fn users_and_groups_are_found_by_their_login_alone() {
        let names = Names::from_texts(
            "root:x:0:0:::\nowner:x:1000:1000:::\nalso:x:1000:1000:::\n",
            "root:x:0:\nclients:x:2000:owner\n",
        );
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
}
