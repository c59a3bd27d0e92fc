// SPDX-License-Identifier: BSD-2-Clause
//! One run of the suite in one configuration.

use crate::{Kept, system_failed};
use anyhow::{Result, anyhow};
use client_binding_client::identity::Principal;
use client_binding_test::{Event, Planned, Proves, Stack, Verdict, parse};
use std::path::Path;

/// How a case ended, as far as one can tell from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As it should.
    Ok,
    /// It is about a bound TA, which opens for nobody there.
    Closed,
    /// Something that it needs is not there.
    Skipped,
    /// Not as it should.
    Failed,
    /// It began and did not end.
    Hung,
    /// The run ended before it.
    Missing,
}

impl Ending {
    /// As people read it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Closed => "closed",
            Self::Skipped => "skipped",
            Self::Failed => "FAIL",
            Self::Hung => "HUNG",
            Self::Missing => "MISSING",
        }
    }

    /// Whether there is something to complain of.
    pub const fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::Hung | Self::Missing)
    }
}

/// A case, and what came of it.
pub struct Played {
    /// Which.
    pub case: Planned,
    /// How it ended.
    pub ending: Ending,
    /// What was seen.
    pub detail: String,
    /// How long it took.
    pub millis: u64,
}

/// One run.
pub struct Run {
    /// Of the configuration.
    pub name: String,
    /// Where it was; nothing if it did not even begin.
    pub stack: Option<Stack>,
    /// Each case that was planned.
    pub results: Vec<Played>,
    /// What went wrong outside of cases.
    pub system: Vec<String>,
    done: bool,
}

impl Run {
    /// What was kept in a folder, judged.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        let kept = Kept::in_folder(folder)?;
        let (events, errors) = (kept.text("output")?, kept.text("errors")?);
        let log = kept.text("secure-world.log")?;
        Self::judge(kept.name, &events, kept.status, &errors, &log)
    }

    /// What the guest said.
    pub fn from_events(name: String, events: &str) -> Result<Self> {
        // A guest that was stopped leaves half a line.
        let whole = &events[..events.rfind('\n').map_or(0, |end| end + 1)];
        let events = parse(whole).map_err(|error| anyhow!("{name}: {error}"))?;
        let mut run = Self {
            name,
            stack: None,
            results: Vec::new(),
            system: Vec::new(),
            done: false,
        };
        for event in events {
            match event {
                Event::Plan { stack, cases, .. } => {
                    run.stack = Some(stack);
                    run.results = cases.into_iter().map(Played::missing).collect();
                }
                Event::Start { number } => run.set(number, Ending::Hung, "no end", 0),
                Event::End {
                    number,
                    verdict,
                    detail,
                    millis,
                } => {
                    let ending = match verdict {
                        Verdict::Ok => Ending::Ok,
                        Verdict::Closed => Ending::Closed,
                        Verdict::Skipped => Ending::Skipped,
                        Verdict::Fail => Ending::Failed,
                    };
                    run.set(number, ending, &detail, millis);
                }
                Event::Done => run.done = true,
            }
        }
        Ok(run)
    }

    fn judge(name: String, events: &str, status: i32, errors: &str, log: &str) -> Result<Self> {
        let mut run = Self::from_events(name, events)?;
        if !(0..=1).contains(&status) || !run.done {
            run.system.push(system_failed(status, errors));
        }
        if run.name == SWAPPED {
            run.swap();
        } else {
            run.system.extend(run.log_trouble(log));
        }
        Ok(run)
    }

    fn set(&mut self, number: u32, ending: Ending, detail: &str, millis: u64) {
        let case = self
            .results
            .iter_mut()
            .find(|result| result.case.number == number);
        // Once bad, a repetition does not make it good.
        if let Some(case) = case
            && !(case.ending == Ending::Failed)
        {
            case.ending = ending;
            case.detail = detail.into();
            case.millis = millis;
        }
    }

    /// The stock stack judged as if it were bound: there every attack must be complained
    /// of, or its case cannot fail at all.
    fn swap(&mut self) {
        for result in &mut self.results {
            (result.ending, result.detail) = match result.ending {
                Ending::Failed => (Ending::Ok, "complains".into()),
                Ending::Ok | Ending::Closed => (
                    Ending::Failed,
                    "does not notice that nothing is bound".into(),
                ),
                Ending::Skipped | Ending::Hung | Ending::Missing => continue,
            };
        }
    }

    /// What came of a case.
    pub fn result(&self, number: u32) -> Option<&Played> {
        self.results
            .iter()
            .find(|result| result.case.number == number)
    }

    /// B16: refusals are logged where there are any, not all of them if there are many, and
    /// never say who the owner is.
    fn log_trouble(&self, log: &str) -> Option<String> {
        let stack = self.stack?;
        let refusals = log.lines().filter(|line| line.contains(REFUSED));
        let owners = OWNERS.map(|owner| owner.uuid().to_string());
        if refusals
            .clone()
            .any(|line| owners.iter().any(|uuid| line.contains(uuid)))
        {
            return Some("the secure log says who the owner is".into());
        }
        let lines = refusals.count() as u64;
        let refused = self.results.iter().any(|result| match result.ending {
            Ending::Closed => true,
            Ending::Ok => stack.verifies() && result.case.proves == Proves::Refusal,
            _ => false,
        });
        match (stack.has_bound_core(), lines) {
            (true, 0) if refused => Some("no refusal is in the secure log".into()),
            (true, _) if self.done && lines > BURST + self.seconds() + CLOCKS => {
                Some(format!("{lines} refusals are in the secure log"))
            }
            (false, 1..) => Some("a stock core refuses".into()),
            _ => None,
        }
    }

    /// How long all cases took.
    pub fn seconds(&self) -> u64 {
        self.results.iter().map(|result| result.millis).sum::<u64>() / 1000
    }

    /// Everything that is not as it should be.
    pub fn troubles(&self) -> Vec<String> {
        let bad = self.results.iter().filter(|result| result.ending.is_bad());
        let cases = bad.map(|result| {
            let (number, word) = (result.case.number, result.ending.word());
            format!(
                "binding_{number} {}: {word}: {}",
                result.case.name, result.detail
            )
        });
        cases.chain(self.system.iter().cloned()).collect()
    }
}

impl Played {
    fn missing(case: Planned) -> Self {
        Self {
            case,
            ending: Ending::Missing,
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
            shown: None,
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
