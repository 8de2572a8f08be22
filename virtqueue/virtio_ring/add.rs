// SPDX-License-Identifier: GPL-2.0

//! Giving buffers to a device.
//!
//! Unlike drivers in Rust, those in C may count on it that the device sees a buffer as soon as it
//! is added.

use crate::{
    as_declared,
    scatter::{
        List,
        Lists, //
    }, //
};
use core::{
    ptr::null_mut,
    slice, //
};
use kernel::{
    ffi::{
        c_int,
        c_uint,
        c_void, //
    },
    prelude::*, //
};
use vring::{
    bindings::{
        gfp_t,
        scatterlist,
        virtqueue,
        DMA_ATTR_DEBUGGING_IGNORE_CACHELINES,
        EINVAL as C_EINVAL, //
    },
    Queue,
    RawToken,
    Segments,
    Then, //
};

as_declared!(
    virtqueue_add_sgs,
    virtqueue_add_outbuf,
    virtqueue_add_outbuf_premapped,
    virtqueue_add_inbuf,
    virtqueue_add_inbuf_cache_clean,
    virtqueue_add_inbuf_ctx,
    virtqueue_add_inbuf_premapped,
);

/// Adds a buffer; `reads` says that the device reads some of it.
///
/// # Safety
///
/// `vq` is a queue of this ring that the caller serialises; `buffer` is of memory that the device
/// may have until the buffer is taken out again.
#[inline(always)]
unsafe fn add<B: Segments>(
    vq: *mut virtqueue,
    segments: usize,
    buffer: &B,
    reads: bool,
    data: *mut c_void,
    ctx: *mut c_void,
    attrs: usize,
) -> c_int {
    let (Some(token), Ok(segments)) = (RawToken::new(data, ctx), u16::try_from(segments)) else {
        return -(C_EINVAL as c_int);
    };
    // SAFETY: By the safety requirements.
    let queue = unsafe { Queue::from_raw(vq) };
    // SAFETY: By the safety requirements.
    let inner = unsafe { queue.inner() };
    let added = inner.add(token, segments, buffer, attrs, Then::Publish);
    done(queue, added, reads)
}

/// What C is told of an add.
#[inline(always)]
fn done(queue: &Queue, added: Result<bool>, reads: bool) -> c_int {
    match added {
        Ok(_) => 0,
        Err(error) => {
            if error == ENOSPC && reads {
                queue.notify_full();
            }
            error.to_errno()
        }
    }
}

/// # Safety
///
/// As [`add`], for a list of `num` segments.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn add_list(
    vq: *mut virtqueue,
    sg: *mut scatterlist,
    num: c_uint,
    write: bool,
    premapped: bool,
    data: *mut c_void,
    ctx: *mut c_void,
    attrs: usize,
) -> c_int {
    // SAFETY: By the safety requirements.
    unsafe {
        let list = List::new(sg, write, premapped);
        if num != 1 {
            return add(vq, num as usize, &list, !write, data, ctx, attrs);
        }
        let Some(token) = RawToken::new(data, ctx) else {
            return -(C_EINVAL as c_int);
        };
        let queue = Queue::from_raw(vq);
        let first = list.first();
        let added = queue
            .inner()
            .add_one(token, first, write, attrs, Then::Publish);
        done(queue, added, !write)
    }
}

/// Adds lists to read and lists to write.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_add_sgs(
    vq: *mut virtqueue,
    sgs: *mut *mut scatterlist,
    out_sgs: c_uint,
    in_sgs: c_uint,
    data: *mut c_void,
    _gfp: gfp_t,
) -> c_int {
    // SAFETY: C says that there are that many lists.
    unsafe {
        let lists = slice::from_raw_parts(sgs, out_sgs as usize + in_sgs as usize);
        let lists = Lists::new(lists, out_sgs as usize);
        add(vq, lists.count(), &lists, out_sgs != 0, data, null_mut(), 0)
    }
}

/// Adds a list to read.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_add_outbuf(
    vq: *mut virtqueue,
    sg: *mut scatterlist,
    num: c_uint,
    data: *mut c_void,
    _gfp: gfp_t,
) -> c_int {
    // SAFETY: C says the same.
    unsafe { add_list(vq, sg, num, false, false, data, null_mut(), 0) }
}

/// Adds a list to read that the driver mapped.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_add_outbuf_premapped(
    vq: *mut virtqueue,
    sg: *mut scatterlist,
    num: c_uint,
    data: *mut c_void,
    _gfp: gfp_t,
) -> c_int {
    // SAFETY: C says the same.
    unsafe { add_list(vq, sg, num, false, true, data, null_mut(), 0) }
}

/// Adds a list to write.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_add_inbuf(
    vq: *mut virtqueue,
    sg: *mut scatterlist,
    num: c_uint,
    data: *mut c_void,
    _gfp: gfp_t,
) -> c_int {
    // SAFETY: C says the same.
    unsafe { add_list(vq, sg, num, true, false, data, null_mut(), 0) }
}

/// Adds a list to write, parts of which share cache lines with others that are mapped.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_add_inbuf_cache_clean(
    vq: *mut virtqueue,
    sg: *mut scatterlist,
    num: c_uint,
    data: *mut c_void,
    _gfp: gfp_t,
) -> c_int {
    let attrs = DMA_ATTR_DEBUGGING_IGNORE_CACHELINES as usize;
    // SAFETY: C says the same.
    unsafe { add_list(vq, sg, num, true, false, data, null_mut(), attrs) }
}

/// Adds a list to write, with a context that comes back with it.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_add_inbuf_ctx(
    vq: *mut virtqueue,
    sg: *mut scatterlist,
    num: c_uint,
    data: *mut c_void,
    ctx: *mut c_void,
    _gfp: gfp_t,
) -> c_int {
    // SAFETY: C says the same.
    unsafe { add_list(vq, sg, num, true, false, data, ctx, 0) }
}

/// Adds a list to write that the driver mapped, with a context that comes back with it.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_add_inbuf_premapped(
    vq: *mut virtqueue,
    sg: *mut scatterlist,
    num: c_uint,
    data: *mut c_void,
    ctx: *mut c_void,
    _gfp: gfp_t,
) -> c_int {
    // SAFETY: C says the same.
    unsafe { add_list(vq, sg, num, true, true, data, ctx, 0) }
}
