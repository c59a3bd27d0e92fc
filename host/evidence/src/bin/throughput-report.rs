// SPDX-License-Identifier: BSD-2-Clause
//! Compares how many commands a second are answered on the stock and on the bound system, in pairs of boots that came one after
//! the other.

use anyhow::{Context, Result, ensure};
use clap::Parser;
use client_binding_evidence::exit_code;
use comfy_table::{CellAlignment, Table, presets};
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

/// Compares how many commands a second the two systems answer
///
/// Exit status: 0 the bound system is not much slower, 1 in a row it was slower in each round, by a fifth or more in most of
/// them, 2 the files cannot be read.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// What binding-bench --throughput printed: stock, bound, stock, bound and so on
    #[arg(required = true)]
    outputs: Vec<PathBuf>,
}

fn main() -> ExitCode {
    exit_code("throughput-report", report(&Args::parse()))
}

/// The rows of one boot: what was measured, and how many commands a second.
type Rates = Vec<(String, f64)>;

fn report(args: &Args) -> Result<bool> {
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path)?;
        rates(&text)
    };
    let outputs = args
        .outputs
        .iter()
        .map(|path| read(path).with_context(|| path.display().to_string()));
    let (table, slower) = compare(&outputs.collect::<Result<Vec<_>>>()?)?;
    println!("{table}");
    Ok(!slower)
}

fn rates(text: &str) -> Result<Rates> {
    let rate = |line: &str| {
        let (name, rate) = line.split_once('\t')?;
        let rate: f64 = rate.parse().ok()?;
        (rate > 0.0).then(|| (name.to_owned(), rate))
    };
    let lines = text.lines();
    lines
        .map(|line| rate(line).with_context(|| format!("{line:?} is no rate")))
        .collect()
}

/// The table, and whether the bound system is slower in a row: in all rounds, and by more than they differ by chance.
fn compare(outputs: &[Rates]) -> Result<(Table, bool)> {
    let (pairs, rest) = outputs.as_chunks::<2>();
    ensure!(rest.is_empty(), "one of the boots has no other half");
    let names = |rates: &Rates| -> Vec<_> { rates.iter().map(|(name, _)| name.clone()).collect() };
    let rows = names(outputs.first().context("no boot, no rate")?);
    ensure!(!rows.is_empty(), "nothing was measured");
    ensure!(
        outputs.iter().all(|rates| names(rates) == rows),
        "the boots measured different things"
    );

    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header([
        "commands a second",
        "stock",
        "bound",
        "median of the ratios",
        "their range",
    ]);
    let mut slower = false;
    for (row, name) in rows.iter().enumerate() {
        let rates = pairs
            .iter()
            .map(|[stock, bound]| (stock[row].1, bound[row].1));
        let [stock, bound, ratio] = [
            spread(rates.clone().map(|(stock, _)| stock)),
            spread(rates.clone().map(|(_, bound)| bound)),
            spread(rates.map(|(stock, bound)| bound / stock)),
        ];
        slower |= ratio.max < 1.0 && ratio.median <= 0.8;
        table.add_row([
            name.clone(),
            format!("{:.0}", stock.median),
            format!("{:.0}", bound.median),
            format!("{:.2}", ratio.median),
            format!("{:.2} to {:.2}", ratio.min, ratio.max),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    Ok((table, slower))
}

struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

fn spread(numbers: impl Iterator<Item = f64>) -> Spread {
    let mut numbers: Vec<_> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    Spread {
        min: numbers[0],
        median: numbers[numbers.len() / 2],
        max: numbers[numbers.len() - 1],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(one: f64, two: f64) -> Rates {
        rates(&format!("one 1\t{one:.1}\ntwo 2\t{two:.1}\n")).unwrap()
    }

    #[test]
    fn a_row_is_slower_if_all_its_rounds_are_by_much() {
        let stock = output(100.0, 50.0);
        let (one, two) = (output(80.0, 51.0), output(101.0, 40.0));
        let judge = |outputs: &[&Rates]| {
            let outputs: Vec<_> = outputs.iter().map(|&output| output.clone()).collect();
            compare(&outputs).map(|(_, slower)| slower)
        };
        assert!(!judge(&[&stock, &one, &stock, &two]).unwrap());
        assert!(!judge(&[&stock, &output(81.0, 41.0)]).unwrap());
        assert!(judge(&[&stock, &one]).unwrap());
        assert!(judge(&[&stock, &two]).unwrap());
        assert!(judge(&[&stock]).is_err());
        assert!(judge(&[]).is_err());
        assert!(judge(&[&stock, &stock[..1].to_vec()]).is_err());
    }

    #[test]
    fn what_is_no_rate_is_an_error() {
        for text in ["one 1\n", "one 1\tfast\n", "one 1\t0.0\n", "one 1\t-3\n"] {
            assert!(rates(text).is_err(), "{text:?}");
        }
    }
}
