// SPDX-License-Identifier: GPL-2.0

//! The state of a binding of a driver to a device.
//!
//! `virtio_device::priv` points to a [`BindState`], from the validate callback, which runs before
//! [`Driver::probe`], until the driver data was dropped. The state has
//!
//! - the gate of the callbacks: a pointer to the driver data, which is set once the data is
//!   complete, and cleared before the data is dropped;
//! - the count of references of the set of queues. Unbinding waits for the last of them, so that a
//!   [`Virtqueue`](crate::Virtqueue) never outlives its transport;
//! - the count of [`Hold`](crate::Hold)s. Unbinding waits for the last of them before managed
//!   resources are released, because an object with a hold may borrow them;
//! - a flag that the device is in reset. Without it, buffers leave a queue only through
//!   [`Virtqueue::get_buf`](crate::Virtqueue::get_buf);
//! - the means to reset a device that does not answer ([`crate::device`]).

use crate::{
    bindings,
    bus::references::References,
    device::{
        reset_if_in_use,
        Device,
        StatusRegister,
        Tables,
        WeakDevices, //
    },
    ReadAcquire, //
};
use core::{
    ffi::c_void,
    ptr::{
        null_mut,
        NonNull, //
    },
};
use kernel::{
    device::{
        Bound,
        CoreInternal, //
    },
    error::to_result,
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Full,
            Relaxed,
            Release, //
        },
        Mutex, //
    },
};

/// A callback of a queue, as C calls it.
pub(crate) type VqCallback = unsafe extern "C" fn(*mut bindings::virtqueue);

/// The function that tells the driver that the device did not wake up.
pub(crate) type NotWoken = unsafe fn(&Device<Bound>);

/// The driver did not say that it is ready.
const UNREADY: i32 = 0;
/// The driver said that it is ready.
const READY: i32 = 1;
/// The driver was ready, and has reset the device since.
const LOST: i32 = 2;

/// The state of one binding of a driver to a device.
#[pin_data]
pub struct BindState {
    /// Driver data, null while callbacks are closed.
    data: Atomic<*mut c_void>,
    /// The queue callback of the driver that is bound: the one that knows the type of its data.
    vq_callback: VqCallback,
    /// As `vq_callback`, for wake-ups that fail.
    not_woken: NotWoken,
    /// The operations of the transport, and the copies that the device has while it is bound.
    tables: &'static Tables,
    /// The operations to give back to the device when the binding ends.
    ops: *const bindings::virtio_config_ops,
    /// The status register, if the transport's own reset may wait for ever.
    status: Option<StatusRegister>,
    /// The device was given up, because it did not answer.
    given_up: Atomic<bool>,
    /// The device is asleep, or its function is being reset.
    asleep: Atomic<bool>,
    /// FAILED was set before the device went to sleep, and has not been set again since the reset
    /// cleared it.
    had_failed: Atomic<bool>,
    /// The weak references to the device.
    #[pin]
    pub(crate) weak_devices: WeakDevices,
    /// The reference of the set of queues, for which unbinding waits.
    #[pin]
    users: References,
    /// The [`Hold`](crate::Hold)s, for which unbinding waits when the driver data was dropped.
    #[pin]
    pub(crate) holds: References,
    /// 1 while there is a set of queues.
    set: Atomic<i32>,
    /// Held by the code that gives the device queues, or takes them from it: while queues are
    /// found, while the device is reset, and while a queue is reset or resized. `reset` is accurate
    /// while no thread holds this lock.
    #[pin]
    pub(crate) owner: Mutex<()>,
    /// The device was reset and no queue was found since: it has no buffer. Changed with `owner`
    /// held.
    ///
    /// Queues are found only when none is left. So a holder of a queue that reads `true` here keeps
    /// reading `true`.
    reset: Atomic<i32>,
    /// [`UNREADY`], [`READY`] or [`LOST`].
    ready: Atomic<i32>,
    /// Size of the device configuration in bytes; negative if unknown.
    config_len: Atomic<i64>,
    /// The recycler of the running reset or resize of a queue, for the C callback; see
    /// [`crate::queue`]. Written with `owner` held.
    pub(crate) recycler: Atomic<*mut c_void>,
    /// The queue under reset or resize, whose ring no handle may use. Written with `owner` held.
    pub(crate) resizing: Atomic<*mut c_void>,
}

// SAFETY: The only field that is not `Send` is the pointer to the operations of the transport,
// which any thread may use.
unsafe impl Send for BindState {}

// SAFETY: Except for that pointer, all fields that a reference gives access to are `Sync`.
unsafe impl Sync for BindState {}

