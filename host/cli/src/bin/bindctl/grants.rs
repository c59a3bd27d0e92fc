// SPDX-License-Identifier: BSD-2-Clause
//! What is lent, as people and scripts read it.

use crate::names::{self, Names};
use crate::view::{Client, seconds, shown, table};
use client_binding_abi::delegation::{FOREVER, Listed, UNLIMITED};
use client_binding_raw::lend::Limits;
use serde::Serialize;
use std::collections::BTreeMap;
use uuid::Uuid;

/// What the caller may take back, and how much there may be.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct LentView {
    grants: Vec<GrantView>,
    limits: LimitsView,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct LimitsView {
    in_all: u32,
    of_owner: u32,
    to_grantee: u32,
}

impl LentView {
    pub(crate) fn new(listed: &[Listed], limits: Limits, names: &Names) -> Self {
        Self {
            grants: listed.iter().map(|g| GrantView::new(g, names)).collect(),
            limits: LimitsView {
                in_all: limits.in_all,
                of_owner: limits.of_owner,
                to_grantee: limits.to_grantee,
            },
        }
    }

    /// What `grants` prints.
    pub(crate) fn text(&self) -> String {
        let LimitsView {
            in_all,
            of_owner,
            to_grantee,
        } = self.limits;
        let mut text = if self.grants.is_empty() {
            "Nothing is lent.\n".to_owned()
        } else {
            rows(&self.grants)
        };
        text += &format!(
            "There is room for {in_all} grants, {of_owner} of one owner, {to_grantee} of those to one grantee.\n"
        );
        for full in self.full() {
            text += &format!("Full: {full}.\n");
        }
        text
    }

    /// Those that keep others from being made.
    fn lending(&self) -> impl Iterator<Item = &GrantView> {
        self.grants.iter().filter(|g| !g.over || g.running)
    }

    /// Why who wants to lend is told `TEE_ERROR_BUSY`, as far as the caller sees it.
    fn full(&self) -> Vec<String> {
        let limits = [
            self.limits.in_all,
            self.limits.of_owner,
            self.limits.to_grantee,
        ];
        let mut taken = BTreeMap::new();
        for grant in self.lending() {
            let (owner, grantee) = (grant.owner.with_login(), grant.grantee.with_login());
            let pair = format!("{owner} to {grantee}");
            let whose = ["all grants".to_owned(), owner, pair];
            for (level, (whose, limit)) in whose.into_iter().zip(limits).enumerate() {
                taken.entry((level, whose)).or_insert((0, limit)).0 += 1;
            }
        }
        let full = taken
            .into_iter()
            .filter(|(_, (count, limit))| count >= limit);
        full.map(|((_, whose), _)| whose).collect()
    }
}

/// A grant.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct GrantView {
    number: u64,
    parent: Option<u64>,
    ta: Uuid,
    session: u32,
    owner: Client,
    grantee: Client,
    commands: Vec<u32>,
    used: u32,
    /// Nothing if it may be used any number of times.
    uses_left: Option<u32>,
    /// Nothing if it is for ever.
    time_left_ms: Option<u64>,
    badge: u64,
    depth: u32,
    running: bool,
    over: bool,
}

impl GrantView {
    fn new(grant: &Listed, names: &Names) -> Self {
        let count = grant.count as usize;
        Self {
            number: grant.number,
            parent: (grant.parent != 0).then_some(grant.parent),
            ta: names::uuid(grant.ta),
            session: grant.session,
            owner: Client::new(grant.owner_login, grant.owner, names),
            grantee: Client::new(grant.grantee_login, grant.grantee, names),
            commands: grant.commands.into_iter().take(count).collect(),
            used: grant.used,
            uses_left: (grant.uses != UNLIMITED).then_some(grant.uses),
            time_left_ms: (grant.left != FOREVER).then_some(grant.left),
            badge: grant.badge,
            depth: grant.depth,
            running: grant.state & Listed::RUNNING != 0,
            over: grant.state & Listed::OVER != 0,
        }
    }

    fn state(&self) -> &'static str {
        match (self.over, self.running) {
            (false, false) => "usable",
            (false, true) => "running",
            (true, false) => "over",
            (true, true) => "over, running",
        }
    }
}

