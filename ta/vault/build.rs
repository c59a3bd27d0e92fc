// SPDX-License-Identifier: BSD-2-Clause
//! TA header and link options.

use client_binding_abi::TA_FLAG_CLIENT_BOUND;
use client_binding_proto::vault;
use optee_utee_build::{Error, TaConfig};

const TA_FLAG_SINGLE_INSTANCE: u32 = 1 << 2;
const TA_FLAG_MULTI_SESSION: u32 = 1 << 3;
const TA_FLAG_INSTANCE_KEEP_ALIVE: u32 = 1 << 4;

fn main() -> Result<(), Error> {
    let mut flags = TA_FLAG_SINGLE_INSTANCE
        | TA_FLAG_MULTI_SESSION
        | TA_FLAG_INSTANCE_KEEP_ALIVE
        | TA_FLAG_CLIENT_BOUND;
    // For a stock system: its core refuses the flag that it does not know, and its
    // driver has no application to name. TA_UNBOUND=1 leaves out both and nothing else.
    println!("cargo:rerun-if-env-changed=TA_UNBOUND");
    println!("cargo:rustc-check-cfg=cfg(unbound)");
    if std::env::var("TA_UNBOUND").as_deref() == Ok("1") {
        flags &= !TA_FLAG_CLIENT_BOUND;
        println!("cargo:rustc-cfg=unbound");
    }
    let config = TaConfig::new_default_with_cargo_env(vault::UUID.text)?
        .ta_flags(flags)
        .ta_stack_size(8 * 1024);
    // The kit brings the entry point; libc's start files do not belong into a TA.
    println!("cargo:rustc-link-arg=-nostartfiles");
    optee_utee_build::build(config)
}
