// SPDX-License-Identifier: BSD-2-Clause
//! Who may do what to whose session: every combination, with the verdict looked up
//! twice. Once it comes from the policy crate, fed like the TEE feeds it; once from
//! a table written from the rules alone. Where they differ, one of them is wrong.

use crate::Stack;
use client_binding_client::identity::Principal;
use client_binding_policy::abi::{self, Claim, ClientUuid, Identity};
use client_binding_policy::{Binding, Instance, Session};
use client_binding_proto::probe::{Kind, REFUSED};

/// The login methods of clients in Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Nobody in particular.
    Public,
    /// The effective user.
    User,
    /// The group [`CLIENTS`].
    Group,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 3] = [Self::Public, Self::User, Self::Group];
}

/// The group that the owner and another user are members of.
pub const CLIENTS: u32 = 2000;

/// What is done to a session or its TA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Opens another session by this method.
    Open(Method),
    /// Invokes a command.
    Invoke,
    /// Cancels what runs.
    Cancel,
    /// Closes the session.
    Close,
}

/// Who does it: the owner is user 1000 and in the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The very process that opened the session.
    Owner,
    /// Another process of the same user, in the same groups.
    Twin,
    /// Another user, not in the group.
    Stranger,
    /// Another user in the same group.
    Member,
    /// The owner's user without the group.
    Leaver,
    /// The owner's process after it was the stranger, without the group, for a while.
    Returned,
}

impl Caller {
    /// Every caller.
    pub const ALL: [Self; 6] = [
        Self::Owner,
        Self::Twin,
        Self::Stranger,
        Self::Member,
        Self::Leaver,
        Self::Returned,
    ];

    /// The effective user.
    pub const fn uid(self) -> u32 {
        match self {
            Self::Owner | Self::Twin | Self::Leaver | Self::Returned => 1000,
            Self::Stranger => 1001,
            Self::Member => 1002,
        }
    }

    /// Whether the caller is in the group.
    pub const fn in_group(self) -> bool {
        !matches!(self, Self::Stranger | Self::Leaver)
    }
}

/// One combination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// How the owner logged in.
    pub owner: Method,
    /// To which kind of instance.
    pub kind: Kind,
    /// Whether the TA asks for binding.
    pub bound: bool,
    /// Who.
    pub caller: Caller,
    /// Does what.
    pub deed: Deed,
}

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// The owner could not even log in: PUBLIC is no identity.
    NoOwner,
    /// It is done.
    Done,
    /// Access denied, by the TEE.
    Denied,
    /// The TA has a session already and takes no second.
    Busy,
    /// Linux does not let anybody log in as a group of others.
    NotInGroup,
}

/// Every combination of one owner's method, kind and binding.
pub fn cells(owner: Method, kind: Kind, bound: bool, deeds: &[Deed]) -> Vec<Cell> {
    let cell = |caller, deed| Cell {
        owner,
        kind,
        bound,
        caller,
        deed,
    };
    deeds
        .iter()
        .flat_map(|&deed| Caller::ALL.map(|caller| cell(caller, deed)))
        .collect()
}

fn client_uuid(principal: Principal) -> ClientUuid {
    ClientUuid::from_octets(*principal.uuid().as_bytes())
}

/// As Linux tells the TEE; `None` if it does not.
fn identity(method: Method, caller: Caller) -> Option<Identity> {
    Some(match method {
        Method::Public => Identity::new(abi::Login::PUBLIC, ClientUuid::NIL),
        Method::User => {
            let uuid = client_uuid(Principal::User(caller.uid()));
            Identity::new(abi::Login::USER, uuid)
        }
        Method::Group if caller.in_group() => {
            let uuid = client_uuid(Principal::Group(CLIENTS));
            Identity::new(abi::Login::GROUP, uuid)
        }
        Method::Group => return None,
    })
}

