// SPDX-License-Identifier: BSD-2-Clause
//! The secrets a vault holds: fixed capacity, no allocation, wiped when deleted.
//!
//! A secret stays where it was put until it is wiped there. A map that moves its
//! values on removal would leave copies behind.

#![no_std]

use client_binding_proto::vault::{CAPACITY, NAME_MAX, Refusal, SECRET_MAX, name_is_valid};
use heapless::Vec;
use zeroize::Zeroize;

/// A named secret; free when the name is empty.
struct Slot {
    number: u64,
    name: Vec<u8, NAME_MAX>,
    len: usize,
    /// Zero beyond `len`.
    buffer: [u8; SECRET_MAX],
}

impl Slot {
    const FREE: Self = Self {
        number: 0,
        name: Vec::new(),
        len: 0,
        buffer: [0; SECRET_MAX],
    };

    fn wipe(&mut self) {
        self.buffer.zeroize();
        self.len = 0;
        self.name.clear();
        self.number = 0;
    }

    fn secret(&self) -> Option<&[u8]> {
        self.buffer.get(..self.len)
    }
}

/// All secrets of one vault.
pub struct Store {
    slots: [Slot; CAPACITY],
    /// The last one that was given to a secret.
    number: u64,
}

impl Store {
    /// An empty vault.
    pub const fn new() -> Self {
        Self {
            slots: [Slot::FREE; CAPACITY],
            number: 0,
        }
    }

    /// Keeps `secret` under `name`, in place of what was there before, whose number it keeps, too.
    pub fn put(&mut self, name: &[u8], secret: &[u8]) -> Result<(), Refusal> {
        if !name_is_valid(name) {
            return Err(Refusal::BadName);
        }
        if secret.is_empty() {
            return Err(Refusal::Empty);
        }
        if secret.len() > SECRET_MAX {
            return Err(Refusal::TooLarge);
        }
        let known = self.index_of(name);
        let index = known.or_else(|| self.index_of(b""));
        let slot = index.and_then(|index| self.slots.get_mut(index));
        let slot = slot.ok_or(Refusal::Full)?;
        let number = match known {
            Some(_) => slot.number,
            None => {
                self.number += 1;
                self.number
            }
        };
        slot.wipe();
        slot.number = number;
        slot.buffer
            .get_mut(..secret.len())
            .ok_or(Refusal::TooLarge)?
            .copy_from_slice(secret);
        slot.len = secret.len();
        slot.name
            .extend_from_slice(name)
            .map_err(|_| Refusal::BadName)
    }

    /// The secret under `name`.
    pub fn get(&self, name: &[u8]) -> Result<&[u8], Refusal> {
        let slot = self.slots.get(self.occupied(name)?);
        slot.and_then(Slot::secret).ok_or(Refusal::NotFound)
    }

    /// The number of the secret under `name`. No secret that comes later has it, unless it is put in place of this one.
    pub fn number(&self, name: &[u8]) -> Result<u64, Refusal> {
        let slot = self.slots.get(self.occupied(name)?);
        slot.map(|slot| slot.number).ok_or(Refusal::NotFound)
    }

    /// The secret with that number, for somebody who calls it by that name, or by none.
    pub fn get_numbered(&self, number: u64, name: &[u8]) -> Option<&[u8]> {
        let slot = self.slots.iter().find(|slot| slot.number == number)?;
        let is_meant = !slot.name.is_empty() && (name.is_empty() || slot.name == name);
        slot.secret().filter(|_| is_meant)
    }

    /// Wipes the secret under `name`.
    pub fn delete(&mut self, name: &[u8]) -> Result<(), Refusal> {
        let index = self.occupied(name)?;
        self.slots.get_mut(index).ok_or(Refusal::NotFound)?.wipe();
        Ok(())
    }

    /// Wipes everything.
    pub fn clear(&mut self) {
        self.slots.iter_mut().for_each(Slot::wipe);
    }

