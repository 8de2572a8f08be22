// SPDX-License-Identifier: GPL-2.0

//! Work in another thread, for which a test waits with a time limit.

use crate::wait;
use core::pin::Pin;
use kernel::{
    prelude::*,
    static_lock_class,
    sync::{
        Arc,
        LockClassKey,
        SpinLock, //
    },
    workqueue, //
};

/// Returns name and class of the locks here.
///
/// Not generic: a generic function is compiled in each crate that calls it. Each copy would have
/// another name for the same class, and lockdep reports that.
#[inline(never)]
fn class() -> (&'static CStr, Pin<&'static LockClassKey>) {
    (c"virtio_fake::Task", static_lock_class!())
}

fn new_lock<T>(value: T) -> impl PinInit<SpinLock<T>> {
    let (name, key) = class();
    SpinLock::new(value, name, key)
}

/// The result of a task, once there is one.
#[pin_data]
struct TaskResult<R> {
    #[pin]
    result: SpinLock<Option<R>>,
}

/// The function of a task, until it is called.
#[pin_data]
struct Call<F, R> {
    #[pin]
    f: SpinLock<Option<F>>,
    to: Arc<TaskResult<R>>,
}

trait Job: Send + Sync {
    fn run(&self);
}

impl<F: FnOnce() -> R + Send + Unpin, R: Send + Unpin> Job for Call<F, R> {
    fn run(&self) {
        let f = self.f.lock().take();
        if let Some(f) = f {
            let result = f();
            *self.to.result.lock() = Some(result);
        }
    }
}

/// Runs a job in another thread. Not generic: see [`class`].
#[inline(never)]
fn spawn(job: Arc<dyn Job>) -> Result {
    Ok(workqueue::system_long().try_spawn(GFP_KERNEL, move || job.run())?)
}

/// A function that runs in another thread.
pub struct Task<R: Send + Unpin + 'static>(Arc<TaskResult<R>>);

impl<R: Send + Unpin + 'static> Task<R> {
    /// Starts the task.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(f: impl FnOnce() -> R + Send + Unpin + 'static) -> Result<Self> {
        let result = Arc::pin_init(
            pin_init!(TaskResult {
                result <- new_lock(None),
            }),
            GFP_KERNEL,
        )?;
        let to = result.clone();
        let call = Arc::pin_init(
            pin_init!(Call {
                f <- new_lock(Some(f)),
                to,
            }),
            GFP_KERNEL,
        )?;
        spawn(call)?;
        Ok(Self(result))
    }

    /// Whether the task has ended.
    pub fn is_done(&self) -> bool {
        self.0.result.lock().is_some()
    }

    /// Waits for the end of the task.
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT`: the task has not ended after `millis` milliseconds, and goes on.
    pub fn join(self, millis: u32) -> Result<R> {
        wait::until(millis, || self.is_done());
        self.0.result.lock().take().ok_or(ETIMEDOUT)
    }
}
