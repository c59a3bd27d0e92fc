// SPDX-License-Identifier: BSD-2-Clause
//! A patch as git format-patch writes it, and the files that it brings, apart or in it.

use anyhow::{Context, Result, ensure};

/// The head of a patch, and what it does to each file.
pub(crate) struct Patch {
    /// All before the first change: mail header, message, and what git says about the changes.
    head: String,
    /// In the order of the paths, as git has them.
    changes: Vec<Change>,
}

pub(crate) struct Change {
    pub(crate) path: String,
    text: String,
}

/// What the line of a change starts with.
const CHANGE: &str = "diff --git a/";
/// What git says in the head of a patch about a file that it brings.
const CREATES: &str = " create mode 100644 ";

impl Patch {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut head = String::new();
        let mut changes: Vec<Change> = Vec::new();
        for line in text.split_inclusive('\n') {
            if let Some(paths) = line.strip_prefix(CHANGE) {
                let (path, _) = paths.split_once(" b/").context("a change without paths")?;
                changes.push(Change {
                    path: path.into(),
                    text: String::new(),
                });
            }
            match changes.last_mut() {
                Some(change) => change.text += line,
                None => head += line,
            }
        }
        Ok(Self { head, changes })
    }

    pub(crate) fn text(&self) -> String {
        let changes = self.changes.iter().map(|change| change.text.as_str());
        self.head.clone() + &changes.collect::<String>()
    }

    /// Without `[PATCH]`, and what git counts in it.
    pub(crate) fn subject(&self) -> Result<String> {
        let (_, rest) = self
            .head
            .split_once("\nSubject: ")
            .context("a patch without a subject")?;
        // A long one goes on in lines that begin with a space.
        let mut lines = rest.lines();
        let mut subject = lines.next().unwrap_or_default().to_owned();
        for line in lines.take_while(|line| line.starts_with(' ')) {
            subject += line;
        }
        let (_, subject) = subject
            .split_once("] ")
            .context("a subject without [PATCH]")?;
        Ok(subject.into())
    }

    /// The new files whose content is not in the patch.
    pub(crate) fn missing(&self) -> impl Iterator<Item = &str> {
        let created = self
            .head
            .lines()
            .filter_map(|line| line.strip_prefix(CREATES));
        created.filter(|path| self.changes.iter().all(|change| change.path != *path))
    }

    /// Puts a new file in, as git would; `blob` is its number.
    pub(crate) fn insert(&mut self, path: &str, content: &str, blob: &str) -> Result<()> {
        ensure!(
            content.ends_with('\n'),
            "{path}: no end of line at its end, or nothing in it"
        );
        let count = content.lines().count();
        let range = if count == 1 {
            "1".into()
        } else {
            format!("1,{count}")
        };
        let zeros = "0".repeat(ABBREVIATION);
        let short = blob.get(..ABBREVIATION).context("no number of a file")?;
        let mut text = format!(
            "{CHANGE}{path} b/{path}\nnew file mode 100644\nindex {zeros}..{short}\n\
             --- /dev/null\n+++ b/{path}\n@@ -0,0 +{range} @@\n"
        );
        for line in content.split_inclusive('\n') {
            text.push('+');
            text += line;
        }
        let at = self
            .changes
            .partition_point(|change| change.path.as_str() < path);
        let path = path.into();
        self.changes.insert(at, Change { path, text });
        Ok(())
    }

    /// Takes a new file out: its content. Nothing if the patch does not bring it.
    pub(crate) fn remove(&mut self, path: &str) -> Option<String> {
        let at = self
            .changes
            .iter()
            .position(|change| change.path == path && change.is_new())?;
        let text = self.changes.remove(at).text;
        let lines = text
            .split_inclusive('\n')
            .skip_while(|line| !line.starts_with("@@ "));
        Some(
            lines
                .skip(1)
                .map(|line| line.strip_prefix('+').unwrap_or(line))
                .collect(),
        )
    }

    pub(crate) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The message, which files it creates, and for each file what is added and removed, without what is around that.
    pub(crate) fn says(&self) -> Vec<String> {
        let message = self.head.lines().skip_while(|line| !line.is_empty());
        let message = message.take_while(|line| *line != "---");
        let created = self.head.lines().filter(|line| line.starts_with(CREATES));
        let changes = self.changes.iter().flat_map(|change| {
            let hunks = change
                .text
                .lines()
                .skip_while(|line| !line.starts_with("@@ "));
            let lines = hunks.filter(|line| line.starts_with(['+', '-']));
            lines.map(|line| format!("{}: {line}", change.path))
        });
        let told = message.chain(created).map(str::to_owned);
        told.chain(changes).collect()
    }
}

impl Change {
    /// An ordinary file that was not there.
    pub(crate) fn is_new(&self) -> bool {
        self.text
            .lines()
            .nth(1)
            .is_some_and(|line| line == "new file mode 100644")
    }
}

/// Digits of a file's number in a patch.
pub(crate) const ABBREVIATION: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "From 0000 Mon Sep 17 00:00:00 2001\nSubject: [PATCH 3/17] tee: say\n who calls\n\n\
        Why.\n---\n a.c | 2 ++\n b.c | 1 +\n create mode 100644 b.c\n\n\
        diff --git a/a.c b/a.c\nindex 1..2 100644\n--- a/a.c\n+++ b/a.c\n@@ -1 +1,2 @@\n x\n+y\n\
        diff --git a/b.c b/b.c\nnew file mode 100644\nindex 000000000000..abcdefabcdef\n--- /dev/null\n\
        +++ b/b.c\n@@ -0,0 +1 @@\n++z\n\
        diff --git a/c.c b/c.c\nindex 1..2 100644\n--- a/c.c\n+++ b/c.c\n@@ -1 +1,2 @@\n x\n+y\n";

    #[test]
    fn a_patch_is_what_was_read() {
        let patch = Patch::parse(PATCH).unwrap();
        assert_eq!(patch.text(), PATCH);
        assert_eq!(patch.subject().unwrap(), "tee: say who calls");
        assert_eq!(patch.missing().count(), 0);
    }

    #[test]
    fn what_is_taken_out_is_missing_until_it_is_put_in() {
        let mut patch = Patch::parse(PATCH).unwrap();
        assert_eq!(patch.remove("a.c"), None, "it is not new");
        assert_eq!(patch.remove("b.c").as_deref(), Some("+z\n"));
        assert_eq!(patch.missing().collect::<Vec<_>>(), ["b.c"]);
        let mut patch = Patch::parse(&patch.text()).unwrap();
        patch.insert("b.c", "+z\n", "abcdefabcdef0123").unwrap();
        assert_eq!(patch.text(), PATCH);
        assert!(patch.insert("d.c", "no end", "abcdefabcdef").is_err());
    }

    #[test]
    fn more_lines_are_counted() {
        let mut patch = Patch::parse(PATCH).unwrap();
        patch.insert("d.c", "1\n2\n", "abcdefabcdef").unwrap();
        assert!(patch.text().ends_with("@@ -0,0 +1,2 @@\n+1\n+2\n"));
    }
}
