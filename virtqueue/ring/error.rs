// SPDX-License-Identifier: GPL-2.0

//! The errors of a ring.

/// The reason why a buffer was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddError {
    /// The ring has too few free descriptors for now: try again after a buffer was taken out.
    /// `ENOSPC`.
    ///
    /// Old devices expect a notification here if the buffer has something for them to read. A
    /// driver for such a device publishes and notifies.
    Full,
    /// There is no memory for the table that the buffer needs, because it has more segments than
    /// the ring has descriptors: try again later. `ENOMEM`.
    NoMemory,
    /// There are more segments than the caller announced, or more than the ring has descriptors and
    /// the ring has no tables. `EINVAL`.
    TooMany,
    /// The buffer has no segment. `EINVAL`.
    Empty,
    /// A device-readable segment follows a device-writable one (§2.7.4.2). `EINVAL`.
    Misordered,
    /// The buffer is 2^32 bytes long or longer (§2.7.5.2). `EINVAL`.
    TooLong,
    /// The queue is broken. `EIO`.
    Broken,
}

/// The reason why a ring cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupError {
    /// There is no descriptor, there are more than 32768 (§2.7, §2.8.10.1), or their number is no
    /// power of two in a split ring (§2.7).
    Size,
    /// The number of descriptor states is not that of descriptors.
    DescStates,
    /// An area is not aligned as the specification asks (§2.7, §2.8.10.1).
    Alignment,
}