fn rows(grants: &[GrantView]) -> String {
    let mut table = table(&[
        "number",
        "TA",
        "owner",
        "grantee",
        "commands",
        "used",
        "left",
        "time left",
        "badge",
        "depth",
        "from",
        "state",
    ]);
    for grant in grants {
        let commands: Vec<_> = grant.commands.iter().map(u32::to_string).collect();
        let time = grant.time_left_ms.map(duration);
        table.add_row([
            grant.number.to_string(),
            grant.ta.to_string(),
            grant.owner.with_login(),
            grant.grantee.with_login(),
            commands.join(","),
            grant.used.to_string(),
            some(grant.uses_left, "any"),
            some(time, "for ever"),
            grant.badge.to_string(),
            grant.depth.to_string(),
            some(grant.parent, "-"),
            grant.state().to_owned(),
        ]);
    }
    shown(&table) + "\n"
}

fn some(value: Option<impl ToString>, none: &str) -> String {
    value.map_or_else(|| none.to_owned(), |value| value.to_string())
}

/// By the two largest units.
fn duration(milliseconds: u64) -> String {
    let minutes = milliseconds / 60_000;
    let hours = minutes / 60;
    if minutes == 0 {
        seconds(milliseconds)
    } else if hours == 0 {
        format!("{minutes} min {} s", milliseconds / 1000 % 60)
    } else if hours < 24 {
        format!("{hours} h {} min", minutes % 60)
    } else {
        format!("{} d {} h", hours / 24, hours % 24)
    }
}

/// What `revoke` prints.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Revoked {
    number: u64,
    /// A command of it, or of what was passed on from it, is in the TA.
    running: bool,
    /// And was cancelled.
    cancelled: bool,
}

impl Revoked {
    pub(crate) fn new(number: u64, running: bool, cancel: bool) -> Self {
        Self {
            number,
            running,
            cancelled: running && cancel,
        }
    }

