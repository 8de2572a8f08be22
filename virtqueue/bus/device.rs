// SPDX-License-Identifier: GPL-2.0

//! Virtio devices, as drivers use them.

use crate::{
    bindings,
    endian::Endian,
    feature::{
        Feature,
        FeatureSet, //
    },
    queue::{
        Affinity,
        Buffer,
        QueueSpec,
        Queues,
        Virtqueue, //
    },
};
use core::{
    marker::PhantomData,
    mem::offset_of,
    ptr::NonNull, //
};
use kernel::{
    device,
    prelude::*,
    sync::aref::AlwaysRefCounted,
    types::Opaque, //
};

mod config_len;
mod pci;
mod power;
mod queue_reset;
mod reset;
mod restart;
mod siblings;
mod tables;
mod weak;

pub use self::{
    restart::{
        Exclusive,
        Restarts, //
    },
    weak::WeakDevice,
};

pub(crate) use self::{
    pci::StatusRegister,
    reset::reset_if_in_use,
    tables::{
        free_all,
        Tables, //
    },
    weak::WeakDevices, //
};

/// A virtio device.
///
/// The context parameter says where the reference was obtained, as for
/// [`device::Device`]: [`device::Core`] within a callback of the bus, [`device::Bound`] while a
/// driver is bound.
///
/// # Invariants
///
/// A [`Device`] is a valid `struct virtio_device` that its transport registered.
#[repr(transparent)]
pub struct Device<Ctx: device::DeviceContext = device::Normal>(
    Opaque<bindings::virtio_device>,
    PhantomData<Ctx>,
);

impl<Ctx: device::DeviceContext> Device<Ctx> {
    /// Returns the C structure.
    #[inline]
    pub fn as_raw(&self) -> *mut bindings::virtio_device {
        self.0.get()
    }

    /// Returns the index of the device on the bus, the `N` of `virtioN`.
    pub fn index(&self) -> i32 {
        // SAFETY: By the type invariant; the index does not change after registration.
        unsafe { (*self.as_raw()).index }
    }

    /// Returns the device type (virtio spec §5).
    pub fn id(&self) -> u32 {
        // SAFETY: By the type invariant; the id does not change after registration.
        unsafe { (*self.as_raw()).id.device }
    }
}

impl Device<device::Bound> {
    /// Returns the operations of the transport, or the [copies](Tables) that the bus put in their
    /// place.
    pub(crate) fn config_ops(&self) -> &bindings::virtio_config_ops {
        // SAFETY: By the type invariant, the device is valid. Every transport sets `config` before
        // registration and leaves it in place for the life of the device. The copies of the bus
        // exist as long as the module of the bus.
        unsafe { &*(&raw const (*self.as_raw()).config).read_volatile() }
    }

    /// Replaces the operations.
    pub(crate) fn set_config_ops(&self, ops: &'static bindings::virtio_config_ops) {
        // SAFETY: By the type invariant, the device is valid. The field is read and written in one
        // access.
        unsafe { (&raw mut (*self.as_raw()).config).write_volatile(ops) };
    }

    /// Maps the status register if the transport's own reset may wait for ever. Among the
    /// transports only the one for modern PCI devices does.
    pub(crate) fn map_status(&self) -> Option<StatusRegister> {
        if !self.has_feature(Feature::VERSION_1) {
            return None;
        }
        pci::Function::of(self)?.map_status()
    }

    /// Returns the negotiated features.
    pub fn features(&self) -> FeatureSet {
        // SAFETY: By the type invariant; the features do not change while a driver is bound,
        // except by `Driver::validate`, which runs before anything else.
        FeatureSet::from_words(unsafe { self.features_array().read() })
    }

    /// Returns whether a feature was negotiated.
    ///
    /// Drivers call this at probe, and keep the results that the data path needs.
    pub fn has_feature(&self, feature: Feature) -> bool {
        self.features().has(feature)
    }

