// SPDX-License-Identifier: BSD-2-Clause
//! Who has which number in the system that the TA is made for, seldom this one.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};

/// The `etc` of a system.
pub(crate) struct People(PathBuf);

impl People {
    pub(crate) fn of(root: &Path) -> Self {
        Self(root.join("etc"))
    }

    pub(crate) fn uid(&self, name: &str) -> Result<u32> {
        self.number("passwd", "uid", name)
    }

    pub(crate) fn gid(&self, name: &str) -> Result<u32> {
        self.number("group", "gid", name)
    }

    fn number(&self, file: &str, kind: &str, name: &str) -> Result<u32> {
        if let Ok(number) = name.parse() {
            // (uid_t)-1 and (gid_t)-1 mean nobody.
            ensure!(number != u32::MAX, "{name} is no {kind}");
            return Ok(number);
        }
        let path = self.0.join(file);
        let shown = path.display();
        let text = fs::read_to_string(&path).with_context(|| {
            format!("cannot read {shown} to look up {name:?}: give --root or a number")
        })?;
        find(&text, name).with_context(|| format!("{shown} does not know {name:?}"))
    }
}

/// passwd(5) and group(5): the name stands first, its number third.
fn find(text: &str, name: &str) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let text = "root:x:0:0:root:/root:/bin/sh\nbad:x\nowner:x:1000:7:::\n";
        assert_eq!(find(text, "owner"), Some(1000));
        assert_eq!(find(text, "root"), Some(0));
        for nobody in ["own", "bad", "x", ""] {
            assert_eq!(find(text, nobody), None, "{nobody}");
        }
    }
}
