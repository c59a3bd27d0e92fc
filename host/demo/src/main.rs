// SPDX-License-Identifier: BSD-2-Clause
//! Attacks on other people's TEE sessions, with real users, file descriptors and
//! system calls. What each row should show stands in `client-binding-demo-rows`.

mod rows;

use anyhow::{Result, ensure};
use clap::Parser;
use client_binding_demo_rows::{Outcome, Played, Row};
use client_binding_raw::people::Process;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{Pid, geteuid, setpgid};
use std::io::{Write, stdout};
use std::process::ExitCode;
use std::time::Duration;

/// No row takes longer, not even on an emulated machine; what does, hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Plays attacks on other people's TEE sessions and prints what came of each, one
/// JSON object per line
///
/// Must be started as root, to become the people it plays. Exit status: 0 if all rows
/// were played, whatever came of them; what should have come of them is demo-report's
/// matter.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Only the rows with these names
    #[arg(value_parser = row)]
    rows: Vec<Row>,
    /// Print names and titles of the rows
    #[arg(long)]
    list: bool,
    /// What another program does: asks who the client is, on an inherited descriptor
    #[arg(long, num_args = 2, value_names = ["FD", "SESSION"], hide = true)]
    ask: Option<Vec<u32>>,
}

fn row(id: &str) -> Result<Row, String> {
    let row = Row::ALL.iter().find(|row| row.id() == id);
    row.copied()
        .ok_or("there is no such row: see --list".into())
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.list {
        for row in Row::ALL {
            println!("{:16} {}", row.id(), row.title());
        }
        return ExitCode::SUCCESS;
    }
    if let Some(numbers) = &args.ask {
        return rows::ask_on(numbers);
    }
    let result = match args.rows.as_slice() {
        [] => play(Row::ALL),
        rows => play(rows),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("binding-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn play(rows: &[Row]) -> Result<()> {
    ensure!(
        geteuid().is_root(),
        "start me as root: I have to become several users"
    );
    for &row in rows {
        let (outcome, detail) = play_row(row).unwrap_or_else(|error| {
            let reason = format!("{error:#}");
            (Outcome::Error, reason)
        });
        let played = Played {
            id: row.id().into(),
            title: row.title().into(),
            outcome,
            detail,
        };
        let mut out = stdout().lock();
        writeln!(out, "{}", serde_json::to_string(&played)?)?;
        out.flush()?;
    }
    Ok(())
}

/// Each row in a process group of its own, so that one that hangs can be ended and
/// credentials, descriptors and sessions don't outlive it.
fn play_row(row: Row) -> Result<(Outcome, String)> {
    let mut stage = Process::start(|_| {
        setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
        rows::play(row)
    })?;
    stage.line.patience(PATIENCE)?;
    let pid = stage.pid;
    let result = stage.finish();
    if result.is_err() {
        // Without waiting: a process that hangs in the kernel does not even die.
        let _ = killpg(pid, Signal::SIGKILL);
        let _ = waitpid(pid, Some(WaitPidFlag::WNOHANG));
    }
    result
}
