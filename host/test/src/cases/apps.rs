// SPDX-License-Identifier: BSD-2-Clause
//! Applications and processes: what else of the same user is somebody else.

use super::Case;
use super::code::interpreted;
use super::travel::{close_in_program, in_namespace, in_program, invoke_in_program};
use crate::bench::{Bench, Seat, ask, flavour, visit};
use crate::world::{CLIENTS, MEMBER, OWNER, Person, Process, ROOT, STRANGER, let_person};
use anyhow::{Context, Result, anyhow, bail, ensure};
use client_binding_client::app;
use client_binding_client::identity::{Application, Measurement, Principal};
use client_binding_proto::TaUuid;
use client_binding_proto::probe::{Flavour, Kind};
use client_binding_raw::code::{
    TEE_ERROR_BAD_PARAMETERS, TEE_ORIGIN_TEE, TEE_ORIGIN_TRUSTED_APP, TEE_SUCCESS,
};
use client_binding_raw::{Answer, Login, Session, Tee, pass};
use client_binding_test::Stack;
use client_binding_test::kit::program::{DISK, Program, copy, myself};
use client_binding_test::kit::{memory, sys};
use nix::errno::Errno;
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::{prctl, ptrace};
use nix::unistd::{Pid, geteuid, getpid};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write, stdin};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

/// Kernels with `CONFIG_CHECKPOINT_RESTORE` have it.
const LAST_PID: &str = "/proc/sys/kernel/ns_last_pid";

pub(super) const APPLICATIONS: [Login; 3] = [
    Login::Application,
    Login::UserApplication,
    Login::GroupApplication(CLIENTS),
];
const ALL: [Login; 4] = [
    Login::Application,
    Login::UserApplication,
    Login::GroupApplication(CLIENTS),
    Login::Process,
];

