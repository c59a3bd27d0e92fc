// SPDX-License-Identifier: BSD-2-Clause
//! The demonstration: what a session id and an open file descriptor are good for, as rows of a table with a word for
//! each stack. Its cases need no TA but those that users have, and no PTA but the operator's and those of delegation.

use super::{Case, G};
use crate::world::{CLIENTS, Line, OWNER, Person, Process, STRANGER, let_person};
use anyhow::{Context, Result, anyhow, bail, ensure};
use client_binding_client::identity::Principal;
use client_binding_client::{Client, Error, Login, Origin, Param};
use client_binding_proto::{
    GRANT, Identity, Param as Kind, TaUuid, probe, relay, vault, vault_c, whoami,
};
use client_binding_raw::code::TEE_ERROR_BAD_PARAMETERS;
use client_binding_raw::sys::Params;
use client_binding_raw::{Answer, Session, Tee};
use client_binding_test::kit::program::{self, Program};
use client_binding_test::kit::sys;
use client_binding_test::{Outcome, Refused, Shown, Stack};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use uuid::Uuid;

type Ending = (Outcome, String);

/// How long the owner's command takes that others cancel or that its owner dies in.
const LONG: Duration = Duration::from_secs(2);
/// Time for such a command to reach the TA.
const START: Duration = Duration::from_millis(500);

/// What makes a case a row: the words that its ending should be described by.
pub(crate) struct Row {
    /// The TA that is attacked. The vaults carry the flag.
    ta: TaUuid,
    stock: Outcome,
    bound: Outcome,
    /// What OP-TEE itself refuses meanwhile, where all is bound.
    refused: Option<Attempt>,
    play: fn() -> Result<Ending>,
}

