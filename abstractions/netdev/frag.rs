// SPDX-License-Identifier: GPL-2.0

//! Memory to receive to: fragments of pages of a page pool.

use crate::bindings;
use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use kernel::{
    page::PAGE_SIZE,
    transmute::FromBytes, //
};

/// Bytes of `struct skb_shared_info`, which is at the end of the memory of a packet.
pub const SKB_SHARED_INFO: u32 = bindings::SKB_SHINFO_SIZE as u32;

/// Bytes of a cache line.
pub const CACHE_LINE: u32 = bindings::L1_CACHE_BYTES as u32;

/// Headroom that a received packet should have, C `NET_SKB_PAD`.
pub const NET_SKB_PAD: u32 = if CACHE_LINE > 32 { CACHE_LINE } else { 32 };

/// Returns the padding before `before` bytes and an Ethernet header that aligns the data after
/// them, if the architecture asks for that (C `NET_IP_ALIGN`).
pub const fn ip_padding(before: u32) -> u32 {
    match bindings::NET_IP_ALIGN as u32 {
        0 => 0,
        align => align.wrapping_sub(before) % 4,
    }
}

/// Rounds up a length so that `struct skb_shared_info` is aligned after it.
pub const fn skb_data_align(len: u32) -> u32 {
    len.next_multiple_of(bindings::SKB_DATA_ALIGN as u32)
}

/// The sizes of a fragment in one word, which is stored as the context of the buffer while the
/// device has it. Zero if the context was lost.
#[derive(Clone, Copy, PartialEq, Eq)]
struct FragSizes(u32);

impl FragSizes {
    /// The number of bytes of the fragment that the device may write, and the number that it may
    /// not: headroom and tail.
    const CAPACITY_BITS: u32 = 19;
    const REST_BITS: u32 = 11;
    const TAIL: u32 = 1 << 30;
    const MAPPED: u32 = 1 << 31;

    #[inline]
    const fn new(capacity: u32, rest: u32, tail: bool, mapped: bool) -> Self {
        let mut bits = capacity | rest << Self::CAPACITY_BITS;
        if tail {
            bits |= Self::TAIL;
        }
        if mapped {
            bits |= Self::MAPPED;
        }
        Self(bits)
    }

    #[inline]
    const fn capacity(self) -> u32 {
        self.0 & ((1 << Self::CAPACITY_BITS) - 1)
    }

    #[inline]
    const fn rest(self) -> u32 {
        self.0 >> Self::CAPACITY_BITS & ((1 << Self::REST_BITS) - 1)
    }

    #[inline]
    const fn truesize(self) -> u32 {
        self.capacity().wrapping_add(self.rest())
    }

    #[inline]
    const fn headroom(self) -> u32 {
        let tail = if self.has_tail() { SKB_SHARED_INFO } else { 0 };
        self.rest().wrapping_sub(tail)
    }

    #[inline]
    const fn has_tail(self) -> bool {
        self.0 & Self::TAIL != 0
    }

    #[inline]
    const fn is_mapped(self) -> bool {
        self.0 & Self::MAPPED != 0
    }
}

/// A kind of receive buffers: their size, and the parts of them that the device must not write.
///
/// # Invariants
///
/// `size` is at most the size of a page, and more than `rest`. `rest` is the headroom and, with
/// `tail`, the `skb_shared_info`. Both fit a [`FragSizes`].
#[derive(Clone, Copy)]
pub struct RxKind {
    size: u32,
    headroom: u32,
    rest: u32,
    tail: bool,
}

