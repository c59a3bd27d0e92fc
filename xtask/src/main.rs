// SPDX-License-Identifier: BSD-2-Clause
//! What this repository does with itself.

mod bases;
mod git;
mod patch;
mod series;
mod tas;

use clap::{Parser, Subcommand};
use series::Series;
use std::path::PathBuf;
use std::process::ExitCode;
use tas::Ta;

/// Works on the foreign trees of this repository and their patch series, and builds its TAs
///
/// Exit status: 0 done, 1 it could not be done and why, 2 that is no command.
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
    /// The series that bases.toml names, by their tree: optee or linux
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
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(topic: &Topic) -> anyhow::Result<()> {
    match topic {
        Topic::Variables => {
            print!("{}", bases::variables()?);
            Ok(())
        }
        Topic::Tas { out, tas, clients } => tas::build(out, tas, clients.as_deref()),
        Topic::Uuid { name } => {
            println!("{}", tas::uuid(name)?.text);
            Ok(())
        }
        Topic::Series { action } => match action {
            Action::Export { name, to } => Series::named(name)?.export(to).map(drop),
            Action::Checkout { name, to, base } => {
                Series::named(name)?.checkout(to, base.as_deref())
            }
            Action::Save { name, from, check } => Series::named(name)?.save(from, *check),
            Action::Rebase { name, tree, onto } => Series::named(name)?.rebase(tree, onto),
        },
    }
}
