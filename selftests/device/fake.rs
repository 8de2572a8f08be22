// SPDX-License-Identifier: GPL-2.0

//! The handle that tests have on a fake device.

use crate::{
    backend::{
        Action,
        Backend, //
    },
    bindings,
    chain::Chain,
    device::{
        Inner,
        NEW,
        PLUGGED,
        UNPLUGGED, //
    },
    line::Traffic,
    maps::{
        Addresses,
        OPERATIONS, //
    },
    ring::Ring,
    spec::{
        Faults,
        Spec, //
    },
    task::Task,
};
use core::ptr::null_mut;
use kernel::{
    alloc::KVec,
    error::to_result,
    faux,
    prelude::*,
    str::CString,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Full,
            Relaxed,
            Release, //
        },
        Arc, //
    }, //
};

/// Numbers the parents of the devices, whose names must differ.
static PLUGGED_SO_FAR: Atomic<u64> = Atomic::new(0);

/// A fake device; a clone is the same device.
#[derive(Clone)]
pub struct Fake(pub(crate) Arc<Inner>);

impl Fake {
    /// Makes a device, which nobody sees before it is [plugged](Fake::plug).
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(spec: Spec, backend: Arc<dyn Backend>) -> Result<Self> {
        Inner::new(spec, backend).map(Self)
    }

    /// Registers the device, once. A driver that is loaded binds before this returns.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: it was plugged before.
    /// - Any other error of registration.
    pub fn plug(&self) -> Result<Plug> {
        let inner = &self.0;
        if inner.stage.cmpxchg(NEW, PLUGGED, Full).is_err() {
            return Err(EBUSY);
        }
        let number = PLUGGED_SO_FAR.fetch_add(1, Relaxed);
        let name = CString::try_from_fmt(fmt!("virtio-fake.{}", number))?;
        let parent = faux::Registration::new(&name, None)?;
        if inner.spec.has_operations() {
            inner.maps.know()?;
        }
        let vdev = inner.vdev.get();
        let owner = Arc::into_raw(inner.clone());
        // SAFETY: Nobody else knows the device yet. `owner`, which `release` gives back, keeps it
        // alive as long as the device core refers to it, and `parent` outlives it.
        let ret = unsafe {
            (*vdev).id.device = inner.spec.device;
            (*vdev).id.vendor = inner.spec.vendor;
            (*vdev).config = &raw const (*owner).ops;
            if inner.spec.has_operations() {
                (*vdev).map = &raw const OPERATIONS;
            }
            let generic: &kernel::device::Device<_> = parent.as_ref().as_ref();
            // `Device` is a transparent wrapper of `struct device`.
            (*vdev).dev.parent = core::ptr::from_ref(generic).cast_mut().cast();
            if inner.spec.mapping == Some(Addresses::Dma) {
                bindings::rust_virtio_fake_dma((*vdev).dev.parent);
            }
            (*vdev).dev.release = Some(release);
            to_result(bindings::register_virtio_device(vdev))
        };
        if let Err(e) = ret {
            // SAFETY: A failed registration leaves one reference.
            unsafe { bindings::put_device(&raw mut (*vdev).dev) };
            return Err(e);
        }
        Ok(Plug {
            fake: self.clone(),
            _parent: parent,
        })
    }

    // --- what the driver did ----------------------------------------------------------------

    /// Whether a driver is bound.
    pub fn is_bound(&self) -> bool {
        if self.0.stage.load(Acquire) != PLUGGED {
            return false;
        }
        // SAFETY: The device is valid; the device core may be about to change the pointer.
        let driver = unsafe { (&raw const (*self.0.vdev.get()).dev.driver).read_volatile() };
        !driver.is_null()
    }

    /// The name of the driver that is bound, if one is.
    pub fn driver(&self) -> Option<CString> {
        if !self.is_bound() {
            return None;
        }
        // SAFETY: The device is valid; a test does not unload the driver that it tests.
        let name = unsafe { CStr::from_char_ptr((*(*self.0.vdev.get()).dev.driver).name) };
        CString::try_from(name).ok()
    }

    /// The index of the device on the bus.
    pub fn index(&self) -> i32 {
        // SAFETY: The device is valid; the index does not change once it is registered.
        unsafe { (*self.0.vdev.get()).index }
    }

    /// The device status.
    pub fn status(&self) -> u8 {
        self.0.regs.lock().status
    }

