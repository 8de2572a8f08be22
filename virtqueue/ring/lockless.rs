// SPDX-License-Identifier: GPL-2.0

//! The part of a queue that interrupt handlers, and holders of a handle to the queue, use at any
//! time and without a lock.
//!
//! The ring has one owner, which uses it by `&mut`. The ring refers to this part, which is
//! therefore a separate type.

use super::{
    broken::{
        BrokenReason,
        BrokenReport, //
    },
    format::LayoutView,
    platform::Platform,
    shared::Word, //
};
use core::{
    cell::UnsafeCell,
    mem::MaybeUninit, //
};

/// The position of the next used buffer at the time when callbacks were enabled.
/// [`LocklessState::poll`] tests whether the device has used a buffer since: C's opaque value of
/// `virtqueue_enable_cb_prepare()`.
#[must_use = "buffers that were used before raise no callback"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Armed(pub(super) u16);

impl Armed {
    /// Returns the position as a number, for interfaces that have no type for it.
    #[inline(always)]
    pub const fn into_raw(self) -> u16 {
        self.0
    }

    /// Converts back from the result of [`Armed::into_raw`].
    #[inline(always)]
    pub const fn from_raw(raw: u16) -> Self {
        Self(raw)
    }
}

/// The result of enabling callbacks.
#[must_use = "buffers that were used before raise no callback"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callbacks {
    /// Callbacks are enabled, and there is no used buffer to take.
    On,
    /// Buffers were used before callbacks were enabled, and may raise none: look for used buffers
    /// again.
    Missed,
    /// The queue is broken: there may be no callback.
    Broken,
}

impl Callbacks {
    /// Returns false if the caller has to look for used buffers again.
    #[inline(always)]
    pub const fn is_quiet(self) -> bool {
        !matches!(self, Self::Missed)
    }

    /// Returns the result for a queue that is not broken.
    #[inline(always)]
    pub(super) const fn new(quiet: bool) -> Self {
        if quiet {
            Self::On
        } else {
            Self::Missed
        }
    }
}

/// The meaning of an interrupt for a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// The device used no buffer of this queue: the interrupt is another queue's, or spurious.
    None,
    /// The queue is broken. The interrupt may be this queue's, and there is nothing to do.
    Ignore,
    /// Buffers were used: call the driver.
    Callback,
}

/// The part of a queue that needs no lock. `V` holds the facts about the memory of the ring that
/// are needed here.
///
/// Each word is a hint, or written by the owner of the ring only.
///
/// # Invariants
///
/// - If `ring_readable` is not 0, `set_view` was called, and `view` is that of a ring.
/// - `next_used` is a position in the ring of `view`, if there is one.
///
/// PERF: The words come first, at the same places for each layout. So code that uses nothing else
/// is the same for all layouts, and the compiler drops the look at the layout. That saves three
/// instructions a notification.
#[repr(C)]
pub struct LocklessState<P, V> {
    /// The code of a [`BrokenReason`], or 0.
    broken: Word<P>,
    /// Not 0: the driver wants no callbacks.
    pub(super) cb_disabled: Word<P>,
    /// Not 0: the callback that was requested by index has come. The device sends no other before
    /// one is requested again.
    pub(super) event_triggered: Word<P>,
    /// The position of the next used buffer to take, in the representation of the format. While
    /// callbacks are disabled, a position before it: it is renewed when the ring is found empty.
    pub(super) next_used: Word<P>,
    /// The position of the next buffer to make available.
    pub(super) next_avail: Word<P>,
    /// Not 0: buffers of a batch are left to take, which the ring does not show as used (packed, in
    /// order).
    pub(super) batched: Word<P>,
    /// Not 0: the ring of `view` may be read.
    ring_readable: Word<P>,
    /// The value of `event_triggered` after an interrupt: not 0 if callbacks are requested by
    /// index.
    triggered: Word<P>,
    view: UnsafeCell<MaybeUninit<V>>,
}

// SAFETY: The words are `Sync`. `set_view` alone writes the view, and its safety requirements
// exclude any other access to the view during the write.
unsafe impl<P, V: Sync + Send> Sync for LocklessState<P, V> {}

