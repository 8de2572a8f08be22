// SPDX-License-Identifier: GPL-2.0

//! Transport operations of a device that is bound to a Rust driver.
//!
//! The virtio core resets devices through the operations of the transport: at removal, at shutdown,
//! and at wake-up. The reset of some transports waits until the device answers, possibly for ever.
//! So a bound device has a copy of the operations with a [bounded reset](super::reset), also for
//! [a single queue](super::queue_reset). A device that does not answer the reset gets a second
//! copy, in which no operation touches the device or waits for it.
//!
//! There is one pair of copies for each transport. They are freed when the module is unloaded,
//! because the core reads the operations of a device without a lock.

use super::Device;
use crate::bindings;
use core::{
    ffi::c_void,
    ptr::null_mut, //
};
use kernel::{
    device::Bound,
    error::from_result,
    ffi::{
        c_int,
        c_uint, //
    },
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Full, //
    },
};

/// The operations of a transport, and the copies of them.
pub(crate) struct Tables {
    /// The operations of the transport, as they are.
    pub(crate) transport: bindings::virtio_config_ops,
    /// The operations of a device in use.
    in_use: bindings::virtio_config_ops,
    /// The operations of a device that was given up.
    given_up: bindings::virtio_config_ops,
    next: *mut Tables,
}

/// The first of all pairs. Only [`free_all`] removes pairs.
static FIRST: Atomic<*mut c_void> = Atomic::new(null_mut());

/// Frees all pairs. No device has one, or will have one. Process context.
pub(crate) fn free_all() {
    let mut next = FIRST.xchg(null_mut(), Full).cast::<Tables>();
    while !next.is_null() {
        // SAFETY: The pair came from `KBox::into_raw` in `Tables::of`, and no device uses it.
        let tables = unsafe { KBox::from_raw(next) };
        next = tables.next;
    }
}

impl Tables {
    /// Returns the copies of the operations of a transport. Makes them for the first device of the
    /// transport.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn of(transport: &bindings::virtio_config_ops) -> Result<&'static Self> {
        let mut new: Option<KBox<Self>> = None;
        loop {
            let first = FIRST.load(Acquire);
            if let Some(found) = Self::find(first.cast(), transport) {
                return Ok(found);
            }
            let mut tables = match new.take() {
                Some(tables) => tables,
                None => KBox::new(Self::new(transport), GFP_KERNEL)?,
            };
            tables.next = first.cast();
            let raw = KBox::into_raw(tables);
            if FIRST.cmpxchg(first, raw.cast(), Full).is_ok() {
                // SAFETY: The pair exists until `free_all`, and does not change.
                return Ok(unsafe { &*raw });
            }
            // SAFETY: The pair came from `into_raw` just now, and was not published.
            new = Some(unsafe { KBox::from_raw(raw) });
        }
    }

    fn find(mut at: *const Self, transport: &bindings::virtio_config_ops) -> Option<&'static Self> {
        // SAFETY: Pairs exist until `free_all`, and do not change.
        while let Some(tables) = unsafe { at.as_ref() } {
            if words(&tables.transport) == words(transport) {
                return Some(tables);
            }
            at = tables.next;
        }
        None
    }

    fn new(transport: &bindings::virtio_config_ops) -> Self {
        let in_use = bindings::virtio_config_ops {
            reset: Some(reset),
            disable_vq_and_reset: transport
                .disable_vq_and_reset
                .and(Some(disable_vq_and_reset)),
            set_status: Some(set_status),
            ..*transport
        };
        let given_up = bindings::virtio_config_ops {
            get: transport.get.and(Some(given_up::get)),
            set: transport.set.and(Some(given_up::set)),
            generation: transport.generation.and(Some(given_up::generation)),
            get_status: Some(given_up::get_status),
            set_status: Some(given_up::set_status),
            find_vqs: Some(given_up::find_vqs),
            get_features: transport.get_features.and(Some(given_up::get_features)),
            get_extended_features: transport
                .get_extended_features
                .and(Some(given_up::get_extended_features)),
            finalize_features: Some(given_up::finalize_features),
            disable_vq_and_reset: transport.disable_vq_and_reset.and(Some(given_up::refuse)),
            enable_vq_after_reset: transport.enable_vq_after_reset.and(Some(given_up::refuse)),
            ..in_use
        };
        Self {
            transport: *transport,
            in_use,
            given_up,
            next: null_mut(),
        }
    }

    /// Sets the operations of a device: those of a device in use, or those of a device that was
    /// given up.
    pub(crate) fn install(&'static self, dev: &Device<Bound>, in_use: bool) {
        let ops = if in_use { &self.in_use } else { &self.given_up };
        dev.set_config_ops(ops);
    }
}

