// SPDX-License-Identifier: BSD-2-Clause
//! `whoami`: tells a client who the TEE thinks it is. Unbound, one instance per session.

use crate::{TaUuid, commands};

/// The TA's UUID.
pub const UUID: TaUuid = TaUuid::new("abfa79a1-ab1a-4690-a804-5b744a19130d");

commands! {
    /// Answers with the three values of [`crate::Identity`].
    WhoAmI = 0 [ValueOut, ValueOut, ValueOut, None],
    /// For tests: waits for `a` milliseconds unless cancelled.
    Wait = 0x7000 [ValueIn, None, None, None],
    /// For tests: panics.
    Panic = 0x7001 [None, None, None, None],
}
