// SPDX-License-Identifier: BSD-2-Clause
//! Records as people and scripts read them. Each view is what `--json` prints; tables are made of the same.

use crate::cursor::News;
use crate::names::{self, Names};
use crate::reason;
use client_binding_abi::pta::{Counters, Denial, Instance};
use client_binding_abi::{ClientUuid, Login, Operation};
use client_binding_policy::{Binding, Refusal};
use comfy_table::{Table, presets};
use serde::Serialize;
use std::collections::BTreeMap;
use uuid::Uuid;

/// `user_ta_header.h`
const TA_FLAG_INSTANCE_KEEP_ALIVE: u32 = 1 << 4;

/// A client.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Client {
    login: String,
    uuid: Uuid,
    name: Option<String>,
}

impl Client {
    pub(crate) fn new(login: Login, uuid: ClientUuid, names: &Names) -> Self {
        Self {
            login: names::login(login),
            uuid: names::uuid(uuid),
            name: names.find(login, uuid),
        }
    }

    /// In one column.
    pub(crate) fn with_login(&self) -> String {
        format!("{} {}", self.login, self.shown())
    }

    fn shown(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.uuid.to_string())
    }
}

/// An instance of a TA.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct InstanceView {
    ta: Uuid,
    kind: &'static str,
    bound: &'static str,
    kept_alive: bool,
    sessions: u32,
    state: &'static str,
    owner: Option<Client>,
}

impl InstanceView {
    pub(crate) fn new(instance: &Instance, names: &Names) -> Self {
        let is = |bit| instance.state & bit != 0;
        let owner = (instance.ownership != Instance::FREE)
            .then(|| Client::new(instance.login, instance.owner, names));
        Self {
            ta: names::uuid(instance.ta),
            kind: if is(Instance::USER_TA) {
                "user"
            } else {
                "pseudo"
            },
            bound: match Binding::from_number(instance.binding) {
                Binding::Unbound => "no",
                Binding::ByImage => "by image",
                Binding::ByHeader => "by header",
            },
            kept_alive: instance.ta_flags & TA_FLAG_INSTANCE_KEEP_ALIVE != 0,
            sessions: instance.sessions,
            state: if is(Instance::PANICKED) {
                "panicked"
            } else if is(Instance::LOADING) {
                "loading"
            } else if instance.ownership == Instance::DISOWNED {
                "disowned"
            } else {
                "ready"
            },
            owner,
        }
    }
}

/// What `status` prints.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    pub(crate) instances: Vec<InstanceView>,
    pub(crate) refused: CountersView,
}

impl Status {
    pub(crate) fn text(&self) -> String {
        let mut table = table(&[
            "TA",
            "kind",
            "bound",
            "kept alive",
            "sessions",
            "state",
            "login",
            "owner",
        ]);
        for instance in &self.instances {
            let client = |show: fn(&Client) -> String| {
                instance.owner.as_ref().map_or_else(|| "-".to_owned(), show)
            };
            table.add_row([
                instance.ta.to_string(),
                instance.kind.to_owned(),
                instance.bound.to_owned(),
                yes_no(instance.kept_alive).to_owned(),
                instance.sessions.to_string(),
                instance.state.to_owned(),
                client(|owner| owner.login.clone()),
                client(Client::shown),
            ]);
        }
        format!("{}\n\n{}", shown(&table), self.refused.text())
    }
}

fn yes_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

/// What was counted. Names of operations and reasons stand in the order of their numbers only in the text.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct CountersView {
    total: u64,
    by_operation: BTreeMap<&'static str, u64>,
    by_reason: BTreeMap<String, u64>,
}

