// SPDX-License-Identifier: BSD-2-Clause
//! The people of the suite.

pub(crate) use client_binding_test::kit::people::{
    CLIENTS, Line, OWNER, Person, Process, ROOT, STRANGER, let_person,
};

/// Another user in the owner's group.
pub(crate) const MEMBER: Person = Person {
    uid: 1002,
    groups: &[1002, CLIENTS],
};
/// The owner after it has left the group.
pub(crate) const LEAVER: Person = Person {
    uid: OWNER.uid,
    groups: &[OWNER.uid],
};
