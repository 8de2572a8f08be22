// SPDX-License-Identifier: GPL-2.0

//! NAPI instances, each with its event source.

use super::Source;
use crate::{
    bindings,
    rtnl::DevLock, //
};
use core::cell::UnsafeCell;
use kernel::{
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    types::Opaque, //
};

/// A NAPI instance and its event source. `napi` is the first field, so that both have the same
/// address.
///
/// # Invariants
///
/// - `napi` is registered with `dev` until [`Instance::unregister`]. `enabled` says whether it is
///   enabled, and is written with the lock of the queues of `dev` held.
/// - `source` is written only a grace period after the instance was disabled, with that lock and
///   the device's mutex of sources held. For a transmit queue, the queue is locked, too.
#[repr(C)]
pub(crate) struct Instance<S> {
    pub(super) napi: Opaque<bindings::napi_struct>,
    pub(crate) dev: *mut bindings::net_device,
    pub(crate) index: u32,
    enabled: Atomic<bool>,
    pub(super) source: UnsafeCell<Option<S>>,
}

impl<S: Source> Instance<S> {
    pub(super) fn new(dev: *mut bindings::net_device, index: u32) -> Self {
        Self {
            napi: Opaque::zeroed(),
            dev,
            index,
            enabled: Atomic::new(false),
            source: UnsafeCell::new(None),
        }
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.enabled.load(Relaxed)
    }

    pub(super) fn enable(&self, kind: bindings::netdev_queue_type, lock: &mut DevLock) {
        if self.is_enabled() {
            return;
        }
        self.enabled.store(true, Relaxed);
        // SAFETY: The instance is registered (type invariant) and disabled. The lock that
        // `netif_queue_set_napi` needs is held. `napi_enable` takes the lock of the device.
        unsafe {
            if lock.has_lock_of(self.dev) {
                bindings::napi_enable_locked(self.napi.get());
            } else {
                bindings::napi_enable(self.napi.get());
            }
            bindings::netif_queue_set_napi(self.dev, self.index, kind, self.napi.get());
        }
        self.schedule_now();
    }

    pub(super) fn disable(&self, kind: bindings::netdev_queue_type, lock: &mut DevLock) {
        if !self.is_enabled() {
            return;
        }
        // SAFETY: The instance is registered (type invariant) and enabled. The lock that
        // `netif_queue_set_napi` needs is held, or the device is not registered. `napi_disable`
        // takes the lock of the device.
        unsafe {
            bindings::netif_queue_set_napi(self.dev, self.index, kind, core::ptr::null_mut());
            if lock.has_lock_of(self.dev) {
                bindings::napi_disable_locked(self.napi.get());
            } else {
                bindings::napi_disable(self.napi.get());
            }
        }
        self.enabled.store(false, Relaxed);
    }

    /// Schedules the instance from process context, as an event of its source does.
    pub(super) fn schedule_now(&self) {
        // SAFETY: May be called in process context; enabling runs the softirq.
        unsafe { bindings::local_bh_disable() };
        match self.source() {
            Some(source) => self.schedule(source),
            // SAFETY: By the type invariants, the instance is registered.
            None => unsafe {
                if bindings::napi_schedule_prep(self.napi.get()) {
                    bindings::__napi_schedule(self.napi.get());
                }
            },
        }
        // SAFETY: BHs were disabled above, in process context, where the softirq may run.
        unsafe { bindings::local_bh_enable() };
    }

    /// Schedules the instance from process or softirq context. Does not use the source.
    pub(super) fn schedule_bare(&self) {
        // SAFETY: May be called in any such context; enabling runs the softirq. By the type
        // invariants, the instance is registered.
        unsafe {
            bindings::local_bh_disable();
            if bindings::napi_schedule_prep(self.napi.get()) {
                bindings::__napi_schedule(self.napi.get());
            }
            bindings::local_bh_enable();
        }
    }

    /// Schedules the instance and disables its source, if it is enabled and not scheduled yet.
    #[inline]
    pub(super) fn schedule(&self, source: &impl Source) {
        // SAFETY: By the type invariants, the instance is registered.
        unsafe {
            if bindings::napi_schedule_prep(self.napi.get()) {
                source.disable();
                bindings::__napi_schedule(self.napi.get());
            }
        }
    }

    /// Disables the source, and schedules the instance if it is enabled and not scheduled yet.
    /// Returns whether it was scheduled.
    ///
    /// If it was not, its poll is running or will run, or will be scheduled when it is enabled. The
    /// poll enables the source.
    #[inline]
    pub(crate) fn schedule_disabled(&self, source: &impl Source) -> bool {
        // Disable before scheduling: the poll enables the source when it completes. Disabling after
        // that would lose every later event.
        source.disable();
        // SAFETY: By the type invariants, the instance is registered.
        unsafe {
            let scheduled = bindings::napi_schedule_prep(self.napi.get());
            if scheduled {
                bindings::__napi_schedule(self.napi.get());
            }
            scheduled
        }
    }

    /// Returns the source. Callers keep it no longer than the poll, the locked section or the
    /// callback.
    #[inline]
    pub(super) fn source(&self) -> Option<&S> {
        // SAFETY: By the type invariants, the source is written only when no poll is running, and
        // none can start. Other callers than polls hold one of the locks that a write needs.
        unsafe { &*self.source.get() }.as_ref()
    }

    /// Unregisters the instance.
    ///
    /// # Safety
    ///
    /// The instance is registered and disabled, and is not used again. The caller waits for a grace
    /// period before it frees the instance.
    pub(super) unsafe fn unregister(&self) {
        // SAFETY: By the safety requirements, the instance is registered and disabled, and is freed
        // only after a grace period.
        unsafe { bindings::__netif_napi_del(self.napi.get()) };
    }
}
