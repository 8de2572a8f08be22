// SPDX-License-Identifier: GPL-2.0

//! The split ring with the kernel's own device side (vringh).

use super::{
    add,
    get,
    on, //
};
use crate::fixture::Setup;
use kernel::prelude::*;
use virtio::Virtqueue;
use virtio_fake::{
    Addresses,
    DropCounter,
    TestBuffer,
    Vringh,
    EVENT_IDX,
    INDIRECT_DESC,
    SEGMENT, //
};

fn setup() -> Setup {
    Setup {
        mapping: Some(Addresses::Kernel),
        ..Setup::default()
    }
}

const SPLIT: [&[u32]; 4] = [
    &[],
    &[EVENT_IDX],
    &[INDIRECT_DESC],
    &[INDIRECT_DESC, EVENT_IDX],
];

#[kunit_tests(rust_virtio_ring_vringh)]
mod suite {
    use super::*;

    /// Buffers with different segments work, over many laps.
    #[test]
    fn there_and_back() -> Result {
        on(&SPLIT, setup, |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            let mut device = Vringh::new(&vq)?;
            for number in 0..300u64 {
                let out = (number % 4) as usize;
                let in_ = (number / 4 % 4) as usize + usize::from(out == 0);
                add(&mut vq, number, out, in_)?;
                add(&mut vq, number + 1000, 1, 0)?;
                check!(vq.kick());
                let head = device.pop(b"what there is to say of it")?.ok_or(ENODATA)?;
                check_eq!(
                    (head.readable.len(), head.room),
                    (out * SEGMENT, in_ * SEGMENT)
                );
                check!(head.readable.iter().all(|byte| *byte == number as u8));
                let len = head.room.min(26) as u32;
                let other = device.pop(b"")?.ok_or(ENODATA)?;
                check!(device.pop(b"")?.is_none());
                // Not in the order in which they were added.
                device.push(other, 0)?;
                device.push(head, len)?;
                check_eq!(get(&mut vq)?.buffer.number(), number + 1000);
                let got = get(&mut vq)?;
                check_eq!((got.buffer.number(), got.len), (number, len));
                let len = len as usize;
                check_eq!(
                    &got.buffer.written()[..len],
                    &b"what there is to say of it"[..len]
                );
                check!(vq.get()?.is_none());
            }
            check_eq!(vq.num_free(), 8);
            Ok(())
        })
    }

    /// Both sides enable and suppress notifications, and the other side follows.
    #[test]
    fn suppression() -> Result {
        on(&SPLIT, setup, |_, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            let mut device = Vringh::new(&vq)?;
            let mut number = 0;
            for _ in 0..100 {
                device.want_kicks(false);
                let kicks = fake.traffic(0).kicks;
                for _ in 0..3 {
                    add(&mut vq, number, 1, 1)?;
                    number += 1;
                }
                check!(vq.kick());
                // With an index, the device can only move its event, which may have been passed.
                let asked = fake.negotiated(EVENT_IDX);
                check!(asked || fake.traffic(0).kicks == kicks);
                check!(device.want_kicks(true));
                vq.disable_cb();
                for _ in 0..3 {
                    let head = device.pop(b"x")?.ok_or(ENODATA)?;
                    let wanted = device.push(head, 1)?;
                    check!(asked || !wanted);
                }
                check!(!device.want_kicks(true));
                check!(!vq.enable_cb());
                for _ in 0..3 {
                    check_eq!(get(&mut vq)?.len, 1);
                }
                check!(vq.enable_cb());
                let kicks = fake.traffic(0).kicks;
                add(&mut vq, number, 1, 1)?;
                number += 1;
                check!(vq.kick());
                check_eq!(fake.traffic(0).kicks, kicks + 1);
                let head = device.pop(b"x")?.ok_or(ENODATA)?;
                check!(device.push(head, 1)?);
                check_eq!(get(&mut vq)?.len, 1);
            }
            Ok(())
        })
    }

    /// The same with a driver in Rust, which does not use the functions for C.
    #[test]
    fn driver_in_rust() -> Result {
        on(&SPLIT, setup, |_, fake, _, mut queues| {
            let mut device = Vringh::new(&fake.c_queue(0)?)?;
            let drops = DropCounter::new()?;
            let mut vq: Virtqueue<TestBuffer> = queues.take(0)?;
            for number in 0..300u64 {
                let buffer = TestBuffer::new(number, &drops)?
                    .out(b"question")?
                    .in_(3)?
                    .in_(5)?;
                vq.add_buf(buffer)?;
                check!(vq.kick());
                let head = device.pop(b"answers")?.ok_or(ENODATA)?;
                check_eq!((&head.readable[..], head.room), (&b"question"[..], 8));
                check!(device.push(head, 7)?);
                let used = vq.get_buf().ok_or(ENODATA)?;
                check_eq!((used.buffer().number(), used.len()), (number, 7));
                check_eq!(
                    (used.buffer().part(1), used.buffer().part(2)),
                    (&b"ans"[..], &b"wers\0"[..])
                );
                check!(vq.enable_cb().is_quiet());
            }
            check_eq!(drops.count(), 300);
            Ok(())
        })
    }
}
