// SPDX-License-Identifier: BSD-2-Clause
//! The client against a libteec made of paper, which insists on the rules of the real one.

use client_binding_client::{Cancellation, Client, Error, Login, Origin, Param};
use optee_teec::raw::{
    TEEC_Context, TEEC_ERROR_ACCESS_DENIED, TEEC_ERROR_CANCEL, TEEC_ERROR_SHORT_BUFFER,
    TEEC_LOGIN_APPLICATION, TEEC_LOGIN_GROUP, TEEC_LOGIN_GROUP_APPLICATION, TEEC_LOGIN_PUBLIC,
    TEEC_LOGIN_USER, TEEC_LOGIN_USER_APPLICATION, TEEC_ORIGIN_TEE, TEEC_ORIGIN_TRUSTED_APP,
    TEEC_Operation, TEEC_SUCCESS, TEEC_Session, TEEC_UUID,
};
use std::ffi::{c_char, c_void};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use uuid::{Uuid, uuid};

const TA: Uuid = uuid!("abfa79a1-ab1a-4690-a804-5b744a19130d");
const MEMBER_OF: u32 = 2000;
const ADD: u32 = 1;
const FILL: u32 = 2;
const WAIT: u32 = 3;
const DENIED: u32 = 4;

/// The fake counts globally: one test at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
static OPEN_CONTEXTS: AtomicU32 = AtomicU32::new(0);
static OPEN_SESSIONS: AtomicU32 = AtomicU32::new(0);
static CANCELLED: AtomicU32 = AtomicU32::new(0);

