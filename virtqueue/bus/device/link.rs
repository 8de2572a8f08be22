// SPDX-License-Identifier: GPL-2.0

//! A weak reference to a device, for owners that may outlive its binding.

use super::{
    restart::Exclusive,
    Device, //
};
use crate::bindings;
use core::ptr::NonNull;
use kernel::{
    device::Bound,
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};

/// Leads to a device as long as a driver is bound to it.
///
/// Objects of a subsystem live until their last user is gone, which may be long after the device
/// went. They keep a link, and find out through it.
#[derive(Clone)]
pub struct DeviceLink {
    inner: Arc<Inner>,
}

/// # Invariants
///
/// The device is bound while it is here: it is taken out before any of the device's managed
/// resources is released, which come before the end of the binding.
#[pin_data]
struct Inner {
    #[pin]
    dev: Mutex<Option<Target>>,
}

struct Target(NonNull<bindings::virtio_device>);

impl Inner {
    /// Returns the device, of what is under the lock.
    ///
    /// # Errors
    ///
    /// `ENODEV`: the binding is over.
    fn device(target: &Option<Target>) -> Result<&Device<Bound>> {
        let target = target.as_ref().ok_or(ENODEV)?;
        // SAFETY: The device is bound as long as the lock is held (type invariant), which the
        // borrow sees to; `Device` is a transparent wrapper.
        Ok(unsafe { target.0.cast::<Device<Bound>>().as_ref() })
    }
}

// SAFETY: A bound device may be used from any thread.
unsafe impl Send for Target {}

/// The links to a device that is bound: from when its driver is asked whether it wants the device,
/// until the driver is done with the device.
#[pin_data]
pub(crate) struct Links {
    #[pin]
    all: Mutex<Option<KVec<DeviceLink>>>,
}

impl Links {
    /// None yet, and none can be made.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            all <- new_mutex!(None),
        })
    }

    /// Lets links be made. [`Links::cut`] is called before any of the device's managed resources is
    /// released. Process context, sleeps.
    pub(crate) fn open(&self) {
        *self.all.lock() = Some(KVec::new());
    }

    /// Ends all links, as [`DeviceLink::cut`], and has nobody make another one: the driver is done
    /// with the device. Process context, sleeps.
    pub(crate) fn cut(&self) {
        let all = self.all.lock().take();
        for link in all.into_iter().flatten() {
            link.cut();
        }
    }
}

impl DeviceLink {
    /// A link to a device.
    ///
    /// # Errors
    ///
    /// - `ENODEV`: the driver is not probed yet, or the binding is about to end.
    /// - `ENOMEM`.
    pub fn new(dev: &Device<Bound>) -> Result<Self> {
        let target = NonNull::new(dev.as_raw()).map(Target);
        // INVARIANT: The device is bound, and `Adapter` cuts all links before that ends.
        let inner = Arc::pin_init(
            pin_init!(Inner {
                dev <- new_mutex!(target),
            }),
            GFP_KERNEL,
        )?;
        let link = Self { inner };
        match &mut *dev.bind_state().links.all.lock() {
            Some(all) => all.push(link.clone(), GFP_KERNEL)?,
            None => return Err(ENODEV),
        }
        Ok(link)
    }

    /// Runs `f` with the device, or returns `None` if the binding is over.
    ///
    /// The binding does not end before `f` returns: `f` must not wait for that. Process context,
    /// sleeps; does not nest.
    pub fn with<R>(&self, f: impl FnOnce(&Device<Bound>) -> R) -> Option<R> {
        let target = self.inner.dev.lock();
        Inner::device(&target).ok().map(f)
    }

    /// As [`DeviceLink::with`], where nobody else holds on to the device: nothing is waited for, so
    /// that this may be called with I/O held back.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: another thread holds on to the device.
    /// - `ENODEV`: the binding is over.
    pub fn try_with<R>(&self, f: impl FnOnce(&Device<Bound>) -> R) -> Result<R> {
        let target = self.inner.dev.try_lock().ok_or(EBUSY)?;
        Inner::device(&target).map(f)
    }

    /// Runs `f` with the device to itself, to start it anew. Process context, sleeps; does not
    /// nest.
    ///
    /// The lock is tried and not waited for: its holder may wait for what the driver has under way.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: the device is just being probed, removed, put to sleep or woken up, its function
    ///   is reset, or it sleeps. If the driver does not know of any of these, it should try again
    ///   soon.
    /// - `ENODEV`: the binding is over.
    pub fn try_exclusive<R>(&self, f: impl FnOnce(&Exclusive<'_>) -> R) -> Result<R> {
        self.with(|dev| Ok(f(&Exclusive::try_take(dev)?)))
            .ok_or(ENODEV)?
    }

    /// Ends the link before the binding ends, and waits for those who use it. Process context,
    /// sleeps.
    pub fn cut(&self) {
        *self.inner.dev.lock() = None;
    }
}
