// SPDX-License-Identifier: GPL-2.0

//! Small rings on the model, and the operations on them.

use crate::{memory::Arena, platform::Model};
use ring_core::{
    host::AsGiven, packed, split, DescState, Interrupt, NoTables, Packed, RingConfig, Split,
};
use std::sync::Arc;

/// The number of descriptors of a ring.
pub const SIZE: u16 = 4;

/// The offsets in a packed ring: the driver area, the device area, the descriptors.
pub const DRIVER: usize = 0;
pub const DEVICE: usize = 64;
pub const DESCS: usize = 128;

pub type SplitRing<const IN_ORDER: bool> = Split<
    Model<false>,
    u32,
    Box<[DescState<u32>]>,
    Arc<split::LocklessState<Model<false>>>,
    IN_ORDER,
>;
pub type PackedRing<const AT_ONCE: bool, const IN_ORDER: bool> = Packed<
    Model<AT_ONCE>,
    u32,
    Box<[DescState<u32>]>,
    Arc<packed::LocklessState<Model<AT_ONCE>>>,
    IN_ORDER,
>;

/// The ways to enable callbacks.
#[derive(Clone, Copy, Debug)]
pub enum How {
    Enable,
    PrepareAndPoll,
    Delayed,
    WithKick,
}

impl How {
    pub const ALL: [Self; 4] = [
        Self::Enable,
        Self::PrepareAndPoll,
        Self::Delayed,
        Self::WithKick,
    ];
}

/// A ring of either format.
pub trait Queue {
    /// Adds a buffer of one segment for the device to write. Returns the id.
    fn add(&mut self, token: u32) -> u16;
    fn publish(&mut self);
    fn kick(&mut self) -> bool;
    fn get(&mut self) -> Option<(u32, u32)>;
    fn disable(&mut self);
    /// Enables callbacks. Returns whether to notify the device, and whether no buffer was used
    /// before.
    fn enable(&mut self, how: How) -> (bool, bool);
    /// Does the work of an interrupt: takes all used buffers, if the interrupt was for this queue.
    fn called(&mut self, take: &mut dyn FnMut(u32));
    fn broken(&self) -> bool;
    /// Disables callbacks without the ring, through the lockless part.
    fn disabler(&self) -> Box<dyn FnOnce()>;
    /// Returns the words of the lockless part, with their addresses.
    fn private(&self) -> Vec<(usize, u32)>;
}

macro_rules! queue {
    ($ring:ident, $($of:ident),*) => {
        impl<$(const $of: bool),*> Queue for $ring<$($of),*> {
            fn add(&mut self, token: u32) -> u16 {
                let segments: (&[_], &[_]) = (&[], &[(u64::from(token), 8)]);
                self.add(token, 1, &segments, &mut AsGiven::<false>)
                    .expect("room")
            }

            fn publish(&mut self) {
                self.publish();
            }

            fn kick(&mut self) -> bool {
                self.kick_prepare()
            }

            fn get(&mut self) -> Option<(u32, u32)> {
                self.get().map(|used| (used.token, used.len()))
            }

            fn disable(&mut self) {
                self.lockless().disable_cb();
            }

            fn enable(&mut self, how: How) -> (bool, bool) {
                match how {
                    How::Enable => (false, self.enable_cb().is_quiet()),
                    How::PrepareAndPoll => {
                        let armed = self.enable_cb_prepare();
                        (false, !self.lockless().poll(armed))
                    }
                    How::Delayed => (false, self.enable_cb_delayed().is_quiet()),
                    How::WithKick => self.kick_prepare_enable_cb_delayed(),
                }
            }

            fn called(&mut self, take: &mut dyn FnMut(u32)) {
                if self.lockless().interrupt() == Interrupt::Callback {
                    self.drain(|used| take(used.token));
                }
            }

            fn broken(&self) -> bool {
                self.lockless().is_broken()
            }

            fn disabler(&self) -> Box<dyn FnOnce()> {
                let lockless = self.lockless().clone();
                Box::new(move || lockless.disable_cb())
            }

            fn private(&self) -> Vec<(usize, u32)> {
                self.lockless().words().to_vec()
            }
        }
    };
}

queue!(SplitRing, IN_ORDER);
queue!(PackedRing, AT_ONCE, IN_ORDER);

fn states() -> Box<[DescState<u32>]> {
    (0..SIZE).map(|_| DescState::new()).collect()
}

fn config(event_idx: bool) -> RingConfig {
    RingConfig {
        event_idx,
        ..RingConfig::MODERN
    }
}

fn split<const IN_ORDER: bool>(event_idx: bool, arena: &Arena) -> Box<dyn Queue> {
    let layout = split_layout();
    let memory = split::Memory {
        size: SIZE,
        desc: arena.ptr(0),
        avail: arena.ptr(layout.avail),
        used: arena.ptr(layout.used),
    };
    let lockless = Arc::new(split::LocklessState::new());
    // SAFETY: The arena is large enough, and the words of the model keep it.
    let ring = unsafe {
        SplitRing::<IN_ORDER>::new(memory, config(event_idx), states(), lockless, NoTables)
    };
    Box::new(ring.unwrap_or_else(|e| panic!("{e:?}")))
}

fn packed<const AT_ONCE: bool, const IN_ORDER: bool>(
    event_idx: bool,
    arena: &Arena,
) -> Box<dyn Queue> {
    let memory = packed::Memory {
        size: SIZE,
        driver: arena.ptr(DRIVER),
        device: arena.ptr(DEVICE),
        desc: arena.ptr(DESCS),
    };
    let lockless = Arc::new(packed::LocklessState::new());
    // SAFETY: The arena is large enough, and the words of the model keep it.
    let ring = unsafe {
        PackedRing::<AT_ONCE, IN_ORDER>::new(
            memory,
            config(event_idx),
            states(),
            lockless,
            NoTables,
        )
    };
    Box::new(ring.unwrap_or_else(|e| panic!("{e:?}")))
}

pub fn split_layout() -> split::Layout {
    split::Layout::new(SIZE, 4)
}

pub fn split_ring(event_idx: bool, in_order: bool) -> (Box<dyn Queue>, Arc<Arena>) {
    let arena = Arc::new(Arena::new(4096));
    let ring = if in_order {
        split::<true>
    } else {
        split::<false>
    };
    (ring(event_idx, &arena), arena)
}

/// A packed ring that publishes buffers together.
pub fn packed_ring(event_idx: bool, in_order: bool) -> (Box<dyn Queue>, Arc<Arena>) {
    let arena = Arc::new(Arena::new(4096));
    let ring = if in_order {
        packed::<false, true>
    } else {
        packed::<false, false>
    };
    (ring(event_idx, &arena), arena)
}

/// As [`packed_ring`], publishing each buffer at once.
pub fn packed_ring_at_once(event_idx: bool, in_order: bool) -> (Box<dyn Queue>, Arc<Arena>) {
    let arena = Arc::new(Arena::new(4096));
    let ring = if in_order {
        packed::<true, true>
    } else {
        packed::<true, false>
    };
    (ring(event_idx, &arena), arena)
}

/// Returns the offset of the flags of a descriptor of a packed ring.
pub fn flags(slot: u16) -> usize {
    DESCS + 16 * usize::from(slot) + 14
}

/// `AVAIL` and `USED` of a descriptor (§2.8.1).
pub const AVAIL: u16 = 1 << 7;
pub const USED: u16 = 1 << 15;
