// SPDX-License-Identifier: GPL-2.0

//! Byte order of fields shared with a device.
//!
//! Modern devices (`VIRTIO_F_VERSION_1`) are little-endian throughout (virtio spec §1.4). Legacy
//! devices use the guest's native order for most fields (§2.4.3, §2.5.3, ...), which C calls
//! `__virtio16/32/64`: their meaning depends on what was negotiated. Fields that the
//! specification introduced as `le16/32/64` are little-endian for every device.

use kernel::transmute::{
    AsBytes,
    FromBytes, //
};

/// The byte order in which a device reads and writes `__virtio` fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endian {
    /// `VIRTIO_F_VERSION_1` was negotiated.
    Little,
    /// Legacy device: the guest's own order.
    Native,
}

macro_rules! define_wire {
    ($($int:ident, $le:ident, $virtio:ident, $to:ident, $from:ident;)*) => {
        $(
            #[doc = concat!("A little-endian `", stringify!($int), "` of any device, C `__le`.")]
            #[repr(transparent)]
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
            pub struct $le($int);

            impl $le {
                /// From the CPU's byte order.
                #[inline(always)]
                pub const fn new(v: $int) -> Self {
                    Self(v.to_le())
                }

                /// To the CPU's byte order.
                #[inline(always)]
                pub const fn get(self) -> $int {
                    $int::from_le(self.0)
                }
            }

            #[doc = concat!("A `", stringify!($int), "` in the byte order of its device, C `__virtio`.")]
            #[doc = ""]
            #[doc = "Made and read through the device's [`Endian`]."]
            #[repr(transparent)]
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
            pub struct $virtio($int);

            // SAFETY: A transparent wrapper of an integer has no padding.
            unsafe impl AsBytes for $le {}
            // SAFETY: Every bit pattern is a valid integer.
            unsafe impl FromBytes for $le {}
            // SAFETY: A transparent wrapper of an integer has no padding.
            unsafe impl AsBytes for $virtio {}
            // SAFETY: Every bit pattern is a valid integer.
            unsafe impl FromBytes for $virtio {}

            impl Endian {
                /// Converts to the CPU's byte order.
                #[inline(always)]
                pub const fn $to(self, v: $virtio) -> $int {
                    match self {
                        Endian::Little => $int::from_le(v.0),
                        Endian::Native => v.0,
                    }
                }

                /// Converts from the CPU's byte order.
                #[inline(always)]
                pub const fn $from(self, v: $int) -> $virtio {
                    match self {
                        Endian::Little => $virtio(v.to_le()),
                        Endian::Native => $virtio(v),
                    }
                }
            }
        )*
    };
}

define_wire! {
    u16, Le16, Virtio16, u16, virtio16;
    u32, Le32, Virtio32, u32, virtio32;
    u64, Le64, Virtio64, u64, virtio64;
}
