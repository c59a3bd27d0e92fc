// SPDX-License-Identifier: BSD-2-Clause
//! What OP-TEE's own statistics PTA says of instances, sessions and memory.

use anyhow::{Context, Result, ensure};
use client_binding_proto::{Param as Kind, STATS, Shape, TaUuid};
use client_binding_raw::code::TEE_ERROR_ITEM_NOT_FOUND;
use client_binding_raw::sys::{Param, SharedMemory};
use client_binding_raw::{Login, Session, Tee};
use std::collections::BTreeMap;
use std::fmt;
use std::thread;
use std::time::{Duration, Instant};
use uuid::Uuid;

const ALLOCATIONS: u32 = 1;
const INSTANCES: u32 = 3;
const HEAP: u64 = 1;
const TA_RAM: u64 = 3;

/// `struct pta_stats_alloc`: a name, a sum, six numbers.
const ALLOCATION_SIZE: usize = 64;
const ALLOCATED: usize = 40;
/// `struct pta_stats_ta`: a UUID, two numbers, an allocation.
const INSTANCE_SIZE: usize = 24 + ALLOCATION_SIZE;

/// The secure world's memory in use, in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Of the core's heap.
    pub(crate) heap: u32,
    /// Of the TAs' memory.
    pub(crate) tas: u32,
}

/// The secure world at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// User TA instances: panicked or not and sessions from Linux, by UUID.
    pub(crate) instances: BTreeMap<Uuid, Vec<(bool, u32)>>,
    pub(crate) memory: Memory,
}

impl Snapshot {
    /// Instances of one TA, whatever their state.
    pub(crate) fn instances_of(&self, ta: TaUuid) -> usize {
        let instances = self.instances.get(&Uuid::from_bytes(ta.octets));
        instances.map_or(0, Vec::len)
    }

    /// Open sessions of one TA. The PTA counts no more than 16 for an instance.
    pub(crate) fn sessions_of(&self, ta: TaUuid) -> u32 {
        let instances = self.instances.get(&Uuid::from_bytes(ta.octets));
        let sessions = instances
            .into_iter()
            .flatten()
            .map(|(_, sessions)| sessions);
        sessions.sum()
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Memory { heap, tas } = self.memory;
        write!(f, "heap {heap}, TA memory {tas}")?;
        for (uuid, instances) in &self.instances {
            for (panicked, sessions) in instances {
                let state = if *panicked { "panicked, " } else { "" };
                write!(f, ", {uuid} ({state}{sessions} sessions)")?;
            }
        }
        Ok(())
    }
}

/// An open session with the PTA.
pub(crate) struct Stats {
    tee: Tee,
    session: Session,
    room: SharedMemory,
}

impl Stats {
    pub(crate) fn open() -> Result<Self> {
        let tee = Tee::connect()?;
        let session = tee.open(STATS, Login::Public);
        let session = session.context("the statistics PTA (CFG_WITH_STATS) does not open")?;
        let room = tee.allocate(64 * INSTANCE_SIZE)?;
        Ok(Self { tee, session, room })
    }

    fn allocated(&self, pool: u64) -> Result<u32> {
        let mut params = shape([Kind::ValueIn, Kind::None, Kind::None, Kind::None]);
        params[0].a = pool;
        params[1] = self.room.param(Kind::MemOut);
        let answer = self.tee.invoke_with(self.session, ALLOCATIONS, params);
        answer.values().context("statistics of memory")?;
        Ok(number(&self.room.read(), ALLOCATED))
    }

    /// Not while a session is being closed: upstream, the question enters TAs and can then wait
    /// for the one who closes, who waits for it, for ever.
    pub(crate) fn snapshot(&self) -> Result<Snapshot> {
        let mut params = shape([Kind::None; 4]);
        params[0] = self.room.param(Kind::MemOut);
        let answer = self.tee.invoke_with(self.session, INSTANCES, params);
        let size = match answer.values() {
            Err(answer) if answer.code() == Some(TEE_ERROR_ITEM_NOT_FOUND) => 0,
            values => values.context("statistics of TAs (CFG_TA_STATS)")?[0].1 as usize,
        };
        ensure!(size % INSTANCE_SIZE == 0, "TA statistics of {size} octets");
        let mut instances: BTreeMap<Uuid, Vec<(bool, u32)>> = BTreeMap::new();
        for octets in self.room.read()[..size].chunks_exact(INSTANCE_SIZE) {
            // A TEE_UUID in memory: three numbers, then octets.
            let (low, middle) = (number(octets, 0), number(octets, 4));
            let rest = octets[8..16].try_into()?;
            let uuid = Uuid::from_fields(low, middle as u16, (middle >> 16) as u16, rest);
            let state = (number(octets, 16) != 0, number(octets, 20));
            instances.entry(uuid).or_default().push(state);
        }
        instances.values_mut().for_each(|list| list.sort_unstable());
        Ok(Snapshot {
            instances,
            memory: self.memory()?,
        })
    }

    /// Enters no TA and waits for nobody.
    pub(crate) fn memory(&self) -> Result<Memory> {
        Ok(Memory {
            heap: self.allocated(HEAP)?,
            tas: self.allocated(TA_RAM)?,
        })
    }

    /// Waits until no more memory is in use than before: some sessions end a little later,
    /// in a worker of the kernel. Then looks at all of it.
    pub(crate) fn settled(&self, before: Memory) -> Result<Snapshot> {
        let start = Instant::now();
        loop {
            let now = self.memory()?;
            // Growth of the heap alone need not be a leak.
            let patience = Duration::from_secs(if now.tas > before.tas { 5 } else { 1 });
            let settled = now.tas <= before.tas && now.heap <= before.heap;
            if settled || start.elapsed() > patience {
                return self.snapshot();
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

fn shape(kinds: [Kind; 4]) -> [Param; 4] {
    Shape(kinds).0.map(|kind| Param {
        attr: kind as u64,
        ..Param::default()
    })
}

fn number(octets: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
}
