// SPDX-License-Identifier: BSD-2-Clause
//! An application has no code but its own: what else a process may come by, and who looks on.

use super::Case;
use super::apps::{APPLICATIONS, Agent, Foreign, each, login, open};
use crate::bench::Seat;
use crate::world::{CLIENTS, OWNER, Process, ROOT, STRANGER, let_person};
use anyhow::{Context, Result, bail, ensure};
use client_binding_client::app;
use client_binding_client::identity::{Application, Measurement, Principal};
use client_binding_proto::Identity;
use client_binding_raw::{Answer, Login, Tee};
use client_binding_test::kit::memory;
use client_binding_test::kit::program::{Program, myself};
use nix::errno::Errno;
use nix::sys::ptrace;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

pub(super) const CASES: &[Case] = &[
    Case::refusal(
        9061,
        "The client's program comes by code of others and invokes",
        &[1, 2, 21],
        |b| {
            let other = Program::other()?;
            each(b, &APPLICATIONS, |seat| {
                for code in foreign(&other) {
                    seat.tee.inheritable()?;
                    let mut agent = Agent::with(&myself()?, &seat)?;
                    agent.bring(code.clone())?;
                    let answer = agent.ask()?;
                    OWNER.act()?;
                    b.attacked_session(&seat, answer)
                        .with_context(|| format!("{code:?}"))?;
                }
                Ok(())
            })
        },
    )
    .by_hash(),
    Case::refusal(
        9062,
        "The client itself loads code and goes on",
        &[1, 2, 21],
        |b| {
            let other = Program::other()?;
            each(b, &APPLICATIONS, |seat| {
                for code in foreign(&other) {
                    let mut agent = Agent::start(&myself()?, OWNER)?;
                    let opened = agent.open(login(&seat), false)?;
                    agent.bring(code.clone())?;
                    b.attacked(agent.ask()?)
                        .with_context(|| format!("{code:?}"))?;
                    if let Foreign::Page = code {
                        agent.bring(Foreign::Nothing)?;
                        ensure!(agent.ask()? == opened, "not the client again without it");
                    }
                }
                Ok(())
            })
        },
    )
    .by_hash(),
    Case::refusal(
        9063,
        "A debugger holds another thread of the client, or who shares its memory",
        &[1, 2, 21],
        |b| {
            each(b, &APPLICATIONS, |seat| {
                for sharer in [traced_thread, traced_sharer] {
                    let answers = watched(&seat, sharer)?;
                    OWNER.act()?;
                    b.attacked_session(&seat, answers.0)?;
                    let eperm = Answer::Kernel(Errno::EPERM as i32);
                    ensure!(answers.1 == eperm, "it opens: {}", answers.1);
                }
                Ok(())
            })
        },
    )
    .by_hash(),
    Case::service(
        9064,
        "Who brings code along is another application, by another name",
        &[1, 21],
        |b| {
            let other = Program::other()?;
            let measured = app::measure(&myself()?)?;
            each(b, &APPLICATIONS, |seat| {
                for code in foreign(&other) {
                    let mut agent = Agent::start(&myself()?, OWNER)?;
                    agent.bring(code.clone())?;
                    let opened = agent.open(login(&seat), false)?;
                    is(opened, &seat, Application::AnyCode(measured))
                        .with_context(|| format!("{code:?}"))?;
                    ensure!(agent.ask()? == opened, "it is not recognized");
                }
                Ok(())
            })
        },
    )
    .by_hash(),
    Case::service(
        9065,
        "A program that asks for an interpreter is one that has code of others",
        &[1, 21],
        |b| {
            let program = Program::plain()?;
            interpreted(&program, &program.0)?;
            if let Measurement::Verity(_) = app::measure(&myself()?)? {
                ROOT.act()?;
                app::protect(&program.0)?;
                OWNER.act()?;
            }
            let measured = app::measure(&program.0)?;
            each(b, &APPLICATIONS, |seat| {
                let mut agent = Agent::start(&program.0, OWNER)?;
                let opened = agent.open(login(&seat), false)?;
                // All that it maps to be executed is its own file's.
                is(opened, &seat, Application::AnyCode(measured))?;
                ensure!(agent.ask()? == opened, "it is not recognized");
                Ok(())
            })
        },
    )
    .by_hash(),
    Case::service(
        9066,
        "A client in C is an application if it is linked statically, and one by another name if not",
        &[1, 21],
        |b| {
            let login = &[Login::Application];
            each(b, login, |seat| {
                for (how, known) in [
                    ("linked", Application::AnyCode as fn(_) -> _),
                    ("static", Application::OwnCode),
                    ("musl", Application::OwnCode),
                ]
                .into_iter()
                .chain(STATIC_PIE.map(|how| (how, Application::OwnCode as fn(_) -> _)))
                {
                    // By LD_PRELOAD and dlopen, where that means anything.
                    for (variable, load) in [
                        (None, None),
                        (Some(("LD_PRELOAD", LIBRARY)), None),
                        (None, Some(LIBRARY)),
                    ] {
                        in_c(&seat, &c_client(how), known, load, variable)?;
                    }
                }
                Ok(())
            })
        },
    ),
    Case::service(
        9067,
        "A set-group-id program logs in as an application of its group",
        &[1, 21],
        |b| {
            let program = Program::same()?;
            set_group_id(&program)?;
            let measured = app::measure(&program.0)?;
            each(b, &[Login::GroupApplication(CLIENTS)], |seat| {
                let mut agent = Agent::start(&program.0, STRANGER)?;
                let opened = agent.open(login(&seat), false)?;
                is(opened, &seat, Application::OwnCode(measured))?;
                ensure!(agent.ask()? == opened, "it is not recognized");
                Ok(())
            })
        },
    )
    .by_hash(),
    Case::service(
        9068,
        "A client has its program mapped by a descriptor that reads past the page cache",
        &[20, 21],
        |b| {
            let measured = app::measure(&myself()?)?;
            each(b, &APPLICATIONS, |seat| {
                let mut agent = Agent::start(&myself()?, OWNER)?;
                agent.bring(Foreign::Direct)?;
                let opened = agent.open(login(&seat), false)?;
                is(opened, &seat, Application::OwnCode(measured))?;
                ensure!(agent.ask()? == opened, "it is not recognized");
                Ok(())
            })
        },
    )
    .by_hash(),
    Case::service(
        9069,
        "Who starts a static client has it load code if it is linked to glibc, and none if to musl",
        &[21],
        |b| {
            let charset = format!("module INTERNAL {CHARSET}// /usr/lib/charset 1\n");
            fs::create_dir_all(CHARSETS)?;
            fs::write(Path::new(CHARSETS).join("gconv-modules"), charset)?;
            let privileged = Program::of(&c_client("static"))?;
            set_group_id(&privileged)?;
            each(b, &[Login::Application], |seat| {
                for (program, known) in [
                    (c_client("static"), Application::AnyCode as fn(_) -> _),
                    (c_client("musl"), Application::OwnCode),
                    // glibc does not listen to who starts one like that.
                    (privileged.0.clone(), Application::OwnCode),
                ]
                .into_iter()
                .chain(STATIC_PIE.map(|how| (c_client(how), Application::AnyCode as fn(_) -> _)))
                {
                    let load = Some(CHARSET);
                    in_c(&seat, &program, Application::OwnCode, load, None)?;
                    let variable = Some(("GCONV_PATH", CHARSETS));
                    in_c(&seat, &program, known, load, variable)?;
                }
                Ok(())
            })
        },
    ),
];

