// SPDX-License-Identifier: GPL-2.0

//! The behaviour of a fake device, which the test provides.

use crate::chain::Chain;

/// The action of the device on a buffer that it has processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The device uses the buffer, and reports this many written bytes.
    Complete(u32),
    /// The device reports that it has used buffer `id`, which may be false.
    CompleteAs {
        /// The id in the used entry.
        id: u32,
        /// The length in the used entry.
        len: u32,
    },
    /// The device uses the buffer twice.
    Twice(u32),
    /// The device keeps the buffer for a later [`Fake::finish`](crate::Fake::finish).
    Hold,
    /// The device never uses the buffer.
    Lose,
}

/// The device behind the transport.
///
/// Called with the queues locked. The functions must not call methods of the [`Fake`](crate::Fake),
/// unless their documentation allows that.
pub trait Backend: Send + Sync {
    /// Handles a buffer of queue `queue`. Process context, may sleep.
    fn process(&self, queue: usize, chain: &mut Chain) -> Action {
        let _ = (queue, chain);
        Action::Hold
    }

    /// Runs before the driver gets its queues. Process context, may sleep, no lock is held.
    fn finding(&self) {}

    /// Runs before the driver reads the configuration; `nth` counts the reads from 0. Returns
    /// whether the device has changed the configuration, which increments the generation.
    ///
    /// Called with a spinlock held.
    fn config_read(&self, nth: u64, config: &mut [u8]) -> bool {
        let _ = (nth, config);
        false
    }

    /// Runs after the driver has written `bytes` at `offset` of the configuration.
    ///
    /// Called with a spinlock held.
    fn config_written(&self, offset: usize, bytes: &[u8]) {
        let _ = (offset, bytes);
    }
}

/// A device that keeps every buffer until the test finishes it.
pub struct HoldAll;

impl Backend for HoldAll {}
