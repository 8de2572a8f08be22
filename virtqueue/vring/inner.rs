// SPDX-License-Identifier: GPL-2.0

//! What of a queue needs exclusion.

use crate::{
    bindings::{
        self,
        virtqueue, //
    },
    device::Virtio,
    mapped::Mapped,
    physical::{
        Physical,
        Single, //
    },
    platform::Kernel,
    report,
    ring::{
        packed,
        split,
        Armed,
        Control,
        Format,
        Frame, //
    },
    segment::{
        RawToken,
        Segment,
        Segments, //
    },
    stats::{
        Counters,
        StampWriter,
        Stamps, //
    },
    trace, //
};
use core::{
    ffi::c_void,
    ptr::null_mut, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The private state of the ids of a queue.
pub type Slots = kernel::alloc::KVVec<crate::ring::Slot<RawToken>>;

/// A ring of format `F`, in the kernel.
pub(crate) type RingOf<F> = Frame<F, RawToken, Slots, Arc<Control<Kernel, <F as Format>::View>>>;

type SplitRing<const IN_ORDER: bool> = RingOf<split::Format<Kernel, IN_ORDER>>;
type PackedRing<const IN_ORDER: bool> = RingOf<packed::Format<Kernel, IN_ORDER>>;

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
            $crate::inner::Ring::Split($name) => $body,
            $crate::inner::Ring::Packed($name) => $body,
            $crate::inner::Ring::SplitInOrder($name) => $body,
            $crate::inner::Ring::PackedInOrder($name) => $body,
        }
    };
}
pub(crate) use each_ring;

/// What goes with the ring, whatever its layout.
pub(crate) struct Side {
    /// Only where memory is mapped for the device.
    pub(crate) mapped: Option<Mapped>,
    pub(crate) vdev: Virtio,
    pub(crate) index: u32,
    /// The queue that this is of, for tracing.
    pub(crate) vq: *mut virtqueue,
    pub(crate) counters: Arc<Counters>,
    stamp: StampWriter,
    stamps: Arc<Stamps>,
}

impl Side {
    /// What goes with a ring of `size` descriptors.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(mapped: Option<Mapped>, vdev: Virtio, index: u32, size: u16) -> Result<Self> {
        let stamps = Arc::new(Stamps::new(size)?, GFP_KERNEL)?;
        Ok(Self {
            mapped,
            vdev,
            index,
            vq: null_mut(),
            counters: Arc::new(Counters::new(), GFP_KERNEL)?,
            // INVARIANT: The stamps stay as long as this.
            stamp: stamps.writer(),
            stamps,
        })
    }

    /// Takes other stamps, for a ring of their size.
    pub(crate) fn set_stamps(&mut self, stamps: Arc<Stamps>) {
        // INVARIANT: The stamps stay as long as this.
        self.stamp = stamps.writer();
        self.stamps = stamps;
    }

    /// Since when the device has what.
    pub(crate) fn stamps(&self) -> &Arc<Stamps> {
        &self.stamps
    }

    /// Notes that a buffer was added.
    #[inline(always)]
    fn added(&self, id: u16, segments: u16, free: u16) {
        // SAFETY: The ring gave out the id.
        unsafe { self.stamp.added(id) };
        // SAFETY: The queue is valid.
        unsafe { trace::add(self.vq, id.into(), segments.into(), free.into()) };
    }

    /// Notes that a buffer was not added.
    #[cold]
    fn refused(&self, error: Error) -> Error {
        if error == ENOSPC {
            self.counters.full.count();
        }
        error
    }

    /// Lets C code know how many descriptors are free.
    #[inline(always)]
    fn show_free(&self, free: u16) {
        // SAFETY: The queue is valid, and who may change the ring may change this.
        unsafe { (*self.vq).num_free = free.into() };
    }

    /// Notes that a driver kicked.
    #[inline(always)]
    pub(crate) fn kicked(&self, notify: bool) {
        self.counters.kicks.count();
        // SAFETY: The queue is valid.
        unsafe { trace::kick(self.vq, notify) };
    }

    /// Notes that a used buffer was taken.
    #[inline(always)]
    pub(crate) fn taken(&mut self, id: u16, len: u32) {
        if let Some(mapped) = &mut self.mapped {
            mapped.unmap(id);
        }
        // SAFETY: The ring gave out the id.
        unsafe { self.stamp.taken(id) };
        // SAFETY: The queue is valid.
        unsafe { trace::get_buf(self.vq, id.into(), len) };
    }
}

/// What is to follow an add.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Nothing: a kick comes later.
    Wait,
    /// The device gets to know of it, if it looks, and C code of the descriptors that are left.
    Publish,
    /// A kick.
    Kick,
}

