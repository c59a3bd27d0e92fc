// SPDX-License-Identifier: BSD-2-Clause
//! Prints the demonstration's results side by side and says whether they are as expected.

use clap::Parser;
use client_binding_demo_rows::{
    Compared, Played, Row, Stack, compare, compare_refused, parse, parse_refused,
};
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
    /// What `bindctl denials --json` printed after the last of them: compared with what
    /// the rows attempt
    #[arg(long, value_name = "FILE")]
    refused: Option<String>,
}

fn run(text: &str) -> Result<(Stack, String), String> {
    let (name, file) = text.split_once('=').ok_or("write STACK=FILE")?;
    let stack = Stack::ALL.into_iter().find(|stack| stack.name() == name);
    let stack = stack.ok_or_else(|| format!("there is no stack {name:?}"))?;
    Ok((stack, file.into()))
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut runs = Vec::new();
    for (stack, file) in args.runs {
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
    let as_expected = deviations.is_empty();
    if as_expected {
        println!("All {} rows are as expected.", Row::ALL.len());
    } else {
        println!("Not as expected:");
        for deviation in deviations {
            println!("  {}", describe(deviation));
        }
    }
    let told_of_all = args.refused.is_none_or(|file| told_of_all(file.as_ref()));
    if as_expected && told_of_all {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Whether OP-TEE tells of exactly what was attempted.
fn told_of_all(file: &Path) -> bool {
    let text = fs::read_to_string(file).map_err(|error| error.to_string());
    let compared = text
        .and_then(|text| parse_refused(&text))
        .and_then(|refused| compare_refused(&refused));
    match &compared {
        Ok(count) => {
            println!("OP-TEE tells of the {count} attempts that it refused, and of no other.")
        }
        Err(error) => println!("What OP-TEE tells of is not what was refused: {error}"),
    }
    compared.is_ok()
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
