// SPDX-License-Identifier: BSD-2-Clause
//! What the TAs here share on top of optee-utee: the client's identity, a wait
//! that can be cancelled, outputs that tell the size they need, and a panic
//! handler that says why.

#![no_std]
#![expect(unsafe_code, reason = "the TEE's functions are C")]

use client_binding_clients::Client;
use client_binding_proto::{Identity, Shape};
use optee_utee::{ErrorKind, ParameterAny, ParametersAny, Result, Time, raw};

/// The header that the TA's build script wrote.
#[macro_export]
macro_rules! header {
    () => {
        mod header {
            #![expect(
                unreachable_pub,
                clippy::undocumented_unsafe_blocks,
                reason = "generated"
            )]
            include!(concat!(env!("OUT_DIR"), "/user_ta_header.rs"));
        }
    };
}

/// Who the TEE says the client of the running command is.
pub fn client_identity() -> Result<Identity> {
    client_binding_clients::client().map(identity)
}

/// A client, as a `WhoAmI` command tells of it.
pub fn identity(client: Client) -> Identity {
    Identity {
        login: client.login().0,
        uuid: client.uuid().into_bytes(),
    }
}

/// Writes an identity to the first three values of a `WhoAmI` command.
pub fn answer_identity(identity: Identity, params: &mut ParametersAny) -> Result<()> {
    let values = identity.to_values();
    for (param, (a, b)) in [&mut params.0, &mut params.1, &mut params.2]
        .into_iter()
        .zip(values)
    {
        answer_value(param, a, b)?;
    }
    Ok(())
}

/// Writes one output value.
pub fn answer_value(param: &mut ParameterAny, a: u32, b: u32) -> Result<()> {
    use optee_utee::ParameterValueWrite;
    let value = param.as_value_output()?;
    value.set_a(a);
    value.set_b(b);
    Ok(())
}

/// Waits, unless the client cancels the command.
///
/// A single long `TEE_Wait` would not notice the cancellation before its end.
pub fn wait(millis: u32) -> Result<()> {
    const SLICE: u32 = 50;
    // SAFETY: takes no argument, touches only the session's own mask.
    unsafe { raw::TEE_UnmaskCancellation() };
    let mut left = millis;
    while left > 0 {
        // SAFETY: takes no argument, reads the session's own flag.
        if unsafe { raw::TEE_GetCancellationFlag() } {
            return Err(ErrorKind::Cancel.into());
        }
        let slice = left.min(SLICE);
        Time::wait(slice)?;
        left -= slice;
    }
    Ok(())
}

/// Refuses parameters of another shape than the command's.
pub fn check(params: &ParametersAny, shape: Shape) -> Result<()> {
    let given = [&params.0, &params.1, &params.2, &params.3].map(|param| match param {
        ParameterAny::None => raw::TEE_PARAM_TYPE_NONE,
        ParameterAny::ValueInput(_) => raw::TEE_PARAM_TYPE_VALUE_INPUT,
        ParameterAny::ValueInout(_) => raw::TEE_PARAM_TYPE_VALUE_INOUT,
        ParameterAny::ValueOutput(_) => raw::TEE_PARAM_TYPE_VALUE_OUTPUT,
        ParameterAny::MemrefInput(_) => raw::TEE_PARAM_TYPE_MEMREF_INPUT,
        ParameterAny::MemrefInout(_) => raw::TEE_PARAM_TYPE_MEMREF_INOUT,
        ParameterAny::MemrefOutput(_) => raw::TEE_PARAM_TYPE_MEMREF_OUTPUT,
        ParameterAny::Unknown(number, _) => *number,
    });
    if given == shape.0.map(|param| param as u32) {
        Ok(())
    } else {
        Err(ErrorKind::BadParameters.into())
    }
}

/// The octets of an input buffer, copied once into `room` so that the client
/// cannot change them after they were checked. `None`: they don't fit.
pub fn read<'a>(param: &ParameterAny, room: &'a mut [u8]) -> Result<Option<&'a [u8]>> {
    use optee_utee::{ParameterMemref, ParameterMemrefRead};
    let memref = param.as_memref_input()?;
    let size = memref.buffer_len();
    let Some(room) = room.get_mut(..size) else {
        return Ok(None);
    };
    memref.read_at(0, room)?;
    Ok(Some(room))
}

/// Fills an output buffer, or tells the size it should have had.
pub fn answer_octets(param: &mut ParameterAny, octets: &[u8]) -> Result<()> {
    use optee_utee::ParameterMemrefWrite;
    let memref = param.as_memref_output()?;
    match memref.set_output(octets) {
        Err(error) if error.kind() == ErrorKind::ShortBuffer => {
            // SAFETY: only writes the number; beside ShortBuffer the TEE takes it
            // for the size that was needed and copies nothing.
            unsafe { memref.set_updated_size_unchecked(octets.len()) };
            Err(error)
        }
        result => result,
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    optee_utee::trace_println!("{}", info);
    // SAFETY: any code may be given; the call does not return.
    unsafe { raw::TEE_Panic(raw::TEE_ERROR_GENERIC) };
    loop {}
}
