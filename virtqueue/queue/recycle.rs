// SPDX-License-Identifier: GPL-2.0

//! The way back of the buffers of a queue that is reset, or gets another size.

use super::{
    buffer::{
        Buffer,
        RawToken, //
    },
    Used,
    Virtqueue, //
};
use crate::{
    bindings,
    device::Device, //
};
use core::{
    ffi::c_void,
    ptr::null_mut, //
};
use kernel::{
    device::Bound,
    error::to_result,
    prelude::*,
    sync::atomic::{
        Acquire,
        Release, //
    },
};

/// A buffer that comes back while a queue is [reset](Virtqueue::reset).
pub enum Returned<T> {
    /// A buffer that the device has used.
    Used(Used<T>),
    /// A buffer that the device has not used, or not said so before it gave the queue up.
    Unused(T),
}

impl<T> Returned<T> {
    /// The buffer, to have.
    pub fn into_buffer(self) -> T {
        match self {
            Self::Used(used) => used.into_buffer(),
            Self::Unused(buffer) => buffer,
        }
    }
}

impl<T: Buffer> Virtqueue<T> {
    /// Runs `op` with a C callback that hands buffers to `take`.
    pub(super) fn with_recycler(
        &mut self,
        take: impl FnMut(Returned<T>),
        op: impl FnOnce(*mut bindings::virtqueue, RecycleFn) -> i32,
    ) -> Result {
        let vq = self.raw();
        // The set, and with it the binding, stays as long as it has a reference.
        let set = self.set.clone();
        let state = set.dev().bind_state();
        let _owner = state.owner.lock();
        // The transport would give the queue back to the device, which has none as long as it is
        // said to be in reset.
        if state.is_reset() {
            return Err(ENODEV);
        }
        state.resizing.store(vq.cast(), Release);
        // SAFETY: May be called in process context. Handles that did not see the mark are off
        // the ring when this returns.
        unsafe { bindings::synchronize_rcu() };
        let mut recycling = Recycling { queue: self, take };
        let mut recycler: *mut (dyn Recycler + '_) = &raw mut recycling;
        state
            .recycler
            .store((&raw mut recycler).cast::<c_void>(), Release);
        let ret = op(vq, Some(recycle_callback));
        state.recycler.store(null_mut(), Release);
        state.resizing.store(null_mut(), Release);
        to_result(ret)
    }
}

type RecycleFn = Option<unsafe extern "C" fn(*mut bindings::virtqueue, *mut c_void)>;

/// The reset or resize of a queue that is under way: the buffers of the queue go there.
trait Recycler {
    /// Takes the buffers that the device has used.
    fn take_used(&mut self);

    /// Takes one that it has not used.
    ///
    /// # Safety
    ///
    /// `raw` came from `into_raw` of a buffer of the queue, whose ring has given it out.
    unsafe fn take_unused(&mut self, raw: RawToken);
}

/// A queue under reset or resize, and the function for its buffers.
struct Recycling<'a, T: Buffer, F: FnMut(Returned<T>)> {
    queue: &'a mut Virtqueue<T>,
    take: F,
}

impl<T: Buffer, F: FnMut(Returned<T>)> Recycler for Recycling<'_, T, F> {
    fn take_used(&mut self) {
        while let Some(used) = self.queue.get_buf() {
            (self.take)(Returned::Used(used));
        }
    }

    unsafe fn take_unused(&mut self, raw: RawToken) {
        // SAFETY: The token came from `into_raw` of a `T`, as the caller sees to.
        (self.take)(Returned::Unused(unsafe { T::from_raw(raw) }));
    }
}

/// Returns the recycler of the reset or resize that is under way on a device, if one is.
///
/// # Safety
///
/// The result is used within the operation that `Virtqueue::with_recycler` runs only, by its
/// thread.
unsafe fn recycler_of<'a>(dev: &Device<Bound>) -> Option<&'a mut dyn Recycler> {
    let recycler = dev.bind_state().recycler.load(Acquire);
    // SAFETY: By the safety requirements: `with_recycler` has the pointer, and what it points to,
    // until the operation has returned, and uses neither meanwhile.
    unsafe {
        recycler
            .cast::<*mut (dyn Recycler + 'a)>()
            .as_ref()?
            .as_mut()
    }
}

/// Takes the buffers that a device has used of the queue that is under reset or resize, if one is.
///
/// # Safety
///
/// Called within the operation that `Virtqueue::with_recycler` runs, by its thread, while the ring
/// is used by nobody else.
pub(crate) unsafe fn take_used(dev: &Device<Bound>) {
    // SAFETY: This runs within the operation, in its thread, and keeps nothing.
    if let Some(recycler) = unsafe { recycler_of(dev) } {
        recycler.take_used();
    }
}

/// Hands one buffer to the recycler of the running reset or resize.
///
/// # Safety
///
/// Called by the operation that `Virtqueue::with_recycler` runs only, through the ring.
unsafe extern "C" fn recycle_callback(vq: *mut bindings::virtqueue, data: *mut c_void) {
    // SAFETY: `vq` is valid; its device is bound as long as it has queues.
    let dev = unsafe { &*(*vq).vdev.cast::<Device<Bound>>() };
    // SAFETY: The operation calls this, in its thread, and nothing is kept.
    let recycler = unsafe { recycler_of(dev) };
    if let (Some(raw), Some(recycler)) = (RawToken::new(data, null_mut()), recycler) {
        // SAFETY: The token is one of the queue, by the invariants of `Virtqueue`, and the ring
        // gives out each once.
        unsafe { recycler.take_unused(raw) };
    }
}