/// A character set that no C library knows (host/test/client/charset.c).
const CHARSET: &str = "THEIRS";
/// Where somebody says how it is loaded.
const CHARSETS: &str = "/tmp/charsets";

/// Any one that the guest has.
const LIBRARY: &str = if cfg!(target_arch = "arm") {
    "/usr/lib/arm-linux-gnueabihf/libm.so.6"
} else {
    "/usr/lib/aarch64-linux-gnu/libm.so.6"
};

/// What glibc does not have for AArch32.
const STATIC_PIE: Option<&str> = if cfg!(target_arch = "arm") {
    None
} else {
    Some("static-pie")
};

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The client in C that is linked like that (host/test/client).
fn c_client(how: &str) -> PathBuf {
    PathBuf::from(format!("/usr/bin/client-{how}"))
}

/// The TA takes a client in C for that application if it is told to load something, or by a variable.
fn in_c(
    seat: &Seat,
    program: &Path,
    known: fn(Measurement) -> Application,
    load: Option<&str>,
    variable: Option<(&str, &str)>,
) -> Result<()> {
    let expected = Principal::Application(known(app::measure(program)?));
    let output = Command::new(program)
        .arg(hex(&seat.flavour.uuid.octets))
        .args(load)
        .envs(variable)
        .output()
        .context("cannot execute")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<u32> = said.split_whitespace().flat_map(str::parse).collect();
    let [a, b, c, d, e, f] = numbers[..] else {
        bail!("it said: {said}{}", String::from_utf8_lossy(&output.stderr))
    };
    let seen = Identity::from_values([(a, b), (c, d), (e, f)]);
    ensure!(
        seen.uuid == *expected.uuid().as_bytes(),
        "{}, with {variable:?} and {load:?}: not {expected:?}",
        program.display()
    );
    Ok(())
}

