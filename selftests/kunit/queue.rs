// SPDX-License-Identifier: GPL-2.0

//! The ownership of buffers, with each ring layout (virtio spec §2.6 to §2.8).

mod doorbell;
mod hostile;
mod message;
mod resize;

use crate::fixture::{
    on_bench,
    on_each_layout,
    specs,
    Setup,
    MAX_SEGMENTS, //
};
use kernel::{
    cpu::CpuId,
    cpumask::CpumaskVar,
    prelude::*, //
};
use virtio::{
    with_queue,
    Affinity,
    Look,
    Looked,
    QueueOps,
    UsedRef,
    Virtqueue, //
};
use virtio_fake::{
    Action,
    DropCounter,
    TestBuffer,
    EVENT_IDX,
    INDIRECT_DESC,
    RING_PACKED, //
};

/// Adds a buffer. The queue must accept it.
fn add<const CTX: bool>(vq: &mut Virtqueue<TestBuffer<CTX>>, buffer: TestBuffer<CTX>) -> Result {
    Ok(vq.add_buf(buffer)?)
}

/// Adds `count` buffers of 32 bytes to write, numbered from `first`.
fn add_some(vq: &mut Virtqueue<TestBuffer>, first: u64, count: u64, drops: &DropCounter) -> Result {
    for number in first..first + count {
        add(vq, TestBuffer::new(number, drops)?.in_(32)?)?;
    }
    Ok(())
}

/// Adds a buffer. The queue must refuse it with an error, and return the buffer with its number.
fn refused(vq: &mut Virtqueue<TestBuffer>, buffer: TestBuffer) -> Result<Error> {
    let number = buffer.number();
    match vq.add_buf(buffer) {
        Ok(()) => Err(ENODATA),
        Err(back) => {
            check_eq!(back.buffer.number(), number);
            Ok(back.error)
        }
    }
}

/// Looks at the number and the length of a buffer, which is to be added again, or not.
struct Looker(bool);

impl Look<TestBuffer> for Looker {
    type Seen = u64;
    type Again = (u64, u32);
    type Taken = (u64, u32);

    fn look(&mut self, used: UsedRef<'_, TestBuffer>) -> Result<u64, (u64, u32)> {
        let number = used.buffer().number();
        if self.0 {
            Ok(number)
        } else {
            Err((number, used.len()))
        }
    }

    fn read(self, used: UsedRef<'_, TestBuffer>, seen: u64) -> (u64, u32) {
        // The buffer is still the one that was looked at.
        let number = used.buffer().number();
        (if number == seen { number } else { u64::MAX }, used.len())
    }
}

#[kunit_tests(rust_virtio_queue)]
mod suite {
    use super::*;

    /// The device reads the bytes of a buffer, and the driver gets the same buffer back with the
    /// written bytes.
    #[test]
    fn buffer_there_and_back() -> Result {
        on_each_layout(|_, fake, _, mut queues| {
            let drops = DropCounter::new()?;
            let mut vq = queues.take::<TestBuffer>(0)?;
            let buffer = TestBuffer::new(77, &drops)?
                .out(b"question")?
                .in_(4)?
                .in_(4)?;
            add(&mut vq, buffer)?;
            check!(vq.get_buf().is_none());
            check!(vq.kick());
            check_eq!(fake.traffic(0).kicks, 1);
            check_eq!(fake.serve(0)?, 1);
            let mut seen = [0; 8];
            let mut lens = (0, 0, 0);
            fake.finish(0, |chain| {
                lens = (chain.readable(), chain.writable(), chain.segments().len());
                let _ = chain.read(0, &mut seen);
                let _ = chain.write(0, b"answer");
                Action::Complete(6)
            })?;
            check_eq!(&seen, b"question");
            check_eq!(lens, (8, 8, 3));
            let used = vq.get_buf().ok_or(ENODATA)?;
            check_eq!(used.len(), 6);
            check_eq!(used.buffer().number(), 77);
            check_eq!(used.buffer().part(1), b"answ");
            check_eq!(used.buffer().part(2), b"er\0\0");
            check_eq!(drops.count(), 0);
            drop(used);
            check_eq!(drops.count(), 1);
            check!(vq.get_buf().is_none());
            Ok(())
        })
    }

