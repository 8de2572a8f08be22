// SPDX-License-Identifier: GPL-2.0

//! The object behind a `struct virtqueue`.
//!
//! It has three parts: the C structure, which transports and drivers read; what may be asked of a
//! queue at any time from anywhere ([`Queue`] itself); and what needs the exclusion that C asks of
//! its callers ([`Inner`]).

use crate::{
    backing::{
        Backing,
        Format, //
    },
    bindings::{
        self,
        virtqueue, //
    },
    device::Virtio,
    dma::Mapper,
    mapped::Mapped,
    physical::Physical,
    platform::Kernel,
    report,
    ring::{
        packed,
        split,
        Armed,
        Broken,
        Interrupt,
        Packed,
        Slot,
        Split, //
    },
    segment::{
        RawToken,
        Segments, //
    },
    show::{
        self,
        Shown, //
    },
    stats::{
        Counters,
        Stamps, //
    },
    trace, //
};
use core::cell::UnsafeCell;
use kernel::{
    alloc::KVVec,
    prelude::*,
    sync::Arc, //
};

/// Notifies the device of a queue; false if it is gone.
pub type Notify = unsafe extern "C" fn(*mut virtqueue) -> bool;

/// The private state of the ids of a queue.
pub type Slots = KVVec<Slot<RawToken>>;

type SplitRing<const IN_ORDER: bool> =
    Split<Kernel, RawToken, Slots, Arc<split::Control<Kernel>>, IN_ORDER>;
type PackedRing<const IN_ORDER: bool> =
    Packed<Kernel, RawToken, Slots, Arc<packed::Control<Kernel>>, IN_ORDER>;

/// The ring of a queue: which one was negotiated.
///
/// An enum and not a trait object: the choice is one predictable branch, and what is behind it can
/// be inlined.
pub(crate) enum Ring {
    Split(SplitRing<false>),
    Packed(PackedRing<false>),
    SplitInOrder(SplitRing<true>),
    PackedInOrder(PackedRing<true>),
}

/// Does the same with the ring of whichever layout.
macro_rules! each_ring {
    ($ring:expr, $name:ident => $body:expr) => {
        match $ring {
            $crate::queue::Ring::Split($name) => $body,
            $crate::queue::Ring::Packed($name) => $body,
            $crate::queue::Ring::SplitInOrder($name) => $body,
            $crate::queue::Ring::PackedInOrder($name) => $body,
        }
    };
}
pub(crate) use each_ring;

/// The part of the ring that needs no exclusion.
pub(crate) enum Shared {
    Split(Arc<split::Control<Kernel>>),
    Packed(Arc<packed::Control<Kernel>>),
}

/// Does the same with the shared part of whichever layout.
macro_rules! each_control {
    ($shared:expr, $name:ident => $body:expr) => {
        match $shared {
            $crate::queue::Shared::Split($name) => $body,
            $crate::queue::Shared::Packed($name) => $body,
        }
    };
}

/// What of a queue needs exclusion: who has it by `&mut` is the only one who adds, kicks, gets and
/// switches callbacks.
pub struct Inner {
    pub(crate) ring: Ring,
    /// Only where memory is mapped for the device.
    pub(crate) mapped: Option<Mapped>,
    pub(crate) vdev: Virtio,
    pub(crate) index: u32,
    /// The queue that this is of, for tracing.
    pub(crate) vq: *const virtqueue,
    pub(crate) counters: Arc<Counters>,
    pub(crate) stamps: Arc<Stamps>,
}

/// A queue.
///
/// # Invariants
///
/// `vq` is the first field, so that a pointer to it is one to the queue.
#[repr(C)]
pub struct Queue {
    pub(crate) vq: UnsafeCell<virtqueue>,
    pub(crate) notify: Notify,
    pub(crate) shared: Shared,
    pub(crate) counters: Arc<Counters>,
    inner: UnsafeCell<Inner>,
    pub(crate) mapper: Mapper,
    /// Whether the ring goes through the mapper.
    pub(crate) mapped: bool,
    pub(crate) format: Format,
    /// What the ring is in; changed while nobody uses the queue.
    pub(crate) backing: UnsafeCell<Backing>,
    /// How it shows itself; changed then, too.
    shown: UnsafeCell<Option<Shown>>,
}

