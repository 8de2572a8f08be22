// SPDX-License-Identifier: GPL-2.0

//! Mapping of memory for the device by drivers in C, and the account of the transport.

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
    /// Returns whether `virtqueue_dma_dev` returns a device.
    pub fn has_dma_dev(&self) -> bool {
        // SAFETY: The queue is valid.
        !unsafe { bindings::virtqueue_dma_dev(self.vq) }.is_null()
    }

    /// Calls `virtqueue_map_single_attrs`. With `write`, the device writes the memory.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: that of `virtqueue_map_mapping_error`.
    // The function only makes a mapping, and does not access the memory.
    #[allow(clippy::not_unsafe_ptr_arg_deref)]
    pub fn map(&self, ptr: *mut c_void, len: usize, write: bool) -> Result<u64> {
        // SAFETY: The queue is valid. The transport refuses memory that it cannot map.
        unsafe {
            let addr = bindings::virtqueue_map_single_attrs(self.vq, ptr, len, direction(write), 0);
            to_result(bindings::virtqueue_map_mapping_error(self.vq, addr))?;
            Ok(addr)
        }
    }

    /// Calls `virtqueue_unmap_single_attrs`.
    pub fn unmap(&self, addr: u64, len: usize, write: bool) {
        // SAFETY: The queue is valid. The account counts an address that is not mapped as an error.
        unsafe {
            bindings::virtqueue_unmap_single_attrs(self.vq, addr, len, direction(write), 0);
        }
    }

    /// Calls the `virtqueue_map_sync_single_range_*` functions, for the CPU and then for the
    /// device, if `virtqueue_map_need_sync` returns true. Returns that.
    pub fn sync(&self, addr: u64, offset: usize, len: usize) -> bool {
        let (dir, offset) = (direction(true), offset as kernel::ffi::c_ulong);
        // SAFETY: The queue is valid. The account counts an address that is not mapped as an error.
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

    /// Unmaps the segments that the driver has mapped.
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
    /// Returns the kind of addresses of the device, if it has mapping operations.
    pub fn addresses(&self) -> Option<Addresses> {
        self.0.spec.mapping
    }

    /// Calls `virtio_max_dma_size`.
    pub fn max_dma_size(&self) -> usize {
        // SAFETY: The device is valid.
        unsafe { bindings::virtio_max_dma_size(self.0.vdev.get()) }
    }

    /// Returns memory of the kernel's image, which drivers in C may map: eight bytes that no code
    /// writes, and their physical address.
    pub fn image() -> (*mut c_void, u64) {
        // SAFETY: May be called in any context. The memory is never freed.
        unsafe {
            let at = bindings::rust_virtio_fake_image();
            (at, bindings::rust_virtio_fake_phys(at))
        }
    }

    /// Returns the number of mappings for the device.
    pub fn mapped(&self) -> usize {
        self.0.maps.live()
    }

    /// Returns the number of mappings that were made for the device so far.
    pub fn mapped_so_far(&self) -> u64 {
        self.0.maps.made()
    }

    /// Returns the number of unmaps and synchronisations without a matching mapping.
    pub fn mapped_wrong(&self) -> u64 {
        self.0.maps.wrong()
    }

    /// Checks whether the device may write memory, or read it, by its mapping.
    ///
    /// # Errors
    ///
    /// - `EFAULT`: it was not mapped.
    /// - `EACCES`: it was mapped for the other direction.
    pub fn may_use(&self, addr: u64, len: u64, write: bool) -> Result {
        self.0.maps.check(addr, len, write)
    }

    /// Returns the number of synchronisations of mappings so far.
    pub fn synced(&self) -> u64 {
        self.0.maps.syncs()
    }

    /// Returns the union of the attributes of all mappings since the last call.
    pub fn map_attributes(&self) -> u64 {
        self.0.maps.attributes()
    }

    /// Returns the number of allocated coherent areas.
    pub fn areas(&self) -> i64 {
        self.0.maps.areas()
    }

    /// Limits the size of coherent areas from now on.
    pub fn limit_areas(&self, bytes: usize) {
        self.0.maps.limit_areas(bytes);
    }

    /// Makes the device use a buffer of a queue in reset, in its former ring, and interrupt, when
    /// the next coherent area is freed.
    ///
    /// # Errors
    ///
    /// `ENOENT`: there is no such queue.
    pub fn use_late(&self, queue: usize) -> Result {
        let vq = self.0.queues.lock().get(queue).ok_or(ENOENT)?.vq;
        self.0.maps.use_late(vq);
        Ok(())
    }

    /// Limits the number of mappings that succeed from now on; `None`: no limit.
    pub fn limit_maps(&self, left: Option<u32>) {
        self.0.maps.limit(left);
    }
}
