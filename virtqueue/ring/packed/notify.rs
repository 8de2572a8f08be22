// SPDX-License-Identifier: GPL-2.0

//! Notifying the device and being called by it (§2.8.10, §2.8.21.2, §2.8.21.3).

use super::{
    super::{
        control::{
            Armed,
            Interrupt, //
        },
        event::{
            most_of,
            need_event, //
        },
        platform::Platform,
        slot::Slot,
        Config, //
    },
    memory::{
        Event,
        Ring,
        AT_DESC,
        DISABLE,
        ENABLE, //
    },
    Control, Packed, Position,
};
use core::ops::{
    Deref,
    DerefMut, //
};

/// What the shared part of a queue knows of its ring.
pub struct View<P> {
    ring: Ring<P>,
    driver: Event<P>,
    event_idx: bool,
    strong: bool,
}

impl<P> Clone for View<P> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for View<P> {}

impl<P: Platform> View<P> {
    pub(super) fn new(ring: Ring<P>, driver: Event<P>, config: &Config) -> Self {
        Self {
            ring,
            driver,
            event_idx: config.event_idx,
            strong: config.strong_barriers,
        }
    }

    #[inline(always)]
    fn is_used(&self, at: Position) -> bool {
        at.is_used(self.ring.flags(at.slot()))
    }
}

