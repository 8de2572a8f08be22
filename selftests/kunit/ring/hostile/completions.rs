// SPDX-License-Identifier: GPL-2.0

//! Wrong completions.

use super::*;

#[kunit_tests(rust_virtio_ring_hostile_completions)]
mod suite {
    use super::*;

    /// H001, H029: an id beyond the end of the ring.
    #[test]
    fn h001_h029_id_out_of_range() -> Result {
        lied_to(&ANY_ORDER, |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            for id in [8, 9, 0x7fff, 0xffff, 0x1_0000, u32::MAX] {
                if fake.negotiated(RING_PACKED) && id > 0xffff {
                    continue;
                }
                begin(&mut vq, fake, 2, true)?;
                fake.finish(0, |_| Action::CompleteAs { id, len: 1 })?;
                ended(&mut vq, fake, BrokenReason::IdOutOfRange, 1 + 2)?;
            }
            Ok(())
        })
    }

    /// H002, H003, H030: an id of a descriptor inside of a buffer, or of a free one.
    #[test]
    fn h002_h003_h030_id_not_outstanding() -> Result {
        lied_to(&ANY_ORDER, |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            for id in 0..8u16 {
                begin(&mut vq, fake, 2, true)?;
                if ids(fake)?.contains(&id) {
                    let (result, _) = vq.reset(None)?;
                    result?;
                    continue;
                }
                let id = id.into();
                fake.finish(0, |_| Action::CompleteAs { id, len: 1 })?;
                ended(&mut vq, fake, BrokenReason::NotOutstanding, 1 + 2)?;
            }
            Ok(())
        })
    }

    /// H004, H031: the device uses a buffer twice. The first completion is accepted.
    #[test]
    fn h004_h031_twice() -> Result {
        for rings in [&ANY_ORDER[..], &ORDERED[..]] {
            lied_to(rings, |_, fake, _, _queues| {
                let mut vq = fake.c_queue(0)?;
                for long in [false, true] {
                    begin(&mut vq, fake, 2, long)?;
                    fake.finish(0, |_| Action::Twice(5))?;
                    check_eq!(get(&mut vq)?.buffer.number(), 1);
                    ended(&mut vq, fake, BrokenReason::NotOutstanding, 2)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// H004: after a reset of the device, each buffer comes back once.
    #[test]
    fn h004_device_reset() -> Result {
        for rings in [&ANY_ORDER[..], &ORDERED[..]] {
            lied_to(rings, |_, fake, dev, _queues| {
                let mut vq = fake.c_queue(0)?;
                begin(&mut vq, fake, 4, false)?;
                fake.finish(0, |_| Action::Twice(1))?;
                check_eq!(get(&mut vq)?.buffer.number(), 1);
                check!(vq.get()?.is_none());
                check!(vq.is_broken());
                check_eq!(fake.mapped(), 3);
                dev.reset();
                check_eq!(&detach_all(&mut vq)?[..], &[2, 3, 4]);
                check_eq!((vq.num_free(), fake.mapped()), (8, 0));
                Ok(())
            })?;
        }
        Ok(())
    }

    /// H005: the device uses an id again, which the next buffer has now. That buffer comes back
    /// once, too early. A ring cannot detect this.
    #[test]
    fn h005_replayed_id() -> Result {
        lied_to(&ANY_ORDER, |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            begin(&mut vq, fake, 2, false)?;
            let mut id = 0;
            fake.finish(0, |chain| {
                id = chain.id().into();
                Action::Complete(1)
            })?;
            check_eq!(get(&mut vq)?.buffer.number(), 1);
            add(&mut vq, 3, 0, 1)?;
            vq.kick();
            fake.finish(0, |_| Action::CompleteAs { id, len: 1 })?;
            check_eq!(get(&mut vq)?.buffer.number(), 3);
            check!(vq.get()?.is_none());
            check!(!vq.is_broken());
            check_eq!(fake.mapped(), 1);
            let (result, recycled) = vq.reset(None)?;
            result?;
            check_eq!((recycled.buffers, recycled.sum), (1, 2));
            works(&mut vq, fake)
        })
    }

    /// H006: a used index that claims more buffers than are outstanding. No entry is read.
    #[test]
    fn h006_index_jump() -> Result {
        for rings in [&ANY_ORDER[..3], &ORDERED[..2]] {
            lied_to(rings, |_, fake, _, _queues| {
                let mut vq = fake.c_queue(0)?;
                for jump in [3, 8, 9, 0x7fff, 0x8000, 0xffff] {
                    begin(&mut vq, fake, 2, true)?;
                    fake.inject(0, |ring| ring.split()?.set_used_idx(jump))?;
                    ended(&mut vq, fake, BrokenReason::IndexJump, 1 + 2)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// H008, H034: the device reports more bytes than there is room for. Drivers in C get the room
    /// as length, and one message is logged. The suite `rust_virtio_queue_hostile` has the result
    /// for drivers in Rust.
    #[test]
    fn h008_h034_length() -> Result {
        for rings in [&ANY_ORDER[..], &ORDERED[..]] {
            lied_to(rings, |_, fake, _, _queues| {
                let mut vq = fake.c_queue(0)?;
                let mut told = 0;
                for len in [33, 4096, u32::MAX] {
                    begin(&mut vq, fake, 1, true)?;
                    fake.finish(0, |_| Action::Complete(len))?;
                    check_eq!(get(&mut vq)?.len, 32);
                    // A buffer without a segment to write.
                    add(&mut vq, 2, 1, 0)?;
                    vq.kick();
                    fake.serve(0)?;
                    fake.finish(0, |_| Action::Complete(len))?;
                    check_eq!(get(&mut vq)?.len, 0);
                    told += messages::logged(WRONG_LENGTH);
                }
                check_eq!((told, queue(&vq).lengths_cut()), (1, 6));
                works(&mut vq, fake)
            })?;
        }
        Ok(())
    }

    /// H009: the device reports no written byte. The driver gets a length of 0.
    #[test]
    fn h009_nothing_written() -> Result {
        for rings in [&ANY_ORDER[..], &ORDERED[..]] {
            lied_to(rings, |_, fake, _, _queues| {
                let mut vq = fake.c_queue(0)?;
                begin(&mut vq, fake, 1, true)?;
                fake.finish(0, |_| Action::Complete(0))?;
                check_eq!(get(&mut vq)?.len, 0);
                works(&mut vq, fake)
            })?;
        }
        Ok(())
    }

    /// H010: the device publishes an entry before it has written it.
    #[test]
    fn h010_entry_not_written() -> Result {
        lied_to(&ANY_ORDER[..3], |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            begin(&mut vq, fake, 2, false)?;
            fake.finish(0, |_| Action::Complete(1))?;
            check_eq!(get(&mut vq)?.buffer.number(), 1);
            // The entry is 0: the id of the first buffer, which has come back.
            fake.inject(0, |ring| ring.split()?.set_used_idx(2))?;
            ended(&mut vq, fake, BrokenReason::NotOutstanding, 2)
        })
    }

    /// H024: a batch that ends with an id that is not outstanding.
    #[test]
    fn h024_batch_of_nothing() -> Result {
        lied_to(&ORDERED, |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            for (id, why) in [
                (5, BrokenReason::NotOutstanding),
                (7, BrokenReason::NotOutstanding),
                (8, BrokenReason::IdOutOfRange),
                (0xffff, BrokenReason::IdOutOfRange),
            ] {
                begin(&mut vq, fake, 3, false)?;
                fake.finish(0, |_| Action::CompleteAs { id, len: 1 })?;
                ended(&mut vq, fake, why, 1 + 2 + 3)?;
            }
            Ok(())
        })
    }

    /// H025: a batch of another size than the used index says.
    #[test]
    fn h025_batch_of_another_size() -> Result {
        lied_to(&ORDERED[..2], |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            begin(&mut vq, fake, 3, false)?;
            let last = ids(fake)?.get(2).copied().ok_or(ENODATA)?;
            let id = last.into();
            fake.finish(0, |_| Action::CompleteAs { id, len: 1 })?;
            ended(&mut vq, fake, BrokenReason::WrongBatch, 1 + 2 + 3)?;
            // One entry, for the first buffer, and an index for three: the second entry is missing.
            begin(&mut vq, fake, 3, false)?;
            fake.inject(0, |ring| {
                let ring = ring.split()?;
                ring.write_used(0, 0, 1)?;
                ring.set_used_idx(3)
            })?;
            check_eq!(get(&mut vq)?.buffer.number(), 1);
            ended(&mut vq, fake, BrokenReason::NotOutstanding, 2 + 3)
        })
    }

    /// H032: a descriptor is marked used that was not made available.
    #[test]
    fn h032_flags_of_free_slots() -> Result {
        for rings in [&ANY_ORDER[3..], &ORDERED[2..]] {
            lied_to(rings, |_, fake, _, _queues| {
                let mut vq = fake.c_queue(0)?;
                let forge = |from: u16| {
                    fake.inject(0, |ring| {
                        let ring = ring.packed()?;
                        (from..8).try_for_each(|slot| ring.scribble_desc(slot, 0, 1, 0, USED))
                    })
                };
                forge(0)?;
                check!(vq.get()?.is_none());
                check!(!vq.is_broken());
                begin(&mut vq, fake, 2, false)?;
                forge(2)?;
                check!(vq.get()?.is_none());
                for number in 1..=2 {
                    fake.finish(0, |_| Action::Complete(1))?;
                    check_eq!(get(&mut vq)?.buffer.number(), number);
                }
                check!(vq.get()?.is_none());
                check!(!vq.is_broken());
                check_eq!((vq.num_free(), fake.mapped()), (8, 0));
                Ok(())
            })?;
        }
        Ok(())
    }

    /// H033: a used descriptor with the wrap counter of another lap.
    #[test]
    fn h033_wrap_counter() -> Result {
        for rings in [&ANY_ORDER[3..], &ORDERED[2..]] {
            lied_to(rings, |_, fake, _, _queues| {
                let mut vq = fake.c_queue(0)?;
                begin(&mut vq, fake, 2, false)?;
                // In the first lap both flags are 1. With both 0, the descriptor is that of an
                // earlier lap.
                for flags in [0, USED & !AVAIL] {
                    fake.inject(0, |ring| ring.packed()?.scribble_desc(0, 0, 1, 0, flags))?;
                    check!(vq.get()?.is_none());
                    check!(!vq.is_broken());
                }
                for number in 1..=2 {
                    fake.finish(0, |_| Action::Complete(1))?;
                    check_eq!(get(&mut vq)?.buffer.number(), number);
                }
                works(&mut vq, fake)
            })?;
        }
        Ok(())
    }
}

/// Flags of a packed descriptor (virtio spec §2.8.1).
const AVAIL: u16 = 1 << 7;
/// The flags of a used descriptor in the first lap.
const USED: u16 = AVAIL | 1 << 15;
