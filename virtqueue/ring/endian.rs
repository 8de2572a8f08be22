// SPDX-License-Identifier: GPL-2.0

//! The byte order of a device.

/// The byte order in which a device reads and writes its ring, its `__virtio` fields and the
/// headers of its buffers.
///
/// On a little-endian processor both orders are the same, and conversion costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endian {
    /// Modern devices: `VIRTIO_F_VERSION_1` was negotiated (§1.4).
    Little,
    /// Legacy devices: the byte order of the guest (§2.7.3).
    Native,
}

impl Endian {
    #[inline(always)]
    const fn swaps(self) -> bool {
        cfg!(target_endian = "big") && matches!(self, Self::Little)
    }

    /// Converts to or from the byte order of the processor.
    #[inline(always)]
    pub const fn u16(self, value: u16) -> u16 {
        if self.swaps() {
            value.swap_bytes()
        } else {
            value
        }
    }

    /// Converts to or from the byte order of the processor.
    #[inline(always)]
    pub const fn u32(self, value: u32) -> u32 {
        if self.swaps() {
            value.swap_bytes()
        } else {
            value
        }
    }

    /// Converts to or from the byte order of the processor.
    #[inline(always)]
    pub const fn u64(self, value: u64) -> u64 {
        if self.swaps() {
            value.swap_bytes()
        } else {
            value
        }
    }

    /// Joins a `u32` and two `u16` that follow each other in memory into one word to store. Each
    /// field has this byte order.
    #[inline(always)]
    pub const fn join(self, first: u32, second: u16, third: u16) -> u64 {
        if cfg!(target_endian = "little") || self.swaps() {
            // Lay the fields out as a little-endian processor does. If this processor is not one,
            // the whole word is swapped.
            self.u64(first as u64 | (second as u64) << 32 | (third as u64) << 48)
        } else {
            (first as u64) << 32 | (second as u64) << 16 | third as u64
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn join_is_the_three_fields_in_memory() {
        let mut wanted = [0; 8];
        wanted[..4].copy_from_slice(&0x0102_0304u32.to_le_bytes());
        wanted[4..6].copy_from_slice(&0x0506u16.to_le_bytes());
        wanted[6..].copy_from_slice(&0x0708u16.to_le_bytes());
        let word = Endian::Little.join(0x0102_0304, 0x0506, 0x0708);
        assert_eq!(word.to_ne_bytes(), wanted);

        wanted[..4].copy_from_slice(&0x0102_0304u32.to_ne_bytes());
        wanted[4..6].copy_from_slice(&0x0506u16.to_ne_bytes());
        wanted[6..].copy_from_slice(&0x0708u16.to_ne_bytes());
        let word = Endian::Native.join(0x0102_0304, 0x0506, 0x0708);
        assert_eq!(word.to_ne_bytes(), wanted);
    }

    #[test]
    fn orders() {
        assert_eq!(Endian::Little.u16(0x0102).to_ne_bytes(), [2, 1]);
        assert_eq!(Endian::Little.u32(0x0102_0304).to_ne_bytes(), [4, 3, 2, 1]);
        assert_eq!(Endian::Little.u64(7).to_ne_bytes(), 7u64.to_le_bytes());
        assert_eq!(Endian::Native.u32(0x0102_0304), 0x0102_0304);
    }
}
