// SPDX-License-Identifier: GPL-2.0

//! Memory that the driver shares with the device.
//!
//! Every access goes through the types of this file and of `split/memory.rs`, `packed/memory.rs`
//! and `packed/spot.rs`: raw pointers, never references, and one access at a time.

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
/// Mapped (see the module), as far as the type that holds it says.
pub(super) struct Shared<E>(NonNull<E>);

// SAFETY: A pointer to memory that the device uses concurrently anyway; every access is one of
// `Platform`, which any thread may do at any time.
unsafe impl<E> Send for Shared<E> {}

// SAFETY: Every access is one of `Platform`, which any thread may do at any time.
unsafe impl<E> Sync for Shared<E> {}

impl<E> Clone for Shared<E> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Shared<E> {}

impl<E> Shared<E> {
    /// Takes over a pointer.
    ///
    /// # Safety
    ///
    /// The memory stays mapped as long as a copy of this is used.
    pub(super) const unsafe fn new(ptr: NonNull<E>) -> Self {
        // INVARIANT: By the safety requirements.
        Self(ptr)
    }

    #[inline(always)]
    pub(super) fn as_ptr(self) -> *mut E {
        self.0.as_ptr()
    }
}

/// Descriptors that follow each other.
#[derive(Clone, Copy)]
pub(super) struct Descs<P> {
    base: Shared<Desc>,
    _platform: PhantomData<fn() -> P>,
}

impl<P: Platform> Descs<P> {
    #[inline(always)]
    pub(super) fn new(base: Shared<Desc>) -> Self {
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
        // SAFETY: Mapped, and bounded by the safety requirements.
        unsafe { self.base.as_ptr().add(usize::from(index)) }
    }

    /// The descriptors from one on.
    ///
    /// # Safety
    ///
    /// `index` is bounded.
    #[inline(always)]
    pub(super) unsafe fn from(&self, index: u16) -> Self {
        // SAFETY: Bounded by the safety requirements, and mapped as long as all of them are.
        Self::new(unsafe { Shared::new(self.base.0.add(usize::from(index))) })
    }

    /// Writes a descriptor: its address and the rest, in the order of the ring.
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
        // SAFETY: `at` is a descriptor, by the safety requirements.
        unsafe { P::store64(self.at(index).cast(), addr) };
    }

    /// Writes the second half of a descriptor.
    ///
    /// # Safety
    ///
    /// `index` is bounded.
    #[inline(always)]
    pub(super) unsafe fn write_rest(&self, index: u16, rest: u64) {
        // SAFETY: `at` is a descriptor, by the safety requirements, which has two words.
        unsafe { P::store64(self.at(index).cast::<u64>().add(1), rest) };
    }
}

/// Four bytes of private memory that more than one context reads and writes: `READ_ONCE` and
/// `WRITE_ONCE`, no order.
pub struct Word<P> {
    value: UnsafeCell<u32>,
    _platform: PhantomData<fn() -> P>,
}

// SAFETY: Every access is one of `Platform`, which any thread may do at any time.
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
        // SAFETY: The value is ours; all concurrent accesses go through `Platform`.
        unsafe { P::load32(self.value.get()) }
    }

    #[inline(always)]
    pub(super) fn set(&self, value: u32) {
        // SAFETY: The value is ours; all concurrent accesses go through `Platform`.
        unsafe { P::store32(self.value.get(), value) };
    }
}