/// What of a queue needs exclusion: who has it by `&mut` is the only one who adds, kicks, gets and
/// switches callbacks.
pub struct Inner {
    pub(crate) ring: Ring,
    pub(crate) side: Side,
}

impl Inner {
    /// From now on a device that claims to have written more than there was to write breaks the
    /// queue; before, the length is cut. Legacy devices are known to, and excused (virtio spec
    /// §2.7.8.1).
    pub fn be_strict(&mut self) {
        let trim = !self.side.vdev.has(bindings::VIRTIO_F_VERSION_1);
        each_ring!(&mut self.ring, ring => ring.trim_lengths(trim));
    }

    /// Gives a buffer of up to `segments` segments to the device, and does what is to follow.
    /// `attrs` are those of its DMA mappings. Returns whether the device wants to be notified.
    ///
    /// # Errors
    ///
    /// - `ENOSPC`: the ring is full; again when something was taken out;
    /// - `ENOMEM`: it could not be mapped for now;
    /// - `EINVAL`: it has no segment, more than the queue can take, or memory to read behind
    ///   memory to write;
    /// - `EIO`: the queue is broken.
    ///
    /// Nothing follows then.
    #[inline(always)]
    pub fn add<B: Segments>(
        &mut self,
        token: RawToken,
        segments: u16,
        buffer: &B,
        attrs: usize,
        then: Then,
    ) -> Result<bool> {
        let side = &mut self.side;
        if side.mapped.is_some() {
            return self.add_mapped(token, buffer, attrs, then);
        }
        // A function each: each has the registers for itself.
        each_ring!(&mut self.ring, ring => add(ring, side, token, segments, buffer, then))
    }

    /// [`Inner::add`] of a buffer that has [`Segments::COUNT`] segments, by code that is made for
    /// that number.
    ///
    /// # Errors
    ///
    /// As [`Inner::add`].
    #[inline(always)]
    pub fn add_common<B: Segments>(
        &mut self,
        token: RawToken,
        buffer: &B,
        attrs: usize,
        then: Then,
    ) -> Result<bool> {
        let side = &mut self.side;
        if side.mapped.is_some() {
            return self.add_mapped(token, buffer, attrs, then);
        }
        each_ring!(&mut self.ring, ring => add_common(ring, side, token, buffer, then))
    }

    /// [`Inner::add`] of a buffer with one segment, which the device writes if `write` says so:
    /// without what it takes to have several.
    ///
    /// # Errors
    ///
    /// As [`Inner::add`].
    #[inline(always)]
    pub fn add_one(
        &mut self,
        token: RawToken,
        segment: Segment,
        write: bool,
        attrs: usize,
        then: Then,
    ) -> Result<bool> {
        let side = &mut self.side;
        if side.mapped.is_some() && !segment.is_premapped() {
            return each_ring!(&mut self.ring, ring => {
                add_one_mapped(ring, side, token, (segment, write), attrs, then)
            });
        }
        let (addr, len) = (segment.phys(write), segment.len());
        each_ring!(&mut self.ring, ring => add_one(ring, side, token, Single { addr, len, write }, then))
    }

    #[inline(always)]
    fn add_mapped<B: Segments>(
        &mut self,
        token: RawToken,
        buffer: &B,
        attrs: usize,
        then: Then,
    ) -> Result<bool> {
        let Self { ring, side } = self;
        each_ring!(ring, ring => add_mapped_apart(ring, side, token, buffer, attrs, then))
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
        let Self { ring, side } = self;
        each_ring!(ring, ring => kick_prepare(ring, side))
    }

    /// Takes a buffer that the device has used, and how many bytes it wrote. `None` if there is
    /// none or the queue is broken: what a device did to break it is told here, once.
    #[inline]
    pub fn get(&mut self) -> Option<(RawToken, u32)> {
        let Some(used) = each_ring!(&mut self.ring, ring => ring.get()) else {
            self.nothing();
            return None;
        };
        self.side.taken(used.id, used.len);
        Some((used.token, used.len))
    }

    /// As [`Inner::get`], as C has it: returns the token or null, and writes the length and, if
    /// there is a place for it, the context.
    ///
    /// # Safety
    ///
    /// `len`, and `ctx` if it is not null, are places to write to.
    #[inline(always)]
    pub unsafe fn get_raw(&mut self, len: *mut u32, ctx: *mut *mut c_void) -> *mut c_void {
        let Self { ring, side } = self;
        // SAFETY: By the safety requirements.
        each_ring!(ring, ring => unsafe { get_raw(ring, side, len, ctx) })
    }

