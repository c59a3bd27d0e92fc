// SPDX-License-Identifier: BSD-2-Clause
//! Objects that a TA hands out: sessions for what it lends its client, until they are closed.

use super::callbacks::{is, private};
use super::delegation::request;
use super::demonstration::output;
use super::objects::{
    OBJREF_OUT, UBUF_OUT, VALUE_IN, VALUE_OUT, ask, connect, denied, fails, shared,
};
use super::{Case, G, O};
use crate::bench::{Bench, Seat, flavour, released};
use crate::stats::Stats;
use crate::world::{OWNER, ROOT as ROOT_USER, STRANGER, let_person};
use anyhow::{Context, Result, anyhow, ensure};
use client_binding_client::object::{Reply, Root};
use client_binding_client::{Error, Login as ClientLogin, Param};
use client_binding_policy::abi::delegation::Request;
use client_binding_proto::probe::{Command, Kind, REFUSED, put_out as also};
use client_binding_proto::{Param as ParamKind, signer};
use client_binding_raw::code::{TEE_ERROR_MAC_INVALID, TEE_ORIGIN_TEE};
use client_binding_raw::lend::{Lender, take_up};
use client_binding_raw::object::{MOST_OBJECTS, Object, ROOT, numbers, place, value};
use client_binding_raw::sys::Operand;
use client_binding_raw::{Answer, Login, Tee};
use client_binding_test::kit::sys::{operate, read_only_page, set_thread_uid};
use nix::errno::Errno;
use nix::unistd::getpid;
use std::env;
use std::fs::{self, Permissions};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;
use uuid::Uuid;

pub(super) const CASES: &[Case] = &[
    Case::service(
        12040,
        "A TA hands out an object, which does what it was lent and no more",
        &[O + 3, G + 4, G + 8],
        narrower,
    ),
    Case::service(
        12041,
        "What cannot be handed out is an error, and nothing is left of it",
        &[O + 3, O + 6],
        nothing,
    ),
    Case::service(
        12042,
        "Who has the file uses no object that was handed out to its client",
        &[O + 7],
        strangers,
    ),
    Case::service(
        12043,
        "What was handed out ends with the object that handed it out, or with the file",
        &[O + 6, G + 8],
        ends,
    ),
    Case::service(
        12044,
        "The signer signs what was confirmed, and hands out what verifies and cannot sign",
        &[O + 3, O + 4],
        signed,
    ),
    Case::service(
        12045,
        "The signer's program signs what somebody says yes to",
        &[O + 3, O + 4],
        signed_by_program,
    ),
];

const BOTH: u32 = 3;
const SIGNER: &str = "/usr/bin/signer";

/// A session of which one command may be lent.
fn lending(tee: &Tee) -> Result<Object> {
    let object = private(tee)?;
    let octets = Command::WhoAmI.number().to_le_bytes();
    let mut operands = vec![Operand::In(&octets)];
    let answer = tee.operate(object.id, Command::Allow.number(), 0, &mut operands);
    answer.values().context("the TA allows it")?;
    Ok(object)
}

/// Has the probe hand out what `which` says.
fn hand_out(tee: &Tee, object: Object, which: u32) -> (Answer, [Object; 2]) {
    let (command, mut room) = (Command::WhoAmI.number(), [0; 8]);
    let mut operands = vec![
        value(ParamKind::ValueIn, command.into(), which.into()),
        place(),
        place(),
        Operand::Out(&mut room, 0),
    ];
    let answer = tee.operate(object.id, Command::PutOut.number(), 0, &mut operands);
    let object = |operand: &Operand<'_>| {
        let (id, kind) = numbers(operand);
        Object { id, kind }
    };
    (answer, [object(&operands[1]), object(&operands[2])])
}

const NOTHING: Object = Object { id: ROOT, kind: 0 };

/// What is lent of ours, by another open file.
fn lent() -> Result<usize> {
    let tee = Tee::connect()?;
    let lender = Lender::open(&tee, Login::User)?;
    Ok(lender.list()?.len())
}

