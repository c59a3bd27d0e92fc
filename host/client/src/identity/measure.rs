// SPDX-License-Identifier: BSD-2-Clause
//! What Linux takes for an application: a measurement of its executable, and whether it is all of its code.

use sha2::{Digest as _, Sha256};
use std::fmt;

/// An fs-verity digest and its algorithm, by the name that Linux has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Digest {
    /// `sha256`
    Sha256([u8; 32]),
    /// `sha512`
    Sha512([u8; 64]),
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (algorithm, octets): (_, &[u8]) = match self {
            Self::Sha256(octets) => ("sha256", octets),
            Self::Sha512(octets) => ("sha512", octets),
        };
        write!(f, "{algorithm}:")?;
        octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// How much of a process is known by that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Application {
    /// All of it: nothing that it could execute is anything else than the measured file.
    OwnCode(Measurement),
    /// Where it began: it has code besides the file's, be it libraries, what `LD_PRELOAD` brought, or what it compiled
    /// when it ran. Whoever may execute the file can make it do anything.
    AnyCode(Measurement),
}

impl fmt::Display for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnCode(measurement) => write!(f, "app={measurement}"),
            Self::AnyCode(measurement) => write!(f, "app-any-code={measurement}"),
        }
    }
}

/// How an executable is measured, and what came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Measurement {
    /// The file has fs-verity enabled: the digest that `fsverity digest` prints.
    Verity(Digest),
    /// It has not: the driver's own SHA-256 of all octets in the file.
    File([u8; 32]),
}

impl Measurement {
    /// The largest file that the driver hashes, in octets. fs-verity has no such limit.
    pub const FILE_MAX: u64 = 64 << 20;

    /// What fs-verity makes of a file with this content, if it is enabled with the
    /// parameters that everybody uses: SHA-256, blocks of 4096 octets, no salt.
    pub fn verity(content: &[u8]) -> Self {
        Self::Verity(Digest::Sha256(verity_digest(content)))
    }

    /// What the driver makes of a file with this content that has no fs-verity, as `sha256sum` does.
    pub fn file(content: &[u8]) -> Self {
        Self::File(Sha256::digest(content).into())
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verity(digest) => write!(f, "verity-{digest}"),
            Self::File(octets) => write!(f, "file-{}", Digest::Sha256(*octets)),
        }
    }
}

const BLOCK: usize = 4096;

/// Each block is hashed, and so are the hashes, until one is left. That is the root of
/// the tree; `struct fsverity_descriptor` around it is hashed once more.
fn verity_digest(content: &[u8]) -> [u8; 32] {
    let mut level = content.to_vec();
    let root = loop {
        let hashes: Vec<[u8; 32]> = level.chunks(BLOCK).map(hash_block).collect();
        match hashes.as_slice() {
            // An empty file has no tree.
            [] => break [0; 32],
            [root] => break *root,
            _ => level = hashes.concat(),
        }
    };
    // version, FS_VERITY_HASH_ALG_SHA256, log2 of the block size, size of the salt
    let mut descriptor = [0; 256];
    descriptor[..4].copy_from_slice(&[1, 1, BLOCK.ilog2() as u8, 0]);
    descriptor[8..16].copy_from_slice(&(content.len() as u64).to_le_bytes());
    descriptor[16..48].copy_from_slice(&root);
    Sha256::digest(descriptor).into()
}

/// The last block is filled up with zeros.
fn hash_block(block: &[u8]) -> [u8; 32] {
    let mut padded = [0; BLOCK];
    padded[..block.len()].copy_from_slice(block);
    Sha256::digest(padded).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `fsverity digest` of fsverity-utils: of nothing, "hello", one block of
    /// "a", one octet more, and 200 blocks and a bit, whose hashes take two blocks.
    #[test]
    fn verity_digests() {
        for (content, expected) in [
            (
                vec![],
                "3d248ca542a24fc62d1c43b916eae5016878e2533c88238480b26128a1f1af95",
            ),
            (
                b"hello".to_vec(),
                "555b589c26ee43b7a2510e6c67ced9fb3190b6da6e9e683984551f5d77a763de",
            ),
            (
                vec![b'a'; 4096],
                "a2a808ddaced77f0b6b3068f47b14b5a1fb3fc43674993ab11b8e7e6f2d089e2",
            ),
            (
                vec![b'a'; 4097],
                "18b155c0b6e054f3f7d22488ed15340e74dc161ce2d123e13eb685c3ce565f70",
            ),
            (
                vec![b'a'; 200 * 4096 + 7],
                "d9280ea789d22a22ac0da6b41328e291b894733ea605ca329bb33faace36eb23",
            ),
        ] {
            let expected = format!("verity-sha256:{expected}");
            assert_eq!(Measurement::verity(&content).to_string(), expected);
        }
    }

    #[test]
    fn every_algorithm_has_its_name() {
        let sha512 = Measurement::Verity(Digest::Sha512([0xf0; 64])).to_string();
        assert_eq!(sha512, format!("verity-sha512:{}", "f0".repeat(64)));
        // printf hello | sha256sum
        assert_eq!(
            Measurement::file(b"hello").to_string(),
            "file-sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        );
    }
}
