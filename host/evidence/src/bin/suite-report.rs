// SPDX-License-Identifier: BSD-2-Clause
//! Puts runs of the regression suite side by side and judges them.

use clap::Parser;
use client_binding_evidence::exit_code;
use client_binding_evidence::suite::{Ending, Run};
use comfy_table::{Table, presets};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::collections::BTreeMap;
use std::fs;
use std::iter::once;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Prints case × configuration and what went wrong
///
/// Exit status: 0 everything as it should be, 1 something was not, 2 a file cannot be
/// read or written.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// A folder for each configuration, named like it, with what `xtask suite` kept of its
    /// run: output, status, errors and secure-world.log
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Where to write the same as JUnit XML
    #[arg(long)]
    junit: Option<PathBuf>,
}

fn main() -> ExitCode {
    exit_code("suite-report", judge(&Args::parse()))
}

fn judge(args: &Args) -> anyhow::Result<bool> {
    let runs: Vec<_> = args
        .runs
        .iter()
        .map(|folder| Run::in_folder(folder))
        .collect();
    let runs = runs.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    println!("{}", table(&runs));
    if let Some(path) = &args.junit {
        fs::write(path, junit(&runs).to_string()?)?;
    }
    let mut cases = 0;
    let mut troubles = Vec::new();
    for run in &runs {
        cases += run.results.len();
        for trouble in run.troubles() {
            troubles.push(format!("{}: {trouble}", run.name));
        }
    }
    for trouble in &troubles {
        println!("{trouble}");
    }
    let bad = troubles.len();
    println!(
        "{cases} results in {} configurations, {bad} not as they should be",
        runs.len()
    );
    Ok(bad == 0)
}

fn table(runs: &[Run]) -> Table {
    let names: BTreeMap<_, _> = runs
        .iter()
        .flat_map(|run| &run.results)
        .map(|result| (result.case.number, &result.case.name))
        .collect();
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    let titles = runs.iter().map(|run| run.name.clone());
    table.set_header(["case".to_owned(), String::new()].into_iter().chain(titles));
    for (number, name) in names {
        let cells = runs.iter().map(|run| match run.result(number) {
            None => "-".to_owned(),
            Some(result) => result.ending.word().to_owned(),
        });
        table.add_row([number.to_string(), name.clone()].into_iter().chain(cells));
    }
    for (what, endings) in [
        ("ok", &[Ending::Ok][..]),
        ("closed", &[Ending::Closed]),
        ("skipped", &[Ending::Skipped]),
        ("bad", &[Ending::Failed, Ending::Hung, Ending::Missing]),
    ] {
        let cells = runs.iter().map(|run| {
            let results = run.results.iter();
            let these = results.filter(|result| endings.contains(&result.ending));
            these.count().to_string()
        });
        table.add_row([String::new(), what.into()].into_iter().chain(cells));
    }
    let seconds = runs.iter().map(|run| format!("{} s", run.seconds()));
    table.add_row(
        [String::new(), "all of them".into()]
            .into_iter()
            .chain(seconds),
    );
    table
}

fn junit(runs: &[Run]) -> Report {
    let mut report = Report::new("client binding");
    for run in runs {
        let mut suite = TestSuite::new(run.name.as_str());
        for result in &run.results {
            let failure = NonSuccessKind::Failure;
            let mut status = match result.ending {
                Ending::Ok | Ending::Closed => TestCaseStatus::success(),
                Ending::Skipped => TestCaseStatus::skipped(),
                _ => TestCaseStatus::non_success(failure),
            };
            if result.ending.is_bad() || result.ending == Ending::Skipped {
                status.set_message(result.detail.as_str());
            }
            let name = format!("binding_{} {}", result.case.number, result.case.name);
            let mut case = TestCase::new(name, status);
            case.set_time(Duration::from_millis(result.millis));
            suite.add_test_case(case);
        }
        for trouble in &run.system {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(trouble.as_str());
            suite.add_test_case(TestCase::new("the system", status));
        }
        report.add_test_suites(once(suite));
    }
    report
}
