// SPDX-License-Identifier: BSD-2-Clause
//! `docs/rules.md` says what the rules are. Whoever cites one must agree with it, cases and mutants first of all.

use crate::cases::{choose, rule_name};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// It is about the bytes of a build, of which no case can see anything.
const WITHOUT_CASES: &str = "B15";

/// What `docs/rules.md` says of a rule.
struct Rule {
    /// Some of its cases.
    cases: Vec<u32>,
    /// All of its mutants.
    mutants: BTreeSet<String>,
}

/// The head of a mutant.
struct Mutant {
    name: String,
    rule: String,
    cases: Vec<String>,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn rules() -> BTreeMap<String, Rule> {
    let text = fs::read_to_string(repository().join("docs/rules.md")).unwrap();
    let rule = |section: &str| {
        let (name, text) = section.split_once(". ")?;
        number(name)?;
        let rule = name;
        let points = |name| {
            let mut points = text
                .split("\n- ")
                .filter_map(|point| point.strip_prefix(name));
            points.next().unwrap_or_else(|| panic!("{rule}: {name}"))
        };
        let cases = points("cases: ").split(|c: char| !c.is_ascii_digit());
        let mutants = points("mutants: ").split('`').skip(1).step_by(2);
        Some((
            name.into(),
            Rule {
                cases: cases.filter_map(|case| case.parse().ok()).collect(),
                mutants: mutants.map(Into::into).collect(),
            },
        ))
    };
    text.split("\n## ").skip(1).filter_map(rule).collect()
}

fn mutants() -> Vec<Mutant> {
    let mutant = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let (head, _) = text.split_once("\n\n").unwrap();
        let field = |name| head.lines().find_map(|line| line.strip_prefix(name));
        Mutant {
            name: path.file_stem().unwrap().to_str().unwrap().into(),
            rule: field("Rule: ").unwrap_or_default().into(),
            cases: field("Cases: ")
                .unwrap_or_default()
                .split_whitespace()
                .map(Into::into)
                .collect(),
        }
    };
    entries(&repository().join("host/test/mutants"))
        .into_iter()
        .map(mutant)
        .collect()
}

/// That of a rule: B, G or O and a number.
fn number(name: &str) -> Option<u32> {
    let number = name.strip_prefix(['B', 'G', 'O'])?;
    let short = number.len() <= 2;
    number.parse().ok().filter(|_| short)
}

/// The rules that a text cites, each a word of its own.
fn cited(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| number(word).is_some())
}

/// Every text below, but for what is no part of the repository or was found by the fuzzers.
fn texts(folder: &Path) -> Vec<(PathBuf, String)> {
    let others = [".git", "build", "target", "core/fuzz/corpus"];
    let mut texts = Vec::new();
    for path in entries(folder) {
        if others.iter().any(|other| path.ends_with(other)) {
            continue;
        } else if path.is_dir() {
            texts.extend(self::texts(&path));
        } else if let Ok(text) = fs::read_to_string(&path) {
            texts.push((path, text));
        }
    }
    texts
}

#[test]
fn each_rule_has_cases_and_mutants() {
    let mutants = mutants();
    for (name, rule) in rules() {
        let all: Vec<_> = choose(std::slice::from_ref(&name))
            .iter()
            .map(|case| case.number)
            .collect();
        let without = name == WITHOUT_CASES;
        assert_eq!(all.is_empty(), without, "{name}: cases {all:?}");
        assert_eq!(
            rule.cases.is_empty(),
            without,
            "{name}: docs/rules.md names cases {:?}",
            rule.cases
        );
        for case in rule.cases {
            assert!(all.contains(&case), "{name}: case {case} does not show it");
        }
        let mutants: BTreeSet<_> = mutants
            .iter()
            .filter(|mutant| mutant.rule == name)
            .map(|mutant| mutant.name.clone())
            .collect();
        assert!(!mutants.is_empty(), "{name} has no mutant");
        let names: Vec<_> = mutants.iter().map(|name| format!("`{name}`")).collect();
        assert_eq!(
            rule.mutants,
            mutants,
            "{name}: docs/rules.md should have\n- mutants: {}\n",
            names.join(", ")
        );
    }
}

#[test]
fn mutants_name_cases_that_exist() {
    for Mutant { name, cases, .. } in mutants() {
        for case in cases {
            assert!(
                !choose(std::slice::from_ref(&case)).is_empty(),
                "{name}: no case {case}"
            );
        }
    }
}

#[test]
fn whatever_is_cited_is_a_rule() {
    let rules = rules();
    for case in choose(&[]) {
        for rule in case.rules {
            let rule = rule_name(*rule);
            assert!(rules.contains_key(&rule), "case {}: {rule}", case.number);
        }
    }
    for (path, text) in texts(&repository()) {
        for rule in cited(&text) {
            assert!(rules.contains_key(rule), "{}: {rule}", path.display());
        }
    }
}
