// SPDX-License-Identifier: BSD-2-Clause
//! A series: patches in the folders of its parts, and the files that single patches bring.

use crate::bases::{self, Spec, top};
use crate::git;
use crate::patch::Patch;
use anyhow::{Context, Result, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) struct Series {
    name: String,
    spec: Spec,
}

/// A patch and where it stands below the folder of patches.
struct Placed {
    at: PathBuf,
    patch: Patch,
}

/// The commit below the series.
const BASE: &str = "base";

impl Series {
    pub(crate) fn named(name: &str) -> Result<Self> {
        let mut spec = bases::series(name)?;
        spec.patches = top().join(spec.patches);
        spec.files = top().join(spec.files);
        let name = name.into();
        Ok(Self { name, spec })
    }

    /// All of them in their order, as they stand in the repository.
    fn read(&self) -> Result<Vec<Placed>> {
        let mut found = Vec::new();
        let mut folders = vec![self.spec.patches.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path
                    .extension()
                    .is_some_and(|extension| extension == "patch")
                {
                    found.push(path);
                }
            }
        }
        found.sort();
        let placed = found.into_iter().map(|path| {
            let read = || Patch::parse(&fs::read_to_string(&path)?);
            let patch = read().with_context(|| path.display().to_string())?;
            let at = path.strip_prefix(&self.spec.patches)?.to_owned();
            Ok(Placed { at, patch })
        });
        placed.collect()
    }

    /// All of them in their order, whole.
    fn whole(&self) -> Result<Vec<Placed>> {
        let mut placed = self.read()?;
        let mut taken = BTreeSet::new();
        for Placed { at, patch } in &mut placed {
            let missing: Vec<_> = patch.missing().map(str::to_owned).collect();
            for path in missing {
                let file = self.spec.files.join(&path);
                let whole = fs::read_to_string(&file)
                    .map_err(anyhow::Error::from)
                    .and_then(|content| {
                        patch.insert(&path, &content, &git::blob(content.as_bytes())?)
                    });
                whole.with_context(|| {
                    format!("{}, which {} brings", file.display(), at.display())
                })?;
                ensure!(taken.insert(path), "{} is brought twice", file.display());
            }
        }
        Ok(placed)
    }

    /// Tells where they are now, in their order.
    pub(crate) fn export(&self, to: &Path) -> Result<Vec<PathBuf>> {
        let placed = self.whole()?;
        let is_empty = fs::read_dir(to).map_or(true, |mut entries| entries.next().is_none());
        ensure!(is_empty, "{} is not empty", to.display());
        let written = placed.into_iter().map(|Placed { at, patch }| {
            let path = to.join(&at);
            write(&path, &patch.text())?;
            self.copy_letter(&at, to)?;
            Ok(path)
        });
        written.collect()
    }

    /// Puts what introduces the part of a patch beside it, if there is such a letter.
    fn copy_letter(&self, patch: &Path, to: &Path) -> Result<()> {
        let letter = patch.with_file_name("cover-letter.txt");
        let from = self.spec.patches.join(&letter);
        if from.is_file() {
            fs::copy(&from, to.join(letter)).with_context(|| from.display().to_string())?;
        }
        Ok(())
    }

    pub(crate) fn checkout(&self, to: &Path, base: Option<&Path>) -> Result<()> {
        let built = top().join(format!("build/src/{}-stock", self.name));
        let base = base.unwrap_or(&built);
        ensure!(
            base.is_dir(),
            "no folder {}: run make once, or name one with --base",
            base.display()
        );
        ensure!(!to.exists(), "{} is there already", to.display());
        let folder = tempfile::tempdir()?;
        let patches = self.export(folder.path())?;
        fs::create_dir_all(to).with_context(|| to.display().to_string())?;
        git::run(to, &["init", "--quiet", "--initial-branch=series"])?;
        let base = git::import(to, base, "The tree without the series")?;
        git::run(to, &["tag", BASE, &base])?;
        git::run(to, &["reset", "--quiet", "--hard", BASE])?;
        let mut args: Vec<PathBuf> = [
            "am",
            "--quiet",
            "--keep-cr",
            "--committer-date-is-author-date",
        ]
        .map(PathBuf::from)
        .into();
        args.extend(patches);
        git::run(to, &args)
    }

    pub(crate) fn save(&self, from: &Path, check: bool) -> Result<()> {
        is_checkout(from)?;
        let old = self.read()?;
        let mut placed = self.format(from, &old)?;
        let files = take_out(&mut placed).into_iter();
        let files = files.map(|(path, content)| (self.spec.files.join(path), content));
        let patches = placed.iter();
        let patches =
            patches.map(|placed| (self.spec.patches.join(&placed.at), placed.patch.text()));
        let new: BTreeMap<_, _> = files.chain(patches).collect();

        let mut changes = 0;
        for (path, text) in &new {
            if fs::read_to_string(path).is_ok_and(|old| old == *text) {
                continue;
            }
            println!("{}", shown(path));
            changes += 1;
            if !check {
                write(path, text)?;
            }
        }
        for Placed { at, patch } in &old {
            let files = patch.missing().map(|path| self.spec.files.join(path));
            let gone = files.chain([self.spec.patches.join(at)]);
            for path in gone.filter(|path| !new.contains_key(path)) {
                println!("{}: gone", shown(&path));
                changes += 1;
                if !check {
                    fs::remove_file(&path).with_context(|| path.display().to_string())?;
                }
            }
        }
        ensure!(!check || changes == 0, "{changes} files would change");
        Ok(())
    }

    /// The commits since the base as patches, each in the part where it was, or is now.
    fn format(&self, from: &Path, old: &[Placed]) -> Result<Vec<Placed>> {
        let written = tempfile::tempdir()?;
        let numbered = match self.spec.numbered {
            true => "--numbered",
            false => "--no-numbered",
        };
        let to = format!("--output-directory={}", written.path().display());
        let range = format!("{BASE}..HEAD");
        git::run(from, &["diff", "--quiet", "HEAD"])
            .context("there are changes that are not committed")?;
        let format = [
            "format-patch",
            "--quiet",
            "--zero-commit",
            "--no-signature",
            "--no-renames",
            "--no-ext-diff",
            "--diff-algorithm=myers",
            numbered,
            &to,
            &range,
        ];
        git::run(from, &format)?;
        let names = fs::read_dir(written.path())?.map(|entry| Ok(entry?.file_name()));
        let mut names = names.collect::<Result<Vec<_>>>()?;
        names.sort();
        ensure!(!names.is_empty(), "no commit since {BASE:?}");

        let part = |placed: &Placed| placed.at.parent().map(Path::to_owned).unwrap_or_default();
        let mut parts = BTreeMap::new();
        for placed in old {
            parts.insert(placed.patch.subject()?, part(placed));
        }
        let mut here = old.first().map(part).unwrap_or_default();
        let mut placed = Vec::new();
        for name in names {
            let patch = Patch::parse(&fs::read_to_string(written.path().join(&name))?)?;
            if let Some(known) = parts.get(&patch.subject()?) {
                here.clone_from(known);
            }
            let at = here.join(name);
            placed.push(Placed { at, patch });
        }
        Ok(placed)
    }

    pub(crate) fn rebase(&self, tree: &Path, onto: &Path) -> Result<()> {
        ensure!(onto.is_dir(), "no folder {}", onto.display());
        is_checkout(tree)?;
        let other = git::import(tree, onto, "Another tree without the series")?;
        let old = format!("{BASE}^{{commit}}");
        git::run(tree, &["tag", "--force", "old-base", &old])?;
        git::run(tree, &["tag", "--force", BASE, &other])?;
        let result = git::run(
            tree,
            &[
                "rebase",
                "--quiet",
                "--committer-date-is-author-date",
                "--onto",
                BASE,
                "old-base",
            ],
        );
        if let Err(error) = result {
            bail!(
                "{error:#}\n{} is in the middle of it: mend what conflicts there, git add it, git rebase --continue, \
                 and save {} when that is through",
                tree.display(),
                self.name
            );
        }
        Ok(())
    }
}

