// SPDX-License-Identifier: GPL-2.0

//! Disk names: `vda` to `vdz`, `vdaa`, and so on.

use kernel::prelude::*;

/// The name of a disk.
pub(crate) struct DiskName {
    bytes: [u8; Self::LEN],
}

impl DiskName {
    /// Bytes of the longest name: the prefix, the digits of a 32-bit index, and the end.
    const LEN: usize = 10;
    const PREFIX: [u8; 2] = *b"vd";
    const BASE: u32 = 26;

    /// Returns the name of the disk with an index. The name ends with the index as a number in base
    /// 26. The digits are the letters, none of which stands for zero.
    pub(crate) fn new(index: u32) -> Self {
        let mut digits = [0; Self::LEN];
        let mut len = 0;
        let mut rest = Some(index);
        // The last byte is left for the end of the string.
        let room = Self::LEN - Self::PREFIX.len() - 1;
        for digit in digits.iter_mut().take(room) {
            let Some(value) = rest else { break };
            *digit = b'a' + (value % Self::BASE) as u8;
            len += 1;
            rest = (value / Self::BASE).checked_sub(1);
        }

        let mut bytes = [0; Self::LEN];
        let letters = digits.iter().take(len).rev();
        for (to, &from) in bytes.iter_mut().zip(Self::PREFIX.iter()) {
            *to = from;
        }
        for (to, &from) in bytes.iter_mut().skip(Self::PREFIX.len()).zip(letters) {
            *to = from;
        }
        Self { bytes }
    }

    /// Returns the name as a string.
    pub(crate) fn as_cstr(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(rust_virtio_blk_name)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_c() {
        for (index, name) in [
            (0, c"vda"),
            (1, c"vdb"),
            (25, c"vdz"),
            (26, c"vdaa"),
            (27, c"vdab"),
            (701, c"vdzz"),
            (702, c"vdaaa"),
            (18277, c"vdzzz"),
            (18278, c"vdaaaa"),
            (65535, c"vdcrxp"),
        ] {
            assert_eq!(DiskName::new(index).as_cstr(), name);
        }
    }

    #[test]
    fn longest_name_fits() {
        assert_eq!(DiskName::new(u32::MAX).as_cstr(), c"vdmwlqkwv");
    }
}
