// SPDX-License-Identifier: GPL-2.0

//! Errors.

/// Why a buffer was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddError {
    /// The ring has no room for it now: again when something was taken out. `ENOSPC`.
    ///
    /// Drivers of old devices expect the device to be notified here if the buffer has something for
    /// it to read; such a driver publishes and notifies.
    Full,
    /// The buffer needs a table, as it has more segments than the ring has descriptors, and there
    /// was no memory for one: again some time later. `ENOMEM`.
    NoMemory,
    /// There are more segments than was said, or than the ring has descriptors, and it has no
    /// tables. `EINVAL`.
    TooMany,
    /// The buffer has no segment. `EINVAL`.
    Empty,
    /// The buffer gives memory to read after memory to write (§2.7.4.2). `EINVAL`.
    Misordered,
    /// The buffer is 2^32 bytes long or longer (§2.7.5.2). `EINVAL`.
    TooLong,
    /// The queue is broken. `EIO`.
    Broken,
}

/// Why a ring cannot be made of what was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupError {
    /// No descriptor, more than 32768 (§2.7, §2.8.10.1), or, for a split ring, not a power of two
    /// (§2.7).
    Size,
    /// Not one slot for each descriptor.
    Slots,
    /// Memory that is not aligned as the specification asks (§2.7, §2.8.10.1).
    Alignment,
}
