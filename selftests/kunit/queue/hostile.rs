// SPDX-License-Identifier: GPL-2.0

//! The answer of a queue to wrong lengths, wrong ids and a broken device.

use super::{
    add,
    add_some,
    refused, //
};
use crate::{
    fixture::{
        on_bench,
        on_each_layout,
        Setup, //
    },
    ring::WRONG_LENGTH, //
};
use kernel::prelude::*;
use virtio::Virtqueue;
use virtio_fake::{
    messages,
    Action,
    DropCounter,
    Fake,
    TestBuffer, //
};

/// Adds `count` buffers, and makes the device finish the oldest one with an action.
fn post(
    vq: &mut Virtqueue<TestBuffer>,
    fake: &Fake,
    count: u64,
    drops: &DropCounter,
    action: Action,
) -> Result {
    add_some(vq, 0, count, drops)?;
    vq.kick();
    fake.serve(0)?;
    fake.finish(0, |_| action)
}

#[kunit_tests(rust_virtio_queue_hostile)]
mod suite {
    use super::*;

    /// H008, H034: the device reports more bytes than there is room for. The buffer has a length of
    /// 0, one message is logged, and the queue goes on.
    #[test]
    fn h008_h034_length_beyond_buffer() -> Result {
        on_each_layout(|_, fake, _, mut queues| {
            let drops = DropCounter::new()?;
            let mut vq = queues.take::<TestBuffer>(0)?;
            messages::logged(WRONG_LENGTH);
            for (claimed, len) in [(33, 0), (u32::MAX, 0), (32, 32)] {
                post(&mut vq, fake, 1, &drops, Action::Complete(claimed))?;
                check_eq!(vq.get_buf().ok_or(ENODATA)?.len(), len);
                check!(!vq.is_broken());
            }
            check_eq!(messages::logged(WRONG_LENGTH), 1);
            Ok(())
        })
    }

    /// A length of the whole buffer is accepted.
    #[test]
    fn length_of_buffer() -> Result {
        on_each_layout(|_, fake, _, mut queues| {
            let drops = DropCounter::new()?;
            let mut vq = queues.take::<TestBuffer>(0)?;
            post(&mut vq, fake, 1, &drops, Action::Complete(32))?;
            check_eq!(vq.get_buf().ok_or(ENODATA)?.len(), 32);
            check!(!vq.is_broken());
            Ok(())
        })
    }

    /// Wrong lengths of legacy devices, and of devices that count read bytes, are known, and not
    /// logged.
    #[test]
    fn h008_known_wrong_lengths() -> Result {
        let legacy = Setup {
            legacy: true,
            ..Setup::default()
        };
        on_bench(legacy, |_, fake, _, mut queues| {
            let drops = DropCounter::new()?;
            let mut vq = queues.take::<TestBuffer>(0)?;
            messages::logged(WRONG_LENGTH);
            post(&mut vq, fake, 1, &drops, Action::Complete(u32::MAX))?;
            check_eq!(vq.get_buf().ok_or(ENODATA)?.len(), 0);
            check!(!vq.is_broken());
            check_eq!(messages::logged(WRONG_LENGTH), 0);
            Ok(())
        })?;
        on_each_layout(|_, fake, _, mut queues| {
            let drops = DropCounter::new()?;
            let mut vq = queues.take::<TestBuffer>(0)?;
            messages::logged(WRONG_LENGTH);
            add(&mut vq, TestBuffer::new(1, &drops)?.out(b"out")?)?;
            vq.kick();
            fake.serve(0)?;
            fake.finish(0, |_| Action::Complete(3))?;
            check_eq!(vq.get_buf().ok_or(ENODATA)?.len(), 0);
            check!(!vq.is_broken());
            check_eq!(messages::logged(WRONG_LENGTH), 0);
            Ok(())
        })
    }

    /// A used id that is not outstanding returns no buffer, and breaks the queue.
    #[test]
    fn wrong_ids() -> Result {
        on_each_layout(|_, fake, dev, mut queues| {
            let drops = DropCounter::new()?;
            let mut vq = queues.take::<TestBuffer>(0)?;
            post(&mut vq, fake, 3, &drops, Action::Twice(1))?;
            check_eq!(vq.get_buf().ok_or(ENODATA)?.buffer().number(), 0);
            check!(vq.get_buf().is_none());
            check!(vq.is_broken());
            dev.reset();
            drop(vq);
            check_eq!(drops.count(), 3);
            Ok(())
        })
    }

    /// An id beyond the size of the ring breaks the queue.
    #[test]
    fn id_out_of_range() -> Result {
        on_each_layout(|_, fake, _, mut queues| {
            let drops = DropCounter::new()?;
            let mut vq = queues.take::<TestBuffer>(0)?;
            post(
                &mut vq,
                fake,
                1,
                &drops,
                Action::CompleteAs { id: 8, len: 0 },
            )?;
            check!(vq.get_buf().is_none());
            check!(vq.is_broken());
            drop(vq);
            check_eq!(drops.count(), 1);
            Ok(())
        })
    }

    /// A broken queue accepts and returns no buffers. They come back after the reset.
    #[test]
    fn broken_device() -> Result {
        on_each_layout(|_, fake, dev, mut queues| {
            let drops = DropCounter::new()?;
            let mut vq = queues.take::<TestBuffer>(0)?;
            post(&mut vq, fake, 2, &drops, Action::Complete(0))?;
            dev.break_device();
            check!(vq.is_broken() && vq.handle().is_broken());
            check!(vq.get_buf().is_none());
            check!(!vq.notify());
            let more = TestBuffer::new(3, &drops)?.in_(1)?;
            check_eq!(refused(&mut vq, more)?, EIO);
            check!(vq.detach_unused_buf().is_none());
            drop(vq);
            check_eq!(drops.count(), 3);
            Ok(())
        })
    }
}