    /// Replaces the features, for [`Driver::validate`].
    pub(crate) fn set_features(&self, features: FeatureSet) {
        // SAFETY: By the type invariant, the device is valid. The bus calls this during
        // negotiation, when no other code reads the features.
        unsafe { self.features_array().write(features.words()) };
    }

    /// Returns the place where the core keeps the features.
    fn features_array(&self) -> *mut [u64; 2] {
        // SAFETY: By the type invariant; the field is a union of the low word and of both.
        unsafe { &raw mut (*self.as_raw()).__bindgen_anon_1 }.cast()
    }

    /// Returns the byte order of `__virtio` fields.
    pub fn endian(&self) -> Endian {
        if self.has_feature(Feature::VERSION_1) {
            Endian::Little
        } else {
            Endian::Native
        }
    }

    /// Returns the size of the device-specific configuration in bytes, if the transport reports it.
    pub(crate) fn config_len(&self) -> Option<usize> {
        self.bind_state().config_len()
    }

    /// Returns the largest size of a segment in bytes that the device accepts.
    pub fn max_dma_size(&self) -> usize {
        // SAFETY: By the type invariant, the device is registered.
        unsafe { bindings::virtio_max_dma_size(self.as_raw()) }
    }

    /// Finds the queues of the device, in order of `specs`.
    ///
    /// The queues call the driver's [`Driver::vq_callback`](crate::Driver::vq_callback), but only
    /// between the publication of the driver data and the end of `Driver::remove`.
    ///
    /// Process context, may sleep.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: queues found earlier are still alive.
    /// - `EINVAL`: `affinity` keeps more vectors apart than there are queues.
    /// - `ENOENT`: the device has fewer queues.
    /// - `ENOMEM`: no memory, or no vectors.
    /// - Any other error of the transport.
    pub fn find_vqs(
        &self,
        specs: impl IntoIterator<Item = QueueSpec>,
        affinity: Affinity,
    ) -> Result<Queues> {
        let mut all = KVec::new();
        for spec in specs {
            all.push(spec, GFP_KERNEL)?;
        }
        Queues::find(self, all, affinity)
    }

    /// Finds the one queue of the device, for buffers of type `T` with up to `max_segments`
    /// segments.
    ///
    /// Callbacks, context and errors are those of [`Device::find_vqs`]. The name shows in
    /// `/proc/interrupts`.
    pub fn find_vq<T: Buffer>(&self, name: &CStr, max_segments: usize) -> Result<Virtqueue<T>> {
        let mut spec = QueueSpec::new(fmt!("{name}"), max_segments)?;
        if T::HAS_CTX {
            spec = spec.with_ctx();
        }
        self.find_vqs([spec], Affinity::Default)?.take(0)
    }

    /// Tells the device that the driver is ready (`DRIVER_OK`). From now on the device may be
    /// notified.
    ///
    /// Process context, may sleep.
    pub fn ready(&self) {
        self.bind_state().set_ready();
        #[cfg(CONFIG_VIRTIO_HARDEN_NOTIFICATION)]
        {
            self.synchronize_callbacks();
            // SAFETY: By the type invariant, the device is registered. Callbacks see all earlier
            // writes.
            unsafe { bindings::__virtio_unbreak_device(self.as_raw()) };
        }
        self.add_status(bindings::VIRTIO_CONFIG_S_DRIVER_OK as u8);
    }

    /// Returns the device status (§2.1).
    pub fn status(&self) -> u8 {
        match self.config_ops().get_status {
            // SAFETY: The device is bound, so its transport's operations may be called.
            Some(get_status) => unsafe { get_status(self.as_raw()) },
            None => 0,
        }
    }

    fn add_status(&self, status: u8) {
        let old = self.status();
        if let Some(set_status) = self.config_ops().set_status {
            // SAFETY: The device is bound, so its transport's operations may be called.
            unsafe { set_status(self.as_raw(), old | status) };
        }
    }

