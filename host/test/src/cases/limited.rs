// SPDX-License-Identifier: BSD-2-Clause
//! Descriptors that are limited to one TA or one grant. A driver that knows no limits lets whoever is sent one open everything:
//! that is each attack's control.

use super::delegation::{allow, can_lend, request};
use super::{Case, G};
use crate::bench::{Bench, Seat, ask, flavour, opening};
use crate::world::{OWNER, Process, ROOT, STRANGER, let_person};
use anyhow::{Context, Result, anyhow, ensure};
use client_binding_proto::probe::{Command, Flavour, Kind, Opening};
use client_binding_proto::{GRANT, LEND, STATS, TaUuid};
use client_binding_raw::code::{TEE_ERROR_ACCESS_DENIED, TEE_ORIGIN_COMMS, TEE_ORIGIN_TEE};
use client_binding_raw::lend::{Lender, halves, take_up};
use client_binding_raw::sys::{self, Limit, Param, Params};
use client_binding_raw::{Answer, Login, Session, Tee};
use client_binding_test::kit::program::{self, myself};
use client_binding_test::kit::sys::{ask_as_supplicant, limit_at, register, take_fd};
use nix::errno::Errno;
use nix::sys::stat::{Mode, SFlag, mknod};
use nix::unistd::getpid;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::process::ExitCode;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

/// What was tried, the limit, and the answer to it.
type Try = (&'static str, Limit, nix::Result<()>);

pub(super) const CASES: &[Case] = &[
    Case::refusal(
        11030,
        "Whoever has a limited descriptor, and however it came, opens another TA",
        &[G + 13],
        passed_on,
    ),
    Case::refusal(
        11031,
        "A descriptor that is limited to a grant opens another one",
        &[G + 13],
        other_grant,
    ),
    Case::service(
        11032,
        "All else is as before with a limited descriptor",
        &[G + 13],
        all_else,
    ),
    Case::refusal(11033, "A limit is made wider", &[G + 13], widened),
    Case::service(
        11034,
        "A limit that means nothing is a clear error and limits nothing",
        &[G + 13],
        meaningless,
    ),
    Case::refusal(
        11035,
        "One thread opens another TA while two limit the descriptor",
        &[G + 13],
        raced,
    ),
    Case::refusal(
        11036,
        "A session from before the limit is used by whoever is sent the descriptor",
        &[G + 13],
        opened_before,
    ),
    Case::service(
        11037,
        "A limit is about one open file: to open the device anew takes the permission to",
        &[G + 13],
        opened_anew,
    ),
    Case::refusal(
        11038,
        "A client opens what another one owns with a descriptor that is limited to it",
        &[3, G + 13],
        no_identity,
    )
    .bound(),
];

/// The TA that descriptors are limited to.
fn ta() -> &'static Flavour {
    flavour(Kind::Private, false)
}

/// And one that they are not.
fn other() -> &'static Flavour {
    flavour(Kind::Shared, false)
}

/// The same answer, where the driver has none.
fn expected(b: &Bench, answer: nix::Result<()>) -> nix::Result<()> {
    match b.stack.has_bound_driver() {
        true => answer,
        false => Err(Errno::EINVAL),
    }
}

fn limit(b: &Bench, tee: &Tee, (what, limit, answer): Try) -> Result<()> {
    let (is, should) = (sys::limit(tee.as_fd(), &limit), expected(b, answer));
    ensure!(is == should, "{what}: {is:?} instead of {should:?}");
    Ok(())
}

/// What a broker passes on, which is root.
fn limited(b: &Bench) -> Result<Tee> {
    ROOT.act()?;
    let tee = Tee::connect()?;
    let is = tee.limit_to_ta(ta().uuid);
    ensure!(is == expected(b, Ok(())), "limiting: {is:?}");
    Ok(tee)
}

/// What keeps whoever we are from opening a session.
fn refusal(tee: &Tee, ta: TaUuid, params: Params) -> Result<Option<Answer>> {
    match tee.open_with(ta, Login::User, params) {
        Ok(session) => {
            tee.close(session).context("close")?;
            Ok(None)
        }
        Err(answer) => Ok(Some(answer)),
    }
}

