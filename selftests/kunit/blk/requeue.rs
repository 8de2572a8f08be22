// SPDX-License-Identifier: GPL-2.0

//! The requests that a disk has when it is started anew, by their operations.

use super::{
    pattern,
    ramdisk::{
        Answer,
        DISCARD,
        FLUSH,
        OUT,
        SECURE_ERASE,
        WRITE_ZEROES, //
    },
    timeout::{
        impatient_with,
        kept,
        DEADLINE_MS, //
    },
    Config,
    DiskFixture,
    F_DISCARD,
    F_FLUSH,
    F_SECURE_ERASE,
    F_WRITE_ZEROES, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use virtio_fake::{
    messages,
    wait,
    Disk,
    Task, //
};

/// A disk that keeps a request.
struct Kept {
    fixture: DiskFixture,
    disk: Arc<Disk>,
    task: Task<Result>,
}

impl Kept {
    /// Starts an operation whose `command` the disk keeps.
    fn new(feature: u32, command: u32, operation: fn(&Disk) -> Result) -> Result<Self> {
        let config = Config::default().secure_erase();
        let (fixture, disk) = impatient_with(DiskFixture::new(config, &[feature], 1)?)?;
        fixture.disk.put(64, &pattern(5, 4096)?);
        fixture.disk.forget();
        let task = kept(&fixture, &disk, Some(command), operation)?;
        Ok(Self {
            fixture,
            disk,
            task,
        })
    }

    /// Makes the driver start the device anew, which answers from then on. Returns the result of
    /// the operation, with the fixture.
    fn restart(self) -> Result<(Result, DiskFixture)> {
        self.fixture.disk.answer(Answer::Honest, None);
        self.fixture.fake.needs_reset();
        let result = self.task.join(DEADLINE_MS)?;
        // The restart ends after the request does.
        let mut anew = 0;
        check!(wait::until(DEADLINE_MS, || {
            anew += messages::logged(c"started anew");
            anew == 1
        }));
        drop(self.disk);
        Ok((result, self.fixture))
    }
}

/// Checks that an operation that makes eight sectors zero is issued again.
fn is_issued_again(feature: u32, command: u32, operation: fn(&Disk) -> Result) -> Result {
    let (result, fixture) = Kept::new(feature, command, operation)?.restart()?;
    result?;
    check_eq!(fixture.disk.count(command), 2);
    check_eq!(
        fixture.disk.last(command).map(|seen| seen.range.0),
        Some(64)
    );
    check!(fixture.disk.has(64, &[0; 4096]));
    fixture.remove(DEADLINE_MS, drop)
}

#[kunit_tests(rust_virtio_blk_requeue)]
mod suite {
    use super::*;

    /// A write is issued again.
    #[test]
    fn write() -> Result {
        let kept = Kept::new(F_FLUSH, OUT, |disk| disk.write(64, &pattern(6, 4096)?))?;
        let (result, fixture) = kept.restart()?;
        result?;
        check_eq!(fixture.disk.count(OUT), 2);
        check!(fixture.disk.has(64, &pattern(6, 4096)?));
        fixture.remove(DEADLINE_MS, drop)
    }

    /// The data of a flush sequence fails: the flush before it vouched for writes that the device
    /// may have lost.
    #[test]
    fn data_of_a_flush_sequence() -> Result {
        let kept = Kept::new(F_FLUSH, OUT, |disk| {
            disk.write_safely(64, &pattern(6, 4096)?)
        })?;
        check_eq!(kept.fixture.disk.count(FLUSH), 1);
        let (result, fixture) = kept.restart()?;
        check_err!(result, EIO);
        check_eq!(fixture.disk.count(OUT), 1);
        check!(fixture.disk.has(64, &pattern(5, 4096)?));
        fixture.remove(DEADLINE_MS, drop)
    }

    /// A discard is issued again.
    #[test]
    fn discard() -> Result {
        is_issued_again(F_DISCARD, DISCARD, |disk| disk.discard(64, 8))
    }

    /// A write of zeroes is issued again.
    #[test]
    fn zeroes() -> Result {
        is_issued_again(F_WRITE_ZEROES, WRITE_ZEROES, |disk| disk.zero(64, 8))
    }

    /// A secure erase is issued again.
    #[test]
    fn secure_erase() -> Result {
        is_issued_again(F_SECURE_ERASE, SECURE_ERASE, |disk| {
            disk.secure_erase(64, 8)
        })
    }
}