    /// The status values that were set, 0 for a reset.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn status_log(&self) -> Result<KVec<u8>> {
        let mut copy = KVec::with_capacity(64, GFP_KERNEL)?;
        for &status in &self.0.regs.lock().status_log {
            let _ = copy.push_within_capacity(status);
        }
        Ok(copy)
    }

    /// Returns the number of times that the device was reset.
    pub fn resets(&self) -> u32 {
        self.0.regs.lock().resets
    }

    /// Returns how many times the reset of a single queue was begun.
    pub fn queue_resets(&self) -> u32 {
        self.0.regs.lock().queue_resets
    }

    /// The features that the driver accepted.
    pub fn driver_features(&self) -> [u64; 2] {
        self.0.regs.lock().driver_features
    }

    /// Whether the driver accepted a feature.
    pub fn negotiated(&self, bit: u32) -> bool {
        self.driver_features()
            .get(bit as usize / 64)
            .is_some_and(|word| word >> (bit % 64) & 1 != 0)
    }

    /// Returns the number of accesses that read the configuration.
    pub fn config_reads(&self) -> u64 {
        self.0.regs.lock().config_reads
    }

    /// Returns the number of accesses that went beyond the configuration.
    pub fn out_of_range(&self) -> u64 {
        self.0.regs.lock().out_of_range
    }

    /// Affinity hints in order: queue, and first CPU of the mask.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn affinity(&self) -> Result<KVec<(u32, Option<u32>)>> {
        let mut copy = KVec::with_capacity(64, GFP_KERNEL)?;
        for &hint in &self.0.regs.lock().affinity {
            let _ = copy.push_within_capacity(hint);
        }
        Ok(copy)
    }

    /// Returns the number of times that the driver broke a rule of the ring.
    pub fn violations(&self) -> u64 {
        self.0.violations.load(Relaxed)
    }

    /// Whether I/O could be done for memory when the driver found its queues, or reset the device
    /// since.
    pub fn may_do_io(&self) -> bool {
        self.0.regs.lock().may_do_io
    }

    /// Returns the number of queues that the driver found.
    pub fn queues(&self) -> usize {
        self.0.queues.lock().len()
    }

    /// Kicks and interrupts of a queue so far; none of a queue that does not exist.
    pub fn traffic(&self, queue: usize) -> Traffic {
        self.0
            .line(queue)
            .map(|line| line.traffic())
            .unwrap_or_default()
    }

    /// Returns the number of buffers of a queue that the device holds.
    pub fn held(&self, queue: usize) -> usize {
        self.0.queues.lock().get(queue).map_or(0, |q| q.held.len())
    }

    // --- what the device does ---------------------------------------------------------------

    /// Whether the device answers kicks by itself, from a work item; otherwise (as in the
    /// beginning) only when the test says [`Fake::serve`].
    pub fn set_auto(&self, auto: bool) {
        self.0.set_auto(auto);
    }

    /// Handles what the driver made available in a queue, with its interrupt delivered when this
    /// returns. Returns the number of buffers.
    ///
    /// # Errors
    ///
    /// `EINVAL`, `EFAULT`: the driver broke a rule of the ring.
    pub fn serve(&self, queue: usize) -> Result<usize> {
        self.serve_some(queue, usize::MAX)
    }

    /// As [`Fake::serve`], for at most `limit` buffers.
    ///
    /// # Errors
    ///
    /// Those of [`Fake::serve`].
    pub fn serve_some(&self, queue: usize, limit: usize) -> Result<usize> {
        let done = self.0.serve(queue, limit)?;
        self.0.line(queue)?.sync();
        Ok(done)
    }

    /// Decides about the oldest buffer that the device holds, with the interrupt delivered if the
    /// driver wants one.
    ///
    /// # Errors
    ///
    /// - `ENOENT`: there is none.
    /// - `ENODEV`: the queue is in reset.
    pub fn finish(&self, queue: usize, f: impl FnOnce(&mut Chain) -> Action) -> Result {
        if self.0.finish(queue, f)? {
            self.0.raise(queue)?;
            self.0.line(queue)?.sync();
        }
        Ok(())
    }

    /// As [`Fake::finish`], and never interrupts.
    ///
    /// # Errors
    ///
    /// Those of [`Fake::finish`].
    pub fn finish_silently(&self, queue: usize, f: impl FnOnce(&mut Chain) -> Action) -> Result {
        self.0.finish(queue, f).map(|_| ())
    }

    /// Uses the `count` oldest buffers that the device holds, in order and in one, with `len` bytes
    /// written to the last one; the interrupt is delivered if the driver wants one.
    ///
    /// # Errors
    ///
    /// Those of [`Fake::finish`].
    pub fn finish_batch(&self, queue: usize, count: usize, len: u32) -> Result {
        if self.0.finish_batch(queue, count, len)? {
            self.interrupt(queue)?;
        }
        Ok(())
    }

    /// Makes the device good for its end: it is there, loses no interrupt, and has used up with
    /// nothing written whatever it had. A driver that waits for it goes on then.
    pub fn rescue(&self) {
        if self.0.stage.load(Acquire) == PLUGGED {
            // SAFETY: The device is registered.
            unsafe { bindings::__virtio_unbreak_device(self.0.vdev.get()) };
        }
        self.0.rescue();
    }

    /// Has the device ask for kicks in a queue, or ask for none.
    ///
    /// # Errors
    ///
    /// `ENOENT`, `ENODEV` as [`Fake::finish`].
    pub fn want_kicks(&self, queue: usize, wanted: bool) -> Result {
        self.0.ring(queue, |ring| ring.set_notify(wanted))
    }

    /// Does to the ring of a queue what a device should not.
    ///
    /// # Errors
    ///
    /// `ENOENT`, `ENODEV` as [`Fake::finish`], and those of `f`.
    pub fn inject<R>(&self, queue: usize, f: impl FnOnce(&mut Ring) -> Result<R>) -> Result<R> {
        self.0.ring(queue, f)
    }

    /// Raises a queue's interrupt whether there is reason or not; it was delivered when this
    /// returns.
    ///
    /// # Errors
    ///
    /// `ENOENT`: there is no such queue.
    pub fn interrupt(&self, queue: usize) -> Result {
        self.0.raise(queue)?;
        self.0.line(queue)?.sync();
        Ok(())
    }

    /// Changes what is wrong with the device.
    pub fn fault(&self, f: impl FnOnce(&mut Faults)) {
        f(&mut self.0.regs.lock().faults);
    }

    /// Changes the configuration, without an interrupt; what is beyond its end is ignored.
    pub fn set_config(&self, offset: usize, bytes: &[u8]) {
        let mut guard = self.0.regs.lock();
        let regs = &mut *guard;
        if let Some(to) = regs.config.get_mut(offset..offset + bytes.len()) {
            to.copy_from_slice(bytes);
            regs.generation = regs.generation.wrapping_add(1);
        }
    }

    /// Bytes of the configuration; zeroes beyond its end.
    pub fn config<const N: usize>(&self, offset: usize) -> [u8; N] {
        let mut bytes = [0; N];
        if let Some(from) = self.0.regs.lock().config.get(offset..offset + N) {
            bytes.copy_from_slice(from);
        }
        bytes
    }

    /// Raises the configuration interrupt; it was delivered when this returns.
    pub fn config_interrupt(&self) {
        self.0.config_line.raise();
        self.0.config_line.sync();
    }

    /// Sets bits of the device status that only a driver may set.
    pub fn claim_status(&self, bits: u8) {
        self.0.regs.lock().status |= bits;
    }

    /// Says `DEVICE_NEEDS_RESET`, with an interrupt.
    pub fn needs_reset(&self) {
        self.0.regs.lock().status |= bindings::VIRTIO_CONFIG_S_NEEDS_RESET as u8;
        self.config_interrupt();
    }
}

