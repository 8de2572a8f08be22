// SPDX-License-Identifier: GPL-2.0

//! Operations of requests.

use crate::bindings;

/// The bits of the operation in the flags of a request.
pub(super) const OP_MASK: u32 = (1 << bindings::REQ_OP_BITS) - 1;

/// The operation that a request asks for, C `enum req_op`.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op(u32);

impl Op {
    /// Read sectors.
    pub const READ: Self = Self(bindings::req_op_REQ_OP_READ);
    /// Write sectors.
    pub const WRITE: Self = Self(bindings::req_op_REQ_OP_WRITE);
    /// Write the volatile cache back.
    pub const FLUSH: Self = Self(bindings::req_op_REQ_OP_FLUSH);
    /// Discard sectors.
    pub const DISCARD: Self = Self(bindings::req_op_REQ_OP_DISCARD);
    /// Erase sectors securely.
    pub const SECURE_ERASE: Self = Self(bindings::req_op_REQ_OP_SECURE_ERASE);
    /// Write a zone append.
    pub const ZONE_APPEND: Self = Self(bindings::req_op_REQ_OP_ZONE_APPEND);
    /// Fill sectors with zeroes.
    pub const WRITE_ZEROES: Self = Self(bindings::req_op_REQ_OP_WRITE_ZEROES);
    /// Open a zone.
    pub const ZONE_OPEN: Self = Self(bindings::req_op_REQ_OP_ZONE_OPEN);
    /// Close a zone.
    pub const ZONE_CLOSE: Self = Self(bindings::req_op_REQ_OP_ZONE_CLOSE);
    /// Make a zone full.
    pub const ZONE_FINISH: Self = Self(bindings::req_op_REQ_OP_ZONE_FINISH);
    /// Empty a zone.
    pub const ZONE_RESET: Self = Self(bindings::req_op_REQ_OP_ZONE_RESET);
    /// Empty all zones.
    pub const ZONE_RESET_ALL: Self = Self(bindings::req_op_REQ_OP_ZONE_RESET_ALL);
    /// A request of the driver itself that reads data from the device
    /// ([`Disk::execute_in`](crate::Disk::execute_in)).
    pub const DRV_IN: Self = Self(bindings::req_op_REQ_OP_DRV_IN);

    #[inline]
    pub(super) const fn from_raw(op: u32) -> Self {
        Self(op)
    }

    /// Returns the number that C uses.
    #[inline]
    pub const fn as_raw(self) -> u32 {
        self.0
    }

    /// Whether data, if there is any, goes to the device.
    #[inline]
    pub const fn is_write(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether an honest device may take minutes for the operation: for a flush, or for a command
    /// that covers many sectors without data for them.
    #[inline]
    pub const fn is_long(self) -> bool {
        matches!(self, Self::FLUSH) || self.is_sizes_only()
    }

    /// Whether bios of the operation that have a size also have memory.
    #[inline]
    pub(super) const fn has_memory(self) -> bool {
        // PERF: One comparison decides for reads and writes, the most frequent operations.
        self.0 <= Self::WRITE.0 || !self.is_sizes_only()
    }

    /// Whether bios of the operation have a size but no memory.
    #[inline]
    const fn is_sizes_only(self) -> bool {
        matches!(
            self,
            Self::DISCARD | Self::SECURE_ERASE | Self::WRITE_ZEROES
        )
    }
}
