// SPDX-License-Identifier: GPL-2.0

//! Rings on the hostile platform.

use super::memory::{Area, Hostile, Limits, LIMITS};
use ring_core::{
    host::{AsGiven, FixedTables, TableCounts},
    packed, split, AddError, BrokenReason, BrokenReport, DescState, IndirectRule, Packed,
    RingConfig, Split,
};
use std::{ops::Range, sync::Arc};

/// The kind of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    pub packed: bool,
    pub in_order: bool,
}

/// The negotiated features, and the sizes of everything.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub layout: Layout,
    pub size: u16,
    pub small: u16,
    pub large: u16,
    pub larges: u16,
    pub unexposable: bool,
    pub config: RingConfig,
}

impl Setup {
    /// Reads a setup from the first bytes of an input.
    pub fn read(layout: Layout, bytes: [u8; 4]) -> Self {
        let [size, tables, rule, flags] = bytes;
        let size = if layout.packed {
            1 + u16::from(size % 17)
        } else {
            1 << (size % 5)
        };
        let small = u16::from(tables & 3).min(size);
        let large = u16::from(tables >> 2 & 7);
        let larges = if large == 0 {
            0
        } else {
            u16::from(tables >> 5).min(size)
        };
        Self {
            layout,
            size,
            small,
            large,
            larges,
            unexposable: flags & 96 == 96,
            config: RingConfig {
                event_idx: flags & 1 != 0,
                strong_barriers: flags & 4 != 0,
                callbacks: flags & 8 == 0,
                indirect: IndirectRule {
                    from: u16::from(rule & 7),
                    keep_free: u16::from(rule >> 3 & 7),
                },
                ..RingConfig::MODERN
            },
        }
    }

    fn table_counts(&self) -> TableCounts {
        TableCounts {
            own: (self.small, self.size),
            lent: (self.large, self.larges),
            unexposable: self.unexposable,
        }
    }

    /// Returns the sizes of the descriptors, of the area that the driver writes, of the area that
    /// the device writes, and of the tables.
    fn bytes(&self) -> [usize; 4] {
        let size = usize::from(self.size);
        let tables = self.table_counts().bytes();
        if self.layout.packed {
            [16 * size, 4, 4, tables]
        } else {
            [16 * size, 2 * size + 6, 8 * size + 6, tables]
        }
    }
}

/// The memory of a ring.
pub struct Memory {
    pub setup: Setup,
    pub desc: Area,
    pub driver: Area,
    pub device: Area,
    pub tables: Area,
}

impl Memory {
    pub fn new(setup: Setup) -> Self {
        let [desc, driver, device, tables] = setup.bytes().map(Area::new);
        Self {
            setup,
            desc,
            driver,
            device,
            tables,
        }
    }

    /// Sets the memory that may be accessed from now on.
    fn limit(&self, private: Range<usize>) {
        let own = [&self.desc, &self.driver, &self.tables];
        LIMITS.set(Limits {
            own: own.iter().map(|area| area.range()).collect(),
            device: vec![self.device.range()],
            private: vec![private],
            ..Limits::default()
        });
    }

    fn tables(&self) -> FixedTables {
        // SAFETY: The area has `TableCounts::bytes` bytes, and the owner of the ring keeps it as
        // long as the ring.
        unsafe { FixedTables::new(self.tables.ptr(), 0x1000, self.setup.table_counts()) }
    }

    fn split(&self) -> split::Memory {
        split::Memory {
            size: self.setup.size,
            desc: self.desc.ptr(),
            avail: self.driver.ptr(),
            used: self.device.ptr(),
        }
    }

    fn packed(&self) -> packed::Memory {
        packed::Memory {
            size: self.setup.size,
            desc: self.desc.ptr(),
            driver: self.driver.ptr(),
            device: self.device.ptr(),
        }
    }
}

/// The driver side.
pub trait Ring {
    fn add(&mut self, token: u32, claim: u16, out: &[u32], in_: &[u32]) -> Result<u16, AddError>;
    fn publish(&mut self);
    fn kick(&mut self) -> bool;
    /// Returns the token, the length, and the id.
    fn get(&mut self) -> Option<(u32, u32, u16)>;
    fn get_batch(&mut self, max: usize) -> Vec<(u32, u32, u16)>;
    /// Returns all used buffers, and whether the queue is broken.
    fn drain(&mut self) -> (Vec<(u32, u32, u16)>, bool);
    fn enable(&mut self, how: u8) -> (bool, bool);
    fn disable(&mut self);
    fn control(&self, what: u8, place: u16);
    fn broken(&self) -> Option<BrokenReason>;
    fn unbreak(&self);
    fn report(&mut self) -> Option<BrokenReport>;
    fn counts(&self) -> (u16, u16);
    fn detach(&mut self) -> Option<(u32, u16)>;
    fn reset(&mut self) -> Vec<(u32, u16)>;
    fn resize(&mut self, memory: &Memory) -> Vec<(u32, u16)>;
}

fn states(size: u16) -> Box<[DescState<u32>]> {
    (0..size).map(|_| DescState::new()).collect()
}

/// Lets the ring write all memory while `f` runs.
fn starting<R>(run: impl FnOnce() -> R) -> R {
    LIMITS.with_borrow_mut(|limits| limits.starting = true);
    let result = run();
    LIMITS.with_borrow_mut(|limits| limits.starting = false);
    result
}

