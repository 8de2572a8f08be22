// SPDX-License-Identifier: GPL-2.0

//! The state of a fake device, which the transport and the test share.

use crate::{
    backend::{
        Action,
        Backend, //
    },
    bindings,
    c_buffer::CBuffer,
    chain::Chain,
    interrupt_line::{
        Deliver,
        InterruptLine, //
    },
    maps::{
        Addresses,
        Maps, //
    },
    ring::DeviceRing,
    spec::{
        Faults,
        Spec, //
    },
    transport, //
};
use core::ffi::c_void;
use kernel::{
    alloc::{
        KVVec,
        KVec, //
    },
    new_mutex, new_spinlock_irq,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Arc,
        Mutex,
        SpinLockIrq, //
    },
    types::Opaque,
    workqueue::{
        self,
        impl_has_work,
        new_work,
        Work,
        WorkItem, //
    },
};

/// The largest number of status writes and affinity hints in the logs.
const LOG_LEN: usize = 64;

/// The device is not registered yet.
pub(crate) const NEW: i32 = 0;
/// The device is registered, or is being registered.
pub(crate) const PLUGGED: i32 = 1;
/// The device was unregistered.
pub(crate) const UNPLUGGED: i32 = 2;

/// The registers of the device.
pub(crate) struct Registers {
    pub(crate) status: u8,
    pub(crate) status_reads: u32,
    pub(crate) status_log: KVec<u8>,
    pub(crate) driver_features: [u64; 2],
    pub(crate) config: KVec<u8>,
    pub(crate) generation: u32,
    pub(crate) config_reads: u64,
    pub(crate) out_of_range: u64,
    pub(crate) resets: u32,
    /// The number of resets of single queues that began.
    pub(crate) queue_resets: u32,
    /// The number of resets of single queues that failed.
    pub(crate) failed_queue_resets: u32,
    /// Whether allocations could do I/O when the queues were found, or at a later reset.
    pub(crate) may_do_io: bool,
    pub(crate) affinity: KVec<(u32, Option<u32>)>,
    pub(crate) faults: Faults,
    /// The number of notifications by the driver without `DRIVER_OK`.
    pub(crate) early_kicks: u64,
    /// Whether the device was gone at the last reset, so that the transport no longer waits for it.
    pub(crate) given_up: bool,
}

impl Registers {
    /// Records whether allocations of this thread may do I/O. Process context.
    pub(crate) fn note_memory(&mut self) {
        // SAFETY: May be called in process context.
        self.may_do_io = unsafe { bindings::rust_virtio_fake_may_do_io() };
    }

    pub(crate) fn set_status(&mut self, status: u8) {
        self.status = status;
        // A full log drops further entries.
        let _ = self.status_log.push_within_capacity(status);
    }
}

/// A queue that the driver found.
pub(crate) struct Queue {
    pub(crate) vq: *mut bindings::virtqueue,
    /// The ring; none while the queue or the device is in reset.
    pub(crate) ring: Option<DeviceRing>,
    pub(crate) held: KVec<Chain>,
    /// The buffers that the device uses only in [`Fake::rescue`](crate::Fake::rescue).
    pub(crate) lost: KVec<Chain>,
}

// SAFETY: A `struct virtqueue` may be used from any thread.
unsafe impl Send for Queue {}

/// A fake device.
#[pin_data]
pub(crate) struct FakeDevice {
    #[pin]
    pub(crate) vdev: Opaque<bindings::virtio_device>,
    pub(crate) ops: bindings::virtio_config_ops,
    pub(crate) spec: Spec,
    pub(crate) backend: Arc<dyn Backend>,
    /// Locked with interrupts off: a driver notifies the device also in interrupts, and with locks
    /// held that it takes there.
    #[pin]
    pub(crate) regs: SpinLockIrq<Registers>,
    /// The queues that the driver found, by index. `regs` nests in this lock.
    #[pin]
    pub(crate) queues: Mutex<KVec<Queue>>,
    pub(crate) lines: KVec<Pin<KBox<InterruptLine>>>,
    pub(crate) config_line: Pin<KBox<InterruptLine>>,
    #[pin]
    pub(crate) maps: Maps,
    /// Whether the device handles kicks by itself. Otherwise the test does.
    auto: Atomic<bool>,
    /// Whether the driver has set `DRIVER_OK`, and has not reset the device since.
    live: Atomic<bool>,
    /// [`NEW`], [`PLUGGED`] or [`UNPLUGGED`].
    pub(crate) stage: Atomic<i32>,
    /// The number of violations of ring rules by the driver.
    pub(crate) violations: Atomic<u64>,
    /// Buffers that were never taken out of a queue. The device may use them while it exists.
    #[pin]
    left_over: Mutex<KVec<KVVec<Option<CBuffer>>>>,
    #[pin]
    work: Work<Self>,
}

