// SPDX-License-Identifier: GPL-2.0

//! The device's side of a packed ring (virtio spec §2.8).

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
const DESC_AVAIL: u16 = 1 << 7;
const DESC_USED: u16 = 1 << 15;

const EVENT_ENABLE: u16 = 0;
const EVENT_DISABLE: u16 = 1;
const EVENT_DESC: u16 = 2;

/// A position in the ring, with its wrap counter.
#[derive(Clone, Copy)]
struct Position {
    slot: u16,
    wrap: bool,
}

impl Position {
    const START: Self = Self {
        slot: 0,
        wrap: true,
    };

    fn advance(&mut self, by: u16, num: u16) {
        self.slot += by;
        if self.slot >= num {
            self.slot -= num;
            self.wrap = !self.wrap;
        }
    }
}

/// The device's state of a packed ring.
pub struct Packed {
    num: u16,
    desc: u64,
    driver_event: u64,
    device_event: u64,
    event_idx: bool,
    avail: Position,
    used: Position,
    /// The used position at which the driver was last interrupted; cleared at each wrap.
    signalled: Option<u16>,
}

impl Packed {
    pub(crate) fn new(
        num: u16,
        [desc, driver_event, device_event]: [u64; 3],
        event_idx: bool,
    ) -> Self {
        Self {
            num,
            desc,
            driver_event,
            device_event,
            event_idx,
            avail: Position::START,
            used: Position::START,
            signalled: None,
        }
    }

    fn at(&self, slot: u16) -> u64 {
        self.desc + u64::from(slot) * 16
    }

    fn is_avail(&self, pos: Position) -> Result<bool> {
        let flags: u16 = mem::read(self.at(pos.slot) + 14, true)?;
        let (avail, used) = (flags & DESC_AVAIL != 0, flags & DESC_USED != 0);
        Ok(avail == pos.wrap && used != pos.wrap)
    }

    /// Takes the next chain that the driver made available.
    ///
    /// # Errors
    ///
    /// The driver broke a rule of the ring: `EINVAL`, or `EFAULT` for an address.
    pub(crate) fn pop(&mut self) -> Result<Option<Chain>> {
        if !self.is_avail(self.avail)? {
            return Ok(None);
        }
        smp_mb(Read);
        let mut chain = Chain {
            id: 0,
            slots: 0,
            segments: KVec::new(),
            indirect: false,
            table: None,
        };
        loop {
            let at = self.at(self.avail.slot);
            let addr: u64 = mem::read(at, true)?;
            let len: u32 = mem::read(at + 8, true)?;
            let flags: u16 = mem::read(at + 14, true)?;
            // The id of the last descriptor counts (§2.8.6).
            chain.id = mem::read(at + 12, true)?;
            chain.slots += 1;
            self.avail.advance(1, self.num);
            if flags & DESC_INDIRECT != 0 {
                if flags & DESC_NEXT != 0 || len == 0 || len % 16 != 0 || chain.slots != 1 {
                    return Err(EINVAL);
                }
                chain.indirect = true;
                chain.table = Some((addr, len));
                for i in 0..u64::from(len / 16) {
                    let at = addr + i * 16;
                    let flags: u16 = mem::read(at + 14, true)?;
                    Self::segment(
                        &mut chain,
                        mem::read(at, true)?,
                        mem::read(at + 8, true)?,
                        flags,
                    )?;
                }
                return Ok(Some(chain));
            }
            Self::segment(&mut chain, addr, len, flags)?;
            if flags & DESC_NEXT == 0 {
                return Ok(Some(chain));
            }
            // §2.8.6: the whole chain is available when its head is.
            if chain.slots >= self.num || !self.is_avail(self.avail)? {
                return Err(EINVAL);
            }
        }
    }

    fn segment(chain: &mut Chain, addr: u64, len: u32, flags: u16) -> Result {
        let writable = flags & DESC_WRITE != 0;
        if !writable && chain.segments.iter().any(|p| p.writable) {
            return Err(EINVAL);
        }
        chain.segments.push(
            GuestSegment {
                addr,
                len,
                writable,
            },
            GFP_KERNEL,
        )?;
        Ok(())
    }

    /// Uses a buffer of `slots` slots, with any `id` and `len`.
    pub(crate) fn push(&mut self, id: u32, len: u32, slots: u16) -> Result {
        let at = self.at(self.used.slot);
        mem::write(at + 8, len, true)?;
        mem::write(at + 12, id as u16, true)?;
        smp_mb(Write);
        let mut flags = if len > 0 { DESC_WRITE } else { 0 };
        if self.used.wrap {
            flags |= DESC_AVAIL | DESC_USED;
        }
        mem::write(at + 14, flags, true)?;
        let wrap = self.used.wrap;
        self.used.advance(slots, self.num);
        if self.used.wrap != wrap {
            self.signalled = None;
        }
        Ok(())
    }

    /// Returns whether the driver wants an interrupt for the buffers that were pushed since the
    /// last call (§2.8.10).
    pub(crate) fn wants_interrupt(&mut self) -> Result<bool> {
        smp_mb(Full);
        let old = self.signalled.replace(self.used.slot);
        let flags: u16 = mem::read(self.driver_event + 2, true)?;
        match flags & 3 {
            EVENT_DISABLE => Ok(false),
            EVENT_DESC if self.event_idx => {
                smp_mb(Read);
                let off_wrap: u16 = mem::read(self.driver_event, true)?;
                let mut event = off_wrap & 0x7fff;
                if (off_wrap >> 15 != 0) != self.used.wrap {
                    event = event.wrapping_sub(self.num);
                }
                Ok(old.is_none_or(|old| need_event(event, self.used.slot, old)))
            }
            _ => Ok(true),
        }
    }

    /// Asks the driver for notifications, or suppresses them.
    pub(crate) fn set_notify(&mut self, wanted: bool) -> Result {
        let flags = match (wanted, self.event_idx) {
            (false, _) => EVENT_DISABLE,
            (true, false) => EVENT_ENABLE,
            (true, true) => {
                let off_wrap = self.avail.slot | u16::from(self.avail.wrap) << 15;
                mem::write(self.device_event, off_wrap, true)?;
                smp_mb(Write);
                EVENT_DESC
            }
        };
        mem::write(self.device_event + 2, flags, true)?;
        smp_mb(Full);
        Ok(())
    }

    /// Whether there is a buffer to pop.
    pub(crate) fn has_more(&self) -> Result<bool> {
        self.is_avail(self.avail)
    }

    // --- violations of the specification ---------------------------------------------------

    /// Overwrites a descriptor, also one that the driver owns.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the ring is not in memory.
    pub fn scribble_desc(&mut self, slot: u16, addr: u64, len: u32, id: u16, flags: u16) -> Result {
        let at = self.at(slot % self.num);
        mem::write(at, addr, true)?;
        mem::write(at + 8, len, true)?;
        mem::write(at + 12, id, true)?;
        mem::write(at + 14, flags, true)
    }

    /// Writes the device's event suppression structure, with any value.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the ring is not in memory.
    pub fn write_device_event(&mut self, off_wrap: u16, flags: u16) -> Result {
        mem::write(self.device_event, off_wrap, true)?;
        mem::write(self.device_event + 2, flags, true)
    }

    /// Returns the number of descriptors.
    pub fn num(&self) -> u16 {
        self.num
    }
}
