// SPDX-License-Identifier: GPL-2.0

//! Indirect descriptors (`VIRTIO_F_INDIRECT_DESC`; §2.7.5.3, §2.8.7).
//!
//! The tables are memory that was set aside with the queue, one for each id: a buffer takes none
//! from an allocator, gives none back, and its table is at a known address.

use super::{
    desc::Desc,
    error::{
        AddError,
        SetupError, //
    },
    platform::Platform,
    shared::{
        Descs,
        Shared, //
    },
};
use core::ptr::NonNull;

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
    /// What C does: a table for whatever has more than one segment.
    pub const DEFAULT: Self = Self {
        from: 2,
        keep_free: 0,
    };

    /// A table only where the ring has not enough room for a chain.
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

/// Memory for the tables of a queue.
#[derive(Clone, Copy, Debug)]
pub struct TableMemory {
    /// `entries` descriptors for each descriptor of the ring.
    pub base: NonNull<Desc>,
    /// Where the device finds it.
    pub addr: u64,
    /// Descriptors in one table: the most segments that a buffer with a table can have, and not
    /// more than the ring has descriptors (§2.7.5.3.1).
    pub entries: u16,
}

/// The tables of a queue.
///
/// # Invariants
///
/// `base` is followed by `entries` descriptors for each of 0 to `last`; `entries` is not 0.
pub(super) struct Tables {
    base: Shared<Desc>,
    addr: u64,
    entries: u16,
    last: u16,
}

impl Tables {
    /// Takes over the memory of the tables of a queue with ids up to `last`.
    ///
    /// # Safety
    ///
    /// The memory is mapped as [`TableMemory`] says.
    pub(super) unsafe fn new(memory: TableMemory, last: u16) -> Result<Self, SetupError> {
        if memory.entries == 0 || u32::from(memory.entries) > u32::from(last) + 1 {
            return Err(SetupError::Tables);
        }
        // SAFETY: By the safety requirements.
        let base = unsafe { Shared::new(memory.base) };
        if !base.is_aligned(align_of::<Desc>()) {
            return Err(SetupError::Alignment);
        }
        // INVARIANT: By the safety requirements.
        Ok(Self {
            base,
            addr: memory.addr,
            entries: memory.entries,
            last,
        })
    }

    /// The most segments that a table has room for.
    #[inline(always)]
    pub(super) fn entries(&self) -> u16 {
        self.entries
    }

    /// Returns the table of `id`, and where the device finds it.
    #[inline(always)]
    pub(super) fn get<P: Platform>(&self, id: u16) -> (Descs<P, false>, u64) {
        // OVERFLOW: Both are at most 2^15, and the offset is that of memory that there is.
        let offset = usize::from(id.min(self.last)).wrapping_mul(usize::from(self.entries));
        // SAFETY: Mapped and bounded.
        let base = unsafe { self.base.as_ptr().add(offset) };
        // SAFETY: Derived from a pointer that is not null, and as mapped as that.
        let base = unsafe { Shared::new(NonNull::new_unchecked(base)) };
        // SAFETY: By the type invariant.
        let table = unsafe { Descs::new(base, self.entries.wrapping_sub(1)) };
        // CAST: `usize` is not larger than `u64`.
        let addr = self
            .addr
            .wrapping_add((offset as u64) << size_of::<Desc>().ilog2());
        (table, addr)
    }
}

/// How the next buffer is described.
pub(super) enum Plan<'a> {
    Direct,
    Table(&'a Tables),
}

/// Chooses for a buffer of up to `segments` in a ring of `size` descriptors, `free` of them free.
#[inline(always)]
pub(super) fn plan(
    rule: IndirectRule,
    tables: &Option<Tables>,
    segments: u16,
    free: u16,
    size: u16,
) -> Result<Plan<'_>, AddError> {
    if let Some(tables) = tables {
        if rule.wants(segments, free) && segments <= tables.entries() && free != 0 {
            return Ok(Plan::Table(tables));
        }
    }
    if segments <= free {
        return Ok(Plan::Direct);
    }
    Err(no_room(tables, segments, size))
}

/// Whether it is worth while to try again.
#[cold]
fn no_room(tables: &Option<Tables>, segments: u16, size: u16) -> AddError {
    let most = tables.as_ref().map_or(0, Tables::entries).max(size);
    if segments > most {
        AddError::TooMany
    } else {
        AddError::Full
    }
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
