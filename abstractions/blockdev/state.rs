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

/// A static variable for an object that a module creates when it is loaded, and that the callbacks
/// of its drivers use until it is unloaded.
///
/// # Invariants
///
/// `ptr` is null, or came from [`Arc::into_foreign`]. The object stays valid for an RCU grace
/// period after `ptr` was replaced.
pub struct ModuleState<T: Send + Sync + 'static> {
    ptr: Atomic<*mut c_void>,
    _object: PhantomData<T>,
}

// SAFETY: The object may be used from any thread.
unsafe impl<T: Send + Sync + 'static> Sync for ModuleState<T> {}

/// A published object. Dropping this removes the object from its [`ModuleState`], and waits until
/// the object is dropped. Sleeps.
pub struct Published<T: Send + Sync + 'static> {
    state: &'static ModuleState<T>,
    _until_gone: UntilGone,
}

/// A reference that keeps the module loaded until it is dropped: the last field of an object whose
/// destruction runs code of the module.
///
/// The block layer drops its reference to the module of a disk before it frees the data of the disk
/// by code of the module. So the object that the data of all disks refers to has such a field.
pub struct LastReference(Arc<Completion>);

impl Drop for LastReference {
    fn drop(&mut self) {
        self.0.complete_all();
    }
}

/// Waits for its [`LastReference`] when it is dropped.
struct UntilGone(Arc<Completion>);

impl Drop for UntilGone {
    fn drop(&mut self) {
        self.0.wait_for_completion();
        // The thread that dropped the last reference may still be returning through code of the
        // module.
        // SAFETY: May be called in process context, where modules are unloaded.
        unsafe { kernel::bindings::synchronize_rcu() };
    }
}

impl<T: Send + Sync + 'static> ModuleState<T> {
    /// Returns an empty variable.
    pub const fn empty() -> Self {
        // INVARIANT: `ptr` is null.
        Self {
            ptr: Atomic::new(null_mut()),
            _object: PhantomData,
        }
    }

    /// Stores the object that `make` returns, until the returned guard is dropped.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: an object is published.
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
            // SAFETY: `ptr` came from `into_foreign` above, and was not stored.
            drop(unsafe { Arc::<T>::from_foreign(ptr.cast()) });
            return Err(EBUSY);
        }
        Ok(Published {
            state: self,
            _until_gone: UntilGone(gone),
        })
    }

    /// Returns the object, if there is one. Any context.
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
            // SAFETY: By the type invariants, `ptr` came from `into_foreign`. A grace period has
            // passed since it was replaced.
            drop(unsafe { Arc::<T>::from_foreign(ptr.cast()) });
        }
    }
}
