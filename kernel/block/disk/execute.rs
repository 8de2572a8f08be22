// SPDX-License-Identifier: GPL-2.0

//! Requests of the driver's own.

use super::*;
use kernel::alloc::KVVec;

impl<T: Operations> Disk<T> {
    /// Sends a request of the driver's own to the device and waits for it: it gets data from the
    /// device into `buffer`, which should be zeroed for devices that give less than they say.
    ///
    /// `prepare` fills the request's data before the request goes its way through
    /// [`Operations::queue_rq`] as an [`Op::DRV_IN`].
    ///
    /// Process context, sleeps. The buffer comes back with the status if the request was sent.
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
    ) -> Result<(Status, KVVec<u8>)> {
        let len = u32::try_from(buffer.len()).map_err(|_| EINVAL)?;
        // SAFETY: By the type invariants.
        let rq = from_err_ptr(unsafe {
            bindings::blk_mq_alloc_request(self.queue(), Op::DRV_IN.as_raw(), 0)
        })?;

        // SAFETY: The request was just allocated for this caller, with its data.
        prepare(unsafe { &mut *RequestInfo::<T>::data_ptr(rq) });

        // While the device may write to the buffer, there is no reference to it.
        let (ptr, length, capacity) = buffer.into_raw_parts();
        // SAFETY: The request is owned; the buffer is as long as is said, and stays until the
        // request is over.
        let ret = to_result(unsafe {
            bindings::blk_rq_map_kern(rq, ptr.cast(), len, bindings::GFP_KERNEL)
        });
        let status = ret.map(|()| {
            // SAFETY: The request is owned; it is over when this returns.
            Status::from_raw(unsafe { bindings::blk_execute_rq(rq, false) })
        });
        // SAFETY: The request is owned and over.
        unsafe { bindings::blk_mq_free_request(rq) };
        // SAFETY: The parts are those of the buffer, and nothing else uses it.
        let buffer = unsafe { KVVec::from_raw_parts(ptr, length, capacity) };
        Ok((status?, buffer))
    }
}
