// SPDX-License-Identifier: GPL-2.0

//! A queue that is used as by a driver in C: by the functions that `virtio_ring.ko` exports. These
//! may be in another module.

mod mapping;

use crate::{
    bindings,
    c_buffer::CBuffer,
    fake::Fake, //
};
use core::{
    ffi::c_void,
    ptr::null_mut, //
};
use kernel::{
    alloc::KVVec,
    error::to_result,
    ffi::c_uint,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};
use virtio::AddError;

/// The function that adds a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddFn {
    /// `virtqueue_add_sgs`.
    Lists,
    /// `virtqueue_add_sgs` with a list for each segment, at most [`CBuffer::MOST_ONES`].
    Segments,
    /// `virtqueue_add_sgs` with an additional list at this index, which is null.
    Gap(usize),
    /// `virtqueue_add_sgs` without lists.
    Nothing,
    /// `virtqueue_add_outbuf`.
    Out,
    /// `virtqueue_add_outbuf_premapped`.
    OutPremapped,
    /// `virtqueue_add_inbuf`.
    In,
    /// `virtqueue_add_inbuf_cache_clean`.
    InCacheClean,
    /// `virtqueue_add_inbuf_ctx`.
    InContext(usize),
    /// `virtqueue_add_inbuf_premapped`.
    InPremapped(usize),
}

/// A buffer that came back.
pub struct Completed {
    /// The buffer.
    pub buffer: CBuffer,
    /// The number of written bytes, as the ring reports it.
    pub len: u32,
    /// The context of the buffer.
    pub ctx: usize,
}

/// The state of a queue after it was reset.
#[derive(Debug, PartialEq, Eq)]
pub struct Recycled {
    /// The number of buffers that came back.
    pub buffers: usize,
    /// The sum of the numbers of these buffers.
    pub sum: u64,
    /// The number of calls of the function that ends the recycling.
    pub done: usize,
}

/// The largest number of buffers that come back from a reset.
const MOST: usize = 64;

/// The tokens that came back from the last reset, and their number. These are static, because the
/// functions have no context in C, and tests run one at a time.
static TOKENS: [Atomic<usize>; MOST] = [const { Atomic::new(0) }; MOST];
static COUNT: Atomic<usize> = Atomic::new(0);
static DONE: Atomic<usize> = Atomic::new(0);

/// Records the token of a buffer that comes back from a reset.
extern "C" fn recycle(_vq: *mut bindings::virtqueue, token: *mut c_void) {
    let at = COUNT.fetch_add(1, Relaxed);
    if let Some(place) = TOKENS.get(at) {
        place.store(token as usize, Relaxed);
    }
}

/// Records that all buffers have come back from a reset.
extern "C" fn recycle_done(_vq: *mut bindings::virtqueue) {
    DONE.fetch_add(1, Relaxed);
}

/// A queue, and its buffers while the device has them. Buffers that are outstanding when it is
/// dropped live as long as the device, because the device may use them.
pub struct CQueue {
    vq: *mut bindings::virtqueue,
    fake: Fake,
    /// The buffers by token, which is the index plus one. So a token that the ring invents is
    /// detected.
    buffers: KVVec<Option<CBuffer>>,
    free: KVVec<usize>,
}

impl Fake {
    /// Returns a queue that the driver has found, for use as by C. The driver must not use the
    /// queue, and must keep it until the result is dropped.
    ///
    /// # Errors
    ///
    /// `ENOENT`: the driver has found no queue with this number.
    pub fn c_queue(&self, queue: usize) -> Result<CQueue> {
        let vq = self.0.queues.lock().get(queue).ok_or(ENOENT)?.vq;
        Ok(CQueue::new(self.clone(), vq))
    }
}

impl CQueue {
    pub(crate) fn new(fake: Fake, vq: *mut bindings::virtqueue) -> Self {
        Self {
            vq,
            fake,
            buffers: KVVec::new(),
            free: KVVec::new(),
        }
    }

    /// Returns the C structure.
    pub fn as_raw(&self) -> *mut bindings::virtqueue {
        self.vq
    }

    /// Returns the device.
    pub fn fake(&self) -> &Fake {
        &self.fake
    }

    /// Returns the number of free descriptors, as drivers in C read it.
    pub fn num_free(&self) -> u32 {
        // SAFETY: The queue is valid.
        unsafe { (*self.vq).num_free }
    }

