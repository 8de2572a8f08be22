// SPDX-License-Identifier: GPL-2.0

//! The functions that the virtio core calls, for a [`Driver`].

use crate::{
    binding::BindState,
    bindings,
    device::Device,
    driver::Driver,
    queue::QueueHandle,
    scope::Scope, //
};
use core::{
    mem::offset_of,
    ptr::NonNull, //
};
use kernel::{
    device::{
        Bound,
        Core,
        CoreInternal, //
    },
    driver,
    error::{
        from_result,
        to_result, //
    },
    ffi::c_int,
    prelude::*,
    types::{
        Opaque,
        ScopeGuard, //
    }, //
};

/// The private data of a bound device.
#[pin_data]
pub struct Stored<D> {
    /// The data of the driver.
    #[pin]
    data: D,
    /// Dropped after the data, and before the core releases managed resources.
    wait: WaitForHolds,
}

/// A value that waits, when it is dropped, until the binding has no [`Hold`](crate::Hold).
///
/// An interface that the driver has forgotten has a hold, and may borrow managed resources. Devres
/// releases those of probe before it would get to an action of `validate`.
///
/// # Invariants
///
/// The device is valid and bound.
struct WaitForHolds(NonNull<bindings::virtio_device>);

impl Drop for WaitForHolds {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; `Device` is a transparent wrapper.
        let dev = unsafe { self.0.cast::<Device<Bound>>().as_ref() };
        dev.bind_state().wait_for_holds(dev);
    }
}

/// An adapter for the registration of virtio drivers.
pub struct Adapter<T: Driver>(T);

// SAFETY:
// - `bindings::virtio_driver` is a C type declared as `repr(C)`.
// - `Stored<T::Data>` is the type of the driver's device private data.
// - `struct virtio_driver` embeds a `struct device_driver`.
// - `DEVICE_DRIVER_OFFSET` is the correct byte offset to the embedded `struct device_driver`.
unsafe impl<T: Driver> driver::DriverLayout for Adapter<T> {
    type DriverType = bindings::virtio_driver;
    type DriverData<'bound> = Stored<T::Data<'bound>>;
    const DEVICE_DRIVER_OFFSET: usize = offset_of!(Self::DriverType, driver);
}

// SAFETY: A call to `unregister` for a given instance of `DriverType` is guaranteed to be valid if
// a preceding call to `register` has been successful.
unsafe impl<T: Driver> driver::RegistrationOps for Adapter<T> {
    unsafe fn register(
        vdrv: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        let drv = vdrv.get();
        let (legacy, legacy_len) = match T::FEATURES_LEGACY {
            Some(table) => (table.as_ptr().cast(), table.len()),
            None => (core::ptr::null(), 0),
        };

        // SAFETY: It's safe to set the fields of `struct virtio_driver` on initialization.
        // `Feature` is a transparent wrapper of `u32`, so that the tables are what C expects.
        unsafe {
            (*drv).driver.name = name.as_char_ptr();
            (*drv).id_table = T::ID_TABLE.as_ptr();
            (*drv).feature_table = T::FEATURES.as_ptr().cast();
            (*drv).feature_table_size = T::FEATURES.len() as u32;
            (*drv).feature_table_legacy = legacy;
            (*drv).feature_table_size_legacy = legacy_len as u32;
            (*drv).validate = Some(Self::validate_callback);
            (*drv).probe = Some(Self::probe_callback);
            (*drv).scan = Some(Self::scan_callback);
            (*drv).remove = Some(Self::remove_callback);
            (*drv).config_changed = Some(Self::config_changed_callback);
            (*drv).freeze = Some(Self::freeze_callback);
            (*drv).restore = Some(Self::restore_callback);
            (*drv).reset_prepare = Some(Self::reset_prepare_callback);
            (*drv).reset_done = Some(Self::reset_done_callback);
            (*drv).shutdown = Some(Self::shutdown_callback);
        }

        // SAFETY: `drv` is guaranteed to be a valid `DriverType` that stays until `unregister`.
        to_result(unsafe { bindings::__register_virtio_driver(drv, module.as_ptr()) })
    }

    unsafe fn unregister(vdrv: &Opaque<Self::DriverType>) {
        // SAFETY: `vdrv` is guaranteed to be a registered `DriverType`.
        unsafe { bindings::unregister_virtio_driver(vdrv.get()) };
    }
}

