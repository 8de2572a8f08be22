// SPDX-License-Identifier: GPL-2.0

//! Wrong notification suppression.

use super::*;

/// Writes the notification suppression of the device.
fn wish(fake: &Fake, place: u16, flags: u16) -> Result {
    fake.inject(0, |ring| match ring {
        virtio_fake::DeviceRing::Split(ring) => {
            ring.write_used_flags(flags)?;
            ring.write_avail_event(place)
        }
        virtio_fake::DeviceRing::Packed(ring) => ring.write_device_event(place, flags),
    })
}

#[kunit_tests(rust_virtio_ring_hostile_suppression)]
mod suite {
    use super::*;

    /// H020: a device that always suppresses notifications gets none, and the queue works. A driver
    /// that has waited long can notify the device.
    #[test]
    fn h020_no_kicks() -> Result {
        for rings in [&ANY_ORDER[..], &ORDERED[..]] {
            lied_to(rings, |_, fake, _, _queues| {
                let mut vq = fake.c_queue(0)?;
                wish(fake, 0x7000, 1)?;
                add(&mut vq, 1, 1, 2)?;
                check!(!vq.kick_prepare());
                check!(vq.kick());
                check_eq!(fake.traffic(0).kicks, 0);
                check!(vq.notify());
                check_eq!(fake.traffic(0).kicks, 1);
                check_eq!(fake.serve(0)?, 1);
                fake.finish(0, |_| Action::Complete(1))?;
                check_eq!(get(&mut vq)?.buffer.number(), 1);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// H021: suppression that changes all the time costs kicks, and nothing else.
    #[test]
    fn h021_changing_wishes() -> Result {
        for rings in [&ANY_ORDER[..], &ORDERED[..]] {
            lied_to(rings, |_, fake, _, _queues| {
                let mut vq = fake.c_queue(0)?;
                for round in 0..200u16 {
                    wish(fake, round.wrapping_mul(7919), round % 4)?;
                    add(&mut vq, round.into(), 1, 1)?;
                    check!(vq.kick());
                    check_eq!(fake.serve(0)?, 1);
                    wish(fake, round.wrapping_mul(104), round % 3)?;
                    fake.finish(0, |_| Action::Complete(1))?;
                    check_eq!(get(&mut vq)?.buffer.number(), round.into());
                }
                check!(fake.traffic(0).kicks <= 200);
                works(&mut vq, fake)
            })?;
        }
        Ok(())
    }

    /// H022: the driver does not read back its own suppression.
    #[test]
    fn h022_used_event() -> Result {
        for rings in [&ANY_ORDER[1..3], &ORDERED[..2]] {
            lied_to(rings, |_, fake, _, _queues| {
                let mut vq = fake.c_queue(0)?;
                for value in [0, 1, 0x5555, 0x8000, 0xffff] {
                    begin(&mut vq, fake, 2, true)?;
                    fake.inject(0, |ring| ring.split()?.scribble_used_event(value))?;
                    check!(vq.enable_cb());
                    fake.inject(0, |ring| ring.split()?.scribble_used_event(value))?;
                    for number in 1..=2 {
                        fake.finish(0, |_| Action::Complete(1))?;
                        check_eq!(get(&mut vq)?.buffer.number(), number);
                    }
                    check!(vq.enable_cb_delayed());
                    check!(!vq.is_broken());
                }
                works(&mut vq, fake)
            })?;
        }
        Ok(())
    }

    /// H035: invalid flags count as a request for notifications.
    #[test]
    fn h035_reserved_wishes() -> Result {
        for rings in [&ANY_ORDER[3..], &ORDERED[2..]] {
            lied_to(rings, |_, fake, _, _queues| {
                let mut vq = fake.c_queue(0)?;
                for flags in [3, 7, 0xffff] {
                    wish(fake, 0x7fff, flags)?;
                    add(&mut vq, 1, 0, 1)?;
                    check!(vq.kick_prepare());
                    check_eq!(fake.serve(0)?, 1);
                    fake.finish(0, |_| Action::Complete(1))?;
                    check!(vq.get()?.is_some());
                }
                // Positions beyond the end of the ring: the queue works.
                for place in [8, 9, 0x7fff, 0x8008, 0xffff] {
                    wish(fake, place, 2)?;
                    add(&mut vq, 1, 0, 1)?;
                    check!(vq.kick());
                    check_eq!(fake.serve(0)?, 1);
                    fake.finish(0, |_| Action::Complete(1))?;
                    check!(vq.get()?.is_some());
                }
                works(&mut vq, fake)
            })?;
        }
        Ok(())
    }
}
