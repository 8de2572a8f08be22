// SPDX-License-Identifier: GPL-2.0

//! The object behind a `struct virtqueue`.
//!
//! It has three parts: the C structure, which transports and drivers read; the operations for any
//! context without a lock ([`Queue`] itself, and [`with_lockless!`](crate::with_lockless)); and the
//! operations that need the exclusion that C asks of its callers ([`ExclusiveQueue`], and
//! [`with_ring!`](crate::with_ring)).

use crate::{
    bindings::{
        self,
        virtqueue, //
    },
    debugfs::{
        self,
        QueueFile, //
    },
    device::Virtio,
    dma::Mapper,
    exclusive::ExclusiveQueue,
    platform::Kernel,
    ring::{
        packed,
        split,
        Interrupt, //
    },
    ring_memory::{
        RingMemory,
        RingParams, //
    },
    stats::Counters,
    trace, //
};
use core::cell::UnsafeCell;
use kernel::{
    container_of,
    sync::Arc, //
};

/// The function that notifies the device of a queue. Returns false if the device is gone.
pub type Notify = unsafe extern "C" fn(*mut virtqueue) -> bool;

/// The part of the ring that needs no exclusion.
pub enum LocklessPart {
    /// The part of a split ring.
    Split(Arc<split::LocklessState<Kernel>>),
    /// The part of a packed ring.
    Packed(Arc<packed::LocklessState<Kernel>>),
}

/// Evaluates an expression with the [`LocklessState`](crate::ring::LocklessState) of a [`Queue`],
/// which has the operations for any context without a lock. The expression is compiled for each
/// layout.
#[macro_export]
macro_rules! with_lockless {
    ($queue:expr, |$state:ident| $body:expr) => {
        match $queue.lockless_part() {
            $crate::queue::LocklessPart::Split($state) => $body,
            $crate::queue::LocklessPart::Packed($state) => $body,
        }
    };
}

/// A queue.
///
/// C gets pointers to `vq` that are derived from a pointer to the whole queue, so the queue can be
/// reached from them.
#[repr(C)]
pub struct Queue {
    pub(crate) vq: UnsafeCell<virtqueue>,
    pub(crate) notify: Notify,
    pub(crate) lockless_part: LocklessPart,
    pub(crate) counters: Arc<Counters>,
    exclusive: UnsafeCell<ExclusiveQueue>,
    pub(crate) mapper: Mapper,
    /// Whether the ring maps memory with the mapper.
    pub(crate) needs_mapping: bool,
    pub(crate) params: RingParams,
    /// The memory of the ring. It is replaced only while no other code uses the queue.
    pub(crate) ring_memory: UnsafeCell<RingMemory>,
    /// The queue's file in debugfs. It is replaced together with the memory.
    debugfs_file: UnsafeCell<Option<QueueFile>>,
}

/// The parts that a queue is made of.
pub(crate) struct QueueParts {
    pub(crate) vq: virtqueue,
    pub(crate) notify: Notify,
    pub(crate) lockless_part: LocklessPart,
    pub(crate) exclusive: ExclusiveQueue,
    pub(crate) mapper: Mapper,
    pub(crate) needs_mapping: bool,
    pub(crate) params: RingParams,
    pub(crate) ring_memory: RingMemory,
}

impl Queue {
    /// Makes a queue of its parts.
    pub(crate) fn new(mut parts: QueueParts) -> Self {
        let counters = parts.exclusive.bookkeeping().counters.clone();
        Self {
            vq: UnsafeCell::new(parts.vq),
            notify: parts.notify,
            lockless_part: parts.lockless_part,
            counters,
            exclusive: UnsafeCell::new(parts.exclusive),
            mapper: parts.mapper,
            needs_mapping: parts.needs_mapping,
            params: parts.params,
            ring_memory: UnsafeCell::new(parts.ring_memory),
            debugfs_file: UnsafeCell::new(None),
        }
    }

    /// Sets the back pointers of the queue and creates its debugfs file. Called once the queue no
    /// longer moves.
    ///
    /// # Safety
    ///
    /// No other code uses the queue during the call. [`Queue::remove_debugfs`] is called before the
    /// queue is freed or moved. The owner of the queue has only a pointer to it.
    pub(crate) unsafe fn init_in_place(&self) {
        // SAFETY: By the safety requirements, no other code uses the queue during the call.
        unsafe {
            let exclusive = self.exclusive();
            let bookkeeping = exclusive.bookkeeping();
            bookkeeping.vq = self.as_raw();
            *self.debugfs_file.get() = debugfs::create_file(self, bookkeeping.stamps().clone());
        }
    }

    /// Removes the queue's file from debugfs, and waits for its readers. Process context, sleeps.
    ///
    /// # Safety
    ///
    /// No other code uses the queue during the call.
    pub(crate) unsafe fn remove_debugfs(&self) {
        // SAFETY: By the safety requirements, no other code uses the queue during the call.
        unsafe { *self.debugfs_file.get() = None };
    }

    /// Returns the queue of a C structure.
    ///
    /// # Safety
    ///
    /// `vq` belongs to a queue that was made by [`Queue::create`], and that lives as long as the
    /// result is used. The pointer is derived from one to the whole queue, as those are that C has.
    #[inline(always)]
    pub unsafe fn from_raw<'a>(vq: *const virtqueue) -> &'a Self {
        let vq: *const UnsafeCell<virtqueue> = vq.cast();
        // SAFETY: By the safety requirements, the structure is in a queue that lives long enough,
        // and the pointer may be used for the whole queue.
        unsafe { &*container_of!(vq, Self, vq) }
    }

