// SPDX-License-Identifier: BSD-2-Clause
//! `probe`: does at the suite's command whatever a TA can do to the TEE, and counts
//! how often it was entered.

#![no_std]
#![no_main]
#![expect(missing_docs, reason = "what the attributes make is public and bare")]
#![expect(unsafe_code, reason = "the TEE's functions are C")]

use client_binding_proto::probe::{Command, FILLED, HELD_MAX, Opening, REFUSED, put_out as also};
use client_binding_proto::{GRANT, STATS};
use client_binding_ta_kit as kit;
use core::ptr;
use heapless::Vec;
use optee_utee::{
    Error, ErrorKind, ParameterAny, ParameterMemref, ParameterMemrefRead, ParameterMemrefWrite,
    ParameterValueRead, ParameterValueWrite, ParametersAny, Result, Time, raw,
};
use optee_utee::{ta_close_session, ta_create, ta_destroy, ta_invoke_command, ta_open_session};
use spin::Mutex;

/// All of the instance. Never held while the TEE is called, which might enter again.
static PROBE: Mutex<Probe> = Mutex::new(Probe {
    number: [0; 2],
    sessions: 0,
    opens: 0,
    invokes: 0,
    panic_at_close: false,
    held: Vec::new(),
});

struct Probe {
    number: [u32; 2],
    sessions: u32,
    opens: u32,
    invokes: u32,
    panic_at_close: bool,
    held: Vec<Held, HELD_MAX>,
}

struct Held(raw::TEE_TASessionHandle);
// SAFETY: a handle is a number that only this instance, one thread at a time, gives back to the TEE.
unsafe impl Send for Held {}

impl Held {
    fn close(self) {
        // SAFETY: the session is open, and who has it knows it alone.
        unsafe { raw::TEE_CloseTASession(self.0) };
    }
}

#[ta_create]
fn create() -> Result<()> {
    let mut number = [0_u32; 2];
    // SAFETY: the buffer is `number`, with its size.
    unsafe { raw::TEE_GenerateRandom(number.as_mut_ptr().cast(), size_of_val(&number)) };
    PROBE.lock().number = number;
    Ok(())
}

#[ta_open_session]
fn open(params: &mut ParametersAny) -> Result<()> {
    #[cfg(declared)]
    client_binding_clients::require(&include!(env!("PROBE_CLIENTS")))?;
    PROBE.lock().opens += 1;
    if let ParameterAny::ValueInput(how) = &params.0 {
        kit::wait(how.get_b())?;
        match how.get_a() {
            how if how == Opening::Refuse as u32 => return Err(Error::from_raw_error(REFUSED)),
            how if how == Opening::Panic as u32 => panic!("the client asked for it at open"),
            _ => {}
        }
    }
    PROBE.lock().sessions += 1;
    Ok(())
}

#[ta_close_session]
fn close() {
    let mut probe = PROBE.lock();
    probe.sessions = probe.sessions.saturating_sub(1);
    let panic = probe.panic_at_close;
    drop(probe);
    assert!(!panic, "the client asked for it at close");
}

#[ta_destroy]
fn destroy() {
    drop_held();
}