impl RxKind {
    /// Returns buffers for at least `len` bytes after `headroom` bytes. With `tail`, a packet can
    /// be built around such a buffer. `None` if a buffer does not fit a page, or if `len` is 0: a
    /// buffer without bytes could start at the end of its page, and would be taken for a buffer of
    /// the next page.
    pub const fn new(len: u32, headroom: u32, tail: bool) -> Option<Self> {
        const {
            assert!(PAGE_SIZE < 1 << FragSizes::CAPACITY_BITS);
            assert!(SKB_SHARED_INFO < 1 << (FragSizes::REST_BITS - 1));
        }
        if len == 0 || len as usize > PAGE_SIZE || headroom >= 1 << (FragSizes::REST_BITS - 1) {
            return None;
        }
        // Aligned, because the `skb_shared_info` is at the end.
        let mut size = skb_data_align(headroom + len);
        let mut rest = headroom;
        if tail {
            size += SKB_SHARED_INFO;
            rest += SKB_SHARED_INFO;
        }
        if size as usize > PAGE_SIZE {
            return None;
        }
        // INVARIANT: Checked above: `len` is not 0, and `size` is at most a page.
        Some(Self {
            size,
            headroom,
            rest,
            tail,
        })
    }

    /// Returns the bytes of memory that a buffer takes.
    #[inline]
    pub(crate) const fn size(self) -> u32 {
        self.size
    }
}

/// A fragment of a page: headroom, the bytes that the device may write, and perhaps room for the
/// `skb_shared_info` at the end.
///
/// Dropping it returns it to its pool.
///
/// # Invariants
///
/// This owns a fragment of one page of a page pool: `truesize` bytes, beginning at `start -
/// headroom`. `start` is within the fragment. The page is mapped for DMA if `sizes` says so. If
/// `sizes` is zero, the sizes of the fragment were lost.
pub struct RxFrag {
    start: NonNull<u8>,
    sizes: FragSizes,
}

// SAFETY: A fragment may be used and freed from any thread.
unsafe impl Send for RxFrag {}

impl RxFrag {
    /// Wraps a fragment of `truesize` bytes at `base`, a buffer of a kind.
    ///
    /// # Safety
    ///
    /// The fragment is part of a page of a page pool, at least as large as the kind says, and the
    /// caller passes its ownership. `mapped` says whether the pool maps its pages.
    #[inline]
    pub(crate) unsafe fn new(base: NonNull<u8>, truesize: u32, kind: RxKind, mapped: bool) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            // SAFETY: The headroom is within the fragment.
            start: unsafe { base.add(kind.headroom as usize) },
            sizes: FragSizes::new(
                // OVERFLOW: By the safety requirements, `truesize` is at least the size of the
                // kind, which is more than `rest`.
                truesize.wrapping_sub(kind.rest),
                kind.rest,
                kind.tail,
                mapped,
            ),
        }
    }

    /// Releases the ownership without freeing the fragment. Returns the start of the bytes that the
    /// device may write, and the sizes of the fragment.
    #[inline]
    pub fn into_raw(self) -> (NonNull<u8>, u32) {
        let this = ManuallyDrop::new(self);
        (this.start, this.sizes.0)
    }

    /// Takes over a fragment. If `sizes` is zero, the fragment has a capacity of zero, and finds
    /// its pool by its page when it is dropped.
    ///
    /// # Safety
    ///
    /// `start` came from [`RxFrag::into_raw`], and is used here once. `sizes` came with it, or is
    /// zero.
    #[inline]
    pub unsafe fn from_raw(start: NonNull<u8>, sizes: u32) -> Self {
        // INVARIANT: By the safety requirements, both are of a fragment, or `sizes` is zero.
        Self {
            start,
            sizes: FragSizes(sizes),
        }
    }

    /// Returns the start of the bytes that the device may write.
    #[inline]
    pub fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// Returns the DMA address of these bytes, if the pool maps its pages.
    #[inline]
    pub fn dma_addr(&self) -> Option<bindings::dma_addr_t> {
        // SAFETY: By the type invariants, the page is mapped if `sizes` says so.
        self.sizes
            .is_mapped()
            .then(|| unsafe { bindings::page_pool_dma_addr_va(self.start().cast()) })
    }

    /// Returns the start of the fragment.
    #[inline]
    pub(crate) fn base(&self) -> *mut u8 {
        // SAFETY: `start - headroom` is the start of the fragment (type invariant).
        unsafe { self.start.as_ptr().sub(self.headroom() as usize) }
    }

    /// Returns the page, and the offset in the page of the byte that is `skip` bytes after
    /// [`RxFrag::start`].
    #[inline]
    pub(crate) fn page(&self, skip: u32) -> (*mut bindings::page, u32) {
        let addr = self.start.as_ptr();
        // SAFETY: By the type invariants, the memory is of a page, also from `start` on; pools of
        // this crate have single pages.
        let page = unsafe { bindings::virt_to_head_page(addr.cast()) };
        (page, (addr as usize & (PAGE_SIZE - 1)) as u32 + skip)
    }

    /// Returns the bytes of memory that the fragment takes.
    #[inline]
    pub fn truesize(&self) -> u32 {
        self.sizes.truesize()
    }

    /// Returns the number of bytes before those that the device may write.
    #[inline]
    pub fn headroom(&self) -> u32 {
        self.sizes.headroom()
    }

    /// Returns the number of bytes that the device may write.
    #[inline]
    pub fn capacity(&self) -> u32 {
        self.sizes.capacity()
    }

    /// Whether a packet can be built around the fragment.
    #[inline]
    pub fn has_tailroom(&self) -> bool {
        self.sizes.has_tail()
    }
}

