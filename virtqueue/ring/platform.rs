// SPDX-License-Identifier: GPL-2.0

//! The interface between the ring core and the machine that it runs on.

/// Barriers, and accesses to memory that a device or another processor uses at the same time.
///
/// The functions have no state: an implementation is a type without values, and every function is
/// inlined.
///
/// In a kernel the accesses are `READ_ONCE` and `WRITE_ONCE`. Weak barriers are `virt_mb`,
/// `virt_rmb` and `virt_wmb` (`smp_*` that are there on a uniprocessor kernel too); strong ones are
/// `mb`, `dma_rmb` and `dma_wmb`.
///
/// # Safety
///
/// - Each access is done once and whole, and is neither left out nor merged with another.
/// - A barrier orders, as its documentation says, the accesses of the processor and of the
///   compiler.
pub unsafe trait Platform: Copy {
    /// [`Platform::store64`] cannot be seen half done.
    const STORE64_IS_WHOLE: bool = cfg!(target_pointer_width = "64");

    /// Stores are seen in the order in which they were done, so that [`Platform::wmb`] costs
    /// nothing. Then one barrier for several buffers saves nothing over one for each.
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

    /// Writes eight bytes: in two halves if the machine cannot write them whole.
    ///
    /// # Safety
    ///
    /// As [`Platform::store16`].
    unsafe fn store64(ptr: *mut u64, value: u64);

    /// Full barrier: orders accesses before it before accesses after it, stores before loads
    /// included.
    ///
    /// `strong` says that the other side is a device and not a processor.
    fn mb(strong: bool);

    /// Read barrier: orders loads before it before loads after it, and before stores after it that
    /// depend on the loaded values.
    fn rmb(strong: bool);

    /// Write barrier: orders stores before it before stores after it.
    fn wmb(strong: bool);
}
