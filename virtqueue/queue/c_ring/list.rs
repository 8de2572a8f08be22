// SPDX-License-Identifier: GPL-2.0

//! The scatterlist of a buffer.

use super::super::buffer::{
    Segment,
    SegmentWriter, //
};
use crate::bindings;
use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};
use vring::{
    direct::virt_to_page,
    segment::Kind, //
};

/// Marks the last entry of a list in `page_link`.
const SG_END: usize = bindings::SG_END as usize;

/// The part of a queue's table that has the segments of a buffer.
///
/// # Invariants
///
/// The first `total` entries of the table were filled, and `out` is at most `total`. The last entry
/// to read and the last entry to write are marked as ends.
pub(super) struct Filled {
    /// The number of entries to read.
    pub(super) out: usize,
    /// The number of all entries.
    pub(super) total: usize,
    /// Whether the entries are premapped.
    pub(super) premapped: bool,
}

/// Fills a queue's table with the segments of one buffer.
pub(super) struct List<'a> {
    table: &'a mut [bindings::scatterlist],
    /// The number of entries to read.
    out: usize,
    /// The number of all entries.
    total: usize,
    /// The number of premapped entries.
    premapped: usize,
}

impl<'a> List<'a> {
    /// Starts to fill a table.
    #[inline(always)]
    pub(super) fn new(table: &'a mut [bindings::scatterlist]) -> Self {
        Self {
            table,
            out: 0,
            total: 0,
            premapped: 0,
        }
    }

    #[inline(always)]
    fn push(&mut self, segment: Segment) -> Result {
        let entry = self.table.get_mut(self.total).ok_or(EINVAL)?;
        match segment.kind {
            Kind::Virt(ptr) => {
                // SAFETY: `Buffer` promises that the memory is directly mapped.
                entry.page_link = unsafe { virt_to_page(ptr) } as usize;
                entry.offset = (ptr as usize & (PAGE_SIZE - 1)) as u32;
            }
            Kind::Page(page, offset) => {
                entry.page_link = page as usize;
                entry.offset = offset;
            }
            Kind::Premapped(addr) => {
                entry.page_link = 0;
                entry.offset = 0;
                entry.dma_address = addr;
                #[cfg(CONFIG_NEED_SG_DMA_LENGTH)]
                {
                    entry.dma_length = segment.len();
                }
                self.premapped += 1;
            }
        }
        entry.length = segment.len();
        self.total += 1;
        Ok(())
    }

    /// Marks the ends of the two lists, and returns the result.
    ///
    /// # Errors
    ///
    /// `EINVAL`: there is no segment, or only some segments are premapped.
    #[inline(always)]
    pub(super) fn finish(self) -> Result<Filled> {
        if self.total == 0 || (self.premapped != 0 && self.premapped != self.total) {
            return Err(EINVAL);
        }
        for last in [self.out, self.total] {
            if let Some(entry) = last.checked_sub(1).and_then(|i| self.table.get_mut(i)) {
                entry.page_link |= SG_END;
            }
        }
        // INVARIANT: `push` filled `total` entries, `out` of them first; the ends were just marked.
        Ok(Filled {
            out: self.out,
            total: self.total,
            premapped: self.premapped != 0,
        })
    }
}

impl SegmentWriter<Segment> for List<'_> {
    #[inline(always)]
    fn out(&mut self, segment: Segment) -> Result {
        if self.out != self.total {
            return Err(EINVAL);
        }
        self.push(segment)?;
        self.out = self.total;
        Ok(())
    }

    #[inline(always)]
    fn in_(&mut self, segment: Segment) -> Result {
        self.push(segment)
    }
}
