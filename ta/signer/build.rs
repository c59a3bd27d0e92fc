// SPDX-License-Identifier: BSD-2-Clause
//! TA header and link options.

use client_binding_proto::signer;
use optee_utee_build::{Error, TaConfig};

fn main() -> Result<(), Error> {
    // No flag: one instance per session. Only such a TA may ask its client.
    let config = TaConfig::new_default_with_cargo_env(signer::UUID.text)?
        .ta_flags(0)
        .ta_stack_size(16 * 1024);
    // The kit brings the entry point; libc's start files do not belong into a TA.
    println!("cargo:rustc-link-arg=-nostartfiles");
    optee_utee_build::build(config)
}