pub(super) const CASES: &[Case] = &[
    Case::refusal(
        9001,
        "Another program of the same user invokes",
        &[1, 2],
        |b| {
            let other = Program::other()?;
            attack(b, &ALL, |seat| {
                let_person(OWNER, || invoke_in_program(seat, &other.0))
            })
        },
    )
    .by_hash(),
    Case::refusal(
        9002,
        "Another user executes the client's program and invokes",
        &[1, 2],
        |b| {
            // A child without exec is recognized by other means than what exec makes.
            attack(b, &ALL[1..], |seat| let_person(STRANGER, || Ok(seat.ask())))?;
            attack(b, &ALL[1..], |seat| {
                let_person(STRANGER, || invoke_in_program(seat, &myself()?))
            })
        },
    ),
    Case::refusal(
        9003,
        "Another program is mounted over the client's",
        &[1, 2],
        |b| {
            let (program, other) = (Program::same()?, Program::other()?);
            attack(b, &ALL, |seat| {
                Process::start(|_| {
                    ROOT.act()?;
                    unshare(CloneFlags::CLONE_NEWNS)?;
                    bind(&other.0, &program.0)?;
                    OWNER.act()?;
                    invoke_in_program(seat, &program.0)
                })?
                .finish()
            })
        },
    )
    .by_hash(),
    Case::refusal(
        9004,
        "The client itself executes another program",
        &[1, 2],
        |b| {
            let other = Program::other()?;
            executes(b, &ALL, &other.0)
        },
    )
    .by_hash(),
    Case::refusal(
        9005,
        "The client of a process login executes its program anew",
        &[1, 2],
        |b| executes(b, &[Login::Process], &myself()?),
    ),
    Case::refusal(
        9006,
        "A child of the client of a process login invokes",
        &[1, 2],
        |b| {
            attack(b, &[Login::Process], |seat| {
                let_person(OWNER, || Ok(seat.ask()))
            })
        },
    ),
    Case::refusal(9007, "The client's process is traced", &[1, 2], |b| {
        attack(b, &APPLICATIONS, |seat| {
            let_person(OWNER, || {
                ptrace::traceme()?;
                Ok(seat.ask())
            })
        })
    })
    .by_hash(),
    Case::refusal(9008, "The client's program is deleted", &[1, 2], |b| {
        outdated(b, |program, _| Ok(fs::remove_file(program)?))
    })
    .by_hash(),
    Case::refusal(
        9009,
        "Another program is renamed over the client's",
        &[1, 2],
        |b| outdated(b, |program, other| Ok(fs::rename(other, program)?)),
    )
    .by_hash(),
    Case::refusal(
        9010,
        "Another program of the same user closes the session",
        &[1, 2],
        |b| {
            let other = Program::other()?;
            each(b, &ALL, |seat| {
                OWNER.act()?;
                b.attacked_quietly(close_in_program(&seat, &other.0)?)?;
                if b.verifies() {
                    seat.works()?;
                }
                Ok(())
            })
        },
    )
    .by_hash(),
    Case::refusal(
        9011,
        "Another program of the same user opens what the application owns",
        &[3],
        |b| {
            let other = Program::other()?;
            each_on(b, true, &ALL, |seat| {
                let (ta, login) = (seat.flavour, login(&seat));
                let mut agent = Agent::start(&other.0, OWNER)?;
                let answer = agent.open(login, true)?;
                b.attacked(answer)?;
                b.attacked(visit(OWNER, ta, Login::User)?)?;
                let mut twin = Agent::start(&myself()?, OWNER)?;
                let joined = twin.open(login, true)?;
                match login {
                    Login::Process => b.attacked(joined)?,
                    _ => ensure!(joined.is_success(), "the application itself: {joined}"),
                }
                OWNER.act()?;
                seat.works()
            })
        },
    )
    .bound()
    .by_hash(),
    Case::refusal(
        9012,
        "The number of a client's process comes back",
        &[1, 2],
        pid_again,
    ),
    Case::refusal(
        9013,
        "Another program hands the client's to prctl and invokes",
        &[1, 2],
        |b| {
            if !Path::new(LAST_PID).exists() {
                return Ok(None);
            }
            let other = Program::other()?;
            attack_as_client(b, |seat| {
                let mut agent = Agent::with(&other.0, seat)?;
                agent.pretend(Some(myself()?))?;
                Ok(agent)
            })
        },
    )
    .by_hash(),
    Case::refusal(
        9014,
        "Another program interprets the client's, hands it to prctl and invokes",
        &[1, 2],
        |b| {
            let filesystems = fs::read_to_string("/proc/filesystems")?;
            if !Path::new(LAST_PID).exists() || !filesystems.contains("binfmt_misc") {
                return Ok(None);
            }
            let other = Program::other()?;
            attack_as_client(b, |seat| {
                let mut agent = Agent::with(&other.0, seat)?;
                agent.interpret(&other.0, &myself()?)?;
                agent.take(seat)?;
                agent.pretend(None)?;
                Ok(agent)
            })
        },
    )
    .by_hash(),
    Case::refusal(
        9019,
        "Another program that the client's interprets hands it to prctl and invokes",
        &[1, 2, 21],
        |b| {
            if !Path::new(LAST_PID).exists() {
                return Ok(None);
            }
            // Exec maps the client's code, and that is what runs.
            let other = Program::plain()?;
            interpreted(&other, &myself()?)?;
            attack_as_client(b, |seat| {
                let mut agent = Agent::with(&other.0, seat)?;
                agent.pretend(Some(myself()?))?;
                Ok(agent)
            })
        },
    )
    .by_hash(),
    Case::refusal(
        9015,
        "The client's program is written to when it has ended",
        &[1, 2],
        |b| {
            each(b, &APPLICATIONS, |seat| {
                let (program, other) = (Program::same()?, Program::other()?);
                let login = login(&seat);
                // The client opens another session on this descriptor, and ends.
                seat.tee.inheritable()?;
                let mut agent = Agent::start(&program.0, OWNER)?;
                let session = agent.open_on(&seat.tee, login)?;
                drop(agent);
                let seat = Seat { session, ..seat };
                ROOT.act()?;
                // Never again, with fs-verity; else not as long as the session relies on its hash.
                let written = fs::write(&program.0, fs::read(&other.0)?);
                let denied = written.is_err_and(|error| {
                    [Errno::EPERM, Errno::ETXTBSY]
                        .contains(&Errno::from_raw(error.raw_os_error().unwrap_or(0)))
                });
                ensure!(denied, "the program can be written to");
                fs::rename(&other.0, &program.0)?;
                b.attacked(let_person(OWNER, || invoke_in_program(&seat, &program.0))?)?;
                OWNER.act()?;
                seat.works()
            })
        },
    )
    .by_hash(),
    Case::refusal(
        9016,
        "Another program in a container is mounted over the client's and invokes",
        &[1, 2, 17],
        |b| {
            let (program, other) = (Program::same()?, Program::other()?);
            attack(b, &ALL, |seat| {
                in_container(|| {
                    bind(&other.0, &program.0)?;
                    invoke_in_program(seat, &program.0)
                })
            })
        },
    )
    .by_hash(),
    Case::refusal(
        9017,
        "From there it opens what the application owns",
        &[3, 17],
        |b| {
            let (program, other) = (Program::same()?, Program::other()?);
            each_on(
                b,
                true,
                &[Login::Application, Login::UserApplication],
                |seat| {
                    let answer = in_container(|| {
                        bind(&other.0, &program.0)?;
                        Agent::execute(&program.0)?.open(login(&seat), true)
                    })?;
                    b.attacked(answer)?;
                    OWNER.act()?;
                    seat.works()
                },
            )
        },
    )
    .bound()
    .by_hash(),
    Case::service(
        9021,
        "Whoever executes the client's program, wherever it is",
        &[1, 2],
        |b| {
            let (copy, link) = (Program::same()?, Program::link()?);
            each(b, &APPLICATIONS, |seat| {
                let people: &[Person] = match login(&seat) {
                    Login::Application => &[OWNER, MEMBER, STRANGER],
                    Login::UserApplication => &[OWNER],
                    _ => &[OWNER, MEMBER],
                };
                for &person in people {
                    for program in [&myself()?, &copy.0, &link.0] {
                        let answer = let_person(person, || invoke_in_program(&seat, program))?;
                        ensure!(answer.is_success(), "uid {}: {answer}", person.uid);
                    }
                }
                let answer = let_person(OWNER, || Ok(seat.ask()))?;
                ensure!(answer.is_success(), "a child: {answer}");
                seat.works()
            })
        },
    )
    .by_hash(),
    Case::service(9022, "The client's other threads invoke", &[1, 17], |b| {
        each(b, &ALL, |seat| {
            let answer = thread::scope(|scope| scope.spawn(|| seat.ask()).join());
            let answer = answer.map_err(|_| anyhow!("the thread died"))?;
            ensure!(answer.is_success(), "{answer}");
            Ok(())
        })
    }),
    Case::service(
        9023,
        "The client goes on in a user namespace that maps nobody",
        &[17],
        |b| {
            each(b, &APPLICATIONS, |seat| {
                let_person(OWNER, || {
                    unshare(CloneFlags::CLONE_NEWUSER)?;
                    // This process is recognized, what it executes has to be measured.
                    for answer in [seat.ask(), invoke_in_program(&seat, &myself()?)?] {
                        ensure!(answer.is_success(), "{answer}");
                    }
                    Ok(())
                })
            })
        },
    )
    .by_hash(),
    Case::service(
        9024,
        "Another process of the application closes the session",
        &[2],
        |b| {
            each(b, &APPLICATIONS, |seat| {
                OWNER.act()?;
                let closed = close_in_program(&seat, &myself()?)?;
                ensure!(closed.is_ok(), "{closed:?}");
                ensure!(!seat.ask().is_success(), "a closed session serves");
                Ok(())
            })
        },
    )
    .by_hash(),
    Case::service(
        9025,
        "The client is gone, another user is the last holder",
        &[11],
        |b| {
            each(b, &ALL, |seat| {
                let mut holder = Process::start(|line| {
                    STRANGER.be()?;
                    line.wait()
                })?;
                drop(seat);
                holder.line.go()?;
                holder.finish()
            })
        },
    ),
    Case::service(
        9026,
        "The client UUID is what can be computed beforehand",
        &[1],
        |b| {
            let mut content = fs::read(myself()?)?;
            let measured = app::measure(&myself()?)?;
            let computed = match measured {
                Measurement::Verity(_) => Measurement::verity,
                Measurement::File(_) => Measurement::file,
            };
            ensure!(computed(&content) == measured, "of our own");
            content.push(b'\n');
            let other = app::measure(&Program::other()?.0)?;
            ensure!(computed(&content) == other, "of another program");
            each(b, &APPLICATIONS, |seat| {
                let app = Application::OwnCode(measured);
                let principal = match login(&seat) {
                    Login::Application => Principal::Application(app),
                    Login::UserApplication => Principal::UserApplication(OWNER.uid, app),
                    _ => Principal::GroupApplication(CLIENTS, app),
                };
                let expected = principal.uuid();
                ensure!(seat.identity.uuid == *expected.as_bytes(), "{principal:?}");
                Ok(())
            })
        },
    )
    .by_hash(),
    Case::service(
        9027,
        "Who is no application does not log in as one",
        &[1],
        |b| {
            if !b.stack.has_bound_driver() {
                return each(b, &APPLICATIONS, |_| Ok(()));
            }
            let refused = |answer, why: &str| -> Result<()> {
                let eperm = Answer::Kernel(Errno::EPERM as i32);
                ensure!(answer == eperm, "{why}: {answer}");
                Ok(())
            };
            OWNER.act()?;
            for login in APPLICATIONS {
                let answer = let_person(OWNER, || {
                    ptrace::traceme()?;
                    Ok(open(&Tee::connect()?, login, false))
                })?;
                refused(answer, "traced")?;
                let program = Program::same()?;
                let mut agent = Agent::start(&program.0, OWNER)?;
                drop(program);
                refused(agent.open(login, false)?, "deleted")?;
            }
            let group = Login::GroupApplication(CLIENTS);
            let answer = let_person(STRANGER, || Ok(open(&Tee::connect()?, group, false)))?;
            refused(answer, "not a member")?;
            Ok(Some("refused by Linux".into()))
        },
    ),
    Case::service(
        9028,
        "A program without fs-verity is hashed by the driver",
        &[1],
        |b| {
            let program = Program::plain()?;
            let measured = Measurement::file(&fs::read(&program.0)?);
            if !b.stack.has_bound_driver() {
                return each(b, &APPLICATIONS, |_| Ok(()));
            }
            let answer = Agent::start(&program.0, OWNER)?.open(Login::Application, false)?;
            let expected = Principal::Application(Application::OwnCode(measured));
            let seen = answer.identity()?.uuid;
            ensure!(seen == *expected.uuid().as_bytes(), "not {expected:?}");
            Ok(Some(expected.name()))
        },
    ),
    Case::service(
        9029,
        "Nobody writes to the client's program while it runs",
        &[1],
        |b| {
            each(b, &APPLICATIONS, |seat| {
                let program = Program::same()?;
                let mut agent = Agent::start(&program.0, OWNER)?;
                let opened = agent.open(login(&seat), false)?;
                ROOT.act()?;
                let busy =
                    |error: &std::io::Error| error.raw_os_error() == Some(Errno::ETXTBSY as i32);
                let tried = [
                    File::options().append(true).open(&program.0).map(drop),
                    File::options()
                        .write(true)
                        .truncate(true)
                        .open(&program.0)
                        .map(drop),
                    File::options()
                        .read(true)
                        .write(true)
                        .open(&program.0)
                        .map(drop),
                    nix::unistd::truncate(&program.0, 0).map_err(Into::into),
                ];
                for result in tried {
                    ensure!(result.as_ref().is_err_and(busy), "{result:?}");
                }
                ensure!(agent.ask()? == opened, "the client is refused");
                drop(agent);
                // The other way round: what may be written to is not executed.
                let Ok(_writer) = File::options().append(true).open(&program.0) else {
                    let verity = app::measure(&program.0)?;
                    ensure!(matches!(verity, Measurement::Verity(_)), "not writable");
                    return Ok(());
                };
                ensure!(Agent::start(&program.0, OWNER).is_err(), "executed");
                Ok(())
            })
        },
    )
    .by_hash(),
    Case::service(
        9030,
        "The client's program in a container, under another name",
        &[1, 2, 17],
        |b| {
            let (program, other) = (Program::same()?, Program::other()?);
            each(b, &APPLICATIONS, |seat| {
                let answer = in_container(|| {
                    bind(&program.0, &other.0)?;
                    invoke_in_program(&seat, &other.0)
                })?;
                ensure!(answer.is_success(), "{answer}");
                let login = login(&seat);
                if let Login::Application | Login::UserApplication = login {
                    let answer = in_container(|| Agent::execute(&program.0)?.open(login, false))?;
                    ensure!(answer.identity()? == seat.identity, "{answer}");
                }
                seat.works()
            })
        },
    )
    .by_hash(),
    Case::service(
        9018,
        "The name of a process that is refused is no line of the kernel's log",
        &[20],
        tell_name,
    ),
];

