// SPDX-License-Identifier: BSD-2-Clause
//! Prints the demonstration's results side by side and says whether they are as expected.

#![forbid(unsafe_code)]

use clap::Parser;
use client_binding_demo_rows::{Compared, Played, Row, Stack, compare, parse};
use comfy_table::{Table, presets};
use std::fs;
use std::iter::once;
use std::path::Path;
use std::process::ExitCode;

/// Prints what the demonstration showed, a column for each run
///
/// Exit status: 0 all as expected, 1 something was not, 2 the files cannot be read.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Which stack it was, and the file with what binding-demo printed there. Stacks:
    /// stock (a stock core), bound (client binding in core and driver), unattested (in
    /// the core only)
    #[arg(required = true, value_name = "STACK=FILE", value_parser = run)]
    runs: Vec<(Stack, String)>,
}

fn run(text: &str) -> Result<(Stack, String), String> {
    let (name, file) = text.split_once('=').ok_or("write STACK=FILE")?;
    let stack = Stack::ALL.into_iter().find(|stack| stack.name() == name);
    let stack = stack.ok_or_else(|| format!("there is no stack {name:?}"))?;
    Ok((stack, file.into()))
}

fn main() -> ExitCode {
    let mut runs = Vec::new();
    for (stack, file) in Args::parse().runs {
        match read(file.as_ref()) {
            Ok(run) => runs.push((stack, run)),
            Err(error) => {
                eprintln!("demo-report: {file}: {error}");
                return ExitCode::from(2);
            }
        }
    }
    let columns: Vec<_> = runs
        .iter()
        .map(|(stack, run)| compare(*stack, run))
        .collect();
    println!("{}", table(&runs, &columns));
    let deviations: Vec<_> = columns
        .iter()
        .flatten()
        .filter(|cell| !cell.holds())
        .collect();
    if deviations.is_empty() {
        println!("All {} rows are as expected.", Row::ALL.len());
        ExitCode::SUCCESS
    } else {
        println!("Not as expected:");
        for deviation in deviations {
            println!("  {}", describe(deviation));
        }
        ExitCode::FAILURE
    }
}

fn read(path: &Path) -> Result<Vec<Played>, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    parse(&text)
}

fn table(runs: &[(Stack, Vec<Played>)], columns: &[Vec<Compared<'_>>]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(once("attack").chain(runs.iter().map(|(stack, _)| stack.name())));
    for (line, row) in Row::ALL.iter().enumerate() {
        let cells = columns.iter().map(|column| cell(&column[line]));
        table.add_row(once(row.title().to_owned()).chain(cells));
    }
    table
}

fn cell(compared: &Compared<'_>) -> String {
    let word = compared
        .played
        .map_or("missing", |played| played.outcome.word());
    let mark = if compared.holds() { "" } else { " !" };
    format!("{word}{mark}")
}

fn describe(compared: &Compared<'_>) -> String {
    let (id, stack) = (compared.row.id(), compared.stack.name());
    let expected = compared.expected().word();
    match compared.played {
        None => format!("{id} on {stack}: {expected} expected, not played"),
        Some(played) => format!(
            "{id} on {stack}: {expected} expected, {}: {}",
            played.outcome.word(),
            played.detail
        ),
    }
}
