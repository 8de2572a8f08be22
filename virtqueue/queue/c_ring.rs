// SPDX-License-Identifier: GPL-2.0

//! A queue on the C ring, through its exported functions.
//!
//! The C ring takes scatterlists. Each queue keeps one scatterlist for all its buffers, because the
//! ring does not need it after the add: so no request allocates one.

use super::{
    add_error::AddError,
    buffer::{
        Buffer,
        RawToken,
        Segment,
        SegmentSink, //
    },
    Used, //
};
use crate::bindings;
use core::{
    ffi::c_void,
    ptr::null_mut, //
};
use kernel::{
    alloc::KVVec,
    error::to_result,
    page::PAGE_SIZE,
    prelude::*, //
};
use vring::{
    device::Virtio,
    direct::virt_to_page,
    report,
    segment::Kind, //
};

/// Marks the last entry of a list in `page_link`.
const SG_END: usize = bindings::SG_END as usize;

/// The ring of a queue.
///
/// # Invariants
///
/// - `vq` is a valid queue that only this refers to, handles aside.
/// - `table` was initialised as a scatterlist.
pub(super) struct CRing {
    vq: *mut bindings::virtqueue,
    table: KVVec<bindings::scatterlist>,
    /// Whether it was told that the device claims more than there is room for.
    told: bool,
}

impl CRing {
    /// Wraps a queue for buffers of up to `max_segments` segments.
    pub(super) fn new(vq: *mut bindings::virtqueue, max_segments: usize) -> Result<Self> {
        let mut table = KVVec::with_capacity(max_segments, GFP_KERNEL)?;
        for _ in 0..max_segments {
            table.push(bindings::scatterlist::default(), GFP_KERNEL)?;
        }
        if !table.is_empty() {
            // SAFETY: The table has that many entries.
            unsafe { bindings::sg_init_table(table.as_mut_ptr(), table.len() as u32) };
        }
        // INVARIANT: The caller takes the queue out of its set; the table was initialised.
        Ok(Self {
            vq,
            table,
            told: false,
        })
    }

    #[inline(always)]
    pub(super) fn raw(&self) -> *mut bindings::virtqueue {
        self.vq
    }

    /// See [`Virtqueue::add_buf`](super::Virtqueue::add_buf).
    #[inline]
    pub(super) fn add_buf<T: Buffer>(&mut self, buffer: T) -> Result<(), AddError<T>> {
        let mut list = List {
            table: &mut self.table,
            out: 0,
            total: 0,
            premapped: 0,
        };
        let described = if buffer.is_common() {
            buffer.describe_common(&mut list)
        } else {
            list.apart(|list| buffer.describe(list))
        };
        if let Err(e) = described.and_then(|()| list.finish()) {
            return Err(AddError { error: e, buffer });
        }
        let (out, total, premapped) = (list.out, list.total, list.premapped != 0);

        let raw = buffer.into_raw();
        let ret = self.add_raw(out, total, premapped, raw, T::HAS_CTX);
        // `to_result` is a call.
        if ret == 0 {
            return Ok(());
        }
        let error = to_result(ret).err().unwrap_or(EIO);
        // SAFETY: The ring did not take the token.
        let buffer = unsafe { T::from_raw(raw) };
        Err(AddError { error, buffer })
    }

    /// Gives the first `total` entries of the table to the ring, `out` of them to read.
    #[inline]
    fn add_raw(
        &mut self,
        out: usize,
        total: usize,
        premapped: bool,
        raw: RawToken,
        has_ctx: bool,
    ) -> i32 {
        let sg = self.table.as_mut_ptr();
        let data = raw.data.as_ptr();
        let gfp = bindings::GFP_ATOMIC;
        let (n_out, n_in) = (out as u32, (total - out) as u32);
        // SAFETY: By the type invariants, and because `&mut self` serialises: `sg` is followed by
        // `total` entries that `List` filled, the last to read and the last to write marked as
        // ends. `data` is not null. A queue with contexts was found as such.
        unsafe {
            match (n_out, n_in, premapped) {
                (0, _, true) => {
                    bindings::virtqueue_add_inbuf_premapped(self.vq, sg, n_in, data, raw.ctx, gfp)
                }
                (_, 0, true) => {
                    bindings::virtqueue_add_outbuf_premapped(self.vq, sg, n_out, data, gfp)
                }
                // The exported functions premap one direction only.
                (_, _, true) => -(bindings::EINVAL as i32),
                (0, _, false) if has_ctx => {
                    bindings::virtqueue_add_inbuf_ctx(self.vq, sg, n_in, data, raw.ctx, gfp)
                }
                (0, _, false) => bindings::virtqueue_add_inbuf(self.vq, sg, n_in, data, gfp),
                (_, 0, false) => bindings::virtqueue_add_outbuf(self.vq, sg, n_out, data, gfp),
                (_, _, false) => {
                    let mut sgs = [sg, sg.add(out)];
                    bindings::virtqueue_add_sgs(self.vq, sgs.as_mut_ptr(), 1, 1, data, gfp)
                }
            }
        }
    }

