// SPDX-License-Identifier: GPL-2.0

//! Notifying a queue without its lock, while the queue comes and goes.

use crate::fixture::LAYOUTS;
use kernel::{
    device::Bound,
    prelude::*,
    sync::Arc, //
};
use virtio::{
    Device,
    Doorbell,
    Virtqueue, //
};
use virtio_fake::{
    Fake,
    HoldAll,
    Scenario,
    Spec,
    TestBuffer, //
};

/// An iterator of doorbells whose clone returns others.
struct Passes<'a> {
    own: &'a [&'a Doorbell],
    of_clone: &'a [&'a Doorbell],
}

impl Clone for Passes<'_> {
    fn clone(&self) -> Self {
        Self {
            own: self.of_clone,
            of_clone: self.of_clone,
        }
    }
}

impl<'a> Iterator for Passes<'a> {
    type Item = &'a Doorbell;

    fn next(&mut self) -> Option<&'a Doorbell> {
        let (first, rest) = self.own.split_first()?;
        self.own = rest;
        Some(first)
    }
}

/// Finds the queue of a device.
fn find(dev: &Device<Bound>) -> Result<Virtqueue<TestBuffer>> {
    dev.find_vq(c"only", 1)
}

/// A driver that detaches two doorbells in several ways.
struct Detaches;

impl Scenario for Detaches {
    fn start(&self, _fake: &Fake, dev: &Device<Bound>) -> Result {
        let bells = [
            KBox::pin_init(Doorbell::new(), GFP_KERNEL)?,
            KBox::pin_init(Doorbell::new(), GFP_KERNEL)?,
        ];
        let [first, second] = bells.each_ref().map(|bell| &**bell);
        check!(!first.ring());
        let vq = find(dev)?;
        dev.ready();
        first.set(Some(vq.handle()));
        second.set(Some(vq.handle()));
        check!(first.ring() && second.ring());

        // This call never gets to drop the handle that it has detached.
        Doorbell::detach_all(Passes {
            own: &[],
            of_clone: &[second],
        });
        check!(first.ring() && !second.ring());
        // Another call has no say in it. It may have been detached just now.
        Doorbell::detach_all(Passes {
            own: &[first, second],
            of_clone: &[first],
        });
        check!(!first.ring() && !second.ring());
        // This resets the device.
        drop(vq);
        check_err!(find(dev), EBUSY);

        Doorbell::detach_all([first, second].into_iter());
        let vq = find(dev)?;
        dev.ready();
        second.set(Some(vq.handle()));
        check!(!first.ring() && second.ring());
        second.set(None);
        check!(!second.ring());
        // This resets the device again.
        drop(vq);
        dev.ready();
        Ok(())
    }
}

#[kunit_tests(rust_virtio_queue_doorbell)]
mod suite {
    use super::*;

    /// A call drops the handles that it has detached itself, and no other ones: those may be in
    /// use.
    #[test]
    fn detached_by_others() -> Result {
        for features in LAYOUTS {
            let spec = Spec::scripted(Arc::new(Detaches, GFP_KERNEL)?)
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
}
