// SPDX-License-Identifier: GPL-2.0

//! Making and deleting queues, for transports.

use crate::as_declared;
use core::ptr::{
    null_mut,
    NonNull, //
};
use kernel::ffi::{
    c_char,
    c_uint,
    c_void, //
};

use vring::{
    bindings::{
        self,
        virtio_device,
        virtio_map,
        virtqueue,
        vq_callback_t, //
    },
    create::Spec,
    device::Virtio,
    queue::Notify,
    with_lockless,
    Mapper,
    Queue, //
};

as_declared!(
    vring_create_virtqueue,
    vring_create_virtqueue_map,
    vring_new_virtqueue,
    vring_del_virtqueue,
    vring_transport_features,
    vring_notification_data,
);

/// Makes a queue and puts it on the list of its device. Null if it cannot be made.
///
/// # Safety
///
/// As [`Queue::create`].
unsafe fn make(vdev: Virtio, spec: &Spec, pages: Option<NonNull<u8>>) -> *mut virtqueue {
    // SAFETY: By the safety requirements, the device, the name and the functions of `spec` outlive
    // the queue, and `pages` is memory for it.
    match unsafe { Queue::create(vdev, spec, pages) } {
        // SAFETY: The queue is one of the device from here on.
        Ok(queue) => unsafe { vdev.add_queue(queue) },
        Err(_) => null_mut(),
    }
}

/// Makes a queue whose memory is allocated here, `map` saying how memory is mapped for it.
#[no_mangle]
pub(crate) unsafe extern "C" fn vring_create_virtqueue_map(
    index: c_uint,
    num: c_uint,
    vring_align: c_uint,
    vdev: *mut virtio_device,
    weak_barriers: bool,
    may_reduce_num: bool,
    ctx: bool,
    notify: Option<Notify>,
    callback: vq_callback_t,
    name: *const c_char,
    map: virtio_map,
) -> *mut virtqueue {
    let Some(notify) = notify else {
        return null_mut();
    };
    // SAFETY: C says that it is a device.
    let vdev = unsafe { Virtio::new(vdev) };
    let spec = Spec {
        index,
        size: num,
        may_shrink: may_reduce_num,
        align: vring_align as usize,
        weak_barriers,
        ctx,
        notify,
        callback,
        name,
        mapper: Mapper::new(vdev, map),
    };
    // SAFETY: kernel-doc of `vring_create_virtqueue_map`: device, `callback`, `notify` and `name`
    // outlive the queue, and `map` is the device's.
    unsafe { make(vdev, &spec, None) }
}

/// Makes a queue whose memory is allocated here.
#[no_mangle]
pub(crate) unsafe extern "C" fn vring_create_virtqueue(
    index: c_uint,
    num: c_uint,
    vring_align: c_uint,
    vdev: *mut virtio_device,
    weak_barriers: bool,
    may_reduce_num: bool,
    ctx: bool,
    notify: Option<Notify>,
    callback: vq_callback_t,
    name: *const c_char,
) -> *mut virtqueue {
    // SAFETY: C says that it is a device, and the rest the same.
    unsafe {
        vring_create_virtqueue_map(
            index,
            num,
            vring_align,
            vdev,
            weak_barriers,
            may_reduce_num,
            ctx,
            notify,
            callback,
            name,
            Virtio::new(vdev).map_token(),
        )
    }
}

/// Makes a queue in memory of the caller. Only split: a packed ring has three areas.
#[no_mangle]
pub(crate) unsafe extern "C" fn vring_new_virtqueue(
    index: c_uint,
    num: c_uint,
    vring_align: c_uint,
    vdev: *mut virtio_device,
    weak_barriers: bool,
    ctx: bool,
    pages: *mut c_void,
    notify: Option<Notify>,
    callback: vq_callback_t,
    name: *const c_char,
) -> *mut virtqueue {
    let (Some(notify), Some(pages)) = (notify, NonNull::new(pages)) else {
        return null_mut();
    };
    // SAFETY: C says that it is a device.
    let vdev = unsafe { Virtio::new(vdev) };
    let spec = Spec {
        index,
        size: num,
        may_shrink: false,
        align: vring_align as usize,
        weak_barriers,
        ctx,
        notify,
        callback,
        name,
        mapper: Mapper::of_device(vdev),
    };
    // SAFETY: As for `vring_create_virtqueue_map`; `pages` has room for `num` descriptors at
    // `vring_align`, as long as the queue exists.
    unsafe { make(vdev, &spec, Some(pages.cast())) }
}

/// Deletes a queue, and its memory if it was allocated here.
#[no_mangle]
pub(crate) unsafe extern "C" fn vring_del_virtqueue(vq: *mut virtqueue) {
    // SAFETY: C says that it is a queue, and that it is used by nobody any more.
    unsafe { Queue::from_raw(vq).vdev().remove_queue(vq) };
}

/// Drops the features that are the ring's or the transport's and that the ring does not know.
#[no_mangle]
pub(crate) unsafe extern "C" fn vring_transport_features(vdev: *mut virtio_device) {
    // SAFETY: C says that it is a device whose features are being negotiated.
    let vdev = unsafe { Virtio::new(vdev) };
    for feature in bindings::VIRTIO_TRANSPORT_F_START..bindings::VIRTIO_TRANSPORT_F_END {
        match feature {
            bindings::VIRTIO_RING_F_INDIRECT_DESC
            | bindings::VIRTIO_RING_F_EVENT_IDX
            | bindings::VIRTIO_F_VERSION_1
            | bindings::VIRTIO_F_ACCESS_PLATFORM
            | bindings::VIRTIO_F_RING_PACKED
            | bindings::VIRTIO_F_IN_ORDER
            | bindings::VIRTIO_F_ORDER_PLATFORM
            | bindings::VIRTIO_F_NOTIFICATION_DATA => {}
            _ => vdev.clear(feature),
        }
    }
}

/// Returns the word to write as a notification with `VIRTIO_F_NOTIFICATION_DATA`.
#[no_mangle]
pub(crate) unsafe extern "C" fn vring_notification_data(vq: *mut virtqueue) -> u32 {
    // SAFETY: C says that it is a queue, whose index does not change.
    let (queue, index) = unsafe { (Queue::from_raw(vq), (*vq).index) };
    // CAST: There are at most 2^16 queues.
    with_lockless!(queue, |state| state.notification_data(index as u16))
}