impl<P: Platform> Control<P> {
    /// Asks the device for no more callbacks: a hint, a callback may still come (§2.8.10).
    ///
    /// Any context, concurrently with everything.
    #[inline]
    pub fn disable_cb(&self) {
        if self.off.get() != 0 {
            return;
        }
        self.off.set(1);
        // Where the callback has come that was asked for by index, there is no other.
        if self.triggered.get() != 0 {
            return;
        }
        if let Some(view) = self.view() {
            view.driver.set_flags(DISABLE);
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
        // §2.8.10: The driver's area was written before the flags are read. Pairs with the
        // barrier of the device between writing flags and reading that area.
        P::mb(view.strong);
        self.has_used(&view, armed)
    }

    /// Whether there are used buffers at a place, as far as can be seen without a barrier.
    #[inline(always)]
    fn has_used(&self, view: &View<P>, armed: Armed) -> bool {
        view.is_used(Position::from_raw(armed.0)) || self.batched.get() != 0
    }

    /// What an interrupt that this queue may share with others means for it.
    ///
    /// Any context, concurrently with everything.
    #[inline]
    pub fn interrupt(&self) -> Interrupt {
        let Some(view) = self.view() else {
            return Interrupt::None;
        };
        if !self.has_used(&view, Armed(self.taken.get())) {
            return Interrupt::None;
        }
        if self.is_broken() {
            return Interrupt::Ignore;
        }
        if view.event_idx {
            self.triggered.set(1);
        }
        Interrupt::Callback
    }

    /// What to write as a notification with `VIRTIO_F_NOTIFICATION_DATA` (§2.9), for the queue
    /// with number `queue`.
    #[inline]
    pub fn notification_data(&self, queue: u16) -> u32 {
        u32::from(self.next.get()) << 16 | u32::from(queue)
    }
}

impl<P, T, S, C, const IN_ORDER: bool> Packed<P, T, S, C, IN_ORDER>
where
    P: Platform,
    S: DerefMut<Target = [Slot<T>]>,
    C: Deref<Target = Control<P>>,
{
    /// Tells the device of what was added, without a notification: it may see it, if it looks.
    #[inline(always)]
    pub fn publish(&mut self) {
        if let Some((slot, head)) = self.held.take() {
            // §2.8.21.1: Everything else is written before the flags of the first descriptor.
            // Pairs with the barrier of the device between reading those and the rest.
            self.ring.publish(slot, head, self.config.strong_barriers);
            self.control.next.set(self.next.into_raw());
        }
    }

    /// Publishes what was added, and says whether the device wants to be notified of it. One full
    /// barrier.
    ///
    /// False if the queue is broken.
    #[inline]
    pub fn kick_prepare(&mut self) -> bool {
        if self.control.is_broken() {
            return false;
        }
        self.publish();
        // §2.8.21.3.1: The flags are written before the suppression is read. Pairs with the
        // barrier of the device between writing the suppression and reading flags again.
        P::mb(self.config.strong_barriers);
        self.wants_kick()
    }

    /// Whether the device wants to be notified of what was published. A full barrier was done
    /// after that.
    #[inline(always)]
    fn wants_kick(&mut self) -> bool {
        let added = self.added;
        self.added = 0;
        let (position, flags) = self.device.read();
        match flags & 3 {
            ENABLE => true,
            DISABLE => false,
            AT_DESC if self.config.event_idx => self.passed(Position::from_raw(position), added),
            // Reserved: a notification more does no harm.
            _ => true,
        }
    }

    /// Whether the last `added` descriptors go over the one that the device asks for.
    #[inline(always)]
    fn passed(&self, event: Position, added: u64) -> bool {
        let size = self.ring.size();
        if event.slot() >= size || added > u64::from(size) {
            return true;
        }
        let new = self.next.slot();
        // What is not of this round is of the one before.
        let event = if event.wrap() == self.next.wrap() {
            event.slot()
        } else {
            event.slot().wrapping_sub(size)
        };
        // CAST: It was just compared.
        need_event(event, new, new.wrapping_sub(added as u16))
    }

    /// Callbacks as the driver of a new queue wants them.
    pub(super) fn start_callbacks(&mut self) {
        if self.config.callbacks {
            self.control.off.set(0);
            self.turn_on(self.taken);
        } else {
            self.control.off.set(1);
            self.driver.set_flags(DISABLE);
        }
    }

    /// Asks the device for no more callbacks: a hint, a callback may still come.
    #[inline]
    pub fn disable_cb(&mut self) {
        self.control.disable_cb();
    }

    /// First half of [`Packed::enable_cb`], without a barrier: [`Control::poll`] is the second.
    #[inline]
    pub fn enable_cb_prepare(&mut self) -> Armed {
        self.arm(self.taken)
    }

    /// Asks for a callback when the descriptor at `event` is used.
    #[inline(always)]
    fn arm(&mut self, event: Position) -> Armed {
        self.control.triggered.set(0);
        if self.control.off.get() != 0 {
            self.control.off.set(0);
            self.turn_on(event);
        } else if self.config.event_idx {
            self.driver.set_position(event.into_raw());
        }
        Armed(self.taken.into_raw())
    }

    /// Writes the flags for callbacks, and the position that they refer to.
    #[inline(always)]
    fn turn_on(&self, event: Position) {
        if self.config.event_idx {
            self.driver.set_position(event.into_raw());
            // §2.8.10: The position is there when the flags refer to it. Pairs with the device
            // reading both at once, or the flags first.
            P::wmb(self.config.strong_barriers);
            self.driver.set_flags(AT_DESC);
        } else {
            self.driver.set_flags(ENABLE);
        }
    }

    /// Asks for a callback at the next used buffer and looks again: false if there are used
    /// buffers by now, so that none is waited for in vain. One full barrier.
    ///
    /// True if the queue is broken.
    #[inline]
    #[must_use = "buffers that were used meanwhile raise no callback"]
    pub fn enable_cb(&mut self) -> bool {
        let armed = self.enable_cb_prepare();
        !self.control.poll(armed)
    }

    /// As [`Packed::enable_cb`], for when the device has used most of what it has: three
    /// quarters, with `VIRTIO_F_EVENT_IDX`.
    #[inline]
    #[must_use = "buffers that were used meanwhile raise no callback"]
    pub fn enable_cb_delayed(&mut self) -> bool {
        // What the device does not know of it cannot use.
        self.publish();
        let armed = self.arm_delayed();
        !self.control.poll(armed)
    }

    /// Asks for a callback when three quarters of what the device has are used.
    #[inline(always)]
    fn arm_delayed(&mut self) -> Armed {
        let size = self.ring.size();
        // OVERFLOW: Not more are free than there are.
        let wait = most_of(size.wrapping_sub(self.free));
        self.arm(self.taken.advance(wait, size))
    }

    /// [`Packed::kick_prepare`] and [`Packed::enable_cb_delayed`] in one, with one full barrier
    /// for both. Returns what each of them would.
    #[inline]
    #[must_use = "whether to notify, and whether to look again"]
    pub fn kick_prepare_enable_cb_delayed(&mut self) -> (bool, bool) {
        if self.control.is_broken() {
            return (false, true);
        }
        self.publish();
        let armed = self.arm_delayed();
        // §2.8.21.3.1 and §2.8.10: As in `kick_prepare` and in `poll`.
        P::mb(self.config.strong_barriers);
        self.event_moved = false;
        let kick = self.wants_kick();
        let view = View::new(self.ring, self.driver, &self.config);
        (kick, !self.control.has_used(&view, armed))
    }
}
