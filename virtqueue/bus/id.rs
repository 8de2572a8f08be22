// SPDX-License-Identifier: GPL-2.0

//! Device ids of the virtio bus (virtio spec §5).

use crate::bindings;
use kernel::device_id::RawDeviceId;

/// Abstraction for `struct virtio_device_id`: which devices a driver serves.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct DeviceId(bindings::virtio_device_id);

impl DeviceId {
    /// Matches a device type of any vendor.
    pub const fn from_device(device: u32) -> Self {
        Self::from_device_vendor(device, bindings::VIRTIO_DEV_ANY_ID)
    }

    /// Matches a device type of one vendor.
    pub const fn from_device_vendor(device: u32, vendor: u32) -> Self {
        Self(bindings::virtio_device_id { device, vendor })
    }

    /// Returns the device type.
    pub const fn device(&self) -> u32 {
        self.0.device
    }

    /// Returns the (subsystem) vendor.
    pub const fn vendor(&self) -> u32 {
        self.0.vendor
    }
}

/// Defines an id for each device type, of any vendor, with the name that C has for it.
macro_rules! device_types {
    ($($name:ident = $id:ident, $doc:literal;)*) => {
        impl DeviceId {
            $(
                #[doc = $doc]
                pub const $name: Self = Self::from_device(bindings::$id);
            )*
        }
    };
}

device_types! {
    NET = VIRTIO_ID_NET, "A network device (§5.1).";
    BLOCK = VIRTIO_ID_BLOCK, "A block device (§5.2).";
    CONSOLE = VIRTIO_ID_CONSOLE, "A console device (§5.3).";
    RNG = VIRTIO_ID_RNG, "An entropy device (§5.4).";
    BALLOON = VIRTIO_ID_BALLOON, "A traditional memory balloon (§5.5).";
    IOMEM = VIRTIO_ID_IOMEM, "An I/O memory device.";
    RPMSG = VIRTIO_ID_RPMSG, "A device for messages between processors.";
    SCSI = VIRTIO_ID_SCSI, "A SCSI host (§5.6).";
    NINE_P = VIRTIO_ID_9P, "A transport for 9P.";
    MAC80211_WLAN = VIRTIO_ID_MAC80211_WLAN, "A wireless network device.";
    RPROC_SERIAL = VIRTIO_ID_RPROC_SERIAL, "A serial link to another processor.";
    CAIF = VIRTIO_ID_CAIF, "A CAIF device.";
    MEMORY_BALLOON = VIRTIO_ID_MEMORY_BALLOON, "A memory balloon.";
    GPU = VIRTIO_ID_GPU, "A GPU (§5.7).";
    CLOCK = VIRTIO_ID_CLOCK, "A clock and timer.";
    INPUT = VIRTIO_ID_INPUT, "An input device (§5.8).";
    VSOCK = VIRTIO_ID_VSOCK, "A socket device (§5.10).";
    CRYPTO = VIRTIO_ID_CRYPTO, "A crypto device (§5.9).";
    SIGNAL_DIST = VIRTIO_ID_SIGNAL_DIST, "A device that distributes signals.";
    PSTORE = VIRTIO_ID_PSTORE, "Persistent storage of messages.";
    IOMMU = VIRTIO_ID_IOMMU, "An IOMMU (§5.13).";
    MEM = VIRTIO_ID_MEM, "A memory device (§5.15).";
    SOUND = VIRTIO_ID_SOUND, "A sound device (§5.14).";
    FS = VIRTIO_ID_FS, "A file system (§5.11).";
    PMEM = VIRTIO_ID_PMEM, "Persistent memory (§5.19).";
    RPMB = VIRTIO_ID_RPMB, "Replay-protected memory (§5.12).";
    MAC80211_HWSIM = VIRTIO_ID_MAC80211_HWSIM, "A simulated wireless device.";
    VIDEO_ENCODER = VIRTIO_ID_VIDEO_ENCODER, "A video encoder.";
    VIDEO_DECODER = VIRTIO_ID_VIDEO_DECODER, "A video decoder.";
    SCMI = VIRTIO_ID_SCMI, "A system control device (§5.17).";
    NITRO_SEC_MOD = VIRTIO_ID_NITRO_SEC_MOD, "A Nitro security module.";
    I2C_ADAPTER = VIRTIO_ID_I2C_ADAPTER, "An I2C adapter (§5.16).";
    WATCHDOG = VIRTIO_ID_WATCHDOG, "A watchdog.";
    CAN = VIRTIO_ID_CAN, "A CAN bus.";
    DMABUF = VIRTIO_ID_DMABUF, "A device for DMA buffers.";
    PARAM_SERV = VIRTIO_ID_PARAM_SERV, "A parameter server.";
    AUDIO_POLICY = VIRTIO_ID_AUDIO_POLICY, "An audio policy device.";
    BT = VIRTIO_ID_BT, "A Bluetooth device.";
    GPIO = VIRTIO_ID_GPIO, "A GPIO controller (§5.18).";
    SPI = VIRTIO_ID_SPI, "An SPI controller.";
    MEDIA = VIRTIO_ID_MEDIA, "A media device.";
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

/// Creates a virtio [`IdTable`] with its alias for modpost, so that udev loads the module for the
/// device (`virtio:d00000001v*`).
#[macro_export]
macro_rules! virtio_device_table {
    ($table_name:ident, [$($id:expr),* $(,)?]) => {
        ::kernel::module_device_table!("virtio", $crate::DeviceId, $table_name, @none, [$($id),*]);
    };
}
