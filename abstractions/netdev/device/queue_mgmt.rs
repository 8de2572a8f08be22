// SPDX-License-Identifier: GPL-2.0

//! Restarts of single receive queues by the core (`struct netdev_queue_mgmt_ops`).
//!
//! The core asks for memory for the queue, has the driver stop the queue, and starts it with the
//! new memory: a page pool, with the first buffers. So a queue for which there is no memory
//! goes on with its old memory. The driver allocates further buffers when the queue starts. The
//! core keeps the memory that is not in use, and frees it.
//!
//! The memory is that of the page pool of the queue: another one with the same properties. The CPU
//! reads all of it, so memory of a provider that the CPU must not read (devmem, io_uring zero copy)
//! is refused.
//!
//! C header: [`include/net/netdev_queues.h`](srctree/include/net/netdev_queues.h)

use super::{
    vtable::{
        device_of,
        Vtable, //
    },
    Device,
    NewDevice,
    Operations, //
};
use crate::{
    bindings,
    pool::{
        Memory,
        PagePool, //
    },
    rtnl::DevLock,
    xdp::XdpQueue, //
};
use core::{
    ffi::c_void,
    mem::{
        replace,
        MaybeUninit, //
    },
    ptr::null_mut, //
};
use kernel::{
    device,
    error::from_result,
    ffi::c_int,
    prelude::*, //
};

impl<T: Operations> NewDevice<T> {
    /// Has the core restart single receive queues, with [`Operations::stop_rx`] and
    /// [`Operations::start_rx`]. From then on the device has a lock of its own, which the core
    /// holds while it calls the driver.
    pub fn set_rx_restarts(&mut self) {
        // SAFETY: The device was never registered (type invariant of `NewDevice`), so no other code
        // uses it, and there is no evidence of its lock yet. The table is constant.
        unsafe {
            bindings::rust_netdev_set_queue_mgmt_ops(self.as_raw(), &Vtable::<T>::QUEUE_MGMT_OPS)
        };
    }
}

/// The properties of the memory of a receive queue, from which memory of the same kind is made.
#[derive(Clone, Copy)]
pub(crate) struct MemoryParams {
    /// The number of buffers.
    pub(crate) size: u32,
    /// The device that the pages are mapped for, or null. The page pool of the queue has a
    /// reference to it.
    pub(crate) dma: *mut bindings::device,
    /// The number of pages for copies, if the queue is registered for XDP.
    pub(crate) xdp: Option<u32>,
}

/// The place that the core has for memory of a queue. All zeroes are a place without memory.
///
/// # Invariants
///
/// If `full` is set, `memory` is initialised, and no NAPI instance belongs to its pools.
#[repr(C)]
struct Place {
    full: bool,
    memory: MaybeUninit<Memory>,
}

impl Place {
    /// Returns the place.
    ///
    /// # Safety
    ///
    /// `place` is the core's place for memory of a queue: `ndo_queue_mem_size` bytes that were
    /// zeroed, and that only this module has written. The core does not use it for `'a`.
    unsafe fn of<'a>(place: *mut c_void) -> &'a mut Self {
        const {
            // The alignment of all allocations.
            assert!(core::mem::align_of::<Self>() <= core::mem::align_of::<u64>());
        }
        // SAFETY: By the safety requirements, the place is large enough, nothing else uses it, and
        // it is a `Place`, or has zeroes, which are one, too.
        unsafe { &mut *place.cast::<Self>() }
    }

    /// Puts memory into the place. No NAPI instance belongs to its pools.
    fn put(&mut self, memory: Memory) {
        drop(self.take());
        self.memory.write(memory);
        // INVARIANT: The memory was written just now.
        self.full = true;
    }

    /// Takes the memory.
    fn take(&mut self) -> Option<Memory> {
        // INVARIANT: The memory is moved out below.
        if !replace(&mut self.full, false) {
            return None;
        }
        // SAFETY: `full` was set, so the memory is initialised (type invariant). It is not used
        // again, as `full` is not set now.
        Some(unsafe { self.memory.assume_init_read() })
    }
}

impl<T: Operations> Vtable<T> {
    const QUEUE_MGMT_OPS: bindings::netdev_queue_mgmt_ops = bindings::netdev_queue_mgmt_ops {
        ndo_queue_mem_size: core::mem::size_of::<Place>(),
        ndo_queue_mem_alloc: Some(Self::queue_mem_alloc),
        ndo_queue_mem_free: Some(Self::queue_mem_free),
        ndo_queue_start: Some(Self::queue_start),
        ndo_queue_stop: Some(Self::queue_stop),
        ndo_queue_get_dma_dev: Some(Self::queue_get_dma_dev),
        // SAFETY: All other function pointers may be null, and there are no parameters.
        ..unsafe { core::mem::zeroed() }
    };