/// The kernel's log shows what would be a line of its own as `\x0a`, and a backslash as `\x5c`.
fn tell_name(bench: &Bench) -> Result<Option<String>> {
    if !bench.verifies() {
        return Ok(None);
    }
    ROOT.act()?;
    let mut log = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/kmsg")?;
    log.seek(SeekFrom::End(0))?;
    // The driver tells no more than ten in five seconds.
    for _ in 0..20 {
        let debugged = Process::start(|_| {
            OWNER.be()?;
            prctl::set_name(c"a\n<0>forged")?;
            ptrace::traceme()?;
            Ok(open(&Tee::connect()?, Login::Application, true))
        })?;
        let answer = debugged.finish::<Answer>()?;
        ensure!(!answer.is_success(), "{answer}");
        let mut record = [0; 8192];
        while let Ok(size) = log.read(&mut record) {
            let record = String::from_utf8_lossy(&record[..size]);
            if record.contains("forged") {
                let is_told = record.contains(r"a\x5cn<0>forged[");
                ensure!(is_told, "{record}");
                return Ok(None);
            }
        }
        thread::sleep(Duration::from_secs(1));
    }
    bail!("the driver has told nothing for 20 seconds")
}

/// What this program is called from then on: a file with fs-verity, if there is a disk
/// for that. Returns only if it is, or there is none.
pub(crate) fn become_application() -> Result<()> {
    let (from, to) = (myself()?, Path::new(DISK).join("binding-test"));
    if from == to || !Path::new(DISK).is_dir() || !geteuid().is_root() {
        return Ok(());
    }
    copy(&from, &to, false)?;
    app::protect(&to)?;
    Err(Command::new(to).args(std::env::args_os().skip(1)).exec()).context("cannot execute myself")
}

