// SPDX-License-Identifier: BSD-2-Clause
//! An application is a file that nobody but root could ever write to: copies that others have, or had, in hand.

use super::Case;
use super::apps::{APPLICATIONS, Agent, bind, each, in_container_with, login, private_mounts};
use super::code::is;
use super::travel::{close_in_program, in_namespace, invoke_in_program};
use crate::bench::{Bench, Seat};
use crate::world::{OWNER, Process, ROOT, let_person};
use anyhow::{Context, Result, anyhow, ensure};
use client_binding_client::app;
use client_binding_client::identity::{Application, Measurement};
use client_binding_raw::{Answer, Login};
use client_binding_test::kit::fuse::{self, Server};
use client_binding_test::kit::memory::{PAGE, Pin, Window, copy_page, read_page};
use client_binding_test::kit::program::{DISK, Program, copy, myself};
use client_binding_test::kit::sys;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::mount::{MsFlags, mount, umount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid};
use std::fs::{self, File, Permissions};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

pub(super) const CASES: &[Case] = &[
    Case::refusal(
        9041,
        "A user's own copy of the client's program invokes and opens",
        &[1, 2, 20],
        |b| {
            each(b, &APPLICATIONS, |seat| {
                let copy = owners_copy()?;
                for way in [plainly, by_hard_link, by_bind_mount] {
                    let answers = Process::start(|_| {
                        ROOT.act()?;
                        as_owner(&seat, &way(&copy.0)?)
                    })?;
                    refused(b, &seat, answers.finish()?)?;
                }
                if let Login::GroupApplication(_) = login(&seat) {
                    return Ok(());
                }
                let answers = let_person(OWNER, || {
                    in_namespace(OWNER, 0, Some(0))?;
                    chown(&copy.0, Some(0), Some(0))?;
                    fs::set_permissions(&copy.0, Permissions::from_mode(0o555))?;
                    answers(&seat, &copy.0)
                })?;
                refused(b, &seat, answers).context("as root of a namespace")
            })
        },
    )
    .by_hash(),
    Case::refusal(
        9042,
        "A page of the copy is written to that io_uring pinned before",
        &[1, 2, 20],
        |b| {
            let tmp = Tmp::mount("pins")?;
            each(b, &APPLICATIONS, |seat| {
                let program = tmp.0.join("copy");
                let result = let_person(OWNER, || {
                    copy(&myself()?, &program, false)?;
                    let pin = pinned(&program);
                    if let Err(Errno::ENOSYS | Errno::EPERM | Errno::EOPNOTSUPP) = pin {
                        return Ok(None);
                    }
                    let before = fs::read(&program)?;
                    let mut agent = Agent::execute(&program)?;
                    let opened = agent.open(login(&seat), false)?;
                    // Nobody may write to it, and it is written to.
                    let writer = File::options().write(true).open(&program);
                    ensure!(writer.is_err(), "it is executed, and anybody writes to it");
                    let source = tmp.0.join("source");
                    fs::write(&source, changed(&before))?;
                    pin?.read(File::open(&source)?.as_fd(), 64)
                        .context("io_uring")?;
                    ensure!(fs::read(&program)? != before, "the page was not written to");
                    let answers = (invoke_in_program(&seat, &program)?, opened);
                    fs::remove_file(&program)?;
                    fs::remove_file(&source)?;
                    Ok(Some(answers))
                })?;
                match result {
                    Some(answers) => refused(b, &seat, answers),
                    None => Ok(()),
                }
            })
        },
    ),
    Case::refusal(
        9043,
        "A page of the copy is written to that process_vm_writev pinned before",
        &[1, 2, 20],
        |b| written_late(b, by_debugger),
    )
    .by_hash(),
    Case::refusal(
        9053,
        "A page of the copy is written to that a direct read pinned before",
        &[1, 2, 20],
        |b| written_late(b, by_direct_read),
    )
    .by_hash(),
    Case::refusal(
        9054,
        "The client's program is on a disk of the user's, a file behind a loop device",
        &[1, 2, 20],
        |b| {
            each(b, &APPLICATIONS, |seat| {
                let answers = Process::start(|_| {
                    // On the user's behalf, as a desktop does.
                    ROOT.act()?;
                    let Some(disk) = users_disk()? else {
                        return Ok(None);
                    };
                    let program = disk.join(name(&myself()?)?);
                    as_owner(&seat, &program).map(Some)
                })?;
                match answers.finish()? {
                    Some(answers) => refused(b, &seat, answers),
                    None => Ok(()),
                }
            })
        },
    )
    .by_hash(),
    Case::refusal(
        9044,
        "Others than root may write to the client's program",
        &[1, 2, 20],
        |b| {
            each(b, &APPLICATIONS, |seat| {
                for mode in [0o775, 0o757, 0o777] {
                    let program = Program::same()?;
                    ROOT.act()?;
                    fs::set_permissions(&program.0, Permissions::from_mode(mode))?;
                    refused(b, &seat, as_owner(&seat, &program.0)?)?;
                }
                let program = Program::same()?;
                ROOT.act()?;
                if grant(&program.0)? {
                    refused(b, &seat, as_owner(&seat, &program.0)?).context("by an ACL")?;
                }
                Ok(())
            })
        },
    )
    .by_hash(),
    Case::refusal(
        9045,
        "Root's copy is where ownership means nothing",
        &[1, 2, 20],
        |b| {
            each(b, &APPLICATIONS, |seat| {
                let program = Program::same()?;
                for place in [nosuid, idmapped, in_users_namespace, of_another_type] {
                    let answers = Process::start(|_| {
                        ROOT.act()?;
                        as_owner(&seat, &place(&program.0)?)
                    })?;
                    refused(b, &seat, answers.finish()?)?;
                }
                Ok(())
            })
        },
    )
    .by_hash(),
    Case::refusal(
        9046,
        "A copy on the user's overlay is written to below while it runs",
        &[1, 2, 20],
        |b| {
            each(b, &[Login::Application, Login::UserApplication], |seat| {
                let answers = in_container_with(Some(0), || {
                    let Some(overlay) = overlay(1)? else {
                        return Ok(None);
                    };
                    let program = overlay.join("copy");
                    copy(&myself()?, &program, false)?;
                    let mut agent = Agent::execute(&program)?;
                    let opened = agent.open(login(&seat), false)?;
                    let before = fs::read(&program)?;
                    let upper = File::options().write(true).open("/tmp/upper-1/copy")?;
                    upper.write_all_at(&changed(&before), 0)?;
                    ensure!(fs::read(&program)? != before, "it was not written to");
                    Ok(Some((invoke_in_program(&seat, &program)?, opened)))
                })?;
                match answers {
                    Some(answers) => refused(b, &seat, answers),
                    None => Ok(()),
                }
            })
        },
    ),
    Case::refusal(
        9047,
        "The client's program is copied up while it runs",
        &[1, 2, 20],
        |b| {
            each(b, &APPLICATIONS, |seat| {
                let program = Program::same()?;
                let answer: Option<Answer> = Process::start(|_| {
                    ROOT.act()?;
                    let Some(overlay) = overlay(1)? else {
                        return Ok(None);
                    };
                    let copied = overlay.join(name(&program.0)?);
                    let mut agent = Agent::start(&copied, OWNER)?;
                    let opened = agent.open(login(&seat), false)?;
                    ensure!(opened.is_success(), "{opened}");
                    ROOT.act()?;
                    fs::set_permissions(&copied, Permissions::from_mode(0o555))?;
                    Ok(Some(agent.ask()?))
                })?
                .finish()?;
                OWNER.act()?;
                answer.map_or(Ok(()), |answer| b.attacked(answer))
            })
        },
    )
    .by_hash(),
    Case::refusal(
        9048,
        "A program of a terabyte logs in, invokes, and closes",
        &[1, 2, 20],
        |b| {
            each(b, &APPLICATIONS, |seat| {
                let program = Program::sparse(1 << 40)?;
                // Each is to end at once, or when it is killed.
                let mut agent = Agent::with(&program.0, &seat)?;
                let invoked = in_time(agent.pid(), || agent.ask())?;
                OWNER.act()?;
                b.attacked_session(&seat, invoked)?;
                let opened = in_time(agent.pid(), || agent.open(login(&seat), false))?;
                let efbig = Answer::Kernel(Errno::EFBIG as i32);
                ensure!(opened == efbig, "it opens: {opened}");
                b.attacked_quietly(close_in_program(&seat, &program.0)?)?;
                if b.verifies() {
                    seat.works()?;
                }
                Ok(())
            })
        },
    ),
    Case::refusal(
        9050,
        "The client's program comes from a FUSE server, and then another one",
        &[1, 2, 20],
        |b| {
            if !has_fuse()? {
                return Ok(None);
            }
            each(b, &APPLICATIONS, |seat| {
                let answers = Process::start(|_| {
                    // On the user's behalf, as fusermount does.
                    ROOT.act()?;
                    unshare(CloneFlags::CLONE_NEWNS)?;
                    tmpfs("/tmp")?;
                    let on = Path::new("/tmp/fuse");
                    fs::create_dir(on)?;
                    let mut server = Server::mount(on, OWNER.uid, fs::read(myself()?)?)?;
                    server.later = (0, changed(&server.content));
                    // It says so.
                    server.uid = 0;
                    let serving = Process::start(|_| {
                        OWNER.be()?;
                        server.serve()
                    })?;
                    let answers = let_person(OWNER, || {
                        let program = on.join(fuse::NAME);
                        let mut agent = Agent::execute(&program)?;
                        let opened = agent.open(login(&seat), false)?;
                        let before = fs::read(&program)?;
                        ensure!(!on.join(fuse::SWITCH).exists(), "it serves anything");
                        ensure!(fs::read(&program)? != before, "it is still the same");
                        Ok((invoke_in_program(&seat, &program)?, opened))
                    });
                    serving.kill()?;
                    serving.reap()?;
                    answers
                })?;
                refused(b, &seat, answers.finish()?)
            })
        },
    ),
    Case::service(
        9049,
        "A login ends with the one who is killed while the program is hashed",
        &[1, 20],
        |b| {
            // Reading from there looks at no signal by itself.
            let tmp = Tmp::mount("long")?;
            let program = tmp.0.join("program");
            ROOT.act()?;
            copy(&myself()?, &program, false)?;
            File::options()
                .write(true)
                .open(&program)?
                .set_len(64 << 20)?;
            each(b, &[Login::Application], |seat| {
                let mut agent = Agent::start(&program, OWNER)?;
                let start = Instant::now();
                let opened = agent.open(login(&seat), false)?;
                ensure!(opened.is_success(), "64 MiB: {opened}");
                let took = start.elapsed();
                drop(agent);
                let mut agent = Agent::start(&program, OWNER)?;
                let pid = agent.pid();
                let start = Instant::now();
                thread::scope(|scope| {
                    scope.spawn(move || {
                        thread::sleep(took / 10);
                        kill(pid, Signal::SIGKILL)
                    });
                    let opened = agent.open(login(&seat), false);
                    ensure!(opened.is_err(), "it was not killed");
                    drop(agent);
                    Ok(())
                })?;
                let ended = start.elapsed();
                ensure!(
                    ended < took / 2 + Duration::from_millis(20),
                    "hashed in {took:?}, killed in {ended:?}"
                );
                Ok(())
            })
        },
    ),
    Case::service(
        9051,
        "Root's program in a container's layers is who it is outside",
        &[1, 20],
        |b| {
            let measured = app::measure(&myself()?)?;
            each(b, &APPLICATIONS, |seat| {
                for layers in 1..=2 {
                    let program = Program::same()?;
                    Process::start(|_| {
                        ROOT.act()?;
                        let Some(overlay) = overlay(layers)? else {
                            return Ok(());
                        };
                        let inside = overlay.join(name(&program.0)?);
                        let program_below = program.0.clone();
                        for program in [&inside, &program.0] {
                            let mut agent = Agent::start(program, OWNER)?;
                            let opened = agent.open(login(&seat), false)?;
                            is(opened, &seat, Application::OwnCode(measured))?;
                            ensure!(agent.ask()? == opened, "it is not recognized");
                            let answer = invoke_in_program(&seat, program)?;
                            ensure!(answer.is_success(), "{answer}");
                            // Linux denies it above alone.
                            ROOT.act()?;
                            let below = File::options().write(true).open(&program_below);
                            ensure!(below.is_err(), "it can be written to below");
                        }
                        Ok(())
                    })?
                    .finish::<()>()?;
                }
                OWNER.act()?;
                seat.works()
            })
        },
    )
    .by_hash(),
    Case::service(
        9052,
        "Root's program in memory, the initramfs and a file system of its own, is hashed",
        &[1, 20],
        |b| {
            let tmp = Tmp::mount("memory")?;
            ROOT.act()?;
            let from = myself()?;
            let other = PathBuf::from("/run/other-program");
            // The guest's root is its initramfs.
            let initial = PathBuf::from("/usr/bin/initial-program");
            let own = tmp.0.join("own");
            for program in [&initial, &other, &own] {
                copy(&from, program, false)?;
            }
            let seen = each(b, &APPLICATIONS, |seat| {
                for program in [&initial, &other, &own] {
                    let measured = Measurement::file(&fs::read(program)?);
                    let mut agent = Agent::start(program, OWNER)?;
                    let opened = agent.open(login(&seat), false)?;
                    is(opened, &seat, Application::OwnCode(measured))
                        .with_context(|| program.display().to_string())?;
                    ensure!(agent.ask()? == opened, "it is not recognized");
                }
                Ok(())
            });
            ROOT.act()?;
            fs::remove_file(other)?;
            fs::remove_file(initial)?;
            OWNER.act()?;
            seen
        },
    ),
];

