// SPDX-License-Identifier: GPL-2.0

//! Taking buffers from a device.

use crate::as_declared;
use core::ptr::null_mut;
use kernel::ffi::{
    c_uint,
    c_void, //
};
use vring::{
    bindings::virtqueue,
    with_ring,
    Queue, //
};

as_declared!(
    virtqueue_get_buf_ctx,
    virtqueue_get_buf,
    virtqueue_detach_unused_buf
);

/// Takes a used buffer, and its context if `ctx` is not null.
///
/// The length is at most the writable length of the buffer, also if the device reports more.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_get_buf_ctx(
    vq: *mut virtqueue,
    len: *mut c_uint,
    ctx: *mut *mut c_void,
) -> *mut c_void {
    // SAFETY: By the contract of `virtqueue_get_buf_ctx`, `vq` is a queue whose caller serialises.
    // `len` is writable, and so is `ctx` if it is not null.
    unsafe {
        with_ring!(Queue::from_raw(vq).exclusive(), |ring| ring
            .get_raw(len, ctx))
    }
}

/// Takes a used buffer.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_get_buf(
    vq: *mut virtqueue,
    len: *mut c_uint,
) -> *mut c_void {
    // SAFETY: kernel-doc of `virtqueue_get_buf_ctx`: `vq` is a queue whose caller serialises, and
    // `len` is writable. A null context is not written.
    unsafe { virtqueue_get_buf_ctx(vq, len, null_mut()) }
}

/// Takes back a buffer that the device has not used. The device was reset.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_detach_unused_buf(vq: *mut virtqueue) -> *mut c_void {
    // SAFETY: By the contract of `virtqueue_detach_unused_buf`, `vq` is a queue whose caller
    // serialises.
    let exclusive = unsafe { Queue::from_raw(vq).exclusive() };
    with_ring!(exclusive, |mut ring| {
        // SAFETY: By the contract of `virtqueue_detach_unused_buf`, the device or the queue was
        // reset.
        let token = unsafe { ring.detach_unused() };
        ring.set_num_free();
        token.map_or(null_mut(), |token| token.data.as_ptr())
    })
}