#[unsafe(no_mangle)]
extern "C" fn TEEC_InitializeContext(_name: *const c_char, context: &mut TEEC_Context) -> u32 {
    context.imp.fd = 7;
    OPEN_CONTEXTS.fetch_add(1, SeqCst);
    TEEC_SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn TEEC_FinalizeContext(context: &mut TEEC_Context) {
    assert_eq!(context.imp.fd, 7, "finalized twice or moved");
    context.imp.fd = -1;
    if OPEN_CONTEXTS.fetch_sub(1, SeqCst) == 1 {
        assert_eq!(OPEN_SESSIONS.load(SeqCst), 0, "a session is left behind");
    }
}

#[unsafe(no_mangle)]
extern "C" fn TEEC_OpenSession(
    context: &mut TEEC_Context,
    session: &mut TEEC_Session,
    destination: &TEEC_UUID,
    method: u32,
    data: *const c_void,
    _operation: *mut TEEC_Operation,
    origin: &mut u32,
) -> u32 {
    assert_eq!(context.imp.fd, 7);
    assert_eq!(destination.timeLow, 0xabfa_79a1);
    *origin = TEEC_ORIGIN_TEE;
    if [TEEC_LOGIN_GROUP, TEEC_LOGIN_GROUP_APPLICATION].contains(&method) {
        // SAFETY: what libteec does. A NULL crashes this test as it would crash a client.
        let gid = unsafe { data.cast::<u32>().read() };
        if gid != MEMBER_OF {
            return TEEC_ERROR_ACCESS_DENIED;
        }
    }
    session.imp.ctx = context;
    session.imp.session_id = 42;
    OPEN_SESSIONS.fetch_add(1, SeqCst);
    TEEC_SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn TEEC_CloseSession(session: &mut TEEC_Session) {
    check_session(session);
    session.imp.session_id = 0;
    OPEN_SESSIONS.fetch_sub(1, SeqCst);
}

fn check_session(session: &TEEC_Session) {
    assert_eq!(session.imp.session_id, 42);
    // SAFETY: the pointer that libteec follows at every call.
    assert_eq!(unsafe { &*session.imp.ctx }.imp.fd, 7, "the context moved");
}

#[unsafe(no_mangle)]
extern "C" fn TEEC_InvokeCommand(
    session: &mut TEEC_Session,
    command: u32,
    operation: *mut TEEC_Operation,
    origin: &mut u32,
) -> u32 {
    check_session(session);
    *origin = TEEC_ORIGIN_TRUSTED_APP;
    // SAFETY: the operation lives as long as the call.
    let params = unsafe { &mut (*operation).params };
    match command {
        ADD => {
            // SAFETY: the tests send values here.
            let value = unsafe { &mut params[0].value };
            value.a += value.b;
            TEEC_SUCCESS
        }
        FILL => {
            // SAFETY: the tests send a buffer here.
            let memory = unsafe { &mut params[1].tmpref };
            if memory.size < 4 {
                memory.size = 4;
                return TEEC_ERROR_SHORT_BUFFER;
            }
            memory.size = 4;
            // SAFETY: there is room for four octets.
            unsafe { memory.buffer.cast::<[u8; 4]>().write(*b"fill") };
            TEEC_SUCCESS
        }
        WAIT => {
            while CANCELLED.load(SeqCst) == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            TEEC_ERROR_CANCEL
        }
        _ => {
            *origin = TEEC_ORIGIN_TEE;
            TEEC_ERROR_ACCESS_DENIED
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn TEEC_RequestCancellation(_operation: *mut TEEC_Operation) {
    CANCELLED.fetch_add(1, SeqCst);
}

fn alone() -> MutexGuard<'static, ()> {
    let guard = ONE_AT_A_TIME.lock().unwrap_or_else(|e| e.into_inner());
    CANCELLED.store(0, SeqCst);
    guard
}

fn none() -> [Param<'static>; 4] {
    [Param::None, Param::None, Param::None, Param::None]
}

#[test]
fn a_group_login_names_its_gid() {
    let _alone = alone();
    let client = Client::connect().unwrap();
    client.open(TA, Login::Group(MEMBER_OF)).unwrap();
    let refused = client.open(TA, Login::Group(1)).err();
    let origin = Origin::Tee;
    assert_eq!(refused, Some(Error::AccessDenied { origin }));
}

#[test]
fn a_group_application_login_names_its_gid_too() {
    let _alone = alone();
    let client = Client::connect().unwrap();
    client.open(TA, Login::GroupApplication(MEMBER_OF)).unwrap();
    assert!(client.open(TA, Login::GroupApplication(1)).is_err());
}

#[test]
fn logins_have_the_numbers_of_the_client_api() {
    // TEE Client API, "Session login methods"; the last one is out of the range that it
    // leaves to implementations, 0x80000000 to 0xffffffff.
    for (login, specified, libteec) in [
        (Login::Public, 0, TEEC_LOGIN_PUBLIC),
        (Login::User, 1, TEEC_LOGIN_USER),
        (Login::Group(7), 2, TEEC_LOGIN_GROUP),
        (Login::Application, 4, TEEC_LOGIN_APPLICATION),
        (Login::UserApplication, 5, TEEC_LOGIN_USER_APPLICATION),
        (Login::GroupApplication(7), 6, TEEC_LOGIN_GROUP_APPLICATION),
        (Login::Process, 0xefff_ffff, 0xefff_ffff),
    ] {
        assert_eq!(login.method(), specified, "{login:?}");
        assert_eq!(login.method(), libteec, "{login:?}");
    }
}

#[test]
fn the_context_outlives_its_sessions_and_never_moves() {
    let _alone = alone();
    let mut clients = vec![Client::connect().unwrap()];
    let first = clients[0].open(TA, Login::User).unwrap();
    // Reallocates the vector and so moves the client.
    clients.extend((0..9).map(|_| Client::connect().unwrap()));
    let mut params = none();
    params[0] = Param::ValueInOut(2, 3);
    first.invoke(ADD, &mut params).unwrap();
    assert_eq!(params[0].value(), (5, 3));
    drop(clients);
    assert_eq!(OPEN_CONTEXTS.load(SeqCst), 1);
    let moved = Box::new(first);
    moved.invoke(ADD, &mut params).unwrap();
    drop(moved);
    assert_eq!(OPEN_CONTEXTS.load(SeqCst), 0);
}

#[test]
fn short_buffers_tell_the_size_and_write_nothing() {
    let _alone = alone();
    let session = Client::connect().unwrap().open(TA, Login::Public).unwrap();
    let (mut short, mut room) = ([0; 2], [0; 8]);
    let mut params = none();
    params[1] = Param::MemOut(&mut short, 0);
    let error = session.invoke(FILL, &mut params).unwrap_err();
    let needed = [0, 4, 0, 0];
    assert_eq!(error, Error::ShortBuffer { needed });
    assert_eq!(params[1].written(), b"");
    params[1] = Param::MemOut(&mut room, 0);
    session.invoke(FILL, &mut params).unwrap();
    assert_eq!(params[1].written(), b"fill");
}

#[test]
fn denials_name_the_tee() {
    let _alone = alone();
    let session = Client::connect().unwrap().open(TA, Login::User).unwrap();
    let origin = Origin::Tee;
    assert_eq!(
        session.invoke(DENIED, &mut none()),
        Err(Error::AccessDenied { origin })
    );
}

#[test]
fn another_thread_cancels() {
    let _alone = alone();
    let session = Client::connect().unwrap().open(TA, Login::User).unwrap();
    let cancellation = Cancellation::new();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| session.invoke_cancellable(WAIT, &mut none(), &cancellation));
        while !waiting.is_finished() {
            cancellation.cancel();
            std::thread::sleep(Duration::from_millis(1));
        }
        let result = waiting.join().unwrap();
        assert!(matches!(result, Err(Error::Cancelled { .. })));
    });
    let sent = CANCELLED.load(SeqCst);
    cancellation.clone().cancel();
    assert_eq!(CANCELLED.load(SeqCst), sent, "nothing runs any more");
    let result = session.invoke_cancellable(WAIT, &mut none(), &cancellation);
    let origin = Origin::Api;
    assert_eq!(result, Err(Error::Cancelled { origin }));
}