/// What a program says: in the session that it inherits, and when it opens one itself.
fn answers(seat: &Seat, program: &Path) -> Result<(Answer, Answer)> {
    let invoked = invoke_in_program(seat, program)?;
    Ok((invoked, Agent::execute(program)?.open(login(seat), false)?))
}

fn as_owner(seat: &Seat, program: &Path) -> Result<(Answer, Answer)> {
    let_person(OWNER, || answers(seat, program))
}

/// Neither is it the client, nor anybody else's application.
fn refused(bench: &Bench, seat: &Seat, answers: (Answer, Answer)) -> Result<()> {
    OWNER.act()?;
    bench.attacked_session(seat, answers.0)?;
    let eperm = Answer::Kernel(Errno::EPERM as i32);
    ensure!(answers.1 == eperm, "it opens: {}", answers.1);
    Ok(())
}

fn name(program: &Path) -> Result<&str> {
    program
        .file_name()
        .and_then(|name| name.to_str())
        .context("no name")
}

/// The same octets but for one that no program depends on: the header has room at the end of its first line.
fn changed(program: &[u8]) -> Vec<u8> {
    let mut octets = program.get(..64).unwrap_or_default().to_vec();
    if let Some(octet) = octets.get_mut(15) {
        *octet ^= 0xff;
    }
    octets
}