    /// Runs `f`, and sets the status that the device had before, if `f` has cleared it.
    ///
    /// Some legacy devices are reset when a queue is deleted, as QEMU's are. The queues of a driver
    /// may be deleted after the core has set ACKNOWLEDGE for the next driver, or FAILED.
    pub(crate) fn keep_status(&self, f: impl FnOnce()) {
        let before = self.status();
        f();
        if before != 0 && self.status() == 0 {
            self.add_status(before);
        }
    }

    /// Resets the device (§2.4): the device forgets all buffers. When this function returns, no
    /// callback is running.
    ///
    /// The reset always ends: after ten seconds if the device does not answer, at once if it is not
    /// there. In both cases the bus gives the device up and logs a message. From then on the bus
    /// treats the device as one in reset: no operation waits for it, and it has no queues. On PCI
    /// it also loses its access to memory. The bus tries again when the device is bound the next
    /// time, wakes up, or has had a reset of its function.
    ///
    /// The caller has stopped all code that adds to the queues. The device does not use these
    /// queues again, only queues that are [found](Device::find_vqs) later.
    ///
    /// Must not be called by the function that takes the buffers of a [queue under
    /// reset](crate::Virtqueue::reset). Process context, sleeps.
    pub fn reset(&self) {
        let _owner = self.bind_state().owner.lock();
        // SAFETY: By the type invariant, the device is registered.
        unsafe { bindings::virtio_reset_device(self.as_raw()) };
        self.synchronize_callbacks();
        self.bind_state().set_reset(true);
    }

    /// As [`Device::reset`], and returns an error if the device did not complete the reset.
    ///
    /// # Errors
    ///
    /// `ENODEV`: the device was given up.
    pub fn try_reset(&self) -> Result {
        self.reset();
        if self.is_given_up() {
            return Err(ENODEV);
        }
        Ok(())
    }

    /// Returns whether the device was given up because it did not complete a
    /// [reset](Device::reset).
    pub fn is_given_up(&self) -> bool {
        self.bind_state().is_given_up()
    }

    /// Returns whether the device was given up, or is not there: its status reads as ones.
    ///
    /// Process context.
    pub fn is_gone(&self) -> bool {
        self.is_given_up() || self.status() == u8::MAX
    }

    /// Returns whether the device asks for a reset (`DEVICE_NEEDS_RESET`, §2.1) or is not there. A
    /// device announces the former by a change of its configuration.
    ///
    /// Process context.
    pub fn needs_reset(&self) -> bool {
        // If there is no device, all bits are set.
        self.status() & bindings::VIRTIO_CONFIG_S_NEEDS_RESET as u8 != 0
    }

    /// Returns whether the transport has its own operations to map memory, as VDUSE has. Then the
    /// device is software in the kernel or in a process, and a reset waits for that software.
    pub fn is_mapped_by_transport(&self) -> bool {
        // SAFETY: By the type invariant. The transport sets the operations before it registers the
        // device.
        unsafe { !(*self.as_raw()).map.is_null() }
    }

    /// Marks all queues broken and resets the device, for a shutdown of the machine. Process
    /// context, sleeps.
    pub fn shut_down(&self) {
        // SAFETY: By the type invariant, the device is registered.
        unsafe { bindings::virtio_device_shutdown(self.as_raw()) };
    }

    /// Waits until no queue callback is running. Process context, sleeps.
    pub fn synchronize_callbacks(&self) {
        match self.config_ops().synchronize_cbs {
            // SAFETY: The device is bound, so its transport's operations may be called.
            Some(synchronize) => unsafe { synchronize(self.as_raw()) },
            // SAFETY: May be called in process context.
            None => unsafe { bindings::synchronize_rcu() },
        }
    }

    /// Marks all queues broken, as after a surprise removal: they refuse buffers.
    pub fn break_device(&self) {
        // SAFETY: By the type invariant, the device is registered.
        unsafe { bindings::virtio_break_device(self.as_raw()) };
    }