impl_has_work! {
    impl HasWork<Self> for FakeDevice { self.work }
}

// SAFETY: The C structure is used as the virtio core allows. The other fields are `Send`.
unsafe impl Send for FakeDevice {}

// SAFETY: The C structure is used as the virtio core allows. The other fields are `Sync` or locked.
unsafe impl Sync for FakeDevice {}

impl WorkItem for FakeDevice {
    type Pointer = Arc<Self>;

    /// Handles all queues, as the work item of the device.
    fn run(this: Arc<Self>) {
        if !this.auto.load(Acquire) {
            return;
        }
        for index in 0..this.lines.len() {
            // Errors of the driver are counted in `serve`.
            let _ = this.serve(index, usize::MAX);
        }
    }
}

impl FakeDevice {
    pub(crate) fn new(spec: Spec, backend: Arc<dyn Backend>) -> Result<Arc<Self>> {
        let mut lines = KVec::with_capacity(spec.queues.len(), GFP_KERNEL)?;
        for _ in 0..spec.queues.len() {
            lines.push(new_line(transport::deliver_queue)?, GFP_KERNEL)?;
        }
        let mut config = KVec::with_capacity(spec.config.len(), GFP_KERNEL)?;
        config.extend_from_slice(&spec.config, GFP_KERNEL)?;
        let regs = Registers {
            status: 0,
            status_reads: 0,
            status_log: KVec::with_capacity(LOG_LEN, GFP_KERNEL)?,
            driver_features: [0; 2],
            config,
            generation: 0,
            config_reads: 0,
            out_of_range: 0,
            resets: 0,
            queue_resets: 0,
            failed_queue_resets: 0,
            may_do_io: true,
            affinity: KVec::with_capacity(LOG_LEN, GFP_KERNEL)?,
            faults: Faults::default(),
            early_kicks: 0,
            given_up: false,
        };
        let queues = KVec::with_capacity(spec.queues.len(), GFP_KERNEL)?;
        let config_line = new_line(transport::deliver_config)?;
        let maps = Maps::new(spec.mapping.unwrap_or(Addresses::Marked))?;

        Arc::pin_init(
            try_pin_init!(Self {
                vdev <- Opaque::ffi_init(|slot: *mut bindings::virtio_device| {
                    // SAFETY: `slot` is memory for a `struct virtio_device`, which starts zeroed.
                    unsafe { slot.write_bytes(0, 1) };
                }),
                ops: transport::operations(&spec),
                spec,
                backend,
                regs <- new_spinlock_irq!(regs),
                queues <- new_mutex!(queues),
                lines,
                config_line,
                maps <- maps,
                auto: Atomic::new(false),
                live: Atomic::new(false),
                stage: Atomic::new(NEW),
                violations: Atomic::new(0),
                left_over <- new_mutex!(KVec::new()),
                work <- new_work!("virtio_fake"),
            }? Error),
            GFP_KERNEL,
        )
    }

    /// Returns the device of a transport operation.
    ///
    /// # Safety
    ///
    /// `vdev` is that of a [`FakeDevice`] in an [`Arc`] that outlives `'a`.
    pub(crate) unsafe fn from_vdev<'a>(vdev: *mut bindings::virtio_device) -> &'a Self {
        // SAFETY: `vdev` is in a `FakeDevice` that outlives `'a` (safety requirements).
        unsafe { &*Self::container(vdev) }
    }

    /// Returns the [`FakeDevice`] that has this `struct virtio_device`.
    ///
    /// # Safety
    ///
    /// `vdev` is that of a [`FakeDevice`].
    pub(crate) unsafe fn container(vdev: *mut bindings::virtio_device) -> *const Self {
        // SAFETY: By the safety requirements, `vdev` is in a `FakeDevice`.
        unsafe { kernel::container_of!(Opaque::cast_from(vdev), Self, vdev) }
    }

