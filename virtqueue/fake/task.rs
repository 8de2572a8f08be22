// SPDX-License-Identifier: GPL-2.0

//! What a test does in another thread, so that it need not wait for ever.

use crate::wait;
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        SpinLock, //
    },
    workqueue, //
};

/// The result of what runs, once there is one.
#[pin_data]
struct Slot<R> {
    #[pin]
    result: SpinLock<Option<R>>,
}

/// Something that runs in another thread.
pub struct Task<R: Send + Unpin + 'static>(Arc<Slot<R>>);

impl<R: Send + Unpin + 'static> Task<R> {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(f: impl FnOnce() -> R + Send + Unpin + 'static) -> Result<Self> {
        let slot = Arc::pin_init(
            pin_init!(Slot {
                result <- new_spinlock!(None),
            }),
            GFP_KERNEL,
        )?;
        let ours = slot.clone();
        workqueue::system_long().try_spawn(GFP_KERNEL, move || {
            let result = f();
            *ours.result.lock() = Some(result);
        })?;
        Ok(Self(slot))
    }

    /// Whether it has ended.
    pub fn is_done(&self) -> bool {
        self.0.result.lock().is_some()
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT`: it still runs after `millis`, and goes on.
    pub fn join(self, millis: u32) -> Result<R> {
        wait::until(millis, || self.is_done());
        self.0.result.lock().take().ok_or(ETIMEDOUT)
    }
}