/// Says where the patches of two series differ: in what they tell, add and remove, not in what is around that.
///
/// Fails if they differ in anything but what the second one's list of differences has, or in less.
pub(crate) fn compare(one: &str, other: &str) -> Result<()> {
    let (one, other) = (Series::named(one)?, Series::named(other)?);
    let once = one.spec.files == other.spec.files;
    ensure!(once, "the files that they bring are not kept once");
    let named = |series: &Series| {
        let all = series.read()?.into_iter();
        all.map(|Placed { at, patch }| Ok((patch.subject()?, (at, patch))))
            .collect::<Result<Vec<_>>>()
    };
    let (ours, theirs) = (named(&one)?, named(&other)?);
    let subjects = |patches: &[(String, (PathBuf, Patch))]| -> Vec<_> {
        let part = |at: &Path| at.parent().map(Path::to_owned).unwrap_or_default();
        let all = patches.iter();
        all.map(|(subject, (at, _))| part(at).join(subject).display().to_string())
            .collect()
    };
    // Which patches there are, and in which order, is compared like the lines of one.
    let mut found = differing(&subjects(&ours), &subjects(&theirs))?;
    for (subject, (_, ours)) in &ours {
        if let Some((_, (_, theirs))) = theirs.iter().find(|(their, _)| their == subject) {
            let lines = differing(&ours.says(), &theirs.says())?.into_iter();
            found.extend(lines.map(|line| format!("{subject}: {line}")));
        }
    }
    found.iter().for_each(|line| println!("{line}"));

    let list = other.spec.patches.join(DIFFERENCES);
    let accounted = match fs::read_to_string(&list) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        read => read.with_context(|| list.display().to_string())?,
    };
    let lines = accounted.lines();
    let mut accounted: Vec<_> = lines.filter(|line| !line.starts_with('#')).collect();
    let list = shown(&list);
    for line in &found {
        let told = accounted.iter().position(|told| told == line);
        let told = told.with_context(|| {
            format!(
                "{list} does not have this line: {line}\nWord both series alike, or say there why that cannot be."
            )
        })?;
        accounted.remove(told);
    }
    if let Some(line) = accounted.first() {
        bail!("{list} has a line that is no difference: {line}");
    }
    println!("{} patches, {} lines differ", ours.len(), found.len());
    Ok(())
}

