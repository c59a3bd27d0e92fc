// SPDX-License-Identifier: BSD-2-Clause
//! Compares runs of upstream's own suite, xtest, case by case.

mod judge;
mod run;

use anyhow::Context;
use clap::Parser;
use client_binding_evidence::exit_code;
use comfy_table::{Table, presets};
use judge::{Judgement, judge, listed};
use run::{Run, SUITES};
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

/// Says what upstream's own suite does otherwise on one system than on another
///
/// Exit status: 0 nothing differs but what is listed, 1 something does, 2 a file cannot be
/// read.
#[derive(Parser)]
#[command(name = "xtest-report", version)]
struct Args {
    /// A folder for each system, named like it, with what `xtask xtest` kept of its run:
    /// output, status and errors. The others are compared with the first
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// What must differ: lines of case, system and reason. A listed case that does not
    /// differ is an error
    #[arg(long)]
    differences: PathBuf,
    /// Which of xtest's suites each of them ran
    #[arg(long = "suite", required = true, value_parser = SUITES)]
    suites: Vec<String>,
}

fn main() -> ExitCode {
    exit_code("xtest-report", report(&Args::parse()))
}

fn report(args: &Args) -> anyhow::Result<bool> {
    let path = &args.differences;
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let mut listed = listed(&text).with_context(|| path.display().to_string())?;
    listed.retain(|line| line.is_of(&args.suites));
    let runs = args
        .runs
        .iter()
        .map(|folder| Run::read(folder, &args.suites));
    let runs = runs.collect::<anyhow::Result<Vec<_>>>()?;
    println!("{}", table(&runs));
    let Judgement { expected, bad } = judge(&runs, &listed);
    for line in expected.iter().chain(&bad) {
        println!("{line}");
    }
    println!(
        "xtest on {} systems: {} differences that are listed, {} things not as they should be",
        runs.len(),
        expected.len(),
        bad.len()
    );
    Ok(bad.is_empty())
}

fn table(runs: &[Run]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["system", "cases", "failed", "subtests", "failed"]);
    for run in runs {
        let failed = run.cases.iter().filter(|case| !case.is_good()).count();
        let counts = [
            run.cases.len() as u64,
            failed as u64,
            run.subtests,
            run.failed_subtests,
        ];
        let counts = counts.map(|count| count.to_string());
        table.add_row([run.name.clone()].into_iter().chain(counts));
    }
    table
}