/// Somebody opened what the descriptor is not for.
fn attacked(b: &Bench, what: &str, refusal: Option<Answer>) -> Result<()> {
    if !b.stack.has_bound_driver() {
        ensure!(
            refusal.is_none(),
            "{what}: the attack fails by itself: {refusal:?}"
        );
        return Ok(());
    }
    let refused = matches!(refusal, Some(Answer::Tee { ret, origin, .. })
        if (ret, origin) == (TEE_ERROR_ACCESS_DENIED, TEE_ORIGIN_COMMS));
    ensure!(refused, "{what}: not refused: {refusal:?}");
    Ok(())
}

fn seen(b: &Bench) -> Result<Option<String>> {
    let seen = match b.stack.has_bound_driver() {
        true => "access denied, by the way to the TEE",
        false => "success",
    };
    Ok(Some(seen.into()))
}

/// What the TA, another one and a pseudo TA say.
type Opened = [Option<Answer>; 3];

fn opened(tee: &Tee) -> Result<Opened> {
    let refusal = |ta| refusal(tee, ta, Params::default());
    Ok([refusal(ta().uuid)?, refusal(other().uuid)?, refusal(STATS)?])
}

/// What a program opens that was executed with the descriptor.
pub(crate) fn open_on(numbers: &[u32]) -> ExitCode {
    program::on_inherited(numbers, |tee, _| {
        opened(tee).map_err(|error| error.to_string())
    })
}

fn passed_on(b: &Bench) -> Result<Option<String>> {
    // Forked before there is anything to inherit.
    let mut sent = Process::start(|line| {
        STRANGER.be()?;
        opened(&Tee::from(line.receive_fd()?))
    })?;
    let holder = getpid();
    let mut taken = Process::start(|line| {
        let fd: RawFd = line.hear()?;
        let tee = Tee::from(take_fd(holder, fd).context("pidfd_getfd")?);
        STRANGER.be()?;
        opened(&tee)
    })?;
    let tee = limited(b)?;
    let copy = Tee::from(tee.as_fd().try_clone_to_owned()?);
    sent.line.send_fd(&tee)?;
    taken.line.say(&tee.as_fd().as_raw_fd())?;
    let executed = || {
        let program = program::heir(&myself()?, "--open-on", &tee, Session(0))?;
        program::said::<Result<Opened, String>>(program)
    };
    let mut ways = vec![
        ("the same", opened(&tee)?),
        ("a copy", opened(&copy)?),
        ("fork", let_person(STRANGER, || opened(&tee))?),
        (
            "exec",
            let_person(STRANGER, executed)?.map_err(|error| anyhow!(error))?,
        ),
        ("a UNIX socket", sent.finish()?),
        ("pidfd_getfd", taken.finish()?),
    ];
    let thread = thread::scope(|scope| scope.spawn(|| opened(&copy)).join());
    ways.push(("a thread", thread.map_err(|_| anyhow!("a thread died"))??));
    for (way, [own, others @ ..]) in ways {
        ensure!(own.is_none(), "{way}: the TA does not open: {own:?}");
        for refusal in others {
            attacked(b, way, refusal)?;
        }
    }
    seen(b)
}