    /// Holds [`Driver::config_changed`] back until [`Device::config_enable`]; does not nest.
    ///
    /// Takes the configuration lock, so `config_changed` itself must not call this.
    pub fn config_disable(&self) {
        // SAFETY: By the type invariant, the device is registered.
        unsafe { bindings::virtio_config_driver_disable(self.as_raw()) };
    }

    /// Lets [`Driver::config_changed`] run again, at once if a change was held back.
    pub fn config_enable(&self) {
        // SAFETY: By the type invariant, the device is registered.
        unsafe { bindings::virtio_config_driver_enable(self.as_raw()) };
    }

    /// Calls [`Driver::config_changed`](crate::Driver::config_changed) as if the device had
    /// signalled a change.
    pub fn config_changed(&self) {
        // SAFETY: By the type invariant, the device is registered.
        unsafe { bindings::virtio_config_changed(self.as_raw()) };
    }

    /// Sets the size of the configuration, for tests: only the PCI transport reports one.
    #[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
    pub fn limit_config(&self, len: usize) {
        self.bind_state().set_config_len(len);
    }

    /// Returns the size of the device-specific configuration that the transport reports.
    pub(crate) fn probe_config_len(&self) -> Option<usize> {
        config_len::config_len(self)
    }

    /// Returns whether any device of the virtio bus has a child device of this name.
    ///
    /// Drivers that choose names for disks or interfaces ask this first: two drivers for the same
    /// kind of device may be loaded, and each has its own counter. Process context, sleeps.
    pub fn is_name_taken(&self, name: &CStr) -> bool {
        siblings::has_child(self, name)
    }

    /// Returns the name of the device on its own bus, for `ethtool -i` and messages.
    pub fn bus_name(&self) -> &CStr {
        match self.config_ops().bus_name {
            // SAFETY: The device is bound, so its transport's operations may be called; the name
            // lives as long as the device.
            Some(bus_name) => unsafe { CStr::from_char_ptr(bus_name(self.as_raw())) },
            None => c"virtio",
        }
    }
}

// SAFETY: `Device` is a transparent wrapper of `struct virtio_device`, and the offset is that of
// its embedded `struct device`.
unsafe impl<Ctx: device::DeviceContext> device::AsBusDevice<Ctx> for Device<Ctx> {
    const OFFSET: usize = offset_of!(bindings::virtio_device, dev);
}

// SAFETY: `Device` is a transparent wrapper of a type that doesn't depend on `Device`'s generic
// argument.
kernel::impl_device_context_deref!(unsafe { Device });
kernel::impl_device_context_into_aref!(Device);

impl<Ctx: device::DeviceContext> AsRef<device::Device<Ctx>> for Device<Ctx> {
    fn as_ref(&self) -> &device::Device<Ctx> {
        // SAFETY: By the type invariant, `self.as_raw()` is a valid `struct virtio_device`.
        let dev = unsafe { &raw mut (*self.as_raw()).dev };
        // SAFETY: `dev` is the `struct device` embedded in it.
        unsafe { device::Device::from_raw(dev) }
    }
}

// SAFETY: Instances of `Device` are always reference-counted.
unsafe impl AlwaysRefCounted for Device {
    fn inc_ref(&self) {
        // SAFETY: The existence of a shared reference guarantees that the refcount is non-zero.
        unsafe { bindings::get_device(&raw mut (*self.as_raw()).dev) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The safety requirements guarantee that the refcount is non-zero.
        unsafe { bindings::put_device(&raw mut (*obj.as_ref().as_raw()).dev) };
    }
}

// SAFETY: A `Device` is always reference-counted and can be released from any thread.
unsafe impl Send for Device {}

// SAFETY: The methods that take `&Device` are synchronised by the virtio core.
unsafe impl Sync for Device {}

// SAFETY: Same as `Device<Normal>`: the context is a marker.
unsafe impl Sync for Device<device::Bound> {}