/// A copy that belongs to the owner.
fn owners_copy() -> Result<Program> {
    let program = Program::same()?;
    ROOT.act()?;
    chown(&program.0, Some(OWNER.uid), Some(OWNER.uid))?;
    OWNER.act()?;
    Ok(program)
}

fn plainly(copy: &Path) -> Result<PathBuf> {
    Ok(copy.into())
}

fn by_hard_link(copy: &Path) -> Result<PathBuf> {
    // Where only root makes files; as a program it is removed with the case's other ones.
    let link = copy.with_extension("link");
    let _ = fs::remove_file(&link);
    fs::hard_link(copy, &link)?;
    Ok(link)
}

fn by_bind_mount(copy: &Path) -> Result<PathBuf> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let client = myself()?;
    bind(copy, &client)?;
    Ok(client)
}

/// Whoever mounts a disk that somebody else brought along says so.
fn nosuid(program: &Path) -> Result<PathBuf> {
    let none = None::<&str>;
    unshare(CloneFlags::CLONE_NEWNS)?;
    bind(Path::new(DISK), Path::new(DISK))?;
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_NOSUID;
    mount(none, DISK, none, flags, none).context("nosuid")?;
    Ok(program.into())
}

/// Where the owners of files are mapped, even if everybody is mapped to themselves.
fn idmapped(program: &Path) -> Result<PathBuf> {
    let mut inside = Process::start(|line| {
        unshare(CloneFlags::CLONE_NEWUSER)?;
        line.go()?;
        line.wait()
    })?;
    inside.line.wait()?;
    map_everybody(inside.pid)?;
    let namespace = File::open(format!("/proc/{}/ns/user", inside.pid))?;
    inside.line.go()?;
    inside.finish::<()>()?;
    unshare(CloneFlags::CLONE_NEWNS)?;
    private_mounts()?;
    sys::mount_idmapped(c"/clients", namespace.as_fd()).context("idmapped mount")?;
    Ok(program.into())
}

