// SPDX-License-Identifier: GPL-2.0

//! Drivers of the virtio bus.

use crate::{
    device::Device,
    feature::{
        Feature,
        FeatureSet, //
    },
    id::IdTable,
    queue::QueueHandle,
    scope::Scope, //
};
use kernel::{
    device::{
        Bound,
        Core, //
    },
    prelude::*, //
};

/// A virtio driver.
///
/// The life of a binding:
///
/// 1. [`validate`](Driver::validate) checks the negotiated features;
/// 2. [`probe`](Driver::probe) makes the driver data: reads the configuration, finds the queues;
/// 3. the data is published, and callbacks may run;
/// 4. [`start`](Driver::start) makes the device [ready](Device::ready) and registers it with its
///    subsystem;
/// 5. [`scan`](Driver::scan), callbacks, [`freeze`](Driver::freeze) and
///    [`restore`](Driver::restore) ...
/// 6. [`remove`](Driver::remove) unregisters from the subsystem. After it has returned, the bus
///    closes the callbacks, resets the device, and drops the data, which drops the queues.
///
/// C has one hook where Rust has two, `probe` and `start`. A device that is ready may call back,
/// and the subsystem may do I/O while the driver registers. Both need the driver data. So `probe`
/// makes the data, the bus publishes it, and `start` uses it.
///
/// If `start` fails, the bus closes the callbacks, resets the device and drops the data, without a
/// call of `remove`. If a device is [reset](Device::reset) during `start`, after it was ready, the
/// bus also calls `remove`, as in step 6.
pub trait Driver: Sized + 'static {
    /// The data of a bound device. Dropped after [`Driver::remove`], in process context.
    type Data<'bound>: Send + Sync + 'bound;

    /// The devices that the driver serves.
    const ID_TABLE: IdTable;

    /// The features that the driver understands, without those of transport and ring (which the
    /// transport negotiates). None by default.
    const FEATURES: &'static [Feature] = &[];

    /// The features for legacy devices, if different.
    const FEATURES_LEGACY: Option<&'static [Feature]> = None;

    /// Checks the negotiated features against each other and against the configuration, and may
    /// clear some of them.
    ///
    /// # Errors
    ///
    /// The error that probe fails with.
    fn validate(dev: &Device<Core<'_>>, features: &mut FeatureSet) -> Result {
        let _ = (dev, features);
        Ok(())
    }

    /// Makes the driver data. Process context.
    ///
    /// `scope` is for objects of other subsystems that refer to the driver data, such as a network
    /// interface; see [`Scope`].
    ///
    /// # Errors
    ///
    /// Any error. The device stays unbound, and the core logs the error.
    fn probe<'bound>(
        dev: &'bound Device<Core<'_>>,
        scope: Scope<'bound>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound;

    /// Brings the device into use, with the data published. Process context.
    ///
    /// # Errors
    ///
    /// Any error. The bus undoes the binding. Before it returns an error, `start` has to unregister
    /// everything that it has registered.
    fn start<'bound>(dev: &'bound Device<Core<'_>>, data: Pin<&Self::Data<'bound>>) -> Result {
        let _ = data;
        dev.ready();
        Ok(())
    }

    /// Scans the device for child devices, after `start` (C: `virtio_driver.scan`). Process
    /// context.
    fn scan(dev: &Device<Core<'_>>, data: Pin<&Self::Data<'_>>) {
        let _ = (dev, data);
    }

    /// Takes the device out of use. After it has returned, no code adds buffers to the queues.
    /// Process context. A driver that registers with no subsystem has nothing to do here (the
    /// default).
    fn remove(dev: &Device<Core<'_>>, data: Pin<&Self::Data<'_>>) {
        let _ = (dev, data);
    }

    /// Handles the interrupt of a queue: the device has used buffers.
    ///
    /// Hard interrupt context, or the context in which the transport delivers interrupts. The
    /// function may run on several CPUs at once, also for one queue, and it may be called without a
    /// used buffer.
    fn vq_callback(dev: &Device<Bound>, data: Pin<&Self::Data<'_>>, queue: &QueueHandle) {
        let _ = (dev, data, queue);
    }

    /// Handles a change of the device's configuration.
    ///
    /// Runs with interrupts off, under the configuration lock. A driver that wants to do more than
    /// a little schedules work.
    fn config_changed(dev: &Device<Bound>, data: Pin<&Self::Data<'_>>) {
        let _ = (dev, data);
    }

    /// Prepares for sleep of the system: stops all users of the queues, [resets](Device::reset) the
    /// device and drops the queues.
    ///
    /// # Errors
    ///
    /// Any error keeps the system from going to sleep. `EOPNOTSUPP`: the driver does not support
    /// sleep (the default).
    fn freeze(dev: &Device<Core<'_>>, data: Pin<&Self::Data<'_>>) -> Result {
        let _ = (dev, data);
        Err(EOPNOTSUPP)
    }

    /// Brings the device back after sleep. The bus has negotiated the features again. The driver
    /// finds the queues and makes the device [ready](Device::ready).
    ///
    /// # Errors
    ///
    /// Any error. The core sets FAILED in the status of the device.
    fn restore(dev: &Device<Core<'_>>, data: Pin<&Self::Data<'_>>) -> Result {
        let _ = (dev, data);
        Ok(())
    }

    /// Prepares for a reset of the transport (PCI function level reset), as [`Driver::freeze`] does
    /// for sleep.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP`: the driver does not support a reset of the transport (the default).
    fn reset_prepare(dev: &Device<Core<'_>>, data: Pin<&Self::Data<'_>>) -> Result {
        let _ = (dev, data);
        Err(EOPNOTSUPP)
    }

    /// Brings the device back after a reset of the transport, as [`Driver::restore`] does after
    /// sleep.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP`: the driver does not support a reset of the transport (the default).
    fn reset_done(dev: &Device<Core<'_>>, data: Pin<&Self::Data<'_>>) -> Result {
        let _ = (dev, data);
        Err(EOPNOTSUPP)
    }

    /// Handles a device that did not wake up, or that was not there after a reset of its transport.
    /// The device cannot be used. This is the last call, whether or not [`Driver::restore`] or
    /// [`Driver::reset_done`] came before.
    ///
    /// Process context. The device lock is held, so none of the other hooks runs.
    fn not_woken(dev: &Device<Bound>, data: Pin<&Self::Data<'_>>) {
        let _ = (dev, data);
    }

    /// Stops the device before the machine shuts down. By default marks all queues broken and
    /// resets the device.
    fn shutdown(dev: &Device<Core<'_>>, data: Pin<&Self::Data<'_>>) {
        let _ = data;
        dev.shut_down();
    }
}

/// Declares a kernel module that exposes a single virtio driver.
///
/// ```
/// virtio::module_virtio_driver! {
///     type: MyDriver,
///     name: "my_driver",
///     authors: ["The author"],
///     description: "Virtio driver for a device",
///     license: "GPL",
/// }
/// ```
#[macro_export]
macro_rules! module_virtio_driver {
    ($($f:tt)*) => {
        ::kernel::module_driver!(<T>, $crate::Adapter<T>, { $($f)* });
    };
}
