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

/// The result of a request of the driver's own.
pub enum Executed {
    /// The request has ended, with this status and this content of the buffer.
    Ended(Status, KVVec<u8>),
    /// The request has not ended in time.
    Pending(Pending),
}

/// A request of the driver's own that has not ended in time: the device has it still.
pub struct Pending(Arc<Call>);

impl Pending {
    /// Whether it has ended by now.
    pub fn has_ended(&self) -> bool {
        self.0.ended.load(Acquire)
    }
}

/// A request of the driver's own, held by the thread that waits for its end and by the code that
/// ends it.
///
/// # Invariants
///
/// The parts are those of a vector that nothing else has. As long as `ended` is not set, a device
/// may write to it, and there is no reference to what it holds.
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

// SAFETY: All that changes is atomic, but for the memory, which is shared as the invariants say.
unsafe impl Sync for Call {}

#[pinned_drop]
impl PinnedDrop for Call {
    fn drop(self: Pin<&mut Self>) {
        let (ptr, length, capacity) = self.parts;
        // SAFETY: By the type invariants; the request has ended, or was never sent, since it has a
        // reference.
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
        // INVARIANT: Nothing else has the parts.
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

    /// Waits for the end for up to `jiffies`, and returns what the buffer has then.
    fn join(self: Arc<Self>, jiffies: usize) -> Result<Executed> {
        // SAFETY: The completion was initialised.
        unsafe { bindings::wait_for_completion_io_timeout(self.wait.get(), jiffies) };
        if !self.ended.load(Acquire) {
            return Ok(Executed::Pending(Pending(self)));
        }
        let (ptr, length, _) = self.parts;
        let mut copy = KVVec::with_capacity(length, GFP_KERNEL)?;
        // SAFETY: By the type invariants; nobody writes to it any more.
        let bytes = unsafe { core::slice::from_raw_parts(ptr, length) };
        copy.extend_from_slice(bytes, GFP_KERNEL)?;
        // CAST: It was one.
        let status = Status::from_raw(self.status.load(Relaxed) as bindings::blk_status_t);
        Ok(Executed::Ended(status, copy))
    }

    /// The request has ended.
    ///
    /// # Safety
    ///
    /// Called by the block layer, once, for a request that has a reference to a [`Call`].
    unsafe extern "C" fn end(
        rq: *mut bindings::request,
        status: bindings::blk_status_t,
        _batch: *const bindings::io_comp_batch,
    ) -> bindings::rq_end_io_ret {
        // SAFETY: By the safety requirements, the request gives up its reference to a `Call` here.
        let call = unsafe { Arc::<Self>::from_raw((*rq).end_io_data.cast_const().cast()) };
        call.status.store(status.into(), Relaxed);
        call.ended.store(true, Release);
        // SAFETY: The completion was initialised.
        unsafe { bindings::complete_all(call.wait.get()) };
        bindings::rq_end_io_ret_RQ_END_IO_FREE
    }
}

impl<T: Operations> Disk<T> {
    /// Sends a request of the driver's own to the device and waits for it: it gets data from the
    /// device into `buffer`, which should be zeroed for devices that give less than they say.
    ///
    /// `prepare` fills the request's data before the request goes its way through
    /// [`Operations::queue_rq`] as an [`Op::DRV_IN`].
    ///
    /// The request is waited for as long as any request of the disk is given at first. Then it is
    /// left where it is, and the buffer with it.
    ///
    /// Process context, sleeps.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the buffer is empty or too large for a request.
    /// - `ENODEV`, `EBUSY`: the disk is going away.
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

        // SAFETY: The request is owned; the buffer is as long as is said, and stays until the
        // request is over, since that has a reference.
        let ret = to_result(unsafe {
            bindings::blk_rq_map_kern(rq, call.parts.0.cast(), len, bindings::GFP_KERNEL)
        });
        if let Err(e) = ret {
            // SAFETY: The request is owned, and was not sent.
            unsafe { bindings::blk_mq_free_request(rq) };
            return Err(e);
        }
        let of_request = Arc::into_raw(call.clone());
        // SAFETY: The request is owned, and ownership is given up. What `end` gets is a reference.
        unsafe {
            (*rq).end_io = Some(Call::end);
            (*rq).end_io_data = of_request.cast_mut().cast();
            bindings::blk_execute_rq_nowait(rq, false);
        }
        // SAFETY: By the type invariants; whoever writes the limit writes a word.
        let patience = unsafe { (&raw const (*self.queue()).rq_timeout).read_volatile() };
        call.join(patience as usize)
    }
}