fn are_lent(count: usize, when: &str) -> Result<()> {
    let lent = lent()?;
    ensure!(lent == count, "{when} {lent} things are lent, not {count}");
    Ok(())
}

/// A connection where a TA has something to hand out.
fn lends(b: &Bench) -> Result<Option<Tee>> {
    let Some(tee) = connect(b)? else {
        return Ok(None);
    };
    if b.verifies() {
        return Ok(Some(tee));
    }
    let (answer, _) = hand_out(&tee, private(&tee)?, 1);
    fails("nothing is lent here", answer, Errno::EOPNOTSUPP)?;
    Ok(None)
}

fn narrower(b: &Bench) -> Result<Option<String>> {
    let Some(tee) = lends(b)? else {
        return Ok(None);
    };
    let object = lending(&tee)?;
    let identity = ask(&tee, object).identity()?;
    let (answer, made) = hand_out(&tee, object, 0);
    answer.values().context("nothing")?;
    ensure!(made == [NOTHING; 2], "nothing is {made:?}");
    let (answer, made) = hand_out(&tee, object, BOTH);
    answer.values().context("two")?;
    let [first, second] = made;
    ensure!(first != second && first.kind == 1, "two are {made:?}");
    are_lent(2, "at first")?;
    for object in made {
        let now = ask(&tee, object).identity().context("what was lent")?;
        ensure!(now == identity, "the client became somebody else");
        let mut none = vec![];
        let other = tee.operate(object.id, Command::CallNothing.number(), 0, &mut none);
        ensure!(denied(other, TEE_ORIGIN_TEE), "another command: {other}");
        let (further, _) = hand_out(&tee, object, 1);
        ensure!(denied(further, TEE_ORIGIN_TEE), "and another: {further}");
    }
    tee.release(first).values().context("release")?;
    are_lent(1, "when one is released")?;
    fails("a released one", ask(&tee, first), Errno::EINVAL)?;
    ask(&tee, second).identity().context("the other one")?;
    ask(&tee, object).identity().context("the session")?;
    // More than may be lent at a time, one after the other.
    for _ in 0..20 {
        let (answer, [made, _]) = hand_out(&tee, object, 1);
        answer.values().context("again and again")?;
        tee.release(made).values().context("release")?;
    }
    are_lent(1, "at last")?;
    in_a_programs_words()?;
    Ok(Some("one command".into()))
}

fn in_a_programs_words() -> Result<()> {
    let root = Root::connect()?;
    let ta = Uuid::from_bytes(flavour(Kind::Private, false).uuid.octets);
    let object = root.open(ta, ClientLogin::User)?;
    let octets = Command::WhoAmI.number().to_le_bytes();
    let mut params = [Param::MemIn(&octets), Param::None, Param::None, Param::None];
    object.invoke(Command::Allow.number(), &mut params)?;
    let mut room = [0; 8];
    let mut params = [
        Param::ValueIn(Command::WhoAmI.number(), 2),
        Param::ObjectOut(None),
        Param::ObjectOut(None),
        Param::MemOut(&mut room, 0),
    ];
    object.invoke(Command::PutOut.number(), &mut params)?;
    let [_, mut nothing, mut handle, octet] = params;
    ensure!(octet.written() == b"x", "the rest is lost");
    ensure!(nothing.take_object().is_none(), "there is something");
    let handle = handle.take_object().context("there is nothing")?;
    let none = || Param::ValueOut(0, 0);
    let mut params = [none(), none(), none(), Param::None];
    handle.invoke(Command::WhoAmI.number(), &mut params)?;
    let mut params = [const { Param::None }; 4];
    let other = handle.invoke(Command::CallNothing.number(), &mut params);
    let refused = matches!(other, Err(Error::AccessDenied { .. }));
    ensure!(refused, "another command: {other:?}");
    let again = handle.grant(
        client_binding_client::identity::Principal::User(STRANGER.uid),
        &[Command::WhoAmI.number()],
    );
    let again = again.make().map(drop);
    let refused = matches!(again, Err(Error::AccessDenied { .. }));
    ensure!(refused, "it is lent on: {again:?}");
    // Memory with a name, whole and in part.
    let memory = root.memory(8192, client_binding_client::object::Access::Write)?;
    memory.write(0, &[0x0f; 8192])?;
    ensure!(memory.write(8192, b"x").is_err(), "there is more of it");
    let mut out = [0; 16];
    let mut params = [
        Param::ValueInOut(1, 2),
        Param::MemIn(b"sixteen octets.."),
        Param::Memory(memory.name()),
        Param::MemOut(&mut out, 0),
    ];
    object.invoke(Command::Mirror.number(), &mut params)?;
    let mut inverted = [0; 8192];
    memory.read(0, &mut inverted)?;
    ensure!(inverted == [0xf0; 8192], "the TA wrote something else");
    Ok(())
}

