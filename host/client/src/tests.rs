// SPDX-License-Identifier: BSD-2-Clause
//! The client against a TEE of paper, which insists on the kernel's rules.

use crate::device::{Device, Memory};
use crate::identity::Principal;
use crate::object::Root;
use crate::{Cancellation, Client, Error, Grantee, Login, Origin, Param};
use client_binding_abi::delegation::{FOREVER, Listed, Request, UNLIMITED};
use client_binding_abi::{ClientUuid, pta};
use client_binding_proto::{GRANT, LEND};
use client_binding_raw::Answer;
use client_binding_raw::object::{ROOT, numbers, root};
use client_binding_raw::sys::{Call, Invoke, OpenSession, Operand};
use nix::errno::Errno;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;
use uuid::{Uuid, uuid};

const TA: Uuid = uuid!("abfa79a1-ab1a-4690-a804-5b744a19130d");
const MEMBER_OF: u32 = 2000;
/// The same to the driver, but not to the client.
const NO_APPLICATION_IN: u32 = 2001;
const SESSION: u32 = 42;
/// With `client_binding.lend`, and of what was lent.
const LENDING: u32 = 43;
const LENT: u32 = 44;
const ADD: u32 = 1;
const FILL: u32 = 2;
const WAIT: u32 = 3;
const DENIED: u32 = 4;
const TURN: u32 = 5;
const LOST: u32 = 6;
/// The session, as an object.
const OBJECT: u64 = 7;

type Shared = Arc<Mutex<Vec<u8>>>;

/// What is open, and what was asked.
#[derive(Default)]
pub(crate) struct Paper {
    sessions: AtomicU32,
    /// As whom each of the three was opened.
    logins: Mutex<[Option<(u32, u32)>; 3]>,
    lends_nothing: AtomicBool,
    has_no_objects: AtomicBool,
    object_version: AtomicU64,
    /// What is answered to who lends.
    answer: AtomicU32,
    /// Each with its number.
    grants: Mutex<Vec<(u64, Request)>>,
    made: AtomicU64,
    opened_to_lend: AtomicU32,
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
    fn login(&self, session: u32) -> Option<(u32, u32)> {
        self.logins.lock().unwrap()[(session - SESSION) as usize]
    }

    fn lent(&self) -> Vec<Request> {
        let grants = self.grants.lock().unwrap();
        grants.iter().map(|(_, request)| *request).collect()
    }

    fn end(&self, ends: impl Fn(&(u64, Request)) -> bool) -> usize {
        let mut grants = self.grants.lock().unwrap();
        let before = grants.len();
        grants.retain(|grant| !ends(grant));
        before - grants.len()
    }

