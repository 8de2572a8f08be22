// SPDX-License-Identifier: GPL-2.0

//! A queue on the C ring, through its exported functions.
//!
//! The C ring takes scatterlists. Each queue keeps one scatterlist for all its buffers, because the
//! ring does not need it after the add: so no request allocates one.

mod list;

use self::list::{
    Filled,
    List, //
};
use super::{
    add_error::AddError,
    buffer::{
        Buffer,
        RawToken, //
    },
    handle::Armed,
    ops::{
        dma_dev,
        QueueOps, //
    },
    Used, //
};
use crate::bindings;
use core::{
    ffi::c_void,
    marker::PhantomData,
    ptr::null_mut, //
};
use kernel::{
    alloc::KVVec,
    device::Device,
    error::to_result,
    prelude::*, //
};
use vring::{
    device::Virtio,
    report,
    Callbacks, //
};

/// The ring of a queue.
///
/// # Invariants
///
/// - `vq` is a valid queue. Only this value refers to it, except for handles.
/// - `table` was initialised as a scatterlist.
pub(super) struct CRing {
    vq: *mut bindings::virtqueue,
    table: KVVec<bindings::scatterlist>,
    /// Whether a wrong length was logged already.
    length_logged: bool,
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
            length_logged: false,
        })
    }

    #[inline(always)]
    pub(super) fn raw(&self) -> *mut bindings::virtqueue {
        self.vq
    }

    /// Adds the filled entries of the table to the ring.
    #[inline(always)]
    fn add(&mut self, filled: Filled, raw: RawToken, has_ctx: bool) -> i32 {
        let Filled {
            out,
            total,
            premapped,
        } = filled;
        let sg = self.table.as_mut_ptr();
        let data = raw.data.as_ptr();
        let gfp = bindings::GFP_ATOMIC;
        let (n_out, n_in) = (out as u32, (total - out) as u32);
        // SAFETY: By the type invariants, the queue is valid, and `&mut self` serialises. `sg` is
        // followed by `total` entries that `List` filled, with the last entry to read and the last
        // to write marked as ends. `data` is not null. A queue for buffers with contexts was found
        // with contexts.
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

    /// Logs the first impossible length.
    #[cold]
    fn wrong_length(&mut self, len: u32, room: u32) {
        // SAFETY: By the type invariants, `vq` is valid. The device lives as long as its queues.
        let (vdev, index) = unsafe { (Virtio::new((*self.vq).vdev), (*self.vq).index) };
        if !self.length_logged && report::is_wrong_length(vdev, room) {
            self.length_logged = true;
            report::log_length(vdev, index, len, room);
        }
    }
}

/// A queue on the C ring.
///
/// # Invariants
///
/// Every token in the ring came from [`Buffer::into_raw`] of a `T`.
pub struct CQueue<'a, T> {
    ring: &'a mut CRing,
    _buffers: PhantomData<T>,
}

impl<'a, T: Buffer> CQueue<'a, T> {
    /// # Safety
    ///
    /// Every token in the ring came from [`Buffer::into_raw`] of a `T`.
    #[inline(always)]
    pub(super) unsafe fn new(ring: &'a mut CRing) -> Self {
        // INVARIANT: By the safety requirements, the tokens came from a `T`.
        Self {
            ring,
            _buffers: PhantomData,
        }
    }

    /// See [`Virtqueue::enable_cb_prepare`](super::Virtqueue::enable_cb_prepare).
    #[inline(always)]
    pub(super) fn enable_cb_prepare(&mut self) -> Armed {
        // SAFETY: By the invariants of the ring, and because `&mut self` serialises.
        Armed(unsafe { bindings::virtqueue_enable_cb_prepare(self.ring.vq) })
    }

    /// Adds a buffer of any number of segments.
    ///
    /// PERF: Out of line, by value, so that the path for common buffers keeps its registers.
    #[inline(never)]
    fn add_any(&mut self, buffer: T) -> Result<(), AddError<T>> {
        let mut list = List::new(&mut self.ring.table);
        let filled = buffer
            .write_segments(&mut list)
            .and_then(|()| list.finish());
        self.add_filled(filled, buffer)
    }

    /// Adds a buffer whose segments are in the table, or returns it with the error of filling it.
    #[inline(always)]
    fn add_filled(&mut self, filled: Result<Filled>, buffer: T) -> Result<(), AddError<T>> {
        let filled = match filled {
            Ok(filled) => filled,
            Err(error) => return Err(AddError { error, buffer }),
        };
        let raw = buffer.into_raw();
        let ret = self.ring.add(filled, raw, T::HAS_CTX);
        // PERF: `to_result` would be a call.
        if ret == 0 {
            return Ok(());
        }
        let error = to_result(ret).err().unwrap_or(EIO);
        // SAFETY: The ring did not take the token.
        let buffer = unsafe { T::from_raw(raw) };
        Err(AddError { error, buffer })
    }

    /// Returns the result of enabling callbacks. `quiet` is the result of the C ring.
    #[inline(always)]
    fn callbacks(&self, quiet: bool) -> Callbacks {
        if !quiet {
            Callbacks::Missed
        } else if self.is_broken() {
            Callbacks::Broken
        } else {
            Callbacks::On
        }
    }
}

