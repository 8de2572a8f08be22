// SPDX-License-Identifier: GPL-2.0

//! Page pools: the pages of a receive queue, which are recycled, and mapped for DMA once.
//!
//! C header: [`include/net/page_pool/types.h`](srctree/include/net/page_pool/types.h)

use crate::{
    bindings,
    device::{
        raw_device,
        Operations, //
    },
    frag::{
        FragSizes,
        KindSizes,
        RxData,
        RxFrag,
        RxKind, //
    },
    napi::RxSlot,
    xdp::XdpQueue,
    xsk::XskPacket, //
};
use core::{
    marker::PhantomData,
    mem::take,
    ptr::{
        null_mut,
        NonNull, //
    },
};
use kernel::{
    alloc::{
        kvec::PushError,
        KVec, //
    },
    device,
    error::from_err_ptr,
    page::PAGE_SIZE,
    prelude::*, //
};

/// A page pool that belongs to a receive queue.
///
/// # Invariants
///
/// `pool` is a valid page pool of single pages that this owns. It maps its whole pages from the
/// device for `dma_dev`, or maps nothing if `dma_dev` is null. The pool has a reference to
/// `dma_dev`.
pub(crate) struct PagePool {
    pool: NonNull<bindings::page_pool>,
    dma_dev: *mut bindings::device,
    /// Buffers to use again, also such of other pools: each goes back to its own pool, and an
    /// [`XdpBuff`](crate::xdp::XdpBuff) takes none of another pool. The capacity is constant.
    kept: KVec<RxFrag>,
    /// The sizes of the buffers that were allocated last.
    current: KindSizes,
}

/// Largest number of buffers that are kept to be used again: more than a poll with the usual weight
/// receives before the queue is filled again.
const MAX_KEPT: u32 = 128;

// SAFETY: A pool may be used from any thread, by one thread at a time.
unsafe impl Send for PagePool {}

impl PagePool {
    /// Creates a pool for a ring of `size` buffers. With `dma`, its pages are mapped for that
    /// device. Process context, sleeps.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, and other errors of the core.
    ///
    /// # Safety
    ///
    /// `netdev` and `napi` outlive the pool; `napi` is disabled when the pool is dropped. If `napi`
    /// is null, no NAPI instance belongs to the pool.
    pub(crate) unsafe fn new(
        netdev: *mut bindings::net_device,
        napi: *mut bindings::napi_struct,
        size: u32,
        parent: &device::Device,
        dma: Option<&device::Device>,
    ) -> Result<Self> {
        let kept = KVec::with_capacity(size.min(MAX_KEPT) as usize, GFP_KERNEL)?;
        let mut params = bindings::page_pool_params::default();
        // SAFETY: The union is of the same fields, named and not.
        let fast = unsafe { params.__bindgen_anon_1.fast.as_mut() };
        fast.pool_size = size;
        // SAFETY: `parent` is valid.
        fast.nid = unsafe { bindings::dev_to_node(raw_device(parent)) };
        fast.napi = napi.cast();
        // SAFETY: The union is of the same fields, named and not.
        let slow = unsafe { &mut params.__bindgen_anon_2.slow };
        slow.netdev = netdev;
        if let Some(dma) = dma {
            fast.dev = raw_device(dma);
            fast.dma_dir = bindings::dma_data_direction::DMA_FROM_DEVICE;
            fast.max_len = PAGE_SIZE as u32;
            slow.flags = bindings::PP_FLAG_DMA_MAP | bindings::PP_FLAG_DMA_SYNC_DEV;
        }
        // SAFETY: The parameters are complete. By the safety requirements, `netdev` and `napi`
        // outlive the pool.
        let pool = from_err_ptr(unsafe { bindings::page_pool_create(&params) })?;
        // INVARIANT: The pool was created with these parameters.
        Ok(Self {
            pool: NonNull::new(pool).ok_or(ENOMEM)?,
            dma_dev: dma.map_or(null_mut(), raw_device),
            kept,
            current: KindSizes::NONE,
        })
    }
}

impl PagePool {
    /// Whether the pages are mapped.
    #[inline]
    pub(crate) fn is_mapped(&self) -> bool {
        !self.dma_dev.is_null()
    }

