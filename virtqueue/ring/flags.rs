// SPDX-License-Identifier: GPL-2.0

//! The parts of the configuration that the fast path reads.

use super::{
    endian::Endian,
    RingConfig, //
};

/// The negotiated properties of a queue, in one byte.
#[derive(Clone, Copy, Debug)]
pub struct Flags(u8);

impl Flags {
    const EVENT_IDX: u8 = 1 << 0;
    const STRONG: u8 = 1 << 1;
    const NATIVE: u8 = 1 << 2;

    #[inline]
    pub(super) const fn new(config: &RingConfig) -> Self {
        let mut bits = 0;
        if config.event_idx {
            bits |= Self::EVENT_IDX;
        }
        if config.strong_barriers {
            bits |= Self::STRONG;
        }
        if matches!(config.endian, Endian::Native) {
            bits |= Self::NATIVE;
        }
        Self(bits)
    }

    /// Returns whether notifications are suppressed by index.
    #[inline(always)]
    pub(super) const fn event_idx(self) -> bool {
        self.0 & Self::EVENT_IDX != 0
    }

    /// Returns whether barriers order accesses for devices, and not only for processors.
    #[inline(always)]
    pub(super) const fn strong(self) -> bool {
        self.0 & Self::STRONG != 0
    }

    /// Returns the byte order of a split ring.
    #[inline(always)]
    pub(super) const fn endian(self) -> Endian {
        if self.0 & Self::NATIVE != 0 {
            Endian::Native
        } else {
            Endian::Little
        }
    }
}