/// Returns the operations as numbers, to compare them.
fn words(ops: &bindings::virtio_config_ops) -> &[usize] {
    const SIZE: usize = size_of::<bindings::virtio_config_ops>();
    const {
        assert!(SIZE % size_of::<usize>() == 0);
        assert!(align_of::<bindings::virtio_config_ops>() == align_of::<usize>());
    }
    // SAFETY: The structure has only pointers to functions, so it has no padding. It lives as long
    // as the result.
    unsafe { core::slice::from_raw_parts((&raw const *ops).cast(), SIZE / size_of::<usize>()) }
}

/// Returns the device of an operation.
///
/// # Safety
///
/// Called by an operation of the tables, on behalf of code that may rely on the device being bound.
/// A device has these operations only while a driver is bound.
unsafe fn bound<'a>(vdev: *mut bindings::virtio_device) -> &'a Device<Bound> {
    // SAFETY: By the safety requirements; `Device` is a transparent wrapper.
    unsafe { &*vdev.cast::<Device<Bound>>() }
}

/// `config->reset`, with a time limit.
extern "C" fn reset(vdev: *mut bindings::virtio_device) {
    // SAFETY: The core resets a device on behalf of its driver.
    let dev = unsafe { bound(vdev) };
    super::reset::reset(dev);
}

/// `config->disable_vq_and_reset`, with a time limit. Called by the ring with `owner` held.
extern "C" fn disable_vq_and_reset(vq: *mut bindings::virtqueue) -> c_int {
    // SAFETY: The ring passes a queue of a device whose driver is bound.
    let (dev, index) = unsafe { (bound((*vq).vdev), (*vq).index) };
    from_result(|| {
        let tables = dev.bind_state().tables();
        let disable = tables.transport.disable_vq_and_reset.ok_or(ENOENT)?;
        super::queue_reset::reset_with_limit(dev, index)?;
        // Used buffers are taken before the call, because the transport may mark the queue broken.
        // They are taken again after it, because some transports ask the device only then, and the
        // device may use buffers until that.
        // SAFETY: The ring has called this as a part of a reset or resize, and does not use itself
        // before the call returns. After `disable` has succeeded, the device does not use the ring
        // either.
        unsafe {
            crate::queue::take_used(dev);
            let ret = disable(vq);
            if ret == 0 {
                crate::queue::take_used(dev);
            }
            Ok(ret)
        }
    })
}

/// `config->set_status`. If the core sets FAILED, tells the driver where necessary.
extern "C" fn set_status(vdev: *mut bindings::virtio_device, status: u8) {
    // SAFETY: The core sets the status of a device that is bound, or being bound or unbound.
    let dev = unsafe { bound(vdev) };
    let status = super::power::without_old_failure(dev, status);
    if let Some(set_status) = dev.bind_state().tables().transport.set_status {
        // SAFETY: This is the transport's operation for its device.
        unsafe { set_status(vdev, status) };
    }
    super::power::check_status(dev, status);
}

/// The operations of a device that was given up. They do not touch the device.
mod given_up {
    use super::*;

    pub(super) extern "C" fn get(
        _vdev: *mut bindings::virtio_device,
        _offset: c_uint,
        buf: *mut c_void,
        len: c_uint,
    ) {
        // SAFETY: The caller passes `len` writable bytes.
        unsafe { buf.cast::<u8>().write_bytes(0, len as usize) };
    }

    pub(super) extern "C" fn set(
        _vdev: *mut bindings::virtio_device,
        _offset: c_uint,
        _buf: *const c_void,
        _len: c_uint,
    ) {
    }

    pub(super) extern "C" fn generation(_vdev: *mut bindings::virtio_device) -> u32 {
        0
    }

    /// `config->get_status`: 0, as for a device in reset.
    pub(super) extern "C" fn get_status(_vdev: *mut bindings::virtio_device) -> u8 {
        0
    }

    pub(super) extern "C" fn set_status(vdev: *mut bindings::virtio_device, status: u8) {
        // SAFETY: The core sets the status of a device that is bound, or being bound or unbound.
        let dev = unsafe { bound(vdev) };
        let status = crate::device::power::without_old_failure(dev, status);
        crate::device::power::check_status(dev, status);
    }

    pub(super) extern "C" fn find_vqs(
        _vdev: *mut bindings::virtio_device,
        _nvqs: c_uint,
        _vqs: *mut *mut bindings::virtqueue,
        _infos: *mut bindings::virtqueue_info,
        _desc: *mut bindings::irq_affinity,
    ) -> c_int {
        ENODEV.to_errno()
    }

    pub(super) extern "C" fn get_features(_vdev: *mut bindings::virtio_device) -> u64 {
        0
    }

    pub(super) extern "C" fn get_extended_features(
        _vdev: *mut bindings::virtio_device,
        features: *mut u64,
    ) {
        // SAFETY: The caller passes an array of as many bits as there are features.
        unsafe { features.cast::<[u64; 2]>().write([0; 2]) };
    }

    pub(super) extern "C" fn finalize_features(_vdev: *mut bindings::virtio_device) -> c_int {
        ENODEV.to_errno()
    }

    pub(super) extern "C" fn refuse(_vq: *mut bindings::virtqueue) -> c_int {
        ENODEV.to_errno()
    }
}
