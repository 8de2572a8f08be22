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

pub use vring::ring::Endian;

macro_rules! define_wire {
    ($($int:ident, $le:ident, $virtio:ident;)*) => {
        $(
            #[doc = concat!("A little-endian `", stringify!($int), "` of any device, C `__le`.")]
            #[repr(transparent)]
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
            pub struct $le($int);

            impl $le {
                /// Converts from the CPU's byte order.
                #[inline]
                pub const fn new(v: $int) -> Self {
                    Self(v.to_le())
                }

                /// Converts to the CPU's byte order.
                #[inline]
                pub const fn get(self) -> $int {
                    $int::from_le(self.0)
                }
            }

            #[doc = concat!("A `", stringify!($int), "` in its device's byte order, C `__virtio`.")]
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

            impl $virtio {
                /// Converts from the CPU's byte order.
                #[inline]
                pub const fn new(v: $int, endian: Endian) -> Self {
                    Self(endian.$int(v))
                }

                /// Converts to the CPU's byte order.
                #[inline]
                pub const fn get(self, endian: Endian) -> $int {
                    endian.$int(self.0)
                }
            }
        )*
    };
}

define_wire! {
    u16, Le16, Virtio16;
    u32, Le32, Virtio32;
    u64, Le64, Virtio64;
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(rust_virtio_endian)]
mod tests {
    use super::*;

    #[test]
    fn le_is_little_for_everyone() {
        assert_eq!(Le16::new(0x0102).as_bytes(), [2, 1].as_slice());
        assert_eq!(Le32::new(0x0102_0304).as_bytes(), [4, 3, 2, 1].as_slice());
        assert_eq!(
            Le64::new(0x0102_0304_0506_0708).as_bytes(),
            [8, 7, 6, 5, 4, 3, 2, 1].as_slice()
        );
        assert_eq!(Le16::new(0xfffe).get(), 0xfffe);
        assert_eq!(Le32::new(0xffff_fffe).get(), 0xffff_fffe);
        assert_eq!(Le64::new(u64::MAX - 1).get(), u64::MAX - 1);
    }

    #[test]
    fn virtio_depends_on_the_device() {
        let modern = Virtio32::new(0x0102_0304, Endian::Little);
        assert_eq!(modern.as_bytes(), [4, 3, 2, 1].as_slice());
        assert_eq!(modern.get(Endian::Little), 0x0102_0304);

        let legacy = Virtio32::new(0x0102_0304, Endian::Native);
        assert_eq!(legacy.as_bytes(), 0x0102_0304u32.to_ne_bytes().as_slice());
        assert_eq!(legacy.get(Endian::Native), 0x0102_0304);

        assert_eq!(
            Virtio16::new(0x0102, Endian::Native).as_bytes(),
            0x0102u16.to_ne_bytes().as_slice()
        );
        let wide = Virtio64::new(7 << 40, Endian::Little);
        assert_eq!(wide.get(Endian::Little), 7 << 40);
    }
}
