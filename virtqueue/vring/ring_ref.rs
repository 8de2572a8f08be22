// SPDX-License-Identifier: GPL-2.0

//! A reference to a ring of a known layout, together with its bookkeeping.
//!
//! [`with_ring!`](crate::with_ring) looks up the layout of a queue, and compiles a path for each.
//! All changes of the ring go through [`RingRef`], which keeps the bookkeeping up to date. Other
//! crates see the ring core by a [shared reference](RingRef::core) only.
//!
//! The functions that add a buffer differ in the address that they give to the device, and in the
//! buffers that they accept:
//!
//! | | physical addresses | addresses of DMA mappings |
//! |---|---|---|
//! | each buffer (`add` chooses) | `add_physical` | `add_with_mappings` |
//! | a common buffer with room for it | `try_add_physical` | `try_add_with_mappings` |
//! | a buffer of one segment | `add_single` | |
//!
//! A common buffer is one that [`Segments::write_common`] can describe.
//!
//! A premapped segment has the address that the driver gave. [`RingRef::needs_mapping`] says
//! whether other segments of a queue need mappings.

use crate::{
    exclusive::{
        Ring,
        RingOf, //
    },
    platform::Kernel,
    queue::Queue,
    report,
    ring::{
        Armed,
        Broken,
        Callbacks,
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
    trace, //
};
use core::{
    ffi::c_void,
    ptr::null_mut, //
};
use kernel::prelude::*;

/// The function of a driver that looks at a used buffer: [`RingRef::get_or_add_again`].
///
/// PERF: A trait and not a closure, because the function has to be inlined, and attributes of
/// closures are not stable. That saves 31 instructions a packet.
pub trait LookAt {
    /// The result of the first step for a buffer that is added again.
    type Seen;
    /// The result for a buffer that is added again.
    type Again;
    /// The result for a buffer that is taken.
    type Taken;

    /// Looks at a buffer by its token, to which the device wrote `len` bytes. Returns `Ok` if the
    /// buffer is to be added again, and an error if it is to be taken.
    ///
    /// # Errors
    ///
    /// The buffer is to be taken.
    fn look(&mut self, token: RawToken, len: u32) -> Result<Self::Seen, Self::Taken>;

    /// Reads a buffer that was just added again, and that the device was not told of.
    fn read(self, token: RawToken, len: u32, seen: Self::Seen) -> Self::Again;
}

/// The result of [`RingRef::get_or_add_again`].
pub enum Looked<A, K, B> {
    /// There is no used buffer, or the queue is broken.
    Nothing,
    /// The buffer was added again.
    AddedAgain(A),
    /// The buffer was taken.
    Taken(K, B),
    /// The ring is unable to add buffers again. There may be a used buffer, which was not touched.
    Unable,
}

/// A reference to a ring of format `F` and to its bookkeeping.
pub struct RingRef<'a, F: Format<Platform = Kernel>> {
    pub(crate) ring: &'a mut Ring<F>,
}

