// SPDX-License-Identifier: BSD-2-Clause
//! What fuzzing has found worth keeping: inputs that reach something others do not, and each that once failed.

use std::fs;

/// Replays each file of a folder; says which one failed.
fn replay(target: &str, function: fn(&[u8])) {
    let folder = format!("{}/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
    let files = fs::read_dir(&folder).unwrap();
    let paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    assert!(!paths.is_empty(), "nothing in {folder}");
    for path in paths {
        println!("{}", path.display());
        function(&fs::read(path).unwrap());
    }
}

#[test]
fn claim() {
    replay("claim", client_binding_fuzz::claim);
}

#[test]
fn grant() {
    replay("grant", client_binding_fuzz::grant);
}

#[test]
fn lend() {
    replay("lend", client_binding_fuzz::lend);
}

#[test]
fn history() {
    replay("history", client_binding_fuzz::history);
}
