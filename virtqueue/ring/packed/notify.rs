// SPDX-License-Identifier: GPL-2.0

//! Notifications of the device, and callbacks of the driver (§2.8.10, §2.8.21.2, §2.8.21.3).

use super::{
    super::{
        event::delay_threshold,
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
        DescRing,
        EventRequest,
        EventSuppression,
        AT_DESC,
        DISABLE,
        ENABLE, //
    },
    position::RingPos,
    LocklessState,
    PackedFormat,
    WireIndex, //
};

use core::mem::replace;

/// The facts about a packed ring that the part of a queue without a lock needs.
#[derive(Clone, Copy)]
pub struct PackedView<P> {
    ring: DescRing<P>,
    driver: EventSuppression<P>,
    flags: Flags,
}

impl<P> PackedView<P> {
    #[inline(always)]
    pub(super) fn new(ring: DescRing<P>, driver: EventSuppression<P>, flags: Flags) -> Self {
        Self {
            ring,
            driver,
            flags,
        }
    }
}

impl<P: Platform> format::LayoutView<P> for PackedView<P> {
    #[inline(always)]
    fn flags(&self) -> Flags {
        self.flags
    }

    #[inline(always)]
    fn write_cb_disabled(&self, _next_used: u32) {
        self.driver.set_flags(DISABLE);
    }

    #[inline(always)]
    fn pos_of(&self, Armed(word): Armed) -> u32 {
        let index = WireIndex::from_raw(word).clamp(self.ring.size());
        RingPos::used_at(index).into_raw()
    }

    #[inline(always)]
    fn wire_index(pos: u32) -> u16 {
        RingPos::from_raw(pos).wire_index().into_raw()
    }

    #[inline(always)]
    unsafe fn has_used(&self, pos: u32, batched: &Word<P>) -> bool {
        let pos = RingPos::from_raw(pos);
        // SAFETY: By the safety requirements, `pos` is a position in the ring.
        let (shown, _) = unsafe { self.ring.desc_at(pos) }.read_used();
        shown || batched.get() != 0
    }
}

impl<P: Platform, const IN_ORDER: bool> PackedFormat<P, IN_ORDER> {
    /// Returns whether the device wants a notification of the last `unkicked` descriptors, of which
    /// the first is at `first_unkicked`.
    #[inline(always)]
    pub(super) fn wants(&mut self, unkicked: u64) -> bool {
        let first_unkicked = replace(&mut self.first_unkicked, self.next_avail.pos());
        let request = self.device.read();
        if request.has(DISABLE) {
            // Both flags together are reserved. An extra notification does no harm.
            return request.has(AT_DESC);
        }
        // A device that has used all that was available asks for the next descriptor to be added.
        if request == EventRequest::at(first_unkicked.wire_index()) {
            return unkicked != 0;
        }
        !request.has(AT_DESC) || self.passed(request.wire_index(), unkicked)
    }

    /// Returns whether the device's event descriptor is among the last `unkicked` ones.
    #[inline(always)]
    fn passed(&self, event: WireIndex, unkicked: u64) -> bool {
        let size = self.ring.size();
        if event.index() >= size {
            return true;
        }
        // An event with the other wrap counter is in the lap before.
        let before = if event.wrap() == self.next_avail.pos().wire_index().wrap() {
            0
        } else {
            size
        };
        // The number of descriptors from the event up to the next free one; a very large number if
        // the event is still ahead.
        let behind = self
            .next_avail
            .pos()
            .index()
            .wrapping_sub(event.index())
            .wrapping_add(before);
        u64::from(behind.wrapping_sub(1)) < unkicked
    }

    /// Enables or disables callbacks for a new queue.
    pub(super) fn write_initial_cb(&self, lockless: &LocklessState<P>, count: &Count, on: bool) {
        lockless.cb_disabled.set((!on).into());
        if on {
            self.write_cb_enabled(count, self.next_used.pos());
        } else {
            self.driver.set_flags(DISABLE);
        }
    }

    /// Asks for a callback when the descriptor at `event` is used.
    #[inline(always)]
    pub(super) fn arm_at(&self, lockless: &LocklessState<P>, count: &Count, event: RingPos) {
        lockless.event_triggered.set(0);
        lockless.next_used.set(self.next_used.pos().into_raw());
        if lockless.cb_disabled.get() != 0 {
            lockless.cb_disabled.set(0);
            self.write_cb_enabled(count, event);
        } else if count.flags.event_idx() {
            self.driver.set_off_wrap(event.wire_index().into_raw());
        }
    }

    /// Asks for a callback when three quarters of the outstanding descriptors are used.
    #[inline(always)]
    pub(super) fn arm_at_threshold(&self, lockless: &LocklessState<P>, count: &Count) {
        let size = self.ring.size();
        // OVERFLOW: Not more descriptors are free than the ring has.
        let wait = delay_threshold(u32::from(size).wrapping_sub(count.free.into()));
        self.arm_at(lockless, count, self.next_used.pos_ahead(wait, size));
    }

    /// Returns whether the next descriptor to take has the flags of a used one. The device may have
    /// written them without having a buffer.
    #[inline(always)]
    pub(super) fn shows_used(&self) -> bool {
        // SAFETY: By the type invariants, `next_used` is a position in the ring.
        unsafe { self.ring.desc_at(self.next_used.pos()) }
            .read_used()
            .0
    }

    /// Writes the flags that enable callbacks, and the position that they refer to.
    #[inline(always)]
    fn write_cb_enabled(&self, count: &Count, event: RingPos) {
        if count.flags.event_idx() {
            self.driver.set_off_wrap(event.wire_index().into_raw());
            // §2.8.10: The position is written before the flags that refer to it. Pairs with the
            // device reading both at once, or the flags first.
            P::wmb(count.flags.strong());
            self.driver.set_flags(AT_DESC);
        } else {
            self.driver.set_flags(ENABLE);
        }
    }
}
