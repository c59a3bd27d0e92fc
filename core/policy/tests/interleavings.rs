// SPDX-License-Identifier: BSD-2-Clause
//! What the cores share without a lock, in every order: `--cfg loom`, see mk/verify.mk.
#![cfg(loom)]

use client_binding_policy::{LogBudget, RefusalLog};
use loom::sync::Arc;
use loom::thread;

/// Three cores, of which each is interrupted at most three times; lines are left for all of
/// their refusals, for some, for none.
#[test]
fn each_refusal_is_counted_once_and_logged_or_reported_later() {
    const CORES: usize = 3;
    for left in [0, 1, 2, 5] {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(move || {
            let spent = (0..10 - left).fold(LogBudget::default(), |budget, _| budget.take(1).0);
            let log = Arc::new(RefusalLog::with_budget(spent));
            let cores = [(); CORES].map(|()| {
                let log = log.clone();
                thread::spawn(move || log.count(1))
            });
            let mut counted = cores.map(|core| core.join().unwrap());
            counted.sort_by_key(|refusal| refusal.count);
            assert_eq!(counted.map(|refusal| refusal.count), [1, 2, 3]);
            let lines: Vec<_> = counted.iter().filter_map(|refusal| refusal.line).collect();
            assert_eq!(lines, vec![0; CORES.min(left)]);
            // A second later there is a line again, and it tells of all that were kept back.
            let later = log.count(2);
            assert_eq!(later.count, CORES as u64 + 1);
            assert_eq!(later.line.map(usize::from), Some(CORES - lines.len()));
        });
    }
}
