// SPDX-License-Identifier: GPL-2.0

//! Requests that the driver itself sends.

use super::*;
use kernel::{
    alloc::KVVec,
    sync::atomic::{
        Acquire,
        Relaxed,
        Release, //
    },
};

/// The result of a request that the driver itself has sent.
pub enum Executed {
    /// The request has ended, with this status and this content of the buffer.
    Ended(Status, KVVec<u8>),
    /// The request has not ended in time.
    Pending(Pending),
}

/// A request of the driver itself that has not ended in time, so that the device still has it.
pub struct Pending(Arc<Call>);

impl Pending {
    /// Whether the request has ended.
    pub fn has_ended(&self) -> bool {
        self.0.ended.load(Acquire)
    }
}

/// A request of the driver itself. The thread that waits for its end and the code that ends it have
/// a reference each.
///
/// # Invariants
///
/// `parts` are the parts of a vector that this owns. Until `ended` is set, a device may write to
/// the memory of the vector, and there is no reference to that memory.
#[pin_data(PinnedDrop)]
struct Call {
    parts: (*mut u8, usize, usize),
    status: Atomic<u32>,
    ended: Atomic<bool>,
    #[pin]
    wait: Opaque<bindings::completion>,
}

// SAFETY: The memory behind the pointer is owned, and bytes.
unsafe impl Send for Call {}

// SAFETY: The fields that change are atomic. The type invariants say when the memory may be read.
unsafe impl Sync for Call {}

#[pinned_drop]
impl PinnedDrop for Call {
    fn drop(self: Pin<&mut Self>) {
        let (ptr, length, capacity) = self.parts;
        // SAFETY: This owns the parts (type invariant). The request has a reference to this until
        // it ends, so it has ended, or was never sent.
        drop(unsafe { KVVec::from_raw_parts(ptr, length, capacity) });
    }
}

impl Call {
    fn new(buffer: KVVec<u8>) -> Result<Arc<Self>> {
        let parts = buffer.into_raw_parts();
        let guard = kernel::types::ScopeGuard::new(|| {
            let (ptr, length, capacity) = parts;
            // SAFETY: The parts are those of the buffer, and nothing else has them.
            drop(unsafe { KVVec::from_raw_parts(ptr, length, capacity) });
        });
        // INVARIANT: The parts came from the vector above, and nothing else uses them.
        let call = Arc::pin_init(
            pin_init!(Self {
                parts,
                status: Atomic::new(0),
                ended: Atomic::new(false),
                wait <- Opaque::ffi_init(|slot| {
                    // SAFETY: The slot is memory for a completion.
                    unsafe { bindings::init_completion(slot) }
                }),
            }),
            GFP_KERNEL,
        )?;
        guard.dismiss();
        Ok(call)
    }

    /// Waits for the end for up to `jiffies`, and returns a copy of the buffer.
    fn join(self: Arc<Self>, jiffies: usize) -> Result<Executed> {
        // SAFETY: The completion was initialised.
        unsafe { bindings::wait_for_completion_io_timeout(self.wait.get(), jiffies) };
        if !self.ended.load(Acquire) {
            return Ok(Executed::Pending(Pending(self)));
        }
        let (ptr, length, _) = self.parts;
        let mut copy = KVVec::with_capacity(length, GFP_KERNEL)?;
        // SAFETY: The memory is owned (type invariant). `ended` is set, so the device does not
        // write to it.
        let bytes = unsafe { core::slice::from_raw_parts(ptr, length) };
        copy.extend_from_slice(bytes, GFP_KERNEL)?;
        // CAST: The value was a `blk_status_t`.
        let status = Status::from_raw(self.status.load(Relaxed) as bindings::blk_status_t);
        Ok(Executed::Ended(status, copy))
    }

    /// Handles the end of the request.
    ///
    /// # Safety
    ///
    /// Called by the block layer, once, for a request that has a reference to a [`Call`].
    unsafe extern "C" fn end(
        rq: *mut bindings::request,
        status: bindings::blk_status_t,
        _batch: *const bindings::io_comp_batch,
    ) -> bindings::rq_end_io_ret {
        // SAFETY: By the safety requirements, the request has a reference to a `Call`, which is
        // taken over here.
        let call = unsafe { Arc::<Self>::from_raw((*rq).end_io_data.cast_const().cast()) };
        call.status.store(status.into(), Relaxed);
        call.ended.store(true, Release);
        // SAFETY: The completion was initialised.
        unsafe { bindings::complete_all(call.wait.get()) };
        bindings::rq_end_io_ret_RQ_END_IO_FREE
    }
}

impl<T: Operations> Disk<T> {
    /// Sends a request of the driver itself, which reads data from the device into `buffer`, and
    /// waits for its end. `buffer` should be zeroed, because some devices write less than they
    /// report.
    ///
    /// `prepare` fills the data of the request. Then the request goes through
    /// [`Operations::queue_rq`] as an [`Op::DRV_IN`].
    ///
    /// Waits for the timeout of the disk (`/sys/block/*/queue/io_timeout`). A request that has not
    /// ended then keeps its buffer, and the disk is not freed before it ends.
    ///
    /// Process context, sleeps.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the buffer is empty or too large for a request.
    /// - `ENODEV`, `EBUSY`: the disk is being deleted.
    /// - `ENOMEM`.
    pub fn execute_in(
        &self,
        buffer: KVVec<u8>,
        prepare: impl FnOnce(&mut T::RequestData),
    ) -> Result<Executed> {
        let len = u32::try_from(buffer.len()).map_err(|_| EINVAL)?;
        let call = Call::new(buffer)?;
        // SAFETY: The queue is valid, as the disk is (type invariant).
        let rq = from_err_ptr(unsafe {
            bindings::blk_mq_alloc_request(self.queue(), Op::DRV_IN.as_raw(), 0)
        })?;

        // SAFETY: The request was just allocated for this caller, with its data.
        prepare(unsafe { &mut *RequestInfo::<T>::data_ptr(rq) });

        // SAFETY: The request is owned. The buffer has `len` bytes. The request has a reference to
        // it, so it lives until the request ends.
        let ret = to_result(unsafe {
            bindings::blk_rq_map_kern(rq, call.parts.0.cast(), len, bindings::GFP_KERNEL)
        });
        if let Err(e) = ret {
            // SAFETY: The request is owned, and was not sent.
            unsafe { bindings::blk_mq_free_request(rq) };
            return Err(e);
        }
        let of_request = Arc::into_raw(call.clone());
        // SAFETY: The ownership of the request is passed to the block layer. `end` gets a reference
        // to a `Call`.
        unsafe {
            (*rq).end_io = Some(Call::end);
            (*rq).end_io_data = of_request.cast_mut().cast();
            bindings::blk_execute_rq_nowait(rq, false);
        }
        // SAFETY: The queue is valid (type invariant). The field is a word, which other threads
        // write at once.
        let patience = unsafe { (&raw const (*self.queue()).rq_timeout).read_volatile() };
        call.join(patience as usize)
    }
}
