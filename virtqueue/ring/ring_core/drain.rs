// SPDX-License-Identifier: GPL-2.0

//! The work of a callback in one operation: take all used buffers, with callbacks disabled until
//! the last one is taken.

use super::{
    super::{
        desc_state::{
            DescState,
            Used, //
        },
        format::{
            Format,
            Found, //
        },
        lockless::{
            Callbacks,
            LocklessState, //
        },
        platform::Platform,
        tables::Tables, //
    },
    RingCore, //
};
use core::{
    ops::{
        Deref,
        DerefMut, //
    },
    sync::atomic::{
        compiler_fence,
        Ordering::SeqCst, //
    },
};

impl<F, T, S, C, L> RingCore<F, T, S, C, L>
where
    F: Format,
    S: DerefMut<Target = [DescState<T>]>,
    C: Deref<Target = LocklessState<F::Platform, F::View>>,
    L: Tables,
{
    /// Takes all used buffers with callbacks disabled, and enables callbacks again:
    /// [`LocklessState::disable_cb`], [`RingCore::get`] until there is none left, and
    /// [`RingCore::enable_cb`], repeated while that finds more. If no buffer is outstanding in the
    /// end, the last check and its barrier are left out.
    ///
    /// Returns true, and may leave used buffers, if the queue is broken or breaks. Also returns if
    /// the device withdraws a buffer that it had reported as used: the device can keep the driver
    /// here only for as many buffers as are outstanding.
    #[inline(always)]
    pub fn drain(&mut self, mut give: impl FnMut(Used<T>)) -> bool {
        // The number of taken buffers at the last time when more were reported. The first value is
        // no number of buffers.
        let mut before = u32::MAX;
        loop {
            match self.drain_once(&mut give) {
                Callbacks::Missed => {
                    let total_taken = self.count.total_taken.into();
                    if total_taken == before {
                        return false;
                    }
                    before = total_taken;
                }
                Callbacks::On => return false,
                Callbacks::Broken => return true,
            }
        }
    }

    /// Takes the buffers that are used now, and enables callbacks.
    #[inline(always)]
    fn drain_once(&mut self, give: &mut impl FnMut(Used<T>)) -> Callbacks {
        self.lockless.suppress_cb();
        if self.lockless.is_broken() {
            return Callbacks::Broken;
        }
        if self.count.outstanding() == 0 {
            if self.reports_used_while_idle() {
                return Callbacks::Broken;
            }
        } else {
            loop {
                // PERF: The fence keeps the compiler from holding fields of the ring in
                // callee-saved registers or on the stack over the loop, which most often runs once:
                // reading them again is cheaper.
                compiler_fence(SeqCst);
                let mut used_pos = self.format.used_pos(&self.count);
                let mut found = match self.peek_used::<true>(used_pos) {
                    Ok(Found::Nothing) => break,
                    Ok(found) => found,
                    Err(report) => {
                        self.fail(report);
                        return Callbacks::Broken;
                    }
                };
                loop {
                    match self.take::<true>(used_pos, found) {
                        Some(used) => give(used),
                        None => return Callbacks::Broken,
                    }
                    compiler_fence(SeqCst);
                    // PERF: Buffers that were seen are outstanding, so that is not asked for each
                    // of them. Costs three instructions for one buffer, and saves about six for
                    // each further one.
                    used_pos = self.format.used_pos(&self.count);
                    match self.format.seen(used_pos) {
                        Some(next) => found = next,
                        None => break,
                    }
                }
                // No buffer is outstanding: the device cannot have used another.
                if self.count.outstanding() == 0 {
                    break;
                }
            }
        }
        compiler_fence(SeqCst);
        self.format.arm(&self.lockless, &self.count);
        if self.count.outstanding() == 0 {
            // No buffer is outstanding: the device uses the next one only after `publish`. The
            // barrier for stores there orders the event suppression, written just now, before the
            // buffer. So no used buffer can be missed, and no full barrier is needed.
            return Callbacks::On;
        }
        // §2.7.7.1, §2.8.10: The driver wrote the flags or the used event before it reads the used
        // index or flags, as in `LocklessState::poll`.
        F::Platform::mb(self.count.flags.strong());
        self.count.event_moved = false;
        Callbacks::new(!(self.format.has_used(&self.count) || self.in_hidden_batch()))
    }

    /// Returns whether the device reports a used buffer while none is outstanding, which breaks the
    /// queue.
    #[cold]
    #[inline(never)]
    fn reports_used_while_idle(&mut self) -> bool {
        let used_pos = self.format.used_pos(&self.count);
        match self.peek_used::<false>(used_pos) {
            Ok(_) => false,
            Err(report) => {
                self.fail(report);
                true
            }
        }
    }
}
