// SPDX-License-Identifier: GPL-2.0

//! Messages, in the single queue of a device.

use crate::fixture::LAYOUTS;
use kernel::{
    alloc::KVec,
    device::Bound,
    prelude::*,
    sync::Arc, //
};
use virtio::{
    Device,
    Message, //
};
use virtio_fake::{
    Action,
    Fake,
    HoldAll,
    Scenario,
    Spec, //
};

/// A message with a head, two parts of data, and a reply.
type Long = Message<(KBox<[u8; 2]>, KVec<u8>, KVec<u8>), [u8; 4]>;

fn long(first: &[u8], second: &[u8]) -> Result<Long> {
    let vector = |bytes: &[u8]| {
        let mut vector = KVec::new();
        vector.extend_from_slice(bytes, GFP_KERNEL)?;
        Ok::<_, Error>(vector)
    };
    let head = KBox::new([1, 2], GFP_KERNEL)?;
    Message::new((head, vector(first)?, vector(second)?), [9; 4])
}

/// A driver that sends long messages when it starts.
struct Sends;

impl Scenario for Sends {
    fn start(&self, fake: &Fake, dev: &Device<Bound>) -> Result {
        let mut vq = dev.find_vq::<Long>(c"only", 3)?;
        check_eq!(fake.queues(), 1);
        dev.ready();
        for (second, pieces) in [(&[][..], 3), (&[5][..], 4)] {
            let message = long(&[3, 4], second)?;
            check_eq!(message.reply(), [9; 4]);
            if pieces > 3 {
                // More segments than the queue was found for.
                let Err(back) = vq.add_buf(message) else {
                    return Err(ENODATA);
                };
                check_eq!(back.error, EINVAL);
                check!(back.buffer.request().1[..] == [3, 4]);
                continue;
            }
            vq.add_buf(message)?;
            vq.kick();
            check_eq!(fake.serve(0)?, 1);
            let mut seen = Err(ENODATA);
            fake.finish(0, |chain| {
                seen = chain
                    .read_all()
                    .map(|bytes| (bytes, chain.segments().len()));
                let _ = chain.write(0, &[6, 7]);
                Action::Complete(2)
            })?;
            let (bytes, count) = seen?;
            check!(bytes[..] == [1, 2, 3, 4]);
            check_eq!(count, pieces);
            let used = vq.get_buf().ok_or(ENODATA)?;
            check_eq!(used.len(), 2);
            check_eq!(used.buffer().reply(), [6, 7, 9, 9]);
        }
        // This resets the device.
        drop(vq);
        dev.ready();
        Ok(())
    }
}

/// A driver whose messages have only one part, and that leaves one outstanding.
struct Asks;

impl Scenario for Asks {
    fn start(&self, fake: &Fake, dev: &Device<Bound>) -> Result {
        let mut vq = dev.find_vq::<Message<(), u8>>(c"only", 1)?;
        dev.ready();
        vq.add_buf(Message::new((), 3)?)?;
        vq.kick();
        check_eq!(fake.serve(0)?, 1);
        let mut shape = (0, 0, 0);
        fake.finish(0, |chain| {
            shape = (chain.segments().len(), chain.readable(), chain.writable());
            let _ = chain.write(0, &[8]);
            Action::Complete(1)
        })?;
        check_eq!(shape, (1, 0, 1));
        check_eq!(vq.get_buf().ok_or(ENODATA)?.into_buffer().reply(), 8);
        vq.add_buf(Message::new((), 3)?)?;
        vq.kick();
        check_eq!(fake.serve(0)?, 1);
        // This resets the device.
        drop(vq);
        dev.ready();
        Ok(())
    }
}

/// A driver whose messages have a tail behind the reply.
struct Tails;

impl Scenario for Tails {
    fn start(&self, fake: &Fake, dev: &Device<Bound>) -> Result {
        type WithTail = Message<KBox<[u8; 2]>, [u8; 4]>;
        const WRITTEN: [u8; 9] = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        let mut vq = dev.find_vq::<WithTail>(c"only", 3)?;
        dev.ready();
        // The last number is more than there is room for.
        for (written, tail) in [
            (0, &[][..]),
            (3, &[]),
            (4, &[]),
            (6, &[5, 6]),
            (9, &[5, 6, 7, 8, 9]),
            (10, &[]),
            (u32::MAX, &[]),
        ] {
            let message = WithTail::with_tail(KBox::new([1, 2], GFP_KERNEL)?, [0; 4], 5)?;
            vq.add_buf(message)?;
            vq.kick();
            check_eq!(fake.serve(0)?, 1);
            let (mut shape, mut before) = ((0, 0, 0), [1; 9]);
            fake.finish(0, |chain| {
                shape = (chain.segments().len(), chain.readable(), chain.writable());
                let _ = chain.peek(0, &mut before);
                let _ = chain.write(0, &WRITTEN);
                Action::Complete(written)
            })?;
            check_eq!(shape, (3, 2, 9));
            // The device sees nothing of what was in memory before.
            check_eq!(before, [0; 9]);
            let used = vq.get_buf().ok_or(ENODATA)?;
            check!(used.tail()?[..] == *tail);
            check_eq!(used.buffer().reply(), [1, 2, 3, 4]);
        }
        let too_long = WithTail::with_tail(KBox::new([1, 2], GFP_KERNEL)?, [0; 4], usize::MAX);
        check!(too_long.is_err_and(|e| e == EINVAL));
        // This resets the device.
        drop(vq);
        dev.ready();
        Ok(())
    }
}

/// Runs a driver with each layout.
fn on_each(scenario: Arc<dyn Scenario>) -> Result {
    for features in LAYOUTS {
        let spec = Spec::scripted(scenario.clone())
            .features(features)
            .queues(1, 8)?;
        let fake = Fake::new(spec, Arc::new(HoldAll, GFP_KERNEL)?)?;
        let plug = fake.plug()?;
        // The driver does not bind if a check failed.
        check!(fake.is_bound());
        drop(plug);
        check_eq!(fake.violations(), 0);
        check_eq!(fake.queues(), 0);
    }
    Ok(())
}

#[kunit_tests(rust_virtio_queue_message)]
mod suite {
    use super::*;

    /// Each part of a request is a segment, in order. Empty parts have no segment.
    #[test]
    fn request_and_reply() -> Result {
        on_each(Arc::new(Sends, GFP_KERNEL)?)
    }

    /// The tail of a reply is copied as far as the device reports to have written it.
    #[test]
    fn tail() -> Result {
        on_each(Arc::new(Tails, GFP_KERNEL)?)
    }

    /// A message may have no request.
    #[test]
    fn reply_alone() -> Result {
        on_each(Arc::new(Asks, GFP_KERNEL)?)
    }
}
