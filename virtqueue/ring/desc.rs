// SPDX-License-Identifier: GPL-2.0

//! The formats of descriptors.

/// The buffer goes on in another descriptor (§2.7.5, §2.8.6).
pub(super) const NEXT: u16 = 1 << 0;
/// The device writes (§2.7.5, §2.8.3).
pub(super) const WRITE: u16 = 1 << 1;
/// The descriptor is of a table of descriptors (§2.7.5.3, §2.8.7).
pub(super) const INDIRECT: u16 = 1 << 2;

/// Room for one descriptor of either format: 16 bytes, aligned to 16.
///
/// - Split (§2.7.5): address, length, flags, link.
/// - Packed (§2.8.13): address, length, id, flags.
///
/// Written as two words, the address and the rest; never read.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug, Default)]
pub struct Desc([u64; 2]);
