// SPDX-License-Identifier: BSD-2-Clause
//! What may differ, and what does.

use crate::run::{Case, Outcome, Run, SUITES, is_part};
use anyhow::{Result, ensure};

/// A line of the list: this case, or part of one, does otherwise on this system, for this reason.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Listed<'a> {
    case: &'a str,
    system: &'a str,
    reason: &'a str,
}

impl Listed<'_> {
    /// Whether one of those suites has the case.
    pub(crate) fn is_of(&self, suites: &[String]) -> bool {
        let suite = self.case.split('_').next();
        suites.iter().any(|s| suite == Some(s))
    }
}

/// Lines of case, system and reason; what begins with # is a remark.
pub(crate) fn listed(text: &str) -> Result<Vec<Listed<'_>>> {
    let mut list: Vec<Listed<'_>> = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut words = line.splitn(3, ' ');
        let mut word = || words.next().map_or("", str::trim);
        let (case, system, reason) = (word(), word(), word());
        ensure!(
            !reason.is_empty(),
            "a line is CASE SYSTEM REASON, not {line:?}"
        );
        let suite = case.split('_').next().unwrap_or_default();
        ensure!(SUITES.contains(&suite), "xtest has no case {case}");
        let twice = list.iter().any(|l| (l.case, l.system) == (case, system));
        ensure!(!twice, "{case} is listed twice for {system}");
        list.push(Listed {
            case,
            system,
            reason,
        });
    }
    Ok(list)
}

pub(crate) struct Judgement {
    /// Differences that are listed.
    pub(crate) expected: Vec<String>,
    pub(crate) bad: Vec<String>,
}

