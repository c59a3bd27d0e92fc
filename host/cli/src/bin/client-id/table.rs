// SPDX-License-Identifier: BSD-2-Clause
//! The three ways to print clients.

use client_binding_abi::Login;
use client_binding_client::identity::{Application, Principal};
use std::fmt::Write;
use uuid::Uuid;

/// Whom a TA can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// Somebody whom Linux has a UUID for.
    Principal(Principal),
    /// Another TA.
    TrustedApp(Uuid),
    /// Linux.
    Kernel,
}

impl Named {
    fn login(self) -> Login {
        match self {
            Self::Principal(principal) => principal.login(),
            Self::TrustedApp(_) => Login::TRUSTED_APP,
            Self::Kernel => Login::REE_KERNEL,
        }
    }

    fn uuid(self) -> Uuid {
        match self {
            Self::Principal(principal) => principal.uuid(),
            Self::TrustedApp(uuid) => uuid,
            Self::Kernel => Uuid::nil(),
        }
    }

    /// Whether it may have code that nobody measured.
    pub(crate) fn has_any_code(self) -> bool {
        use Principal::{Application as App, GroupApplication, UserApplication};
        matches!(
            self,
            Self::Principal(
                App(Application::AnyCode(_))
                    | UserApplication(_, Application::AnyCode(_))
                    | GroupApplication(_, Application::AnyCode(_))
            )
        )
    }

    /// What its UUID is computed from.
    fn reason(self) -> String {
        match self {
            Self::Principal(principal) => principal.name(),
            Self::TrustedApp(_) => "TA".into(),
            Self::Kernel => "Linux kernel".into(),
        }
    }
}

/// A line for each: login method, client UUID, reason.
pub(crate) fn text(clients: &[Named]) -> String {
    clients.iter().fold(String::new(), |text, client| {
        let (login, uuid, reason) = (client.login().0, client.uuid(), client.reason());
        text + &format!("{login:#010x} {uuid} {reason}\n")
    })
}

/// An array of `client_binding_clients::Client`. It is declared, not computed: the
/// compiler hashes what a reviewer can read.
pub(crate) fn rust(clients: &[Named]) -> String {
    let entry = |client: &Named| {
        let (method, args) = match client {
            Named::Principal(principal) => match principal {
                Principal::User(uid) => ("user".into(), format!("{uid}")),
                Principal::Group(gid) => ("group".into(), format!("{gid}")),
                Principal::Application(app) => called("application", "", app),
                Principal::UserApplication(uid, app) => {
                    called("user_application", &format!("{uid}, "), app)
                }
                Principal::GroupApplication(gid, app) => {
                    called("group_application", &format!("{gid}, "), app)
                }
                Principal::Process(_) => unreachable!("nobody can name a process"),
            },
            Named::TrustedApp(uuid) => {
                let uuid = format!("client_binding_clients::uuid!(\"{uuid}\")");
                ("trusted_app".into(), uuid)
            }
            Named::Kernel => return "    client_binding_clients::Client::KERNEL,\n".into(),
        };
        let warning = if client.has_any_code() {
            "    // Whoever may execute this can bring code along.\n"
        } else {
            ""
        };
        format!("{warning}    client_binding_clients::Client::{method}({args}),\n")
    };
    let entries: String = clients.iter().map(entry).collect();
    format!("// Made by client-id.\n[\n{entries}]\n")
}

/// A function of `client_binding_clients` for an application, and its arguments.
fn called(function: &str, who: &str, app: &Application) -> (String, String) {
    let (suffix, measurement) = match app {
        Application::OwnCode(measurement) => ("", measurement),
        Application::AnyCode(measurement) => ("_with_any_code", measurement),
    };
    (
        format!("{function}{suffix}"),
        format!("{who}\"{measurement}\""),
    )
}

/// A header with a table of `TEE_Identity` and the function that looks into it.
pub(crate) fn c(clients: &[Named]) -> String {
    let mut entries = String::new();
    for client in clients {
        let (login, reason) = (client.login().0, client.reason());
        let warning = if client.has_any_code() {
            "\t/* whoever may execute this can bring code along */\n"
        } else {
            ""
        };
        let uuid = client.uuid();
        let (low, mid, high, rest) = uuid.as_fields();
        let rest = rest.map(|octet| format!("{octet:#04x}")).join(", ");
        // Writing to a string does not fail.
        let _ = write!(
            entries,
            "{warning}\t/* {reason} */\n\t{{ {login:#010x},\n\t  {{ {low:#010x}, {mid:#06x}, {high:#06x},\n\t    {{ {rest} }} }} }},\n",
        );
    }
    include_str!("clients.h").replacen("@clients@", entries.trim_end(), 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use client_binding_client::identity::{Digest, Measurement};

    const DIGEST: Digest = Digest::Sha256([0xab; 32]);
    const ALL: [Named; 5] = [
        Named::Principal(Principal::User(1000)),
        Named::Principal(Principal::GroupApplication(
            2000,
            Application::OwnCode(Measurement::Verity(DIGEST)),
        )),
        Named::Principal(Principal::UserApplication(
            7,
            Application::AnyCode(Measurement::File([0xcd; 32])),
        )),
        Named::TrustedApp(uuid::uuid!("da2865b7-72bf-45d3-a678-7fdd24616a37")),
        Named::Kernel,
    ];

    #[test]
    fn text_has_a_line_for_each() {
        let text = text(&ALL);
        assert_eq!(text.lines().count(), ALL.len());
        assert!(
            text.starts_with("0x00000001 fc34275c-d8dd-5ba7-968b-504718363b87 uid=3e8\n"),
            "{text}"
        );
        assert!(text.ends_with("\n0x80000000 00000000-0000-0000-0000-000000000000 Linux kernel\n"));
    }

    #[test]
    fn rust_declares_what_can_be_read() {
        let text = rust(&ALL);
        let (digest, hash) = ("ab".repeat(32), "cd".repeat(32));
        for expected in [
            "Client::user(1000),".into(),
            format!("Client::group_application(2000, \"verity-sha256:{digest}\"),"),
            format!("Client::user_application_with_any_code(7, \"file-sha256:{hash}\"),"),
            "Client::trusted_app(client_binding_clients::uuid!(\"da2865b7-72bf-45d3-a678-7fdd24616a37\")),".into(),
            "Client::KERNEL,".into(),
        ] {
            assert!(text.contains(&expected), "{text}");
        }
        assert_eq!(text.matches("bring code along").count(), 1, "{text}");
    }

    #[test]
    fn c_has_the_fields_of_tee_uuid() {
        let text = c(&ALL);
        for expected in [
            "\t/* uid=3e8 */\n\t{ 0x00000001,\n\t  { 0xfc34275c, 0xd8dd, 0x5ba7,\n\t    { 0x96, 0x8b, 0x50, 0x47, 0x18, 0x36, 0x3b, 0x87 } } },",
            "\t/* whoever may execute this can bring code along */\n\t/* uid=7:app-any-code=file-sha256:",
            "{ 0xf0000000,\n\t  { 0xda2865b7, 0x72bf, 0x45d3,",
        ] {
            assert!(text.contains(expected), "{text}");
        }
        assert_eq!(text.matches("bring code along").count(), 1, "{text}");
        assert!(!text.contains('@'), "{text}");
    }
}
