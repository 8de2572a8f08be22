// SPDX-License-Identifier: GPL-2.0

//! Removal of disks, and requests that are answered late, twice or never.

use super::{
    pattern,
    ramdisk::{
        Answer,
        IN,
        OUT, //
    },
    DiskFixture, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use virtio_fake::{
    wait,
    Action,
    Disk,
    Plug,
    ReadError,
    Task, //
};

/// The time limit for operations that must end.
const DEADLINE_MS: u32 = 10_000;

type Reading = Task<Result<KVec<u8>, ReadError>>;

/// Starts a read that the device keeps.
fn held_read(fixture: &DiskFixture) -> Result<(Arc<Disk>, Reading)> {
    let disk = Arc::new(fixture.open()?, GFP_KERNEL)?;
    fixture.disk.answer(Answer::Hold, Some(IN));
    let reader = disk.clone();
    let task = Task::new(move || reader.read(0, 4096))?;
    check!(wait::until(DEADLINE_MS, || fixture.fake.held(0) == 1));
    Ok((disk, task))
}

#[kunit_tests(rust_virtio_blk_removal)]
mod suite {
    use super::*;

    /// A request waits as long as the device has it, and no longer.
    #[test]
    fn slow_request() -> Result {
        let fixture = DiskFixture::plain()?;
        fixture.disk.put(0, &pattern(5, 4096)?);
        let (_disk, task) = held_read(&fixture)?;
        wait::pause(50);
        check!(!task.is_done());
        fixture
            .fake
            .finish(0, |chain| fixture.disk.complete(chain))?;
        let bytes = task.join(DEADLINE_MS)??;
        check!(bytes[..] == pattern(5, 4096)?[..]);
        Ok(())
    }

    /// A device is removed by surprise, with an outstanding request.
    #[test]
    fn torn_out() -> Result {
        let fixture = DiskFixture::plain()?;
        let (disk, task) = held_read(&fixture)?;
        fixture.remove(DEADLINE_MS, Plug::yank)?;
        check!(task.join(DEADLINE_MS)?.is_err());
        check!(disk.read(0, 512).is_err());
        check!(disk.write(0, &pattern(1, 512)?).is_err());
        Ok(())
    }

    /// After a shutdown, the driver does not use the device, and requests fail.
    #[test]
    fn shut_down() -> Result {
        let mut fixture = DiskFixture::plain()?;
        let disk = fixture.open()?;
        disk.write(0, &pattern(1, 512)?)?;
        let resets = fixture.fake.resets();
        let plug = fixture.plug.take().ok_or(ENODEV)?;
        plug.shutdown()?;
        check_eq!(fixture.fake.resets(), resets + 1);
        check_eq!(fixture.fake.status(), 0);
        fixture.disk.forget();
        check_err!(disk.read(0, 512).map_err(Error::from), EIO);
        check_err!(disk.write(0, &pattern(2, 512)?), EIO);
        check_eq!(fixture.disk.count(IN) + fixture.disk.count(OUT), 0);
        fixture.plug = Some(plug);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// A request that is answered twice ends once, and is freed once. A ring that counts
    /// outstanding buffers accepts neither answer, and the device is started anew.
    #[test]
    fn answered_twice() -> Result {
        let fixture = DiskFixture::plain()?;
        fixture.disk.put(0, &pattern(5, 4096)?);
        let (disk, task) = held_read(&fixture)?;
        let resets = fixture.fake.resets();
        fixture.disk.answer(Answer::Honest, None);
        fixture.fake.finish(0, |chain| {
            let _ = fixture.disk.complete(chain);
            Action::Twice(chain.writable() as u32)
        })?;
        drop(disk);
        let bytes = task.join(DEADLINE_MS)??;
        check!(bytes[..] == pattern(5, 4096)?[..]);
        check_eq!(fixture.fake.resets() > resets, crate::ring::is_rust_ring());
        fixture.remove(DEADLINE_MS, drop)
    }
}
