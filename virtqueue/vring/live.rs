// SPDX-License-Identifier: GPL-2.0

//! A ring whose layout is known.
//!
//! Each call of [`Inner`](crate::Inner) looks up the layout. A path that uses a queue several times
//! is compiled for each layout, and looks it up once, by [`with_ring!`](crate::with_ring).

use crate::{
    bindings,
    inner::RingOf,
    platform::Kernel,
    queue::Queue,
    report,
    ring::{
        Callbacks,
        Describe,
        Format,
        Found,
        Used, //
    },
    segment::{
        RawToken,
        Segments, //
    },
    side::Side,
    trace,
    translate::{
        Physical,
        Single,
        Translated, //
    }, //
};
use core::{
    ffi::c_void,
    ptr::null_mut, //
};
use kernel::prelude::*;

/// A ring of one of the layouts, with what goes with it. Each function is that of
/// [`Inner`](crate::Inner) or of [`Queue`].
#[allow(missing_docs)]
pub trait LiveRing {
    /// The same ring, for a while.
    fn again(&mut self) -> impl LiveRing + '_;
    /// See [`Inner::max_segments`](crate::Inner::max_segments).
    fn max_segments(&self) -> u16;
    /// Whether memory is mapped for the device.
    fn is_mapped(&self) -> bool;
    /// The device that memory is mapped for with the DMA API; null if it is not.
    fn dma_dev(&self) -> *mut bindings::device;
    /// Says whether the next buffer may wait for the memory of a table. Otherwise none does.
    fn may_sleep(&mut self, sleeps: bool);
    /// Gives a buffer of up to `segments` segments to the device. `attrs` are those of its DMA
    /// mappings.
    ///
    /// # Errors
    ///
    /// - `ENOSPC`: the ring is full; again when something was taken out;
    /// - `ENOMEM`: it could not be mapped for now, or there is no memory for the table that it
    ///   needs; again some time later;
    /// - `EINVAL`: it has no segment, more than the queue can take, or memory to read behind
    ///   memory to write;
    /// - `EIO`: the queue is broken.
    fn add<B: Segments>(
        &mut self,
        token: RawToken,
        segments: u16,
        buffer: &B,
        attrs: usize,
    ) -> Result;
    /// [`LiveRing::add`], only where memory is not mapped for the device.
    fn add_physical<B: Segments>(&mut self, token: RawToken, segments: u16, buffer: &B) -> Result;
    /// As [`LiveRing::add_physical`], of a buffer for which there is room, and a table, if it is to
    /// have one. Otherwise returns false: nothing has happened, and [`LiveRing::add`] is to be
    /// asked.
    fn add_at_hand<B: Segments>(
        &mut self,
        token: RawToken,
        segments: u16,
        buffer: &B,
    ) -> Result<bool>;
    /// As [`LiveRing::add_at_hand`], of memory that is mapped for the device.
    fn map_at_hand<B: Segments>(
        &mut self,
        token: RawToken,
        segments: u16,
        buffer: &B,
    ) -> Result<bool>;
    /// [`LiveRing::add`], only where it is.
    fn add_mapped<B: Segments>(
        &mut self,
        token: RawToken,
        segments: u16,
        buffer: &B,
        attrs: usize,
    ) -> Result;
    /// [`LiveRing::add`] of one segment at an address of the device, which writes it if `write`
    /// says so.
    fn add_single(&mut self, token: RawToken, addr: u64, len: u32, write: bool) -> Result;
    /// The device gets to know of what was added, if it looks, and C code of the descriptors that
    /// are left.
    fn publish(&mut self);
    /// Takes a used buffer, and how many bytes the device says it wrote: 0 if it says more than the
    /// buffer has room for.
    fn get(&mut self) -> Option<(RawToken, u32)>;
    /// Takes all used buffers, as [`LiveRing::get`] does. Returns whether it ended because the
    /// queue is broken.
    fn drain(&mut self, take: impl FnMut(RawToken, u32)) -> bool;
    fn kick_prepare(&mut self) -> bool;
    fn notify(&self) -> bool;
    fn notify_full(&self);
    fn disable_cb(&mut self);
    /// Says also whether the queue is broken.
    fn enable_cb(&mut self) -> Callbacks;
    /// Says also whether the queue is broken.
    fn enable_cb_delayed(&mut self) -> Callbacks;
    fn kick_prepare_enable_cb_delayed(&mut self) -> (bool, bool);
    fn num_free(&self) -> u16;
    fn in_flight(&self) -> u16;
    fn is_broken(&self) -> bool;
}

