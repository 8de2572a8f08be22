// SPDX-License-Identifier: GPL-2.0

//! Creating, deleting, resetting and notifying the queues of a fake device.

use super::{
    features,
    has,
    STATUS_DRIVER_OK, //
};
use crate::{
    bindings,
    device::{
        queue_target,
        FakeDevice,
        Queue, //
    },
    packed::Packed,
    ring::DeviceRing,
    spec::{
        EVENT_IDX,
        RING_PACKED,
        RING_RESET,
        VERSION_1, //
    },
    split::Split, //
};
use core::ptr::null_mut;
use kernel::{
    alloc::KVec,
    error::{
        from_result,
        Error, //
    },
    ffi::{
        c_int,
        c_uint, //
    },
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
};

/// Alignment of the parts of a split ring.
pub(crate) const RING_ALIGN: c_uint = 64;

/// The time between two checks whether the reset of a queue should end.
const PAUSE: Delta = Delta::from_millis(1);

/// Records a hint for the CPU of a queue's interrupt.
///
/// # Safety
///
/// `vq` is a queue of a fake device, and `mask` is null or a valid mask.
pub(super) unsafe extern "C" fn set_vq_affinity(
    vq: *mut bindings::virtqueue,
    mask: *const bindings::cpumask,
) -> c_int {
    // SAFETY: The caller passes a queue of a registered device.
    let (device, index) = unsafe { (FakeDevice::from_vdev((*vq).vdev), (*vq).index) };
    let cpu = if mask.is_null() {
        None
    } else {
        // SAFETY: The caller passes a valid mask.
        Some(unsafe { bindings::rust_virtio_fake_cpumask_first(mask) })
    };
    // A full log drops further entries.
    let _ = device
        .regs
        .lock()
        .affinity
        .push_within_capacity((index, cpu));
    0
}

/// Makes the queues that a driver asks for.
///
/// # Safety
///
/// `vdev` is that of a fake device; the arrays have `nvqs` entries.
pub(super) unsafe extern "C" fn find_vqs(
    vdev: *mut bindings::virtio_device,
    nvqs: c_uint,
    vqs: *mut *mut bindings::virtqueue,
    infos: *mut bindings::virtqueue_info,
    _desc: *mut bindings::irq_affinity,
) -> c_int {
    // SAFETY: The core calls the operations of a registered device.
    let device = unsafe { FakeDevice::from_vdev(vdev) };
    from_result(|| {
        let errno = {
            let mut regs = device.regs.lock();
            regs.note_memory();
            match core::mem::take(&mut regs.faults.find_vqs_once) {
                0 => regs.faults.find_vqs,
                once => once,
            }
        };
        if errno != 0 {
            return Err(Error::from_errno(-errno));
        }
        device.backend.finding();
        for i in 0..nvqs as usize {
            // SAFETY: The caller passes arrays of `nvqs` entries.
            let (vq, info) = unsafe { (&mut *vqs.add(i), &*infos.add(i)) };
            *vq = null_mut();
            if info.name.is_null() {
                continue;
            }
            // SAFETY: `vdev` is the valid device of `device`.
            match unsafe { make_queue(device, vdev, info) } {
                Ok(new) => *vq = new,
                Err(e) => {
                    // SAFETY: The driver has got no queue.
                    unsafe { del_vqs(vdev) };
                    return Err(e);
                }
            }
        }
        Ok(0)
    })
}

