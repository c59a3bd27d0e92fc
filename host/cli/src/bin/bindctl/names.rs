// SPDX-License-Identifier: BSD-2-Clause
//! How identities are written.

use client_binding_abi::Login;
pub(crate) use client_binding_client::identity::{Names, uuid};

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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use client_binding_abi::ClientUuid;
    use client_binding_client::identity::Principal;

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
    fn each_login_has_a_name() {
        let known = Login::NORMAL_WORLD.map(login);
        assert!(known.iter().all(|name| !name.starts_with("0x")));
        assert_eq!(login(Login(9)), "0x9");
    }
}
