// SPDX-License-Identifier: BSD-2-Clause
//! `probe`: what the regression suite tests with. One source, built once for each
//! [`Flavour`]: every kind of instance, bound and unbound.

use crate::{TaUuid, commands};

const SINGLE_INSTANCE: u32 = 1 << 2;
const MULTI_SESSION: u32 = 1 << 3;
const KEEP_ALIVE: u32 = 1 << 4;

/// How many instances a TA has and how long they live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One instance for all sessions; it ends with the last of them.
    Shared,
    /// The same, but it stays when no session is left.
    Kept,
    /// One instance per session.
    Private,
    /// One instance that has one session at a time.
    Single,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Shared, Self::Kept, Self::Private, Self::Single];

    /// The `TA_FLAG_*` bits in the header.
    pub const fn flags(self) -> u32 {
        match self {
            Self::Shared => SINGLE_INSTANCE | MULTI_SESSION,
            Self::Kept => SINGLE_INSTANCE | MULTI_SESSION | KEEP_ALIVE,
            Self::Private => 0,
            Self::Single => SINGLE_INSTANCE,
        }
    }
}

/// One build of the probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flavour {
    /// As the build and people call it.
    pub name: &'static str,
    /// The TA's UUID.
    pub uuid: TaUuid,
    /// Its instances.
    pub kind: Kind,
    /// Whether it asks to be bound to its client.
    pub bound: bool,
}

impl Flavour {
    const fn new(name: &'static str, uuid: &'static str, kind: Kind, bound: bool) -> Self {
        Self {
            name,
            uuid: TaUuid::new(uuid),
            kind,
            bound,
        }
    }

    /// The flavour of that kind, bound or not.
    pub fn of(kind: Kind, bound: bool) -> Option<&'static Self> {
        FLAVOURS
            .iter()
            .find(|flavour| flavour.kind == kind && flavour.bound == bound)
    }

    /// The flavour with that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        let mut flavours = FLAVOURS.iter().chain([&DECLARED, &LARGE]);
        flavours.find(|flavour| flavour.name == name)
    }
}

/// Every flavour.
#[rustfmt::skip]
pub const FLAVOURS: [Flavour; 8] = [
    Flavour::new("shared-bound", "a587f433-a433-4ade-aa25-64cf8c7bcbf3", Kind::Shared, true),
    Flavour::new("kept-bound", "bb896db9-2534-463b-8263-45a45f596ec4", Kind::Kept, true),
    Flavour::new("private-bound", "9b113887-6e4d-437d-9691-1dc24fa6bc80", Kind::Private, true),
    Flavour::new("single-bound", "3690912e-ba92-4da1-a7c8-0c017f487e4f", Kind::Single, true),
    Flavour::new("shared", "86486453-a99a-4cde-997c-5ad668cf73ba", Kind::Shared, false),
    Flavour::new("kept", "92014d20-d4d0-4871-9a46-a1d6b21f0607", Kind::Kept, false),
    Flavour::new("private", "bc8d51c8-b3c3-4aaf-916c-f925bc77b64b", Kind::Private, false),
    Flavour::new("single", "72886dd5-8de2-4d32-9927-fca5778de1bd", Kind::Single, false),
];

/// One more, for the clients alone that the suite's build names: each kind once.
#[rustfmt::skip]
pub const DECLARED: Flavour =
    Flavour::new("declared-bound", "b1a91ba5-5a65-4a69-8085-7cca8ffa4ec9", Kind::Shared, true);

/// One more, which has room for what takes it beyond others in the address space.
#[rustfmt::skip]
pub const LARGE: Flavour =
    Flavour::new("large", "d8f3c1f2-5f0e-4c52-9b19-3c0c5f6e2a47", Kind::Private, false);
/// So many octets of data.
pub const LARGE_DATA: u32 = 4 << 20;
/// What it is filled with.
pub const FILLED: u8 = b'x';

/// What the probe does when a session is opened with a value as first parameter: it
/// waits `b` milliseconds, then does what `a` says. Other opens are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Opening {
    /// Lets the session be.
    Serve = 0,
    /// Answers [`REFUSED`].
    Refuse = 1,
    /// Panics.
    Panic = 2,
}

/// The probe's own refusal of an open: `TEE_ERROR_SECURITY`, which the TEE has no cause to say.
pub const REFUSED: u32 = 0xffff_000f;
/// How many sessions [`Command::Hold`] keeps: more than a client may have where the suite runs.
pub const HELD_MAX: usize = 8;

