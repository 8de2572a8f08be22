// SPDX-License-Identifier: GPL-2.0

//! The transport: `struct virtio_config_ops` of a fake device.

pub(crate) mod queues;

use self::queues::{
    del_vqs,
    disable_vq_and_reset,
    enable_vq_after_reset,
    find_vqs,
    set_vq_affinity, //
};
use crate::{
    bindings,
    device::{
        FakeDevice,
        PLUGGED, //
    },
    fake::Fake,
    spec::{
        Spec,
        RING_RESET, //
    }, //
};
use core::ffi::c_void;
use kernel::{
    ffi::{
        c_char,
        c_int,
        c_uint, //
    },
    prelude::*,
    sync::{
        atomic::Acquire,
        Arc,
        ArcBorrow, //
    },
};

const STATUS_DRIVER_OK: u8 = bindings::VIRTIO_CONFIG_S_DRIVER_OK as u8;
const STATUS_FAILED: u8 = bindings::VIRTIO_CONFIG_S_FAILED as u8;
const STATUS_FEATURES_OK: u8 = bindings::VIRTIO_CONFIG_S_FEATURES_OK as u8;

/// Returns the operations of a device.
pub(crate) fn operations(spec: &Spec) -> bindings::virtio_config_ops {
    bindings::virtio_config_ops {
        get: if spec.has_config { Some(get) } else { None },
        set: if spec.has_config { Some(set) } else { None },
        generation: Some(generation),
        get_status: Some(get_status),
        set_status: Some(set_status),
        reset: Some(reset),
        find_vqs: Some(find_vqs),
        del_vqs: Some(del_vqs),
        synchronize_cbs: Some(synchronize_cbs),
        get_extended_features: Some(get_extended_features),
        finalize_features: Some(finalize_features),
        bus_name: Some(bus_name),
        set_vq_affinity: Some(set_vq_affinity),
        disable_vq_and_reset: Some(disable_vq_and_reset),
        enable_vq_after_reset: Some(enable_vq_after_reset),
        ..Default::default()
    }
}

/// Returns the features that the core stores in the device.
///
/// # Safety
///
/// `vdev` is valid.
unsafe fn features(vdev: *mut bindings::virtio_device) -> *mut [u64; 2] {
    // SAFETY: `vdev` is valid (safety requirements). The field is a union of the low word and of
    // both words.
    unsafe { &raw mut (*vdev).__bindgen_anon_1 }.cast()
}

fn has(features: [u64; 2], bit: u32) -> bool {
    features
        .get(bit as usize / 64)
        .is_some_and(|word| word >> (bit % 64) & 1 != 0)
}

extern "C" fn get(
    vdev: *mut bindings::virtio_device,
    offset: c_uint,
    buf: *mut c_void,
    len: c_uint,
) {
    // SAFETY: The core calls the operations of a registered device.
    let device = unsafe { FakeDevice::from_vdev(vdev) };
    // SAFETY: The caller passes `len` writable bytes.
    unsafe { buf.cast::<u8>().write_bytes(0xff, len as usize) };
    // SAFETY: As above; they are initialised now.
    let to = unsafe { core::slice::from_raw_parts_mut(buf.cast::<u8>(), len as usize) };

    let mut guard = device.regs.lock();
    let regs = &mut *guard;
    if regs.faults.gone {
        return;
    }
    let nth = regs.config_reads;
    regs.config_reads += 1;
    if device.backend.config_read(nth, &mut regs.config) {
        regs.generation = regs.generation.wrapping_add(1);
    }
    let start = offset as usize;
    match regs.config.get(start..start + to.len()) {
        Some(from) => to.copy_from_slice(from),
        None => regs.out_of_range += 1,
    }
}

extern "C" fn set(
    vdev: *mut bindings::virtio_device,
    offset: c_uint,
    buf: *const c_void,
    len: c_uint,
) {
    // SAFETY: The core calls the operations of a registered device.
    let device = unsafe { FakeDevice::from_vdev(vdev) };
    // SAFETY: The caller passes `len` readable bytes.
    let from = unsafe { core::slice::from_raw_parts(buf.cast::<u8>(), len as usize) };

    let mut guard = device.regs.lock();
    let regs = &mut *guard;
    if regs.faults.gone {
        return;
    }
    if regs.faults.config_stays {
        return;
    }
    let start = offset as usize;
    match regs.config.get_mut(start..start + from.len()) {
        Some(to) => {
            to.copy_from_slice(from);
            device.backend.config_written(start, from);
        }
        None => regs.out_of_range += 1,
    }
}

extern "C" fn generation(vdev: *mut bindings::virtio_device) -> u32 {
    // SAFETY: The core calls the operations of a registered device.
    let device = unsafe { FakeDevice::from_vdev(vdev) };
    let mut regs = device.regs.lock();
    if regs.faults.restless_config > 0 {
        regs.faults.restless_config -= 1;
        regs.generation = regs.generation.wrapping_add(1);
    }
    regs.generation
}

