// SPDX-License-Identifier: BSD-2-Clause
//! The rows of the demonstration and what each should show on which stack. The guest
//! plays the rows, the host compares the results.

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
    /// Not even the owner gets in: without attested clients a bound TA stays shut.
    Refused,
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
            Self::Refused => "refused",
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

/// Which driver talks to which core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    /// A stock core, with either driver.
    Stock,
    /// Both with client binding.
    Bound,
    /// A core with client binding under a stock driver (B13).
    Unattested,
}

impl Stack {
    /// Every stack.
    pub const ALL: [Self; 3] = [Self::Stock, Self::Bound, Self::Unattested];

    /// The name for scripts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stock => "stock",
            Self::Bound => "bound",
            Self::Unattested => "unattested",
        }
    }
}

/// Whether the TA that a row attacks carries the flag.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ta {
    Plain,
    Flagged,
}

macro_rules! rows {
    ($($(#[$doc:meta])* $name:ident $id:literal $title:literal $ta:ident $stock:ident $bound:ident;)*) => {
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

            const fn ta(self) -> Ta {
                match self { $(Self::$name => Ta::$ta,)* }
            }

            /// How the row should end.
            pub const fn on(self, stack: Stack) -> Outcome {
                match (stack, self.ta()) {
                    (Stack::Bound, _) => match self { $(Self::$name => Outcome::$bound,)* },
                    (Stack::Unattested, Ta::Flagged) => Outcome::Refused,
                    (Stack::Stock | Stack::Unattested, _) => {
                        match self { $(Self::$name => Outcome::$stock,)* }
                    }
                }
            }
        }
    };
}

rows! {
    /// B2.
    ChildUid "child-uid" "child with another uid invokes on inherited fd" Plain Reached Denied;
    /// B2.
    PassedFd "passed-fd" "another user invokes on an fd sent over a UNIX socket" Plain Reached Denied;
    /// B2.
    EuidChange "euid-change" "the process changes its euid and invokes" Plain Reached Denied;
    /// B17.
    EuidBack "euid-back" "the owner regains its euid and goes on working" Plain Served Served;
    /// B17.
    Thread "thread" "a thread with credentials of its own invokes" Plain Reached Denied;
    /// B17.
    UserNamespace "user-namespace" "a user namespace maps another uid onto the owner's" Plain Reached Denied;
    /// B17.
    GroupLost "group-lost" "GROUP owner loses the group and invokes" Plain Reached Denied;
    /// B1.
    OtherProgram "other-program" "another program of the same user invokes" Plain Reached Denied;
    /// B1.
    ForkChild "fork-child" "a child of the process that is the client invokes" Plain Reached Denied;
    /// B2.
    CloseByOther "close-by-other" "another user closes the owner's session" Plain Gone Denied;
    /// B2.
    CancelByOther "cancel-by-other" "another user cancels the owner's running command" Plain Reached Denied;
    /// B3.
    JoinOtherUser "join-other-user" "another user opens the owner's single-instance TA" Flagged Shared Denied;
    /// B3.
    JoinOtherLogin "join-other-login" "the owner's user opens it with another login method" Flagged Shared Denied;
    /// B7.
    JoinPublic "join-public" "nobody in particular (PUBLIC) opens it" Flagged Shared Denied;
    /// B3.
    JoinSameUser "join-same-user" "the same user's second process joins" Flagged Served Served;
    /// B2.
    InvokeBound "invoke-bound" "another user invokes the owner's single-instance TA" Flagged Reached Denied;
    /// B6. Comes before anybody owns the vault, which is kept alive.
    StrangerFirst "stranger-first" "a stranger is the first to open a TA that names its clients" Flagged Shared Denied;
    /// B9.
    JoinTa "join-ta" "another TA opens the owner's TA for a stranger" Flagged Shared Denied;
    /// B11.
    LastHolder "last-holder" "the fd's last holder is a stranger" Flagged Freed Freed;
    /// B5, B11.
    OwnerKilled "owner-killed" "owner killed inside a command, then the next client" Flagged Served Served;
}

/// A row beside what came of it.
#[derive(Clone, Copy, Debug)]
pub struct Compared<'a> {
    /// The row.
    pub row: Row,
    /// Where it was played.
    pub stack: Stack,
    /// What came of it, if it was played.
    pub played: Option<&'a Played>,
}

impl Compared<'_> {
    /// How it should have ended.
    pub fn expected(&self) -> Outcome {
        self.row.on(self.stack)
    }

    /// Whether it ended as expected.
    pub fn holds(&self) -> bool {
        self.played.map(|played| played.outcome) == Some(self.expected())
    }
}

/// A line for every row there should be.
pub fn compare(stack: Stack, run: &[Played]) -> Vec<Compared<'_>> {
    let rows = Row::ALL.iter();
    rows.map(|&row| Compared {
        row,
        stack,
        played: run.iter().find(|played| played.id == row.id()),
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

    fn run(stack: Stack) -> Vec<Played> {
        let played = |&row: &Row| Played {
            id: row.id().into(),
            title: row.title().into(),
            outcome: row.on(stack),
            detail: String::new(),
        };
        Row::ALL.iter().map(played).collect()
    }

    fn holds(stack: Stack, run: &[Played]) -> bool {
        compare(stack, run).iter().all(Compared::holds)
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
            match row.on(Stack::Stock) {
                Outcome::Reached | Outcome::Gone | Outcome::Shared => {
                    assert_eq!(row.on(Stack::Bound), Outcome::Denied);
                }
                service => assert_eq!(row.on(Stack::Bound), service),
            }
        }
    }

    #[test]
    fn a_run_holds_on_its_own_stack_only() {
        for stack in Stack::ALL {
            for other in Stack::ALL {
                assert_eq!(holds(stack, &run(other)), stack == other);
            }
        }
    }

    #[test]
    fn one_deviation_or_a_missing_row_is_noticed() {
        for i in 0..Row::ALL.len() {
            let mut wrong = run(Stack::Bound);
            wrong[i].outcome = Outcome::Error;
            assert!(!holds(Stack::Bound, &wrong));
            wrong.remove(i);
            assert!(!holds(Stack::Bound, &wrong));
        }
    }

    #[test]
    fn lines_survive_the_way_to_the_host() {
        let run = run(Stack::Bound);
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
        for (row, stack) in Row::ALL
            .iter()
            .flat_map(|row| Stack::ALL.map(|stack| (row, stack)))
        {
            let outcome = row.on(stack);
            let json = serde_json::to_string(&outcome).unwrap();
            assert_eq!(json.trim_matches('"'), outcome.word());
        }
    }
}