fn nothing(b: &Bench) -> Result<Option<String>> {
    let Some(tee) = lends(b)? else {
        return Ok(None);
    };
    let stats = Stats::open()?;
    let before = stats.memory()?;
    let ta = flavour(Kind::Private, false);
    let object = lending(&tee)?;
    // The second is none: there is no first one either.
    for which in [1 | also::WRONG_SECOND, 2 | also::WRONG_FIRST] {
        let (answer, made) = hand_out(&tee, object, which);
        ensure!(denied(answer, TEE_ORIGIN_TEE), "a wrong number: {answer}");
        ensure!(made == [NOTHING; 2], "a wrong number: {made:?}");
        are_lent(0, "after a wrong number")?;
    }
    // The answer goes nowhere, more often than there may be such objects.
    let who = Command::WhoAmI.number();
    for _ in 0..10 {
        let params = [
            [VALUE_IN, who.into(), 1, 0],
            [OBJREF_OUT, 0, 0, 0],
            [VALUE_OUT, 0, 0, 0],
            [UBUF_OUT, read_only_page(), 64, 0],
        ];
        let answer = operate(tee.as_fd(), object.id, Command::PutOut.number(), &params);
        ensure!(answer == Err(Errno::EFAULT), "undelivered: {answer:?}");
    }
    are_lent(0, "when it could not be told")?;
    // What a command says that fails is nothing.
    let (answer, made) = hand_out(&tee, object, BOTH | also::FAIL);
    is("the command fails", answer, REFUSED)?;
    ensure!(made == [NOTHING; 2], "the command fails: {made:?}");
    are_lent(2, "nobody took them up, and the session is open:")?;
    // An open hands nothing out.
    let opened = tee.open_object(shared().uuid, Login::User, vec![place()]);
    let refused = opened == Err(Answer::Kernel(Errno::EINVAL as i32));
    ensure!(refused, "with an open: {opened:?}");
    // No room for a name: the TA is not asked.
    let memory = tee.allocate(4096)?;
    let name = || tee.memory_object(&memory, ParamKind::MemIn);
    let names = (1..MOST_OBJECTS)
        .map(|_| name())
        .collect::<Result<Vec<_>, _>>();
    let names = names.context("memory")?;
    fails("no room", hand_out(&tee, object, 1).0, Errno::ENOSPC)?;
    let first = names.first().context("there is one")?;
    tee.release(*first).values().context("release")?;
    // Room for one of two.
    fails(
        "too little room",
        hand_out(&tee, object, BOTH).0,
        Errno::ENOSPC,
    )?;
    are_lent(2, "without room")?;
    name().context("the place is taken")?;
    // A file that is limited to another TA opens nothing for it.
    tee.release(object).values().context("the session")?;
    are_lent(0, "when the session is closed")?;
    drop((tee, memory));
    released(&stats, before, ta)?;
    limited()?;
    Ok(Some("all or none".into()))
}

/// What a limited file does not open it does not get handed out.
fn limited() -> Result<()> {
    let tee = Tee::connect()?;
    let ta = flavour(Kind::Private, false);
    tee.limit_to_ta(ta.uuid).context("limit")?;
    let object = lending(&tee)?;
    let (answer, _) = hand_out(&tee, object, 1);
    fails("a limited file", answer, Errno::EPERM)?;
    ask(&tee, object).identity().context("the session")?;
    Ok(())
}