impl<T: Buffer> QueueOps<T> for CQueue<'_, T> {
    #[inline(always)]
    fn reborrow(&mut self) -> impl QueueOps<T> + '_ {
        // INVARIANT: The result has the ring of `self`.
        CQueue {
            ring: self.ring,
            _buffers: PhantomData,
        }
    }

    #[inline(always)]
    unsafe fn add_buf_unchecked(&mut self, buffer: T) -> Result<(), AddError<T>> {
        if !buffer.is_common() {
            return self.add_any(buffer);
        }
        let mut list = List::new(&mut self.ring.table);
        let filled = buffer.write_common(&mut list).and_then(|()| list.finish());
        self.add_filled(filled, buffer)
    }

    #[inline]
    fn dma_dev(&self) -> Option<&Device> {
        // SAFETY: The queue is valid, by the type invariants of the ring. Its device outlives it.
        unsafe { dma_dev(bindings::virtqueue_dma_dev(self.ring.raw())) }
    }

    #[inline(always)]
    fn get_buf(&mut self) -> Option<Used<T>> {
        let mut len = 0u32;
        let mut ctx: *mut c_void = null_mut();
        // SAFETY: By the invariants of the ring, and because `&mut self` serialises.
        let data = unsafe { bindings::virtqueue_get_buf_ctx(self.ring.vq, &mut len, &mut ctx) };
        let raw = RawToken::new(data, ctx)?;
        // SAFETY: By the type invariants, the token came from `into_raw` of a `T`. The ring returns
        // each token once.
        let buffer = unsafe { T::from_raw(raw) };
        let room = buffer.writable_len();
        if len > room {
            self.ring.wrong_length(len, room);
            // INVARIANT: 0 is at most any room.
            len = 0;
        }
        // INVARIANT: The length was compared with the room in the buffer.
        Some(Used { buffer, len })
    }

    #[inline(always)]
    fn drain(&mut self, mut take: impl FnMut(Used<T>)) -> bool {
        // The number of free descriptors at the last time when more buffers were reported. The
        // first value is no number of descriptors.
        let mut before = u32::MAX;
        loop {
            self.disable_cb();
            while let Some(used) = self.get_buf() {
                take(used);
            }
            // SAFETY: By the invariants of the ring, and because `&mut self` serialises.
            if unsafe { bindings::virtqueue_enable_cb(self.ring.vq) } {
                break;
            }
            // If no buffer was taken since, the device has withdrawn a buffer that it had reported
            // as used. The loop ends here, so that the device cannot keep the driver in it. PERF:
            // The check is made only if more buffers are reported, and nothing is counted for each
            // buffer.
            let free = self.num_free();
            if free == before {
                break;
            }
            before = free;
        }
        self.is_broken()
    }

    #[inline(always)]
    fn kick_prepare(&mut self) -> bool {
        // SAFETY: By the invariants of the ring, and because `&mut self` serialises.
        unsafe { bindings::virtqueue_kick_prepare(self.ring.vq) }
    }

    #[inline(always)]
    fn notify(&mut self) -> bool {
        // SAFETY: By the invariants of the ring, the queue is valid; needs no exclusion.
        unsafe { bindings::virtqueue_notify(self.ring.vq) }
    }

    #[inline(always)]
    fn disable_cb(&mut self) {
        // SAFETY: By the invariants of the ring, the queue is valid; needs no exclusion.
        unsafe { bindings::virtqueue_disable_cb(self.ring.vq) };
    }

    #[inline(always)]
    fn enable_cb(&mut self) -> Callbacks {
        // SAFETY: By the invariants of the ring, and because `&mut self` serialises.
        let quiet = unsafe { bindings::virtqueue_enable_cb(self.ring.vq) };
        self.callbacks(quiet)
    }

    #[inline(always)]
    fn enable_cb_delayed(&mut self) -> Callbacks {
        // SAFETY: By the invariants of the ring, and because `&mut self` serialises.
        let quiet = unsafe { bindings::virtqueue_enable_cb_delayed(self.ring.vq) };
        self.callbacks(quiet)
    }

    #[inline(always)]
    fn kick_enable_cb_delayed(&mut self) -> (bool, bool) {
        let notified = self.kick_prepare() && self.notify();
        // SAFETY: By the invariants of the ring, and because `&mut self` serialises.
        let quiet = unsafe { bindings::virtqueue_enable_cb_delayed(self.ring.vq) };
        (notified, quiet)
    }

    #[inline(always)]
    fn num_free(&self) -> u32 {
        // SAFETY: By the invariants of the ring, the queue is valid, and only functions that this
        // queue serialises change the field.
        unsafe { (*self.ring.vq).num_free }
    }

    #[inline(always)]
    fn is_idle(&self) -> bool {
        // SAFETY: By the invariants of the ring, the queue is valid.
        self.num_free() == unsafe { bindings::virtqueue_get_vring_size(self.ring.vq) }
    }

    #[inline(always)]
    fn is_broken(&self) -> bool {
        // SAFETY: By the invariants of the ring, the queue is valid; needs no exclusion.
        unsafe { bindings::virtqueue_is_broken(self.ring.vq) }
    }
}
