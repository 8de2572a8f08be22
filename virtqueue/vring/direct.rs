// SPDX-License-Identifier: GPL-2.0

//! Addresses of directly mapped memory.
//!
//! PERF: x86 computes these from two variables of the kernel. C has inline functions for that,
//! which Rust has to call out of line in kernels that were not built by clang. With calls, a
//! segment takes 12 instructions on the C ring; computed here, it takes 4.
//!
//! C headers: [`arch/x86/include/asm/page.h`](srctree/arch/x86/include/asm/page.h),
//! [`include/asm-generic/memory_model.h`](srctree/include/asm-generic/memory_model.h)

use crate::bindings;
use core::ffi::c_void;
use kernel::page::PAGE_SHIFT;

/// Evaluates `$here` if addresses can be computed here: with x86's direct mapping and its map of
/// pages, without the checks of debug kernels. Evaluates `$in_c` otherwise.
macro_rules! computed {
    ($here:expr, $in_c:expr) => {{
        #[cfg(all(
            CONFIG_X86_64,
            CONFIG_SPARSEMEM_VMEMMAP,
            not(CONFIG_DEBUG_VIRTUAL),
            not(CONFIG_UML)
        ))]
        let value = $here;
        #[cfg(not(all(
            CONFIG_X86_64,
            CONFIG_SPARSEMEM_VMEMMAP,
            not(CONFIG_DEBUG_VIRTUAL),
            not(CONFIG_UML)
        )))]
        let value = $in_c;
        value
    }};
}

/// Returns the physical address of memory: `virt_to_phys`.
///
/// # Safety
///
/// `addr` is in the direct mapping, like memory from the page and slab allocators, and not in the
/// kernel's image.
#[inline(always)]
pub unsafe fn virt_to_phys(addr: *const c_void) -> u64 {
    computed!(
        // SAFETY: The variable is set while the kernel boots and read-only after that.
        (addr.addr() as u64).wrapping_sub(unsafe { bindings::page_offset_base } as u64),
        // SAFETY: By the safety requirements, the address is in the direct mapping, as
        // `virt_to_phys` asks.
        unsafe { bindings::rust_virtio_virt_to_phys(addr) }
    )
}

/// Returns whether an address is in the kernel's image, which x86 maps a second time, in its last 2
/// GiB.
#[inline(always)]
fn is_of_image(addr: *const c_void) -> bool {
    cfg!(CONFIG_X86_64) && addr.addr() as i64 >= -(1 << 31)
}

/// Returns the physical address of memory that C code passed in, as [`virt_to_phys`].
///
/// # Safety
///
/// `addr` is in the direct mapping, or in the kernel's image.
#[inline(always)]
pub unsafe fn any_virt_to_phys(addr: *const c_void) -> u64 {
    // SAFETY: By the safety requirements, the address is in the image, which C's `virt_to_phys`
    // takes too, or in the direct mapping.
    unsafe {
        if is_of_image(addr) {
            bindings::rust_virtio_virt_to_phys(addr)
        } else {
            virt_to_phys(addr)
        }
    }
}

/// Returns the page of memory that C code passed in, as [`virt_to_page`].
///
/// # Safety
///
/// As for [`any_virt_to_phys`].
#[inline(always)]
pub unsafe fn any_virt_to_page(addr: *const c_void) -> *mut bindings::page {
    // SAFETY: By the safety requirements, the address is in the image, which C's `virt_to_page`
    // takes too, or in the direct mapping.
    unsafe {
        if is_of_image(addr) {
            bindings::rust_virtio_virt_to_page(addr)
        } else {
            virt_to_page(addr)
        }
    }
}

/// Returns the page of memory: `virt_to_page`.
///
/// # Safety
///
/// As for [`virt_to_phys`].
#[inline(always)]
pub unsafe fn virt_to_page(addr: *const c_void) -> *mut bindings::page {
    computed!(
        {
            // SAFETY: By the safety requirements, the address is in the direct mapping. The
            // variable is set while the kernel boots and read-only after that.
            let (phys, pages) = unsafe { (virt_to_phys(addr), bindings::vmemmap_base) };
            (pages as *mut bindings::page).wrapping_add((phys >> PAGE_SHIFT) as usize)
        },
        // SAFETY: By the safety requirements, the address is in the direct mapping, as
        // `virt_to_page` asks.
        unsafe { bindings::rust_virtio_virt_to_page(addr) }
    )
}

/// Returns the physical address of a page: `page_to_phys`.
///
/// # Safety
///
/// `page` is one of the kernel's pages.
#[inline(always)]
pub unsafe fn page_to_phys(page: *mut bindings::page) -> u64 {
    computed!(
        {
            // SAFETY: The variable is set while the kernel boots and read-only after that.
            let pages = unsafe { bindings::vmemmap_base };
            let pfn = page.addr().wrapping_sub(pages) / core::mem::size_of::<bindings::page>();
            (pfn as u64) << PAGE_SHIFT
        },
        // SAFETY: By the safety requirements, `page` is one of the kernel's pages, as
        // `page_to_phys` asks.
        unsafe { bindings::rust_virtio_page_to_phys(page) }
    )
}
