// SPDX-License-Identifier: BSD-2-Clause
//! `bench`: does nothing, so that what is left of a call is the way to the TA. One
//! instance for all sessions; bound. It is built once more for each size of [`LARGE`].

use crate::{TaUuid, commands};

/// The TA's UUID.
pub const UUID: TaUuid = TaUuid::new("7d3c7f2e-55b0-4b0e-9c7e-0f6a0a4f9d51");

/// The same TA with more memory.
#[derive(Debug)]
pub struct Large {
    /// For files.
    pub name: &'static str,
    /// The TA's UUID.
    pub uuid: TaUuid,
    /// How many octets of data, which the core maps whether they are used or not.
    pub data: u32,
}

/// QEMU's secure memory has 15 MiB for all: there is no room for much more.
#[rustfmt::skip]
pub const LARGE: [Large; 2] = [
    Large { name: "bench-1m", uuid: TaUuid::new("1c94ab65-8ea6-4f0f-9f2c-5a7a0b1d1a01"), data: 1 << 20 },
    Large { name: "bench-8m", uuid: TaUuid::new("4e2f9a0b-6b7e-4cf4-8f5d-90d9c2a4c808"), data: 8 << 20 },
];

commands! {
    /// Nothing.
    Nothing = 0 [None, None, None, None],
    /// Nothing with four parameters.
    NothingOfFour = 1 [ValueIn, ValueIn, ValueOut, ValueOut],
    /// Allows [`Command::Nothing`] to be lent.
    Allow = 2 [None, None, None, None],
}
