// SPDX-License-Identifier: GPL-2.0

//! Mapping operations of the transport (`vdev->map`) that keep account.
//!
//! The mappings are known piece by piece: one that is taken back twice, or not as it was made, is
//! counted, and the pieces that are left at the end were leaked. A device compares what it is given
//! with them: memory that was not mapped, or not for the direction in which the device is to use
//! it, is an error of the driver.
//!
//! The operations do not trust the token that they are given. One that is no account of a device
//! gets what VDUSE gives for one that is null: no mapping, no memory, and 0 for the largest piece.

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

/// The kinds of addresses that a device has for memory that is mapped for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// Physical ones with a mark, by which the device knows that they were mapped.
    Marked,
    /// Those of the kernel, for a device that is kernel code itself.
    Kernel,
    /// Those that the DMA API gives, of which there is no account; where there is none, nobody can
    /// drive the device.
    Dma,
}

/// Devices with an account that there are at a time, at most.
const DEVICES: usize = 16;

/// Mappings that are known at a time, at most.
const MOST: usize = 1024;

/// The largest piece that is said to be mappable, in bytes.
pub const MAX_MAPPING: usize = 1 << 20;

/// One mapping.
#[derive(PartialEq, Eq)]
struct Mapping {
    addr: u64,
    size: usize,
    dir: i32,
}

impl Mapping {
    /// Whether it is of memory with this in it.
    fn has(&self, addr: u64, len: u64) -> bool {
        addr.checked_sub(self.addr)
            .and_then(|offset| offset.checked_add(len))
            .is_some_and(|end| end <= self.size as u64)
    }
}

/// Directions of memory that the device may read.
const READ: [i32; 2] = [
    bindings::dma_data_direction::DMA_TO_DEVICE.0,
    bindings::dma_data_direction::DMA_BIDIRECTIONAL.0,
];
/// Directions of memory that the device may write.
const WRITTEN: [i32; 2] = [
    bindings::dma_data_direction::DMA_FROM_DEVICE.0,
    bindings::dma_data_direction::DMA_BIDIRECTIONAL.0,
];

/// The account of a device.
#[pin_data]
pub(crate) struct Maps {
    addresses: Addresses,
    /// With interrupts off: drivers map with locks held that they take in interrupts.
    #[pin]
    live: SpinLockIrq<KVec<Mapping>>,
    made: Atomic<u64>,
    wrong: Atomic<u64>,
    syncs: Atomic<u64>,
    /// The attributes that mappings were asked for with, since that was looked at.
    attributes: Atomic<u64>,
    areas: Atomic<i64>,
    /// The number of mappings that may still be made; negative: no limit.
    left: Atomic<i64>,
    /// The largest area that there is memory for, in bytes.
    largest: Atomic<usize>,
    /// The queue that the device uses when the next area is freed, or null.
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

    /// Pieces that are mapped.
    pub(crate) fn live(&self) -> usize {
        self.live.lock().len()
    }

    /// Pieces that were mapped so far.
    pub(crate) fn made(&self) -> u64 {
        self.made.load(Relaxed)
    }

    /// Whether the device may read memory, or write it, as it was mapped.
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

    /// Returns the number of pieces that were taken back or synchronised and had not been mapped
    /// so.
    pub(crate) fn wrong(&self) -> u64 {
        self.wrong.load(Relaxed)
    }

    /// Synchronisations so far.
    pub(crate) fn syncs(&self) -> u64 {
        self.syncs.load(Relaxed)
    }

    /// Takes the attributes that mappings were asked for with.
    pub(crate) fn attributes(&self) -> u64 {
        self.attributes.xchg(0, Relaxed)
    }

    /// Coherent areas that are allocated.
    pub(crate) fn areas(&self) -> i64 {
        self.areas.load(Relaxed)
    }

    /// Only so many mappings succeed from now on; `None`: all.
    pub(crate) fn limit(&self, left: Option<u32>) {
        self.left.store(left.map_or(-1, i64::from), Relaxed);
    }

    /// There is memory for areas of so many bytes only from now on.
    pub(crate) fn limit_areas(&self, bytes: usize) {
        self.largest.store(bytes, Relaxed);
    }

    /// The device uses a queue that is in reset when the next area is freed.
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

/// The accounts of the devices that are registered, 0 where there is none.
static KNOWN: [Atomic<usize>; DEVICES] = [const { Atomic::new(0) }; DEVICES];

impl Maps {
    /// The token of the account.
    pub(crate) fn token(&self) -> bindings::virtio_map {
        bindings::virtio_map {
            group: core::ptr::from_ref(self).cast_mut().cast(),
        }
    }

    /// Has the operations know the account, which stays in place until it is
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

    /// Ends that, once the device is not used any more.
    pub(crate) fn forget(&self) {
        let this = core::ptr::from_ref(self).addr();
        for place in &KNOWN {
            let _ = place.cmpxchg(this, 0, Full);
        }
    }
}

/// The account behind an operation, if the token is that of a device.
fn maps<'a>(map: bindings::virtio_map) -> Option<&'a Maps> {
    // SAFETY: Both fields of the union are pointers.
    let token = unsafe { map.group };
    let known = KNOWN
        .iter()
        .any(|place| place.load(Acquire) == token.addr());
    if token.is_null() || !known {
        return None;
    }
    // SAFETY: It is the account of a registered device, which stays as long as the driver uses it.
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

/// Takes the mapping of a part of a page back.
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

/// Counts a synchronisation of memory that is not mapped so.
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
    // SAFETY: `area` is directly mapped, and `addr` is a place of the caller.
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
    // SAFETY: A queue stays as long as its device has memory for it. `alloc` returned the area for
    // the same size.
    unsafe {
        if !late.is_null() {
            queues::use_late(late.cast());
        }
        bindings::rust_virtio_fake_free_area(area, size);
    }
}

/// Says that all memory has to be synchronised.
extern "C" fn need_sync(_map: bindings::virtio_map, _addr: u64) -> bool {
    true
}

/// Says whether an address is that of a mapping that failed.
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