    /// The device may use buffers in any order.
    #[test]
    fn out_of_order() -> Result {
        on_each_layout(|_, fake, _, mut queues| {
            let drops = DropCounter::new()?;
            let mut vq = queues.take::<TestBuffer>(0)?;
            add_some(&mut vq, 0, 5, &drops)?;
            vq.kick();
            check_eq!(fake.serve(0)?, 5);
            // The action `Hold` moves the oldest buffer to the end: the order is 1, 2, 3, 4, 0.
            fake.finish(0, |_| Action::Hold)?;
            for want in [1, 2, 3, 4, 0] {
                fake.finish(0, |_| Action::Complete(want as u32))?;
                let used = vq.get_buf().ok_or(ENODATA)?;
                check_eq!(used.buffer().number(), want);
                check_eq!(used.len(), want as u32);
            }
            check_eq!(vq.num_free(), 8);
            Ok(())
        })
    }

    /// A buffer that the driver looks at is added again, or taken, unless the ring is unable to.
    #[test]
    fn looked_at() -> Result {
        on_each_layout(|_, fake, _, mut queues| {
            let drops = DropCounter::new()?;
            let mut vq = queues.take::<TestBuffer>(0)?;
            add(&mut vq, TestBuffer::new(5, &drops)?.out(b"a")?.in_(32)?)?;
            let free = vq.num_free();
            for round in 0..20 {
                let again = round < 19;
                vq.kick();
                check_eq!(fake.serve(0)?, 1);
                let mut bytes = [0];
                fake.finish(0, |chain| {
                    let _ = chain.read(0, &mut bytes);
                    Action::Complete(round)
                })?;
                check_eq!(&bytes, b"a");
                let look = Looker(again);
                match with_queue!(vq, |mut queue| queue.get_buf_or_add_again(look)) {
                    Looked::Nothing => return Err(ENODATA),
                    Looked::AddedAgain(seen) => check!(again && seen == (5, round)),
                    Looked::Taken(seen, used) => {
                        check!(!again && seen == (5, round));
                        drop(used);
                    }
                    Looked::Unable => {
                        let used = vq.get_buf().ok_or(ENODATA)?;
                        check_eq!((used.buffer().number(), used.len()), (5, round));
                        if again {
                            add(&mut vq, used.into_buffer())?;
                        }
                    }
                }
                check_eq!(drops.count(), u64::from(!again));
                check_eq!(vq.num_free() == free, again);
            }
            let look = Looker(true);
            let looked = with_queue!(vq, |mut queue| queue.get_buf_or_add_again(look));
            check!(matches!(looked, Looked::Nothing | Looked::Unable));
            check!(vq.get_buf().is_none());
            Ok(())
        })
    }

    /// A full ring refuses a buffer, and accepts it when there is room again.
    #[test]
    fn full_ring() -> Result {
        on_each_layout(|_, fake, _, mut queues| {
            let drops = DropCounter::new()?;
            let mut vq = queues.take::<TestBuffer>(0)?;
            check_eq!(vq.num_free(), 8);
            check_eq!(vq.ring_size(), 8);
            add_some(&mut vq, 0, 8, &drops)?;
            check_eq!(vq.num_free(), 0);
            let ninth = TestBuffer::new(9, &drops)?.in_(32)?;
            let Err(back) = vq.add_buf(ninth) else {
                return Err(ENODATA);
            };
            check_eq!(back.error, ENOSPC);
            check_eq!(back.buffer.number(), 9);
            check_eq!(drops.count(), 0);
            vq.kick();
            fake.serve(0)?;
            fake.finish(0, |_| Action::Complete(0))?;
            let first = vq.get_buf().ok_or(ENODATA)?;
            check_eq!(first.buffer().number(), 0);
            add(&mut vq, back.buffer)?;
            Ok(())
        })
    }

    /// A buffer takes a descriptor per segment without indirect tables, and one with them.
    #[test]
    fn room_for_segments() -> Result {
        on_each_layout(|_, fake, _, mut queues| {
            let drops = DropCounter::new()?;
            let mut vq = queues.take::<TestBuffer>(0)?;
            let indirect = fake.negotiated(INDIRECT_DESC);
            let buffer = |number| {
                TestBuffer::new(number, &drops)?
                    .out(b"a")?
                    .out(b"b")?
                    .in_(1)
            };
            add(&mut vq, buffer(0)?)?;
            add(&mut vq, buffer(1)?)?;
            check_eq!(vq.num_free(), if indirect { 6 } else { 2 });
            if !indirect {
                check_eq!(refused(&mut vq, buffer(2)?)?, ENOSPC);
                check_eq!(vq.num_free(), 2);
            }
            vq.kick();
            check_eq!(fake.serve(0)?, 2);
            let mut was_indirect = !indirect;
            fake.finish(0, |chain| {
                was_indirect = chain.is_indirect();
                Action::Complete(1)
            })?;
            check_eq!(was_indirect, indirect);
            check!(vq.get_buf().is_some());
            check_eq!(vq.num_free(), if indirect { 7 } else { 5 });
            Ok(())
        })
    }