fn strangers(b: &Bench) -> Result<Option<String>> {
    let Some(tee) = lends(b)? else {
        return Ok(None);
    };
    let object = lending(&tee)?;
    let (answer, [made, _]) = hand_out(&tee, object, 1);
    answer.values().context("one")?;
    let tried = thread::scope(|scope| {
        let stranger = scope.spawn(|| -> Result<[Answer; 3]> {
            set_thread_uid(0, 0, 0)?;
            set_thread_uid(STRANGER.uid, STRANGER.uid, 0)?;
            let (handed_out, _) = hand_out(&tee, object, 1);
            Ok([ask(&tee, made), tee.release(made), handed_out])
        });
        stranger.join().map_err(|_| anyhow!("a thread died"))?
    })?;
    for answer in tried {
        ensure!(denied(answer, TEE_ORIGIN_TEE), "a stranger: {answer}");
    }
    are_lent(1, "after the stranger")?;
    ask(&tee, made).identity().context("its client")?;
    Ok(Some(tried[0].to_string()))
}

fn ends(b: &Bench) -> Result<Option<String>> {
    let Some(tee) = lends(b)? else {
        return Ok(None);
    };
    let object = lending(&tee)?;
    let (answer, [made, _]) = hand_out(&tee, object, 1);
    answer.values().context("one")?;
    tee.release(object).values().context("the session")?;
    let after = ask(&tee, made);
    ensure!(denied(after, TEE_ORIGIN_TEE), "without a session: {after}");
    tee.release(made).values().context("what it handed out")?;
    // The file is closed that holds both.
    let both = Tee::connect()?;
    let object = lending(&both)?;
    hand_out(&both, object, BOTH).0.values().context("two")?;
    are_lent(2, "while the file is open")?;
    drop(both);
    are_lent(0, "when the file is closed")?;
    // Or another file than that of the session.
    let number = {
        let seat = Seat::owned(flavour(Kind::Private, false), Login::User)?;
        super::delegation::allow(&seat, &[Command::WhoAmI])?;
        let lender = Lender::open(&seat.tee, Login::User)?;
        let mut terms = request(&seat, OWNER, &[Command::WhoAmI]);
        terms.flags = Request::UNTIL_CLOSED;
        let number = lender.lend(&terms)?.context("lend")?;
        let other = Tee::connect()?;
        take_up(&other, number, Login::User).context("take up")?;
        are_lent(1, "while the other file is open")?;
        drop(other);
        are_lent(0, "when the other file is closed")?;
        seat.works()?;
        number
    };
    let late = take_up(&tee, number, Login::User).err();
    let late = late.context("it is taken up again")?;
    ensure!(denied(late, TEE_ORIGIN_TEE), "again: {late}");
    Ok(Some(after.to_string()))
}

