// SPDX-License-Identifier: GPL-2.0

//! Registering a fake device on the virtio bus, and operations of the bus.

use super::Fake;
use crate::{
    bindings,
    device::{
        FakeDevice,
        NEW,
        PLUGGED,
        UNPLUGGED, //
    },
    maps::{
        Addresses,
        OPERATIONS, //
    },
    task::Task, //
};
use core::ptr::null_mut;
use kernel::{
    error::to_result,
    faux,
    prelude::*,
    str::CString,
    sync::{
        atomic::{
            Atomic,
            Full,
            Relaxed,
            Release, //
        },
        Arc, //
    },
};

/// The number of the next parent device. The names of the parents must differ.
static PLUGGED_SO_FAR: Atomic<u64> = Atomic::new(0);

impl Fake {
    /// Registers the device, which is possible once. A loaded driver binds before this returns.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: it was plugged before.
    /// - Any other error of registration.
    pub fn plug(&self) -> Result<Plug> {
        let device = &self.0;
        if device.stage.cmpxchg(NEW, PLUGGED, Full).is_err() {
            return Err(EBUSY);
        }
        let number = PLUGGED_SO_FAR.fetch_add(1, Relaxed);
        let name = CString::try_from_fmt(fmt!("virtio-fake.{}", number))?;
        let parent = faux::Registration::new(&name, None)?;
        if device.spec.has_operations() {
            device.maps.know()?;
        }
        let vdev = device.vdev.get();
        let owner = Arc::into_raw(device.clone());
        // SAFETY: No other code has the device yet. The reference `owner`, which `release` drops,
        // keeps it alive while the device core refers to it. `parent` outlives it.
        let ret = unsafe {
            (*vdev).id.device = device.spec.device;
            (*vdev).id.vendor = device.spec.vendor;
            (*vdev).config = &raw const (*owner).ops;
            if device.spec.has_operations() {
                (*vdev).map = &raw const OPERATIONS;
            }
            let generic: &kernel::device::Device<_> = parent.as_ref().as_ref();
            // `Device` is a transparent wrapper of `struct device`.
            (*vdev).dev.parent = core::ptr::from_ref(generic).cast_mut().cast();
            if device.spec.mapping == Some(Addresses::Dma) {
                bindings::rust_virtio_fake_dma((*vdev).dev.parent);
            }
            (*vdev).dev.release = Some(release);
            to_result(bindings::register_virtio_device(vdev))
        };
        if let Err(e) = ret {
            // SAFETY: A failed registration leaves one reference.
            unsafe { bindings::put_device(&raw mut (*vdev).dev) };
            return Err(e);
        }
        Ok(Plug {
            fake: self.clone(),
            _parent: parent,
        })
    }
}

/// A registered device. Dropping it removes it.
pub struct Plug {
    fake: Fake,
    _parent: faux::Registration,
}

impl Plug {
    /// Returns the device.
    pub fn fake(&self) -> &Fake {
        &self.fake
    }

    /// Puts the device to sleep, as for suspend.
    ///
    /// # Errors
    ///
    /// Any error of the driver.
    #[cfg(CONFIG_PM_SLEEP)]
    pub fn freeze(&self) -> Result {
        // SAFETY: `bound` passes a registered device with a driver.
        self.bound(|vdev| unsafe { bindings::virtio_device_freeze(vdev) })
    }

    /// Wakes the device up.
    ///
    /// # Errors
    ///
    /// Any error of negotiation or of the driver.
    #[cfg(CONFIG_PM_SLEEP)]
    pub fn restore(&self) -> Result {
        // SAFETY: `bound` passes a registered device with a driver.
        self.bound(|vdev| unsafe { bindings::virtio_device_restore(vdev) })
    }

    /// Announces a reset of the transport.
    ///
    /// # Errors
    ///
    /// Any error of the driver.
    pub fn reset_prepare(&self) -> Result {
        // SAFETY: `bound` passes a registered device with a driver.
        self.bound(|vdev| unsafe { bindings::virtio_device_reset_prepare(vdev) })
    }

