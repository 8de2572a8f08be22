// SPDX-License-Identifier: GPL-2.0

//! The device's side of a split ring (virtio spec §2.7).

use crate::{
    chain::{
        Chain,
        GuestSegment, //
    },
    mem,
    ring::need_event, //
};
use kernel::{
    alloc::KVec,
    prelude::*,
    sync::barrier::{
        smp_mb,
        Full,
        Read,
        Write, //
    },
};

const DESC_NEXT: u16 = 1;
const DESC_WRITE: u16 = 2;
const DESC_INDIRECT: u16 = 4;
const AVAIL_NO_INTERRUPT: u16 = 1;
const USED_NO_NOTIFY: u16 = 1;

/// A descriptor (§2.7.5).
struct Desc {
    addr: u64,
    len: u32,
    flags: u16,
    next: u16,
}

/// The device's state of a split ring.
pub struct Split {
    num: u16,
    desc: u64,
    avail: u64,
    used: u64,
    little: bool,
    event_idx: bool,
    next_avail: u16,
    used_idx: u16,
    /// The used index when the driver was last interrupted.
    signalled: Option<u16>,
}

impl Split {
    pub(crate) fn new(
        num: u16,
        [desc, avail, used]: [u64; 3],
        little: bool,
        event_idx: bool,
    ) -> Self {
        Self {
            num,
            desc,
            avail,
            used,
            little,
            event_idx,
            next_avail: 0,
            used_idx: 0,
            signalled: None,
        }
    }

    fn read_desc(&self, table: u64, index: u16) -> Result<Desc> {
        let at = table + u64::from(index) * 16;
        Ok(Desc {
            addr: mem::read(at, self.little)?,
            len: mem::read(at + 8, self.little)?,
            flags: mem::read(at + 12, self.little)?,
            next: mem::read(at + 14, self.little)?,
        })
    }

    /// Takes the next chain that the driver made available.
    ///
    /// # Errors
    ///
    /// The driver broke a rule of the ring: `EINVAL`, or `EFAULT` for an address.
    pub(crate) fn pop(&mut self) -> Result<Option<Chain>> {
        let avail_idx: u16 = mem::read(self.avail + 2, self.little)?;
        let waiting = avail_idx.wrapping_sub(self.next_avail);
        if waiting == 0 {
            return Ok(None);
        }
        if waiting > self.num {
            return Err(EINVAL);
        }
        smp_mb(Read);
        let slot = u64::from(self.next_avail % self.num);
        let head: u16 = mem::read(self.avail + 4 + slot * 2, self.little)?;
        self.next_avail = self.next_avail.wrapping_add(1);
        if self.event_idx {
            self.write_avail_event(self.next_avail)?;
        }
        self.walk(head).map(Some)
    }

    /// Follows a chain, which may go on in an indirect table.
    fn walk(&self, head: u16) -> Result<Chain> {
        let mut chain = Chain {
            id: head,
            slots: 1,
            segments: KVec::new(),
            indirect: false,
            table: None,
        };
        let (mut table, mut size, mut index) = (self.desc, self.num, head);
        loop {
            if index >= size || chain.segments.len() > usize::from(self.num.max(size)) {
                return Err(EINVAL);
            }
            let desc = self.read_desc(table, index)?;
            if desc.flags & DESC_INDIRECT != 0 {
                // §2.7.5.3.1: not nested, not chained, at least one entry, whole entries.
                if chain.indirect || desc.flags & DESC_NEXT != 0 || desc.len == 0 {
                    return Err(EINVAL);
                }
                if desc.len % 16 != 0 {
                    return Err(EINVAL);
                }
                chain.indirect = true;
                chain.table = Some((desc.addr, desc.len));
                (table, size, index) = (
                    desc.addr,
                    u16::try_from(desc.len / 16).map_err(|_| EINVAL)?,
                    0,
                );
                continue;
            }
            let writable = desc.flags & DESC_WRITE != 0;
            // §2.7.4.2: all that is read comes before all that is written.
            if !writable && chain.segments.iter().any(|p| p.writable) {
                return Err(EINVAL);
            }
            chain.segments.push(
                GuestSegment {
                    addr: desc.addr,
                    len: desc.len,
                    writable,
                },
                GFP_KERNEL,
            )?;
            if desc.flags & DESC_NEXT == 0 {
                return Ok(chain);
            }
            index = desc.next;
        }
    }

