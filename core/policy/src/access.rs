// SPDX-License-Identifier: BSD-2-Clause

use client_binding_abi::{ClientUuid, Identity, Login};

/// The version-5 UUID of `uid=0`: `ef0180a3-13f3-5d1c-b7f5-888c0e21059a`.
const ROOT: ClientUuid = ClientUuid::from_octets([
    0xef, 0x01, 0x80, 0xa3, 0x13, 0xf3, 0x5d, 0x1c, 0xb7, 0xf5, 0x88, 0x8c, 0x0e, 0x21, 0x05, 0x9a,
]);

/// Who may open a session to `client_binding.pta`: the kernel, and root if it logs in as a user. They could
/// compute the client UUIDs that are told there by themselves.
pub fn may_ask(client: Identity) -> bool {
    [
        Identity::new(Login::REE_KERNEL, ClientUuid::NIL),
        Identity::new(Login::USER, ROOT),
    ]
    .contains(&client)
}

#[cfg(test)]
mod tests {
    use super::*;
    use client_binding_clients::{Client, Uuid};

    fn identity(client: Client) -> Identity {
        let uuid = ClientUuid::from_octets(client.uuid().into_bytes());
        Identity::new(client.login(), uuid)
    }

    #[test]
    fn the_kernel_and_root_may_ask() {
        for client in [Client::KERNEL, Client::user(0)] {
            assert!(may_ask(identity(client)), "{client:?}");
        }
    }

    #[test]
    fn nobody_else_may() {
        let roots = Client::user(0).uuid();
        let by_roots_uuid = Login::NORMAL_WORLD
            .into_iter()
            .chain([Login::TRUSTED_APP])
            .filter(|login| ![Login::USER, Login::REE_KERNEL].contains(login))
            .map(|login| Client::new(login, roots));
        let others = [
            Client::user(1),
            Client::user(u32::MAX),
            Client::group(0),
            Client::new(Login::USER, Uuid::nil()),
            Client::new(Login::TRUSTED_APP, Uuid::nil()),
        ];
        for client in by_roots_uuid.chain(others) {
            assert!(!may_ask(identity(client)), "{client:?}");
        }
    }
}
