// SPDX-License-Identifier: BSD-2-Clause
//! Makes the calls that are counted, through libteec: a thousand of each to warm up, then
//! a thousand between marks, and fewer of those that load the TA.

mod marks;
mod teec;
mod throughput;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use client_binding_abi::{self as abi, delegation, pta::pair};
use client_binding_client::identity::Principal;
use client_binding_proto::bench::{self, Command, UUID};
use client_binding_proto::calls::Call;
use client_binding_proto::{Param as ParamKind, STATS};
use client_binding_raw::lend::Lender;
use client_binding_raw::pta::with_types;
use client_binding_raw::{Answer, Login, Tee};
use client_binding_test::kit::people::{OWNER, STRANGER, let_person};
use delegation::Request;
use std::time::Duration;
use teec::Session;

/// Makes the calls that are counted
///
/// Must be started as root in a system with /dev/tee0, tee-supplicant and the bench TA,
/// and counts nothing itself: see bench-plugin. Prints where libteec is; what libteec
/// prints besides is a failure.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// What a stranger's invoke must end with: accepted (a stock core) or denied
    #[arg(long)]
    denied: bool,
    /// So many calls before any is counted
    #[arg(long, default_value_t = 1000)]
    warm: u32,
    /// So many are counted
    #[arg(long, default_value_t = 1000)]
    count: u32,
    /// The same for those that load the TA, which take hundreds of times as long
    #[arg(long, default_value_t = 10)]
    warm_loads: u32,
    /// So many of them are counted
    #[arg(long, default_value_t = 20)]
    count_loads: u32,
    /// Count nothing but invokes while so many other sessions are open
    #[arg(long, value_name = "SESSIONS")]
    crowd: Option<u32>,
    /// Count, too, an invoke by an owner who has lent it, the same by the grantee, lending and taking back
    #[arg(long)]
    lend: bool,
    /// Count no instructions but how many commands a second several clients have answered; so long for each row
    #[arg(long, value_name = "SECONDS")]
    throughput: Option<u64>,
}

/// How often.
#[derive(Clone, Copy)]
struct Rounds {
    warm: u32,
    count: u32,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let rounds = Rounds {
        warm: args.warm,
        count: args.count,
    };
    let loads = Rounds {
        warm: args.warm_loads,
        count: args.count_loads,
    };
    if let Some(seconds) = args.throughput {
        return throughput::throughput(Duration::from_secs(seconds), args.denied);
    }
    println!("{}", libteec()?);
    if let Some(sessions) = args.crowd {
        return crowd(sessions, rounds);
    }
    OWNER.act()?;
    count(&args, rounds, loads)?;
    if args.lend {
        lend(rounds)?;
    }
    Ok(())
}

/// The line about libteec's code in `/proc/self/maps`.
fn libteec() -> Result<String> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let code = |line: &&str| line.contains(" r-xp ") && line.contains("/libteec.so");
    let line = maps.lines().find(code).context("libteec is not loaded")?;
    Ok(line.into())
}

/// A look-up in a list goes through the sessions in their order: of those of all files the one that is used is the last, and of
/// those of one file it is the first.
fn crowd(sessions: u32, rounds: Rounds) -> Result<()> {
    OWNER.act()?;
    let (crowded, other) = (teec::Context::new()?, teec::Context::new()?);
    let none = Command::Nothing;
    let mut first = open(&crowded, none)?;
    for number in 0..sessions {
        let opened = crowded.open(STATS, none);
        opened.with_context(|| format!("session {number} of the crowd"))?;
    }
    let mut last = open(&other, none)?;
    rounds.each(|| invoke(&mut last, Call::Crowd, none, Answer::is_success))?;
    rounds.each(|| invoke(&mut first, Call::CrowdOfFile, none, Answer::is_success))
}

