// SPDX-License-Identifier: BSD-2-Clause
//! Signals: what was begun is brought to an end in order.

use anyhow::{Result, ensure};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag::{register, register_conditional_shutdown};
use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

/// The exit status of what was interrupted.
pub(crate) const INTERRUPTED: u8 = 130;

static ASKED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// From now on the first signal is only noticed. The second is the end.
pub(crate) fn watch() -> Result<()> {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        register_conditional_shutdown(signal, INTERRUPTED.into(), Arc::clone(&ASKED))?;
        register(signal, Arc::clone(&ASKED))?;
    }
    Ok(())
}

pub(crate) fn noticed() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// An error if a signal was noticed.
pub(crate) fn check() -> Result<()> {
    ensure!(!noticed(), Interrupted);
    Ok(())
}

/// There is no more to say about it.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl Error for Interrupted {}
