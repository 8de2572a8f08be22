// SPDX-License-Identifier: GPL-2.0

//! Indirect tables: one descriptor of the ring for a buffer of any number of segments.

use super::{
    add,
    detach_all,
    get,
    has_rust_ring,
    on,
    refused,
    rust_ring_or_skip,
    use_one,
    RINGS, //
};
use crate::fixture::Setup;
use kernel::{
    prelude::*,
    sync::atomic::Relaxed, //
};
use virtio_fake::{
    Action,
    AddFn,
    Addresses,
    CBuffer,
    CQueue,
    Fake,
    EVENT_IDX,
    INDIRECT_DESC,
    IN_ORDER,
    RING_PACKED,
    RING_RESET,
    SEGMENT, //
};
use vring::tables::ALLOCATIONS_LEFT;

/// All layouts with indirect tables.
const WITH_TABLES: [&[u32]; 4] = [RINGS[2], RINGS[5], RINGS[8], RINGS[11]];

/// The segments of a receive buffer of virtio-net without mergeable buffers.
const BIG: usize = 19;

/// Limits the number of tables that can be allocated, until it is dropped.
struct Allocations;

impl Allocations {
    fn left(left: i32) -> Self {
        ALLOCATIONS_LEFT.store(left, Relaxed);
        Self
    }
}

impl Drop for Allocations {
    fn drop(&mut self) {
        ALLOCATIONS_LEFT.store(-1, Relaxed);
    }
}

/// Makes the device serve the next buffer. The buffer has `out` segments to read, whose bytes are
/// `number`, and `in_` to write, and is in an indirect table if `indirect`. The device writes all
/// segments.
fn check_and_use(fake: &Fake, out: usize, in_: usize, indirect: bool) -> Result<u8> {
    let mut seen = (0, 0, !indirect, KVec::new());
    fake.finish(0, |chain| {
        seen = (
            chain.readable(),
            chain.writable(),
            chain.is_indirect(),
            chain.read_all().unwrap_or_default(),
        );
        let answer = KVec::from_elem(0x5a, chain.writable(), GFP_KERNEL);
        let _ = chain.write(0, &answer.unwrap_or_default());
        Action::Complete(chain.writable() as u32)
    })?;
    let (readable, writable, in_table, bytes) = seen;
    check_eq!((readable, writable), (out * SEGMENT, in_ * SEGMENT));
    check_eq!(in_table, indirect);
    let first = bytes.first().copied().unwrap_or(0);
    check!(bytes.iter().all(|&byte| byte == first));
    Ok(first)
}

/// Fills the ring with buffers of `out` and `in_` segments, which take one descriptor each, and
/// takes them back, several times.
fn fill(vq: &mut CQueue, fake: &Fake, out: usize, in_: usize, rounds: u64) -> Result {
    let size = vq.size();
    for _ in 0..rounds {
        for number in 0..size {
            add(vq, u64::from(number), out, in_)?;
            check_eq!(vq.num_free(), size - number - 1);
        }
        let buffer = CBuffer::new(0, out, in_)?;
        check_eq!(refused(vq, buffer, AddFn::Lists)?, ENOSPC);
        vq.kick();
        check_eq!(fake.serve(0)? as u32, size);
        for number in 0..size {
            let first = check_and_use(fake, out, in_, true)?;
            check!(out == 0 || first == number as u8);
            let got = get(vq)?;
            check_eq!(got.buffer.number(), u64::from(number));
            check_eq!(got.len as usize, in_ * SEGMENT);
            check!(got.buffer.written().iter().all(|&byte| byte == 0x5a));
        }
        check_eq!(
            (vq.num_free(), fake.mapped(), fake.mapped_wrong()),
            (size, 0, 0)
        );
    }
    Ok(())
}

/// Returns a setup with a ring of `N` descriptors.
fn of<const N: u16>() -> Setup {
    Setup {
        size: N,
        ..Setup::default()
    }
}

/// Returns the same setup with memory that is mapped for the device.
fn mapped<const N: u16>() -> Setup {
    Setup {
        mapping: Some(Addresses::Marked),
        ..of::<N>()
    }
}

