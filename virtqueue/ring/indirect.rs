// SPDX-License-Identifier: GPL-2.0

//! The choice of a description for a buffer: a chain of descriptors in the ring, or an indirect
//! table (`VIRTIO_F_INDIRECT_DESC`; §2.7.5.3, §2.8.7).

use super::{
    platform::Platform,
    slot::{
        self,
        Slot, //
    },
    tables::{
        Table,
        Tables, //
    },
};

/// When a buffer is described by a table, and takes one descriptor of the ring, and when by a
/// chain in the ring.
///
/// A table keeps the ring empty and costs one more descriptor to write and the device one more
/// access. A buffer with one segment never gets one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndirectRule {
    /// Buffers of that many segments or more always get a table.
    pub from: u16,
    /// Smaller ones too, if a chain would leave fewer descriptors than this free.
    pub keep_free: u16,
}

impl IndirectRule {
    /// A table for whatever has more than one segment, as C does.
    ///
    /// Instructions of the driver's side to add, kick and get a buffer of segments whose number the
    /// compiler does not know, as `bench/host/segments.sh` counts them, by a chain and by a table:
    ///
    /// | segments |   split   | in order  |  packed   | in order  |
    /// |---------:|:---------:|:---------:|:---------:|:---------:|
    /// |        2 | 232 / 232 | 221 / 230 | 255 / 219 | 262 / 227 |
    /// |        3 | 259 / 256 | 245 / 253 | 288 / 231 | 295 / 239 |
    /// |        4 | 286 / 280 | 269 / 276 | 321 / 243 | 328 / 251 |
    /// |        6 | 340 / 328 | 317 / 322 | 387 / 267 | 394 / 275 |
    /// |        8 | 394 / 376 | 365 / 368 | 453 / 291 | 460 / 299 |
    /// |       12 | 502 / 472 | 461 / 460 | 585 / 339 | 592 / 347 |
    /// |       16 | 610 / 568 | 557 / 552 | 718 / 387 | 725 / 395 |
    ///
    /// A table is dearer only for a split ring in order, by nine instructions at most, and leaves
    /// room in the ring for as many buffers as it has descriptors. What it costs the device, which
    /// has one more place to read, is not in these figures.
    pub const DEFAULT: Self = Self {
        from: 2,
        keep_free: 0,
    };

    /// A table only where the ring has not enough room for a chain. A ring without tables has this
    /// rule, whatever its [`Config`](super::Config) says.
    pub const LAST_RESORT: Self = Self {
        from: u16::MAX,
        keep_free: 0,
    };

    /// Whether a buffer of `segments` should have a table in a ring with `free` descriptors.
    #[inline(always)]
    pub(super) const fn wants(self, segments: u16, free: u16) -> bool {
        segments > 1
            && (segments >= self.from || segments as u32 + self.keep_free as u32 > free as u32)
    }
}

/// The description of the next buffer.
pub enum Plan<P> {
    /// By a chain in the ring.
    Direct,
    /// By that table.
    Table(Table<P>),
}

/// Chooses for a buffer of up to `segments`, with the id `id` if it has a table, in a ring of which
/// `free` descriptors are free. `None`: it has no segment, there is no room for it, or the rule
/// wants a table that the id does not have.
///
/// # Safety
///
/// There is a slot of the id, and where `free` is not 0 it is that of no buffer; `tables` are those
/// of the ring.
#[inline(always)]
pub(super) unsafe fn plan<P: Platform, T>(
    rule: IndirectRule,
    tables: &impl Tables,
    slots: &[Slot<T>],
    id: u16,
    segments: u16,
    free: u16,
) -> Option<Plan<P>> {
    // Nothing is to be described where there may be no free id.
    if segments == 0 {
        return None;
    }
    if rule.wants(segments, free) && free != 0 {
        // SAFETY: By the safety requirements, there is a slot of the id.
        if segments > unsafe { slot::at(slots, id) }.own_room() {
            return None;
        }
        // SAFETY: By the invariants of slots it has one. By the contract of `Tables`, nobody else
        // has the table of an id without a buffer.
        let table = unsafe { Table::new(tables.own(id)) };
        return Some(Plan::Table(table));
    }
    (segments <= free).then_some(Plan::Direct)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule() {
        let rule = IndirectRule::DEFAULT;
        assert!(!rule.wants(1, 0) && rule.wants(2, 256) && rule.wants(2, 0));
        let rule = IndirectRule::LAST_RESORT;
        assert!(!rule.wants(3, 3) && rule.wants(3, 2) && !rule.wants(1, 0));
        let rule = IndirectRule {
            from: 8,
            keep_free: 16,
        };
        assert!(!rule.wants(4, 20) && rule.wants(4, 19) && rule.wants(8, 256));
        assert!(!rule.wants(0, 0));
    }
}
