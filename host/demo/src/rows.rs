// SPDX-License-Identifier: BSD-2-Clause
//! The plays. Each starts as root in a process of its own.

use anyhow::{Context, Result, anyhow, bail, ensure};
use client_binding_client::{Client, Error, Login, Origin, Param};
use client_binding_demo_rows::{Outcome, Row};
use client_binding_identity::Principal;
use client_binding_proto::{Identity, TaUuid, relay, vault, vault_c, whoami};
use client_binding_raw::code::TEE_ERROR_BAD_PARAMETERS;
use client_binding_raw::people::{CLIENTS, Line, OWNER, Person, Process, STRANGER, let_person};
use client_binding_raw::program::{self, Program};
use client_binding_raw::{self as raw, Answer, Session, Tee, sys};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::io::Write;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use uuid::Uuid;

type Ending = (Outcome, String);

/// How long the owner's command takes that others cancel or that its owner dies in.
const LONG: Duration = Duration::from_secs(2);
/// Time for such a command to reach the TA.
const START: Duration = Duration::from_millis(500);

/// Plays a row.
pub(crate) fn play(row: Row) -> Result<Ending> {
    let ending = act(row);
    if let Err(error) = &ending
        && let Some(OwnerRefused(reason)) = error.downcast_ref()
    {
        return Ok((Outcome::Refused, format!("the owner: {reason}")));
    }
    ending
}

fn act(row: Row) -> Result<Ending> {
    match row {
        Row::ChildUid => child_uid(whoami::UUID, whoami::Command::WhoAmI.number()),
        Row::PassedFd => passed_fd(),
        Row::EuidChange => euid_change(),
        Row::EuidBack => euid_back(),
        Row::Thread => thread_credentials(),
        Row::UserNamespace => user_namespace(),
        Row::GroupLost => group_lost(),
        Row::CloseByOther => close_by_other(),
        Row::CancelByOther => cancel_by_other(),
        Row::OtherProgram => other_program(),
        Row::ForkChild => fork_child(),
        Row::JoinOtherUser => join(STRANGER, Login::User),
        Row::JoinOtherLogin => join(OWNER, Login::Group(CLIENTS)),
        Row::JoinPublic => join(STRANGER, Login::Public),
        Row::JoinSameUser => join_same_user(),
        Row::StrangerFirst => stranger_first(),
        Row::JoinTa => join_ta(),
        Row::InvokeBound => child_uid(vault_c::UUID, vault_c::Command::WhoAmI.number()),
        Row::LastHolder => last_holder(),
        Row::OwnerKilled => owner_killed(),
    }
}

/// The owner itself was denied its session.
#[derive(Debug)]
struct OwnerRefused(String);

impl fmt::Display for OwnerRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OwnerRefused {}

const EINVAL: Answer = Answer::Kernel(Errno::EINVAL as i32);

fn raw_login(login: Login) -> raw::Login {
    match login {
        Login::Public => raw::Login::Public,
        Login::User => raw::Login::User,
        Login::Group(gid) => raw::Login::Group(gid),
        Login::Application => raw::Login::Application,
        Login::UserApplication => raw::Login::UserApplication,
        Login::GroupApplication(gid) => raw::Login::GroupApplication(gid),
        Login::Process => raw::Login::Process,
    }
}

/// Opens a session that the caller rightfully wants.
fn log_in(tee: &Tee, ta: TaUuid, login: Login) -> Result<Session> {
    match tee.open(ta, raw_login(login)) {
        Err(answer) if answer.is_denied() => bail!(OwnerRefused(answer.to_string())),
        result => result.context("open session"),
    }
}

/// The owner's session, its descriptor in our hands.
struct Owned {
    tee: Tee,
    session: Session,
    who_am_i: u32,
    identity: Identity,
}

impl Owned {
    /// Logs the owner in. Whoever we are then, we can become others.
    fn open(ta: TaUuid, who_am_i: u32, login: Login) -> Result<Self> {
        OWNER.act()?;
        let tee = Tee::connect()?;
        let session = log_in(&tee, ta, login)?;
        let owned = Self::take(tee, session, who_am_i)?;
        let owner = match login {
            Login::Group(gid) => Principal::Group(gid),
            _ => Principal::User(OWNER.uid),
        };
        ensure!(
            owned.identity.uuid == *owner.uuid().as_bytes(),
            "the TA takes the owner for somebody else"
        );
        Ok(owned)
    }