    pub(crate) fn line(&self, index: usize) -> Result<&InterruptLine> {
        self.lines.get(index).map(|l| &**l).ok_or(ENOENT)
    }

    pub(crate) fn set_auto(self: &Arc<Self>, auto: bool) {
        self.auto.store(auto, Release);
        self.wake();
    }

    pub(crate) fn is_live(&self) -> bool {
        self.live.load(Acquire)
    }

    pub(crate) fn set_live(&self, live: bool) {
        self.live.store(live, Release);
    }

    /// Keeps the buffers that are left in a queue until the device is dropped.
    pub(crate) fn keep(&self, buffers: KVVec<Option<CBuffer>>) {
        let mut left_over = self.left_over.lock();
        if left_over.reserve(1, GFP_KERNEL).is_err() {
            core::mem::forget(buffers);
        } else {
            let _ = left_over.push_within_capacity(buffers);
        }
    }

    /// Schedules the work of the device, if it handles kicks by itself. Any context.
    pub(crate) fn wake(self: &Arc<Self>) {
        if self.auto.load(Acquire) && self.is_live() {
            // The work may be queued already.
            let _ = unbound().enqueue(self.clone());
        }
    }

    /// Handles up to `limit` buffers that the driver made available. Returns their number.
    pub(crate) fn serve(&self, index: usize, limit: usize) -> Result<usize> {
        let mut done = 0;
        let raise = {
            let mut queues = self.queues.lock();
            let faults = self.regs.lock().faults;
            let mute = faults.mute || faults.mute_queue == Some(index);
            if !self.is_live() || faults.gone || mute {
                return Ok(0);
            }
            let Some(queue) = queues.get_mut(index) else {
                return Ok(0);
            };
            let Some(ring) = queue.ring.as_mut() else {
                return Ok(0);
            };
            let mut pushed = false;
            loop {
                while done < limit {
                    let popped = ring.pop().and_then(|chain| self.check_mapped(chain));
                    let Some(mut chain) = self.rule(index, popped)? else {
                        break;
                    };
                    done += 1;
                    let action = self.backend.process(index, &mut chain);
                    pushed |= apply(ring, &chain, action)?;
                    match action {
                        Action::Hold => queue.held.push(chain, GFP_KERNEL)?,
                        Action::Lose => queue.lost.push(chain, GFP_KERNEL)?,
                        _ => (),
                    }
                }
                if done >= limit {
                    break;
                }
                ring.set_notify(true)?;
                if !ring.has_more()? {
                    break;
                }
            }
            pushed && ring.wants_interrupt()?
        };
        if raise {
            self.raise(index)?;
        }
        Ok(done)
    }

    /// Checks whether a chain is mapped in the directions in which the device uses it, if the
    /// transport maps memory.
    ///
    /// # Errors
    ///
    /// Those of [`Maps::check`].
    fn check_mapped(&self, chain: Option<Chain>) -> Result<Option<Chain>> {
        if let Some(chain) = chain.as_ref().filter(|_| self.spec.has_operations()) {
            for segment in chain.segments() {
                self.maps
                    .check(segment.addr, segment.len.into(), segment.writable)?;
            }
            if let Some((addr, len)) = chain.table {
                // `EFAULT`: the table is in a coherent area, which is not in the account.
                match self.maps.check(addr, len.into(), false) {
                    Ok(()) | Err(EFAULT) => (),
                    Err(e) => return Err(e),
                }
            }
        }
        Ok(chain)
    }

    /// Counts and reports an error of the driver.
    fn rule<T>(&self, index: usize, result: Result<T>) -> Result<T> {
        if let Err(e) = &result {
            pr_err!(
                "queue {}: the driver broke a rule of the ring: {:?}\n",
                index,
                e
            );
            self.violations.fetch_add(1, Relaxed);
        }
        result
    }

    /// Runs `f` on the oldest buffer that the device holds, and carries out the action. Returns
    /// whether the driver wants an interrupt.
    pub(crate) fn finish(
        &self,
        index: usize,
        f: impl FnOnce(&mut Chain) -> Action,
    ) -> Result<bool> {
        let mut queues = self.queues.lock();
        let queue = queues.get_mut(index).ok_or(ENOENT)?;
        let ring = queue.ring.as_mut().ok_or(ENODEV)?;
        if queue.held.is_empty() {
            return Err(ENOENT);
        }
        let mut chain = queue.held.remove(0).map_err(|_| ENOENT)?;
        let action = f(&mut chain);
        let pushed = apply(ring, &chain, action)?;
        match action {
            Action::Hold => queue.held.push(chain, GFP_KERNEL)?,
            Action::Lose => queue.lost.push(chain, GFP_KERNEL)?,
            _ => (),
        }
        Ok(pushed && ring.wants_interrupt()?)
    }

