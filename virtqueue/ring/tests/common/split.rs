// SPDX-License-Identifier: GPL-2.0

//! A split ring and a model of a device for it, from §2.7.

use super::{driver::driver, memory::Arena, Device, Driver, Pair, Request, Setup};
use ring_core::{
    host::{FixedTables, Host},
    split::{Layout, LocklessState, Memory},
    Endian, Platform, Split,
};
use std::sync::{
    atomic::{fence, Ordering::SeqCst},
    Arc,
};

driver!(SplitDriver, Split, LocklessState, memory, tables);

fn memory(arena: &Arena, setup: Setup) -> Memory {
    let layout = Layout::new(setup.size, 64);
    Memory {
        size: setup.size,
        desc: arena.ptr(0),
        avail: arena.ptr(layout.avail),
        used: arena.ptr(layout.used),
    }
}

fn tables(arena: &Arena, setup: Setup) -> FixedTables {
    let layout = Layout::new(setup.size, 64);
    setup.fixed_tables(arena, layout.bytes.next_multiple_of(64))
}

fn build_as<P: Platform, const IN_ORDER: bool>(
    setup: Setup,
    arena: &Arc<Arena>,
) -> SplitDriver<P, IN_ORDER> {
    // SAFETY: The arena is large enough, and kept by the driver side and the device.
    let ring = unsafe {
        Split::<P, u32, _, _, IN_ORDER, _>::new(
            memory(arena, setup),
            setup.config(),
            super::states(setup.size),
            Arc::new(LocklessState::new()),
            tables(arena, setup),
        )
    };
    SplitDriver {
        ring: ring.unwrap_or_else(|e| panic!("{e:?}")),
        setup,
        arena: arena.clone(),
    }
}

/// Returns the offsets of the descriptors, of the driver area, and of the device area.
pub fn areas(setup: Setup) -> [usize; 3] {
    let layout = Layout::new(setup.size, 64);
    [0, layout.avail, layout.used]
}

/// Returns the size of a ring and its tables, and of one twice as large, to resize to.
pub fn bytes(setup: Setup) -> usize {
    let most = usize::from(setup.size) * 2;
    64 * most + 4096 + 2 * setup.table_bytes()
}

pub fn driver(setup: Setup, arena: &Arc<Arena>) -> Box<dyn Driver> {
    assert!(bytes(setup) <= arena.bytes());
    if setup.in_order {
        Box::new(build_as::<Host, true>(setup, arena))
    } else {
        Box::new(build_as::<Host, false>(setup, arena))
    }
}

pub fn build(setup: Setup) -> Pair {
    let arena = Arc::new(Arena::new(bytes(setup)));
    Pair {
        setup,
        driver: driver(setup, &arena),
        device: Box::new(SplitDevice::new(setup, arena.clone())),
        arena,
    }
}

pub struct SplitDevice {
    setup: Setup,
    arena: Arc<Arena>,
    layout: Layout,
    avail: u16,
    used: u16,
    kicks: bool,
}

impl SplitDevice {
    pub fn new(setup: Setup, arena: Arc<Arena>) -> Self {
        Self {
            setup,
            arena,
            layout: Layout::new(setup.size, 64),
            avail: 0,
            used: 0,
            kicks: true,
        }
    }

    fn native(&self) -> bool {
        self.setup.endian == Endian::Native
    }

    fn r16(&self, offset: usize) -> u16 {
        let v = self.arena.read16(offset);
        if self.native() {
            v
        } else {
            u16::from_le(v)
        }
    }

    fn r32(&self, offset: usize) -> u32 {
        let v = self.arena.read32(offset);
        if self.native() {
            v
        } else {
            u32::from_le(v)
        }
    }

    fn r64(&self, offset: usize) -> u64 {
        let v = self.arena.read64(offset);
        if self.native() {
            v
        } else {
            u64::from_le(v)
        }
    }

    fn w16(&self, offset: usize, v: u16) {
        self.arena
            .write16(offset, if self.native() { v } else { v.to_le() });
    }

    fn w32(&self, offset: usize, v: u32) {
        self.arena
            .write32(offset, if self.native() { v } else { v.to_le() });
    }

    fn size(&self) -> usize {
        usize::from(self.setup.size)
    }