    /// By a login that stock systems don't have: there it is the best they have, USER.
    fn best(login: Login) -> Result<Self> {
        OWNER.act()?;
        let tee = Tee::connect()?;
        let session = match tee.open(whoami::UUID, raw_login(login)) {
            // A driver that does not know it, or a core.
            Err(answer) if answer == EINVAL || answer.code() == Some(TEE_ERROR_BAD_PARAMETERS) => {
                log_in(&tee, whoami::UUID, Login::User)?
            }
            result => result.context("open session")?,
        };
        Self::take(tee, session, whoami::Command::WhoAmI.number())
    }

    fn take(tee: Tee, session: Session, who_am_i: u32) -> Result<Self> {
        let answer = ask(&tee, session, who_am_i);
        let identity = answer.identity().context("the owner's first command")?;
        Ok(Self {
            tee,
            session,
            who_am_i,
            identity,
        })
    }

    fn whoami(login: Login) -> Result<Self> {
        Self::open(whoami::UUID, whoami::Command::WhoAmI.number(), login)
    }

    /// Invokes, as whoever we are now.
    fn ask(&self) -> Answer {
        ask(&self.tee, self.session, self.who_am_i)
    }

    /// The owner's session must work on, and still be the owner's.
    fn check(&self) -> Result<()> {
        let identity = self.ask().identity().context("the owner's session broke")?;
        ensure!(identity == self.identity, "the owner became somebody else");
        Ok(())
    }

    /// What an answer to somebody else means.
    fn judge(&self, answer: Answer) -> Result<Ending> {
        self.check()?;
        if answer.is_denied() {
            Ok((Outcome::Denied, format!("{answer}; the owner goes on")))
        } else {
            let taken_for = Uuid::from_bytes(answer.identity()?.uuid);
            let detail = format!("the TA served it as {taken_for}, the owner");
            Ok((Outcome::Reached, detail))
        }
    }
}

/// All the TAs answer this in the same way, but not under the same number.
fn ask(tee: &Tee, session: Session, who_am_i: u32) -> Answer {
    tee.invoke(session, who_am_i, whoami::Command::WhoAmI.shape(), 0)
}

fn child_uid(ta: TaUuid, who_am_i: u32) -> Result<Ending> {
    let owned = Owned::open(ta, who_am_i, Login::User)?;
    let answer = let_person(STRANGER, || Ok(owned.ask()))?;
    owned.judge(answer)
}

fn passed_fd() -> Result<Ending> {
    // Forked before there is anything to inherit.
    let mut stranger = Process::start(|line| {
        STRANGER.be()?;
        let tee = Tee::from(line.receive_fd()?);
        let session = line.hear()?;
        Ok(ask(&tee, session, whoami::Command::WhoAmI.number()))
    })?;
    let owned = Owned::whoami(Login::User)?;
    stranger.line.send_fd(&owned.tee)?;
    stranger.line.say(&owned.session)?;
    owned.judge(stranger.finish()?)
}

fn euid_change() -> Result<Ending> {
    let owned = Owned::whoami(Login::User)?;
    STRANGER.act()?;
    let answer = owned.ask();
    OWNER.act()?;
    owned.judge(answer)
}

fn euid_back() -> Result<Ending> {
    let owned = Owned::whoami(Login::User)?;
    STRANGER.act()?;
    let meanwhile = owned.ask();
    OWNER.act()?;
    owned.check()?;
    Ok((Outcome::Served, format!("meanwhile: {meanwhile}")))
}

fn thread_credentials() -> Result<Ending> {
    let owned = Owned::whoami(Login::User)?;
    let attack = || -> Result<Answer> {
        sys::set_thread_uid(0, 0, 0)?;
        sys::set_thread_uid(STRANGER.uid, STRANGER.uid, STRANGER.uid)?;
        Ok(owned.ask())
    };
    let answer = thread::scope(|scope| scope.spawn(attack).join())
        .map_err(|_| anyhow!("the thread died"))??;
    ensure!(geteuid().as_raw() == OWNER.uid, "the whole process changed");
    owned.judge(answer)
}