/// The owner lends a command to itself, so that both are attested by the same instructions of the driver.
fn lend(rounds: Rounds) -> Result<()> {
    let (tee, none) = (teec::Context::new()?, Command::Nothing);
    let mut owner = open(&tee, none)?;
    let allowed = owner.invoke(Command::Allow);
    ensure!(allowed.is_success(), "the TA allows nothing: {allowed}");

    let managing = Tee::connect()?;
    let lender = Lender::open(&managing, Login::User)?;
    let uuid = Principal::User(OWNER.uid).uuid();
    let uuid = abi::ClientUuid::from_octets(uuid.into_bytes());
    let request = Request::new(abi::Login::USER, uuid, &[none.number()]);
    let mut request = request.context("eight commands at the most")?;
    request.session = owner.number();
    let mut grantee = tee.take_up(lender.lend(&request)??)?;
    let accepted = Answer::is_success;
    rounds.each(|| invoke(&mut owner, Call::Lender0, none, accepted))?;
    rounds.each(|| invoke(&mut grantee, Call::Grantee0, none, accepted))?;

    let room = managing.allocate(Request::SIZE)?;
    room.write(0, &request.to_octets());
    let mut params = with_types(delegation::Command::Lend.param_types());
    params[0] = room.param(ParamKind::MemIn);
    rounds.each(|| {
        let lent = marks::around(Call::Lend, || {
            lender.invoke(delegation::Command::Lend, params)
        });
        let [_, (low, high), ..] = lent.values()?;
        marks::around(Call::Revoke, || lender.revoke(pair(low, high), false))?;
        Ok(())
    })
}

fn count(args: &Args, rounds: Rounds, loads: Rounds) -> Result<()> {
    let tee = teec::Context::new()?;
    let (none, four) = (Command::Nothing, Command::NothingOfFour);

    loads.each(|| {
        let session = marks::around(Call::Load0, || open(&tee, none))?;
        marks::around(Call::Unload, || session.close());
        Ok(())
    })?;
    loads.each(|| {
        marks::around(Call::Load4, || open(&tee, four))?.close();
        Ok(())
    })?;

    // The TA stays loaded.
    let mut session = open(&tee, none)?;
    rounds.each(|| {
        marks::around(Call::Nothing, || ());
        Ok(())
    })?;
    let accepted = Answer::is_success;
    rounds.each(|| invoke(&mut session, Call::Invoke0, none, accepted))?;
    rounds.each(|| invoke(&mut session, Call::Invoke4, four, accepted))?;
    for (large, call) in bench::LARGE.iter().zip([Call::Invoke1M, Call::Invoke8M]) {
        // The secure memory of AArch32's machine has no room for it.
        if call == Call::Invoke8M && cfg!(target_arch = "arm") {
            continue;
        }
        let mut session = tee.open(large.uuid, none).context(large.name)?;
        rounds.each(|| invoke(&mut session, call, none, accepted))?;
        session.close();
    }
    rounds.each(|| {
        marks::around(Call::Cancel, || session.cancel());
        Ok(())
    })?;
    rounds.each(|| {
        let second = marks::around(Call::Open0, || open(&tee, none))?;
        marks::around(Call::Close, || second.close());
        Ok(())
    })?;
    rounds.each(|| {
        marks::around(Call::Open4, || open(&tee, four))?.close();
        Ok(())
    })?;

    // By somebody else who inherited the descriptor.
    let expected = if args.denied {
        Answer::is_denied
    } else {
        accepted
    };
    let_person(STRANGER, || {
        rounds.each(|| invoke(&mut session, Call::Stranger0, none, expected))?;
        rounds.each(|| invoke(&mut session, Call::Stranger4, four, expected))
    })
}

fn open(tee: &teec::Context, command: Command) -> Result<Session> {
    tee.open(UUID, command).context("open")
}

#[inline(always)]
fn invoke(
    session: &mut Session,
    call: Call,
    command: Command,
    expected: fn(Answer) -> bool,
) -> Result<()> {
    let answer = marks::around(call, || session.invoke(command));
    ensure!(expected(answer), "{}: {answer}", call.name());
    Ok(())
}

impl Rounds {
    fn each(self, mut call: impl FnMut() -> Result<()>) -> Result<()> {
        for _ in 0..self.warm {
            call()?;
        }
        marks::arm();
        let counted = (0..self.count).try_for_each(|_| call());
        marks::disarm();
        counted
    }
}
