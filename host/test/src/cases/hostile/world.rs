// SPDX-License-Identifier: BSD-2-Clause
//! Messages, who sends them, and what comes back.

use anyhow::{Context, Result, ensure};
use client_binding_client::identity::Principal;
use client_binding_policy::abi::{ClientUuid, Login, OPTEE_MSG_LOGIN_RELEASE as RELEASE};
use client_binding_proto::{TaUuid, whoami};
use client_binding_raw::code::{
    TEE_ERROR_ACCESS_DENIED, TEE_ERROR_BAD_PARAMETERS, TEE_ERROR_ITEM_NOT_FOUND,
    TEE_ERROR_SECURITY, TEE_ORIGIN_TEE, TEE_ORIGIN_TRUSTED_APP, TEE_SUCCESS,
};
use client_binding_raw::sys::{self, SharedMemory};
use client_binding_raw::{self as raw, Session, Tee};
use client_binding_test::Stack;
use std::cell::Cell;
use std::fmt;
use std::os::fd::AsFd;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

pub(super) const OPEN: u32 = 0;
pub(super) const INVOKE: u32 = 1;
pub(super) const CLOSE: u32 = 2;
pub(super) const CANCEL: u32 = 3;
pub(super) const REGISTER_SHM: u32 = 4;
pub(super) const UNREGISTER_SHM: u32 = 5;
/// What is asked of a session.
pub(super) const LATER: [u32; 3] = [INVOKE, CANCEL, CLOSE];

/// `struct optee_msg_param`: attribute and three words.
pub(super) type Param = [u64; 4];
pub(super) const NONE: Param = [0; 4];
pub(super) const VALUE_IN: u64 = 1;
pub(super) const VALUE_OUT: u64 = 2;
pub(super) const RMEM: [u64; 3] = [5, 6, 7];
pub(super) const RMEM_IN: u64 = RMEM[0];
pub(super) const TMEM: [u64; 3] = [9, 0xa, 0xb];
pub(super) const META: u64 = 1 << 8;
pub(super) const NONCONTIG: u64 = 1 << 9;
pub(super) const META_VALUE: u64 = META | VALUE_IN;

/// Words of `struct optee_msg_arg`.
pub(super) mod word {
    pub(in super::super) const CMD: usize = 0;
    pub(in super::super) const SESSION: usize = 2;
    pub(in super::super) const RET: usize = 5;
    pub(in super::super) const ORIGIN: usize = 6;
    pub(in super::super) const NUM_PARAMS: usize = 7;
    /// Low half of a word of a parameter; word 0 is the attribute.
    pub(in super::super) const fn param(n: usize, of: usize) -> usize {
        8 + n * 8 + of * 2
    }
}

pub(super) const PAGE: usize = 4096;
/// Behind two pages for the message: what messages refer to, and the list of its pages.
pub(super) const DATA: usize = 2 * PAGE;
pub(super) const LIST: usize = 3 * PAGE;
const SIZE: usize = 4 * PAGE;

/// The session id that the driver takes for itself, and what it is asked to do.
const DOOR: u32 = u32::MAX;
const SEND: u32 = 0;
const ADDRESSES: u32 = 1;
const TEEC_MEMREF_INOUT: u64 = 7;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Answer {
    /// `TEE_Result` and its origin.
    Tee(u32, u32),
    /// The SMC itself returned this: the message was not looked at.
    Smc(u32),
}

/// What stands in result and origin before.
pub(super) const POISON: u32 = 0x5a5a_5a5a;
/// Refused.
pub(super) const DENIED: Answer = Answer::Tee(TEE_ERROR_ACCESS_DENIED, TEE_ORIGIN_TEE);
/// Malformed, or no such session.
pub(super) const BAD: Answer = Answer::Tee(TEE_ERROR_BAD_PARAMETERS, TEE_ORIGIN_TEE);
pub(super) const NOT_FOUND: Answer = Answer::Tee(TEE_ERROR_ITEM_NOT_FOUND, TEE_ORIGIN_TEE);
pub(super) const SECURITY: Answer = Answer::Tee(TEE_ERROR_SECURITY, TEE_ORIGIN_TEE);
/// Success, from the core.
pub(super) const DONE: Answer = Answer::Tee(TEE_SUCCESS, TEE_ORIGIN_TEE);
/// Success, from the TA.
pub(super) const SERVED: Answer = Answer::Tee(TEE_SUCCESS, TEE_ORIGIN_TRUSTED_APP);
/// The TA was entered, and does not like the parameters.
pub(super) const REACHED: Answer = Answer::Tee(TEE_ERROR_BAD_PARAMETERS, TEE_ORIGIN_TRUSTED_APP);
pub(super) const EBADADDR: Answer = Answer::Smc(4);
pub(super) const EBADCMD: Answer = Answer::Smc(5);

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tee(ret, origin) => write!(f, "{ret:#x} from {origin}"),
            Self::Smc(code) => write!(f, "SMC {code:#x}"),
        }
    }
}

