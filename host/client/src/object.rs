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

use crate::lend::{Grantee, Lender, Of, Offer};
use crate::session::{Context, Target, not_opened};
use crate::{Cancellation, Client, Error, Login, Origin, Param, device, lend};
use client_binding_abi::delegation::{Command, Request};
use client_binding_abi::pta::pair;
use client_binding_proto::{GRANT, LEND, Param as Kind};
use client_binding_raw::Answer;
use client_binding_raw::code::TEE_ERROR_GENERIC;
use client_binding_raw::object::{self as raw, ROOT, VERSION, numbers, place, root, value};
use client_binding_raw::sys::Operand;
use nix::errno::Errno;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use uuid::Uuid;

/// What makes objects.
pub struct Root {
    context: Context,
    /// Whether TAs can be given objects.
    gives: bool,
}

impl Root {
    /// Connects to the first TEE that serves clients. [`Error::NoObjects`] if its driver has none.
    pub fn connect() -> Result<Self, Error> {
        Self::of(&Client::connect()?)
    }

    /// Of a connection that is there.
    pub fn of(client: &Client) -> Result<Self, Error> {
        let mut version = vec![value(Kind::ValueOut, 0, 0)];
        let context = client.0.clone();
        if !context.has_objects() {
            return Err(Error::NoObjects);
        }
        let answer = context.operate(ROOT, root::VERSION, 0, &mut version);
        succeed(answer, [0; 4])?;
        let (version, flags) = numbers(&version[0]);
        let gives = flags & raw::GIVEN != 0;
        match version {
            VERSION => Ok(Self { context, gives }),
            _ => Err(Error::NoObjects),
        }
    }

    /// Opens a session with a TA.
    pub fn open(&self, ta: Uuid, login: Login) -> Result<Object, Error> {
        open(&self.context, ta, login, None, &mut Param::None)
    }

    /// Opens a session for what was lent under that number, as [`Client::take_up`] does. The commands are those of the TA that it is of.
    pub fn take_up(&self, number: u64, login: Login) -> Result<Object, Error> {
        let ta = Uuid::from_bytes(GRANT.octets);
        let mut what = lend::value(number);
        let opened = open(&self.context, ta, login, Some(number), &mut what);
        opened.map_err(lend::without_delegation)
    }

    /// Shares that many octets of memory with the TEE, under a name: [`Param::Memory`]. Where a buffer is copied for each command, this is not.
    pub fn memory(&self, size: usize, access: Access) -> Result<Memory, Error> {
        let shared = self.context.allocate(size)?;
        let kind = match access {
            Access::Read => Kind::MemIn,
            Access::Write => Kind::MemInOut,
        };
        let mut operands = vec![raw::memref(kind, size, shared.id()), place()];
        let answer = (self.context).operate(ROOT, root::MEMORY, 0, &mut operands);
        succeed(answer, [0; 4])?;
        let (id, kind) = numbers(&operands[1]);
        Ok(Memory {
            named: Named {
                object: raw::Object { id, kind },
                context: self.context.clone(),
            },
            shared,
            size,
        })
    }

    /// Answers what TAs ask the objects that commands were given, [`Param::Callback`], until what this gives is dropped: in a thread of its own, one
    /// call after the other. [`Error::NoObjects`] if this driver or this OP-TEE gives TAs none.
    ///
    /// Calls come to whoever has the open file and is the client of the session in which the command was given; the thread is who the calling
    /// thread is. The TA waits meanwhile; whoever else wants something of the session, this client with `EBUSY`, is told to come again. An answer that is larger than [`Call::room`] tells the TA how much that was; one of more than 4,096 octets, and a panic of the
    /// handler, are the result `TEE_ERROR_GENERIC`.
    pub fn serve<H>(&self, handler: H) -> Result<Server, Error>
    where
        H: FnMut(Call<'_>) -> Reply + Send + 'static,
    {
        if !self.gives {
            return Err(Error::NoObjects);
        }
        let over = Arc::new(AtomicBool::new(false));
        let (context, ended) = (self.context.clone(), over.clone());
        let thread = thread::Builder::new()
            .name("tee-callbacks".into())
            .spawn(move || serve(&context, &ended, handler))
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
        Ok(Server {
            context: self.context.clone(),
            over,
            thread: Some(thread),
        })
    }
}

/// Opens a session with one parameter for the TA.
fn open(
    context: &Context,
    ta: Uuid,
    login: Login,
    taken_up: Option<u64>,
    param: &mut Param<'_>,
) -> Result<Object, Error> {
    let uuid = ta.into_bytes();
    let group = login.group().unwrap_or(0);
    let client = value(Kind::ValueIn, login.method().into(), group.into());
    let mut operands = vec![Operand::In(&uuid), client, place(), operand(param)];
    match context.operate(ROOT, root::OPEN, 0, &mut operands) {
        Answer::Kernel(errno) => Err(not_opened(context, login, Errno::from_raw(errno))),
        answer => succeed(answer, [0; 4]),
    }?;
    let (id, kind) = numbers(&operands[2]);
    Ok(Object {
        named: Named {
            object: raw::Object { id, kind },
            context: context.clone(),
        },
        login,
        taken_up,
    })
}

/// An id in an open file, released when dropped.
struct Named {
    object: raw::Object,
    context: Context,
}

impl Named {
    fn operate(&self, op: u32, operands: &mut Vec<Operand<'_>>) -> Answer {
        self.context.operate(self.object.id, op, 0, operands)
    }
}

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.object == other.object && Arc::ptr_eq(&self.context, &other.context)
    }
}

