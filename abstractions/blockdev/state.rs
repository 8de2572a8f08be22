// SPDX-License-Identifier: GPL-2.0

//! State that all devices of a module share.

use core::{
    marker::PhantomData,
    ptr::null_mut, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Full, //
        },
        rcu,
        Arc,
        Completion, //
    },
    types::ForeignOwnable, //
};

/// A static place for an object that a module makes when it is loaded and that its drivers'
/// callbacks use until it is unloaded.
///
/// # Invariants
///
/// `ptr` is null or came from [`Arc::into_foreign`] and stays valid for an RCU grace period after
/// it was taken out.
pub struct ModuleState<T: Send + Sync + 'static> {
    ptr: Atomic<*mut c_void>,
    _object: PhantomData<T>,
}

// SAFETY: The object may be used from any thread.
unsafe impl<T: Send + Sync + 'static> Sync for ModuleState<T> {}

/// Takes an object out of its place when dropped, and waits until it is gone. Sleeps.
pub struct Published<T: Send + Sync + 'static> {
    state: &'static ModuleState<T>,
    _until_gone: UntilGone,
}

/// The last field of an object that a module has to outlive: the module waits until the field is
/// dropped.
///
/// The block layer gives the module of a disk up before it frees the disk's data, which takes
/// code of the module. So what the data of all disks refers to has one.
pub struct LastReference(Arc<Completion>);

impl Drop for LastReference {
    fn drop(&mut self) {
        self.0.complete_all();
    }
}

/// Waits, when dropped, until its [`LastReference`] is gone.
struct UntilGone(Arc<Completion>);

impl Drop for UntilGone {
    fn drop(&mut self) {
        self.0.wait_for_completion();
        // The thread that dropped the last reference is on the way out of the module.
        // SAFETY: May be called in process context, where modules are unloaded.
        unsafe { kernel::bindings::synchronize_rcu() };
    }
}

impl<T: Send + Sync + 'static> ModuleState<T> {
    /// An empty place.
    pub const fn empty() -> Self {
        // INVARIANT: `ptr` is null.
        Self {
            ptr: Atomic::new(null_mut()),
            _object: PhantomData,
        }
    }

    /// Puts the object that `make` makes in place, until the returned guard is dropped.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: there is one.
    /// - `ENOMEM`.
    /// - Any error of `make`.
    pub fn publish(
        &'static self,
        make: impl FnOnce(LastReference) -> Result<Arc<T>>,
    ) -> Result<Published<T>> {
        let gone = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let last = LastReference(gone.clone());
        let object = make(last)?;
        let ptr = object.into_foreign().cast::<c_void>();
        // INVARIANT: `ptr` came from `into_foreign`.
        if self.ptr.cmpxchg(null_mut(), ptr, Full).is_err() {
            // SAFETY: `ptr` came from `into_foreign` above and was not put in place.
            drop(unsafe { Arc::<T>::from_foreign(ptr.cast()) });
            return Err(EBUSY);
        }
        Ok(Published {
            state: self,
            _until_gone: UntilGone(gone),
        })
    }

    /// The object, if there is one. Any context.
    pub fn get(&self) -> Option<Arc<T>> {
        let _guard = rcu::read_lock();
        let ptr = self.ptr.load(Acquire);
        if ptr.is_null() {
            return None;
        }
        // SAFETY: By the type invariants, the object is valid until the end of this read-side
        // critical section at least.
        let object = unsafe { Arc::<T>::borrow(ptr.cast()) };
        Some(object.into())
    }
}

impl<T: Send + Sync + 'static> Drop for Published<T> {
    fn drop(&mut self) {
        let ptr = self.state.ptr.xchg(null_mut(), Full);
        // SAFETY: May be called in process context, where modules are unloaded.
        unsafe { kernel::bindings::synchronize_rcu() };
        if !ptr.is_null() {
            // SAFETY: By the type invariants, `ptr` came from `into_foreign`; a grace period has
            // passed since it was taken out.
            drop(unsafe { Arc::<T>::from_foreign(ptr.cast()) });
        }
    }
}
