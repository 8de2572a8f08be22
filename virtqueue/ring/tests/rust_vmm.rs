// SPDX-License-Identifier: GPL-2.0

//! The split ring against the device side of rust-vmm, in any interleaving of the two: data arrives
//! both ways, each buffer comes back once, and no side waits in vain.

use proptest::prelude::*;
use ring_core::{
    host::{AsGiven, FixedTables, Host, TableCounts},
    split::{Layout, LocklessState, Memory},
    DescState, IndirectRule, RingConfig, Split, Used,
};
use std::{
    collections::HashMap,
    io::{Read, Write},
    ptr::NonNull,
    sync::Arc,
};
use virtio_queue::{Queue, QueueT};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};

/// The number of bytes of one segment.
const SEGMENT: u32 = 32;
/// The largest number of segments of a buffer.
const SEGMENTS: u64 = 6;

type Mmap = GuestMemoryMmap<()>;
type Ring = Split<Host, u64, Box<[DescState<u64>]>, Arc<LocklessState<Host>>, false, FixedTables>;

#[derive(Clone, Debug)]
enum Step {
    /// Adds a buffer with segments to read and segments to write.
    Add(usize, usize),
    /// Notifies the device if it wants that.
    Kick,
    /// The device, if it is awake, takes one buffer.
    Pop,
    /// The device uses one of the buffers that it has taken.
    Use(usize),
    /// The driver takes all used buffers.
    Get,
    /// The driver takes all used buffers, and enables callbacks afterwards.
    Drain,
    /// The driver disables callbacks, or enables them, delayed or not, and sleeps.
    Disable,
    Sleep(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0usize..4, 0usize..3).prop_map(|(o, i)| Step::Add(o, i)),
        3 => Just(Step::Kick),
        5 => Just(Step::Pop),
        5 => any::<usize>().prop_map(Step::Use),
        3 => Just(Step::Get),
        1 => Just(Step::Drain),
        1 => Just(Step::Disable),
        2 => any::<bool>().prop_map(Step::Sleep),
    ]
}

struct World {
    memory: Arc<Mmap>,
    ring: Ring,
    device: Queue,
    event_idx: bool,
    /// The device waits for a notification.
    device_sleeps: bool,
    /// The driver waits for an interrupt; the number of used buffers that may pass before.
    driver_sleeps: Option<u16>,
    /// Heads, and the number of bytes to write.
    with_device: Vec<(u16, usize)>,
    /// Token -> segments to read and to write.
    outstanding: HashMap<u64, (usize, usize)>,
    free_areas: Vec<u64>,
    areas_base: u64,
    /// The number of buffers that were used and not taken.
    used: u16,
    /// The number of buffers that were added and not published.
    unpublished: usize,
}

fn pointer<E>(memory: &Mmap, addr: u64) -> NonNull<E> {
    NonNull::new(memory.get_host_address(GuestAddress(addr)).unwrap().cast()).unwrap()
}