    /// Uses a buffer, with any `id` and `len`.
    pub(crate) fn push(&mut self, id: u32, len: u32) -> Result {
        self.push_batch(id, len, 1)
    }

    /// Uses `count` buffers in order, with one entry (§2.7.9).
    pub(crate) fn push_batch(&mut self, id: u32, len: u32, count: u16) -> Result {
        self.write_used(self.used_idx, id, len)?;
        smp_mb(Write);
        self.set_used_idx(self.used_idx.wrapping_add(count))
    }

    /// Returns whether the driver wants an interrupt for the buffers that were pushed since the
    /// last call.
    pub(crate) fn wants_interrupt(&mut self) -> Result<bool> {
        smp_mb(Full);
        let old = self.signalled.replace(self.used_idx);
        if !self.event_idx {
            let flags: u16 = mem::read(self.avail, self.little)?;
            return Ok(flags & AVAIL_NO_INTERRUPT == 0);
        }
        let event: u16 = self.read_used_event()?;
        Ok(old.is_none_or(|old| need_event(event, self.used_idx, old)))
    }

    /// Asks the driver for notifications, or suppresses them.
    pub(crate) fn set_notify(&mut self, wanted: bool) -> Result {
        if self.event_idx {
            let event = if wanted {
                self.next_avail
            } else {
                self.next_avail.wrapping_sub(1)
            };
            self.write_avail_event(event)?;
        } else {
            self.write_used_flags(if wanted { 0 } else { USED_NO_NOTIFY })?;
        }
        smp_mb(Full);
        Ok(())
    }

    /// Whether there is a buffer to pop.
    pub(crate) fn has_more(&self) -> Result<bool> {
        Ok(mem::read::<u16>(self.avail + 2, self.little)? != self.next_avail)
    }

    // --- violations of the specification ---------------------------------------------------

    /// Returns the used index that the device wrote last.
    pub fn used_idx(&self) -> u16 {
        self.used_idx
    }

    /// Writes the used index, with any value.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the ring is not in memory.
    pub fn set_used_idx(&mut self, value: u16) -> Result {
        self.used_idx = value;
        mem::write(self.used + 2, value, self.little)
    }

    /// Writes an entry of the used ring without publishing it.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the ring is not in memory.
    pub fn write_used(&mut self, slot: u16, id: u32, len: u32) -> Result {
        let at = self.used + 4 + u64::from(slot % self.num) * 8;
        mem::write(at, id, self.little)?;
        mem::write(at + 4, len, self.little)
    }

    /// Writes the flags of the used ring.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the ring is not in memory.
    pub fn write_used_flags(&mut self, flags: u16) -> Result {
        mem::write(self.used, flags, self.little)
    }

    /// Writes `avail_event` (§2.7.10).
    ///
    /// # Errors
    ///
    /// `EFAULT`: the ring is not in memory.
    pub fn write_avail_event(&mut self, value: u16) -> Result {
        mem::write(self.used + 4 + u64::from(self.num) * 8, value, self.little)
    }

    /// Overwrites a descriptor, which belongs to the driver.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the ring is not in memory.
    pub fn scribble_desc(
        &mut self,
        index: u16,
        addr: u64,
        len: u32,
        flags: u16,
        next: u16,
    ) -> Result {
        let at = self.desc + u64::from(index % self.num) * 16;
        mem::write(at, addr, self.little)?;
        mem::write(at + 8, len, self.little)?;
        mem::write(at + 12, flags, self.little)?;
        mem::write(at + 14, next, self.little)
    }

    /// Overwrites `used_event` (§2.7.7), which belongs to the driver.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the ring is not in memory.
    pub fn scribble_used_event(&mut self, value: u16) -> Result {
        mem::write(self.used_event(), value, self.little)
    }

    /// Returns the driver's `used_event`.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the ring is not in memory.
    pub fn read_used_event(&self) -> Result<u16> {
        mem::read(self.used_event(), self.little)
    }

    fn used_event(&self) -> u64 {
        self.avail + 4 + u64::from(self.num) * 2
    }

    /// Overwrites flags and index of the avail ring, which belong to the driver.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the ring is not in memory.
    pub fn scribble_avail(&mut self, flags: u16, idx: u16) -> Result {
        mem::write(self.avail, flags, self.little)?;
        mem::write(self.avail + 2, idx, self.little)
    }

    /// Returns the number of descriptors.
    pub fn num(&self) -> u16 {
        self.num
    }
}