/// Plays a case again in a copy of this program without fs-verity.
pub(super) fn play_by_hash(case: &Case, bench: &Bench, seen: &str) -> Result<String> {
    if let Measurement::File(_) = app::measure(&myself()?)? {
        return Ok(seen.into());
    }
    let program = Program::plain()?;
    ROOT.act()?;
    let mut command = Command::new(&program.0);
    command
        .arg("--play-as-plain-program")
        .arg(case.number.to_string())
        .args(["--expect", bench.stack.word()])
        .stderr(Stdio::inherit());
    let said = command.output().context("cannot execute")?.stdout;
    let again: Result<Option<String>, String> =
        serde_json::from_slice(&said).context("it ended without a word")?;
    match again {
        Ok(again) => Ok(format!(
            "{seen}; by own hash: {}",
            again.unwrap_or_default()
        )),
        Err(error) => bail!("as a program that the driver hashes: {error}"),
    }
}

/// What it does.
pub(crate) fn play_as_plain_program(number: u32, stack: Stack) -> ExitCode {
    let bench = Bench::new(stack, 0, false, 1);
    let play = || {
        OWNER.act()?;
        match super::choose(&[number.to_string()]).first() {
            Some(case) => case.play(&bench),
            None => bail!("no such case"),
        }
    };
    let seen = play().map_err(|error| format!("{error:#}"));
    match serde_json::to_string(&seen) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(_) => ExitCode::FAILURE,
    }
}

