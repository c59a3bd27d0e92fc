// SPDX-License-Identifier: BSD-2-Clause
//! The cases, by chapter: 1 who may do what, 2 ways of a descriptor, 3 release, 4 faults,
//! 5 races, 6 hostile messages (with a driver of their own), 7 the demonstration, 8 neighbours, 9 applications and
//! processes, 10 what an operator sees, limits, 11 delegation, 12 objects.

mod apps;
mod callbacks;
mod code;
mod declared;
mod delegation;
mod demonstration;
mod disown;
mod faults;
mod handed_out;
mod hostile;
mod kernel;
mod lending_c;
mod limited;
mod matrix;
mod neighbours;
mod objects;
mod operator;
mod quota;
mod races;
mod release;
mod roots;
mod travel;

use crate::bench::Bench;
use anyhow::Result;
pub(crate) use apps::{become_application, play_as_plain_program, serve_orders};
use client_binding_test::{Planned, Proves, Stack};
pub(crate) use demonstration::Row;
pub(crate) use limited::open_on;
use std::fmt;
pub(crate) use travel::{close_on, invoke_on};

/// The rules of delegation come after those of binding: G1 is `G + 1`.
pub(crate) const G: u32 = 100;

/// And those of objects.
pub(crate) const O: u32 = 200;

/// As documents cite a rule.
pub(crate) fn rule_name(rule: u32) -> String {
    match rule {
        O.. => format!("O{}", rule - O),
        G.. => format!("G{}", rule - G),
        _ => format!("B{rule}"),
    }
}

/// A case.
pub(crate) struct Case {
    pub(crate) number: u32,
    pub(crate) name: &'static str,
    /// The rules it shows.
    pub(crate) rules: &'static [u32],
    pub(crate) proves: Proves,
    /// It is about bound TAs alone.
    pub(crate) bound: bool,
    /// Once more as a program without fs-verity, which the driver hashes.
    pub(crate) by_hash: bool,
    /// It leaves an instance that stays when everybody has left.
    pub(crate) keeps: bool,
    /// Only when there is time.
    pub(crate) long: bool,
    /// After that long it hangs.
    pub(crate) seconds: u64,
    play: Play,
}

enum Play {
    /// Says what it saw; nothing if it cannot run here.
    Case(fn(&Bench) -> Result<Option<String>>),
    /// It is a row of the demonstration, too.
    Row(Row),
}

impl Case {
    const fn new(
        number: u32,
        name: &'static str,
        rules: &'static [u32],
        proves: Proves,
        play: Play,
    ) -> Self {
        Self {
            number,
            name,
            rules,
            proves,
            bound: false,
            by_hash: false,
            keeps: false,
            long: false,
            seconds: 60,
            play,
        }
    }

    /// An attack.
    const fn refusal(
        number: u32,
        name: &'static str,
        rules: &'static [u32],
        play: fn(&Bench) -> Result<Option<String>>,
    ) -> Self {
        Self::new(number, name, rules, Proves::Refusal, Play::Case(play))
    }

    /// What works everywhere.
    const fn service(
        number: u32,
        name: &'static str,
        rules: &'static [u32],
        play: fn(&Bench) -> Result<Option<String>>,
    ) -> Self {
        Self::new(number, name, rules, Proves::Service, Play::Case(play))
    }

    /// A row of the demonstration, and its title.
    const fn row(number: u32, title: &'static str, rules: &'static [u32], row: Row) -> Self {
        let proves = if row.is_attack() {
            Proves::Refusal
        } else {
            Proves::Service
        };
        Self::new(number, title, rules, proves, Play::Row(row))
    }

    /// It needs a bound TA.
    const fn bound(mut self) -> Self {
        self.bound = true;
        self
    }

    /// It leaves an instance that is kept alive, of a TA that is not ours to have unloaded.
    const fn keeping(mut self) -> Self {
        self.keeps = true;
        self
    }

    /// Once more as a program that the driver hashes.
    const fn by_hash(mut self) -> Self {
        self.by_hash = true;
        self
    }