    /// See [`Virtqueue::kick_prepare`](super::Virtqueue::kick_prepare).
    #[inline]
    pub(super) fn kick_prepare(&mut self) -> bool {
        // SAFETY: By the type invariants, and because `&mut self` serialises.
        unsafe { bindings::virtqueue_kick_prepare(self.vq) }
    }

    /// See [`Virtqueue::notify`](super::Virtqueue::notify).
    #[inline]
    pub(super) fn notify(&self) -> bool {
        // SAFETY: By the type invariants; needs no exclusion.
        unsafe { bindings::virtqueue_notify(self.vq) }
    }

    /// See [`Virtqueue::disable_cb`](super::Virtqueue::disable_cb).
    #[inline]
    pub(super) fn disable_cb(&self) {
        // SAFETY: By the type invariants; needs no exclusion.
        unsafe { bindings::virtqueue_disable_cb(self.vq) };
    }

    /// See [`Virtqueue::enable_cb`](super::Virtqueue::enable_cb).
    #[inline]
    pub(super) fn enable_cb(&mut self) -> bool {
        // SAFETY: By the type invariants, and because `&mut self` serialises.
        unsafe { bindings::virtqueue_enable_cb(self.vq) }
    }

    /// See [`Virtqueue::enable_cb_delayed`](super::Virtqueue::enable_cb_delayed).
    #[inline]
    pub(super) fn enable_cb_delayed(&mut self) -> bool {
        // SAFETY: By the type invariants, and because `&mut self` serialises.
        unsafe { bindings::virtqueue_enable_cb_delayed(self.vq) }
    }

    /// See [`Virtqueue::enable_cb_prepare`](super::Virtqueue::enable_cb_prepare).
    #[inline]
    pub(super) fn enable_cb_prepare(&mut self) -> u32 {
        // SAFETY: By the type invariants, and because `&mut self` serialises.
        unsafe { bindings::virtqueue_enable_cb_prepare(self.vq) }
    }

    /// Whether the queue was declared broken.
    #[inline]
    pub(super) fn is_broken(&self) -> bool {
        // SAFETY: By the type invariants; needs no exclusion.
        unsafe { bindings::virtqueue_is_broken(self.vq) }
    }

    /// Descriptors that are free.
    #[inline(always)]
    pub(super) fn num_free(&self) -> u32 {
        // SAFETY: By the type invariants, `vq` is a valid queue that nobody else changes.
        unsafe { (*self.vq).num_free }
    }

    /// Whether the device has no buffer.
    #[inline(always)]
    pub(super) fn is_idle(&self) -> bool {
        // SAFETY: By the type invariants, `vq` is a valid queue.
        self.num_free() == unsafe { bindings::virtqueue_get_vring_size(self.vq) }
    }

    /// Takes the token of a used buffer and what the device says of its length.
    #[inline]
    pub(super) fn get_buf(&mut self) -> Option<(RawToken, u32)> {
        let mut len = 0u32;
        let mut ctx: *mut c_void = null_mut();
        // SAFETY: By the type invariants, and because `&mut self` serialises.
        let data = unsafe { bindings::virtqueue_get_buf_ctx(self.vq, &mut len, &mut ctx) };
        RawToken::new(data, ctx).map(|raw| (raw, len))
    }

    /// See [`Virtqueue::get_buf`](super::Virtqueue::get_buf).
    ///
    /// # Safety
    ///
    /// Every token in the ring came from [`Buffer::into_raw`] of a `T`.
    #[inline]
    pub(super) unsafe fn get_used<T: Buffer>(&mut self) -> Option<Used<T>> {
        let (raw, len) = self.get_buf()?;
        // SAFETY: By the safety requirements; the ring gives out each token once.
        let buffer = unsafe { T::from_raw(raw) };
        let room = buffer.writable_len();
        if len > room {
            self.wrong_length(len, room);
            // INVARIANT: There is no less.
            return Some(Used { buffer, len: 0 });
        }
        // INVARIANT: It was compared.
        Some(Used { buffer, len })
    }

    /// Tells of the first length that cannot be.
    #[cold]
    fn wrong_length(&mut self, len: u32, room: u32) {
        // SAFETY: By the type invariants; the device lives as long as its queues.
        let (vdev, index) = unsafe { (Virtio::new((*self.vq).vdev), (*self.vq).index) };
        if !self.told && report::is_wrong_length(vdev, room) {
            self.told = true;
            report::tell_length(vdev, index, len, room);
        }
    }
}

/// Fills a queue's table with the segments of one buffer.
struct List<'a> {
    table: &'a mut [bindings::scatterlist],
    /// Entries to read.
    out: usize,
    /// Entries in all.
    total: usize,
    /// Premapped entries.
    premapped: usize,
}

impl List<'_> {
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

    /// Marks the ends of the two lists.
    #[inline(always)]
    fn finish(&mut self) -> Result {
        if self.total == 0 || (self.premapped != 0 && self.premapped != self.total) {
            return Err(EINVAL);
        }
        for last in [self.out, self.total] {
            if let Some(entry) = last.checked_sub(1).and_then(|i| self.table.get_mut(i)) {
                entry.page_link |= SG_END;
            }
        }
        Ok(())
    }
}

impl SegmentSink for List<'_> {
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