impl CountersView {
    pub(crate) fn new(counters: &Counters) -> Self {
        let by_operation = Operation::ALL.map(|operation| {
            let count = counters.by_operation[operation as usize];
            (operation_name(operation as u32).0, count)
        });
        let numbered = (0..).zip(counters.by_refusal);
        // Those that we do not know only if there were any.
        let reasons = numbered
            .filter(|(number, count)| Refusal::from_number(*number).is_some() || *count > 0);
        Self {
            total: counters.refusals,
            by_operation: by_operation.into(),
            by_reason: reasons
                .map(|(number, count)| (word(number), count))
                .collect(),
        }
    }

    pub(crate) fn text(&self) -> String {
        if self.total == 0 {
            return "Nothing was refused since boot.\n".to_owned();
        }
        let some = |(name, count): (&str, u64)| (count > 0).then(|| format!("{name} {count}"));
        let operations = self
            .by_operation
            .iter()
            .map(|(name, count)| (*name, *count));
        let reasons = self.by_reason.iter().map(|(name, count)| (&**name, *count));
        let operations: Vec<_> = operations.filter_map(some).collect();
        let reasons: Vec<_> = reasons.filter_map(some).collect();
        format!(
            "Refused since boot: {}\n  by operation: {}\n  by reason: {}\n",
            self.total,
            operations.join(", "),
            reasons.join(", ")
        )
    }
}

/// Everything that one client owns.
#[derive(Debug, Serialize)]
pub(crate) struct Owner {
    client: Client,
    tas: Vec<Uuid>,
    sessions: u32,
}

/// What `owners` prints. Who is being asked for by a TA that has not answered yet is none.
pub(crate) fn owners(instances: &[Instance], names: &Names) -> Vec<Owner> {
    let mut owners = BTreeMap::<_, (Vec<_>, u32)>::new();
    for instance in instances {
        let view = InstanceView::new(instance, names);
        if let Some(client) = view.owner {
            let (tas, sessions) = owners.entry(client).or_default();
            tas.push(view.ta);
            *sessions = sessions.saturating_add(view.sessions);
        }
    }
    let owner = |(client, (tas, sessions))| Owner {
        client,
        tas,
        sessions,
    };
    owners.into_iter().map(owner).collect()
}

pub(crate) fn owners_text(owners: &[Owner]) -> String {
    if owners.is_empty() {
        return "Nobody owns an instance.\n".to_owned();
    }
    let mut table = table(&["owner", "login", "client UUID", "sessions", "TAs"]);
    for Owner {
        client,
        tas,
        sessions,
    } in owners
    {
        let tas: Vec<_> = tas.iter().map(Uuid::to_string).collect();
        table.add_row([
            client.name.clone().unwrap_or_else(|| "?".to_owned()),
            client.login.clone(),
            client.uuid.to_string(),
            sessions.to_string(),
            tas.join("\n"),
        ]);
    }
    shown(&table) + "\n"
}

/// Refusals of one kind that came one after the other.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct DenialView {
    first: u64,
    last: u64,
    count: u64,
    first_time_ms: u64,
    last_time_ms: u64,
    ta: Option<Uuid>,
    operation: String,
    reason: String,
    text: String,
    claim: String,
    owner: String,
    grant: Option<u64>,
    hint: Option<&'static str>,
}

impl DenialView {
    fn new(denial: &Denial) -> Self {
        let (name, unknown) = operation_name(denial.operation);
        Self {
            first: denial.first,
            last: denial.last,
            count: (denial.last - denial.first).saturating_add(1),
            first_time_ms: denial.first_time,
            last_time_ms: denial.last_time,
            ta: (denial.ta != ClientUuid::NIL).then(|| names::uuid(denial.ta)),
            operation: unknown.unwrap_or_else(|| name.to_owned()),
            reason: word(denial.refusal),
            text: reason::text(denial.refusal),
            claim: names::login(denial.claim),
            owner: names::login(denial.owner),
            grant: (denial.grant != 0).then_some(denial.grant),
            hint: reason::reason(denial.refusal).map(|reason| reason.hint),
        }
    }

    fn numbers(&self) -> String {
        if self.count == 1 {
            self.first.to_string()
        } else {
            format!("{}-{}", self.first, self.last)
        }
    }