impl Queue {
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn new(
        vq: virtqueue,
        notify: Notify,
        shared: Shared,
        inner: Inner,
        mapper: Mapper,
        mapped: bool,
        format: Format,
        backing: Backing,
    ) -> Self {
        Self {
            vq: UnsafeCell::new(vq),
            notify,
            shared,
            counters: inner.counters.clone(),
            inner: UnsafeCell::new(inner),
            mapper,
            mapped,
            format,
            backing: UnsafeCell::new(backing),
            shown: UnsafeCell::new(None),
        }
    }

    /// Makes the queue known to its own parts, and shows it, once it is where it stays.
    ///
    /// # Safety
    ///
    /// Nobody uses the queue meanwhile; [`Queue::hide`] is called before it goes or moves.
    pub(crate) unsafe fn settle(&self) {
        // SAFETY: By the safety requirements.
        unsafe {
            let inner = self.inner();
            inner.vq = self.as_raw();
            *self.shown.get() = show::show(self, inner.stamps.clone());
        }
    }

    /// Ends that. Waits for who looks at it: process context.
    ///
    /// # Safety
    ///
    /// Nobody uses the queue meanwhile.
    pub(crate) unsafe fn hide(&self) {
        // SAFETY: By the safety requirements.
        unsafe { *self.shown.get() = None };
    }

    /// The queue of a C structure.
    ///
    /// # Safety
    ///
    /// `vq` was made by [`Queue::create`] and lives as long as the result is used.
    #[inline(always)]
    pub unsafe fn from_raw<'a>(vq: *const virtqueue) -> &'a Self {
        // SAFETY: By the safety requirements and the type invariant.
        unsafe { &*vq.cast() }
    }

    /// The C structure.
    #[inline(always)]
    pub fn as_raw(&self) -> *mut virtqueue {
        self.vq.get()
    }

