// SPDX-License-Identifier: GPL-2.0

//! Memory that stays.

use std::{
    alloc::{alloc_zeroed, Layout},
    ptr::NonNull,
};

/// Zeroed memory, aligned to a page, that is never given back. Devices see it where it is.
#[derive(Clone, Copy)]
pub struct Arena(NonNull<u8>);

impl Arena {
    pub fn new(bytes: usize) -> Self {
        let layout = Layout::from_size_align(bytes.max(1), 4096).expect("a size");
        // SAFETY: The layout is not empty.
        Self(NonNull::new(unsafe { alloc_zeroed(layout) }).expect("memory"))
    }

    pub fn ptr<E>(&self, offset: usize) -> NonNull<E> {
        // SAFETY: The callers know how large it is.
        unsafe { self.0.add(offset).cast() }
    }

    pub fn addr(&self) -> u64 {
        self.0.as_ptr().addr() as u64
    }
}