    /// Announces a reset of the transport of `other` to the driver of this device. That is the race
    /// in which the core has read the driver of `other` before a driver in C was bound to it.
    ///
    /// `other` has no driver. Its `priv`, which would be that of the C driver, is the `priv` of
    /// this device. So a driver that wrongly uses it does no harm.
    ///
    /// # Errors
    ///
    /// - `ENODEV`: this device has no driver.
    /// - `ENOMEM`.
    /// - Any error of the driver.
    pub fn reset_prepare_late(&self, other: &Self) -> Result {
        if !self.fake.is_bound() || other.fake.is_bound() {
            return Err(ENODEV);
        }
        let (vdev, other) = (self.fake.0.vdev.get(), other.fake.0.vdev.get());
        // SAFETY: Zeroes are a value of the structure in C.
        let zeroes: bindings::virtio_driver = unsafe { core::mem::zeroed() };
        let mut c = KBox::new(zeroes, GFP_KERNEL)?;
        c.driver.name = c"virtio_fake_c".as_char_ptr();
        // SAFETY: Both devices are registered. One is bound to a driver of the virtio bus, and the
        // test binds none to the other. After the grace period, no code uses the driver of the
        // other.
        unsafe {
            let driver = kernel::container_of!((*vdev).dev.driver, bindings::virtio_driver, driver);
            let hook = (*driver).reset_prepare.ok_or(ENODEV)?;
            (*other).priv_ = (*vdev).priv_;
            (*other).dev.driver_data = (*vdev).dev.driver_data;
            (*other).dev.driver = &raw mut c.driver;
            let ret = hook(other);
            (*other).dev.driver = null_mut();
            (*other).dev.driver_data = null_mut();
            (*other).priv_ = null_mut();
            bindings::synchronize_rcu();
            to_result(ret)
        }
    }

    /// Ends a reset of the transport.
    ///
    /// # Errors
    ///
    /// Any error of negotiation or of the driver.
    pub fn reset_done(&self) -> Result {
        // SAFETY: `bound` passes a registered device with a driver.
        self.bound(|vdev| unsafe { bindings::virtio_device_reset_done(vdev) })
    }

    /// Runs `f` with the parent locked. So no other thread uses the transport, such as a driver
    /// that restarts the device.
    pub fn in_one<R>(&self, f: impl FnOnce(&Self) -> R) -> R {
        // SAFETY: The device is registered, and so is its parent, until this is dropped.
        unsafe {
            let parent = (*self.fake.0.vdev.get()).dev.parent;
            bindings::rust_virtio_fake_lock(parent, true);
            let result = f(self);
            bindings::rust_virtio_fake_lock(parent, false);
            result
        }
    }

    /// Shuts the device down, as before a power-off or kexec.
    ///
    /// # Errors
    ///
    /// `ENODEV`: there is no driver.
    pub fn shutdown(&self) -> Result {
        self.bound(|vdev| {
            // SAFETY: `bound` passes a registered device with a driver.
            unsafe { bindings::rust_virtio_fake_shutdown(vdev) };
            0
        })
    }

    fn bound(&self, f: impl FnOnce(*mut bindings::virtio_device) -> i32) -> Result {
        if !self.fake.is_bound() {
            return Err(ENODEV);
        }
        to_result(f(self.fake.0.vdev.get()))
    }

    /// Removes the device by surprise: the device does not answer, and its queues are broken.
    pub fn yank(self) {
        self.fake.fault(|faults| faults.gone = true);
        // SAFETY: The device is registered.
        unsafe { bindings::virtio_break_device(self.fake.0.vdev.get()) };
    }

    /// Calls `remove` with this in another thread, and waits for it.
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT`: `remove` did not return within `millis` milliseconds, and still runs.
    pub fn within(self, millis: u32, remove: fn(Self)) -> Result {
        Task::new(move || remove(self))?.join(millis)
    }
}

impl Drop for Plug {
    fn drop(&mut self) {
        let device = &self.fake.0;
        device.stage.store(UNPLUGGED, Release);
        // SAFETY: Null disconnects.
        unsafe { device.config_line.connect(null_mut()) };
        // SAFETY: The device is registered, and this is done once.
        unsafe { bindings::unregister_virtio_device(device.vdev.get()) };
        // A driver may have been bound before the device was unregistered.
        // SAFETY: Null disconnects.
        unsafe { device.config_line.connect(null_mut()) };
    }
}

/// Releases the device, when the device core drops its last reference.
///
/// # Safety
///
/// `dev` is that of a device which [`Fake::plug`] registered.
unsafe extern "C" fn release(dev: *mut bindings::device) {
    // SAFETY: By the safety requirements, `dev` is in a `virtio_device`, which `plug` registered.
    let vdev = unsafe { kernel::container_of!(dev, bindings::virtio_device, dev) };
    // SAFETY: This is the reference that `plug` took.
    let device = unsafe { Arc::from_raw(FakeDevice::container(vdev)) };
    device.maps.forget();
}
