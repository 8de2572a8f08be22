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

/// Makes a queue and adds it to the list of its device. Returns null if it cannot be made.
///
/// # Safety
///
/// As [`Queue::create`].
unsafe fn make(vdev: Virtio, spec: &Spec, pages: Option<NonNull<u8>>) -> *mut virtqueue {
    // SAFETY: By the safety requirements, the device, the name and the functions of `spec` outlive
    // the queue, and `pages` is memory for it.
    match unsafe { Queue::create(vdev, spec, pages) } {
        // SAFETY: The queue was made for this device. `vring_del_virtqueue` removes it.
        Ok(queue) => unsafe { vdev.add_queue(queue) },
        Err(_) => null_mut(),
    }
}

/// Makes a queue and allocates its memory. `map` is the mapping token of the transport.
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
    // SAFETY: By the contract of `vring_create_virtqueue_map`, `vdev` is a device.
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
    // SAFETY: kernel-doc of `vring_create_virtqueue_map`: the device, `callback`, `notify` and
    // `name` outlive the queue, and `map` is that of the device.
    unsafe { make(vdev, &spec, None) }
}

/// Makes a queue and allocates its memory.
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
    // SAFETY: By the contract of `vring_create_virtqueue`, `vdev` is a device; the other arguments
    // are as in `vring_create_virtqueue_map`.
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

/// Makes a queue in memory of the caller. Only for a split ring: a packed ring has three areas.
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
    // SAFETY: By the contract of `vring_new_virtqueue`, `vdev` is a device.
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
    // SAFETY: As for `vring_create_virtqueue_map`. `pages` has room for `num` descriptors at
    // `vring_align`, and exists as long as the queue.
    unsafe { make(vdev, &spec, Some(pages.cast())) }
}

/// Deletes a queue, and its memory if the queue allocated it.
#[no_mangle]
pub(crate) unsafe extern "C" fn vring_del_virtqueue(vq: *mut virtqueue) {
    // SAFETY: By the contract of `vring_del_virtqueue`, `vq` is a queue, and no code uses it after
    // this.
    unsafe { Queue::from_raw(vq).vdev().remove_queue(vq) };
}

/// Clears the ring and transport features that this ring does not support.
#[no_mangle]
pub(crate) unsafe extern "C" fn vring_transport_features(vdev: *mut virtio_device) {
    // SAFETY: By the contract of `vring_transport_features`, `vdev` is a device whose features are
    // being negotiated.
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

/// Returns the word that notifies the device, with `VIRTIO_F_NOTIFICATION_DATA`.
#[no_mangle]
pub(crate) unsafe extern "C" fn vring_notification_data(vq: *mut virtqueue) -> u32 {
    // SAFETY: By the contract of `vring_notification_data`, `vq` is a queue; its index does not
    // change.
    let (queue, index) = unsafe { (Queue::from_raw(vq), (*vq).index) };
    // CAST: There are at most 2^16 queues.
    with_lockless!(queue, |state| state.notification_data(index as u16))
}