macro_rules! ring {
    ($make:ident, $ring:ident, $lockless:ty, $memory:ident) => {
        fn $make<const IN_ORDER: bool>(memory: &Memory) -> Box<dyn Ring> {
            let lockless = Arc::new(<$lockless>::new());
            let start = Arc::as_ptr(&lockless).addr();
            memory.limit(start..start + size_of::<$lockless>());
            let setup = &memory.setup;
            // SAFETY: The caller keeps the memory as long as the ring.
            let ring = starting(|| unsafe {
                $ring::<Hostile, u32, _, _, IN_ORDER, _>::new(
                    memory.$memory(),
                    setup.config,
                    states(setup.size),
                    lockless,
                    memory.tables(),
                )
            });
            Box::new(ring.unwrap_or_else(|e| panic!("{e:?}")))
        }

        impl<const IN_ORDER: bool> Ring
            for $ring<Hostile, u32, Box<[DescState<u32>]>, Arc<$lockless>, IN_ORDER, FixedTables>
        {
            fn add(
                &mut self,
                token: u32,
                claim: u16,
                out: &[u32],
                in_: &[u32],
            ) -> Result<u16, AddError> {
                let list = |lens: &[u32]| -> Vec<(u64, u32)> {
                    lens.iter().map(|&len| (0x10_0000, len)).collect()
                };
                let (out, in_) = (list(out), list(in_));
                let result = self.add(token, claim, &(&out[..], &in_[..]), &mut AsGiven::<false>);
                result.map_err(|(e, back)| {
                    assert_eq!(back, token, "the token comes back");
                    e
                })
            }

            fn publish(&mut self) {
                self.publish();
            }

            fn kick(&mut self) -> bool {
                self.kick_prepare()
            }

            fn get(&mut self) -> Option<(u32, u32, u16)> {
                self.get().map(|used| (used.token, used.len(), used.id))
            }

            fn get_batch(&mut self, max: usize) -> Vec<(u32, u32, u16)> {
                let mut all = Vec::new();
                let n = self.get_batch(max, |used| all.push((used.token, used.len(), used.id)));
                assert_eq!(n, all.len());
                all
            }

            fn drain(&mut self) -> (Vec<(u32, u32, u16)>, bool) {
                let mut all = Vec::new();
                let broken = self.drain(|used| all.push((used.token, used.len(), used.id)));
                (all, broken)
            }

            fn enable(&mut self, how: u8) -> (bool, bool) {
                match how % 4 {
                    0 => (false, self.enable_cb().is_quiet()),
                    1 => (false, self.enable_cb_delayed().is_quiet()),
                    2 => {
                        let armed = self.enable_cb_prepare();
                        (false, !self.lockless().poll(armed))
                    }
                    _ => self.kick_prepare_enable_cb_delayed(),
                }
            }

            fn disable(&mut self) {
                self.lockless().disable_cb();
            }

            fn control(&self, what: u8, place: u16) {
                match what % 4 {
                    0 => {
                        self.lockless().interrupt();
                    }
                    1 => {
                        self.lockless().notification_data(1);
                    }
                    2 => self.lockless().disable_cb(),
                    _ => {
                        self.lockless().poll(ring_core::Armed::from_raw(place));
                    }
                }
            }

            fn broken(&self) -> Option<BrokenReason> {
                self.lockless().broken()
            }

            fn unbreak(&self) {
                self.lockless().unbreak();
            }

            fn report(&mut self) -> Option<BrokenReport> {
                self.take_broken_report()
            }

            fn counts(&self) -> (u16, u16) {
                (self.outstanding(), self.num_free())
            }

            fn detach(&mut self) -> Option<(u32, u16)> {
                // SAFETY: The device accesses memory only when it is called.
                let unused = starting(|| unsafe { self.detach_unused() });
                unused.map(|unused| (unused.token, unused.id))
            }

            fn reset(&mut self) -> Vec<(u32, u16)> {
                let mut all = Vec::new();
                // SAFETY: The device accesses memory only when it is called.
                starting(|| unsafe { self.reset(|unused| all.push((unused.token, unused.id))) });
                all
            }

            fn resize(&mut self, memory: &Memory) -> Vec<(u32, u16)> {
                let (old, mut all) = (LIMITS.take(), Vec::new());
                memory.limit(old.private[0].clone());
                // The ring writes the old memory once more when it is emptied.
                LIMITS.with_borrow_mut(|limits| {
                    limits.own.extend(old.own.iter().cloned());
                    limits.device.extend(old.device.iter().cloned());
                });
                let states = states(memory.setup.size);
                // SAFETY: The device accesses memory only when it is called. The caller keeps the
                // memory, and the old memory until this returns.
                let result = starting(|| unsafe {
                    self.resize(memory.$memory(), states, memory.tables(), |unused| {
                        all.push((unused.token, unused.id))
                    })
                });
                assert!(result.is_ok());
                memory.limit(old.private[0].clone());
                all
            }
        }
    };
}

ring!(split, Split, split::LocklessState<Hostile>, split);
ring!(packed, Packed, packed::LocklessState<Hostile>, packed);

/// Makes a ring, which the memory has to outlive.
pub fn make(memory: &Memory) -> Box<dyn Ring> {
    match (memory.setup.layout.packed, memory.setup.layout.in_order) {
        (false, false) => split::<false>(memory),
        (false, true) => split::<true>(memory),
        (true, false) => packed::<false>(memory),
        (true, true) => packed::<true>(memory),
    }
}