/// The ruling by the policy crate, on records like those the TEE keeps, where claims
/// are verified.
pub fn by_policy(cell: &Cell, stack: Stack) -> Ruling {
    let binding = match (cell.bound, stack) {
        (true, _) => Binding::ByHeader,
        (false, Stack::BoundAll) => Binding::ByImage,
        (false, _) => Binding::Unbound,
    };
    let Some(owner) = identity(cell.owner, Caller::Owner) else {
        return Ruling::NotInGroup;
    };
    let Ok(session) = Session::new(owner, true) else {
        return Ruling::NoOwner;
    };
    let mut instance = Instance::new();
    if instance.opened(&session, binding).is_err() {
        return Ruling::NoOwner;
    }
    let operation = match cell.deed {
        Deed::Open(method) => {
            let Some(joiner) = identity(method, cell.caller) else {
                return Ruling::NotInGroup;
            };
            let instance = match cell.kind {
                Kind::Private => Instance::new(),
                _ => instance,
            };
            let joined =
                Session::new(joiner, true).and_then(|joiner| instance.check_open(&joiner, binding));
            return match joined {
                Err(_) => Ruling::Denied,
                Ok(_) if cell.kind == Kind::Single => Ruling::Busy,
                Ok(_) => Ruling::Done,
            };
        }
        Deed::Invoke => abi::Operation::Invoke,
        Deed::Cancel => abi::Operation::Cancel,
        Deed::Close => abi::Operation::Close,
    };
    // Who has no identity by the session's method shows the nil UUID.
    let uuid = identity(cell.owner, cell.caller).map_or(ClientUuid::NIL, |claim| claim.uuid);
    let claim = Claim {
        uuid,
        login: owner.login.0.into(),
    };
    match session.check(operation, Some(&claim)) {
        Ok(()) => Ruling::Done,
        Err(_) => Ruling::Denied,
    }
}

/// The ruling by the rules, written without a look at the policy crate.
pub fn by_rules(cell: &Cell, stack: Stack) -> Ruling {
    use Caller::{Leaver, Member, Owner, Returned, Stranger, Twin};
    let Cell {
        owner,
        kind,
        bound,
        caller,
        deed,
    } = *cell;
    if stack.verifies() && bound && owner == Method::Public {
        return Ruling::NoOwner; // B7
    }
    if deed == Deed::Open(Method::Group) && matches!(caller, Stranger | Leaver) {
        return Ruling::NotInGroup; // as always
    }
    if !stack.verifies() {
        return match (deed, kind) {
            (Deed::Open(_), Kind::Single) => Ruling::Busy,
            _ => Ruling::Done,
        };
    }
    // B17: a user is an euid, a group is who is in it; it does not matter which process.
    let same_client = match owner {
        Method::Public => true,
        Method::User => matches!(caller, Owner | Twin | Leaver | Returned),
        Method::Group => matches!(caller, Owner | Twin | Member | Returned),
    };
    match deed {
        // B2
        Deed::Invoke | Deed::Cancel | Deed::Close if same_client => Ruling::Done,
        Deed::Invoke | Deed::Cancel | Deed::Close => Ruling::Denied,
        Deed::Open(Method::Public) if bound => Ruling::Denied, // B7
        Deed::Open(_) if kind == Kind::Private => Ruling::Done,
        // B3, B4
        Deed::Open(method) if stack.owns_instances(bound) && (method != owner || !same_client) => {
            Ruling::Denied
        }
        Deed::Open(_) if kind == Kind::Single => Ruling::Busy,
        Deed::Open(_) => Ruling::Done,
    }
}

/// What both tables say.
pub fn ruling(cell: &Cell, stack: Stack) -> Result<Ruling, String> {
    let rules = by_rules(cell, stack);
    if stack.verifies() {
        let policy = by_policy(cell, stack);
        if policy != rules {
            return Err(format!(
                "{cell:?}: the policy says {policy:?}, the rules say {rules:?}"
            ));
        }
    }
    Ok(rules)
}

/// Every deed, in the order in which they can be done to one session.
pub const DEEDS: [Deed; 6] = [
    Deed::Open(Method::Public),
    Deed::Open(Method::User),
    Deed::Open(Method::Group),
    Deed::Invoke,
    Deed::Cancel,
    Deed::Close,
];

// The probe's own refusal must not be mistaken for the TEE's.
const _: () = assert!(REFUSED != abi::TeeResult::ACCESS_DENIED.0);

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Cell> {
        let mut all = Vec::new();
        for owner in Method::ALL {
            for kind in Kind::ALL {
                for bound in [false, true] {
                    all.extend(cells(owner, kind, bound, &DEEDS));
                }
            }
        }
        all
    }

    #[test]
    fn both_tables_agree() {
        assert_eq!(all().len(), 3 * 4 * 2 * 6 * 6);
        for cell in all() {
            for stack in Stack::ALL {
                ruling(&cell, stack).unwrap();
            }
        }
    }

    #[test]
    fn nothing_is_denied_on_a_stock_stack_and_the_owner_never() {
        for cell in all() {
            assert_ne!(by_rules(&cell, Stack::Stock), Ruling::Denied);
            let own = !matches!(cell.deed, Deed::Open(_)) && cell.caller == Caller::Owner;
            for stack in [Stack::Bound, Stack::BoundAll] {
                let ruling = by_policy(&cell, stack);
                let done = matches!(ruling, Ruling::Done | Ruling::NoOwner);
                assert!(!own || done, "{cell:?}");
            }
        }
    }
}