    /// The names, in no particular order.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        let names = self.slots.iter().map(|slot| slot.name.as_slice());
        names.filter(|name| !name.is_empty())
    }

    fn index_of(&self, name: &[u8]) -> Option<usize> {
        self.slots.iter().position(|slot| slot.name == name)
    }

    fn occupied(&self, name: &[u8]) -> Result<usize, Refusal> {
        if !name_is_valid(name) {
            return Err(Refusal::BadName);
        }
        self.index_of(name).ok_or(Refusal::NotFound)
    }
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::{format, vec};

    fn full() -> Store {
        let mut store = Store::new();
        for i in 0..CAPACITY {
            store.put(format!("n{i}").as_bytes(), b"x").unwrap();
        }
        store
    }

    #[test]
    fn put_get_replace_delete() {
        let mut store = Store::new();
        assert_eq!(store.get(b"key"), Err(Refusal::NotFound));
        store.put(b"key", b"a long first secret").unwrap();
        store.put(b"key", b"short").unwrap();
        assert_eq!(store.get(b"key"), Ok(&b"short"[..]));
        assert_eq!(store.names().collect::<vec::Vec<_>>(), [b"key"]);
        store.delete(b"key").unwrap();
        assert_eq!(store.get(b"key"), Err(Refusal::NotFound));
        assert_eq!(store.delete(b"key"), Err(Refusal::NotFound));
    }

    #[test]
    fn limits_are_exact() {
        let mut store = Store::new();
        let largest = vec![7; SECRET_MAX];
        store.put(&[b'n'; NAME_MAX], &largest).unwrap();
        assert_eq!(store.get(&[b'n'; NAME_MAX]), Ok(&largest[..]));
        assert_eq!(
            store.put(b"k", &[7; SECRET_MAX + 1]),
            Err(Refusal::TooLarge)
        );
        assert_eq!(store.put(b"k", b""), Err(Refusal::Empty));
        assert_eq!(
            store.put(&[b'n'; NAME_MAX + 1], b"x"),
            Err(Refusal::BadName)
        );
    }

    #[test]
    fn the_empty_name_is_nobodys() {
        let mut store = full();
        store.delete(b"n3").unwrap();
        assert_eq!(store.get(b""), Err(Refusal::BadName));
        assert_eq!(store.delete(b""), Err(Refusal::BadName));
        assert_eq!(store.put(b"", b"x"), Err(Refusal::BadName));
    }

    #[test]
    fn a_full_vault_replaces_but_does_not_add() {
        let mut store = full();
        assert_eq!(store.put(b"one-more", b"x"), Err(Refusal::Full));
        store.put(b"n0", b"y").unwrap();
        store.delete(b"n5").unwrap();
        store.put(b"one-more", b"z").unwrap();
        assert_eq!(store.names().count(), CAPACITY);
    }

    #[test]
    fn a_number_is_of_one_secret_for_ever() {
        let mut store = Store::new();
        store.put(b"a", b"first").unwrap();
        store.put(b"b", b"other").unwrap();
        let number = store.number(b"a").unwrap();
        assert_ne!(store.number(b"b"), Ok(number));
        store.put(b"a", b"second").unwrap();
        assert_eq!(store.number(b"a"), Ok(number), "it was put anew");
        for name in [&b""[..], b"a"] {
            assert_eq!(store.get_numbered(number, name), Some(&b"second"[..]));
        }
        // What is there, what is not, what is no name: no difference.
        for name in [&b"b"[..], b"c", b"a b"] {
            assert_eq!(store.get_numbered(number, name), None);
        }
        store.delete(b"a").unwrap();
        store.put(b"a", b"third").unwrap();
        assert!(store.number(b"a").unwrap() > number);
        assert_eq!(store.get_numbered(number, b""), None, "it was deleted");
        let last = store.number(b"a").unwrap();
        store.clear();
        store.put(b"a", b"fourth").unwrap();
        assert!(store.number(b"a").unwrap() > last);
        assert_eq!(store.number(b"b"), Err(Refusal::NotFound));
        assert_eq!(store.number(b""), Err(Refusal::BadName));
    }

    #[test]
    fn no_secret_has_the_number_of_a_free_place() {
        let mut store = full();
        assert!(store.names().all(|name| store.number(name) != Ok(0)));
        store.delete(b"n5").unwrap();
        for name in [&b""[..], b"n5"] {
            assert_eq!(store.get_numbered(0, name), None);
        }
    }

    #[test]
    fn deleting_leaves_no_octet_behind() {
        let mut store = Store::new();
        store.put(b"key", &[0xa5; 100]).unwrap();
        store.put(b"key", &[0xa5; 10]).unwrap();
        assert_eq!(store.slots[0].buffer[10..], [0; SECRET_MAX - 10]);
        store.delete(b"key").unwrap();
        assert_eq!(store.slots[0].buffer, [0; SECRET_MAX]);
    }
}
