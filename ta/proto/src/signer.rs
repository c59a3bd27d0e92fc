// SPDX-License-Identifier: BSD-2-Clause
//! `signer`: signs what its client has confirmed, with a key of the session's own. Unbound, one instance per session.

use crate::{TaUuid, commands};

/// The TA's UUID.
pub const UUID: TaUuid = TaUuid::new("f83add03-06c4-4368-9d6c-6f12d1676eca");

/// Longest document: what an object of the client's can be asked about at once.
pub const DOCUMENT_MAX: usize = 4096;
/// Size of a signature, an HMAC with SHA-256.
pub const SIGNATURE_SIZE: usize = 32;

/// What the client's object is asked: whether the document, which are the octets, is to be signed. 0 means yes.
pub const CONFIRM: u32 = 1;
/// How long it may take, in milliseconds.
pub const TIME_TO_CONFIRM: u32 = 60_000;

commands! {
    /// An object of the client's, a document of up to [`DOCUMENT_MAX`] octets, room for the signature. Asks the object to
    /// [confirm](CONFIRM), and answers with `TEE_ERROR_CANCEL` if it does not. Hands out an object with which [`Command::Verify`] can be
    /// run, and nothing else.
    Sign = 0 [ValueIn, MemIn, MemOut, ValueOut],
    /// A document and a signature: `TEE_ERROR_MAC_INVALID` if that is not the document's. It can be lent.
    Verify = 1 [MemIn, MemIn, None, None],
}
