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
/// 1. [`validate`](Driver::validate) looks at what was negotiated;
/// 2. [`probe`](Driver::probe) makes the driver data: reads the configuration, finds the queues;
/// 3. the data is published, and callbacks may run;
/// 4. [`start`](Driver::start) makes the device [ready](Device::ready) and registers it with its
///    subsystem;
/// 5. [`scan`](Driver::scan), callbacks, [`freeze`](Driver::freeze) and
///    [`restore`](Driver::restore) ...
/// 6. [`remove`](Driver::remove) unregisters from the subsystem; when it returned, callbacks are
///    closed, the device is reset, and the data is dropped, and the queues with it.
///
/// `probe` and `start` are two hooks, and not one as in C, because a device that is ready may call
/// back, and the subsystem may do I/O while the driver registers with it: the data has to be
/// complete and published by then, so that it is made by one hook and used by the next.
///
/// If `start` fails, the device is reset and the data dropped just so. If a device is
/// [reset](Device::reset) while it is brought into use, after it was ready, it is removed as in 6.
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
    /// take some back.
    ///
    /// # Errors
    ///
    /// Probe fails with what this returns.
    fn validate(dev: &Device<Core<'_>>, features: &mut FeatureSet) -> Result {
        let _ = (dev, features);
        Ok(())
    }

    /// Makes the driver data. Process context.
    ///
    /// `scope` is for what must not outlive the data it refers to; see [`Scope`].
    ///
    /// # Errors
    ///
    /// The device stays unbound, and the core reports what this returns.
    fn probe<'bound>(
        dev: &'bound Device<Core<'_>>,
        scope: Scope<'bound>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound;

    /// Brings the device into use, with the data published. Process context.
    ///
    /// # Errors
    ///
    /// The binding is undone; whatever this registered itself, it must have unregistered.
    fn start<'bound>(dev: &'bound Device<Core<'_>>, data: Pin<&Self::Data<'bound>>) -> Result {
        let _ = data;
        dev.ready();
        Ok(())
    }

    /// The device is in use; look for what hangs off it. Process context.
    fn scan(dev: &Device<Core<'_>>, data: Pin<&Self::Data<'_>>) {
        let _ = (dev, data);
    }

    /// Takes the device out of use: when this returns, nothing adds to the queues any more.
    /// Process context. Nothing to do for a driver that registers with no subsystem (the default).
    fn remove(dev: &Device<Core<'_>>, data: Pin<&Self::Data<'_>>) {
        let _ = (dev, data);
    }

    /// The device used buffers of a queue, or wants attention.
    ///
    /// Hard interrupt context, or whatever the transport delivers in; may run on several CPUs at
    /// once, also for one queue, and also for nothing.
    fn vq_callback(dev: &Device<Bound>, data: Pin<&Self::Data<'_>>, queue: &QueueHandle) {
        let _ = (dev, data, queue);
    }

    /// The device changed its configuration.
    ///
    /// Called with interrupts off under the configuration lock: schedule work.
    fn config_changed(dev: &Device<Bound>, data: Pin<&Self::Data<'_>>) {
        let _ = (dev, data);
    }

    /// The system goes to sleep: stop, [reset](Device::reset) the device and give up the queues.
    ///
    /// # Errors
    ///
    /// The system does not go to sleep. `EOPNOTSUPP`: the driver does not survive it (the
    /// default).
    fn freeze(dev: &Device<Core<'_>>, data: Pin<&Self::Data<'_>>) -> Result {
        let _ = (dev, data);
        Err(EOPNOTSUPP)
    }

    /// The system wakes up: features are negotiated again; find the queues and make the device
    /// [ready](Device::ready).
    ///
    /// # Errors
    ///
    /// The device is marked failed.
    fn restore(dev: &Device<Core<'_>>, data: Pin<&Self::Data<'_>>) -> Result {
        let _ = (dev, data);
        Ok(())
    }

    /// The transport is about to be reset (PCI function level reset); as [`Driver::freeze`].
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP`: the driver does not survive it (the default).
    fn reset_prepare(dev: &Device<Core<'_>>, data: Pin<&Self::Data<'_>>) -> Result {
        let _ = (dev, data);
        Err(EOPNOTSUPP)
    }

    /// The transport was reset; as [`Driver::restore`].
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP`: the driver does not survive it (the default).
    fn reset_done(dev: &Device<Core<'_>>, data: Pin<&Self::Data<'_>>) -> Result {
        let _ = (dev, data);
        Err(EOPNOTSUPP)
    }

    /// The device did not wake up, or was not found again after a reset of its transport: it is in
    /// no use. Called last, whether [`Driver::restore`] (or [`Driver::reset_done`]) was called or
    /// not.
    ///
    /// Process context, with the device locked against whatever else of this.
    fn not_woken(dev: &Device<Bound>, data: Pin<&Self::Data<'_>>) {
        let _ = (dev, data);
    }

    /// The machine goes down: stop the device. By default all queues are broken and the device
    /// is reset.
    fn shutdown(dev: &Device<Core<'_>>, data: Pin<&Self::Data<'_>>) {
        let _ = data;
        dev.shut_down();
    }
}

/// Declares a kernel module that exposes a single virtio driver.
///
/// ```ignore
/// virtio::module_virtio_driver! {
///     type: MyDriver,
///     name: "my_driver",
///     authors: ["..."],
///     description: "...",
///     license: "GPL",
/// }
/// ```
#[macro_export]
macro_rules! module_virtio_driver {
    ($($f:tt)*) => {
        ::kernel::module_driver!(<T>, $crate::Adapter<T>, { $($f)* });
    };
}
