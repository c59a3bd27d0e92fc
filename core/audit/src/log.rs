// SPDX-License-Identifier: BSD-2-Clause

/// How many lines about refusals may be logged in a row.
const BURST: u8 = 10;

/// All refusals since boot, and what keeps them from flooding the secure log (B16): a burst of ten lines, then one a second.
///
/// Zeroed memory is a log of which nothing was spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct RefusalLog {
    count: u64,
    second: u32,
    suppressed: u16,
    spent: u8,
}

/// A refusal that was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Which one it is since boot, from 1.
    pub count: u64,
    /// If a line about it may be written, how many went unlogged before it (at most 65,535 are counted).
    pub line: Option<u16>,
}

impl RefusalLog {
    /// Counts a refusal at `second` of a clock that need not be monotonic.
    pub const fn count(&mut self, second: u32) -> Counted {
        // 2^64 refusals are not to be had.
        self.count = self.count.wrapping_add(1);
        Counted {
            count: self.count,
            line: self.line(second),
        }
    }

    const fn line(&mut self, second: u32) -> Option<u16> {
        let passed = second.saturating_sub(self.second);
        let regained = if passed > BURST as u32 {
            BURST
        } else {
            passed as u8
        };
        self.second = second;
        self.spent = self.spent.saturating_sub(regained);
        if self.spent >= BURST {
            self.suppressed = self.suppressed.saturating_add(1);
            None
        } else {
            let suppressed = self.suppressed;
            self.suppressed = 0;
            self.spent += 1;
            Some(suppressed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(log: &mut RefusalLog, second: u32, refusals: usize) -> usize {
        (0..refusals)
            .filter(|_| log.count(second).line.is_some())
            .count()
    }

    #[test]
    fn ten_lines_then_one_a_second() {
        let mut log = RefusalLog::default();
        for i in 1..=10 {
            let line = Some(0);
            assert_eq!(log.count(100), Counted { count: i, line });
        }
        for i in 11..=15 {
            let line = None;
            assert_eq!(log.count(100), Counted { count: i, line });
        }
        assert_eq!(log.count(101).line, Some(5));
        assert_eq!(log.count(101).line, None);
        assert_eq!(log.count(102).line, Some(1));
        assert_eq!(
            log.count(103),
            Counted {
                count: 19,
                line: Some(0)
            }
        );
    }

    #[test]
    fn a_quiet_hour_restores_the_burst_and_no_more() {
        let mut log = RefusalLog::default();
        assert_eq!(lines(&mut log, 0, 1), 1);
        assert_eq!(lines(&mut log, 3600, 20), 10);
        // Whatever is in the record, no more than the burst comes back.
        log.spent = u8::MAX;
        assert_eq!(lines(&mut log, 7200, 20), 0);
    }

    #[test]
    fn however_long_the_quiet_was() {
        for (quiet, regained) in [
            (1, 1),
            (9, 9),
            (10, 10),
            (11, 10),
            (256, 10),
            (u32::MAX, 10),
        ] {
            let mut log = RefusalLog {
                count: 13,
                second: 0,
                suppressed: 3,
                spent: BURST,
            };
            assert_eq!(log.count(quiet).line, Some(3), "{quiet}");
            assert_eq!(log.spent, BURST - regained + 1, "{quiet}");
        }
    }

    #[test]
    fn the_clock_may_go_back_and_counters_may_fill() {
        let mut log = RefusalLog {
            count: u64::MAX,
            second: u32::MAX,
            suppressed: u16::MAX,
            spent: BURST,
        };
        assert_eq!(
            log.count(0),
            Counted {
                count: 0,
                line: None
            }
        );
        assert_eq!(log.suppressed, u16::MAX);
        assert_eq!(log.count(1).line, Some(u16::MAX));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn burst_and_rate_are_never_exceeded(steps in prop::collection::vec(0_u32..3, 1..200)) {
            let (mut log, mut second, mut lines, mut told) = (RefusalLog::default(), 0, 0, 0);
            let refusals = steps.len() as u64;
            for (number, step) in (1..).zip(steps) {
                second += step;
                let Counted { count, line } = log.count(second);
                prop_assert_eq!(count, number);
                if let Some(suppressed) = line {
                    lines += 1;
                    told += u64::from(suppressed);
                }
                prop_assert!(lines <= 10 + u64::from(second), "{} lines after {} s", lines, second);
            }
            prop_assert_eq!(lines + told + u64::from(log.suppressed), refusals);
        }
    }
}