impl<D> Stored<D> {
    /// Stores the data of the driver of a device. After an error there is nothing that waits.
    fn new<'a>(
        data: impl PinInit<D, Error> + 'a,
        dev: NonNull<bindings::virtio_device>,
    ) -> impl PinInit<Self, Error> + 'a
    where
        D: 'a,
    {
        try_pin_init!(Self {
            data <- data,
            // INVARIANT: The device is that of a probe, so it is bound until the data is dropped.
            wait: WaitForHolds(dev),
        }? Error)
    }
}

impl<T: Driver> Adapter<T> {
    /// Returns the device that the core passed to a callback.
    ///
    /// # Safety
    ///
    /// `vdev` is valid for the time of the callback that calls this.
    unsafe fn device<'a>(vdev: *mut bindings::virtio_device) -> &'a Device<CoreInternal<'a>> {
        // SAFETY: By the safety requirements; `Device` is a transparent wrapper.
        unsafe { &*vdev.cast() }
    }

    /// Returns the driver data of a device.
    ///
    /// # Safety
    ///
    /// Called after `probe_callback` has stored the data, and before `post_unbind`.
    unsafe fn data<'a>(dev: &'a Device<CoreInternal<'a>>) -> Pin<&'a T::Data<'a>> {
        let dev: &kernel::device::Device<CoreInternal<'a>> = dev.as_ref();
        // SAFETY: By the safety requirements, with the type that `probe_callback` stored. The field
        // is pinned with its structure.
        unsafe {
            dev.drvdata_borrow::<Stored<T::Data<'a>>>()
                .map_unchecked(|stored| &stored.data)
        }
    }

    extern "C" fn validate_callback(vdev: *mut bindings::virtio_device) -> c_int {
        // SAFETY: The core passes a valid device.
        let dev = unsafe { Self::device(vdev) };
        from_result(|| {
            BindState::create(dev, vq_callback::<T>, not_woken::<T>)?;
            let old = dev.features();
            let mut new = old;
            T::validate(dev, &mut new)?;
            if new != old {
                dev.set_features(new.intersection(old));
            }
            Ok(0)
        })
    }

    extern "C" fn probe_callback(vdev: *mut bindings::virtio_device) -> c_int {
        // SAFETY: The core passes a valid device.
        let dev = unsafe { Self::device(vdev) };
        from_result(|| {
            // INVARIANT: The device is being bound.
            let wait = WaitForHolds(NonNull::new(vdev).ok_or(ENODEV)?);
            dev.bind_state().weak_devices.enable();
            // After an error, the core releases managed resources: no weak reference may lead to
            // the device then.
            let revoke = ScopeGuard::new(|| dev.bind_state().weak_devices.revoke_all());
            let generic: &kernel::device::Device<CoreInternal<'_>> = dev.as_ref();
            // SAFETY: The binding starts here. The borrows for its time are those of the device, of
            // its managed resources, and of the data that the bus keeps with it. They exist until
            // no hold is left: `wait` waits for that if this fails, and otherwise `Stored` does.
            let data = T::probe(dev, unsafe { Scope::new(dev) });
            generic.set_drvdata(Stored::new(data, wait.0))?;
            core::mem::forget(wait);

            // SAFETY: The data was stored just above.
            let data = unsafe { Self::data(dev) };
            let state = dev.bind_state();
            // SAFETY: The data is dropped after `post_unbind` only. Until then, here or in
            // `remove_callback`, the callbacks are closed, and running callbacks are waited for.
            unsafe { state.open_callbacks(NonNull::from(data.get_ref()).cast()) };

            let mut started = false;
            let result = state.bring_up(|| {
                T::start(dev, data)?;
                started = true;
                Ok(())
            });
            if let Err(e) = result {
                if started {
                    T::remove(dev, data);
                }
                Self::close_and_reset(dev);
                return Err(e);
            }
            revoke.dismiss();
            Ok(0)
        })
    }

    extern "C" fn scan_callback(vdev: *mut bindings::virtio_device) {
        // SAFETY: The core passes a valid device, after a successful probe.
        let (dev, data) = unsafe { Self::bound(vdev) };
        T::scan(dev, data);
    }

    extern "C" fn remove_callback(vdev: *mut bindings::virtio_device) {
        // SAFETY: The core passes a valid device, after a successful probe.
        let (dev, data) = unsafe { Self::bound(vdev) };
        T::remove(dev, data);
        Self::close_and_reset(dev);
    }

    /// Closes the callbacks, revokes all weak references, and waits until no callback runs and no
    /// weak reference is in use. The device is in reset afterwards.
    fn close_and_reset(dev: &Device<Bound>) {
        dev.bind_state().close_callbacks();
        dev.bind_state().weak_devices.revoke_all();
        dev.reset();
        // Both functions take the lock under which `Driver::config_changed` runs, so they wait for
        // it. The second one leaves changes enabled for the next driver.
        dev.config_disable();
        dev.config_enable();
    }

    extern "C" fn config_changed_callback(vdev: *mut bindings::virtio_device) {
        // SAFETY: The core passes a valid device.
        let dev = unsafe { Self::device(vdev) };
        // The core holds changes back until probe has succeeded, and from the time when the driver
        // is about to be removed. But when the core gives up a reset of the transport, it enables
        // changes at any time.
        // SAFETY: The device is valid. The core clears the pointer before another driver is bound.
        if unsafe { (*vdev).dev.driver_data.is_null() } || dev.bind_state().data().is_null() {
            return;
        }
        // SAFETY: The data was stored, and callbacks are open. The core calls this with a lock
        // held, which `close_and_reset` takes after it has closed the callbacks, and before the
        // data is dropped.
        T::config_changed(dev, unsafe { Self::data(dev) });
    }

    extern "C" fn freeze_callback(vdev: *mut bindings::virtio_device) -> c_int {
        // SAFETY: The core passes a valid device, after a successful probe.
        let (dev, data) = unsafe { Self::bound(vdev) };
        from_result(|| {
            T::freeze(dev, data)?;
            dev.fall_asleep();
            Ok(0)
        })
    }

    extern "C" fn restore_callback(vdev: *mut bindings::virtio_device) -> c_int {
        // SAFETY: The core passes a valid device, after a successful probe.
        let (dev, data) = unsafe { Self::bound(vdev) };
        from_result(|| {
            let state = dev.bind_state();
            state.bring_up(|| T::restore(dev, data))?;
            state.set_asleep(false);
            Ok(0)
        })
    }

    extern "C" fn reset_prepare_callback(vdev: *mut bindings::virtio_device) -> c_int {
        // SAFETY: The core passes a valid device.
        unsafe { Self::around_reset(vdev, Self::reset_prepare) }
    }

    extern "C" fn reset_done_callback(vdev: *mut bindings::virtio_device) -> c_int {
        // SAFETY: The core passes a valid device.
        unsafe { Self::around_reset(vdev, Self::reset_done) }
    }

    fn reset_prepare(dev: &Device<Core<'_>>, data: Pin<&T::Data<'_>>) -> Result {
        T::reset_prepare(dev, data)?;
        dev.fall_asleep();
        Ok(())
    }

    fn reset_done(dev: &Device<Core<'_>>, data: Pin<&T::Data<'_>>) -> Result {
        let state = dev.bind_state();
        state.bring_up(|| T::reset_done(dev, data))?;
        state.set_asleep(false);
        Ok(())
    }

    /// Runs one of the two hooks around a reset of the transport.
    ///
    /// The core holds the lock of the transport's device only. So the virtio device may at this
    /// time be probed or removed, or have another driver.
    ///
    /// # Errors
    ///
    /// - `ENODEV`: this driver is not bound to the device.
    /// - Any error of the hook.
    ///
    /// # Safety
    ///
    /// `vdev` is valid for the call.
    unsafe fn around_reset(
        vdev: *mut bindings::virtio_device,
        hook: for<'a> fn(&Device<Core<'_>>, Pin<&T::Data<'a>>) -> Result,
    ) -> c_int {
        // SAFETY: By the safety requirements, `vdev` is valid.
        let lock = unsafe { &raw mut (*vdev).dev };
        // SAFETY: The device is valid; its lock is taken after that of its parent, as at probe.
        unsafe { bindings::rust_virtio_device_lock(lock) };
        let ret = from_result(|| {
            // SAFETY: By the safety requirements, and the device is locked.
            let dev = unsafe { Self::device_if_bound(vdev) }.ok_or(ENODEV)?;
            if dev.bind_state().data().is_null() {
                return Err(ENODEV);
            }
            // SAFETY: Callbacks are open, so probe succeeded, and the driver stays bound as long
            // as the device is locked.
            hook(dev, unsafe { Self::data(dev) }).map(|()| 0)
        });
        // SAFETY: It was locked above.
        unsafe { bindings::rust_virtio_device_unlock(lock) };
        ret
    }

    /// Returns the device if this driver is bound to it. Otherwise `priv` belongs to another
    /// driver, or is null.
    ///
    /// # Safety
    ///
    /// `vdev` is valid and locked as long as the result is used.
    unsafe fn device_if_bound<'a>(
        vdev: *mut bindings::virtio_device,
    ) -> Option<&'a Device<CoreInternal<'a>>> {
        // SAFETY: By the safety requirements, the device is locked, so its driver does not change.
        // A driver on the virtio bus is a `struct virtio_driver`, which stays registered while it
        // is bound.
        let probe = unsafe {
            let driver = (*vdev).dev.driver;
            if driver.is_null() || (*vdev).priv_.is_null() {
                return None;
            }
            (*kernel::container_of!(driver, bindings::virtio_driver, driver)).probe
        };
        // No driver but this one has the function.
        let ours: unsafe extern "C" fn(_) -> _ = Self::probe_callback;
        if !probe.is_some_and(|probe| core::ptr::fn_addr_eq(probe, ours)) {
            return None;
        }
        // SAFETY: By the safety requirements, `vdev` is valid. This driver is bound, so `priv` is
        // its `BindState`.
        Some(unsafe { Self::device(vdev) })
    }

    extern "C" fn shutdown_callback(vdev: *mut bindings::virtio_device) {
        // SAFETY: The core passes a valid device, after a successful probe.
        let (dev, data) = unsafe { Self::bound(vdev) };
        T::shutdown(dev, data);
    }

    /// Returns the device and the data for a callback that runs while the driver is bound.
    ///
    /// # Safety
    ///
    /// `vdev` is valid for the time of the callback, and `probe_callback` succeeded.
    unsafe fn bound<'a>(
        vdev: *mut bindings::virtio_device,
    ) -> (&'a Device<CoreInternal<'a>>, Pin<&'a T::Data<'a>>) {
        // SAFETY: By the safety requirements, `vdev` is valid for the callback.
        let dev = unsafe { Self::device(vdev) };
        // SAFETY: By the safety requirements, the probe succeeded, so the data is published.
        (dev, unsafe { Self::data(dev) })
    }
}

