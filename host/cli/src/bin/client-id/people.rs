// SPDX-License-Identifier: BSD-2-Clause
//! Who has which number in the system that the TA is made for, seldom this one.

use anyhow::{Context, Result, ensure};
use client_binding_client::identity::people;
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
        let known = people(&text).find(|(known, _)| *known == name);
        let (_, number) = known.with_context(|| format!("{shown} does not know {name:?}"))?;
        Ok(number)
    }
}
