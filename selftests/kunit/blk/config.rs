// SPDX-License-Identifier: GPL-2.0

//! The configuration of a disk (virtio spec §5.2.4).

/// The default capacity of a disk, in sectors.
pub(super) const SECTORS: u64 = 2048;

/// The configuration of a disk, little-endian.
#[derive(Clone, Copy)]
pub(super) struct Config([u8; 96]);

impl Default for Config {
    /// Returns the configuration of a disk of 1 MiB with a write cache and moderate limits.
    fn default() -> Self {
        Self([0; 96])
            .capacity(SECTORS)
            .u32(Self::SEG_MAX, 16)
            .u32(Self::BLK_SIZE, 512)
            .u8(Self::WCE, 1)
            .u16(Self::NUM_QUEUES, 1)
            .u32(Self::MAX_DISCARD_SECTORS, 256)
            .u32(Self::MAX_DISCARD_SEG, 4)
            .u32(Self::DISCARD_ALIGNMENT, 8)
            .u32(Self::MAX_WRITE_ZEROES_SECTORS, 128)
            .u32(Self::MAX_WRITE_ZEROES_SEG, 1)
    }
}

impl Config {
    /// The largest segment, le32.
    pub(super) const SIZE_MAX: usize = 8;
    /// The largest number of segments, le32.
    pub(super) const SEG_MAX: usize = 12;
    /// The block size, le32.
    pub(super) const BLK_SIZE: usize = 20;
    /// The binary logarithm of the number of logical blocks in a physical block, u8.
    pub(super) const PHYSICAL_BLOCK_EXP: usize = 24;
    /// The optimal size of I/O in blocks, le32.
    pub(super) const OPT_IO_SIZE: usize = 28;
    /// The cache mode, u8.
    pub(super) const WCE: usize = 32;
    /// The number of queues, le16.
    pub(super) const NUM_QUEUES: usize = 34;
    /// The largest discard, le32.
    pub(super) const MAX_DISCARD_SECTORS: usize = 36;
    /// The largest number of ranges of a discard, le32.
    pub(super) const MAX_DISCARD_SEG: usize = 40;
    /// The alignment of discards in sectors, le32.
    pub(super) const DISCARD_ALIGNMENT: usize = 44;
    /// The largest write of zeroes, le32.
    pub(super) const MAX_WRITE_ZEROES_SECTORS: usize = 48;
    /// The largest number of ranges of a write of zeroes, le32.
    pub(super) const MAX_WRITE_ZEROES_SEG: usize = 52;

    /// The largest secure erase, le32.
    pub(super) const MAX_SECURE_ERASE_SECTORS: usize = 60;
    /// The largest number of ranges of a secure erase, le32.
    pub(super) const MAX_SECURE_ERASE_SEG: usize = 64;
    /// The alignment of secure erases in sectors, le32.
    pub(super) const SECURE_ERASE_ALIGNMENT: usize = 68;

    /// Sets limits for secure erases: one range of 128 sectors, in units of eight.
    pub(super) fn secure_erase(self) -> Self {
        self.u32(Self::MAX_SECURE_ERASE_SECTORS, 128)
            .u32(Self::MAX_SECURE_ERASE_SEG, 1)
            .u32(Self::SECURE_ERASE_ALIGNMENT, 8)
    }

    /// Returns the bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn put<const N: usize>(mut self, at: usize, bytes: [u8; N]) -> Self {
        if let Some(to) = self.0.get_mut(at..at + N) {
            to.copy_from_slice(&bytes);
        }
        self
    }

    /// Sets the capacity in sectors.
    pub(super) fn capacity(self, sectors: u64) -> Self {
        self.put(0, sectors.to_le_bytes())
    }

    /// Sets a field of one byte.
    pub(super) fn u8(self, at: usize, value: u8) -> Self {
        self.put(at, [value])
    }

    /// Sets a field of two bytes.
    pub(super) fn u16(self, at: usize, value: u16) -> Self {
        self.put(at, value.to_le_bytes())
    }

    /// Sets a field of four bytes.
    pub(super) fn u32(self, at: usize, value: u32) -> Self {
        self.put(at, value.to_le_bytes())
    }
}
