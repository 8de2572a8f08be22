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
        RxFrag,
        RxKind, //
    },
    napi::RxSlot, //
};
use core::{
    marker::PhantomData,
    ptr::{
        null_mut,
        NonNull, //
    },
};
use kernel::{
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
}

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
    /// `netdev` and `napi` outlive the pool; `napi` is disabled when the pool is dropped.
    pub(crate) unsafe fn new(
        netdev: *mut bindings::net_device,
        napi: *mut bindings::napi_struct,
        size: u32,
        parent: &device::Device,
        dma: Option<&device::Device>,
    ) -> Result<Self> {
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
        })
    }
}

impl PagePool {
    /// Whether the pages are mapped.
    #[inline]
    fn is_mapped(&self) -> bool {
        !self.dma_dev.is_null()
    }

    /// Whether a device may use memory of the pool: the pages are mapped for it, or not mapped.
    #[inline]
    fn is_for(&self, dev: Option<&device::Device>) -> bool {
        !self.is_mapped() || self.dma_dev == dev.map_or(null_mut(), raw_device)
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

impl Drop for PagePool {
    fn drop(&mut self) {
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

    /// Returns the pool, if there is one.
    #[inline]
    pub fn get(&mut self) -> Option<Pool<'_>> {
        // SAFETY: Nothing else refers to the pool (type invariant), and `&mut self` is exclusive.
        let place = unsafe { &mut *self.0.pool_cell().get() };
        place.as_mut().map(Pool::new)
    }
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
        // A device behind an IOMMU must not see the former content of a page.
        let zero = if self.pool.is_mapped() {
            bindings::__GFP_ZERO
        } else {
            0
        };
        Frags {
            pool: self.pool.pool,
            kind,
            mapped: self.pool.is_mapped(),
            gfp: gfp.as_raw() | zero,
            _pool: PhantomData,
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
/// `pool` is that of a [`PagePool`] that is borrowed for `'a`. `mapped` says whether it maps its
/// pages.
pub struct Frags<'a> {
    pool: NonNull<bindings::page_pool>,
    kind: RxKind,
    mapped: bool,
    gfp: bindings::gfp_t,
    _pool: PhantomData<&'a mut PagePool>,
}

impl Frags<'_> {
    /// Allocates a buffer.
    ///
    /// If the rest of the page is too small for another buffer of the kind, it becomes part of this
    /// buffer.
    #[inline]
    pub fn alloc(&mut self) -> Option<RxFrag> {
        let mut size = self.kind.size();
        // SAFETY: The pool is valid (type invariant), and `&mut self` serialises its use.
        let base = unsafe { bindings::page_pool_alloc_va(self.pool.as_ptr(), &mut size, self.gfp) };
        let base = NonNull::new(base.cast::<u8>())?;
        // SAFETY: A new fragment of `size` bytes, which is the requested size or more, of a page.
        Some(unsafe { RxFrag::new(base, size, self.kind, self.mapped) })
    }
}
