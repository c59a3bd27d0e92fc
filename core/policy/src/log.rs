// SPDX-License-Identifier: BSD-2-Clause

#[cfg(not(loom))]
use core::sync::atomic::{AtomicU64, Ordering};
#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};

/// How many lines about refusals may be logged in a row.
const BURST: u8 = 10;

/// Keeps refusals from flooding the secure log (B16): a burst of ten lines, then
/// one a second. One word, so that the caller can swap it atomically.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogBudget {
    second: u32,
    suppressed: u16,
    spent: u8,
}

impl LogBudget {
    /// From the word that [`to_word`](Self::to_word) made; 0 is a full budget.
    pub const fn from_word(word: u64) -> Self {
        Self {
            second: (word >> 32) as u32,
            suppressed: (word >> 16) as u16,
            spent: word as u8,
        }
    }

    /// The budget in one word.
    pub const fn to_word(self) -> u64 {
        (self.second as u64) << 32 | (self.suppressed as u64) << 16 | self.spent as u64
    }

    /// Asks for a line at `second` of a clock that need not be monotonic.
    ///
    /// Gives the budget that remains and, if the line may be written, how many
    /// lines were kept back before it (at most 65,535 are counted).
    pub const fn take(self, second: u32) -> (Self, Option<u16>) {
        let passed = second.saturating_sub(self.second);
        let regained = if passed > BURST as u32 {
            BURST
        } else {
            passed as u8
        };
        let spent = self.spent.saturating_sub(regained);
        if spent >= BURST {
            let kept = Self {
                second,
                suppressed: self.suppressed.saturating_add(1),
                spent,
            };
            (kept, None)
        } else {
            let left = Self {
                second,
                suppressed: 0,
                spent: spent + 1,
            };
            (left, Some(self.suppressed))
        }
    }
}

/// All refusals since boot, counted by all cores at once.
#[derive(Debug)]
pub struct RefusalLog {
    count: AtomicU64,
    budget: AtomicU64,
}

/// A refusal that was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Which one it is since boot, from 1.
    pub count: u64,
    /// How many went unlogged before it, if a line about it may be written.
    pub line: Option<u16>,
}

#[cfg(not(loom))]
impl Default for RefusalLog {
    fn default() -> Self {
        Self::new()
    }
}

impl RefusalLog {
    /// Nothing was refused yet, and the budget is full.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Self {
            count: AtomicU64::new(0),
            budget: AtomicU64::new(0),
        }
    }

    /// The same with a budget. Under loom, whose atomics are made at run time.
    #[cfg(loom)]
    pub fn with_budget(budget: LogBudget) -> Self {
        Self {
            count: AtomicU64::new(0),
            budget: AtomicU64::new(budget.to_word()),
        }
    }

    /// Counts a refusal at `second` of a clock that need not be monotonic.
    pub fn count(&self, second: u32) -> Counted {
        // 2^64 refusals are not to be had.
        let count = self.count.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let line = self.line(second);
        Counted { count, line }
    }

    /// The same for a refusal that [`Denials`](crate::Denials) counts.
    pub fn line(&self, second: u32) -> Option<u16> {
        let mut line = None;
        let spend = |word| {
            let (left, granted) = LogBudget::from_word(word).take(second);
            line = granted;
            Some(left.to_word())
        };
        // Never fails, because there is always something left to write.
        let _ = self
            .budget
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend);
        line
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_then_one_a_second() {
        let mut budget = LogBudget::default();
        for _ in 0..10 {
            let (next, line) = budget.take(100);
            assert_eq!(line, Some(0));
            budget = LogBudget::from_word(next.to_word());
        }
        for _ in 0..5 {
            let (next, line) = budget.take(100);
            assert_eq!(line, None);
            budget = next;
        }
        let (budget, line) = budget.take(101);
        assert_eq!(line, Some(5));
        assert_eq!(budget.take(101).1, None);
        assert_eq!(budget.take(102).1, Some(0));
    }

    #[test]
    fn refusals_are_counted_whether_logged_or_not() {
        let log = RefusalLog::new();
        let counted: [_; 12] = core::array::from_fn(|_| log.count(7));
        for (i, Counted { count, line }) in counted.into_iter().enumerate() {
            assert_eq!((count, line), (i as u64 + 1, (i < 10).then_some(0)));
        }
        let line = Some(2);
        assert_eq!(RefusalLog::default().count(0).count, 1);
        assert_eq!(log.count(8), Counted { count: 13, line });
    }

    #[test]
    fn a_quiet_hour_restores_the_burst_and_no_more() {
        let mut budget = LogBudget::from_word(u64::from(u8::MAX));
        let mut lines = 0;
        for _ in 0..20 {
            let (next, line) = budget.take(3600);
            lines += usize::from(line.is_some());
            budget = next;
        }
        assert_eq!(lines, 0, "a forged word regains at most the burst");
        let mut budget = LogBudget::default().take(0).0;
        lines = 0;
        for _ in 0..20 {
            let (next, line) = budget.take(3600);
            lines += usize::from(line.is_some());
            budget = next;
        }
        assert_eq!(lines, 10);
    }

    #[test]
    fn however_long_the_quiet_was() {
        let exhausted = LogBudget {
            second: 0,
            suppressed: 3,
            spent: BURST,
        };
        for (quiet, regained) in [
            (1, 1),
            (9, 9),
            (10, 10),
            (11, 10),
            (256, 10),
            (u32::MAX, 10),
        ] {
            let (budget, line) = exhausted.take(quiet);
            assert_eq!(line, Some(3), "{quiet}");
            assert_eq!(budget.spent, BURST - regained + 1, "{quiet}");
        }
    }

    #[test]
    fn the_clock_may_go_back_and_counters_may_fill() {
        let budget = LogBudget {
            second: u32::MAX,
            suppressed: u16::MAX,
            spent: BURST,
        };
        let (budget, line) = budget.take(0);
        assert_eq!((budget.suppressed, line), (u16::MAX, None));
        assert_eq!(budget.take(1).1, Some(u16::MAX));
        assert_eq!(LogBudget::from_word(budget.to_word()), budget);
    }
}
