// SPDX-License-Identifier: BSD-2-Clause
//! Prints the demonstration's results side by side and says whether they are as expected.

#![forbid(unsafe_code)]

use clap::Parser;
use client_binding_demo_rows::{Compared, Outcome, Played, compare, parse};
use comfy_table::{Table, presets};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Prints what the demonstration showed on the stock and on the bound stack
///
/// Exit status: 0 all as expected, 1 something was not, 2 the files cannot be read.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// What binding-demo printed on the stock stack
    stock: PathBuf,
    /// What binding-demo printed on the bound stack
    bound: PathBuf,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let (stock, bound) = match (read(&args.stock), read(&args.bound)) {
        (Ok(stock), Ok(bound)) => (stock, bound),
        (Err(error), _) | (_, Err(error)) => {
            eprintln!("demo-report: {error}");
            return ExitCode::from(2);
        }
    };
    let lines = compare(&stock, &bound);
    println!("{}", table(&lines));
    let deviations: Vec<_> = lines.iter().flat_map(deviations).collect();
    if deviations.is_empty() {
        println!("All {} rows are as expected.", lines.len());
        ExitCode::SUCCESS
    } else {
        println!("Not as expected:");
        for deviation in &deviations {
            println!("  {deviation}");
        }
        ExitCode::FAILURE
    }
}

fn read(path: &Path) -> Result<Vec<Played>, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string());
    text.and_then(|text| parse(&text))
        .map_err(|error| format!("{}: {error}", path.display()))
}

fn table(lines: &[Compared<'_>]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["attack", "stock", "bound"]);
    for line in lines {
        table.add_row([
            line.row.title().to_owned(),
            cell(line.stock, line.row.on_stock()),
            cell(line.bound, line.row.on_bound()),
        ]);
    }
    table
}

fn cell(played: Option<&Played>, expected: Outcome) -> String {
    match played {
        None => "missing !".into(),
        Some(played) if played.outcome == expected => expected.word().into(),
        Some(played) => format!("{} !", played.outcome.word()),
    }
}

fn deviations(line: &Compared<'_>) -> Vec<String> {
    [
        ("stock", line.stock, line.row.on_stock()),
        ("bound", line.bound, line.row.on_bound()),
    ]
    .into_iter()
    .filter_map(|(stack, played, expected)| {
        let (id, expected) = (line.row.id(), expected.word());
        match played {
            None => Some(format!("{id} on {stack}: {expected} expected, not played")),
            Some(played) if played.outcome.word() != expected => Some(format!(
                "{id} on {stack}: {expected} expected, {}: {}",
                played.outcome.word(),
                played.detail
            )),
            Some(_) => None,
        }
    })
    .collect()
}
