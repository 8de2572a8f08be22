// SPDX-License-Identifier: GPL-2.0

//! Scatterlists, with which C drivers describe buffers.

use core::slice;
use kernel::prelude::*;
use vring::{
    bindings::{
        scatterlist,
        SG_CHAIN,
        SG_END, //
    },
    Segment,
    SegmentWriter,
    Segments, //
};

/// Returns the entry behind `sg` in its list, or `None` if `sg` is the last.
///
/// # Safety
///
/// `sg` is an entry of a well-formed list.
unsafe fn next(sg: *mut scatterlist) -> Option<*mut scatterlist> {
    // SAFETY: By the safety requirements, the list is well-formed. So an entry that is not the last
    // has an entry behind it, which may be a link to the next part of the list.
    unsafe {
        if is_last(sg) {
            return None;
        }
        let next = sg.add(1);
        let link = (*next).page_link;
        if link & SG_CHAIN as usize == 0 {
            return Some(next);
        }
        Some((link & !((SG_CHAIN | SG_END) as usize)) as *mut scatterlist)
    }
}

/// Returns whether an entry is the last of its list.
///
/// # Safety
///
/// `sg` is an entry of a list.
unsafe fn is_last(sg: *mut scatterlist) -> bool {
    // SAFETY: By the safety requirements, `sg` is an entry, which is readable.
    unsafe { (*sg).page_link & SG_END as usize != 0 }
}

/// Returns the segment of an entry.
///
/// # Safety
///
/// `sg` is an entry of a list. If `premapped`, the driver mapped it.
pub(crate) unsafe fn segment(sg: *mut scatterlist, premapped: bool) -> Segment {
    // SAFETY: By the safety requirements, `sg` is an entry, which is readable and does not change.
    let entry = unsafe { &*sg };
    if premapped {
        #[cfg(CONFIG_NEED_SG_DMA_LENGTH)]
        let len = entry.dma_length;
        #[cfg(not(CONFIG_NEED_SG_DMA_LENGTH))]
        let len = entry.length;
        return Segment::premapped(entry.dma_address, len);
    }
    let page = entry.page_link & !((SG_CHAIN | SG_END) as usize);
    Segment::page(page as *mut _, entry.offset, entry.length)
}

/// One list, which the device reads or writes.
pub(crate) struct List {
    first: *mut scatterlist,
    write: bool,
    premapped: bool,
}

impl List {
    /// # Safety
    ///
    /// `first` starts a well-formed list, which exists as long as the result, and the device may
    /// access its memory. If `premapped`, the driver mapped the memory.
    #[inline(always)]
    pub(crate) unsafe fn new(first: *mut scatterlist, write: bool, premapped: bool) -> Self {
        Self {
            first,
            write,
            premapped,
        }
    }
}

impl Segments<Segment> for List {
    #[inline(always)]
    fn write_segments<W: SegmentWriter<Segment>>(&self, writer: &mut W) -> Result {
        let mut at = Some(self.first);
        while let Some(sg) = at {
            // SAFETY: By the safety requirements of `new`, `sg` is an entry of a list that exists.
            let segment = unsafe { segment(sg, self.premapped) };
            if self.write {
                writer.in_(segment)?;
            } else {
                writer.out(segment)?;
            }
            // SAFETY: By the safety requirements of `new`, the list is well-formed.
            at = unsafe { next(sg) };
        }
        Ok(())
    }
}

/// One segment, which the device writes or reads.
pub(crate) struct One<const WRITE: bool>(pub(crate) Segment);

impl<const WRITE: bool> Segments<Segment> for One<WRITE> {
    #[inline(always)]
    fn write_segments<W: SegmentWriter<Segment>>(&self, writer: &mut W) -> Result {
        if WRITE {
            writer.in_(self.0)
        } else {
            writer.out(self.0)
        }
    }
}

