// SPDX-License-Identifier: BSD-2-Clause
//! What Linux takes an executable for.

use crate::sys;
use anyhow::{Context, Result, bail};
use client_binding_identity::{Digest, Measurement};
use nix::errno::Errno;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;

/// Measures the file as the driver does when somebody logs in by executing it.
pub fn measure(path: &Path) -> Result<Measurement> {
    let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    match sys::measure_verity(file.as_fd()) {
        Ok((algorithm, digest)) => Ok(Measurement::Verity(known(algorithm, digest)?)),
        // No fs-verity on this file, on its file system or in this kernel.
        Err(Errno::ENODATA | Errno::ENOTTY | Errno::EOPNOTSUPP) => {
            let mut content = Vec::new();
            file.read_to_end(&mut content)?;
            Ok(Measurement::file(&content))
        }
        Err(errno) => Err(errno).context("FS_IOC_MEASURE_VERITY"),
    }
}

/// `FS_VERITY_HASH_ALG_*`
fn known(algorithm: u16, digest: Vec<u8>) -> Result<Digest> {
    let size = |digest: Vec<u8>| anyhow::anyhow!("a digest of {} octets", digest.len());
    Ok(match algorithm {
        1 => Digest::Sha256(digest.try_into().map_err(size)?),
        2 => Digest::Sha512(digest.try_into().map_err(size)?),
        _ => bail!("fs-verity has an algorithm with the number {algorithm}"),
    })
}

/// Enables fs-verity on the file, unless it is.
pub fn protect(path: &Path) -> Result<()> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    match sys::enable_verity(file.as_fd()) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(errno).with_context(|| format!("fs-verity on {}", path.display())),
    }
}
