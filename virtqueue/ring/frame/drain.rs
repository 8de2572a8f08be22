// SPDX-License-Identifier: GPL-2.0

//! The work of a callback in one operation: take all used buffers, with callbacks off meanwhile.

use super::{
    super::{
        control::{
            Callbacks,
            Control, //
        },
        format::{
            Format,
            Found, //
        },
        platform::Platform,
        slot::{
            Slot,
            Used, //
        },
        tables::Tables, //
    },
    Frame, //
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

impl<F, T, S, C, L> Frame<F, T, S, C, L>
where
    F: Format,
    S: DerefMut<Target = [Slot<T>]>,
    C: Deref<Target = Control<F::Platform, F::View>>,
    L: Tables,
{
    /// Takes all used buffers, with callbacks off meanwhile, until there is none and callbacks are
    /// on again: [`Frame::disable_cb`], [`Frame::get`] until there is none, and
    /// [`Frame::enable_cb`], as often as that finds more. Where the device has nothing in the end,
    /// there is nothing to look for again, and no barrier.
    ///
    /// Ends early if the queue is broken, or breaks: returns whether. Ends too if the device takes
    /// back that it used something: it cannot keep the driver here longer than for what it has.
    #[inline(always)]
    pub fn drain(&mut self, mut give: impl FnMut(Used<T>)) -> bool {
        // What had been taken when more was there, if that was so: no number of buffers.
        let mut before = u32::MAX;
        loop {
            match self.pass(&mut give) {
                Callbacks::Missed => {
                    let done = self.count.done.into();
                    if done == before {
                        return false;
                    }
                    before = done;
                }
                Callbacks::On => return false,
                Callbacks::Broken => return true,
            }
        }
    }

    /// Takes what is there and turns callbacks on.
    #[inline(always)]
    fn pass(&mut self, give: &mut impl FnMut(Used<T>)) -> Callbacks {
        self.control.hold_cb();
        if self.control.is_broken() {
            return Callbacks::Broken;
        }
        if self.count.in_flight() == 0 {
            if self.lies() {
                return Callbacks::Broken;
            }
        } else {
            loop {
                // What the loop needs is better read again than kept on the stack: most often it
                // runs once.
                compiler_fence(SeqCst);
                let at = self.format.at(&self.count);
                let found = match self.look::<true>(at) {
                    Ok(Found::Nothing) => break,
                    Ok(found) => found,
                    Err(fault) => {
                        self.fail(fault);
                        return Callbacks::Broken;
                    }
                };
                match self.take::<true>(at, found) {
                    Some(used) => give(used),
                    None => return Callbacks::Broken,
                }
                // What the device does not have it cannot have used.
                if self.count.in_flight() == 0 {
                    break;
                }
            }
        }
        compiler_fence(SeqCst);
        self.format.arm(&self.control, &self.count);
        if self.count.in_flight() == 0 {
            // A device that has nothing uses something only after it was told of that: after a
            // barrier for stores, in `publish`.
            return Callbacks::On;
        }
        // §2.7.7.1, §2.8.10: As in `Control::poll`.
        F::Platform::mb(self.count.flags.strong());
        self.count.event_moved = false;
        Callbacks::new(!(self.format.has_used(&self.count) || self.in_hidden_batch()))
    }

    /// With no buffer outstanding: returns whether the device still reports one as used, in a way
    /// that breaks the queue.
    #[cold]
    #[inline(never)]
    fn lies(&mut self) -> bool {
        let at = self.format.at(&self.count);
        match self.look::<false>(at) {
            Ok(_) => false,
            Err(fault) => {
                self.fail(fault);
                true
            }
        }
    }
}