    /// Returns the device of a callback, the evidence of its lock, and the place for memory.
    ///
    /// # Safety
    ///
    /// `raw` is a device of `T`, and `place` suits [`Place::of`]. Until the results are dropped,
    /// this thread holds the lock that protects the queues of the device, and no other evidence of
    /// it is in use.
    unsafe fn of_callback<'a>(
        raw: *mut bindings::net_device,
        place: *mut c_void,
    ) -> (&'a Device<T>, DevLock<[(); 0]>, &'a mut Place) {
        // SAFETY: By the safety requirements, the device is one of `T` and its lock is held, and
        // the place is one of the core.
        unsafe {
            (
                device_of::<T>(raw),
                DevLock::assume_held(raw),
                Place::of(place),
            )
        }
    }

    extern "C" fn queue_mem_alloc(
        raw: *mut bindings::net_device,
        _config: *mut bindings::netdev_queue_config,
        place: *mut c_void,
        index: c_int,
    ) -> c_int {
        // SAFETY: `raw` is one of `T` (see the type), whose lock the core holds. `place` is the
        // core's, and was zeroed before this module wrote it.
        let (dev, mut lock, place) = unsafe { Self::of_callback(raw, place) };
        from_result(|| {
            // SAFETY: The device is valid, and its lock is held.
            if unsafe { bindings::netif_rxq_has_unreadable_mp(raw, u32::try_from(index)?) } {
                return Err(EOPNOTSUPP);
            }
            let index = usize::try_from(index)?;
            T::may_restart_rx(dev, index, &mut lock)?;
            place.put(dev.another_memory(index, &mut lock)?);
            Ok(0)
        })
    }

    extern "C" fn queue_mem_free(_raw: *mut bindings::net_device, place: *mut c_void) {
        // SAFETY: `place` is the core's, and was zeroed before this module wrote it.
        let place = unsafe { Place::of(place) };
        drop(place.take());
    }

    extern "C" fn queue_stop(
        raw: *mut bindings::net_device,
        place: *mut c_void,
        index: c_int,
    ) -> c_int {
        // SAFETY: `raw` is one of `T` (see the type), whose lock the core holds. `place` is the
        // core's, and was zeroed before this module wrote it.
        let (dev, mut lock, place) = unsafe { Self::of_callback(raw, place) };
        from_result(|| {
            let index = usize::try_from(index)?;
            T::stop_rx(dev, index, &mut lock)?;
            let (_, memory) = dev.stopped_memory(index, &mut lock)?;
            let memory = replace(memory, Memory::NONE);
            // SAFETY: `stopped_memory` has checked that the instance is disabled.
            unsafe { memory.forget_napi() };
            place.put(memory);
            Ok(0)
        })
    }

    extern "C" fn queue_start(
        raw: *mut bindings::net_device,
        _config: *mut bindings::netdev_queue_config,
        place: *mut c_void,
        index: c_int,
    ) -> c_int {
        // SAFETY: `raw` is one of `T` (see the type), whose lock the core holds. `place` is the
        // core's, and was zeroed before this module wrote it.
        let (dev, mut lock, place) = unsafe { Self::of_callback(raw, place) };
        from_result(|| {
            let index = usize::try_from(index)?;
            let (slot, to) = dev.stopped_memory(index, &mut lock)?;
            *to = place.take().ok_or(EINVAL)?;
            // SAFETY: No instance belongs to the pools (type invariant of `Place`). That of the
            // slot is disabled, and outlives its memory.
            unsafe { to.set_napi(slot.napi()) };
            T::start_rx(dev, index, &mut lock);
            Ok(0)
        })
    }

    /// Returns that there is no device to map memory for that the CPU must not read.
    extern "C" fn queue_get_dma_dev(
        _raw: *mut bindings::net_device,
        _index: c_int,
    ) -> *mut bindings::device {
        null_mut()
    }
}

impl<T: Operations> Device<T> {
    /// Returns new memory with the properties of that of a receive queue, with as many buffers as
    /// are [kept](crate::PoolSlot::keep). No NAPI instance belongs to its pools.
    ///
    /// Process context, sleeps. The queue may be in use.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: there is no such queue.
    /// - `ENETDOWN`: the queue has no memory.
    /// - `ENOMEM`, and other errors of the core.
    fn another_memory(&self, index: usize, lock: &mut DevLock) -> Result<Memory> {
        let slot = self.rx_slot(index, lock).ok_or(EINVAL)?;
        // SAFETY: `lock` is for this device, and borrowed exclusively.
        let params = unsafe { *slot.memory_params() }.ok_or(ENETDOWN)?;
        let dma = if params.dma.is_null() {
            None
        } else {
            // SAFETY: The page pool of the queue has a reference to the device, and stays while the
            // lock is held, in the queue or in the place of the core.
            Some(unsafe { device::Device::from_raw(params.dma) })
        };
        let parent = &self.private().parent;
        let new_pool = |size, dma| {
            // SAFETY: No instance belongs to the pools. The core frees the memory before the device
            // goes, or starts the queue with the memory, which is then dropped before the device,
            // or while the instance is disabled.
            unsafe { PagePool::new(self.as_raw(), null_mut(), size, parent, dma) }
        };
        let mut pool = new_pool(params.size, dma)?;
        if let Some(kind) = T::rx_kind(self, index) {
            pool.allocate_kept(kind)?;
        }
        let xdp = match params.xdp {
            Some(size) => {
                let copies = dma.is_some().then(|| new_pool(size, None)).transpose()?;
                // SAFETY: The device outlives the memory, and the registration is dropped before
                // the pool. The pool for the packets is not mapped: the other one, if the first is.
                Some(unsafe { XdpQueue::new(self.as_raw(), index as u32, &pool, copies)? })
            }
            None => None,
        };
        Ok(Memory {
            xdp,
            pool: Some(pool),
        })
    }
}
