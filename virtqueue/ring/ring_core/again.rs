// SPDX-License-Identifier: GPL-2.0

//! Looking at used buffers, and adding them again without taking them out of the ring.

use super::{
    super::{
        broken::BrokenReason,
        desc_state::{
            self,
            DescState,
            Used, //
        },
        format::{
            Format,
            Found, //
        },
        lockless::LocklessState,
        tables::Tables,
        writer::Chain, //
    },
    RingCore, //
};
use core::ops::{
    Deref,
    DerefMut, //
};

/// The queue is broken: no buffer can be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// A used buffer that is still in its ring: [`RingCore::look`]. If it is dropped, the ring is as
/// before.
///
/// # Invariants
///
/// `used_pos` is the position of the next used buffer, and `used` is that buffer: its id is the
/// index of a descriptor state, which has the token. The format keeps the descriptors of used
/// buffers.
pub struct Shown<'a, F, T, S, C, L>
where
    F: Format,
    S: DerefMut<Target = [DescState<T>]>,
    C: Deref<Target = LocklessState<F::Platform, F::View>>,
    L: Tables,
{
    ring: &'a mut RingCore<F, T, S, C, L>,
    used_pos: F::UsedPos,
    used: Used<T>,
}

/// The result of [`RingCore::look`].
type Looked<'a, F, T, S, C, L> = Result<Option<Shown<'a, F, T, S, C, L>>, Broken>;

impl<F, T, S, C, L> RingCore<F, T, S, C, L>
where
    F: Format,
    T: Copy,
    S: DerefMut<Target = [DescState<T>]>,
    C: Deref<Target = LocklessState<F::Platform, F::View>>,
    L: Tables,
{
    /// Looks at a buffer that the device has used, as [`RingCore::get`], but leaves the buffer in
    /// the ring. Only for formats that [keep descriptors](Format::KEEPS_DESCRIPTORS); others show
    /// no buffer.
    ///
    /// # Errors
    ///
    /// [`Broken`]: the queue is broken, or breaks now.
    #[inline(always)]
    pub fn look(&mut self) -> Looked<'_, F, T, S, C, L> {
        if self.lockless.is_broken() {
            return Err(Broken);
        }
        let used_pos = self.format.used_pos(&self.count);
        if !F::KEEPS_DESCRIPTORS {
            return Ok(None);
        }
        let seen = match self.peek_used::<false>(used_pos) {
            Ok(Found::Entry(seen)) => seen,
            Ok(Found::Nothing | Found::InBatch) => return Ok(None),
            Err(report) => {
                self.fail(report);
                return Err(Broken);
            }
        };
        let (id, claimed) = self.format.used(used_pos, seen);
        let Some(index) = self.ids.index_of(&self.states, id) else {
            self.fail_id(BrokenReason::IdOutOfRange, id);
            return Err(Broken);
        };
        // SAFETY: `index` is that of a descriptor state, as just found.
        let state = unsafe { desc_state::get(&self.states, index) };
        let Some(token) = state.token else {
            self.fail_id(BrokenReason::NotOutstanding, id);
            return Err(Broken);
        };
        let used = Used {
            token,
            claimed,
            writable_len: state.writable_len,
            // CAST: There are at most 32768 descriptor states.
            id: index as u16,
        };
        // INVARIANT: The id was read at the position, and has a token, as just seen.
        Ok(Some(Shown {
            ring: self,
            used_pos,
            used,
        }))
    }
}

impl<F, T, S, C, L> Shown<'_, F, T, S, C, L>
where
    F: Format,
    T: Copy,
    S: DerefMut<Target = [DescState<T>]>,
    C: Deref<Target = LocklessState<F::Platform, F::View>>,
    L: Tables,
{
    /// Returns the buffer as [`RingCore::get`] would.
    #[inline(always)]
    pub fn used(&self) -> Used<T> {
        self.used
    }

    /// Takes the buffer, as [`RingCore::get`] does.
    #[inline(always)]
    pub fn take(self) {
        let (id, claimed) = (self.used.id.into(), Some(self.used.claimed));
        // By the type invariants, this is the buffer that was shown.
        let _ = self.ring.take_id::<false>(self.used_pos, id, claimed);
    }

    /// Adds the buffer again, with the id, the token, the segments and the table that it has. The
    /// device then sees it as one that was added.
    ///
    /// PERF: The buffer is neither taken out of its descriptor state, nor described.
    #[inline(always)]
    pub fn add_again(self) {
        let ring = self.ring;
        ring.format
            .advance_used::<false>(self.used_pos, 0, &ring.lockless, &mut ring.count);
        let avail_pos = ring.format.avail_pos();
        // The descriptors are there.
        let chain = Chain::EMPTY;
        ring.format
            .stage(avail_pos, self.used.id, &chain, &mut ring.count);
        // The number of a buffer wraps.
        ring.count.total_added = ring.count.total_added.wrapping_add(1);
    }
}
