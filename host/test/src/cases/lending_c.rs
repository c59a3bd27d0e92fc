// SPDX-License-Identifier: BSD-2-Clause
//! A TA in C lends: `vault-c`, by `ta/clients/include/client_binding.h`.

use super::delegation::{has_delegation, uuid_of};
use super::{Case, G};
use crate::world::{OWNER, Person, STRANGER, let_person};
use anyhow::{Context, Result, bail, ensure};
use client_binding_client::identity::Principal;
use client_binding_policy::abi;
use client_binding_policy::abi::delegation::{FOREVER, Request, UNLIMITED};
use client_binding_proto::vault_c::{self, Command};
use client_binding_proto::{Identity, Param as ParamKind};
use client_binding_raw::code::{
    TEE_ERROR_ACCESS_CONFLICT, TEE_ERROR_ACCESS_DENIED, TEE_ORIGIN_TRUSTED_APP,
};
use client_binding_raw::lend::{Lender, take_up};
use client_binding_raw::sys::{Param, Params};
use client_binding_raw::{Answer, Login, Session, Tee};

const NAME: &[u8] = b"key";
const SECRET: &[u8] = b"kept in C";

pub(super) const CASES: &[Case] = &[
    Case::refusal(
        11040,
        "A TA in C: a grantee reads the secret that it was lent, and asks for more",
        &[G + 1, G + 4, G + 9],
        |b| {
            let vault = Vault::open()?;
            if !b.verifies() {
                // All that can be passed on is the descriptor, and everything with it.
                let (read, more) = let_person(STRANGER, || Ok((vault.get(NAME)?, vault.status())))?;
                ensure!(read.is_secret(), "{}", read.answer);
                b.attacked(more)?;
                return Ok(Some(more.to_string()));
            }
            if !has_delegation(b, &vault.tee)? {
                return Ok(None);
            }
            let badge = vault.number()?;
            let lender = Lender::open(&vault.tee, Login::User)?;
            for command in [
                Command::Put.number(),
                Command::Number.number(),
                vault_c::MINT,
            ] {
                let refused = lender.lend(&vault.request(command, badge))?;
                ensure!(
                    refused.map_err(Answer::code) == Err(Some(TEE_ERROR_ACCESS_CONFLICT)),
                    "command {command} is lent: {refused:?}"
                );
            }
            let get = Command::Get.number();
            let right = lender
                .lend(&vault.request(get, badge))?
                .context("lending")?;
            let wrong = lender.lend(&vault.request(get, badge + 1))?;
            let wrong = wrong.context("lending with another badge")?;
            let more = let_person(STRANGER, || {
                let taken = Vault::taken_up(right)?.context("it was lent to us")?;
                for name in [NAME, b""] {
                    let read = taken.get(name)?;
                    ensure!(read.is_secret(), "the secret, by {name:?}: {}", read.answer);
                }
                // Whether there is another one it does not learn.
                let other = Vault::taken_up(wrong)?.context("it was lent to us, too")?;
                for read in [taken.get(b"other")?, other.get(NAME)?, other.get(b"")?] {
                    read.refused_by_ta()?;
                }
                Ok(taken.status())
            })?;
            b.attacked(more)?;
            lender.revoke(right, false)?;
            let_person(STRANGER, || denied(Vault::taken_up(right)?))?;
            ensure!(vault.get(NAME)?.is_secret(), "the owner");
            Ok(Some(more.to_string()))
        },
    )
    .bound(),
    Case::service(
        11041,
        "A TA in C mints and takes back what it lends",
        &[G + 2, G + 8],
        |b| {
            let vault = Vault::open()?;
            if !has_delegation(b, &vault.tee)? {
                return Ok(None);
            }
            let number = vault.mint(STRANGER).context("the TA does not lend")?;
            let read = let_person(STRANGER, || {
                let taken = Vault::taken_up(number)?.context("it was lent to us")?;
                taken.get(b"")
            })?;
            ensure!(read.is_secret(), "the grantee: {}", read.answer);
            let [listed] = Lender::open(&vault.tee, Login::User)?.list()?[..] else {
                bail!("not one grant is listed");
            };
            let expected = (number, uuid_of(STRANGER), vault.number()?);
            ensure!(
                (listed.number, listed.grantee, listed.badge) == expected,
                "{listed:x?}"
            );
            ensure!(vault.revoke(number)?.values()?[1] == (0, 0), "one runs");
            let_person(STRANGER, || denied(Vault::taken_up(number)?))?;
            // What is wrong the TA is told, and lives on.
            for wrong in [number, 0] {
                let answer = vault.revoke(wrong)?;
                ensure!(
                    answer.code() == Some(TEE_ERROR_ACCESS_DENIED),
                    "grant {wrong}: {answer}"
                );
            }
            ensure!(vault.get(NAME)?.is_secret(), "the owner");
            Ok(Some("lent and taken back".into()))
        },
    )
    .bound(),
];