fn other_grant(b: &Bench) -> Result<Option<String>> {
    let seat = Seat::owned(flavour(Kind::Shared, b.verifies()), Login::User)?;
    let lent = can_lend(b, &seat)?;
    let [number, another] = if lent {
        allow(&seat, &[Command::WhoAmI])?;
        let lender = Lender::open(&seat.tee, Login::User)?;
        let lend = || lender.lend(&request(&seat, STRANGER, &[Command::WhoAmI]));
        [lend()?.context("lending")?, lend()?.context("lending")?]
    } else {
        [0x0102_0304_0506_0708, 7]
    };
    ROOT.act()?;
    let tee = Tee::connect()?;
    let limited = tee.limit_to_grant(number);
    ensure!(limited == expected(b, Ok(())), "limiting: {limited:?}");
    if !b.stack.has_bound_driver() {
        let refusal = let_person(STRANGER, || refusal(&tee, other().uuid, Params::default()))?;
        attacked(b, "another TA", refusal)?;
        return seen(b);
    }
    let right = halves(number);
    let first = |param| [param, Param::default(), Param::default(), Param::default()];
    let second = [Param::default(), right, Param::default(), Param::default()];
    let ways: [(&str, TaUuid, Params); 11] = [
        ("another grant", GRANT, first(halves(another))),
        (
            "another lower half",
            GRANT,
            first(Param {
                a: right.a ^ 1,
                ..right
            }),
        ),
        (
            "another upper half",
            GRANT,
            first(Param {
                b: right.b ^ 1,
                ..right
            }),
        ),
        // OP-TEE would not look at these.
        (
            "more than 32 bits",
            GRANT,
            first(Param {
                a: right.a | 1 << 32,
                ..right
            }),
        ),
        ("a third number", GRANT, first(Param { c: 1, ..right })),
        ("no number", GRANT, Params::default()),
        ("the second parameter", GRANT, second),
        (
            "the number there and back",
            GRANT,
            first(Param { attr: 3, ..right }),
        ),
        (
            "a meta parameter",
            GRANT,
            first(Param {
                attr: 0x101,
                ..right
            }),
        ),
        ("the lent TA", seat.flavour.uuid, first(right)),
        ("who lends", LEND, first(right)),
    ];
    let_person(STRANGER, || {
        for (what, ta, params) in ways {
            attacked(b, what, refusal(&tee, ta, params)?)?;
        }
        let taken = take_up(&tee, number, Login::User);
        if lent {
            let session = taken.context("what was lent")?;
            let answer = ask(&tee, session);
            ensure!(answer.is_success(), "what was lent: {answer}");
        } else {
            let by_tee =
                matches!(taken, Err(Answer::Tee { origin, .. }) if origin == TEE_ORIGIN_TEE);
            ensure!(by_tee, "the TEE was not asked: {taken:?}");
        }
        Ok(())
    })?;
    if lent {
        // It is no grantee who has the descriptor.
        let answer = let_person(OWNER, || Ok(take_up(&tee, number, Login::User).err()))?;
        let denied = answer.is_some_and(Answer::is_denied);
        ensure!(denied, "somebody else: {answer:?}");
    }
    seen(b)
}

fn all_else(b: &Bench) -> Result<Option<String>> {
    static PAGE: [AtomicU32; 1024] = [const { AtomicU32::new(0) }; 1024];
    let tee = limited(b)?;
    let_person(STRANGER, || {
        ensure!(
            sys::implementation(tee.as_fd()) == Ok(sys::OPTEE),
            "version"
        );
        let memory = tee.allocate(4096)?;
        memory.write(8, b"there and back");
        ensure!(memory.read()[8..22] == *b"there and back", "shared memory");
        drop(register(tee.as_fd(), &PAGE).context("registering memory")?);
        let seat = Seat::on(tee, ta(), Login::User)?;
        seat.works()?;
        let answer = thread::scope(|scope| -> Result<Answer> {
            let waits = scope.spawn(|| seat.command(Command::Wait, 5000));
            while !waits.is_finished() {
                seat.tee.cancel(seat.session).context("cancel")?;
                thread::sleep(Duration::from_millis(20));
            }
            waits.join().map_err(|_| anyhow!("a thread died"))
        })?;
        ensure!(answer.is_cancelled(), "not cancelled: {answer}");
        for number in [6, 7] {
            let answer = ask_as_supplicant(seat.tee.as_fd(), number);
            ensure!(
                answer == Err(Errno::EINVAL),
                "as tee-supplicant: {answer:?}"
            );
        }
        seat.close()
    })?;
    Ok(Some("served".into()))
}

