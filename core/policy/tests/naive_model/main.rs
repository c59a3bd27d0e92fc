// SPDX-License-Identifier: BSD-2-Clause
//! Random histories: what the records say of them and what the naive model says.

mod model;

use client_binding_policy::Binding;
use client_binding_policy::abi::{Claim, ClientUuid, Identity, Login, Operation};
use model::{Event, agree};
use proptest::prelude::*;

fn uuid() -> impl Strategy<Value = ClientUuid> {
    prop_oneof![
        Just(ClientUuid::NIL),
        Just(ClientUuid([1, 1])),
        Just(ClientUuid([1, 2])),
        Just(ClientUuid([2, 1])),
    ]
}

fn login() -> impl Strategy<Value = Login> {
    prop::sample::select([&Login::NORMAL_WORLD[..], &[Login::TRUSTED_APP]].concat())
}

fn claim() -> impl Strategy<Value = Option<Claim>> {
    let word = (login(), prop_oneof![4 => Just(0), 1 => 0_u64..4])
        .prop_map(|(login, high)| u64::from(login.0) | high << 62);
    let word = prop_oneof![8 => word, 1 => any::<u64>()];
    proptest::option::weighted(
        0.9,
        (uuid(), word).prop_map(|(uuid, login)| Claim { uuid, login }),
    )
}

fn event() -> impl Strategy<Value = Event> {
    let operation =
        prop::sample::select(vec![Operation::Invoke, Operation::Close, Operation::Cancel]);
    prop_oneof![
        4 => (login(), uuid(), prop::bool::weighted(0.9)).prop_map(|(login, uuid, attested)| {
            Event::Open { client: Identity::new(login, uuid), attested }
        }),
        4 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(nth, opened)| {
            Event::Answer { nth: nth.index(8), opened }
        }),
        4 => (any::<prop::sample::Index>(), operation, claim()).prop_map(
            |(nth, operation, claim)| Event::Operate { nth: nth.index(8), operation, claim }
        ),
        1 => Just(Event::Destroy),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn policy_and_model_agree(
        binding in prop::sample::select(vec![Binding::Unbound, Binding::ByImage, Binding::ByHeader]),
        limit in proptest::option::of(1..4_u32),
        events in prop::collection::vec(event(), 1..60),
    ) {
        agree(binding, limit, events);
    }

    #[test]
    fn any_claim_decodes_without_panic(a: u64, b: u64, login: u64, operation in 0_u32..4) {
        let operation = Operation::from_number(operation).unwrap();
        if let Some(decoded) = (Claim { uuid: ClientUuid([a, b]), login }).decode(operation) {
            prop_assert!(Login::NORMAL_WORLD.contains(&decoded.identity.login));
            prop_assert_eq!(decoded.identity.login.0, login as u32);
        }
    }
}