fn signed(b: &Bench) -> Result<Option<String>> {
    if lends(b)?.is_none() {
        return Ok(None);
    }
    let root = Root::connect()?;
    let server = root.serve(|call| {
        let agreed = call.operation == signer::CONFIRM && call.octets == b"a contract";
        Reply::result(u32::from(!agreed))
    })?;
    let object = root.open(Uuid::from_bytes(signer::UUID.octets), ClientLogin::User)?;
    let sign = |by: &client_binding_client::object::Object, document: &[u8], room| {
        let mut signature = [0; signer::SIGNATURE_SIZE];
        let mut params = [
            Param::Callback(7),
            Param::MemIn(document),
            Param::MemOut(&mut signature[..room], 0),
            Param::ObjectOut(None),
        ];
        let signed = by.invoke(signer::Command::Sign.number(), &mut params);
        let handle = params[3].take_object();
        signed.map(|()| (signature, handle))
    };
    let refused = sign(&object, b"another contract", 32).err();
    let cancelled = matches!(refused, Some(Error::Cancelled { .. }));
    ensure!(cancelled, "not confirmed: {refused:?}");
    let short = sign(&object, b"another contract", 31).err();
    let short = matches!(short, Some(Error::ShortBuffer { needed, .. }) if needed[2] == 32);
    ensure!(short, "no room, and nobody is to be asked");
    let (signature, handle) = sign(&object, b"a contract", 32)?;
    let handle = handle.context("there is no handle")?;
    let verify = |document: &[u8], signature: &[u8]| {
        let mut params = [
            Param::MemIn(document),
            Param::MemIn(signature),
            Param::None,
            Param::None,
        ];
        handle.invoke(signer::Command::Verify.number(), &mut params)
    };
    verify(b"a contract", &signature)?;
    for (document, signature) in [
        (&b"A contract"[..], &signature[..]),
        (b"a contract", &signature[..31]),
        (b"", b""),
    ] {
        let wrong = verify(document, signature).err().context("verified")?;
        ensure!(wrong.code() == TEE_ERROR_MAC_INVALID, "it says {wrong}");
    }
    let again = sign(&handle, b"a contract", 32).err();
    let denied = matches!(again, Some(Error::AccessDenied { .. }));
    ensure!(denied, "the handle signs: {again:?}");
    drop(object);
    let over = verify(b"a contract", &signature).err();
    let denied = matches!(over, Some(Error::AccessDenied { .. }));
    ensure!(denied, "without its session it says {over:?}");
    drop(server);
    Ok(Some("it verifies".into()))
}

/// Arguments, what is typed, which files are signed, and whether all is well.
type Try<'a> = (&'a [&'a str], &'a [u8], &'a [&'a str], bool);

fn signed_by_program(b: &Bench) -> Result<Option<String>> {
    if lends(b)?.is_none() {
        return Ok(None);
    }
    ROOT_USER.act()?;
    let folder = Folder::new()?;
    let [first, second, large] = [("first", 20), ("second", 4096), ("large", 4097)]
        .map(|(name, size)| folder.file(name, size));
    let (first, second, large) = (first?, second?, large?);
    let (first, second) = (first.as_str(), second.as_str());
    let tries: [Try<'_>; 7] = [
        (&[first, second], b"y\nyes\n", &[first, second], true),
        (&[first, second], b"n\nY\n", &[second], false),
        (&[first, second], b"\ny", &[], false),
        (&[first], b"", &[], false),
        (&["--yes", second, first], b"", &[second, first], true),
        (&["--yes", first, &large], b"", &[], false),
        (&["--yes", "--login", "public", first], b"", &[], false),
    ];
    let count = tries.len();
    for (arguments, input, signed, done) in tries {
        let output = let_person(OWNER, || output(SIGNER, arguments, input))?;
        let (status, said, error) = output;
        let said = String::from_utf8(said)?;
        let lines: Vec<_> = said.lines().collect();
        let told = format!("{arguments:?}: {status:?}, {said:?}, {error:?}");
        ensure!((status == Some(0)) == done, "{told}");
        ensure!(lines.len() == signed.len(), "{told}");
        for (line, name) in lines.into_iter().zip(signed) {
            let (signature, of) = line.split_once("  ").context("no signature")?;
            ensure!(signature.len() == 64 && of == *name, "{told}");
        }
    }
    are_lent(0, "when the program has ended")?;
    Ok(Some(format!("{count} runs")))
}

/// Documents that all may read, as long as this lives.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        let folder = env::temp_dir().join(format!("signer-{}", getpid()));
        fs::create_dir(&folder)?;
        fs::set_permissions(&folder, Permissions::from_mode(0o755))?;
        Ok(Self(folder))
    }

    fn file(&self, name: &str, size: usize) -> Result<String> {
        let path = self.0.join(name);
        fs::write(&path, vec![b'a'; size])?;
        fs::set_permissions(&path, Permissions::from_mode(0o644))?;
        Ok(path.display().to_string())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Whoever we have become may not.
        let _ = ROOT_USER.act().map(|()| fs::remove_dir_all(&self.0));
    }
}
