// SPDX-License-Identifier: GPL-2.0

//! A disk that fails, and one that leaves the status as it was: an error, never a success.

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

/// Reads and writes with a disk that answers so; both must fail like this.
fn fails(answer: Answer, error: Error) -> Result {
    let fixture = DiskFixture::plain()?;
    let disk = fixture.open()?;
    fixture.disk.answer(answer, None);
    match disk.read(0, 4096) {
        Ok(_) => check!(answer == Answer::Honest),
        Err(failed) => check_eq!(failed.error, error),
    }
    check_err!(disk.write(0, &pattern(1, 4096)?), error);
    // The disk is as good as before.
    fixture.disk.answer(Answer::Honest, None);
    disk.read(0, 4096)?;
    Ok(())
}

#[kunit_tests(rust_virtio_blk_request_status)]
mod suite {
    use super::*;

    /// `VIRTIO_BLK_S_IOERR`.
    #[test]
    fn io_error() -> Result {
        fails(Answer::Status(1), EIO)
    }

    /// `VIRTIO_BLK_S_UNSUPP`.
    #[test]
    fn unsupported() -> Result {
        fails(Answer::Status(2), EOPNOTSUPP)
    }

    /// A status that there is none of.
    #[test]
    fn unknown_status() -> Result {
        for status in [7, 0x80, 0xff] {
            fails(Answer::Status(status), EIO)?;
        }
        Ok(())
    }

    /// Used without a status, whatever the length.
    #[test]
    fn h068_status_untouched() -> Result {
        for len in [0, 1, 4096, 4097, u32::MAX] {
            fails(Answer::Untouched(len), EIO)?;
        }
        Ok(())
    }

    /// A flush that fails.
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

    /// A serial number that does not come is an error, or empty where it cannot be read, and not
    /// what is in memory.
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