/// Compares each run with the first. There, everything must be well.
pub(crate) fn judge(runs: &[Run], listed: &[Listed<'_>]) -> Judgement {
    let (mut expected, mut bad) = (Vec::new(), Vec::new());
    let Some(base) = runs.first() else {
        return Judgement { expected, bad };
    };
    for run in runs {
        let name = &run.name;
        let mut listed: Vec<_> = listed.iter().filter(|line| line.system == name).collect();
        for (id, what) in differences(base, run) {
            match listed.iter().position(|line| line.case == id.as_str()) {
                Some(at) => {
                    let reason = listed.remove(at).reason;
                    expected.push(format!("{name}: {id}: {what}, as listed: {reason}"));
                }
                None => bad.push(format!("{name}: {id}: {what}")),
            }
        }
        for line in listed {
            let Listed { case, reason, .. } = line;
            bad.push(format!(
                "{name}: {case} does not differ, but is listed: {reason}"
            ));
        }
    }
    // Last, where whoever looks at the end of a log sees them.
    for Run { name, troubles, .. } in runs {
        bad.extend(troubles.iter().map(|trouble| format!("{name}: {trouble}")));
    }
    Judgement { expected, bad }
}

/// What is otherwise on `run` than on `base`, by the smallest part of a case that shows it; on the base itself, what is not ok.
fn differences(base: &Run, run: &Run) -> Vec<(String, String)> {
    let find = |run: &'_ Run, id: &str| run.cases.iter().position(|case| case.id == id);
    let mut differences = Vec::new();
    for case in &base.cases {
        if std::ptr::eq(base, run) {
            differences.extend(compare(case, case, |_, outcome| {
                outcome != Some(Outcome::Ok)
            }));
            continue;
        }
        let Some(other) = find(run, &case.id).map(|at| &run.cases[at]) else {
            differences.push((case.id.clone(), "does not run".into()));
            continue;
        };
        differences.extend(compare(case, other, |before, outcome| outcome != before));
        if case.skips != other.skips && other.is_good() {
            let (those, these) = (&case.skips, &other.skips);
            differences.push((
                case.id.clone(),
                format!("leaves out {these:?}, not {those:?}"),
            ));
        }
    }
    let more = run
        .cases
        .iter()
        .filter(|case| find(base, &case.id).is_none());
    differences.extend(more.map(|case| (case.id.clone(), format!("runs, on {} not", base.name))));
    differences
}

/// Of a case and its parts those that are `wrong`, but not those of which a part is, and not parts that what fails did not reach.
fn compare(
    base: &Case,
    case: &Case,
    wrong: impl Fn(Option<Outcome>, Option<Outcome>) -> bool,
) -> Vec<(String, String)> {
    let ids = base
        .parts
        .iter()
        .chain(&case.parts)
        .map(|(id, _)| id)
        .chain([&base.id]);
    if wrong(Some(base.outcome), Some(case.outcome)) && case.outcome == Outcome::Hung {
        return vec![(case.id.clone(), word(case.outcome).into())];
    }
    let mut found: Vec<&String> = Vec::new();
    for id in ids {
        if wrong(base.outcome_of(id), case.outcome_of(id)) && !found.contains(&id) {
            found.push(id);
        }
    }
    // What fails before a part of it began is named itself.
    let fails = |id: &String| case.outcome_of(id).is_some();
    let all = found.clone();
    found.retain(|id| fails(id) || !all.iter().any(|other| fails(other) && is_part(other, id)));
    let is_smallest = |id: &&&String| !found.iter().any(|other| is_part(id, other));
    let smallest = found.iter().filter(is_smallest);
    let said = smallest.map(|id| {
        let error = case.error.iter().map(|error| format!(" ({error})"));
        let word = case.outcome_of(id).map_or("does not run", word);
        ((*id).clone(), word.to_owned() + &error.collect::<String>())
    });
    said.collect()
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "is ok",
        Outcome::Failed => "fails",
        Outcome::Hung => "did not end",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::tests::{GOOD, parse};

    fn judged(stock: &str, bound: &str, list: &str) -> (usize, Vec<String>) {
        let runs = [("stock", stock), ("bound", bound)].map(|(n, text)| parse(n, text, 0, ""));
        let judgement = judge(&runs, &listed(list).unwrap());
        (judgement.expected.len(), judgement.bad)
    }

    fn fails(text: &str) -> String {
        text.replace(
            "  regression_1005 OK",
            "f.c:9: r has an unexpected value: 0x1\n  regression_1005 FAILED",
        )
        .replace("3 test cases of which 0", "3 test cases of which 1")
        .replace("regression: 0", "regression: 1")
    }

    #[test]
    fn what_is_equal_is_good() {
        assert_eq!(judged(GOOD, GOOD, ""), (0, vec![]));
    }

    #[test]
    fn a_failure_must_be_listed() {
        let (expected, bad) = judged(GOOD, &fails(GOOD), "");
        assert_eq!(expected, 0);
        assert_eq!(
            bad,
            ["bound: regression_1005: fails (f.c:9: r has an unexpected value: 0x1)"]
        );
        let list = "# remark\n\nregression_1005 bound one at a time\n";
        assert_eq!(judged(GOOD, &fails(GOOD), list), (1, vec![]));
        let list = "regression_1005 all one at a time\n";
        assert_eq!(judged(GOOD, &fails(GOOD), list).1.len(), 1);
    }

    #[test]
    fn what_is_listed_must_differ() {
        let (_, bad) = judged(GOOD, GOOD, "regression_1005 bound one at a time");
        assert_eq!(
            bad,
            ["bound: regression_1005 does not differ, but is listed: one at a time"]
        );
    }

    #[test]
    fn the_first_must_be_good() {
        let (_, bad) = judged(&fails(GOOD), &fails(GOOD), "");
        assert_eq!(bad.len(), 1);
        assert!(bad[0].starts_with("stock: regression_1005: fails"));
        let list = "regression_1005 stock upstream's bug";
        assert_eq!(judged(&fails(GOOD), &fails(GOOD), list), (1, vec![]));
    }

    #[test]
    fn parts_and_what_is_left_out_are_compared() {
        let part = "o regression_1001.1 Core self tests\n  regression_1001.1 OK\n";
        assert_eq!(judged(GOOD, &GOOD.replace(part, ""), "").1.len(), 1);
        let failed = GOOD.replace("  regression_1029.1 OK", "  regression_1029.1 FAILED");
        let (_, bad) = judged(GOOD, &failed, "");
        assert_eq!(bad, ["bound: regression_1029.1: fails"]);
        let nested = GOOD.replace("1001.2.1 OK", "1001.2.1 FAILED");
        let nested = nested.replace("1001.2 OK", "1001.2 FAILED");
        let (_, bad) = judged(GOOD, &nested, "");
        assert_eq!(bad, ["bound: regression_1001.2.1: fails"]);
        let list = "regression_1001.2.1 bound one list";
        assert_eq!(judged(GOOD, &nested, list), (1, vec![]));
        let also = nested.replace("1001.1 OK", "1001.1 FAILED");
        assert_eq!(
            judged(GOOD, &also, list).1.len(),
            1,
            "only the listed part may"
        );
        let skips = GOOD.replace(
            "* regression_1005 Many sessions\n",
            "* regression_1005 Many sessions\nskip test, pseudo TA not found\n",
        );
        assert_eq!(judged(GOOD, &skips, "").1.len(), 1);
    }

    #[test]
    fn cases_that_do_not_run_differ() {
        let less = GOOD
            .replace(
                "* regression_1005 Many sessions\n  regression_1005 OK\n",
                "",
            )
            .replace("3 test cases of which", "2 test cases of which");
        assert_eq!(judged(GOOD, &less, "").1.len(), 1);
        assert_eq!(judged(&less, GOOD, "").1.len(), 1);
    }

    #[test]
    fn a_case_that_fails_before_its_parts_is_named() {
        let early = GOOD
            .replace("o regression_1029.1 TLS variables (skipped or not)\n", "")
            .replace(
                " - 1029 -   skip test, TA returned TEEC_ERROR_NOT_SUPPORTED\n",
                "",
            )
            .replace("  regression_1029.1 OK\n", "")
            .replace("1029 OK\n+", "1029 FAILED\n+");
        let (_, bad) = judged(GOOD, &early, "");
        assert_eq!(bad[0], "bound: regression_1029: fails");
    }

    #[test]
    fn what_hangs_is_named_once_and_last() {
        let hung = &GOOD[..GOOD.find("  regression_1029.1 OK").unwrap()];
        let (_, bad) = judged(GOOD, hung, "");
        assert_eq!(bad[0], "bound: regression_1029: did not end");
        assert_eq!(bad[1], "bound: pkcs11_1000: does not run");
        assert!(bad[2].contains("regression: ended before its end, at regression_1029"));
        assert_eq!(bad.len(), 4);
    }

    #[test]
    fn what_is_listed_is_of_a_suite() {
        let list = listed("regression_1005.2 bound one\npkcs11_1000 bound two").unwrap();
        let of = |suite: &str| {
            list.iter()
                .map(|l| l.is_of(&[suite.into()]))
                .collect::<Vec<_>>()
        };
        assert_eq!(of("regression"), [true, false]);
        assert_eq!(of("pkcs11"), [false, true]);
    }

    #[test]
    fn half_a_line_is_refused() {
        assert!(listed("regression_1005 bound").is_err());
        assert!(listed("pkcs11_1 b c\npkcs11_1 b d").is_err());
        assert!(listed("regresion_1005 bound why").is_err());
    }
}
