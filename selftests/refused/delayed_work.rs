// SPDX-License-Identifier: GPL-2.0

//! A workqueue that can be destroyed takes no delayed work: its timer would outlive the queue.

extern crate blockdev;

use blockdev::workqueue::OwnedQueue;
use kernel::workqueue::Queue;

/// As a queue of the kernel, which takes it.
pub fn as_queue(queue: &OwnedQueue) -> &Queue {
    queue //~ E0308
}
