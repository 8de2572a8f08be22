// SPDX-License-Identifier: GPL-2.0

//! A packed ring and a model of a device for it, from §2.8.

use super::{driver::driver, memory::Arena, Device, Driver, Pair, Request, Setup};
use ring_core::{
    host::{FixedTables, Host, WeakHost},
    packed::{LocklessState, Memory},
    Packed, Platform,
};
use std::{
    collections::HashMap,
    sync::{
        atomic::{fence, Ordering::SeqCst},
        Arc,
    },
};

driver!(PackedDriver, Packed, LocklessState, memory, tables);

/// The offsets of the two event areas; the ring is behind them.
const DRIVER: usize = 0;
const DEVICE: usize = 64;
const RING: usize = 128;

fn memory(arena: &Arena, setup: Setup) -> Memory {
    Memory {
        size: setup.size,
        desc: arena.ptr(RING),
        driver: arena.ptr(DRIVER),
        device: arena.ptr(DEVICE),
    }
}

fn tables(arena: &Arena, setup: Setup) -> FixedTables {
    setup.fixed_tables(arena, RING + 16 * usize::from(setup.size))
}

fn build_as<P: Platform, const IN_ORDER: bool>(
    setup: Setup,
    arena: &Arc<Arena>,
) -> PackedDriver<P, IN_ORDER> {
    // SAFETY: The arena is large enough, and kept by the driver side and the device.
    let ring = unsafe {
        Packed::<P, u32, _, _, IN_ORDER, _>::new(
            memory(arena, setup),
            setup.config(),
            super::states(setup.size),
            Arc::new(LocklessState::new()),
            tables(arena, setup),
        )
    };
    PackedDriver {
        ring: ring.unwrap_or_else(|e| panic!("{e:?}")),
        setup,
        arena: arena.clone(),
    }
}

/// Returns the offsets of the descriptors, of the driver area, and of the device area.
pub const AREAS: [usize; 3] = [RING, DRIVER, DEVICE];

/// Returns the size of a ring and its tables, and of one twice as large, to resize to.
pub fn bytes(setup: Setup) -> usize {
    let most = usize::from(setup.size) * 2;
    RING + 16 * most + 2 * setup.table_bytes() + 4096
}

pub fn driver(setup: Setup, arena: &Arc<Arena>) -> Box<dyn Driver> {
    assert!(bytes(setup) <= arena.bytes());
    match (setup.weak, setup.in_order) {
        (false, false) => Box::new(build_as::<Host, false>(setup, arena)),
        (false, true) => Box::new(build_as::<Host, true>(setup, arena)),
        (true, false) => Box::new(build_as::<WeakHost, false>(setup, arena)),
        (true, true) => Box::new(build_as::<WeakHost, true>(setup, arena)),
    }
}

pub fn build(setup: Setup) -> Pair {
    let arena = Arc::new(Arena::new(bytes(setup)));
    Pair {
        setup,
        driver: driver(setup, &arena),
        device: Box::new(PackedDevice::new(setup, arena.clone())),
        arena,
    }
}

/// The device counts descriptors from the start, without end. The index in the ring is that number
/// modulo the size, and the wrap counter is whether the quotient is even.
pub struct PackedDevice {
    setup: Setup,
    arena: Arc<Arena>,
    avail: u64,
    used: u64,
    kicks: bool,
    /// The number of descriptors of each buffer that the device has, by id.
    counts: HashMap<u16, u16>,
}

impl PackedDevice {
    pub fn new(setup: Setup, arena: Arc<Arena>) -> Self {
        Self {
            setup,
            arena,
            avail: 0,
            used: 0,
            kicks: true,
            counts: HashMap::new(),
        }
    }

    fn size(&self) -> u64 {
        self.setup.size.into()
    }

    fn slot(&self, at: u64) -> usize {
        RING + 16 * (at % self.size()) as usize
    }

    fn wrap(&self, at: u64) -> bool {
        (at / self.size()) % 2 == 0
    }

    /// Returns the word of §2.8.14 for a position.
    fn word(&self, at: u64) -> u16 {
        (at % self.size()) as u16 | u16::from(self.wrap(at)) << 15
    }

    fn r16(&self, offset: usize) -> u16 {
        u16::from_le(self.arena.read16(offset))
    }

    fn w16(&self, offset: usize, v: u16) {
        self.arena.write16(offset, v.to_le());
    }

    fn desc(&self, offset: usize) -> (u64, u32, u16, u16) {
        let addr = u64::from_le(self.arena.read64(offset));
        let len = u32::from_le(self.arena.read32(offset + 8));
        (addr, len, self.r16(offset + 12), self.r16(offset + 14))
    }

