// SPDX-License-Identifier: GPL-2.0

//! Reads and writes of the kernel's atomics without a call.
//!
//! PERF: `Atomic::load` and `Atomic::store` are C functions of a few instructions each. Kernels
//! that clang built inline them (`CONFIG_RUST_INLINE_HELPERS`); other kernels call them. On
//! Debian's kernel the calls add 16 instructions to a disk read, and 60 to an echo.
//!
//! C headers: [`include/asm-generic/rwonce.h`](srctree/include/asm-generic/rwonce.h),
//! [`arch/x86/include/asm/barrier.h`](srctree/arch/x86/include/asm/barrier.h)

use core::{
    mem::size_of,
    sync::atomic::{
        compiler_fence,
        Ordering, //
    },
};
use kernel::sync::atomic::{
    Acquire,
    Atomic,
    AtomicType, //
};

/// `READ_ONCE` and `WRITE_ONCE` of an atomic of at most a machine word.
///
/// `atomic_read` and `atomic_set` do the same on every architecture that has Rust. A larger type
/// does not compile.
pub trait Once<T> {
    /// Returns the value, without ordering.
    fn read_once(&self) -> T;

    /// Changes the value, without ordering.
    fn write_once(&self, value: T);
}

impl<T: AtomicType> Once<T> for Atomic<T> {
    #[inline(always)]
    fn read_once(&self) -> T {
        const { assert!(size_of::<T>() <= size_of::<usize>()) };
        // SAFETY: `Atomic` guarantees that the pointer is valid and aligned for as long as `self`
        // is, and that a valid `T` is behind it at any time. All concurrent accesses are atomic or
        // volatile, and an aligned word is read whole.
        unsafe { self.as_ptr().read_volatile() }
    }

    #[inline(always)]
    fn write_once(&self, value: T) {
        const { assert!(size_of::<T>() <= size_of::<usize>()) };
        // SAFETY: As in `read_once`: the pointer is valid and aligned, and an aligned word is
        // written whole.
        unsafe { self.as_ptr().write_volatile(value) };
    }
}

/// `smp_load_acquire` of an atomic.
pub trait ReadAcquire<T> {
    /// Returns the value. Later accesses are done after the value is read.
    fn read_acquire(&self) -> T;
}

macro_rules! read_acquire {
    ($($t:ty $(where $g:ident)?),*) => {$(
        impl$(<$g>)? ReadAcquire<$t> for Atomic<$t> {
            #[inline(always)]
            fn read_acquire(&self) -> $t {
                // x86 does not move accesses before a read, and the compiler must not either.
                if cfg!(target_arch = "x86_64") {
                    let value = self.read_once();
                    compiler_fence(Ordering::Acquire);
                    value
                } else {
                    self.load(Acquire)
                }
            }
        }
    )*};
}

read_acquire!(i32, *mut T where T);
