// SPDX-License-Identifier: GPL-2.0

//! The reasons for which a queue is marked broken.

/// The reason for which a queue was marked broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum BrokenReason {
    /// The driver or the transport declared the queue broken.
    Declared = 1,
    /// A used id above the largest id of the queue (§2.7.8, §2.8.6).
    IdOutOfRange = 2,
    /// A used id that is not outstanding: it was never made available, or was used before.
    NotOutstanding = 3,
    /// A used index that is ahead of the available index (§2.7.8).
    IndexJump = 4,
    /// In order: a batch with more buffers than the used index covers, or than are outstanding
    /// (§2.7.9, §2.8.8).
    WrongBatch = 5,
    /// The private state of the ring contradicts itself, which is a bug.
    Internal = 6,
}

impl BrokenReason {
    /// Returns the text for the log.
    #[inline]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Declared => "declared broken",
            Self::IdOutOfRange => "used id is out of range",
            Self::NotOutstanding => "used id is not of a buffer that the device has",
            Self::IndexJump => "used index is further than there are buffers",
            Self::WrongBatch => "batch does not fit the used index",
            Self::Internal => "ring state is inconsistent",
        }
    }

    /// Returns the reason that a code stands for, or `None` for 0.
    #[inline]
    pub(super) const fn from_code(code: u32) -> Option<Self> {
        match code {
            0 => None,
            1 => Some(Self::Declared),
            2 => Some(Self::IdOutOfRange),
            3 => Some(Self::NotOutstanding),
            4 => Some(Self::IndexJump),
            5 => Some(Self::WrongBatch),
            _ => Some(Self::Internal),
        }
    }
}

/// The facts for the log about a queue that its device broke. Each fault is reported once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenReport {
    /// The reason.
    pub reason: BrokenReason,
    /// The value that the device wrote: an id, an index, or the size of a batch.
    pub value: u32,
    /// The largest value that would have been valid, or the only one.
    pub limit: u32,
}
