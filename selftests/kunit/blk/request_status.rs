// SPDX-License-Identifier: GPL-2.0

//! Disks that report an error, or do not write the status: the request fails, and never succeeds.

use super::{
    pattern,
    ramdisk::{
        Answer,
        FLUSH,
        GET_ID, //
    },
    DiskFixture, //
};
use kernel::prelude::*;

/// Reads and writes with a disk that gives this answer. Both must fail with `error`.
fn fails(answer: Answer, error: Error) -> Result {
    let fixture = DiskFixture::plain()?;
    let disk = fixture.open()?;
    fixture.disk.answer(answer, None);
    match disk.read(0, 4096) {
        Ok(_) => check!(answer == Answer::Honest),
        Err(failed) => check_eq!(failed.error, error),
    }
    check_err!(disk.write(0, &pattern(1, 4096)?), error);
    // After that, the disk works.
    fixture.disk.answer(Answer::Honest, None);
    disk.read(0, 4096)?;
    Ok(())
}

#[kunit_tests(rust_virtio_blk_request_status)]
mod suite {
    use super::*;

    /// `VIRTIO_BLK_S_IOERR` is an I/O error.
    #[test]
    fn io_error() -> Result {
        fails(Answer::Status(1), EIO)
    }

    /// `VIRTIO_BLK_S_UNSUPP` means not supported.
    #[test]
    fn unsupported() -> Result {
        fails(Answer::Status(2), EOPNOTSUPP)
    }

    /// An unknown status is an I/O error.
    #[test]
    fn unknown_status() -> Result {
        for status in [7, 0x80, 0xff] {
            fails(Answer::Status(status), EIO)?;
        }
        Ok(())
    }

    /// A request without a status fails, with any length.
    #[test]
    fn h068_status_untouched() -> Result {
        for len in [0, 1, 4096, 4097, u32::MAX] {
            fails(Answer::Untouched(len), EIO)?;
        }
        Ok(())
    }

    /// A failed flush is an error.
    #[test]
    fn flush_fails() -> Result {
        let fixture = DiskFixture::plain()?;
        let disk = fixture.open()?;
        fixture.disk.answer(Answer::Status(1), Some(FLUSH));
        check_err!(disk.flush(), EIO);
        fixture.disk.answer(Answer::Untouched(0), Some(FLUSH));
        check_err!(disk.flush(), EIO);
        Ok(())
    }

    /// Without a serial number, the attribute is empty or fails, and never has other memory.
    #[test]
    fn serial_fails() -> Result {
        let fixture = DiskFixture::plain()?;
        let disk = fixture.open()?;
        for answer in [
            Answer::Status(1),
            Answer::Status(7),
            Answer::Untouched(0),
            Answer::DoneBut(1),
        ] {
            fixture.disk.answer(answer, Some(GET_ID));
            check_eq!(&disk.attribute(c"serial")?[..], b"");
        }
        fixture.disk.answer(Answer::Status(2), Some(GET_ID));
        check_err!(disk.attribute(c"serial"), EOPNOTSUPP);
        Ok(())
    }
}