/// A ring of format `F`, with what goes with it.
pub struct Live<'a, F: Format<Platform = Kernel>> {
    pub(crate) ring: &'a mut RingOf<F>,
    pub(crate) side: &'a mut Side,
}

impl<F: Format<Platform = Kernel>> Live<'_, F> {
    /// Does something in a function of its own for each layout.
    #[inline(never)]
    pub(crate) fn apart<R>(mut self, what: impl FnOnce(&mut Self) -> R) -> R {
        what(&mut self)
    }

    /// Adds a buffer that is described by addresses of the device.
    #[inline(always)]
    fn post<D: Describe>(&mut self, token: RawToken, segments: u16, buffer: &mut D) -> Result
    where
        Error: From<D::Error>,
    {
        match self.ring.add(token, segments, buffer) {
            Ok(id) => {
                self.side.added(id, segments, self.ring.num_free());
                Ok(())
            }
            Err((error, _)) => Err(self.side.refused(error.into())),
        }
    }

    /// As [`Live::post`], of a buffer for which not all is at hand.
    #[cold]
    #[inline(never)]
    fn post_apart<D: Describe>(&mut self, token: RawToken, segments: u16, buffer: &mut D) -> Result
    where
        Error: From<D::Error>,
    {
        self.post(token, segments, buffer)
    }

    /// Takes a used buffer as C has it.
    ///
    /// # Safety
    ///
    /// As [`Inner::get_raw`](crate::Inner::get_raw).
    #[inline(never)]
    pub(crate) unsafe fn get_raw(self, len: *mut u32, ctx: *mut *mut c_void) -> *mut c_void {
        // SAFETY: By the safety requirements, `len` and `ctx` are places to write to.
        unsafe {
            match self.ring.find() {
                Some(Found::Nothing) => null_mut(),
                Some(found) => self.take_raw(found, len, ctx),
                None => self.get_raw_or_tell(len, ctx),
            }
        }
    }

    /// As [`Live::get_raw`], of what was just found: so that where nothing is, nothing is saved for
    /// taking it.
    ///
    /// # Safety
    ///
    /// As [`Live::get_raw`].
    #[inline(never)]
    unsafe fn take_raw(
        mut self,
        found: Found,
        len: *mut u32,
        ctx: *mut *mut c_void,
    ) -> *mut c_void {
        let used = self.ring.take_found(found);
        // SAFETY: By the safety requirements, `len` and `ctx` are places to write to.
        unsafe { self.hand_out(used, len, ctx) }
    }

    /// As [`Live::get_raw`], of a queue that is broken or may be about to be.
    ///
    /// # Safety
    ///
    /// As [`Live::get_raw`].
    #[cold]
    #[inline(never)]
    unsafe fn get_raw_or_tell(mut self, len: *mut u32, ctx: *mut *mut c_void) -> *mut c_void {
        let used = self.ring.get();
        // SAFETY: By the safety requirements, `len` and `ctx` are places to write to.
        unsafe { self.hand_out(used, len, ctx) }
    }

    /// Gives to C what was taken.
    ///
    /// # Safety
    ///
    /// As [`Live::get_raw`].
    #[inline(always)]
    unsafe fn hand_out(
        &mut self,
        used: Option<Used<RawToken>>,
        len: *mut u32,
        ctx: *mut *mut c_void,
    ) -> *mut c_void {
        let Some(used) = used else {
            self.tell_if_broken();
            return null_mut();
        };
        self.side.show_free(self.ring.num_free());
        // SAFETY: By the safety requirements, `len` is a place to write to, and so is `ctx` if it
        // is not null.
        unsafe {
            *len = used.len();
            if !ctx.is_null() {
                *ctx = used.token.ctx;
            }
        }
        self.side.taken(&used);
        used.token.data.as_ptr()
    }

    /// Tells what the device did to break its queue, if it did, once.
    #[inline(always)]
    fn tell_if_broken(&mut self) {
        if self.ring.control().is_broken() {
            tell(self.ring, self.side);
        }
    }
}

