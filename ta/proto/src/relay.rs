// SPDX-License-Identifier: BSD-2-Clause
//! `relay`: a TA that is itself a client of [`crate::vault`]. Unbound, one instance per session.
//!
//! Whether the vault obeys is its answer, not the relay's: every command succeeds and
//! ends with a value that holds the vault's code in `a` and the origin of that code in `b`.

use crate::{TaUuid, commands};

/// The TA's UUID.
pub const UUID: TaUuid = TaUuid::new("fa27e07b-811b-466e-993f-8111699b006f");

commands! {
    /// Name, secret; the vault's answer.
    Put = 0 [MemIn, MemIn, ValueOut, None],
    /// Name, room for the secret; the vault's answer.
    Get = 1 [MemIn, MemOut, ValueOut, None],
    /// The three values of [`crate::Identity`] as the vault sees the relay; the vault's answer.
    WhoAmI = 2 [ValueOut, ValueOut, ValueOut, ValueOut],
}
