// SPDX-License-Identifier: BSD-2-Clause
//! The regression suite: cases that attack every rule of client binding and inject
//! faults, on whatever stack is booted.

mod bench;
mod cases;
#[cfg(test)]
mod rules;
mod runner;
mod stats;
mod supplicant;
mod world;

use clap::{Parser, ValueEnum};
use client_binding_test::{Proves, Stack};
use std::process::ExitCode;

/// Attacks every rule of client binding, injects faults, and looks for leaks
///
/// Must be started as root in a system with /dev/tee0, tee-supplicant and the probe
/// TAs. Exit status: 0 if every case ended as it should on the stack that was named, 1
/// if not, 2 if there is no such case.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Only cases with this number, with this rule (B11), or with this text in their
    /// name; the first digit of a number and x for the others takes a whole chapter (2xxx)
    filters: Vec<String>,
    /// Of these only the attacks: what a bound stack refuses
    #[arg(long)]
    attacks: bool,
    /// Of these only the rows of the demonstration, which need neither the probe TAs nor OP-TEE's
    /// statistics: nobody looks for leaks
    #[arg(long)]
    demonstration: bool,
    /// Print the cases instead of running them
    #[arg(long)]
    list: bool,
    /// What is booted: stock, bound, bound-all (with CFG_CLIENT_BINDING_ALL=y), stock-core
    /// (and the bound driver) or stock-driver (and the bound core)
    #[arg(long, default_value = "bound", value_parser = Stack::named)]
    expect: Stack,
    /// How many sessions the core lets a client have (CFG_CLIENT_BINDING_MAX_SESSIONS), 0 for any number
    #[arg(long, default_value_t = 0)]
    max_sessions: usize,
    /// Also the long cases, and many rounds of the others
    #[arg(long)]
    full: bool,
    /// Run everything so often
    #[arg(long, default_value_t = 1)]
    repeat: u32,
    /// What every random choice comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How to print what happens
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// What a case runs in another program of its own, for example a set-user-id one
    #[arg(long, hide = true, num_args = 2, value_names = ["FD", "SESSION"])]
    invoke_on: Option<Vec<u32>>,
    #[arg(long, hide = true, num_args = 2, value_names = ["FD", "SESSION"])]
    close_on: Option<Vec<u32>>,
    #[arg(long, hide = true, num_args = 2, value_names = ["FD", "SESSION"])]
    open_on: Option<Vec<u32>>,
    /// The same, a case of chapter 9
    #[arg(long, hide = true, value_name = "CASE")]
    play_as_plain_program: Option<u32>,
    /// The same, by orders on stdin
    #[arg(long, hide = true)]
    agent: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(numbers) = &args.invoke_on {
        return cases::invoke_on(numbers);
    }
    if let Some(numbers) = &args.close_on {
        return cases::close_on(numbers);
    }
    if let Some(numbers) = &args.open_on {
        return cases::open_on(numbers);
    }
    if args.agent {
        return cases::serve_orders();
    }
    if let Some(number) = args.play_as_plain_program {
        return cases::play_as_plain_program(number, args.expect);
    }
    let mut chosen = cases::choose(&args.filters);
    chosen.retain(|case| !args.attacks || case.proves == Proves::Refusal);
    chosen.retain(|case| !args.demonstration || case.as_row().is_some());
    if chosen.is_empty() {
        eprintln!("binding-test: no case is meant by that: see --list");
        return ExitCode::from(2);
    }
    if args.list {
        for case in chosen {
            println!("{case}");
        }
        return ExitCode::SUCCESS;
    }
    match cases::become_application().and_then(|()| runner::run(&args, &chosen)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("binding-test: {error:#}");
            ExitCode::FAILURE
        }
    }
}
