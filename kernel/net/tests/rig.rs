// SPDX-License-Identifier: GPL-2.0

//! A device of the toy driver, for a test.

use super::toy::Toy;
use crate::{
    affinity::{
        self,
        CpusLocked, //
    },
    NetDevice,
    NewDevice, //
};
use core::ptr::null_mut;
use kernel::{
    device::Bound,
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
pub(super) struct Rig {
    pub(super) net: NetDevice<Toy>,
    /// Below which it is. Dropped last.
    _parent: faux::Registration,
}

/// A device that is being made.
pub(super) struct Unfinished {
    pub(super) new: NewDevice<Toy>,
    parent: faux::Registration,
}

impl Rig {
    /// A device with so many pairs of queues, whose NAPI instances have that weight.
    pub(super) fn new(pairs: usize, weight: i32) -> Result<Self> {
        Ok(Self::unfinished(pairs, weight)?.finish())
    }

    /// As [`Rig::new`], with its settings still to be made.
    pub(super) fn unfinished(pairs: usize, weight: i32) -> Result<Unfinished> {
        // Several may be there at a time.
        static COUNT: Atomic<i32> = Atomic::new(0);
        let name =
            CString::try_from_fmt(fmt!("{}.{}", NoModule::NAME, COUNT.fetch_add(1, Relaxed)))?;
        let parent = faux::Registration::new(&name, None)?;
        let device: &faux::Device<Bound> = parent.as_ref();
        // SAFETY: The data of the toy borrows nothing.
        let new = unsafe {
            NewDevice::with_hold(None, device.as_ref(), Ok(Toy::new()), pairs, weight, |_| {
                Ok((Arc::new((), GFP_KERNEL)?, (), ()))
            })
        }?;
        Ok(Unfinished { new, parent })
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
    pub(super) fn finish(self) -> Rig {
        Rig {
            net: self.new.finish(),
            _parent: self.parent,
        }
    }
}