pub(super) fn private_mounts() -> Result<()> {
    let none = None::<&str>;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(none, "/", none, private, none).context("private mounts")
}

pub(super) fn bind(from: &Path, over: &Path) -> Result<()> {
    let none = None::<&str>;
    private_mounts()?;
    mount(Some(from), over, none, MsFlags::MS_BIND, none).context("bind mount")
}

/// Does something as root of a container of the owner's: namespaces of users, mounts and processes.
pub(super) fn in_container<T: Serialize + DeserializeOwned>(
    task: impl FnOnce() -> Result<T>,
) -> Result<T> {
    in_container_with(None, task)
}

/// The same where the owner's group has that number.
pub(super) fn in_container_with<T: Serialize + DeserializeOwned>(
    gid: Option<u32>,
    task: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let_person(OWNER, || {
        in_namespace(OWNER, 0, gid)?;
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID)?;
        Process::start(|_| {
            ensure!(getpid().as_raw() == 1, "not the first process");
            task()
        })?
        .finish()
    })
}

/// The owner's session by that login, unless this stack has none such.
fn seat(bench: &Bench, bound: bool, login: Login) -> Result<Option<Seat>> {
    OWNER.act()?;
    let ta = probe(bound);
    let missing = if !bench.stack.has_bound_driver() {
        Answer::Kernel(Errno::EINVAL as i32)
    } else if bench.stack == Stack::StockCore && login == Login::Process {
        Answer::Tee {
            ret: TEE_ERROR_BAD_PARAMETERS,
            origin: TEE_ORIGIN_TEE,
            values: [(0, 0); 4],
        }
    } else {
        return Seat::take(ta, login).map(Some);
    };
    let opened = Tee::connect()?.open(ta.uuid, login);
    ensure!(opened == Err(missing), "{login:?} ended with {opened:?}");
    Ok(None)
}

