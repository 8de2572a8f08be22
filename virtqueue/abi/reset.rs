// SPDX-License-Identifier: GPL-2.0

//! Taking a queue from its device, and giving it back empty or with another size.

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

/// Takes a buffer that the device had not used.
type Recycle = Option<unsafe extern "C" fn(*mut virtqueue, *mut c_void)>;
/// Told when all were taken.
type RecycleDone = Option<unsafe extern "C" fn(*mut virtqueue)>;

/// Resets the queue alone (virtio spec §2.6.1), hands over what was in it, lets `change` at the
/// empty ring, and gives it back to the device.
///
/// # Safety
///
/// `vq` is a queue that nobody else uses meanwhile.
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
    // SAFETY: By the safety requirements, `vq` is a queue that nobody else uses; the operation is
    // its transport's.
    to_result(unsafe { disable(vq) })?;

    // SAFETY: By the safety requirements, nobody else uses the queue.
    let exclusive = unsafe { queue.exclusive() };
    // SAFETY: The device has given the queue up.
    while let Some(token) = unsafe { with_ring!(exclusive, |mut ring| ring.detach_unused()) } {
        if let Some(recycle) = recycle {
            // SAFETY: The caller of the ring gave the function for buffers of this queue.
            unsafe { recycle(vq, token.data.as_ptr()) };
        }
    }
    if let Some(done) = done {
        // SAFETY: The caller of the ring gave the function for resets of this queue.
        unsafe { done(vq) };
    }
    // SAFETY: The device does not have the queue, and the ring is empty.
    unsafe { exclusive.reset() };
    let changed = change(queue);
    // SAFETY: By the safety requirements, `vq` is a queue that nobody else uses; `exclusive` is not
    // used any more.
    unsafe {
        with_ring!(queue.exclusive(), |ring| ring.set_num_free());
        to_result(enable(vq)).map_err(|_| EBUSY)?;
    }
    changed
}

/// Gives the queue `num` descriptors; what was in it goes to `recycle`.
///
/// A number that the ring cannot have is refused before anything happens (`EINVAL`).
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_resize(
    vq: *mut virtqueue,
    num: u32,
    recycle: Recycle,
    done: RecycleDone,
) -> c_int {
    // SAFETY: C says that it is a queue that nobody else uses.
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
    // SAFETY: As above. CAST: A ring takes the size.
    let resized = unsafe {
        while_reset(vq, recycle, done, |queue| {
            queue.resize(num as u16).map_err(|_| ENOMEM)
        })
    };
    resized.map_or_else(|e| e.to_errno(), |()| 0)
}

/// Empties the queue; what was in it goes to `recycle`.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_reset(
    vq: *mut virtqueue,
    recycle: Recycle,
    done: RecycleDone,
) -> c_int {
    // SAFETY: C says that it is a queue that nobody else uses.
    let reset = unsafe { while_reset(vq, recycle, done, |_| Ok(())) };
    reset.map_or_else(|e| e.to_errno(), |()| 0)
}
