// SPDX-License-Identifier: BSD-2-Clause
//! See `client_binding_fuzz::lend`.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| client_binding_fuzz::lend(octets));
