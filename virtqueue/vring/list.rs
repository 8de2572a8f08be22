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
        // SAFETY: By the type invariant; the lock and the list were initialised by the core.
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
    /// The queues of the device are all of this ring.
    pub unsafe fn each_queue(self, mut f: impl FnMut(&Queue)) {
        self.locked(|head| {
            // SAFETY: The list is well-formed and locked, and each entry is the field of a queue,
            // of this ring by the safety requirements.
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

    /// Puts a queue on the list of its device, which has it from here on.
    ///
    /// # Safety
    ///
    /// It is one of this device, and [`Virtio::remove_queue`] is called for it.
    pub unsafe fn add_queue(self, queue: KBox<Queue>) -> *mut virtqueue {
        let queue = KBox::into_raw(queue);
        // SAFETY: It stays where it is, and is hidden before it goes.
        unsafe { (*queue).settle() };
        // SAFETY: It is a queue.
        let vq = UnsafeCell::raw_get(unsafe { &raw const (*queue).vq });
        // SAFETY: The entry is that of a queue that stays until it is removed.
        self.locked(|head| unsafe { bindings::list_add_tail(&raw mut (*vq).list, head) });
        vq
    }

    /// Takes a queue off the list and frees it, its ring, and the memory of that, if it owns it.
    ///
    /// # Safety
    ///
    /// It came from [`Virtio::add_queue`] of this device, and nobody uses it any more, the device
    /// included.
    pub unsafe fn remove_queue(self, vq: *mut virtqueue) {
        // SAFETY: The entry is on the list, by the safety requirements.
        self.locked(|_| unsafe { bindings::rust_virtio_list_del(&raw mut (*vq).list) });
        let vq: *mut UnsafeCell<virtqueue> = vq.cast();
        // SAFETY: It came from a box, and nobody else refers to it.
        let queue = unsafe { KBox::from_raw(container_of!(vq, Queue, vq)) };
        // SAFETY: By the safety requirements, nobody uses the queue any more.
        unsafe { queue.hide() };
    }
}
