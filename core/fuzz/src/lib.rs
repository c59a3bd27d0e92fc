// SPDX-License-Identifier: BSD-2-Clause
//! The fuzz targets, as functions: libFuzzer calls them from `fuzz_targets`, `tests/corpus.rs` with what it once found.

#[path = "../../glue/src/lib.rs"]
pub mod glue;
mod grants;
#[path = "../../policy/tests/naive_model/model.rs"]
mod model;

use arbitrary::{Result, Unstructured};
use client_binding_policy::abi::{Claim, ClientUuid, Identity, Login, Operation};
use client_binding_policy::{Binding, Refusal, Session};
pub use grants::{grant, lend};
use model::{agree, Event, Model, ModelSession};

const ATTESTED: u64 = 1 << 63;
const LATER: [Operation; 3] = [Operation::Invoke, Operation::Close, Operation::Cancel];

/// The messages of one session, as the glue gets them from C: its open, and what comes later.
pub fn claim(octets: &[u8]) {
    // Octets that are too few for anything say nothing.
    let _ = session(&mut Unstructured::new(octets));
}

/// Lets something happen to a session, as C tells it.
fn decide(record: &mut Session, happened: u32, operation: u32, claim: Claim) -> u32 {
    let mut event = glue::Event {
        claim,
        happened,
        operation,
        number: 0,
        verdict: u32::MAX,
        ta: glue::TeeUuid([0; 4]),
    };
    let verdict = glue::client_binding_decide(&mut event, record, None);
    assert_eq!(verdict, event.verdict);
    assert_eq!(claim, event.claim);
    verdict
}

fn session(u: &mut Unstructured<'_>) -> Result<()> {
    let claim = any_claim(u)?;
    let nobody = Identity::new(Login::PUBLIC, ClientUuid::NIL);
    let mut record = Session::new(nobody, false).unwrap();
    let before = record;
    let verdict = decide(&mut record, glue::CLIENT_BINDING_BEGIN, 0, claim);
    let Some((client, attested)) = opened(claim) else {
        assert_eq!(verdict, Refusal::Malformed as u32);
        assert_eq!(record, before);
        return Ok(());
    };
    assert_eq!(verdict, glue::CLIENT_BINDING_UNDECIDED);
    assert_eq!(record.client(), client);
    assert_eq!(record.is_attested(), attested);
    let session = ModelSession {
        client,
        attested,
        answer: Some(true),
        closed: false,
    };
    let own = Claim {
        uuid: client.uuid,
        login: client.login.0.into(),
    };
    while !u.is_empty() {
        let operation = *u.choose(&LATER)?;
        let claim = match u.int_in_range(0..=3)? {
            0 => None,
            1 => Some(any_claim(u)?),
            // The client's own, but for one bit or none.
            _ => Some(nearly(own, u.int_in_range(0..=255)?)),
        };
        let (happened, sent) = match claim {
            Some(claim) => (glue::CLIENT_BINDING_CLAIMED_USE, claim),
            None => (glue::CLIENT_BINDING_USE, own),
        };
        // C asks this first if a claim came: it is the short way to the same verdict.
        let ClientUuid([a, b]) = sent.uuid;
        let known = glue::client_binding_recognizes(&record, a, b, sent.login);
        assert_eq!(known, attested && sent == own, "{sent:x?} in {record:x?}");
        let verdict = decide(&mut record, happened, operation as u32, sent);
        assert!(!known || claim.is_none() || verdict == glue::CLIENT_BINDING_GO);
        let expected = Model::operate(&session, operation, claim);
        assert_eq!(
            verdict,
            expected.map_or_else(|refusal| refusal as u32, |()| 0)
        );
        let result = expected.map_or_else(|refusal| refusal.result().0, |()| 0);
        assert_eq!(glue::client_binding_result(verdict), result);
        assert_eq!(result == 0, expected.is_ok());
        // A number that is no operation, or no event, is refused.
        let number = u.arbitrary()?;
        let verdict = decide(&mut record, happened, number, sent);
        if Operation::from_number(number).is_none() {
            assert_eq!(verdict, Refusal::Malformed as u32);
        }
        let before = record;
        // Those of an instance come without one here.
        for number in [
            number.saturating_add(7),
            glue::CLIENT_BINDING_ENTER,
            glue::CLIENT_BINDING_ACCEPTED,
        ] {
            let verdict = decide(&mut record, number, operation as u32, sent);
            assert_eq!(verdict, Refusal::Malformed as u32);
        }
        assert_eq!(record, before);
    }
    Ok(())
}

fn any_claim(u: &mut Unstructured<'_>) -> Result<Claim> {
    let uuid = ClientUuid(u.arbitrary()?);
    let login = u.arbitrary()?;
    Ok(Claim { uuid, login })
}

fn nearly(mut claim: Claim, bit: u8) -> Claim {
    let flipped = 1 << (bit % 64);
    match bit / 64 {
        0 => claim.uuid.0[0] ^= flipped,
        1 => claim.uuid.0[1] ^= flipped,
        2 => claim.login ^= flipped,
        _ => {}
    }
    claim
}

/// The client of an open and whether claims will follow, by the tables of docs/wire-format.md.
fn opened(claim: Claim) -> Option<(Identity, bool)> {
    let attested = claim.login >= ATTESTED;
    let (login, uuid) = match claim.login & !ATTESTED {
        method @ (0 | 0x8000_0000) => (method, ClientUuid::NIL),
        method @ (1 | 2 | 4 | 5 | 6 | 0xefff_ffff) => (method, claim.uuid),
        _ => return None,
    };
    let login = Login(login as u32);
    Some((Identity { login, uuid }, attested))
}

/// Opens, the TA's answers, and what comes later, in any order, on one instance: the records
/// must say what the naive model says.
pub fn history(octets: &[u8]) {
    let mut u = Unstructured::new(octets);
    let bindings = [Binding::Unbound, Binding::ByImage, Binding::ByHeader];
    let Ok(binding) = u.choose(&bindings).copied() else {
        return;
    };
    let limit = u.int_in_range(0..=3).unwrap_or_default();
    let limit = (limit > 0).then_some(limit);
    let events = std::iter::from_fn(|| (!u.is_empty()).then(|| event(&mut u).ok()).flatten());
    agree(binding, limit, events);
}

fn event(u: &mut Unstructured<'_>) -> Result<Event> {
    Ok(match u.int_in_range(0..=9)? {
        0..=2 => Event::Open {
            client: Identity::new(login(u)?, uuid(u)?),
            attested: u.ratio(9, 10)?,
        },
        3..=5 => Event::Answer {
            nth: u.int_in_range(0..=7)?,
            opened: u.arbitrary()?,
        },
        6..=8 => Event::Operate {
            nth: u.int_in_range(0..=7)?,
            operation: *u.choose(&LATER)?,
            claim: match u.int_in_range(0..=9)? {
                0 => None,
                1 => Some(any_claim(u)?),
                _ => Some(Claim {
                    uuid: uuid(u)?,
                    login: u64::from(login(u)?.0) | u.int_in_range(0..=3)? << 62,
                }),
            },
        },
        _ => Event::Destroy,
    })
}

fn login(u: &mut Unstructured<'_>) -> Result<Login> {
    let number = u.int_in_range(0..=Login::NORMAL_WORLD.len())?;
    let login = Login::NORMAL_WORLD.get(number);
    Ok(*login.unwrap_or(&Login::TRUSTED_APP))
}

fn uuid(u: &mut Unstructured<'_>) -> Result<ClientUuid> {
    Ok(ClientUuid([u.int_in_range(0..=1)?, u.int_in_range(0..=1)?]))
}
