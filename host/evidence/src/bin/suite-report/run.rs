// SPDX-License-Identifier: BSD-2-Clause
//! One run of the suite in one configuration.

use anyhow::{Result, anyhow};
use client_binding_evidence::{Kept, system_failed};
use client_binding_identity::Principal;
use client_binding_test::{Event, Planned, Proves, Stack, Verdict, parse};
use std::path::Path;

/// How a case ended, as far as one can tell from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    Closed,
    Skipped,
    Failed,
    /// It began and did not end.
    Hung,
    /// The run ended before it.
    Missing,
}

impl Outcome {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Closed => "closed",
            Self::Skipped => "skipped",
            Self::Failed => "FAIL",
            Self::Hung => "HUNG",
            Self::Missing => "MISSING",
        }
    }

    pub(crate) fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::Hung | Self::Missing)
    }
}

pub(crate) struct Outcomes {
    pub(crate) case: Planned,
    pub(crate) outcome: Outcome,
    pub(crate) detail: String,
    pub(crate) millis: u64,
}

pub(crate) struct Run {
    /// Of the configuration.
    pub(crate) name: String,
    pub(crate) results: Vec<Outcomes>,
    /// What went wrong outside of cases.
    pub(crate) system: Vec<String>,
}

impl Run {
    /// Reads what was kept in a folder.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let kept = Kept::in_folder(folder)?;
        let (events, errors) = (kept.text("events")?, kept.text("errors")?);
        let log = kept.text("secure-world.log")?;
        Self::judge(kept.name, &events, kept.status, &errors, &log)
    }

    fn judge(name: String, events: &str, status: i32, errors: &str, log: &str) -> Result<Self> {
        // A guest that was stopped leaves half a line.
        let whole = &events[..events.rfind('\n').map_or(0, |end| end + 1)];
        let events = parse(whole).map_err(|error| anyhow!("{name}: {error}"))?;
        let mut run = Self {
            name,
            results: Vec::new(),
            system: Vec::new(),
        };
        let mut stack = None;
        let mut done = false;
        for event in events {
            match event {
                Event::Plan {
                    stack: on, cases, ..
                } => {
                    stack = Some(on);
                    run.results = cases.into_iter().map(Outcomes::missing).collect();
                }
                Event::Start { number } => run.set(number, Outcome::Hung, "no end", 0),
                Event::End {
                    number,
                    verdict,
                    detail,
                    millis,
                } => {
                    let outcome = match verdict {
                        Verdict::Ok => Outcome::Ok,
                        Verdict::Closed => Outcome::Closed,
                        Verdict::Skipped => Outcome::Skipped,
                        Verdict::Fail => Outcome::Failed,
                    };
                    run.set(number, outcome, &detail, millis);
                }
                Event::Done => done = true,
            }
        }
        if !(0..=1).contains(&status) || !done {
            run.system.push(system_failed(status, errors));
        }
        if run.name == SWAPPED {
            run.swap();
        } else {
            run.system
                .extend(stack.and_then(|stack| run.log_trouble(stack, done, log)));
        }
        Ok(run)
    }

    fn set(&mut self, number: u32, outcome: Outcome, detail: &str, millis: u64) {
        let case = self
            .results
            .iter_mut()
            .find(|result| result.case.number == number);
        // Once bad, a repetition does not make it good.
        if let Some(case) = case
            && !(case.outcome == Outcome::Failed)
        {
            case.outcome = outcome;
            case.detail = detail.into();
            case.millis = millis;
        }
    }

    /// The stock stack judged as if it were bound: there every attack must be complained
    /// of, or its case cannot fail at all.
    fn swap(&mut self) {
        for result in &mut self.results {
            (result.outcome, result.detail) = match result.outcome {
                Outcome::Failed => (Outcome::Ok, "complains".into()),
                Outcome::Ok | Outcome::Closed => (
                    Outcome::Failed,
                    "does not notice that nothing is bound".into(),
                ),
                Outcome::Skipped | Outcome::Hung | Outcome::Missing => continue,
            };
        }
    }

    pub(crate) fn result(&self, number: u32) -> Option<&Outcomes> {
        self.results
            .iter()
            .find(|result| result.case.number == number)
    }

    /// B16: refusals are logged where there are any, not all of them if there are many, and
    /// never say who the owner is.
    fn log_trouble(&self, stack: Stack, done: bool, log: &str) -> Option<String> {
        let refusals = log.lines().filter(|line| line.contains(REFUSED));
        let owners = OWNERS.map(|owner| owner.uuid().to_string());
        if refusals
            .clone()
            .any(|line| owners.iter().any(|uuid| line.contains(uuid)))
        {
            return Some("the secure log says who the owner is".into());
        }
        let lines = refusals.count() as u64;
        let refused = self.results.iter().any(|result| match result.outcome {
            Outcome::Closed => true,
            Outcome::Ok => stack.verifies() && result.case.proves == Proves::Refusal,
            _ => false,
        });
        match (stack.has_bound_core(), lines) {
            (true, 0) if refused => Some("no refusal is in the secure log".into()),
            (true, _) if done && lines > BURST + self.seconds() + CLOCKS => {
                Some(format!("{lines} refusals are in the secure log"))
            }
            (false, 1..) => Some("a stock core refuses".into()),
            _ => None,
        }
    }

    pub(crate) fn seconds(&self) -> u64 {
        self.results.iter().map(|result| result.millis).sum::<u64>() / 1000
    }

    /// Everything that is not as it should be.
    pub(crate) fn troubles(&self) -> Vec<String> {
        let bad = self.results.iter().filter(|result| result.outcome.is_bad());
        let cases = bad.map(|result| {
            let (number, word) = (result.case.number, result.outcome.word());
            format!(
                "binding_{number} {}: {word}: {}",
                result.case.name, result.detail
            )
        });
        cases.chain(self.system.iter().cloned()).collect()
    }
}