#[kunit_tests(rust_virtio_ring_tables)]
mod suite {
    use super::*;

    /// As many buffers as descriptors fit, each with more segments than the ring has descriptors
    /// (R1, R17, R20).
    #[test]
    fn longer_than_the_ring() -> Result {
        for setup in [of::<8>, of::<16>] {
            on(&WITH_TABLES, setup, |_, fake, _, _queues| {
                let mut vq = fake.c_queue(0)?;
                fill(&mut vq, fake, 64, 65, 3)?;
                fill(&mut vq, fake, 0, 129, 1)?;
                fill(&mut vq, fake, 9, 0, 2)
            })?;
        }
        Ok(())
    }

    /// The same works with tables and segments that are mapped for the device (R21).
    #[test]
    fn longer_than_the_ring_mapped() -> Result {
        on(&WITH_TABLES, mapped::<8>, |_, fake, dev, _queues| {
            let mut vq = fake.c_queue(0)?;
            fill(&mut vq, fake, 50, 51, 3)?;
            for number in 0..3 {
                add(&mut vq, number, 40, 60)?;
            }
            vq.kick();
            check_eq!(fake.serve(0)?, 3);
            check_eq!(fake.mapped(), 3 * (100 + 1));
            dev.reset();
            check_eq!(detach_all(&mut vq)?.len(), 3);
            check_eq!((fake.mapped(), fake.mapped_wrong()), (0, 0));
            Ok(())
        })
    }