/// A registered device. Dropping it removes it.
pub struct Plug {
    fake: Fake,
    _parent: faux::Registration,
}

impl Plug {
    /// The device.
    pub fn fake(&self) -> &Fake {
        &self.fake
    }

    /// Lets the device go to sleep, as for suspend.
    ///
    /// # Errors
    ///
    /// Any error of the driver.
    #[cfg(CONFIG_PM_SLEEP)]
    pub fn freeze(&self) -> Result {
        // SAFETY: `bound` passes a registered device with a driver.
        self.bound(|vdev| unsafe { bindings::virtio_device_freeze(vdev) })
    }

    /// Wakes the device up.
    ///
    /// # Errors
    ///
    /// Any error of negotiation or of the driver.
    #[cfg(CONFIG_PM_SLEEP)]
    pub fn restore(&self) -> Result {
        // SAFETY: `bound` passes a registered device with a driver.
        self.bound(|vdev| unsafe { bindings::virtio_device_restore(vdev) })
    }

    /// Announces a reset of the transport.
    ///
    /// # Errors
    ///
    /// Any error of the driver.
    pub fn reset_prepare(&self) -> Result {
        // SAFETY: `bound` passes a registered device with a driver.
        self.bound(|vdev| unsafe { bindings::virtio_device_reset_prepare(vdev) })
    }

