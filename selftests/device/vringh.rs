// SPDX-License-Identifier: GPL-2.0

//! The kernel's own device side of a split ring (`drivers/vhost/vringh.c`).
//!
//! The addresses in the ring are kernel addresses: [`crate::Addresses::Kernel`].

use crate::{
    bindings,
    c_queue::CQueue,
    maps::Addresses, //
};
use core::mem::MaybeUninit;
use kernel::{
    alloc::KVec,
    error::to_result,
    prelude::*, //
};

/// The largest number of segments of a buffer, for reading and for writing each.
const PIECES: usize = 32;

/// A device's side of a queue.
pub struct Vringh {
    inner: KBox<bindings::vringh>,
    read: KVec<bindings::kvec>,
    write: KVec<bindings::kvec>,
}

/// A buffer that the driver made available.
pub struct Head {
    id: u16,
    /// The bytes that the device reads.
    pub readable: KVec<u8>,
    /// The number of bytes that the device may write.
    pub room: usize,
}

fn zeroed<T>() -> T {
    // SAFETY: `T` is a C structure of integers and pointers, for which zeroes are valid.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

fn pieces() -> Result<KVec<bindings::kvec>> {
    let mut pieces = KVec::with_capacity(PIECES, GFP_KERNEL)?;
    for _ in 0..PIECES {
        pieces.push(zeroed(), GFP_KERNEL)?;
    }
    Ok(pieces)
}

fn iov(pieces: &mut [bindings::kvec]) -> bindings::vringh_kiov {
    let mut iov: bindings::vringh_kiov = zeroed();
    iov.iov = pieces.as_mut_ptr();
    // CAST: The number is `PIECES`.
    iov.max_num = pieces.len() as u32;
    iov
}

impl Vringh {
    /// Returns the device's side of a queue of a device with kernel addresses.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the device has other addresses, or the ring is not a split one of a modern device.
    /// `ENOMEM`.
    pub fn new(queue: &CQueue) -> Result<Self> {
        let fake = queue.fake();
        if fake.addresses() != Some(Addresses::Kernel) {
            return Err(EINVAL);
        }
        let mut this = Self {
            inner: KBox::new(zeroed(), GFP_KERNEL)?,
            read: pieces()?,
            write: pieces()?,
        };
        let [features, _] = fake.driver_features();
        let [desc, avail, used] = queue.addresses();
        // SAFETY: The addresses are kernel addresses of a ring of this size.
        to_result(unsafe {
            bindings::vringh_init_kern(
                &mut *this.inner,
                features,
                queue.size(),
                true,
                desc as *mut _,
                avail as *mut _,
                used as *mut _,
            )
        })?;
        Ok(this)
    }

    /// Takes the next buffer, and writes as much of `answer` as fits.
    ///
    /// # Errors
    ///
    /// The error of the C function.
    pub fn pop(&mut self, answer: &[u8]) -> Result<Option<Head>> {
        let (mut read, mut write) = (iov(&mut self.read), iov(&mut self.write));
        let mut id = 0;
        // SAFETY: The ring is that of a queue, and all pointers are valid.
        let found = unsafe {
            bindings::vringh_getdesc_kern(
                &mut *self.inner,
                &mut read,
                &mut write,
                &mut id,
                bindings::GFP_KERNEL,
            )
        };
        to_result(found.min(0))?;
        if found == 0 {
            return Ok(None);
        }
        let mut readable = KVec::new();
        for piece in self.read.iter().take(read.used as usize) {
            // SAFETY: The segment is memory that the driver has passed to the device for reading.
            let bytes =
                unsafe { core::slice::from_raw_parts(piece.iov_base.cast::<u8>(), piece.iov_len) };
            readable.extend_from_slice(bytes, GFP_KERNEL)?;
        }
        let (mut room, mut left) = (0, answer);
        for piece in self.write.iter().take(write.used as usize) {
            let (now, later) = left.split_at(left.len().min(piece.iov_len));
            // SAFETY: The segment is memory that the driver has passed to the device for writing.
            unsafe {
                core::ptr::copy_nonoverlapping(now.as_ptr(), piece.iov_base.cast(), now.len())
            };
            room += piece.iov_len;
            left = later;
        }
        Ok(Some(Head { id, readable, room }))
    }

    /// Uses a buffer. Returns whether the driver wants an interrupt.
    ///
    /// # Errors
    ///
    /// The error of the C function.
    pub fn push(&mut self, head: Head, len: u32) -> Result<bool> {
        // SAFETY: The ring is that of a queue.
        unsafe {
            to_result(bindings::vringh_complete_kern(
                &mut *self.inner,
                head.id,
                len,
            ))?;
            let wanted = bindings::vringh_need_notify_kern(&mut *self.inner);
            to_result(wanted.min(0))?;
            Ok(wanted != 0)
        }
    }

    /// Asks the driver for kicks, or suppresses them. Returns whether a buffer is available.
    pub fn want_kicks(&mut self, wanted: bool) -> bool {
        // SAFETY: The ring is that of a queue.
        unsafe {
            if wanted {
                return !bindings::vringh_notify_enable_kern(&mut *self.inner);
            }
            bindings::vringh_notify_disable_kern(&mut *self.inner);
            false
        }
    }
}
