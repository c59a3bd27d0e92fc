// SPDX-License-Identifier: BSD-2-Clause
//! The one room that talks to libteec.
//!
//! Invariants, cited by the SAFETY comments:
//! - FIXED: libteec's sessions and operations point to their context and session.
//!   These live in boxes that never move and outlive whoever points to them.
//! - SHARED: libteec allows concurrent calls on one context and on one session. It
//!   changes a context only at its creation and end, a session only at its opening
//!   and closing; here those happen with exclusive access. Its own mutex guards what
//!   a cancellation reads of an operation.
#![allow(unsafe_code)]

use crate::{Error, Login, Param};
use optee_teec::raw::{
    TEEC_CloseSession, TEEC_Context, TEEC_Context__Imp, TEEC_FinalizeContext,
    TEEC_InitializeContext, TEEC_InvokeCommand, TEEC_MEMREF_TEMP_INOUT, TEEC_MEMREF_TEMP_INPUT,
    TEEC_MEMREF_TEMP_OUTPUT, TEEC_NONE, TEEC_ORIGIN_API, TEEC_OpenSession, TEEC_Operation,
    TEEC_Operation__Imp, TEEC_PARAM_TYPES, TEEC_Parameter, TEEC_RequestCancellation, TEEC_SUCCESS,
    TEEC_Session, TEEC_Session__Imp, TEEC_TempMemoryReference, TEEC_UUID, TEEC_VALUE_INOUT,
    TEEC_VALUE_INPUT, TEEC_VALUE_OUTPUT, TEEC_Value,
};
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

pub(crate) struct Context(Box<UnsafeCell<TEEC_Context>>);

// SAFETY: libteec ties a context to no thread, and SHARED.
unsafe impl Send for Context {}
// SAFETY: SHARED.
unsafe impl Sync for Context {}

impl Context {
    pub(crate) fn new() -> Result<Self, Error> {
        let context = Box::new(UnsafeCell::new(TEEC_Context {
            imp: TEEC_Context__Imp {
                fd: -1,
                reg_mem: false,
                memref_null: false,
            },
        }));
        // SAFETY: NULL asks for the default TEE; the context is exclusively ours and FIXED.
        match unsafe { TEEC_InitializeContext(ptr::null(), context.get()) } {
            TEEC_SUCCESS => Ok(Self(context)),
            _ => Err(Error::NoTee),
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: it was initialized, and no session is left: each holds an Arc of it.
        unsafe { TEEC_FinalizeContext(self.0.get()) }
    }
}

pub(crate) struct Session {
    raw: Box<UnsafeCell<TEEC_Session>>,
    /// Kept for libteec's pointer into it (FIXED).
    _context: Arc<Context>,
}

// SAFETY: libteec ties a session to no thread, and SHARED.
unsafe impl Send for Session {}
// SAFETY: SHARED.
unsafe impl Sync for Session {}

impl Session {
    pub(crate) fn open(context: Arc<Context>, ta: Uuid, login: Login) -> Result<Self, Error> {
        let (time_low, time_mid, time_hi_and_version, clock_seq_and_node) = ta.as_fields();
        let ta = TEEC_UUID {
            timeLow: time_low,
            timeMid: time_mid,
            timeHiAndVersion: time_hi_and_version,
            clockSeqAndNode: *clock_seq_and_node,
        };
        let raw = Box::new(UnsafeCell::new(TEEC_Session {
            imp: TEEC_Session__Imp {
                ctx: ptr::null_mut(),
                session_id: 0,
            },
        }));
        // libteec reads a gid through this pointer for groups, whether it is NULL or not.
        let data = match &login {
            Login::Group(gid) | Login::GroupApplication(gid) => ptr::from_ref(gid).cast(),
            _ => ptr::null(),
        };
        let mut origin = TEEC_ORIGIN_API;
        // SAFETY: context and session are FIXED, UUID, login data and origin live in
        // this frame; without an operation there are no parameters.
        let code = unsafe {
            TEEC_OpenSession(
                context.0.get(),
                raw.get(),
                &ta,
                login.method(),
                data,
                ptr::null_mut(),
                &mut origin,
            )
        };
        match code {
            TEEC_SUCCESS => Ok(Self {
                raw,
                _context: context,
            }),
            _ => Err(Error::new(code, origin, [0; 4])),
        }
    }

