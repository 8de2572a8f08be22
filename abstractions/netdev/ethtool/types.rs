// SPDX-License-Identifier: GPL-2.0

//! The values of `ethtool` operations.

use crate::bindings;
use core::{
    fmt::Write,
    ops::BitOr, //
};
use kernel::fmt;

/// Sizes of the rings in descriptors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingSizes {
    /// Receive.
    pub rx: u32,
    /// The largest size of a receive ring.
    pub rx_max: u32,
    /// Transmit.
    pub tx: u32,
    /// The largest size of a transmit ring.
    pub tx_max: u32,
}

/// Numbers of pairs of queues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Channels {
    /// The number of pairs in use.
    pub combined: u32,
    /// The largest number of pairs.
    pub max_combined: u32,
}

/// Speed and duplex of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkSettings {
    /// Megabits per second, or [`LinkSettings::SPEED_UNKNOWN`].
    pub speed: u32,
    /// 0 for half, 1 for full, or [`LinkSettings::DUPLEX_UNKNOWN`].
    pub duplex: u8,
}

impl LinkSettings {
    /// An unknown speed.
    pub const SPEED_UNKNOWN: u32 = u32::MAX;
    /// An unknown duplex.
    pub const DUPLEX_UNKNOWN: u8 = 0xff;
    /// An unknown speed and duplex.
    pub const UNKNOWN: Self = Self {
        speed: Self::SPEED_UNKNOWN,
        duplex: Self::DUPLEX_UNKNOWN,
    };

    /// Whether a speed is one that `ethtool` knows.
    pub const fn is_valid_speed(speed: u32) -> bool {
        speed <= i32::MAX as u32 || speed == Self::SPEED_UNKNOWN
    }

    /// Whether a duplex is one that `ethtool` knows.
    pub const fn is_valid_duplex(duplex: u8) -> bool {
        matches!(duplex, 0 | 1 | Self::DUPLEX_UNKNOWN)
    }
}

/// The limits after which a device raises an interrupt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coalescing {
    /// The longest time after a packet was received, in microseconds.
    pub rx_usecs: u32,
    /// The largest number of received packets.
    pub rx_frames: u32,
    /// The longest time after a packet was transmitted, in microseconds.
    pub tx_usecs: u32,
    /// The largest number of transmitted packets.
    pub tx_frames: u32,
    /// Whether the driver adapts the limits of receive queues to the traffic.
    pub adaptive_rx: bool,
}

/// A set of parameters of coalescing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoalesceParams(u32);

impl CoalesceParams {
    /// Microseconds, receive and transmit.
    pub const USECS: Self =
        Self(bindings::ETHTOOL_COALESCE_RX_USECS | bindings::ETHTOOL_COALESCE_TX_USECS);
    /// Packets, receive and transmit.
    pub const MAX_FRAMES: Self =
        Self(bindings::ETHTOOL_COALESCE_RX_MAX_FRAMES | bindings::ETHTOOL_COALESCE_TX_MAX_FRAMES);
    /// Adaptive coalescing of receive interrupts.
    pub const ADAPTIVE_RX: Self = Self(bindings::ETHTOOL_COALESCE_USE_ADAPTIVE_RX);

    /// Returns the parameters of both sets.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn into_raw(self) -> u32 {
        self.0
    }
}

impl BitOr for CoalesceParams {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

/// A buffer for the names of the values of `ethtool -S`.
pub struct Strings<'a> {
    slots: core::slice::ChunksExactMut<'a, u8>,
}

impl<'a> Strings<'a> {
    /// Bytes of a name, with its terminator.
    pub(super) const LEN: usize = bindings::ETH_GSTRING_LEN as usize;

    pub(super) fn new(buf: &'a mut [u8]) -> Self {
        Self {
            slots: buf.chunks_exact_mut(Self::LEN),
        }
    }

    /// Appends a name, cut to the size of an entry. Ignores names beyond the end of the buffer.
    pub fn push(&mut self, name: fmt::Arguments<'_>) {
        let Some(slot) = self.slots.next() else {
            return;
        };
        slot.fill(0);
        let mut cursor = Cursor { slot, at: 0 };
        // An error means that the name was cut.
        let _ = cursor.write_fmt(name);
    }
}

/// A writer to a slot, which leaves the last byte zero.
struct Cursor<'a> {
    slot: &'a mut [u8],
    at: usize,
}

impl Write for Cursor<'_> {
    fn write_str(&mut self, s: &str) -> core::fmt::Result {
        for &byte in s.as_bytes() {
            if self.at + 1 >= self.slot.len() {
                return Err(core::fmt::Error);
            }
            if let Some(to) = self.slot.get_mut(self.at) {
                *to = byte;
            }
            self.at += 1;
        }
        Ok(())
    }
}
