// SPDX-License-Identifier: GPL-2.0

//! Device ids of the virtio bus (virtio spec §5).

use crate::bindings;
use kernel::device_id::RawDeviceId;

/// Abstraction for `struct virtio_device_id`: which devices a driver serves.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct DeviceId(bindings::virtio_device_id);

impl DeviceId {
    /// A network device (§5.1), of any vendor.
    pub const NET: Self = Self::from_device(bindings::VIRTIO_ID_NET);
    /// A block device (§5.2), of any vendor.
    pub const BLOCK: Self = Self::from_device(bindings::VIRTIO_ID_BLOCK);

    /// Matches a device type of any vendor.
    pub const fn from_device(device: u32) -> Self {
        Self::from_device_vendor(device, bindings::VIRTIO_DEV_ANY_ID)
    }

    /// Matches a device type of one vendor.
    pub const fn from_device_vendor(device: u32, vendor: u32) -> Self {
        Self(bindings::virtio_device_id { device, vendor })
    }

    /// The device type.
    pub const fn device(&self) -> u32 {
        self.0.device
    }

    /// The (subsystem) vendor.
    pub const fn vendor(&self) -> u32 {
        self.0.vendor
    }
}

// SAFETY: `DeviceId` is a `#[repr(transparent)]` wrapper of `virtio_device_id` and does not add
// additional invariants, so it's safe to transmute to `RawType`.
unsafe impl RawDeviceId for DeviceId {
    type RawType = bindings::virtio_device_id;
}

/// [`IdTable`](kernel::device_id::IdTable) type for virtio.
///
/// `struct virtio_device_id` has no room for driver data, so the table carries none.
pub type IdTable = &'static dyn kernel::device_id::IdTable<DeviceId, ()>;

/// Create a virtio [`IdTable`] with its alias for modpost, so that udev loads the module for the
/// device (`virtio:d00000001v*`).
#[macro_export]
macro_rules! virtio_device_table {
    ($table_name:ident, [$($id:expr),* $(,)?]) => {
        ::kernel::module_device_table!("virtio", $crate::DeviceId, $table_name, @none, [$($id),*]);
    };
}
