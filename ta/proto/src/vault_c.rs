// SPDX-License-Identifier: BSD-2-Clause
//! `vault-c`: the C TA, a vault with room for one secret that dies with its last session.
//! Its source repeats these numbers in `ta/vault-c/vault_c_ta.h`.

use crate::TaUuid;
pub use crate::vault::Command;

/// The TA's UUID.
pub const UUID: TaUuid = TaUuid::new("c8b63858-f173-4618-bfb8-b0e58415f13d");

/// Those of [`crate::vault`]'s commands that it has.
pub const COMMANDS: [Command; 5] = [
    Command::Put,
    Command::Get,
    Command::Status,
    Command::WhoAmI,
    Command::Wait,
];
