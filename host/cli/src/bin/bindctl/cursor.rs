// SPDX-License-Identifier: BSD-2-Clause
//! How far a reader of refusals has come.

use client_binding_abi::pta::Denial;

/// What is new to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// So many refusals came and went unseen.
    Lost(u64),
    /// Refusals of one kind, one after the other.
    Refused(Denial),
}

/// The number of the last refusal that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor(pub(crate) u64);

impl Cursor {
    /// Takes an answer to the question what came after us. Of an entry that grew since, what it grew by is new;
    /// when the first of those was is not known, so that becomes the time of the last one.
    pub(crate) fn advance(&mut self, denials: &[Denial], lost: u64) -> Vec<News> {
        let mut news = Vec::new();
        let mut unseen = lost;
        for &(mut denial) in denials {
            if denial.last <= self.0 {
                continue;
            }
            // The ring may have turned while it was read, so what is lost is where numbers are missing.
            let gap = denial.first.saturating_sub(self.0 + 1);
            if gap > 0 {
                news.push(News::Lost(gap));
                unseen = unseen.saturating_sub(gap);
            }
            if denial.first <= self.0 {
                denial.first = self.0 + 1;
                denial.first_time = denial.last_time;
            }
            self.0 = denial.last;
            news.push(News::Refused(denial));
        }
        if unseen > 0 {
            self.0 += unseen;
            news.push(News::Lost(unseen));
        }
        news
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use client_binding_abi::{ClientUuid, Login, Operation};
    use client_binding_policy::Refusal;

    /// A record as it comes over the wire.
    pub(crate) fn denial(first: u64, last: u64) -> Denial {
        let sent = Denial {
            first,
            last,
            first_time: first * 1000,
            last_time: last * 1000 + 250,
            ta: ClientUuid::from_octets([0xab; 16]),
            operation: Operation::Invoke as u32,
            refusal: Refusal::NotTheClient as u32,
            claim: Login::GROUP,
            owner: Login::USER,
            grant: 0,
        };
        Denial::from_octets(&sent.to_octets())
    }

    #[test]
    fn everything_is_new_once() {
        let mut cursor = Cursor::default();
        let told = [denial(1, 1), denial(2, 5)];
        assert_eq!(cursor.advance(&told, 0), told.map(News::Refused));
        assert_eq!(cursor, Cursor(5));
        assert_eq!(cursor.advance(&told, 0), []);
        assert_eq!(cursor.advance(&[], 0), []);
        assert_eq!(cursor, Cursor(5));
    }

    #[test]
    fn of_what_grew_only_the_growth_is_new() {
        let mut cursor = Cursor(3);
        let grown = Denial {
            first: 4,
            first_time: 6250,
            ..denial(2, 6)
        };
        assert_eq!(cursor.advance(&[denial(2, 6)], 0), [News::Refused(grown)]);
        assert_eq!(cursor, Cursor(6));
    }

    #[test]
    fn what_is_lost_is_said_where_it_is_missing() {
        let mut cursor = Cursor(10);
        let told = [denial(28, 30), denial(33, 33)];
        let expected = [
            News::Lost(17),
            News::Refused(told[0]),
            News::Lost(2),
            News::Refused(told[1]),
        ];
        assert_eq!(cursor.advance(&told, 19), expected);
        assert_eq!(cursor, Cursor(33));
        // Nothing of them is left.
        assert_eq!(cursor.advance(&[], 5), [News::Lost(5)]);
        assert_eq!(cursor, Cursor(38));
    }

    #[test]
    fn who_is_ahead_learns_nothing() {
        let mut cursor = Cursor(100);
        assert_eq!(cursor.advance(&[denial(1, 99)], 0), []);
        assert_eq!(cursor, Cursor(100));
    }
}