impl Device<Bound> {
    /// Returns the state that the bus keeps for the time of a binding.
    pub(crate) fn bind_state(&self) -> &BindState {
        // SAFETY: By the type invariant, the device is valid; `priv` does not change while it is
        // bound.
        let state = unsafe { (*self.as_raw()).priv_ }.cast::<BindState>();
        // SAFETY: A `Device<Bound>` is bound by an `Adapter`, which points `priv` to a
        // `BindState` from before `Driver::validate` until after the driver data is gone.
        unsafe { &*state }
    }
}

impl BindState {
    /// Makes the state of a binding and points the device to it.
    ///
    /// A devres action frees the state after the driver data was dropped.
    ///
    /// This function is not generic on purpose. A generic function would be compiled in each
    /// driver, the lock class would have a different name in each, and lockdep reports that.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`.
    /// - `ENODEV`, `ETIMEDOUT`: an earlier driver left the device in use, and the device does not
    ///   complete a reset.
    #[inline(never)]
    pub(crate) fn create(
        dev: &Device<CoreInternal<'_>>,
        vq_callback: VqCallback,
        not_woken: NotWoken,
    ) -> Result {
        let bound: &Device<Bound> = dev;
        let transport = bound.config_ops();
        let tables = Tables::of(transport)?;
        let ops = core::ptr::from_ref(transport);
        let status = bound.map_status();
        let state = KBox::pin_init(
            pin_init!(Self {
                data: Atomic::new(null_mut()),
                vq_callback,
                not_woken,
                tables,
                ops,
                status,
                given_up: Atomic::new(false),
                asleep: Atomic::new(false),
                had_failed: Atomic::new(false),
                weak_devices <- WeakDevices::new(),
                users <- References::new(),
                holds <- References::new(),
                set: Atomic::new(0),
                owner <- new_mutex!(()),
                reset: Atomic::new(1),
                ready: Atomic::new(UNREADY),
                config_len: Atomic::new(-1),
                recycler: Atomic::new(null_mut()),
                resizing: Atomic::new(null_mut()),
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: The state does not move: it is turned into a box again in `release` only.
        let state = KBox::into_raw(unsafe { Pin::into_inner_unchecked(state) });

        // SAFETY: The device is valid and being bound, so nothing else uses `priv`.
        unsafe { (*dev.as_raw()).priv_ = state.cast() };

        // SAFETY: The device is valid; `release` takes the device.
        let ret = to_result(unsafe {
            bindings::__devm_add_action(
                &raw mut (*dev.as_raw()).dev,
                Some(Self::release),
                dev.as_raw().cast(),
                c"virtio_bind_state".as_char_ptr(),
            )
        });
        if let Err(e) = ret {
            // SAFETY: The action was not added, so this is its only call.
            unsafe { Self::release(dev.as_raw().cast()) };
            return Err(e);
        }

        tables.install(bound, true);
        if let Some(len) = bound.probe_config_len() {
            bound.bind_state().set_config_len(len);
        }
        reset_if_in_use(bound)
    }

    /// Waits until nothing keeps the binding alive, then frees the state.
    ///
    /// # Safety
    ///
    /// `vdev` is a `struct virtio_device` whose `priv` came from [`BindState::create`] and whose
    /// driver data was dropped. Called once.
    unsafe extern "C" fn release(vdev: *mut c_void) {
        let vdev = vdev.cast::<bindings::virtio_device>();
        // SAFETY: By the safety requirements, `vdev` is a valid device.
        let ptr = unsafe { (*vdev).priv_ }.cast::<Self>();
        // SAFETY: By the safety requirements, `priv` is the state that `create` made, which was not
        // freed yet.
        let state = unsafe { &*ptr };

        // SAFETY: The device is valid, and bound until this function has returned. `Device` is a
        // transparent wrapper.
        let dev = unsafe { &*vdev.cast::<Device<Bound>>() };
        state.users.wait(|| warn_of_wait(dev));

        // SAFETY: By the safety requirements; the operations are those of the transport.
        unsafe {
            (&raw mut (*vdev).config).write_volatile(state.ops);
            (*vdev).priv_ = null_mut();
        }
        // SAFETY: `ptr` came from `KBox::into_raw`, and nothing refers to the state: the driver
        // data, all queues and all holds of the binding are gone.
        drop(unsafe { KBox::from_raw(ptr) });
    }

    /// Counts a new set of queues.
    ///
    /// # Errors
    ///
    /// `EBUSY`: there is a set already.
    pub(crate) fn get_set(&self) -> Result {
        self.set.cmpxchg(0, 1, Full).map_err(|_| EBUSY)?;
        self.users.get();
        Ok(())
    }

    /// Records that the set of queues is gone.
    pub(crate) fn put_set(&self) {
        self.set.store(0, Release);
        self.users.put();
    }

    /// Waits until there is no hold. Called once, when no new hold can be made: the driver data was
    /// dropped, or could not be made. Process context, sleeps.
    pub(crate) fn wait_for_holds(&self, dev: &Device<Bound>) {
        self.holds.wait(|| warn_of_wait(dev));
    }

    /// Opens the callbacks: from now on they find the driver data.
    ///
    /// # Safety
    ///
    /// `data` points to the data of the driver that is bound, which stays valid until
    /// [`BindState::close_callbacks`] and a synchronisation with the callbacks.
    pub(crate) unsafe fn open_callbacks(&self, data: NonNull<c_void>) {
        self.data.store(data.as_ptr(), Release);
    }

    /// Closes the callbacks. Running callbacks go on.
    pub(crate) fn close_callbacks(&self) {
        self.data.store(null_mut(), Release);
    }

    /// Returns the driver data, or null if the callbacks are closed.
    #[inline]
    pub(crate) fn data(&self) -> *mut c_void {
        self.data.read_acquire()
    }

    /// Returns the queue callback of the driver that is bound.
    pub(crate) fn vq_callback(&self) -> VqCallback {
        self.vq_callback
    }

    /// Returns the operations of the transport, and the copies that the device has while it is
    /// bound.
    pub(crate) fn tables(&self) -> &'static Tables {
        self.tables
    }

    /// Returns the status register, if the transport's own reset may wait for ever.
    pub(crate) fn status_register(&self) -> Option<&StatusRegister> {
        self.status.as_ref()
    }

    /// Returns whether the device was given up: it is not there, or does not answer.
    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up.load(Acquire)
    }

    /// Records whether the device was given up, and returns whether it was before.
    pub(crate) fn set_given_up(&self, given_up: bool) -> bool {
        self.given_up.xchg(given_up, Full)
    }

    /// Returns whether the device is asleep, or its function is being reset.
    pub(crate) fn is_asleep(&self) -> bool {
        self.asleep.load(Acquire)
    }

    /// Records whether the device is asleep, and returns whether it was before.
    pub(crate) fn set_asleep(&self, asleep: bool) -> bool {
        self.asleep.xchg(asleep, Full)
    }

    /// Records that the device is asleep from now on, and whether FAILED was set before.
    pub(crate) fn fall_asleep(&self, had_failed: bool) {
        self.had_failed.store(had_failed, Release);
        self.set_asleep(true);
    }

    /// Returns whether FAILED was set before the sleep, and forgets it.
    pub(crate) fn take_old_failure(&self) -> bool {
        self.had_failed.xchg(false, Full)
    }

    /// Tells the driver that the device did not wake up, if the device was asleep.
    pub(crate) fn wake_failed(&self, dev: &Device<Bound>) {
        if self.set_asleep(false) && !self.data().is_null() {
            // SAFETY: The device is bound to the driver whose function this is, and is being woken
            // up. The data of the driver is published.
            unsafe { (self.not_woken)(dev) };
        }
    }

    /// Records that the driver is about to say that it is ready.
    pub(crate) fn set_ready(&self) {
        self.ready.store(READY, Release);
    }

    /// Runs `f`, which brings the device into use, or back into use.
    ///
    /// # Errors
    ///
    /// - `EIO`: the device was reset after it was ready, so it cannot be used. Without this error
    ///   the core would set DRIVER_OK on it.
    /// - Any error of `f`.
    pub(crate) fn bring_up(&self, f: impl FnOnce() -> Result) -> Result {
        self.ready.store(UNREADY, Release);
        f()?;
        if self.ready.load(Acquire) == LOST {
            return Err(EIO);
        }
        Ok(())
    }

    /// Records whether the device is in reset. With `owner` held.
    pub(crate) fn set_reset(&self, reset: bool) {
        self.reset.store(reset.into(), Release);
        if reset {
            // If the driver was not ready, the state does not change.
            let _ = self.ready.cmpxchg(READY, LOST, Full);
        }
    }

    /// Returns whether the device is in reset, so that it owns no buffer.
    pub(crate) fn is_reset(&self) -> bool {
        self.reset.read_acquire() != 0
    }

    /// Records the size of the device configuration in bytes.
    pub(crate) fn set_config_len(&self, len: usize) {
        self.config_len.store(len as i64, Relaxed);
    }

    /// Returns the size of the device configuration in bytes, if known.
    pub(crate) fn config_len(&self) -> Option<usize> {
        usize::try_from(self.config_len.load(Relaxed)).ok()
    }
}

/// Warns that unbinding waits for the driver.
fn warn_of_wait(dev: &Device<Bound>) {
    dev_warn!(
        dev.as_ref(),
        "unbinding waits: the driver still has queues or interfaces of this device\n"
    );
}
