// SPDX-License-Identifier: GPL-2.0

//! The behaviour of a fake device, written by the test.

use crate::chain::Chain;

/// The fate of a buffer that the device looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The buffer is used, with so many bytes written.
    Complete(u32),
    /// The device says that it used buffer `id`, which may be a lie.
    CompleteAs {
        /// The id in the used entry.
        id: u32,
        /// The length in the used entry.
        len: u32,
    },
    /// The buffer is used twice.
    Twice(u32),
    /// The device keeps it for later: [`Fake::finish`](crate::Fake::finish).
    Hold,
    /// The device never gives it back.
    Lose,
}

/// The device behind the transport.
///
/// Called with the queues locked: what is called here must not call back into the
/// [`Fake`](crate::Fake), but for what says so.
pub trait Backend: Send + Sync {
    /// Handles a buffer of queue `queue`. Process context, may sleep.
    fn process(&self, queue: usize, chain: &mut Chain) -> Action {
        let _ = (queue, chain);
        Action::Hold
    }

    /// The driver is about to be given its queues. Process context, may sleep, nothing is locked.
    fn finding(&self) {}

    /// The driver is about to read the configuration; `nth` counts from 0. Returns whether the
    /// device changed it, which moves the generation on.
    ///
    /// Called with a spinlock held.
    fn config_read(&self, nth: u64, config: &mut [u8]) -> bool {
        let _ = (nth, config);
        false
    }

    /// The driver wrote `bytes` at `offset` of the configuration, which has them already.
    ///
    /// Called with a spinlock held.
    fn config_written(&self, offset: usize, bytes: &[u8]) {
        let _ = (offset, bytes);
    }
}

/// A device that keeps every buffer until the test finishes it.
pub struct HoldAll;

impl Backend for HoldAll {}