    fn is_available(&self, at: u64, flags: u16) -> bool {
        let (avail, used) = (flags & 1 << 7 != 0, flags & 1 << 15 != 0);
        avail == self.wrap(at) && used != self.wrap(at)
    }

    fn put(request: &mut Request, addr: u64, len: u32, flags: u16) {
        if flags & 2 != 0 {
            request.in_.push((addr, len));
        } else {
            assert!(request.in_.is_empty(), "read before write");
            request.out.push((addr, len));
        }
    }

    /// Writes a used descriptor at the next position, and advances by `descs`.
    fn write_used(&mut self, id: u16, len: u32, descs: u16) -> bool {
        let offset = self.slot(self.used);
        self.arena.write32(offset + 8, len.to_le());
        self.w16(offset + 12, id);
        fence(SeqCst);
        let both = if self.wrap(self.used) {
            1 << 7 | 1 << 15
        } else {
            0
        };
        self.w16(offset + 14, both | 2);
        fence(SeqCst);
        let old = self.used;
        self.used += u64::from(descs);
        let (event, flags) = (self.r16(DRIVER), self.r16(DRIVER + 2));
        match flags {
            0 => true,
            1 => false,
            2 => (old..self.used).any(|at| self.word(at) == event),
            _ => panic!("reserved flags"),
        }
    }
}

impl Device for PackedDevice {
    fn pop(&mut self) -> Option<Request> {
        let start = self.slot(self.avail);
        if !self.is_available(self.avail, self.r16(start + 14)) {
            if self.setup.event_idx && self.kicks {
                // The device wants a notification of the next descriptor.
                self.w16(DEVICE, self.word(self.avail));
                self.w16(DEVICE + 2, 2);
            }
            return None;
        }
        fence(SeqCst);
        let mut request = Request {
            id: 0,
            out: Vec::new(),
            in_: Vec::new(),
            descs: 0,
            indirect: false,
            table: None,
        };
        loop {
            let (addr, len, id, flags) = self.desc(self.slot(self.avail));
            assert!(
                self.is_available(self.avail, flags),
                "the whole chain is available"
            );
            assert_eq!(flags & !(7 | 1 << 7 | 1 << 15), 0, "no unknown flags");
            request.id = id;
            request.descs += 1;
            assert!(u64::from(request.descs) <= self.size(), "the chain ends");
            self.avail += 1;
            if flags & 4 != 0 {
                assert_eq!(flags & 3, 0, "neither NEXT nor WRITE with INDIRECT");
                assert!(request.descs == 1 && len % 16 == 0);
                request.indirect = true;
                request.table = Some((addr, len));
                for i in 0..len as usize / 16 {
                    let (addr, len, _, flags) = self.desc(self.arena.offset(addr) + 16 * i);
                    assert_eq!(flags & !2, 0, "only WRITE in a table");
                    Self::put(&mut request, addr, len, flags);
                }
            } else {
                Self::put(&mut request, addr, len, flags);
            }
            if flags & 1 == 0 {
                break;
            }
        }
        let twice = self.counts.insert(request.id, request.descs);
        assert_eq!(twice, None, "no id twice");
        Some(request)
    }

    fn push(&mut self, request: &Request, len: u32) -> bool {
        let descs = self.counts.remove(&request.id).unwrap();
        self.write_used(request.id, len, descs)
    }

    fn push_batch(&mut self, requests: &[Request], len: u32) -> bool {
        let descs = requests
            .iter()
            .map(|r| self.counts.remove(&r.id).unwrap())
            .sum();
        self.write_used(requests.last().unwrap().id, len, descs)
    }

    fn want_kicks(&mut self, on: bool) {
        self.kicks = on;
        if on && self.setup.event_idx {
            self.w16(DEVICE, self.word(self.avail));
            self.w16(DEVICE + 2, 2);
        } else {
            self.w16(DEVICE + 2, if on { 0 } else { 1 });
        }
    }

    fn forge(&mut self, id: u32, len: u32) {
        self.write_used(id as u16, len, 1);
    }

    fn jump(&mut self, n: u16) {
        for _ in 0..n {
            let flags = if self.wrap(self.used) {
                1 << 7 | 1 << 15
            } else {
                0
            };
            self.w16(self.slot(self.used) + 14, flags);
            self.used += 1;
        }
    }

    fn scribble(&mut self, random: &mut dyn FnMut() -> u16) {
        for offset in (DEVICE..RING + 16 * self.setup.size as usize).step_by(2) {
            self.arena.write16(offset, random());
        }
    }
}