    pub(crate) fn invoke(
        &self,
        command: u32,
        params: &mut [Param<'_>; 4],
        cancellation: &Cancellation,
    ) -> Result<(), Error> {
        let [a, b, c, d] = params.each_ref().map(param_type);
        let operation = Box::new(UnsafeCell::new(TEEC_Operation {
            started: 0,
            paramTypes: TEEC_PARAM_TYPES(a, b, c, d),
            params: params.each_mut().map(to_raw),
            imp: TEEC_Operation__Imp {
                session: ptr::null_mut(),
            },
        }));
        let mut origin = TEEC_ORIGIN_API;
        let running = cancellation.begin(operation.get())?;
        // SAFETY: the session is open and FIXED; the buffers behind the operation are
        // borrowed by `params` until this function ends.
        let code =
            unsafe { TEEC_InvokeCommand(self.raw.get(), command, operation.get(), &mut origin) };
        // From here on nobody else has the operation's address.
        drop(running);
        let results = operation.into_inner().params;
        let mut sizes = [0; 4];
        for ((param, result), size) in params.iter_mut().zip(results).zip(&mut sizes) {
            *size = take_result(param, result);
        }
        match code {
            TEEC_SUCCESS => Ok(()),
            _ => Err(Error::new(code, origin, sizes)),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: it is open, and nobody else uses it: invoke borrows it.
        unsafe { TEEC_CloseSession(self.raw.get()) }
    }
}

fn param_type(param: &Param<'_>) -> u32 {
    match param {
        Param::None => TEEC_NONE,
        Param::ValueIn(..) => TEEC_VALUE_INPUT,
        Param::ValueOut(..) => TEEC_VALUE_OUTPUT,
        Param::ValueInOut(..) => TEEC_VALUE_INOUT,
        Param::MemIn(..) => TEEC_MEMREF_TEMP_INPUT,
        Param::MemOut(..) => TEEC_MEMREF_TEMP_OUTPUT,
        Param::MemInOut(..) => TEEC_MEMREF_TEMP_INOUT,
    }
}

fn to_raw(param: &mut Param<'_>) -> TEEC_Parameter {
    let memory = |buffer: *mut u8, size| TEEC_Parameter {
        tmpref: TEEC_TempMemoryReference {
            buffer: buffer.cast(),
            size,
        },
    };
    match param {
        Param::None => memory(ptr::null_mut(), 0),
        Param::ValueIn(a, b) | Param::ValueOut(a, b) | Param::ValueInOut(a, b) => TEEC_Parameter {
            value: TEEC_Value { a: *a, b: *b },
        },
        // libteec only reads an input buffer.
        Param::MemIn(buffer) => memory(buffer.as_ptr().cast_mut(), buffer.len()),
        Param::MemOut(buffer, _) | Param::MemInOut(buffer, _) => {
            memory(buffer.as_mut_ptr(), buffer.len())
        }
    }
}

/// Brings the result home and returns the size that a buffer came back with.
fn take_result(param: &mut Param<'_>, result: TEEC_Parameter) -> usize {
    match param {
        Param::ValueOut(a, b) | Param::ValueInOut(a, b) => {
            // SAFETY: `to_raw` made this one a value.
            TEEC_Value { a: *a, b: *b } = unsafe { result.value };
            0
        }
        Param::MemOut(buffer, written) | Param::MemInOut(buffer, written) => {
            // SAFETY: `to_raw` made this one a memory reference.
            let size = unsafe { result.tmpref }.size;
            // More than there is room for: the size that was needed.
            *written = if size <= buffer.len() { size } else { 0 };
            size
        }
        Param::None | Param::ValueIn(..) | Param::MemIn(..) => 0,
    }
}

#[derive(Clone, Default)]
pub(crate) struct Cancellation(Arc<Mutex<Cancelling>>);

#[derive(Default)]
struct Cancelling {
    requested: bool,
    /// What is in libteec's hands now.
    running: Vec<Running>,
}

#[derive(PartialEq)]
struct Running(*mut TEEC_Operation);

// SAFETY: only an address; it is used under the mutex around it.
unsafe impl Send for Running {}

/// While it lives, the operation may be cancelled.
struct Registration<'a> {
    cancellation: &'a Cancellation,
    operation: *mut TEEC_Operation,
}

impl Cancellation {
    fn begin(&self, operation: *mut TEEC_Operation) -> Result<Registration<'_>, Error> {
        let mut state = self.state();
        if state.requested {
            return Err(Error::Cancelled {
                origin: crate::Origin::Api,
            });
        }
        state.running.push(Running(operation));
        Ok(Registration {
            cancellation: self,
            operation,
        })
    }

    pub(crate) fn cancel(&self) {
        let mut state = self.state();
        state.requested = true;
        for Running(operation) in &state.running {
            // SAFETY: a registered operation and its session live until it is taken
            // off the list, which waits for our lock. SHARED.
            unsafe { TEEC_RequestCancellation(*operation) }
        }
    }

    fn state(&self) -> MutexGuard<'_, Cancelling> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        let operation = Running(self.operation);
        let mut state = self.cancellation.state();
        state.running.retain(|running| *running != operation);
    }
}