    /// Returns the number of descriptors.
    pub fn size(&self) -> u32 {
        // SAFETY: The queue is valid.
        unsafe { bindings::virtqueue_get_vring_size(self.vq) }
    }

    /// Returns the addresses at which the device finds the parts of the ring.
    pub fn addresses(&self) -> [u64; 3] {
        // SAFETY: The queue is valid, and its memory its own.
        unsafe {
            [
                bindings::virtqueue_get_desc_addr(self.vq),
                bindings::virtqueue_get_avail_addr(self.vq),
                bindings::virtqueue_get_used_addr(self.vq),
            ]
        }
    }

    /// Returns the number of outstanding buffers.
    pub fn outstanding(&self) -> usize {
        self.buffers.len() - self.free.len()
    }

    /// Gives a buffer to the device.
    ///
    /// # Errors
    ///
    /// The error of the C function, with the buffer.
    pub fn add(&mut self, mut buffer: CBuffer, how: AddFn) -> Result<(), AddError<CBuffer>> {
        let premapped = matches!(how, AddFn::OutPremapped | AddFn::InPremapped(_));
        if premapped {
            if let Err(e) = self.map_buffer(&mut buffer) {
                self.unmap_buffer(&mut buffer);
                return Err(AddError { error: e, buffer });
            }
        }
        let place = match self.place() {
            Ok(place) => place,
            Err(e) => return Err(AddError { error: e, buffer }),
        };
        // SAFETY: The queue and the lists are valid. Their memory lives until the buffer comes
        // back.
        let added = to_result(unsafe { self.call_add(&mut buffer, how, place + 1) });
        if let Err(e) = added {
            // The entry was just filled, so this does not fail.
            let _ = self.free.push(place, GFP_KERNEL);
            self.unmap_buffer(&mut buffer);
            return Err(AddError { error: e, buffer });
        }
        if let Some(slot) = self.buffers.get_mut(place) {
            *slot = Some(buffer);
        }
        Ok(())
    }

    /// Calls the C function with a token.
    ///
    /// # Safety
    ///
    /// The memory of the buffer lives until the buffer comes back.
    unsafe fn call_add(&mut self, buffer: &mut CBuffer, how: AddFn, token: usize) -> i32 {
        let (out, in_) = buffer.shape();
        let mut lists = buffer.lists();
        let [to_read, to_write] = lists;
        let (vq, data, gfp) = (self.vq, token as *mut c_void, bindings::GFP_ATOMIC);
        let (outs, ins) = (out as c_uint, in_ as c_uint);
        // SAFETY: By the safety requirements; the queue is valid.
        unsafe {
            match how {
                AddFn::Lists => {
                    let skip = usize::from(out == 0);
                    let lists = lists.as_mut_ptr().wrapping_add(skip);
                    let (outs, ins) = (u32::from(out != 0), u32::from(in_ != 0));
                    bindings::virtqueue_add_sgs(vq, lists, outs, ins, data, gfp)
                }
                AddFn::Segments => {
                    let mut ones = buffer.ones();
                    bindings::virtqueue_add_sgs(vq, ones.as_mut_ptr(), outs, ins, data, gfp)
                }
                AddFn::Gap(at) => {
                    let ones = buffer.ones();
                    let mut lists = [null_mut(); CBuffer::MOST_ONES + 1];
                    for (i, &one) in ones.iter().enumerate() {
                        if let Some(list) = lists.get_mut(i + usize::from(i >= at)) {
                            *list = one;
                        }
                    }
                    let (outs, ins) = (outs + u32::from(at <= out), ins + u32::from(at > out));
                    bindings::virtqueue_add_sgs(vq, lists.as_mut_ptr(), outs, ins, data, gfp)
                }
                AddFn::Nothing => bindings::virtqueue_add_sgs(vq, null_mut(), 0, 0, data, gfp),
                AddFn::Out => bindings::virtqueue_add_outbuf(vq, to_read, outs, data, gfp),
                AddFn::OutPremapped => {
                    bindings::virtqueue_add_outbuf_premapped(vq, to_read, outs, data, gfp)
                }
                AddFn::In => bindings::virtqueue_add_inbuf(vq, to_write, ins, data, gfp),
                AddFn::InCacheClean => {
                    bindings::virtqueue_add_inbuf_cache_clean(vq, to_write, ins, data, gfp)
                }
                AddFn::InContext(ctx) => {
                    let ctx = ctx as *mut c_void;
                    bindings::virtqueue_add_inbuf_ctx(vq, to_write, ins, data, ctx, gfp)
                }
                AddFn::InPremapped(ctx) => {
                    let ctx = ctx as *mut c_void;
                    bindings::virtqueue_add_inbuf_premapped(vq, to_write, ins, data, ctx, gfp)
                }
            }
        }
    }