fn user_namespace() -> Result<Ending> {
    let owned = Owned::whoami(Login::User)?;
    let answer = let_person(STRANGER, || {
        // A process that changed its uid may not write its own maps, unless it is dumpable.
        sys::be_dumpable()?;
        unshare(CloneFlags::CLONE_NEWUSER).context("unshare")?;
        fs::write(
            "/proc/self/uid_map",
            format!("{} {} 1", OWNER.uid, STRANGER.uid),
        )
        .context("uid_map")?;
        ensure!(
            geteuid().as_raw() == OWNER.uid,
            "the namespace maps nothing"
        );
        Ok(owned.ask())
    })?;
    owned.judge(answer)
}

fn group_lost() -> Result<Ending> {
    let owned = Owned::whoami(Login::Group(CLIENTS))?;
    OWNER.act_in(&[])?;
    let answer = owned.ask();
    OWNER.act()?;
    owned.judge(answer)
}

fn other_program() -> Result<Ending> {
    let other = Program::other()?;
    let owned = Owned::best(Login::UserApplication)?;
    let answer = let_person(OWNER, || {
        program::said(program::heir(&other.0, "--ask", &owned.tee, owned.session)?)
    })?;
    owned.judge(answer)
}

/// What the other program does.
pub(crate) fn ask_on(numbers: &[u32]) -> ExitCode {
    let who_am_i = whoami::Command::WhoAmI.number();
    program::on_inherited(numbers, |tee, session| ask(tee, session, who_am_i))
}

fn fork_child() -> Result<Ending> {
    let owned = Owned::best(Login::Process)?;
    let answer = let_person(OWNER, || Ok(owned.ask()))?;
    owned.judge(answer)
}

fn close_by_other() -> Result<Ending> {
    let owned = Owned::whoami(Login::User)?;
    let closed = let_person(STRANGER, || Ok(errno(owned.tee.close(owned.session))))?;
    let afterwards = owned.ask();
    match closed {
        None if !afterwards.is_success() => Ok((
            Outcome::Gone,
            format!("the owner's next command: {afterwards}"),
        )),
        Some(errno) if errno == Errno::EACCES as i32 => {
            owned.check()?;
            Ok((Outcome::Denied, "EACCES; the owner goes on".into()))
        }
        _ => {
            bail!("close ended with errno {closed:?}, the owner's next command with: {afterwards}")
        }
    }
}

fn cancel_by_other() -> Result<Ending> {
    let owned = Owned::whoami(Login::User)?;
    let mut stranger = Process::start(|line| {
        STRANGER.be()?;
        line.wait()?;
        thread::sleep(START);
        Ok(errno(owned.tee.cancel(owned.session)))
    })?;
    stranger.line.go()?;
    let start = Instant::now();
    let answer = wait_long(&owned.tee, owned.session);
    let took = start.elapsed().as_millis();
    let cancelled: Option<i32> = stranger.finish()?;
    match cancelled {
        None if answer.is_cancelled() => Ok((
            Outcome::Reached,
            format!("the owner's command ended after {took} ms: {answer}"),
        )),
        Some(errno) if errno == Errno::EACCES as i32 && answer.is_success() => {
            owned.check()?;
            Ok((
                Outcome::Denied,
                format!("EACCES; the owner's command took its {took} ms"),
            ))
        }
        _ => bail!("cancel ended with errno {cancelled:?}, the owner's command with: {answer}"),
    }
}

fn wait_long(tee: &Tee, session: Session) -> Answer {
    let millis = LONG.as_millis() as u32;
    // All the TAs have the same command for it.
    let wait = whoami::Command::Wait;
    tee.invoke(session, wait.number(), wait.shape(), millis)
}

fn errno(result: nix::Result<()>) -> Option<i32> {
    result.err().map(|errno| errno as i32)
}

const NAME: &str = "demo";
const SECRET: &[u8] = b"the owner's secret";

/// The owner keeps a secret in the vault in C, which anybody may own, until dropped.
struct Keeper(client_binding_client::Session);

impl Keeper {
    fn put() -> Result<Self> {
        OWNER.act()?;
        let session = match open(vault_c::UUID, Login::User) {
            Err(error) if is_denial(&error) => bail!(OwnerRefused(error.to_string())),
            result => result.context("the owner cannot open it")?,
        };
        let put = vault::Command::Put.number();
        let mut params = [
            Param::MemIn(NAME.as_bytes()),
            Param::MemIn(SECRET),
            Param::None,
            Param::None,
        ];
        session
            .invoke(put, &mut params)
            .context("the owner cannot put")?;
        Ok(Self(session))
    }

