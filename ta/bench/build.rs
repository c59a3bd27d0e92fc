// SPDX-License-Identifier: BSD-2-Clause
//! TA header and link options.

use client_binding_abi::TA_FLAG_CLIENT_BOUND;
use client_binding_proto::bench;
use optee_utee_build::{Error, TaConfig};

const TA_FLAG_SINGLE_INSTANCE: u32 = 1 << 2;
const TA_FLAG_MULTI_SESSION: u32 = 1 << 3;

fn main() -> Result<(), Error> {
    let mut flags = TA_FLAG_SINGLE_INSTANCE | TA_FLAG_MULTI_SESSION | TA_FLAG_CLIENT_BOUND;
    // For a stock core, which refuses the flag that it does not know.
    println!("cargo:rerun-if-env-changed=TA_UNBOUND");
    if std::env::var("TA_UNBOUND").as_deref() == Ok("1") {
        flags &= !TA_FLAG_CLIENT_BOUND;
    }
    println!("cargo:rerun-if-env-changed=TA_BUILD");
    let name = std::env::var("TA_BUILD").unwrap_or_default();
    let large = bench::LARGE.iter().find(|large| large.name == name);
    let uuid = large.map_or(bench::UUID, |large| large.uuid);
    let mut config = TaConfig::new_default_with_cargo_env(uuid.text)?
        .ta_flags(flags)
        .ta_stack_size(4 * 1024);
    if let Some(large) = large {
        config = config.ta_data_size(large.data);
    }
    // The kit brings the entry point; libc's start files do not belong into a TA.
    println!("cargo:rustc-link-arg=-nostartfiles");
    optee_utee_build::build(config)
}
