// SPDX-License-Identifier: GPL-2.0

//! A queue, or what belongs to it, is used after it or elsewhere.

use kernel::{
    device::Bound,
    prelude::*, //
};
use virtio::{
    Device,
    QueueHandle,
    Virtqueue, //
};

type Bytes = KBox<[u8; 8]>;

fn by_two<T: Sync>(_value: &T) {}

/// Two threads have it at once.
pub fn share(queue: &Virtqueue<Bytes>) {
    by_two(queue); //~ E0277
}

/// A buffer is read while the device has it.
pub fn read(queue: &mut Virtqueue<Bytes>, buffer: Bytes) -> u8 {
    let _ = queue.add_buf(buffer);
    buffer[0] //~ E0382
}

/// A buffer that came back is taken twice.
pub fn take(queue: &mut Virtqueue<Bytes>) -> Option<(Bytes, Bytes)> {
    let used = queue.get_buf()?;
    Some((used.into_buffer(), used.into_buffer())) //~ E0382
}

/// The queue is used where its buffers go while it is reset.
pub fn reset(queue: &mut Virtqueue<Bytes>) -> Result {
    queue.reset(|buffer| drop(queue.add_buf(buffer.into_buffer()))) //~ `*queue`
}

/// The handle of a callback is kept.
pub fn keep(queue: &QueueHandle) -> &'static QueueHandle {
    queue //~ lifetime may not live long enough
}

/// The handle of a callback is copied.
pub fn copy(queue: &QueueHandle) -> QueueHandle {
    queue.clone() //~ E0308
}

/// A queue whose ring was looked up is kept while the queue is used.
pub fn keep_ring(queue: &mut Virtqueue<Bytes>) {
    let ring = queue.by_ring();
    queue.kick(); //~ E0499
    drop(ring);
}

/// A queue whose ring was looked up outlives the queue.
pub fn outlive(mut queue: Virtqueue<Bytes>) {
    let ring = queue.by_ring();
    drop(queue); //~ E0505
    drop(ring);
}

/// A queue that may be the last thing of a binding is taken for a device that is bound.
pub fn device(queue: &Virtqueue<Bytes>) -> &Device<Bound> {
    queue.dev() //~ E0624
}