commands! {
    /// Answers with the three values of [`crate::Identity`].
    WhoAmI = 0 [ValueOut, ValueOut, ValueOut, None],
    /// Answers with a random number of this instance in `a` and `b`; its sessions and how
    /// often it was entered to open one; how often for this and other commands.
    Status = 1 [ValueOut, ValueOut, ValueOut, None],
    /// As a client of the TA whose UUID stands in the first two values, [`word`] by word:
    /// opens, asks `WhoAmI` (command 0), closes. Answers with code and origin, and with
    /// the login that the other TA saw.
    Ask = 2 [ValueIn, ValueIn, ValueOut, ValueOut],
    /// As a client of that TA: opens a session and keeps it, up to [`HELD_MAX`] of them. Answers with code and origin.
    Hold = 3 [ValueIn, ValueIn, ValueOut, None],
    /// Closes all that [`Command::Hold`] opened.
    Drop = 4 [None, None, None, None],
    /// Asks tee-supplicant `a` times for something it does not have.
    Supplicant = 5 [ValueIn, None, None, None],
    /// The close of this session will panic.
    PanicAtClose = 6 [None, None, None, None],
    /// As a client of the TA in the first two values: opens, invokes the command `a` of the third value, one
    /// without parameters, closes. Answers with code and origin of the open, or else of the command.
    Forward = 7 [ValueIn, ValueIn, ValueIn, ValueOut],
    /// As [`Command::Ask`] of the TA that is the client, and the code is the answer.
    AskBack = 8 [None, None, None, None],
    /// Asks `WhoAmI` in the first session that [`Command::Hold`] opened, and the code is the answer.
    AskHeld = 9 [None, None, None, None],
    /// Asks the statistics PTA for those of all TAs, and its code is the answer.
    Statistics = 10 [None, None, None, None],
    /// Allows the commands in the buffer, four octets each, to be lent.
    Allow = 11 [MemIn, None, None, None],
    /// Answers with the three values of [`crate::Identity`], of who invokes, and with the badge, the lower half in `a`.
    Invoker = 12 [ValueOut, ValueOut, ValueOut, ValueOut],
    /// Lends the user `a`, who may pass it on `b` times, the command in `a` of the second value, `b` times; answers with the grant's number, the lower half in `a`.
    Mint = 13 [ValueIn, ValueIn, ValueOut, None],
    /// Takes the grant with that number back.
    Revoke = 14 [ValueIn, None, None, None],
    /// Takes up the grant with that number and keeps the session, as [`Command::Hold`] does. Answers with code and origin.
    TakeUp = 15 [ValueIn, ValueOut, None, None],
    /// As a client of the TA in the first two values: has it wait for ten seconds and cancelled after `a` milliseconds, when so
    /// much of a second is over that the two make more than a whole one. Answers with how many milliseconds that took, and the code.
    WaitInTime = 16 [ValueIn, ValueIn, ValueIn, ValueOut],
    /// Lets the instance go.
    Disown = 17 [None, None, None, None],
    /// Looks at the TEE's clock, waits for `a` milliseconds unless cancelled, and answers with what it saw: milliseconds, the lower half in `a`.
    Clock = 18 [ValueIn, ValueOut, None, None],
    /// Swaps the two numbers, copies the first memory to the last, and inverts each octet of the one between.
    Mirror = 19 [ValueInOut, MemIn, MemInOut, MemOut],
    /// Fills `a` octets of memory of its own, and answers with their address, the lower half in `a`.
    Fill = 20 [ValueIn, ValueOut, None, None],
    /// Answers with the octet at that address. Where nothing is, the TA dies.
    Peek = 21 [ValueIn, ValueOut, None, None],
    /// Calls the first parameter, an object of the client's, with the operation `a`, the octets, and `b` milliseconds for an answer. Answers with
    /// what it answers: the result in `a`, and the octets.
    CallBack = 22 [ValueIn, ValueInOut, MemIn, MemOut],
    /// Calls the parameter `a`, whatever that is, and then the parameter `b`, with a second for an answer each. Answers with the codes.
    CallAny = 23 [ValueIn, ValueIn, ValueIn, ValueOut],
    /// Calls each parameter, of which there is none, and the code is the answer.
    CallNothing = 24 [None, None, None, None],
    /// Lends who invokes the command `a`, until a session for it is closed, and answers with the numbers of the grants, the lower half in
    /// `a`, and an octet. Of the two lowest bits of `b` each is one of them, otherwise the number is 0; the others are those of [`put_out`].
    PutOut = 25 [ValueIn, ValueOut, ValueOut, MemOut],
    /// Waits for `a` milliseconds unless cancelled.
    Wait = 0x7000 [ValueIn, None, None, None],
    /// Panics.
    Panic = 0x7001 [None, None, None, None],
}

/// What [`Command::PutOut`] does beside.
pub mod put_out {
    /// The first number is that of no grant.
    pub const WRONG_FIRST: u32 = 4;
    /// The second one is.
    pub const WRONG_SECOND: u32 = 8;
    /// The command fails with [`REFUSED`](super::REFUSED), after all.
    pub const FAIL: u32 = 16;
}

/// A UUID in two values.
pub fn words(uuid: TaUuid) -> [(u32, u32); 2] {
    let [a, b, c, d] = core::array::from_fn(|nth| word(&uuid.octets, nth));
    [(a, b), (c, d)]
}

/// The nth four octets of a UUID.
pub fn word(octets: &[u8; 16], nth: usize) -> u32 {
    u32::from_be_bytes(core::array::from_fn(|octet| octets[nth * 4 + octet]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_flavour_of_each() {
        for kind in Kind::ALL {
            for bound in [false, true] {
                let flavour = Flavour::of(kind, bound).unwrap();
                assert_eq!(Flavour::named(flavour.name), Some(flavour));
                assert_eq!(flavour.name.ends_with("-bound"), bound);
            }
        }
        assert_eq!(FLAVOURS.len(), 2 * Kind::ALL.len());
    }
}
