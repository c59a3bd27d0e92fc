// SPDX-License-Identifier: BSD-2-Clause
//! The numbers of an answer, by the names of the TEE Internal Core API.

/// It worked.
pub const TEE_SUCCESS: u32 = 0;
/// Nothing in particular.
pub const TEE_ERROR_GENERIC: u32 = 0xffff_0000;
/// The caller may not.
pub const TEE_ERROR_ACCESS_DENIED: u32 = 0xffff_0001;
/// Cancelled.
pub const TEE_ERROR_CANCEL: u32 = 0xffff_0002;
/// More is asked for than there is.
pub const TEE_ERROR_ACCESS_CONFLICT: u32 = 0xffff_0003;
/// The parameters make no sense, or there is no such session.
pub const TEE_ERROR_BAD_PARAMETERS: u32 = 0xffff_0006;
/// There is no such thing.
pub const TEE_ERROR_ITEM_NOT_FOUND: u32 = 0xffff_0008;
/// That is not to be had here.
pub const TEE_ERROR_NOT_SUPPORTED: u32 = 0xffff_000a;
/// No memory is left.
pub const TEE_ERROR_OUT_OF_MEMORY: u32 = 0xffff_000c;
/// Somebody else is using it.
pub const TEE_ERROR_BUSY: u32 = 0xffff_000d;
/// The way to the other side is broken.
pub const TEE_ERROR_COMMUNICATION: u32 = 0xffff_000e;
/// A breach of security.
pub const TEE_ERROR_SECURITY: u32 = 0xffff_000f;
/// There is not enough room for the answer.
pub const TEE_ERROR_SHORT_BUFFER: u32 = 0xffff_0010;
/// `TEE_ERROR_TIMEOUT`, OP-TEE's own.
pub const TEE_ERROR_TIMEOUT: u32 = 0xffff_3001;
/// `TEE_ERROR_MAC_INVALID`: something else was signed.
pub const TEE_ERROR_MAC_INVALID: u32 = 0xffff_3071;
/// The TA panicked.
pub const TEE_ERROR_TARGET_DEAD: u32 = 0xffff_3024;

/// The client's API said so.
pub const TEE_ORIGIN_API: u32 = 1;
/// What lies between said so.
pub const TEE_ORIGIN_COMMS: u32 = 2;
/// The TEE said so.
pub const TEE_ORIGIN_TEE: u32 = 3;
/// The TA said so.
pub const TEE_ORIGIN_TRUSTED_APP: u32 = 4;
