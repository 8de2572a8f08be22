// SPDX-License-Identifier: GPL-2.0

//! Reset and change of size of single queues.

use super::{
    add,
    get,
    has_rust_ring,
    on,
    on_each,
    post,
    rust_ring_or_skip,
    use_one, //
};
use crate::fixture::Setup;
use kernel::prelude::*;
use virtio_fake::{
    Addresses,
    Recycled,
    EVENT_IDX,
    INDIRECT_DESC,
    IN_ORDER,
    RING_PACKED,
    RING_RESET, //
};

/// All layouts, with the reset of single queues.
const RESETTABLE: [&[u32]; 4] = [
    &[RING_RESET, EVENT_IDX],
    &[RING_RESET, RING_PACKED, EVENT_IDX, INDIRECT_DESC],
    &[RING_RESET, IN_ORDER, EVENT_IDX, INDIRECT_DESC],
    &[RING_RESET, IN_ORDER, RING_PACKED, EVENT_IDX],
];

/// The layouts that the C ring can reset. In order, its queues do not work after a reset.
fn resettable() -> Result<&'static [&'static [u32]]> {
    Ok(if has_rust_ring()? {
        &RESETTABLE
    } else {
        &RESETTABLE[..2]
    })
}

#[kunit_tests(rust_virtio_ring_reset)]
mod suite {
    use super::*;

