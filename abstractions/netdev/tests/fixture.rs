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
use core::ptr::null_mut;
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

/// A placeholder for the module of the toy, which has none.
pub(super) struct NoModule;

impl ModuleMetadata for NoModule {
    const NAME: &'static CStr = c"rust_net_wrappers";

    // SAFETY: The kernel treats null as code that is built in.
    const THIS_MODULE: ThisModule = unsafe { ThisModule::from_ptr(null_mut()) };
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
            NewDevice::new((), device.as_ref(), Ok(Toy::new()), pairs, weight, |_| {
                Ok((Arc::new((), GFP_KERNEL)?, (), ()))
            })
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
