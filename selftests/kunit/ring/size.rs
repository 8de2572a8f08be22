// SPDX-License-Identifier: GPL-2.0

//! Rings of different sizes.

use super::{
    add,
    get,
    on,
    post,
    rust_ring_or_skip, //
};
use crate::fixture::Setup;
use kernel::prelude::*;
use virtio_fake::{
    messages,
    Action,
    EVENT_IDX,
    IN_ORDER,
    RING_PACKED, //
};

/// The layouts without indirect tables, which would make the largest rings even larger.
const LARGE: [&[u32]; 4] = [
    &[EVENT_IDX],
    &[RING_PACKED, EVENT_IDX],
    &[IN_ORDER, EVENT_IDX],
    &[RING_PACKED, IN_ORDER, EVENT_IDX],
];

/// The size of the largest ring, smaller on a kernel with KASAN, which takes ten minutes for each
/// layout of the largest one.
const LARGEST: u16 = if cfg!(CONFIG_KASAN) { 4096 } else { 32768 };

/// Fills the largest ring of a layout twice (R52).
fn largest(layout: &'static [u32]) -> Result {
    on(
        &[layout],
        || Setup {
            size: LARGEST,
            ..Setup::default()
        },
        |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            let size = u64::from(vq.size());
            if size != u64::from(LARGEST) {
                messages::skip(c"no memory for the largest ring");
            }
            let step = size / 64;
            for lap in 0..70 {
                let first = lap * step;
                post(&mut vq, fake, first, step)?;
                for number in first..first + step {
                    fake.finish_silently(0, |_| Action::Complete(1))?;
                    check_eq!(get(&mut vq)?.buffer.number(), number);
                }
            }
            // All buffers at a time.
            for number in 0..size {
                add(&mut vq, number, 0, 1)?;
            }
            check_eq!(vq.num_free(), 0);
            check_err!(add(&mut vq, size, 0, 1), ENOSPC);
            check!(vq.kick());
            check_eq!(fake.serve(0)? as u64, size);
            fake.rescue();
            for number in 0..size {
                check_eq!(get(&mut vq)?.buffer.number(), number);
            }
            check_eq!(u64::from(vq.num_free()), size);
            Ok(())
        },
    )
}

#[kunit_tests(rust_virtio_ring_size)]
mod suite {
    use super::*;

    // A case for each layout, because each takes a minute on a kernel with KASAN.

    #[test]
    fn largest_split() -> Result {
        largest(LARGE[0])
    }

    #[test]
    fn largest_packed() -> Result {
        largest(LARGE[1])
    }

    #[test]
    fn largest_split_in_order() -> Result {
        largest(LARGE[2])
    }

    #[test]
    fn largest_packed_in_order() -> Result {
        largest(LARGE[3])
    }

    /// Packed rings may have a size that is no power of two, and the smallest size (R23).
    #[test]
    fn odd_sizes() -> Result {
        fn laps(features: &'static [u32], size: fn() -> Setup) -> Result {
            on(&[features], size, |_, fake, _, _queues| {
                let mut vq = fake.c_queue(0)?;
                let size = u64::from(vq.size());
                for number in 0..5 * size + 3 {
                    post(&mut vq, fake, number, 1)?;
                    fake.finish_silently(0, |_| Action::Complete(1))?;
                    check_eq!(get(&mut vq)?.buffer.number(), number);
                }
                for number in 0..size {
                    add(&mut vq, number, 0, 1)?;
                }
                check_eq!(vq.num_free(), 0);
                vq.kick();
                check_eq!(fake.serve(0)? as u64, size);
                for number in 0..size {
                    fake.finish_silently(0, |_| Action::Complete(1))?;
                    check_eq!(get(&mut vq)?.buffer.number(), number);
                }
                Ok(())
            })
        }
        fn of<const N: u16>() -> Setup {
            Setup {
                size: N,
                ..Setup::default()
            }
        }
        for features in LARGE {
            for size in [of::<1>, of::<2>, of::<256>] {
                laps(features, size)?;
            }
            if features.contains(&RING_PACKED) {
                for size in [of::<3>, of::<7>, of::<100>] {
                    laps(features, size)?;
                }
            }
        }
        Ok(())
    }

    /// H036: a packed ring has at most 32768 descriptors, also if the device offers more.
    #[test]
    fn h036_larger_than_the_largest() -> Result {
        if !rust_ring_or_skip(c"the C ring has the size that the device reports")? {
            return Ok(());
        }
        on(
            &[LARGE[1], LARGE[3]],
            || Setup {
                size: 40_000,
                ..Setup::default()
            },
            |_, fake, _, _queues| {
                let vq = fake.c_queue(0)?;
                check!(vq.size() <= 32768);
                check_eq!(vq.num_free(), vq.size());
                Ok(())
            },
        )
    }
}