fn widened(b: &Bench) -> Result<Option<String>> {
    let to_ta = Limit::to_ta(ta().uuid.octets);
    let to_other = Limit::to_ta(other().uuid.octets);
    let [param, ..] = opening(Opening::Serve, 0);
    let narrow = Limit { param, ..to_ta };
    let narrow_elsewhere = Limit { param, ..to_other };
    let narrow_otherwise = Limit {
        param: Param { b: 1, ..param },
        ..to_ta
    };
    let (done, refused) = (Ok(()), Err(Errno::EPERM));
    let try_all = |tee: &Tee, tries: &[Try]| tries.iter().try_for_each(|one| limit(b, tee, *one));
    let tee = limited(b)?;
    let wider = [
        ("another TA", to_other, refused),
        ("a grant", Limit::to_grant(7), refused),
        ("another TA's parameter", narrow_elsewhere, refused),
        ("nobody", Limit::default(), Err(Errno::EINVAL)),
        ("the same", to_ta, done),
    ];
    try_all(&tee, &wider)?;
    let_person(STRANGER, || {
        try_all(&tee, &wider)?;
        // A refused open is no session: who has it may make it narrower.
        attacked(b, "before", refusal(&tee, other().uuid, Params::default())?)
    })?;
    if b.stack.has_bound_driver() {
        let_person(STRANGER, || limit(b, &tee, ("one parameter", narrow, done)))?;
        let even_wider = [
            ("all parameters", to_ta, refused),
            ("another parameter", narrow_otherwise, refused),
            ("another TA", to_other, refused),
            ("the same", narrow, done),
        ];
        try_all(&tee, &even_wider)?;
        for params in [Params::default(), opening(Opening::Serve, 1)] {
            let refusal = refusal(&tee, ta().uuid, params)?;
            attacked(b, "another parameter", refusal)?;
        }
        let refusal = refusal(&tee, ta().uuid, opening(Opening::Serve, 0))?;
        ensure!(refusal.is_none(), "that parameter: {refusal:?}");
        limit(b, &tee, ("the same after a session", narrow, done))?;
    }
    attacked(b, "after", refusal(&tee, other().uuid, Params::default())?)?;
    seen(b)
}

fn meaningless(b: &Bench) -> Result<Option<String>> {
    ROOT.act()?;
    let tee = Tee::connect()?;
    let good = Limit::to_ta(ta().uuid.octets);
    let with = |attr, a| Limit {
        param: Param {
            attr,
            a,
            ..Param::default()
        },
        ..good
    };
    let tries = [
        ("nobody", Limit::default()),
        (
            "nobody's grant",
            Limit {
                ta: [0; 16],
                ..Limit::to_grant(7)
            },
        ),
        ("numbers of no parameter", with(0, 1)),
        ("a parameter from the TA", with(2, 0)),
        ("there and back", with(3, 0)),
        ("no such parameter", with(4, 0)),
        ("memory", with(5, 0)),
        ("a meta parameter", with(0x101, 0)),
        ("a flag", with(0x1_0000_0001, 0)),
    ];
    for (what, limit) in tries {
        self::limit(b, &tee, (what, limit, Err(Errno::EINVAL)))?;
    }
    // As it is, but at no place, and of another size.
    let size = size_of::<Limit>();
    let here = (&raw const good).addr();
    for address in [0, 1, usize::MAX - 8, usize::MAX / 2] {
        let answer = limit_at(tee.as_fd(), size, address);
        let fault = expected(b, Err(Errno::EFAULT));
        ensure!(answer == fault, "at {address:#x}: {answer:?}");
    }
    for wrong in [0, 16, size - 1, size + 1, size + 8, 4096] {
        let answer = limit_at(tee.as_fd(), wrong, here);
        let unknown = Err(Errno::EINVAL);
        ensure!(answer == unknown, "{wrong} octets: {answer:?}");
    }
    ensure!(opened(&tee)? == [None; 3], "it limits something");
    Ok(Some(format!("{} errors", tries.len() + 10)))
}

