// SPDX-License-Identifier: BSD-2-Clause
//! The client against a TEE of paper, which insists on the kernel's rules.

use crate::device::{Device, Memory};
use crate::{Cancellation, Client, Error, Login, Origin, Param};
use client_binding_raw::sys::{Invoke, OpenSession};
use nix::errno::Errno;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use uuid::{Uuid, uuid};

const TA: Uuid = uuid!("abfa79a1-ab1a-4690-a804-5b744a19130d");
const MEMBER_OF: u32 = 2000;
/// The same to the driver, but not to the client.
const NO_APPLICATION_IN: u32 = 2001;
const SESSION: u32 = 42;
const ADD: u32 = 1;
const FILL: u32 = 2;
const WAIT: u32 = 3;
const DENIED: u32 = 4;
const TURN: u32 = 5;
const LOST: u32 = 6;

type Shared = Arc<Mutex<Vec<u8>>>;

/// What is open, and what was asked.
#[derive(Default)]
struct Paper {
    sessions: AtomicU32,
    cancelled: AtomicU32,
    /// Memory by number, one after another.
    memory: Mutex<Vec<Shared>>,
    alive: Arc<AtomicUsize>,
}

struct Sheet(u64, Shared, Arc<AtomicUsize>);

impl Memory for Sheet {
    fn id(&self) -> u64 {
        self.0
    }

    fn write(&self, offset: usize, octets: &[u8]) {
        self.1.lock().unwrap()[offset..][..octets.len()].copy_from_slice(octets);
    }

    fn read(&self, offset: usize, octets: &mut [u8]) {
        octets.copy_from_slice(&self.1.lock().unwrap()[offset..][..octets.len()]);
    }
}

impl Drop for Sheet {
    fn drop(&mut self) {
        self.2.fetch_sub(1, SeqCst);
    }
}

impl Paper {
    /// The memory that a parameter names, and its offset, as the kernel checks them.
    fn memory(&self, param: &client_binding_raw::sys::Param) -> nix::Result<(Shared, usize)> {
        let memory = self.memory.lock().unwrap();
        let shared = memory.get(param.c as usize).ok_or(Errno::EINVAL)?;
        let end = param.a.checked_add(param.b).ok_or(Errno::EINVAL)?;
        if end > shared.lock().unwrap().len() as u64 {
            return Err(Errno::EINVAL);
        }
        Ok((shared.clone(), param.a as usize))
    }
}

impl Device for Paper {
    fn open(&self, argument: &mut OpenSession) -> nix::Result<()> {
        assert_eq!(argument.uuid, TA.into_bytes());
        assert_eq!(argument.num_params, 4);
        let (data, rest) = argument.client_uuid.split_at(4);
        assert_eq!(rest, [0; 12]);
        let gid = u32::from_ne_bytes(data.try_into().unwrap());
        match argument.login {
            2 | 6 if gid != MEMBER_OF => return Err(Errno::EPERM),
            2 | 6 => {}
            _ => assert_eq!(gid, 0),
        }
        argument.session = SESSION;
        self.sessions.fetch_add(1, SeqCst);
        Ok(())
    }

    fn invoke(&self, argument: &mut Invoke) -> nix::Result<()> {
        assert_eq!((argument.session, argument.num_params), (SESSION, 4));
        argument.ret_origin = 4;
        let params = &mut argument.params;
        match argument.func {
            ADD => {
                assert_eq!(params[0].attr, 3);
                params[0].a += params[0].b;
            }
            FILL => {
                assert_eq!(params[1].attr, 6);
                let (shared, offset) = self.memory(&params[1])?;
                if params[1].b < 4 {
                    argument.ret = 0xffff_0010;
                } else {
                    shared.lock().unwrap()[offset..][..4].copy_from_slice(b"fill");
                }
                params[1].b = 4;
            }
            TURN => {
                // What comes in the first, and what is in the second, swap places.
                assert_eq!(params.map(|param| param.attr), [5, 7, 6, 0]);
                assert_eq!(params[0].c, params[1].c);
                let (shared, from) = self.memory(&params[0])?;
                let (_, to) = self.memory(&params[1])?;
                let (_, empty) = self.memory(&params[2])?;
                for offset in [from, to, empty] {
                    assert_eq!(offset % 4096, 0, "a page for each");
                }
                let mut shared = shared.lock().unwrap();
                let (before, size) = (shared[to], params[0].b as usize);
                shared.copy_within(from..from + size, to);
                shared[to + size] = before;
                params[1].b = size as u64 + 1;
            }
            WAIT => {
                while self.cancelled.load(SeqCst) == 0 {
                    std::thread::sleep(Duration::from_millis(1));
                }
                argument.ret = 0xffff_0002;
            }
            LOST => return Err(Errno::EINTR),
            _ => (argument.ret, argument.ret_origin) = (0xffff_0001, 3),
        }
        Ok(())
    }

    fn cancel(&self, session: u32) -> nix::Result<()> {
        assert_eq!(session, SESSION);
        self.cancelled.fetch_add(1, SeqCst);
        Ok(())
    }

    fn close(&self, session: u32) -> nix::Result<()> {
        assert_eq!(session, SESSION);
        self.sessions.fetch_sub(1, SeqCst);
        Ok(())
    }