    /// Walks a chain that starts at `head` of a table at `base`.
    fn walk(&self, base: usize, head: u16, len: usize, request: &mut Request, nested: bool) {
        let mut at = usize::from(head);
        let mut steps = 0;
        loop {
            assert!(at < len, "next {at} is in the table of {len}");
            steps += 1;
            assert!(steps <= len, "the chain ends");
            let desc = base + 16 * at;
            let (addr, bytes) = (self.r64(desc), self.r32(desc + 8));
            let (flags, next) = (self.r16(desc + 12), self.r16(desc + 14));
            assert_eq!(flags & !7, 0, "no unknown flags");
            if !nested {
                request.descs += 1;
            }
            if flags & 4 != 0 {
                // §2.7.5.3.1: A table is not nested, and the descriptor has no other flag.
                assert!(!nested && flags == 4 && bytes % 16 == 0);
                request.indirect = true;
                request.table = Some((addr, bytes));
                let table = self.arena.offset(addr);
                self.walk(table, 0, bytes as usize / 16, request, true);
                return;
            }
            if flags & 2 != 0 {
                request.in_.push((addr, bytes));
            } else {
                assert!(request.in_.is_empty(), "read before write");
                request.out.push((addr, bytes));
            }
            if flags & 1 == 0 {
                return;
            }
            if self.setup.in_order && !nested {
                assert_eq!(usize::from(next), (at + 1) % len, "§2.7.9: in ring order");
            }
            at = usize::from(next);
        }
    }

    fn entry(&self, index: u16) -> usize {
        self.layout.used + 4 + 8 * (usize::from(index) % self.size())
    }

    fn advance(&mut self, n: u16) -> bool {
        let old = self.used;
        self.used = self.used.wrapping_add(n);
        fence(SeqCst);
        self.w16(self.layout.used + 2, self.used);
        fence(SeqCst);
        if self.setup.event_idx {
            let event = self.r16(self.layout.avail + 4 + 2 * self.size());
            (0..n).any(|i| old.wrapping_add(i) == event)
        } else {
            self.r16(self.layout.avail) & 1 == 0
        }
    }
}

impl Device for SplitDevice {
    fn pop(&mut self) -> Option<Request> {
        let index = self.r16(self.layout.avail + 2);
        if index == self.avail {
            if self.setup.event_idx && self.kicks {
                // The device wants a notification of the next entry.
                self.w16(self.layout.used + 4 + 8 * self.size(), self.avail);
            }
            return None;
        }
        let ahead = index.wrapping_sub(self.avail);
        assert!(
            usize::from(ahead) <= self.size(),
            "avail index {ahead} ahead"
        );
        let slot = usize::from(self.avail) % self.size();
        let head = self.r16(self.layout.avail + 4 + 2 * slot);
        self.avail = self.avail.wrapping_add(1);
        let mut request = Request {
            id: head,
            out: Vec::new(),
            in_: Vec::new(),
            descs: 0,
            indirect: false,
            table: None,
        };
        self.walk(0, head, self.size(), &mut request, false);
        Some(request)
    }

    fn push(&mut self, request: &Request, len: u32) -> bool {
        let entry = self.entry(self.used);
        self.w32(entry, request.id.into());
        self.w32(entry + 4, len);
        self.advance(1)
    }

    fn push_batch(&mut self, requests: &[Request], len: u32) -> bool {
        let entry = self.entry(self.used);
        self.w32(entry, requests.last().unwrap().id.into());
        self.w32(entry + 4, len);
        self.advance(requests.len() as u16)
    }

    fn want_kicks(&mut self, on: bool) {
        self.kicks = on;
        if self.setup.event_idx {
            let event = if on {
                self.avail
            } else {
                self.avail.wrapping_sub(1)
            };
            self.w16(self.layout.used + 4 + 8 * self.size(), event);
        } else {
            self.w16(self.layout.used, if on { 0 } else { 1 });
        }
    }

    fn forge(&mut self, id: u32, len: u32) {
        let entry = self.entry(self.used);
        self.w32(entry, id);
        self.w32(entry + 4, len);
        self.advance(1);
    }

    fn jump(&mut self, n: u16) {
        self.advance(n);
    }

    fn scribble(&mut self, random: &mut dyn FnMut() -> u16) {
        for offset in (0..self.layout.bytes).step_by(2) {
            self.arena.write16(offset, random());
        }
    }
}