/// Lists that the device reads, followed by lists that it writes.
pub(crate) struct Lists<'a> {
    /// All lists.
    lists: &'a [*mut scatterlist],
    /// The number of segments that the device reads.
    out: usize,
}

impl<'a> Lists<'a> {
    /// # Safety
    ///
    /// There are `all` lists from `lists` on. Each meets the requirements of [`List::new`], or is
    /// null, which is a list without a segment.
    #[inline(always)]
    pub(crate) unsafe fn new(lists: *const *mut scatterlist, out: u32, all: u32) -> Self {
        let lists = if all == 0 {
            // C may pass null here.
            &[]
        } else {
            // SAFETY: By the safety requirements, there are `all` lists from `lists` on, for `'a`.
            unsafe { slice::from_raw_parts(lists, all as usize) }
        };
        Self {
            lists,
            out: out as usize,
        }
    }

    /// Counts the segments.
    #[inline(always)]
    pub(crate) fn count(&self) -> usize {
        let mut count = 0usize;
        for &list in self.lists {
            let mut at = (!list.is_null()).then_some(list);
            while let Some(sg) = at {
                // OVERFLOW: Memory does not have room for that many entries.
                count = count.wrapping_add(1);
                // SAFETY: By the safety requirements of `new`, `sg` is an entry of a well-formed
                // list.
                at = unsafe { next(sg) };
            }
        }
        count
    }
}

impl Segments<Segment> for Lists<'_> {
    #[inline(always)]
    fn write_segments<W: SegmentWriter<Segment>>(&self, writer: &mut W) -> Result {
        let (reads, writes) = self.lists.split_at_checked(self.out).ok_or(EINVAL)?;
        for (lists, write) in [(reads, false), (writes, true)] {
            for &list in lists {
                if list.is_null() {
                    continue;
                }
                // SAFETY: By the safety requirements of `new`, `list`, which is not null, meets
                // those of `List::new`.
                unsafe { List::new(list, write, false) }.write_segments(writer)?;
            }
        }
        Ok(())
    }
}

/// Three segments, each in a list of its own: the device reads the first, reads or writes the
/// second, and writes the third. Most requests of disks have this form, so there is a separate path
/// for them.
///
/// # Invariants
///
/// Each of the three meets the requirements of [`List::new`], and is a list of one entry.
pub(crate) struct Trio {
    first: *mut scatterlist,
    middle: *mut scatterlist,
    last: *mut scatterlist,
    /// Whether the device writes the middle segment.
    write: bool,
}

impl Trio {
    /// The number of segments.
    pub(crate) const COUNT: u16 = 3;

    /// Returns the lists, if they have this form.
    ///
    /// # Safety
    ///
    /// As [`Lists::new`].
    #[inline(always)]
    pub(crate) unsafe fn new(lists: *const *mut scatterlist, out: u32, all: u32) -> Option<Self> {
        if all != 3 {
            return None;
        }
        // SAFETY: By the safety requirements, there are three lists.
        let [first, middle, last] = unsafe { *lists.cast::<[*mut scatterlist; 3]>() };
        for list in [first, middle, last] {
            // SAFETY: By the safety requirements, a list that is not null starts with an entry.
            if list.is_null() || unsafe { !is_last(list) } {
                return None;
            }
        }
        let write = out == 1;
        // INVARIANT: The loop has checked that each list has one entry.
        (write || out == 2).then_some(Self {
            first,
            middle,
            last,
            write,
        })
    }
}

impl Segments<Segment> for Trio {
    #[inline(always)]
    fn write_segments<W: SegmentWriter<Segment>>(&self, writer: &mut W) -> Result {
        // SAFETY: By the type invariant, each of the three is an entry of a list.
        let of = |sg| unsafe { segment(sg, false) };
        writer.out(of(self.first))?;
        if self.write {
            writer.in_(of(self.middle))?;
        } else {
            writer.out(of(self.middle))?;
        }
        writer.in_(of(self.last))
    }
}
