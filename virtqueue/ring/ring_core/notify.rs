// SPDX-License-Identifier: GPL-2.0

//! Notifications of the device, and callbacks of the driver (§2.7.7, §2.7.10, §2.8.10).

use super::{
    super::{
        desc_state::DescState,
        format::Format,
        lockless::{
            Armed,
            Callbacks,
            LocklessState, //
        },
        platform::Platform,
        tables::Tables, //
    },
    RingCore, //
};
use core::ops::{
    Deref,
    DerefMut, //
};

impl<F, T, S, C, L> RingCore<F, T, S, C, L>
where
    F: Format,
    S: DerefMut<Target = [DescState<T>]>,
    C: Deref<Target = LocklessState<F::Platform, F::View>>,
    L: Tables,
{
    /// Makes the added buffers available to the device, without a notification.
    #[inline(always)]
    pub fn publish(&mut self) {
        self.format.publish(&self.lockless, &self.count);
    }

    /// Publishes the added buffers, and returns whether the device wants a notification. One full
    /// barrier.
    ///
    /// Works on a broken queue too: the notification itself then reports that the device cannot be
    /// notified of buffers that were added before.
    #[inline(always)]
    pub fn kick_prepare(&mut self) -> bool {
        self.publish();
        // §2.7.13.4.1, §2.8.21.3.1: The index, or the flags, are written before the suppression is
        // read. Pairs with the barrier of the device between writing the suppression and reading
        // the index, or flags, again.
        F::Platform::mb(self.count.flags.strong());
        self.wants_kick()
    }

    /// Returns whether the device wants a notification of the published buffers. The caller has
    /// done a full barrier after publishing.
    #[inline(always)]
    fn wants_kick(&mut self) -> bool {
        let unkicked = self.count.unkicked;
        self.count.unkicked = 0;
        self.format.wants_kick(&self.count, unkicked)
    }

    /// Enables callbacks, as the first half of [`RingCore::enable_cb`], without a barrier.
    /// [`LocklessState::poll`] is the second half.
    #[inline(always)]
    pub fn enable_cb_prepare(&mut self) -> Armed {
        self.format.arm(&self.lockless, &self.count);
        self.format.armed(&self.count)
    }

    /// Enables callbacks at the next used buffer, then checks the ring again. The caller may sleep
    /// if the result [is quiet](Callbacks::is_quiet). Otherwise there are used buffers, and no
    /// callback may come for them: call [`RingCore::get`] again. One full barrier.
    #[inline(always)]
    pub fn enable_cb(&mut self) -> Callbacks {
        // PERF: Dereferenced once, since the compiler does so again after each write to the ring.
        // That saves an instruction for each use.
        let lockless = &*self.lockless;
        self.format.arm(lockless, &self.count);
        if lockless.is_broken() {
            return Callbacks::Broken;
        }
        // §2.7.7.1, §2.8.10: The driver wrote the flags or the used event before it reads the used
        // index or flags, as in `LocklessState::poll`.
        F::Platform::mb(self.count.flags.strong());
        self.count.event_moved = false;
        Callbacks::new(!(self.format.has_used(&self.count) || self.in_hidden_batch()))
    }

    /// As [`RingCore::enable_cb`], with a callback only when the device has used most of the
    /// outstanding buffers: three quarters, with `VIRTIO_F_EVENT_IDX`.
    #[inline(always)]
    pub fn enable_cb_delayed(&mut self) -> Callbacks {
        if F::DELAYS_BY_ADDED {
            self.publish();
        }
        let armed = self.format.arm_delayed(&self.lockless, &self.count);
        if self.lockless.is_broken() {
            return Callbacks::Broken;
        }
        // §2.7.7.1, §2.8.10: The driver wrote the flags or the used event before it reads the used
        // index or flags, as in `LocklessState::poll`.
        F::Platform::mb(self.count.flags.strong());
        self.count.event_moved = false;
        Callbacks::new(self.is_quiet(armed))
    }

    /// Returns whether fewer buffers were used than the delayed callback waits for. The caller has
    /// done a full barrier.
    #[inline(always)]
    fn is_quiet(&self, armed: u16) -> bool {
        self.format.is_quiet(armed, &self.count) && !self.in_hidden_batch()
    }

    /// Does [`RingCore::kick_prepare`] and [`RingCore::enable_cb_delayed`] with one full barrier
    /// for both. Returns whether to notify the device, and whether the caller may sleep
    /// ([`Callbacks::is_quiet`]).
    #[inline(always)]
    #[must_use = "whether to notify, and whether to look again"]
    pub fn kick_prepare_enable_cb_delayed(&mut self) -> (bool, bool) {
        if self.lockless.is_broken() {
            return (false, true);
        }
        let (kick, quiet) = self
            .format
            .kick_and_arm_delayed(&self.lockless, &mut self.count);
        (kick, quiet && !self.in_hidden_batch())
    }
}
