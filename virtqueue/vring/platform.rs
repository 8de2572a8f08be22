// SPDX-License-Identifier: GPL-2.0

//! The kernel as the ring core's platform.

use crate::{
    bindings,
    ring::Platform, //
};

/// `READ_ONCE`, `WRITE_ONCE` and the barriers of the kernel.
#[derive(Clone, Copy)]
pub struct Kernel;

// SAFETY: A volatile access of an aligned word is one access on all architectures that the kernel
// runs on, and the compiler neither drops nor merges it. The barriers are those of the kernel,
// which order as the trait requires.
unsafe impl Platform for Kernel {
    const STORES_IN_ORDER: bool = cfg!(target_arch = "x86_64");

    #[inline(always)]
    unsafe fn load16(ptr: *const u16) -> u16 {
        // SAFETY: By the safety requirements of `Platform::load16`, `ptr` is readable.
        unsafe { ptr.read_volatile() }
    }

    #[inline(always)]
    unsafe fn load32(ptr: *const u32) -> u32 {
        // SAFETY: By the safety requirements of `Platform::load32`, `ptr` is readable.
        unsafe { ptr.read_volatile() }
    }

    #[inline(always)]
    unsafe fn store16(ptr: *mut u16, value: u16) {
        // SAFETY: By the safety requirements of `Platform::store16`, `ptr` is writable.
        unsafe { ptr.write_volatile(value) };
    }

    #[inline(always)]
    unsafe fn store32(ptr: *mut u32, value: u32) {
        // SAFETY: By the safety requirements of `Platform::store32`, `ptr` is writable.
        unsafe { ptr.write_volatile(value) };
    }

    #[inline(always)]
    unsafe fn store64(ptr: *mut u64, value: u64) {
        // SAFETY: By the safety requirements of `Platform::store64`, `ptr` is writable.
        unsafe { ptr.write_volatile(value) };
    }

    #[inline(always)]
    fn mb(strong: bool) {
        // SAFETY: A barrier may be executed in any context.
        unsafe {
            if strong {
                bindings::mb();
            } else {
                bindings::rust_virtio_virt_mb();
            }
        }
    }

    #[inline(always)]
    fn rmb(strong: bool) {
        // SAFETY: A barrier may be executed in any context.
        unsafe {
            if strong {
                bindings::dma_rmb();
            } else {
                bindings::rust_virtio_virt_rmb();
            }
        }
    }

    #[inline(always)]
    fn wmb(strong: bool) {
        // SAFETY: A barrier may be executed in any context.
        unsafe {
            if strong {
                bindings::dma_wmb();
            } else {
                bindings::rust_virtio_virt_wmb();
            }
        }
    }
}
