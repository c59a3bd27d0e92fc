// SPDX-License-Identifier: BSD-2-Clause

use client_binding_abi::TeeResult;
use client_binding_abi::object::{Kind, MAX_MILLIS, MAX_OCTETS};

/// `TEE_PARAM_TYPE_VALUE_INPUT`, as which an object comes to a TA.
const VALUE_INPUT: u32 = 1;
const BITS: u32 = 4;
const PARAMS: u32 = 4;

/// Which parameters of a command are objects of its client's, as the normal world says: four bits for each, the first in the lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Objects(pub u16);

impl Objects {
    /// What that parameter is. `None`: there is no such kind, or no such parameter.
    pub const fn kind(self, param: u32) -> Option<Kind> {
        if param >= PARAMS {
            return None;
        }
        Kind::from_number(self.0 as u32 >> (param * BITS) & 0xf)
    }

    /// Whether it can be said of parameters of these types: each object is of a known kind, and comes as numbers for the TA to
    /// read.
    pub fn suit(self, param_types: u32) -> bool {
        (0..PARAMS).all(|param| match self.kind(param) {
            Some(Kind::Plain) => true,
            Some(Kind::Session | Kind::Callback) => {
                param_types >> (param * BITS) & 0xf == VALUE_INPUT
            }
            None => false,
        })
    }
}

/// A TA calls an object of the client whose command it is serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// What that command was given. Nothing when none is running.
    pub objects: Objects,
    /// Which parameter of it the TA means.
    pub param: u32,
    /// How long the client may take.
    pub millis: u32,
    /// How many octets it gets.
    pub size: u64,
    /// And may answer.
    pub room: u64,
    /// While the TA runs, TAs of other clients wait.
    pub blocks_others: bool,
}

/// Why it is not called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotCalled {
    /// O4: the parameter is no object that can be called, whatever number it is.
    NoObject,
    /// O4: a client that takes its time must not keep others waiting.
    BlocksOthers,
    /// O4: without end, too long, or too large.
    Unbounded,
}

impl NotCalled {
    /// What the TA is told.
    pub const fn result(self) -> TeeResult {
        match self {
            Self::NoObject => TeeResult::ITEM_NOT_FOUND,
            Self::BlocksOthers => TeeResult::NOT_SUPPORTED,
            Self::Unbounded => TeeResult::BAD_PARAMETERS,
        }
    }
}

impl Call {
    /// Whether the client may be called.
    pub fn check(&self) -> Result<(), NotCalled> {
        if self.objects.kind(self.param) != Some(Kind::Callback) {
            return Err(NotCalled::NoObject);
        }
        if self.blocks_others {
            return Err(NotCalled::BlocksOthers);
        }
        let in_time = (1..=MAX_MILLIS).contains(&self.millis);
        if !in_time || self.size > MAX_OCTETS || self.room > MAX_OCTETS {
            return Err(NotCalled::Unbounded);
        }
        Ok(())
    }

    /// What the TA is told, and how many octets there are or would have been, when the normal world says this of it.
    pub const fn answer(&self, delivered: TeeResult, size: u64) -> (TeeResult, u64) {
        let fits = size <= self.room;
        match delivered {
            TeeResult::SUCCESS if fits => (TeeResult::SUCCESS, size),
            TeeResult::SHORT_BUFFER if !fits && size <= MAX_OCTETS => (delivered, size),
            TeeResult::TIMEOUT | TeeResult::BUSY => (delivered, 0),
            _ => (TeeResult::COMMUNICATION, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nibbles(word: u32) -> [u32; 4] {
        core::array::from_fn(|nth| word >> (4 * nth) & 0xf)
    }

    /// All kinds with all types of two parameters, in each two places.
    #[test]
    fn an_object_is_a_number_for_the_ta_to_read() {
        for (first, second) in [(0, 1), (0, 3), (1, 2), (2, 3)] {
            for n in 0..=u16::MAX {
                let [k0, k1, t0, t1] = nibbles(n.into());
                let objects = Objects((k0 << (4 * first) | k1 << (4 * second)) as u16);
                let types = t0 << (4 * first) | t1 << (4 * second);
                let suits = |kind, param_type| match kind {
                    0 => true,
                    1 | 2 => param_type == 1,
                    _ => false,
                };
                assert_eq!(objects.suit(types), suits(k0, t0) && suits(k1, t1));
            }
        }
    }

    #[test]
    fn kinds_are_where_they_are_said() {
        for n in 0..=u16::MAX {
            let kinds = nibbles(n.into()).map(Kind::from_number);
            for param in 0..64 {
                let kind = kinds.get(param).copied().flatten();
                assert_eq!(Objects(n).kind(param as u32), kind);
            }
            assert_eq!(Objects(n).kind(u32::MAX), None);
        }
    }

    const CALL: Call = Call {
        objects: Objects(0x0200),
        param: 2,
        millis: 1,
        size: 0,
        room: 0,
        blocks_others: false,
    };

    #[test]
    fn what_is_called_is_an_object_of_the_running_command() {
        for objects in (0..=u16::MAX).map(Objects) {
            for param in [0, 1, 2, 3, 4, 5, 8, 31, 32, u32::MAX] {
                let call = Call {
                    objects,
                    param,
                    ..CALL
                };
                let is_one = param < 4 && objects.0 >> (4 * param) & 0xf == 2;
                let expected = if is_one {
                    Ok(())
                } else {
                    Err(NotCalled::NoObject)
                };
                assert_eq!(call.check(), expected, "{call:?}");
            }
        }
    }

    #[test]
    fn a_call_is_bounded_and_keeps_nobody_waiting() {
        let numbers = [0, 1, 4095, 4096, 4097, 600_000, 600_001, u32::MAX];
        for millis in numbers {
            for (size, room) in numbers.iter().flat_map(|a| numbers.map(|b| (*a, b))) {
                for blocks_others in [false, true] {
                    let call = Call {
                        millis,
                        size: size.into(),
                        room: room.into(),
                        blocks_others,
                        ..CALL
                    };
                    let bounded = millis > 0 && millis <= 600_000 && size <= 4096 && room <= 4096;
                    let expected = match (blocks_others, bounded) {
                        (true, _) => Err(NotCalled::BlocksOthers),
                        (false, false) => Err(NotCalled::Unbounded),
                        (false, true) => Ok(()),
                    };
                    assert_eq!(call.check(), expected, "{call:?}");
                }
            }
        }
        assert_eq!(
            [
                NotCalled::NoObject,
                NotCalled::BlocksOthers,
                NotCalled::Unbounded
            ]
            .map(|reason| reason.result().0),
            [0xffff_0008, 0xffff_000a, 0xffff_0006]
        );
    }

    /// The size goes where the core copies that many octets.
    #[test]
    fn whatever_comes_back_there_is_room_for_it() {
        let sizes = [0, 1, 63, 64, 65, 4095, 4096, 4097, 1 << 32, u64::MAX];
        let codes = [0, 1, 0xffff_000d, 0xffff_000e, 0xffff_0010, 0xffff_3001];
        for room in [0, 64, 4096] {
            for size in sizes {
                for code in codes {
                    let (told, octets) = Call { room, ..CALL }.answer(TeeResult(code), size);
                    let expected = match code {
                        0 if size <= room => (0, size),
                        0xffff_0010 if size > room && size <= 4096 => (code, size),
                        0xffff_000d | 0xffff_3001 => (code, 0),
                        _ => (0xffff_000e, 0),
                    };
                    assert_eq!((told.0, octets), expected, "{code:#x}, {size} of {room}");
                }
            }
        }
    }
}
