// SPDX-License-Identifier: BSD-2-Clause
//! Sessions and memory as objects, as Linux' `include/uapi/linux/optee.h` has them.

use crate::code::TEE_SUCCESS;
use crate::sys::{self, Operand, Param, SharedMemory};
use crate::{Answer, Login, Tee};
use client_binding_proto::{Param as Kind, TaUuid};
use serde::{Deserialize, Serialize};
use std::os::fd::AsFd;

/// `TEE_OBJREF_NULL`: the root object.
pub const ROOT: u64 = u64::MAX;

/// Operations of the root object, `OPTEE_ROOT_*`.
pub mod root {
    #![allow(missing_docs, reason = "named as in the header")]
    pub const VERSION: u32 = 0xffff_ff00;
    pub const OPEN: u32 = 0xffff_ff01;
    pub const RELEASE: u32 = 0xffff_ff02;
    pub const MEMORY: u32 = 0xffff_ff06;
    pub const CANCEL: u32 = 0xffff_ff08;
    pub const STOP: u32 = 0xffff_ff09;
}

/// The version that this is, `OPTEE_OBJECT_VERSION`.
pub const VERSION: u64 = 1;

/// `OPTEE_OBJREF_SESSION`
pub const SESSION: u64 = 1;
/// `OPTEE_OBJREF_CALLBACK`
pub const CALLBACK: u64 = 2;
/// `OPTEE_OBJREF_MEMORY`
pub const MEMORY: u64 = 4;

/// A flag of what the root object knows: TAs can be given objects, `OPTEE_OBJECT_GIVEN`.
pub const GIVEN: u64 = 1;

/// How many octets a call takes each way, `OPTEE_CALLBACK_MAX`.
pub const MOST_OF_CALL: usize = 0x1000;
/// How many octets an operation takes in buffers, `OPTEE_OBJECT_UBUF_MAX`.
pub const MOST_OCTETS: usize = 0x10000;
/// How many objects an open file has, `OPTEE_OBJECT_MAX`.
pub const MOST_OBJECTS: usize = 256;

// TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_*, and the bit of what is not the TA's
const OBJREF_IN: u64 = 11;
const OBJREF_OUT: u64 = 12;
const META: u64 = 0x100;

/// What an id in an open file stands for, for everybody who holds the descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Its number.
    pub id: u64,
    /// [`SESSION`], [`CALLBACK`] or [`MEMORY`].
    pub kind: u64,
}

impl Object {
    /// As a parameter for the TEE.
    pub fn operand(self) -> Operand<'static> {
        Operand::Plain(Param {
            attr: OBJREF_IN,
            a: self.id,
            b: self.kind,
            c: 0,
        })
    }
}

/// An object of the process's own, that a TA can call while its command runs.
pub const fn callback(id: u64) -> Object {
    Object { id, kind: CALLBACK }
}

/// All of a piece of shared memory, as a buffer of that kind.
pub fn memref(kind: Kind, size: usize, memory: u64) -> Operand<'static> {
    Operand::Plain(Param {
        attr: kind as u64,
        a: 0,
        b: size as u64,
        c: memory,
    })
}

/// A place for an object from the TEE.
pub fn place() -> Operand<'static> {
    Operand::Plain(Param {
        attr: OBJREF_OUT,
        ..Param::default()
    })
}

/// Numbers.
pub fn value(kind: Kind, a: u64, b: u64) -> Operand<'static> {
    Operand::Plain(Param {
        attr: kind as u64,
        a,
        b,
        c: 0,
    })
}

/// The numbers that came back.
pub fn numbers(operand: &Operand<'_>) -> (u64, u64) {
    match operand {
        Operand::Plain(param) => (param.a, param.b),
        _ => (0, 0),
    }
}

impl Tee {
    /// An operation of an object, which says how it went.
    pub fn operate(
        &self,
        id: u64,
        op: u32,
        cancel_id: u32,
        operands: &mut Vec<Operand<'_>>,
    ) -> Answer {
        let status = Param {
            attr: Kind::ValueInOut as u64 | META,
            a: cancel_id.into(),
            ..Param::default()
        };
        operands.insert(0, Operand::Plain(status));
        let result = sys::object_invoke(self.as_fd(), id, op, operands);
        let status = operands.remove(0);
        match result {
            Ok(ret) => {
                let mut values = [(0, 0); 4];
                for (value, operand) in values.iter_mut().zip(&*operands) {
                    let (a, b) = numbers(operand);
                    *value = (a as u32, b as u32);
                }
                Answer::Tee {
                    ret,
                    origin: numbers(&status).0 as u32,
                    values,
                }
            }
            Err(errno) => Answer::Kernel(errno as i32),
        }
    }

    /// A session as an object.
    pub fn open_object(
        &self,
        ta: TaUuid,
        login: Login,
        operands: Vec<Operand<'_>>,
    ) -> Result<Object, Answer> {
        self.open_object_by(ta, login.method(), login.group(), operands)
    }

    /// The same by the number of a login method, whether there is one or not.
    pub fn open_object_by(
        &self,
        ta: TaUuid,
        method: u32,
        group: Option<u32>,
        operands: Vec<Operand<'_>>,
    ) -> Result<Object, Answer> {
        let login = value(Kind::ValueIn, method.into(), group.unwrap_or(0).into());
        let mut all = vec![Operand::In(&ta.octets), login, place()];
        all.extend(operands);
        self.made(root::OPEN, &mut all, 2)
    }

    /// Shared memory as an object, which a TA gets as that kind: [`Kind::MemIn`] or [`Kind::MemInOut`].
    pub fn memory_object(&self, memory: &SharedMemory, kind: Kind) -> Result<Object, Answer> {
        let mut all = vec![Operand::Plain(memory.param(kind)), place()];
        self.made(root::MEMORY, &mut all, 1)
    }

    /// The object that an operation of the root object has put into that place.
    fn made(
        &self,
        op: u32,
        operands: &mut Vec<Operand<'_>>,
        place: usize,
    ) -> Result<Object, Answer> {
        match self.operate(ROOT, op, 0, operands) {
            Answer::Tee {
                ret: TEE_SUCCESS, ..
            } => {
                let (id, kind) = operands.get(place).map_or((0, 0), numbers);
                Ok(Object { id, kind })
            }
            failure => Err(failure),
        }
    }

    /// The end of an object.
    pub fn release(&self, object: Object) -> Answer {
        self.operate(ROOT, root::RELEASE, 0, &mut vec![object.operand()])
    }

    /// How many times those who [receive](sys::receive) calls were told that it is over: once more, or as it is.
    pub fn stops(&self, once_more: bool) -> Result<u32, Answer> {
        let mut stops = vec![value(Kind::ValueInOut, once_more.into(), 0)];
        self.operate(ROOT, root::STOP, 0, &mut stops).values()?;
        Ok(numbers(&stops[0]).0 as u32)
    }

    /// Asks to cancel what runs in the session with that number.
    pub fn cancel_object(&self, object: Object, cancel_id: u32) -> Answer {
        let what = value(Kind::ValueIn, cancel_id.into(), 0);
        self.operate(ROOT, root::CANCEL, 0, &mut vec![object.operand(), what])
    }
}
