// SPDX-License-Identifier: BSD-2-Clause
//! A plugin for QEMU's translator: counts each instruction that the guest executes
//! between its marks, in whatever world, by its address.
//!
//! It writes, when the machine is off, for each call of [`Call`]
//!
//! - `calls NAME TOTAL TIMES`: that many calls took that many instructions;
//! - `run NAME TOTAL ADDRESS COUNT TIMES`, for totals that a quarter of the calls had:
//!   where the instructions were: COUNT of them from ADDRESS on, each executed so often.
//!   Of calls that differ in nothing but that, the most frequent count.
//!
//! An instruction that faults is counted, and again when it is repeated.

mod sys;

use client_binding_proto::calls::{Call, Mark, mark};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard};

/// How many different instructions there may be.
const ROOM: usize = 1 << 20;

static COUNTER: Mutex<Option<Counter>> = Mutex::new(None);

struct Counter {
    id: sys::Id,
    output: String,
    board: sys::Board,
    /// The counter of each address, and the address of each counter.
    slots: HashMap<u64, usize>,
    addresses: Vec<u64>,
    armed: bool,
    /// What it is to be when all code is translated anew, which QEMU does a little later.
    wanted: bool,
    running: Option<Call>,
    calls: BTreeMap<Call, HashMap<u64, Profile>>,
}

/// Calls that executed the same instructions equally often.
struct Profile {
    total: u64,
    times: u64,
    /// Slot and count. Where there are many, they are kept from the second such call on.
    counts: Vec<(usize, u64)>,
}

fn install(id: sys::Id, arguments: &[String]) -> Result<(), String> {
    let output = arguments.iter().find_map(|text| text.strip_prefix("out="));
    *counter() = Some(Counter {
        id,
        output: output.ok_or("say out=FILE")?.into(),
        board: sys::Board::new(ROOM),
        slots: HashMap::new(),
        addresses: Vec::new(),
        armed: false,
        wanted: false,
        running: None,
        calls: BTreeMap::new(),
    });
    Ok(())
}

fn counter() -> MutexGuard<'static, Option<Counter>> {
    COUNTER.lock().expect("a panic ends QEMU")
}

/// What is to be done about an instruction.
enum Wish {
    Nothing,
    /// Call [`executed`] before it.
    Tell,
    /// Count it.
    Count(sys::Counter),
}

fn translated(address: u64, code: u32) -> Wish {
    let mut counter = counter();
    let Some(counter) = counter.as_mut() else {
        return Wish::Nothing;
    };
    if mark(code).is_some() {
        return Wish::Tell;
    }
    if !counter.armed {
        return Wish::Nothing;
    }
    let next = counter.addresses.len();
    let slot = *counter.slots.entry(address).or_insert(next);
    if slot == next {
        counter.addresses.push(address);
    }
    let place = counter.board.counter(slot);
    Wish::Count(place.expect("more different instructions than there is room for"))
}

fn executed(code: u32) {
    let mut counter = counter();
    let Some(counter) = counter.as_mut() else {
        return;
    };
    match mark(code) {
        Some(Mark::Begin(call)) if counter.armed => {
            counter.board.counters(counter.addresses.len()).fill(0);
            counter.running = Some(call);
        }
        Some(Mark::End) => {
            if let Some(call) = counter.running.take() {
                counter.ended(call);
            }
        }
        Some(arm @ (Mark::Arm | Mark::Disarm)) => {
            counter.wanted = arm == Mark::Arm;
            sys::reset(counter.id);
        }
        Some(Mark::Begin(_)) | None => {}
    }
}

/// Nothing is translated.
fn cleared() {
    if let Some(counter) = counter().as_mut() {
        counter.armed = counter.wanted;
        counter.running = None;
    }
}

impl Counter {
    fn ended(&mut self, call: Call) {
        let counts = self.board.counters(self.addresses.len());
        let mut hasher = DefaultHasher::new();
        let mut total = 0;
        for (slot, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            total += count;
            (slot, count).hash(&mut hasher);
        }
        let profiles = self.calls.entry(call).or_default();
        let few = profiles.len() < 64;
        let profile = profiles.entry(hasher.finish()).or_insert(Profile {
            total,
            times: 0,
            counts: Vec::new(),
        });
        profile.times += 1;
        if profile.counts.is_empty() && (few || profile.times == 2) {
            let counts = counts.iter().copied().enumerate();
            profile.counts = counts.filter(|(_, count)| *count > 0).collect();
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (call, profiles) in &self.calls {
            let mut totals = BTreeMap::<u64, u64>::new();
            for profile in profiles.values() {
                *totals.entry(profile.total).or_default() += profile.times;
            }
            for (total, times) in &totals {
                let _ = writeln!(text, "calls {} {total} {times}", call.name());
            }
            let all: u64 = totals.values().sum();
            for (total, _) in totals.iter().filter(|(_, times)| **times * 4 >= all) {
                let same = profiles.values().filter(|profile| profile.total == *total);
                for (address, count, times) in self.runs(same.max_by_key(|profile| profile.times)) {
                    let call = call.name();
                    let _ = writeln!(text, "run {call} {total} {address:x} {count} {times}");
                }
            }
        }
        text
    }

    /// Neighbours that were executed equally often, together.
    fn runs(&self, profile: Option<&Profile>) -> Vec<(u64, u64, u64)> {
        let counts = profile.map_or(&[][..], |profile| &profile.counts);
        let mut counts: Vec<_> = counts
            .iter()
            .map(|(slot, times)| (self.addresses[*slot], *times))
            .collect();
        counts.sort_unstable();
        let mut runs: Vec<(u64, u64, u64)> = Vec::new();
        for (address, times) in counts {
            match runs.last_mut() {
                Some((first, count, same)) if *first + *count * 4 == address && *same == times => {
                    *count += 1;
                }
                _ => runs.push((address, 1, times)),
            }
        }
        runs
    }
}

fn finish() {
    if let Some(counter) = counter().take()
        && let Err(error) = std::fs::write(&counter.output, counter.text())
    {
        eprintln!("bench-plugin: {}: {error}", counter.output);
    }
}
