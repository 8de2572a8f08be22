// SPDX-License-Identifier: GPL-2.0

//! What is mapped for the buffers that a device has, where the DMA API is used.
//!
//! A buffer is mapped before it is described to the ring, and its mappings are kept by the id that
//! it got there. The records are set aside with the queue: mapping allocates none.

use crate::{
    bindings::dma_addr_t,
    dma::{
        direction,
        Mapper, //
    },
    ring::{
        AddError,
        Describe,
        Sink, //
    },
    segment::{
        Segment,
        SegmentSink,
        Segments, //
    },
};
use kernel::{
    alloc::KVVec,
    prelude::*, //
};

/// No record.
const NONE: u32 = u32::MAX;

/// One segment of a buffer.
struct Record {
    addr: dma_addr_t,
    len: u32,
    /// The device writes.
    write: bool,
    /// The driver mapped it, and takes the mapping back itself.
    premapped: bool,
    /// The next one of the buffer, or the next free one.
    next: u32,
}

/// The mappings of the buffers of one queue.
///
/// # Invariants
///
/// The records of an id, and those of a [`Chain`], are of segments that `mapper` mapped.
pub(crate) struct Mapped {
    mapper: Mapper,
    records: KVVec<Record>,
    /// The first free record.
    free: u32,
    /// The first record of each id.
    first: KVVec<u32>,
}

/// The records of a buffer that has no id yet.
struct Chain {
    first: u32,
    last: u32,
    count: u16,
}

impl Mapped {
    /// Sets records aside for `ids` buffers with `segments` segments in all.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(mapper: Mapper, ids: usize, segments: usize) -> Result<Self> {
        let mut records = KVVec::with_capacity(segments, GFP_KERNEL)?;
        for next in 1..=segments as u32 {
            let next = if next as usize == segments {
                NONE
            } else {
                next
            };
            records.push(
                Record {
                    addr: 0,
                    len: 0,
                    write: false,
                    premapped: true,
                    next,
                },
                GFP_KERNEL,
            )?;
        }
        Ok(Self {
            mapper,
            free: if segments == 0 { NONE } else { 0 },
            records,
            first: KVVec::from_elem(NONE, ids, GFP_KERNEL)?,
        })
    }

    /// Maps a buffer and gives it to the ring with `add`, which is handed the number of its
    /// segments and their description, and returns the id.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: it could not be mapped for now. Otherwise those of the description and of `add`.
    /// Nothing stays mapped.
    #[inline]
    pub(crate) fn add<B: Segments>(
        &mut self,
        buffer: &B,
        attrs: usize,
        add: impl FnOnce(u16, &mut Addresses<'_>) -> Result<u16>,
    ) -> Result<u16> {
        let mut sink = Recorder {
            chain: Chain {
                first: NONE,
                last: NONE,
                count: 0,
            },
            attrs,
            mapped: self,
        };
        let described = buffer.describe(&mut sink);
        let Chain { first, count, .. } = sink.chain;
        let added = described.and_then(|()| {
            let mut addresses = Addresses {
                records: &self.records,
                first,
            };
            add(count, &mut addresses)
        });
        self.keep(added, first)
    }

    /// As [`Mapped::add`], of one segment; `add` is handed its address.
    ///
    /// # Errors
    ///
    /// As [`Mapped::add`].
    #[inline(always)]
    pub(crate) fn add_one(
        &mut self,
        segment: Segment,
        write: bool,
        attrs: usize,
        add: impl FnOnce(dma_addr_t) -> Result<u16>,
    ) -> Result<u16> {
        let (at, addr) = self.record(segment, write, attrs)?;
        self.keep(add(addr), at)
    }

    /// Keeps the records from `first` on by the id of their buffer, or takes the mappings back if
    /// it was not added.
    #[inline(always)]
    fn keep(&mut self, added: Result<u16>, first: u32) -> Result<u16> {
        match added {
            Ok(id) => {
                // INVARIANT: The records are those of the buffer that has the id now.
                if let Some(place) = self.first.get_mut(usize::from(id)) {
                    *place = first;
                }
            }
            Err(_) => self.unmap_from(first),
        }
        added
    }

    /// Maps a segment and makes a record of it; returns which, and where the device finds it.
    #[inline(always)]
    fn record(&mut self, segment: Segment, write: bool, attrs: usize) -> Result<(u32, dma_addr_t)> {
        let at = self.free;
        let record = self.records.get_mut(at as usize).ok_or(ENOSPC)?;
        let len = segment.len();
        // SAFETY: Who adds a buffer promises that its segments are what they say.
        let addr = unsafe {
            self.mapper
                .map_segment(segment.kind, len, direction(write), attrs)
        }?;
        self.free = record.next;
        // INVARIANT: It was just mapped.
        *record = Record {
            addr,
            len,
            write,
            premapped: segment.is_premapped(),
            next: NONE,
        };
        Ok((at, addr))
    }

    /// Takes back the mappings of the buffer that had `id`, which the device is done with.
    #[inline]
    pub(crate) fn unmap(&mut self, id: u16) {
        if let Some(place) = self.first.get_mut(usize::from(id)) {
            let first = core::mem::replace(place, NONE);
            // A buffer that the driver mapped may have none.
            if first != NONE {
                self.unmap_from(first);
            }
        }
    }

    fn unmap_from(&mut self, mut at: u32) {
        while let Some(record) = self.records.get_mut(at as usize) {
            if !record.premapped {
                let dir = direction(record.write);
                // SAFETY: By the type invariants; the device does not use it any more, as the
                // caller of the ring says, or has not seen it.
                unsafe {
                    self.mapper
                        .unmap_page(record.addr, record.len as usize, dir, 0)
                };
            }
            let next = core::mem::replace(&mut record.next, self.free);
            self.free = at;
            at = next;
        }
    }
}

/// Maps segments and keeps records of them.
struct Recorder<'a> {
    mapped: &'a mut Mapped,
    chain: Chain,
    attrs: usize,
}

impl Recorder<'_> {
    #[inline]
    fn push(&mut self, segment: Segment, write: bool) -> Result {
        let (at, _) = self.mapped.record(segment, write, self.attrs)?;
        let records = &mut self.mapped.records;
        match records.get_mut(self.chain.last as usize) {
            Some(last) => last.next = at,
            None => self.chain.first = at,
        }
        self.chain.last = at;
        // OVERFLOW: The ring is asked for that many segments, and has less than 2^16.
        self.chain.count = self.chain.count.checked_add(1).ok_or(EINVAL)?;
        Ok(())
    }
}

impl SegmentSink for Recorder<'_> {
    #[inline]
    fn out(&mut self, segment: Segment) -> Result {
        self.push(segment, false)
    }

    #[inline]
    fn in_(&mut self, segment: Segment) -> Result {
        self.push(segment, true)
    }
}

/// Describes a buffer by its records.
pub(crate) struct Addresses<'a> {
    records: &'a [Record],
    first: u32,
}

impl Describe for Addresses<'_> {
    type Error = AddError;

    #[inline]
    fn describe<S: Sink>(&mut self, sink: &mut S) -> Result<(), AddError> {
        let mut at = self.first;
        while let Some(record) = self.records.get(at as usize) {
            if record.write {
                sink.in_(record.addr, record.len)?;
            } else {
                sink.out(record.addr, record.len)?;
            }
            at = record.next;
        }
        Ok(())
    }
}
