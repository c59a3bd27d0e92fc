// SPDX-License-Identifier: BSD-2-Clause

use serde::{Deserialize, Serialize};
use std::fmt;

/// Which halves of the system know of client binding, and so what to expect of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stack {
    /// Neither.
    Stock,
    /// Both.
    Bound,
    /// Both, and the image binds TAs that do not ask for it (`CFG_CLIENT_BINDING_ALL=y`).
    BoundAll,
    /// The driver does, the core does not.
    StockCore,
    /// The core does, the driver does not.
    StockDriver,
}

impl Stack {
    /// Every stack.
    pub const ALL: [Self; 5] = [
        Self::Stock,
        Self::Bound,
        Self::BoundAll,
        Self::StockCore,
        Self::StockDriver,
    ];

    /// As people write it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stock => "stock",
            Self::Bound => "bound",
            Self::BoundAll => "bound-all",
            Self::StockCore => "stock-core",
            Self::StockDriver => "stock-driver",
        }
    }

    /// The stack of that name.
    pub fn named(word: &str) -> Result<Self, String> {
        let stack = Self::ALL.into_iter().find(|stack| stack.word() == word);
        stack.ok_or_else(|| {
            format!(
                "{word:?} is none of {}",
                Self::ALL.map(Self::word).join(", ")
            )
        })
    }

    /// Whether the core knows of client binding.
    pub const fn has_bound_core(self) -> bool {
        !matches!(self, Self::Stock | Self::StockCore)
    }

    /// Whether the driver knows of client binding, and of logins as an application or process.
    pub const fn has_bound_driver(self) -> bool {
        !matches!(self, Self::Stock | Self::StockDriver)
    }

    /// Whether claims are made and verified.
    pub const fn verifies(self) -> bool {
        self.has_bound_core() && self.has_bound_driver()
    }

    /// Whether instances of TAs belong to their first client, of TAs with the flag
    /// (`flagged`) or without.
    pub const fn owns_instances(self, flagged: bool) -> bool {
        match self {
            Self::Bound => flagged,
            Self::BoundAll => true,
            _ => false,
        }
    }

    /// Whether a bound TA can be opened by a client in Linux at all (B13).
    pub const fn opens_bound(self) -> bool {
        !matches!(self, Self::StockDriver)
    }
}

/// What a case shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proves {
    /// An attack: refused where claims are verified. Everywhere else it must succeed, or
    /// the case is broken.
    Refusal,
    /// What works everywhere.
    Service,
}

/// How a row of the demonstration ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The attacker's call reached the TA.
    Reached,
    /// The owner's session is gone.
    Gone,
    /// The attacker shares the owner's TA instance.
    Shared,
    /// The TEE refused the attacker, and the owner goes on undisturbed.
    Denied,
    /// A rightful client was served.
    Served,
    /// The secure world released what nobody holds any more.
    Freed,
    /// Not even the owner gets in: without attested clients a bound TA stays shut.
    Refused,
}

impl Outcome {
    /// As people write it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reached => "reached",
            Self::Gone => "gone",
            Self::Shared => "shared",
            Self::Denied => "denied",
            Self::Served => "served",
            Self::Freed => "freed",
            Self::Refused => "refused",
        }
    }
}

/// An attempt that OP-TEE has refused, as `bindctl denials --json` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The TA's UUID.
    pub ta: String,
    /// What was attempted.
    pub operation: String,
    /// Why it was refused.
    pub reason: String,
    /// The login method of who attempted it.
    pub claim: String,
    /// That of the owner.
    pub owner: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            ta,
            operation,
            reason,
            claim,
            owner,
        } = self;
        write!(
            f,
            "{operation} of TA {ta} by {claim}, owner {owner}: {reason}"
        )
    }
}

/// What a row of the demonstration should show where it is played.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// How it ends.
    pub outcome: Outcome,
    /// What OP-TEE itself refuses meanwhile.
    pub refused: Option<Refused>,
}

/// A case that will run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Its number.
    pub number: u32,
    /// What it shows.
    pub name: String,
    /// The rules it shows, by number.
    pub rules: Vec<u32>,
    /// How it shows them.
    pub proves: Proves,
    /// It is a row of the demonstration, too.
    pub shown: Option<Shown>,
}

/// How a case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should.
    Ok,
    /// It is about a bound TA, which cannot be opened on this stack; that was seen.
    Closed,
    /// It needs something that is not there.
    Skipped,
    /// Not as it should.
    Fail,
}

/// One line of the guest's output for machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// What will run.
    Plan {
        /// Where.
        stack: Stack,
        /// What every random choice comes from.
        seed: u64,
        /// The cases in their order.
        cases: Vec<Planned>,
    },
    /// A case starts.
    Start {
        /// Its number.
        number: u32,
    },
    /// A case ended.
    End {
        /// Its number.
        number: u32,
        /// How.
        verdict: Verdict,
        /// What was seen.
        detail: String,
        /// How long it took.
        millis: u64,
    },
    /// All cases ended.
    Done,
}

/// Reads a run. Text before and after is ignored, a line that is half an event is not.
pub fn parse(text: &str) -> Result<Vec<Event>, String> {
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| line.starts_with('{'))
        .map(|(index, line)| {
            serde_json::from_str(line).map_err(|error| format!("line {}: {error}", index + 1))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_are_named_as_in_json() {
        for stack in Stack::ALL {
            let json = serde_json::to_string(&stack).unwrap();
            assert_eq!(json.trim_matches('"'), stack.word());
            assert_eq!(Stack::named(stack.word()), Ok(stack));
        }
        assert!(Stack::named("Bound").is_err());
    }

    #[test]
    fn words_are_those_of_the_json() {
        for outcome in [
            Outcome::Reached,
            Outcome::Gone,
            Outcome::Shared,
            Outcome::Denied,
            Outcome::Served,
            Outcome::Freed,
            Outcome::Refused,
        ] {
            let json = serde_json::to_string(&outcome).unwrap();
            assert_eq!(json.trim_matches('"'), outcome.word());
        }
    }

    #[test]
    fn events_survive_the_way_to_the_host() {
        let events = [
            Event::Start { number: 1 },
            Event::End {
                number: 1,
                verdict: Verdict::Fail,
                detail: "it\nwas \"so\"".into(),
                millis: 3,
            },
            Event::Done,
        ];
        let mut text = "noise\n".to_owned();
        for event in &events {
            text += &(serde_json::to_string(event).unwrap() + "\n");
        }
        assert_eq!(parse(&text).unwrap(), events);
        assert!(parse(&text[..text.len() - 3]).is_err(), "cut short");
    }
}
