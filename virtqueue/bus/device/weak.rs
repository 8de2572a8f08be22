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

/// A weak reference to a device. It gives access to the device while a driver is bound.
///
/// Objects of a subsystem, such as disks, live until their last user is gone. The device may be
/// unbound long before. Such an object keeps a weak reference, and asks it for the device.
pub struct WeakDevice {
    entry: Arc<Entry>,
}

/// The device that the clones of a [`WeakDevice`] share, or none.
///
/// # Invariants
///
/// `dev` is `Some` only while the device is bound: it is cleared before the first managed resource
/// of the device is released.
#[pin_data]
struct Entry {
    #[pin]
    dev: Mutex<Option<Target>>,
    /// The number of values of [`WeakDevice`] that share this entry. Forgotten values stay in the
    /// count, which has 64 bits so that they cannot make it wrap.
    owners: Atomic<i64>,
}

/// The device of a weak reference.
struct Target(NonNull<bindings::virtio_device>);

impl Entry {
    /// Returns the device. `target` is the content of the lock, which stays held.
    ///
    /// # Errors
    ///
    /// `ENODEV`: the binding is over, or the reference was revoked.
    fn device(target: &Option<Target>) -> Result<&Device<Bound>> {
        let target = target.as_ref().ok_or(ENODEV)?;
        // SAFETY: `target` is borrowed from the lock, so the lock stays held, and by the type
        // invariant the device is bound. `Device` is a transparent wrapper.
        Ok(unsafe { target.0.cast::<Device<Bound>>().as_ref() })
    }

    /// Clears the device, and waits for threads that use it. Process context, sleeps.
    fn revoke(&self) {
        *self.dev.lock() = None;
    }
}

// SAFETY: A bound device may be used from any thread.
unsafe impl Send for Target {}

/// All weak references to a device. They exist from `probe` until the binding ends.
#[pin_data]
pub(crate) struct WeakDevices {
    /// `None` while no reference may be made. An entry without owners stays in the list until the
    /// next reference is made.
    #[pin]
    all: Mutex<Option<KVec<Arc<Entry>>>>,
}

impl WeakDevices {
    /// Returns an empty list that accepts no reference yet.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            all <- new_mutex!(None),
        })
    }

    /// Allows references to be made. [`WeakDevices::revoke_all`] is called before any of the
    /// device's managed resources is released. Process context, sleeps.
    pub(crate) fn enable(&self) {
        *self.all.lock() = Some(KVec::new());
    }

    /// Revokes all references, as [`WeakDevice::revoke`] does, and refuses new ones. Process
    /// context, sleeps.
    pub(crate) fn revoke_all(&self) {
        let all = self.all.lock().take();
        for entry in all.into_iter().flatten() {
            entry.revoke();
        }
    }

    /// Makes a reference to `target`, and removes the entries without owners from the list.
    /// `target` is the device of this list, or `None` in a test.
    ///
    /// # Errors
    ///
    /// As [`WeakDevice::new`].
    fn make(&self, target: Option<Target>) -> Result<WeakDevice> {
        // INVARIANT: The caller has `target` as a bound device. `Adapter` revokes all references
        // before the binding ends.
        let entry = Arc::pin_init(
            pin_init!(Entry {
                dev <- new_mutex!(target),
                owners: Atomic::new(1),
            }),
            GFP_KERNEL,
        )?;
        let device = WeakDevice { entry };
        match &mut *self.all.lock() {
            Some(all) => {
                // An entry without owners gets no owner again.
                all.retain(|entry| entry.owners.load(Relaxed) != 0);
                all.push(device.entry.clone(), GFP_KERNEL)?;
            }
            None => return Err(ENODEV),
        }
        Ok(device)
    }
}