    fn allocate(&self, size: usize) -> nix::Result<Box<dyn Memory>> {
        if size == 0 {
            return Err(Errno::EINVAL);
        }
        let shared = Shared::new(Mutex::new(vec![0xee; size]));
        let mut memory = self.memory.lock().unwrap();
        memory.push(shared.clone());
        self.alive.fetch_add(1, SeqCst);
        let number = memory.len() as u64 - 1;
        Ok(Box::new(Sheet(number, shared, self.alive.clone())))
    }

    fn is_member(&self, gid: u32) -> bool {
        [MEMBER_OF, NO_APPLICATION_IN].contains(&gid)
    }
}

fn paper() -> (Arc<Paper>, Client) {
    let paper = Arc::new(Paper::default());
    (paper.clone(), Client(paper))
}

fn none() -> [Param<'static>; 4] {
    [Param::None, Param::None, Param::None, Param::None]
}

#[test]
fn a_group_login_names_its_gid() {
    let (_, client) = paper();
    for login in [Login::Group, Login::GroupApplication] {
        client.open(TA, login(MEMBER_OF)).unwrap();
        let refused = client.open(TA, login(6001)).err();
        assert_eq!(refused, Some(Error::NotAMember { gid: 6001 }));
        let refused = client.open(TA, login(NO_APPLICATION_IN)).err();
        let errno = Errno::EPERM as i32;
        assert_eq!(refused, Some(Error::Kernel { errno }), "a member it is");
    }
}

#[test]
fn logins_have_the_numbers_of_the_client_api() {
    // TEE Client API, "Session login methods"; the last one is out of the range that it
    // leaves to implementations, 0x80000000 to 0xffffffff.
    for (login, specified) in [
        (Login::Public, 0),
        (Login::User, 1),
        (Login::Group(7), 2),
        (Login::Application, 4),
        (Login::UserApplication, 5),
        (Login::GroupApplication(7), 6),
        (Login::Process, 0xefff_ffff),
    ] {
        assert_eq!(login.method(), specified, "{login:?}");
    }
}

#[test]
fn sessions_keep_the_connection() {
    let (paper, client) = paper();
    let first = client.open(TA, Login::User).unwrap();
    drop(client);
    let mut params = none();
    params[0] = Param::ValueInOut(2, 3);
    first.invoke(ADD, &mut params).unwrap();
    assert_eq!(params[0].value(), (5, 3));
    assert_eq!(paper.sessions.load(SeqCst), 1);
    drop(first);
    assert_eq!(paper.sessions.load(SeqCst), 0);
    assert_eq!(Arc::strong_count(&paper), 1, "the connection is gone");
}

#[test]
fn short_buffers_tell_the_size_and_write_nothing() {
    let (paper, client) = paper();
    let session = client.open(TA, Login::Public).unwrap();
    for size in [0, 2] {
        let mut short = vec![7; size];
        let mut params = none();
        params[1] = Param::MemOut(&mut short, 0);
        let error = session.invoke(FILL, &mut params).unwrap_err();
        let needed = [0, 4, 0, 0];
        assert_eq!(error, Error::ShortBuffer { needed });
        assert_eq!(params[1].written(), b"");
        assert_eq!(short, vec![7; size]);
    }
    let mut room = [0; 8];
    let mut params = none();
    params[1] = Param::MemOut(&mut room, 0);
    session.invoke(FILL, &mut params).unwrap();
    assert_eq!(params[1].written(), b"fill");
    assert_eq!(room, *b"fill\0\0\0\0");
    assert_eq!(paper.alive.load(SeqCst), 0, "no memory is left behind");
}

#[test]
fn buffers_do_not_touch_each_other() {
    let (_, client) = paper();
    let session = client.open(TA, Login::User).unwrap();
    let input = vec![b'i'; 5000];
    let mut both = vec![b'b'; 6000];
    let mut params = [
        Param::MemIn(&input),
        Param::MemInOut(&mut both, 0),
        Param::MemOut(&mut [], 0),
        Param::None,
    ];
    session.invoke(TURN, &mut params).unwrap();
    assert_eq!(params[1].written(), [&input[..], b"b"].concat());
    assert_eq!(params[2].written(), b"");
    assert_eq!(both[5001..], [b'b'; 999]);
}

#[test]
fn who_says_no_is_told() {
    let (paper, client) = paper();
    let session = client.open(TA, Login::User).unwrap();
    let origin = Origin::Tee;
    let denied = session.invoke(DENIED, &mut none());
    assert_eq!(denied, Err(Error::AccessDenied { origin }));
    let cancellation = Cancellation::new();
    let lost = session.invoke_cancellable(LOST, &mut none(), &cancellation);
    let errno = Errno::EINTR as i32;
    assert_eq!(lost, Err(Error::Kernel { errno }));
    cancellation.cancel();
    assert_eq!(paper.cancelled.load(SeqCst), 0, "it does not run any more");
}

#[test]
fn another_thread_cancels() {
    let (paper, client) = paper();
    let session = client.open(TA, Login::User).unwrap();
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
    let sent = paper.cancelled.load(SeqCst);
    cancellation.clone().cancel();
    assert_eq!(paper.cancelled.load(SeqCst), sent, "nothing runs any more");
    let result = session.invoke_cancellable(WAIT, &mut none(), &cancellation);
    let origin = Origin::Api;
    assert_eq!(result, Err(Error::Cancelled { origin }));
}
