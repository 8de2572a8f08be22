// SPDX-License-Identifier: GPL-2.0

//! Mapping operations of the transport (`vdev->map`), with an account of the mappings.
//!
//! The account has each mapping. An unmap without a matching mapping is counted, and mappings that
//! are left at the end were leaked. The device checks each segment against the account: memory that
//! is not mapped, or not for the direction in which the device uses it, is an error of the driver.
//!
//! The operations check their token. For a token that is no account of a device, they do as VDUSE
//! does for null: they make no mapping, allocate no memory, and return 0 for the largest mapping.

use crate::{
    bindings,
    mem,
    transport::queues, //
};
use core::{
    ffi::c_void,
    ptr::null_mut, //
};
use kernel::{
    alloc::KVec,
    ffi::{
        c_int,
        c_ulong, //
    },
    new_spinlock_irq,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Full,
            Relaxed, //
        },
        SpinLockIrq, //
    },
};

/// The kind of addresses of memory that is mapped for a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// Physical addresses with a mark, which shows the device that they were mapped.
    Marked,
    /// Kernel addresses, for a device that is kernel code.
    Kernel,
    /// Addresses of the DMA API, without an account. On kernels without it, no driver can use the
    /// device.
    Dma,
}

/// The largest number of devices with an account at a time.
const DEVICES: usize = 16;

/// The largest number of mappings at a time.
const MOST: usize = 1024;

/// The largest mapping that the transport reports, in bytes.
pub const MAX_MAPPING: usize = 1 << 20;

/// One mapping.
#[derive(PartialEq, Eq)]
struct Mapping {
    addr: u64,
    size: usize,
    dir: i32,
}

impl Mapping {
    /// Whether the mapping contains a range.
    fn has(&self, addr: u64, len: u64) -> bool {
        addr.checked_sub(self.addr)
            .and_then(|offset| offset.checked_add(len))
            .is_some_and(|end| end <= self.size as u64)
    }
}

/// The directions in which the device may read memory.
const READ: [i32; 2] = [
    bindings::dma_data_direction::DMA_TO_DEVICE.0,
    bindings::dma_data_direction::DMA_BIDIRECTIONAL.0,
];
/// The directions in which the device may write memory.
const WRITTEN: [i32; 2] = [
    bindings::dma_data_direction::DMA_FROM_DEVICE.0,
    bindings::dma_data_direction::DMA_BIDIRECTIONAL.0,
];

/// The account of a device.
#[pin_data]
pub(crate) struct Maps {
    addresses: Addresses,
    /// Locked with interrupts off: drivers map with locks held that they take in interrupts.
    #[pin]
    live: SpinLockIrq<KVec<Mapping>>,
    made: Atomic<u64>,
    wrong: Atomic<u64>,
    syncs: Atomic<u64>,
    /// The union of the attributes of mappings since they were last read.
    attributes: Atomic<u64>,
    areas: Atomic<i64>,
    /// The number of further mappings that succeed; negative: no limit.
    left: Atomic<i64>,
    /// The largest coherent area that can be allocated, in bytes.
    largest: Atomic<usize>,
    /// The queue that the device uses when the next coherent area is freed, or null.
    late: Atomic<*mut c_void>,
}

impl Maps {
    pub(crate) fn new(addresses: Addresses) -> Result<impl PinInit<Self, Error>> {
        let live = KVec::with_capacity(MOST, GFP_KERNEL)?;
        Ok(try_pin_init!(Self {
            addresses,
            live <- new_spinlock_irq!(live),
            made: Atomic::new(0),
            wrong: Atomic::new(0),
            syncs: Atomic::new(0),
            attributes: Atomic::new(0),
            areas: Atomic::new(0),
            left: Atomic::new(-1),
            largest: Atomic::new(usize::MAX),
            late: Atomic::new(null_mut()),
        }? Error))
    }

    /// Returns the number of mappings.
    pub(crate) fn live(&self) -> usize {
        self.live.lock().len()
    }

    /// Returns the number of mappings that were made so far.
    pub(crate) fn made(&self) -> u64 {
        self.made.load(Relaxed)
    }

    /// Checks whether the device may read memory, or write it, by its mapping.
    ///
    /// # Errors
    ///
    /// - `EFAULT`: it was not mapped.
    /// - `EACCES`: it was mapped for the other direction.
    pub(crate) fn check(&self, addr: u64, len: u64, write: bool) -> Result {
        let allowed = if write { WRITTEN } else { READ };
        let live = self.live.lock();
        let mut around = live.iter().filter(|m| m.has(addr, len)).peekable();
        if around.peek().is_none() {
            return Err(EFAULT);
        }
        if around.any(|m| allowed.contains(&m.dir)) {
            Ok(())
        } else {
            Err(EACCES)
        }
    }

