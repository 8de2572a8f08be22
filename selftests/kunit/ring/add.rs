// SPDX-License-Identifier: GPL-2.0

//! Adding buffers and getting them back.

use super::{
    add,
    get,
    on,
    on_each,
    post,
    refused,
    rust_ring_or_skip,
    use_one,
    RINGS, //
};
use crate::fixture::{
    BoundDevice,
    Setup, //
};
use kernel::{
    device::Bound,
    prelude::*, //
};
use virtio::{
    Device,
    Queues, //
};
use virtio_fake::{
    Action,
    AddFn,
    CBuffer,
    CQueue,
    Fake,
    INDIRECT_DESC,
    IN_ORDER,
    RING_PACKED,
    SEGMENT, //
};

/// Adds more buffers without a kick than a 16-bit index counts.
fn adds_without_a_kick(
    bound: &BoundDevice,
    fake: &Fake,
    dev: &Device<Bound>,
    _queues: Queues,
) -> Result {
    let mut vq = fake.c_queue(0)?;
    bound.answer_when_served();
    vq.disable_cb();
    let mut buffers = KVec::new();
    for number in 0..8 {
        buffers.push(CBuffer::new(number, 0, 1)?, GFP_KERNEL)?;
    }
    let mut left = 65_535;
    while left > 0 {
        let count = left.min(8);
        for buffer in buffers.drain_all().take(count) {
            vq.add(buffer, AddFn::Lists)?;
        }
        check_eq!(fake.serve(0)?, count);
        for number in 0..count as u64 {
            let buffer = get(&mut vq)?.buffer;
            check_eq!(buffer.number(), number);
            buffers.push(buffer, GFP_KERNEL)?;
        }
        left -= count;
    }
    add(&mut vq, 65_535, 0, 1)?;
    check!(vq.kick_prepare());
    dev.reset();
    Ok(())
}

/// Makes the device serve the only buffer, which has these segments to read and to write, and takes
/// the buffer back.
fn serve_of_shape(vq: &mut CQueue, fake: &Fake, out: usize, in_: usize) -> Result {
    check!(vq.kick());
    check_eq!(fake.serve(0)?, 1);
    let mut shape = (0, 0);
    fake.finish(0, |chain| {
        shape = (chain.readable(), chain.writable());
        Action::Complete(chain.writable() as u32)
    })?;
    check_eq!(shape, (out * SEGMENT, in_ * SEGMENT));
    check_eq!(get(vq)?.len as usize, in_ * SEGMENT);
    Ok(())
}

#[kunit_tests(rust_virtio_ring_add)]
mod suite {
    use super::*;

