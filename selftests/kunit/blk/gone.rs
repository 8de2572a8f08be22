// SPDX-License-Identifier: GPL-2.0

//! Requests that never end, disks that go, interrupts that get lost.

use super::{
    pattern,
    ramdisk::{
        Answer,
        IN,
        OUT, //
    },
    Rig, //
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

/// The time that anything may take that must end.
const DEADLINE_MS: u32 = 10_000;

type Reading = Task<Result<KVec<u8>, ReadError>>;

/// Starts a read that the device keeps.
fn held_read(rig: &Rig) -> Result<(Arc<Disk>, Reading)> {
    let disk = Arc::new(rig.open()?, GFP_KERNEL)?;
    rig.disk.answer(Answer::Hold, Some(IN));
    let reader = disk.clone();
    let task = Task::new(move || reader.read(0, 4096))?;
    check!(wait::until(DEADLINE_MS, || rig.fake.held(0) == 1));
    Ok((disk, task))
}

#[kunit_tests(rust_virtio_blk_gone)]
mod suite {
    use super::*;

    /// The request waits as long as the device has it, and no longer.
    #[test]
    fn slow_request() -> Result {
        let rig = Rig::plain()?;
        rig.disk.put(0, &pattern(5, 4096)?);
        let (_disk, task) = held_read(&rig)?;
        wait::pause(50);
        check!(!task.is_done());
        rig.fake.finish(0, |chain| rig.disk.complete(chain))?;
        let bytes = task.join(DEADLINE_MS)??;
        check!(bytes[..] == pattern(5, 4096)?[..]);
        Ok(())
    }

    /// The device is torn out with a request on it.
    #[test]
    fn torn_out() -> Result {
        let rig = Rig::plain()?;
        let (disk, task) = held_read(&rig)?;
        rig.remove(DEADLINE_MS, Plug::yank)?;
        check!(task.join(DEADLINE_MS)?.is_err());
        check!(disk.read(0, 512).is_err());
        check!(disk.write(0, &pattern(1, 512)?).is_err());
        Ok(())
    }

    /// The machine goes down: the device is left alone from there on, and what comes fails.
    #[test]
    fn shut_down() -> Result {
        let mut rig = Rig::plain()?;
        let disk = rig.open()?;
        disk.write(0, &pattern(1, 512)?)?;
        let resets = rig.fake.resets();
        let plug = rig.plug.take().ok_or(ENODEV)?;
        plug.shutdown()?;
        check_eq!(rig.fake.resets(), resets + 1);
        check_eq!(rig.fake.status(), 0);
        rig.disk.forget();
        check_err!(disk.read(0, 512).map_err(Error::from), EIO);
        check_err!(disk.write(0, &pattern(2, 512)?), EIO);
        check_eq!(rig.disk.count(IN) + rig.disk.count(OUT), 0);
        rig.plug = Some(plug);
        rig.remove(DEADLINE_MS, drop)
    }

    /// A request that is answered twice ends once; nothing is freed twice. A ring that counts what
    /// is outstanding believes neither answer, and the device is started anew.
    #[test]
    fn answered_twice() -> Result {
        let rig = Rig::plain()?;
        rig.disk.put(0, &pattern(5, 4096)?);
        let (disk, task) = held_read(&rig)?;
        let resets = rig.fake.resets();
        rig.disk.answer(Answer::Honest, None);
        rig.fake.finish(0, |chain| {
            let _ = rig.disk.complete(chain);
            Action::Twice(chain.writable() as u32)
        })?;
        drop(disk);
        let bytes = task.join(DEADLINE_MS)??;
        check!(bytes[..] == pattern(5, 4096)?[..]);
        check_eq!(rig.fake.resets() > resets, crate::ring::is_native());
        rig.remove(DEADLINE_MS, drop)
    }
}