    /// A ring holds as many long buffers as it has descriptors (R17).
    #[test]
    fn full_of_long_buffers() -> Result {
        on(&WITH_TABLES, of::<256>, |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            fill(&mut vq, fake, 0, BIG, 2)?;
            // Short buffers in between use the memory that the long ones left.
            fill(&mut vq, fake, 1, 1, 1)?;
            fill(&mut vq, fake, 2, 64, 2)
        })
    }

    /// Long buffers come back in another order, and after a reset.
    #[test]
    fn any_order() -> Result {
        on(&WITH_TABLES, of::<8>, |_, fake, dev, _queues| {
            let mut vq = fake.c_queue(0)?;
            let in_order = fake.negotiated(IN_ORDER);
            for round in 0..10u64 {
                for number in 0..6 {
                    let segments = [2, 40, 9, 129, 17, 3][(number as usize + round as usize) % 6];
                    add(&mut vq, number, 0, segments)?;
                }
                vq.kick();
                check_eq!(fake.serve(0)?, 6);
                if !in_order {
                    fake.finish(0, |_| Action::Hold)?;
                }
                for _ in 0..4 {
                    use_one(fake)?;
                    check_eq!(get(&mut vq)?.len, 1);
                }
                check_eq!(vq.num_free(), 6);
                for _ in 0..2 {
                    use_one(fake)?;
                    check!(vq.get()?.is_some());
                }
            }
            for number in 0..8 {
                add(&mut vq, number, 10, 10)?;
            }
            vq.kick();
            check_eq!(fake.serve(0)?, 8);
            dev.reset();
            check_eq!(detach_all(&mut vq)?.len(), 8);
            check_eq!(vq.num_free(), 8);
            Ok(())
        })
    }

    /// H083: no memory for a table. A buffer that fits the ring is added as a chain. For others the
    /// add fails with an error for a later attempt, which succeeds (R17, R20).
    #[test]
    fn h083_no_memory() -> Result {
        if !rust_ring_or_skip(c"only failslab takes the memory from the C ring")? {
            return Ok(());
        }
        on(&WITH_TABLES, of::<16>, |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            let none = Allocations::left(0);
            // Also tables of the usual length, because the queue is new.
            add(&mut vq, 1, 1, 2)?;
            check_eq!(vq.num_free(), 13);
            add(&mut vq, 2, 6, 6)?;
            check_eq!(vq.num_free(), 1);
            check_eq!(
                refused(&mut vq, CBuffer::new(3, 1, 1)?, AddFn::Lists)?,
                ENOSPC
            );
            check_eq!(
                refused(&mut vq, CBuffer::new(3, 8, 9)?, AddFn::Lists)?,
                ENOMEM
            );
            vq.kick();
            check_eq!(fake.serve(0)?, 2);
            check_eq!(check_and_use(fake, 1, 2, false)?, 1);
            check_eq!(check_and_use(fake, 6, 6, false)?, 2);
            check_eq!(get(&mut vq)?.buffer.number(), 1);
            check_eq!(get(&mut vq)?.buffer.number(), 2);
            // Not ENOSPC: without an outstanding buffer, no buffer would come back.
            check_eq!(
                refused(&mut vq, CBuffer::new(3, 8, 9)?, AddFn::Lists)?,
                ENOMEM
            );
            check_eq!((vq.num_free(), fake.serve(0)?), (16, 0));
            drop(none);
            fill(&mut vq, fake, 8, 9, 1)?;
            // The ring keeps allocated tables for later buffers.
            let _none = Allocations::left(0);
            fill(&mut vq, fake, 8, 9, 3)
        })
    }

    /// A table that cannot be mapped has the same effect as missing memory.
    #[test]
    fn no_mapping_for_a_table() -> Result {
        if !rust_ring_or_skip(c"the packed C ring then tries a chain, and returns EIO")? {
            return Ok(());
        }
        on(&WITH_TABLES, mapped::<8>, |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            for left in [0, 1, 19, 20] {
                fake.limit_maps(Some(left));
                check_eq!(
                    refused(&mut vq, CBuffer::new(3, 9, 11)?, AddFn::Lists)?,
                    ENOMEM
                );
                check_eq!((fake.mapped(), vq.num_free(), fake.serve(0)?), (0, 8, 0));
            }
            fake.limit_maps(Some(21));
            add(&mut vq, 3, 9, 11)?;
            fake.limit_maps(None);
            vq.kick();
            check_eq!(fake.serve(0)?, 1);
            check_eq!(check_and_use(fake, 9, 11, true)?, 3);
            check_eq!(get(&mut vq)?.buffer.number(), 3);
            check_eq!((fake.mapped(), fake.mapped_wrong()), (0, 0));
            Ok(())
        })
    }

    /// A queue without preallocated tables allocates one for each buffer.
    #[test]
    fn none_set_aside() -> Result {
        if !rust_ring_or_skip(c"the C ring preallocates no table")? {
            return Ok(());
        }
        let _none = Allocations::left(0);
        on(&WITH_TABLES, mapped::<8>, |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            ALLOCATIONS_LEFT.store(-1, Relaxed);
            let filled = fill(&mut vq, fake, 1, 2, 2);
            // For the next layout.
            ALLOCATIONS_LEFT.store(0, Relaxed);
            filled
        })
    }

    /// A ring that has become smaller accepts buffers as long as before (R17, R41).
    #[test]
    fn smaller_ring() -> Result {
        const RESETTABLE: [&[u32]; 4] = [
            &[RING_RESET, EVENT_IDX, INDIRECT_DESC],
            &[RING_RESET, RING_PACKED, EVENT_IDX, INDIRECT_DESC],
            &[RING_RESET, IN_ORDER, EVENT_IDX, INDIRECT_DESC],
            &[RING_RESET, IN_ORDER, RING_PACKED, EVENT_IDX, INDIRECT_DESC],
        ];
        // In order, the C ring does not work after a reset.
        let rings = if has_rust_ring()? {
            &RESETTABLE[..]
        } else {
            &RESETTABLE[..2]
        };
        for setup in [of::<16>, mapped::<16>] {
            on(rings, setup, |_, fake, _, _queues| {
                let mut vq = fake.c_queue(0)?;
                for size in [4, 2, 8, 1, 16] {
                    add(&mut vq, 1, 20, 20)?;
                    let (result, recycled) = vq.reset(Some(size))?;
                    result?;
                    check_eq!((recycled.buffers, vq.size(), fake.mapped()), (1, size, 0));
                    fill(&mut vq, fake, 10, 20, 2)?;
                    fill(&mut vq, fake, 1, 2, 1)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}
