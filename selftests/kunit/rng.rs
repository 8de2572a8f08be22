// SPDX-License-Identifier: GPL-2.0

//! The sample, a driver for entropy devices, against a fake one. The reader is the thread of the
//! kernel's own that reads from the generator in use.

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

/// The time that anything may take which must end.
const DEADLINE_MS: u32 = 30_000;

/// Bytes of a buffer.
const CHUNK: usize = 64;

/// A device with the driver bound to it; none where the driver is not there.
fn plug(features: &[u32]) -> Result<Option<(Fake, Plug)>> {
    let spec = Spec::new(ID).features(features).queues(1, 8)?;
    let fake = Fake::new(spec, Arc::new(HoldAll, GFP_KERNEL)?)?;
    let plug = fake.plug()?;
    if !fake
        .driver()
        .is_some_and(|name| &*name == c"rust_virtio_rng")
    {
        messages::skip(c"the sample is not loaded");
        return Ok(None);
    }
    Ok(Some((fake, plug)))
}

/// Waits until the driver has given the device its buffer, and returns the bytes that are in it.
fn buffer(fake: &Fake) -> Result<[u8; CHUNK]> {
    check!(wait::until(DEADLINE_MS, || fake
        .serve(0)
        .is_ok_and(|n| n == 1)));
    check_eq!(fake.held(0), 1);
    let mut bytes = [0xff; CHUNK];
    let mut whole = false;
    // The buffer is not used: the closure looks at it, and keeps it.
    fake.finish(0, |chain| {
        whole = chain.segments().len() == 1
            && chain.writable() == CHUNK
            && chain.peek(0, &mut bytes).is_ok_and(|n| n == CHUNK);
        Action::Hold
    })?;
    check!(whole);
    Ok(bytes)
}

/// The device writes so many bytes, and says that it wrote so many.
fn write(fake: &Fake, bytes: usize, claimed: u32) -> Result {
    fake.finish(0, |chain| {
        let _ = chain.write(0, &[0xa5; CHUNK][..bytes.min(CHUNK)]);
        Action::Complete(claimed)
    })
}

#[kunit_tests(rust_virtio_rng)]
mod suite {
    use super::*;

    /// Bytes are read, and the device has its buffer again, without them. So it has after it says
    /// that it wrote none, or more than there is room for, with the same reader, which goes on to
    /// wait. A reader that has got bytes does not come back for a while.
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

    /// A reader that waits keeps no device: neither one that goes, nor one that is torn out.
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

    /// The device sleeps, and its transport is reset, with a reader that waits.
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

    /// The device does not come back after a reset of its transport, and is removed.
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

    /// An answer to no buffer breaks the queue; the device is removed all the same.
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
