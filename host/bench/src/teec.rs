// SPDX-License-Identifier: BSD-2-Clause
//! libteec as a client in C calls it; optee-teec has no cancellation.
//!
//! LASTING: libteec's sessions point to their context, which is never freed.
#![expect(unsafe_code, reason = "libteec is C")]

use anyhow::{Result, ensure};
use client_binding_abi::delegation::GRANT_PARAM_TYPES;
use client_binding_abi::pta::unpair;
use client_binding_proto::bench::Command;
use client_binding_proto::{GRANT, TaUuid};
use client_binding_raw::Answer;
use optee_teec::raw::{
    TEEC_CloseSession, TEEC_Context, TEEC_Context__Imp, TEEC_InitializeContext, TEEC_InvokeCommand,
    TEEC_LOGIN_USER, TEEC_OpenSession, TEEC_Operation, TEEC_Operation__Imp, TEEC_Parameter,
    TEEC_RequestCancellation, TEEC_SUCCESS, TEEC_Session, TEEC_Session__Imp, TEEC_UUID, TEEC_Value,
};
use std::ptr;
use uuid::Uuid;

/// A connection to the TEE for as long as the program runs.
pub(crate) struct Context(*mut TEEC_Context);

impl Context {
    pub(crate) fn new() -> Result<Self> {
        let imp = TEEC_Context__Imp {
            fd: -1,
            reg_mem: false,
            memref_null: false,
        };
        let context = Box::leak(Box::new(TEEC_Context { imp }));
        // SAFETY: NULL asks for the default TEE; LASTING.
        let code = unsafe { TEEC_InitializeContext(ptr::null(), context) };
        ensure!(code == TEEC_SUCCESS, "libteec finds no TEE: {code:#x}");
        Ok(Self(context))
    }

    /// Opens a session as the effective user, with the parameters of that command.
    pub(crate) fn open(&self, ta: TaUuid, command: Command) -> Result<Session, Answer> {
        self.open_with(ta, operation(command, ptr::null_mut()))
    }

    /// Opens a session for what was lent.
    pub(crate) fn take_up(&self, number: u64) -> Result<Session, Answer> {
        let (a, b) = unpair(number);
        let mut operation = operation(Command::Nothing, ptr::null_mut());
        operation.paramTypes = GRANT_PARAM_TYPES;
        operation.params[0].value = TEEC_Value { a, b };
        self.open_with(GRANT, operation)
    }

    /// An operation of values.
    fn open_with(&self, ta: TaUuid, mut operation: TEEC_Operation) -> Result<Session, Answer> {
        let ta = Uuid::from_bytes(ta.octets);
        let (time_low, time_mid, time_hi_and_version, clock_seq_and_node) = ta.as_fields();
        let ta = TEEC_UUID {
            timeLow: time_low,
            timeMid: time_mid,
            timeHiAndVersion: time_hi_and_version,
            clockSeqAndNode: *clock_seq_and_node,
        };
        let imp = TEEC_Session__Imp {
            ctx: ptr::null_mut(),
            session_id: 0,
        };
        let mut session = TEEC_Session { imp };
        let (user, mut origin) = (TEEC_LOGIN_USER, 0);
        // SAFETY: the context was initialized and is LASTING; a user's login has no data;
        // values point to nothing, and everything else is in this frame.
        let code = unsafe {
            TEEC_OpenSession(
                self.0,
                &mut session,
                &ta,
                user,
                ptr::null(),
                &mut operation,
                &mut origin,
            )
        };
        match answer(code, origin) {
            opened if opened.is_success() => Ok(Session(session)),
            failure => Err(failure),
        }
    }
}

/// A session, open until it is [closed](Self::close) or the program ends.
pub(crate) struct Session(TEEC_Session);

impl Session {
    /// Its number.
    pub(crate) fn number(&self) -> u32 {
        self.0.imp.session_id
    }

    /// Invokes a command, from wherever with the same instructions.
    #[inline(never)]
    pub(crate) fn invoke(&mut self, command: Command) -> Answer {
        let mut operation = operation(command, ptr::null_mut());
        let mut origin = 0;
        let number = command.number();
        // SAFETY: the session is open, its context LASTING; values point to nothing.
        let code = unsafe { TEEC_InvokeCommand(&mut self.0, number, &mut operation, &mut origin) };
        answer(code, origin)
    }

    /// Asks to cancel what runs in the session, through an operation that looks as if it
    /// had been invoked there. If that fails, libteec says so on stdout and nowhere else.
    pub(crate) fn cancel(&mut self) {
        let mut operation = operation(Command::Nothing, &mut self.0);
        // SAFETY: the operation's session is open and borrowed, its context LASTING.
        unsafe { TEEC_RequestCancellation(&mut operation) }
    }

    /// Closes the session. If that fails, libteec says so on stdout and nowhere else.
    pub(crate) fn close(mut self) {
        // SAFETY: the session is open, its context LASTING.
        unsafe { TEEC_CloseSession(&mut self.0) }
    }
}

/// All of its parameters are zero.
fn operation(command: Command, session: *mut TEEC_Session) -> TEEC_Operation {
    let value = TEEC_Value { a: 0, b: 0 };
    TEEC_Operation {
        started: 0,
        paramTypes: command.shape().types(),
        params: [TEEC_Parameter { value }; 4],
        imp: TEEC_Operation__Imp { session },
    }
}

fn answer(ret: u32, origin: u32) -> Answer {
    Answer::Tee {
        ret,
        origin,
        values: [(0, 0); 4],
    }
}