    /// Buffers that cannot be described are refused, and do not change the ring.
    #[test]
    fn wrong_buffers() -> Result {
        on_each_layout(|_, fake, _, mut queues| {
            let drops = DropCounter::new()?;
            let mut vq = queues.take::<TestBuffer>(0)?;
            let empty = TestBuffer::new(1, &drops)?;
            check_eq!(refused(&mut vq, empty)?, EINVAL);
            let reversed = TestBuffer::new(2, &drops)?.in_(4)?.out(b"late")?;
            check_eq!(refused(&mut vq, reversed)?, EINVAL);
            let mut long = TestBuffer::new(3, &drops)?;
            for _ in 0..=MAX_SEGMENTS {
                long = long.in_(1)?;
            }
            check_eq!(refused(&mut vq, long)?, EINVAL);
            check_eq!(drops.count(), 3);
            check_eq!(vq.num_free(), 8);
            add_some(&mut vq, 4, 1, &drops)?;
            check!(vq.kick());
            check_eq!(fake.serve(0)?, 1);
            fake.finish(0, |_| Action::Complete(32))?;
            check_eq!(vq.get_buf().ok_or(ENODATA)?.buffer().number(), 4);
            Ok(())
        })
    }

    /// Unused buffers can be taken back only after a reset.
    #[test]
    fn detach_needs_reset() -> Result {
        on_each_layout(|_, fake, dev, mut queues| {
            let drops = DropCounter::new()?;
            let mut vq = queues.take::<TestBuffer>(0)?;
            add_some(&mut vq, 10, 3, &drops)?;
            vq.kick();
            fake.serve(0)?;
            check!(vq.detach_unused_buf().is_none());
            fake.finish(0, |_| Action::Complete(0))?;
            check_eq!(vq.get_buf().ok_or(ENODATA)?.buffer().number(), 10);
            dev.reset();
            let mut sum = 0;
            while let Some(buffer) = vq.detach_unused_buf() {
                sum += buffer.number();
            }
            check_eq!(sum, 11 + 12);
            check_eq!(drops.count(), 3);
            Ok(())
        })
    }

    /// Dropping a queue with outstanding buffers resets the device first.
    #[test]
    fn drop_in_flight() -> Result {
        on_each_layout(|_, fake, _, mut queues| {
            let drops = DropCounter::new()?;
            let mut vq = queues.take::<TestBuffer>(0)?;
            add_some(&mut vq, 0, 6, &drops)?;
            vq.kick();
            fake.serve_some(0, 4)?;
            fake.finish(0, |_| Action::Complete(0))?;
            check!(fake.status() != 0);
            let resets = fake.resets();
            drop(vq);
            check_eq!(fake.resets(), resets + 1);
            check_eq!(fake.status(), 0);
            check_eq!(drops.count(), 6);
            Ok(())
        })
    }

    /// A queue can be taken once, and queues cannot be found again while there are any.
    #[test]
    fn one_owner() -> Result {
        on_bench(
            Setup {
                queues: 3,
                ..Setup::default()
            },
            |_, fake, dev, mut queues| {
                check_eq!(queues.len(), 3);
                check_eq!(fake.queues(), 3);
                let vq = queues.take::<TestBuffer>(1)?;
                check_eq!(vq.index(), 1);
                check_err!(queues.take::<TestBuffer>(1), ENOENT);
                check_err!(queues.take::<TestBuffer>(3), ENOENT);
                let again = || dev.find_vqs(specs(3, false)?, Affinity::Default);
                // The kernel adds the two up in 32 bits, and would write before an array.
                for (pre_vectors, post_vectors) in [(u32::MAX - 1, 2), (2, 2), (4, 0)] {
                    let spread = Affinity::Spread {
                        pre_vectors,
                        post_vectors,
                    };
                    check_err!(dev.find_vqs(specs(3, false)?, spread).map(|_| ()), EINVAL);
                }
                check_err!(again(), EBUSY);
                drop(queues);
                check_err!(again(), EBUSY);
                let handle = vq.handle();
                drop(vq);
                check_err!(again(), EBUSY);
                check_eq!(fake.queues(), 3);
                drop(handle);
                check_eq!(fake.queues(), 0);
                drop(again()?);
                check_eq!(fake.queues(), 0);
                Ok(())
            },
        )
    }

