// SPDX-License-Identifier: GPL-2.0

//! Registering a fake device on the virtio bus, and what the bus does to it.

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

/// Numbers the parents of the devices, whose names must differ.
static PLUGGED_SO_FAR: Atomic<u64> = Atomic::new(0);

impl Fake {
    /// Registers the device, once. A driver that is loaded binds before this returns.
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
        // SAFETY: Nobody else knows the device yet. `owner`, which `release` gives back, keeps it
        // alive as long as the device core refers to it, and `parent` outlives it.
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
    /// The device.
    pub fn fake(&self) -> &Fake {
        &self.fake
    }

    /// Lets the device go to sleep, as for suspend.
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

    /// Announces a reset of the transport of `other` to the driver of this device: as the core does
    /// that saw which driver `other` has before a driver in C was bound to it.
    ///
    /// `other` has no driver. What that C driver would keep in `priv` is what this one keeps of
    /// this device, so that a driver which takes it for its own does so harmlessly.
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
        let mut c: KBox<bindings::virtio_driver> =
            KBox::new(unsafe { core::mem::zeroed() }, GFP_KERNEL)?;
        c.driver.name = c"virtio_fake_c".as_char_ptr();
        // SAFETY: Both devices are registered, one is bound to a driver of the virtio bus, and the
        // test binds none to the other. Whoever reads the driver of that has left it when the grace
        // period is over.
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

    /// The transport was reset.
    ///
    /// # Errors
    ///
    /// Any error of negotiation or of the driver.
    pub fn reset_done(&self) -> Result {
        // SAFETY: `bound` passes a registered device with a driver.
        self.bound(|vdev| unsafe { bindings::virtio_device_reset_done(vdev) })
    }

    /// Does something to the transport in one: nobody else has it in between, such as a driver that
    /// would start the device anew.
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

    /// The machine goes down, or another kernel is about to start.
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

    /// Removes the device as if someone had torn it out: it does not answer, and its queues are
    /// broken.
    pub fn yank(self) {
        self.fake.fault(|faults| faults.gone = true);
        // SAFETY: The device is registered.
        unsafe { bindings::virtio_break_device(self.fake.0.vdev.get()) };
    }

    /// Calls `remove` with this from another thread and waits.
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT`: it did not return within `millis`; then it still runs.
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
        // Someone may have been about to bind.
        // SAFETY: Null disconnects.
        unsafe { device.config_line.connect(null_mut()) };
    }
}

/// The last reference of the device core is gone.
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