/// Beside the parts of a further base's series: the lines that differ from those of the tree's own, and after # why.
const DIFFERENCES: &str = "differences";

/// What diff says of these lines.
fn differing(ours: &[String], theirs: &[String]) -> Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
    write(&one, &(ours.join("\n") + "\n"))?;
    write(&other, &(theirs.join("\n") + "\n"))?;
    let output = Command::new("diff").arg(one).arg(other).output();
    let output = output.context("cannot run diff")?;
    ensure!(
        matches!(output.status.code(), Some(0 | 1)),
        "diff: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said = String::from_utf8(output.stdout)?;
    let lines = said.lines().filter(|line| line.starts_with(['<', '>']));
    Ok(lines.map(str::to_owned).collect())
}

/// Takes those new files out of the patches that no other patch touches.
fn take_out(placed: &mut [Placed]) -> Vec<(String, String)> {
    let mut touched: BTreeMap<String, usize> = BTreeMap::new();
    for change in placed.iter().flat_map(|placed| placed.patch.changes()) {
        *touched.entry(change.path.clone()).or_default() += 1;
    }
    let mut files = Vec::new();
    for Placed { patch, .. } in placed {
        let new = patch.changes().iter().filter(|change| change.is_new());
        let alone: Vec<_> = new
            .map(|change| change.path.clone())
            .filter(|path| touched.get(path) == Some(&1))
            .collect();
        for path in alone {
            if let Some(content) = patch.remove(&path) {
                files.push((path, content));
            }
        }
    }
    files
}

fn is_checkout(tree: &Path) -> Result<()> {
    let is = tree.join(".git").is_dir();
    ensure!(is, "{} is no tree that checkout made", tree.display());
    Ok(())
}

fn shown(path: &Path) -> String {
    path.strip_prefix(top())
        .unwrap_or(path)
        .display()
        .to_string()
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    fs::write(path, text).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told_and_nothing_else() {
        let lines = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let differing = |ours, theirs| {
            let said = differing(&lines(ours), &lines(theirs));
            said.unwrap().join(" ")
        };
        assert_eq!(differing("a b c", "a b c"), "");
        assert_eq!(differing("a b c d e", "a x c d y e"), "< b > x > y");
        assert_eq!(differing("a a", "a"), "< a");
    }
}
