// SPDX-License-Identifier: BSD-2-Clause
//! TAs that name the clients that may own them, in Rust and in C. Who is on their list
//! stands in mk/suite.mk: each kind of client once.

use super::Case;
use super::apps::other_program;
use super::neighbours::through;
use crate::bench::{Bench, Seat, flavour};
use crate::world::{CLIENTS, MEMBER, OWNER, Person, ROOT, STRANGER, let_person};
use anyhow::{Context, Result, ensure};
use client_binding_proto::probe::{Command, DECLARED, Kind};
use client_binding_proto::{TaUuid, vault_c};
use client_binding_raw::code::{TEE_ERROR_ACCESS_DENIED, TEE_ORIGIN_TRUSTED_APP};
use client_binding_raw::{Answer, Login, Session, Tee};
use client_binding_test::Stack;

pub(super) const CASES: &[Case] = &[
    Case::refusal(
        9031,
        "Who is not named opens a TA that names its clients",
        &[6],
        |b| {
            let strangers = strangers(b);
            for ta in TAS {
                for &(person, login) in &strangers {
                    let answer = let_person(person, || Ok(visit(ta, login)))?;
                    refused_by_ta(b, answer)
                        .with_context(|| format!("uid {} as {login:?}", person.uid))?;
                    client_opens(ta)?;
                }
                if b.stack.has_bound_driver() {
                    let answer = other_program(OWNER, ta.uuid, Login::UserApplication)?;
                    refused_by_ta(b, answer).context("another program")?;
                    client_opens(ta)?;
                }
                OWNER.act()?;
                b.attacked(visit(ta, Login::Public)).context("PUBLIC")?;
                // Not the TA that is named.
                let unnamed = Seat::take(flavour(Kind::Shared, false), Login::User)?;
                refused_by_ta(b, hold(&unnamed, ta)?).context("another TA")?;
                drop(unnamed);
                client_opens(ta)?;
            }
            Ok(Some(format!("{} of them, two TAs", strangers.len() + 3)))
        },
    )
    .bound(),
    Case::refusal(
        9032,
        "A stranger opens it again and again, then its client comes",
        &[6],
        |b| {
            let times = b.rounds(50, 500);
            for ta in TAS {
                let_person(STRANGER, || {
                    for _ in 0..times {
                        refused_by_ta(b, visit(ta, Login::User))?;
                    }
                    Ok(())
                })?;
                client_opens(ta)?;
            }
            Ok(Some(format!("{} times", 2 * times)))
        },
    )
    .bound()
    .within(180),
    Case::refusal(
        9033,
        "One who is named opens what another of them owns",
        &[3, 6],
        |b| {
            let named = named(b);
            for ta in TAS {
                for &(owner, login) in &named {
                    owner.act()?;
                    let tee = Tee::connect()?;
                    let opened = tee.open(ta.uuid, login);
                    let session = opened.with_context(|| format!("{login:?} does not own it"))?;
                    for &(person, other) in named.iter().filter(|(_, other)| *other != login) {
                        b.attacked(let_person(person, || Ok(visit(ta, other)))?)?;
                    }
                    owner.act()?;
                    let answer = ask(&tee, session, ta);
                    ensure!(answer.is_success(), "{login:?}: {answer}");
                    tee.close(session)?;
                }
            }
            Ok(Some(format!("{} of them, two TAs", named.len())))
        },
    )
    .bound(),
    Case::service(9034, "A TA that is named owns it", &[6, 9], |b| {
        for ta in TAS {
            OWNER.act()?;
            let named = Seat::take(flavour(Kind::Private, false), Login::User)?;
            let answer = hold(&named, ta)?;
            ensure!(answer.is_success(), "the TA that is named: {answer}");
            b.attacked(let_person(OWNER, || Ok(visit(ta, Login::User)))?)?;
        }
        Ok(Some("two TAs".into()))
    })
    .bound(),
];

#[derive(Clone, Copy)]
struct Ta {
    uuid: TaUuid,
    who_am_i: u32,
}

const TAS: [Ta; 2] = [
    Ta {
        uuid: DECLARED.uuid,
        who_am_i: Command::WhoAmI.number(),
    },
    Ta {
        uuid: vault_c::DECLARED,
        who_am_i: vault_c::Command::WhoAmI.number(),
    },
];

fn ask(tee: &Tee, session: Session, ta: Ta) -> Answer {
    tee.invoke(session, ta.who_am_i, Command::WhoAmI.shape(), 0)
}

/// Opens, asks, and leaves.
fn visit(ta: Ta, login: Login) -> Answer {
    Tee::connect().map_or(Answer::Kernel(0), |tee| match tee.open(ta.uuid, login) {
        Ok(session) => ask(&tee, session, ta),
        Err(answer) => answer,
    })
}

/// The TA in between opens it and stays.
fn hold(between: &Seat, ta: Ta) -> Result<Answer> {
    Ok(through(between, Command::Hold, ta.uuid)?.0)
}

/// Somebody who is not named opened. As long as nobody owns the TA it's the TA who refuses.
fn refused_by_ta(bench: &Bench, answer: Answer) -> Result<()> {
    if !bench.verifies() {
        return bench.attacked(answer);
    }
    let refused = matches!(
        answer,
        Answer::Tee {
            ret: TEE_ERROR_ACCESS_DENIED,
            origin: TEE_ORIGIN_TRUSTED_APP,
            ..
        }
    );
    ensure!(refused, "the TA did not refuse: {answer}");
    Ok(())
}

/// The one for whom the TA is.
fn client_opens(ta: Ta) -> Result<()> {
    let answer = let_person(OWNER, || Ok(visit(ta, Login::User)))?;
    ensure!(answer.is_success(), "its client, afterwards: {answer}");
    Ok(())
}

/// Those on the list, by the logins that there are here.
fn named(bench: &Bench) -> Vec<(Person, Login)> {
    let mut named = vec![(OWNER, Login::User), (MEMBER, Login::Group(CLIENTS))];
    if bench.stack.has_bound_driver() {
        named.extend([
            (STRANGER, Login::Application),
            (OWNER, Login::UserApplication),
            (MEMBER, Login::GroupApplication(CLIENTS)),
        ]);
    }
    named
}

fn strangers(bench: &Bench) -> Vec<(Person, Login)> {
    let mut strangers = vec![
        (STRANGER, Login::User),
        (ROOT, Login::User),
        (STRANGER, Login::Group(STRANGER.uid)),
        (OWNER, Login::Group(OWNER.uid)),
    ];
    if bench.stack.has_bound_driver() {
        strangers.push((STRANGER, Login::UserApplication));
        strangers.push((OWNER, Login::GroupApplication(OWNER.uid)));
    }
    if bench.stack.has_bound_driver() && bench.stack != Stack::StockCore {
        strangers.push((OWNER, Login::Process));
    }
    strangers
}