impl Eq for Named {}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.object.fmt(f)
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let mut what = vec![self.object.operand()];
        // Whoever isn't its client, or while it waits for this program, leaves it to the end of the connection.
        let _ = self.context.operate(ROOT, root::RELEASE, 0, &mut what);
    }
}

/// What a TA gets memory for. OP-TEE maps it to be written to either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To read it: an input.
    Read,
    /// To read it, and to write to it.
    Write,
}

/// Memory that TAs get by its name, which ends when it is dropped.
///
/// A TA that has it sees what is written at any time, and may write to it.
pub struct Memory {
    named: Named,
    shared: Box<dyn device::Memory>,
    size: usize,
}

impl Memory {
    /// As a parameter: [`Param::Memory`]. To objects of another connection it means nothing, or something else.
    pub fn name(&self) -> Name<'_> {
        Name {
            object: self.named.object,
            memory: PhantomData,
        }
    }

    /// How many octets there are.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Writes octets to it. Beyond its end: [`Error::BadParameters`].
    pub fn write(&self, offset: usize, octets: &[u8]) -> Result<(), Error> {
        self.check(offset, octets.len())?;
        self.shared.write(offset, octets);
        Ok(())
    }

    /// Reads octets from it. Beyond its end: [`Error::BadParameters`].
    pub fn read(&self, offset: usize, octets: &mut [u8]) -> Result<(), Error> {
        self.check(offset, octets.len())?;
        self.shared.read(offset, octets);
        Ok(())
    }

    fn check(&self, offset: usize, size: usize) -> Result<(), Error> {
        let origin = Origin::Api;
        let end = offset.checked_add(size).filter(|end| *end <= self.size);
        end.map(drop).ok_or(Error::BadParameters { origin })
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.named.fmt(f)
    }
}

/// The name of memory, by which a TA gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    object: raw::Object,
    memory: PhantomData<&'a ()>,
}

/// A session with a TA, closed when dropped.
///
/// It may be used from several threads at once; the TEE serves them one after another.
#[derive(Debug, PartialEq, Eq)]
pub struct Object {
    named: Named,
    login: Login,
    /// The grant that it is for.
    pub(crate) taken_up: Option<u64>,
}

impl Object {
    /// Runs a command of the TA. [`Error::Kernel`] with `E2BIG`: there is more in buffers than the 64 KiB that an operation takes.
    pub fn invoke(&self, command: u32, params: &mut [Param<'_>; 4]) -> Result<(), Error> {
        self.invoke_cancellable(command, params, &Cancellation::default())
    }

    /// Lends these commands, as [`Session::grant`](crate::Session::grant) does: of an object that this connection holds, whatever numbers there
    /// are. What a TA has handed out is not to be lent: [`Error::AccessDenied`].
    pub fn grant(&self, to: impl Into<Grantee>, commands: &[u32]) -> Offer<'_> {
        Offer::new(Of::Object(self), to.into(), commands)
    }

    fn handed_out(&self, answer: &Answer, id: u64, kind: u64) -> Option<Self> {
        let is_there = matches!(answer, Answer::Tee { ret: 0, .. }) && id != ROOT;
        is_there.then(|| Self {
            named: Named {
                object: raw::Object { id, kind },
                context: self.named.context.clone(),
            },
            login: self.login,
            taken_up: None,
        })
    }

