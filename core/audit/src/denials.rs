// SPDX-License-Identifier: BSD-2-Clause

use client_binding_abi::pta::{Counters, Denial};
use client_binding_abi::{ClientUuid, Login};

/// A refusal, as it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// When, in milliseconds.
    pub time: u64,
    /// UUID of the TA.
    pub ta: ClientUuid,
    /// Number of the operation.
    pub operation: u32,
    /// Number of the refusal.
    pub refusal: u32,
    /// Login method of the claim.
    pub claim: Login,
    /// Login method of the owner.
    pub owner: Login,
    /// Number of the grant, 0 if none was used.
    pub grant: u64,
}

/// What was refused since boot: numbers of all of it, the last `N` that differ from the one before them.
///
/// The entries follow one another without a gap, so what is lost to a reader can be counted.
///
/// Zeroed memory says that nothing was refused yet: nobody has to make one on a stack, which has little room for it.
#[derive(Debug)]
#[repr(C)]
pub struct Denials<const N: usize> {
    counters: Counters,
    /// How many entries there were since boot.
    made: u64,
    /// The last of them, each at its number modulo `N`.
    entries: [Denial; N],
}

impl<const N: usize> Default for Denials<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Denials<N> {
    /// Nothing was refused yet.
    pub const fn new() -> Self {
        const { assert!(N > 0) };
        Self {
            counters: Counters {
                refusals: 0,
                by_operation: [0; 4],
                by_refusal: [0; 16],
            },
            made: 0,
            entries: [NONE; N],
        }
    }

    /// Records a refusal and gives it a number, from 1.
    pub fn record(&mut self, refused: &Refused) -> u64 {
        let Refused {
            time,
            ta,
            operation,
            refusal,
            claim,
            owner,
            grant,
        } = *refused;
        let Counters {
            refusals,
            by_operation,
            by_refusal,
        } = &mut self.counters;
        let operations = by_operation.get_mut(operation as usize).into_iter();
        let reasons = by_refusal.get_mut(refusal as usize);
        for count in operations.chain(reasons).chain([&mut *refusals]) {
            *count = count.saturating_add(1);
        }
        let number = *refusals;
        let denial = Denial {
            first: number,
            last: number,
            first_time: time,
            last_time: time,
            ta,
            operation,
            refusal,
            claim,
            owner,
            grant,
        };
        let newest = &mut self.entries[place::<N>(self.made.wrapping_sub(1))];
        if self.made > 0 && alike(newest, &denial) {
            newest.last = number;
            newest.last_time = time;
        } else {
            self.entries[place::<N>(self.made)] = denial;
            // 2^64 are not to be had.
            self.made = self.made.wrapping_add(1);
        }
        number
    }

    /// What is kept, from the oldest to the newest.
    fn kept(&self) -> impl Iterator<Item = &Denial> {
        let oldest = self.made.saturating_sub(N as u64);
        (oldest..self.made).map(|n| &self.entries[place::<N>(n)])
    }

    /// What was counted.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }
}

/// Where the entry with this number is.
const fn place<const N: usize>(number: u64) -> usize {
    (number % N as u64) as usize
}

/// What stands where there was no entry yet.
const NONE: Denial = Denial {
    first: 0,
    last: 0,
    first_time: 0,
    last_time: 0,
    ta: ClientUuid::NIL,
    operation: 0,
    refusal: 0,
    claim: Login::PUBLIC,
    owner: Login::PUBLIC,
    grant: 0,
};

/// Whether they differ in nothing but when they were.
fn alike(a: &Denial, b: &Denial) -> bool {
    (a.ta, a.operation, a.refusal) == (b.ta, b.operation, b.refusal)
        && (a.claim, a.owner, a.grant) == (b.claim, b.owner, b.grant)
}

/// How far somebody has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Reader {
    /// The number of the last refusal that is known.
    pub known: u64,
    /// How many refusals between what is known there was no entry for any more.
    pub lost: u64,
}

impl Reader {
    /// Who knows all refusals up to this number.
    pub const fn new(known: u64) -> Self {
        Self { known, lost: 0 }
    }