/// The TA, operation, reason, the login method of who claims and of who owns.
type Attempt = [&'static str; 5];

impl Row {
    /// It succeeds on a stock stack, with that word for it, and is denied where all is bound.
    const fn attack(ta: TaUuid, stock: Outcome, play: fn() -> Result<Ending>) -> Self {
        Self {
            ta,
            stock,
            bound: Outcome::Denied,
            refused: None,
            play,
        }
    }

    /// It ends alike everywhere.
    const fn service(ta: TaUuid, outcome: Outcome, play: fn() -> Result<Ending>) -> Self {
        Self {
            ta,
            stock: outcome,
            bound: outcome,
            refused: None,
            play,
        }
    }

    /// OP-TEE refuses something meanwhile, and tells of it.
    const fn refused(
        mut self,
        operation: &'static str,
        reason: &'static str,
        claim: &'static str,
        owner: &'static str,
    ) -> Self {
        self.refused = Some([self.ta.text, operation, reason, claim, owner]);
        self
    }

    /// It says so of this TA.
    const fn of(mut self, ta: TaUuid) -> Self {
        if let Some(refused) = &mut self.refused {
            refused[0] = ta.text;
        }
        self
    }

    /// Whether it is an attack.
    pub(super) const fn is_attack(&self) -> bool {
        matches!(self.bound, Outcome::Denied)
    }

    /// Whether the TA stays when everybody has left.
    pub(crate) fn keeps_instance(&self) -> bool {
        self.ta == vault::UUID
    }

    /// How it should end.
    fn on(&self, stack: Stack) -> Outcome {
        if stack.verifies() {
            self.bound
        } else if self.ta != whoami::UUID && !stack.opens_bound() {
            Outcome::Refused
        } else {
            self.stock
        }
    }

    /// What the row should show there.
    pub(super) fn shown(&self, stack: Stack) -> Shown {
        let refused = self.refused.filter(|_| stack.verifies());
        Shown {
            outcome: self.on(stack),
            refused: refused.map(|attempt| {
                let [ta, operation, reason, claim, owner] = attempt.map(str::to_owned);
                Refused {
                    ta,
                    operation,
                    reason,
                    claim,
                    owner,
                }
            }),
        }
    }

    /// Plays it; says what was seen.
    pub(super) fn play(&self, stack: Stack) -> Result<String> {
        let (outcome, detail) = (self.play)().or_else(|error| {
            let OwnerRefused(reason) = error.downcast()?;
            anyhow::Ok((Outcome::Refused, format!("the owner: {reason}")))
        })?;
        let expected = self.on(stack);
        ensure!(
            outcome == expected,
            "{} where {} is right: {detail}",
            outcome.word(),
            expected.word()
        );
        Ok(detail)
    }
}

macro_rules! rows {
    ($($number:literal $title:literal $rules:tt $row:ident $ta:ident $outcome:ident $play:expr
        $(, refused $operation:literal $reason:literal $claim:literal $owner:literal $(of $other:ident)?)?;)*) => {
        pub(super) const CASES: &[Case] = &[$(Case::row(
            $number,
            $title,
            &$rules,
            Row::$row($ta::UUID, Outcome::$outcome, $play)
                $(.refused($operation, $reason, $claim, $owner)$(.of($other))?)?,
        )),*];
    };
}

rows! {
    7001 "child with another uid invokes on inherited fd" [2]
        attack whoami Reached || child_uid(whoami::UUID, whoami::Command::WhoAmI.number()), refused "invoke" "not-the-client" "USER" "USER";
    7002 "another user invokes on an fd sent over a UNIX socket" [2]
        attack whoami Reached passed_fd, refused "invoke" "not-the-client" "USER" "USER";
    7003 "the process changes its euid and invokes" [2]
        attack whoami Reached euid_change, refused "invoke" "not-the-client" "USER" "USER";
    7004 "the owner regains its euid and goes on working" [17]
        service whoami Served euid_back, refused "invoke" "not-the-client" "USER" "USER";
    7005 "a thread with credentials of its own invokes" [17]
        attack whoami Reached thread_credentials, refused "invoke" "not-the-client" "USER" "USER";
    7006 "a user namespace maps another uid onto the owner's" [17]
        attack whoami Reached user_namespace, refused "invoke" "not-the-client" "USER" "USER";
    7007 "GROUP owner loses the group and invokes" [17]
        attack whoami Reached group_lost, refused "invoke" "not-the-client" "GROUP" "GROUP";
    7008 "another program of the same user invokes" [1]
        attack whoami Reached other_program, refused "invoke" "not-the-client" "APPLICATION_USER" "APPLICATION_USER";
    7009 "a child of the process that is the client invokes" [1]
        attack whoami Reached fork_child, refused "invoke" "not-the-client" "PROCESS" "PROCESS";
    7010 "another user closes the owner's session" [2]
        attack whoami Gone close_by_other, refused "close" "not-the-client" "USER" "USER";
    7011 "another user cancels the owner's running command" [2]
        attack whoami Reached cancel_by_other, refused "cancel" "not-the-client" "USER" "USER";
    7012 "another user opens the owner's single-instance TA" [3]
        attack vault_c Shared || join(STRANGER, Login::User), refused "open" "not-the-owner" "USER" "USER";
    7013 "the owner's user opens it with another login method" [3]
        attack vault_c Shared || join(OWNER, Login::Group(CLIENTS)), refused "open" "not-the-owner" "GROUP" "USER";
    7014 "nobody in particular (PUBLIC) opens it" [7]
        attack vault_c Shared || join(STRANGER, Login::Public), refused "open" "public" "PUBLIC" "USER";
    7015 "the same user's second process joins" [3]
        service vault_c Served join_same_user;
    7016 "another user invokes the owner's single-instance TA" [2]
        attack vault_c Reached || child_uid(vault_c::UUID, vault_c::Command::WhoAmI.number()), refused "invoke" "not-the-client" "USER" "USER";
    // Comes before anybody owns the vault, which is kept alive.
    7017 "a stranger is the first to open a TA that names its clients" [6]
        attack vault Shared stranger_first;
    7018 "another TA opens the owner's TA for a stranger" [9]
        attack vault Shared join_ta, refused "open" "not-the-owner" "TRUSTED_APP" "APPLICATION_USER";
    7019 "the fd's last holder is a stranger" [11]
        service vault_c Freed last_holder;
    7020 "owner killed inside a command, then the next client" [5, 11]
        service vault_c Served owner_killed;
    // Of an owner's secrets one is lent to the web server.
    7021 "the web server reads the one secret that it was lent" [G + 1, G + 6]
        service vault Served lent_secret;
    7022 "the web server reads another secret of the owner's" [G + 9]
        attack vault Reached other_secret;
    7023 "the web server lists the names of all secrets" [G + 4]
        attack vault Reached names, refused "invoke" "not-lent" "USER" "APPLICATION_USER";
    7024 "the web server reads a fourth time where it may three times" [G + 4]
        attack vault Reached fourth_time, refused "open" "no-grant" "USER" "USER" of GRANT;
    7025 "the web server reads when its time is over" [G + 4]
        attack vault Reached too_late, refused "open" "no-grant" "USER" "USER" of GRANT;
    7026 "the web server reads when the owner has taken it back" [G + 8]
        attack vault Reached taken_back, refused "open" "no-grant" "USER" "USER" of GRANT;
    7027 "another user reads with the number that the web server has" [G + 3]
        attack vault Reached somebody_else, refused "open" "not-the-grantee" "USER" "APPLICATION_USER";
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

/// Opens a session that the caller rightfully wants.
fn log_in(tee: &Tee, ta: TaUuid, login: Login) -> Result<Session> {
    match tee.open(ta, login) {
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
        let session = match tee.open(whoami::UUID, login) {
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

// What the other program asks the probe TAs, it may as well ask this one.
const _: () = assert!(probe::Command::WhoAmI.number() == whoami::Command::WhoAmI.number());

fn other_program() -> Result<Ending> {
    let other = Program::other()?;
    let owned = Owned::best(Login::UserApplication)?;
    let answer = let_person(OWNER, || {
        program::said(program::heir(
            &other.0,
            "--invoke-on",
            &owned.tee,
            owned.session,
        )?)
    })?;
    owned.judge(answer)
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

const NAME: &str = "demonstration";
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
    judge_read(joined, SECRET, Outcome::Shared)
}

fn judge_read(joined: Join, meant: &[u8], success: Outcome) -> Result<Ending> {
    match joined {
        Join::Denied(error) => Ok((Outcome::Denied, format!("{error}; the owner goes on"))),
        Join::Read(secret) if secret == meant => {
            let secret = String::from_utf8_lossy(&secret);
            Ok((success, format!("it read {secret:?}")))
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
fn vault_program(action: &str, name: &str, secret: &[u8]) -> Result<Vec<u8>> {
    let mut said = String::new();
    for login in ["user-application", "user"] {
        let arguments = ["--login", login, action, name];
        match let_person(OWNER, || ran(&arguments, secret))? {
            Ran::Done(output) => return Ok(output),
            Ran::Denied(error) => bail!(OwnerRefused(error)),
            Ran::Failed(error) => said = error,
        }
    }
    bail!("the owner's program: {said}")
}

/// How it ended.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Ran {
    Done(Vec<u8>),
    Denied(String),
    Failed(String),
}

const VAULT: &str = "/usr/bin/vault";

/// Executes the vault's program as whoever calls.
pub(super) fn ran(arguments: &[&str], input: &[u8]) -> Result<Ran> {
    let (status, output, error) = output(VAULT, arguments, input)?;
    Ok(match status {
        Some(0) => Ran::Done(output),
        Some(3) => Ran::Denied(error),
        _ => Ran::Failed(error),
    })
}

/// Executes a program: its exit status, and what it says.
pub(super) fn output(
    program: &str,
    arguments: &[&str],
    input: &[u8],
) -> Result<(Option<i32>, Vec<u8>, String)> {
    let mut running = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot execute {program}"))?;
    let mut stdin = running.stdin.take().context("no stdin")?;
    // It may have ended by then.
    let _ = stdin.write_all(input);
    drop(stdin);
    let output = running.wait_with_output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    let error = error.trim_end().to_owned();
    Ok((output.status.code(), output.stdout, error))
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
    vault_program("put", NAME, SECRET)?;
    stranger.line.go()?;
    let joined = stranger.finish()?;
    ensure!(
        vault_program("get", NAME, b"")? == SECRET,
        "the owner's secret changed"
    );
    judge_join(joined)
}

fn join_ta() -> Result<Ending> {
    vault_program("put", NAME, SECRET)?;
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
        vault_program("get", NAME, b"")? == SECRET,
        "the owner's secret changed"
    );
    judge_join(joined)
}

/// Whom the owner lends a secret.
const WEB: Person = Person {
    uid: 1003,
    groups: &[1003],
};
const OTHER_NAME: &str = "another";
const OTHER_SECRET: &[u8] = b"another secret of the owner's";

/// Whether anything but a descriptor can be lent here.
pub(super) fn can_lend() -> Result<bool> {
    match Client::connect()?.grants(Login::User) {
        Err(Error::NoDelegation) => Ok(false),
        grants => Ok(grants.map(|_| true)?),
    }
}

/// What the owner lends the web server.
enum Loan {
    /// One secret, by the owner's program, which runs as long.
    Secret { program: Child, number: u64 },
    /// Where no more can be done: the descriptor, and the session on it while there is one.
    Descriptor { tee: Tee, session: Option<Session> },
}

impl Loan {
    fn make(terms: &[&str]) -> Result<Self> {
        vault_program("put", NAME, SECRET)?;
        vault_program("put", OTHER_NAME, OTHER_SECRET)?;
        OWNER.act()?;
        if !can_lend()? {
            let tee = Tee::connect()?;
            let session = Some(log_in(&tee, vault::UUID, Login::User)?);
            return Ok(Self::Descriptor { tee, session });
        }
        let mut program = Command::new(VAULT)
            .args(["share", NAME, "--to", "user=web"])
            .args(terms)
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot execute vault")?;
        let mut number = String::new();
        let said = program.stdout.take().context("no stdout")?;
        BufReader::new(said).read_line(&mut number)?;
        let number = number.trim_end().parse();
        let number = number.context("the owner's program tells no number")?;
        Ok(Self::Secret { program, number })
    }

    /// Lets somebody read with what the web server has.
    fn read(&self, person: Person, name: &str) -> Result<Join> {
        let_person(person, || match self {
            Self::Secret { number, .. } => {
                let number = number.to_string();
                match ran(&["get", "--grant", &number, name], b"")? {
                    Ran::Done(secret) => Ok(Join::Read(secret)),
                    Ran::Denied(error) => Ok(Join::Denied(error)),
                    Ran::Failed(error) => bail!("its program: {error}"),
                }
            }
            Self::Descriptor { tee, session } => {
                // Whoever has the descriptor needs no session of the owner's.
                let session = session.map_or_else(|| log_in(tee, vault::UUID, Login::User), Ok)?;
                Ok(Join::Read(ask_octets(
                    tee,
                    session,
                    vault::Command::Get,
                    name,
                )?))
            }
        })
    }

    /// The web server must be served.
    fn serves(&self) -> Result<()> {
        match self.read(WEB, NAME)? {
            Join::Read(secret) => {
                ensure!(secret == SECRET, "it read {secret:?}");
                Ok(())
            }
            Join::Denied(error) => bail!("what was lent: {error}"),
        }
    }

    /// The web server tries once more, when the owner's program has noticed that it is over.
    fn read_again(mut self) -> Result<Ending> {
        if let Self::Secret { program, .. } = &mut self {
            let end = program.wait()?;
            ensure!(end.success(), "the owner's program: {end}");
        }
        self.end(WEB, NAME, SECRET)
    }

    fn end(self, person: Person, name: &str, meant: &[u8]) -> Result<Ending> {
        let read = self.read(person, name)?;
        self.judge(read, meant)
    }

    fn judge(self, read: Join, meant: &[u8]) -> Result<Ending> {
        ensure!(
            vault_program("get", NAME, b"")? == SECRET,
            "the owner's secret changed"
        );
        judge_read(read, meant, Outcome::Reached)
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Self::Secret { program, .. } = self {
            let _ = program.kill();
            let _ = program.wait();
        }
    }
}

/// What a command of the vault puts into the parameter behind a name, or into the first one without a name.
fn ask_octets(tee: &Tee, session: Session, command: vault::Command, name: &str) -> Result<Vec<u8>> {
    let input = tee.allocate(name.len().max(1))?;
    input.write(0, name.as_bytes());
    let output = tee.allocate(vault::SECRET_MAX.max(vault::LIST_MAX))?;
    let mut params = Params::default();
    let place = usize::from(!name.is_empty());
    params[0] = input.param(Kind::MemIn);
    params[place] = output.param(Kind::MemOut);
    let values = tee
        .invoke_with(session, command.number(), params)
        .values()?;
    let mut octets = output.read();
    octets.truncate(values[place].1 as usize);
    Ok(octets)
}

fn lent_secret() -> Result<Ending> {
    let loan = Loan::make(&["--uses", "3", "--for", "10m"])?;
    loan.serves()?;
    let detail = String::from_utf8_lossy(SECRET);
    Ok((Outcome::Served, format!("it read {detail:?}")))
}

fn other_secret() -> Result<Ending> {
    let loan = Loan::make(&[])?;
    loan.serves()?;
    loan.end(WEB, OTHER_NAME, OTHER_SECRET)
}

fn names() -> Result<Ending> {
    let loan = Loan::make(&[])?;
    let listed = let_person(WEB, || match &loan {
        Loan::Secret { number, .. } => {
            let lent = Client::connect()?.take_up(*number, Login::User)?;
            let mut room = [0; vault::LIST_MAX];
            let room = Param::MemOut(&mut room, 0);
            let mut params = [room, Param::None, Param::None, Param::None];
            match lent.invoke(vault::Command::List.number(), &mut params) {
                Ok(()) => Ok(Join::Read(params[0].written().to_owned())),
                Err(error) if is_denial(&error) => Ok(Join::Denied(error.to_string())),
                Err(error) => Err(error.into()),
            }
        }
        Loan::Descriptor { tee, session } => {
            let session = session.context("no session")?;
            let names = ask_octets(tee, session, vault::Command::List, "")?;
            Ok(Join::Read(names))
        }
    })?;
    let meant = format!("{NAME}\n{OTHER_NAME}\n");
    loan.judge(listed, meant.as_bytes())
}

fn fourth_time() -> Result<Ending> {
    let loan = Loan::make(&["--uses", "3"])?;
    for _ in 0..3 {
        loan.serves()?;
    }
    loan.read_again()
}

fn too_late() -> Result<Ending> {
    const TIME: Duration = Duration::from_secs(4);
    let start = Instant::now();
    let loan = Loan::make(&["--for", &format!("{}s", TIME.as_secs())])?;
    loan.serves()?;
    thread::sleep(TIME.saturating_sub(start.elapsed()));
    loan.read_again()
}

fn taken_back() -> Result<Ending> {
    let mut loan = Loan::make(&[])?;
    loan.serves()?;
    match &mut loan {
        Loan::Secret { number, .. } => {
            vault_program("unshare", &number.to_string(), b"")?;
        }
        // That is all that an owner can do.
        Loan::Descriptor { tee, session } => {
            tee.close(session.take().context("no session")?)?;
        }
    }
    loan.read_again()
}

fn somebody_else() -> Result<Ending> {
    let loan = Loan::make(&[])?;
    loan.serves()?;
    loan.end(STRANGER, NAME, SECRET)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> impl Iterator<Item = (u32, &'static Row)> {
        CASES
            .iter()
            .map(|case| (case.number, case.as_row().unwrap()))
    }

    #[test]
    fn attacks_succeed_on_stock_and_services_end_alike() {
        for (number, row) in rows() {
            let (stock, bound) = (row.on(Stack::Stock), row.on(Stack::Bound));
            let succeeds = matches!(stock, Outcome::Reached | Outcome::Gone | Outcome::Shared);
            assert_eq!(row.is_attack(), succeeds, "{number}");
            assert_eq!(stock != bound, row.is_attack(), "{number}");
            assert_eq!(row.on(Stack::StockCore), stock, "{number}");
            let closed = row.on(Stack::StockDriver) == Outcome::Refused;
            assert_eq!(closed, row.ta != whoami::UUID, "{number}");
        }
    }

    #[test]
    fn what_is_denied_is_refused_by_the_tee_or_by_the_ta() {
        for (number, row) in rows() {
            // The client regains its euid; a TA that names its clients, or looks at the badge, refuses others by itself.
            let elsewhere = [7004, 7017, 7022].contains(&number);
            let told = row.shown(Stack::Bound).refused.is_some();
            assert_eq!(told, row.is_attack() != elsewhere, "{number}");
            assert!(row.shown(Stack::Stock).refused.is_none(), "{number}");
        }
    }
}
