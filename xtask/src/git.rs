// SPDX-License-Identifier: BSD-2-Clause
//! git, the same for everybody: nobody's configuration changes what it writes.

use anyhow::{Context, Result, ensure};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Who commits: the patches name their authors.
const COMMITTER: &str = "series";

fn git<S: AsRef<OsStr>>(tree: &Path, args: &[S]) -> Command {
    let mut command = Command::new("git");
    command.args(["-c", "core.abbrev=12", "-c", "core.autocrlf=false"]);
    command.args(["-c", "core.hooksPath=/dev/null", "-C"]);
    command.arg(tree).args(args);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.env("GIT_CONFIG_SYSTEM", "/dev/null");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), COMMITTER);
        command.env(format!("GIT_{who}_EMAIL"), COMMITTER);
        // The base is the same commit whenever it is made; git am and git rebase know better.
        command.env(format!("GIT_{who}_DATE"), "@0 +0000");
    }
    command
}

/// Runs git in the tree.
pub(crate) fn run<S: AsRef<OsStr>>(tree: &Path, args: &[S]) -> Result<()> {
    said(&mut git(tree, args)).map(drop)
}

fn said(command: &mut Command) -> Result<String> {
    let output = command.output().context("cannot run git")?;
    let (said, moaned) = (output.stdout, String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(said)?;
    let all = format!("git failed\n{said}{moaned}");
    ensure!(output.status.success(), "{}", all.trim_end());
    Ok(said.trim_end().into())
}

/// What a build leaves in a tree, and what the scripts here note in one.
const PRODUCTS: &str = "/.stamp\n/.checked\n/out\n*.o\n*.ko\n*.mod\n*.mod.c\n*.cmd\n.tmp_*\n\
    modules.order\nModule.symvers\n";

/// Commits a folder, which is left as it is, to the tree's repository, without a parent.
pub(crate) fn import(tree: &Path, folder: &Path, message: &str) -> Result<String> {
    let folder = folder
        .canonicalize()
        .with_context(|| folder.display().to_string())?;
    let work = tempfile::tempdir()?;
    let exclude = work.path().join("exclude");
    fs::write(&exclude, PRODUCTS)?;
    let exclude = format!("core.excludesFile={}", exclude.display());
    let there = format!("--work-tree={}", folder.display());
    let here = |args: &[&str]| {
        let all = ["-c", &exclude, "--git-dir=.git", &there];
        let mut command = git(tree, &[&all, args].concat());
        said(command.env("GIT_INDEX_FILE", work.path().join("index")))
    };
    here(&["add", "--all", &folder.display().to_string()])?;
    let id = here(&["write-tree"])?;
    here(&["commit-tree", "-m", message, &id])
}

/// The number that git has for a file.
pub(crate) fn blob(octets: &[u8]) -> Result<String> {
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), octets)?;
    let mut command = git(Path::new("."), &["hash-object", "--no-filters", "--"]);
    said(command.arg(file.path()))
}
