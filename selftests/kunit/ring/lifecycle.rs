// SPDX-License-Identifier: GPL-2.0

//! Creating and emptying rings, and rings in memory of the caller.

use super::{
    add,
    detach_all,
    get,
    has_rust_ring,
    on,
    on_each,
    post,
    rust_ring_or_skip,
    use_one,
    RINGS, //
};
use crate::fixture::{
    on_bench,
    Setup, //
};
use kernel::prelude::*;
use virtio_fake::{
    Addresses,
    EVENT_IDX,
    INDIRECT_DESC,
    IN_ORDER,
    RING_PACKED,
    RING_RESET,
    VERSION_1, //
};

#[kunit_tests(rust_virtio_ring_lifecycle)]
mod suite {
    use super::*;

    /// The parts of a ring are aligned and in order (R2, R11).
    #[test]
    fn addresses() -> Result {
        on_each(Setup::default, |_, fake, _, _queues| {
            let vq = fake.c_queue(0)?;
            let [desc, driver, device] = vq.addresses();
            check_eq!(desc % 16, 0);
            if fake.negotiated(RING_PACKED) {
                check_eq!((driver % 4, device % 4), (0, 0));
            } else {
                check_eq!(driver, desc + 8 * 16);
                // The alignment that the fake transport asks for.
                check_eq!(device, (driver + 4 + 8 * 2 + 2).next_multiple_of(64));
            }
            Ok(())
        })
    }

    /// Queues are in the list of their device until they are deleted (R10).
    #[test]
    fn list() -> Result {
        on_bench(
            Setup {
                queues: 3,
                ..Setup::default()
            },
            |_, fake, _, queues| {
                check_eq!(fake.listed(), 3);
                let preallocated = fake.new_preallocated(4)?;
                check_eq!(fake.listed(), 4);
                drop(preallocated);
                check_eq!(fake.listed(), 3);
                drop(queues);
                check_eq!(fake.listed(), 0);
                Ok(())
            },
        )
    }

    /// The ring keeps the ring and transport features that it supports (R12).
    #[test]
    fn transport_features() -> Result {
        on_bench(
            Setup {
                features: &[28, 29, 30, 31, 34, 35, 36, 37, 38, 39, 41],
                ..Setup::default()
            },
            |_, fake, _, _| {
                let [low, high] = fake.driver_features();
                let want = [28, 29, 32, 34, 35, 36, 38]
                    .iter()
                    .fold(0, |all, bit| all | 1u64 << bit);
                check_eq!((low, high), (want, 0));
                Ok(())
            },
        )
    }

    /// The ring of a legacy device has the byte order of the CPU (R16).
    #[test]
    fn legacy() -> Result {
        on(
            &[&[], &[EVENT_IDX, INDIRECT_DESC]],
            || Setup {
                legacy: true,
                ..Setup::default()
            },
            |_, fake, _, _queues| {
                check!(!fake.negotiated(VERSION_1));
                let mut vq = fake.c_queue(0)?;
                for round in 0..20 {
                    post(&mut vq, fake, round, 1)?;
                    use_one(fake)?;
                    check_eq!(get(&mut vq)?.buffer.number(), round);
                }
                Ok(())
            },
        )
    }

    /// After a reset each buffer comes back once, and the ring is empty (R13, R27).
    #[test]
    fn detach() -> Result {
        on_each(Setup::default, |_, fake, dev, _queues| {
            let mut vq = fake.c_queue(0)?;
            post(&mut vq, fake, 0, 5)?;
            use_one(fake)?;
            use_one(fake)?;
            check_eq!(get(&mut vq)?.buffer.number(), 0);
            dev.reset();
            // The second buffer was used, and not taken.
            check_eq!(&detach_all(&mut vq)?[..], &[1, 2, 3, 4]);
            check!(vq.detach()?.is_none());
            check_eq!((vq.num_free(), vq.outstanding()), (8, 0));
            Ok(())
        })
    }

    /// A queue stays broken when it is empty. Otherwise a thread that waits for buffers until the
    /// queue is broken would wait for ever (R13, R14).
    #[test]
    fn broken_when_empty() -> Result {
        on_each(Setup::default, |_, fake, dev, _queues| {
            let mut vq = fake.c_queue(0)?;
            post(&mut vq, fake, 0, 3)?;
            vq.declare_broken();
            dev.reset();
            check_eq!(&detach_all(&mut vq)?[..], &[0, 1, 2]);
            check!(vq.is_broken());
            check_err!(add(&mut vq, 3, 1, 0), EIO);
            Ok(())
        })
    }

    /// A ring is smaller than the device offers if there is too little memory (R2).
    #[test]
    fn less_memory() -> Result {
        // The packed C ring has the offered size, or fails.
        let rings = if has_rust_ring()? {
            [&RINGS[..6], &RINGS[6..]]
        } else {
            [&RINGS[..3], &RINGS[6..9]]
        };
        for rings in rings {
            on(
                rings,
                || Setup {
                    size: 1024,
                    mapping: Some(Addresses::Marked),
                    largest_area: 16 << 10,
                    ..Setup::default()
                },
                |_, fake, _, _queues| {
                    let mut vq = fake.c_queue(0)?;
                    check!(vq.size() >= 256 && vq.size() < 1024);
                    check_eq!(vq.num_free(), vq.size());
                    post(&mut vq, fake, 7, 1)?;
                    use_one(fake)?;
                    check_eq!(get(&mut vq)?.buffer.number(), 7);
                    Ok(())
                },
            )?;
        }
        Ok(())
    }

    /// A ring in memory of the caller works, does not move, and cannot be reset (R45, R46).
    #[test]
    fn lent() -> Result {
        on(
            &[&[], &[EVENT_IDX], &[EVENT_IDX, IN_ORDER], &[RING_RESET]],
            Setup::default,
            |_, fake, _, _| {
                for size in [1, 4, 64] {
                    let mut preallocated = fake.new_preallocated(size)?;
                    check!(preallocated.is_in_place());
                    check_eq!(preallocated.queue.size(), size.into());
                    for round in 0..u64::from(3 * size) {
                        let (out, in_) = if size > 1 { (1, 1) } else { (0, 1) };
                        add(&mut preallocated.queue, round, out, in_)?;
                        check!(preallocated.queue.kick());
                        let seen = preallocated.answer(b"yes")?.ok_or(ENODATA)?;
                        check!(seen.iter().all(|b| *b == round as u8));
                        check_eq!(seen.len(), 16 * out);
                        let got = get(&mut preallocated.queue)?;
                        check_eq!((got.buffer.number(), got.len), (round, 3));
                        check_eq!(&got.buffer.written()[..4], b"yes\0");
                    }
                    if size > 1 {
                        check_err!(preallocated.queue.reset(Some(1))?.0, EPERM);
                    }
                    check_err!(preallocated.queue.reset(None)?.0, EPERM);
                }
                Ok(())
            },
        )
    }

    /// A packed ring has three areas, so it cannot be made in one area of the caller (R45).
    #[test]
    fn lent_packed() -> Result {
        if !rust_ring_or_skip(c"the C ring accepts it, and crashes")? {
            return Ok(());
        }
        on(&[RINGS[3]], Setup::default, |_, fake, _, _| {
            check_err!(fake.new_preallocated(4), EINVAL);
            Ok(())
        })
    }
}
