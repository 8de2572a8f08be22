// SPDX-License-Identifier: GPL-2.0

//! The DMA mappings of the outstanding buffers, if the device needs mappings.
//!
//! A segment is mapped when its descriptor is written, and the mapping is recorded under the id
//! that the buffer will have. Each id has records for the usual number of segments. Records for
//! longer buffers are allocated, and kept for later buffers up to a limit.

use crate::{
    dma::{
        direction,
        Mapper,
        Mapping,
        TO_DEVICE, //
    },
    ring::{
        states_in_reach,
        Translate, //
    },
    segment::{
        Kind,
        Segment, //
    },
};
use kernel::{
    alloc::KVVec,
    prelude::*, //
};

/// The number of records that each id has. Most buffers have no more segments.
const BLOCK: usize = 8;

/// The number of blocks that are kept for later long buffers.
const KEPT: usize = 64;

/// A block of records of one buffer.
///
/// # Invariants
///
/// The first `count` records are of existing mappings. In a block that is `next` of another, all
/// records are.
struct Block {
    records: [Mapping; BLOCK],
    count: u32,
    /// The block with the earlier records of the buffer, or the next block in the list of kept
    /// ones.
    next: Option<KBox<Block>>,
}

impl Block {
    const fn new() -> Self {
        let record = Mapping {
            addr: 0,
            len: 0,
            dir: TO_DEVICE,
        };
        // INVARIANT: `count` is 0.
        Self {
            records: [record; BLOCK],
            count: 0,
            next: None,
        }
    }

    /// Unmaps the recorded mappings, which the device is done with.
    #[inline(always)]
    fn unmap(&mut self, mapper: &Mapper) {
        if let Some(records) = self.records.get(..self.count as usize) {
            // SAFETY: By the type invariant, the mappings exist. The device is done with them, as
            // the caller of the ring promises for a buffer that comes back, or has not seen them.
            unsafe { mapper.unmap(records) };
        }
        // INVARIANT: `count` is 0.
        self.count = 0;
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // Drop one block after the other: a recursion over a long list could overflow the stack.
        let mut next = self.next.take();
        while let Some(mut block) = next {
            next = block.next.take();
        }
    }
}

/// The mapper, and blocks for buffers with more segments than one block has records for.
struct Pool {
    mapper: Mapper,
    /// The list of kept blocks, and its length.
    free: Option<KBox<Block>>,
    kept: usize,
}

impl Pool {
    /// Moves the records of the block `full` to another block, which is linked behind it. `new` is
    /// a new mapping, which the caller records in `full` afterwards.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: there is no memory for a block. `new` was unmapped, and `full` is unchanged.
    #[cold]
    #[inline(never)]
    fn spill(&mut self, full: &mut Block, new: Mapping) -> Result {
        let mut block = match self.free.take() {
            Some(mut block) => {
                self.free = block.next.take();
                self.kept -= 1;
                block
            }
            None => match KBox::new(Block::new(), GFP_ATOMIC | __GFP_NOWARN) {
                Ok(block) => block,
                Err(e) => {
                    // SAFETY: The caller just mapped `new`, and the device has not seen it.
                    unsafe { self.mapper.unmap(&[new]) };
                    return Err(e.into());
                }
            },
        };
        // INVARIANT: All records are of existing mappings, which the caller no longer counts for
        // `full`.
        block.records = full.records;
        block.count = BLOCK as u32;
        block.next = full.next.take();
        full.next = Some(block);
        Ok(())
    }

    /// Unmaps a buffer: the mappings in the block of its id, and in the blocks behind that.
    #[inline(never)]
    fn unmap(&mut self, own: &mut Block) {
        own.unmap(&self.mapper);
        if let Some(next) = own.next.take() {
            self.unmap_from(next);
        }
    }

    /// Unmaps the mappings in the blocks from `first` on, and keeps or frees the blocks.
    #[cold]
    #[inline(never)]
    fn unmap_from(&mut self, first: KBox<Block>) {
        let mut next = Some(first);
        while let Some(mut block) = next {
            block.unmap(&self.mapper);
            next = block.next.take();
            if self.kept < KEPT {
                block.next = self.free.take();
                self.free = Some(block);
                self.kept += 1;
            }
        }
    }
}

/// The mappings of the buffers of one queue.
///
/// # Invariants
///
/// The records of an id, in its own block and in the blocks behind it, are of mappings that `pool`
/// made for the buffer with the id. If there are any, some are in its own block.
pub(crate) struct DmaMappings {
    /// A block for each id.
    own: KVVec<Block>,
    pool: Pool,
}

