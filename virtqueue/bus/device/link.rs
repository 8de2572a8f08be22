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
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex, //
    },
};

/// Leads to a device as long as a driver is bound to it.
///
/// Objects of a subsystem live until their last user is gone, which may be long after the device
/// went. They keep a link, and find out through it.
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
    /// The number of values of [`DeviceLink`] that share this.
    owners: Atomic<i32>,
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

    /// Ends the link, and waits for the threads that use it. Process context, sleeps.
    fn cut(&self) {
        *self.dev.lock() = None;
    }
}

// SAFETY: A bound device may be used from any thread.
unsafe impl Send for Target {}

/// The links to a device that is bound: from when its driver is asked whether it wants the device,
/// until the driver is done with the device.
#[pin_data]
pub(crate) struct Links {
    /// A link that has no owner any more stays here until the next link is made.
    #[pin]
    all: Mutex<Option<KVec<Arc<Inner>>>>,
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

    /// Makes a link to `target`, the device whose links these are, and forgets the links that have
    /// no owner any more. A test has no device.
    ///
    /// # Errors
    ///
    /// As [`DeviceLink::new`].
    fn make(&self, target: Option<Target>) -> Result<DeviceLink> {
        // INVARIANT: The caller has `target` as a bound device, and `Adapter` cuts all links before
        // that ends.
        let inner = Arc::pin_init(
            pin_init!(Inner {
                dev <- new_mutex!(target),
                owners: Atomic::new(1),
            }),
            GFP_KERNEL,
        )?;
        let link = DeviceLink { inner };
        match &mut *self.all.lock() {
            Some(all) => {
                // A link that has no owner gets none again.
                all.retain(|one| one.owners.load(Relaxed) != 0);
                all.push(link.inner.clone(), GFP_KERNEL)?;
            }
            None => return Err(ENODEV),
        }
        Ok(link)
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
        dev.bind_state().links.make(target)
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
        self.inner.cut();
    }
}

impl Clone for DeviceLink {
    fn clone(&self) -> Self {
        self.inner.owners.fetch_add(1, Relaxed);
        Self {
            inner: self.inner.clone(),
        }
    }
}

impl Drop for DeviceLink {
    fn drop(&mut self) {
        self.inner.owners.fetch_sub(1, Relaxed);
    }
}

#[kernel::prelude::kunit_tests(rust_virtio_link)]
mod tests {
    use super::*;

    /// Whether a link is in the list, and the length of the list.
    fn look(links: &Links, link: &DeviceLink) -> (bool, usize) {
        let all = links.all.lock();
        let all = all.as_deref().unwrap_or_default();
        let found = all.iter().any(|one| Arc::ptr_eq(one, &link.inner));
        (found, all.len())
    }

    /// A link that was dropped leaves the list, and the clone of a link keeps the link there.
    #[test]
    fn dropped_links_are_forgotten() -> Result {
        let links = KBox::pin_init(Links::new(), GFP_KERNEL)?;
        links.open();
        let first = links.make(None)?;
        let kept = first.clone();
        drop(first);
        for _ in 0..100 {
            drop(links.make(None)?.clone());
        }
        let last = links.make(None)?;
        assert_eq!(look(&links, &kept), (true, 2));
        assert_eq!(look(&links, &last), (true, 2));
        Ok(())
    }

    /// No link is made before the list is open, nor after all links were cut.
    #[test]
    fn none_is_made_when_closed() -> Result {
        let links = KBox::pin_init(Links::new(), GFP_KERNEL)?;
        assert_eq!(links.make(None).err(), Some(ENODEV));
        links.open();
        let link = links.make(None)?;
        links.cut();
        assert_eq!(links.make(None).err(), Some(ENODEV));
        assert_eq!(look(&links, &link), (false, 0));
        Ok(())
    }
}