    /// A reset or a change of size does not clear the broken state of a queue: the code that has
    /// set it does (R14, R41, R42).
    #[test]
    fn broken_after_reset() -> Result {
        on(resettable()?, Setup::default, |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            for size in [None, Some(4), None, Some(8)] {
                post(&mut vq, fake, 1, 2)?;
                vq.declare_broken();
                let (result, recycled) = vq.reset(size)?;
                result?;
                check_eq!(recycled.buffers, 2);
                check!(vq.is_broken());
                check_err!(add(&mut vq, 3, 1, 0), EIO);
                vq.unbreak();
            }
            post(&mut vq, fake, 7, 1)?;
            use_one(fake)?;
            check_eq!(get(&mut vq)?.buffer.number(), 7);
            Ok(())
        })
    }

    /// The reset of a queue returns all buffers, and the queue works after that (R41, R42, R43).
    #[test]
    fn reset() -> Result {
        on(resettable()?, Setup::default, |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            for first in [0u64, 10, 20] {
                for number in first..first + 3 {
                    add(&mut vq, number, 1, 1)?;
                }
                vq.kick();
                check_eq!(fake.serve(0)?, 3);
                use_one(fake)?;
                check_eq!(get(&mut vq)?.buffer.number(), first);
                let (result, recycled) = vq.reset(None)?;
                result?;
                let want = Recycled {
                    buffers: 2,
                    sum: 2 * first + 3,
                    done: 1,
                };
                check_eq!(recycled, want);
                check_eq!((vq.num_free(), vq.size()), (8, 8));
                check!(vq.get()?.is_none());
            }
            post(&mut vq, fake, 30, 2)?;
            use_one(fake)?;
            check_eq!(get(&mut vq)?.buffer.number(), 30);
            check!(!vq.is_broken());
            // Also if there is no buffer to return.
            let (result, recycled) = vq.reset(None)?;
            result?;
            check_eq!(recycled.buffers, 1);
            for number in 40..43 {
                post(&mut vq, fake, number, 1)?;
                use_one(fake)?;
                check_eq!(get(&mut vq)?.buffer.number(), number);
                let (result, recycled) = vq.reset(None)?;
                result?;
                check_eq!((recycled.buffers, recycled.done), (0, 1));
            }
            Ok(())
        })
    }

    /// A queue can get another size. Invalid sizes are refused (R41).
    #[test]
    fn resize() -> Result {
        on(resettable()?, Setup::default, |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            check_err!(vq.reset(Some(9))?.0, E2BIG);
            check_err!(vq.reset(Some(0))?.0, EINVAL);
            post(&mut vq, fake, 1, 2)?;
            let (result, recycled) = vq.reset(Some(8))?;
            result?;
            check_eq!((recycled.buffers, recycled.done), (0, 0));
            for size in [4, 2, 1, 8] {
                let (result, recycled) = vq.reset(Some(size))?;
                result?;
                check_eq!((recycled.buffers, recycled.sum, recycled.done), (2, 3, 1));
                check_eq!((vq.size(), vq.num_free()), (size, size));
                if size > 1 {
                    post(&mut vq, fake, 1, 2)?;
                } else {
                    post(&mut vq, fake, 3, 1)?;
                    use_one(fake)?;
                    check_eq!(get(&mut vq)?.buffer.number(), 3);
                    // The expected numbers of the next round.
                    let (result, _) = vq.reset(Some(2))?;
                    result?;
                    post(&mut vq, fake, 1, 2)?;
                }
            }
            fake.fault(|f| f.enable_fails = true);
            let (result, recycled) = vq.reset(Some(4))?;
            check_err!(result, EBUSY);
            check_eq!(recycled.buffers, 2);
            Ok(())
        })
    }

    /// A device uses the ring that was taken from it, and interrupts while it is replaced: the
    /// handler reads neither ring. With the new ring, interrupts are handled again (R41).
    #[test]
    fn interrupted_resize() -> Result {
        if !rust_ring_or_skip(c"the C ring reads the ring that it is about to free")? {
            return Ok(());
        }
        on(
            &[
                &[RING_RESET, INDIRECT_DESC, EVENT_IDX],
                &[RING_RESET, INDIRECT_DESC, RING_PACKED],
                &[RING_RESET, INDIRECT_DESC, IN_ORDER],
                &[RING_RESET, INDIRECT_DESC, IN_ORDER, RING_PACKED, EVENT_IDX],
            ],
            || Setup {
                mapping: Some(Addresses::Marked),
                ..Setup::default()
            },
            |bound, fake, _, _queues| {
                let mut vq = fake.c_queue(0)?;
                for size in [4, 8, 2] {
                    let (callbacks, before) = (bound.callbacks(), fake.traffic(0));
                    // The first area that is freed is that of the tables, while there is no ring.
                    fake.use_late(0)?;
                    let (result, _) = vq.reset(Some(size))?;
                    result?;
                    check_eq!(bound.callbacks(), callbacks);
                    let spurious = fake.traffic(0).spurious - before.spurious;
                    check_eq!((fake.traffic(0).handled, spurious), (before.handled, 1));
                    check!(vq.get()?.is_none());
                    post(&mut vq, fake, 5, 1)?;
                    use_one(fake)?;
                    check_eq!(bound.callbacks(), callbacks + 1);
                    check_eq!(get(&mut vq)?.buffer.number(), 5);
                }
                Ok(())
            },
        )
    }

    /// If there is no memory for another size, the queue keeps its size, and works (R41).
    #[test]
    fn resize_without_memory() -> Result {
        on(
            resettable()?,
            || Setup {
                mapping: Some(Addresses::Marked),
                ..Setup::default()
            },
            |_, fake, _, _queues| {
                let mut vq = fake.c_queue(0)?;
                post(&mut vq, fake, 1, 2)?;
                fake.limit_areas(0);
                let (result, recycled) = vq.reset(Some(4))?;
                check_err!(result, ENOMEM);
                check_eq!((recycled.buffers, recycled.done, fake.mapped()), (2, 1, 0));
                check_eq!((vq.size(), vq.num_free()), (8, 8));
                post(&mut vq, fake, 7, 1)?;
                use_one(fake)?;
                check_eq!(get(&mut vq)?.buffer.number(), 7);
                fake.limit_areas(usize::MAX);
                let (result, _) = vq.reset(Some(4))?;
                result?;
                check_eq!(vq.size(), 4);
                Ok(())
            },
        )
    }

    /// If there is too little memory for the new size, a split ring gets a smaller one, and a
    /// packed ring keeps its size (R41).
    #[test]
    fn resize_with_less_memory() -> Result {
        on(
            resettable()?,
            || Setup {
                size: 1024,
                mapping: Some(Addresses::Marked),
                ..Setup::default()
            },
            |_, fake, _, _queues| {
                let mut vq = fake.c_queue(0)?;
                let (result, _) = vq.reset(Some(64))?;
                result?;
                fake.limit_areas(12 << 10);
                let (result, recycled) = vq.reset(Some(1024))?;
                let size = if fake.negotiated(RING_PACKED) {
                    check_err!(result, ENOMEM);
                    64
                } else {
                    result?;
                    256
                };
                check_eq!((recycled.buffers, recycled.done), (0, 1));
                check_eq!((vq.size(), vq.num_free()), (size, size));
                for lap in 0..3 {
                    post(&mut vq, fake, lap * 64, 64)?;
                    for number in lap * 64..lap * 64 + 64 {
                        use_one(fake)?;
                        check_eq!(get(&mut vq)?.buffer.number(), number);
                    }
                }
                Ok(())
            },
        )
    }

    /// The reset fails if the device cannot reset a single queue (R41, R42).
    #[test]
    fn no_reset() -> Result {
        on_each(Setup::default, |_, fake, dev, _queues| {
            let mut vq = fake.c_queue(0)?;
            post(&mut vq, fake, 1, 2)?;
            for size in [Some(4), None] {
                let (result, recycled) = vq.reset(size)?;
                check_err!(result, ENOENT);
                check_eq!(recycled.buffers, 0);
            }
            use_one(fake)?;
            check_eq!(get(&mut vq)?.buffer.number(), 1);
            dev.reset();
            Ok(())
        })
    }

    /// H027, H028: after a reset in the middle of an in-order batch, the queue works, without the
    /// rest of the batch.
    #[test]
    fn h027_h028_reset_in_batch() -> Result {
        if !rust_ring_or_skip(c"the C ring keeps its position or its batch after a reset")? {
            return Ok(());
        }
        on(&RESETTABLE[2..], Setup::default, |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            post(&mut vq, fake, 0, 5)?;
            fake.finish_batch(0, 4, 1)?;
            check_eq!(get(&mut vq)?.buffer.number(), 0);
            check_eq!(get(&mut vq)?.buffer.number(), 1);
            let (result, recycled) = vq.reset(None)?;
            result?;
            check_eq!((recycled.buffers, recycled.sum), (3, 2 + 3 + 4));
            post(&mut vq, fake, 10, 5)?;
            check!(vq.get()?.is_none());
            fake.finish_batch(0, 5, 1)?;
            for number in 10..15 {
                check_eq!(get(&mut vq)?.buffer.number(), number);
            }
            check!(!vq.is_broken());
            Ok(())
        })
    }
}
