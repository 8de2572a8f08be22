// SPDX-License-Identifier: GPL-2.0

//! The sample driver for entropy devices, with a fake device. The reader is the thread of the
//! kernel that reads from the generator in use.

use crate::fixture::FORMATS;
use kernel::{
    prelude::*,
    sync::Arc, //
};
use virtio_fake::{
    messages,
    wait,
    Action,
    Fake,
    HoldAll,
    Plug,
    Spec, //
};

/// The device type of entropy devices (virtio spec §5.4.1).
const ID: u32 = 4;

/// The time limit for operations that must end.
const DEADLINE_MS: u32 = 30_000;

/// The size of a buffer.
const CHUNK: usize = 64;

/// Returns a device with the driver bound to it; none if the driver is not loaded.
fn plug(features: &[u32]) -> Result<Option<(Fake, Plug)>> {
    let spec = Spec::new(ID).features(features).queues(1, 8)?;
    let fake = Fake::new(spec, Arc::new(HoldAll, GFP_KERNEL)?)?;
    let plug = fake.plug()?;
    if fake
        .driver()
        .is_none_or(|name| &*name != c"rust_virtio_rng")
    {
        messages::skip(c"the sample is not loaded");
        return Ok(None);
    }
    Ok(Some((fake, plug)))
}

/// Waits until the driver has added its buffer, and returns the bytes of the buffer.
fn buffer(fake: &Fake) -> Result<[u8; CHUNK]> {
    check!(wait::until(DEADLINE_MS, || fake
        .serve(0)
        .is_ok_and(|n| n == 1)));
    check_eq!(fake.held(0), 1);
    let mut bytes = [0xff; CHUNK];
    let mut whole = false;
    // The device does not use the buffer: the closure copies it, and the action is to hold it.
    fake.finish(0, |chain| {
        whole = chain.segments().len() == 1
            && chain.writable() == CHUNK
            && chain.peek(0, &mut bytes).is_ok_and(|n| n == CHUNK);
        Action::Hold
    })?;
    check!(whole);
    Ok(bytes)
}

/// Makes the device write `written` bytes, and report another number of bytes.
fn write(fake: &Fake, bytes: usize, claimed: u32) -> Result {
    fake.finish(0, |chain| {
        let _ = chain.write(0, &[0xa5; CHUNK][..bytes.min(CHUNK)]);
        Action::Complete(claimed)
    })
}

#[kunit_tests(rust_virtio_rng)]
mod suite {
    use super::*;

    /// A reader gets the bytes, and the device gets its buffer again, cleared. The device also gets
    /// the buffer again if it reports no bytes, or more than the buffer has. Then the reader waits
    /// on. A reader that got bytes does not read again for a while.
    #[test]
    fn read() -> Result {
        for format in FORMATS {
            let Some((fake, plug)) = plug(format)? else {
                return Ok(());
            };
            for (bytes, claimed) in [(0, 0), (64, 0), (5, 65), (7, u32::MAX), (64, 64)] {
                check_eq!(buffer(&fake)?, [0; CHUNK]);
                write(&fake, bytes, claimed)?;
            }
            check_eq!(buffer(&fake)?, [0; CHUNK]);
            drop(plug);
            check_eq!(fake.violations(), 0);
        }
        Ok(())
    }

    /// A waiting reader does not block the removal of a device, also not by surprise.
    #[test]
    fn removed_while_a_reader_waits() -> Result {
        for remove in [drop::<Plug> as fn(Plug), Plug::yank] {
            let Some((fake, plug)) = plug(&[])? else {
                return Ok(());
            };
            buffer(&fake)?;
            plug.within(DEADLINE_MS, remove)?;
            check_eq!(fake.queues(), 0);
        }
        Ok(())
    }

    /// A device with a waiting reader survives sleep, and a reset of its transport.
    #[test]
    fn there_and_back() -> Result {
        let Some((fake, plug)) = plug(&[])? else {
            return Ok(());
        };
        buffer(&fake)?;
        plug.reset_prepare()?;
        check_eq!(fake.queues(), 0);
        plug.reset_done()?;
        buffer(&fake)?;
        #[cfg(CONFIG_PM_SLEEP)]
        {
            plug.freeze()?;
            check_eq!(fake.queues(), 0);
            plug.restore()?;
            buffer(&fake)?;
        }
        Ok(())
    }

    /// A device that does not come back after a reset of its transport can be removed.
    #[test]
    fn does_not_come_back() -> Result {
        let Some((fake, plug)) = plug(&[])? else {
            return Ok(());
        };
        buffer(&fake)?;
        plug.reset_prepare()?;
        fake.fault(|faults| faults.find_vqs = 12);
        check!(plug.reset_done().is_err());
        plug.within(DEADLINE_MS, drop)
    }

    /// A used id that is not outstanding breaks the queue. The device can be removed.
    #[test]
    fn wrong_id() -> Result {
        for format in FORMATS {
            let Some((fake, plug)) = plug(format)? else {
                return Ok(());
            };
            buffer(&fake)?;
            fake.finish(0, |_| Action::CompleteAs { id: 999, len: 64 })?;
            plug.within(DEADLINE_MS, drop)?;
        }
        Ok(())
    }
}
