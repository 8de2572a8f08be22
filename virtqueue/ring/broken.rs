// SPDX-License-Identifier: GPL-2.0

//! The reasons why a queue is broken.

/// The reason for which a queue was marked broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Broken {
    /// The driver or the transport declared it.
    Declared = 1,
    /// A used id that no descriptor of the queue has (§2.7.8, §2.8.6).
    IdOutOfRange = 2,
    /// A used id of a buffer that the device does not have: never given, or used before.
    NotOutstanding = 3,
    /// A used index that is further than there are buffers (§2.7.8).
    IndexJump = 4,
    /// In order: a batch of another size than the used index says (§2.7.9).
    WrongBatch = 5,
    /// The private state of the ring contradicts itself: a bug.
    Internal = 6,
}

impl Broken {
    /// A word for a message.
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

    /// The reason of a code, if it is not 0.
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

/// The message for the log about a queue that a device broke: given out once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The fault.
    pub reason: Broken,
    /// The value that the device wrote: an id, an index, or the size of a batch.
    pub value: u32,
    /// The largest or only value that would have been right.
    pub limit: u32,
}

/// A reason, and what goes into a report of it.
pub(super) type Fault = (Broken, u32, u32);