impl<F: Format<Platform = Kernel>> RingRef<'_, F> {
    /// Reborrows the ring.
    #[inline(always)]
    pub fn reborrow(&mut self) -> RingRef<'_, F> {
        RingRef { ring: self.ring }
    }

    /// Calls `f` out of line, so that each layout has a function of its own.
    #[inline(never)]
    pub fn outlined<R>(mut self, f: impl FnOnce(&mut Self) -> R) -> R {
        f(&mut self)
    }

    /// Returns the ring core, for operations that change nothing in it.
    #[inline(always)]
    pub fn core(&self) -> &RingOf<F> {
        &self.ring.core
    }

    /// Returns the queue of the ring.
    #[inline(always)]
    pub fn queue(&self) -> &Queue {
        // SAFETY: The ring belongs to the queue `vq`, and does not outlive it.
        unsafe { Queue::from_raw(self.ring.bookkeeping.vq) }
    }

    /// Returns the largest number of segments that a buffer of the driver may have.
    #[inline(always)]
    pub fn max_segments(&self) -> u16 {
        self.ring.bookkeeping.max_segments
    }

    /// Returns whether the ring maps the memory of buffers for the device, with the DMA API.
    #[inline(always)]
    pub fn needs_mapping(&self) -> bool {
        self.ring.bookkeeping.mappings.is_some()
    }

    /// As [`RingCore::may_sleep`](crate::ring::RingCore::may_sleep).
    #[inline(always)]
    pub fn may_sleep(&mut self, sleeps: bool) {
        self.ring.core.may_sleep(sleeps);
    }

    /// Adds a buffer of at most `segments` segments. `attrs` are the attributes of its DMA
    /// mappings.
    ///
    /// # Errors
    ///
    /// - `ENOSPC`: the ring is full; try again after a buffer was taken out;
    /// - `ENOMEM`: the buffer cannot be mapped for now, or there is no memory for the indirect
    ///   table that it needs; try again later;
    /// - `EINVAL`: the buffer has no segment, has more segments than the queue can take, or gives
    ///   memory to read after memory to write;
    /// - `EIO`: the queue is broken.
    #[inline(always)]
    pub fn add<B: Segments<Segment>>(
        &mut self,
        token: RawToken,
        segments: u16,
        buffer: &B,
        attrs: usize,
    ) -> Result {
        if self.needs_mapping() {
            self.add_with_mappings(token, segments, buffer, attrs)
        } else {
            self.add_physical(token, segments, buffer)
        }
    }

    /// As [`RingRef::add`], on a queue that does not [need mappings](RingRef::needs_mapping).
    ///
    /// # Errors
    ///
    /// As [`RingRef::add`].
    #[inline(always)]
    pub fn add_physical<B: Segments<Segment>>(
        &mut self,
        token: RawToken,
        segments: u16,
        buffer: &B,
    ) -> Result {
        match self.ring.core.add(token, segments, buffer, &mut Physical) {
            Ok(id) => {
                self.ring
                    .bookkeeping
                    .added(id, segments, || self.ring.core.num_free());
                Ok(())
            }
            Err((error, _)) => Err(self.ring.bookkeeping.refused(error)),
        }
    }

    /// As [`RingRef::add_physical`], out of line.
    #[cold]
    #[inline(never)]
    fn add_outlined<B: Segments<Segment>>(
        &mut self,
        token: RawToken,
        segments: u16,
        buffer: &B,
    ) -> Result {
        self.add_physical(token, segments, buffer)
    }

    /// As [`RingRef::add`], on a queue that [needs mappings](RingRef::needs_mapping).
    ///
    /// # Errors
    ///
    /// As [`RingRef::add`].
    #[inline(always)]
    pub fn add_with_mappings<B: Segments<Segment>>(
        &mut self,
        token: RawToken,
        segments: u16,
        buffer: &B,
        attrs: usize,
    ) -> Result {
        let id = self.ring.core.next_id();
        let mappings = self.ring.bookkeeping.mappings.as_mut();
        let Some(mut transaction) = mappings.and_then(|mappings| mappings.begin(id, attrs)) else {
            return Err(EINVAL);
        };
        match self
            .ring
            .core
            .add(token, segments, buffer, &mut transaction)
        {
            Ok(id) => {
                transaction.commit();
                self.ring
                    .bookkeeping
                    .added(id, segments, || self.ring.core.num_free());
                Ok(())
            }
            Err((error, _)) => {
                transaction.rollback();
                Err(self.ring.bookkeeping.refused(error))
            }
        }
    }

    /// As [`RingRef::add_physical`], but only for a buffer with the shape of
    /// [`Segments::write_common`] that finds room in the ring and, if it gets a table, the table of
    /// its id. Returns false if nothing was changed, and the caller has to use [`RingRef::add`].
    ///
    /// # Errors
    ///
    /// As [`RingRef::add`].
    #[inline(always)]
    pub fn try_add_physical<B: Segments<Segment>>(
        &mut self,
        token: RawToken,
        segments: u16,
        buffer: &B,
    ) -> Result<bool> {
        match self
            .ring
            .core
            .try_add(token, segments, buffer, &mut Physical)
        {
            Ok(id) => {
                self.ring
                    .bookkeeping
                    .added(id, segments, || self.ring.core.num_free());
                Ok(true)
            }
            Err((None, _)) => Ok(false),
            Err((Some(error), _)) => Err(self.ring.bookkeeping.refused(error)),
        }
    }

    /// As [`RingRef::try_add_physical`], on a queue that [needs mappings](RingRef::needs_mapping).
    ///
    /// # Errors
    ///
    /// As [`RingRef::add`].
    #[inline(always)]
    pub fn try_add_with_mappings<B: Segments<Segment>>(
        &mut self,
        token: RawToken,
        segments: u16,
        buffer: &B,
    ) -> Result<bool> {
        let id = self.ring.core.next_id();
        let mappings = self.ring.bookkeeping.mappings.as_mut();
        let Some(mut transaction) = mappings.and_then(|mappings| mappings.begin(id, 0)) else {
            return Err(EINVAL);
        };
        match self
            .ring
            .core
            .try_add(token, segments, buffer, &mut transaction)
        {
            Ok(id) => {
                transaction.commit();
                self.ring
                    .bookkeeping
                    .added(id, segments, || self.ring.core.num_free());
                Ok(true)
            }
            // No segment was described, so no segment was mapped.
            Err((None, _)) => Ok(false),
            Err((Some(error), _)) => {
                transaction.rollback();
                Err(self.ring.bookkeeping.refused(error))
            }
        }
    }

    /// As [`RingRef::add`], of a buffer with one segment that needs no mapping.
    ///
    /// # Errors
    ///
    /// As [`RingRef::add`].
    #[inline(always)]
    pub fn add_single<B: Segments<Segment>>(&mut self, token: RawToken, buffer: &B) -> Result {
        match self.ring.core.try_add(token, 1, buffer, &mut Physical) {
            Ok(id) => {
                self.ring
                    .bookkeeping
                    .added(id, 1, || self.ring.core.num_free());
                Ok(())
            }
            Err((_, token)) => self.add_outlined(token, 1, buffer),
        }
    }

    /// Publishes the added buffers to the device, and the number of free descriptors to C code.
    #[inline(always)]
    pub fn publish(&mut self) {
        self.ring.core.publish();
        self.set_num_free();
    }

    /// Publishes the number of free descriptors to C code.
    #[inline(always)]
    pub fn set_num_free(&self) {
        self.ring
            .bookkeeping
            .set_num_free(self.ring.core.num_free());
    }

    /// Takes a used buffer. Returns its token and the number of bytes that the device reported as
    /// written, or 0 if the buffer has less room than that. Returns `None` if there is no used
    /// buffer or the queue is broken. If the device broke the queue, logs the reason once.
    #[inline(always)]
    pub fn get(&mut self) -> Option<(RawToken, u32)> {
        let Some(used) = self.ring.core.get() else {
            self.log_if_broken();
            return None;
        };
        let len = self.ring.bookkeeping.taken(&used);
        Some((used.token, len))
    }

    /// As [`RingRef::get`], but shows the token and the length to `look` before the buffer is
    /// taken. If `look` returns `Ok`, the buffer is added again instead, with the segments that it
    /// has. The device gets the buffer with the next kick.
    ///
    /// A ring that would have to describe the buffer again, or to map it, is unable to do that, and
    /// has not looked.
    #[inline(always)]
    pub fn get_or_add_again<L: LookAt>(
        &mut self,
        mut look: L,
    ) -> Looked<L::Again, L::Taken, (RawToken, u32)> {
        // Memory that is mapped by the ring is mapped for one use.
        if !F::KEEPS_DESCRIPTORS || self.needs_mapping() {
            return Looked::Unable;
        }
        let shown = match self.ring.core.look() {
            Ok(Some(shown)) => shown,
            Ok(None) => return Looked::Nothing,
            Err(Broken) => {
                log_broken(self.ring);
                return Looked::Nothing;
            }
        };
        let used = shown.used();
        let len = self.ring.bookkeeping.seen(&used);
        match look.look(used.token, len) {
            Ok(seen) => {
                shown.add_again();
                self.ring
                    .bookkeeping
                    .added(used.id, 1, || self.ring.core.num_free());
                // The ring is borrowed, so no code publishes the buffer now.
                Looked::AddedAgain(look.read(used.token, len, seen))
            }
            Err(seen) => {
                shown.take();
                self.ring.bookkeeping.released_unmapped(used.id);
                Looked::Taken(seen, (used.token, len))
            }
        }
    }

    /// Takes all used buffers, as [`RingRef::get`]. Returns whether the queue is broken.
    #[inline(always)]
    pub fn drain(&mut self, mut take: impl FnMut(RawToken, u32)) -> bool {
        let bookkeeping = &mut self.ring.bookkeeping;
        let broken = self.ring.core.drain(|used| {
            let len = bookkeeping.taken(&used);
            take(used.token, len);
        });
        if broken {
            self.log_if_broken();
        }
        broken
    }

    /// Publishes the added buffers. Returns whether the device wants a notification, also if the
    /// queue is broken. One full barrier.
    #[inline(always)]
    pub fn kick_prepare(&mut self) -> bool {
        let notify = self.ring.core.kick_prepare();
        self.ring.bookkeeping.kicked(notify);
        notify
    }

    /// As [`RingRef::kick_prepare`], and enables a callback for the time when the device has used
    /// most of the outstanding buffers, with one full barrier for both. Returns whether to notify
    /// the device, and whether the caller may sleep ([`Callbacks::is_quiet`]).
    #[inline(always)]
    pub fn kick_prepare_enable_cb_delayed(&mut self) -> (bool, bool) {
        let (notify, quiet) = self.ring.core.kick_prepare_enable_cb_delayed();
        self.ring.bookkeeping.kicked(notify);
        (notify, quiet)
    }

    /// As [`RingCore::enable_cb_prepare`](crate::ring::RingCore::enable_cb_prepare).
    #[inline(always)]
    pub fn enable_cb_prepare(&mut self) -> Armed {
        self.ring.core.enable_cb_prepare()
    }

    /// As [`RingCore::enable_cb`](crate::ring::RingCore::enable_cb).
    #[inline(always)]
    pub fn enable_cb(&mut self) -> Callbacks {
        self.ring.core.enable_cb()
    }

    /// As [`RingCore::enable_cb_delayed`](crate::ring::RingCore::enable_cb_delayed).
    #[inline(always)]
    pub fn enable_cb_delayed(&mut self) -> Callbacks {
        self.ring.core.enable_cb_delayed()
    }

    /// Takes back a buffer that the device has not used.
    ///
    /// # Safety
    ///
    /// The device uses neither the ring nor any of its buffers: the device, or the queue, was
    /// reset.
    pub unsafe fn detach_unused(&mut self) -> Option<RawToken> {
        // SAFETY: By the safety requirements, the device uses neither the ring nor its buffers.
        let unused = unsafe { self.ring.core.detach_unused() }?;
        self.ring.bookkeeping.released(unused.id);
        Some(unused.token)
    }

    /// As [`RingRef::get`], in the form of C: returns the token or null. Writes the length, which
    /// is at most the room in the buffer, to `len`, and the context to `ctx` unless that is null.
    ///
    /// # Safety
    ///
    /// `len`, and `ctx` if it is not null, are valid for writes.
    #[inline(never)]
    pub unsafe fn get_raw(self, len: *mut u32, ctx: *mut *mut c_void) -> *mut c_void {
        // SAFETY: By the safety requirements, `len` and `ctx` are valid for writes.
        unsafe {
            match self.ring.core.find() {
                Some(Found::Nothing) => null_mut(),
                Some(found) => self.take_raw(found, len, ctx),
                None => self.get_raw_or_log(len, ctx),
            }
        }
    }

    /// As [`RingRef::get_raw`], of a buffer that was just found.
    ///
    /// PERF: This is a function of its own, so that no registers are saved if there is no buffer.
    ///
    /// # Safety
    ///
    /// As [`RingRef::get_raw`].
    #[inline(never)]
    unsafe fn take_raw(
        mut self,
        found: Found,
        len: *mut u32,
        ctx: *mut *mut c_void,
    ) -> *mut c_void {
        let used = self.ring.core.take_found(found);
        // SAFETY: By the safety requirements, `len` and `ctx` are valid for writes.
        unsafe { self.hand_out(used, len, ctx) }
    }

    /// As [`RingRef::get_raw`], of a queue that is broken or breaks now.
    ///
    /// # Safety
    ///
    /// As [`RingRef::get_raw`].
    #[cold]
    #[inline(never)]
    unsafe fn get_raw_or_log(mut self, len: *mut u32, ctx: *mut *mut c_void) -> *mut c_void {
        let used = self.ring.core.get();
        // SAFETY: By the safety requirements, `len` and `ctx` are valid for writes.
        unsafe { self.hand_out(used, len, ctx) }
    }

    /// Hands a used buffer to C.
    ///
    /// # Safety
    ///
    /// As [`RingRef::get_raw`].
    #[inline(always)]
    unsafe fn hand_out(
        &mut self,
        used: Option<Used<RawToken>>,
        len: *mut u32,
        ctx: *mut *mut c_void,
    ) -> *mut c_void {
        let Some(used) = used else {
            self.log_if_broken();
            return null_mut();
        };
        self.set_num_free();
        // SAFETY: By the safety requirements, `len` is valid for writes, and so is `ctx` if it is
        // not null.
        unsafe {
            *len = used.len();
            if !ctx.is_null() {
                *ctx = used.token.ctx;
            }
        }
        self.ring.bookkeeping.taken(&used);
        used.token.data.as_ptr()
    }

    /// Logs the reason why the device broke its queue, if it did, once.
    #[inline(always)]
    fn log_if_broken(&mut self) {
        if self.ring.core.lockless().is_broken() {
            log_broken(self.ring);
        }
    }
}

/// Logs the reason why a queue is broken, if that was not logged yet.
#[cold]
#[inline(never)]
fn log_broken<F: Format<Platform = Kernel>>(ring: &mut Ring<F>) {
    let Ring { core, bookkeeping } = ring;
    if let Some(report) = core.take_broken_report() {
        report::log_broken(bookkeeping.vdev, bookkeeping.index, report);
        // SAFETY: `vq` is the queue of this ring, which outlives it.
        unsafe {
            trace::broken(|| {
                (
                    bookkeeping.vq,
                    report.reason as u32,
                    report.value,
                    report.limit,
                )
            })
        };
    }
}
