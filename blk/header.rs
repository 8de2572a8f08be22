// SPDX-License-Identifier: GPL-2.0

//! A request on the wire (virtio spec §5.2.6).

use blockdev::mq::Op;
use virtio::Endian;

/// Bytes of the header at the start of a request.
pub(crate) const HEADER_LEN: usize = 16;
/// Bytes of a range of a discard, a write of zeroes or a secure erase.
pub(crate) const RANGE_LEN: usize = 16;
/// Bytes of the longest in-header, which the device writes after the data.
pub(crate) const IN_HEADER_LEN: usize = 1;
/// Bytes of the in-header of most requests, which is only the status.
pub(crate) const STATUS_LEN: u32 = 1;
/// Bytes of an identification string, which ends with a zero only if it is shorter.
pub(crate) const ID_LEN: usize = 20;

/// The type of a request (`VIRTIO_BLK_T_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Type(pub(crate) u32);

impl Type {
    /// Read.
    pub(crate) const IN: Self = Self(0);
    /// Write.
    pub(crate) const OUT: Self = Self(1);
    /// Write the cache back.
    pub(crate) const FLUSH: Self = Self(4);
    /// Get the identification string.
    pub(crate) const GET_ID: Self = Self(8);
    /// Discard.
    pub(crate) const DISCARD: Self = Self(11);
    /// Write zeroes.
    pub(crate) const WRITE_ZEROES: Self = Self(13);
    /// Secure erase.
    pub(crate) const SECURE_ERASE: Self = Self(14);

    /// Returns the type of a read or a write; `None` for other operations.
    pub(crate) fn of_data(op: Op) -> Option<Self> {
        const {
            assert!(Op::READ.as_raw() == Self::IN.0 && Op::WRITE.as_raw() == Self::OUT.0);
        }
        // The operation has the same number in Linux and in virtio, so no branch chooses between
        // the two.
        matches!(op, Op::READ | Op::WRITE).then_some(Self(op.as_raw()))
    }
}

/// Flag of a range: the sectors may be deallocated (`VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP`).
pub(crate) const RANGE_UNMAP: u32 = 1;

/// Returns the bytes of a header: type, I/O priority and first sector, in the byte order of the
/// device.
#[inline(always)]
pub(crate) fn header(endian: Endian, kind: Type, ioprio: u16, sector: u64) -> [u8; HEADER_LEN] {
    let mut bytes = [0; HEADER_LEN];
    bytes[..4].copy_from_slice(&endian.u32(kind.0).to_ne_bytes());
    bytes[4..8].copy_from_slice(&endian.u32(ioprio.into()).to_ne_bytes());
    bytes[8..].copy_from_slice(&endian.u64(sector).to_ne_bytes());
    bytes
}

/// Returns the bytes of a range: first sector, number of sectors and flags. They are little-endian
/// for every device.
pub(crate) fn range(sector: u64, sectors: u32, flags: u32) -> [u8; RANGE_LEN] {
    let mut bytes = [0; RANGE_LEN];
    bytes[..8].copy_from_slice(&sector.to_le_bytes());
    bytes[8..12].copy_from_slice(&sectors.to_le_bytes());
    bytes[12..].copy_from_slice(&flags.to_le_bytes());
    bytes
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(rust_virtio_blk_header)]
mod tests {
    use super::*;

    #[test]
    fn header_of_modern_device() {
        let bytes = header(
            Endian::Little,
            Type::WRITE_ZEROES,
            0x4321,
            0x0123_4567_89ab_cdef,
        );
        assert_eq!(
            bytes,
            [13, 0, 0, 0, 0x21, 0x43, 0, 0, 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01]
        );
    }

    #[test]
    fn header_of_legacy_device() {
        let bytes = header(Endian::Native, Type::OUT, 1, 2);
        assert_eq!(&bytes[..4], &1u32.to_ne_bytes());
        assert_eq!(&bytes[4..8], &1u32.to_ne_bytes());
        assert_eq!(&bytes[8..], &2u64.to_ne_bytes());
    }

    #[test]
    fn range_is_little_endian() {
        let bytes = range(0x1_0000_0002, 3, RANGE_UNMAP);
        assert_eq!(bytes, [2, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0]);
    }
}
