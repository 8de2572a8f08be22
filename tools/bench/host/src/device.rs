// SPDX-License-Identifier: GPL-2.0

//! The device that all rings have: it takes what is available and uses it at once, in order.
//! Its work is the same for each of them. It reads no chain: what is compared is the drivers.

use std::sync::atomic::{fence, Ordering::SeqCst};

/// The step of the device, which the measurements of instructions leave out.
#[no_mangle]
#[inline(never)]
pub extern "C" fn bench_device_step(device: &mut Device) -> usize {
    match device {
        Device::Split(split) => split.step(),
        Device::Packed(packed) => packed.step(),
    }
}

pub enum Device {
    Split(Split),
    Packed(Packed),
}

pub struct Split {
    pub avail: *mut u16,
    pub used: *mut u16,
    pub size: u16,
    pub event_idx: bool,
    pub next: u16,
}

impl Split {
    /// Uses all that is available. Returns how many buffers.
    #[inline(always)]
    fn step(&mut self) -> usize {
        let mask = usize::from(self.size) - 1;
        // SAFETY: The pointers are to a ring of that size, which the driver uses only while this
        // does not run.
        unsafe {
            let index = self.avail.add(1).read_volatile();
            let mut n = 0;
            while self.next != index {
                let slot = usize::from(self.next) & mask;
                let head = self.avail.add(2 + slot).read_volatile();
                let entry = self.used.add(2 + 4 * slot).cast::<u32>();
                entry.write_volatile(head.into());
                entry.add(1).write_volatile(1);
                self.next = self.next.wrapping_add(1);
                n += 1;
            }
            fence(SeqCst);
            self.used.add(1).write_volatile(index);
            if self.event_idx {
                // Notify at the next.
                self.used.add(2 + 4 * (mask + 1)).write_volatile(index);
            }
            n
        }
    }
}

pub struct Packed {
    pub desc: *mut u16,
    pub event: *mut u16,
    pub size: u16,
    pub event_idx: bool,
    pub slot: u16,
    pub wrap: bool,
}

impl Packed {
    const AVAIL: u16 = 1 << 7;
    const USED: u16 = 1 << 15;

    /// Uses all that is available. Returns how many buffers.
    #[inline(always)]
    fn step(&mut self) -> usize {
        let mut n = 0;
        // SAFETY: The pointers are to a ring of that size, which the driver uses only while this
        // does not run.
        unsafe {
            loop {
                let first = self.desc.add(8 * usize::from(self.slot));
                let mut flags = first.add(7).read_volatile();
                let available = if self.wrap { Self::AVAIL } else { Self::USED };
                if flags & (Self::AVAIL | Self::USED) != available {
                    break;
                }
                let wrap = self.wrap;
                let mut last = first;
                loop {
                    self.slot += 1;
                    if self.slot == self.size {
                        self.slot = 0;
                        self.wrap = !self.wrap;
                    }
                    if flags & 1 == 0 {
                        break;
                    }
                    last = self.desc.add(8 * usize::from(self.slot));
                    flags = last.add(7).read_volatile();
                }
                // The id is that of the last descriptor of a chain.
                let id = last.add(6).read_volatile();
                first.add(6).write_volatile(id);
                first.add(4).cast::<u32>().write_volatile(1);
                let both = if wrap { Self::AVAIL | Self::USED } else { 0 };
                first.add(7).write_volatile(both);
                n += 1;
            }
            fence(SeqCst);
            if self.event_idx {
                // Notify at the next.
                self.event
                    .write_volatile(self.slot | u16::from(self.wrap) << 15);
                self.event.add(1).write_volatile(2);
            }
            n
        }
    }
}