    /// The reason, and which grant it is about.
    fn of_grant(&self, reason: &str) -> String {
        match self.grant {
            Some(number) => format!("{reason}, grant {number}"),
            None => reason.to_owned(),
        }
    }

    fn target(&self) -> String {
        self.ta.map_or_else(|| "-".to_owned(), |ta| ta.to_string())
    }

    fn line(&self) -> String {
        let times = if self.count > 1 {
            format!(" x {}", self.count)
        } else {
            String::new()
        };
        format!(
            "refused {}{times}: TA {}: {}; claim {}, owner {}; number {}, at {}",
            self.operation,
            self.target(),
            self.of_grant(&self.text),
            self.claim,
            self.owner,
            self.numbers(),
            seconds(self.last_time_ms),
        )
    }
}

/// A line of `denials`.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum NewsView {
    Lost { lost: u64 },
    Refused(Box<DenialView>),
}

impl NewsView {
    pub(crate) fn new(news: &News) -> Self {
        match news {
            News::Lost(lost) => Self::Lost { lost: *lost },
            News::Refused(denial) => Self::Refused(Box::new(DenialView::new(denial))),
        }
    }

    /// One line, as `--follow` prints it.
    pub(crate) fn line(&self) -> String {
        match self {
            Self::Lost { lost: 1 } => "1 refusal was lost: newer ones took its place".to_owned(),
            Self::Lost { lost } => {
                format!("{lost} refusals were lost: newer ones took their place")
            }
            Self::Refused(denial) => denial.line(),
        }
    }
}

/// What `denials` prints without `--follow`: a table, what is lost, and a hint for each reason.
pub(crate) fn denials_text(news: &[NewsView]) -> String {
    if news.is_empty() {
        return "Nothing was refused.\n".to_owned();
    }
    let mut table = table(&[
        "number",
        "times",
        "at",
        "operation",
        "TA",
        "claim",
        "owner",
        "reason",
    ]);
    let mut hints = BTreeMap::new();
    let mut lost = String::new();
    for each in news {
        match each {
            NewsView::Refused(denial) => {
                table.add_row([
                    denial.numbers(),
                    denial.count.to_string(),
                    seconds(denial.last_time_ms),
                    denial.operation.clone(),
                    denial.target(),
                    denial.claim.clone(),
                    denial.owner.clone(),
                    denial.of_grant(&denial.reason),
                ]);
                hints.insert(&denial.reason, denial);
            }
            NewsView::Lost { .. } => lost += &format!("{}.\n", each.line()),
        }
    }
    let mut text = lost;
    if !hints.is_empty() {
        text += &format!("{}\n", shown(&table));
    }
    for (word, denial) in hints {
        let hint = denial.hint.unwrap_or("A newer bindctl may know more.");
        text += &format!("\n{word}: {}.\n  {hint}\n", denial.text);
    }
    text
}

/// Its name, and one that tells the number if there is no name.
fn operation_name(number: u32) -> (&'static str, Option<String>) {
    match Operation::from_number(number) {
        Some(Operation::Open) => ("open", None),
        Some(Operation::Invoke) => ("invoke", None),
        Some(Operation::Close) => ("close", None),
        Some(Operation::Cancel) => ("cancel", None),
        None => ("", Some(format!("operation {number}"))),
    }
}

fn word(refusal: u32) -> String {
    match reason::reason(refusal) {
        Some(reason) => reason.word.to_owned(),
        None => format!("reason-{refusal}"),
    }
}

pub(crate) fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03} s", milliseconds / 1000, milliseconds % 1000)
}

pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header);
    table
}