impl World {
    fn new(size: u16, event_idx: bool, tables: u16, rule: IndirectRule) -> Self {
        let memory = Arc::new(Mmap::from_ranges(&[(GuestAddress(0), 1 << 20)]).unwrap());
        let base = 0x1000;
        let layout = Layout::new(size, 4);
        let table_base = 0x10000;
        let areas_base = 0x80000;
        let config = RingConfig {
            event_idx,
            indirect: rule,
            ..RingConfig::MODERN
        };
        let parts = Memory {
            size,
            desc: pointer(&memory, base),
            avail: pointer(&memory, base + layout.avail as u64),
            used: pointer(&memory, base + layout.used as u64),
        };
        let table_counts = TableCounts {
            own: (tables, size),
            ..TableCounts::default()
        };
        // SAFETY: The memory is large enough, and outlives the ring in this struct's use.
        let tables =
            unsafe { FixedTables::new(pointer(&memory, table_base), table_base, table_counts) };
        let states = (0..size).map(|_| DescState::new()).collect();
        // SAFETY: The memory is large enough, and outlives the ring in this struct's use.
        let ring = unsafe {
            Ring::new(
                parts,
                config,
                states,
                Arc::new(LocklessState::new()),
                tables,
            )
        };
        let mut device = Queue::new(size).unwrap();
        device
            .try_set_desc_table_address(GuestAddress(base))
            .unwrap();
        device
            .try_set_avail_ring_address(GuestAddress(base + layout.avail as u64))
            .unwrap();
        device
            .try_set_used_ring_address(GuestAddress(base + layout.used as u64))
            .unwrap();
        device.set_event_idx(event_idx);
        device.set_ready(true);
        assert!(device.is_valid(&*memory));
        Self {
            memory,
            ring: ring.unwrap_or_else(|e| panic!("{e:?}")),
            device,
            event_idx,
            device_sleeps: true,
            driver_sleeps: Some(0),
            with_device: Vec::new(),
            outstanding: HashMap::new(),
            free_areas: (0..256).collect(),
            areas_base,
            used: 0,
            unpublished: 0,
        }
    }

    fn segment(&self, area: u64, i: usize) -> u64 {
        self.areas_base + (area * SEGMENTS + i as u64) * u64::from(SEGMENT)
    }

    fn add(&mut self, out: usize, in_: usize) {
        let Some(area) = self.free_areas.pop() else {
            return;
        };
        let list = |from: usize, n: usize| -> Vec<(u64, u32)> {
            (from..from + n)
                .map(|i| (self.segment(area, i), SEGMENT))
                .collect()
        };
        let (o, i) = (list(0, out), list(out, in_));
        for (k, &(addr, len)) in o.iter().enumerate() {
            let bytes = vec![(area as u8) ^ (k as u8 * 16); len as usize];
            self.memory.write_slice(&bytes, GuestAddress(addr)).unwrap();
        }
        for &(addr, len) in &i {
            self.memory
                .write_slice(&vec![0xee; len as usize], GuestAddress(addr))
                .unwrap();
        }
        let n = (out + in_) as u16;
        let segments = (o.as_slice(), i.as_slice());
        match self.ring.add(area, n, &segments, &mut AsGiven::<false>) {
            Ok(_) => {
                self.outstanding.insert(area, (out, in_));
                self.unpublished += 1;
            }
            Err((_, token)) => {
                assert_eq!(token, area);
                self.free_areas.push(area);
            }
        }
    }

    fn kick(&mut self) {
        let kick = self.ring.kick_prepare();
        // A sleeping device is notified of the first buffer that it does not know of.
        assert!(
            kick || !(self.device_sleeps && self.unpublished > 0),
            "lost kick"
        );
        if kick {
            self.device_sleeps = false;
        }
        self.unpublished = 0;
    }

    fn pop(&mut self) {
        if self.device_sleeps {
            return;
        }
        let Some(chain) = self.device.pop_descriptor_chain(self.memory.clone()) else {
            // Sleeps unless a buffer came since.
            self.device_sleeps = !self.device.enable_notification(&*self.memory).unwrap();
            return;
        };
        let mut reader = chain.clone().reader(&*self.memory).unwrap();
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        let mut writer = chain.clone().writer(&*self.memory).unwrap();
        let room = writer.available_bytes();
        writer.write_all(&vec![read.len() as u8; room]).unwrap();
        for (k, bytes) in read.chunks(SEGMENT as usize).enumerate() {
            assert!(bytes.iter().all(|&b| b == bytes[0]));
            assert_eq!(bytes[0] & 0xf, read[0] & 0xf, "segment {k}");
        }
        self.with_device.push((chain.head_index(), room));
    }

