// SPDX-License-Identifier: GPL-2.0

//! The format of a descriptor.

/// `VIRTQ_DESC_F_NEXT`: the buffer continues in another descriptor (§2.7.5, §2.8.6).
pub(super) const NEXT: u16 = 1 << 0;
/// `VIRTQ_DESC_F_WRITE`: the device writes the memory (§2.7.5, §2.8.3).
pub(super) const WRITE: u16 = 1 << 1;
/// `VIRTQ_DESC_F_INDIRECT`: the descriptor refers to a table of descriptors (§2.7.5.3, §2.8.7).
pub(super) const INDIRECT: u16 = 1 << 2;

/// The memory of one descriptor of either format: 16 bytes, aligned to 16.
///
/// - Split (§2.7.5): address, length, flags, link.
/// - Packed (§2.8.13): address, length, id, flags.
///
/// The driver writes a descriptor as two words, the address and the rest, and never reads it.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug, Default)]
pub struct Desc([u64; 2]);