    /// It takes its time.
    const fn within(mut self, seconds: u64) -> Self {
        self.seconds = seconds;
        self
    }

    /// Only when there is time.
    const fn long(mut self) -> Self {
        self.long = true;
        self
    }

    /// Says what it saw; nothing if it cannot run here.
    pub(crate) fn play(&self, bench: &Bench) -> Result<Option<String>> {
        let seen = match &self.play {
            Play::Case(play) => play(bench)?,
            // A core that verifies may be one without delegation: there is nothing to show there.
            Play::Row(_)
                if self.is_of_delegation() && bench.verifies() && !demonstration::can_lend()? =>
            {
                None
            }
            Play::Row(row) => Some(row.play(bench.stack)?),
        };
        match seen {
            Some(seen) if self.by_hash => apps::play_by_hash(self, bench, &seen).map(Some),
            seen => Ok(seen),
        }
    }

    fn is_of_delegation(&self) -> bool {
        self.rules.iter().any(|rule| *rule > G)
    }

    /// Nothing if it is no row of the demonstration.
    pub(crate) fn as_row(&self) -> Option<&Row> {
        match &self.play {
            Play::Row(row) => Some(row),
            Play::Case(_) => None,
        }
    }

    pub(crate) fn planned(&self, stack: Stack) -> Planned {
        Planned {
            number: self.number,
            name: self.name.into(),
            rules: self.rules.into(),
            proves: self.proves,
            shown: self.as_row().map(|row| row.shown(stack)),
        }
    }

    fn is_meant(&self, filter: &str) -> bool {
        let number = self.number.to_string();
        let digits = filter.trim_end_matches('x');
        if self.rules.iter().any(|rule| rule_name(*rule) == filter) {
            true
        } else if digits.parse::<u32>().is_ok() {
            filter.len() == number.len() && number.starts_with(digits)
        } else {
            self.name.to_lowercase().contains(&filter.to_lowercase())
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules: Vec<_> = self.rules.iter().map(|rule| rule_name(*rule)).collect();
        let proves = match self.proves {
            Proves::Refusal => "refusal",
            Proves::Service => "service",
        };
        let long = if self.long { " (with --full)" } else { "" };
        let (number, rules) = (self.number, rules.join(","));
        write!(f, "{number} {proves} {rules:14} {}{long}", self.name)
    }
}

/// All cases that one of the filters means, or all there are without filters.
pub(crate) fn choose(filters: &[String]) -> Vec<&'static Case> {
    let chapters = [
        matrix::CASES,
        travel::CASES,
        release::CASES,
        faults::CASES,
        races::CASES,
        hostile::CASES,
        neighbours::CASES,
        kernel::CASES,
        apps::CASES,
        roots::CASES,
        code::CASES,
        declared::CASES,
        operator::CASES,
        quota::CASES,
        delegation::CASES,
        delegation::ends::CASES,
        delegation::crowd::CASES,
        delegation::reach::CASES,
        delegation::deputy::CASES,
        disown::CASES,
        limited::CASES,
        lending_c::CASES,
        objects::CASES,
        callbacks::CASES,
        handed_out::CASES,
        demonstration::CASES,
        faults::LAST,
    ];
    let meant =
        |case: &&Case| filters.is_empty() || filters.iter().any(|filter| case.is_meant(filter));
    chapters.into_iter().flatten().filter(meant).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_filters_find_them() {
        let cases = choose(&[]);
        for (i, case) in cases.iter().enumerate() {
            assert!(cases[..i].iter().all(|other| other.number != case.number));
            assert!(case.is_meant(&case.number.to_string()));
        }
        assert!(
            choose(&["2xxx".into()])
                .iter()
                .all(|case| case.number / 1000 == 2)
        );
        assert!(
            choose(&["B11".into()])
                .iter()
                .all(|case| case.rules.contains(&11))
        );
        assert!(choose(&["no such text".into()]).is_empty());
    }
}
