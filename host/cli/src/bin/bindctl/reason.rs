// SPDX-License-Identifier: BSD-2-Clause
//! Why something is refused, and what usually helps.

use client_binding_policy::Refusal;

/// What bindctl says of a refusal.
pub(crate) struct Reason {
    /// For machines.
    pub(crate) word: &'static str,
    /// The usual cause and what to do about it.
    pub(crate) hint: &'static str,
}

/// `None` for a number that only a newer OP-TEE knows.
pub(crate) fn reason(refusal: u32) -> Option<Reason> {
    Refusal::from_number(refusal).map(of)
}

fn of(refusal: Refusal) -> Reason {
    let (word, hint) = match refusal {
        Refusal::Malformed => (
            "malformed-claim",
            "No client can cause that: the message does not come from the driver, or driver and OP-TEE do not belong \
             together. Look for a hypervisor or a module that sends messages of its own.",
        ),
        Refusal::NotTheClient => (
            "not-the-client",
            "The process changed its user or lost its group after it had opened the session, executed another \
             program, or passed its file descriptor on. Let each process open a session of its own, and log in after \
             it dropped its privileges.",
        ),
        Refusal::ClaimMissing => (
            "claim-missing",
            "The driver said at open that it would tell who calls, and this call came without. It does not come from \
             that driver: look for a hypervisor, or a kernel that was started by kexec.",
        ),
        Refusal::NotTheOwner => (
            "not-the-owner",
            "Another client was the first to open the TA and owns it now; `bindctl owners` tells who. It owns a TA \
             that is kept alive until reboot. Let those who share a TA log in alike, for instance as one group; to keep \
             others from coming first, let the TA name its clients.",
        ),
        Refusal::Anonymous => (
            "public",
            "The client logs in as PUBLIC, that is, not at all. Let it log in as a user, group, application or \
             process: connectionMethod of TEEC_OpenSession().",
        ),
        Refusal::Unattested => (
            "unattested",
            "The driver does not tell who calls: its kernel log lacks `optee: client binding is enabled`. Install the \
             driver series; under a hypervisor, let it pass the capability on.",
        ),
        Refusal::QuotaReached => (
            "quota-reached",
            "The client has as many sessions as CFG_CLIENT_BINDING_MAX_SESSIONS of OP-TEE allows. Look for sessions \
             that it does not close. All PUBLIC clients together count as one: let them log in.",
        ),
        Refusal::NoGrant => (
            "no-grant",
            "What was lent is over: taken back, used up, out of time, or the session that it was of is closed. If there never \
             was such a grant, somebody guesses numbers.",
        ),
        Refusal::NotTheGrantee => (
            "not-the-grantee",
            "Somebody uses what was lent to another client. If that client should have been meant, lend it to the login \
             method and the UUID that `client-id` prints for it.",
        ),
        Refusal::NotLent => (
            "not-lent",
            "The grant is good, but not for that command: it does not name it, or the TA does not allow it to be lent \
             any more.",
        ),
    };
    Reason { word, hint }
}

/// The reason in a few words.
pub(crate) fn text(refusal: u32) -> String {
    match Refusal::from_number(refusal) {
        // All of them are ASCII.
        Some(known) => known.text().to_string_lossy().into_owned(),
        None => format!("reason {refusal}, which this bindctl does not know"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_refusal_has_a_word_and_a_hint_of_its_own() {
        let reasons = Refusal::ALL.map(|refusal| reason(refusal as u32).unwrap());
        let words: HashSet<_> = reasons.iter().map(|reason| reason.word).collect();
        let hints: HashSet<_> = reasons.iter().map(|reason| reason.hint).collect();
        assert_eq!([words.len(), hints.len()], [Refusal::ALL.len(); 2]);
        for reason in reasons {
            let is_word = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(reason.word.chars().all(is_word), "{}", reason.word);
            assert!(reason.hint.ends_with('.') && !reason.hint.contains("  "));
        }
    }

    #[test]
    fn what_is_unknown_is_shown_by_its_number() {
        for number in [0, Refusal::ALL.len() as u32 + 1, u32::MAX] {
            assert!(reason(number).is_none());
            assert!(text(number).starts_with(&format!("reason {number},")));
        }
    }
}