impl WeakDevice {
    /// Returns a weak reference to a device.
    ///
    /// # Errors
    ///
    /// - `ENODEV`: the driver is not probed yet, or the binding is about to end.
    /// - `ENOMEM`.
    pub fn new(dev: &Device<Bound>) -> Result<Self> {
        let target = NonNull::new(dev.as_raw()).map(Target);
        dev.bind_state().weak_devices.make(target)
    }

    /// Runs `f` with the device, or returns `None` if the binding is over.
    ///
    /// The binding does not end before `f` returns: `f` must not wait for the end. Process context,
    /// sleeps; does not nest.
    pub fn with<R>(&self, f: impl FnOnce(&Device<Bound>) -> R) -> Option<R> {
        let target = self.entry.dev.lock();
        Entry::device(&target).ok().map(f)
    }

    /// As [`WeakDevice::with`], but returns `EBUSY` instead of waiting for another user of this
    /// reference. So it may be called while requests are held back.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: another thread uses the device by this reference.
    /// - `ENODEV`: the binding is over.
    pub fn try_with<R>(&self, f: impl FnOnce(&Device<Bound>) -> R) -> Result<R> {
        let target = self.entry.dev.try_lock().ok_or(EBUSY)?;
        Entry::device(&target).map(f)
    }

    /// Runs `f` with exclusive access to the device, for a restart. Process context, sleeps; does
    /// not nest.
    ///
    /// Does not wait for the device lock, because the holder of the lock may be waiting for
    /// requests of the driver.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: the device is being probed, removed, put to sleep or woken up, its function is
    ///   being reset, or the device is asleep. If no callback has told the driver so, the driver
    ///   should try again soon.
    /// - `ENODEV`: the binding is over.
    pub fn try_exclusive<R>(&self, f: impl FnOnce(&Exclusive<'_>) -> R) -> Result<R> {
        self.with(|dev| Ok(f(&Exclusive::try_take(dev)?)))
            .ok_or(ENODEV)?
    }

    /// Revokes the reference and its clones, before the binding ends. Waits for threads that use
    /// the device by them. Process context, sleeps.
    pub fn revoke(&self) {
        self.entry.revoke();
    }
}

impl Clone for WeakDevice {
    fn clone(&self) -> Self {
        self.entry.owners.fetch_add(1, Relaxed);
        Self {
            entry: self.entry.clone(),
        }
    }
}

impl Drop for WeakDevice {
    fn drop(&mut self) {
        self.entry.owners.fetch_sub(1, Relaxed);
    }
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(rust_virtio_weak_device)]
mod tests {
    use super::*;

    /// Returns whether a reference is in the list, and the length of the list.
    fn find(list: &WeakDevices, device: &WeakDevice) -> (bool, usize) {
        let all = list.all.lock();
        let all = all.as_deref().unwrap_or_default();
        let found = all.iter().any(|entry| Arc::ptr_eq(entry, &device.entry));
        (found, all.len())
    }

    /// A reference that was dropped leaves the list. A clone keeps its entry in the list.
    #[test]
    fn dropped_references_leave_the_list() -> Result {
        let list = KBox::pin_init(WeakDevices::new(), GFP_KERNEL)?;
        list.enable();
        let first = list.make(None)?;
        let kept = first.clone();
        drop(first);
        for _ in 0..100 {
            drop(list.make(None)?.clone());
        }
        let last = list.make(None)?;
        assert_eq!(find(&list, &kept), (true, 2));
        assert_eq!(find(&list, &last), (true, 2));
        Ok(())
    }

    /// No reference is made before the list is enabled, nor after all references were revoked.
    #[test]
    fn none_is_made_while_disabled() -> Result {
        let list = KBox::pin_init(WeakDevices::new(), GFP_KERNEL)?;
        assert_eq!(list.make(None).err(), Some(ENODEV));
        list.enable();
        let device = list.make(None)?;
        list.revoke_all();
        assert_eq!(list.make(None).err(), Some(ENODEV));
        assert_eq!(find(&list, &device), (false, 0));
        Ok(())
    }
}
