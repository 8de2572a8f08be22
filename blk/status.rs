// SPDX-License-Identifier: GPL-2.0

//! The status of a request, as the device reports it (`VIRTIO_BLK_S_*`, virtio spec §5.2.6).

use blockdev::Status;

/// The request was carried out.
const OK: u8 = 0;
/// The device does not support the request.
const UNSUPP: u8 = 2;
/// Too many zones are open.
const ZONE_OPEN_RESOURCE: u8 = 5;
/// Too many zones are active.
const ZONE_ACTIVE_RESOURCE: u8 = 6;

/// Returns the status of the block layer for a status of the device. A value that the specification
/// does not define is an I/O error.
pub(crate) fn from_device(status: u8) -> Status {
    // PERF: With this in the `match`, the compiler makes more comparisons for a success.
    if status == OK {
        return Status::OK;
    }
    match status {
        UNSUPP => Status::NOTSUPP,
        ZONE_OPEN_RESOURCE => Status::ZONE_OPEN_RESOURCE,
        ZONE_ACTIVE_RESOURCE => Status::ZONE_ACTIVE_RESOURCE,
        _ => Status::IOERR,
    }
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(rust_virtio_blk_status)]
mod tests {
    use super::*;

    #[test]
    fn known_statuses() {
        assert_eq!(from_device(0), Status::OK);
        assert_eq!(from_device(1), Status::IOERR);
        assert_eq!(from_device(2), Status::NOTSUPP);
        assert_eq!(from_device(4), Status::IOERR);
        assert_eq!(from_device(5), Status::ZONE_OPEN_RESOURCE);
        assert_eq!(from_device(6), Status::ZONE_ACTIVE_RESOURCE);
    }

    #[test]
    fn everything_else_is_an_error() {
        assert_eq!(from_device(3), Status::IOERR);
        for status in 7..=255 {
            assert_eq!(from_device(status), Status::IOERR);
        }
        assert_eq!(from_device(blk_buffers::NO_STATUS), Status::IOERR);
    }
}