/// Of a container's root, whose root is everybody's.
fn in_users_namespace(program: &Path) -> Result<PathBuf> {
    let me = getpid();
    let mut outside = Process::start(|line| {
        line.wait()?;
        map_everybody(me)
    })?;
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
    outside.line.go()?;
    outside.finish::<()>()?;
    tmpfs("/tmp")?;
    let inside = Path::new("/tmp/copy");
    copy(program, inside, false)?;
    Ok(inside.into())
}

/// In the user namespace of that process everybody is who they are outside.
fn map_everybody(pid: Pid) -> Result<()> {
    for map in ["uid_map", "gid_map"] {
        fs::write(format!("/proc/{pid}/{map}"), "0 0 65536").context(map)?;
    }
    Ok(())
}

/// Devices' nodes are there, and nothing else is expected.
fn of_another_type(program: &Path) -> Result<PathBuf> {
    let none = None::<&str>;
    unshare(CloneFlags::CLONE_NEWNS)?;
    private_mounts()?;
    mount(none, "/tmp", Some("devtmpfs"), MsFlags::empty(), none).context("devtmpfs")?;
    let there = Path::new("/tmp/program");
    copy(program, there, false)?;
    Ok(there.into())
}

fn tmpfs(on: &str) -> Result<()> {
    private_mounts()?;
    let none = None::<&str>;
    mount(none, on, Some("tmpfs"), MsFlags::empty(), Some("mode=1777")).context("tmpfs")
}

