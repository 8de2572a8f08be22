// SPDX-License-Identifier: GPL-2.0

//! Buffers that come back from a queue that is reset, or gets another size.

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
    /// A buffer that the device has not reported as used before the reset.
    Unused(T),
}

impl<T> Returned<T> {
    /// Returns the buffer.
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
        // The reference keeps the set, and so the binding.
        let set = self.set.clone();
        let state = set.dev().bind_state();
        let _owner = state.owner.lock();
        // The transport would give the queue to the device, which must have no queue while it is in
        // reset.
        if state.is_reset() {
            return Err(ENODEV);
        }
        state.resizing.store(vq.cast(), Release);
        // SAFETY: May be called in process context. When this returns, no handle that did not see
        // the mark uses the ring.
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

/// The receiver of the buffers of a queue during its reset or resize.
trait Recycler {
    /// Takes the buffers that the device has used.
    fn take_used(&mut self);

    /// Takes a buffer that the device has not used.
    ///
    /// # Safety
    ///
    /// `raw` came from `into_raw` of a buffer of the queue, whose ring has returned it.
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
        // SAFETY: By the safety requirements, the token came from `into_raw` of a `T`.
        (self.take)(Returned::Unused(unsafe { T::from_raw(raw) }));
    }
}

/// Returns the recycler of the running reset or resize of a queue of a device, if there is one.
///
/// # Safety
///
/// The result is used only within the operation that `Virtqueue::with_recycler` runs, by its
/// thread.
unsafe fn recycler_of<'a>(dev: &Device<Bound>) -> Option<&'a mut dyn Recycler> {
    let recycler = dev.bind_state().recycler.load(Acquire);
    // SAFETY: By the safety requirements, the operation is running. Until it has returned,
    // `with_recycler` keeps the pointer and the recycler, and uses neither.
    unsafe {
        recycler
            .cast::<*mut (dyn Recycler + 'a)>()
            .as_ref()?
            .as_mut()
    }
}

/// Takes the used buffers of the queue that is under reset or resize, if there is one.
///
/// # Safety
///
/// Called within the operation that `Virtqueue::with_recycler` runs, by its thread, at a time when
/// no other code uses the ring.
pub(crate) unsafe fn take_used(dev: &Device<Bound>) {
    // SAFETY: By the safety requirements, this runs within the operation, in its thread. The
    // reference is not kept.
    if let Some(recycler) = unsafe { recycler_of(dev) } {
        recycler.take_used();
    }
}

/// Hands one buffer to the recycler of the running reset or resize.
///
/// # Safety
///
/// Called only by the operation that `Virtqueue::with_recycler` runs, through the ring.
unsafe extern "C" fn recycle_callback(vq: *mut bindings::virtqueue, data: *mut c_void) {
    // SAFETY: `vq` is valid; its device is bound as long as it has queues.
    let dev = unsafe { &*(*vq).vdev.cast::<Device<Bound>>() };
    // SAFETY: By the safety requirements, the operation calls this in its thread. The reference is
    // not kept.
    let recycler = unsafe { recycler_of(dev) };
    if let (Some(raw), Some(recycler)) = (RawToken::new(data, null_mut()), recycler) {
        // SAFETY: By the invariants of `Virtqueue`, the token came from `into_raw`. The ring
        // returns each token once.
        unsafe { recycler.take_unused(raw) };
    }
}