/// Plays with the owner's session by each of the logins.
pub(super) fn each(
    bench: &Bench,
    logins: &[Login],
    play: impl Fn(Seat) -> Result<()>,
) -> Result<Option<String>> {
    each_on(bench, false, logins, play)
}

pub(super) fn each_on(
    bench: &Bench,
    bound: bool,
    logins: &[Login],
    play: impl Fn(Seat) -> Result<()>,
) -> Result<Option<String>> {
    let mut played = 0;
    for &login in logins {
        if let Some(seat) = seat(bench, bound, login)? {
            play(seat).with_context(|| format!("{login:?}"))?;
            played += 1;
        }
        OWNER.act()?;
    }
    Ok(Some(match played {
        0 => "there is no such login".into(),
        _ => format!("{played} logins"),
    }))
}

pub(super) fn attack(
    bench: &Bench,
    logins: &[Login],
    attack: impl Fn(&Seat) -> Result<Answer>,
) -> Result<Option<String>> {
    each(bench, logins, |seat| {
        let answer = attack(&seat)?;
        OWNER.act()?;
        bench.attacked_session(&seat, answer).map(drop)
    })
}

/// Another program whose executable is the client's, for Linux, invokes and opens.
fn attack_as_client(
    bench: &Bench,
    pretender: impl Fn(&Seat) -> Result<Agent>,
) -> Result<Option<String>> {
    each(bench, &APPLICATIONS, |seat| {
        let mut agent = pretender(&seat)?;
        let answer = agent.ask()?;
        OWNER.act()?;
        bench.attacked_session(&seat, answer)?;
        let answer = agent.open(login(&seat), false)?;
        let eperm = Answer::Kernel(Errno::EPERM as i32);
        ensure!(answer == eperm, "it opens: {answer}");
        Ok(())
    })
}

/// The client opens a session and becomes another program, which invokes.
fn executes(bench: &Bench, logins: &[Login], program: &Path) -> Result<Option<String>> {
    let said = PathBuf::from(format!("/tmp/said-{}", getpid()));
    each(bench, logins, |other| {
        let (login, said) = (login(&other), &said);
        // The child opens a session of its own.
        drop(other.tee);
        let child = Process::start(|_| -> Result<()> {
            OWNER.be()?;
            let seat = Seat::take(other.flavour, login)?;
            let mut command = in_program("--invoke-on", &seat, program)?;
            Err(command.stdout(File::create(said)?).exec().into())
        })?;
        child.reap()?;
        let answer: Answer = serde_json::from_slice(&fs::read(said)?)?;
        fs::remove_file(said)?;
        bench.attacked(answer)
    })
}

/// How the session was opened.
pub(super) fn login(seat: &Seat) -> Login {
    match seat.identity.login {
        4 => Login::Application,
        5 => Login::UserApplication,
        6 => Login::GroupApplication(CLIENTS),
        _ => Login::Process,
    }
}

pub(super) fn probe(bound: bool) -> &'static Flavour {
    let kind = if bound { Kind::Shared } else { Kind::Private };
    flavour(kind, bound)
}

/// The file that a client executes is not any more what its name stands for.
fn outdated(bench: &Bench, replace: impl Fn(&Path, &Path) -> Result<()>) -> Result<Option<String>> {
    each(bench, &APPLICATIONS, |seat| {
        let (program, other) = (Program::same()?, Program::other()?);
        let mut agent = Agent::start(&program.0, OWNER)?;
        let opened = agent.open(login(&seat), false)?;
        ensure!(opened.is_success(), "{opened}");
        ROOT.act()?;
        replace(&program.0, &other.0)?;
        bench.attacked(agent.ask()?)
    })
}