    /// Whether a device may use memory of the pool: the pages are mapped for it, or not mapped.
    #[inline]
    fn is_for(&self, dev: Option<&device::Device>) -> bool {
        !self.is_mapped() || self.dma_dev == dev.map_or(null_mut(), raw_device)
    }

    /// Returns the pool of the core.
    pub(crate) fn as_raw(&self) -> *mut bindings::page_pool {
        self.pool.as_ptr()
    }

    /// Disables the cache that the NAPI instance uses: returned pages go into the ring of the pool.
    /// After a grace period, no code reads the instance.
    ///
    /// # Safety
    ///
    /// The instance is disabled.
    pub(crate) unsafe fn forget_napi(&self) {
        // SAFETY: `pool` is a valid page pool that this owns (type invariant); by the safety
        // requirements, its instance is disabled.
        unsafe { bindings::page_pool_disable_direct_recycling(self.pool.as_ptr()) };
    }
}

impl PagePool {
    /// Has the NAPI instance use the cache of the pool, as for a pool that was created with it.
    ///
    /// # Safety
    ///
    /// No instance belongs to the pool. `napi` is disabled, and outlives the pool. It is disabled
    /// when the pool is dropped.
    unsafe fn set_napi(&self, napi: *mut bindings::napi_struct) {
        // SAFETY: `pool` is a valid page pool that this owns (type invariant), to which no instance
        // belongs (safety requirements).
        unsafe { bindings::page_pool_enable_direct_recycling(self.as_raw(), napi.cast()) };
    }

    /// Allocates as many buffers as are kept. Process context, sleeps.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: there are fewer buffers.
    pub(crate) fn allocate_kept(&mut self, kind: RxKind) -> Result {
        // Otherwise a buffer that is kept would be returned.
        let mut kept = take(&mut self.kept);
        let result = loop {
            if kept.len() == kept.capacity() {
                break Ok(());
            }
            let Some(frag) = Pool::new(self).frags(kind, Gfp::Kernel).alloc() else {
                break Err(ENOMEM);
            };
            if let Err(full) = kept.push_within_capacity(frag) {
                free(full);
            }
        };
        self.kept = kept;
        result
    }
}

impl Drop for PagePool {
    fn drop(&mut self) {
        self.kept.clear();
        // SAFETY: This owns the pool (type invariant). Pages that are still in use keep the memory
        // that they need.
        unsafe { bindings::page_pool_destroy(self.pool.as_ptr()) };
    }
}

/// Whether an allocation may sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gfp {
    /// Does not sleep: for polls.
    Atomic,
    /// May sleep: process context.
    Kernel,
}

impl Gfp {
    pub(crate) const fn as_raw(self) -> bindings::gfp_t {
        match self {
            Gfp::Atomic => bindings::GFP_ATOMIC,
            Gfp::Kernel => bindings::GFP_KERNEL,
        }
    }

    /// Returns the flags for the kernel's allocators.
    pub const fn flags(self) -> kernel::alloc::Flags {
        match self {
            Gfp::Atomic => GFP_ATOMIC,
            Gfp::Kernel => GFP_KERNEL,
        }
    }
}

/// The memory of a receive queue.
pub(crate) struct Memory {
    /// The registration for XDP, with the pool. Dropped first.
    pub(crate) xdp: Option<XdpQueue>,
    /// The pool of the buffers.
    pub(crate) pool: Option<PagePool>,
}

impl Memory {
    /// As [`PagePool::forget_napi`], for all pools.
    ///
    /// # Safety
    ///
    /// As for [`PagePool::forget_napi`].
    pub(crate) unsafe fn forget_napi(&self) {
        // SAFETY: By the safety requirements, the instance is disabled.
        unsafe {
            if let Some(pool) = &self.pool {
                pool.forget_napi();
            }
            if let Some(pool) = self.xdp.as_ref().and_then(XdpQueue::pool_of_copies) {
                pool.forget_napi();
            }
        }
    }