/// Makes the next queue.
///
/// # Safety
///
/// `vdev` is that of `device`; the name of `info` lives as long as the queue.
unsafe fn make_queue(
    device: &FakeDevice,
    vdev: *mut bindings::virtio_device,
    info: &bindings::virtqueue_info,
) -> Result<*mut bindings::virtqueue> {
    let mut queues = device.queues.lock();
    let index = queues.len();
    let num = match (
        device.spec.queues.get(index).copied().unwrap_or(0),
        device.regs.lock().faults.queue_size,
    ) {
        (0, _) => return Err(ENOENT),
        (num, 0) => num.into(),
        (_, num) => num,
    };
    let line = device.line(index)?;
    // SAFETY: `vdev` is registered. The name and the account live as long as the queue.
    let vq = unsafe {
        if device.spec.has_operations() {
            let vq = bindings::vring_create_virtqueue_map(
                index as c_uint,
                num,
                RING_ALIGN,
                vdev,
                true,
                true,
                info.ctx,
                Some(notify),
                info.callback,
                info.name,
                device.maps.token(),
            );
            if index == 0 {
                // virtio-vdpa sets these at this time, and not before.
                (*vdev).vmap = device.maps.token();
            }
            vq
        } else {
            bindings::vring_create_virtqueue(
                index as c_uint,
                num,
                RING_ALIGN,
                vdev,
                true,
                true,
                info.ctx,
                Some(notify),
                info.callback,
                info.name,
            )
        }
    };
    if vq.is_null() {
        return Err(ENOMEM);
    }
    // SAFETY: `vq` is valid.
    unsafe { (*vq).num_max = num };
    // SAFETY: `vq` is a queue of `vdev`.
    let ring = unsafe { device_ring(device, vq) };
    let queue = Queue {
        vq,
        ring: Some(ring),
        held: KVec::new(),
        lost: KVec::new(),
    };
    if queues.push(queue, GFP_KERNEL).is_err() {
        // SAFETY: No other code has `vq`.
        unsafe { bindings::vring_del_virtqueue(vq) };
        return Err(ENOMEM);
    }
    // SAFETY: `del_vqs` disconnects the queue before it deletes it.
    unsafe { line.connect(queue_target(vq)) };

    if device.regs.lock().faults.early_interrupt {
        if let Some(ring) = queues.get_mut(index).and_then(|q| q.ring.as_mut()) {
            let split = ring.split()?;
            split.write_used(0, 0, 0)?;
            split.set_used_idx(1)?;
            line.raise();
            line.sync();
            split.set_used_idx(0)?;
        }
    }
    Ok(vq)
}

/// Returns the device's side of a new ring.
///
/// # Safety
///
/// `vq` is a queue of `device`.
unsafe fn device_ring(device: &FakeDevice, vq: *mut bindings::virtqueue) -> DeviceRing {
    // SAFETY: `vq` is valid (safety requirements), and has a ring.
    let (num, addrs) = unsafe {
        (
            bindings::virtqueue_get_vring_size(vq) as u16,
            [
                bindings::virtqueue_get_desc_addr(vq),
                bindings::virtqueue_get_avail_addr(vq),
                bindings::virtqueue_get_used_addr(vq),
            ],
        )
    };
    let features = device.regs.lock().driver_features;
    let event_idx = has(features, EVENT_IDX);
    if has(features, RING_PACKED) {
        DeviceRing::Packed(Packed::new(num, addrs, event_idx))
    } else {
        DeviceRing::Split(Split::new(num, addrs, has(features, VERSION_1), event_idx))
    }
}

/// Deletes the queues.
///
/// # Safety
///
/// `vdev` is that of a fake device, and the driver no longer uses its queues.
pub(super) unsafe extern "C" fn del_vqs(vdev: *mut bindings::virtio_device) {
    // SAFETY: The core calls the operations of a registered device.
    let device = unsafe { FakeDevice::from_vdev(vdev) };
    let mut queues = device.queues.lock();
    for line in &device.lines {
        // SAFETY: Null disconnects.
        unsafe { line.connect(null_mut()) };
    }
    for queue in queues.drain_all() {
        // SAFETY: Driver, device and interrupts no longer use the queue.
        unsafe { bindings::vring_del_virtqueue(queue.vq) };
    }
    let mut regs = device.regs.lock();
    if regs.faults.deletion_resets {
        regs.set_status(0);
    }
}

