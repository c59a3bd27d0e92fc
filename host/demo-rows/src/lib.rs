// SPDX-License-Identifier: BSD-2-Clause
//! The rows of the demonstration and what each should show, on the stock stack and
//! with client binding. The guest plays the rows, the host compares the results.

#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};

/// How a row ended.
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
    /// Neither this nor that; never expected.
    Error,
}

impl Outcome {
    /// As people and JSON write it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reached => "reached",
            Self::Gone => "gone",
            Self::Shared => "shared",
            Self::Denied => "denied",
            Self::Served => "served",
            Self::Freed => "freed",
            Self::Error => "error",
        }
    }
}

/// One line of the guest's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Played {
    /// Which row.
    pub id: String,
    /// What was tried.
    pub title: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What was seen.
    pub detail: String,
}

macro_rules! rows {
    ($($(#[$doc:meta])* $name:ident $id:literal $title:literal $stock:ident $bound:ident;)*) => {
        /// A row of the demonstration.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Row { $($(#[$doc])* $name,)* }

        impl Row {
            /// Every row, in order.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name for scripts.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// What is tried.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// What the stock stack does.
            pub const fn on_stock(self) -> Outcome {
                match self { $(Self::$name => Outcome::$stock,)* }
            }

            /// What the bound stack does.
            pub const fn on_bound(self) -> Outcome {
                match self { $(Self::$name => Outcome::$bound,)* }
            }
        }
    };
}

rows! {
    /// B2.
    ChildUid "child-uid" "child with another uid invokes on inherited fd" Reached Denied;
    /// B2.
    PassedFd "passed-fd" "another user invokes on an fd sent over a UNIX socket" Reached Denied;
    /// B2.
    EuidChange "euid-change" "the process changes its euid and invokes" Reached Denied;
    /// B17.
    EuidBack "euid-back" "the owner regains its euid and goes on working" Served Served;
    /// B17.
    Thread "thread" "a thread with credentials of its own invokes" Reached Denied;
    /// B17.
    UserNamespace "user-namespace" "a user namespace maps another uid onto the owner's" Reached Denied;
    /// B17.
    GroupLost "group-lost" "GROUP owner loses the group and invokes" Reached Denied;
    /// B2.
    CloseByOther "close-by-other" "another user closes the owner's session" Gone Denied;
    /// B2.
    CancelByOther "cancel-by-other" "another user cancels the owner's running command" Reached Denied;
    /// B3.
    JoinOtherUser "join-other-user" "another user opens the owner's single-instance TA" Shared Denied;
    /// B3.
    JoinOtherLogin "join-other-login" "the owner's user opens it with another login method" Shared Denied;
    /// B7.
    JoinPublic "join-public" "nobody in particular (PUBLIC) opens it" Shared Denied;
    /// B9.
    JoinTa "join-ta" "another TA opens it for a stranger" Shared Denied;
    /// B3.
    JoinSameUser "join-same-user" "the same user's second process joins" Served Served;
    /// B4.
    CJoin "c-join" "another user opens the owner's TA written in C" Shared Denied;
    /// B2.
    CInvoke "c-invoke" "another user invokes the owner's TA written in C" Reached Denied;
    /// B11.
    LastHolder "last-holder" "the fd's last holder is a stranger" Freed Freed;
    /// B5, B11.
    OwnerKilled "owner-killed" "owner killed inside a command, then the next client" Served Served;
}

/// A row beside what came of it on both stacks.
#[derive(Debug)]
pub struct Compared<'a> {
    /// The row.
    pub row: Row,
    /// On the stock stack, if it was played.
    pub stock: Option<&'a Played>,
    /// On the bound stack, if it was played.
    pub bound: Option<&'a Played>,
}

impl Compared<'_> {
    /// Whether both ended as expected.
    pub fn holds(&self) -> bool {
        ended(self.stock) == Some(self.row.on_stock())
            && ended(self.bound) == Some(self.row.on_bound())
    }
}