    /// Returns the number of unmaps and synchronisations without a matching mapping.
    pub(crate) fn wrong(&self) -> u64 {
        self.wrong.load(Relaxed)
    }

    /// Returns the number of synchronisations so far.
    pub(crate) fn syncs(&self) -> u64 {
        self.syncs.load(Relaxed)
    }

    /// Returns the union of the attributes of mappings since the last call.
    pub(crate) fn attributes(&self) -> u64 {
        self.attributes.xchg(0, Relaxed)
    }

    /// Returns the number of allocated coherent areas.
    pub(crate) fn areas(&self) -> i64 {
        self.areas.load(Relaxed)
    }

    /// Limits the number of mappings that succeed from now on; `None`: no limit.
    pub(crate) fn limit(&self, left: Option<u32>) {
        self.left.store(left.map_or(-1, i64::from), Relaxed);
    }

    /// Limits the size of coherent areas from now on.
    pub(crate) fn limit_areas(&self, bytes: usize) {
        self.largest.store(bytes, Relaxed);
    }

    /// Makes the device use a queue in reset when the next coherent area is freed.
    pub(crate) fn use_late(&self, vq: *mut bindings::virtqueue) {
        self.late.store(vq.cast(), Relaxed);
    }

    fn handle(&self, phys: u64) -> u64 {
        match self.addresses {
            Addresses::Marked => phys | mem::MARK,
            Addresses::Dma => phys,
            // SAFETY: The function checks the address.
            Addresses::Kernel => unsafe { bindings::rust_virtio_fake_memory(phys, 1) as u64 },
        }
    }

    fn sync(&self, addr: u64, size: usize, dir: i32) {
        self.syncs.fetch_add(1, Relaxed);
        let live = self.live.lock();
        if !live
            .iter()
            .any(|m| m.has(addr, size as u64) && m.dir == dir)
        {
            self.wrong.fetch_add(1, Relaxed);
        }
    }
}

/// The addresses of the accounts of registered devices; 0 for a free entry.
static KNOWN: [Atomic<usize>; DEVICES] = [const { Atomic::new(0) }; DEVICES];

impl Maps {
    /// Returns the token of the account.
    pub(crate) fn token(&self) -> bindings::virtio_map {
        bindings::virtio_map {
            group: core::ptr::from_ref(self).cast_mut().cast(),
        }
    }

    /// Registers the account for the operations. It does not move until it is
    /// [forgotten](Maps::forget).
    ///
    /// # Errors
    ///
    /// `ENOSPC`: there are too many devices.
    pub(crate) fn know(&self) -> Result {
        let this = core::ptr::from_ref(self).addr();
        let free = |place: &&Atomic<usize>| place.cmpxchg(0, this, Full).is_ok();
        KNOWN.iter().find(free).map(|_| ()).ok_or(ENOSPC)
    }

    /// Unregisters the account, after the last use of the device.
    pub(crate) fn forget(&self) {
        let this = core::ptr::from_ref(self).addr();
        for place in &KNOWN {
            let _ = place.cmpxchg(this, 0, Full);
        }
    }
}

/// Returns the account of a token, if the token is that of a device.
fn maps<'a>(map: bindings::virtio_map) -> Option<&'a Maps> {
    // SAFETY: Both fields of the union are pointers.
    let token = unsafe { map.group };
    let known = KNOWN
        .iter()
        .any(|place| place.load(Acquire) == token.addr());
    if token.is_null() || !known {
        return None;
    }
    // SAFETY: The token is the account of a registered device, which lives as long as the driver
    // uses it.
    Some(unsafe { &*token.cast::<Maps>() })
}

/// The operations.
pub(crate) static OPERATIONS: bindings::virtio_map_ops = bindings::virtio_map_ops {
    map_page: Some(map_page),
    unmap_page: Some(unmap_page),
    sync_single_for_cpu: Some(sync),
    sync_single_for_device: Some(sync),
    alloc: Some(alloc),
    free: Some(free),
    need_sync: Some(need_sync),
    mapping_error: Some(mapping_error),
    max_mapping_size: Some(max_mapping_size),
};

