// SPDX-License-Identifier: GPL-2.0

//! Giving buffers to the device (§2.7.13, §2.8.21).

use super::{
    super::{
        desc_state::{
            self,
            DescState, //
        },
        error::AddError,
        format::Format,
        indirect::{
            plan,
            Plan, //
        },
        lockless::LocklessState,
        segments::{
            Piece,
            Segments,
            Translate, //
        },
        tables::Tables,
        writer::NewBuffer, //
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
    /// Adds a buffer of at most `segments` segments. The device sees the buffer after
    /// [`RingCore::publish`] or [`RingCore::kick_prepare`] at the latest. Returns the id of the
    /// buffer.
    ///
    /// `segments` decides how the buffer is described, and whether there is room for it. So it
    /// should be exact. `by` translates the segments.
    ///
    /// # Errors
    ///
    /// The token comes back, and the device sees nothing, with an [`AddError`] or the error of
    /// `buffer` or `by`.
    #[inline(always)]
    pub fn add<P: Piece, M: Translate<P>>(
        &mut self,
        token: T,
        segments: u16,
        buffer: &impl Segments<P>,
        by: &mut M,
    ) -> Result<u16, (P::Error, T)> {
        if self.lockless.is_broken() {
            return Err((AddError::Broken.into(), token));
        }
        let id = self.format.next_id(self.free_head);
        let plan = match self.try_plan(id, segments) {
            Some(plan) => plan,
            None => match self.plan_slow(id, segments, M::MAPS) {
                Ok(plan) => plan,
                Err(e) => return Err((e.into(), token)),
            },
        };
        let buffer = NewBuffer::<_, _, false> {
            buffer,
            segments,
            by,
        };
        self.add_planned(token, id, plan, buffer)
    }

    /// As [`RingCore::add`], but only for a buffer that [`Segments::write_common`] can describe,
    /// and that finds room in the ring and, if it gets a table, the table of its id.
    ///
    /// PERF: A caller inlines this function, and calls another one for all other buffers. Then no
    /// call comes before the description, so values that were read from the buffer are still in
    /// registers. This saves 5 instructions for a packet, and 5 to 9 for a request.
    ///
    /// # Errors
    ///
    /// As [`RingCore::add`]. `None` means that nothing was changed, and the caller has to use
    /// [`RingCore::add`].
    #[inline(always)]
    pub fn try_add<P: Piece, M: Translate<P>>(
        &mut self,
        token: T,
        segments: u16,
        buffer: &impl Segments<P>,
        by: &mut M,
    ) -> Result<u16, (Option<P::Error>, T)> {
        if self.lockless.is_broken() {
            return Err((None, token));
        }
        let id = self.format.next_id(self.free_head);
        match self.try_plan(id, segments) {
            Some(plan) => {
                let buffer = NewBuffer::<_, _, true> {
                    buffer,
                    segments,
                    by,
                };
                self.add_planned(token, id, plan, buffer)
                    .map_err(|(e, token)| (Some(e), token))
            }
            None => Err((None, token)),
        }
    }

    /// Plans for the next buffer, which gets the id `id`, as [`plan`] does.
    #[inline(always)]
    fn try_plan(&self, id: u16, segments: u16) -> Option<Plan<F::Platform>> {
        let free = self.count.free;
        // SAFETY: By the type invariants and those of the format, the id is below the size, and
        // that of no buffer where there is a free descriptor.
        unsafe { plan(self.rule, &self.tables, &self.states, id, segments, free) }
    }

    /// Adds a buffer with the id `id`, described as `plan` says. `plan` was made for its number of
    /// segments.
    ///
    /// # Errors
    ///
    /// As [`RingCore::add`].
    #[inline(always)]
    fn add_planned<P, B, M, const COMMON: bool>(
        &mut self,
        token: T,
        id: u16,
        plan: Plan<F::Platform>,
        buffer: NewBuffer<'_, B, M, COMMON>,
    ) -> Result<u16, (P::Error, T)>
    where
        P: Piece,
        B: Segments<P>,
        M: Translate<P>,
    {
        let avail_pos = self.format.avail_pos();
        // SAFETY: By the type invariants and those of the format, the id is below the size; the
        // descriptor states are as many as the descriptors. Both callers planned for the segments
        // that the buffer may have.
        let described = unsafe {
            self.format
                .describe(avail_pos, id, plan, &self.states, buffer)
        };
        let chain = match described {
            Ok(chain) => chain,
            Err(e) => {
                self.return_table(id);
                return Err((e, token));
            }
        };
        // SAFETY: The id is free, and free ids have descriptor states (type invariants).
        if M::MAPS && unsafe { desc_state::get(&self.states, id) }.loan.is_some() {
            if let Err(e) = self.expose_table(avail_pos, id) {
                return Err((e.into(), token));
            }
        }
        debug_assert!(chain.count <= self.count.free && self.outstanding() < self.size());
        // SAFETY: The id is free, and free ids have descriptor states (type invariants).
        let state = unsafe { desc_state::get_mut(&mut self.states, id) };
        // The old token was taken out before, so the write drops nothing.
        core::mem::forget(state.token.replace(token));
        state.writable_len = chain.writable_len;
        state.count = chain.count;
        if F::IN_ORDER {
            state.next = self.count.total_added;
        }
        if F::LINKED {
            if !F::IN_ORDER {
                state.tail = chain.tail;
            }
            self.free_head = chain.after;
        } else if !F::IN_ORDER {
            self.free_head = state.next;
        }
        self.format.stage(avail_pos, id, &chain, &mut self.count);
        // OVERFLOW: By the type invariants, as asserted; the number of a buffer wraps.
        self.count.free = self.count.free.wrapping_sub(chain.count);
        self.count.total_added = self.count.total_added.wrapping_add(1);
        Ok(id)
    }
}