    /// What of the queue needs exclusion.
    ///
    /// # Safety
    ///
    /// The caller is the only one who uses it, as long as the result is used.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn inner(&self) -> &mut Inner {
        // SAFETY: By the safety requirements.
        unsafe { &mut *self.inner.get() }
    }

    /// As [`Queue::inner`], to look at.
    ///
    /// # Safety
    ///
    /// Nobody changes it as long as the result is used.
    #[inline(always)]
    pub unsafe fn peek(&self) -> &Inner {
        // SAFETY: By the safety requirements.
        unsafe { &*self.inner.get() }
    }

    /// The device.
    #[inline(always)]
    pub fn vdev(&self) -> Virtio {
        // SAFETY: The field does not change, and queues do not outlive their device.
        unsafe { Virtio::new((*self.as_raw()).vdev) }
    }

    /// How memory is mapped for the device, if it has to be.
    #[inline]
    pub fn mapper(&self) -> Option<&Mapper> {
        self.mapped.then_some(&self.mapper)
    }

    /// How memory would be mapped, for who asks for it where the ring does not.
    #[inline]
    pub fn any_mapper(&self) -> &Mapper {
        &self.mapper
    }

    fn backing(&self) -> &Backing {
        // SAFETY: Changed only while nobody uses the queue.
        unsafe { &*self.backing.get() }
    }

    /// Whether the memory of the ring is the queue's own.
    pub fn is_owned(&self) -> bool {
        self.backing().is_owned()
    }

    /// Where the device finds the parts of the ring, if they are the queue's own.
    pub fn addresses(&self) -> Option<[bindings::dma_addr_t; 3]> {
        self.backing().addresses()
    }

    /// The ring as C code looks at it; of a split one all of it, of a packed one its size.
    pub fn vring(&self) -> *const bindings::vring {
        self.backing().vring()
    }

    /// Notifies the device of a ring that is full, whether or not it wants to know: drivers of old
    /// devices count on it. Split rings only, as C has it.
    #[cold]
    pub fn notify_full(&self) {
        if matches!(self.shared, Shared::Split(_)) {
            // SAFETY: The transport gave the function for queues such as this one.
            unsafe { (self.notify)(self.as_raw()) };
        }
    }

    /// Notifies the device, which may leave the guest. Returns false if the queue is broken, or if
    /// it is now, because the transport cannot.
    #[inline]
    pub fn notify(&self) -> bool {
        if self.is_broken() {
            return false;
        }
        self.counters.notified.count();
        // SAFETY: The transport gave the function for queues such as this one.
        let notified = unsafe { (self.notify)(self.as_raw()) };
        if !notified {
            self.declare_broken();
        }
        notified
    }

    /// Asks the device for no more callbacks: a hint, a callback may still come.
    #[inline]
    pub fn disable_cb(&self) {
        each_control!(&self.shared, control => control.disable_cb());
    }

    /// Whether there are used buffers behind the place as of which callbacks were enabled. One
    /// full barrier. False if the queue is broken.
    #[inline]
    pub fn poll(&self, armed: Armed) -> bool {
        each_control!(&self.shared, control => control.poll(armed))
    }

    /// What an interrupt, which may be another queue's, means for this one.
    #[inline]
    pub fn interrupt(&self) -> Interrupt {
        let interrupt = each_control!(&self.shared, control => control.interrupt());
        match interrupt {
            Interrupt::Callback => {
                self.counters.callbacks.count();
                // SAFETY: The queue is valid.
                unsafe { trace::callback(self.as_raw()) };
            }
            Interrupt::None | Interrupt::Ignore => self.counters.idle_interrupts.count(),
        }
        interrupt
    }

    /// Where the next buffer is made available, and where the next used one is taken.
    pub(crate) fn places(&self) -> (u16, u16) {
        each_control!(&self.shared, control => control.places())
    }

    /// Whether the driver wants to be called.
    pub(crate) fn wants_callbacks(&self) -> bool {
        each_control!(&self.shared, control => control.wants_callbacks())
    }

    /// Number of descriptors.
    pub(crate) fn size(&self) -> u16 {
        self.backing().size()
    }

    /// Bytes of memory that the device uses.
    pub(crate) fn memory(&self) -> usize {
        self.backing().bytes()
    }

    /// What to write as a notification with `VIRTIO_F_NOTIFICATION_DATA` (virtio spec §2.9).
    #[inline]
    pub fn notification_data(&self) -> u32 {
        // SAFETY: The field does not change. CAST: There are at most 2^16 queues.
        let index = unsafe { (*self.as_raw()).index } as u16;
        each_control!(&self.shared, control => control.notification_data(index))
    }

    /// Whether the queue is broken: it takes and gives nothing any more.
    #[inline(always)]
    pub fn is_broken(&self) -> bool {
        each_control!(&self.shared, control => control.is_broken())
    }

    /// Why the queue is broken, if it is.
    pub fn broken(&self) -> Option<Broken> {
        each_control!(&self.shared, control => control.broken())
    }

    /// Declares the queue broken.
    #[cold]
    pub fn declare_broken(&self) {
        each_control!(&self.shared, control => control.declare_broken());
    }

    /// Takes a declaration back: for a device that was reset, or does not know the queue yet.
    pub fn unbreak(&self) {
        each_control!(&self.shared, control => control.unbreak());
    }
}

impl Inner {
    /// From now on a device that claims to have written more than there was to write breaks the
    /// queue; before, the length is cut. Legacy devices are known to, and excused (virtio spec
    /// §2.7.8.1).
    pub fn be_strict(&mut self) {
        let trim = !self.vdev.has(bindings::VIRTIO_F_VERSION_1);
        each_ring!(&mut self.ring, ring => ring.trim_lengths(trim));
    }

