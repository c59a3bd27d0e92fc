// SPDX-License-Identifier: BSD-2-Clause
//! `bases.toml`: the foreign trees.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// The series that a tree gets, as bases.toml tells it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spec {
    pub(crate) patches: PathBuf,
    pub(crate) files: PathBuf,
    pub(crate) numbered: bool,
}

/// The top of the repository.
pub(crate) fn top() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Where everything that is made goes. In the build root that is a fixed place, so that no path of the host enters a binary.
pub(crate) fn build() -> PathBuf {
    match env::var_os("CB_IN_ROOT") {
        Some(_) => PathBuf::from("/build"),
        None => top().join("build"),
    }
}

fn read() -> Result<Table> {
    let read = || Ok::<_, anyhow::Error>(fs::read_to_string(top().join("bases.toml"))?.parse()?);
    read().context("bases.toml")
}

/// Those that have a series, and it.
fn with_series(bases: &Table) -> impl Iterator<Item = (&str, &Value)> {
    let all = bases.iter();
    all.filter_map(|(name, base)| Some((name.as_str(), base.get("series")?)))
}

fn names(bases: &Table, between: &str) -> String {
    let names: Vec<_> = with_series(bases).map(|(name, _)| name).collect();
    names.join(between)
}

/// What a base's series is.
pub(crate) fn series(base: &str) -> Result<Spec> {
    let bases = read()?;
    let found = with_series(&bases).find(|(name, _)| *name == base);
    let (_, series) =
        found.with_context(|| format!("{base:?} is none of {}", names(&bases, ", ")))?;
    let spec = series.clone().try_into();
    spec.with_context(|| format!("bases.toml: the series of {base}"))
}

/// Everything in bases.toml, a line `NAME = value` each, and as `BASES` the names of those that have a series.
pub(crate) fn variables() -> Result<String> {
    let bases = read()?;
    let mut lines = String::new();
    flatten("", &bases, &mut lines)?;
    Ok(lines + &format!("BASES = {}\n", names(&bases, " ")))
}

fn flatten(prefix: &str, table: &Table, lines: &mut String) -> Result<()> {
    for (key, value) in table {
        let name = prefix.to_owned() + &key.to_uppercase().replace(['-', '.'], "_");
        let value = match value {
            Value::Table(table) => {
                flatten(&format!("{name}_"), table, lines)?;
                continue;
            }
            Value::String(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Boolean(truth) => truth.to_string(),
            _ => bail!("bases.toml: {name} is neither text nor a number"),
        };
        *lines += &format!("{name} = {value}\n");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_become_prefixes() {
        let table = "epoch = 1\n[a.\"b-c.1\"]\nd = \"e\"\n[a]\nf = true\n"
            .parse()
            .unwrap();
        let mut lines = String::new();
        flatten("", &table, &mut lines).unwrap();
        assert_eq!(lines, "A_B_C_1_D = e\nA_F = true\nEPOCH = 1\n");
        let list = "a = [1]\n".parse().unwrap();
        assert!(flatten("", &list, &mut String::new()).is_err());
    }

    #[test]
    fn the_file_is_sound() {
        assert!(variables().unwrap().contains("\nOPTEE_VERSION = "));
        for base in ["optee", "linux", "linux-7.3"] {
            let spec = series(base).unwrap();
            assert!(top().join(spec.patches).is_dir() && top().join(spec.files).is_dir());
        }
        assert!(series("tfa").is_err());
    }
}