    /// Takes all buffers that the device has used, with callbacks off meanwhile, until there is
    /// none and callbacks are on again. `take` gets each, and how many bytes were written.
    ///
    /// A broken queue ends it, as [`Inner::get`].
    #[inline(always)]
    pub fn drain(&mut self, mut take: impl FnMut(RawToken, u32)) {
        let Self { ring, side } = self;
        each_ring!(ring, ring => drain(ring, side, &mut take));
    }

    /// Why there was nothing to get.
    #[inline]
    fn nothing(&mut self) {
        let Self { ring, side } = self;
        each_ring!(ring, ring => tell_if_broken(ring, side));
    }

    /// First half of [`Inner::enable_cb`], without a barrier: [`Queue::poll`](crate::Queue::poll)
    /// is the second.
    #[inline]
    pub fn enable_cb_prepare(&mut self) -> Armed {
        each_ring!(&mut self.ring, ring => ring.enable_cb_prepare())
    }

    /// Asks for a callback at the next used buffer and looks again: false if there are used
    /// buffers by now. One full barrier.
    #[inline]
    pub fn enable_cb(&mut self) -> bool {
        each_ring!(&mut self.ring, ring => enable_cb(ring))
    }

    /// As [`Inner::enable_cb`], for when most of what the device has is used.
    #[inline]
    pub fn enable_cb_delayed(&mut self) -> bool {
        each_ring!(&mut self.ring, ring => enable_cb_delayed(ring))
    }

    /// [`Inner::kick_prepare`] and [`Inner::enable_cb_delayed`] with one barrier for both.
    #[inline]
    pub fn kick_prepare_enable_cb_delayed(&mut self) -> (bool, bool) {
        let (notify, quiet) =
            each_ring!(&mut self.ring, ring => ring.kick_prepare_enable_cb_delayed());
        self.side.kicked(notify);
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
        if let Some(mapped) = &mut self.side.mapped {
            mapped.unmap(unused.id);
        }
        // SAFETY: The ring gave out the id.
        unsafe { self.side.stamp.taken(unused.id) };
        Some(unused.token)
    }

    /// Descriptors that are free. A buffer takes one for each segment, or one in all if it is
    /// described by a table.
    #[inline(always)]
    pub fn num_free(&self) -> u16 {
        each_ring!(&self.ring, ring => ring.num_free())
    }
}

/// Adds a buffer to a ring of one layout.
#[inline(never)]
fn add<F, B>(
    ring: &mut RingOf<F>,
    side: &Side,
    token: RawToken,
    segments: u16,
    buffer: &B,
    then: Then,
) -> Result<bool>
where
    F: Format<Platform = Kernel>,
    B: Segments,
{
    add_here(ring, side, token, segments, buffer, then)
}

/// Adds a buffer with so many segments to a ring of one layout.
#[inline(never)]
fn add_common<F, B>(
    ring: &mut RingOf<F>,
    side: &Side,
    token: RawToken,
    buffer: &B,
    then: Then,
) -> Result<bool>
where
    F: Format<Platform = Kernel>,
    B: Segments,
{
    match ring.add(token, B::COUNT, &mut Physical(buffer)) {
        Ok(id) => Ok(follow(ring, side, id, B::COUNT, then)),
        Err((error, _)) => Err(side.refused(error)),
    }
}

/// Adds one segment to a ring of one layout.
#[inline(never)]
fn add_one<F>(
    ring: &mut RingOf<F>,
    side: &Side,
    token: RawToken,
    mut buffer: Single,
    then: Then,
) -> Result<bool>
where
    F: Format<Platform = Kernel>,
{
    match ring.add(token, 1, &mut buffer) {
        Ok(id) => Ok(follow(ring, side, id, 1, then)),
        Err((error, _)) => Err(side.refused(error.into())),
    }
}

/// Adds a buffer to a ring of one layout here, and not in a function of its own.
#[inline(always)]
pub(crate) fn add_here<F, B>(
    ring: &mut RingOf<F>,
    side: &Side,
    token: RawToken,
    segments: u16,
    buffer: &B,
    then: Then,
) -> Result<bool>
where
    F: Format<Platform = Kernel>,
    B: Segments,
{
    match ring.add(token, segments, &mut Physical(buffer)) {
        Ok(id) => Ok(follow(ring, side, id, segments, then)),
        Err((error, _)) => Err(side.refused(error)),
    }
}