/// A value at any address.
#[repr(C, packed)]
struct Unaligned<T>(T);

/// A fragment that a device has written to.
///
/// # Invariants
///
/// `len` is at most the capacity of the fragment.
pub struct RxData {
    frag: RxFrag,
    len: u32,
}

impl RxData {
    /// Makes the `len` bytes that a device wrote to a fragment visible to the CPU.
    ///
    /// # Safety
    ///
    /// `len` is at most the [capacity](RxFrag::capacity) of the fragment.
    #[inline]
    pub unsafe fn new(frag: RxFrag, len: u32) -> Self {
        // INVARIANT: By the safety requirements.
        let data = Self { frag, len };
        if data.frag.sizes.is_mapped() {
            // SAFETY: By the type invariants, the page is mapped, and the range is within it.
            unsafe { bindings::page_pool_sync_va(data.frag.start().cast(), data.len) };
        }
        data
    }

    /// Returns the number of bytes that were written.
    #[inline]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Reads a copy of the value at offset `at`, if it is within the written bytes. Later writes of
    /// the device do not change the copy.
    #[inline]
    pub fn read<T: FromBytes>(&self, at: u32) -> Option<T> {
        let end = u64::from(at).wrapping_add(core::mem::size_of::<T>() as u64);
        if u64::from(self.len) < end {
            return None;
        }
        // SAFETY: The range is within the fragment, by the type invariants. The device may write at
        // the same time, and any bytes are a valid `T`. The volatile read fetches them once, so the
        // copy does not change.
        let Unaligned(value) = unsafe {
            self.frag
                .start()
                .add(at as usize)
                .cast::<Unaligned<T>>()
                .read_volatile()
        };
        Some(value)
    }

    /// Whether a packet can be built around the buffer.
    #[inline]
    pub fn has_tailroom(&self) -> bool {
        self.frag.has_tailroom()
    }

    /// Returns the start of the bytes.
    #[inline]
    pub(crate) fn start(&self) -> *const u8 {
        self.frag.start()
    }

    /// Returns the buffer, and the number of bytes that were written.
    #[inline]
    pub fn into_parts(self) -> (RxFrag, u32) {
        (self.frag, self.len)
    }

    /// Rebuilds the value from the result of [`RxData::into_parts`]. If the parts are those of
    /// another buffer, its bytes may not be visible to the CPU yet.
    #[inline]
    pub fn from_parts(frag: RxFrag, len: u32) -> Self {
        // INVARIANT: `len` is limited to the capacity.
        let len = len.min(frag.capacity());
        Self { frag, len }
    }
}

impl Drop for RxFrag {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: This owns the fragment (type invariant), which is not used again.
        unsafe { bindings::page_pool_put_va(self.start().cast()) };
    }
}
