// SPDX-License-Identifier: BSD-2-Clause
//! The rows of the demonstration and what each should show on which stack. The guest
//! plays the rows, the host compares the results.

use client_binding_proto::{TaUuid, vault, vault_c, whoami};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::iter::repeat_n;

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

/// The TA that a row attacks. The vaults carry the flag.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ta {
    WhoAmI,
    Vault,
    VaultC,
}

impl Ta {
    const fn uuid(self) -> TaUuid {
        match self {
            Self::WhoAmI => whoami::UUID,
            Self::Vault => vault::UUID,
            Self::VaultC => vault_c::UUID,
        }
    }
}

/// An attempt that OP-TEE has refused, as `bindctl denials --json` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    ta: String,
    operation: String,
    reason: String,
    claim: String,
    owner: String,
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

macro_rules! rows {
    ($($(#[$doc:meta])* $name:ident $id:literal $title:literal $ta:ident $stock:ident $bound:ident
        [$($operation:literal $reason:literal $claim:literal $owner:literal)?];)*) => {
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

            /// What OP-TEE itself refuses meanwhile, where all is bound.
            pub fn refused(self) -> Option<Refused> {
                let words: &[[&str; 4]] = match self {
                    $(Self::$name => &[$([$operation, $reason, $claim, $owner])?],)*
                };
                let [operation, reason, claim, owner] = words.first()?.map(str::to_owned);
                let ta = self.ta().uuid().text.to_owned();
                Some(Refused { ta, operation, reason, claim, owner })
            }

            /// How the row should end.
            pub const fn on(self, stack: Stack) -> Outcome {
                match (stack, self.ta()) {
                    (Stack::Bound, _) => match self { $(Self::$name => Outcome::$bound,)* },
                    (Stack::Unattested, Ta::Vault | Ta::VaultC) => Outcome::Refused,
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
    ChildUid "child-uid" "child with another uid invokes on inherited fd" WhoAmI Reached Denied
        ["invoke" "not-the-client" "USER" "USER"];
    /// B2.
    PassedFd "passed-fd" "another user invokes on an fd sent over a UNIX socket" WhoAmI Reached Denied
        ["invoke" "not-the-client" "USER" "USER"];
    /// B2.
    EuidChange "euid-change" "the process changes its euid and invokes" WhoAmI Reached Denied
        ["invoke" "not-the-client" "USER" "USER"];
    /// B17.
    EuidBack "euid-back" "the owner regains its euid and goes on working" WhoAmI Served Served
        ["invoke" "not-the-client" "USER" "USER"];
    /// B17.
    Thread "thread" "a thread with credentials of its own invokes" WhoAmI Reached Denied
        ["invoke" "not-the-client" "USER" "USER"];
    /// B17.
    UserNamespace "user-namespace" "a user namespace maps another uid onto the owner's" WhoAmI Reached Denied
        ["invoke" "not-the-client" "USER" "USER"];
    /// B17.
    GroupLost "group-lost" "GROUP owner loses the group and invokes" WhoAmI Reached Denied
        ["invoke" "not-the-client" "GROUP" "GROUP"];
    /// B1.
    OtherProgram "other-program" "another program of the same user invokes" WhoAmI Reached Denied
        ["invoke" "not-the-client" "APPLICATION_USER" "APPLICATION_USER"];
    /// B1.
    ForkChild "fork-child" "a child of the process that is the client invokes" WhoAmI Reached Denied
        ["invoke" "not-the-client" "PROCESS" "PROCESS"];
    /// B2.
    CloseByOther "close-by-other" "another user closes the owner's session" WhoAmI Gone Denied
        ["close" "not-the-client" "USER" "USER"];
    /// B2.
    CancelByOther "cancel-by-other" "another user cancels the owner's running command" WhoAmI Reached Denied
        ["cancel" "not-the-client" "USER" "USER"];
    /// B3.
    JoinOtherUser "join-other-user" "another user opens the owner's single-instance TA" VaultC Shared Denied
        ["open" "not-the-owner" "USER" "USER"];
    /// B3.
    JoinOtherLogin "join-other-login" "the owner's user opens it with another login method" VaultC Shared Denied
        ["open" "not-the-owner" "GROUP" "USER"];
    /// B7.
    JoinPublic "join-public" "nobody in particular (PUBLIC) opens it" VaultC Shared Denied
        ["open" "public" "PUBLIC" "USER"];
    /// B3.
    JoinSameUser "join-same-user" "the same user's second process joins" VaultC Served Served
        [];
    /// B2.
    InvokeBound "invoke-bound" "another user invokes the owner's single-instance TA" VaultC Reached Denied
        ["invoke" "not-the-client" "USER" "USER"];
    /// B6. Comes before anybody owns the vault, which is kept alive.
    StrangerFirst "stranger-first" "a stranger is the first to open a TA that names its clients" Vault Shared Denied
        [];
    /// B9.
    JoinTa "join-ta" "another TA opens the owner's TA for a stranger" Vault Shared Denied
        ["open" "not-the-owner" "TRUSTED_APP" "APPLICATION_USER"];
    /// B11.
    LastHolder "last-holder" "the fd's last holder is a stranger" VaultC Freed Freed
        [];
    /// B5, B11.
    OwnerKilled "owner-killed" "owner killed inside a command, then the next client" VaultC Served Served
        [];
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

/// Reads what `bindctl denials --json` printed: each refusal for itself, though those that are alike are one entry there.
pub fn parse_refused(text: &str) -> Result<Vec<Refused>, String> {
    #[derive(Deserialize)]
    struct Entry {
        count: usize,
        #[serde(flatten)]
        refused: Refused,
    }
    let entries: Vec<Entry> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let entries = entries.into_iter();
    Ok(entries
        .flat_map(|entry| repeat_n(entry.refused, entry.count))
        .collect())
}

/// Whether exactly the rows' attempts were refused, in the rows' order: how many there are, or the first that differs.
pub fn compare_refused(refused: &[Refused]) -> Result<usize, String> {
    let expected: Vec<_> = Row::ALL
        .iter()
        .filter_map(|row| Some((row.id(), row.refused()?)))
        .collect();
    for (number, (row, expected)) in (1..).zip(&expected) {
        match refused.get(number - 1) {
            Some(refused) if refused == expected => {}
            Some(refused) => {
                return Err(format!(
                    "number {number}, of {row}, is {refused}; expected {expected}"
                ));
            }
            None => return Err(format!("number {number}, of {row}, is missing: {expected}")),
        }
    }
    match refused.get(expected.len()) {
        Some(refused) => Err(format!("nobody expected {refused}")),
        None => Ok(expected.len()),
    }
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
    fn what_is_denied_is_refused_by_the_tee_or_by_the_ta() {
        for &row in Row::ALL {
            // The client regains its euid; a TA that names its clients refuses others by itself.
            let elsewhere = [Row::EuidBack, Row::StrangerFirst].contains(&row);
            let denied = row.on(Stack::Bound) == Outcome::Denied;
            assert_eq!(row.refused().is_some(), denied != elsewhere, "{}", row.id());
        }
    }

    #[test]
    fn each_refusal_is_looked_for() {
        let all: Vec<_> = Row::ALL.iter().filter_map(|row| row.refused()).collect();
        assert_eq!(compare_refused(&all), Ok(all.len()));
        for i in 0..all.len() {
            let mut wrong = all.clone();
            wrong[i].claim = "REE_KERNEL".into();
            assert!(compare_refused(&wrong).unwrap_err().contains("expected"));
        }
        assert!(compare_refused(&all[1..]).is_err());
        let (last, rest) = all.split_last().unwrap();
        assert!(compare_refused(rest).unwrap_err().contains("missing"));
        let mut more = all.clone();
        more.push(last.clone());
        assert!(compare_refused(&more).unwrap_err().contains("nobody"));
    }

    #[test]
    fn refusals_are_read_one_by_one() {
        let refused = Row::ChildUid.refused().unwrap();
        let entry = |count: u64| {
            let mut entry = serde_json::to_value(&refused).unwrap();
            entry["count"] = count.into();
            entry["hint"] = "more than we want to know".into();
            entry
        };
        let text = serde_json::to_string(&[entry(2), entry(1)]).unwrap();
        assert_eq!(parse_refused(&text), Ok(vec![refused; 3]));
        assert_eq!(parse_refused("[]"), Ok(vec![]));
        assert!(parse_refused(r#"[{"lost":3}]"#).is_err());
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
