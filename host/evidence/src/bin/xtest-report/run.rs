// SPDX-License-Identifier: BSD-2-Clause
//! What xtest printed on one system.

use anyhow::Result;
use client_binding_evidence::{Kept, system_failed};
use std::path::Path;

/// What `xtask xtest` runs.
pub(crate) const SUITES: [&str; 2] = ["regression", "pkcs11"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    Failed,
    /// It began and did not end.
    Hung,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Case {
    /// For instance regression_1013.
    pub(crate) id: String,
    pub(crate) outcome: Outcome,
    /// The parts that ended, in their order: regression_1013.1 and so on.
    pub(crate) parts: Vec<(String, Outcome)>,
    /// What it says that it leaves out.
    pub(crate) skips: Vec<String>,
    /// The first thing that was not as it expected.
    pub(crate) error: Option<String>,
}

impl Case {
    fn new(id: &str) -> Self {
        Self {
            id: id.into(),
            outcome: Outcome::Hung,
            parts: Vec::new(),
            skips: Vec::new(),
            error: None,
        }
    }

    /// Of the case or a part of it; of a part that did not run, nothing.
    pub(crate) fn outcome_of(&self, id: &str) -> Option<Outcome> {
        if id == self.id {
            return Some(self.outcome);
        }
        let part = self.parts.iter().find(|(part, _)| part == id);
        part.map(|(_, outcome)| *outcome)
    }

    pub(crate) fn is_good(&self) -> bool {
        self.outcome == Outcome::Ok
    }
}

pub(crate) struct Run {
    /// Of the system.
    pub(crate) name: String,
    pub(crate) cases: Vec<Case>,
    pub(crate) subtests: u64,
    pub(crate) failed_subtests: u64,
    /// What went wrong outside of cases.
    pub(crate) troubles: Vec<String>,
}

impl Run {
    /// Reads what was kept in a folder.
    pub(crate) fn read(folder: &Path, suites: &[String]) -> Result<Self> {
        let kept = Kept::in_folder(folder)?;
        let (output, errors) = (kept.text("output")?, kept.text("errors")?);
        Ok(Self::parse(
            &kept.name,
            suites,
            &output,
            kept.status,
            &errors,
        ))
    }

    pub(crate) fn parse(
        name: &str,
        suites: &[impl AsRef<str>],
        output: &str,
        status: i32,
        errors: &str,
    ) -> Self {
        let mut run = Self {
            name: name.into(),
            cases: Vec::new(),
            subtests: 0,
            failed_subtests: 0,
            troubles: Vec::new(),
        };
        if status != 0 {
            run.troubles.push(system_failed(status, errors));
        }
        for suite in suites {
            run.read_suite(suite.as_ref(), output);
        }
        run
    }

    /// What is between the heading of a suite and what the runner's shell says of its end.
    fn read_suite(&mut self, suite: &str, output: &str) {
        let lines = output.lines().map(str::trim_end);
        let lines = lines.skip_while(|line| line.strip_prefix("# ") != Some(suite));
        let first = self.cases.len();
        let (mut closing, mut exit) = (None, None);
        for line in lines {
            let sum = |what| of_which_failed(line, what);
            if let Some(status) = line.strip_prefix(suite).and_then(|l| l.strip_prefix(": ")) {
                exit = status.parse::<u8>().ok();
                break;
            } else if let Some((all, failed)) = sum("subtest") {
                self.subtests += all;
                self.failed_subtests += failed;
            } else if let Some(sums) = sum("test case") {
                closing = Some(sums);
            } else if let Some(rest) = line.strip_prefix("* ") {
                let id = rest.split(' ').next().unwrap_or(rest);
                self.cases.push(Case::new(id));
            } else if let Some(case) = self.cases[first..].last_mut()
                && case.outcome == Outcome::Hung
            {
                read_line(case, line);
            }
        }
        let cases = &self.cases[first..];
        let failed = cases.iter().filter(|case| !case.is_good()).count() as u64;
        let trouble = match (closing, exit) {
            (Some((all, bad)), Some(exit)) => {
                let wrong = all == 0 || (all, bad) != (cases.len() as u64, failed);
                if wrong {
                    format!(
                        "{suite}: it counts {all} cases and {bad} failures, its lines tell of {} and {failed}",
                        cases.len()
                    )
                } else if (exit == 0) != (bad == 0) {
                    format!("{suite}: xtest ended with {exit} after {bad} failures")
                } else {
                    return;
                }
            }
            (_, exit) => {
                let last = cases.last().map_or("any case", |case| &case.id);
                let exit = exit.map_or(String::new(), |exit| format!(" with {exit}"));
                format!("{suite}: ended{exit} before its end, at {last}")
            }
        };
        self.troubles.push(trouble);
    }
}

/// A line that a case printed while it ran.
fn read_line(case: &mut Case, line: &str) {
    let ended = [(" OK", Outcome::Ok), (" FAILED", Outcome::Failed)];
    let ended = ended
        .into_iter()
        .find_map(|(word, outcome)| Some((line.strip_prefix("  ")?.strip_suffix(word)?, outcome)));
    match ended {
        Some((id, outcome)) if id == case.id => case.outcome = outcome,
        Some((id, outcome)) if is_part(&case.id, id) => case.parts.push((id.into(), outcome)),
        _ if line.starts_with("o ") => {}
        _ if line.contains(" has an unexpected value") => {
            case.error.get_or_insert_with(|| line.trim().into());
        }
        _ if SKIPPED.iter().any(|word| line.contains(word)) => case.skips.push(line.trim().into()),
        _ => {}
    }
}

/// How a case says that it leaves something out.
const SKIPPED: [&str; 4] = ["skip", "Skip", "SKIP", "Ignore test"];

pub(crate) fn is_part(case: &str, id: &str) -> bool {
    id.strip_prefix(case)
        .is_some_and(|rest| rest.starts_with('.'))
}

/// The numbers in, for instance, "35589 subtests of which 0 failed".
fn of_which_failed(line: &str, what: &str) -> Option<(u64, u64)> {
    let (all, rest) = line.split_once(' ')?;
    let rest = rest.strip_prefix(what)?;
    let rest = rest.strip_prefix('s').unwrap_or(rest);
    let failed = rest.strip_prefix(" of which ")?.strip_suffix(" failed")?;
    Some((all.parse().ok()?, failed.parse().ok()?))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// As xtest prints it, and `xtask xtest` after it.
    pub(crate) const GOOD: &str = include_str!("good.txt");

    /// Both suites.
    pub(crate) fn parse(name: &str, output: &str, status: i32, errors: &str) -> Run {
        Run::parse(name, &["regression", "pkcs11"], output, status, errors)
    }

    fn part(id: &str) -> (String, Outcome) {
        (id.into(), Outcome::Ok)
    }

    #[test]
    fn a_good_run_is_read() {
        let run = parse("stock", GOOD, 0, "");
        assert!(run.troubles.is_empty(), "{:?}", run.troubles);
        assert_eq!((run.subtests, run.failed_subtests), (27, 0));
        let ids: Vec<_> = run.cases.iter().map(|case| case.id.as_str()).collect();
        assert_eq!(
            ids,
            [
                "regression_1001",
                "regression_1005",
                "regression_1029",
                "pkcs11_1000"
            ]
        );
        assert!(run.cases.iter().all(Case::is_good));
        assert_eq!(
            run.cases[0].parts,
            [
                part("regression_1001.1"),
                part("regression_1001.2.1"),
                part("regression_1001.2")
            ]
        );
        assert_eq!(
            run.cases[0].skips,
            ["Transfer List tests not supported, skipping"]
        );
        assert_eq!(run.cases[2].skips.len(), 1);
    }

    #[test]
    fn a_suite_that_was_not_asked_for_is_not_missed() {
        let only = &GOOD[..GOOD.find("# pkcs11").unwrap()];
        let run = Run::parse("stock", &["regression"], only, 0, "");
        assert_eq!((run.troubles.len(), run.cases.len()), (0, 3));
        assert_eq!(parse("stock", only, 0, "").troubles.len(), 1);
    }

    #[test]
    fn failures_are_read_with_the_first_error() {
        let text = GOOD
            .replace(
                "  regression_1005 OK",
                "f.c:9: r has an unexpected value: 0x1, expected 0x0\n  regression_1005 FAILED",
            )
            .replace(
                "3 test cases of which 0 failed",
                "3 test cases of which 1 failed",
            )
            .replace("20 subtests of which 0", "20 subtests of which 2")
            .replace("regression: 0", "regression: 1");
        let run = parse("stock", &text, 0, "");
        assert!(run.troubles.is_empty(), "{:?}", run.troubles);
        assert_eq!(run.failed_subtests, 2);
        assert_eq!(run.cases[1].outcome, Outcome::Failed);
        assert!(run.cases[1].error.as_ref().unwrap().starts_with("f.c:9"));
    }

    #[test]
    fn what_does_not_end_is_named() {
        let hung = &GOOD[..GOOD.find("  regression_1005 OK").unwrap()];
        let run = parse("bound", hung, 124, "time-out");
        assert_eq!(run.cases[1].outcome, Outcome::Hung);
        let troubles = run.troubles.join("\n");
        assert!(
            troubles.contains("status 124): time-out") && troubles.contains("at regression_1005"),
            "{troubles}"
        );
        assert!(troubles.contains("pkcs11: ended before its end, at any case"));
    }

    #[test]
    fn a_crash_and_a_wrong_sum_are_noticed() {
        let crashed = GOOD.replace("pkcs11: 0", "pkcs11: 139");
        assert_eq!(parse("bound", &crashed, 0, "").troubles.len(), 1);
        let lost = GOOD.replace("* regression_1005 Many sessions\n", "");
        assert_eq!(parse("bound", &lost, 0, "").troubles.len(), 1);
        let killed = GOOD.replace("1 test case of which 0 failed\n", "");
        let killed = killed.replace("pkcs11: 0", "pkcs11: 137");
        let troubles = parse("bound", &killed, 0, "").troubles;
        assert_eq!(
            troubles,
            ["pkcs11: ended with 137 before its end, at pkcs11_1000"]
        );
        assert_eq!(parse("bound", "", 0, "").troubles.len(), 2);
    }
}
