// SPDX-License-Identifier: GPL-2.0

//! Devices that write to memory of the driver.

use super::*;

/// Runs a device that overwrites all descriptors with `flags`, and uses its buffers correctly.
fn scribbled(vq: &mut CQueue, fake: &Fake, flags: u16) -> Result {
    begin(vq, fake, 2, true)?;
    fake.inject(0, |ring| {
        for slot in 0..8 {
            match ring {
                virtio_fake::DeviceRing::Split(ring) => {
                    ring.scribble_desc(slot, 0xdead_0000, 7, flags, slot)?;
                }
                // Marked available, so that none is taken for used.
                virtio_fake::DeviceRing::Packed(ring) => {
                    let flags = flags & 0x7f7f | 1 << 7;
                    ring.scribble_desc(slot, 0xdead_0000, 7, 0xbeef, flags)?;
                }
            }
        }
        Ok(())
    })?;
    for number in 1..=2 {
        fake.finish(0, |_| Action::Complete(32))?;
        let got = get(vq)?;
        check_eq!((got.buffer.number(), got.len), (number, 32));
    }
    check!(vq.get()?.is_none());
    check!(!vq.is_broken());
    check_eq!(
        (vq.num_free(), fake.mapped(), fake.mapped_wrong()),
        (8, 0, 0)
    );
    let (result, recycled) = vq.reset(None)?;
    result?;
    check_eq!(recycled.buffers, 0);
    works(vq, fake)
}

#[kunit_tests(rust_virtio_ring_hostile_chains)]
mod suite {
    use super::*;

    /// H012, H013, H014, H016, H017, H038: overwritten flags, links, addresses and lengths of
    /// outstanding descriptors have no effect.
    #[test]
    fn h012_h013_h014_h016_h017_h038_descriptors() -> Result {
        lied_to(&ANY_ORDER, |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            [0, 1, 2, 3, 4, 7, 0xffff]
                .into_iter()
                .try_for_each(|flags| scribbled(&mut vq, fake, flags))
        })
    }

    /// H026: the same for an in-order device.
    #[test]
    fn h026_descriptors_in_order() -> Result {
        lied_to(&ORDERED, |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            [0, 1, 2, 3, 4, 7, 0xffff]
                .into_iter()
                .try_for_each(|flags| scribbled(&mut vq, fake, flags))
        })
    }

    /// H018: an overwritten indirect table has no effect.
    #[test]
    fn h018_indirect_table() -> Result {
        let rings = [ANY_ORDER[2], ANY_ORDER[5], ORDERED[1], ORDERED[3]];
        lied_to(&rings, |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            for byte in [0, 0x5a, 0xff] {
                begin(&mut vq, fake, 2, true)?;
                for number in 1..=2 {
                    let mut done = Err(ENODATA);
                    fake.finish(0, |chain| {
                        done = chain.scribble_table(byte);
                        Action::Complete(3)
                    })?;
                    done?;
                    check_eq!(get(&mut vq)?.buffer.number(), number);
                }
                check_eq!((fake.mapped(), fake.mapped_wrong()), (0, 0));
            }
            works(&mut vq, fake)
        })
    }

    /// H019: overwritten flags and index of the available ring have no effect: the driver has its
    /// own.
    #[test]
    fn h019_available_ring() -> Result {
        for rings in [&ANY_ORDER[..3], &ORDERED[..2]] {
            lied_to(rings, |_, fake, _, _queues| {
                let mut vq = fake.c_queue(0)?;
                for value in [0, 1, 0x1234, 0xffff] {
                    begin(&mut vq, fake, 1, true)?;
                    fake.inject(0, |ring| ring.split()?.scribble_avail(value, value))?;
                    add(&mut vq, 2, 0, 1)?;
                    vq.kick();
                    check_eq!(fake.serve(0)?, 1);
                    for number in 1..=2 {
                        fake.finish(0, |_| Action::Complete(1))?;
                        check_eq!(get(&mut vq)?.buffer.number(), number);
                    }
                }
                works(&mut vq, fake)
            })?;
        }
        Ok(())
    }
}
