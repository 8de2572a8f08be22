// SPDX-License-Identifier: GPL-2.0

//! The ring of this project.

use crate::{
    device::{self, Device},
    Arena, Features, Ring, DATA, SIZE,
};
use ring_core::{
    host::{AsGiven, FixedTables, Host, TableCounts},
    packed,
    split::{Layout, LocklessState, Memory},
    AddError, DescState, Interrupt, Packed, RingConfig, SegmentWriter, Segments, Split,
};
use std::num::NonZeroUsize;

/// Entries of a table: what a disk with some segments needs.
pub const TABLE: u16 = 16;

type DescStates = Box<[DescState<NonZeroUsize>]>;

/// The place of the buffers.
struct Buffers {
    header: u64,
    data: u64,
    status: u64,
}

impl Buffers {
    fn new() -> Self {
        let arena = Arena::new(3 * 4096);
        Self {
            header: arena.addr(),
            data: arena.addr() + 4096,
            status: arena.addr() + 8192,
        }
    }
}

struct Three<'a>(&'a Buffers);

impl Segments<(u64, u32)> for Three<'_> {
    #[inline(always)]
    fn write_segments<W: SegmentWriter<(u64, u32)>>(&self, writer: &mut W) -> Result<(), AddError> {
        writer.out((self.0.header, 16))?;
        writer.in_((self.0.data, DATA))?;
        writer.in_((self.0.status, 1))
    }
}

struct One<'a>(&'a Buffers);

impl Segments<(u64, u32)> for One<'_> {
    #[inline(always)]
    fn write_segments<W: SegmentWriter<(u64, u32)>>(&self, writer: &mut W) -> Result<(), AddError> {
        writer.in_((self.0.data, DATA))
    }
}

/// A token as large as a pointer, and never 0, as a pointer.
#[inline(always)]
fn stored(token: usize) -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(token)
}

pub struct Ours<R> {
    ring: R,
    buffers: Buffers,
}

fn config(features: Features) -> RingConfig {
    RingConfig {
        event_idx: features.event_idx,
        ..RingConfig::MODERN
    }
}

fn states() -> DescStates {
    (0..SIZE).map(|_| DescState::new()).collect()
}

fn tables(features: Features) -> FixedTables {
    if !features.indirect {
        return FixedTables::none();
    }
    let table_counts = TableCounts {
        own: (TABLE, SIZE),
        ..TableCounts::default()
    };
    let arena = Arena::new(table_counts.bytes());
    // SAFETY: The memory is as large and is never given back.
    unsafe { FixedTables::new(arena.ptr(0), arena.addr(), table_counts) }
}

type SplitRing<const IN_ORDER: bool> =
    Split<Host, NonZeroUsize, DescStates, &'static LocklessState<Host>, IN_ORDER, FixedTables>;

/// A split ring and its device.
pub fn split<const IN_ORDER: bool>(features: Features) -> (Ours<SplitRing<IN_ORDER>>, Device) {
    assert_eq!(features.in_order, IN_ORDER);
    let layout = Layout::new(SIZE, 4096);
    let arena = Arena::new(layout.bytes);
    let memory = Memory {
        size: SIZE,
        desc: arena.ptr(0),
        avail: arena.ptr(layout.avail),
        used: arena.ptr(layout.used),
    };
    let device = device::Split {
        avail: memory.avail.as_ptr(),
        used: memory.used.as_ptr().cast(),
        size: SIZE,
        event_idx: features.event_idx,
        next: 0,
    };
    let lockless = Box::leak(Box::new(LocklessState::new()));
    // SAFETY: The memory is that of a ring and is never given back.
    let ring = unsafe {
        Split::new(
            memory,
            config(features),
            states(),
            &*lockless,
            tables(features),
        )
    };
    let ours = Ours {
        ring: ring.unwrap_or_else(|e| panic!("{e:?}")),
        buffers: Buffers::new(),
    };
    (ours, Device::Split(device))
}

type PackedRing<const IN_ORDER: bool> = Packed<
    Host,
    NonZeroUsize,
    DescStates,
    &'static packed::LocklessState<Host>,
    IN_ORDER,
    FixedTables,
>;

/// A packed ring and its device.
pub fn packed<const IN_ORDER: bool>(features: Features) -> (Ours<PackedRing<IN_ORDER>>, Device) {
    assert_eq!(features.in_order, IN_ORDER);
    let arena = Arena::new(128 + 16 * usize::from(SIZE));
    let memory = packed::Memory {
        size: SIZE,
        desc: arena.ptr(128),
        driver: arena.ptr(0),
        device: arena.ptr(64),
    };
    let device = device::Packed {
        desc: memory.desc.as_ptr().cast(),
        event: memory.device.as_ptr().cast(),
        size: SIZE,
        event_idx: features.event_idx,
        slot: 0,
        wrap: true,
    };
    let lockless = Box::leak(Box::new(packed::LocklessState::new()));
    // SAFETY: The memory is that of a ring and is never given back.
    let ring = unsafe {
        Packed::new(
            memory,
            config(features),
            states(),
            &*lockless,
            tables(features),
        )
    };
    let ours = Ours {
        ring: ring.unwrap_or_else(|e| panic!("{e:?}")),
        buffers: Buffers::new(),
    };
    (ours, Device::Packed(device))
}

/// Implements `Ring` for a type of ring, to be inlined as into a driver.
macro_rules! ring {
    ($ring:ident) => {
        impl<const IN_ORDER: bool> Segmented for Ours<$ring<IN_ORDER>> {
            #[inline(always)]
            fn add(&mut self, token: usize, out: &[(u64, u32)], in_: &[(u64, u32)]) {
                let segments = (out.len() + in_.len()) as u16;
                let by = &mut AsGiven::<false>;
                let added = self.ring.add(stored(token), segments, &(out, in_), by);
                assert!(added.is_ok());
            }
        }

        impl<const IN_ORDER: bool> Ring for Ours<$ring<IN_ORDER>> {
            #[inline(always)]
            fn add3(&mut self, token: usize) {
                if self
                    .ring
                    .add(
                        stored(token),
                        3,
                        &Three(&self.buffers),
                        &mut AsGiven::<false>,
                    )
                    .is_err()
                {
                    panic!("full");
                }
            }

            #[inline(always)]
            fn add1(&mut self, token: usize) {
                if self
                    .ring
                    .add(stored(token), 1, &One(&self.buffers), &mut AsGiven::<false>)
                    .is_err()
                {
                    panic!("full");
                }
            }

            #[inline(always)]
            fn kick(&mut self) -> bool {
                self.ring.kick_prepare()
            }

            #[inline(always)]
            fn get(&mut self) -> Option<usize> {
                self.ring.get().map(|used| used.token.get())
            }

            #[inline(always)]
            fn disable_cb(&mut self) {
                self.ring.lockless().disable_cb();
            }

            #[inline(always)]
            fn enable_cb(&mut self) -> bool {
                self.ring.enable_cb().is_quiet()
            }

            #[inline(always)]
            fn interrupt(&mut self) -> bool {
                self.ring.lockless().interrupt() == Interrupt::Callback
            }
        }
    };
}

/// A ring to which buffers of any number of segments are added.
pub trait Segmented: Ring {
    /// Adds a buffer.
    fn add(&mut self, token: usize, out: &[(u64, u32)], in_: &[(u64, u32)]);
}

ring!(SplitRing);
ring!(PackedRing);
