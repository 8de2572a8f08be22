// SPDX-License-Identifier: GPL-2.0

//! Values that refer to a binding: weak references, which are revoked before it ends, and holds,
//! which keep it from ending.

use kernel::{
    device::Bound,
    devres, new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Full,
            Relaxed, //
        },
        Arc,
        Mutex, //
    },
};
use virtio::{
    Device,
    FeatureSet,
    Hold,
    Scope,
    WeakDevice, //
};
use virtio_fake::{
    wait,
    Fake,
    HoldAll,
    Scenario,
    Spec,
    Task, //
};

/// A driver with an object that must not outlive the binding.
#[pin_data]
struct Holder {
    #[pin]
    hold: Mutex<Option<Hold>>,
    ended: Atomic<i32>,
    /// Positive once the managed resource was released.
    released: Arc<Atomic<i32>>,
}

/// A managed resource that an object with a hold may borrow.
struct Borrowed(Arc<Atomic<i32>>);

impl Drop for Borrowed {
    fn drop(&mut self) {
        self.0.fetch_add(1, Full);
    }
}

impl Scenario for Holder {
    fn bound(&self, scope: Scope<'_>) {
        let resource = Ok(Borrowed(self.released.clone()));
        let dev = scope.dev().as_ref();
        if devres::register::<_, Error>(dev, resource, GFP_KERNEL).is_ok() {
            *self.hold.lock() = Some(scope.hold());
        }
    }

    fn dropped(&self, _fake: &Fake) {
        self.ended.fetch_add(1, Full);
    }
}

/// A driver with a weak reference to its device, and a managed resource that is younger than that.
struct WeakOwner {
    /// When the resource was released, the reference led to the device. Negative: it was not
    /// released.
    found: Arc<Atomic<i32>>,
    /// Whether `start` fails.
    fails: bool,
}

/// The managed resource.
struct Resource {
    device: WeakDevice,
    found: Arc<Atomic<i32>>,
}

impl Drop for Resource {
    fn drop(&mut self) {
        let found = self.device.with(|_| ()).is_some();
        self.found.store(found.into(), Relaxed);
    }
}

impl Scenario for WeakOwner {
    fn probe(&self, _fake: &Fake, dev: &Device<Bound>) -> Result {
        let (device, found) = (WeakDevice::new(dev)?, self.found.clone());
        devres::register::<_, Error>(dev.as_ref(), Ok(Resource { device, found }), GFP_KERNEL)?;
        if self.fails {
            return Err(EIO);
        }
        Ok(())
    }
}

/// A driver that asks for a weak reference to its device before it is probed.
struct Early {
    /// The error number, or 0. Positive: the driver has not asked.
    error: Atomic<i32>,
}

impl Scenario for Early {
    fn validate(&self, _fake: &Fake, dev: &Device<Bound>, _features: &mut FeatureSet) -> Result {
        let error = WeakDevice::new(dev).err().map_or(0, Error::to_errno);
        self.error.store(error, Relaxed);
        Ok(())
    }
}

#[kunit_tests(rust_virtio_binding)]
mod suite {
    use super::*;

    /// Unbinding waits for the hold of the binding, also after the data was dropped. Managed
    /// resources are released after that.
    #[test]
    fn held() -> Result {
        let scenario = Arc::pin_init(
            try_pin_init!(Holder {
                hold <- new_mutex!(None),
                ended: Atomic::new(0),
                released: Arc::new(Atomic::new(0), GFP_KERNEL)?,
            }? Error),
            GFP_KERNEL,
        )?;
        let spec = Spec::scripted(scenario.clone());
        let fake = Fake::new(spec, Arc::new(HoldAll, GFP_KERNEL)?)?;
        let plug = fake.plug()?;
        check!(fake.is_bound());
        let hold = scenario.hold.lock().take();
        check!(hold.is_some());
        let task = Task::new(move || drop(plug))?;
        let dropped = wait::until(10_000, || scenario.ended.load(Relaxed) == 1);
        wait::pause(100);
        let waited = !task.is_done();
        let kept = scenario.released.load(Relaxed) == 0;
        drop(hold);
        task.join(10_000)?;
        check!(dropped && waited && kept);
        check_eq!(scenario.released.load(Relaxed), 1);
        Ok(())
    }

    /// A weak reference leads to the device until the first managed resource is released, and no
    /// longer.
    #[test]
    fn weak_references_are_revoked_first() -> Result {
        for fails in [false, true] {
            let found = Arc::new(Atomic::new(-1), GFP_KERNEL)?;
            let owner = WeakOwner {
                found: found.clone(),
                fails,
            };
            let spec = Spec::scripted(Arc::new(owner, GFP_KERNEL)?);
            let fake = Fake::new(spec, Arc::new(HoldAll, GFP_KERNEL)?)?;
            let plug = fake.plug()?;
            check_eq!(fake.is_bound(), !fails);
            check_eq!(found.load(Relaxed), if fails { 0 } else { -1 });
            drop(plug);
            check_eq!(found.load(Relaxed), 0);
        }
        Ok(())
    }

    /// There is no weak reference before probe: if the core does not go on to probe, no code would
    /// revoke the reference before the core releases the resources.
    #[test]
    fn no_weak_reference_before_probe() -> Result {
        let early = Early {
            error: Atomic::new(1),
        };
        let early = Arc::new(early, GFP_KERNEL)?;
        let spec = Spec::scripted(early.clone());
        let fake = Fake::new(spec, Arc::new(HoldAll, GFP_KERNEL)?)?;
        let plug = fake.plug()?;
        check!(fake.is_bound());
        check_eq!(early.error.load(Relaxed), ENODEV.to_errno());
        drop(plug);
        Ok(())
    }
}