    fn lend(&self, argument: &mut Invoke) -> nix::Result<()> {
        let params = &mut argument.params;
        let number = pta::pair(params[0].a as u32, params[0].b as u32);
        match argument.func {
            0 => {
                assert_eq!(params.map(|param| param.attr), [5, 2, 0, 0]);
                let (shared, at) = self.memory(&params[0])?;
                let octets = &shared.lock().unwrap()[at..][..params[0].b as usize];
                let request = Request::from_octets(octets.try_into().unwrap());
                let who = if request.parent == 0 { SESSION } else { LENT };
                assert_eq!(self.login(LENDING), self.login(who), "it is not its own");
                argument.ret = self.answer.load(SeqCst);
                if argument.ret == 0 {
                    let number = self.made.fetch_add(1, SeqCst) + (7 << 32);
                    self.grants.lock().unwrap().push((number, request));
                    (params[1].a, params[1].b) = (number & 0xffff_ffff, number >> 32);
                }
            }
            1 => {
                assert_eq!(params.map(|param| param.attr), [1, 3, 0, 0]);
                if self.end(|grant| grant.0 == number || grant.1.parent == number) == 0 {
                    argument.ret = 0xffff_0001;
                }
                // One is running, and isn't once it is cancelled.
                params[1].a = 1 - params[1].a;
            }
            _ => {
                assert_eq!((argument.func, params[0].attr), (2, 6));
                let (shared, at) = self.memory(&params[0])?;
                let grants = self.grants.lock().unwrap();
                let records = grants.iter().map(|(number, request)| {
                    let mut octets = [0; Listed::SIZE];
                    octets[..8].copy_from_slice(&number.to_le_bytes());
                    octets[16..24].copy_from_slice(&request.badge.to_le_bytes());
                    octets
                });
                let octets = records.collect::<Vec<_>>().concat();
                if octets.len() as u64 > params[0].b {
                    argument.ret = 0xffff_0010;
                } else {
                    shared.lock().unwrap()[at..][..octets.len()].copy_from_slice(&octets);
                }
                params[0].b = octets.len() as u64;
            }
        }
        Ok(())
    }

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
        assert_eq!(argument.num_params, 4);
        let [first, rest @ ..] = &argument.params;
        assert!(rest.iter().all(|param| param.attr == 0));
        argument.session = if argument.uuid == LEND.octets {
            LENDING
        } else if argument.uuid == GRANT.octets {
            LENT
        } else {
            assert_eq!(argument.uuid, TA.into_bytes());
            SESSION
        };
        let takes_up = argument.session == LENT;
        assert_eq!(first.attr, u64::from(takes_up), "a value for what is lent");
        if argument.session != SESSION && self.lends_nothing.load(SeqCst) {
            (argument.ret, argument.ret_origin) = (0xffff_0008, 3);
            return Ok(());
        }
        if takes_up {
            let number = pta::pair(first.a as u32, first.b as u32);
            let grants = self.grants.lock().unwrap();
            if !grants.iter().any(|grant| grant.0 == number) {
                (argument.ret, argument.ret_origin) = (0xffff_0001, 3);
                return Ok(());
            }
        }
        let (data, rest) = argument.client_uuid.split_at(4);
        assert_eq!(rest, [0; 12]);
        let gid = u32::from_ne_bytes(data.try_into().unwrap());
        match argument.login {
            2 | 6 if gid != MEMBER_OF => return Err(Errno::EPERM),
            2 | 6 => {}
            _ => assert_eq!(gid, 0),
        }
        self.sessions.fetch_add(1, SeqCst);
        self.opened_to_lend
            .fetch_add((argument.session == LENDING).into(), SeqCst);
        let place = (argument.session - SESSION) as usize;
        self.logins.lock().unwrap()[place] = Some((argument.login, gid));
        Ok(())
    }

    fn invoke(&self, argument: &mut Invoke) -> nix::Result<()> {
        assert_eq!(argument.num_params, 4);
        argument.ret_origin = 4;
        if argument.session == LENDING {
            return self.lend(argument);
        }
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
        if session == SESSION {
            self.end(|_| true);
        }
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

    fn stops(&self, _: bool) -> Option<u32> {
        None
    }

    fn receive(&self, _: u32, _: &mut [u8]) -> nix::Result<Call> {
        Err(Errno::EINVAL)
    }

    fn send(&self, _: u64, _: u32, _: &[u8]) -> nix::Result<()> {
        Err(Errno::EINVAL)
    }

    fn has_objects(&self) -> bool {
        !self.has_no_objects.load(SeqCst)
    }

    /// As the driver does it: what is a session's, with memory of the driver's own.
    fn operate(&self, id: u64, op: u32, cancel_id: u32, operands: &mut Vec<Operand<'_>>) -> Answer {
        assert_eq!(cancel_id, 0);
        let (result, ret, origin) = match (id, op, operands.as_mut_slice()) {
            (ROOT, root::OPEN, [Operand::In(uuid), login, Operand::Plain(place), param]) => {
                let (method, gid) = numbers(login);
                let mut argument = OpenSession {
                    uuid: (*uuid).try_into().unwrap(),
                    login: method as u32,
                    num_params: 4,
                    ..OpenSession::default()
                };
                argument.client_uuid[..4].copy_from_slice(&(gid as u32).to_ne_bytes());
                if let Operand::Plain(param) = param {
                    argument.params[0] = *param;
                }
                let result = self.open(&mut argument);
                (place.a, place.b) = (OBJECT, 1);
                (result, argument.ret, argument.ret_origin)
            }
            (ROOT, root::VERSION, [Operand::Plain(version)]) => {
                version.a = self.object_version.load(SeqCst);
                (Ok(()), 0, 2)
            }
            (ROOT, root::RELEASE, [Operand::Plain(object)]) => {
                assert_eq!((object.attr, object.a, object.b), (11, OBJECT, 1));
                (self.close(SESSION), 0, 3)
            }
            (ROOT, root::CANCEL, [Operand::Plain(object), what]) => {
                assert_eq!((object.attr, object.a, object.b), (11, OBJECT, 1));
                assert_eq!(numbers(what), (0, 0));
                (self.cancel(SESSION), 0, 3)
            }
            (OBJECT, ..) => self.operate_session(op, operands),
            other => panic!("{other:?}"),
        };
        match result {
            Ok(()) => Answer::Tee {
                ret,
                origin,
                values: [(0, 0); 4],
            },
            Err(errno) => Answer::Kernel(errno as i32),
        }
    }

    fn is_member(&self, gid: u32) -> bool {
        [MEMBER_OF, NO_APPLICATION_IN].contains(&gid)
    }
}

