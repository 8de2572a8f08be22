// SPDX-License-Identifier: GPL-2.0

//! Notifications of the device, and callbacks of the driver (§2.7.6, §2.7.7, §2.7.10).

use super::{
    super::{
        event::{
            delay_threshold,
            passed_event, //
        },
        flags::Flags,
        format::{
            self,
            Count, //
        },
        lockless::Armed,
        platform::Platform,
        shared::Word, //
    },
    memory::{
        Areas,
        NO_INTERRUPT,
        NO_NOTIFY, //
    },
    LocklessState,
    SplitFormat, //
};

/// The facts about a split ring that the part of a queue without a lock needs.
#[derive(Clone, Copy)]
pub struct SplitView<P> {
    areas: Areas<P>,
    flags: Flags,
}

impl<P> SplitView<P> {
    #[inline(always)]
    pub(super) fn new(areas: Areas<P>, flags: Flags) -> Self {
        Self { areas, flags }
    }
}

impl<P: Platform> format::LayoutView<P> for SplitView<P> {
    #[inline(always)]
    fn flags(&self) -> Flags {
        self.flags
    }

    #[inline(always)]
    fn write_cb_disabled(&self, next_used: u32) {
        if self.flags.event_idx() {
            // The index of the entry that was taken last comes again only after 2^16 entries.
            // CAST: `next_used` is an index of 16 bits.
            self.areas
                .set_used_event((next_used as u16).wrapping_sub(1));
        } else {
            self.areas.set_avail_flags(NO_INTERRUPT);
        }
    }

    #[inline(always)]
    fn pos_of(&self, Armed(index): Armed) -> u32 {
        index.into()
    }

    #[inline(always)]
    fn wire_index(pos: u32) -> u16 {
        // CAST: `pos` is an index of 16 bits.
        pos as u16
    }

    #[inline(always)]
    unsafe fn has_used(&self, pos: u32, _batched: &Word<P>) -> bool {
        u32::from(self.areas.used_index()) != pos
    }
}

impl<P: Platform, const IN_ORDER: bool> SplitFormat<P, IN_ORDER> {
    /// Returns the available index that the device was told of.
    #[inline(always)]
    pub(super) fn published(&self, lockless: &LocklessState<P>) -> u16 {
        // CAST: `next` is an index of 16 bits.
        lockless.next_avail.get() as u16
    }

    /// Returns whether the device wants a notification of the last `unkicked` buffers.
    #[inline(always)]
    pub(super) fn wants(&self, count: &Count, unkicked: u64) -> bool {
        if !count.flags.event_idx() {
            return self.areas.used_flags() & NO_NOTIFY == 0;
        }
        passed_event(self.areas.avail_event(), count.total_added, unkicked)
    }

    /// Enables or disables callbacks for a new queue.
    pub(super) fn write_initial_cb(&self, lockless: &LocklessState<P>, count: &Count, on: bool) {
        lockless.cb_disabled.set((!on).into());
        if !on && !count.flags.event_idx() {
            self.areas.set_avail_flags(NO_INTERRUPT);
        }
    }

    /// Asks for a callback when entry `event` is used.
    #[inline(always)]
    pub(super) fn arm_at(&self, lockless: &LocklessState<P>, count: &Count, event: u16) {
        lockless.event_triggered.set(0);
        lockless.next_used.set(count.total_taken.into());
        if count.flags.event_idx() {
            lockless.cb_disabled.set(0);
            self.areas.set_used_event(event);
        } else if lockless.cb_disabled.get() != 0 {
            lockless.cb_disabled.set(0);
            self.areas.set_avail_flags(0);
        }
    }

    /// Asks for a callback when three quarters of the outstanding buffers are used: those up to the
    /// available index `published`. Returns that number.
    #[inline(always)]
    pub(super) fn arm_at_threshold(
        &self,
        lockless: &LocklessState<P>,
        count: &Count,
        published: u16,
    ) -> u16 {
        let outstanding = published.wrapping_sub(count.total_taken);
        // CAST: The result is at most `outstanding`.
        let wait = delay_threshold(outstanding.into()) as u16;
        self.arm_at(lockless, count, count.total_taken.wrapping_add(wait));
        wait
    }

    /// See [`Format::kick_and_arm_delayed`](format::Format::kick_and_arm_delayed).
    ///
    /// PERF: The index is written also if the device has it: most callers have just added a
    /// buffer. The positions and the areas are read once, since the compiler reads fields again
    /// after each write and after the barrier. That saves five instructions a kick.
    #[inline(always)]
    pub(super) fn publish_and_arm(
        &self,
        lockless: &LocklessState<P>,
        count: &mut Count,
    ) -> (bool, bool) {
        let (areas, added, taken) = (self.areas, count.total_added, count.total_taken);
        let flags = count.flags;
        // §2.7.13.3.1: As in `publish`.
        P::wmb(flags.strong());
        areas.set_avail_index(added);
        lockless.next_avail.set(added.into());
        // CAST: The result is at most the number of outstanding buffers.
        let wait = delay_threshold(added.wrapping_sub(taken).into()) as u16;
        lockless.event_triggered.set(0);
        lockless.next_used.set(taken.into());
        if flags.event_idx() {
            lockless.cb_disabled.set(0);
            areas.set_used_event(taken.wrapping_add(wait));
        } else if lockless.cb_disabled.get() != 0 {
            lockless.cb_disabled.set(0);
            areas.set_avail_flags(0);
        }
        // §2.7.13.4.1 and §2.7.7.1: The index, and the flags or the used event, are written before
        // the suppression and the used index are read. Pairs with the barriers of the device
        // between writing the suppression and reading the index again, and between writing the
        // used index and reading the event.
        P::mb(flags.strong());
        let unkicked = count.barrier_done();
        let kick = if flags.event_idx() {
            passed_event(areas.avail_event(), added, unkicked)
        } else {
            areas.used_flags() & NO_NOTIFY == 0
        };
        (kick, areas.used_index().wrapping_sub(taken) <= wait)
    }
}