#[ta_invoke_command]
fn invoke(number: u32, params: &mut ParametersAny) -> Result<()> {
    PROBE.lock().invokes += 1;
    let command = Command::try_from(number).map_err(|_| ErrorKind::NotSupported)?;
    kit::check(params, command.shape())?;
    match command {
        Command::WhoAmI => kit::answer_identity(kit::client_identity()?, params),
        Command::Status => status(params),
        Command::Ask => ask(params),
        Command::Hold => hold(params),
        Command::Drop => {
            drop_held();
            Ok(())
        }
        Command::Supplicant => supplicant(params.0.as_value_input()?.get_a()),
        Command::PanicAtClose => {
            PROBE.lock().panic_at_close = true;
            Ok(())
        }
        Command::Forward => forward(params),
        Command::AskBack => {
            let (session, answer) = open_ta(&kit::client_identity()?.uuid);
            if answer.0 != 0 {
                return result(answer.0);
            }
            let (answer, _) = ask_who_am_i(session);
            Held(session).close();
            result(answer.0)
        }
        Command::AskHeld => {
            let held = PROBE.lock().held.first().map(|held| held.0);
            let (answer, _) = ask_who_am_i(held.ok_or(ErrorKind::ItemNotFound)?);
            result(answer.0)
        }
        Command::Statistics => statistics(),
        Command::Allow => allow(params),
        Command::Invoker => answer_invoker(params),
        Command::Mint => mint(params),
        Command::TakeUp => take_up(params),
        Command::WaitInTime => wait_in_time(params),
        Command::Revoke => {
            let number = params.0.as_value_input()?;
            let number = pair(number.get_a(), number.get_b());
            client_binding_clients::revoke(number).map(drop)
        }
        Command::Disown => client_binding_clients::disown(),
        Command::Clock => clock(params),
        Command::Mirror => mirror(params),
        Command::Fill => fill(params),
        Command::Peek => {
            let at = params.0.as_value_input()?;
            let at = pair(at.get_a(), at.get_b()) as *const u8;
            // SAFETY: none at all. The suite asks for it, to see the TA die of it.
            let octet = unsafe { at.read_volatile() };
            kit::answer_value(&mut params.1, octet.into(), 0)
        }
        Command::CallBack => call_back(params),
        Command::CallAny => call_any(params),
        Command::CallNothing => call_nothing(),
        Command::PutOut => put_out(params),
        Command::Wait => kit::wait(params.0.as_value_input()?.get_a()),
        Command::Panic => panic!("the client asked for it"),
    }
}

fn status(params: &mut ParametersAny) -> Result<()> {
    let probe = PROBE.lock();
    let [a, b] = probe.number;
    kit::answer_value(&mut params.0, a, b)?;
    kit::answer_value(&mut params.1, probe.sessions, probe.opens)?;
    kit::answer_value(&mut params.2, probe.invokes, 0)
}

/// Code and origin of an answer by another TA.
type Answer = (u32, u32);

fn result(code: u32) -> Result<()> {
    match code {
        0 => Ok(()),
        code => Err(Error::from_raw_error(code)),
    }
}

fn open_other(params: &ParametersAny) -> Result<(raw::TEE_TASessionHandle, Answer)> {
    let (first, second) = (params.0.as_value_input()?, params.1.as_value_input()?);
    let words = [first.get_a(), first.get_b(), second.get_a(), second.get_b()];
    let mut octets = [0; 16];
    for (octets, word) in octets.chunks_exact_mut(4).zip(words) {
        octets.copy_from_slice(&word.to_be_bytes());
    }
    Ok(open_ta(&octets))
}

fn open_ta(octets: &[u8; 16]) -> (raw::TEE_TASessionHandle, Answer) {
    open_ta_with(octets, 0, raw::Value { a: 0, b: 0 })
}

/// With a value for the first parameter, if the types say so.
fn open_ta_with(
    octets: &[u8; 16],
    types: u32,
    value: raw::Value,
) -> (raw::TEE_TASessionHandle, Answer) {
    let [a, b, c, d, e, f, g, h, node @ ..] = *octets;
    let uuid = raw::TEE_UUID {
        timeLow: u32::from_be_bytes([a, b, c, d]),
        timeMid: u16::from_be_bytes([e, f]),
        timeHiAndVersion: u16::from_be_bytes([g, h]),
        clockSeqAndNode: node,
    };
    let mut session: raw::TEE_TASessionHandle = ptr::null_mut();
    let mut origin = 0;
    let mut values = [raw::TEE_Param { value }; 4];
    // SAFETY: all pointers are to live variables; there are four parameters, of which the types name values alone.
    let code = unsafe {
        raw::TEE_OpenTASession(
            &uuid,
            raw::TEE_TIMEOUT_INFINITE,
            types,
            values.as_mut_ptr(),
            &mut session,
            &mut origin,
        )
    };
    (session, (code, origin))
}