extern "C" fn get_status(vdev: *mut bindings::virtio_device) -> u8 {
    // SAFETY: The core calls the operations of a registered device.
    let mut regs = unsafe { FakeDevice::from_vdev(vdev) }.regs.lock();
    regs.status_reads += 1;
    match (regs.faults.gone, regs.given_up) {
        (false, _) => regs.status,
        (true, false) => 0xff,
        (true, true) => 0,
    }
}

extern "C" fn set_status(vdev: *mut bindings::virtio_device, mut status: u8) {
    // SAFETY: The core calls the operations of a registered device, which is in an `Arc`.
    let device = unsafe { ArcBorrow::from_raw(FakeDevice::container(vdev)) };
    {
        let mut regs = device.regs.lock();
        if regs.faults.gone {
            return;
        }
        if regs.faults.refuse_features {
            status &= !STATUS_FEATURES_OK;
        }
        regs.set_status(status);
    }
    if device.stage.load(Acquire) == PLUGGED {
        // SAFETY: The core sets the status of a device that is ready for configuration changes.
        // Unplugging disconnects the line.
        unsafe { device.config_line.connect(vdev.cast()) };
    }
    if status & STATUS_DRIVER_OK != 0 {
        device.set_live(true);
        Arc::from(device).wake();
    }
}

extern "C" fn reset(vdev: *mut bindings::virtio_device) {
    // SAFETY: The core calls the operations of a registered device.
    let device = unsafe { FakeDevice::from_vdev(vdev) };
    {
        let mut queues = device.queues.lock();
        let mut regs = device.regs.lock();
        regs.resets += 1;
        regs.note_memory();
        if regs.faults.reset_ignored {
            return;
        }
        if regs.faults.reset_refused {
            regs.status |= STATUS_FAILED;
            return;
        }
        regs.given_up = regs.faults.gone;
        regs.set_status(0);
        regs.driver_features = [0; 2];
        device.set_live(false);
        drop(regs);
        for queue in queues.iter_mut() {
            queue.ring = None;
            queue.held.clear();
            queue.lost.clear();
        }
    }
    synchronize(device);
}

fn synchronize(device: &FakeDevice) {
    for line in &device.lines {
        line.sync();
    }
}

extern "C" fn synchronize_cbs(vdev: *mut bindings::virtio_device) {
    // SAFETY: The core calls the operations of a registered device.
    synchronize(unsafe { FakeDevice::from_vdev(vdev) });
}

extern "C" fn get_extended_features(vdev: *mut bindings::virtio_device, to: *mut u64) {
    // SAFETY: The core calls the operations of a registered device.
    let device = unsafe { FakeDevice::from_vdev(vdev) };
    // SAFETY: The core passes an array of 128 bits.
    unsafe { to.cast::<[u64; 2]>().write(device.spec.features) };
}

extern "C" fn finalize_features(vdev: *mut bindings::virtio_device) -> c_int {
    // SAFETY: The core calls the operations of a registered device.
    let device = unsafe { FakeDevice::from_vdev(vdev) };
    // SAFETY: `vdev` is valid, and negotiates.
    unsafe {
        let negotiated = features(vdev);
        // The transport knows this bit, and the ring does not.
        let reset = (*negotiated)[0] & device.spec.features[0] & (1 << RING_RESET);
        bindings::vring_transport_features(vdev);
        (*negotiated)[0] |= reset;
        device.regs.lock().driver_features = negotiated.read();
    }
    0
}

extern "C" fn bus_name(_vdev: *mut bindings::virtio_device) -> *const c_char {
    c"virtio-fake".as_char_ptr()
}

/// Delivers a queue's interrupt.
///
/// # Safety
///
/// `vq` is a valid queue.
pub(crate) unsafe fn deliver_queue(vq: *mut c_void) -> bool {
    // SAFETY: By the safety requirements, `vq` is a valid queue; this transport's are vrings.
    let ret = unsafe { bindings::vring_interrupt(0, vq) };
    ret.0 != bindings::irqreturn::IRQ_NONE.0
}

/// Delivers a configuration interrupt.
///
/// # Safety
///
/// `vdev` is a registered device.
pub(crate) unsafe fn deliver_config(vdev: *mut c_void) -> bool {
    // SAFETY: By the safety requirements, `vdev` is a registered device.
    unsafe { bindings::virtio_config_changed(vdev.cast()) };
    true
}

/// Returns the fake device of a device, if it is one.
pub(crate) fn fake_of(dev: &virtio::Device<kernel::device::Bound>) -> Option<Fake> {
    let vdev = dev.as_raw().cast::<bindings::virtio_device>();
    // SAFETY: The device is valid, and its transport has set the operations.
    let found = unsafe { (*(*vdev).config).find_vqs };
    let ours: unsafe extern "C" fn(_, _, _, _, _) -> _ = find_vqs;
    if !found.is_some_and(|f| core::ptr::fn_addr_eq(f, ours)) {
        return None;
    }
    // SAFETY: Only devices of this crate have this operation. They are in an `Arc`.
    Some(Fake(Arc::from(unsafe {
        ArcBorrow::from_raw(FakeDevice::container(vdev))
    })))
}
