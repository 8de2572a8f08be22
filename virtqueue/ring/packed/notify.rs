// SPDX-License-Identifier: GPL-2.0

//! Notifications of the device, and callbacks of the driver (§2.8.10, §2.8.21.2, §2.8.21.3).

use super::{
    super::{
        event::most_of,
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
        Asked,
        Event,
        Ring,
        AT_DESC,
        DISABLE,
        ENABLE, //
    },
    position::Place,
    Control,
    Format,
    Position, //
};

use core::mem::replace;

/// The facts about a packed ring that the part of a queue without a lock needs.
#[derive(Clone, Copy)]
pub struct View<P> {
    ring: Ring<P>,
    driver: Event<P>,
    flags: Flags,
}

impl<P> View<P> {
    #[inline(always)]
    pub(super) fn new(ring: Ring<P>, driver: Event<P>, flags: Flags) -> Self {
        Self {
            ring,
            driver,
            flags,
        }
    }
}

impl<P: Platform> format::View<P> for View<P> {
    #[inline(always)]
    fn flags(&self) -> Flags {
        self.flags
    }

    #[inline(always)]
    fn turn_off(&self, _taken: u32) {
        self.driver.set_flags(DISABLE);
    }

    #[inline(always)]
    fn place(&self, Armed(word): Armed) -> u32 {
        let position = Position::from_raw(word).clamp(self.ring.size());
        Place::taken_at(position).into_raw()
    }

    #[inline(always)]
    fn word(place: u32) -> u16 {
        Place::from_raw(place).position().into_raw()
    }

    #[inline(always)]
    unsafe fn has_used(&self, at: u32, batched: &Word<P>) -> bool {
        let at = Place::from_raw(at);
        // SAFETY: By the safety requirements, `at` is a position in the ring.
        let (shown, _) = unsafe { self.ring.spot(at) }.look();
        shown || batched.get() != 0
    }
}

impl<P: Platform, const IN_ORDER: bool> Format<P, IN_ORDER> {
    /// Returns whether the device wants a notification of the last `added` descriptors, of which
    /// the first is at `news`.
    #[inline(always)]
    pub(super) fn wants(&mut self, added: u64) -> bool {
        let news = replace(&mut self.news, self.next.place());
        let asked = self.device.read();
        if asked.has(DISABLE) {
            // Both flags together are reserved: one notification too many does no harm.
            return asked.has(AT_DESC);
        }
        // A device that has used all that was available asks for the next descriptor to be added.
        if asked == Asked::at(news.position()) {
            return added != 0;
        }
        !asked.has(AT_DESC) || self.passed(asked.position(), added)
    }

    /// Returns whether the device's event descriptor is among the last `added` ones.
    #[inline(always)]
    fn passed(&self, event: Position, added: u64) -> bool {
        let size = self.ring.size();
        if event.slot() >= size {
            return true;
        }
        // An event with the other wrap counter is in the lap before.
        let before = if event.wrap() == self.next.place().position().wrap() {
            0
        } else {
            size
        };
        // The number of descriptors from the event up to the next free one; a very large number if
        // the event is still ahead.
        let behind = self
            .next
            .place()
            .slot()
            .wrapping_sub(event.slot())
            .wrapping_add(before);
        u64::from(behind.wrapping_sub(1)) < added
    }

    /// Enables or disables callbacks for a new queue.
    pub(super) fn start_with_callbacks(&self, control: &Control<P>, count: &Count, on: bool) {
        control.off.set((!on).into());
        if on {
            self.turn_on(count, self.taken.place());
        } else {
            self.driver.set_flags(DISABLE);
        }
    }

    /// Asks for a callback when the descriptor at `event` is used.
    #[inline(always)]
    pub(super) fn arm_at(&self, control: &Control<P>, count: &Count, event: Place) {
        control.triggered.set(0);
        control.taken.set(self.taken.place().into_raw());
        if control.off.get() != 0 {
            control.off.set(0);
            self.turn_on(count, event);
        } else if count.flags.event_idx() {
            self.driver.set_position(event.position().into_raw());
        }
    }

    /// Asks for a callback when three quarters of the outstanding descriptors are used.
    #[inline(always)]
    pub(super) fn arm_most(&self, control: &Control<P>, count: &Count) {
        let size = self.ring.size();
        // OVERFLOW: Not more descriptors are free than the ring has.
        let wait = most_of(u32::from(size).wrapping_sub(count.free.into()));
        self.arm_at(control, count, self.taken.ahead(wait, size));
    }

    /// Returns whether the next descriptor to take has the flags of a used one. The device may have
    /// written them without having a buffer.
    #[inline(always)]
    pub(super) fn shows_used(&self) -> bool {
        // SAFETY: By the type invariants, `taken` is a position in the ring.
        unsafe { self.ring.spot(self.taken.place()) }.look().0
    }

    /// Writes the flags that enable callbacks, and the position that they refer to.
    #[inline(always)]
    fn turn_on(&self, count: &Count, event: Place) {
        if count.flags.event_idx() {
            self.driver.set_position(event.position().into_raw());
            // §2.8.10: The position is written before the flags that refer to it. Pairs with the
            // device reading both at once, or the flags first.
            P::wmb(count.flags.strong());
            self.driver.set_flags(AT_DESC);
        } else {
            self.driver.set_flags(ENABLE);
        }
    }
}
