// SPDX-License-Identifier: GPL-2.0

//! Memory of a request that a device uses.

use kernel::types::Opaque;
use virtio::Segment;

/// Memory that a device reads, aligned for the fields in it.
#[repr(C, align(8))]
pub(crate) struct DeviceReadable<T>(Opaque<T>);

impl<T: Copy> DeviceReadable<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Opaque::new(value))
    }

    #[inline]
    pub(crate) fn set(&mut self, value: T) {
        // SAFETY: The memory is owned, and `&mut self` excludes others.
        unsafe { self.0.get().write(value) };
    }

    #[inline]
    pub(crate) fn segment(&self) -> Segment {
        Segment::virt(self.0.get().cast(), size_of::<T>() as u32)
    }
}

/// Memory that a device may write at any time. There is never a reference to it, and each byte is
/// read once per use.
#[repr(C, align(8))]
pub(crate) struct DeviceWritable<const N: usize>(Opaque<[u8; N]>);

impl<const N: usize> DeviceWritable<N> {
    pub(crate) fn new() -> Self {
        Self(Opaque::new([0; N]))
    }

    #[inline]
    fn byte(&self, at: usize) -> Option<*mut u8> {
        // The pointer is within the array, or not made.
        (at < N).then(|| self.0.get().cast::<u8>().wrapping_add(at))
    }

    #[inline]
    pub(crate) fn set(&mut self, at: usize, value: u8) {
        if let Some(byte) = self.byte(at) {
            // SAFETY: `byte` is within the array.
            unsafe { byte.write_volatile(value) };
        }
    }

    #[inline]
    pub(crate) fn get(&self, at: usize) -> Option<u8> {
        // SAFETY: `byte` is within the array.
        self.byte(at).map(|byte| unsafe { byte.read_volatile() })
    }

    #[inline]
    pub(crate) fn segment(&self, len: u32) -> Segment {
        Segment::virt(self.0.get().cast(), len.min(N as u32))
    }
}
