// SPDX-License-Identifier: BSD-2-Clause
//! A core that serves the guests of a hypervisor (CFG_NS_VIRTUALIZATION): `.data` and `.bss` are there once for each guest, what is
//! in the sections of the nexus is there once for all of them.

use crate::image::{Key, has, named};
use anyhow::{Result, ensure};
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind, elf};
use std::collections::BTreeMap;

const OF_A_GUEST: [&str; 2] = [".data", ".bss"];
const OF_ALL: &str = ".nex_bss";
/// What our records are about, and the lock that protects them.
const BESIDE: [&str; 3] = ["tee_open_sessions", "tee_ctxes", "tee_ta_mutex"];

/// Variables of ours, and of those beside, that a guest does not have for itself.
pub(crate) fn shared(core: &[u8], objects: &[Vec<u8>]) -> Result<Vec<String>> {
    let core = object::File::parse(core)?;
    ensure!(
        core.section_by_name(OF_ALL).is_some(),
        "no {OF_ALL}: built without CFG_NS_VIRTUALIZATION?"
    );
    let mut ours = BTreeMap::new();
    for octets in objects {
        ours.extend(variables(&object::File::parse(&**octets)?)?);
    }
    let (mut seen, mut found) = ((0, 0), Vec::new());
    for (key, section) in variables(&core)? {
        seen.0 += usize::from(ours.contains_key(&key));
        seen.1 += usize::from(BESIDE.contains(&&*key.name));
        let matters = ours.contains_key(&key) || BESIDE.contains(&&*key.name);
        if matters && !OF_A_GUEST.contains(&&*section) {
            found.push(format!("{} in {section}", key.name));
        }
    }
    ensure!(
        seen.0 > 0 && seen.1 == BESIDE.len(),
        "not all of {BESIDE:?}, or nothing of ours, is in the core"
    );
    Ok(found)
}

/// What can be written to, and the section it is in.
fn variables(file: &object::File<'_>) -> Result<BTreeMap<Key, String>> {
    let mut found = BTreeMap::new();
    for (key, symbol) in named(file, &[SymbolKind::Data])? {
        if let Some(index) = symbol.section_index() {
            let section = file.section_by_index(index)?;
            let name = section.name()?;
            // The core maps that one read-only once it has filled it in.
            if has(&section, elf::SHF_WRITE.0) && !name.starts_with(".data.rel.ro") {
                found.insert(key, name.into());
            }
        }
    }
    Ok(found)
}