    /// Tells the number of the grant, and who takes it back.
    pub(crate) fn lend(&self, request: &Request) -> Result<(Arc<Lender>, u64), Error> {
        let context = &self.named.context;
        let lender = Arc::new(Lender::open(context.clone(), self.login)?);
        if request.parent != 0 {
            let number = lender.lend(request)?;
            return Ok((lender, number));
        }
        let ta = Uuid::from_bytes(LEND.octets);
        let lending = open(context, ta, self.login, None, &mut Param::None)?;
        let octets = request.to_octets();
        let mut operands = vec![
            Operand::In(&octets),
            value(Kind::ValueOut, 0, 0),
            self.named.object.operand(),
        ];
        let command = Command::LendObject as u32;
        let answer = lending.named.operate(command, &mut operands);
        succeed(answer, [0; 4]).map_err(Error::in_lending)?;
        let (low, high) = numbers(&operands[1]);
        Ok((lender, pair(low as u32, high as u32)))
    }

    /// Runs a command that `cancellation` can cut short, if the TA plays along.
    pub fn invoke_cancellable(
        &self,
        command: u32,
        params: &mut [Param<'_>; 4],
        cancellation: &Cancellation,
    ) -> Result<(), Error> {
        let target = Target::Object(self.named.object);
        let running = cancellation.0.begin(&self.named.context, target)?;
        let mut operands = params.iter_mut().map(operand).collect();
        let answer = self.named.operate(command, &mut operands);
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
                Param::ObjectOut(place) => *place = self.handed_out(&answer, a, b),
                _ => {}
            }
        }
        succeed(answer, sizes)
    }
}

/// A TA calls an object of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// The number that it was given with.
    pub object: u32,
    /// What it is to do.
    pub operation: u32,
    /// What the TA says.
    pub octets: &'a [u8],
    /// How many octets the answer may have.
    pub room: usize,
    /// How long the TA will wait for it.
    pub time: Duration,
}

/// The answer to a [`Call`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// A result, what it means is between the program and the TA. 0 is `TEE_SUCCESS`.
    pub result: u32,
    /// What goes with it.
    pub octets: Vec<u8>,
}

impl Reply {
    /// A result alone.
    pub fn result(result: u32) -> Self {
        let octets = Vec::new();
        Self { result, octets }
    }
}

/// A thread that answers calls. Dropping it waits for the call that it is at, and ends it.
#[must_use = "dropping it ends it"]
pub struct Server {
    context: Context,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let told = self.context.stops(true).is_some();
        // The handler may drop it, too, and ends when it returns.
        let other = |thread: &JoinHandle<()>| thread.thread().id() != thread::current().id();
        if let Some(thread) = self.thread.take().filter(|thread| told && other(thread)) {
            // It has no result, and catches panics.
            let _ = thread.join();
        }
    }
}

fn serve(
    context: &Context,
    over: &AtomicBool,
    mut handler: impl FnMut(Call<'_>) -> Reply + Send + 'static,
) {
    let mut room = vec![0; raw::MOST_OF_CALL];
    // Asked for before `over` is: who is told afterwards that it is over notices.
    while let Some(stops) = context.stops(false) {
        if over.load(Ordering::SeqCst) {
            return;
        }
        let call = match context.receive(stops, &mut room) {
            Ok(call) => call,
            // Meant for another one, perhaps.
            Err(Errno::ESHUTDOWN | Errno::EINTR) => continue,
            Err(Errno::ENOMEM) => {
                thread::sleep(A_MOMENT);
                continue;
            }
            Err(_) => return,
        };
        let asked = Call {
            object: call.object as u32,
            operation: call.operation,
            octets: room.get(..call.size).unwrap_or_default(),
            room: usize::try_from(call.room).unwrap_or(usize::MAX),
            time: Duration::from_millis(call.millis),
        };
        // The TA must not wait for nobody.
        let reply = catch_unwind(AssertUnwindSafe(|| handler(asked)));
        let reply = reply.unwrap_or(Reply::result(TEE_ERROR_GENERIC));
        match send(context, call.number, &reply) {
            // The TA has given up, if not.
            Ok(()) | Err(Errno::ENOENT) => {}
            // What can't be sent is no answer.
            Err(_) => {
                let _ = send(context, call.number, &Reply::result(TEE_ERROR_GENERIC));
            }
        }
    }
}

const A_MOMENT: Duration = Duration::from_millis(10);

/// Tries again as long as somebody waits for it.
fn send(context: &Context, call: u64, reply: &Reply) -> nix::Result<()> {
    loop {
        match context.send(call, reply.result, &reply.octets) {
            Err(Errno::EINTR | Errno::EAGAIN | Errno::ENOMEM) => thread::sleep(A_MOMENT),
            sent => return sent,
        }
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
        Param::Callback(number) => raw::callback((*number).into()).operand(),
        Param::Memory(name) => name.object.operand(),
        Param::ObjectOut(_) => place(),
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
        Answer::Kernel(errno) if errno == Errno::EOPNOTSUPP as i32 => Err(Error::NoObjects),
        Answer::Kernel(errno) => Err(Errno::from_raw(errno).into()),
    }
}