impl Paper {
    fn operate_session(
        &self,
        op: u32,
        operands: &mut [Operand<'_>],
    ) -> (nix::Result<()>, u32, u32) {
        let mut argument = Invoke {
            func: op,
            session: SESSION,
            num_params: 4,
            ..Invoke::default()
        };
        let memory = self.allocate(4 * 4096).unwrap();
        for (n, (operand, param)) in operands.iter_mut().zip(&mut argument.params).enumerate() {
            let (kind, octets): (_, &[u8]) = match operand {
                Operand::Plain(plain) => {
                    *param = *plain;
                    continue;
                }
                Operand::In(octets) => (5, octets),
                Operand::Out(room, _) => (6, room),
                Operand::InOut(octets, _) => (7, octets),
            };
            (param.attr, param.a, param.b, param.c) =
                (kind, n as u64 * 4096, octets.len() as u64, memory.id());
            memory.write(n * 4096, octets);
        }
        let result = self.invoke(&mut argument);
        for (n, (operand, param)) in operands.iter_mut().zip(argument.params).enumerate() {
            match operand {
                Operand::Plain(plain) => *plain = param,
                Operand::In(_) => {}
                Operand::Out(room, size) | Operand::InOut(room, size) => {
                    *size = param.b as usize;
                    if *size <= room.len() {
                        memory.read(n * 4096, &mut room[..*size]);
                    }
                }
            }
        }
        (result, argument.ret, argument.ret_origin)
    }
}

impl AsFd for Paper {
    fn as_fd(&self) -> BorrowedFd<'_> {
        static BLANK: LazyLock<File> = LazyLock::new(|| File::open("/dev/null").unwrap());
        BLANK.as_fd()
    }
}

pub(crate) fn paper() -> (Arc<Paper>, Client) {
    let paper = Arc::new(Paper {
        object_version: AtomicU64::new(1),
        ..Paper::default()
    });
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
    another_cancels(&paper, |c| session.invoke_cancellable(WAIT, &mut none(), c));
}

#[test]
fn another_thread_cancels_what_runs_in_an_object() {
    let (paper, client) = paper();
    let object = Root::of(&client).unwrap().open(TA, Login::User).unwrap();
    another_cancels(&paper, |c| object.invoke_cancellable(WAIT, &mut none(), c));
}

fn another_cancels(paper: &Paper, wait: impl Fn(&Cancellation) -> Result<(), Error> + Sync) {
    let cancellation = Cancellation::new();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| wait(&cancellation));
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
    let origin = Origin::Api;
    assert_eq!(wait(&cancellation), Err(Error::Cancelled { origin }));
}

const WEB: Principal = Principal::User(33);

#[test]
fn what_is_lent_is_what_was_offered() {
    let (paper, client) = paper();
    let session = client.open(TA, Login::Group(MEMBER_OF)).unwrap();
    assert_eq!(paper.opened_to_lend.load(SeqCst), 0, "nobody lends yet");
    let one = session.grant(WEB, &[7]).make().unwrap();
    let ta = uuid!("da2865b7-72bf-45d3-a678-7fdd24616a37");
    let offer = session.grant(Grantee::ta(ta), &[1, 2]).uses(3).badge(9);
    let ten = Duration::from_micros(10_999);
    let two = offer.depth(1).expires_in(ten).make().unwrap();
    let offer = session.grant(WEB, &[0]).expires_in(Duration::MAX);
    let three = offer.make().unwrap();
    let expected = Request {
        session: SESSION,
        login: 1,
        grantee: ClientUuid::from_octets(WEB.uuid().into_bytes()),
        uses: UNLIMITED,
        lifetime: FOREVER,
        count: 1,
        commands: [7, 0, 0, 0, 0, 0, 0, 0],
        ..Request::default()
    };
    let to_ta = Request {
        login: 0xf000_0000,
        grantee: ClientUuid::from_octets(ta.into_bytes()),
        uses: 3,
        lifetime: 10,
        badge: 9,
        depth: 1,
        count: 2,
        commands: [1, 2, 0, 0, 0, 0, 0, 0],
        ..expected
    };
    // Too long is too long, and not for ever.
    let endless = Request {
        lifetime: FOREVER - 1,
        commands: [0; 8],
        ..expected
    };
    assert_eq!(paper.lent(), [expected, to_ta, endless]);
    let number = |nth: u64| (7 << 32) + nth;
    let numbers = [one.number(), two.number(), three.number()];
    assert_eq!(numbers, [0, 1, 2].map(number));
    assert_eq!(paper.opened_to_lend.load(SeqCst), 1, "once for all of them");
    let origin = Origin::Api;
    let too_many = session.grant(WEB, &[0; 9]).make().err();
    assert_eq!(too_many, Some(Error::BadParameters { origin }));
}

