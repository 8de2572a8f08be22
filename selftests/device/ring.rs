// SPDX-License-Identifier: GPL-2.0

//! The ring of a queue, in the negotiated layout.

use crate::{
    chain::Chain,
    packed::Packed,
    split::Split, //
};
use kernel::prelude::*;

/// The device's side of a ring.
pub enum DeviceRing {
    /// The split layout.
    Split(Split),
    /// The packed layout.
    Packed(Packed),
}

/// Returns whether the index passed `event` on its way from `old` to `new` (virtio spec §2.7.7.2).
pub(crate) fn need_event(event: u16, new: u16, old: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}

impl DeviceRing {
    pub(crate) fn pop(&mut self) -> Result<Option<Chain>> {
        match self {
            DeviceRing::Split(ring) => ring.pop(),
            DeviceRing::Packed(ring) => ring.pop(),
        }
    }

    pub(crate) fn push(&mut self, id: u32, len: u32, slots: u16) -> Result {
        match self {
            DeviceRing::Split(ring) => ring.push(id, len),
            DeviceRing::Packed(ring) => ring.push(id, len, slots),
        }
    }

    /// Uses `count` buffers with `slots` slots in all. The last one is `id`.
    pub(crate) fn push_batch(&mut self, id: u32, len: u32, slots: u16, count: u16) -> Result {
        match self {
            DeviceRing::Split(ring) => ring.push_batch(id, len, count),
            DeviceRing::Packed(ring) => ring.push(id, len, slots),
        }
    }

    pub(crate) fn wants_interrupt(&mut self) -> Result<bool> {
        match self {
            DeviceRing::Split(ring) => ring.wants_interrupt(),
            DeviceRing::Packed(ring) => ring.wants_interrupt(),
        }
    }

    pub(crate) fn set_notify(&mut self, wanted: bool) -> Result {
        match self {
            DeviceRing::Split(ring) => ring.set_notify(wanted),
            DeviceRing::Packed(ring) => ring.set_notify(wanted),
        }
    }

    pub(crate) fn has_more(&self) -> Result<bool> {
        match self {
            DeviceRing::Split(ring) => ring.has_more(),
            DeviceRing::Packed(ring) => ring.has_more(),
        }
    }

    /// Returns the split ring.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the ring is packed.
    pub fn split(&mut self) -> Result<&mut Split> {
        match self {
            DeviceRing::Split(ring) => Ok(ring),
            DeviceRing::Packed(_) => Err(EINVAL),
        }
    }

    /// Returns the packed ring.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the ring is split.
    pub fn packed(&mut self) -> Result<&mut Packed> {
        match self {
            DeviceRing::Split(_) => Err(EINVAL),
            DeviceRing::Packed(ring) => Ok(ring),
        }
    }
}