/// Returns the number of segments of a buffer. If all buffers have the same number, the code is
/// made for it.
#[inline(always)]
fn known<B: Segments>(segments: u16) -> u16 {
    if B::COUNT == 0 {
        segments
    } else {
        B::COUNT
    }
}

/// Tells why a queue is broken, if that was not told yet.
#[cold]
#[inline(never)]
fn tell<F: Format<Platform = Kernel>>(ring: &mut RingOf<F>, side: &Side) {
    if let Some(report) = ring.take_report() {
        report::tell(side.vdev, side.index, report);
        // SAFETY: The queue is valid.
        unsafe { trace::broken(side.vq, report.reason as u32, report.value, report.limit) };
    }
}

impl<F: Format<Platform = Kernel>> LiveRing for Live<'_, F> {
    #[inline(always)]
    fn again(&mut self) -> impl LiveRing + '_ {
        Live {
            ring: self.ring,
            side: self.side,
        }
    }

    #[inline(always)]
    fn max_segments(&self) -> u16 {
        self.side.max_segments
    }

    #[inline(always)]
    fn is_mapped(&self) -> bool {
        self.side.mapped.is_some()
    }

    #[inline]
    fn dma_dev(&self) -> *mut bindings::device {
        // SAFETY: The queue of a ring lives as long as the ring.
        let queue = unsafe { Queue::from_raw(self.side.vq) };
        queue.mapper().map_or(null_mut(), |mapper| mapper.dma_dev())
    }

    #[inline(always)]
    fn may_sleep(&mut self, sleeps: bool) {
        self.ring.may_sleep(sleeps);
    }

    #[inline(always)]
    fn add<B: Segments>(
        &mut self,
        token: RawToken,
        segments: u16,
        buffer: &B,
        attrs: usize,
    ) -> Result {
        if self.is_mapped() {
            self.add_mapped(token, segments, buffer, attrs)
        } else {
            self.add_physical(token, segments, buffer)
        }
    }

    #[inline(always)]
    fn add_physical<B: Segments>(&mut self, token: RawToken, segments: u16, buffer: &B) -> Result {
        let segments = known::<B>(segments);
        let by = &mut Physical;
        self.post(token, segments, &mut Translated { buffer, by })
    }

    #[inline(always)]
    fn add_at_hand<B: Segments>(
        &mut self,
        token: RawToken,
        segments: u16,
        buffer: &B,
    ) -> Result<bool> {
        let segments = known::<B>(segments);
        let by = &mut Physical;
        let mut translated = Translated { buffer, by };
        match self.ring.add_at_hand(token, segments, &mut translated) {
            Ok(id) => {
                self.side.added(id, segments, self.ring.num_free());
                Ok(true)
            }
            Err((None, _)) => Ok(false),
            Err((Some(error), _)) => Err(self.side.refused(error)),
        }
    }

    #[inline(always)]
    fn map_at_hand<B: Segments>(
        &mut self,
        token: RawToken,
        segments: u16,
        buffer: &B,
    ) -> Result<bool> {
        let segments = known::<B>(segments);
        let id = self.ring.next_id();
        let mapped = self.side.mapped.as_mut();
        let Some(mut recorder) = mapped.and_then(|mapped| mapped.recorder(id, 0)) else {
            return Err(EINVAL);
        };
        let by = &mut recorder;
        let mut translated = Translated { buffer, by };
        match self.ring.add_at_hand(token, segments, &mut translated) {
            Ok(id) => {
                recorder.keep();
                self.side.added(id, segments, self.ring.num_free());
                Ok(true)
            }
            // Nothing was described, so that nothing was mapped.
            Err((None, _)) => Ok(false),
            Err((Some(error), _)) => {
                recorder.undo();
                Err(self.side.refused(error))
            }
        }
    }

    #[inline(always)]
    fn add_mapped<B: Segments>(
        &mut self,
        token: RawToken,
        segments: u16,
        buffer: &B,
        attrs: usize,
    ) -> Result {
        let segments = known::<B>(segments);
        let id = self.ring.next_id();
        let mapped = self.side.mapped.as_mut();
        let Some(mut recorder) = mapped.and_then(|mapped| mapped.recorder(id, attrs)) else {
            return Err(EINVAL);
        };
        let by = &mut recorder;
        let mut translated = Translated { buffer, by };
        match self.ring.add(token, segments, &mut translated) {
            Ok(id) => {
                recorder.keep();
                self.side.added(id, segments, self.ring.num_free());
                Ok(())
            }
            Err((error, _)) => {
                recorder.undo();
                Err(self.side.refused(error))
            }
        }
    }

    #[inline(always)]
    fn add_single(&mut self, token: RawToken, addr: u64, len: u32, write: bool) -> Result {
        let mut single = Single { addr, len, write };
        match self.ring.add_at_hand(token, 1, &mut single) {
            Ok(id) => {
                self.side.added(id, 1, self.ring.num_free());
                Ok(())
            }
            Err((_, token)) => self.post_apart(token, 1, &mut single),
        }
    }

    #[inline(always)]
    fn publish(&mut self) {
        self.ring.publish();
        self.side.show_free(self.ring.num_free());
    }

    #[inline(always)]
    fn get(&mut self) -> Option<(RawToken, u32)> {
        let Some(used) = self.ring.get() else {
            self.tell_if_broken();
            return None;
        };
        let len = self.side.taken(&used);
        Some((used.token, len))
    }

    #[inline(always)]
    fn drain(&mut self, mut take: impl FnMut(RawToken, u32)) -> bool {
        let side = &mut *self.side;
        let broken = self.ring.drain(|used| {
            let len = side.taken(&used);
            take(used.token, len);
        });
        if broken {
            self.tell_if_broken();
        }
        broken
    }

    #[inline(always)]
    fn kick_prepare(&mut self) -> bool {
        let notify = self.ring.kick_prepare();
        self.side.kicked(notify);
        notify
    }

    #[inline(always)]
    fn notify(&self) -> bool {
        // SAFETY: The queue that the ring is of is valid.
        unsafe { Queue::from_raw(self.side.vq) }.notify()
    }

    #[cold]
    fn notify_full(&self) {
        // SAFETY: The queue of a ring lives as long as the ring.
        unsafe { Queue::from_raw(self.side.vq) }.notify_full();
    }

    #[inline(always)]
    fn disable_cb(&mut self) {
        self.ring.disable_cb();
    }

    #[inline(always)]
    fn enable_cb(&mut self) -> Callbacks {
        self.ring.ask_cb()
    }

    #[inline(always)]
    fn enable_cb_delayed(&mut self) -> Callbacks {
        self.ring.ask_cb_delayed()
    }

    #[inline(always)]
    fn kick_prepare_enable_cb_delayed(&mut self) -> (bool, bool) {
        let (notify, quiet) = self.ring.kick_prepare_enable_cb_delayed();
        self.side.kicked(notify);
        (notify, quiet)
    }

    #[inline(always)]
    fn num_free(&self) -> u16 {
        self.ring.num_free()
    }

    #[inline(always)]
    fn in_flight(&self) -> u16 {
        self.ring.in_flight()
    }

    #[inline(always)]
    fn is_broken(&self) -> bool {
        self.ring.control().is_broken()
    }
}
