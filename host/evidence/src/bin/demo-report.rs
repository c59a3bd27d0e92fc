// SPDX-License-Identifier: BSD-2-Clause
//! Prints the demonstration: its rows, a column for each stack.

use anyhow::{Context, Result, ensure};
use clap::Parser;
use client_binding_evidence::exit_code;
use client_binding_evidence::suite::{Ending, Played, Run};
use client_binding_test::Refused;
use comfy_table::{Table, presets};
use serde::Deserialize;
use std::fs;
use std::iter::{once, repeat_n};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Prints what the demonstration showed, and whether that is as it should be
///
/// Exit status: 0 all as expected, 1 something was not, 2 a file cannot be read.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// What `binding-test --demonstration --format json` printed, a file for each stack
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// What `bindctl denials --json` printed after the last of them: compared with what the rows attempt
    #[arg(long, value_name = "FILE")]
    refused: Option<PathBuf>,
}

fn main() -> ExitCode {
    exit_code("demo-report", judge(&Args::parse()))
}

fn judge(args: &Args) -> Result<bool> {
    let runs: Vec<_> = args.runs.iter().map(|file| read(file)).collect();
    let runs = runs.into_iter().collect::<Result<Vec<_>>>()?;
    println!("{}", table(&runs));
    let troubles: Vec<_> = runs
        .iter()
        .flat_map(|run| {
            run.troubles()
                .into_iter()
                .map(|trouble| (&run.name, trouble))
        })
        .collect();
    if troubles.is_empty() {
        println!("All {} rows are as expected.", runs[0].results.len());
    } else {
        println!("Not as expected:");
        for (name, trouble) in &troubles {
            println!("  {name}: {trouble}");
        }
    }
    let (Some(file), Some(run)) = (&args.refused, runs.last()) else {
        return Ok(troubles.is_empty());
    };
    let refused = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    match compare(&parse(&refused)?, &run.results) {
        Ok(count) => {
            println!("OP-TEE tells of the {count} attempts that it refused, and of no other.");
            Ok(troubles.is_empty())
        }
        Err(difference) => {
            println!("What OP-TEE tells of is not what was refused: {difference}");
            Ok(false)
        }
    }
}

fn read(file: &Path) -> Result<Run> {
    let name = file.display().to_string();
    let events = fs::read_to_string(file).with_context(|| name.clone())?;
    let mut run = Run::from_events(name, &events)?;
    ensure!(!run.results.is_empty(), "{}: there is no row", run.name);
    run.name = run.stack.map_or(run.name, |stack| stack.word().into());
    Ok(run)
}

fn table(runs: &[Run]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(once("attack").chain(runs.iter().map(|run| run.name.as_str())));
    for row in &runs[0].results {
        let cells = runs.iter().map(|run| cell(run.result(row.case.number)));
        table.add_row(once(row.case.name.as_str()).chain(cells));
    }
    table
}

fn cell(played: Option<&Played>) -> &'static str {
    match played {
        Some(played) if played.ending == Ending::Ok => {
            let shown = played.case.shown.as_ref();
            shown.map_or("", |shown| shown.outcome.word())
        }
        Some(played) => played.ending.word(),
        None => Ending::Missing.word(),
    }
}

/// Each refusal for itself, though those that are alike are one entry there.
fn parse(text: &str) -> Result<Vec<Refused>> {
    #[derive(Deserialize)]
    struct Entry {
        count: usize,
        #[serde(flatten)]
        refused: Refused,
    }
    let entries: Vec<Entry> = serde_json::from_str(text)?;
    let entries = entries.into_iter();
    Ok(entries
        .flat_map(|entry| repeat_n(entry.refused, entry.count))
        .collect())
}

/// Whether exactly the rows' attempts were refused, in the rows' order: how many there are, or the first that differs.
fn compare(refused: &[Refused], rows: &[Played]) -> Result<usize, String> {
    let attempts = rows.iter().filter_map(|row| {
        let attempt = row.case.shown.as_ref()?.refused.as_ref()?;
        Some((row.case.number, attempt))
    });
    let mut refused = refused.iter();
    let mut count = 0;
    for (row, expected) in attempts {
        count += 1;
        match refused.next() {
            Some(refused) if refused == expected => {}
            Some(refused) => {
                return Err(format!(
                    "number {count}, of {row}, is {refused}; expected {expected}"
                ));
            }
            None => return Err(format!("number {count}, of {row}, is missing: {expected}")),
        }
    }
    match refused.next() {
        Some(refused) => Err(format!("nobody expected {refused}")),
        None => Ok(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use client_binding_test::{Outcome, Planned, Proves, Shown};

    fn refused(claim: &str) -> Refused {
        Refused {
            ta: "da2865b7-72bf-45d3-a678-7fdd24616a37".into(),
            operation: "invoke".into(),
            reason: "not-the-client".into(),
            claim: claim.into(),
            owner: "USER".into(),
        }
    }

    /// Four rows, of which one attempts nothing that is refused.
    fn rows() -> Vec<Played> {
        let claims = [Some("USER"), None, Some("GROUP"), Some("PROCESS")];
        let row = |(number, claim): (u32, &Option<&str>)| Played {
            case: Planned {
                number,
                name: "x".into(),
                rules: vec![2],
                proves: Proves::Refusal,
                shown: Some(Shown {
                    outcome: Outcome::Denied,
                    refused: claim.map(refused),
                }),
            },
            ending: Ending::Ok,
            detail: String::new(),
            millis: 1,
        };
        (7001..).zip(&claims).map(row).collect()
    }

    #[test]
    fn each_refusal_is_looked_for() {
        let (rows, all) = (rows(), ["USER", "GROUP", "PROCESS"].map(refused));
        assert_eq!(compare(&all, &rows), Ok(3));
        for i in 0..all.len() {
            let mut wrong = all.clone();
            wrong[i].claim = "REE_KERNEL".into();
            assert!(compare(&wrong, &rows).unwrap_err().contains("expected"));
        }
        assert!(compare(&all[1..], &rows).is_err());
        assert!(compare(&all[..2], &rows).unwrap_err().contains("missing"));
        let more = [&all[..], &all[2..]].concat();
        assert!(compare(&more, &rows).unwrap_err().contains("nobody"));
    }

    #[test]
    fn refusals_are_read_one_by_one() {
        let entry = |count: u64| {
            let mut entry = serde_json::to_value(refused("USER")).unwrap();
            entry["count"] = count.into();
            entry["hint"] = "more than we want to know".into();
            entry
        };
        let text = serde_json::to_string(&[entry(2), entry(1)]).unwrap();
        assert_eq!(parse(&text).unwrap(), vec![refused("USER"); 3]);
        assert_eq!(parse("[]").unwrap(), vec![]);
        assert!(parse(r#"[{"lost":3}]"#).is_err());
    }

    #[test]
    fn a_cell_has_the_rows_word_or_says_what_went_wrong() {
        let mut rows = rows();
        assert_eq!(cell(rows.first()), "denied");
        rows[0].ending = Ending::Failed;
        assert_eq!(cell(rows.first()), "FAIL");
        assert_eq!(cell(None), "MISSING");
    }
}
