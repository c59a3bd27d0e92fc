// SPDX-License-Identifier: BSD-2-Clause
//! Enables fs-verity, so that clients can log in as applications at no cost.

use clap::Parser;
use client_binding_ca::{Failure, finish};
use client_binding_client::app;
use std::path::PathBuf;
use std::process::ExitCode;

/// Makes files unchangeable for good and prints the digest of each
#[derive(Parser)]
#[command(version)]
struct Args {
    /// On a file system that has fs-verity; nobody may have them open for writing
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

fn main() -> ExitCode {
    finish("enable-verity", run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    for file in &args.files {
        let measured = app::protect(file).and_then(|()| app::measure(file));
        let measurement = measured.map_err(Failure::other)?;
        println!("{measurement}  {}", file.display());
    }
    Ok(())
}
