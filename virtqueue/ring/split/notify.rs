// SPDX-License-Identifier: GPL-2.0

//! Notifying the device and being called by it (§2.7.6, §2.7.7, §2.7.10).

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
        Avail,
        Used,
        NO_INTERRUPT,
        NO_NOTIFY, //
    },
    Control,
    Split, //
};
use core::ops::{
    Deref,
    DerefMut, //
};

/// What the shared part of a queue knows of its ring.
pub struct View<P> {
    avail: Avail<P>,
    used: Used<P>,
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

impl<P> View<P> {
    pub(super) fn new(avail: Avail<P>, used: Used<P>, config: &Config) -> Self {
        Self {
            avail,
            used,
            event_idx: config.event_idx,
            strong: config.strong_barriers,
        }
    }
}

impl<P: Platform> Control<P> {
    /// Asks the device for no more callbacks: a hint, a callback may still come (§2.7.7.1).
    ///
    /// Any context, concurrently with everything.
    #[inline]
    pub fn disable_cb(&self) {
        if self.off.get() != 0 {
            return;
        }
        self.off.set(1);
        let Some(view) = self.view() else {
            return;
        };
        if !view.event_idx {
            view.avail.set_flags(NO_INTERRUPT);
        } else if self.triggered.get() == 0 {
            // The entry that was taken last comes again in 2^16 entries only. Where the callback
            // has come already, the device is past the event and nothing need be written.
            view.avail.set_used_event(self.taken.get().wrapping_sub(1));
        }
    }

    /// Whether there are used buffers behind the place as of which callbacks were enabled. One
    /// full barrier.
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
        // §2.7.7.1: The flags or the used event were written before the used index is read.
        // Pairs with the barrier of the device between writing the index and reading those.
        P::mb(view.strong);
        view.used.index() != armed.0
    }

    /// What an interrupt that this queue may share with others means for it.
    ///
    /// Any context, concurrently with everything.
    #[inline]
    pub fn interrupt(&self) -> Interrupt {
        let Some(view) = self.view() else {
            return Interrupt::None;
        };
        if view.used.index() == self.taken.get() {
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

impl<P, T, S, C, const IN_ORDER: bool> Split<P, T, S, C, IN_ORDER>
where
    P: Platform,
    S: DerefMut<Target = [Slot<T>]>,
    C: Deref<Target = Control<P>>,
{
    /// Tells the device of what was added, without a notification: it may see it, if it looks.
    #[inline(always)]
    pub fn publish(&mut self) {
        if self.published != self.next {
            // §2.7.13.3.1: Descriptors and entries are written before the index. Pairs with the
            // barrier of the device between reading the index and those.
            P::wmb(self.config.strong_barriers);
            self.avail.set_index(self.next);
            self.published = self.next;
            self.control.next.set(self.next);
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
        // §2.7.13.4.1: The index is written before the suppression is read. Pairs with the
        // barrier of the device between writing the suppression and reading the index again.
        P::mb(self.config.strong_barriers);
        self.wants_kick()
    }

    /// Whether the device wants to be notified of what was published. A full barrier was done
    /// after that.
    #[inline(always)]
    fn wants_kick(&mut self) -> bool {
        let added = self.added;
        self.added = 0;
        if !self.config.event_idx {
            return self.used.flags() & NO_NOTIFY == 0;
        }
        // CAST: The index counts as far.
        let old = self.next.wrapping_sub(added as u16);
        need_event(self.used.avail_event(), self.next, old) || added > u64::from(u16::MAX)
    }

    /// Callbacks as the driver of a new queue wants them.
    pub(super) fn start_callbacks(&mut self) {
        let off = !self.config.callbacks;
        self.control.off.set(off.into());
        if off && !self.config.event_idx {
            self.avail.set_flags(NO_INTERRUPT);
        }
    }

    /// Asks the device for no more callbacks: a hint, a callback may still come.
    #[inline]
    pub fn disable_cb(&mut self) {
        self.control.disable_cb();
    }

    /// First half of [`Split::enable_cb`], without a barrier: [`Control::poll`] is the second.
    #[inline]
    pub fn enable_cb_prepare(&mut self) -> Armed {
        self.arm(self.last_used)
    }

    /// Asks for a callback when entry `event` is used.
    #[inline(always)]
    fn arm(&mut self, event: u16) -> Armed {
        self.control.triggered.set(0);
        if self.config.event_idx {
            self.control.off.set(0);
            self.avail.set_used_event(event);
        } else if self.control.off.get() != 0 {
            self.control.off.set(0);
            self.avail.set_flags(0);
        }
        Armed(self.last_used)
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

    /// As [`Split::enable_cb`], for when the device has used most of what it has: three quarters,
    /// with `VIRTIO_F_EVENT_IDX`.
    #[inline]
    #[must_use = "buffers that were used meanwhile raise no callback"]
    pub fn enable_cb_delayed(&mut self) -> bool {
        let wait = most_of(self.published.wrapping_sub(self.last_used));
        let _ = self.arm(self.last_used.wrapping_add(wait));
        if self.control.is_broken() {
            return true;
        }
        // §2.7.7.1: As in `poll`.
        P::mb(self.config.strong_barriers);
        self.event_moved = false;
        self.used.index().wrapping_sub(self.last_used) <= wait
    }

    /// [`Split::kick_prepare`] and [`Split::enable_cb_delayed`] in one, with one full barrier for
    /// both. Returns what each of them would.
    #[inline]
    #[must_use = "whether to notify, and whether to look again"]
    pub fn kick_prepare_enable_cb_delayed(&mut self) -> (bool, bool) {
        if self.control.is_broken() {
            return (false, true);
        }
        self.publish();
        let wait = most_of(self.published.wrapping_sub(self.last_used));
        let _ = self.arm(self.last_used.wrapping_add(wait));
        // §2.7.13.4.1 and §2.7.7.1: As in `kick_prepare` and in `poll`.
        P::mb(self.config.strong_barriers);
        self.event_moved = false;
        let kick = self.wants_kick();
        let used = self.used.index().wrapping_sub(self.last_used);
        (kick, used <= wait)
    }
}