impl DmaMappings {
    /// Allocates records for `ids` buffers of the usual length.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(mapper: Mapper, ids: u16) -> Result<Self> {
        let reach = states_in_reach(ids);
        let mut own = KVVec::with_capacity(reach, GFP_KERNEL | __GFP_ZERO)?;
        for _ in 0..ids {
            own.push(Block::new(), GFP_KERNEL)?;
        }
        let pool = Pool {
            mapper,
            free: None,
            kept: 0,
        };
        // INVARIANT: No id has a record.
        Ok(Self { own, pool })
    }

    /// Starts to map a buffer, with the attributes `attrs`, that is to get the id `id`.
    #[inline(always)]
    pub(crate) fn begin(&mut self, id: u16, attrs: usize) -> Option<MappingTransaction<'_>> {
        // INVARIANT: `count` is 0, and no block was spilled.
        Some(MappingTransaction {
            own: self.own.get_mut(usize::from(id))?,
            pool: &mut self.pool,
            attrs,
            count: 0,
            spilled: false,
        })
    }

    /// Unmaps the buffer that had `id`, which the device is done with.
    ///
    /// PERF: Not inlined, so that a path that takes buffers keeps no address of the mappings, which
    /// most queues do not have.
    #[inline(never)]
    pub(crate) fn unmap(&mut self, id: u16) {
        if let Some(own) = self.own.get_mut(usize::from(id)) {
            // A buffer that the driver mapped itself has no records.
            if own.count != 0 {
                self.pool.unmap(own);
            }
        }
    }
}

/// Maps the segments of a buffer one by one, and records the mappings.
///
/// # Invariants
///
/// The first `count` records in `own`, and those in the blocks behind it if any were `spilled`, are
/// of mappings that were made for this buffer. If there are any, `own` is the block of a free id,
/// which otherwise has no block behind it.
///
/// PERF: Spilled blocks are linked behind `own` at once, and not held in this type until the buffer
/// is added. Otherwise, every path on which a buffer is refused would look for such blocks to free,
/// which costs about 30 instructions for each buffer that is not refused.
pub(crate) struct MappingTransaction<'a> {
    own: &'a mut Block,
    pool: &'a mut Pool,
    attrs: usize,
    count: u32,
    spilled: bool,
}

impl Translate<Segment> for MappingTransaction<'_> {
    const MAPS: bool = true;

    #[inline(always)]
    fn address(&mut self, segment: Segment, write: bool) -> Result<u64> {
        if let Kind::Premapped(addr) = segment.kind {
            return Ok(addr);
        }
        let dir = direction(write);
        // SAFETY: The caller of an add promises that the memory of each segment is valid until the
        // buffer comes back.
        let addr = unsafe { self.pool.mapper.map(segment, dir, self.attrs) }?;
        let mapping = Mapping {
            addr,
            len: segment.len(),
            dir,
        };
        if self.count as usize >= BLOCK {
            // INVARIANT: The records of `own` are spilled only when there is a mapping to record in
            // it. So whatever happens on an error, `own` has a record whenever there is a block
            // behind it.
            self.pool.spill(self.own, mapping)?;
            self.spilled = true;
            self.count = 0;
        }
        if let Some(record) = self.own.records.get_mut(self.count as usize) {
            *record = mapping;
        }
        // INVARIANT: The record is of the mapping that was just made.
        // OVERFLOW: `count` is below `BLOCK`, as compared.
        self.count = self.count.wrapping_add(1);
        Ok(addr)
    }
}

impl MappingTransaction<'_> {
    /// Keeps the mappings: the buffer was added with the id.
    #[inline(always)]
    pub(crate) fn commit(self) {
        // INVARIANT: By the type invariant of the transaction, the first `count` records are of
        // mappings for this buffer.
        self.own.count = self.count;
    }

    /// Unmaps the segments: the buffer was not added.
    #[cold]
    pub(crate) fn rollback(self) {
        // With nothing recorded, `own` may belong to an outstanding buffer (type invariant), and
        // must not be touched.
        if self.count != 0 || self.spilled {
            // INVARIANT: By the type invariant of the transaction, the first `count` records are of
            // existing mappings.
            self.own.count = self.count;
            self.pool.unmap(self.own);
        }
    }
}