/// It gets the group of the clients, whoever executes it.
fn set_group_id(program: &Program) -> Result<()> {
    ROOT.act()?;
    chown(&program.0, None, Some(CLIENTS))?;
    fs::set_permissions(&program.0, Permissions::from_mode(0o2755))?;
    Ok(())
}

/// All kinds of it.
fn foreign(other: &Program) -> [Foreign; 4] {
    [
        Foreign::Page,
        Foreign::File(other.0.clone()),
        Foreign::Text,
        Foreign::Vdso,
    ]
}

/// The one who got that answer is that application, by the login of the seat.
pub(super) fn is(answer: Answer, seat: &Seat, app: Application) -> Result<()> {
    let principal = match login(seat) {
        Login::Application => Principal::Application(app),
        Login::UserApplication => Principal::UserApplication(OWNER.uid, app),
        _ => Principal::GroupApplication(CLIENTS, app),
    };
    let seen = answer.identity()?;
    ensure!(
        seen.uuid == *principal.uuid().as_bytes(),
        "not {principal:?}"
    );
    Ok(())
}

/// A process like the client's with that in it: it asks in the session, and opens one.
fn watched(seat: &Seat, sharer: fn() -> Result<()>) -> Result<(Answer, Answer)> {
    // Who traces it ends first, or it could not end.
    let_person(OWNER, || {
        let mut watched = Process::start(|line| {
            sharer()?;
            let answers = (seat.ask(), open(&Tee::connect()?, login(seat), false));
            line.say(&answers)?;
            line.wait()
        })?;
        let answers = watched.line.hear()?;
        watched.kill()?;
        Ok(answers)
    })
}

fn traced_thread() -> Result<()> {
    let (tell, told) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let _ = tell.send(ptrace::traceme());
        loop {
            thread::park();
        }
    });
    Ok(told.recv()??)
}

fn traced_sharer() -> Result<()> {
    memory::traced_sharer()?;
    Ok(())
}

/// What `p_type` may be.
const PT_INTERP: u32 = 3;
/// What unwinding takes: PT_ARM_EXIDX and PT_GNU_EH_FRAME.
const UNWINDING: u32 = if cfg!(target_arch = "arm") {
    0x7000_0001
} else {
    0x6474_e550
};

/// ELF's addresses and offsets are as wide as this program's own.
const WORD: usize = size_of::<usize>();

/// A number in an ELF file.
fn number(octets: &[u8], at: usize, size: usize) -> Result<usize> {
    let bytes = octets.get(at..at + size).context("no ELF file")?;
    Ok(bytes.iter().rev().fold(0, |n, &b| n << 8 | usize::from(b)))
}

/// Where the entries of its segments are, and of which kind.
fn segments(octets: &[u8]) -> Result<impl Iterator<Item = (usize, u32)>> {
    let table = number(octets, 24 + WORD, WORD)?;
    let after = 24 + 3 * WORD;
    let (size, count) = (number(octets, after + 6, 2)?, number(octets, after + 8, 2)?);
    let entry = |i| -> Result<_> {
        let at = table + i * size;
        Ok((at, u32::try_from(number(octets, at, 4)?)?))
    };
    let entries: Result<Vec<_>> = (0..count).map(entry).collect();
    Ok(entries?.into_iter())
}

/// A copy of this program becomes one that asks for an interpreter. If that is a copy, too, it works.
pub(super) fn interpreted(program: &Program, by: &Path) -> Result<()> {
    ROOT.act()?;
    let mut octets = fs::read(&program.0)?;
    let name = format!("{}\0", by.display());
    // Who panics here ends, and needs no table for that.
    let spare = segments(&octets)?.find(|&(_, kind)| kind == UNWINDING);
    let (spare, _) = spare.context("no segment to spare")?;
    let (offset, size) = (octets.len(), name.len());
    octets.extend(name.as_bytes());
    let mut put = |at, word: &[u8]| octets[spare + at..][..word.len()].copy_from_slice(word);
    put(0, &PT_INTERP.to_le_bytes());
    put(WORD, &offset.to_le_bytes());
    put(4 * WORD, &size.to_le_bytes());
    fs::write(&program.0, octets)?;
    OWNER.act()
}