/// Mounts so many overlays above each other, the lowest over the clients' disk, in a mount namespace of our own.
/// Says where, unless there is none in this kernel.
fn overlay(layers: usize) -> Result<Option<PathBuf>> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    tmpfs("/tmp")?;
    let mut below = PathBuf::from(DISK);
    for layer in 1..=layers {
        let [upper, work, on] =
            ["upper", "work", "on"].map(|name| PathBuf::from(format!("/tmp/{name}-{layer}")));
        for folder in [&upper, &work, &on] {
            fs::create_dir(folder)?;
        }
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            below.display(),
            upper.display(),
            work.display()
        );
        let flags = MsFlags::empty();
        match mount(
            Some("overlay"),
            &on,
            Some("overlay"),
            flags,
            Some(options.as_str()),
        ) {
            Err(Errno::ENODEV) => return Ok(None),
            result => result.context("overlay")?,
        }
        below = on;
    }
    Ok(Some(below))
}

/// A file system in memory where everybody may make files, as long as this lives.
struct Tmp(PathBuf);

impl Tmp {
    fn mount(name: &str) -> Result<Self> {
        ROOT.act()?;
        let on = PathBuf::from(format!("/run/{name}-{}", getpid()));
        fs::create_dir(&on)?;
        let none = None::<&str>;
        mount(
            none,
            &on,
            Some("tmpfs"),
            MsFlags::empty(),
            Some("mode=1777"),
        )
        .context("tmpfs")?;
        OWNER.act()?;
        Ok(Self(on))
    }
}

impl Drop for Tmp {
    fn drop(&mut self) {
        let _ = ROOT.act();
        let _ = umount(&self.0);
        let _ = fs::remove_dir(&self.0);
        let _ = OWNER.act();
    }
}

/// An io_uring has the first page of the file in hand. Nothing else of it is left.
fn pinned(program: &Path) -> nix::Result<Pin> {
    let file = File::options().read(true).write(true).open(program);
    let file = file.map_err(|_| Errno::EACCES)?;
    Pin::take(&Window::open(file.as_fd())?)
}

/// Everybody may use it, as on any distribution.
fn has_fuse() -> Result<bool> {
    let device = Path::new("/dev/fuse");
    if !device.exists() {
        return Ok(false);
    }
    ROOT.act()?;
    fs::set_permissions(device, Permissions::from_mode(0o666))?;
    OWNER.act()?;
    Ok(true)
}

/// Writes a page of a file to an address, when it is there to be read.
type Writer = fn(&File, usize) -> nix::Result<usize>;

fn by_debugger(source: &File, to: usize) -> nix::Result<usize> {
    copy_page(Window::look(source.as_fd())?.address(), to)
}

fn by_direct_read(source: &File, to: usize) -> nix::Result<usize> {
    fcntl(source, FcntlArg::F_SETFL(OFlag::O_DIRECT))?;
    read_page(source.as_fd(), to)
}

/// A copy of the owner's that is written to by that.
fn written_late(bench: &Bench, writer: Writer) -> Result<Option<String>> {
    if !has_fuse()? {
        return Ok(None);
    }
    let logins = [Login::Application, Login::UserApplication];
    each(bench, &logins, |seat| {
        let program = Program::plain()?;
        ROOT.act()?;
        chown(&program.0, Some(OWNER.uid), Some(OWNER.uid))?;
        let measured = app::measure(&myself()?)?;
        let answers = in_container_with(Some(0), || {
            let protect = || match measured {
                Measurement::Verity(_) => Ok(app::protect(&program.0)?),
                Measurement::File(_) => Ok(()),
            };
            write_late(writer, &program.0, protect, || answers(&seat, &program.0))
        })?;
        refused(bench, &seat, answers)
    })
}

