// SPDX-License-Identifier: GPL-2.0

//! A test fixture: a device of the toy driver.

use super::toy::Toy;
use crate::{
    affinity::{
        self,
        CpusLocked, //
    },
    bindings,
    counter::Counter,
    NetDevice,
    NewDevice,
    Rtnl, //
};
use core::ptr::{
    null_mut,
    NonNull, //
};
use kernel::{
    device::{
        Bound,
        Device, //
    },
    error::to_result,
    faux,
    prelude::*,
    str::CString,
    sync::{
        atomic::{
            Atomic,
            Full,
            Relaxed, //
        },
        Arc, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    ModuleMetadata, //
};

// SAFETY: The kernel treats null as code that is built in.
const BUILT_IN: ThisModule = unsafe { ThisModule::from_ptr(null_mut()) };

/// A placeholder for the module of the toy, which has none.
pub(super) struct NoModule;

impl ModuleMetadata for NoModule {
    const NAME: &'static CStr = c"rust_net_wrappers";

    const THIS_MODULE: ThisModule = BUILT_IN;
}

/// Waits until a condition holds, for up to five seconds. Returns whether it holds.
pub(super) fn until(condition: impl Fn() -> bool) -> bool {
    for _ in 0..5_000 {
        if condition() {
            return true;
        }
        fsleep(Delta::from_millis(1));
    }
    condition()
}

/// A place for a value on its way to another context.
///
/// # Invariants
///
/// The pointer is null, or came from [`KBox::into_raw`] and is owned by this.
pub(super) struct Handover<T: Send>(Atomic<*mut T>);

impl<T: Send> Handover<T> {
    pub(super) const fn new() -> Self {
        // INVARIANT: There is no value.
        Self(Atomic::new(null_mut()))
    }

    /// Replaces the value.
    pub(super) fn put(&self, value: KBox<T>) {
        // INVARIANT: The value is owned by this now.
        Self::own(self.0.xchg(KBox::into_raw(value), Full));
    }

    /// Takes the value out, if there is one.
    pub(super) fn take(&self) -> Option<KBox<T>> {
        // INVARIANT: There is no value any longer.
        Self::own(self.0.xchg(null_mut(), Full))
    }

    /// Takes over a value that was in the place.
    fn own(value: *mut T) -> Option<KBox<T>> {
        // SAFETY: By the type invariants, a pointer that is not null came from a `KBox`. It was
        // taken out of the place, so nothing else has it.
        NonNull::new(value).map(|value| unsafe { KBox::from_raw(value.as_ptr()) })
    }
}

impl<T: Send> Drop for Handover<T> {
    fn drop(&mut self) {
        self.take();
    }
}

/// A network device, and its parent.
pub(super) struct Fixture {
    pub(super) net: NetDevice<Toy>,
    /// The parent of the device. Dropped last.
    parent: faux::Registration,
}

/// A network device under construction, and its parent.
pub(super) struct Unfinished {
    pub(super) new: NewDevice<Toy>,
    parent: faux::Registration,
}

impl Fixture {
    /// Creates a device with `pairs` pairs of queues, whose NAPI instances have the weight
    /// `weight`.
    pub(super) fn new(pairs: usize, weight: i32) -> Result<Self> {
        Ok(Self::unfinished(pairs, weight)?.finish())
    }

    /// As [`Fixture::new`], but the settings can still be changed.
    pub(super) fn unfinished(pairs: usize, weight: i32) -> Result<Unfinished> {
        // A number for each device, because several may exist at a time.
        static COUNT: Atomic<i32> = Atomic::new(0);
        let name =
            CString::try_from_fmt(fmt!("{}.{}", NoModule::NAME, COUNT.fetch_add(1, Relaxed)))?;
        let parent = faux::Registration::new(&name, None)?;
        let device: &faux::Device<Bound> = parent.as_ref();
        // SAFETY: The data of the toy borrows nothing.
        let new = unsafe {
            NewDevice::new(
                (),
                device.as_ref(),
                Ok(Toy::new()),
                true,
                pairs,
                weight,
                |_| Ok((Arc::new((), GFP_KERNEL)?, (), ())),
            )
        }?;
        Ok(Unfinished { new, parent })
    }

    /// Returns the parent of the device.
    pub(super) fn parent(&self) -> &Device {
        let device: &faux::Device<Bound> = self.parent.as_ref();
        device.as_ref()
    }

    /// Brings the interface up, or down.
    pub(super) fn set_up(&self, up: bool) -> Result {
        let _rtnl = Rtnl::lock();
        // SAFETY: The device is valid and registered, and the RTNL is held.
        unsafe {
            if up {
                return to_result(bindings::dev_open(self.net.as_raw(), null_mut()));
            }
            bindings::dev_close(self.net.as_raw());
        }
        Ok(())
    }

    /// Whether there is a master above the interface.
    pub(super) fn has_master(&self) -> bool {
        let _rtnl = Rtnl::lock();
        // SAFETY: The device is valid, and the RTNL is held.
        !unsafe { bindings::netdev_master_upper_dev_get(self.net.as_raw()) }.is_null()
    }

    /// Whether the second transmit queue is stopped.
    pub(super) fn is_stopped(&self) -> Result<bool> {
        let mut guard = self.net.tx_lock(1).ok_or(EINVAL)?;
        Ok(guard.parts().1.is_stopped())
    }

    /// Stops the second transmit queue and wakes it, first with its lock, then without. Returns for
    /// both whether the queue was woken.
    pub(super) fn wakes(&self) -> Result<[bool; 2]> {
        let mut guard = self.net.tx_lock(1).ok_or(EINVAL)?;
        let ((), stack) = guard.parts();
        stack.stop();
        let says = stack.wake();
        let goes_on = !stack.is_stopped();
        if says != goes_on {
            return Err(EPROTO);
        }
        stack.stop();
        drop(guard);
        let counter = Counter::new();
        self.net.wake_stopped_queue(1, &counter);
        let goes_on_then = !self.is_stopped()?;
        if (counter.get() == 1) != goes_on_then {
            return Err(EPROTO);
        }
        Ok([goes_on, goes_on_then])
    }

    /// Maps all CPUs to a transmit queue.
    pub(super) fn xps(&self, queue: usize) -> Result {
        let cpus = CpusLocked::lock();
        let mut ret = Ok(());
        affinity::spread(&cpus, 1, |_, mask| {
            ret = self.net.set_xps(queue, mask, &cpus);
        })?;
        ret
    }
}

impl Unfinished {
    /// Returns the finished device.
    pub(super) fn finish(self) -> Fixture {
        Fixture {
            net: self.new.finish(),
            parent: self.parent,
        }
    }
}