    fn use_one(&mut self, which: usize) {
        if self.with_device.is_empty() {
            return;
        }
        let i = which % self.with_device.len();
        let (head, room) = self.with_device.swap_remove(i);
        self.device
            .add_used(&*self.memory, head, room as u32)
            .unwrap();
        self.used += 1;
        let interrupt = self.device.needs_notification(&*self.memory).unwrap();
        if let Some(wait) = self.driver_sleeps {
            assert!(interrupt || self.used <= wait, "lost interrupt");
        }
        if interrupt {
            self.driver_sleeps = None;
        }
    }

    fn get(&mut self) {
        let any = self.used != 0;
        while let Some(used) = self.ring.get() {
            self.take(used);
        }
        assert_eq!(self.used, 0, "all that was used was there");
        assert!(!self.ring.lockless().is_broken());
        // With callbacks enabled, the next used buffer raises one.
        if any && self.driver_sleeps.is_some() {
            self.driver_sleeps = Some(0);
        }
    }

    fn drain(&mut self) {
        // As an interrupt handler does, whether or not there was an interrupt.
        let _ = self.ring.lockless().interrupt();
        let mut all = Vec::new();
        assert!(!self.ring.drain(|used| all.push(used)));
        all.into_iter().for_each(|used| self.take(used));
        assert_eq!(self.used, 0, "all that was used was there");
        self.driver_sleeps = Some(0);
    }

    fn take(&mut self, used: Used<u64>) {
        let (out, in_) = self.outstanding.remove(&used.token).expect("a live token");
        assert_eq!(used.len(), in_ as u32 * SEGMENT);
        for i in out..out + in_ {
            let mut bytes = [0; SEGMENT as usize];
            let addr = GuestAddress(self.segment(used.token, i));
            self.memory.read_slice(&mut bytes, addr).unwrap();
            assert_eq!(bytes, [(out as u32 * SEGMENT) as u8; SEGMENT as usize]);
        }
        self.free_areas.push(used.token);
        self.used -= 1;
    }

    fn sleep(&mut self, delayed: bool) {
        let on = if delayed {
            self.ring.enable_cb_delayed().is_quiet()
        } else {
            self.ring.enable_cb().is_quiet()
        };
        let outstanding = self.outstanding.len() - self.unpublished;
        let wait = if delayed { outstanding * 3 / 4 } else { 0 };
        if self.used == 0 {
            assert!(on);
        }
        if on {
            assert!(usize::from(self.used) <= wait);
            // Without an event index, the next used buffer raises a callback in any case.
            self.driver_sleeps = Some(if self.event_idx { wait as u16 } else { 0 });
        } else {
            self.driver_sleeps = None;
        }
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Add(out, in_) => self.add(out, in_),
            Step::Kick => self.kick(),
            Step::Pop => self.pop(),
            Step::Use(which) => self.use_one(which),
            Step::Get => self.get(),
            Step::Drain => self.drain(),
            Step::Disable => {
                self.ring.lockless().disable_cb();
                self.driver_sleeps = None;
            }
            Step::Sleep(delayed) => self.sleep(delayed),
        }
    }

    fn finish(&mut self) {
        self.kick();
        self.device_sleeps = false;
        while !self.outstanding.is_empty() {
            let before = self.outstanding.len();
            self.device_sleeps = false;
            self.pop();
            self.use_one(0);
            self.get();
            if self.with_device.is_empty() && self.outstanding.len() == before {
                self.device_sleeps = false;
                self.pop();
                assert!(!self.with_device.is_empty() || self.outstanding.is_empty());
            }
        }
        assert_eq!(self.ring.num_free(), self.ring.size());
        assert_eq!(self.ring.outstanding(), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn any_interleaving(
        steps in prop::collection::vec(step(), 1..400),
        size in (0u32..6).prop_map(|n| 1u16 << n),
        event_idx in any::<bool>(),
        tables in any::<bool>(),
        from in 2u16..5,
        keep_free in 0u16..8,
    ) {
        let tables = if tables { 6.min(size) } else { 0 };
        let rule = IndirectRule { from, keep_free };
        let mut world = World::new(size, event_idx, tables, rule);
        for step in &steps {
            world.run(step);
        }
        world.finish();
    }
}
