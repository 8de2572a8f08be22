// SPDX-License-Identifier: GPL-2.0

//! Scatterlists, as C drivers describe buffers.

use kernel::prelude::*;
use vring::{
    bindings::{
        scatterlist,
        SG_CHAIN,
        SG_END, //
    },
    Segment,
    SegmentSink,
    Segments, //
};

/// The entry behind `sg` in its list, if there is one.
///
/// # Safety
///
/// `sg` is an entry of a list that is well-formed.
#[inline(always)]
unsafe fn next(sg: *mut scatterlist) -> Option<*mut scatterlist> {
    // SAFETY: By the safety requirements: an entry that is not the last has one behind it, which
    // may be a link to where the list goes on.
    unsafe {
        if (*sg).page_link & SG_END as usize != 0 {
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

/// The segment of an entry.
///
/// # Safety
///
/// `sg` is an entry of a list, mapped by the driver if `premapped`.
#[inline(always)]
unsafe fn segment(sg: *mut scatterlist, premapped: bool) -> Segment {
    // SAFETY: By the safety requirements.
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

/// One list, all of which the device reads or all of which it writes.
pub(crate) struct List {
    first: *mut scatterlist,
    write: bool,
    premapped: bool,
}

impl List {
    /// # Safety
    ///
    /// `first` starts a list that is well-formed and stays as long as the result, of memory that
    /// the device may have; mapped by the driver if `premapped`.
    #[inline(always)]
    pub(crate) unsafe fn new(first: *mut scatterlist, write: bool, premapped: bool) -> Self {
        Self {
            first,
            write,
            premapped,
        }
    }

    /// The first segment.
    #[inline(always)]
    pub(crate) fn first(&self) -> Segment {
        // SAFETY: By the safety requirements of `new`.
        unsafe { segment(self.first, self.premapped) }
    }
}

impl Segments for List {
    #[inline(always)]
    fn describe<S: SegmentSink>(&self, sink: &mut S) -> Result {
        let mut at = Some(self.first);
        while let Some(sg) = at {
            // SAFETY: By the safety requirements of `new`, here and below.
            let segment = unsafe { segment(sg, self.premapped) };
            if self.write {
                sink.in_(segment)?;
            } else {
                sink.out(segment)?;
            }
            // SAFETY: As above.
            at = unsafe { next(sg) };
        }
        Ok(())
    }
}

/// Lists that the device reads, and behind them lists that it writes.
pub(crate) struct Lists<'a> {
    /// All of them.
    lists: &'a [*mut scatterlist],
    /// How many are to read.
    out: usize,
}

impl<'a> Lists<'a> {
    /// # Safety
    ///
    /// As [`List::new`], for each of `lists`.
    #[inline(always)]
    pub(crate) unsafe fn new(lists: &'a [*mut scatterlist], out: usize) -> Self {
        Self { lists, out }
    }

    /// Counts the segments.
    #[inline]
    pub(crate) fn count(&self) -> usize {
        let mut count = 0usize;
        for &list in self.lists {
            let mut at = Some(list);
            while let Some(sg) = at {
                count += 1;
                // SAFETY: By the safety requirements of `new`.
                at = unsafe { next(sg) };
            }
        }
        count
    }
}

impl Segments for Lists<'_> {
    #[inline(always)]
    fn describe<S: SegmentSink>(&self, sink: &mut S) -> Result {
        for (i, &list) in self.lists.iter().enumerate() {
            // SAFETY: By the safety requirements of `new`.
            unsafe { List::new(list, i >= self.out, false) }.describe(sink)?;
        }
        Ok(())
    }
}
