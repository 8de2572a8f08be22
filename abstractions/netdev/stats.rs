// SPDX-License-Identifier: GPL-2.0

//! Statistics, in the structures of the core.

use crate::bindings;

/// Statistics of an interface, C `struct rtnl_link_stats64`. All start at zero.
#[repr(transparent)]
pub struct LinkStats(bindings::rtnl_link_stats64);

macro_rules! adders {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $(
            $(#[$doc])*
            pub fn $name(&mut self, n: u64) {
                self.0.$name = self.0.$name.wrapping_add(n);
            }
        )*
    };
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $(
            $(#[$doc])*
            pub fn $name(&mut self, n: u64) {
                self.0.$name = n;
            }
        )*
    };
}

impl LinkStats {
    /// # Safety
    ///
    /// `stats` is valid, and no other code uses it for `'a`.
    pub(crate) unsafe fn from_raw<'a>(stats: *mut bindings::rtnl_link_stats64) -> &'a mut Self {
        // SAFETY: By the safety requirements; the type is transparent.
        unsafe { &mut *stats.cast() }
    }

    adders! {
        /// Adds received packets.
        rx_packets;
        /// Adds received bytes.
        rx_bytes;
        /// Adds packets that were received and dropped.
        rx_dropped;
        /// Adds packets that had a wrong length.
        rx_length_errors;
        /// Adds packets that were malformed.
        rx_frame_errors;
        /// Adds transmitted packets.
        tx_packets;
        /// Adds transmitted bytes.
        tx_bytes;
        /// Adds packets that failed to be transmitted.
        tx_errors;
        /// Adds packets that were not transmitted.
        tx_dropped;
        /// Adds packets that found their queue full.
        tx_fifo_errors;
    }
}

/// Statistics of a receive queue, C `struct netdev_queue_stats_rx`. A value that is not set is
/// unknown.
#[repr(transparent)]
pub struct RxQueueStats(bindings::netdev_queue_stats_rx);

impl RxQueueStats {
    /// # Safety
    ///
    /// `stats` is valid, and no other code uses it for `'a`.
    pub(crate) unsafe fn from_raw<'a>(stats: *mut bindings::netdev_queue_stats_rx) -> &'a mut Self {
        // SAFETY: By the safety requirements; the type is transparent.
        unsafe { &mut *stats.cast() }
    }

    setters! {
        /// Sets the number of received packets.
        packets;
        /// Sets the number of received bytes.
        bytes;
        /// Sets the number of packets that the device dropped.
        hw_drops;
        /// Sets the number of packets that the device dropped for want of buffers.
        hw_drop_overruns;
        /// Sets the number of packets whose checksum the device found valid.
        csum_unnecessary;
        /// Sets the number of packets whose checksum the device did not check.
        csum_none;
        /// Sets the number of packets whose checksum the device found invalid.
        csum_bad;
        /// Sets the number of packets that the device made of several packets.
        hw_gro_packets;
        /// Sets the number of bytes in packets that the device made of several packets.
        hw_gro_bytes;
        /// Sets the number of packets of which the device made larger packets.
        hw_gro_wire_packets;
        /// Sets the number of bytes in packets of which the device made larger packets.
        hw_gro_wire_bytes;
        /// Sets the number of packets that the device dropped because of a limit of the rate.
        hw_drop_ratelimits;
    }

    /// Sets the values that all drivers of this crate count to 0.
    pub(crate) fn clear(&mut self) {
        self.packets(0);
        self.bytes(0);
    }
}

/// Statistics of a transmit queue, C `struct netdev_queue_stats_tx`. A value that is not set is
/// unknown.
#[repr(transparent)]
pub struct TxQueueStats(bindings::netdev_queue_stats_tx);

impl TxQueueStats {
    /// # Safety
    ///
    /// `stats` is valid, and no other code uses it for `'a`.
    pub(crate) unsafe fn from_raw<'a>(stats: *mut bindings::netdev_queue_stats_tx) -> &'a mut Self {
        // SAFETY: By the safety requirements; the type is transparent.
        unsafe { &mut *stats.cast() }
    }

    setters! {
        /// Sets the number of transmitted packets.
        packets;
        /// Sets the number of transmitted bytes.
        bytes;
        /// Sets the number of times that the queue was stopped.
        stop;
        /// Sets the number of times that the queue was woken.
        wake;
        /// Sets the number of packets that the device dropped.
        hw_drops;
        /// Sets the number of packets that the device dropped because they were malformed.
        hw_drop_errors;
        /// Sets the number of packets whose checksum the device did not complete.
        csum_none;
        /// Sets the number of packets whose checksum the device completed.
        needs_csum;
        /// Sets the number of packets that the device segmented.
        hw_gso_packets;
        /// Sets the number of bytes in packets that the device segmented.
        hw_gso_bytes;
        /// Sets the number of packets that the device made by segmentation.
        hw_gso_wire_packets;
        /// Sets the number of bytes in packets that the device made by segmentation.
        hw_gso_wire_bytes;
        /// Sets the number of packets that the device dropped because of a limit of the rate.
        hw_drop_ratelimits;
    }

    /// Sets the values that all drivers of this crate count to 0.
    pub(crate) fn clear(&mut self) {
        self.packets(0);
        self.bytes(0);
        self.stop(0);
        self.wake(0);
    }
}