    /// Gives a buffer of up to `segments` segments to the device, which gets to know of it with
    /// [`Inner::publish`] or [`Inner::kick_prepare`]. `attrs` are those of its DMA mappings.
    ///
    /// # Errors
    ///
    /// - `ENOSPC`: the ring is full; again when something was taken out;
    /// - `ENOMEM`: it could not be mapped for now;
    /// - `EINVAL`: it has no segment, more than the queue can take, or memory to read behind
    ///   memory to write;
    /// - `EIO`: the queue is broken.
    #[inline]
    pub fn add<B: Segments>(
        &mut self,
        token: RawToken,
        segments: u16,
        buffer: &B,
        attrs: usize,
    ) -> Result {
        let added = if self.mapped.is_some() {
            self.add_mapped(token, buffer, attrs)
        } else {
            // A function each: each has the registers for itself.
            match &mut self.ring {
                Ring::Split(ring) => add_split(ring, token, segments, buffer),
                Ring::Packed(ring) => add_packed(ring, token, segments, buffer),
                Ring::SplitInOrder(ring) => add_split(ring, token, segments, buffer),
                Ring::PackedInOrder(ring) => add_packed(ring, token, segments, buffer),
            }
        };
        match added {
            Ok(id) => {
                self.stamps.added(id);
                // SAFETY: The queue is valid.
                unsafe { trace::add(self.vq, id.into(), segments.into(), self.num_free().into()) };
                Ok(())
            }
            Err(error) => {
                if error == ENOSPC {
                    self.counters.full.count();
                }
                Err(error)
            }
        }
    }

    #[inline(never)]
    fn add_mapped<B: Segments>(
        &mut self,
        token: RawToken,
        buffer: &B,
        attrs: usize,
    ) -> Result<u16> {
        let Self { ring, mapped, .. } = self;
        let Some(mapped) = mapped else {
            return Err(EINVAL);
        };
        mapped.add(buffer, attrs, |segments, addresses| {
            each_ring!(ring, ring => ring.add(token, segments, addresses).map_err(|(e, _)| e.into()))
        })
    }

    /// Tells the device of what was added, without a notification.
    #[inline]
    pub fn publish(&mut self) {
        each_ring!(&mut self.ring, ring => ring.publish());
    }

    /// Publishes what was added, and says whether the device wants to be notified of it. One full
    /// barrier. False if the queue is broken.
    #[inline]
    pub fn kick_prepare(&mut self) -> bool {
        let notify = each_ring!(&mut self.ring, ring => ring.kick_prepare());
        self.kicked(notify);
        notify
    }

    /// Notes that a driver kicked.
    #[inline(always)]
    fn kicked(&self, notify: bool) {
        self.counters.kicks.count();
        // SAFETY: The queue is valid.
        unsafe { trace::kick(self.vq, notify) };
    }

    /// Takes a buffer that the device has used, and how many bytes it wrote. `None` if there is
    /// none or the queue is broken: what a device did to break it is told here, once.
    #[inline]
    pub fn get(&mut self) -> Option<(RawToken, u32)> {
        let Some(used) = each_ring!(&mut self.ring, ring => ring.get()) else {
            self.nothing();
            return None;
        };
        Taken {
            mapped: &mut self.mapped,
            stamps: &self.stamps,
            vq: self.vq,
        }
        .note(used.id, used.len);
        Some((used.token, used.len))
    }

    /// Takes all buffers that the device has used, with callbacks off meanwhile, until there is
    /// none and callbacks are on again. `take` gets each, and how many bytes were written.
    ///
    /// A broken queue ends it, as [`Inner::get`].
    #[inline]
    pub fn drain(&mut self, mut take: impl FnMut(RawToken, u32)) {
        let Self {
            ring,
            mapped,
            stamps,
            vq,
            ..
        } = self;
        let mut taken = Taken {
            mapped,
            stamps,
            vq: *vq,
        };
        each_ring!(ring, ring => loop {
            ring.disable_cb();
            while let Some(used) = ring.get() {
                taken.note(used.id, used.len);
                take(used.token, used.len);
            }
            if ring.enable_cb() {
                break;
            }
        });
        self.nothing();
    }

    /// Why there was nothing to get.
    #[inline]
    fn nothing(&mut self) {
        let broken = each_ring!(&self.ring, ring => ring.control().is_broken());
        if broken {
            self.tell();
        }
    }