/// Maps a part of a page, if the account has room.
///
/// # Safety
///
/// Called by the ring with the map of its device. `page` is a page.
unsafe extern "C" fn map_page(
    map: bindings::virtio_map,
    page: *mut bindings::page,
    offset: c_ulong,
    size: usize,
    dir: bindings::dma_data_direction,
    attrs: c_ulong,
) -> u64 {
    let Some(maps) = maps(map) else {
        return u64::MAX;
    };
    let seen = maps.attributes.load(Relaxed);
    maps.attributes.store(seen | attrs as u64, Relaxed);
    let left = maps.left.load(Relaxed);
    if left == 0 {
        return u64::MAX;
    }
    if left > 0 {
        maps.left.store(left - 1, Relaxed);
    }
    // SAFETY: The driver passes a page.
    let phys = unsafe { bindings::rust_virtio_fake_page_phys(page) } + offset as u64;
    let mapping = Mapping {
        addr: maps.handle(phys),
        size,
        dir: dir.0,
    };
    let addr = mapping.addr;
    if maps.live.lock().push_within_capacity(mapping).is_err() {
        return u64::MAX;
    }
    maps.made.fetch_add(1, Relaxed);
    addr
}

/// Unmaps a part of a page.
///
/// # Safety
///
/// Called by the ring with the map of its device.
unsafe extern "C" fn unmap_page(
    map: bindings::virtio_map,
    addr: u64,
    size: usize,
    dir: bindings::dma_data_direction,
    _attrs: c_ulong,
) {
    let Some(maps) = maps(map) else {
        return;
    };
    let mapping = Mapping {
        addr,
        size,
        dir: dir.0,
    };
    let mut live = maps.live.lock();
    match live.iter().position(|m| *m == mapping) {
        Some(at) => {
            let _ = live.remove(at);
        }
        None => {
            maps.wrong.fetch_add(1, Relaxed);
        }
    }
}

/// Counts a synchronisation, and one without a matching mapping as an error.
///
/// # Safety
///
/// Called by the ring with the map of its device.
unsafe extern "C" fn sync(
    map: bindings::virtio_map,
    addr: u64,
    size: usize,
    dir: bindings::dma_data_direction,
) {
    if let Some(maps) = maps(map) {
        maps.sync(addr, size, dir.0);
    }
}

/// Allocates memory that is mapped for the device.
///
/// # Safety
///
/// Called by the ring with the map of its device. `addr` is writable.
unsafe extern "C" fn alloc(
    map: bindings::virtio_map,
    size: usize,
    addr: *mut u64,
    _gfp: bindings::gfp_t,
) -> *mut c_void {
    let Some(maps) = maps(map) else {
        return null_mut();
    };
    if size > maps.largest.load(Relaxed) {
        return null_mut();
    }
    // SAFETY: May be called in process context.
    let area = unsafe { bindings::rust_virtio_fake_alloc(size) };
    if area.is_null() {
        return null_mut();
    }
    maps.areas.fetch_add(1, Relaxed);
    // SAFETY: `area` is directly mapped, and `addr` is writable (safety requirements).
    unsafe { *addr = maps.handle(bindings::rust_virtio_fake_phys(area)) };
    area
}

/// Frees memory that `alloc` returned.
///
/// # Safety
///
/// Called by the ring with the map of its device. `area` is of `alloc`.
unsafe extern "C" fn free(
    map: bindings::virtio_map,
    size: usize,
    area: *mut c_void,
    _addr: u64,
    _attrs: c_ulong,
) {
    let Some(maps) = maps(map) else {
        return;
    };
    maps.areas.fetch_sub(1, Relaxed);
    let late = maps.late.xchg(null_mut(), Relaxed);
    // SAFETY: A queue lives as long as its areas. `alloc` returned the area for the same size.
    unsafe {
        if !late.is_null() {
            queues::use_late(late.cast());
        }
        bindings::rust_virtio_fake_free_area(area, size);
    }
}

/// Returns that all memory has to be synchronised.
extern "C" fn need_sync(_map: bindings::virtio_map, _addr: u64) -> bool {
    true
}

/// Returns an error if an address is that of a failed mapping.
extern "C" fn mapping_error(_map: bindings::virtio_map, addr: u64) -> c_int {
    if addr == u64::MAX {
        ENOMEM.to_errno()
    } else {
        0
    }
}

/// Returns the largest size of a mapping.
///
/// # Safety
///
/// Called by the ring with the map of its device.
unsafe extern "C" fn max_mapping_size(map: bindings::virtio_map) -> usize {
    maps(map).map_or(0, |_| MAX_MAPPING)
}