    /// Only a queue that was found with a context accepts buffers with a context.
    #[test]
    fn context_of_none() -> Result {
        on_each_layout(|_, _, _, mut queues| {
            check_err!(queues.take::<TestBuffer<true>>(0), EINVAL);
            queues.take::<TestBuffer>(0)?;
            Ok(())
        })
    }

    /// A buffer comes back with its context. Queues with a context use no indirect tables.
    #[test]
    fn context() -> Result {
        on_bench(
            Setup {
                ctx: true,
                features: &[INDIRECT_DESC],
                ..Setup::default()
            },
            |_, fake, _, mut queues| {
                let drops = DropCounter::new()?;
                let mut vq = queues.take::<TestBuffer<true>>(0)?;
                for number in 1..=2 {
                    add(&mut vq, TestBuffer::new(number, &drops)?.in_(1)?.in_(1)?)?;
                }
                vq.kick();
                fake.serve(0)?;
                fake.finish(0, |_| Action::Hold)?;
                for want in [2, 1] {
                    let mut indirect = true;
                    fake.finish(0, |chain| {
                        indirect = chain.is_indirect();
                        Action::Complete(0)
                    })?;
                    check!(!indirect);
                    let used = vq.get_buf().ok_or(ENODATA)?;
                    check_eq!(used.buffer().number(), want);
                    check_eq!(used.buffer().ctx(), Some(want as usize));
                }
                Ok(())
            },
        )
    }

    /// Indices wrap: in a split ring after 16 bits, in a packed ring at its end.
    #[test]
    fn many_buffers() -> Result {
        for features in [&[EVENT_IDX][..], &[RING_PACKED, EVENT_IDX][..]] {
            on_bench(
                Setup {
                    features,
                    ..Setup::default()
                },
                |bound, fake, _, mut queues| {
                    let drops = DropCounter::new()?;
                    let mut vq = queues.take::<TestBuffer>(0)?;
                    bound.answer_when_served();
                    vq.disable_cb();
                    let mut buffers = KVec::new();
                    for number in 0..8 {
                        buffers.push(TestBuffer::new(number, &drops)?.in_(8)?, GFP_KERNEL)?;
                    }
                    let packed = fake.negotiated(RING_PACKED);
                    for _ in 0..if packed { 100 } else { 8_200 } {
                        for buffer in buffers.drain_all() {
                            add(&mut vq, buffer)?;
                        }
                        check!(vq.kick_prepare());
                        check_eq!(fake.serve(0)?, 8);
                        for number in 0..8 {
                            let used = vq.get_buf().ok_or(ENODATA)?;
                            check_eq!((used.buffer().number(), used.len()), (number, 8));
                            buffers.push(used.into_buffer(), GFP_KERNEL)?;
                        }
                    }
                    drop(buffers);
                    check_eq!(drops.count(), 8);
                    Ok(())
                },
            )?;
        }
        Ok(())
    }

    /// The driver notifies the device when the device asks for it.
    #[test]
    fn kick_if_wanted() -> Result {
        on_each_layout(|_, fake, _, mut queues| {
            let drops = DropCounter::new()?;
            let mut vq = queues.take::<TestBuffer>(0)?;
            fake.want_kicks(0, false)?;
            add_some(&mut vq, 0, 1, &drops)?;
            check!(!vq.kick_prepare());
            check!(vq.kick());
            check_eq!(fake.traffic(0).kicks, 0);
            // After it has served the queue, the device asks again.
            check_eq!(fake.serve(0)?, 1);
            add_some(&mut vq, 1, 2, &drops)?;
            check!(vq.kick_prepare());
            check!(vq.notify());
            check_eq!(fake.traffic(0).kicks, 1);
            // With an index, there is no reason for a kick without a new buffer.
            if fake.negotiated(EVENT_IDX) {
                check!(!vq.kick_prepare());
            }
            check!(vq.handle().notify());
            check_eq!(fake.traffic(0).kicks, 2);
            Ok(())
        })
    }

    /// Affinity hints reach the transport.
    #[test]
    fn affinity() -> Result {
        on_bench(Setup::default(), |_, fake, _, mut queues| {
            let vq = queues.take::<TestBuffer>(0)?;
            let mut mask = CpumaskVar::new_zero(GFP_KERNEL)?;
            mask.set(CpuId::from_u32(0).ok_or(ENODATA)?);
            vq.handle().set_affinity(Some(&mask))?;
            vq.handle().set_affinity(None)?;
            check_eq!(fake.affinity()?[..], [(0, Some(0)), (0, None)][..]);
            Ok(())
        })
    }
}
