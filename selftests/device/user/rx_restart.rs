// SPDX-License-Identifier: GPL-2.0

//! Restarts of single receive queues, as the core does them for users of one queue.

use super::nic::Nic;
use crate::bindings;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// A fault of the core in a restart of a receive queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartFault {
    /// No fault.
    None,
    /// There is no memory for the queue. The driver has allocated its part of it.
    NoMemory,
    /// The start of the queue fails, and the core starts the queue with its old memory.
    NoStart,
    /// The memory is that of a provider, and the CPU must not read it.
    Provider,
}

impl Nic {
    /// Has the core restart a receive queue, without the RTNL. A test does this in one thread at a
    /// time.
    ///
    /// # Errors
    ///
    /// Any error of the driver or of the core. `EOPNOTSUPP`: the driver restarts no single queue.
    pub fn restart_rx(&self, queue: u32, fault: RestartFault) -> Result {
        let fault = match fault {
            RestartFault::None => bindings::rust_virtio_fake_restart_RUST_VIRTIO_FAKE_NO_FAULT,
            RestartFault::NoMemory => bindings::rust_virtio_fake_restart_RUST_VIRTIO_FAKE_NO_MEMORY,
            RestartFault::NoStart => bindings::rust_virtio_fake_restart_RUST_VIRTIO_FAKE_NO_START,
            RestartFault::Provider => bindings::rust_virtio_fake_restart_RUST_VIRTIO_FAKE_PROVIDER,
        };
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_restart_rx(self.0, queue, fault) })
    }
}
