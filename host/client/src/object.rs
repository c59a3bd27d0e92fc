// SPDX-License-Identifier: BSD-2-Clause
//! Sessions as objects: Linux' `TEE_IOC_OBJECT_INVOKE`, as `include/uapi/linux/optee.h` of our series has it.
//!
//! Buffers go to the TA and back without shared memory. An object is a name in one open file, and no right: the TEE is told who
//! calls, as with a [`Session`](crate::Session).
//!
//! ```no_run
//! use client_binding_client::object::Root;
//! use client_binding_client::{Login, Param};
//! use uuid::uuid;
//!
//! # fn main() -> Result<(), client_binding_client::Error> {
//! let root = Root::connect()?;
//! let object = root.open(uuid!("abfa79a1-ab1a-4690-a804-5b744a19130d"), Login::User)?;
//! let mut answer = [0; 64];
//! let mut params = [Param::MemIn(b"a question"), Param::MemOut(&mut answer, 0), Param::None, Param::None];
//! object.invoke(1, &mut params)?;
//! # Ok(())
//! # }
//! ```

use crate::session::{Context, Target, not_opened};
use crate::{Cancellation, Client, Error, Login, Param, lend};
use client_binding_proto::{GRANT, Param as Kind};
use client_binding_raw::Answer;
use client_binding_raw::object::{self as raw, ROOT, VERSION, numbers, place, root, value};
use client_binding_raw::sys::Operand;
use nix::errno::Errno;
use uuid::Uuid;

/// What makes objects.
pub struct Root(Context);

impl Root {
    /// Connects to the first TEE that serves clients. [`Error::NoObjects`] if its driver has none.
    pub fn connect() -> Result<Self, Error> {
        Self::of(&Client::connect()?)
    }

    /// Of a connection that is there.
    pub fn of(client: &Client) -> Result<Self, Error> {
        let mut version = vec![value(Kind::ValueOut, 0, 0)];
        if !client.0.has_objects() {
            return Err(Error::NoObjects);
        }
        let answer = client.0.operate(ROOT, root::VERSION, 0, &mut version);
        succeed(answer, [0; 4])?;
        match numbers(&version[0]) {
            (VERSION, _) => Ok(Self(client.0.clone())),
            _ => Err(Error::NoObjects),
        }
    }

    /// Opens a session with a TA.
    pub fn open(&self, ta: Uuid, login: Login) -> Result<Object, Error> {
        self.open_with(ta, login, &mut Param::None)
    }

    /// Opens a session for what was lent under that number, as [`Client::take_up`] does. The commands are those of the TA that it is of.
    pub fn take_up(&self, number: u64, login: Login) -> Result<Object, Error> {
        let ta = Uuid::from_bytes(GRANT.octets);
        let opened = self.open_with(ta, login, &mut lend::value(number));
        opened.map_err(lend::without_delegation)
    }

    /// With one parameter for the TA.
    fn open_with(&self, ta: Uuid, login: Login, param: &mut Param<'_>) -> Result<Object, Error> {
        let uuid = ta.into_bytes();
        let group = login.group().unwrap_or(0);
        let client = value(Kind::ValueIn, login.method().into(), group.into());
        let mut operands = vec![Operand::In(&uuid), client, place(), operand(param)];
        match self.0.operate(ROOT, root::OPEN, 0, &mut operands) {
            Answer::Kernel(errno) => Err(not_opened(&self.0, login, Errno::from_raw(errno))),
            answer => succeed(answer, [0; 4]),
        }?;
        let (id, kind) = numbers(&operands[2]);
        Ok(Object {
            object: raw::Object { id, kind },
            context: self.0.clone(),
        })
    }
}

/// A session with a TA, closed when dropped.
///
/// It may be used from several threads at once; the TEE serves them one after another.
pub struct Object {
    object: raw::Object,
    context: Context,
}

impl Object {
    /// Runs a command of the TA. [`Error::Kernel`] with `E2BIG`: there is more in buffers than the 64 KiB that an operation takes.
    pub fn invoke(&self, command: u32, params: &mut [Param<'_>; 4]) -> Result<(), Error> {
        self.invoke_cancellable(command, params, &Cancellation::default())
    }

    /// Runs a command that `cancellation` can cut short, if the TA plays along.
    pub fn invoke_cancellable(
        &self,
        command: u32,
        params: &mut [Param<'_>; 4],
        cancellation: &Cancellation,
    ) -> Result<(), Error> {
        let target = Target::Object(self.object);
        let running = cancellation.0.begin(&self.context, target)?;
        let mut operands = params.iter_mut().map(operand).collect();
        let answer = self
            .context
            .operate(self.object.id, command, 0, &mut operands);
        drop(running);
        // They borrow what the parameters have.
        let came_back = operands.iter().map(came_back).collect::<Vec<_>>();
        drop(operands);
        let mut sizes = [0; 4];
        for ((param, (a, b)), size) in params.iter_mut().zip(came_back).zip(&mut sizes) {
            match param {
                Param::ValueOut(x, y) | Param::ValueInOut(x, y) => (*x, *y) = (a as u32, b as u32),
                Param::MemOut(room, written) | Param::MemInOut(room, written) => {
                    *size = usize::try_from(b).unwrap_or(usize::MAX);
                    // More than there is room for: the size that was needed.
                    *written = if *size <= room.len() { *size } else { 0 };
                }
                _ => {}
            }
        }
        succeed(answer, sizes)
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        let mut what = vec![self.object.operand()];
        // Whoever isn't its client leaves it to the end of the connection.
        let _ = self.context.operate(ROOT, root::RELEASE, 0, &mut what);
    }
}

fn operand<'a>(param: &'a mut Param<'_>) -> Operand<'a> {
    match param {
        Param::None => Operand::Plain(Default::default()),
        Param::ValueIn(a, b) => value(Kind::ValueIn, (*a).into(), (*b).into()),
        Param::ValueOut(..) => value(Kind::ValueOut, 0, 0),
        Param::ValueInOut(a, b) => value(Kind::ValueInOut, (*a).into(), (*b).into()),
        Param::MemIn(octets) => Operand::In(octets),
        Param::MemOut(room, _) => Operand::Out(room, 0),
        Param::MemInOut(octets, _) => Operand::InOut(octets, 0),
    }
}

fn came_back(operand: &Operand<'_>) -> (u64, u64) {
    match operand {
        Operand::Out(_, size) | Operand::InOut(_, size) => (0, *size as u64),
        Operand::Plain(_) | Operand::In(_) => numbers(operand),
    }
}

fn succeed(answer: Answer, sizes: [usize; 4]) -> Result<(), Error> {
    match answer {
        Answer::Tee { ret: 0, .. } => Ok(()),
        Answer::Tee { ret, origin, .. } => Err(Error::new(ret, origin, sizes)),
        Answer::Kernel(errno) => Err(Errno::from_raw(errno).into()),
    }
}
