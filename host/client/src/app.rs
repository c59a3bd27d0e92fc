// SPDX-License-Identifier: BSD-2-Clause
//! What Linux takes an executable for.

use crate::identity::{Digest, Measurement};
use client_binding_raw::sys;
use nix::errno::Errno;
use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::os::fd::AsFd;
use std::path::Path;

/// Measures the file as the driver does when somebody logs in by executing it.
pub fn measure(path: &Path) -> Result<Measurement> {
    let mut file = open(path)?;
    match sys::measure_verity(file.as_fd()) {
        Ok((algorithm, digest)) => known(algorithm, digest).map(Measurement::Verity),
        // No fs-verity on this file, on its file system or in this kernel.
        Err(Errno::ENODATA | Errno::ENOTTY | Errno::EOPNOTSUPP) => {
            let mut content = Vec::new();
            file.read_to_end(&mut content)?;
            Ok(Measurement::file(&content))
        }
        Err(errno) => Err(of(path, errno.into())),
    }
}

/// `FS_VERITY_HASH_ALG_*`
fn known(algorithm: u16, digest: Vec<u8>) -> Result<Digest> {
    let known = match algorithm {
        1 => digest.try_into().map(Digest::Sha256).ok(),
        2 => digest.try_into().map(Digest::Sha512).ok(),
        _ => None,
    };
    let unknown = || {
        let text = format!("fs-verity has a digest of an unknown kind, number {algorithm}");
        Error::new(ErrorKind::InvalidData, text)
    };
    known.ok_or_else(unknown)
}

/// Enables fs-verity on the file, unless it is.
pub fn protect(path: &Path) -> Result<()> {
    match sys::enable_verity(open(path)?.as_fd()) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(of(path, errno.into())),
    }
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| of(path, error))
}

fn of(path: &Path, error: Error) -> Error {
    Error::new(error.kind(), format!("{}: {error}", path.display()))
}
