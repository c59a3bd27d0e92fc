// SPDX-License-Identifier: BSD-2-Clause
//! Links libteec from `$OPTEE_CLIENT_EXPORT/usr/lib`. Without the variable nothing
//! is linked: that is enough for the tests, which bring a libteec of their own.

fn main() {
    println!("cargo:rerun-if-env-changed=OPTEE_CLIENT_EXPORT");
    if let Ok(export) = std::env::var("OPTEE_CLIENT_EXPORT") {
        println!("cargo:rustc-link-search={export}/usr/lib");
        println!("cargo:rustc-link-lib=dylib=teec");
    }
}