impl Outcomes {
    fn missing(case: Planned) -> Self {
        Self {
            case,
            outcome: Outcome::Missing,
            detail: "the run ended before it".into(),
            millis: 0,
        }
    }
}

/// The name of the run that [`Run::swap`] is for.
const SWAPPED: &str = "swapped";

/// What a line about a refusal starts with, after the place in the source (B16).
const REFUSED: &str = "Refused ";
/// The suite's owner and its group, whose client UUIDs nobody may read there.
const OWNERS: [Principal; 2] = [Principal::User(1000), Principal::Group(2000)];
/// Lines that may come at once, at boot or after a quiet time; then it is one a second.
const BURST: u64 = 10;
/// Seconds by which the clocks of the two worlds may differ in a run.
const CLOCKS: u64 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn events(end: Option<Verdict>) -> String {
        let case = |number, proves| Planned {
            number,
            name: "x".into(),
            rules: vec![2],
            proves,
        };
        let mut events = vec![
            Event::Plan {
                stack: Stack::Bound,
                seed: 1,
                cases: vec![case(1, Proves::Refusal), case(2, Proves::Service)],
            },
            Event::Start { number: 1 },
        ];
        if let Some(verdict) = end {
            for number in [1, 2] {
                events.push(Event::End {
                    number,
                    verdict,
                    detail: String::new(),
                    millis: 1,
                });
            }
            events.push(Event::Done);
        }
        let lines = events
            .iter()
            .map(|event| serde_json::to_string(event).unwrap() + "\n");
        lines.collect()
    }

    fn judge(name: &str, events: &str, status: i32, log: &str) -> Vec<String> {
        let run = Run::judge(name.into(), events, status, "gone", log).unwrap();
        run.troubles()
    }

    const LOG: &str = "E/TC:? 0 client_binding_report:53 Refused invoke of TA";

    #[test]
    fn a_good_run_has_no_troubles() {
        assert!(judge("bound", &events(Some(Verdict::Ok)), 0, LOG).is_empty());
    }

    #[test]
    fn failures_hangs_and_losses_are_named() {
        assert_eq!(
            judge("bound", &events(Some(Verdict::Fail)), 1, LOG).len(),
            2
        );
        let troubles = judge("bound", &(events(None) + "{\"ev"), 124, LOG);
        assert!(troubles[0].contains("HUNG") && troubles[1].contains("MISSING"));
        assert!(troubles[2].contains("status 124"));
        assert!(!judge("bound", "", 125, "").is_empty());
    }

    #[test]
    fn the_log_is_looked_at() {
        let good = events(Some(Verdict::Ok));
        assert_eq!(judge("bound", &good, 0, "").len(), 1, "no line");
        let leak = format!("{LOG} of {}", OWNERS[0].uuid());
        assert_eq!(judge("bound", &good, 0, &leak).len(), 1, "the owner");
        let flood = format!("{LOG}\n").repeat(16);
        assert_eq!(judge("bound", &good, 0, &flood).len(), 1, "too many");
        let few = format!("{LOG}\n").repeat(15);
        assert!(judge("bound", &good, 0, &few).is_empty());
    }

    #[test]
    fn on_the_swapped_stack_attacks_must_fail() {
        assert!(judge(SWAPPED, &events(Some(Verdict::Fail)), 1, "").is_empty());
        let troubles = judge(SWAPPED, &events(Some(Verdict::Ok)), 0, "");
        assert_eq!(troubles.len(), 2, "{troubles:?}");
        let troubles = judge(SWAPPED, &events(None), 124, "");
        assert!(troubles[0].contains("HUNG") && troubles[1].contains("MISSING"));
        assert!(troubles[2].contains("status 124"));
    }
}
