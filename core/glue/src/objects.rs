// SPDX-License-Identifier: BSD-2-Clause
//! Objects of a client's that are parameters of its commands.

use client_binding_policy::abi::object::{Command, OPTEE_MSG_LOGIN_OBJECTS_SHIFT, VERSION};
use client_binding_policy::abi::TeeResult;
use client_binding_policy::{Call, NotCalled, Objects};

/// Command of `client_binding.object` that is answered by [`client_binding_call_check`] and [`client_binding_call_answer`].
pub const CLIENT_BINDING_OBJECT_CALL: u32 = 0;
/// The version of what `client_binding.object` says.
pub const CLIENT_BINDING_OBJECT_ABI: u32 = 1;
/// The lowest bit in the login word of a claim that says which parameters are objects. There are sixteen.
pub const CLIENT_BINDING_OBJECTS_SHIFT: u32 = 32;

const _: () = {
    assert!(CLIENT_BINDING_OBJECT_CALL == Command::Call as u32);
    assert!(CLIENT_BINDING_OBJECT_ABI == VERSION);
    assert!(CLIENT_BINDING_OBJECTS_SHIFT == OPTEE_MSG_LOGIN_OBJECTS_SHIFT);
};

/// A call of an object.
#[repr(C)]
pub struct ObjectCall {
    /// How many octets the client gets.
    pub(crate) size: u64,
    /// And may answer.
    pub(crate) room: u64,
    /// Which parameter of the running command is called.
    pub(crate) param: u32,
    /// How many milliseconds the client may take.
    pub(crate) millis: u32,
    /// Which parameters of that command are objects. 0 when none is running.
    pub(crate) objects: u16,
    /// While the TA runs, TAs of other clients wait.
    pub(crate) blocks_others: bool,
}

impl ObjectCall {
    fn call(&self) -> Call {
        Call {
            objects: Objects(self.objects),
            param: self.param,
            millis: self.millis,
            size: self.size,
            room: self.room,
            blocks_others: self.blocks_others,
        }
    }
}

/// Whether parameters of these types can be objects as it is said. Asked before the TA is entered.
///
/// # Safety
/// Takes numbers.
#[no_mangle]
pub extern "C" fn client_binding_objects_check(objects: u16, param_types: u32) -> u32 {
    let suit = Objects(objects).suit(param_types);
    let result = if suit {
        TeeResult::SUCCESS
    } else {
        TeeResult::BAD_PARAMETERS
    };
    result.0
}

/// Whether that is a command of `client_binding.object` with the parameters it takes. `by_ta`: a TA gives it.
///
/// # Safety
/// Takes numbers.
#[no_mangle]
pub extern "C" fn client_binding_object_check(command: u32, param_types: u32, by_ta: bool) -> u32 {
    let result = match Command::from_number(command) {
        None => TeeResult::NOT_SUPPORTED,
        Some(command) if command.param_types() != param_types => TeeResult::BAD_PARAMETERS,
        Some(Command::Call) if !by_ta => TeeResult::ACCESS_DENIED,
        Some(_) => TeeResult::SUCCESS,
    };
    result.0
}

/// Whether the client may be called.
///
/// # Safety
/// `call` is the caller's own.
#[no_mangle]
pub extern "C" fn client_binding_call_check(call: &ObjectCall) -> u32 {
    call.call()
        .check()
        .map_or_else(NotCalled::result, |()| TeeResult::SUCCESS)
        .0
}

/// What the TA is told when the normal world answers a call so. `size` is what it says, and becomes a number of octets: no more than there is
/// room for if the call went well, what was needed if that was too little.
///
/// # Safety
/// Both are the caller's own: `size` no memory that others could write to.
#[no_mangle]
pub extern "C" fn client_binding_call_answer(
    call: &ObjectCall,
    delivered: u32,
    size: &mut u64,
) -> u32 {
    let (told, octets) = call.call().answer(TeeResult(delivered), *size);
    *size = octets;
    told.0
}
