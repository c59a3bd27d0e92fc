// SPDX-License-Identifier: BSD-2-Clause
//! The calls that are counted, and how a guest marks them for whoever counts.
//!
//! A mark is an instruction that does nothing: a hint whose number no architecture
//! has given a meaning. QEMU's plugin recognizes it when it is translated.

/// The first of the hints that begin a call; the call's number is added.
pub const BEGIN: u8 = 0x60;
/// Ends the call.
pub const END: u8 = 0x7f;
/// From here on instructions are counted, which makes the machine slow.
pub const ARM: u8 = 0x7e;
/// No longer.
pub const DISARM: u8 = 0x7d;

/// The code of `hint #number` in A64.
pub const fn a64_hint(number: u8) -> u32 {
    0xd503_201f | (number as u32) << 5
}

/// The code of its like in A32.
pub const fn a32_hint(number: u8) -> u32 {
    0xe320_f000 | number as u32
}

/// What a code marks, of whichever of them it is.
pub fn mark(code: u32) -> Option<Mark> {
    let (a64, a32) = ((code >> 5 & 0x7f) as u8, (code & 0x7f) as u8);
    let number = match code {
        _ if code == a64_hint(a64) => a64,
        _ if code == a32_hint(a32) => a32,
        _ => return None,
    };
    match number {
        END => Some(Mark::End),
        ARM => Some(Mark::Arm),
        DISARM => Some(Mark::Disarm),
        _ => {
            let call = Call::ALL.get(usize::from(number.checked_sub(BEGIN)?));
            call.copied().map(Mark::Begin)
        }
    }
}

/// What a guest says to whoever counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A call begins.
    Begin(Call),
    /// It ended.
    End,
    /// Calls will follow.
    Arm,
    /// No calls will follow for a while.
    Disarm,
}

/// A table of calls: their names in files and for people.
macro_rules! calls {
    ($($(#[$doc:meta])* $call:ident $name:literal $title:literal,)*) => {
        /// A call that is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Call { $($(#[$doc])* $call,)* }

        impl Call {
            /// Every call, in order of number.
            pub const ALL: &[Self] = &[$(Self::$call),*];

            /// For files.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$call => $name,)* }
            }

            /// For people.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$call => $title,)* }
            }
        }
    };
}
calls! {
    /// No call: what the marks cost.
    Nothing "nothing" "nothing",
    /// An empty command without parameters, by the session's owner.
    Invoke0 "invoke-0" "invoke",
    /// The same with four.
    Invoke4 "invoke-4" "invoke, 4 parameters",
    /// An empty command without parameters of a TA with 1 MiB of data.
    Invoke1M "invoke-1m" "invoke, TA with 1 MiB",
    /// With 8 MiB.
    Invoke8M "invoke-8m" "invoke, TA with 8 MiB",
    /// The first by somebody else, without parameters.
    Stranger0 "stranger-0" "a stranger's invoke",
    /// The same with four.
    Stranger4 "stranger-4" "a stranger's invoke, 4 parameters",
    /// A cancellation of nothing.
    Cancel "cancel" "cancel",
    /// A further session with a loaded TA, without parameters.
    Open0 "open-0" "open, TA loaded",
    /// The same with four.
    Open4 "open-4" "open, TA loaded, 4 parameters",
    /// The close of such a session.
    Close "close" "close, TA stays",
    /// The first of them when there are 10,000 sessions of another file.
    Crowd "crowd" "invoke, 10,000 sessions more",
    /// The same when they are of the same file.
    CrowdOfFile "crowd-of-file" "invoke, 10,000 more of the same file",
    /// A first session, for which the TA is loaded.
    Load0 "load-0" "open, TA not loaded",
    /// The same with four parameters.
    Load4 "load-4" "open, TA not loaded, 4 parameters",
    /// The close of the only session, after which the TA is unloaded.
    Unload "unload" "close, TA unloaded",
    /// An empty command by the owner, who has lent it to somebody.
    Lender0 "lender-0" "invoke, something lent",
    /// An empty command of what was lent, by the grantee.
    Grantee0 "grantee-0" "a grantee's invoke",
    /// Lending it.
    Lend "lend" "lend",
    /// Taking it back.
    Revoke "revoke" "take back",
}

impl Call {
    /// Whether it takes the same in each boot. What loads a TA or unloads it depends on
    /// the random place that the TA got and on what the heap looks like.
    pub const fn repeats(self) -> bool {
        !matches!(self, Self::Load0 | Self::Load4 | Self::Unload)
    }

    /// Whether it is about what is lent, which there is on bound systems alone.
    pub const fn is_of_lending(self) -> bool {
        matches!(
            self,
            Self::Lender0 | Self::Grantee0 | Self::Lend | Self::Revoke
        )
    }

    /// The call of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|call| call.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mark_is_recognized_and_nothing_else() {
        for hint in [a64_hint, a32_hint] {
            for (number, call) in (BEGIN..).zip(Call::ALL) {
                assert_eq!(mark(hint(number)), Some(Mark::Begin(*call)));
                assert_eq!(Call::named(call.name()), Some(*call));
            }
            assert_eq!(mark(hint(END)), Some(Mark::End));
            assert_eq!(mark(hint(ARM)), Some(Mark::Arm));
            assert_eq!(mark(hint(DISARM)), Some(Mark::Disarm));
            // nop, bti jc or what is nothing in A32, a call number nobody has, an instruction that is no hint
            for code in [
                hint(0),
                hint(38),
                hint(BEGIN + Call::ALL.len() as u8),
                0xd65f_03c0,
            ] {
                assert_eq!(mark(code), None);
            }
        }
        assert_eq!(a64_hint(0), 0xd503_201f);
        assert_eq!(a32_hint(0), 0xe320_f000);
    }
}