fn raced(b: &Bench) -> Result<Option<String>> {
    ROOT.act()?;
    let third = flavour(Kind::Single, false).uuid;
    let mut won = 0;
    for round in 0..b.rounds(40, 2000) {
        let tee = Tee::connect()?;
        let (start, limited) = (Barrier::new(3), AtomicBool::new(false));
        let limit = |to: TaUuid| {
            start.wait();
            let answer = tee.limit_to_ta(to);
            if answer == expected(b, Ok(())) {
                limited.store(true, Ordering::SeqCst);
            }
            answer
        };
        let open = || -> Result<u32> {
            start.wait();
            thread::sleep(Duration::from_micros(u64::from(round % 4) * 100));
            let mut late = 0;
            for _ in 0..3 {
                let after = limited.load(Ordering::SeqCst);
                let refusal = refusal(&tee, other().uuid, Params::default())?;
                if after {
                    attacked(b, "after a limit", refusal)?;
                    late += 1;
                }
            }
            Ok(late)
        };
        let (one, two, late) = thread::scope(|scope| {
            let one = scope.spawn(|| limit(ta().uuid));
            let two = scope.spawn(|| limit(third));
            let late = scope.spawn(open);
            (one.join(), two.join(), late.join())
        });
        let died = |_| anyhow!("a thread died");
        let (one, two) = (one.map_err(died)?, two.map_err(died)?);
        won += u32::from(late.map_err(died)?? > 0);
        if b.stack.has_bound_driver() {
            let busy = (Err(Errno::EBUSY), Err(Errno::EBUSY));
            let one_of_them = one.is_ok() != two.is_ok();
            ensure!(
                one_of_them || (one, two) == busy,
                "round {round}: {one:?} and {two:?}"
            );
        }
    }
    ensure!(won > 0, "no open came after a limit");
    seen(b)
}

fn opened_before(b: &Bench) -> Result<Option<String>> {
    ROOT.act()?;
    let tee = Tee::connect()?;
    // A session as PUBLIC is anybody's who has the descriptor.
    let seat = Seat::on(tee, other(), Login::Public)?;
    let late = Limit::to_ta(ta().uuid.octets);
    limit(b, &seat.tee, ("with a session", late, Err(Errno::EBUSY)))?;
    if !b.stack.has_bound_driver() {
        let answer = let_person(STRANGER, || Ok(seat.ask()))?;
        ensure!(answer.is_success(), "the attack fails by itself: {answer}");
        return seen(b);
    }
    seat.tee.close(seat.session)?;
    limit(b, &seat.tee, ("after a session", late, Err(Errno::EBUSY)))?;
    ensure!(opened(&seat.tee)? == [None; 3], "it limits something");
    Ok(Some("nothing is limited that has sessions".into()))
}

fn opened_anew(b: &Bench) -> Result<Option<String>> {
    ROOT.act()?;
    // Everybody may open the guest's /dev/tee0, so this is another name of it.
    let node = format!("/dev/limited-{}", getpid());
    let device = fs::metadata("/dev/tee0")?.rdev();
    mknod(
        &*node,
        SFlag::S_IFCHR,
        Mode::S_IRUSR | Mode::S_IWUSR,
        device,
    )
    .context("mknod")?;
    let open = |path: &str| File::options().read(true).write(true).open(path);
    let file = open(&node);
    fs::remove_file(&node)?;
    let tee = Tee::from(std::os::fd::OwnedFd::from(file?));
    limit(
        b,
        &tee,
        ("limiting", Limit::to_ta(ta().uuid.octets), Ok(())),
    )?;
    let anew = || open(&format!("/proc/self/fd/{}", tee.as_fd().as_raw_fd()));
    let kind = let_person(STRANGER, || {
        ensure!(
            refusal(&tee, ta().uuid, Params::default())?.is_none(),
            "the TA"
        );
        Ok(anew()
            .map_err(|error| error.kind() == ErrorKind::PermissionDenied)
            .err())
    })?;
    ensure!(
        kind == Some(true),
        "somebody without the permission: {kind:?}"
    );
    let again = Tee::from(std::os::fd::OwnedFd::from(anew()?));
    for unlimited in [again, Tee::connect()?] {
        ensure!(opened(&unlimited)? == [None; 3], "another file is limited");
    }
    Ok(Some("permission denied".into()))
}

fn no_identity(b: &Bench) -> Result<Option<String>> {
    let seat = Seat::owned(flavour(Kind::Shared, true), Login::User)?;
    ROOT.act()?;
    let tee = Tee::connect()?;
    let to_its_ta = Limit::to_ta(seat.flavour.uuid.octets);
    limit(b, &tee, ("limiting", to_its_ta, Ok(())))?;
    let answer = let_person(STRANGER, || {
        Ok(match tee.open(seat.flavour.uuid, Login::User) {
            Ok(session) => ask(&tee, session),
            Err(answer) => answer,
        })
    })?;
    b.attacked(answer)?;
    OWNER.act()?;
    seat.works()?;
    Ok(Some(answer.to_string()))
}
