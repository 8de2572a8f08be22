// SPDX-License-Identifier: GPL-2.0

//! A device of the toy driver, for a test.

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

/// The toy has no module of its own.
pub(super) struct NoModule;

impl ModuleMetadata for NoModule {
    const NAME: &'static CStr = c"rust_net_wrappers";

    // SAFETY: The kernel takes null for code that is built in. Nobody asks for it here.
    const THIS_MODULE: ThisModule = unsafe { ThisModule::from_ptr(null_mut()) };
}

/// Waits until a condition holds, for five seconds at most. Returns whether it does.
pub(super) fn until(condition: impl Fn() -> bool) -> bool {
    for _ in 0..5_000 {
        if condition() {
            return true;
        }
        fsleep(Delta::from_millis(1));
    }
    condition()
}

/// A device.
pub(super) struct Fixture {
    pub(super) net: NetDevice<Toy>,
    /// Below which it is. Dropped last.
    parent: faux::Registration,
}

/// A device that is being made.
pub(super) struct Unfinished {
    pub(super) new: NewDevice<Toy>,
    parent: faux::Registration,
}

impl Fixture {
    /// A device with so many pairs of queues, whose NAPI instances have that weight.
    pub(super) fn new(pairs: usize, weight: i32) -> Result<Self> {
        Ok(Self::unfinished(pairs, weight)?.finish())
    }

    /// As [`Fixture::new`], with its settings still to be made.
    pub(super) fn unfinished(pairs: usize, weight: i32) -> Result<Unfinished> {
        // Several may be there at a time.
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

    /// The device below which it is.
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

    /// Stops the second transmit queue and wakes it, with its lock and without. Returns for both
    /// whether it goes on.
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

    /// Has CPUs send on a queue.
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
    /// The settings are made.
    pub(super) fn finish(self) -> Fixture {
        Fixture {
            net: self.new.finish(),
            parent: self.parent,
        }
    }
}