    /// The device reads the bytes of the driver, and the driver those of the device (R4, R6, R17,
    /// R23, R24).
    #[test]
    fn there_and_back() -> Result {
        on_each(Setup::default, |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            add(&mut vq, 0x5a, 2, 2)?;
            check!(vq.get()?.is_none());
            check!(vq.kick());
            check_eq!(fake.serve(0)?, 1);
            let mut seen = KVec::new();
            fake.finish(0, |chain| {
                seen = chain.read_all().unwrap_or_default();
                let _ = chain.write(0, b"an answer in two pieces");
                Action::Complete(23)
            })?;
            check_eq!(&seen[..], &[0x5a; 2 * SEGMENT]);
            let got = get(&mut vq)?;
            check_eq!((got.buffer.number(), got.len), (0x5a, 23));
            check_eq!(&got.buffer.written()[..23], b"an answer in two pieces");
            check!(vq.get()?.is_none());
            check_eq!((vq.num_free(), vq.outstanding()), (8, 0));
            Ok(())
        })
    }

    /// A buffer takes a descriptor for each segment, or one with an indirect table (R1).
    #[test]
    fn descriptors_that_are_free() -> Result {
        on_each(Setup::default, |_, fake, dev, _queues| {
            let mut vq = fake.c_queue(0)?;
            check_eq!((vq.num_free(), vq.size()), (8, 8));
            add(&mut vq, 1, 1, 0)?;
            check_eq!(vq.num_free(), 7);
            add(&mut vq, 2, 2, 2)?;
            let indirect = fake.negotiated(INDIRECT_DESC);
            check_eq!(vq.num_free(), if indirect { 6 } else { 3 });
            vq.kick();
            check_eq!(fake.serve(0)?, 2);
            use_one(fake)?;
            check!(vq.get()?.is_some());
            check_eq!(vq.num_free(), if indirect { 7 } else { 4 });
            dev.reset();
            check_eq!(vq.detach()?.ok_or(ENODATA)?.number(), 2);
            check_eq!(vq.num_free(), 8);
            Ok(())
        })
    }

    /// A full split ring notifies the device when it refuses a buffer to read, also if the device
    /// suppresses notifications. A packed ring does not (R5, R20).
    #[test]
    fn full_ring_notifies() -> Result {
        on_each(Setup::default, |_, fake, dev, _queues| {
            let mut vq = fake.c_queue(0)?;
            fake.want_kicks(0, false)?;
            for number in 0..8 {
                add(&mut vq, number, 1, 0)?;
            }
            check_eq!(fake.traffic(0).kicks, 0);
            check_eq!(refused(&mut vq, CBuffer::new(9, 0, 1)?, AddFn::In)?, ENOSPC);
            check_eq!(fake.traffic(0).kicks, 0);
            check_eq!(
                refused(&mut vq, CBuffer::new(9, 1, 0)?, AddFn::Out)?,
                ENOSPC
            );
            let forced = u64::from(!fake.negotiated(RING_PACKED));
            check_eq!(fake.traffic(0).kicks, forced);
            check_eq!(
                refused(&mut vq, CBuffer::new(9, 1, 1)?, AddFn::Lists)?,
                ENOSPC
            );
            check_eq!(fake.traffic(0).kicks, 2 * forced);
            check_eq!(fake.serve(0)?, 8);
            use_one(fake)?;
            check!(vq.get()?.is_some());
            add(&mut vq, 9, 1, 0)?;
            dev.reset();
            Ok(())
        })
    }

    /// Each of the functions adds the segments of its arguments (R30).
    #[test]
    fn variants() -> Result {
        on_each(Setup::default, |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            for (how, out, in_) in [
                (AddFn::Lists, 2, 0),
                (AddFn::Lists, 0, 2),
                (AddFn::Out, 3, 0),
                (AddFn::In, 0, 3),
                (AddFn::InCacheClean, 0, 2),
                (AddFn::OutPremapped, 2, 0),
                (AddFn::InPremapped(0), 0, 2),
            ] {
                let buffer = CBuffer::new(3, out, in_)?;
                vq.add(buffer, how)?;
                serve_of_shape(&mut vq, fake, out, in_)?;
            }
            check_eq!(fake.mapped_so_far(), 0);
            Ok(())
        })
    }

    /// Segments in a list each give the same buffer as in one list (R17).
    #[test]
    fn lists_of_one() -> Result {
        on_each(Setup::default, |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            for (out, in_) in [(1, 2), (2, 1), (1, 1), (3, 0), (0, 3), (2, 2)] {
                let buffer = CBuffer::new(0x3c, out, in_)?;
                vq.add(buffer, AddFn::Segments)?;
                check!(vq.kick());
                check_eq!(fake.serve(0)?, 1);
                let mut seen = KVec::new();
                fake.finish(0, |chain| {
                    seen = chain.read_all().unwrap_or_default();
                    let answer = KVec::from_elem(0x5a, chain.writable(), GFP_KERNEL);
                    let _ = chain.write(0, &answer.unwrap_or_default());
                    Action::Complete(chain.writable() as u32)
                })?;
                check_eq!(seen.len(), out * SEGMENT);
                check!(seen.iter().all(|&byte| byte == 0x3c));
                let got = get(&mut vq)?;
                check_eq!(got.len as usize, in_ * SEGMENT);
                check_eq!(got.buffer.written().len(), in_ * SEGMENT);
                check!(got.buffer.written().iter().all(|&byte| byte == 0x5a));
            }
            Ok(())
        })
    }

    /// A list that is null has no segment (R17).
    #[test]
    fn lists_of_none() -> Result {
        on_each(Setup::default, |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            for (out, in_) in [(1, 1), (2, 0), (0, 2), (1, 2), (2, 2)] {
                for at in 0..=out + in_ {
                    let buffer = CBuffer::new(0x3c, out, in_)?;
                    vq.add(buffer, AddFn::Gap(at))?;
                    serve_of_shape(&mut vq, fake, out, in_)?;
                }
            }
            Ok(())
        })
    }

    /// A context comes back with its buffer, in any order. Queues with a context use no indirect
    /// tables (R31).
    #[test]
    fn context() -> Result {
        on_each(
            || Setup {
                ctx: true,
                ..Setup::default()
            },
            |_, fake, _, _queues| {
                let mut vq = fake.c_queue(0)?;
                for number in 1..=3 {
                    let how = if number == 2 {
                        AddFn::InPremapped(0x1002)
                    } else {
                        AddFn::InContext(0x1000 + number as usize)
                    };
                    let buffer = CBuffer::new(number, 0, 2)?;
                    vq.add(buffer, how)?;
                }
                check_eq!(vq.num_free(), 2);
                vq.kick();
                fake.serve(0)?;
                if !fake.negotiated(IN_ORDER) {
                    fake.finish(0, |_| Action::Hold)?;
                }
                for _ in 0..3 {
                    let mut indirect = true;
                    fake.finish(0, |chain| {
                        indirect = chain.is_indirect();
                        Action::Complete(0)
                    })?;
                    check!(!indirect);
                    let got = get(&mut vq)?;
                    check_eq!(got.ctx, 0x1000 + got.buffer.number() as usize);
                }
                Ok(())
            },
        )
    }

    /// A broken queue accepts no buffer. Buffers without segments or token crash the C ring (R20).
    #[test]
    fn errors() -> Result {
        on_each(Setup::default, |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            vq.declare_broken();
            check_eq!(refused(&mut vq, CBuffer::new(1, 1, 1)?, AddFn::Lists)?, EIO);
            check_eq!(refused(&mut vq, CBuffer::new(1, 0, 1)?, AddFn::In)?, EIO);
            vq.unbreak();
            add(&mut vq, 1, 1, 1)?;
            vq.kick();
            fake.serve(0)?;
            use_one(fake)?;
            check_eq!(get(&mut vq)?.buffer.number(), 1);
            Ok(())
        })?;
        if !rust_ring_or_skip(c"the C ring has BUG_ON() for the other buffers")? {
            return Ok(());
        }
        on_each(Setup::default, |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            check_err!(vq.add_without_token(CBuffer::new(1, 1, 1)?), EINVAL);
            check_eq!(
                refused(&mut vq, CBuffer::new(1, 0, 0)?, AddFn::Lists)?,
                EINVAL
            );
            check_eq!(
                refused(&mut vq, CBuffer::new(1, 0, 0)?, AddFn::Nothing)?,
                EINVAL
            );
            check_eq!(
                refused(&mut vq, CBuffer::new(1, 0, 0)?, AddFn::Gap(0))?,
                EINVAL
            );
            // Without indirect tables the ring can never accept this buffer, but the driver may try
            // a smaller one.
            if !fake.negotiated(INDIRECT_DESC) {
                check_eq!(refused(&mut vq, CBuffer::new(1, 0, 9)?, AddFn::In)?, EINVAL);
            }
            check_eq!((vq.num_free(), vq.outstanding()), (8, 0));
            check_eq!(fake.serve(0)?, 0);
            Ok(())
        })
    }

    /// An in-order device may use several buffers at a time (R39, R40). All but the last count as
    /// completely written.
    #[test]
    fn batches() -> Result {
        on(&RINGS[6..], Setup::default, |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            for round in 0..9u64 {
                let first = round * 5;
                post(&mut vq, fake, first, 5)?;
                fake.finish_batch(0, 4, 7)?;
                for number in first..first + 4 {
                    let got = get(&mut vq)?;
                    let len = if number == first + 3 { 7 } else { SEGMENT };
                    check_eq!((got.buffer.number(), got.len as usize), (number, len));
                }
                check!(vq.get()?.is_none());
                fake.finish_batch(0, 1, 3)?;
                check_eq!(get(&mut vq)?.len, 3);
                check_eq!(vq.num_free(), 8);
            }
            Ok(())
        })
    }

    /// After more adds without a kick than a 16-bit index counts, the device is notified (R51).
    #[test]
    fn adds_without_a_kick() -> Result {
        on(&RINGS[1..2], Setup::default, super::adds_without_a_kick)
    }

    /// The same for a packed ring, which counts differently. A separate case, because each takes
    /// minutes on a kernel with KASAN.
    #[test]
    fn adds_without_a_kick_packed() -> Result {
        if !rust_ring_or_skip(c"the counter of the packed C ring overflows, and a kick is lost")? {
            return Ok(());
        }
        on(&RINGS[4..5], Setup::default, super::adds_without_a_kick)
    }
}
