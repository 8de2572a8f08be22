// SPDX-License-Identifier: GPL-2.0

//! The rings that are compared, the device that they all have, and the work.

mod arena;
#[cfg(c_ring)]
pub mod c;
pub mod device;
pub mod ours;
pub mod virtio_drivers;
pub mod work;

pub use arena::Arena;

/// Descriptors of every queue.
pub const SIZE: u16 = 256;
/// Bytes of data of a buffer.
pub const DATA: u32 = 4096;

/// The negotiated features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    pub packed: bool,
    pub in_order: bool,
    pub indirect: bool,
    pub event_idx: bool,
}

impl Features {
    /// The name of the layout, as the report has it.
    pub fn layout(&self) -> &'static str {
        match (self.packed, self.in_order) {
            (false, false) => "split",
            (false, true) => "split-in-order",
            (true, false) => "packed",
            (true, true) => "packed-in-order",
        }
    }

    /// The bits of §6.
    pub fn bits(&self) -> u64 {
        1 << 32
            | u64::from(self.packed) << 34
            | u64::from(self.in_order) << 35
            | u64::from(self.indirect) << 28
            | u64::from(self.event_idx) << 29
    }
}

/// The driver side of a ring.
pub trait Ring {
    /// Adds a buffer of three segments: a header to read, data and a status to write.
    fn add3(&mut self, token: usize);
    /// Adds a buffer of one segment to write.
    fn add1(&mut self, token: usize);
    /// Publishes, and whether to notify.
    fn kick(&mut self) -> bool;
    /// Takes a used buffer.
    fn get(&mut self) -> Option<usize>;
    /// Callbacks off. What has no notion of it does nothing.
    fn disable_cb(&mut self) {}
    /// Callbacks on. Returns whether the caller may sleep: no buffer was used before they were on.
    fn enable_cb(&mut self) -> bool {
        true
    }
    /// The interrupt. Whether it was for this queue.
    fn interrupt(&mut self) -> bool {
        true
    }
}

/// A ring with some features.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The name that the report has for it.
    pub ring: &'static str,
    pub features: Features,
    /// Whether it can do callbacks as a driver needs them.
    callbacks: bool,
}

impl Case {
    /// Whether the ring can do the work.
    pub fn can(&self, work: work::Work) -> bool {
        self.callbacks || !work.with_callbacks()
    }
}

/// The work to do with each ring.
pub trait Visit {
    fn visit<R: Ring>(&mut self, case: Case, make: impl Fn() -> (R, device::Device));
}

/// Visits every ring with every set of features that it has. Those that are to be compared come
/// one after the other.
pub fn for_each(visit: &mut impl Visit) {
    for (indirect, event_idx) in [(true, true), (false, true), (false, false)] {
        let features = Features {
            packed: false,
            in_order: false,
            indirect,
            event_idx,
        };
        let case = |ring, features, callbacks| Case {
            ring,
            features,
            callbacks,
        };
        let ours = |features| case("rust-ring", features, true);
        visit.visit(ours(features), || ours::split::<false>(features));
        #[cfg(c_ring)]
        visit.visit(case("c-virtio_ring", features, true), || c::ring(features));
        visit.visit(case("virtio-drivers", features, false), || {
            virtio_drivers::ring(features)
        });
        let features = Features {
            in_order: true,
            ..features
        };
        visit.visit(ours(features), || ours::split::<true>(features));
        #[cfg(c_ring)]
        visit.visit(case("c-virtio_ring", features, true), || c::ring(features));
        let features = Features {
            packed: true,
            in_order: false,
            ..features
        };
        visit.visit(ours(features), || ours::packed::<false>(features));
        #[cfg(c_ring)]
        visit.visit(case("c-virtio_ring", features, true), || c::ring(features));
        let features = Features {
            in_order: true,
            ..features
        };
        visit.visit(ours(features), || ours::packed::<true>(features));
        #[cfg(c_ring)]
        visit.visit(case("c-virtio_ring", features, true), || c::ring(features));
    }
}