fn ask(params: &mut ParametersAny) -> Result<()> {
    let (session, mut answer) = open_other(params)?;
    let mut login = 0;
    if answer.0 == 0 {
        (answer, login) = ask_who_am_i(session);
        Held(session).close();
    }
    kit::answer_value(&mut params.2, answer.0, answer.1)?;
    kit::answer_value(&mut params.3, login, 0)
}

fn forward(params: &mut ParametersAny) -> Result<()> {
    let command = params.2.as_value_input()?.get_a();
    let (session, mut answer) = open_other(params)?;
    if answer.0 == 0 {
        (answer, _) = invoke_other(session, command, 0, 0, raw::TEE_TIMEOUT_INFINITE);
        Held(session).close();
    }
    kit::answer_value(&mut params.3, answer.0, answer.1)
}

/// The answer, and the login that the other TA saw.
fn ask_who_am_i(session: raw::TEE_TASessionHandle) -> (Answer, u32) {
    let command = Command::WhoAmI;
    let types = command.shape().types();
    invoke_other(
        session,
        command.number(),
        types,
        0,
        raw::TEE_TIMEOUT_INFINITE,
    )
}

/// A command whose parameters are values, all of `a`; the answer, and the first value.
fn invoke_other(
    session: raw::TEE_TASessionHandle,
    command: u32,
    types: u32,
    a: u32,
    timeout: u32,
) -> (Answer, u32) {
    let value = raw::TEE_Param {
        value: raw::Value { a, b: 0 },
    };
    let mut values = [value; 4];
    let mut origin = 0;
    // SAFETY: the session is open, and there are four parameters of those types.
    let code = unsafe {
        raw::TEE_InvokeTACommand(
            session,
            timeout,
            command,
            types,
            values.as_mut_ptr(),
            &mut origin,
        )
    };
    // SAFETY: a value was given, and the TEE leaves it one.
    ((code, origin), unsafe { values[0].value }.a)
}

fn hold(params: &mut ParametersAny) -> Result<()> {
    let (session, answer) = open_other(params)?;
    keep(session, answer)?;
    kit::answer_value(&mut params.2, answer.0, answer.1)
}

fn keep(session: raw::TEE_TASessionHandle, answer: Answer) -> Result<()> {
    if answer.0 == 0 {
        let pushed = PROBE.lock().held.push(Held(session));
        if let Err(held) = pushed {
            held.close();
            return Err(ErrorKind::OutOfMemory.into());
        }
    }
    Ok(())
}

fn take_up(params: &mut ParametersAny) -> Result<()> {
    let number = params.0.as_value_input()?;
    let (a, b) = (number.get_a(), number.get_b());
    let value = raw::Value { a, b };
    let (session, answer) = open_ta_with(&GRANT.octets, raw::TEE_PARAM_TYPE_VALUE_INPUT, value);
    keep(session, answer)?;
    kit::answer_value(&mut params.1, answer.0, answer.1)
}

fn now() -> Time {
    let mut now = Time::new();
    now.system_time();
    now
}

fn wait_in_time(params: &mut ParametersAny) -> Result<()> {
    let timeout = params.2.as_value_input()?.get_a();
    let (session, answer) = open_other(params)?;
    if answer.0 != 0 {
        return result(answer.0);
    }
    // So much of a second that the time-out carries, with time for the command to begin.
    while !(300..800).contains(&now().millis) {
        Time::wait(50)?;
    }
    let start = now();
    let command = Command::Wait;
    let types = command.shape().types();
    let (answer, _) = invoke_other(session, command.number(), types, 10_000, timeout);
    let end = now();
    Held(session).close();
    let seconds = end.seconds.wrapping_sub(start.seconds);
    let millis = (seconds * 1000 + end.millis).wrapping_sub(start.millis);
    kit::answer_value(&mut params.3, millis, answer.0)
}

