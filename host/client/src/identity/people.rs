// SPDX-License-Identifier: BSD-2-Clause

/// Names and numbers of an `/etc/passwd` or `/etc/group`: the name stands first, its number third (passwd(5), group(5)).
pub fn people(text: &str) -> impl Iterator<Item = (&str, u32)> {
    text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        Some((name, fields.nth(1)?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_none_are_left_out() {
        let text = "root:x:0:0:root:/root:/bin/sh\nbad:x\n\n#x:y:z\n+::\nowner:x:1000:7:::\nclients:x:2000:";
        let known = [("root", 0), ("owner", 1000), ("clients", 2000)];
        assert_eq!(people(text).collect::<Vec<_>>(), known);
    }
}