/// A client as claims and opens describe it.
#[derive(Clone, Copy)]
pub(super) struct Who {
    pub(super) login: u32,
    pub(super) uuid: [u64; 2],
}

impl Who {
    pub(super) const NOBODY: Self = Self {
        login: Login::PUBLIC.0,
        uuid: [0; 2],
    };

    pub(super) fn user(uid: u32) -> Self {
        let uuid = *Principal::User(uid).uuid().as_bytes();
        Self {
            login: Login::USER.0,
            uuid: ClientUuid::from_octets(uuid).0,
        }
    }

    pub(super) fn by(self, login: u32) -> Self {
        Self { login, ..self }
    }

    /// With these bits above the login.
    pub(super) fn with(self, bits: u64) -> Param {
        let [a, b] = self.uuid;
        [META_VALUE, a, b, u64::from(self.login) | bits]
    }

    pub(super) fn claim(self) -> Param {
        self.with(0)
    }
}

/// The first parameter of an open.
pub(super) fn ta(ta: TaUuid) -> Param {
    let [a, b] = ClientUuid::from_octets(ta.octets).0;
    [META_VALUE, a, b, 0]
}

#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) cmd: u32,
    pub(super) session: u32,
    pub(super) params: Vec<Param>,
    /// How many it says there are.
    pub(super) count: u32,
}

impl Message {
    pub(super) fn new(cmd: u32, session: u32, params: &[Param]) -> Self {
        Self {
            cmd,
            session,
            params: params.to_vec(),
            count: params.len() as u32,
        }
    }

    pub(super) fn open(uuid: TaUuid, client: Param, rest: &[Param]) -> Self {
        Self::new(OPEN, 0, &[&[ta(uuid), client], rest].concat())
    }
}

pub(super) struct Reply {
    pub(super) answer: Answer,
    pub(super) session: u32,
    pub(super) params: Vec<Param>,
}

/// A message and what each core must answer.
pub(super) struct Row {
    pub(super) what: String,
    pub(super) message: Message,
    pub(super) bound: Answer,
    pub(super) stock: Answer,
}

/// A row: what, the message, the answer of the bound core, that of the stock core.
pub(super) fn row(what: impl fmt::Display, message: Message, bound: Answer, stock: Answer) -> Row {
    Row {
        what: what.to_string(),
        message,
        bound,
        stock,
    }
}

/// Rows, one a line: `"what" CMD(session; parameters) => bound, stock;`
macro_rules! rows {
    ($($what:literal $cmd:ident($session:expr; $($param:expr),*) => $bound:expr, $stock:expr;)*) => {
        [$(row($what, Message::new($cmd, $session, &[$($param),*]), $bound, $stock)),*]
    };
}
pub(super) use rows;

/// A session that its owner opened in the proper way, and the memory for messages.
pub(super) struct World {
    pub(super) stack: Stack,
    pub(super) full: bool,
    /// Whether the core knows of client binding.
    pub(super) bound: bool,
    pub(super) tee: Tee,
    pub(super) memory: SharedMemory,
    /// How messages refer to that memory: registered, and physically.
    pub(super) cookie: u64,
    pub(super) address: u64,
    pub(super) owner: Who,
    pub(super) session: u32,
    sent: Cell<u32>,
    lost: Cell<u32>,
}

impl World {
    /// Nothing if the driver is not the hostile one.
    pub(super) fn new(stack: Stack, full: bool) -> Result<Option<Self>> {
        let tee = Tee::connect()?;
        let mut world = Self {
            stack,
            full,
            bound: stack.has_bound_core(),
            memory: tee.allocate(SIZE)?,
            tee,
            cookie: 0,
            address: 0,
            owner: Who::user(0),
            session: 0,
            sent: Cell::default(),
            lost: Cell::default(),
        };
        let mut argument = world.door(ADDRESSES);
        if sys::invoke(world.tee.as_fd(), &mut argument).is_err() {
            return Ok(None);
        }
        world.cookie = argument.params[1].a;
        world.address = argument.params[1].b;
        let session = world.tee.open(whoami::UUID, raw::Login::User);
        world.session = session.context("the owner's open")?.0;
        Ok(Some(world))
    }

    fn door(&self, func: u32) -> sys::Invoke {
        let mut argument = sys::Invoke {
            func,
            session: DOOR,
            num_params: 4,
            ..sys::Invoke::default()
        };
        argument.params[0] = self.memory.param(client_binding_proto::Param::MemIn);
        argument.params[0].attr = TEEC_MEMREF_INOUT;
        argument.params[1].attr = VALUE_OUT;
        argument
    }