fn clock(params: &mut ParametersAny) -> Result<()> {
    let now = now();
    kit::wait(params.0.as_value_input()?.get_a())?;
    let millis = u64::from(now.seconds) * 1000 + u64::from(now.millis);
    kit::answer_value(&mut params.1, millis as u32, (millis >> 32) as u32)
}

fn mirror(params: &mut ParametersAny) -> Result<()> {
    let value = params.0.as_value_inout()?;
    let (a, b) = (value.get_a(), value.get_b());
    value.set_a(b);
    value.set_b(a);
    let turned = params.2.as_memref_inout()?;
    // In pieces: a TA's stack is small.
    let mut room = [0; 64];
    let size = turned.buffer_len();
    for at in (0..size).step_by(room.len()) {
        let piece = &mut room[..64.min(size - at)];
        turned.read_at(at, piece)?;
        piece.iter_mut().for_each(|octet| *octet = !*octet);
        turned.write_at(at, &*piece)?;
    }
    turned.set_updated_size(size)?;
    let from = params.1.as_memref_input()?;
    let to = params.3.as_memref_output()?;
    let size = from.buffer_len();
    if to.buffer_len() < size {
        // SAFETY: beside ShortBuffer the TEE takes it for the size that was needed and copies nothing.
        unsafe { to.set_updated_size_unchecked(size) };
        return Err(ErrorKind::ShortBuffer.into());
    }
    for at in (0..size).step_by(room.len()) {
        let piece = &mut room[..64.min(size - at)];
        from.read_at(at, piece)?;
        to.write_at(at, &*piece)?;
    }
    to.set_updated_size(size)
}

fn fill(params: &mut ParametersAny) -> Result<()> {
    let size = params.0.as_value_input()?.get_a();
    // SAFETY: any size will do. Nobody frees it.
    let at = unsafe { raw::TEE_Malloc(size as usize, 0) }.cast::<u8>();
    if at.is_null() {
        return Err(ErrorKind::OutOfMemory.into());
    }
    // SAFETY: it is so large, and nobody else's.
    unsafe { at.write_bytes(FILLED, size as usize) };
    let at = at as u64;
    kit::answer_value(&mut params.1, at as u32, (at >> 32) as u32)
}

fn call_back(params: &mut ParametersAny) -> Result<()> {
    let value = params.1.as_value_inout()?;
    let (operation, millis) = (value.get_a(), value.get_b());
    let mut octets = [0; 64];
    let octets = kit::read(&params.2, &mut octets)?.ok_or(ErrorKind::BadParameters)?;
    let mut room = [0; 64];
    let size = params.3.as_memref_output()?.buffer_len();
    let room = room.get_mut(..size).ok_or(ErrorKind::BadParameters)?;
    let answer = client_binding_clients::call(0, operation, octets, room, millis)?;
    let value = params.1.as_value_inout()?;
    value.set_a(answer.result);
    kit::answer_octets(&mut params.3, &room[..answer.size])
}

fn call_any(params: &mut ParametersAny) -> Result<()> {
    let which = params.2.as_value_input()?;
    let codes = [which.get_a(), which.get_b()].map(|param| {
        match client_binding_clients::call(param, 0, &[], &mut [], 1000) {
            Ok(_) => 0,
            Err(error) => error.raw_code(),
        }
    });
    kit::answer_value(&mut params.3, codes[0], codes[1])
}

fn call_nothing() -> Result<()> {
    for param in 0..4 {
        let called = client_binding_clients::call(param, 0, &[], &mut [], 1000);
        let nothing = matches!(&called, Err(error) if error.kind() == ErrorKind::ItemNotFound);
        if param == 3 || !nothing {
            return called.map(drop);
        }
    }
    Ok(())
}

fn drop_held() {
    let all = core::mem::take(&mut PROBE.lock().held);
    all.into_iter().for_each(Held::close);
}

