// SPDX-License-Identifier: GPL-2.0

//! A platform on which some words of memory are modelled.

use crate::memory::Arena;
use loom::sync::atomic::{fence, AtomicU16, AtomicU32, AtomicU64, Ordering};
use ring_core::{host::Host, Platform};
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    sync::Arc,
};

#[derive(Default)]
struct Words {
    two: HashMap<usize, AtomicU16>,
    four: HashMap<usize, AtomicU32>,
    eight: HashMap<usize, AtomicU64>,
    /// The words that the device does not see.
    private: HashMap<usize, AtomicU32>,
    /// The arena of the objects. The ring uses it after the device is done, too.
    _arena: Option<Arc<Arena>>,
}

/// A kind of barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barrier {
    Full,
    Loads,
    Stores,
}

thread_local! {
    // One thread of the system runs all threads of a model.
    static WORDS: RefCell<Arc<Words>> = RefCell::default();
    static LEFT_OUT: Cell<Option<Barrier>> = const { Cell::new(None) };
}

fn words() -> Arc<Words> {
    WORDS.with_borrow(Arc::clone)
}

/// Runs a test of a ring that leaves out one kind of barrier. Returns whether the test fails.
pub fn fails_without(barrier: Barrier, test: fn()) -> bool {
    LEFT_OUT.set(Some(barrier));
    let result = std::panic::catch_unwind(test);
    LEFT_OUT.set(None);
    result.is_err()
}

fn barrier(kind: Barrier, ordering: Ordering) {
    if LEFT_OUT.get() != Some(kind) {
        fence(ordering);
    }
}

/// `AT_ONCE` says that stores are seen in order, so that buffers are published when they are added.
#[derive(Clone, Copy)]
pub struct Model<const AT_ONCE: bool>;

// SAFETY: Accesses are those of `Host`, or of a modelled word that stands for the memory. Fences
// are those of the model.
unsafe impl<const AT_ONCE: bool> Platform for Model<AT_ONCE> {
    const STORES_IN_ORDER: bool = AT_ONCE;

    unsafe fn load16(ptr: *const u16) -> u16 {
        match words().two.get(&ptr.addr()) {
            Some(word) => word.load(Ordering::Relaxed),
            // SAFETY: By the safety requirements of `Platform::load16`, `ptr` is readable.
            None => unsafe { Host::load16(ptr) },
        }
    }
    unsafe fn load32(ptr: *const u32) -> u32 {
        if let Some(word) = words().four.get(&ptr.addr()) {
            return word.load(Ordering::Relaxed);
        }
        if let Some(word) = words().private.get(&ptr.addr()) {
            // A store that depends on the loaded value comes after the load on every processor.
            // That is less than the barrier promises, and more than the model knows.
            return word.load(Ordering::Acquire);
        }
        // SAFETY: By the safety requirements of `Platform::load32`, `ptr` is readable.
        let value = unsafe { Host::load32(ptr) };
        // The flags of a packed ring, with the id before them.
        match words().two.get(&(ptr.addr() + 2)) {
            Some(word) => {
                let flags = u32::from(u16::from_le(word.load(Ordering::Relaxed))) << 16;
                (u32::from_le(value) & 0xffff | flags).to_le()
            }
            None => value,
        }
    }
    unsafe fn store16(ptr: *mut u16, value: u16) {
        match words().two.get(&ptr.addr()) {
            Some(word) => word.store(value, Ordering::Relaxed),
            // SAFETY: By the safety requirements of `Platform::store16`, `ptr` is writable.
            None => unsafe { Host::store16(ptr, value) },
        }
    }
    unsafe fn store32(ptr: *mut u32, value: u32) {
        match words().private.get(&ptr.addr()) {
            Some(word) => word.store(value, Ordering::Relaxed),
            // SAFETY: By the safety requirements of `Platform::store32`, `ptr` is writable.
            None => unsafe { Host::store32(ptr, value) },
        }
    }
    unsafe fn store64(ptr: *mut u64, value: u64) {
        // SAFETY: By the safety requirements of `Platform::store64`, `ptr` is writable.
        unsafe { Host::store64(ptr, value) };
        if let Some(word) = words().eight.get(&ptr.addr()) {
            word.store(value, Ordering::Relaxed);
        }
        // The last part of the second half of a descriptor: the flags of a packed ring.
        if let Some(word) = words().two.get(&(ptr.addr() + 6)) {
            word.store((value.to_le() >> 48) as u16, Ordering::Relaxed);
        }
    }
    fn mb(_: bool) {
        barrier(Barrier::Full, Ordering::SeqCst);
    }
    fn rmb(_: bool) {
        barrier(Barrier::Loads, Ordering::Acquire);
    }
    fn wmb(_: bool) {
        barrier(Barrier::Stores, Ordering::Release);
    }
}

/// Models the words of two, of four and of eight bytes at some offsets of an arena.
pub fn model(arena: &Arc<Arena>, two: &[usize], four: &[usize], eight: &[usize]) {
    model_with(arena, two, four, eight, &[]);
}

/// As [`model`], with words of four bytes that only the driver sees, by their addresses and values.
pub fn model_with(
    arena: &Arc<Arena>,
    two: &[usize],
    four: &[usize],
    eight: &[usize],
    private: &[(usize, u32)],
) {
    let at = |o: &usize| arena.ptr::<u8>(*o).as_ptr().addr();
    let two = two
        .iter()
        .map(|o| (at(o), AtomicU16::new(arena.read16(*o))));
    let four = four
        .iter()
        .map(|o| (at(o), AtomicU32::new(arena.read32(*o))));
    let private = private
        .iter()
        .map(|(addr, value)| (*addr, AtomicU32::new(*value)));
    let eight = eight
        .iter()
        .map(|o| (at(o), AtomicU64::new(arena.read64(*o))));
    WORDS.set(Arc::new(Words {
        two: two.collect(),
        four: four.collect(),
        eight: eight.collect(),
        private: private.collect(),
        _arena: Some(arena.clone()),
    }));
}

/// Forgets the words of an earlier model.
pub fn clear() {
    WORDS.set(Arc::default());
}

/// The accesses of the device to the modelled words.
#[derive(Clone)]
pub struct Shared(pub Arc<Arena>);

impl Shared {
    fn key(&self, offset: usize) -> usize {
        self.0.ptr::<u8>(offset).as_ptr().addr()
    }
    pub fn get(&self, offset: usize) -> u16 {
        words().two[&self.key(offset)].load(Ordering::Relaxed)
    }
    pub fn set(&self, offset: usize, value: u16) {
        words().two[&self.key(offset)].store(value, Ordering::Relaxed);
    }
    pub fn set32(&self, offset: usize, value: u32) {
        words().four[&self.key(offset)].store(value, Ordering::Relaxed);
    }
    /// Stores one half of a word of four bytes: a part of memory that no other thread stores to.
    pub fn set_half(&self, offset: usize, value: u16) {
        // One access, so that the model runs no other thread between two.
        let old = self.0.read16(offset);
        self.0.write16(offset, value);
        let change = u32::from((old ^ value).to_le()) << (8 * (offset % 4));
        words().four[&self.key(offset & !3)].fetch_xor(change.to_le(), Ordering::Relaxed);
    }
    pub fn get64(&self, offset: usize) -> u64 {
        words().eight[&self.key(offset)].load(Ordering::Relaxed)
    }
}