    #[cold]
    fn tell(&mut self) {
        if let Some(report) = each_ring!(&mut self.ring, ring => ring.take_report()) {
            report::tell(self.vdev, self.index, report);
            // SAFETY: The queue is valid.
            unsafe {
                trace::broken(self.vq, report.reason as u32, report.value, report.limit);
            }
        }
    }

    /// First half of [`Inner::enable_cb`], without a barrier: [`Queue::poll`] is the second.
    #[inline]
    pub fn enable_cb_prepare(&mut self) -> Armed {
        each_ring!(&mut self.ring, ring => ring.enable_cb_prepare())
    }

    /// Asks for a callback at the next used buffer and looks again: false if there are used
    /// buffers by now. One full barrier.
    #[inline]
    pub fn enable_cb(&mut self) -> bool {
        each_ring!(&mut self.ring, ring => ring.enable_cb())
    }

    /// As [`Inner::enable_cb`], for when most of what the device has is used.
    #[inline]
    pub fn enable_cb_delayed(&mut self) -> bool {
        each_ring!(&mut self.ring, ring => ring.enable_cb_delayed())
    }

    /// [`Inner::kick_prepare`] and [`Inner::enable_cb_delayed`] with one barrier for both.
    #[inline]
    pub fn kick_prepare_enable_cb_delayed(&mut self) -> (bool, bool) {
        let (notify, quiet) =
            each_ring!(&mut self.ring, ring => ring.kick_prepare_enable_cb_delayed());
        self.kicked(notify);
        (notify, quiet)
    }

    /// Takes back a buffer that the device has not used.
    ///
    /// # Safety
    ///
    /// The device uses neither the ring nor any of its buffers: it, or the queue, was reset.
    pub unsafe fn detach_unused(&mut self) -> Option<RawToken> {
        // SAFETY: By the safety requirements.
        let unused = each_ring!(&mut self.ring, ring => unsafe { ring.detach_unused() })?;
        if let Some(mapped) = &mut self.mapped {
            mapped.unmap(unused.id);
        }
        self.stamps.taken(unused.id);
        Some(unused.token)
    }

    /// Descriptors that are free. A buffer takes one for each segment, or one in all if it is
    /// described by a table.
    #[inline(always)]
    pub fn num_free(&self) -> u16 {
        each_ring!(&self.ring, ring => ring.num_free())
    }

    /// Buffers that the device has.
    #[inline]
    pub fn in_flight(&self) -> u16 {
        each_ring!(&self.ring, ring => ring.in_flight())
    }

    /// Number of descriptors.
    #[inline]
    pub fn size(&self) -> u16 {
        each_ring!(&self.ring, ring => ring.size())
    }
}

/// What is to be done with a buffer that was taken, besides giving it back.
struct Taken<'a> {
    mapped: &'a mut Option<Mapped>,
    stamps: &'a Stamps,
    vq: *const virtqueue,
}

impl Taken<'_> {
    #[inline(always)]
    fn note(&mut self, id: u16, len: u32) {
        if let Some(mapped) = self.mapped {
            mapped.unmap(id);
        }
        self.stamps.taken(id);
        // SAFETY: The queue is valid.
        unsafe { trace::get_buf(self.vq, id.into(), len) };
    }
}

#[inline(never)]
fn add_split<B: Segments, const IN_ORDER: bool>(
    ring: &mut SplitRing<IN_ORDER>,
    token: RawToken,
    segments: u16,
    buffer: &B,
) -> Result<u16> {
    ring.add(token, segments, &mut Physical(buffer))
        .map_err(|(error, _)| error)
}

#[inline(never)]
fn add_packed<B: Segments, const IN_ORDER: bool>(
    ring: &mut PackedRing<IN_ORDER>,
    token: RawToken,
    segments: u16,
    buffer: &B,
) -> Result<u16> {
    ring.add(token, segments, &mut Physical(buffer))
        .map_err(|(error, _)| error)
}

/// A structure of a queue to be, as C fills it in.
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
