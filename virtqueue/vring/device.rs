// SPDX-License-Identifier: GPL-2.0

//! The parts of a `struct virtio_device` that a queue needs.

use crate::bindings;
use kernel::device::Device;

/// A virtio device, as the ring sees it.
///
/// # Invariants
///
/// The pointer is to a `struct virtio_device` that lives at least as long as this value, or a copy
/// of it, is used.
#[derive(Clone, Copy)]
pub struct Virtio(*mut bindings::virtio_device);

impl Virtio {
    /// Creates a reference to a device.
    ///
    /// # Safety
    ///
    /// `vdev` is valid as long as the result, or a copy of it, is used.
    #[inline(always)]
    pub unsafe fn new(vdev: *mut bindings::virtio_device) -> Self {
        // INVARIANT: By the safety requirements, the device lives long enough.
        Self(vdev)
    }

    /// Returns the C structure.
    #[inline(always)]
    pub fn as_raw(self) -> *mut bindings::virtio_device {
        self.0
    }

    /// Returns the index of the device on the bus, the `N` of `virtioN`.
    pub fn index(self) -> i32 {
        // SAFETY: By the type invariant, the device is valid. The index does not change after
        // registration.
        unsafe { (*self.0).index }
    }

    /// Returns the device of the driver model, for messages.
    pub fn dev(&self) -> &Device {
        // SAFETY: By the type invariant, the virtio device is valid, and its `dev` as long.
        unsafe { Device::from_raw(&raw mut (*self.0).dev) }
    }

    /// Returns the device of the transport, which does the DMA unless the transport names another.
    pub fn parent(self) -> *mut bindings::device {
        // SAFETY: By the type invariant, the device is valid. The parent does not change after
        // registration.
        unsafe { (*self.0).dev.parent }
    }

    fn features(self) -> *mut u64 {
        // SAFETY: By the type invariant, the device is valid. The field is a union of the low word
        // and the whole array.
        unsafe { &raw mut (*self.0).__bindgen_anon_1 }.cast()
    }

    /// Returns whether a feature, one of the first 64, was negotiated.
    pub fn has(self, feature: u32) -> bool {
        // SAFETY: By the type invariant, the device is valid. Features do not change while queues
        // are made.
        feature < u64::BITS && unsafe { self.features().read() } & (1 << feature) != 0
    }

    /// Removes a feature, one of the first 64, during negotiation.
    pub fn clear(self, feature: u32) {
        if feature < u64::BITS {
            // SAFETY: By the type invariant, the device is valid; only its negotiation writes the
            // features.
            unsafe { *self.features() &= !(1 << feature) };
        }
    }

    /// Returns whether memory for the device goes through the DMA API, or through the operations of
    /// the transport (`VIRTIO_F_ACCESS_PLATFORM`, §6). Always true under Xen.
    pub fn uses_map_api(self) -> bool {
        // SAFETY: `xen_domain` may be called at any time.
        let is_xen = unsafe { bindings::rust_virtio_xen_domain() };
        is_xen || self.has(bindings::VIRTIO_F_ACCESS_PLATFORM)
    }

    /// Returns the mapping operations of the transport, if it has its own.
    #[inline(always)]
    pub fn map_ops(&self) -> Option<&bindings::virtio_map_ops> {
        // SAFETY: By the type invariant, the device is valid. The operations live as long as it.
        unsafe { (*self.0).map.as_ref() }
    }

    /// Returns the token that the mapping operations take, for a queue with no token of its own. A
    /// transport with operations keeps the token in `vmap`; otherwise the token is the device that
    /// does the DMA.
    ///
    /// A transport may know its token only once it has made the first queue (virtio-vdpa).
    pub fn map_token(self) -> bindings::virtio_map {
        match self.map_ops() {
            // SAFETY: By the type invariant, the device is valid. A transport does not change
            // `vmap` while its driver runs.
            Some(_) => unsafe { (*self.0).vmap },
            None => bindings::virtio_map {
                dma_dev: self.parent(),
            },
        }
    }

    /// Returns the operations of the transport.
    pub fn config(&self) -> Option<&bindings::virtio_config_ops> {
        // SAFETY: By the type invariant, the device is valid. The operations live as long as it.
        unsafe { (*self.0).config.as_ref() }
    }
}