    fn put(&self, at: usize, value: u32) {
        self.memory.words()[at].store(value, Relaxed);
    }

    pub(super) fn put64(&self, at: usize, value: u64) {
        self.put(at, value as u32);
        self.put(at + 1, (value >> 32) as u32);
    }

    fn get(&self, at: usize) -> u32 {
        self.memory.words()[at].load(Relaxed)
    }

    /// A word that others may change while OP-TEE reads it.
    pub(super) fn word(&self, at: usize) -> &AtomicU32 {
        &self.memory.words()[at]
    }

    pub(super) fn send(&self, message: &Message) -> Result<Reply> {
        self.sent.set(self.sent.get() + 1);
        (0..DATA / 4).for_each(|at| self.put(at, 0));
        self.put(word::CMD, message.cmd);
        self.put(word::SESSION, message.session);
        self.put(word::RET, POISON);
        self.put(word::ORIGIN, POISON);
        self.put(word::NUM_PARAMS, message.count);
        for (n, param) in message.params.iter().enumerate() {
            for (of, &value) in param.iter().enumerate() {
                self.put64(word::param(n, of), value);
            }
        }
        let mut argument = self.door(SEND);
        sys::invoke(self.tee.as_fd(), &mut argument).context("the driver does not send")?;
        let answer = match argument.ret {
            0 => Answer::Tee(self.get(word::RET), self.get(word::ORIGIN)),
            code => Answer::Smc(code),
        };
        let get64 = |at| u64::from(self.get(at)) | u64::from(self.get(at + 1)) << 32;
        let params = (0..message.params.len())
            .map(|n| std::array::from_fn(|of| get64(word::param(n, of))))
            .collect();
        Ok(Reply {
            answer,
            session: self.get(word::SESSION),
            params,
        })
    }

    /// What belongs to the core that is booted.
    pub(super) fn here<T>(&self, bound: T, stock: T) -> T {
        if self.bound { bound } else { stock }
    }

    /// Sends all of these.
    pub(super) fn play(&self, rows: impl IntoIterator<Item = Row>) -> Result<()> {
        let mut wrong = vec![];
        for row in rows {
            let answer = self.send(&row.message)?.answer;
            let expected = self.here(row.bound, row.stock);
            if answer != expected {
                wrong.push(format!("{}: {answer}, expected {expected}", row.what));
            }
        }
        let count = wrong.len();
        wrong.truncate(5);
        ensure!(count == 0, "{count} wrong answers: {}", wrong.join("; "));
        Ok(())
    }

    /// Sends this.
    pub(super) fn ask(&self, what: &str, message: &Message, answer: Answer) -> Result<Reply> {
        let reply = self.send(message)?;
        let wrong = reply.answer != answer;
        ensure!(!wrong, "{what}: {}, expected {answer}", reply.answer);
        Ok(reply)
    }

    /// A claim, where this core takes one.
    pub(super) fn proper(&self, claim: Param) -> Vec<Param> {
        self.here(vec![claim], vec![])
    }

    pub(super) fn open(&self, uuid: TaUuid, client: Param) -> Result<u32> {
        let reply = self.ask("open", &Message::open(uuid, client, &[]), SERVED)?;
        ensure!(reply.session != 0, "opened session 0");
        Ok(reply.session)
    }

    /// Closes as the driver does when a file descriptor dies.
    pub(super) fn release(&self, session: u32) -> Result<()> {
        let claim = self.proper(self.owner.with(RELEASE));
        let message = Message::new(CLOSE, session, &claim);
        self.ask("release", &message, DONE).map(drop)
    }

    /// The owner's session must be what it was.
    pub(super) fn owner_is_served(&self) -> Result<()> {
        let command = whoami::Command::WhoAmI;
        let session = Session(self.session);
        let answer = self
            .tee
            .invoke(session, command.number(), command.shape(), 0);
        let identity = answer.identity().context("the owner's invoke")?;
        let owner = Principal::User(0).uuid();
        ensure!(identity.uuid == *owner.as_bytes(), "the owner is another");
        Ok(())
    }

    /// That much of the heap is known to get lost.
    pub(super) fn lose(&self, octets: u32) {
        self.lost.set(octets);
    }

    pub(super) fn lost(&self) -> u32 {
        self.lost.get()
    }

    pub(super) fn summary(&self) -> String {
        let sent = self.sent.get();
        match self.lost.get() {
            0 => format!("{sent} messages"),
            lost => format!("{sent} messages, {lost} octets lost"),
        }
    }
}
