// SPDX-License-Identifier: GPL-2.0

//! The part of a ring that needs no exclusion: interrupt handlers, and holders of a handle to the
//! queue, may use it at any time.
//!
//! It is separate from the ring, which has one owner that uses it by `&mut`, and the ring refers to
//! it.

use super::{
    broken::{
        Broken,
        Fault,
        Report, //
    },
    format::View,
    platform::Platform,
    shared::Word, //
};
use core::{
    cell::UnsafeCell,
    mem::MaybeUninit, //
};

/// A place in a queue as of which callbacks were enabled.
#[must_use = "buffers that were used meanwhile raise no callback"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Armed(pub(super) u16);

impl Armed {
    /// The place as a number, for interfaces that have no type for it.
    #[inline(always)]
    pub const fn into_raw(self) -> u16 {
        self.0
    }

    /// From what [`Armed::into_raw`] returned.
    #[inline(always)]
    pub const fn from_raw(raw: u16) -> Self {
        Self(raw)
    }
}

/// The result of asking for callbacks.
#[must_use = "buffers that were used meanwhile raise no callback"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callbacks {
    /// Callbacks are on, and nothing is there to be taken.
    On,
    /// Buffers were used by now, for which none may come.
    Missed,
    /// The queue is broken: none has to come.
    Broken,
}

impl Callbacks {
    /// Whether nothing is to be looked for: false if buffers were used by now.
    #[inline(always)]
    pub const fn is_quiet(self) -> bool {
        !matches!(self, Self::Missed)
    }

    /// Returns what came of it where the queue is not broken.
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
    /// Nothing was used: it is another queue's, or none's.
    None,
    /// The queue is broken: it may have been this one's, there is nothing to do.
    Ignore,
    /// Buffers were used: call the driver.
    Callback,
}

/// The shared part of a queue; `V` is what it needs to know of the memory of its ring.
///
/// Everything in it is a hint, or written by the owner of the ring only.
///
/// # Invariants
///
/// - Once `attach` was called, `view` is that of a ring, and `shown` is 0 before.
/// - `taken` is a place in the ring of `view`, if there is one.
pub struct Control<P, V> {
    /// The code of a [`Broken`], or 0.
    broken: Word<P>,
    /// Not 0: the driver wants no callbacks.
    pub(super) off: Word<P>,
    /// Not 0: the callback that was asked for by index has come, so that there will be no other
    /// before it is asked for again.
    pub(super) triggered: Word<P>,
    /// The place of the next used buffer to take, as the format has it.
    pub(super) taken: Word<P>,
    /// That of the next buffer to make available.
    pub(super) next: Word<P>,
    /// Not 0: there are used buffers that the ring does not show (packed, in order: the rest of a
    /// batch).
    pub(super) batched: Word<P>,
    /// Not 0: there is a ring to look at, that of `view`.
    shown: Word<P>,
    view: UnsafeCell<MaybeUninit<V>>,
}

// SAFETY: The words are. The view is written by `attach` only, while nobody else looks at it by the
// safety requirements there.
unsafe impl<P, V: Sync + Send> Sync for Control<P, V> {}

