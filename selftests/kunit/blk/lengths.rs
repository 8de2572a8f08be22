// SPDX-License-Identifier: GPL-2.0

//! Disks that report wrong numbers of written bytes. The status decides, as for the C driver.

use super::{
    device,
    pattern,
    ramdisk::{
        Answer,
        Count,
        IN, //
    },
    Config,
    DiskFixture,
    F_DISCARD,
    F_FLUSH,
    F_SEG_MAX, //
};
use crate::{
    fixture::FORMATS,
    ring::WRONG_LENGTH, //
};
use kernel::prelude::*;
use virtio_fake::{
    messages,
    Param, //
};

/// Each rule to count, whether it reports more bytes than there is room for, and the result of a
/// read with `strict_lengths`.
const COUNTS: [(Count, bool, Result); 7] = [
    (Count::Exact, false, Ok(())),
    (Count::Data, false, Ok(())),
    (Count::Moved, true, Ok(())),
    (Count::Status, false, Err(EIO)),
    (Count::Header, true, Err(EIO)),
    (Count::Nothing, false, Err(EIO)),
    (Count::Error, true, Err(EIO)),
];

/// Returns a disk with these features of the ring, which counts by `count` from the beginning.
fn fixture(ring: &[u32], count: Count) -> Result<DiskFixture> {
    let mut features = KVec::new();
    features.extend_from_slice(&[F_SEG_MAX, F_FLUSH, F_DISCARD], GFP_KERNEL)?;
    features.extend_from_slice(ring, GFP_KERNEL)?;
    let (disk, fake) = device(Config::default(), &features, 1)?;
    disk.answer(Answer::Counted(count), None);
    let plug = fake.plug()?;
    check!(fake.is_bound());
    Ok(DiskFixture::around(disk, fake, plug))
}

/// Sends each kind of request. All succeed, except that a read ends as `read` says.
fn all_kinds(fixture: &DiskFixture, read: Result) -> Result {
    let disk = fixture.open()?;
    for (seed, len) in [(1, 512), (2, 4096), (3, 65536)] {
        let bytes = pattern(seed, len)?;
        disk.write(64, &bytes)?;
        check!(fixture.disk.has(64, &bytes));
        let back = disk.read(64, len).map_err(Error::from);
        check_eq!(back.as_ref().map(|_| ()).map_err(|e| *e), read);
        if let Ok(back) = back {
            check!(back[..] == bytes[..]);
        }
    }
    disk.flush()?;
    disk.discard(64, 128)?;
    check!(fixture.disk.has(64, &[0; 512]));
    check_eq!(&disk.attribute(c"serial")?[..], b"serial-of-20-bytes-x");
    Ok(())
}

/// Runs `body` with each ring and each way to count.
fn on_each(body: fn(&[u32], Count, bool, Result) -> Result) -> Result {
    for ring in FORMATS {
        for (count, cut, strict) in COUNTS {
            body(ring, count, cut, strict)
                .inspect_err(|_| pr_err!("    # {:?} with features {:?}\n", count, ring))?;
        }
    }
    Ok(())
}

#[kunit_tests(rust_virtio_blk_lengths)]
mod suite {
    use super::*;

    /// H008, H009, H034: the status decides whether a request succeeds. An impossible length is
    /// logged once.
    #[test]
    fn h008_h009_h034_status_decides() -> Result {
        on_each(|ring, count, cut, _| {
            messages::logged(WRONG_LENGTH);
            all_kinds(&fixture(ring, count)?, Ok(()))?;
            check!(messages::logged(WRONG_LENGTH) == u32::from(cut) || crate::ANY_DRIVER);
            Ok(())
        })
    }

    /// H069: with `strict_lengths`, a read fails if the device does not report its data as written,
    /// also if the data is there.
    #[test]
    fn h069_strict_lengths() -> Result {
        DiskFixture::plain()?;
        let strict = Param::set(c"rust_virtio_blk", c"strict_lengths", c"1", c"0");
        if strict.as_ref().is_err_and(|e| *e == ENOENT) {
            messages::skip(c"the driver is built in");
            return Ok(());
        }
        let _strict = strict?;
        on_each(|ring, count, _, read| {
            let fixture = fixture(ring, Count::Exact)?;
            fixture.disk.answer(Answer::Counted(count), None);
            all_kinds(&fixture, read)?;
            // Only the status.
            fixture.disk.answer(Answer::OnlyStatus, Some(IN));
            match fixture.open()?.read(64, 4096) {
                Ok(_) => Err(ENODATA),
                Err(failed) => {
                    check_eq!(failed.error, EIO);
                    Ok(())
                }
            }
        })
    }
}
