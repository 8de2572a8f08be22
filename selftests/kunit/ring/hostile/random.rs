// SPDX-License-Identifier: GPL-2.0

//! Devices that write random values to random places.

use super::*;

/// Pseudorandom numbers, the same in each run (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Returns a number below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Returns a number that is mostly small, so that it is sometimes valid.
    fn word(&mut self) -> u16 {
        let word = self.next() as u16;
        if word & 0x300 == 0 {
            word
        } else {
            word % 12
        }
    }
}

/// Makes the device write a random value.
fn scribble(fake: &Fake, n: &mut Numbers) -> Result {
    let (what, slot, a, b) = (n.below(7), n.word(), n.word(), n.word());
    fake.inject(0, |ring| match ring {
        virtio_fake::DeviceRing::Split(ring) => match what {
            0 => ring.scribble_desc(slot, n.next(), a.into(), b, n.word()),
            1 => ring.scribble_avail(a, b),
            2 => ring.scribble_used_event(a),
            3 => ring.write_avail_event(a),
            4 => ring.write_used_flags(a),
            5 => ring.write_used(slot, a.into(), b.into()),
            _ => {
                let next = ring.used_idx().wrapping_add(1 + a % 2);
                ring.set_used_idx(next)
            }
        },
        virtio_fake::DeviceRing::Packed(ring) => match what {
            0 => ring.write_device_event(a, b),
            // The flags of a used descriptor of this lap or the other one, or random flags.
            1..3 => ring.scribble_desc(slot, n.next(), a.into(), b, 0x8080),
            3 => ring.scribble_desc(slot, n.next(), a.into(), b, 0),
            _ => ring.scribble_desc(slot, n.next(), a.into(), b, n.next() as u16),
        },
    })
}

/// Continues a driver with such a device; returns whether the queue broke.
fn round(vq: &mut CQueue, fake: &Fake, n: &mut Numbers) -> Result<bool> {
    let mut number = 0;
    for _ in 0..60 {
        match n.below(8) {
            0..3 => {
                let (out, in_) = (n.below(3) as usize, 1 + n.below(2) as usize);
                number += 1;
                match vq.add(CBuffer::new(number, out, in_)?, AddFn::Lists) {
                    Err(back) if back.error != ENOSPC && back.error != EIO => {
                        return Err(back.error)
                    }
                    _ => (),
                }
            }
            3 => {
                vq.kick();
            }
            4 => {
                vq.disable_cb();
                let _ = vq.enable_cb();
            }
            5 => {
                // A token that is not outstanding is an error of `get`.
                let _ = vq.get()?;
            }
            _ => scribble(fake, n)?,
        }
    }
    while vq.get()?.is_some() {}
    let broken = vq.is_broken();
    let outstanding = vq.outstanding();
    let (result, recycled) = vq.reset(None)?;
    result?;
    check_eq!((recycled.buffers, vq.is_broken()), (outstanding, broken));
    vq.unbreak();
    check_eq!((vq.num_free(), vq.outstanding()), (8, 0));
    check_eq!((fake.mapped(), fake.mapped_wrong()), (0, 0));
    Ok(broken)
}

#[kunit_tests(rust_virtio_ring_hostile_random)]
mod suite {
    use super::*;

    /// H023: each buffer comes back once, as used or by the reset. No memory stays mapped, and
    /// there is one message for each broken queue.
    #[test]
    fn h023_h146_anything() -> Result {
        for rings in [&ANY_ORDER[..], &ORDERED[..]] {
            lied_to(rings, |_, fake, _, _queues| {
                let mut vq = fake.c_queue(0)?;
                let mut n = Numbers(0x5eed);
                messages::logged(QUEUE_BROKEN);
                let mut ended = 0;
                for _ in 0..150 {
                    ended += u32::from(round(&mut vq, fake, &mut n)?);
                }
                check!(ended > 0);
                check_eq!(messages::logged(QUEUE_BROKEN), ended);
                works(&mut vq, fake)
            })?;
        }
        Ok(())
    }
}
