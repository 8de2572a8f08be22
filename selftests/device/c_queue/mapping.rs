// SPDX-License-Identifier: GPL-2.0

//! Memory that is mapped for the device: by drivers in C, and what the transport knows of it.

use super::CQueue;
use crate::{
    bindings,
    c_buffer::{
        CBuffer,
        SEGMENT, //
    },
    fake::Fake,
    maps::Addresses,
};
use core::ffi::c_void;
use kernel::{
    error::to_result,
    prelude::*, //
};

impl CQueue {
    /// `virtqueue_dma_dev`: whether there is one.
    pub fn has_dma_dev(&self) -> bool {
        // SAFETY: The queue is valid.
        !unsafe { bindings::virtqueue_dma_dev(self.vq) }.is_null()
    }

    /// `virtqueue_map_single_attrs`, for the device to write if `write`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, as `virtqueue_map_mapping_error` says.
    // Nothing is read or written there: the mapping is all that is made.
    #[allow(clippy::not_unsafe_ptr_arg_deref)]
    pub fn map(&self, ptr: *mut c_void, len: usize, write: bool) -> Result<u64> {
        // SAFETY: The queue is valid. Memory that is not what it should be is refused.
        unsafe {
            let addr = bindings::virtqueue_map_single_attrs(self.vq, ptr, len, direction(write), 0);
            to_result(bindings::virtqueue_map_mapping_error(self.vq, addr))?;
            Ok(addr)
        }
    }

    /// `virtqueue_unmap_single_attrs`.
    pub fn unmap(&self, addr: u64, len: usize, write: bool) {
        // SAFETY: The queue is valid; what was not mapped is counted.
        unsafe {
            bindings::virtqueue_unmap_single_attrs(self.vq, addr, len, direction(write), 0);
        }
    }

    /// The `virtqueue_map_sync_single_range_*` functions, for one side and then the other, if
    /// `virtqueue_map_need_sync` says so; returns that.
    pub fn sync(&self, addr: u64, offset: usize, len: usize) -> bool {
        let (dir, offset) = (direction(true), offset as kernel::ffi::c_ulong);
        // SAFETY: The queue is valid; what was not mapped is counted.
        unsafe {
            let needed = bindings::virtqueue_map_need_sync(self.vq, addr);
            if needed {
                bindings::virtqueue_map_sync_single_range_for_cpu(self.vq, addr, offset, len, dir);
                bindings::virtqueue_map_sync_single_range_for_device(
                    self.vq, addr, offset, len, dir,
                );
            }
            needed
        }
    }

    /// Maps the segments of a buffer.
    pub(super) fn map_buffer(&self, buffer: &mut CBuffer) -> Result {
        let (out, in_) = buffer.shape();
        for index in 0..out + in_ {
            let (at, write) = buffer.segment(index);
            let addr = self.map(at, SEGMENT, write)?;
            buffer.set_mapped(index, addr)?;
        }
        Ok(())
    }

    /// Takes the mappings back that the driver made.
    pub(super) fn unmap_buffer(&self, buffer: &mut CBuffer) {
        let (out, _) = buffer.shape();
        for (index, addr) in buffer.mapped.drain_all().enumerate() {
            self.unmap(addr, SEGMENT, index >= out);
        }
    }
}

fn direction(write: bool) -> bindings::dma_data_direction {
    if write {
        bindings::dma_data_direction::DMA_FROM_DEVICE
    } else {
        bindings::dma_data_direction::DMA_TO_DEVICE
    }
}

impl Fake {
    /// Returns how addresses for the device are made, if it has mapping operations.
    pub fn addresses(&self) -> Option<Addresses> {
        self.0.spec.mapping
    }

    /// `virtio_max_dma_size`.
    pub fn max_dma_size(&self) -> usize {
        // SAFETY: The device is valid.
        unsafe { bindings::virtio_max_dma_size(self.0.vdev.get()) }
    }

    /// Memory of the kernel's image, as drivers in C may have some mapped: eight bytes that nobody
    /// writes, and their physical address.
    pub fn image() -> (*mut c_void, u64) {
        // SAFETY: May be called anywhere; the memory is there as long as the kernel is.
        unsafe {
            let at = bindings::rust_virtio_fake_image();
            (at, bindings::rust_virtio_fake_phys(at))
        }
    }

    /// Pieces that are mapped for the device.
    pub fn mapped(&self) -> usize {
        self.0.maps.live()
    }

    /// Pieces that were mapped for the device so far.
    pub fn mapped_so_far(&self) -> u64 {
        self.0.maps.made()
    }

    /// Returns the number of pieces that were unmapped or synchronised and had not been mapped so.
    pub fn mapped_wrong(&self) -> u64 {
        self.0.maps.wrong()
    }

    /// Whether the device may write memory, or read it, as it was mapped.
    ///
    /// # Errors
    ///
    /// - `EFAULT`: it was not mapped.
    /// - `EACCES`: it was mapped for the other direction.
    pub fn may_use(&self, addr: u64, len: u64, write: bool) -> Result {
        self.0.maps.check(addr, len, write)
    }

    /// Synchronisations of mappings so far.
    pub fn synced(&self) -> u64 {
        self.0.maps.syncs()
    }

    /// The attributes that pieces were mapped with since this was asked last, all in one.
    pub fn map_attributes(&self) -> u64 {
        self.0.maps.attributes()
    }

    /// Areas that both sides see.
    pub fn areas(&self) -> i64 {
        self.0.maps.areas()
    }

    /// There is memory for areas of so many bytes only from now on.
    pub fn limit_areas(&self, bytes: usize) {
        self.0.maps.limit_areas(bytes);
    }

    /// The device uses a buffer of a queue that was taken from it, in the ring of before, and
    /// interrupts: when the next area is freed, if the queue is in reset then.
    ///
    /// # Errors
    ///
    /// `ENOENT`: there is no such queue.
    pub fn use_late(&self, queue: usize) -> Result {
        let vq = self.0.queues.lock().get(queue).ok_or(ENOENT)?.vq;
        self.0.maps.use_late(vq);
        Ok(())
    }

    /// Only so many mappings succeed from now on; `None`: all.
    pub fn limit_maps(&self, left: Option<u32>) {
        self.0.maps.limit(left);
    }
}
