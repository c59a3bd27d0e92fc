// SPDX-License-Identifier: BSD-2-Clause
//! What this repository does with itself.

mod arch;
mod bases;
mod boards;
mod check;
mod git;
mod interrupt;
mod machine;
mod mutants;
mod patch;
mod runs;
mod series;
mod tas;
mod tool;

use arch::Arch;
use clap::{Parser, Subcommand};
use interrupt::{INTERRUPTED, Interrupted};
use series::Series;
use std::path::PathBuf;
use std::process::ExitCode;
use tas::Ta;

/// Works on the foreign trees of this repository and their patch series, builds its TAs, boots its systems and tries them
///
/// What boots or builds runs in the build root: scripts/in-root xtask ...
///
/// Exit status: 0 done, 1 it could not be done and why, 2 that is no command, 130 interrupted. What boots passes on what a report or
/// a boot says: 2 a file cannot be read, 124 time-out, 125 the system failed.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", version)]
struct Args {
    #[command(subcommand)]
    topic: Topic,
}

#[derive(Subcommand)]
enum Topic {
    /// Print what bases.toml says, for make and scripts
    Variables,
    /// Build and sign TAs, as written and for a stock core: OUT/bound and OUT/stock go over a guest's root
    ///
    /// Needs TA_DEV_KIT_DIR and CARGO_TARGET_DIR.
    Tas {
        /// For which systems
        #[arg(long, value_enum, default_value_t)]
        arch: Arch,
        /// A folder
        out: PathBuf,
        /// Which
        #[arg(required = true)]
        tas: Vec<Ta>,
        /// For vault-c: what `client-id --c` printed, if it is to name its clients
        #[arg(long, value_name = "FILE")]
        clients: Option<PathBuf>,
    },
    /// Print the UUID of a TA in Rust, or of a flavour of the probe
    Uuid {
        /// Its name
        name: String,
    },
    /// Boot the system that was built, run a command in it, power off
    ///
    /// Exit status: the command's; 124 time-out; 125 the system failed: no boot, a panic in the secure world, an oops in Linux.
    Boot(machine::Boot),
    /// Play the regression suite, on a fresh boot for each system, and print the table of all results
    ///
    /// After `scripts/build suite`. Exit status 0 only if every case ended as it should in each of them. Kept of a run:
    /// build/suite/runs/NAME, for machines build/suite/junit.xml.
    Suite(runs::Suite),
    /// Play upstream's own suite on each system, after `scripts/build xtest`
    Xtest(runs::Xtest),
    /// Show the demonstration. Exit status 0 only if every row is as expected
    Demo(runs::Demo),
    /// Count what a call costs, after `scripts/build bench-files`. Exit status 0 only if nothing rose
    Bench(runs::Bench),
    /// Measure how many commands a second clients have answered who wait for each other, after `scripts/build throughput-files`
    ///
    /// Exit status 1 if the bound system was slower than the stock one in each round of a row.
    Throughput(runs::Throughput),
    /// Bring back bugs, one at a time, and see what notices, after `scripts/build suite hostile`
    ///
    /// A mutant is a patch of host/test/mutants with a head: `Tree:` says to what it is applied (optee, linux, rust; off for the
    /// core that is built without the option), `Rule:` which rule it breaks, `Cases:` which cases are run (if missing, those of
    /// the rule), `Options:` what else the core is built with. Exit status 1 if one survived.
    Mutants(mutants::Mutants),
    /// Build the core of each platform with user TAs, stock and with client binding, and print what that adds to tee.bin
    ///
    /// After `scripts/build board-files`; what was built of the same before is not built again. An output ends up in build/boards, its
    /// log beside it. Exit status 1 if one does not build with client binding that does without.
    Boards(boards::Boards),
    /// The series that bases.toml names, by their base: optee, linux, linux-7.3
    Series {
        #[command(subcommand)]
        action: Action,
    },
}

#[derive(Subcommand)]
enum Action {
    /// Write the patches as they can be sent or given to git am: whole, with the files they bring
    Export {
        /// Which series
        name: String,
        /// A folder, empty or not there yet; parts become folders in it
        to: PathBuf,
    },
    /// Lay out a git tree with a commit for each patch, on a commit "base" of the tree without them
    Checkout {
        /// Which series
        name: String,
        /// A folder that does not exist yet
        to: PathBuf,
        /// The tree without the series
        #[arg(long, value_name = "FOLDER")]
        base: Option<PathBuf>,
    },
    /// Print the lines that the series of two bases of a tree add, remove or tell differently: only those may be that the file
    /// "differences" of the second one has, beside its patches
    Compare {
        /// The tree's own, like linux
        one: String,
        /// A further one, like linux-7.3
        other: String,
    },
    /// Apply a series to a copy of the tree, patch by patch, and build after each
    Check(check::Check),
    /// Write the commits since "base" back as patches and files
    ///
    /// A patch stays in the part of the one with its subject; a new subject goes with the commit before it.
    Save {
        /// Which series
        name: String,
        /// The tree that checkout or rebase made
        from: PathBuf,
        /// Write nothing, fail if something would change
        #[arg(long)]
        check: bool,
    },
    /// Move the commits of a tree that checkout made onto another tree, and say what conflicts
    Rebase {
        /// Which series
        name: String,
        /// The tree that checkout made
        tree: PathBuf,
        /// The other tree without the series
        onto: PathBuf,
    },
}

fn main() -> ExitCode {
    match run(&Args::parse().topic) {
        Ok(code) => ExitCode::from(code),
        Err(error) if error.is::<Interrupted>() => ExitCode::from(INTERRUPTED),
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(topic: &Topic) -> anyhow::Result<u8> {
    let quick = matches!(
        topic,
        Topic::Variables | Topic::Tas { .. } | Topic::Uuid { .. } | Topic::Series { .. }
    );
    if !quick {
        interrupt::watch()?;
    }
    match topic {
        Topic::Variables => print!("{}", bases::variables()?),
        Topic::Tas {
            arch,
            out,
            tas,
            clients,
        } => tas::build(*arch, out, tas, clients.as_deref())?,
        Topic::Uuid { name } => println!("{}", tas::uuid(name)?.text),
        Topic::Boot(options) => return machine::boot(options),
        Topic::Suite(options) => return runs::suite(options),
        Topic::Xtest(options) => return runs::xtest(options),
        Topic::Demo(options) => return runs::demo(options),
        Topic::Bench(options) => return runs::bench(options),
        Topic::Throughput(options) => return runs::throughput(options),
        Topic::Mutants(options) => return mutants::mutants(options),
        Topic::Boards(options) => return boards::boards(options),
        Topic::Series { action } => match action {
            Action::Export { name, to } => drop(Series::named(name)?.export(to)?),
            Action::Checkout { name, to, base } => {
                Series::named(name)?.checkout(to, base.as_deref())?;
            }
            Action::Compare { one, other } => series::compare(one, other)?,
            Action::Check(options) => check::check(options)?,
            Action::Save { name, from, check } => Series::named(name)?.save(from, *check)?,
            Action::Rebase { name, tree, onto } => Series::named(name)?.rebase(tree, onto)?,
        },
    }
    Ok(0)
}
