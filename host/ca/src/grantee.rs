// SPDX-License-Identifier: BSD-2-Clause
//! How people write to whom something is lent.

use crate::{Expected, Failure, IdMap, Number, application};
use client_binding_client::identity::Principal;
use nix::unistd::{Group, User};

/// How people write a grantee, for the help of programs. An application is the program itself.
pub const GRANTEES: &str = "user=NAME, group=NAME, application, user-application=NAME or group-application=NAME; a number will do for a name";

/// Reads one of [`GRANTEES`].
pub fn parse_grantee(text: &str) -> Result<Principal, String> {
    let this_program = || application().map_err(|failure| failure.message);
    match text.split_once('=') {
        Some(("user", name)) => user(name, Principal::User),
        Some(("group", name)) => group(name, Principal::Group),
        Some(("user-application", name)) => {
            let program = this_program()?;
            user(name, |uid| Principal::UserApplication(uid, program))
        }
        Some(("group-application", name)) => {
            let program = this_program()?;
            group(name, |gid| Principal::GroupApplication(gid, program))
        }
        None if text == "application" => Ok(Principal::Application(this_program()?)),
        _ => Err(format!("write {GRANTEES}")),
    }
}

fn user(name: &str, principal: impl FnOnce(u32) -> Principal) -> Result<Principal, String> {
    let find = |name: &_| Ok(User::from_name(name)?.map(|user| user.uid.as_raw()));
    let uid = number("user", name, find)?;
    outside(Number::new("uid", uid, IdMap::of_users()), principal)
}

fn group(name: &str, principal: impl FnOnce(u32) -> Principal) -> Result<Principal, String> {
    let find = |name: &_| Ok(Group::from_name(name)?.map(|group| group.gid.as_raw()));
    let gid = number("group", name, find)?;
    outside(Number::new("gid", gid, IdMap::of_groups()), principal)
}

fn number(
    kind: &str,
    name: &str,
    find: impl FnOnce(&str) -> nix::Result<Option<u32>>,
) -> Result<u32, String> {
    let known = match name.parse() {
        Ok(number) => Some(number),
        Err(_) => find(name).map_err(|errno| format!("{kind} {name:?}: {}", errno.desc()))?,
    };
    // (uid_t)-1 and (gid_t)-1 mean nobody.
    let known = known.filter(|&number| number != u32::MAX);
    known.ok_or_else(|| format!("there is no {kind} {name:?}"))
}

/// The TEE sees the numbers as they are outside of a user namespace.
fn outside(
    number: Result<Number, Failure>,
    principal: impl FnOnce(u32) -> Principal,
) -> Result<Principal, String> {
    match number.map_err(|failure| failure.message)?.of(principal) {
        (Expected::Principal(principal), _) => Ok(principal),
        (_, note) => Err(note.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grantees() {
        // What every system has; some are built in a user namespace that maps root alone.
        let root = |text| match parse_grantee(text) {
            Ok(Principal::User(uid) | Principal::Group(uid)) => Some(uid),
            Err(note) => {
                assert!(note.contains("outside of this user namespace"), "{note}");
                None
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(root("user=root"), root("user=0"));
        assert_eq!(root("group=root"), root("group=0"));
        assert!(matches!(
            parse_grantee("application"),
            Ok(Principal::Application(_))
        ));
        for bad in [
            "",
            "web",
            "user",
            "user=",
            "user=-1",
            "user=4294967295",
            "user=4294967296",
            "user=no such user",
            "group=no such group",
            "public=",
            "application=1",
            "process",
        ] {
            assert!(parse_grantee(bad).is_err(), "{bad}");
        }
    }
}
