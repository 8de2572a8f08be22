// SPDX-License-Identifier: GPL-2.0

//! Memory that the driver shares with the device.
//!
//! Every access goes through the types of this file and of `split/memory.rs`, `packed/memory.rs`
//! and `packed/desc_ref.rs`. They hold raw pointers and never references, and do one access at a
//! time.

use super::{
    desc::Desc,
    platform::Platform, //
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    ptr::NonNull, //
};

/// A pointer into mapped memory.
///
/// # Invariants
///
/// The pointer is mapped (see the module), for as many elements as the type that holds it says.
pub(super) struct SharedPtr<E>(NonNull<E>);

// SAFETY: The pointer is to memory that the device uses concurrently anyhow. Every access goes
// through `Platform`, whose accesses may be done by any thread at any time.
unsafe impl<E> Send for SharedPtr<E> {}

// SAFETY: Every access goes through `Platform`, whose accesses may be done by any thread at any
// time.
unsafe impl<E> Sync for SharedPtr<E> {}

impl<E> Clone for SharedPtr<E> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for SharedPtr<E> {}

impl<E> SharedPtr<E> {
    /// Creates a pointer to shared memory.
    ///
    /// # Safety
    ///
    /// The memory stays mapped as long as the result or a copy of it is used.
    pub(super) const unsafe fn new(ptr: NonNull<E>) -> Self {
        // INVARIANT: By the safety requirements, the memory is mapped.
        Self(ptr)
    }

    #[inline(always)]
    pub(super) fn as_ptr(self) -> *mut E {
        self.0.as_ptr()
    }
}

/// An array of descriptors: the ring, or an indirect table.
#[derive(Clone, Copy)]
pub(super) struct Descs<P> {
    base: SharedPtr<Desc>,
    _platform: PhantomData<fn() -> P>,
}

impl<P: Platform> Descs<P> {
    #[inline(always)]
    pub(super) fn new(base: SharedPtr<Desc>) -> Self {
        Self {
            base,
            _platform: PhantomData,
        }
    }

    /// Returns a pointer to a descriptor.
    ///
    /// # Safety
    ///
    /// `index` is bounded.
    #[inline(always)]
    pub(super) unsafe fn at(&self, index: u16) -> *mut Desc {
        // SAFETY: `base` is mapped (invariant of `SharedPtr`), and `index` is bounded by the safety
        // requirements.
        unsafe { self.base.as_ptr().add(usize::from(index)) }
    }

    /// Returns the descriptors from `index` on.
    ///
    /// # Safety
    ///
    /// `index` is bounded.
    #[inline(always)]
    pub(super) unsafe fn from(&self, index: u16) -> Self {
        // SAFETY: `index` is bounded by the safety requirements, and the rest of the array is
        // mapped as long as the whole is.
        Self::new(unsafe { SharedPtr::new(self.base.0.add(usize::from(index))) })
    }

    /// Writes a descriptor: its address and the rest, both in the byte order of the ring.
    ///
    /// # Safety
    ///
    /// `index` is bounded.
    #[inline(always)]
    pub(super) unsafe fn write(&self, index: u16, addr: u64, rest: u64) {
        // SAFETY: By the safety requirements, `index` is bounded.
        unsafe {
            self.write_addr(index, addr);
            self.write_rest(index, rest);
        }
    }

    /// Writes the first half of a descriptor.
    ///
    /// # Safety
    ///
    /// `index` is bounded.
    #[inline(always)]
    pub(super) unsafe fn write_addr(&self, index: u16, addr: u64) {
        // SAFETY: By the safety requirements, `index` is bounded, so `at` is a mapped descriptor.
        unsafe { P::store64(self.at(index).cast(), addr) };
    }

    /// Writes the second half of a descriptor.
    ///
    /// # Safety
    ///
    /// `index` is bounded.
    #[inline(always)]
    pub(super) unsafe fn write_rest(&self, index: u16, rest: u64) {
        // SAFETY: By the safety requirements, `index` is bounded, so `at` is a mapped descriptor,
        // which has two words.
        unsafe { P::store64(self.at(index).cast::<u64>().add(1), rest) };
    }
}

/// Four bytes of private memory that several contexts read and write: `READ_ONCE` and `WRITE_ONCE`,
/// without any ordering.
pub struct Word<P> {
    value: UnsafeCell<u32>,
    _platform: PhantomData<fn() -> P>,
}

// SAFETY: Every access goes through `Platform`, whose accesses may be done by any thread at any
// time.
unsafe impl<P> Sync for Word<P> {}

impl<P: Platform> Word<P> {
    pub(super) const fn new(value: u32) -> Self {
        Self {
            value: UnsafeCell::new(value),
            _platform: PhantomData,
        }
    }

    #[inline(always)]
    pub(super) fn get(&self) -> u32 {
        // SAFETY: The word owns the value, and all concurrent accesses go through `Platform`.
        unsafe { P::load32(self.value.get()) }
    }

    #[inline(always)]
    pub(super) fn set(&self, value: u32) {
        // SAFETY: The word owns the value, and all concurrent accesses go through `Platform`.
        unsafe { P::store32(self.value.get(), value) };
    }
}