    pub(crate) fn text(&self) -> String {
        let rest = match (self.running, self.cancelled) {
            (false, _) => "No command of it is in the TA.",
            (true, false) => "A command of it is in the TA still: --cancel asks it to end.",
            (true, true) => "A command of it is in the TA still; it was asked to end.",
        };
        format!("Grant {} is taken back. {rest}\n", self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::tests::{client, names};
    use client_binding_abi::{ClientUuid, Login};
    use client_binding_client::identity::Principal;
    use serde_json::json;

    const LIMITS: Limits = Limits {
        in_all: 32,
        of_owner: 16,
        to_grantee: 8,
    };

    /// Records as they come over the wire.
    fn listed() -> [Listed; 2] {
        let first = Listed {
            number: 256,
            parent: 0,
            badge: 7,
            left: 3_723_004,
            ta: ClientUuid::from_octets([0x11; 16]),
            owner: client(Principal::User(1000)),
            grantee: client(Principal::Group(2000)),
            owner_login: Login::USER,
            grantee_login: Login::GROUP,
            uses: 2,
            used: 1,
            depth: 1,
            session: 41,
            state: 0,
            count: 2,
            commands: [1, 5, 9, 9, 9, 9, 9, 9],
        };
        let passed_on = Listed {
            number: 513,
            parent: 256,
            left: FOREVER,
            grantee: ClientUuid::from_octets([0x22; 16]),
            grantee_login: Login::APPLICATION,
            uses: UNLIMITED,
            depth: 0,
            state: Listed::RUNNING | Listed::OVER,
            count: 1,
            ..first
        };
        [first, passed_on].map(|sent| Listed::from_octets(&sent.to_octets()))
    }

    #[test]
    fn grants_in_words_and_in_json() {
        let lent = LentView::new(&listed(), LIMITS, &names());
        let text = lent.text();
        let words: Vec<_> = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            words,
            [
                "number TA owner grantee commands used left time left badge depth from state",
                "256 11111111-1111-1111-1111-111111111111 USER owner (uid 1000) GROUP clients (gid 2000) 1,5 1 2 1 h 2 min \
                 7 1 - usable",
                "513 11111111-1111-1111-1111-111111111111 USER owner (uid 1000) \
                 APPLICATION 22222222-2222-2222-2222-222222222222 1 1 any for ever 7 0 256 over, running",
                "There is room for 32 grants, 16 of one owner, 8 of those to one grantee.",
            ]
        );
        assert!(text.lines().all(|line| line.trim_end() == line));
        let owner = json!({
            "login": "USER",
            "uuid": "fc34275c-d8dd-5ba7-968b-504718363b87",
            "name": "owner (uid 1000)",
        });
        let expected = json!({
            "number": 513,
            "parent": 256,
            "ta": "11111111-1111-1111-1111-111111111111",
            "session": 41,
            "owner": owner,
            "grantee": {
                "login": "APPLICATION",
                "uuid": "22222222-2222-2222-2222-222222222222",
                "name": null,
            },
            "commands": [1],
            "used": 1,
            "uses_left": null,
            "time_left_ms": null,
            "badge": 7,
            "depth": 0,
            "running": true,
            "over": true,
        });
        let told = serde_json::to_value(&lent).unwrap();
        assert_eq!(told["grants"][1], expected);
        assert_eq!(
            told["limits"],
            json!({"in_all": 32, "of_owner": 16, "to_grantee": 8})
        );
        let first = &told["grants"][0];
        for (key, expected) in [
            ("parent", json!(null)),
            ("commands", json!([1, 5])),
            ("uses_left", json!(2)),
            ("time_left_ms", json!(3_723_004)),
            ("running", json!(false)),
            ("over", json!(false)),
        ] {
            assert_eq!(first[key], expected, "{key}");
        }
    }

    #[test]
    fn nothing_is_lent() {
        let lent = LentView::new(&[], LIMITS, &names());
        assert_eq!(
            lent.text(),
            "Nothing is lent.\nThere is room for 32 grants, 16 of one owner, 8 of those to one grantee.\n"
        );
    }

    /// What is over is not in the way unless its command is in the TA still.
    #[test]
    fn what_is_full() {
        let [first, running] = listed();
        let over = Listed {
            state: Listed::OVER,
            ..first
        };
        let full = |listed: &[Listed], limits: [u32; 3]| {
            let [in_all, of_owner, to_grantee] = limits;
            let limits = Limits {
                in_all,
                of_owner,
                to_grantee,
            };
            LentView::new(listed, limits, &names()).full()
        };
        let owner = "USER owner (uid 1000)";
        let grantee = format!("{owner} to GROUP clients (gid 2000)");
        let others = format!("{owner} to APPLICATION 22222222-2222-2222-2222-222222222222");
        let both = [first, running];
        for (listed, limits, expected) in [
            (&both[..], [3, 3, 2], vec![]),
            (&both, [2, 3, 2], vec!["all grants"]),
            (&both, [3, 2, 2], vec![owner]),
            (&both, [3, 3, 1], vec![&others, &grantee]),
            (&[over, running], [2, 2, 2], vec![]),
            (
                &[over, running],
                [1, 1, 1],
                vec!["all grants", owner, &others],
            ),
            (&[over], [1, 1, 1], vec![]),
        ] {
            assert_eq!(full(listed, limits), expected, "{limits:?}");
        }
    }

    /// Whatever comes over the wire is shown.
    #[test]
    fn more_commands_than_there_are() {
        let broken = Listed {
            count: u32::MAX,
            ..listed()[0]
        };
        let view = GrantView::new(&broken, &names());
        assert_eq!(view.commands, broken.commands);
    }

    #[test]
    fn time_in_two_units() {
        for (milliseconds, expected) in [
            (0, "0.000 s"),
            (59_999, "59.999 s"),
            (60_000, "1 min 0 s"),
            (3_599_999, "59 min 59 s"),
            (3_600_000, "1 h 0 min"),
            (86_399_999, "23 h 59 min"),
            (86_400_000, "1 d 0 h"),
            (u64::MAX - 1, "213503982334 d 14 h"),
        ] {
            assert_eq!(duration(milliseconds), expected);
        }
    }

    #[test]
    fn what_was_taken_back() {
        let told = |running, cancel| Revoked::new(256, running, cancel).text();
        let start = "Grant 256 is taken back.";
        let quiet = format!("{start} No command of it is in the TA.\n");
        assert_eq!([told(false, false), told(false, true)], [&*quiet, &quiet]);
        assert!(told(true, false).contains("--cancel"));
        assert!(told(true, true).ends_with("it was asked to end.\n"));
        let value = serde_json::to_value(Revoked::new(256, true, true)).unwrap();
        let expected = json!({"number": 256, "running": true, "cancelled": true});
        assert_eq!(value, expected);
    }
}
