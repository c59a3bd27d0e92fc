// SPDX-License-Identifier: BSD-2-Clause
//! How many commands a second are answered to processes that give them as fast as they can. Nothing is counted by instructions
//! here: this is about waiting.

use anyhow::{Result, ensure};
use client_binding_proto::probe::{Command, FLAVOURS, Flavour, Kind};
use client_binding_raw::{Answer, Login, Session, Tee};
use client_binding_test::kit::people::{OWNER, Person, Process, STRANGER};
use std::time::{Duration, Instant};

/// So many clients at a time.
const CLIENTS: [usize; 4] = [1, 2, 4, 8];
/// So many others at a time, who have the owner's descriptor.
const STRANGERS: [usize; 3] = [0, 1, 8];

/// What the clients of a row use; the TA of the nth.
type Row = (&'static str, fn(usize) -> &'static Flavour);
const ROWS: [Row; 3] = [
    ("an instance each", |_| bound(Kind::Private)),
    ("a TA each", |nth| &FLAVOURS[nth]),
    ("one shared TA", |_| bound(Kind::Shared)),
];

fn bound(kind: Kind) -> &'static Flavour {
    Flavour::of(kind, true).expect("there is one of each")
}

/// Prints a line for each row: its name, and how many commands a second. Strangers are refused where `denied`.
pub(crate) fn throughput(time: Duration, denied: bool) -> Result<()> {
    for (name, ta) in ROWS {
        for clients in CLIENTS {
            let all = (0..clients).map(|nth| {
                Process::start(move |line| {
                    OWNER.be()?;
                    let tee = Tee::connect()?;
                    let session = tee.open(ta(nth).uuid, Login::User)?;
                    line.go()?;
                    line.wait()?;
                    hammer(&tee, session, time, Answer::is_success)
                })
            });
            say(name, clients, &together(all.collect::<Result<_>>()?)?, time);
        }
    }

    OWNER.act()?;
    let tee = Tee::connect()?;
    let session = tee.open(bound(Kind::Private).uuid, Login::User)?;
    for strangers in STRANGERS {
        let expected = if denied {
            Answer::is_denied
        } else {
            Answer::is_success
        };
        let owner = [(OWNER, Answer::is_success as fn(Answer) -> bool)];
        let all = owner
            .into_iter()
            .chain([(STRANGER, expected)].repeat(strangers));
        let all = all.map(|(person, expected): (Person, _)| {
            Process::start(|line| {
                person.be()?;
                line.go()?;
                line.wait()?;
                hammer(&tee, session, time, expected)
            })
        });
        let counts = together(all.collect::<Result<_>>()?)?;
        say(
            "the owner, beside strangers:",
            strangers,
            &counts[..1],
            time,
        );
    }
    Ok(())
}

/// Lets them all go when all are ready, and tells how many commands each has given.
fn together(mut all: Vec<Process>) -> Result<Vec<u32>> {
    all.iter_mut().try_for_each(|one| one.line.wait())?;
    all.iter_mut().try_for_each(|one| one.line.go())?;
    all.into_iter().map(Process::finish).collect()
}

/// How many commands are answered in that time.
fn hammer(
    tee: &Tee,
    session: Session,
    time: Duration,
    expected: fn(Answer) -> bool,
) -> Result<u32> {
    let (command, end) = (Command::Status, Instant::now() + time);
    let mut count = 0;
    while Instant::now() < end {
        let answer = tee.invoke(session, command.number(), command.shape(), 0);
        ensure!(expected(answer), "after {count} commands: {answer}");
        count += 1;
    }
    Ok(count)
}

fn say(row: &str, number: usize, counts: &[u32], time: Duration) {
    let sum: u32 = counts.iter().sum();
    let rate = f64::from(sum) / time.as_secs_f64();
    println!("{row} {number}\t{rate:.1}");
}
