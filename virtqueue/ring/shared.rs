// SPDX-License-Identifier: GPL-2.0

//! Memory that the device reads and writes too.
//!
//! All of it goes through the types of this file and those of `split/memory.rs` and
//! `packed/memory.rs`: raw pointers, never references, and one access at a time.

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

// SAFETY: As for `Send`.
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
    pub(super) unsafe fn new(ptr: NonNull<E>) -> Self {
        // INVARIANT: By the safety requirements.
        Self(ptr)
    }

    #[inline(always)]
    pub(super) fn as_ptr(self) -> *mut E {
        self.0.as_ptr()
    }

    /// Whether the pointer is a multiple of `align`.
    pub(super) fn is_aligned(self, align: usize) -> bool {
        self.0.as_ptr().addr() % align == 0
    }
}

/// An array of descriptors. `MASKED`: their number is a power of two.
///
/// # Invariants
///
/// `base` is followed by `last` + 1 descriptors; with `MASKED`, that is a power of two.
pub(super) struct Descs<P, const MASKED: bool> {
    base: Shared<Desc>,
    last: u16,
    _platform: PhantomData<fn() -> P>,
}

impl<P, const MASKED: bool> Clone for Descs<P, MASKED> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<P, const MASKED: bool> Copy for Descs<P, MASKED> {}

impl<P: Platform, const MASKED: bool> Descs<P, MASKED> {
    /// Takes over an array.
    ///
    /// # Safety
    ///
    /// `base` is followed by `last` + 1 descriptors, a power of two if `MASKED`.
    pub(super) unsafe fn new(base: Shared<Desc>, last: u16) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            base,
            last,
            _platform: PhantomData,
        }
    }

    /// Returns a pointer to descriptor `index`; to some descriptor if there is none such.
    #[inline(always)]
    pub(super) fn at(&self, index: u16) -> *mut Desc {
        let index = if MASKED {
            index & self.last
        } else {
            index.min(self.last)
        };
        // SAFETY: Mapped and bounded.
        unsafe { self.base.as_ptr().add(usize::from(index)) }
    }

    /// Writes a descriptor: its address and the rest, in the order of the ring.
    #[inline(always)]
    pub(super) fn write(&self, index: u16, addr: u64, rest: u64) {
        self.write_addr(index, addr);
        self.write_rest(index, rest);
    }

    /// Writes the first half of a descriptor.
    #[inline(always)]
    pub(super) fn write_addr(&self, index: u16, addr: u64) {
        // SAFETY: `at` is a descriptor.
        unsafe { P::store64(self.at(index).cast(), addr) };
    }

    /// Writes the second half of a descriptor.
    #[inline(always)]
    pub(super) fn write_rest(&self, index: u16, rest: u64) {
        // SAFETY: `at` is a descriptor, which has two words.
        unsafe { P::store64(self.at(index).cast::<u64>().add(1), rest) };
    }

    /// Zeroes all descriptors.
    pub(super) fn clear(&self) {
        for index in 0..=self.last {
            self.write(index, 0, 0);
        }
    }
}

/// Two bytes of private memory that more than one context reads and writes: `READ_ONCE` and
/// `WRITE_ONCE`, no order.
pub(super) struct Word<P> {
    value: UnsafeCell<u16>,
    _platform: PhantomData<fn() -> P>,
}

// SAFETY: Every access is one of `Platform`, which any thread may do at any time.
unsafe impl<P> Sync for Word<P> {}

impl<P: Platform> Word<P> {
    pub(super) const fn new(value: u16) -> Self {
        Self {
            value: UnsafeCell::new(value),
            _platform: PhantomData,
        }
    }

    #[inline(always)]
    pub(super) fn get(&self) -> u16 {
        // SAFETY: The value is ours; all concurrent accesses go through `Platform`.
        unsafe { P::load16(self.value.get()) }
    }

    #[inline(always)]
    pub(super) fn set(&self, value: u16) {
        // SAFETY: As in `get`.
        unsafe { P::store16(self.value.get(), value) };
    }
}
