// SPDX-License-Identifier: GPL-2.0

//! Notifications of the device, and callbacks of the driver (§2.7.6, §2.7.7, §2.7.10).

use super::{
    super::{
        event::{
            most_of,
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
    Control,
    Format, //
};

/// The facts about a split ring that the part of a queue without a lock needs.
#[derive(Clone, Copy)]
pub struct View<P> {
    areas: Areas<P>,
    flags: Flags,
}

impl<P> View<P> {
    #[inline(always)]
    pub(super) fn new(areas: Areas<P>, flags: Flags) -> Self {
        Self { areas, flags }
    }
}

impl<P: Platform> format::View<P> for View<P> {
    #[inline(always)]
    fn flags(&self) -> Flags {
        self.flags
    }

    #[inline(always)]
    fn turn_off(&self, taken: u32) {
        if self.flags.event_idx() {
            // The index of the entry that was taken last comes again only after 2^16 entries.
            // CAST: `taken` is an index of 16 bits.
            self.areas.set_used_event((taken as u16).wrapping_sub(1));
        } else {
            self.areas.set_flags(NO_INTERRUPT);
        }
    }

    #[inline(always)]
    fn place(&self, Armed(index): Armed) -> u32 {
        index.into()
    }

    #[inline(always)]
    fn word(place: u32) -> u16 {
        // CAST: `place` is an index of 16 bits.
        place as u16
    }

    #[inline(always)]
    unsafe fn has_used(&self, at: u32, _batched: &Word<P>) -> bool {
        u32::from(self.areas.index()) != at
    }
}

impl<P: Platform, const IN_ORDER: bool> Format<P, IN_ORDER> {
    /// Returns the available index that the device was told of.
    #[inline(always)]
    pub(super) fn published(&self, control: &Control<P>) -> u16 {
        // CAST: `next` is an index of 16 bits.
        control.next.get() as u16
    }

    /// Returns whether the device wants a notification of the last `added` buffers.
    #[inline(always)]
    pub(super) fn wants(&self, count: &Count, added: u64) -> bool {
        if !count.flags.event_idx() {
            return self.areas.flags() & NO_NOTIFY == 0;
        }
        passed_event(self.areas.avail_event(), count.made, added)
    }

    /// Enables or disables callbacks for a new queue.
    pub(super) fn start_with_callbacks(&self, control: &Control<P>, count: &Count, on: bool) {
        control.off.set((!on).into());
        if !on && !count.flags.event_idx() {
            self.areas.set_flags(NO_INTERRUPT);
        }
    }

    /// Asks for a callback when entry `event` is used.
    #[inline(always)]
    pub(super) fn arm_at(&self, control: &Control<P>, count: &Count, event: u16) {
        control.triggered.set(0);
        control.taken.set(count.done.into());
        if count.flags.event_idx() {
            control.off.set(0);
            self.areas.set_used_event(event);
        } else if control.off.get() != 0 {
            control.off.set(0);
            self.areas.set_flags(0);
        }
    }

    /// Asks for a callback when three quarters of the outstanding buffers are used. Returns that
    /// number.
    #[inline(always)]
    pub(super) fn arm_most(&self, control: &Control<P>, count: &Count) -> u16 {
        let outstanding = self.published(control).wrapping_sub(count.done);
        // CAST: The result is at most `outstanding`.
        let wait = most_of(outstanding.into()) as u16;
        self.arm_at(control, count, count.done.wrapping_add(wait));
        wait
    }
}