    /// The oldest entry with something in it that is not known yet.
    pub fn next<const N: usize>(&mut self, denials: &Denials<N>) -> Option<Denial> {
        let denial = denials.kept().find(|d| d.last > self.known)?;
        self.lost += (denial.first - 1).saturating_sub(self.known);
        self.known = denial.last;
        Some(*denial)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use client_binding_abi::Operation;
    use client_binding_policy::Refusal;
    use proptest::prelude::*;
    use std::vec::Vec;

    const TA: ClientUuid = ClientUuid([1, 2]);
    const REFUSED: Refused = Refused {
        time: 5,
        ta: TA,
        operation: Operation::Invoke as u32,
        refusal: Refusal::NotTheClient as u32,
        claim: Login::USER,
        owner: Login::GROUP,
        grant: 0,
    };

    fn read<const N: usize>(denials: &Denials<N>, known: u64) -> (Vec<Denial>, u64) {
        let mut reader = Reader::new(known);
        let entries = core::iter::from_fn(|| reader.next(denials));
        // There are no more than that, or the reader does not get on.
        let entries = entries.take(N + 1).collect();
        (entries, reader.lost)
    }

    #[test]
    fn nothing_was_refused_at_first() {
        let denials = Denials::<1>::default();
        assert_eq!(read(&denials, 0), (Vec::new(), 0));
        assert_eq!(*denials.counters(), Counters::default());
    }

    /// What stands where nothing was written yet looks like that one.
    #[test]
    fn the_first_is_like_none_before() {
        let mut denials = Denials::<1>::new();
        denials.record(&Refused {
            time: 0,
            ta: ClientUuid::NIL,
            operation: 0,
            refusal: 0,
            claim: Login::PUBLIC,
            owner: Login::PUBLIC,
            grant: 0,
        });
        assert_eq!(read(&denials, 0).0.len(), 1);
    }

    #[test]
    fn what_is_alike_is_one_entry() {
        let mut denials = Denials::<4>::new();
        assert_eq!(denials.record(&REFUSED), 1);
        let later = Refused { time: 7, ..REFUSED };
        assert_eq!(denials.record(&later), 2);
        let expected = Denial {
            first: 1,
            last: 2,
            first_time: 5,
            last_time: 7,
            ta: TA,
            operation: 1,
            refusal: 2,
            claim: Login::USER,
            owner: Login::GROUP,
            grant: 0,
        };
        for known in [0, 1] {
            assert_eq!(read(&denials, known), (Vec::from([expected]), 0));
        }
        assert_eq!(read(&denials, 2).0, []);
    }

    #[test]
    fn each_difference_makes_another_entry() {
        let others = [
            Refused {
                ta: ClientUuid([1, 3]),
                ..REFUSED
            },
            Refused {
                operation: Operation::Close as u32,
                ..REFUSED
            },
            Refused {
                refusal: Refusal::ClaimMissing as u32,
                ..REFUSED
            },
            Refused {
                claim: Login::GROUP,
                ..REFUSED
            },
            Refused {
                owner: Login::USER,
                ..REFUSED
            },
            Refused {
                grant: 7,
                ..REFUSED
            },
        ];
        for other in others {
            let mut denials = Denials::<4>::new();
            for refused in [REFUSED, other, REFUSED] {
                denials.record(&refused);
            }
            let firsts: Vec<_> = read(&denials, 0).0.iter().map(|d| d.first).collect();
            assert_eq!(firsts, [1, 2, 3], "{other:?}");
        }
    }

    #[test]
    fn counters_stop_at_the_end() {
        let mut denials = Denials::<1>::new();
        denials.counters = Counters {
            refusals: u64::MAX - 1,
            by_operation: [u64::MAX; 4],
            by_refusal: [u64::MAX; 16],
        };
        assert_eq!(denials.record(&REFUSED), u64::MAX);
        assert_eq!(denials.record(&REFUSED), u64::MAX);
        let full = Counters {
            refusals: u64::MAX,
            ..denials.counters
        };
        assert_eq!(*denials.counters(), full);
        assert_eq!(full.by_operation[1], u64::MAX);
    }

    #[test]
    fn what_has_no_number_is_counted_as_well() {
        let mut denials = Denials::<1>::new();
        denials.record(&Refused {
            operation: 4,
            refusal: 16,
            ..REFUSED
        });
        let expected = Counters {
            refusals: 1,
            ..Counters::default()
        };
        assert_eq!(*denials.counters(), expected);
    }

    fn refused() -> impl Strategy<Value = Refused> {
        (0..3_u64, 0..3_u32, 1..3_u32, 0..2_u32).prop_map(|(time, operation, refusal, login)| {
            Refused {
                time,
                operation,
                refusal,
                claim: Login(login),
                ..REFUSED
            }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Against all that ever happened, in which everything is looked up.
        #[test]
        fn a_reader_sees_or_misses_each_refusal_once(
            history in prop::collection::vec((refused(), prop::bool::weighted(0.2)), 0..60)
        ) {
            let mut denials = Denials::<4>::new();
            let mut reader = Reader::new(0);
            let (mut known, mut missed) = (0, 0);
            for (i, (refused, reads)) in history.iter().enumerate() {
                let number = i as u64 + 1;
                prop_assert_eq!(denials.record(refused), number);
                // Somebody who reads now and then.
                while let Some(entry) = reads.then(|| reader.next(&denials)).flatten() {
                    prop_assert!(entry.last > known && entry.last <= number);
                    missed += entry.first.saturating_sub(known + 1);
                    known = entry.last;
                    for number in entry.first..=entry.last {
                        let (then, _) = &history[number as usize - 1];
                        let same = Refused { time: then.time, ta: entry.ta, operation: entry.operation,
                            refusal: entry.refusal, claim: entry.claim, owner: entry.owner, grant: entry.grant };
                        prop_assert_eq!(*then, same);
                    }
                    prop_assert_eq!(entry.first_time, history[entry.first as usize - 1].0.time);
                    prop_assert_eq!(entry.last_time, history[entry.last as usize - 1].0.time);
                }
                prop_assert_eq!(reader.lost, missed);
                prop_assert!(!reads || known == number);
                // Somebody who has read nothing yet.
                let (entries, lost) = read(&denials, 0);
                let alike = |a: &Refused, b: &Refused| Refused { time: b.time, ..*a } == *b;
                let runs = history[..=i].chunk_by(|a, b| alike(&a.0, &b.0));
                let lengths: Vec<_> = runs.map(|run| run.len() as u64).collect();
                let kept = &lengths[lengths.len().saturating_sub(4)..];
                let seen: Vec<_> = entries.iter().map(|entry| entry.last + 1 - entry.first).collect();
                prop_assert_eq!(kept, &seen);
                prop_assert_eq!(lost + kept.iter().sum::<u64>(), number);
            }
            let counters = denials.counters();
            prop_assert_eq!(counters.refusals, history.len() as u64);
            for n in 0..16 {
                let reasons = history.iter().filter(|(r, _)| r.refusal == n).count() as u64;
                prop_assert_eq!(counters.by_refusal[n as usize], reasons);
                let operations = history.iter().filter(|(r, _)| r.operation == n).count() as u64;
                prop_assert_eq!(counters.by_operation.get(n as usize).copied().unwrap_or(0), operations);
            }
        }
    }
}
