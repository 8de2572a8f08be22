// SPDX-License-Identifier: GPL-2.0

//! A ring whose layout is known: the operations of the ring core that have something to be noted
//! beside the ring.
//!
//! [`with_ring!`](crate::with_ring) looks up the layout of a queue, and compiles a path for each.
//! All that needs no note is asked of the [ring core](Live::core) itself.

use crate::{
    inner::RingOf,
    platform::Kernel,
    queue::Queue,
    report,
    ring::{
        Format,
        Found,
        Segments,
        Used, //
    },
    segment::{
        Physical,
        RawToken,
        Segment, //
    },
    side::Side,
    trace, //
};
use core::{
    ffi::c_void,
    ptr::null_mut, //
};
use kernel::prelude::*;

/// A ring of format `F`, with its bookkeeping.
pub struct Live<'a, F: Format<Platform = Kernel>> {
    /// The ring core. Buffers go into it and out of it by the functions of this type.
    pub core: &'a mut RingOf<F>,
    pub(crate) side: &'a mut Side,
}

impl<F: Format<Platform = Kernel>> Live<'_, F> {
    /// The same ring, for a while.
    #[inline(always)]
    pub fn again(&mut self) -> Live<'_, F> {
        Live {
            core: self.core,
            side: self.side,
        }
    }

    /// Does something in a function of its own for each layout.
    #[inline(never)]
    pub fn apart<R>(mut self, what: impl FnOnce(&mut Self) -> R) -> R {
        what(&mut self)
    }

    /// The queue that the ring is of.
    #[inline(always)]
    pub fn queue(&self) -> &Queue {
        // SAFETY: The queue of a ring lives as long as the ring.
        unsafe { Queue::from_raw(self.side.vq) }
    }

    /// The most segments that a buffer of the driver may have.
    #[inline(always)]
    pub fn max_segments(&self) -> u16 {
        self.side.max_segments
    }

    /// Whether memory is mapped for the device.
    #[inline(always)]
    pub fn is_mapped(&self) -> bool {
        self.side.mapped.is_some()
    }

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
    #[inline(always)]
    pub fn add<B: Segments<Segment>>(
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

    /// [`Live::add`], only where memory is not mapped for the device.
    ///
    /// # Errors
    ///
    /// As [`Live::add`].
    #[inline(always)]
    pub fn add_physical<B: Segments<Segment>>(
        &mut self,
        token: RawToken,
        segments: u16,
        buffer: &B,
    ) -> Result {
        match self.core.add(token, segments, buffer, &mut Physical) {
            Ok(id) => {
                self.side.added(id, segments, self.core.num_free());
                Ok(())
            }
            Err((error, _)) => Err(self.side.refused(error)),
        }
    }

    /// As [`Live::add_physical`], of a buffer for which not all is at hand.
    #[cold]
    #[inline(never)]
    fn add_apart<B: Segments<Segment>>(
        &mut self,
        token: RawToken,
        segments: u16,
        buffer: &B,
    ) -> Result {
        self.add_physical(token, segments, buffer)
    }

    /// [`Live::add`], only where memory is mapped for the device.
    ///
    /// # Errors
    ///
    /// As [`Live::add`].
    #[inline(always)]
    pub fn add_mapped<B: Segments<Segment>>(
        &mut self,
        token: RawToken,
        segments: u16,
        buffer: &B,
        attrs: usize,
    ) -> Result {
        let id = self.core.next_id();
        let mapped = self.side.mapped.as_mut();
        let Some(mut recorder) = mapped.and_then(|mapped| mapped.recorder(id, attrs)) else {
            return Err(EINVAL);
        };
        match self.core.add(token, segments, buffer, &mut recorder) {
            Ok(id) => {
                recorder.keep();
                self.side.added(id, segments, self.core.num_free());
                Ok(())
            }
            Err((error, _)) => {
                recorder.undo();
                Err(self.side.refused(error))
            }
        }
    }

    /// As [`Live::add_physical`], of a buffer with the shape of [`Segments::write_common`] for
    /// which there is room, and a table, if it is to have one. Otherwise returns false: nothing
    /// has happened, and [`Live::add`] is to be asked.
    ///
    /// # Errors
    ///
    /// As [`Live::add`].
    #[inline(always)]
    pub fn add_at_hand<B: Segments<Segment>>(
        &mut self,
        token: RawToken,
        segments: u16,
        buffer: &B,
    ) -> Result<bool> {
        match self
            .core
            .add_at_hand(token, segments, buffer, &mut Physical)
        {
            Ok(id) => {
                self.side.added(id, segments, self.core.num_free());
                Ok(true)
            }
            Err((None, _)) => Ok(false),
            Err((Some(error), _)) => Err(self.side.refused(error)),
        }
    }

    /// As [`Live::add_at_hand`], of memory that is mapped for the device.
    ///
    /// # Errors
    ///
    /// As [`Live::add`].
    #[inline(always)]
    pub fn map_at_hand<B: Segments<Segment>>(
        &mut self,
        token: RawToken,
        segments: u16,
        buffer: &B,
    ) -> Result<bool> {
        let id = self.core.next_id();
        let mapped = self.side.mapped.as_mut();
        let Some(mut recorder) = mapped.and_then(|mapped| mapped.recorder(id, 0)) else {
            return Err(EINVAL);
        };
        match self
            .core
            .add_at_hand(token, segments, buffer, &mut recorder)
        {
            Ok(id) => {
                recorder.keep();
                self.side.added(id, segments, self.core.num_free());
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

    /// [`Live::add`] of one segment, the address of which is that of the device.
    ///
    /// # Errors
    ///
    /// As [`Live::add`].
    #[inline(always)]
    pub fn add_single<B: Segments<Segment>>(&mut self, token: RawToken, buffer: &B) -> Result {
        match self.core.add_at_hand(token, 1, buffer, &mut Physical) {
            Ok(id) => {
                self.side.added(id, 1, self.core.num_free());
                Ok(())
            }
            Err((_, token)) => self.add_apart(token, 1, buffer),
        }
    }

    /// Lets the device know of what was added, if it looks, and C code of the descriptors that are
    /// left.
    #[inline(always)]
    pub fn publish(&mut self) {
        self.core.publish();
        self.show_free();
    }

    /// Lets C code know how many descriptors are free.
    #[inline(always)]
    pub fn show_free(&self) {
        self.side.show_free(self.core.num_free());
    }

    /// Takes a used buffer, and how many bytes the device says it wrote: 0 if it says more than the
    /// buffer has room for. `None` if there is none or the queue is broken. The reason why a device
    /// broke it is told here, once.
    #[inline(always)]
    pub fn get(&mut self) -> Option<(RawToken, u32)> {
        let Some(used) = self.core.get() else {
            self.tell_if_broken();
            return None;
        };
        let len = self.side.taken(&used);
        Some((used.token, len))
    }

    /// Takes all used buffers, as [`Live::get`] does. Returns whether it ended because the queue is
    /// broken.
    #[inline(always)]
    pub fn drain(&mut self, mut take: impl FnMut(RawToken, u32)) -> bool {
        let side = &mut *self.side;
        let broken = self.core.drain(|used| {
            let len = side.taken(&used);
            take(used.token, len);
        });
        if broken {
            self.tell_if_broken();
        }
        broken
    }

    /// Publishes what was added, and says whether the device wants to be notified of it, also if
    /// the queue is broken. One full barrier.
    #[inline(always)]
    pub fn kick_prepare(&mut self) -> bool {
        let notify = self.core.kick_prepare();
        self.side.kicked(notify);
        notify
    }

    /// [`Live::kick_prepare`], and asks for a callback when most of what the device has is used,
    /// with one full barrier for both. Returns whether to notify the device, and whether less than
    /// that is used so far.
    #[inline(always)]
    pub fn kick_prepare_enable_cb_delayed(&mut self) -> (bool, bool) {
        let (notify, quiet) = self.core.kick_prepare_enable_cb_delayed();
        self.side.kicked(notify);
        (notify, quiet)
    }

    /// Takes back a buffer that the device has not used.
    ///
    /// # Safety
    ///
    /// The device uses neither the ring nor any of its buffers: it, or the queue, was reset.
    pub unsafe fn detach_unused(&mut self) -> Option<RawToken> {
        // SAFETY: By the safety requirements, the device uses neither the ring nor its buffers.
        let unused = unsafe { self.core.detach_unused() }?;
        self.side.gone(unused.id);
        Some(unused.token)
    }

    /// As [`Live::get`], as C has it: returns the token or null, and writes the length, which is
    /// cut to what the buffer has room for, and, if there is a place for it, the context.
    ///
    /// # Safety
    ///
    /// `len`, and `ctx` if it is not null, are places to write to.
    #[inline(never)]
    pub unsafe fn get_raw(self, len: *mut u32, ctx: *mut *mut c_void) -> *mut c_void {
        // SAFETY: By the safety requirements, `len` and `ctx` are places to write to.
        unsafe {
            match self.core.find() {
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
        let used = self.core.take_found(found);
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
        let used = self.core.get();
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
        self.show_free();
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
        if self.core.control().is_broken() {
            tell(self.core, self.side);
        }
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