impl<P: Platform, V: Copy> Control<P, V> {
    /// A control for a ring to be.
    pub const fn new() -> Self {
        Self {
            broken: Word::new(0),
            off: Word::new(0),
            triggered: Word::new(0),
            taken: Word::new(0),
            next: Word::new(0),
            batched: Word::new(0),
            shown: Word::new(0),
            view: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Begins anew, with the ring. A queue that is broken stays so.
    pub(super) fn start(&self) {
        self.triggered.set(0);
        self.batched.set(0);
        self.next.set(0);
    }

    /// Says where the ring is. A new ring is shown by [`Control::show`].
    ///
    /// # Safety
    ///
    /// Nobody else looks at the ring meanwhile: the control is new, or between
    /// [`Control::hide`] and [`Control::show`].
    pub(super) unsafe fn attach(&self, view: V) {
        // INVARIANT: The first place, which is in every ring.
        self.taken.set(0);
        // SAFETY: Nobody else looks at the view, as the caller sees to.
        unsafe { (*self.view.get()).write(view) };
    }

    /// Returns the view of the ring, if there is one to look at.
    #[inline(always)]
    pub(super) fn view(&self) -> Option<V> {
        if self.shown.get() == 0 {
            return None;
        }
        // SAFETY: The view is that of a ring (type invariant), and is not written while it is
        // shown.
        Some(unsafe { (*self.view.get()).assume_init() })
    }

    /// The words with their addresses, for a model.
    #[doc(hidden)]
    pub fn words(&self) -> [(usize, u32); 6] {
        let Self {
            broken,
            off,
            triggered,
            taken,
            next,
            batched,
            shown: _,
            view: _,
        } = self;
        [broken, off, triggered, taken, next, batched]
            .map(|word| (core::ptr::from_ref(word).addr(), word.get()))
    }

    /// Why the queue is broken, if it is.
    #[inline]
    pub fn broken(&self) -> Option<Broken> {
        Broken::from_code(self.broken.get())
    }

    /// Whether the queue is broken.
    #[inline(always)]
    pub fn is_broken(&self) -> bool {
        self.broken.get() != 0
    }

    /// Declares the queue broken: from now on it takes and gives nothing.
    #[cold]
    pub fn declare_broken(&self) {
        if !self.is_broken() {
            self.broken.set(Broken::Declared as u32);
        }
    }

    /// Has nothing but the owner look at the ring, which is to be replaced, until
    /// [`Control::show`]: interrupts find no ring. Those that look at the ring already are to be
    /// waited for.
    pub fn hide(&self) {
        self.shown.set(0);
    }

    /// Has interrupts find the ring, which is new. After [`Control::hide`], to be called when none
    /// is left that began to look while the ring was replaced.
    pub fn show(&self) {
        self.shown.set(1);
    }

    /// Takes a declaration back, or what a device did to break the queue. Only for one that was
    /// reset since, or was never told of the queue; nothing else mends one.
    pub fn unbreak(&self) {
        self.broken.set(0);
    }

    /// Declares the queue broken by its device.
    #[cold]
    #[inline(never)]
    pub(super) fn latch(&self, report: &mut Option<Report>, (reason, value, limit): Fault) {
        if self.broken().is_none() {
            self.broken.set(reason as u32);
            *report = Some(Report {
                reason,
                value,
                limit,
            });
        }
    }
}

impl<P: Platform, V: View<P>> Control<P, V> {
    /// Asks the device for no more callbacks: a hint, a callback may still come (§2.7.7.1,
    /// §2.8.10).
    ///
    /// Any context, concurrently with everything.
    #[inline(always)]
    pub fn disable_cb(&self) {
        if self.off.get() != 0 {
            return;
        }
        // Where the callback has come that was asked for by index, there is no other.
        if self.triggered.get() == 0 {
            if let Some(view) = self.view() {
                view.turn_off(self.taken.get());
                // The owner, which may ask for callbacks meanwhile, turns the device on where this
                // is noted, and else leaves it as it is. So the device is off before that is noted:
                // where it is not, a device is never off.
                if !P::STORES_IN_ORDER {
                    P::wmb(view.flags().strong());
                }
            }
        }
        self.off.set(1);
    }

    /// As [`Control::disable_cb`], until callbacks are asked for again by whoever disables them
    /// here: where there is nothing to be done about that, nothing is noted.
    #[inline(always)]
    pub(super) fn hold_cb(&self) {
        if self.triggered.get() == 0 {
            self.disable_cb();
        }
    }

    /// Whether there are used buffers at the place as of which callbacks were enabled. One full
    /// barrier.
    ///
    /// Any context, concurrently with everything. False if the queue is broken.
    #[inline]
    pub fn poll(&self, armed: Armed) -> bool {
        let Some(view) = self.view() else {
            return false;
        };
        if self.is_broken() {
            return false;
        }
        // §2.7.7.1, §2.8.10: The flags or the used event were written before what the device used
        // is read. Pairs with the barrier of the device between writing that and reading those.
        P::mb(view.flags().strong());
        // SAFETY: It is a place in the ring of the view, by `View::place`.
        unsafe { view.has_used(view.place(armed), &self.batched) }
    }

    /// Returns the meaning for this queue of an interrupt that it may share with others.
    ///
    /// Any context, concurrently with everything.
    #[inline]
    pub fn interrupt(&self) -> Interrupt {
        let Some(view) = self.view() else {
            return Interrupt::None;
        };
        // SAFETY: By the type invariant, `taken` is a place in the ring of `view`.
        if !unsafe { view.has_used(self.taken.get(), &self.batched) } {
            return Interrupt::None;
        }
        if self.is_broken() {
            return Interrupt::Ignore;
        }
        if view.flags().event_idx() {
            self.triggered.set(1);
        }
        Interrupt::Callback
    }

    /// Returns the places at which the next buffer is made available and the next used one is
    /// taken: indices of a split ring, places with the wrap counter of a packed one. Hints.
    #[inline]
    pub fn places(&self) -> (u16, u16) {
        (V::word(self.next.get()), V::word(self.taken.get()))
    }

    /// Whether the driver wants to be called. A hint.
    #[inline]
    pub fn wants_callbacks(&self) -> bool {
        self.off.get() == 0
    }

    /// Returns the word to write as a notification with `VIRTIO_F_NOTIFICATION_DATA` (§2.9), for
    /// the queue with number `queue`.
    #[inline]
    pub fn notification_data(&self, queue: u16) -> u32 {
        u32::from(V::word(self.next.get())) << 16 | u32::from(queue)
    }
}

impl<P: Platform, V: Copy> Default for Control<P, V> {
    fn default() -> Self {
        Self::new()
    }
}
