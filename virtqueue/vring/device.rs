// SPDX-License-Identifier: GPL-2.0

//! The parts of a `struct virtio_device` that a queue needs.

use crate::bindings;
use kernel::device::Device;

/// A virtio device, as the ring sees it.
///
/// # Invariants
///
/// The pointer is to a `struct virtio_device` that lives at least as long as this is used.
#[derive(Clone, Copy)]
pub struct Virtio(*mut bindings::virtio_device);

impl Virtio {
    /// Takes a device.
    ///
    /// # Safety
    ///
    /// `vdev` is valid as long as the result, or a copy of it, is used.
    #[inline(always)]
    pub unsafe fn new(vdev: *mut bindings::virtio_device) -> Self {
        // INVARIANT: By the safety requirements.
        Self(vdev)
    }

    /// The C structure.
    #[inline(always)]
    pub fn as_raw(self) -> *mut bindings::virtio_device {
        self.0
    }

    /// Index of the device on the bus, the `N` of `virtioN`.
    pub fn index(self) -> i32 {
        // SAFETY: By the type invariant; the index does not change after registration.
        unsafe { (*self.0).index }
    }

    /// The device of the driver model, for messages.
    pub fn dev(&self) -> &Device {
        // SAFETY: By the type invariant; the device is part of it.
        unsafe { Device::from_raw(&raw mut (*self.0).dev) }
    }

    /// The device that the transport is on, which does the DMA unless the transport says another.
    pub fn parent(self) -> *mut bindings::device {
        // SAFETY: By the type invariant; the parent does not change after registration.
        unsafe { (*self.0).dev.parent }
    }

    fn features(self) -> *mut u64 {
        // SAFETY: By the type invariant; the field is a union of the low word and of both.
        unsafe { &raw mut (*self.0).__bindgen_anon_1 }.cast()
    }

    /// Whether a feature, one of the first 64, was negotiated.
    pub fn has(self, feature: u32) -> bool {
        // SAFETY: By the type invariant; features do not change while queues are made.
        feature < u64::BITS && unsafe { self.features().read() } & (1 << feature) != 0
    }

    /// Drops a feature, one of the first 64, while they are negotiated.
    pub fn clear(self, feature: u32) {
        if feature < u64::BITS {
            // SAFETY: By the type invariant, the device is valid; only its negotiation writes the
            // features.
            unsafe { *self.features() &= !(1 << feature) };
        }
    }

    /// Whether memory for the device goes through the DMA API, or through the operations of the
    /// transport: by feature, and under Xen always (`VIRTIO_F_ACCESS_PLATFORM`, §6).
    pub fn uses_map_api(self) -> bool {
        // SAFETY: May be called at any time.
        self.has(bindings::VIRTIO_F_ACCESS_PLATFORM)
            || unsafe { bindings::rust_virtio_xen_domain() }
    }

    /// The mapping operations of the transport, if it has some of its own.
    #[inline(always)]
    pub fn map_ops(&self) -> Option<&bindings::virtio_map_ops> {
        // SAFETY: By the type invariant; the operations live as long as the device.
        unsafe { (*self.0).map.as_ref() }
    }

    /// The token that stands for the memory of the device, where nothing is said of a single queue:
    /// what the transport keeps in `vmap` for its own operations, and otherwise the device that
    /// does the DMA.
    ///
    /// A transport may know its token only once it has made the first queue (virtio-vdpa).
    pub fn map_token(self) -> bindings::virtio_map {
        match self.map_ops() {
            // SAFETY: By the type invariant. A transport does not change it while its driver runs.
            Some(_) => unsafe { (*self.0).vmap },
            None => bindings::virtio_map {
                dma_dev: self.parent(),
            },
        }
    }

    /// The operations of the transport.
    pub fn config(&self) -> Option<&bindings::virtio_config_ops> {
        // SAFETY: By the type invariant; the operations live as long as the device.
        unsafe { (*self.0).config.as_ref() }
    }
}
