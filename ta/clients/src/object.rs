// SPDX-License-Identifier: BSD-2-Clause
//! What a TA asks objects of its client.

use client_binding_abi::object::{Command, UUID};
use optee_utee::{ErrorKind, ParamIndex, Result, TaSessionBuilder, TeeParams, Uuid};

/// What the client has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its result. It is the client that says so, or whoever has its process.
    pub result: u32,
    /// How many octets it wrote.
    pub size: usize,
}

/// Calls an object that the client has given with the command that is being served: as which of its parameters, from 0. The client has `millis`
/// milliseconds for an answer, at most ten minutes; `octets` and `room` are no more than 4,096.
///
/// The session takes no other command meanwhile, and a request to cancel this one reaches the TA when the answer does.
///
/// - `ItemNotFound`: that parameter is no such object, whatever number it has, or this OP-TEE knows none.
/// - `NotSupported`: other clients would wait, since the TA has one instance for all of them or is serving a grantee.
/// - `ShortBuffer`: the answer is larger than `room`.
/// - `Communication`, `Busy` and the code 0xffff3001 (a time-out): the client is gone or does not answer, or too many are waited for.
/// - `BadParameters`: more time or more octets than there may be. `OutOfMemory`: Linux had none to spare.
pub fn call(
    param: u32,
    operation: u32,
    octets: &[u8],
    room: &mut [u8],
    millis: u32,
) -> Result<Answer> {
    let mut session = TaSessionBuilder::new(Uuid::from_bytes(UUID)).build()?;
    let mut params = TeeParams::new()
        .with_value_in(ParamIndex::Arg0, param, operation)
        .with_memref_in(ParamIndex::Arg1, octets)
        .with_memref_out(ParamIndex::Arg2, room)
        .with_value_inout(ParamIndex::Arg3, millis, 0);
    session.invoke_command(Command::Call as u32, &mut params)?;
    let (result, _) = (params[ParamIndex::Arg3].output_value()).ok_or(ErrorKind::BadFormat)?;
    let written = params[ParamIndex::Arg2].written_slice();
    Ok(Answer {
        result,
        size: written.map_or(0, <[u8]>::len),
    })
}