    /// Announces a reset of the transport of `other` to the driver of this device: as the core does
    /// that saw which driver `other` has before a driver in C was bound to it.
    ///
    /// `other` has no driver. What that C driver would keep in `priv` is what this one keeps of
    /// this device, so that a driver which takes it for its own does so harmlessly.
    ///
    /// # Errors
    ///
    /// - `ENODEV`: this device has no driver.
    /// - `ENOMEM`.
    /// - Any error of the driver.
    pub fn reset_prepare_late(&self, other: &Self) -> Result {
        if !self.fake.is_bound() || other.fake.is_bound() {
            return Err(ENODEV);
        }
        let (vdev, other) = (self.fake.0.vdev.get(), other.fake.0.vdev.get());
        // SAFETY: Zeroes are a value of the structure in C.
        let mut c: KBox<bindings::virtio_driver> =
            KBox::new(unsafe { core::mem::zeroed() }, GFP_KERNEL)?;
        c.driver.name = c"virtio_fake_c".as_char_ptr();
        // SAFETY: Both devices are registered, one is bound to a driver of the virtio bus, and the
        // test binds none to the other. Whoever reads the driver of that has left it when the grace
        // period is over.
        unsafe {
            let driver = kernel::container_of!((*vdev).dev.driver, bindings::virtio_driver, driver);
            let hook = (*driver).reset_prepare.ok_or(ENODEV)?;
            (*other).priv_ = (*vdev).priv_;
            (*other).dev.driver_data = (*vdev).dev.driver_data;
            (*other).dev.driver = &raw mut c.driver;
            let ret = hook(other);
            (*other).dev.driver = null_mut();
            (*other).dev.driver_data = null_mut();
            (*other).priv_ = null_mut();
            bindings::synchronize_rcu();
            to_result(ret)
        }
    }

    /// The transport was reset.
    ///
    /// # Errors
    ///
    /// Any error of negotiation or of the driver.
    pub fn reset_done(&self) -> Result {
        // SAFETY: `bound` passes a registered device with a driver.
        self.bound(|vdev| unsafe { bindings::virtio_device_reset_done(vdev) })
    }

    /// Does something to the transport in one: nobody else has it in between, such as a driver that
    /// would start the device anew.
    pub fn in_one<R>(&self, f: impl FnOnce(&Self) -> R) -> R {
        // SAFETY: The device is registered, and so is its parent, until this is dropped.
        unsafe {
            let parent = (*self.fake.0.vdev.get()).dev.parent;
            bindings::rust_virtio_fake_lock(parent, true);
            let result = f(self);
            bindings::rust_virtio_fake_lock(parent, false);
            result
        }
    }

    /// The machine goes down, or another kernel is about to start.
    ///
    /// # Errors
    ///
    /// `ENODEV`: there is no driver.
    pub fn shutdown(&self) -> Result {
        self.bound(|vdev| {
            // SAFETY: `bound` passes a registered device with a driver.
            unsafe { bindings::rust_virtio_fake_shutdown(vdev) };
            0
        })
    }

    fn bound(&self, f: impl FnOnce(*mut bindings::virtio_device) -> i32) -> Result {
        if !self.fake.is_bound() {
            return Err(ENODEV);
        }
        to_result(f(self.fake.0.vdev.get()))
    }

    /// Removes the device as if someone had torn it out: it does not answer, and its queues are
    /// broken.
    pub fn yank(self) {
        self.fake.fault(|faults| faults.gone = true);
        // SAFETY: The device is registered.
        unsafe { bindings::virtio_break_device(self.fake.0.vdev.get()) };
    }

    /// Calls `remove` with this from another thread and waits.
    ///
    /// # Errors
    ///
    /// `ETIMEDOUT`: it did not return within `millis`; then it still runs.
    pub fn within(self, millis: u32, remove: fn(Self)) -> Result {
        Task::new(move || remove(self))?.join(millis)
    }
}

impl Drop for Plug {
    fn drop(&mut self) {
        let inner = &self.fake.0;
        inner.stage.store(UNPLUGGED, Release);
        // SAFETY: Null disconnects.
        unsafe { inner.config_line.connect(null_mut()) };
        // SAFETY: The device is registered, and this is done once.
        unsafe { bindings::unregister_virtio_device(inner.vdev.get()) };
        // Someone may have been about to bind.
        // SAFETY: Null disconnects.
        unsafe { inner.config_line.connect(null_mut()) };
    }
}

/// The last reference of the device core is gone.
///
/// # Safety
///
/// `dev` is that of a device which [`Fake::plug`] registered.
unsafe extern "C" fn release(dev: *mut bindings::device) {
    // SAFETY: By the safety requirements, `dev` is in a `virtio_device`, which `plug` registered.
    let vdev = unsafe { kernel::container_of!(dev, bindings::virtio_device, dev) };
    // SAFETY: This is the reference that `plug` took.
    let inner = unsafe { Arc::from_raw(Inner::container(vdev)) };
    inner.maps.forget();
}
