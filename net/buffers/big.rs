// SPDX-License-Identifier: GPL-2.0

//! Receive buffers of several pages, for devices without mergeable buffers.

use core::{
    ffi::c_void,
    ptr::{
        null_mut,
        NonNull, //
    },
};
use kernel::{
    alloc::KVec,
    page::{
        Page,
        PAGE_SIZE, //
    },
    prelude::*, //
};
use netdev::{
    page,
    skb::ETH_HLEN,
    Gfp,
    Napi,
    Operations,
    RxSkb, //
};
use virtio::{
    shortage,
    Buffer,
    RawToken,
    Segment,
    SegmentWriter,
    Segments,
    Unmapped, //
};

/// A receive buffer of whole pages.
///
/// The header is at the start of the first page. The packet starts `pad` bytes into that page and
/// goes on in the others. The buffer is used again and again: [`BigBuf::refill`] replaces the pages
/// that were passed to the stack with a packet.
pub struct BigBuf(KBox<Pages>);

/// # Invariants
///
/// `header_len <= pad <= PAGE_SIZE`, and there is at least one entry in `pages`.
struct Pages {
    pages: KVec<Option<Page>>,
    header_len: u32,
    pad: u32,
    zero: bool,
}

impl BigBuf {
    /// Returns a buffer of `pages` pages, which are still to be [allocated](BigBuf::refill). `zero`
    /// says that the pages are cleared, so that the device does not see their old contents.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: `pages` is 0, or header and padding do not fit in a page.
    /// - `ENOMEM`.
    pub fn new(pages: usize, header_len: u32, pad: u32, zero: bool, gfp: Gfp) -> Result<Self> {
        if pages == 0 || header_len > pad || pad as usize > PAGE_SIZE {
            return Err(EINVAL);
        }
        let mut list = KVec::with_capacity(pages, gfp.flags())?;
        for _ in 0..pages {
            list.push(None, gfp.flags())?;
        }
        // INVARIANT: Both were checked above.
        Ok(Self(KBox::new(
            Pages {
                pages: list,
                header_len,
                pad,
                zero,
            },
            gfp.flags(),
        )?))
    }

    /// Allocates the pages that are missing.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: some are still missing.
    pub fn refill(&mut self, gfp: Gfp) -> Result {
        let flags = if self.0.zero {
            gfp.flags() | __GFP_ZERO
        } else {
            gfp.flags()
        };
        for slot in self.0.pages.iter_mut().filter(|p| p.is_none()) {
            if shortage::is_to_fail() {
                return Err(ENOMEM);
            }
            *slot = Some(Page::alloc_page(flags)?);
        }
        Ok(())
    }

    /// Returns a copy of the first `N` bytes that the device wrote. Later writes of the device do
    /// not change the copy.
    pub fn read<const N: usize>(&self) -> [u8; N] {
        const { assert!(N <= PAGE_SIZE) };
        let first = self.0.pages.first().and_then(Option::as_ref);
        let Some(start) = first.and_then(page::address) else {
            return [0; N];
        };
        // SAFETY: The range is within the first page. The device may write at the same time. All
        // bytes are valid, and they are read once, so the copy does not change.
        unsafe { start.cast::<[u8; N]>().read_volatile() }
    }

    /// Builds a packet from the `len` bytes after the header. Copies them to the head if there are
    /// `copy` or fewer; otherwise the pages become fragments.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`.
    /// - `EMSGSIZE`: `len` is more than the buffer has, or more than the fragments of a packet can
    ///   have.
    pub fn packet<T: Operations>(
        &mut self,
        napi: Napi<'_, T>,
        len: u32,
        copy: u32,
    ) -> Result<RxSkb> {
        let inner = &mut *self.0;
        let first_room = PAGE_SIZE as u32 - inner.pad;
        let total = first_room as usize + (inner.pages.len() - 1) * PAGE_SIZE;
        if len as usize > total {
            return Err(EMSGSIZE);
        }
        let mut skb = RxSkb::alloc(napi, copy.max(ETH_HLEN as u32)).ok_or(ENOMEM)?;
        let n = if len <= copy {
            len
        } else {
            len.min(ETH_HLEN as u32)
        };
        if n > first_room {
            return Err(EMSGSIZE);
        }
        let first = inner.pages.first().and_then(Option::as_ref);
        let Some(start) = first.and_then(page::address) else {
            return Err(EMSGSIZE);
        };
        // SAFETY: The range is within the first page. The new packet has room for it: `n` is at
        // most the length that was allocated above.
        unsafe { skb.put(start.as_ptr().add(inner.pad as usize), n) };
        let mut left = len - n;
        let mut offset = inner.pad + n;
        for slot in inner.pages.iter_mut() {
            if left == 0 {
                break;
            }
            let part = left.min(PAGE_SIZE as u32 - offset);
            if part != 0 {
                let page = slot.take().ok_or(EMSGSIZE)?;
                if let Err(page) = skb.add_page(page, offset, part) {
                    *slot = Some(page);
                    return Err(EMSGSIZE);
                }
            }
            left -= part;
            offset = 0;
        }
        Ok(skb)
    }
}

impl Segments<Segment> for BigBuf {
    fn write_segments<W: SegmentWriter<Segment>>(&self, writer: &mut W) -> Result {
        let mut pages = self.0.pages.iter();
        let first = pages.next().and_then(Option::as_ref).ok_or(EINVAL)?;
        // The header has a descriptor of its own, as legacy devices require (virtio spec
        // §5.1.6.3.1).
        writer.in_(Segment::page(first.as_ptr(), 0, self.0.header_len))?;
        let rest = PAGE_SIZE as u32 - self.0.pad;
        writer.in_(Segment::page(first.as_ptr(), self.0.pad, rest))?;
        for page in pages {
            let page = page.as_ref().ok_or(EINVAL)?;
            writer.in_(Segment::page(page.as_ptr(), 0, PAGE_SIZE as u32))?;
        }
        Ok(())
    }
}

// SAFETY:
// - The buffer owns its pages.
// - No reference to the memory of the pages exists.
// - It has no segment that the device reads.
// - The token is the address of the box.
unsafe impl Buffer for BigBuf {
    fn segment_count(&self) -> usize {
        self.0.pages.len() + 1
    }

    fn writable_len(&self) -> u32 {
        let whole = self.0.pages.len().saturating_sub(1) * PAGE_SIZE;
        self.0.header_len + (PAGE_SIZE as u32 - self.0.pad) + whole as u32
    }

    fn into_raw(self) -> RawToken {
        RawToken {
            // SAFETY: A box is never null.
            data: unsafe { NonNull::new_unchecked(KBox::into_raw(self.0).cast::<c_void>()) },
            ctx: null_mut(),
        }
    }

    unsafe fn from_raw(raw: RawToken) -> Self {
        // SAFETY: By the safety requirements, `data` is a box that `into_raw` gave up, and it is
        // used only here.
        Self(unsafe { KBox::from_raw(raw.data.as_ptr().cast()) })
    }
}

// SAFETY: The segments are pages, which are not mapped for a device.
unsafe impl Unmapped for BigBuf {}