    fn check(&self) -> Result<()> {
        let secret = get(&self.0).context("the owner's session broke")?;
        ensure!(secret == SECRET, "the owner's secret changed");
        Ok(())
    }
}

fn open(ta: TaUuid, login: Login) -> Result<client_binding_client::Session, Error> {
    Client::connect()?.open(Uuid::from_bytes(ta.octets), login)
}

/// The one refusal that counts: access denied, by the TEE itself.
fn is_denial(error: &Error) -> bool {
    let origin = Origin::Tee;
    *error == Error::AccessDenied { origin }
}

fn get(session: &client_binding_client::Session) -> Result<Vec<u8>, Error> {
    let mut room = [0; vault::SECRET_MAX];
    let room = Param::MemOut(&mut room, 0);
    let mut params = [
        Param::MemIn(NAME.as_bytes()),
        room,
        Param::None,
        Param::None,
    ];
    session.invoke(vault::Command::Get.number(), &mut params)?;
    Ok(params[1].written().to_owned())
}

/// What somebody saw who tried to open the owner's vault.
#[derive(Serialize, Deserialize)]
enum Join {
    Denied(String),
    Read(Vec<u8>),
}

fn try_join(login: Login) -> Result<Join> {
    match open(vault_c::UUID, login) {
        Ok(session) => Ok(Join::Read(get(&session)?)),
        Err(error) if is_denial(&error) => Ok(Join::Denied(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// Somebody opens the owner's single instance and reads what it holds.
fn join(person: Person, login: Login) -> Result<Ending> {
    let keeper = Keeper::put()?;
    let joined = let_person(person, || try_join(login))?;
    keeper.check()?;
    judge_join(joined)
}

fn judge_join(joined: Join) -> Result<Ending> {
    match joined {
        Join::Denied(error) => Ok((Outcome::Denied, format!("{error}; the owner goes on"))),
        Join::Read(secret) if secret == SECRET => {
            let secret = String::from_utf8_lossy(&secret);
            Ok((Outcome::Shared, format!("it read {secret:?}")))
        }
        Join::Read(secret) => bail!("opened, but it is another instance: it holds {secret:?}"),
    }
}

fn join_same_user() -> Result<Ending> {
    let keeper = Keeper::put()?;
    match let_person(OWNER, || try_join(Login::User))? {
        Join::Read(secret) if secret == SECRET => {
            keeper.check()?;
            Ok((Outcome::Served, "it read the same secret".into()))
        }
        Join::Read(_) => bail!("it got another instance"),
        Join::Denied(error) => bail!("{error}"),
    }
}

/// The owner executes the program that the vault was built for. A stock system does not
/// know programs; there the owner is just a user.
fn vault_program(action: &str) -> Result<Vec<u8>> {
    let mut said = String::new();
    for login in ["user-application", "user"] {
        let (status, output, error): (_, Vec<u8>, String) = let_person(OWNER, || {
            let mut program = Command::new("/usr/bin/vault")
                .args(["--login", login, action, NAME])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .context("cannot execute vault")?;
            let mut stdin = program.stdin.take().context("no stdin")?;
            // It may have ended by then.
            let _ = stdin.write_all(SECRET);
            drop(stdin);
            let output = program.wait_with_output()?;
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            Ok((output.status.code(), output.stdout, error))
        })?;
        match status {
            Some(0) => return Ok(output),
            // Its word for "access denied".
            Some(3) => bail!(OwnerRefused(error.trim_end().into())),
            _ => said = error,
        }
    }
    bail!("the owner's program: {}", said.trim_end())
}

/// A stranger opens the vault before the owner does, and stays.
fn stranger_first() -> Result<Ending> {
    let mut stranger = Process::start(|line| {
        STRANGER.be()?;
        let opened = open(vault::UUID, Login::User);
        line.go()?;
        line.wait()?;
        match opened {
            Ok(session) => Ok(Join::Read(get(&session)?)),
            Err(error @ Error::AccessDenied { .. }) => Ok(Join::Denied(error.to_string())),
            Err(error) => Err(error.into()),
        }
    })?;
    stranger.line.wait()?;
    vault_program("put")?;
    stranger.line.go()?;
    let joined = stranger.finish()?;
    ensure!(
        vault_program("get")? == SECRET,
        "the owner's secret changed"
    );
    judge_join(joined)
}

fn join_ta() -> Result<Ending> {
    vault_program("put")?;
    let joined = let_person(STRANGER, || {
        let session = open(relay::UUID, Login::User)?;
        let mut room = [0; vault::SECRET_MAX];
        let room = Param::MemOut(&mut room, 0);
        let name = Param::MemIn(NAME.as_bytes());
        let mut params = [name, room, Param::ValueOut(0, 0), Param::None];
        session.invoke(relay::Command::Get.number(), &mut params)?;
        match params[2].value() {
            (0, _) => Ok(Join::Read(params[1].written().to_owned())),
            (code, origin) => match Error::from_numbers(code, origin) {
                error if is_denial(&error) => Ok(Join::Denied(error.to_string())),
                error => Err(error.into()),
            },
        }
    })?;
    ensure!(
        vault_program("get")? == SECRET,
        "the owner's secret changed"
    );
    judge_join(joined)
}

/// The vault counts its sessions; that is how the normal world can see a release.
fn sessions(tee: &Tee, session: Session) -> Result<u32> {
    let status = vault::Command::Status;
    let [(sessions, _), ..] = tee
        .invoke(session, status.number(), status.shape(), 0)
        .values()?;
    Ok(sessions)
}

fn last_holder() -> Result<Ending> {
    let (mut give, mut take) = Line::pair()?;
    // Both forked before there is anything to inherit.
    let mut stranger = Process::start(|line| {
        STRANGER.be()?;
        let held = take.receive_fd()?;
        line.go()?;
        line.wait()?;
        drop(held);
        Ok(())
    })?;
    let mut first = Process::start(|line| {
        OWNER.be()?;
        line.wait()?;
        let tee = Tee::connect()?;
        log_in(&tee, vault_c::UUID, Login::User)?;
        line.go()?;
        line.wait()?;
        give.send_fd(&tee)
    })?;
    OWNER.act()?;
    let tee = Tee::connect()?;
    let witness = log_in(&tee, vault_c::UUID, Login::User)?;
    let before = sessions(&tee, witness)?;
    first.line.go()?;
    first.line.wait().context("the owner cannot open it")?;
    first.line.go()?;
    stranger.line.wait().context("the stranger got nothing")?;
    first.finish::<()>()?;
    let held = sessions(&tee, witness)?;
    ensure!(
        held == before + 1,
        "{before} sessions became {held} while the fd is held"
    );
    stranger.line.go()?;
    stranger.finish::<()>()?;
    let after = sessions(&tee, witness)?;
    ensure!(
        after == before,
        "the session leaked: {after} instead of {before}"
    );
    let detail = format!("the TA counted {before}, {held}, {after} sessions");
    Ok((Outcome::Freed, detail))
}

fn owner_killed() -> Result<Ending> {
    // Does the owner get in at all? This one does not stay.
    drop(Owned::open(
        vault_c::UUID,
        vault_c::Command::WhoAmI.number(),
        Login::User,
    )?);
    // In the C TA, whose instance and owner end with its last session: another user
    // is served only if nothing is left of the killed one.
    let mut victim = Process::start(|line| {
        OWNER.be()?;
        let tee = Tee::connect()?;
        let session = log_in(&tee, vault_c::UUID, Login::User)?;
        line.go()?;
        wait_long(&tee, session);
        Ok(())
    })?;
    victim.line.wait().context("the owner cannot open it")?;
    thread::sleep(START);
    victim.kill()?;
    let end = victim.reap()?;
    let killed = matches!(end, WaitStatus::Signaled(_, Signal::SIGKILL, _));
    ensure!(killed, "the owner was not killed: {end:?}");
    let (next, sessions) = let_person(STRANGER, || {
        let tee = Tee::connect()?;
        let session = log_in(&tee, vault_c::UUID, Login::User)?;
        let who_am_i = vault_c::Command::WhoAmI.number();
        let identity = ask(&tee, session, who_am_i).identity()?;
        Ok((identity.uuid, sessions(&tee, session)?))
    })?;
    ensure!(
        sessions == 1,
        "the killed owner's session leaked: {sessions}"
    );
    let next = Uuid::from_bytes(next);
    ensure!(
        next == Principal::User(STRANGER.uid).uuid(),
        "the next client was taken for {next}"
    );
    Ok((
        Outcome::Served,
        format!("the next is {next}, in a new instance"),
    ))
}