    /// Uses the `count` oldest buffers that the device holds in one batch: the used entry has the
    /// id of the last one (virtio spec §2.7.9, §2.8.8).
    pub(crate) fn finish_batch(&self, index: usize, count: usize, len: u32) -> Result<bool> {
        let mut queues = self.queues.lock();
        let queue = queues.get_mut(index).ok_or(ENOENT)?;
        let ring = queue.ring.as_mut().ok_or(ENODEV)?;
        let batch = queue.held.get(..count).ok_or(ENOENT)?;
        let last = batch.last().ok_or(EINVAL)?.id;
        let slots = batch.iter().map(|chain| chain.slots).sum();
        // CAST: A queue has less than 2^16 buffers.
        ring.push_batch(last.into(), len, slots, count as u16)?;
        for _ in 0..count {
            queue.held.remove(0).map_err(|_| ENOENT)?;
        }
        ring.wants_interrupt()
    }

    /// Uses all buffers that the device has, with no byte written.
    pub(crate) fn rescue(&self) {
        {
            let mut regs = self.regs.lock();
            regs.faults.gone = false;
            regs.faults.mute = false;
            regs.faults.mute_queue = None;
            regs.faults.reset_ignored = false;
            regs.faults.reset_refused = false;
            regs.faults.queue_reset_waits = false;
            regs.faults.swallow_interrupts = 0;
        }
        let mut queues = self.queues.lock();
        for (queue, line) in queues.iter_mut().zip(&self.lines) {
            let Some(ring) = queue.ring.as_mut() else {
                continue;
            };
            for chain in Iterator::chain(queue.held.drain_all(), queue.lost.drain_all()) {
                // A ring that cannot be written cannot be rescued.
                let _ = ring.push(chain.id.into(), 0, chain.slots);
            }
            line.raise();
        }
    }

    /// Runs `f` on a ring. `f` may break rules.
    pub(crate) fn ring<R>(
        &self,
        index: usize,
        f: impl FnOnce(&mut DeviceRing) -> Result<R>,
    ) -> Result<R> {
        let mut queues = self.queues.lock();
        let queue = queues.get_mut(index).ok_or(ENOENT)?;
        f(queue.ring.as_mut().ok_or(ENODEV)?)
    }

    /// Raises the interrupt of a queue, unless a fault drops it.
    pub(crate) fn raise(&self, index: usize) -> Result {
        {
            let mut regs = self.regs.lock();
            if regs.faults.gone {
                return Ok(());
            }
            if regs.faults.swallow_interrupts > 0 {
                regs.faults.swallow_interrupts -= 1;
                return Ok(());
            }
        }
        self.line(index)?.raise();
        Ok(())
    }
}

/// Returns the unbound workqueue of the system.
fn unbound() -> &'static workqueue::Queue {
    // SAFETY: The queue is made at boot, and never destroyed.
    unsafe { workqueue::Queue::from_raw(bindings::system_dfl_wq) }
}

fn new_line(deliver: Deliver) -> Result<Pin<KBox<InterruptLine>>> {
    KBox::pin_init(InterruptLine::new(deliver), GFP_KERNEL).map_err(|_: Error| ENOMEM)
}

/// Carries out the action of the backend. Returns whether a buffer was pushed.
fn apply(ring: &mut DeviceRing, chain: &Chain, action: Action) -> Result<bool> {
    match action {
        Action::Complete(len) => ring.push(chain.id.into(), len, chain.slots)?,
        Action::CompleteAs { id, len } => ring.push(id, len, chain.slots)?,
        Action::Twice(len) => {
            ring.push(chain.id.into(), len, chain.slots)?;
            ring.push(chain.id.into(), len, chain.slots)?;
        }
        Action::Hold | Action::Lose => return Ok(false),
    }
    Ok(true)
}

/// Returns the target of a line for a queue.
pub(crate) fn queue_target(vq: *mut bindings::virtqueue) -> *mut c_void {
    vq.cast()
}