#[test]
fn a_grant_ends_when_it_is_dropped_whatever_goes_first() {
    let (paper, client) = paper();
    let open = || client.open(TA, Login::User).unwrap();
    let session = open();
    let grant = session.grant(WEB, &[1]).make().unwrap();
    drop(grant);
    assert_eq!(paper.lent(), []);
    let grant = session.grant(WEB, &[1]).make().unwrap();
    drop(session);
    assert_eq!(paper.lent(), [], "it was of that session");
    let session = open();
    let other = session.grant(WEB, &[1]).make().unwrap();
    let origin = Origin::TrustedApp;
    assert_eq!(grant.look(), Ok(None));
    assert_eq!(grant.revoke(), Err(Error::AccessDenied { origin }));
    assert_eq!(paper.lent().len(), 1, "another session's");
    drop(other);
    drop(session);
    assert_eq!(paper.sessions.load(SeqCst), 0, "no session is left behind");
}

#[test]
fn a_grant_is_taken_back_once_or_let_be() {
    let (paper, client) = paper();
    let session = client.open(TA, Login::User).unwrap();
    let make = || session.grant(WEB, &[1]).badge(5).make().unwrap();
    assert_eq!(make().revoke(), Ok(true), "one is running");
    assert_eq!(make().revoke_and_cancel(), Ok(false));
    let grant = make();
    assert_eq!(grant.look().unwrap().unwrap().badge, 5);
    let number = grant.keep();
    assert_eq!(paper.lent().len(), 1);
    assert_eq!(client.revoke(number, Login::User, true), Ok(false));
    let origin = Origin::TrustedApp;
    let gone = client.revoke(number, Login::User, false);
    assert_eq!(gone, Err(Error::AccessDenied { origin }));
    // More than there is room for at first.
    let all: Vec<_> = (0..40).map(|_| make().keep()).collect();
    let listed = client.grants(Login::User).unwrap();
    assert_eq!(
        listed.iter().map(|grant| grant.number).collect::<Vec<_>>(),
        all
    );
    assert_eq!(
        paper.sessions.load(SeqCst),
        2,
        "the session, and one to lend"
    );
}

#[test]
fn what_was_lent_is_passed_on_as_who_took_it_up() {
    let (paper, client) = paper();
    let session = client.open(TA, Login::User).unwrap();
    let grant = session.grant(WEB, &[ADD]).depth(1).make().unwrap();
    let taken = client.take_up(grant.number(), Login::Group(MEMBER_OF));
    let taken = taken.unwrap();
    let mut params = none();
    params[0] = Param::ValueInOut(2, 3);
    taken.invoke(ADD, &mut params).unwrap();
    let passed = taken.grant(Principal::Group(5), &[ADD]).make().unwrap();
    let request = paper.lent()[1];
    assert_eq!((request.parent, request.session), (grant.number(), 0));
    assert_eq!(passed.revoke(), Ok(true));
    grant.revoke().unwrap();
    let origin = Origin::Tee;
    let over = client.take_up(7 << 32, Login::User).err();
    assert_eq!(over, Some(Error::AccessDenied { origin }));
}

#[test]
fn why_nothing_is_lent_is_told() {
    let (paper, client) = paper();
    let session = client.open(TA, Login::User).unwrap();
    let origin = Origin::TrustedApp;
    for (code, error) in [
        (0xffff_0001, Error::AccessDenied { origin }),
        (0xffff_0003, Error::TooMuchLent),
        (0xffff_0006, Error::BadParameters { origin }),
        (0xffff_000a, Error::NoClock),
        (0xffff_000d, Error::TooManyGrants),
    ] {
        paper.answer.store(code, SeqCst);
        let refused = session.grant(WEB, &[1]).make().err();
        assert_eq!(refused, Some(error.clone()));
        assert_eq!((error.code(), error.origin()), (code, origin));
    }
    paper.lends_nothing.store(true, SeqCst);
    let session = client.open(TA, Login::User).unwrap();
    let nothing = Some(Error::NoDelegation);
    assert_eq!(session.grant(WEB, &[1]).make().err(), nothing);
    assert_eq!(client.take_up(1, Login::User).err(), nothing);
    assert_eq!(client.grants(Login::User).err(), nothing);
    assert_eq!(client.revoke(1, Login::User, false).err(), nothing);
}

