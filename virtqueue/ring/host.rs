// SPDX-License-Identifier: GPL-2.0

//! The platform of user space: atomics, so that a device may be another thread.

use crate::Platform;
use core::sync::atomic::{
    fence, AtomicU16, AtomicU32, AtomicU64,
    Ordering::{
        Acquire,
        Relaxed,
        Release,
        SeqCst, //
    },
};

/// Relaxed atomic accesses and fences. Strong barriers are the weak ones.
///
/// `STORES_IN_ORDER`: whether rings take stores as seen in order. Barriers are there all the same.
#[derive(Clone, Copy)]
pub struct Machine<const STORES_IN_ORDER: bool>;

/// This machine, as the kernel has it.
pub type Host = Machine<{ cfg!(target_arch = "x86_64") }>;

/// As [`Host`], where rings do as if stores may be seen out of order.
pub type WeakHost = Machine<false>;

// SAFETY: Atomic accesses are whole, and the compiler neither drops nor merges them. A fence
// orders the atomic accesses around it as the barrier says; those for loads and for stores
// alone are acquire and release, which order more.
unsafe impl<const STORES_IN_ORDER: bool> Platform for Machine<STORES_IN_ORDER> {
    const STORES_IN_ORDER: bool = STORES_IN_ORDER;

    #[inline(always)]
    unsafe fn load16(ptr: *const u16) -> u16 {
        // SAFETY: By the safety requirements; all concurrent accesses are atomic.
        unsafe { AtomicU16::from_ptr(ptr.cast_mut()) }.load(Relaxed)
    }

    #[inline(always)]
    unsafe fn load32(ptr: *const u32) -> u32 {
        // SAFETY: By the safety requirements; all concurrent accesses are atomic.
        unsafe { AtomicU32::from_ptr(ptr.cast_mut()) }.load(Relaxed)
    }

    #[inline(always)]
    unsafe fn store16(ptr: *mut u16, value: u16) {
        // SAFETY: By the safety requirements; all concurrent accesses are atomic.
        unsafe { AtomicU16::from_ptr(ptr) }.store(value, Relaxed);
    }

    #[inline(always)]
    unsafe fn store32(ptr: *mut u32, value: u32) {
        // SAFETY: By the safety requirements; all concurrent accesses are atomic.
        unsafe { AtomicU32::from_ptr(ptr) }.store(value, Relaxed);
    }

    #[inline(always)]
    unsafe fn store64(ptr: *mut u64, value: u64) {
        // SAFETY: By the safety requirements; all concurrent accesses are atomic.
        unsafe { AtomicU64::from_ptr(ptr) }.store(value, Relaxed);
    }

    #[inline(always)]
    fn mb(_strong: bool) {
        fence(SeqCst);
    }

    #[inline(always)]
    fn rmb(_strong: bool) {
        fence(Acquire);
    }

    #[inline(always)]
    fn wmb(_strong: bool) {
        // A release fence orders earlier accesses before later stores, which is more than asked.
        fence(Release);
    }
}
