// SPDX-License-Identifier: BSD-2-Clause
//! The counts that stand: what each call may take more than on the stock system, layer
//! by layer. A file with a line for each that is not zero: call, layer, number.

use crate::places::Layer;
use crate::run::Counts;
use anyhow::{Context, Result};
use client_binding_bench_calls::Call;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What is compared. `tee.bin octets` is its size.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing(BTreeMap<(String, String), i64>);

impl Standing {
    pub(crate) fn new(
        stock: &BTreeMap<Call, Counts>,
        bound: &BTreeMap<Call, Counts>,
        size: i64,
    ) -> Self {
        let mut added = BTreeMap::new();
        for (call, a) in stock.iter().filter(|(call, _)| call.repeats()) {
            let Some(b) = bound.get(call) else { continue };
            for layer in Layer::ALL {
                let number = b.of(layer) as i64 - a.of(layer) as i64;
                added.insert((call.name().into(), layer.title().into()), number);
            }
        }
        added.insert(("tee.bin".into(), "octets".into()), size);
        added.retain(|_, number| *number != 0);
        Self(added)
    }

    pub(crate) fn read(path: &Path) -> Result<Self> {
        Self::parse(&crate::read(path)?).with_context(|| path.display().to_string())
    }

    fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let numbers = lines.map(|line| {
            let mut words = line.split_whitespace();
            let (call, layer) = (words.next(), words.next());
            let number = words.next().and_then(|word| word.parse().ok());
            let triple = call.zip(layer).zip(number);
            let ((call, layer), number) = triple.with_context(|| format!("what is {line:?}?"))?;
            Ok(((call.into(), layer.into()), number))
        });
        Ok(Self(numbers.collect::<Result<_>>()?))
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        std::fs::write(path, self.text()).with_context(|| path.display().to_string())
    }

    fn text(&self) -> String {
        let mut text = String::from(
            "# Instructions that client binding adds to a call, by layer; make bench-update writes them.\n",
        );
        for ((call, layer), number) in &self.0 {
            text += &format!("{call} {layer} {number}\n");
        }
        text
    }

    /// A line for each number that is above the one that stands.
    pub(crate) fn compare(&self, standing: &Self, path: &Path) -> Vec<String> {
        let mut complaints = Vec::new();
        let keys: BTreeSet<_> = self.0.keys().chain(standing.0.keys()).collect();
        for key in keys {
            let number = |numbers: &Self| numbers.0.get(key).copied().unwrap_or(0);
            let (now, then) = (number(self), number(standing));
            let (call, layer) = key;
            if now > then {
                complaints.push(format!(
                    "{call} rose in {layer}: {now:+} against stock, {then:+} stand in {}",
                    path.display()
                ));
            } else if now < then {
                println!("{call} fell in {layer}: {now:+} against stock, {then:+} stand.");
            }
        }
        complaints
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rises_is_named_and_what_falls_is_not_complained_of() {
        let standing = Standing::parse("# two\ninvoke-0 OP-TEE 50\ncancel driver 9\n").unwrap();
        let now = Standing::parse("invoke-0 OP-TEE 52\ncancel driver 8\nopen-0 Linux 1\n").unwrap();
        let complaints = now.compare(&standing, "file".as_ref());
        assert_eq!(complaints.len(), 2);
        assert!(complaints[0].starts_with("invoke-0 rose in OP-TEE: +52"));
        assert!(complaints[1].starts_with("open-0 rose in Linux: +1"));
        assert!(standing.compare(&standing, "file".as_ref()).is_empty());
        assert_eq!(Standing::parse(&standing.text()).unwrap(), standing);
        assert!(Standing::parse("invoke-0 50").is_err());
    }
}
