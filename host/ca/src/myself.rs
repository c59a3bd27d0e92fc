// SPDX-License-Identifier: BSD-2-Clause
//! What a process can find out about itself.

use std::fs;
use std::path::Path;

/// Whether all code that this process could execute now is that of the file it executes, or the kernel's own. What was
/// written to a page of it doesn't show.
pub(crate) fn has_own_code_only() -> std::io::Result<bool> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    Ok(is_own_code(&maps, &fs::read_link("/proc/self/exe")?))
}

/// `maps` as proc(5) describes it: addresses, permissions, offset, device, inode, name.
fn is_own_code(maps: &str, executable: &Path) -> bool {
    const KERNEL: [&str; 4] = ["[vdso]", "[vectors]", "[sigpage]", "[uprobes]"];
    maps.lines().all(|line| {
        let mut rest = line;
        let mut next = || {
            let (field, behind) = rest.trim_start().split_once(' ').unwrap_or((rest, ""));
            rest = behind;
            field
        };
        let (_, permissions, _) = (next(), next(), (next(), next(), next()));
        let name = rest.trim_start();
        !permissions.contains('x') || KERNEL.contains(&name) || Path::new(name) == executable
    })
}

/// What the numbers of users or groups here are outside of the user namespace, by `/proc/self/uid_map` or `gid_map`.
pub(crate) struct IdMap(Vec<[u32; 3]>);

impl IdMap {
    pub(crate) fn of_users() -> std::io::Result<Self> {
        Ok(Self::read(&fs::read_to_string("/proc/self/uid_map")?))
    }

    pub(crate) fn of_groups() -> std::io::Result<Self> {
        Ok(Self::read(&fs::read_to_string("/proc/self/gid_map")?))
    }

    /// Lines of three numbers: the first one here, the first one outside, how many.
    fn read(text: &str) -> Self {
        let line = |line: &str| {
            let mut fields = line.split_whitespace().map(str::parse);
            Some([
                fields.next()?.ok()?,
                fields.next()?.ok()?,
                fields.next()?.ok()?,
            ])
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// Nothing if it is nobody outside.
    pub(crate) fn outside(&self, id: u32) -> Option<u32> {
        self.0.iter().find_map(|&[here, outside, count]| {
            let offset = id.checked_sub(here).filter(|&offset| offset < count)?;
            outside.checked_add(offset)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATIC: &str = "\
00400000-0053b000 r-xp 00000000 fe:00 13                                 /clients/vault
0054b000-00558000 rw-p 0013b000 fe:00 13                                 /clients/vault
1c0b0000-1c0d2000 rw-p 00000000 00:00 0                                  [heap]
ffff9a5d0000-ffff9a5d2000 r--p 00000000 00:00 0                          [vvar]
ffff9a5d2000-ffff9a5d4000 r-xp 00000000 00:00 0                          [vdso]
ffffce5ab000-ffffce5cc000 rw-p 00000000 00:00 0                          [stack]
";

    #[test]
    fn own_code_is_the_file_and_the_kernels() {
        let vault = Path::new("/clients/vault");
        assert!(is_own_code(STATIC, vault));
        assert!(!is_own_code(STATIC, Path::new("/clients/other")));
        for more in [
            "ffff9a400000-ffff9a58c000 r-xp 00000000 fe:00 99                         /usr/lib/libc.so.6",
            "ffff9a400000-ffff9a401000 rwxp 00000000 00:00 0 ",
            "ffff9a400000-ffff9a401000 rwxp 00000000 00:00 0",
            "ffffce5ab000-ffffce5cc000 rwxp 00000000 00:00 0                          [stack]",
            "ffff9a400000-ffff9a401000 r-xs 00000000 00:01 7                          /memfd:code (deleted)",
        ] {
            assert!(!is_own_code(&format!("{STATIC}{more}\n"), vault), "{more}");
        }
    }

    #[test]
    fn a_name_may_have_spaces() {
        let maps = "00400000-0053b000 r-xp 00000000 fe:00 13    /clients/my vault\n";
        assert!(is_own_code(maps, Path::new("/clients/my vault")));
        assert!(!is_own_code(maps, Path::new("/clients/my")));
    }

    #[test]
    fn ids_are_looked_up() {
        let first = IdMap::read("         0          0 4294967295\n");
        for id in [0, 1000, u32::MAX - 1] {
            assert_eq!(first.outside(id), Some(id));
        }
        let container = IdMap::read("0 1000 1\n1 100000 65535\n");
        assert_eq!(container.outside(0), Some(1000));
        assert_eq!(container.outside(1), Some(100_000));
        assert_eq!(container.outside(65535), Some(165_534));
        assert_eq!(container.outside(65536), None);
        assert_eq!(IdMap::read("").outside(0), None);
        assert_eq!(IdMap::read("5 4294967295 2\n").outside(6), None);
    }
}