/// A process with the number of the client's, which has ended.
fn pid_again(bench: &Bench) -> Result<Option<String>> {
    if !Path::new(LAST_PID).exists() {
        return Ok(None);
    }
    each(bench, &[Login::Process], |seat| {
        drop(seat.tee);
        let mut client = Process::start(|line| {
            OWNER.act()?;
            let seat = Seat::take(seat.flavour, Login::Process)?;
            line.send_fd(&seat.tee)?;
            Ok(seat.session)
        })?;
        let tee = Tee::from(client.line.receive_fd()?);
        let pid = client.pid;
        let session: Session = client.finish()?;
        ROOT.act()?;
        for _ in 0..100 {
            fs::write(LAST_PID, (pid.as_raw() - 1).to_string())?;
            let again = Process::start(|_| {
                OWNER.be()?;
                Ok((getpid() == pid).then(|| ask(&tee, session)))
            })?;
            if let Some(answer) = again.finish::<Option<Answer>>()? {
                // The session ends with the process, a little later perhaps.
                let gone = Answer::Kernel(Errno::EINVAL as i32);
                if bench.verifies() && answer == gone {
                    return Ok(());
                }
                return bench.attacked(answer);
            }
        }
        bail!("the number did not come back")
    })
}

pub(super) fn open(tee: &Tee, login: Login, bound: bool) -> Answer {
    match tee.open(probe(bound).uuid, login) {
        Ok(session) => ask(tee, session),
        Err(answer) => answer,
    }
}

/// A person opens a TA by executing another program than this.
pub(super) fn other_program(person: Person, ta: TaUuid, login: Login) -> Result<Answer> {
    let other = Program::other()?;
    Agent::start(&other.0, person)?.tell(&Order::Visit(login, ta.octets))
}

/// Code of a process that is not its executable's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Foreign {
    /// None any more.
    Nothing,
    /// A page without a file.
    Page,
    /// Another file's.
    File(PathBuf),
    /// The executable's own, once more, by a descriptor that reads past the page cache.
    Direct,
    /// The executable's own, written to.
    Text,
    /// The kernel's, written to.
    Vdso,
}

#[derive(Serialize, Deserialize)]
enum Order {
    /// Opens a session with that TA and closes it.
    Visit(Login, [u8; 16]),
    /// Opens a session with an unbound TA, or a bound one, and asks it.
    Open(Login, bool),
    /// Opens one on an inherited descriptor and tells its number.
    OpenOn(RawFd, Login),
    /// Has one on an inherited descriptor.
    Take(RawFd, Session),
    /// Asks the last one.
    Ask,
    /// Calls that file its executable, or the one that it interprets; tells what Linux believes.
    Pretend(Option<PathBuf>),
    /// Comes by code that is not its own.
    Bring(Foreign),
    /// Becomes an interpreter that Linux calls to execute a program.
    Interpret {
        interpreter: PathBuf,
        program: PathBuf,
    },
}

/// A program that does as it is told.
pub(super) struct Agent {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Agent {
    pub(super) fn start(program: &Path, person: Person) -> Result<Self> {
        person.act()?;
        Self::execute(program)
    }

    /// As whoever we are.
    pub(super) fn execute(program: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        command
            .arg("--agent")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot execute")?;
        let (orders, answers) = (child.stdin.take(), child.stdout.take());
        Ok(Self {
            child,
            orders: orders.context("no stdin")?,
            answers: BufReader::new(answers.context("no stdout")?),
        })
    }

    /// The number of its process.
    pub(super) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// With a session that is not its own.
    pub(super) fn with(program: &Path, seat: &Seat) -> Result<Self> {
        seat.tee.inheritable()?;
        let mut agent = Self::start(program, OWNER)?;
        agent.take(seat)?;
        Ok(agent)
    }

    fn tell<T: DeserializeOwned>(&mut self, order: &Order) -> Result<T> {
        writeln!(self.orders, "{}", serde_json::to_string(order)?)?;
        let mut said = String::new();
        self.answers.read_line(&mut said)?;
        serde_json::from_str(&said).context("the program ended without a word")
    }

    pub(super) fn open(&mut self, login: Login, bound: bool) -> Result<Answer> {
        self.tell(&Order::Open(login, bound))
    }

    pub(super) fn open_on(&mut self, tee: &Tee, login: Login) -> Result<Session> {
        self.tell(&Order::OpenOn(tee.as_fd().as_raw_fd(), login))
    }

    fn take(&mut self, seat: &Seat) -> Result<()> {
        self.tell(&Order::Take(seat.tee.as_fd().as_raw_fd(), seat.session))
    }

    pub(super) fn ask(&mut self) -> Result<Answer> {
        self.tell(&Order::Ask)
    }

    /// It comes by code that is not its own.
    pub(super) fn bring(&mut self, code: Foreign) -> Result<()> {
        self.tell(&Order::Bring(code))
    }

