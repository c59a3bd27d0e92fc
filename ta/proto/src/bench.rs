// SPDX-License-Identifier: BSD-2-Clause
//! `bench`: does nothing, so that what is left of a call is the way to the TA. One
//! instance for all sessions; bound.

use crate::{TaUuid, commands};

/// The TA's UUID.
pub const UUID: TaUuid = TaUuid::new("7d3c7f2e-55b0-4b0e-9c7e-0f6a0a4f9d51");

commands! {
    /// Nothing.
    Nothing = 0 [None, None, None, None],
    /// Nothing with four parameters.
    NothingOfFour = 1 [ValueIn, ValueIn, ValueOut, ValueOut],
    /// Allows [`Command::Nothing`] to be lent.
    Allow = 2 [None, None, None, None],
}