/// Resets one queue.
///
/// # Safety
///
/// `vq` is a queue of a fake device.
pub(super) unsafe extern "C" fn disable_vq_and_reset(vq: *mut bindings::virtqueue) -> c_int {
    // SAFETY: The caller passes a queue of a registered device.
    let (device, index) = unsafe { (FakeDevice::from_vdev((*vq).vdev), (*vq).index as usize) };
    from_result(|| {
        // The features in `vdev`: the core keeps the negotiated ones when the device is reset, and
        // a transport uses these.
        // SAFETY: `vq` is valid, and so is its device.
        if !has(unsafe { features((*vq).vdev).read() }, RING_RESET) {
            return Err(ENOENT);
        }
        let millis = {
            let mut regs = device.regs.lock();
            if regs.faults.queue_reset_fails {
                regs.failed_queue_resets += 1;
                return Err(ETIMEDOUT);
            }
            if regs.faults.queue_reset_ones {
                regs.failed_queue_resets += 1;
                return Err(ENODEV);
            }
            regs.queue_resets += 1;
            regs.faults.queue_reset_millis
        };
        if millis > 0 {
            fsleep(Delta::from_millis(millis.into()));
        }
        while device.regs.lock().faults.queue_reset_waits {
            fsleep(PAUSE);
        }
        let mut queues = device.queues.lock();
        let queue = queues.get_mut(index).ok_or(EINVAL)?;
        queue.ring = None;
        queue.held.clear();
        queue.lost.clear();
        device.line(index)?.sync();
        // SAFETY: `vq` is valid; the transport owns the field.
        unsafe { (*vq).reset = true };
        Ok(0)
    })
}

/// Enables a queue that was reset.
///
/// # Safety
///
/// `vq` is a queue of a fake device, whose ring no code uses.
pub(super) unsafe extern "C" fn enable_vq_after_reset(vq: *mut bindings::virtqueue) -> c_int {
    // SAFETY: The caller passes a queue of a registered device.
    let (device, index) = unsafe { (FakeDevice::from_vdev((*vq).vdev), (*vq).index as usize) };
    from_result(|| {
        let mut queues = device.queues.lock();
        // SAFETY: `vq` is valid; the transport owns the field.
        if !unsafe { (*vq).reset } || device.regs.lock().faults.enable_fails {
            return Err(EBUSY);
        }
        // SAFETY: `vq` is a queue of `device`.
        let ring = unsafe { device_ring(device, vq) };
        queues.get_mut(index).ok_or(EINVAL)?.ring = Some(ring);
        // SAFETY: `vq` is valid; the transport owns the field.
        unsafe { (*vq).reset = false };
        Ok(0)
    })
}

/// Uses a buffer of a queue in reset, in its former ring, and interrupts. Process context, sleeps.
///
/// # Safety
///
/// `vq` is a queue of a fake device.
pub(crate) unsafe fn use_late(vq: *mut bindings::virtqueue) {
    // SAFETY: The caller passes a queue of a registered device.
    let (device, index, in_reset) = unsafe {
        (
            FakeDevice::from_vdev((*vq).vdev),
            (*vq).index as usize,
            (*vq).reset,
        )
    };
    let Some(line) = device.line(index).ok().filter(|_| in_reset) else {
        return;
    };
    // SAFETY: `vq` is a queue of `device`.
    let mut ring = unsafe { device_ring(device, vq) };
    if ring.push(0, 0, 1).is_ok() {
        line.raise();
        line.sync();
    }
}

/// Handles a notification by the driver. Any context.
pub(crate) extern "C" fn notify(vq: *mut bindings::virtqueue) -> bool {
    // SAFETY: The ring passes a queue of a registered device, which is in an `Arc`.
    let (device, index) = unsafe {
        (
            ArcBorrow::from_raw(FakeDevice::container((*vq).vdev)),
            (*vq).index as usize,
        )
    };
    if let Ok(line) = device.line(index) {
        line.count_kick();
    }
    {
        let mut regs = device.regs.lock();
        regs.early_kicks += u64::from(regs.status & STATUS_DRIVER_OK == 0);
        if regs.faults.notify_fails {
            return false;
        }
    }
    Arc::from(device).wake();
    true
}