/// Maps one segment and adds it to a ring of one layout; the device writes it if that is said with
/// it.
#[inline(never)]
fn add_one_mapped<F>(
    ring: &mut RingOf<F>,
    side: &mut Side,
    token: RawToken,
    (segment, write): (Segment, bool),
    attrs: usize,
    then: Then,
) -> Result<bool>
where
    F: Format<Platform = Kernel>,
{
    let Some(mapped) = &mut side.mapped else {
        return Err(EINVAL);
    };
    let len = segment.len();
    let added = mapped.add_one(segment, write, attrs, |addr| {
        let added = ring.add(token, 1, &mut Single { addr, len, write });
        added.map_err(|(e, _)| e.into())
    });
    let id = added.map_err(|error| side.refused(error))?;
    Ok(follow(ring, side, id, 1, then))
}

/// [`add_mapped`], out of line.
#[inline(never)]
fn add_mapped_apart<F, B>(
    ring: &mut RingOf<F>,
    side: &mut Side,
    token: RawToken,
    buffer: &B,
    attrs: usize,
    then: Then,
) -> Result<bool>
where
    F: Format<Platform = Kernel>,
    B: Segments,
{
    add_mapped(ring, side, token, buffer, attrs, then)
}

/// Maps a buffer and adds it to a ring of one layout.
#[inline(always)]
pub(crate) fn add_mapped<F, B>(
    ring: &mut RingOf<F>,
    side: &mut Side,
    token: RawToken,
    buffer: &B,
    attrs: usize,
    then: Then,
) -> Result<bool>
where
    F: Format<Platform = Kernel>,
    B: Segments,
{
    let Some(mapped) = &mut side.mapped else {
        return Err(EINVAL);
    };
    let mut count = 0;
    let added = mapped.add(buffer, attrs, |segments, addresses| {
        count = segments;
        let added = ring.add(token, segments, addresses);
        added.map_err(|(e, _)| e.into())
    });
    let id = added.map_err(|error| side.refused(error))?;
    Ok(follow(ring, side, id, count, then))
}

/// Does what is to follow an add.
#[inline(always)]
fn follow<F>(ring: &mut RingOf<F>, side: &Side, id: u16, segments: u16, then: Then) -> bool
where
    F: Format<Platform = Kernel>,
{
    side.added(id, segments, ring.num_free());
    match then {
        Then::Wait => false,
        Then::Publish => {
            ring.publish();
            side.show_free(ring.num_free());
            false
        }
        Then::Kick => {
            let notify = ring.kick_prepare();
            side.kicked(notify);
            notify
        }
    }
}

/// Kicks on a ring of one layout.
#[inline(never)]
fn kick_prepare<F>(ring: &mut RingOf<F>, side: &Side) -> bool
where
    F: Format<Platform = Kernel>,
{
    let notify = ring.kick_prepare();
    side.kicked(notify);
    notify
}

/// Switches callbacks on, on a ring of one layout.
#[inline(never)]
fn enable_cb<F>(ring: &mut RingOf<F>) -> bool
where
    F: Format<Platform = Kernel>,
{
    ring.enable_cb()
}

/// As [`enable_cb`], for when most is used.
#[inline(never)]
fn enable_cb_delayed<F>(ring: &mut RingOf<F>) -> bool
where
    F: Format<Platform = Kernel>,
{
    ring.enable_cb_delayed()
}

/// Takes a used buffer from a ring of one layout, as C has it.
///
/// # Safety
///
/// As [`Inner::get_raw`].
#[inline(never)]
unsafe fn get_raw<F>(
    ring: &mut RingOf<F>,
    side: &mut Side,
    len: *mut u32,
    ctx: *mut *mut c_void,
) -> *mut c_void
where
    F: Format<Platform = Kernel>,
{
    let Some(used) = ring.get() else {
        tell_if_broken(ring, side);
        return null_mut();
    };
    side.taken(used.id, used.len);
    side.show_free(ring.num_free());
    // SAFETY: By the safety requirements.
    unsafe {
        *len = used.len;
        if !ctx.is_null() {
            *ctx = used.token.ctx;
        }
    }
    used.token.data.as_ptr()
}

/// Drains a ring of one layout.
#[inline(never)]
fn drain<F>(ring: &mut RingOf<F>, side: &mut Side, take: &mut impl FnMut(RawToken, u32))
where
    F: Format<Platform = Kernel>,
{
    ring.drain(|used| {
        side.taken(used.id, used.len);
        take(used.token, used.len);
    });
    tell_if_broken(ring, side);
}

/// Tells what the device did to break its queue, if it did, once.
#[inline(always)]
pub(crate) fn tell_if_broken<F>(ring: &mut RingOf<F>, side: &Side)
where
    F: Format<Platform = Kernel>,
{
    if ring.control().is_broken() {
        if let Some(report) = ring.take_report() {
            report::tell(side.vdev, side.index, report);
            // SAFETY: The queue is valid.
            unsafe {
                trace::broken(side.vq, report.reason as u32, report.value, report.limit);
            }
        }
    }
}
