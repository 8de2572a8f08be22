// SPDX-License-Identifier: GPL-2.0

//! Memory to receive to: fragments of pages of a page pool.

use crate::{
    bindings,
    context,
    xdp, //
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::Deref,
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

/// The largest headroom of [`RxKind::with_headroom`].
pub const MAX_HEADROOM: u32 = 256;

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
pub(crate) struct FragSizes(u32);

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
    pub(crate) const fn is_mapped(self) -> bool {
        self.0 & Self::MAPPED != 0
    }

    /// Whether these are the sizes of a buffer of the kind whose smallest buffer has the sizes
    /// `least`, and takes `size` bytes.
    #[inline]
    const fn is_of_kind(self, least: Self, size: u32) -> bool {
        // A buffer has less than the size of another one more than the smallest. `REST`, `TAIL` and
        // `MAPPED` are in higher bits, so the difference is large if one of them is another.
        self.0.wrapping_sub(least.0) < size
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

    /// As [`RxKind::new`] with `tail`, but with more headroom where that takes no memory: as many
    /// buffers share a page as with `headroom`, and the bytes of the page that they would leave
    /// over become headroom. It is at most [`MAX_HEADROOM`] then, and keeps the alignment of
    /// `headroom`.
    ///
    /// PERF: Of a page of 4 KiB with two buffers for Ethernet's MTU, 256 bytes are left over. So a
    /// received packet has room for the headers of a tunnel, such as the 144 bytes that WireGuard
    /// asks for. A packet without this room is copied when it is sent to the tunnel.
    pub const fn with_headroom(len: u32, headroom: u32) -> Option<Self> {
        let Some(kind) = Self::new(len, headroom, true) else {
            return None;
        };
        let share = PAGE_SIZE as u32 / (PAGE_SIZE as u32 / kind.size);
        // OVERFLOW: A share of the page is at least the size of a buffer.
        let mut spare = share.wrapping_sub(kind.size);
        if spare > MAX_HEADROOM.saturating_sub(headroom) {
            spare = MAX_HEADROOM.saturating_sub(headroom);
        }
        Self::new(len, headroom + spare - spare % CACHE_LINE, true)
    }

    /// Buffers of a page, for XDP.
    pub const XDP: Self = match Self::new(xdp::MAX_LEN, xdp::HEADROOM, true) {
        Some(kind) => kind,
        None => panic!("the parts of a page fit a page"),
    };

    /// Returns the bytes of memory that a buffer takes.
    #[inline]
    pub const fn size(self) -> u32 {
        self.size
    }

    /// Returns the sizes of the buffers, of a pool that maps its pages if `mapped` says so.
    #[inline]
    pub(crate) const fn all_sizes(self, mapped: bool) -> KindSizes {
        KindSizes {
            least: self.least(mapped),
            size: self.size,
        }
    }

    /// Returns the sizes of the smallest buffer.
    #[inline]
    pub(crate) const fn least(self, mapped: bool) -> FragSizes {
        self.sizes(self.size, mapped)
    }

    /// Returns the sizes of a buffer of `truesize` bytes.
    #[inline]
    const fn sizes(self, truesize: u32, mapped: bool) -> FragSizes {
        FragSizes::new(
            // OVERFLOW: By the type invariants and those of the callers, `truesize` is at least
            // `size`, which is more than `rest`.
            truesize.wrapping_sub(self.rest),
            self.rest,
            self.tail,
            mapped,
        )
    }
}

/// The sizes of the buffers of a kind: those of the smallest one, and the bytes of memory that it
/// takes. No buffer takes 0 bytes.
#[derive(Clone, Copy)]
pub(crate) struct KindSizes {
    least: FragSizes,
    size: u32,
}

impl KindSizes {
    /// The sizes of no buffer.
    pub(crate) const NONE: Self = Self {
        least: FragSizes(0),
        size: 0,
    };
}

/// A fragment of a page: headroom, the bytes that the device may write, and perhaps room for the
/// `skb_shared_info` at the end.
///
/// Dropping it returns it to its pool. Any context but that of hard interrupts, in which it is
/// leaked.
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
            sizes: kind.sizes(truesize, mapped),
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

    /// As [`RxData::new`], without taking the fragment.
    ///
    /// # Safety
    ///
    /// `len` is at most the [capacity](RxFrag::capacity) of the fragment.
    #[inline]
    pub unsafe fn data(&self, len: u32) -> RxDataRef<'_> {
        let frag = Self {
            start: self.start,
            sizes: self.sizes,
        };
        // SAFETY: By the safety requirements, `len` is at most the capacity.
        let data = unsafe { RxData::new(frag, len) };
        // INVARIANT: `data` is of this fragment.
        RxDataRef {
            data: ManuallyDrop::new(data),
            _frag: PhantomData,
        }
    }

    /// As [`RxFrag::data`], of data that was made visible to the CPU before.
    ///
    /// # Safety
    ///
    /// As [`RxFrag::data`].
    #[inline]
    pub unsafe fn visible_data(&self, len: u32) -> RxDataRef<'_> {
        // INVARIANT: By the safety requirements, `len` is at most the capacity.
        let data = RxData {
            frag: Self {
                start: self.start,
                sizes: self.sizes,
            },
            len,
        };
        // INVARIANT: `data` is of this fragment.
        RxDataRef {
            data: ManuallyDrop::new(data),
            _frag: PhantomData,
        }
    }

    /// Returns the start of the bytes that the device may write.
    #[inline]
    pub fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// Whether the fragment is a buffer of a kind whose smallest buffer has the sizes `least`.
    #[inline]
    pub(crate) fn is_of(&self, kind: RxKind, least: FragSizes) -> bool {
        self.sizes.is_of_kind(least, kind.size)
    }

    /// Returns the DMA address of these bytes, if the pool maps its pages.
    #[inline]
    pub fn dma_addr(&self) -> Option<bindings::dma_addr_t> {
        self.sizes.is_mapped().then(|| {
            // SAFETY: By the type invariants, the page is mapped if `sizes` says so.
            unsafe { bindings::page_pool_dma_addr_va(self.start().cast()) }
        })
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

    /// Whether the page is of this page pool.
    #[inline]
    pub(crate) fn is_from(&self, pool: *const bindings::page_pool) -> bool {
        // SAFETY: The memory is of a page of a page pool (type invariants). The pointer to the pool
        // is only compared.
        unsafe { bindings::page_pool_has_va(pool, self.start().cast()) }
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

    /// Whether the page stays mapped for the device, which may write to it.
    #[inline]
    pub fn is_mapped(&self) -> bool {
        self.frag.sizes.is_mapped()
    }

    /// Whether the buffer is one of `sizes`.
    #[inline]
    pub(crate) fn is_of(&self, sizes: KindSizes) -> bool {
        self.frag.sizes.is_of_kind(sizes.least, sizes.size)
    }

    /// Whether an XDP program can get the buffer: it has the headroom for programs and room for the
    /// `skb_shared_info`, and no device may write to it.
    #[inline]
    pub fn is_for_xdp(&self) -> bool {
        self.has_tailroom() && !self.is_mapped() && self.frag.headroom() >= xdp::HEADROOM
    }

    /// Returns the start of the bytes.
    #[inline]
    pub(crate) fn start(&self) -> *const u8 {
        self.frag.start()
    }

    /// Returns the buffer.
    #[inline]
    pub fn into_frag(self) -> RxFrag {
        self.frag
    }

    /// Copies the bytes after the first `skip` bytes, or as many of them as fit, to another buffer,
    /// which is not mapped.
    ///
    /// `None` if there are no more than `skip` bytes.
    pub(crate) fn copy_to(&self, frag: RxFrag, skip: u32) -> Option<Self> {
        let len = self.len.checked_sub(skip)?.min(frag.capacity());
        if len == 0 || frag.sizes.is_mapped() {
            return None;
        }
        // SAFETY: The bytes are within this buffer (type invariants), and fit the other one, which
        // only this refers to.
        unsafe {
            let from = self.start().add(skip as usize);
            core::ptr::copy_nonoverlapping(from, frag.start(), len as usize);
        }
        Some(Self::from_parts(frag, len))
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

/// The data of a fragment that is borrowed.
///
/// # Invariants
///
/// `data` is of a fragment that is borrowed for `'a`, which owns the memory. `data` is not dropped.
pub struct RxDataRef<'a> {
    data: ManuallyDrop<RxData>,
    _frag: PhantomData<&'a RxFrag>,
}

impl Deref for RxDataRef<'_> {
    type Target = RxData;

    #[inline]
    fn deref(&self) -> &RxData {
        &self.data
    }
}

impl Drop for RxFrag {
    #[inline]
    fn drop(&mut self) {
        if context::must_leak() {
            return;
        }
        // SAFETY: This owns the fragment (type invariant), which is not used again. This is no hard
        // interrupt.
        unsafe { bindings::page_pool_put_va(self.start().cast()) };
    }
}
