// SPDX-License-Identifier: GPL-2.0

//! Coalescing of an interface, as ethtool reads and sets it.

use super::nic::Nic;
use crate::bindings;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// Parameters of coalescing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coalesce {
    /// Microseconds and number of packets of receive queues.
    pub rx: (u32, u32),
    /// Microseconds and number of packets of transmit queues.
    pub tx: (u32, u32),
    /// Whether the driver adapts those of receive queues to the traffic.
    pub adaptive_rx: bool,
}

/// Returns the number that the C helpers take: negative for all queues.
fn number(queue: Option<u16>) -> i32 {
    queue.map_or(-1, i32::from)
}

impl Nic {
    /// Returns the parameters of a queue, or of all queues.
    ///
    /// # Errors
    ///
    /// Any error of the driver.
    pub fn coalesce(&self, queue: Option<u16>) -> Result<Coalesce> {
        let mut raw = bindings::rust_virtio_fake_coalesce::default();
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe {
            bindings::rust_virtio_fake_get_coalesce(self.0, number(queue), &mut raw)
        })?;
        Ok(Coalesce {
            rx: (raw.rx_usecs, raw.rx_frames),
            tx: (raw.tx_usecs, raw.tx_frames),
            adaptive_rx: raw.adaptive_rx,
        })
    }

    /// Sets the parameters of a queue, or of all queues.
    ///
    /// # Errors
    ///
    /// Any error of the driver.
    pub fn set_coalesce(&self, queue: Option<u16>, to: Coalesce) -> Result {
        let raw = bindings::rust_virtio_fake_coalesce {
            rx_usecs: to.rx.0,
            rx_frames: to.rx.1,
            tx_usecs: to.tx.0,
            tx_frames: to.tx.1,
            adaptive_rx: to.adaptive_rx,
        };
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_set_coalesce(self.0, number(queue), &raw) })
    }
}