/// Without the blanks at the ends of lines.
pub(crate) fn shown(table: &Table) -> String {
    let lines: Vec<_> = table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::tests::denial;
    use crate::names::tests::{client, names};
    use client_binding_client::identity::Principal;
    use serde_json::{Value, json};

    const VAULT: ClientUuid = ClientUuid::from_octets([0x11; 16]);

    /// A record as it comes over the wire.
    fn instance(login: Login, owner: ClientUuid) -> Instance {
        let sent = Instance {
            ta: VAULT,
            owner,
            login,
            ownership: Instance::OWNED,
            binding: Binding::ByHeader as u32,
            ta_flags: TA_FLAG_INSTANCE_KEEP_ALIVE | 1 << 30,
            sessions: 2,
            state: Instance::USER_TA,
        };
        Instance::from_octets(&sent.to_octets())
    }

    fn owned() -> Instance {
        instance(Login::USER, client(Principal::User(1000)))
    }

    fn counters() -> Counters {
        let mut by_refusal = [0; 16];
        by_refusal[Refusal::NotTheClient as usize] = 4;
        by_refusal[Refusal::QuotaReached as usize] = 1;
        by_refusal[15] = 2;
        Counters {
            refusals: 7,
            by_operation: [1, 6, 0, 0],
            by_refusal,
        }
    }

    #[test]
    fn what_was_disowned_is_its_owners_still() {
        let disowned = Instance {
            ownership: Instance::DISOWNED,
            ..owned()
        };
        let [before, after] = [owned(), disowned].map(|i| InstanceView::new(&i, &names()));
        assert_eq!((before.state, after.state), ("ready", "disowned"));
        assert_eq!(before.owner, after.owner);
    }

    #[test]
    fn status_in_words() {
        let free = Instance {
            ownership: Instance::FREE,
            binding: 0,
            ta_flags: 0,
            state: 0,
            sessions: 0,
            ..instance(Login::PUBLIC, ClientUuid::NIL)
        };
        let instances = [owned(), free];
        let status = Status {
            instances: instances
                .iter()
                .map(|i| InstanceView::new(i, &names()))
                .collect(),
            refused: CountersView::new(&counters()),
        };
        let text = status.text();
        let words: Vec<_> = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            words,
            [
                "TA kind bound kept alive sessions state login owner",
                "11111111-1111-1111-1111-111111111111 user by header yes 2 ready USER owner (uid 1000)",
                "11111111-1111-1111-1111-111111111111 pseudo no no 0 ready - -",
                "",
                "Refused since boot: 7",
                "by operation: invoke 6, open 1",
                "by reason: not-the-client 4, quota-reached 1, reason-15 2",
            ]
        );
        let none = CountersView::new(&Counters::default());
        assert_eq!(none.text(), "Nothing was refused since boot.\n");
    }

    #[test]
    fn an_instance_in_json() {
        let view = InstanceView::new(&owned(), &names());
        let expected = json!({
            "ta": "11111111-1111-1111-1111-111111111111",
            "kind": "user",
            "bound": "by header",
            "kept_alive": true,
            "sessions": 2,
            "state": "ready",
            "owner": {
                "login": "USER",
                "uuid": "fc34275c-d8dd-5ba7-968b-504718363b87",
                "name": "owner (uid 1000)",
            },
        });
        assert_eq!(serde_json::to_value(&view).unwrap(), expected);
    }

    #[test]
    fn states_of_an_instance() {
        let state = |state| {
            let instance = Instance {
                state: Instance::USER_TA | state,
                ..owned()
            };
            InstanceView::new(&instance, &names()).state
        };
        assert_eq!(state(0), "ready");
        assert_eq!(state(Instance::LOADING), "loading");
        assert_eq!(state(Instance::PANICKED), "panicked");
    }

    #[test]
    fn counters_in_json_name_each_operation_and_each_reason() {
        let value = serde_json::to_value(CountersView::new(&counters())).unwrap();
        assert_eq!(value["total"], 7);
        let operations = json!({"open": 1, "invoke": 6, "close": 0, "cancel": 0});
        assert_eq!(value["by_operation"], operations);
        let reasons = value["by_reason"].as_object().unwrap();
        assert_eq!(reasons.len(), Refusal::ALL.len() + 1);
        let counted: u64 = reasons.values().filter_map(Value::as_u64).sum();
        assert_eq!(counted, 7);
        assert_eq!(reasons["malformed-claim"], 0);
    }

    #[test]
    fn owners_are_told_once_each() {
        let other = Instance {
            ta: ClientUuid::from_octets([0x22; 16]),
            ..owned()
        };
        let unnamed = instance(Login::PROCESS, VAULT);
        let free = Instance {
            ownership: Instance::FREE,
            ..instance(Login::GROUP, client(Principal::Group(2000)))
        };
        let owners = owners(&[owned(), other, free, unnamed], &names());
        assert_eq!(owners.len(), 2);
        assert_eq!((owners[1].tas.len(), owners[1].sessions), (2, 4));
        let text = owners_text(&owners);
        for part in ["owner (uid 1000)", "PROCESS", "22222222-2222"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains("clients"), "{text}");
        assert_eq!(owners_text(&[]), "Nobody owns an instance.\n");
    }

    #[test]
    fn a_denial_in_one_line() {
        let line = |denial| NewsView::new(&News::Refused(denial)).line();
        assert_eq!(
            line(denial(12, 16)),
            "refused invoke x 5: TA abababab-abab-abab-abab-abababababab: not the client of the session (B2); \
             claim GROUP, owner USER; number 12-16, at 16.250 s"
        );
        let foreign = Denial {
            operation: 9,
            refusal: 14,
            ta: ClientUuid::NIL,
            ..denial(3, 3)
        };
        assert_eq!(
            line(foreign),
            "refused operation 9: TA -: reason 14, which this bindctl does not know; claim GROUP, owner USER; \
             number 3, at 3.250 s"
        );
        let lent = Denial {
            refusal: Refusal::NoGrant as u32,
            grant: 1793,
            ..denial(3, 3)
        };
        let reason = ": no such grant, or it is over (G8), grant 1793; claim";
        assert!(line(lent).contains(reason), "{}", line(lent));
        let lost = |count| NewsView::new(&News::Lost(count)).line();
        assert_eq!(
            lost(17),
            "17 refusals were lost: newer ones took their place"
        );
        assert_eq!(lost(1), "1 refusal was lost: newer ones took its place");
    }

    #[test]
    fn a_denial_in_json() {
        let value = |news| serde_json::to_value(NewsView::new(&news)).unwrap();
        assert_eq!(value(News::Lost(17)), json!({"lost": 17}));
        let told = value(News::Refused(denial(12, 16)));
        for (key, expected) in [
            ("first", json!(12)),
            ("last", json!(16)),
            ("count", json!(5)),
            ("first_time_ms", json!(12000)),
            ("last_time_ms", json!(16250)),
            ("ta", json!("abababab-abab-abab-abab-abababababab")),
            ("operation", json!("invoke")),
            ("reason", json!("not-the-client")),
            ("claim", json!("GROUP")),
            ("owner", json!("USER")),
            ("grant", json!(null)),
        ] {
            assert_eq!(told[key], expected, "{key}");
        }
    }

    #[test]
    fn each_reason_is_explained_once() {
        let anonymous = Denial {
            refusal: Refusal::Anonymous as u32,
            ..denial(3, 3)
        };
        let news = [
            News::Lost(17),
            News::Refused(denial(18, 18)),
            News::Refused(anonymous),
            News::Refused(denial(20, 21)),
        ];
        let text = denials_text(&news.each_ref().map(NewsView::new));
        assert_eq!(
            text.matches("PUBLIC cannot own a bound TA").count(),
            1,
            "{text}"
        );
        assert_eq!(text.matches("descriptor on.").count(), 1, "{text}");
        assert!(text.starts_with("17 refusals were lost"), "{text}");
        assert!(text.lines().all(|line| line.trim_end() == line));
        assert_eq!(denials_text(&[]), "Nothing was refused.\n");
    }
}