impl<P: Platform, V: Copy> LocklessState<P, V> {
    /// Creates the lockless part for a ring that is not made yet.
    pub const fn new() -> Self {
        Self {
            broken: Word::new(0),
            cb_disabled: Word::new(0),
            event_triggered: Word::new(0),
            next_used: Word::new(0),
            next_avail: Word::new(0),
            batched: Word::new(0),
            ring_readable: Word::new(0),
            triggered: Word::new(0),
            view: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Resets the positions together with the ring. A broken queue stays broken. `event_idx` says
    /// whether callbacks are requested by index.
    pub(super) fn reinit(&self, event_idx: bool) {
        self.triggered.set(event_idx.into());
        self.event_triggered.set(0);
        self.batched.set(0);
        self.next_avail.set(0);
    }

    /// Sets the view of the ring. [`LocklessState::enable_ring`] lets readers use it.
    ///
    /// # Safety
    ///
    /// There is no concurrent reader of the view: the lockless state is new, or between
    /// [`LocklessState::disable_ring`] and [`LocklessState::enable_ring`].
    pub(super) unsafe fn set_view(&self, view: V) {
        // INVARIANT: 0 stands for the first position, which is in every ring.
        self.next_used.set(0);
        // SAFETY: By the safety requirements, there is no concurrent reader of the view.
        unsafe { (*self.view.get()).write(view) };
    }

    /// Returns the view of the ring, or `None` while there is no ring to read.
    #[inline(always)]
    pub(super) fn view(&self) -> Option<V> {
        if self.ring_readable.get() == 0 {
            return None;
        }
        // SAFETY: `ring_readable` was not 0, so the view is that of a ring (type invariant).
        // `set_view` does not write it concurrently, since its safety requirements exclude readers.
        Some(unsafe { (*self.view.get()).assume_init() })
    }

    /// Returns the words with their addresses, for the model checker.
    #[doc(hidden)]
    pub fn words(&self) -> [(usize, u32); 6] {
        let Self {
            broken,
            cb_disabled,
            event_triggered,
            next_used,
            next_avail,
            batched,
            ring_readable: _,
            triggered: _,
            view: _,
        } = self;
        [
            broken,
            cb_disabled,
            event_triggered,
            next_used,
            next_avail,
            batched,
        ]
        .map(|word| (core::ptr::from_ref(word).addr(), word.get()))
    }

    /// Returns the reason why the queue is broken, or `None`.
    #[inline]
    pub fn broken(&self) -> Option<BrokenReason> {
        BrokenReason::from_code(self.broken.get())
    }

    /// Returns whether the queue is broken.
    #[inline(always)]
    pub fn is_broken(&self) -> bool {
        self.broken.get() != 0
    }

    /// Declares the queue broken: it accepts and returns no buffer from now on.
    #[cold]
    pub fn declare_broken(&self) {
        if !self.is_broken() {
            self.broken.set(BrokenReason::Declared as u32);
        }
    }

    /// Disables the ring, which is about to be replaced, for all contexts but its owner: they find
    /// no ring until [`LocklessState::enable_ring`]. The caller waits for the contexts that are
    /// reading the ring already.
    pub fn disable_ring(&self) {
        self.ring_readable.set(0);
    }

    /// Enables the new ring for all contexts, after [`LocklessState::disable_ring`]. The caller has
    /// waited until every interrupt that began during the replacement has ended.
    ///
    /// # Safety
    ///
    /// There is a ring with this lockless state, and it is not about to be replaced.
    pub unsafe fn enable_ring(&self) {
        // INVARIANT: By the safety requirements, there is a ring, which has set the view.
        self.ring_readable.set(1);
    }

    /// Marks a broken queue as working again. Only for a queue that was reset since it broke, or
    /// that the device was never told of. No other queue works again.
    pub fn unbreak(&self) {
        self.broken.set(0);
    }

    /// Marks the queue broken by its device, unless it is broken already. The first report is
    /// kept in `first`.
    #[cold]
    #[inline(never)]
    pub(super) fn set_broken_once(&self, first: &mut Option<BrokenReport>, report: BrokenReport) {
        if self.broken().is_none() {
            self.broken.set(report.reason as u32);
            *first = Some(report);
        }
    }
}

impl<P: Platform, V: LayoutView<P>> LocklessState<P, V> {
    /// Asks the device for no more callbacks. This is a hint: a callback may still come (§2.7.7.1,
    /// §2.8.10).
    ///
    /// Any context, concurrently with every other function.
    #[inline(always)]
    pub fn disable_cb(&self) {
        if self.cb_disabled.get() != 0 {
            return;
        }
        // After the callback that was requested by index, the device sends no other: there is
        // nothing to suppress.
        if self.event_triggered.get() == 0 {
            if let Some(view) = self.view() {
                view.write_cb_disabled(self.next_used.get());
                // The owner may enable callbacks concurrently. It writes to the device only if it
                // finds `cb_disabled` set. So the device is disabled first, and `cb_disabled` set
                // afterwards. In the other order, the device could stay disabled with `cb_disabled`
                // clear, and no later enable would write to it.
                if !P::STORES_IN_ORDER {
                    P::wmb(view.flags().strong());
                }
            }
        }
        self.cb_disabled.set(1);
    }

    /// As [`LocklessState::disable_cb`], for a caller that enables callbacks again itself. If the
    /// device sends no callback in any case, this changes nothing.
    #[inline(always)]
    pub(super) fn suppress_cb(&self) {
        if self.event_triggered.get() == 0 {
            self.disable_cb();
        }
    }

    /// Returns whether the device has used a buffer since callbacks were enabled at `armed`. One
    /// full barrier.
    ///
    /// Any context, concurrently with every other function.
    #[inline]
    pub fn poll(&self, armed: Armed) -> bool {
        let Some(view) = self.view() else {
            return false;
        };
        if self.is_broken() {
            return false;
        }
        // §2.7.7.1, §2.8.10: The driver wrote the flags or the used event before it reads the used
        // index or flags. Pairs with the barrier of the device between writing the used index or
        // flags and reading the event suppression.
        P::mb(view.flags().strong());
        // SAFETY: `LayoutView::pos_of` returns a position in the ring of the view.
        unsafe { view.has_used(view.pos_of(armed), &self.batched) }
    }

    /// Returns the meaning of an interrupt for this queue. The interrupt may be that of another
    /// queue.
    ///
    /// Any context, concurrently with every other function.
    #[inline]
    pub fn interrupt(&self) -> Interrupt {
        let Some(view) = self.view() else {
            return Interrupt::None;
        };
        // SAFETY: By the type invariant, `next_used` is a position in the ring of `view`.
        if !unsafe { view.has_used(self.next_used.get(), &self.batched) } {
            return Interrupt::None;
        }
        if self.is_broken() {
            return Interrupt::Ignore;
        }
        // PERF: A copy instead of a branch. Without `VIRTIO_F_EVENT_IDX` the word stays 0. That
        // saves two instructions an interrupt.
        self.event_triggered.set(self.triggered.get());
        Interrupt::Callback
    }

    /// Returns the position of the next buffer to make available, and that of the next used one to
    /// take: indices in a split ring, and indices with the wrap counter in a packed one. Both are
    /// hints.
    #[inline]
    pub fn next_indices(&self) -> (u16, u16) {
        (
            V::wire_index(self.next_avail.get()),
            V::wire_index(self.next_used.get()),
        )
    }

    /// Returns whether the driver wants callbacks. This is a hint.
    #[inline]
    pub fn wants_callbacks(&self) -> bool {
        self.cb_disabled.get() == 0
    }

    /// Returns the word that notifies the device of the queue with number `queue` under
    /// `VIRTIO_F_NOTIFICATION_DATA` (§2.9).
    #[inline]
    pub fn notification_data(&self, queue: u16) -> u32 {
        u32::from(V::wire_index(self.next_avail.get())) << 16 | u32::from(queue)
    }
}

impl<P: Platform, V: Copy> Default for LocklessState<P, V> {
    fn default() -> Self {
        Self::new()
    }
}