/// A copy of the clients' disk that belongs to the owner, mounted with nosuid in a mount namespace of our own. Says where,
/// unless this kernel has no loop devices.
fn users_disk() -> Result<Option<PathBuf>> {
    if !Path::new("/dev/loop-control").exists() {
        return Ok(None);
    }
    unshare(CloneFlags::CLONE_NEWNS)?;
    tmpfs("/tmp")?;
    let mounts = fs::read_to_string("/proc/mounts")?;
    let disk = mounts.lines().find_map(|line| {
        let (device, rest) = line.split_once(' ')?;
        rest.starts_with(&format!("{DISK} ")).then_some(device)
    });
    let (image, on) = (Path::new("/tmp/image"), Path::new("/tmp/disk"));
    // What was written by way of the file system is on the disk then, and read from there.
    nix::unistd::sync();
    fs::write("/proc/sys/vm/drop_caches", "1")?;
    let disk = File::open(disk.context("no disk")?)?;
    std::io::copy(&mut &disk, &mut File::create(image)?)?;
    chown(image, Some(OWNER.uid), Some(OWNER.uid))?;
    fs::create_dir(on)?;
    let mounted = Command::new("busybox")
        .args(["mount", "-t", "ext4", "-o", "loop,nosuid,nodev"])
        .args([image, on])
        .status()?;
    ensure!(mounted.success(), "mount: {mounted}");
    Ok(Some(on.into()))
}

/// As root of a container: takes the first page of a file in hand, lets go of the file, does something, lets the file be
/// used, and only then writes to the page.
fn write_late<T>(
    writer: Writer,
    file: &Path,
    meanwhile: impl FnOnce() -> Result<()>,
    used: impl FnOnce() -> Result<T>,
) -> Result<T> {
    tmpfs("/tmp")?;
    let (on, gate) = (Path::new("/tmp/slow"), Path::new("/tmp/gate"));
    fs::create_dir(on)?;
    let before = fs::read(file)?;
    let mut page = before.get(..PAGE).context("a short file")?.to_vec();
    page[..64].copy_from_slice(&changed(&before));
    let mut server = Server::mount(on, 0, page)?;
    server.gate = Some(gate.into());
    let serving = Process::start(|_| server.serve())?;
    let target = File::options().read(true).write(true).open(file)?;
    let target = (Window::open(target.as_fd())?, target);
    let source = File::open(on.join(fuse::NAME))?;
    let to = target.0.address();
    let used = thread::scope(|scope| {
        // It has the page of the file when it waits for the other.
        let writer = scope.spawn(move || writer(&source, to));
        thread::sleep(Duration::from_millis(500));
        drop(target);
        let used = meanwhile().and_then(|()| used());
        File::create(gate)?;
        let written = writer.join().map_err(|_| anyhow!("the thread died"))??;
        ensure!(written == PAGE, "{written} octets");
        used
    });
    ensure!(
        used.is_err() || fs::read(file)? != before,
        "it was not written to"
    );
    serving.kill()?;
    serving.reap()?;
    used
}

/// The owner may write to it, says an ACL, unless the file system has none. The mode cannot say so.
fn grant(program: &Path) -> Result<bool> {
    // Version 2; the owning user, one user, the owning group, the mask, and others: rwx, rwx, r-x, rwx, r-x.
    let entries: [(u16, u16, u32); 5] = [
        (0x01, 7, u32::MAX),
        (0x02, 7, OWNER.uid),
        (0x04, 5, u32::MAX),
        (0x10, 7, u32::MAX),
        (0x20, 5, u32::MAX),
    ];
    let mut acl = 2u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        acl.extend(tag.to_le_bytes());
        acl.extend(permissions.to_le_bytes());
        acl.extend(id.to_le_bytes());
    }
    match sys::set_attribute(program, c"system.posix_acl_access", &acl) {
        Ok(()) => Ok(true),
        Err(Errno::EOPNOTSUPP) => Ok(false),
        Err(errno) => Err(errno).context("ACL"),
    }
}

/// It ends within five seconds, or the process is killed.
fn in_time<T>(pid: Pid, task: impl FnOnce() -> Result<T>) -> Result<T> {
    let (done, told) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let late = told.recv_timeout(Duration::from_secs(5));
            if late == Err(RecvTimeoutError::Timeout) {
                let _ = kill(pid, Signal::SIGKILL);
            }
        });
        let result = task();
        drop(done);
        result
    })
}