/// A session, in our hands.
struct Vault {
    tee: Tee,
    session: Session,
}

/// What came of a read.
#[derive(serde::Serialize, serde::Deserialize)]
struct Read {
    answer: Answer,
    octets: Vec<u8>,
}

impl Read {
    fn is_secret(&self) -> bool {
        self.answer.is_success() && self.octets == SECRET
    }

    /// By the TA itself, for whom the core let the command in.
    fn refused_by_ta(&self) -> Result<()> {
        let refused = matches!(
            self.answer,
            Answer::Tee {
                ret: TEE_ERROR_ACCESS_DENIED,
                origin: TEE_ORIGIN_TRUSTED_APP,
                ..
            }
        );
        ensure!(refused && self.octets != SECRET, "{}", self.answer);
        Ok(())
    }
}

impl Vault {
    /// The owner's, with a secret in it.
    fn open() -> Result<Self> {
        OWNER.act()?;
        let tee = Tee::connect()?;
        let session = tee.open(vault_c::UUID, Login::User)?;
        let vault = Self { tee, session };
        let [name, secret] = [NAME, SECRET].map(|octets| vault.memory(octets));
        let (name, secret) = (name?, secret?);
        let mut params = Params::default();
        params[0] = name.param(ParamKind::MemIn);
        params[1] = secret.param(ParamKind::MemIn);
        vault.invoke(Command::Put.number(), params).values()?;
        Ok(vault)
    }

    /// What was lent to whoever calls.
    fn taken_up(number: u64) -> Result<Result<Self, Answer>> {
        let tee = Tee::connect()?;
        let session = take_up(&tee, number, Login::User);
        Ok(session.map(|session| Self { tee, session }))
    }

    fn invoke(&self, command: u32, params: Params) -> Answer {
        self.tee.invoke_with(self.session, command, params)
    }

    fn memory(&self, octets: &[u8]) -> Result<client_binding_raw::sys::SharedMemory> {
        let memory = self.tee.allocate(octets.len().max(1))?;
        memory.write(0, octets);
        Ok(memory)
    }

    fn get(&self, name: &[u8]) -> Result<Read> {
        let memory = self.memory(name)?;
        let room = self.tee.allocate(SECRET.len())?;
        let mut params = Params::default();
        params[0] = memory.param(ParamKind::MemIn);
        params[0].b = name.len() as u64;
        params[1] = room.param(ParamKind::MemOut);
        let answer = self.invoke(Command::Get.number(), params);
        let mut octets = room.read();
        octets.truncate(SECRET.len());
        Ok(Read { answer, octets })
    }

    fn status(&self) -> Answer {
        let status = Command::Status;
        self.tee
            .invoke(self.session, status.number(), status.shape(), 0)
    }

    fn number(&self) -> Result<u64> {
        let name = self.memory(NAME)?;
        let mut params = Params::default();
        params[0] = name.param(ParamKind::MemIn);
        params[1].attr = ParamKind::ValueOut as u64;
        let [_, (low, high), ..] = self.invoke(Command::Number.number(), params).values()?;
        Ok(abi::pta::pair(low, high))
    }

    /// That command to the stranger, for ever.
    fn request(&self, command: u32, badge: u64) -> Request {
        Request {
            badge,
            lifetime: FOREVER,
            grantee: uuid_of(STRANGER),
            session: self.session.0,
            login: abi::Login::USER.0,
            uses: UNLIMITED,
            count: 1,
            commands: [command, 0, 0, 0, 0, 0, 0, 0],
            ..Request::default()
        }
    }

    /// The TA lends the secret to a user.
    fn mint(&self, to: Person) -> Result<u64, Answer> {
        let identity = Identity {
            login: abi::Login::USER.0,
            uuid: Principal::User(to.uid).uuid().into_bytes(),
        };
        let [_, first, second] = identity.to_values();
        let mut params = Params::default();
        params[0] = value_in(first);
        params[1] = value_in(second);
        params[2].attr = ParamKind::ValueOut as u64;
        let [_, _, (low, high), _] = self.invoke(vault_c::MINT, params).values()?;
        Ok(abi::pta::pair(low, high))
    }

    fn revoke(&self, number: u64) -> Result<Answer> {
        let mut params = Params::default();
        params[0] = value_in(abi::pta::unpair(number));
        params[1].attr = ParamKind::ValueOut as u64;
        Ok(self.invoke(vault_c::REVOKE, params))
    }
}

fn value_in((a, b): (u32, u32)) -> Param {
    Param {
        attr: ParamKind::ValueIn as u64,
        a: a.into(),
        b: b.into(),
        c: 0,
    }
}

/// It is not lent any more.
fn denied(taken: Result<Vault, Answer>) -> Result<()> {
    let refused = taken.err();
    ensure!(
        refused.is_some_and(Answer::is_denied),
        "taken up after it was taken back: {refused:?}"
    );
    Ok(())
}
