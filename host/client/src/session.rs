// SPDX-License-Identifier: BSD-2-Clause
//! Sessions on the kernel's interface, `include/uapi/linux/tee.h`.

use crate::device::{Device, Memory};
use crate::{Error, Login, Origin, Param};
use client_binding_proto::Param as Kind;
use client_binding_raw::object::{self, ROOT};
use client_binding_raw::sys;
use nix::errno::Errno;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

pub(crate) type Context = Arc<dyn Device>;

pub(crate) struct Session {
    number: u32,
    context: Context,
}

impl Session {
    /// With one parameter for the TA.
    pub(crate) fn open(
        context: Context,
        ta: Uuid,
        login: Login,
        param: &Param<'_>,
    ) -> Result<Self, Error> {
        let mut argument = sys::OpenSession {
            uuid: ta.into_bytes(),
            login: login.method(),
            num_params: 4,
            ..sys::OpenSession::default()
        };
        argument.params[0] = send(param, &(0..0), None);
        if let Some(gid) = login.group() {
            argument.client_uuid[..4].copy_from_slice(&gid.to_ne_bytes());
        }
        match context.open(&mut argument) {
            Ok(()) if argument.ret == 0 => Ok(Self {
                number: argument.session,
                context,
            }),
            Ok(()) => Err(Error::new(argument.ret, argument.ret_origin, [0; 4])),
            Err(errno) => Err(not_opened(&context, login, errno)),
        }
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    pub(crate) fn invoke(
        &self,
        command: u32,
        params: &mut [Param<'_>; 4],
        cancellation: &Cancellation,
    ) -> Result<(), Error> {
        if params.iter().any(Param::is_of_objects) {
            let origin = Origin::Api;
            return Err(Error::BadParameters { origin });
        }
        let running = cancellation.begin(&self.context, Target::Session(self.number))?;
        let places = places(params)?;
        let size = places[3].end;
        let memory = match params.iter().any(|param| param.buffer().is_some()) {
            // All buffers may be empty, but there is no empty memory.
            true => Some(self.context.allocate(size.max(1))?),
            false => None,
        };
        let mut argument = sys::Invoke {
            func: command,
            session: self.number,
            num_params: 4,
            ..sys::Invoke::default()
        };
        for ((param, place), raw) in params.iter().zip(&places).zip(&mut argument.params) {
            *raw = send(param, place, memory.as_deref());
        }
        self.context.invoke(&mut argument)?;
        drop(running);
        let mut sizes = [0; 4];
        for (((param, place), raw), size) in (params.iter_mut().zip(places))
            .zip(argument.params)
            .zip(&mut sizes)
        {
            *size = receive(param, place, raw, memory.as_deref());
        }
        match argument.ret {
            0 => Ok(()),
            code => Err(Error::new(code, argument.ret_origin, sizes)),
        }
    }
}

/// Why the kernel opens no session for who logs in so.
pub(crate) fn not_opened(context: &Context, login: Login, errno: Errno) -> Error {
    match login.group() {
        // It says the same to a member whom it doesn't take for an application.
        Some(gid) if errno == Errno::EPERM && !context.is_member(gid) => Error::NotAMember { gid },
        _ => errno.into(),
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The kernel tells nobody whether the TEE agreed.
        let _ = self.context.close(self.number);
    }
}

/// What mappings are made of: a TA sees no parameter beside another.
const PAGE: usize = 4096;

/// Where each parameter is in the shared memory.
fn places(params: &[Param<'_>; 4]) -> Result<[Range<usize>; 4], Error> {
    let mut end = 0_usize;
    let mut places = [const { 0..0 }; 4];
    for (param, place) in params.iter().zip(&mut places) {
        let size = param.buffer().map_or(0, <[u8]>::len);
        let start = end.checked_next_multiple_of(PAGE);
        let range = start.and_then(|start| Some(start..start.checked_add(size)?));
        *place = range.ok_or(Error::OutOfMemory {
            origin: Origin::Api,
        })?;
        end = place.end;
    }
    Ok(places)
}

fn send(param: &Param<'_>, place: &Range<usize>, memory: Option<&dyn Memory>) -> sys::Param {
    let value = |kind: Kind, a: u32, b: u32| sys::Param {
        attr: kind as u64,
        a: a.into(),
        b: b.into(),
        c: 0,
    };
    match (param, memory) {
        (Param::ValueIn(a, b), _) => value(Kind::ValueIn, *a, *b),
        (Param::ValueOut(a, b), _) => value(Kind::ValueOut, *a, *b),
        (Param::ValueInOut(a, b), _) => value(Kind::ValueInOut, *a, *b),
        (Param::MemIn(buffer), Some(memory)) => {
            memory.write(place.start, buffer);
            shared(Kind::MemIn, place, memory)
        }
        (Param::MemOut(..), Some(memory)) => shared(Kind::MemOut, place, memory),
        (Param::MemInOut(buffer, _), Some(memory)) => {
            memory.write(place.start, buffer);
            shared(Kind::MemInOut, place, memory)
        }
        _ => sys::Param::default(),
    }
}

fn shared(kind: Kind, place: &Range<usize>, memory: &dyn Memory) -> sys::Param {
    sys::Param {
        attr: kind as u64,
        a: place.start as u64,
        b: place.len() as u64,
        c: memory.id(),
    }
}

/// Brings the result home and returns the size that a buffer came back with.
fn receive(
    param: &mut Param<'_>,
    place: Range<usize>,
    raw: sys::Param,
    memory: Option<&dyn Memory>,
) -> usize {
    match (param, memory) {
        (Param::ValueOut(a, b) | Param::ValueInOut(a, b), _) => {
            // The TEE's values have 32 bits.
            (*a, *b) = (raw.a as u32, raw.b as u32);
            0
        }
        (Param::MemOut(buffer, written) | Param::MemInOut(buffer, written), Some(memory)) => {
            let size = usize::try_from(raw.b).unwrap_or(usize::MAX);
            // More than there is room for: the size that was needed.
            *written = if size <= buffer.len() { size } else { 0 };
            memory.read(place.start, &mut buffer[..*written]);
            size
        }
        _ => 0,
    }
}

#[derive(Clone, Default)]
pub(crate) struct Cancellation(Arc<Mutex<Cancelling>>);

#[derive(Default)]
struct Cancelling {
    requested: bool,
    /// What runs now, by a number of its own.
    running: Vec<(u64, Context, Target)>,
    next: u64,
}

/// What a command runs in.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    Session(u32),
    Object(object::Object),
}

impl Target {
    /// A request: nobody tells whether it was heeded.
    fn cancel(self, context: &Context) {
        match self {
            Self::Session(number) => drop(context.cancel(number)),
            Self::Object(object) => {
                let mut operands = vec![object.operand(), object::value(Kind::ValueIn, 0, 0)];
                context.operate(ROOT, object::root::CANCEL, 0, &mut operands);
            }
        }
    }
}

/// While it lives, the command may be cancelled.
pub(crate) struct Registration<'a> {
    cancellation: &'a Cancellation,
    number: u64,
}

impl Cancellation {
    pub(crate) fn begin(
        &self,
        context: &Context,
        target: Target,
    ) -> Result<Registration<'_>, Error> {
        let mut state = self.state();
        if state.requested {
            return Err(Error::Cancelled {
                origin: Origin::Api,
            });
        }
        let number = state.next;
        state.next += 1;
        state.running.push((number, context.clone(), target));
        Ok(Registration {
            cancellation: self,
            number,
        })
    }

    pub(crate) fn cancel(&self) {
        let mut state = self.state();
        state.requested = true;
        for (_, context, target) in &state.running {
            target.cancel(context);
        }
    }

    fn state(&self) -> MutexGuard<'_, Cancelling> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        let mut state = self.cancellation.state();
        state.running.retain(|(number, ..)| *number != self.number);
    }
}