    /// Has the NAPI instance use the caches of all pools.
    ///
    /// # Safety
    ///
    /// No instance belongs to the pools. `napi` is disabled, outlives the memory, and is disabled
    /// when the memory is dropped.
    pub(crate) unsafe fn set_napi(&self, napi: *mut bindings::napi_struct) {
        // SAFETY: By the safety requirements, which are the same.
        unsafe {
            if let Some(pool) = &self.pool {
                pool.set_napi(napi);
            }
            if let Some(pool) = self.xdp.as_ref().and_then(XdpQueue::pool_of_copies) {
                pool.set_napi(napi);
            }
        }
    }

    /// No memory.
    pub(crate) const NONE: Self = Self {
        xdp: None,
        pool: None,
    };
}

/// The slot of the page pool of a queue, which may be empty. Borrowed from the owner of the queue.
///
/// # Invariants
///
/// For `'a`, nothing else refers to the pool of the slot.
pub struct PoolSlot<'a, T: Operations>(&'a RxSlot<T>);

impl<'a, T: Operations> PoolSlot<'a, T> {
    /// # Safety
    ///
    /// The caller owns the queue while the result is in use.
    #[inline]
    pub(crate) unsafe fn new(slot: &'a RxSlot<T>) -> Self {
        // INVARIANT: By the safety requirements.
        Self(slot)
    }

    /// Reborrows the slot.
    #[inline(always)]
    pub fn reborrow(&mut self) -> PoolSlot<'_, T> {
        // INVARIANT: The result borrows `self`, so `self` is not used while the result exists.
        PoolSlot(self.0)
    }

    /// Whether a buffer is of the kind that was allocated last.
    #[inline(always)]
    pub fn is_current(&mut self, data: &RxData) -> bool {
        let pool = self.memory().pool.as_ref();
        pool.is_some_and(|pool| data.is_of(pool.current))
    }

    /// Keeps a buffer that the driver has read, to use it again for the next one that is allocated.
    /// If the queue has no pool, or the pool has enough buffers, the buffer is freed.
    ///
    /// PERF: A buffer that is freed to its pool and allocated again costs the pool's bookkeeping of
    /// its page twice, with an atomic operation.
    #[inline(always)]
    pub fn keep(&mut self, frag: RxFrag) {
        let Some(pool) = &mut self.memory().pool else {
            return;
        };
        if let Err(full) = pool.kept.push_within_capacity(frag) {
            free(full);
        }
    }

    /// Returns the pool, if there is one.
    #[inline]
    pub fn get(&mut self) -> Option<Pool<'_>> {
        self.memory().pool.as_mut().map(Pool::new)
    }

    #[inline]
    fn memory(&mut self) -> &mut Memory {
        // SAFETY: Nothing else refers to the memory (type invariant), and `&mut self` is exclusive.
        unsafe { &mut *self.0.memory_cell().get() }
    }

    /// Returns a copy of the bytes of a buffer after the first `skip` bytes, or of as many of them
    /// as fit, in a buffer that an XDP program [can get](RxData::is_for_xdp). For polls.
    ///
    /// `None` if the buffer has no more than `skip` bytes, if the queue is not registered for XDP,
    /// or if there is no memory.
    pub fn copy_for_xdp(&mut self, data: &RxData, skip: u32) -> Option<RxData> {
        let memory = self.memory();
        let copies = memory.xdp.as_mut()?.copies();
        let pool = copies.or(memory.pool.as_mut())?;
        let frag = Pool::new(pool).frags(RxKind::XDP, Gfp::Atomic).alloc()?;
        data.copy_to(frag, skip)
    }
}

impl<T: Operations> PoolSlot<'_, T> {
    /// As [`PoolSlot::copy_for_xdp`], of a packet in memory of user space. `None` also if the
    /// packet does not fit.
    pub fn copy_xsk_for_xdp<U: Operations>(&mut self, packet: &XskPacket<'_, U>) -> Option<RxData> {
        let memory = self.memory();
        let copies = memory.xdp.as_mut()?.copies();
        let pool = copies.or(memory.pool.as_mut())?;
        let frag = Pool::new(pool).frags(RxKind::XDP, Gfp::Atomic).alloc()?;
        let len = packet.len();
        if len > frag.capacity() {
            return None;
        }
        // SAFETY: The packet has so many bytes, and they fit the buffer, which only this refers to.
        unsafe { core::ptr::copy_nonoverlapping(packet.start(), frag.start(), len as usize) };
        Some(RxData::from_parts(frag, len))
    }
}

