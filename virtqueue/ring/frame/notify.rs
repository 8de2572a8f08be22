// SPDX-License-Identifier: GPL-2.0

//! Notifying the device and being called by it (§2.7.7, §2.7.10, §2.8.10).

use super::{
    super::{
        control::{
            Armed,
            Callbacks,
            Control, //
        },
        format::Format,
        platform::Platform,
        slot::Slot,
        tables::Tables, //
    },
    Frame, //
};
use core::ops::{
    Deref,
    DerefMut, //
};

impl<F, T, S, C, L> Frame<F, T, S, C, L>
where
    F: Format,
    S: DerefMut<Target = [Slot<T>]>,
    C: Deref<Target = Control<F::Platform, F::View>>,
    L: Tables,
{
    /// Tells the device of what was added, without a notification: it may see it, if it looks.
    #[inline(always)]
    pub fn publish(&mut self) {
        self.format.publish(&self.control, &self.count);
    }

    /// Publishes what was added, and says whether the device wants to be notified of it. One full
    /// barrier.
    ///
    /// Also if the queue is broken: the notification itself then says that the device cannot be
    /// notified of what was added before.
    #[inline(always)]
    pub fn kick_prepare(&mut self) -> bool {
        self.publish();
        // §2.7.13.4.1, §2.8.21.3.1: The index, or the flags, are written before the suppression is
        // read. Pairs with the barrier of the device between writing the suppression and reading
        // the index, or flags, again.
        F::Platform::mb(self.count.flags.strong());
        self.wants_kick()
    }

    /// Whether the device wants to be notified of what was published. A full barrier was done
    /// after that.
    #[inline(always)]
    fn wants_kick(&mut self) -> bool {
        let added = self.count.added;
        self.count.added = 0;
        self.format.wants_kick(&self.count, added)
    }

    /// Asks the device for no more callbacks: a hint, a callback may still come.
    #[inline(always)]
    pub fn disable_cb(&mut self) {
        self.control.disable_cb();
    }

    /// First half of [`Frame::enable_cb`], without a barrier: [`Control::poll`] is the second.
    #[inline(always)]
    pub fn enable_cb_prepare(&mut self) -> Armed {
        self.format.arm(&self.control, &self.count);
        self.format.armed(&self.count)
    }

    /// Asks for a callback at the next used buffer and looks again: false if there are used
    /// buffers by now, so that none is waited for in vain. One full barrier.
    ///
    /// True if the queue is broken.
    #[inline(always)]
    #[must_use = "buffers that were used meanwhile raise no callback"]
    pub fn enable_cb(&mut self) -> bool {
        self.ask_cb().is_quiet()
    }

    /// As [`Frame::enable_cb`], and says whether the queue is broken.
    #[inline(always)]
    pub fn ask_cb(&mut self) -> Callbacks {
        self.format.arm(&self.control, &self.count);
        if self.control.is_broken() {
            return Callbacks::Broken;
        }
        // §2.7.7.1, §2.8.10: As in `Control::poll`.
        F::Platform::mb(self.count.flags.strong());
        self.count.event_moved = false;
        Callbacks::new(!(self.format.has_used(&self.count) || self.in_hidden_batch()))
    }

    /// As [`Frame::enable_cb`], for when the device has used most of what it has: three quarters,
    /// with `VIRTIO_F_EVENT_IDX`.
    #[inline(always)]
    #[must_use = "buffers that were used meanwhile raise no callback"]
    pub fn enable_cb_delayed(&mut self) -> bool {
        self.ask_cb_delayed().is_quiet()
    }

    /// As [`Frame::enable_cb_delayed`], and says whether the queue is broken.
    #[inline(always)]
    pub fn ask_cb_delayed(&mut self) -> Callbacks {
        if F::DELAYS_BY_ADDED {
            self.publish();
        }
        let armed = self.format.arm_delayed(&self.control, &self.count);
        if self.control.is_broken() {
            return Callbacks::Broken;
        }
        // §2.7.7.1, §2.8.10: As in `Control::poll`.
        F::Platform::mb(self.count.flags.strong());
        self.count.event_moved = false;
        Callbacks::new(self.is_quiet(armed))
    }

    /// Whether less was used than callbacks wait for. A full barrier was done.
    #[inline(always)]
    fn is_quiet(&self, armed: u16) -> bool {
        self.format.is_quiet(armed, &self.count) && !self.in_hidden_batch()
    }

    /// [`Frame::kick_prepare`] and [`Frame::enable_cb_delayed`] in one, with one full barrier for
    /// both. Returns what each of them would.
    #[inline(always)]
    #[must_use = "whether to notify, and whether to look again"]
    pub fn kick_prepare_enable_cb_delayed(&mut self) -> (bool, bool) {
        if self.control.is_broken() {
            return (false, true);
        }
        self.publish();
        let armed = self.format.arm_delayed(&self.control, &self.count);
        // As in `kick_prepare` and in `Control::poll`.
        F::Platform::mb(self.count.flags.strong());
        self.count.event_moved = false;
        let kick = self.wants_kick();
        (kick, self.is_quiet(armed))
    }
}
