// SPDX-License-Identifier: GPL-2.0

//! The list of the queues of a device.

use crate::{
    bindings::{
        self,
        virtqueue, //
    },
    device::Virtio,
    queue::Queue, //
};
use core::cell::UnsafeCell;
use kernel::{
    container_of,
    prelude::*, //
};

impl Virtio {
    /// Runs `f` with the list of queues locked. Any context that may take a spinlock.
    fn locked<R>(self, f: impl FnOnce(*mut bindings::list_head) -> R) -> R {
        // SAFETY: By the type invariant, the device is valid. The virtio core initialised the lock
        // and the list.
        unsafe {
            let lock = (&raw mut (*self.as_raw()).vqs_list_lock).cast();
            bindings::spin_lock(lock);
            let result = f(&raw mut (*self.as_raw()).vqs);
            bindings::spin_unlock(lock);
            result
        }
    }

    /// Runs `f` on each queue of the device, with their list locked.
    ///
    /// # Safety
    ///
    /// All queues of the device were made by this crate.
    pub unsafe fn each_queue(self, mut f: impl FnMut(&Queue)) {
        self.locked(|head| {
            // SAFETY: The list is well-formed and locked. Each entry is the field of a queue, which
            // by the safety requirements is one of this crate.
            unsafe {
                let mut at = (*head).next;
                while at != head {
                    let next = (*at).next;
                    f(Queue::from_raw(container_of!(at, virtqueue, list)));
                    at = next;
                }
            }
        });
    }

    /// Adds a queue to the list of its device. From now on the list owns the queue.
    ///
    /// # Safety
    ///
    /// The queue is one of this device, and [`Virtio::remove_queue`] is called for it.
    pub unsafe fn add_queue(self, queue: KBox<Queue>) -> *mut virtqueue {
        let queue = KBox::into_raw(queue);
        // SAFETY: The queue was not handed out yet. It stays at its address, and `remove_queue`
        // removes its debugfs file before it is freed.
        unsafe { (*queue).init_in_place() };
        // SAFETY: `queue` came from a box, so it is a valid queue.
        let vq = UnsafeCell::raw_get(unsafe { &raw const (*queue).vq });
        // SAFETY: The list is locked, and the entry is that of a queue which stays until it is
        // removed.
        self.locked(|head| unsafe { bindings::list_add_tail(&raw mut (*vq).list, head) });
        vq
    }

    /// Removes a queue from the list, and frees it with its ring. Also frees the memory of the
    /// ring, if the queue owns it.
    ///
    /// # Safety
    ///
    /// `vq` came from [`Virtio::add_queue`] of this device. After this call neither the system nor
    /// the device uses it.
    pub unsafe fn remove_queue(self, vq: *mut virtqueue) {
        // SAFETY: By the safety requirements, the entry is on the list, which is locked.
        self.locked(|_| unsafe { bindings::rust_virtio_list_del(&raw mut (*vq).list) });
        let vq: *mut UnsafeCell<virtqueue> = vq.cast();
        // SAFETY: `add_queue` made `vq` from a box, and by the safety requirements there is no
        // other use of it.
        let queue = unsafe { KBox::from_raw(container_of!(vq, Queue, vq)) };
        // SAFETY: By the safety requirements, there is no other use of the queue.
        unsafe { queue.remove_debugfs() };
    }
}