/// Frees a buffer that has no room among those that are kept.
#[cold]
fn free(full: PushError<RxFrag>) {
    drop(full);
}

/// The page pool of a queue, borrowed from the owner of the queue.
pub struct Pool<'a> {
    pool: &'a mut PagePool,
    _queue: PhantomData<&'a ()>,
}

impl<'a> Pool<'a> {
    #[inline]
    pub(crate) fn new(pool: &'a mut PagePool) -> Self {
        Self {
            pool,
            _queue: PhantomData,
        }
    }

    /// Returns an allocator of receive buffers of a kind. Process context with [`Gfp::Kernel`].
    #[inline]
    pub fn frags(&mut self, kind: RxKind, gfp: Gfp) -> Frags<'_> {
        // Checks the context also if the pool has pages, and would not sleep.
        #[cfg(CONFIG_DEBUG_ATOMIC_SLEEP)]
        if gfp == Gfp::Kernel {
            kernel::task::might_sleep();
        }
        self.pool.current = kind.all_sizes(self.pool.is_mapped());
        // A device behind an IOMMU must not see the former content of a page.
        let zero = if self.pool.is_mapped() {
            bindings::__GFP_ZERO
        } else {
            0
        };
        Frags {
            pool: self.pool.pool,
            least: kind.least(self.pool.is_mapped()),
            kept: &mut self.pool.kept,
            kind,
            gfp: gfp.as_raw() | zero,
        }
    }

    /// As [`Pool::frags`], for the device `dev`; `None` is a device that uses physical addresses.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the pool maps its pages for another device.
    #[inline]
    pub fn frags_for(
        &mut self,
        dev: Option<&device::Device>,
        kind: RxKind,
        gfp: Gfp,
    ) -> Result<Frags<'_>> {
        if !self.pool.is_for(dev) {
            return Err(EINVAL);
        }
        Ok(self.frags(kind, gfp))
    }
}

/// An allocator of receive buffers of a kind.
///
/// # Invariants
///
/// `pool` and `kept` are those of a [`PagePool`] that is borrowed for `'a`. `least` are the sizes
/// of the smallest buffer of `kind`, and say whether the pool maps its pages.
pub struct Frags<'a> {
    pool: NonNull<bindings::page_pool>,
    kept: &'a mut KVec<RxFrag>,
    kind: RxKind,
    least: FragSizes,
    gfp: bindings::gfp_t,
}

impl Frags<'_> {
    /// Returns a buffer that was [kept](PoolSlot::keep), or allocates one.
    ///
    /// If the rest of the page is too small for another buffer of the kind, it becomes part of this
    /// buffer.
    #[inline]
    pub fn alloc(&mut self) -> Option<RxFrag> {
        while let Some(frag) = self.kept.pop() {
            if self.is_usable(&frag) {
                return Some(frag);
            }
        }
        let mut size = self.kind.size();
        // SAFETY: The pool is valid (type invariant), and `&mut self` serialises its use.
        let base = unsafe { bindings::page_pool_alloc_va(self.pool.as_ptr(), &mut size, self.gfp) };
        let base = NonNull::new(base.cast::<u8>())?;
        // SAFETY: A new fragment of `size` bytes, which is the requested size or more, of a page.
        Some(unsafe { RxFrag::new(base, size, self.kind, self.least.is_mapped()) })
    }

    /// Whether a buffer that was kept is of the kind, and is for the device. If so, gives it back
    /// to the device: the CPU uses its memory no longer.
    ///
    /// No page is from the reserves that only sockets for swapping may use, because neither polls
    /// nor the code that brings an interface up may take pages from there. So a page may be kept
    /// for long.
    #[inline]
    fn is_usable(&self, frag: &RxFrag) -> bool {
        if !frag.is_of(self.kind, self.least) {
            return false;
        }
        if !self.least.is_mapped() {
            return true;
        }
        // SAFETY: The pool is valid (type invariant). `frag` is of a mapped kind, and so is its
        // page (type invariant of `RxFrag`).
        unsafe {
            bindings::page_pool_sync_for_device_va(
                self.pool.as_ptr(),
                frag.start().cast(),
                frag.capacity(),
            )
        }
    }
}