/// Calls [`Driver::vq_callback`]: the C callback of all queues of driver `T`.
///
/// # Safety
///
/// `vq` is a queue found by [`Device::find_vqs`] for the driver `T`.
pub(crate) unsafe extern "C" fn vq_callback<T: Driver>(vq: *mut bindings::virtqueue) {
    // SAFETY: By the safety requirements; the device outlives its queues.
    let vdev = unsafe { (*vq).vdev };
    // SAFETY: The device is bound as long as it has queues: unbinding waits for them.
    let dev = unsafe { &*vdev.cast::<Device<Bound>>() };
    let data = dev.bind_state().data();
    if data.is_null() {
        return;
    }
    // SAFETY: The data is that of `T` and is pinned. It stays until the callbacks were closed and
    // running callbacks were waited for (`BindState::open_callbacks`).
    let data = unsafe { Pin::new_unchecked(&*data.cast::<T::Data<'_>>()) };
    // SAFETY: `vq` lives at least as long as this callback runs. A replacement of its ring begins
    // only after running callbacks have ended, and lets no new callback begin.
    let queue = unsafe { QueueHandle::borrowed(vq) };
    T::vq_callback(dev, data, &queue);
}

/// Tells driver `T` that a device did not wake up.
///
/// # Safety
///
/// The device is bound to the driver `T`, its data is published, and it is locked against removal.
pub(crate) unsafe fn not_woken<T: Driver>(dev: &Device<Bound>) {
    let data = dev.bind_state().data();
    if data.is_null() {
        return;
    }
    // SAFETY: By the safety requirements, the published data is that of `T`, and stays; it is
    // pinned.
    let data = unsafe { Pin::new_unchecked(&*data.cast::<T::Data<'_>>()) };
    T::not_woken(dev, data);
}