fn ended(played: Option<&Played>) -> Option<Outcome> {
    played.map(|played| played.outcome)
}

/// Puts two runs side by side, a line for every row there should be.
pub fn compare<'a>(stock: &'a [Played], bound: &'a [Played]) -> Vec<Compared<'a>> {
    let find = |run: &'a [Played], row: Row| run.iter().find(|played| played.id == row.id());
    Row::ALL
        .iter()
        .map(|&row| Compared {
            row,
            stock: find(stock, row),
            bound: find(bound, row),
        })
        .collect()
}

/// Reads a run: one JSON object per line. A row that comes twice or that nobody
/// knows is an error, as is anything that is not JSON.
pub fn parse(text: &str) -> Result<Vec<Played>, String> {
    let mut run: Vec<Played> = Vec::new();
    for (index, line) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.is_empty())
    {
        let number = index + 1;
        let played: Played = serde_json::from_str(line)
            .map_err(|error| format!("line {number} is not a result: {error}"))?;
        if !Row::ALL.iter().any(|row| row.id() == played.id) {
            return Err(format!("line {number}: there is no row {:?}", played.id));
        }
        if run.iter().any(|other| other.id == played.id) {
            return Err(format!("line {number}: row {:?} comes twice", played.id));
        }
        run.push(played);
    }
    Ok(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(expected: impl Fn(Row) -> Outcome) -> Vec<Played> {
        let played = |&row: &Row| Played {
            id: row.id().into(),
            title: row.title().into(),
            outcome: expected(row),
            detail: String::new(),
        };
        Row::ALL.iter().map(played).collect()
    }

    fn holds(stock: &[Played], bound: &[Played]) -> bool {
        compare(stock, bound).iter().all(Compared::holds)
    }

    #[test]
    fn ids_are_unique() {
        for (i, a) in Row::ALL.iter().enumerate() {
            assert!(Row::ALL[..i].iter().all(|b| a.id() != b.id()));
        }
    }

    #[test]
    fn expectations_tell_attack_from_service() {
        for row in Row::ALL {
            match row.on_stock() {
                Outcome::Reached | Outcome::Gone | Outcome::Shared => {
                    assert_eq!(row.on_bound(), Outcome::Denied);
                }
                service => assert_eq!(row.on_bound(), service),
            }
        }
    }

    #[test]
    fn the_expected_runs_hold_and_swapped_ones_do_not() {
        let (stock, bound) = (run(Row::on_stock), run(Row::on_bound));
        assert!(holds(&stock, &bound));
        assert!(!holds(&bound, &stock));
    }

    #[test]
    fn one_deviation_or_a_missing_row_is_noticed() {
        let (stock, bound) = (run(Row::on_stock), run(Row::on_bound));
        for i in 0..Row::ALL.len() {
            let mut wrong = bound.clone();
            wrong[i].outcome = Outcome::Error;
            assert!(!holds(&stock, &wrong));
            wrong.remove(i);
            assert!(!holds(&stock, &wrong));
            let mut missing = stock.clone();
            missing.remove(i);
            assert!(!holds(&missing, &bound));
        }
    }

    #[test]
    fn lines_survive_the_way_to_the_host() {
        let run = run(Row::on_bound);
        let text: String = run
            .iter()
            .map(|played| serde_json::to_string(played).unwrap() + "\n")
            .collect();
        assert_eq!(parse(&text).as_ref(), Ok(&run));
        assert!(text.contains(r#""outcome":"denied""#));
        assert!(parse(&text.repeat(2)).unwrap_err().contains("twice"));
        assert!(parse("oops").is_err());
        let unknown = text.lines().next().unwrap().replace("child-uid", "x");
        assert!(parse(&unknown).unwrap_err().contains("no row"));
    }

    #[test]
    fn words_are_those_of_the_json() {
        for row in Row::ALL {
            let json = serde_json::to_string(&row.on_stock()).unwrap();
            assert_eq!(json.trim_matches('"'), row.on_stock().word());
        }
    }
}