    fn interpret(&mut self, interpreter: &Path, program: &Path) -> Result<()> {
        self.tell(&Order::Interpret {
            interpreter: interpreter.into(),
            program: program.into(),
        })
    }

    /// That it is the client's program.
    fn pretend(&mut self, program: Option<PathBuf>) -> Result<()> {
        let believed: PathBuf = self.tell(&Order::Pretend(program))?;
        ensure!(believed == myself()?, "Linux sees {}", believed.display());
        Ok(())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What an [`Agent`] does.
pub(crate) fn serve_orders() -> ExitCode {
    let serve = || -> Result<()> {
        let (mut at, mut page) = (None, None);
        for line in stdin().lines() {
            let said = match serde_json::from_str(&line?)? {
                Order::Visit(login, octets) => {
                    let tee = Tee::connect()?;
                    serde_json::to_string(&match tee.open(TaUuid { text: "", octets }, login) {
                        Ok(session) => {
                            tee.close(session)?;
                            Answer::Tee {
                                ret: TEE_SUCCESS,
                                origin: TEE_ORIGIN_TRUSTED_APP,
                                values: [(0, 0); 4],
                            }
                        }
                        Err(answer) => answer,
                    })
                }
                Order::Open(login, bound) => {
                    let tee = Tee::connect()?;
                    serde_json::to_string(&match tee.open(probe(bound).uuid, login) {
                        Ok(session) => {
                            let (tee, session) = at.insert((tee, session));
                            ask(tee, *session)
                        }
                        Err(answer) => answer,
                    })
                }
                Order::OpenOn(fd, login) => {
                    let tee = Tee::from(pass::inherited(fd)?);
                    let opened = tee.open(probe(false).uuid, login);
                    let session = opened.map_err(|answer| anyhow!("{answer}"))?;
                    at = Some((tee, session));
                    serde_json::to_string(&session)
                }
                Order::Take(fd, session) => {
                    at = Some((Tee::from(pass::inherited(fd)?), session));
                    serde_json::to_string(&())
                }
                Order::Ask => {
                    let (tee, session) = at.as_ref().context("no session")?;
                    serde_json::to_string(&ask(tee, *session))
                }
                Order::Bring(code) => {
                    match code {
                        Foreign::Nothing => page = None,
                        Foreign::Page => page = Some(memory::AnonymousCode::map()?),
                        Foreign::File(file) => memory::map_code(File::open(file)?.as_fd())?,
                        Foreign::Direct => {
                            let mut options = File::options();
                            options.read(true).custom_flags(libc::O_DIRECT);
                            let file = options.open(myself()?)?;
                            memory::map_code_first(file.as_fd())?;
                        }
                        Foreign::Text => memory::patch_text()?,
                        Foreign::Vdso => memory::patch_vdso()?,
                    }
                    serde_json::to_string(&())
                }
                Order::Pretend(program) => serde_json::to_string(&pretend(program)?),
                Order::Interpret {
                    interpreter,
                    program,
                } => return interpret(&interpreter, &program),
            };
            println!("{}", said?);
        }
        drop(page);
        Ok(())
    };
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whoever creates a user namespace may do that.
fn pretend(program: Option<PathBuf>) -> Result<PathBuf> {
    let file = match program {
        Some(program) => File::open(program)?.into(),
        None => sys::interpreted_fd().context("no descriptor")?,
    };
    unshare(CloneFlags::CLONE_NEWUSER)?;
    sys::pretend_to_execute(file.as_fd()).context("prctl")?;
    myself()
}

/// And may say who interprets the programs that are executed in it. With `O` the interpreter
/// is handed the program as exec opened it.
fn interpret(interpreter: &Path, program: &Path) -> Result<()> {
    in_namespace(OWNER, 0, Some(0))?;
    unshare(CloneFlags::CLONE_NEWNS)?;
    private_mounts()?;
    for (kind, on) in [("tmpfs", "/tmp"), ("binfmt_misc", "/run")] {
        let none = None::<&str>;
        mount(none, on, Some(kind), MsFlags::empty(), none).context(kind)?;
    }
    let how = format!(":client:E::client::{}:O", interpreter.display());
    fs::write("/run/register", how).context("binfmt_misc")?;
    let name = "/tmp/a.client";
    symlink(program, name)?;
    // The next order is read by what is executed.
    println!("{}", serde_json::to_string(&())?);
    Err(Command::new(name).arg("--agent").exec().into())
}
