// SPDX-License-Identifier: GPL-2.0

//! The device's access to the memory of its driver.
//!
//! The device runs in the same kernel as the driver. A correct guest-physical address is that of
//! directly mapped memory. An access to a wrong address fails with `EFAULT`.
//!
//! Driver and device race on this memory by design. Accesses of ring fields are volatile, and the
//! code of the rings has the barriers.

use crate::bindings;
use core::mem::size_of;
use kernel::{
    alloc::KVec,
    page::{
        Page,
        PAGE_SIZE, //
    },
    prelude::*, //
};

/// An integer in a ring.
pub(crate) trait Word: Copy {
    /// Converts from the byte order of the ring.
    fn decode(self, little: bool) -> Self;
    /// Converts to the byte order of the ring.
    fn encode(self, little: bool) -> Self;
}

macro_rules! impl_word {
    ($($int:ident)*) => {
        $(
            impl Word for $int {
                fn decode(self, little: bool) -> Self {
                    if little { Self::from_le(self) } else { self }
                }

                fn encode(self, little: bool) -> Self {
                    if little { self.to_le() } else { self }
                }
            }
        )*
    };
}

impl_word!(u16 u32 u64);

/// The bit that is set in addresses of mapped memory ([`crate::Addresses::Marked`]).
pub(crate) const MARK: u64 = 1 << 62;

/// Returns the kernel address of guest memory.
fn memory(addr: u64, len: usize) -> Result<*mut u8> {
    let addr = addr & !MARK;
    // SAFETY: The function checks the range.
    let ptr = unsafe { bindings::rust_virtio_fake_memory(addr, len as u64) };
    if ptr.is_null() {
        return Err(EFAULT);
    }
    Ok(ptr.cast())
}

/// Reads an integer once.
pub(crate) fn read<W: Word>(addr: u64, little: bool) -> Result<W> {
    if addr % size_of::<W>() as u64 != 0 {
        return Err(EFAULT);
    }
    let ptr = memory(addr, size_of::<W>())?.cast::<W>();
    // SAFETY: `ptr` is aligned, and is mapped memory. A race with the driver is intended.
    Ok(unsafe { ptr.read_volatile() }.decode(little))
}

/// Writes an integer once.
pub(crate) fn write<W: Word>(addr: u64, value: W, little: bool) -> Result {
    if addr % size_of::<W>() as u64 != 0 {
        return Err(EFAULT);
    }
    let ptr = memory(addr, size_of::<W>())?.cast::<W>();
    // SAFETY: `ptr` is aligned, and is memory that the driver has passed to the device.
    unsafe { ptr.write_volatile(value.encode(little)) };
    Ok(())
}

/// Copies from guest memory.
pub(crate) fn copy_from(addr: u64, to: &mut [u8]) -> Result {
    if to.is_empty() {
        return Ok(());
    }
    let ptr = memory(addr, to.len())?;
    // SAFETY: `ptr` points to `to.len()` mapped bytes. `to` belongs to the device.
    unsafe { core::ptr::copy(ptr, to.as_mut_ptr(), to.len()) };
    Ok(())
}

/// Copies to guest memory.
pub(crate) fn copy_to(addr: u64, from: &[u8]) -> Result {
    if from.is_empty() {
        return Ok(());
    }
    let ptr = memory(addr, from.len())?;
    // SAFETY: `ptr` points to `from.len()` bytes that the driver has passed to the device.
    unsafe { core::ptr::copy(from.as_ptr(), ptr, from.len()) };
    Ok(())
}

/// Fills `pages` pages with bytes that are not zero, and frees them.
///
/// # Errors
///
/// `ENOMEM`.
pub fn leave_dirt(pages: usize) -> Result {
    let dirt = KVec::from_elem(0x5a_u8, PAGE_SIZE, GFP_KERNEL)?;
    let mut dirty = KVec::with_capacity(pages, GFP_KERNEL)?;
    for _ in 0..pages {
        let page = Page::alloc_page(GFP_KERNEL)?;
        // SAFETY: The page was just allocated, and `dirt` has as many bytes.
        unsafe { page.write_raw(dirt.as_ptr(), 0, PAGE_SIZE) }?;
        dirty.push(page, GFP_KERNEL)?;
    }
    Ok(())
}
