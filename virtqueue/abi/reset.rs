// SPDX-License-Identifier: GPL-2.0

//! Reset and resize of a queue.

use crate::as_declared;
use kernel::{
    error::to_result,
    ffi::{
        c_int,
        c_void, //
    },
    prelude::*, //
};
use vring::{
    bindings::virtqueue,
    with_ring,
    Queue, //
};

as_declared!(virtqueue_resize, virtqueue_reset);

/// The function that takes a buffer which the device has not used.
type Recycle = Option<unsafe extern "C" fn(*mut virtqueue, *mut c_void)>;
/// The function that is called after all buffers were taken.
type RecycleDone = Option<unsafe extern "C" fn(*mut virtqueue)>;

/// Resets the queue (virtio spec §2.6.1), passes its buffers to `recycle`, calls `change` with the
/// empty ring, and enables the queue again.
///
/// # Safety
///
/// `vq` is a queue that no other code uses during the call.
unsafe fn while_reset(
    vq: *mut virtqueue,
    recycle: Recycle,
    done: RecycleDone,
    change: impl FnOnce(&Queue) -> Result,
) -> Result {
    // SAFETY: By the safety requirements, `vq` is a queue.
    let queue = unsafe { Queue::from_raw(vq) };
    if !queue.is_owned() {
        return Err(EPERM);
    }
    let vdev = queue.vdev();
    let config = vdev.config().ok_or(ENOENT)?;
    let (Some(disable), Some(enable)) = (config.disable_vq_and_reset, config.enable_vq_after_reset)
    else {
        return Err(ENOENT);
    };
    // SAFETY: By the safety requirements, `vq` is a queue that no other code uses. The operation is
    // that of its transport.
    to_result(unsafe { disable(vq) })?;

    // SAFETY: By the safety requirements, no other code uses the queue.
    let exclusive = unsafe { queue.exclusive() };
    // SAFETY: The queue was reset, so the device does not use it.
    while let Some(token) = unsafe { with_ring!(exclusive, |mut ring| ring.detach_unused()) } {
        if let Some(recycle) = recycle {
            // SAFETY: The caller passed the function for buffers of this queue.
            unsafe { recycle(vq, token.data.as_ptr()) };
        }
    }
    if let Some(done) = done {
        // SAFETY: The caller passed the function for resets of this queue.
        unsafe { done(vq) };
    }
    // SAFETY: The device does not have the queue, and the ring is empty.
    unsafe { exclusive.reset() };
    let changed = change(queue);
    // SAFETY: By the safety requirements, `vq` is a queue that no other code uses. `exclusive` is
    // not used again.
    unsafe {
        with_ring!(queue.exclusive(), |ring| ring.set_num_free());
        to_result(enable(vq)).map_err(|_| EBUSY)?;
    }
    changed
}

/// Changes the queue to `num` descriptors, and passes its buffers to `recycle`.
///
/// A number that the ring cannot have is refused (`EINVAL`) before the reset.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_resize(
    vq: *mut virtqueue,
    num: u32,
    recycle: Recycle,
    done: RecycleDone,
) -> c_int {
    // SAFETY: By the contract of `virtqueue_resize`, `vq` is a queue that no other code uses during
    // the call.
    let (queue, most) = unsafe { (Queue::from_raw(vq), (*vq).num_max) };
    if num > most {
        return E2BIG.to_errno();
    }
    if !queue.takes_size(num) {
        return EINVAL.to_errno();
    }
    // SAFETY: The queue has a ring.
    if unsafe { (*queue.vring()).num } == num {
        return 0;
    }
    // SAFETY: As above: `vq` is a queue that no other code uses. CAST: `takes_size` has checked the
    // size.
    let resized = unsafe {
        while_reset(vq, recycle, done, |queue| {
            queue.resize(num as u16).map_err(|_| ENOMEM)
        })
    };
    resized.map_or_else(|e| e.to_errno(), |()| 0)
}

/// Resets the queue, and passes its buffers to `recycle`.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_reset(
    vq: *mut virtqueue,
    recycle: Recycle,
    done: RecycleDone,
) -> c_int {
    // SAFETY: By the contract of `virtqueue_reset`, `vq` is a queue that no other code uses during
    // the call.
    let reset = unsafe { while_reset(vq, recycle, done, |_| Ok(())) };
    reset.map_or_else(|e| e.to_errno(), |()| 0)
}