fn statistics() -> Result<()> {
    /// `STATS_CMD_TA_STATS` of `pta_stats.h`, and `struct pta_stats_ta` for more TAs than the suite has at once.
    const COMMAND: u32 = 3;
    let mut room = [0_u32; 16 * 22];
    let (session, answer) = open_ta(&STATS.octets);
    if answer.0 != 0 {
        return result(answer.0);
    }
    let nothing = raw::TEE_Param {
        value: raw::Value { a: 0, b: 0 },
    };
    let mut params = [nothing; 4];
    params[0].memref = raw::Memref {
        buffer: room.as_mut_ptr().cast(),
        size: size_of_val(&room),
    };
    let mut origin = 0;
    // SAFETY: the session is open; there are four parameters, the first of which is `room`, with its size.
    let code = unsafe {
        raw::TEE_InvokeTACommand(
            session,
            raw::TEE_TIMEOUT_INFINITE,
            COMMAND,
            raw::TEE_PARAM_TYPE_MEMREF_OUTPUT,
            params.as_mut_ptr(),
            &mut origin,
        )
    };
    Held(session).close();
    result(code)
}

fn pair(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

fn allow(params: &mut ParametersAny) -> Result<()> {
    let mut room = [0; 64];
    let octets = kit::read(&params.0, &mut room)?.ok_or(ErrorKind::BadParameters)?;
    let commands: Vec<u32, 16> = octets
        .as_chunks()
        .0
        .iter()
        .map(|octets| u32::from_le_bytes(*octets))
        .collect();
    client_binding_clients::delegable(&commands)
}

fn answer_invoker(params: &mut ParametersAny) -> Result<()> {
    let invoker = client_binding_clients::invoker()?;
    let badge = invoker.grant.map_or(0, |grant| grant.badge);
    kit::answer_value(&mut params.3, badge as u32, (badge >> 32) as u32)?;
    kit::answer_identity(kit::identity(invoker.client), params)
}

fn mint(params: &mut ParametersAny) -> Result<()> {
    let (whom, what) = (params.0.as_value_input()?, params.1.as_value_input()?);
    let to = client_binding_clients::Client::user(whom.get_a());
    let offer = client_binding_clients::Offer::new(to, &[what.get_a()])?;
    let offer = offer.uses(what.get_b()).depth(whom.get_b());
    let number = offer.mint()?;
    kit::answer_value(&mut params.2, number as u32, (number >> 32) as u32)
}

fn put_out(params: &mut ParametersAny) -> Result<()> {
    let what = params.0.as_value_input()?;
    let (command, which) = (what.get_a(), what.get_b());
    let to = client_binding_clients::invoker()?.client;
    for (nth, param) in [&mut params.1, &mut params.2].into_iter().enumerate() {
        let number = match which >> nth & 1 {
            0 => 0,
            _ => client_binding_clients::Offer::new(to, &[command])?
                .until_closed()
                .mint()?,
        };
        let wrong = which & [also::WRONG_FIRST, also::WRONG_SECOND][nth] != 0;
        let number = number + (u64::from(wrong) << 40);
        kit::answer_value(param, number as u32, (number >> 32) as u32)?;
    }
    kit::answer_octets(&mut params.3, b"x")?;
    match which & also::FAIL {
        0 => Ok(()),
        _ => Err(Error::from_raw_error(REFUSED)),
    }
}

fn supplicant(times: u32) -> Result<()> {
    for _ in 0..times {
        let name = b"what nobody stored";
        let mut object: raw::TEE_ObjectHandle = ptr::null_mut();
        // SAFETY: the name comes with its size, and the handle is a live variable.
        let code = unsafe {
            raw::TEE_OpenPersistentObject(
                raw::TEE_STORAGE_PRIVATE,
                name.as_ptr().cast(),
                name.len(),
                raw::TEE_DATA_FLAG_ACCESS_READ,
                &mut object,
            )
        };
        if code != raw::TEE_ERROR_ITEM_NOT_FOUND {
            return Err(Error::from_raw_error(code));
        }
    }
    Ok(())
}

client_binding_ta_kit::header!();