    /// Returns the C structure, by a pointer from which the queue can be reached.
    #[inline(always)]
    pub fn as_raw(&self) -> *mut virtqueue {
        let queue: *const Self = self;
        // SAFETY: `queue` comes from a reference, so it is valid.
        UnsafeCell::raw_get(unsafe { &raw const (*queue).vq })
    }

    /// Returns the part of the queue that needs exclusion.
    ///
    /// # Safety
    ///
    /// No other code uses this part as long as the result is used.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn exclusive(&self) -> &mut ExclusiveQueue {
        // SAFETY: By the safety requirements, no other code uses the part as long as the reference
        // exists.
        unsafe { &mut *self.exclusive.get() }
    }

    /// Returns the part of the ring that needs no exclusion, for
    /// [`with_lockless!`](crate::with_lockless).
    #[inline(always)]
    pub fn lockless_part(&self) -> &LocklessPart {
        &self.lockless_part
    }

    /// Returns the device.
    #[inline(always)]
    pub fn vdev(&self) -> Virtio {
        // SAFETY: The field does not change, and a queue does not outlive its device.
        unsafe { Virtio::new((*self.as_raw()).vdev) }
    }

    /// Returns the mapper of the device's memory, if memory has to be mapped.
    #[inline]
    pub fn mapper(&self) -> Option<&Mapper> {
        self.needs_mapping.then_some(&self.mapper)
    }

    /// Returns the DMA mapper, also when the ring itself is not mapped: for drivers that map their
    /// own buffers.
    #[inline]
    pub fn any_mapper(&self) -> &Mapper {
        &self.mapper
    }

    fn ring_memory(&self) -> &RingMemory {
        // SAFETY: The memory is replaced only while no other code uses the queue.
        unsafe { &*self.ring_memory.get() }
    }

    /// Returns whether the queue owns the memory of the ring.
    pub fn is_owned(&self) -> bool {
        self.ring_memory().is_owned()
    }

    /// Returns the addresses at which the device finds the parts of the ring, if the queue owns the
    /// memory.
    pub fn addresses(&self) -> Option<[bindings::dma_addr_t; 3]> {
        self.ring_memory().addresses()
    }

    /// Returns the `struct vring` for C. For a packed ring only its size is set.
    pub fn vring(&self) -> *const bindings::vring {
        self.ring_memory().vring()
    }

    /// Notifies the device of a full ring, whether or not it wants a notification: drivers of old
    /// devices rely on it. Split rings only, as in C.
    #[cold]
    pub fn notify_full(&self) {
        if matches!(self.lockless_part, LocklessPart::Split(_)) {
            // SAFETY: The transport passed the function for this queue.
            unsafe { (self.notify)(self.as_raw()) };
        }
    }

    /// Notifies the device, which may leave the guest. Returns false if the queue is broken. If the
    /// transport cannot notify, marks the queue broken.
    #[inline]
    pub fn notify(&self) -> bool {
        if with_lockless!(self, |state| state.is_broken()) {
            return false;
        }
        self.notify_now()
    }

    /// As [`Queue::notify`], for a caller that has just seen that the queue is not broken.
    #[inline]
    pub fn notify_now(&self) -> bool {
        self.counters.notified.count();
        // SAFETY: The transport passed the function for this queue.
        let notified = unsafe { (self.notify)(self.as_raw()) };
        if !notified {
            with_lockless!(self, |state| state.declare_broken());
        }
        notified
    }

    /// Begins a replacement of the ring: other contexts find no ring until [`Queue::end_resize`].
    /// When this returns, no interrupt handler reads the ring. Process context, sleeps.
    pub(crate) fn begin_resize(&self) {
        with_lockless!(self, |state| state.disable_ring());
        // SAFETY: May be called in process context.
        unsafe { bindings::synchronize_rcu() };
    }

    /// Ends what [`Queue::begin_resize`] began. Process context, sleeps.
    ///
    /// # Safety
    ///
    /// The ring of the queue was replaced, or will not be.
    pub(crate) unsafe fn end_resize(&self) {
        // Waits for the handlers that found no ring: a later one finds the new ring.
        // SAFETY: May be called in process context.
        unsafe { bindings::synchronize_rcu() };
        // SAFETY: A queue has a ring. By the safety requirements, it stays.
        with_lockless!(self, |state| unsafe { state.enable_ring() });
    }

    /// Returns the meaning of an interrupt for this queue. The interrupt may be that of another
    /// queue.
    #[inline]
    pub fn interrupt(&self) -> Interrupt {
        let interrupt = with_lockless!(self, |state| state.interrupt());
        match interrupt {
            Interrupt::Callback => {
                self.counters.callbacks.count();
                // SAFETY: `as_raw` returns the C structure of this queue, which is valid.
                unsafe { trace::callback(|| (self.as_raw(),)) };
            }
            Interrupt::None | Interrupt::Ignore => self.counters.idle_interrupts.count(),
        }
        interrupt
    }

    /// Returns the number of used buffers whose reported length was more than they have room for.
    pub fn lengths_cut(&self) -> usize {
        self.counters.cut.get()
    }

    /// Returns the number of descriptors.
    pub(crate) fn size(&self) -> u16 {
        self.ring_memory().size()
    }

    /// Returns the number of bytes of memory that the device uses.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.ring_memory().bytes() + self.counters.tables.get()
    }
}

/// Returns a new `struct virtqueue`, with the fields that C sets.
pub(crate) fn fields(
    index: u32,
    vdev: Virtio,
    callback: bindings::vq_callback_t,
    name: *const kernel::ffi::c_char,
    num_free: u32,
) -> virtqueue {
    virtqueue {
        callback,
        name: name.cast(),
        vdev: vdev.as_raw(),
        index,
        num_free,
        ..virtqueue::default()
    }
}