    /// Adds a buffer without a token, which C code must not do.
    ///
    /// # Errors
    ///
    /// The error of the ring, unless it crashes.
    pub fn add_without_token(&mut self, mut buffer: CBuffer) -> Result {
        // SAFETY: The ring refuses the buffer. Otherwise the test fails, and the memory is leaked.
        let added = to_result(unsafe { self.call_add(&mut buffer, AddFn::Lists, 0) });
        if added.is_ok() {
            core::mem::forget(buffer);
        }
        added
    }

    /// Returns a free index for one more buffer.
    fn place(&mut self) -> Result<usize> {
        if let Some(place) = self.free.pop() {
            return Ok(place);
        }
        self.buffers.push(None, GFP_KERNEL)?;
        self.free.reserve(self.buffers.len(), GFP_KERNEL)?;
        Ok(self.buffers.len() - 1)
    }

    /// Takes the buffer of a token.
    fn take(&mut self, token: usize) -> Result<CBuffer> {
        let place = token.wrapping_sub(1);
        let Some(mut buffer) = self.buffers.get_mut(place).and_then(Option::take) else {
            pr_err!(
                "the ring gave out {:#x}, which the device did not have\n",
                token
            );
            return Err(EILSEQ);
        };
        self.free.push(place, GFP_KERNEL)?;
        self.unmap_buffer(&mut buffer);
        Ok(buffer)
    }

    /// Calls `virtqueue_get_buf_ctx`.
    ///
    /// # Errors
    ///
    /// `EILSEQ`: what came out is not in flight.
    pub fn get(&mut self) -> Result<Option<Completed>> {
        let (mut len, mut ctx) = (u32::MAX, null_mut());
        // SAFETY: The queue is valid.
        let token = unsafe { bindings::virtqueue_get_buf_ctx(self.vq, &mut len, &mut ctx) };
        if token.is_null() {
            return Ok(None);
        }
        let buffer = self.take(token as usize)?;
        Ok(Some(Completed {
            buffer,
            len,
            ctx: ctx as usize,
        }))
    }

    /// Calls `virtqueue_detach_unused_buf`. The device must be in reset.
    ///
    /// # Errors
    ///
    /// `EILSEQ`: what came out is not in flight.
    pub fn detach(&mut self) -> Result<Option<CBuffer>> {
        // SAFETY: The queue is valid, and the test reset the device.
        let token = unsafe { bindings::virtqueue_detach_unused_buf(self.vq) };
        if token.is_null() {
            return Ok(None);
        }
        self.take(token as usize).map(Some)
    }

    /// Calls `virtqueue_resize`, or `virtqueue_reset` without a size. Returns the result of the
    /// function, and the buffers that came back.
    ///
    /// # Errors
    ///
    /// `EILSEQ`: a token that came back is not outstanding.
    pub fn reset(&mut self, size: Option<u32>) -> Result<(Result, Recycled)> {
        COUNT.store(0, Relaxed);
        DONE.store(0, Relaxed);
        // SAFETY: The queue is valid, and no other code uses it.
        let result = to_result(unsafe {
            match size {
                Some(size) => {
                    bindings::virtqueue_resize(self.vq, size, Some(recycle), Some(recycle_done))
                }
                None => bindings::virtqueue_reset(self.vq, Some(recycle), Some(recycle_done)),
            }
        });
        let buffers = COUNT.load(Relaxed);
        let mut sum = 0;
        for token in TOKENS.iter().take(buffers) {
            sum += self.take(token.load(Relaxed))?.number();
        }
        let done = DONE.load(Relaxed);
        Ok((result, Recycled { buffers, sum, done }))
    }

