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
pub struct Host;

// SAFETY: Atomic accesses are whole, and the compiler neither drops nor merges them. A fence
// orders the atomic accesses around it as the barrier says; those for loads and for stores
// alone are acquire and release, which order more.
unsafe impl Platform for Host {
    // As in the kernel; barriers are there all the same.
    const STORES_IN_ORDER: bool = cfg!(target_arch = "x86_64");

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

/// As [`Host`], for rings that are to do as where stores may be seen out of order.
pub struct WeakHost;

// SAFETY: As `Host`.
unsafe impl Platform for WeakHost {
    const STORES_IN_ORDER: bool = false;

    #[inline(always)]
    unsafe fn load16(ptr: *const u16) -> u16 {
        // SAFETY: By the safety requirements.
        unsafe { Host::load16(ptr) }
    }

    #[inline(always)]
    unsafe fn load32(ptr: *const u32) -> u32 {
        // SAFETY: By the safety requirements.
        unsafe { Host::load32(ptr) }
    }

    #[inline(always)]
    unsafe fn store16(ptr: *mut u16, value: u16) {
        // SAFETY: By the safety requirements.
        unsafe { Host::store16(ptr, value) };
    }

    #[inline(always)]
    unsafe fn store32(ptr: *mut u32, value: u32) {
        // SAFETY: By the safety requirements.
        unsafe { Host::store32(ptr, value) };
    }

    #[inline(always)]
    unsafe fn store64(ptr: *mut u64, value: u64) {
        // SAFETY: By the safety requirements.
        unsafe { Host::store64(ptr, value) };
    }

    #[inline(always)]
    fn mb(strong: bool) {
        Host::mb(strong);
    }

    #[inline(always)]
    fn rmb(strong: bool) {
        Host::rmb(strong);
    }

    #[inline(always)]
    fn wmb(strong: bool) {
        Host::wmb(strong);
    }
}
