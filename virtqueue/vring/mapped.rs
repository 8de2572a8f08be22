// SPDX-License-Identifier: GPL-2.0

//! DMA mappings of the buffers in flight, if the device needs mappings.
//!
//! A segment is mapped when its descriptor is written, and the mapping is recorded under the id
//! that the buffer will have. Each id has records for the usual number of segments. Records for
//! longer buffers are allocated, and kept for the next one up to a limit.

use crate::{
    dma::{
        direction,
        Mapper,
        Mapping,
        TO_DEVICE, //
    },
    segment::{
        Kind,
        Segment, //
    },
    translate::Translate, //
};
use kernel::{
    alloc::KVVec,
    prelude::*, //
};

/// Records that each id has: as many segments as most buffers have.
const BLOCK: usize = 8;

/// Blocks that are kept for long buffers to come.
const KEPT: usize = 64;

/// Records of a buffer.
///
/// # Invariants
///
/// The first `count` ones are of mappings that are there. In a block that is `next` of another, all
/// are.
struct Block {
    records: [Mapping; BLOCK],
    count: u32,
    /// The block with what went before, or the next one that is kept.
    next: Option<KBox<Block>>,
}

impl Block {
    const fn new() -> Self {
        let record = Mapping {
            addr: 0,
            len: 0,
            dir: TO_DEVICE,
        };
        // INVARIANT: There is none.
        Self {
            records: [record; BLOCK],
            count: 0,
            next: None,
        }
    }

    /// Takes its mappings back, which the device is done with.
    #[inline(always)]
    fn unmap(&mut self, mapper: &Mapper) {
        if let Some(records) = self.records.get(..self.count as usize) {
            // SAFETY: By the type invariant; the device does not use them any more, as the caller
            // of the ring says, or has not seen them.
            unsafe { mapper.unmap(records) };
        }
        // INVARIANT: None is there any more.
        self.count = 0;
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // One by one: there may be more than the stack has room for.
        let mut next = self.next.take();
        while let Some(mut block) = next {
            next = block.next.take();
        }
    }
}

/// The mapper, and blocks for buffers with more segments than one block has records for.
struct Pool {
    mapper: Mapper,
    /// Blocks that are kept, and how many.
    free: Option<KBox<Block>>,
    kept: usize,
}

impl Pool {
    /// Moves the records of a full block to another one, which goes behind it. `new` was just
    /// mapped, and is to be recorded where there is room then.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: there is no memory for it; `new` was taken back, and `full` is as it was.
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
                    // SAFETY: It was mapped, and the device has not seen it.
                    unsafe { self.mapper.unmap(&[new]) };
                    return Err(e.into());
                }
            },
        };
        // INVARIANT: All of them are of mappings, which are not those of the other block any more.
        block.records = full.records;
        block.count = BLOCK as u32;
        block.next = full.next.take();
        full.next = Some(block);
        Ok(())
    }

    /// Takes the mappings of a buffer back: those in its own block, and in what is behind.
    #[inline(never)]
    fn unmap(&mut self, own: &mut Block) {
        own.unmap(&self.mapper);
        if let Some(next) = own.next.take() {
            self.unmap_from(next);
        }
    }

    /// Takes back the mappings of the blocks from one on, and keeps or frees them.
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
/// The records of an id, those of its own block and of the ones behind, are of mappings that
/// `pool` made for the buffer that has the id; where there are any, some are in its own block.
pub(crate) struct Mapped {
    /// A block for each id.
    own: KVVec<Block>,
    pool: Pool,
}

impl Mapped {
    /// Sets records aside for `ids` buffers of the usual length.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(mapper: Mapper, ids: u16) -> Result<Self> {
        let mut own = KVVec::with_capacity(ids.into(), GFP_KERNEL)?;
        for _ in 0..ids {
            own.push(Block::new(), GFP_KERNEL)?;
        }
        let pool = Pool {
            mapper,
            free: None,
            kept: 0,
        };
        // INVARIANT: There is no buffer.
        Ok(Self { own, pool })
    }

    /// Starts to map a buffer, with `attrs`, that is to have `id`.
    #[inline(always)]
    pub(crate) fn recorder(&mut self, id: u16, attrs: usize) -> Option<Recorder<'_>> {
        // INVARIANT: Nothing is mapped yet.
        Some(Recorder {
            own: self.own.get_mut(usize::from(id))?,
            pool: &mut self.pool,
            attrs,
            count: 0,
            spilled: false,
        })
    }

    /// Takes back the mappings of the buffer that had `id`, which the device is done with.
    #[inline(always)]
    pub(crate) fn unmap(&mut self, id: u16) {
        if let Some(own) = self.own.get_mut(usize::from(id)) {
            // A buffer that the driver mapped has none.
            if own.count != 0 {
                self.pool.unmap(own);
            }
        }
    }
}

/// Maps the segments of a buffer, one by one, and records that.
///
/// # Invariants
///
/// The first `count` records in `own`, and those in the blocks behind it if any were `spilled`, are
/// of mappings that were just made. If there are any, `own` is the block of a free id, which has
/// none behind it otherwise.
///
/// PERF: A block behind is not in here on its way to its place: that would be looked for, to be
/// freed, wherever a buffer is refused, and costs about 30 instructions for each that is not.
pub(crate) struct Recorder<'a> {
    own: &'a mut Block,
    pool: &'a mut Pool,
    attrs: usize,
    count: u32,
    spilled: bool,
}

impl Translate for Recorder<'_> {
    const MAPS: bool = true;

    #[inline(always)]
    fn address(&mut self, segment: Segment, write: bool) -> Result<u64> {
        if let Kind::Premapped(addr) = segment.kind {
            return Ok(addr);
        }
        let dir = direction(write);
        // SAFETY: The caller of an add promises that the segments of its buffer are what they say.
        let addr = unsafe { self.pool.mapper.map(segment, dir, self.attrs) }?;
        let mapping = Mapping {
            addr,
            len: segment.len(),
            dir,
        };
        if self.count as usize >= BLOCK {
            // INVARIANT: Only now, so that the own block never has none while there is one behind,
            // whatever is made of an error.
            self.pool.spill(self.own, mapping)?;
            self.spilled = true;
            self.count = 0;
        }
        if let Some(record) = self.own.records.get_mut(self.count as usize) {
            *record = mapping;
        }
        // INVARIANT: That is of what was just mapped.
        // OVERFLOW: It was compared.
        self.count = self.count.wrapping_add(1);
        Ok(addr)
    }
}

impl Recorder<'_> {
    /// Keeps the mappings, of a buffer that has the id now.
    #[inline(always)]
    pub(crate) fn keep(self) {
        // INVARIANT: By that of the recorder.
        self.own.count = self.count;
    }

    /// Takes the mappings back, of a buffer that was not added.
    #[cold]
    pub(crate) fn undo(self) {
        // If there are none, nobody says that the id is a free one.
        if self.count != 0 || self.spilled {
            // INVARIANT: As in `keep`.
            self.own.count = self.count;
            self.pool.unmap(self.own);
        }
    }
}
