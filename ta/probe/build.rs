// SPDX-License-Identifier: BSD-2-Clause
//! TA header and link options of one flavour: `TA_BUILD=kept-bound`, for example.

use client_binding_abi::TA_FLAG_CLIENT_BOUND;
use client_binding_proto::probe::{DECLARED, Flavour, LARGE, LARGE_DATA};
use optee_utee_build::{Error, TaConfig};

fn main() -> Result<(), Error> {
    println!("cargo:rerun-if-env-changed=TA_BUILD");
    println!("cargo:rerun-if-env-changed=TA_UNBOUND");
    println!("cargo:rustc-check-cfg=cfg(declared)");
    let name = std::env::var("TA_BUILD").unwrap_or("shared-bound".into());
    let flavour = Flavour::named(&name).expect("TA_BUILD names a flavour of the probe");
    let mut flags = flavour.kind.flags();
    // For a stock system: its core refuses the flag that it does not know, and its
    // driver has no applications.
    if flavour.bound && std::env::var("TA_UNBOUND").as_deref() != Ok("1") {
        flags |= TA_FLAG_CLIENT_BOUND;
        if *flavour == DECLARED {
            println!("cargo:rustc-cfg=declared");
        }
    }
    let mut config = TaConfig::new_default_with_cargo_env(flavour.uuid.text)?
        .ta_flags(flags)
        .ta_stack_size(4 * 1024);
    if *flavour == LARGE {
        config = config.ta_data_size(LARGE_DATA);
    }
    // The kit brings the entry point; libc's start files do not belong into a TA.
    println!("cargo:rustc-link-arg=-nostartfiles");
    optee_utee_build::build(config)
}