    /// Calls `virtqueue_kick_prepare`.
    pub fn kick_prepare(&mut self) -> bool {
        // SAFETY: The queue is valid.
        unsafe { bindings::virtqueue_kick_prepare(self.vq) }
    }

    /// Calls `virtqueue_notify`.
    pub fn notify(&self) -> bool {
        // SAFETY: The queue is valid.
        unsafe { bindings::virtqueue_notify(self.vq) }
    }

    /// Calls `virtqueue_kick`.
    pub fn kick(&mut self) -> bool {
        // SAFETY: The queue is valid.
        unsafe { bindings::virtqueue_kick(self.vq) }
    }

    /// Calls `virtqueue_disable_cb`.
    pub fn disable_cb(&self) {
        // SAFETY: The queue is valid.
        unsafe { bindings::virtqueue_disable_cb(self.vq) };
    }

    /// Calls `virtqueue_enable_cb`.
    pub fn enable_cb(&mut self) -> bool {
        // SAFETY: The queue is valid.
        unsafe { bindings::virtqueue_enable_cb(self.vq) }
    }

    /// Calls `virtqueue_enable_cb_delayed`.
    pub fn enable_cb_delayed(&mut self) -> bool {
        // SAFETY: The queue is valid.
        unsafe { bindings::virtqueue_enable_cb_delayed(self.vq) }
    }

    /// Calls `virtqueue_enable_cb_prepare`.
    pub fn enable_cb_prepare(&mut self) -> u32 {
        // SAFETY: The queue is valid.
        unsafe { bindings::virtqueue_enable_cb_prepare(self.vq) }
    }

    /// Calls `virtqueue_poll`.
    pub fn poll(&self, armed: u32) -> bool {
        // SAFETY: The queue is valid.
        unsafe { bindings::virtqueue_poll(self.vq, armed) }
    }

    /// Calls `vring_interrupt`, as for a shared interrupt of another queue. Returns whether it was
    /// this queue's.
    pub fn interrupt(&self) -> bool {
        // SAFETY: The queue is valid; callbacks may come from here.
        let ret = unsafe { bindings::vring_interrupt(0, self.vq.cast()) };
        ret.0 != bindings::irqreturn::IRQ_NONE.0
    }

    /// Calls `virtqueue_is_broken`.
    pub fn is_broken(&self) -> bool {
        // SAFETY: The queue is valid.
        unsafe { bindings::virtqueue_is_broken(self.vq) }
    }

    /// Calls `__virtqueue_break`.
    pub fn declare_broken(&self) {
        // SAFETY: The queue is valid.
        unsafe { bindings::__virtqueue_break(self.vq) };
    }

    /// Calls `__virtqueue_unbreak`.
    pub fn unbreak(&self) {
        // SAFETY: The queue is valid.
        unsafe { bindings::__virtqueue_unbreak(self.vq) };
    }

    /// Calls `vring_notification_data`.
    pub fn notification_data(&self) -> u32 {
        // SAFETY: The queue is valid.
        unsafe { bindings::vring_notification_data(self.vq) }
    }

    /// Returns the address of a split ring (`virtqueue_get_vring`).
    pub(crate) fn vring(&self) -> *const bindings::vring {
        // SAFETY: The queue is valid.
        unsafe { bindings::virtqueue_get_vring(self.vq) }
    }
}

impl Drop for CQueue {
    fn drop(&mut self) {
        self.fake.0.keep(core::mem::take(&mut self.buffers));
    }
}

impl Fake {
    /// Calls `virtio_break_device`, or `__virtio_unbreak_device`.
    pub fn break_queues(&self, broken: bool) {
        let vdev = self.0.vdev.get();
        // SAFETY: The device is valid, and plugged while a driver has queues.
        unsafe {
            if broken {
                bindings::virtio_break_device(vdev);
            } else {
                bindings::__virtio_unbreak_device(vdev);
            }
        }
    }

    /// Returns the number of queues on the list of the device.
    pub fn listed(&self) -> usize {
        // SAFETY: The device is valid, and no code makes or deletes queues during the call.
        unsafe {
            let head = &raw mut (*self.0.vdev.get()).vqs;
            let mut count = 0;
            let mut at: *const bindings::list_head = (*head).next;
            while at != head.cast_const() && !at.is_null() {
                count += 1;
                at = (*at).next;
            }
            count
        }
    }
}
