// SPDX-License-Identifier: GPL-2.0

//! The choice between a chain of descriptors in the ring and an indirect table for a buffer
//! (`VIRTIO_F_INDIRECT_DESC`; §2.7.5.3, §2.8.7).

use super::{
    desc_state::{
        self,
        DescState, //
    },
    platform::Platform,
    tables::{
        Table,
        Tables, //
    },
};

/// The rule by which a buffer is described by a table, and takes one descriptor of the ring, or by
/// a chain in the ring.
///
/// A table keeps the ring empty. It costs the driver one more descriptor to write, and the device
/// one more access. A buffer with one segment never gets a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndirectRule {
    /// Buffers of this many segments or more always get a table.
    pub from: u16,
    /// Smaller buffers get a table too, if a chain would leave fewer free descriptors than this.
    pub keep_free: u16,
}

impl IndirectRule {
    /// A table for every buffer with more than one segment, as in C.
    ///
    /// Instructions of the driver's side to add, kick and get a buffer by a chain and by a table,
    /// counted by `tools/bench/host/segments.sh`. The compiler does not know the number of
    /// segments.
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
    /// A table costs more only in a split ring in order, by nine instructions at most, and leaves
    /// room in the ring for as many buffers as it has descriptors. The cost for the device, which
    /// has one more place to read, is not in these figures.
    pub const DEFAULT: Self = Self {
        from: 2,
        keep_free: 0,
    };

    /// A table only if the ring has not enough room for a chain. A ring without tables has this
    /// rule, whatever its [`RingConfig`](super::RingConfig) says.
    pub const LAST_RESORT: Self = Self {
        from: u16::MAX,
        keep_free: 0,
    };

    /// Returns whether a buffer of `segments` gets a table in a ring with `free` descriptors.
    #[inline(always)]
    pub(super) const fn wants(self, segments: u16, free: u16) -> bool {
        segments > 1
            && (segments >= self.from || segments as u32 + self.keep_free as u32 > free as u32)
    }
}

/// The way in which the next buffer is described.
pub enum Plan<P> {
    /// A chain in the ring.
    Direct,
    /// An indirect table.
    Table(Table<P>),
}

/// Chooses the description of a buffer of up to `segments` segments, in a ring with `free` free
/// descriptors; `id` is the id whose table it would get. Returns `None` if the buffer has no
/// segment, if there is no room for it, or if the rule wants a table that the id does not have.
///
/// # Safety
///
/// The id has a descriptor state. If `free` is not 0, the id is that of no outstanding buffer.
/// `tables` are those of the ring.
#[inline(always)]
pub(super) unsafe fn plan<P: Platform, T>(
    rule: IndirectRule,
    tables: &impl Tables,
    states: &[DescState<T>],
    id: u16,
    segments: u16,
    free: u16,
) -> Option<Plan<P>> {
    // A buffer without segments is refused elsewhere, and there may be no free id for it.
    if segments == 0 {
        return None;
    }
    if rule.wants(segments, free) && free != 0 {
        // SAFETY: By the safety requirements, the id has a descriptor state.
        if segments > unsafe { desc_state::get(states, id) }.table_capacity() {
            return None;
        }
        // SAFETY: The segments fit into `table_capacity`, which is not 0, so the id has a table
        // (invariant of `DescState`). The id has no outstanding buffer, so by the contract of
        // `Tables` the table is free for this one.
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
