// SPDX-License-Identifier: BSD-2-Clause
//! `vault-c`: the C TA, a vault with room for one secret that dies with its last session.
//! Its source repeats these numbers in `ta/vault-c/vault_c_ta.h`.

use crate::TaUuid;
pub use crate::vault::Command;

/// For tests: the TA lends the secret to a user, whose client UUID comes in two values as in [`crate::Identity`], and answers with the
/// grant's number in the third.
pub const MINT: u32 = 0x7001;
/// For tests: the TA takes back the grant with the number in the first value, and says in the second whether a command of it is in the TA.
pub const REVOKE: u32 = 0x7002;

/// The TA's UUID.
pub const UUID: TaUuid = TaUuid::new("c8b63858-f173-4618-bfb8-b0e58415f13d");

/// The same TA once more, for the clients alone that the suite's build names.
pub const DECLARED: TaUuid = TaUuid::new("56695acc-42a3-4414-9f4d-d1fd397eef6f");

/// Those of [`crate::vault`]'s commands that it has.
pub const COMMANDS: [Command; 5] = [
    Command::Put,
    Command::Get,
    Command::Status,
    Command::WhoAmI,
    Command::Wait,
];
