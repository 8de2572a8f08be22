// SPDX-License-Identifier: GPL-2.0

//! The ring of the virtio-drivers crate: split, and no callbacks by index.

use crate::{
    device::{self, Device},
    Arena, Features, Ring, DATA, SIZE,
};
use std::{
    cell::Cell,
    ptr::NonNull,
    slice::{from_raw_parts, from_raw_parts_mut},
};
use virtio_drivers::{
    queue::VirtQueue,
    transport::{DeviceStatus, DeviceType, InterruptStatus, Transport},
    BufferDirection, Hal, PhysAddr, Result,
};

/// Memory that devices see where it is.
struct Flat;

// SAFETY: Memory comes from an arena, aligned to a page and used once.
unsafe impl Hal for Flat {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let arena = Arena::new(pages * 4096);
        (arena.addr(), arena.ptr(0))
    }

    unsafe fn dma_dealloc(_: PhysAddr, _: NonNull<u8>, _: usize) -> i32 {
        0
    }

    unsafe fn mmio_phys_to_virt(addr: PhysAddr, _: usize) -> NonNull<u8> {
        NonNull::new(addr as *mut u8).expect("an address")
    }

    #[inline(always)]
    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        buffer.as_ptr().cast::<u8>().addr() as u64
    }

    #[inline(always)]
    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}

/// A transport that remembers where the queue is.
struct Fake(Cell<(u64, u64)>);

impl Transport for Fake {
    fn device_type(&self) -> DeviceType {
        DeviceType::Block
    }
    fn read_device_features(&mut self) -> u64 {
        0
    }
    fn write_driver_features(&mut self, _: u64) {}
    fn max_queue_size(&mut self, _: u16) -> u32 {
        SIZE.into()
    }
    fn notify(&mut self, _: u16) {}
    fn get_status(&self) -> DeviceStatus {
        DeviceStatus::empty()
    }
    fn set_status(&mut self, _: DeviceStatus) {}
    fn set_guest_page_size(&mut self, _: u32) {}
    fn requires_legacy_layout(&self) -> bool {
        false
    }
    fn queue_set(&mut self, _: u16, _: u32, _: PhysAddr, avail: PhysAddr, used: PhysAddr) {
        self.0.set((avail, used));
    }
    fn queue_unset(&mut self, _: u16) {}
    fn queue_used(&mut self, _: u16) -> bool {
        false
    }
    fn ack_interrupt(&mut self) -> InterruptStatus {
        InterruptStatus::empty()
    }
    fn read_config_generation(&self) -> u32 {
        0
    }
    fn read_config_space<T>(&self, _: usize) -> Result<T> {
        Err(virtio_drivers::Error::Unsupported)
    }
    fn write_config_space<T>(&mut self, _: usize, _: T) -> Result<()> {
        Err(virtio_drivers::Error::Unsupported)
    }
}

/// A queue. Its tokens are its own: it keeps none of the caller's.
pub struct Other {
    queue: VirtQueue<Flat, { SIZE as usize }>,
    header: *const u8,
    data: *mut u8,
    status: *mut u8,
    three: bool,
}

/// A ring and its device.
pub fn ring(features: Features) -> (Other, Device) {
    let mut transport = Fake(Cell::new((0, 0)));
    let queue = VirtQueue::new(&mut transport, 0, features.indirect, features.event_idx);
    let (avail, used) = transport.0.get();
    let device = Device::Split(device::Split {
        avail: avail as *mut u16,
        used: used as *mut u16,
        size: SIZE,
        event_idx: features.event_idx,
        next: 0,
    });
    let arena = Arena::new(3 * 4096);
    let other = Other {
        queue: queue.unwrap_or_else(|e| panic!("{e:?}")),
        header: arena.ptr(0).as_ptr(),
        data: arena.ptr(4096).as_ptr(),
        status: arena.ptr(8192).as_ptr(),
        three: false,
    };
    (other, device)
}

impl Ring for Other {
    #[inline(always)]
    fn add3(&mut self, _: usize) {
        self.three = true;
        // SAFETY: The memory is never freed, and no other code uses it.
        let added = unsafe {
            self.queue.add(
                &[from_raw_parts(self.header, 16)],
                &mut [
                    from_raw_parts_mut(self.data, DATA as usize),
                    from_raw_parts_mut(self.status, 1),
                ],
            )
        };
        added.expect("room");
    }

    #[inline(always)]
    fn add1(&mut self, _: usize) {
        self.three = false;
        // SAFETY: The memory is never freed, and no other code uses it.
        let added = unsafe {
            let data = from_raw_parts_mut(self.data, DATA as usize);
            self.queue.add(&[], &mut [data])
        };
        added.expect("room");
    }

    #[inline(always)]
    fn kick(&mut self) -> bool {
        // Its answer is wrong where the index wraps.
        std::hint::black_box(self.queue.should_notify());
        true
    }

    #[inline(always)]
    fn get(&mut self) -> Option<usize> {
        let token = self.queue.peek_used()?;
        // SAFETY: The buffers are those of the add.
        let len = unsafe {
            let data = from_raw_parts_mut(self.data, DATA as usize);
            if self.three {
                let status = from_raw_parts_mut(self.status, 1);
                let header = from_raw_parts(self.header, 16);
                self.queue.pop_used(token, &[header], &mut [data, status])
            } else {
                self.queue.pop_used(token, &[], &mut [data])
            }
        };
        len.expect("a used buffer");
        Some(token.into())
    }
}
