// SPDX-License-Identifier: BSD-2-Clause
//! What the plugin wrote about one boot.

use crate::places::{Layer, Places, Symbol};
use anyhow::{Context, Result, bail};
use client_binding_proto::calls::Call;
use std::collections::BTreeMap;
use std::path::Path;

/// One boot.
#[derive(Default)]
pub(crate) struct Run {
    /// Calls by total.
    totals: BTreeMap<Call, BTreeMap<u64, u64>>,
    /// By total, too.
    pieces: BTreeMap<(Call, u64), Vec<Piece>>,
}

/// Instructions one after the other: address of the first, how many, how often.
type Piece = (u64, u64, u64);

/// The number that stands for all calls of a kind.
pub(crate) struct Typical {
    pub(crate) number: u64,
    /// Otherwise it is the median.
    pub(crate) is_mode: bool,
    pub(crate) min: u64,
    pub(crate) max: u64,
}

/// The instructions of a call by place.
pub(crate) struct Counts(pub(crate) BTreeMap<Symbol, u64>);

impl Run {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        Self::parse(&crate::read(path)?).with_context(|| path.display().to_string())
    }

    fn parse(text: &str) -> Result<Self> {
        let mut run = Self::default();
        for line in text.lines() {
            let words: Vec<_> = line.split(' ').collect();
            let call = |name: &str| Call::named(name).with_context(|| format!("no call {name}"));
            match words[..] {
                ["calls", name, total, times] => {
                    let totals = run.totals.entry(call(name)?).or_default();
                    totals.insert(total.parse()?, times.parse()?);
                }
                ["run", name, total, address, count, times] => {
                    let pieces = run.pieces.entry((call(name)?, total.parse()?));
                    let address = u64::from_str_radix(address, 16)?;
                    pieces
                        .or_default()
                        .push((address, count.parse()?, times.parse()?));
                }
                _ => bail!("not a line of the plugin's: {line}"),
            }
        }
        Ok(run)
    }

    /// Calls that another boot counted and this one did not.
    pub(crate) fn take_in(&mut self, other: Self) {
        for (call, totals) in other.totals {
            self.totals.entry(call).or_insert(totals);
        }
    }

    /// What most calls took. A close gives OP-TEE's random numbers a moment in time, and
    /// every second one stirs what was collected, so no total has a majority there: the
    /// lowest that a quarter of the calls had. A call that is longer than the time
    /// between two interrupts has none.
    pub(crate) fn mode(&self, call: Call) -> Option<u64> {
        let totals = self.totals.get(&call)?;
        let all: u64 = totals.values().sum();
        let often = totals
            .iter()
            .find(|(_, times)| **times * 4 >= all && **times > 1);
        often.map(|(total, _)| *total)
    }

    pub(crate) fn typical(&self, call: Call) -> Option<Typical> {
        let totals = self.totals.get(&call)?;
        let mode = self.mode(call);
        let all: u64 = totals.values().sum();
        let mut before = 0;
        let median = totals.iter().find_map(|(total, times)| {
            before += times;
            (before * 2 >= all).then_some(*total)
        });
        Some(Typical {
            number: mode.or(median)?,
            is_mode: mode.is_some(),
            min: *totals.keys().next()?,
            max: *totals.keys().next_back()?,
        })
    }

    /// The instructions of the typical call, if it has a mode and is known in detail.
    pub(crate) fn counts(&self, call: Call, places: &Places) -> Option<Counts> {
        let mut counts = BTreeMap::new();
        let mode = self.mode(call)?;
        for &(address, count, times) in self.pieces.get(&(call, mode)).into_iter().flatten() {
            for index in 0..count {
                *counts.entry(places.of(address + index * 4)).or_default() += times;
            }
        }
        let counts = Counts(counts);
        (counts.total() == mode).then_some(counts)
    }
}

impl Counts {
    pub(crate) fn of(&self, layer: Layer) -> u64 {
        let here = self.0.iter().filter(|((place, _), _)| *place == layer);
        here.map(|(_, number)| number).sum()
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_is_the_lowest_of_the_frequent() {
        let run = Run::parse(
            "calls close 50 1\ncalls close 100 48\ncalls close 140 49\ncalls close 900 2\n\
             calls load-0 7 1\ncalls load-0 8 1\ncalls load-0 9 1\ncalls nothing 0 5\n",
        )
        .unwrap();
        let typical = run.typical(Call::Close).unwrap();
        assert_eq!((typical.number, typical.is_mode), (100, true));
        assert_eq!((typical.min, typical.max), (50, 900));
        let typical = run.typical(Call::Load0).unwrap();
        assert_eq!((typical.number, typical.is_mode), (8, false));
        assert_eq!(run.mode(Call::Nothing), Some(0));
        assert!(run.typical(Call::Cancel).is_none());
    }

    #[test]
    fn instructions_go_where_they_are() {
        let run =
            Run::parse("calls cancel 9 2\nrun cancel 9 400000 3 2\nrun cancel 9 400010 3 1\n");
        let counts = run
            .unwrap()
            .counts(Call::Cancel, &Places::default())
            .unwrap();
        assert_eq!((counts.total(), counts.of(Layer::Program)), (9, 9));
        assert!(Run::parse("calls lunch 1 1").is_err());
        assert!(Run::parse("run cancel 9 xyz 1 1").is_err());
    }
}
