// SPDX-License-Identifier: BSD-2-Clause
//! The counts that stand. A file with a line for each that is not zero, and one that says
//! of which compilers and which Linux: call, layer, what client binding adds there (bound
//! against off); call, "all", what the bound system takes more than the stock one.

use crate::places::Layer;
use crate::run::Counts;
use anyhow::{Context, Result};
use client_binding_proto::calls::Call;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What a count may never exceed, whatever compiled it: the targets of docs/cost.md. No call may be dearer than on the stock system either.
const LIMITS: [(&str, &str, i64); 3] = [
    ("invoke-0", "OP-TEE", 56),
    ("invoke-0", "driver", 40),
    ("grantee-0", "OP-TEE", 800),
];
/// The layer that is all of them.
const ALL: &str = "all";

/// How the line begins that names the compilers.
const MADE_WITH: &str = "# Made with ";

/// What is compared. `tee.bin octets` is its size.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    made_with: String,
    numbers: BTreeMap<(String, String), i64>,
}

impl Standing {
    pub(crate) fn new(made_with: &str) -> Self {
        Self {
            made_with: made_with.into(),
            numbers: BTreeMap::new(),
        }
    }

    fn add(&mut self, call: &str, layer: &str, number: i64) {
        if number != 0 {
            self.numbers.insert((call.into(), layer.into()), number);
        }
    }

    pub(crate) fn add_calls(
        &mut self,
        stock: &BTreeMap<Call, Counts>,
        off: &BTreeMap<Call, Counts>,
        bound: &BTreeMap<Call, Counts>,
    ) {
        for (call, counts) in bound.iter().filter(|(call, _)| call.repeats()) {
            for layer in off.get(call).iter().flat_map(|_| Layer::ALL) {
                let number = counts.of(layer) as i64 - off[call].of(layer) as i64;
                self.add(call.name(), layer.title(), number);
            }
            if let Some(stock) = stock.get(call) {
                let number = counts.total() as i64 - stock.total() as i64;
                self.add(call.name(), ALL, number);
            }
        }
    }

    /// What a grantee's invoke takes more than the owner's, and lending and taking back in the secure world.
    pub(crate) fn add_lending(&mut self, bound: &BTreeMap<Call, Counts>) {
        let of = |call, layer| bound.get(&call).map_or(0, |c| c.of(layer) as i64);
        for layer in Layer::ALL {
            let more = of(Call::Grantee0, layer) - of(Call::Lender0, layer);
            self.add(Call::Grantee0.name(), layer.title(), more);
        }
        for call in [Call::Lend, Call::Revoke] {
            self.add(call.name(), Layer::Core.title(), of(call, Layer::Core));
        }
    }

    pub(crate) fn add_size(&mut self, more: i64) {
        self.add("tee.bin", "octets", more);
    }

    pub(crate) fn read(path: &Path) -> Result<Self> {
        Self::parse(&crate::read(path)?).with_context(|| path.display().to_string())
    }

    fn parse(text: &str) -> Result<Self> {
        let made_with = text.lines().find_map(|line| line.strip_prefix(MADE_WITH));
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let numbers = lines.map(|line| {
            let mut words = line.split_whitespace();
            let (call, layer) = (words.next(), words.next());
            let number = words.next().and_then(|word| word.parse().ok());
            let triple = call.zip(layer).zip(number);
            let ((call, layer), number) = triple.with_context(|| format!("what is {line:?}?"))?;
            Ok(((call.into(), layer.into()), number))
        });
        Ok(Self {
            numbers: numbers.collect::<Result<_>>()?,
            made_with: made_with.unwrap_or_default().into(),
        })
    }

    /// What was not counted cannot be compared.
    pub(crate) fn forget(&mut self, calls: &[Call]) {
        self.numbers
            .retain(|(name, _), _| calls.iter().all(|call| call.name() != name));
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        std::fs::write(path, self.text()).with_context(|| path.display().to_string())
    }

    fn text(&self) -> String {
        let mut text = String::from(
            "# Instructions that client binding adds to a call, by layer; what the bound system takes more than the stock one is \"all\".\n\
             # make bench-update writes them.\n",
        );
        text += &format!("{MADE_WITH}{}\n", self.made_with);
        for ((call, layer), number) in &self.numbers {
            text += &format!("{call} {layer} {number}\n");
        }
        text
    }

    /// A line for each number that is above the one that stands. If those are of other
    /// compilers or another Linux it is no fault of the sources.
    pub(crate) fn compare(&self, standing: &Self, path: &Path) -> Vec<String> {
        let number = |of: &Self, key: &_| of.numbers.get(key).copied().unwrap_or(0);
        let comparable = self.made_with == standing.made_with;
        if !comparable {
            let path = path.display();
            println!(
                "Not compared with {path}, which was made with {}; this was with {}.",
                standing.made_with, self.made_with
            );
        }
        let mut complaints = Vec::new();
        let keys: BTreeSet<_> = self.numbers.keys().chain(standing.numbers.keys()).collect();
        for key in keys {
            let (now, then) = (number(self, key), number(standing, key));
            let (call, layer) = key;
            let change = format!("in {layer}: {now:+}, {then:+} stand");
            if now > then && comparable {
                complaints.push(format!("{call} rose {change} in {}", path.display()));
            } else if now != then {
                println!("{call} changed {change}.");
            }
        }
        complaints
    }

    /// A line for each number that is above its limit.
    pub(crate) fn beyond(&self) -> Vec<String> {
        let limits = LIMITS.map(|(call, layer, limit)| (call.to_owned(), layer, limit));
        let of_all = self.numbers.keys().filter(|(_, layer)| layer == ALL);
        let of_all = of_all.map(|(call, _)| (call.clone(), ALL, 0));
        let beyond = limits
            .into_iter()
            .chain(of_all)
            .filter_map(|(call, layer, limit)| {
                let now = *self.numbers.get(&(call.clone(), layer.into()))?;
                (now > limit).then(|| {
                    format!("{call} is above its limit in {layer}: {now:+}, {limit:+} at most")
                })
            });
        beyond.collect()
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

    #[test]
    fn another_compiler_is_held_to_the_limits_alone() {
        let standing = Standing::parse("# Made with gcc 14\ninvoke-0 OP-TEE 50\n").unwrap();
        assert_eq!(standing.made_with, "gcc 14");
        let mut now = Standing::parse("# Made with gcc 15\ninvoke-0 OP-TEE 56\n").unwrap();
        assert!(now.compare(&standing, "file".as_ref()).is_empty() && now.beyond().is_empty());
        now.numbers.values_mut().for_each(|number| *number = 57);
        assert!(now.compare(&standing, "file".as_ref()).is_empty());
        let complaints = now.beyond();
        assert_eq!(complaints.len(), 1);
        let dear = Standing::parse("cancel all 1\nopen-0 all -5\n").unwrap();
        assert_eq!(dear.beyond().len(), 1);
        assert!(complaints[0].starts_with("invoke-0 is above its limit in OP-TEE: +57"));
        assert_eq!(Standing::parse(&now.text()).unwrap(), now);
    }
}
