// SPDX-License-Identifier: BSD-2-Clause

use client_binding_abi as abi;
use serde::{Deserialize, Serialize};

/// As whom a session is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Login {
    /// As nobody. TAs that are bound to their client refuse it.
    Public,
    /// As the effective user of the calling thread.
    User,
    /// As a member of the group with this gid. The kernel checks the membership.
    Group(u32),
    /// As the program that the calling process executes, whoever its user is.
    Application,
    /// As that program, executed by the effective user.
    UserApplication,
    /// As that program, executed by a member of the group with this gid.
    GroupApplication(u32),
    /// As the calling process alone. Neither its children nor what it executes are the
    /// client, its threads are.
    Process,
}

impl Login {
    /// The connection method, `TEEC_LOGIN_*`.
    pub const fn method(self) -> u32 {
        let login = match self {
            Self::Public => abi::Login::PUBLIC,
            Self::User => abi::Login::USER,
            Self::Group(_) => abi::Login::GROUP,
            Self::Application => abi::Login::APPLICATION,
            Self::UserApplication => abi::Login::APPLICATION_USER,
            Self::GroupApplication(_) => abi::Login::APPLICATION_GROUP,
            Self::Process => abi::Login::PROCESS,
        };
        login.0
    }

    /// The group that it names.
    pub const fn group(self) -> Option<u32> {
        match self {
            Self::Group(gid) | Self::GroupApplication(gid) => Some(gid),
            _ => None,
        }
    }
}
