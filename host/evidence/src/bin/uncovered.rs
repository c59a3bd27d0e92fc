// SPDX-License-Identifier: BSD-2-Clause
//! Names what no test reaches: regions never entered, conditions that never were true or never false.

use anyhow::{Context, Result, ensure};
use clap::Parser;
use rustc_demangle::demangle;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{BufReader, stdin};

/// Names what no test reaches in these folders
///
/// Reads what `llvm-cov export` says of instrumented tests from standard input. A region counts as reached if any copy
/// of it is, whichever binary and instance of a generic the copy stands in. Functions below a module `tests` do not count.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Folders of the sources that must be reached, as absolute paths
    #[arg(required = true)]
    folders: Vec<String>,
    /// Say how much was reached, too
    #[arg(long)]
    totals: bool,
}

#[derive(Deserialize)]
struct Export {
    data: Vec<Data>,
}

#[derive(Deserialize)]
struct Data {
    functions: Vec<Function>,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    filenames: Vec<String>,
    regions: Vec<Region>,
    branches: Vec<Branch>,
}

type Span = (u64, u64, u64, u64);

/// Lines and columns, count, file, expanded file, kind.
#[derive(Deserialize)]
#[expect(dead_code, reason = "the expanded file")]
struct Region(u64, u64, u64, u64, u64, usize, usize, u64);
/// The same with two counts: true and false.
#[derive(Deserialize)]
#[expect(dead_code, reason = "the fields after the file")]
struct Branch(u64, u64, u64, u64, u64, u64, usize, usize, u64);

/// A region of code; others are gaps between regions.
const CODE: u64 = 0;

/// Whether each place was reached at all.
#[derive(Default)]
struct Reached<'a> {
    regions: BTreeMap<(&'a str, Span), bool>,
    branches: BTreeMap<(&'a str, Span), [bool; 2]>,
}

impl<'a> Reached<'a> {
    fn add(&mut self, function: &'a Function, folders: &[String]) {
        let file = |index: usize| {
            let file = function.filenames.get(index)?.as_str();
            let ours = |folder: &String| {
                file.strip_prefix(folder)
                    .is_some_and(|rest| rest.starts_with('/'))
            };
            folders.iter().any(ours).then_some(file)
        };
        for &Region(line, column, end, end_column, count, index, _, kind) in &function.regions {
            if let (Some(file), CODE) = (file(index), kind) {
                let span = (line, column, end, end_column);
                *self.regions.entry((file, span)).or_default() |= count > 0;
            }
        }
        for &Branch(line, column, end, end_column, is_true, is_false, index, ..) in
            &function.branches
        {
            if let Some(file) = file(index) {
                let span = (line, column, end, end_column);
                let ways = self.branches.entry((file, span)).or_default();
                ways[0] |= is_true > 0;
                ways[1] |= is_false > 0;
            }
        }
    }

    fn gaps(&self) -> Vec<String> {
        let regions = self.regions.iter().filter(|(_, reached)| !**reached);
        let regions = regions.map(|((file, span), _)| (file, span, "never reached"));
        let branches = self.branches.iter().flat_map(|((file, span), ways)| {
            let never = [(ways[0], "never true"), (ways[1], "never false")];
            never
                .into_iter()
                .filter(|(way, _)| !way)
                .map(move |(_, what)| (file, span, what))
        });
        let mut gaps: Vec<_> = regions.chain(branches).collect();
        gaps.sort_unstable();
        let line = |(file, span, what): (&&str, &Span, &str)| {
            format!("{file}:{}:{}: {what}", span.0, span.1)
        };
        gaps.into_iter().map(line).collect()
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let export: Export =
        serde_json::from_reader(BufReader::new(stdin())).context("not llvm-cov's JSON")?;
    let mut reached = Reached::default();
    for function in export.data.iter().flat_map(|data| &data.functions) {
        if !demangle(&function.name).to_string().contains("::tests::") {
            reached.add(function, &args.folders);
        }
    }
    ensure!(
        !reached.regions.is_empty() && !reached.branches.is_empty(),
        "nothing of these folders was instrumented"
    );
    let gaps = reached.gaps();
    for gap in &gaps {
        println!("{gap}");
    }
    ensure!(gaps.is_empty(), "{} gaps", gaps.len());
    if args.totals {
        let (regions, branches) = (reached.regions.len(), 2 * reached.branches.len());
        println!("{regions} regions and {branches} ways out of conditions, all reached");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(name: &str, counts: [u64; 3]) -> Function {
        Function {
            name: name.into(),
            filenames: vec!["/src/a/lib.rs".into(), "/other/lib.rs".into()],
            regions: vec![
                Region(1, 2, 3, 4, counts[0], 0, 0, CODE),
                Region(1, 2, 3, 4, 0, 1, 0, CODE),
                Region(5, 2, 5, 4, 0, 0, 0, CODE + 1),
            ],
            branches: vec![Branch(2, 5, 2, 9, counts[1], counts[2], 0, 0, 4)],
        }
    }

    fn gaps(functions: &[Function]) -> Vec<String> {
        let mut reached = Reached::default();
        functions
            .iter()
            .for_each(|function| reached.add(function, &["/src/a".into()]));
        reached.gaps()
    }

    #[test]
    fn each_kind_of_gap_is_named() {
        assert_eq!(gaps(&[function("f", [1, 1, 1])]), [""; 0]);
        assert_eq!(
            gaps(&[function("f", [0, 1, 1])]),
            ["/src/a/lib.rs:1:2: never reached"]
        );
        assert_eq!(
            gaps(&[function("f", [1, 0, 1])]),
            ["/src/a/lib.rs:2:5: never true"]
        );
        assert_eq!(
            gaps(&[function("f", [1, 1, 0])]),
            ["/src/a/lib.rs:2:5: never false"]
        );
    }

    #[test]
    fn copies_count_together() {
        assert_eq!(
            gaps(&[function("f", [1, 0, 1]), function("f", [0, 1, 0])]),
            [""; 0]
        );
    }
}
