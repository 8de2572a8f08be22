// SPDX-License-Identifier: GPL-2.0

//! The interface between the ring core and the machine that it runs on.

/// Accesses to memory that a device or another processor uses at the same time, and barriers.
///
/// The functions have no state: an implementation is a type without values, and everything is
/// inlined.
///
/// In a kernel the accesses are `READ_ONCE` and `WRITE_ONCE`; weak barriers are `virt_mb`,
/// `virt_rmb` and `virt_wmb` (`smp_*` that are there on a uniprocessor kernel too), strong ones
/// are `mb`, `dma_rmb` and `dma_wmb`.
///
/// # Safety
///
/// - Each access is done once, whole, and neither left out nor merged with another.
/// - A barrier orders as its documentation says what the processor and the compiler do.
pub unsafe trait Platform: Copy {
    /// Whether [`Platform::store64`] cannot be seen half done.
    const STORE64_IS_WHOLE: bool = cfg!(target_pointer_width = "64");

    /// Whether stores are seen in the order in which they were done, so that [`Platform::wmb`]
    /// costs nothing. Then nothing is gained by having one for several buffers.
    const STORES_IN_ORDER: bool = false;

    /// Reads two bytes.
    ///
    /// # Safety
    ///
    /// `ptr` is aligned and valid for reading, apart from concurrent accesses.
    unsafe fn load16(ptr: *const u16) -> u16;

    /// Reads four bytes.
    ///
    /// # Safety
    ///
    /// As [`Platform::load16`].
    unsafe fn load32(ptr: *const u32) -> u32;

    /// Writes two bytes.
    ///
    /// # Safety
    ///
    /// `ptr` is aligned and valid for writing, apart from concurrent accesses.
    unsafe fn store16(ptr: *mut u16, value: u16);

    /// Writes four bytes.
    ///
    /// # Safety
    ///
    /// As [`Platform::store16`].
    unsafe fn store32(ptr: *mut u32, value: u32);

    /// Writes eight bytes; in two halves where the machine cannot do it whole.
    ///
    /// # Safety
    ///
    /// As [`Platform::store16`].
    unsafe fn store64(ptr: *mut u64, value: u64);

    /// Full barrier: accesses before it are done before accesses after it, stores before loads
    /// included.
    ///
    /// `strong` says that the other side is a device and not a processor.
    fn mb(strong: bool);

    /// Loads before it are done before loads after it, and before stores after it that depend on
    /// what was loaded.
    fn rmb(strong: bool);

    /// Stores before it are done before stores after it.
    fn wmb(strong: bool);
}