#[test]
fn objects_take_values_and_buffers_without_shared_memory() {
    let (paper, client) = paper();
    let object = Root::of(&client).unwrap().open(TA, Login::User).unwrap();
    assert_eq!(paper.sessions.load(SeqCst), 1);
    let mut params = none();
    params[0] = Param::ValueInOut(2, 3);
    object.invoke(ADD, &mut params).unwrap();
    assert_eq!(params[0].value(), (5, 3));

    let mut both = *b"+....";
    let mut params = [
        Param::MemIn(b"turn"),
        Param::MemInOut(&mut both, 0),
        Param::MemOut(&mut [], 0),
        Param::None,
    ];
    object.invoke(TURN, &mut params).unwrap();
    assert_eq!(params[1].written(), b"turn+");

    let mut short = [7; 2];
    let mut params = none();
    params[1] = Param::MemOut(&mut short, 9);
    let needed = [0, 4, 0, 0];
    assert_eq!(
        object.invoke(FILL, &mut params),
        Err(Error::ShortBuffer { needed })
    );
    assert_eq!(params[1].written(), b"");
    assert_eq!(short, [7; 2]);

    let origin = Origin::Tee;
    let refused = object.invoke(DENIED, &mut none());
    assert_eq!(refused, Err(Error::AccessDenied { origin }));
    let errno = Errno::EINTR as i32;
    assert_eq!(
        object.invoke(LOST, &mut none()),
        Err(Error::Kernel { errno })
    );

    drop(client);
    drop(object);
    assert_eq!(paper.sessions.load(SeqCst), 0);
    assert_eq!(Arc::strong_count(&paper), 1, "the connection is gone");
}

#[test]
fn a_driver_without_objects_is_named() {
    let (paper, client) = paper();
    paper.object_version.store(2, SeqCst);
    assert_eq!(Root::of(&client).err(), Some(Error::NoObjects));
    paper.has_no_objects.store(true, SeqCst);
    assert_eq!(Root::of(&client).err(), Some(Error::NoObjects));
}

#[test]
fn an_object_that_does_not_open_is_none() {
    let (paper, client) = paper();
    let root = Root::of(&client).unwrap();
    let refused = root.open(TA, Login::Group(6001)).err();
    assert_eq!(refused, Some(Error::NotAMember { gid: 6001 }));
    let errno = Errno::EPERM as i32;
    let refused = root.open(TA, Login::Group(NO_APPLICATION_IN)).err();
    assert_eq!(refused, Some(Error::Kernel { errno }), "a member it is");
    assert_eq!(paper.sessions.load(SeqCst), 0);
}

#[test]
fn what_was_lent_is_taken_up_as_an_object() {
    let (paper, client) = paper();
    let session = client.open(TA, Login::User).unwrap();
    let grant = session.grant(WEB, &[ADD]).make().unwrap();
    let root = Root::of(&client).unwrap();
    root.take_up(grant.number(), Login::User).unwrap();
    let (denied, origin) = (root.take_up(1 << 40, Login::User).err(), Origin::Tee);
    assert_eq!(denied, Some(Error::AccessDenied { origin }));
    paper.lends_nothing.store(true, SeqCst);
    let none = root.take_up(grant.number(), Login::User).err();
    assert_eq!(none, Some(Error::NoDelegation));
}

/// Commands are given from any thread, and waited for in another.
#[test]
fn parameters_and_objects_go_from_thread_to_thread() {
    fn goes<T: Send + Sync>() {}
    goes::<Param<'_>>();
    goes::<Root>();
    goes::<crate::object::Object>();
}

#[test]
fn a_session_has_no_objects_for_parameters() {
    let paper = Arc::new(Paper::default());
    let client = Client(paper.clone());
    let session = client.open(TA, Login::User).unwrap();
    for param in [Param::Callback(7), Param::ObjectOut(None)] {
        let mut params = [param, Param::None, Param::None, Param::None];
        let refused = session.invoke(ADD, &mut params);
        let origin = Origin::Api;
        assert_eq!(refused, Err(Error::BadParameters { origin }));
    }
}
