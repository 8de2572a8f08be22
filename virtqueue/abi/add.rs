// SPDX-License-Identifier: GPL-2.0

//! Giving buffers to a device.
//!
//! C drivers may rely on the device seeing a buffer as soon as it is added. Rust drivers may not.

use crate::{
    as_declared,
    scatter::{
        segment,
        List,
        Lists,
        One,
        Trio, //
    }, //
};
use core::ptr::null_mut;
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
        self,
        gfp_t,
        scatterlist,
        virtqueue,
        DMA_ATTR_DEBUGGING_IGNORE_CACHELINES,
        EINVAL as C_EINVAL, //
    },
    ring::Format,
    with_ring,
    Kernel,
    Queue,
    RawToken,
    RingRef,
    Segment, //
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

/// Turns the result of an add, which the device sees from now on, into that of C. `reads` says that
/// the device reads some of the buffer.
fn done<F: Format<Platform = Kernel>>(
    ring: &mut RingRef<'_, F>,
    added: Result,
    reads: bool,
) -> c_int {
    match added {
        Ok(()) => {
            ring.publish();
            0
        }
        Err(error) => {
            if error == ENOSPC && reads {
                ring.queue().notify_full();
            }
            error.to_errno()
        }
    }
}

/// Whether memory may be waited for.
fn may_sleep(gfp: gfp_t) -> bool {
    gfp & (1 << bindings::___GFP_DIRECT_RECLAIM_BIT) != 0
}

/// The parameters of an add, without its memory.
///
/// It fits into a register: the functions below that add have no more arguments than there are
/// registers for them, and are entered by a jump.
#[derive(Clone, Copy)]
struct AddParams {
    segments: u32,
    /// The device writes all of it.
    write: bool,
    /// The driver mapped it.
    premapped: bool,
    /// Parts of it share cache lines with others that are mapped.
    clean: bool,
    /// The add may wait for memory.
    sleeps: bool,
}

impl AddParams {
    /// Of a list to read that the driver did not map.
    fn new(segments: u32, gfp: gfp_t) -> Self {
        Self {
            segments,
            write: false,
            premapped: false,
            clean: false,
            sleeps: may_sleep(gfp),
        }
    }

    /// The attributes of its mappings.
    fn attrs(self) -> usize {
        if self.clean {
            DMA_ATTR_DEBUGGING_IGNORE_CACHELINES as usize
        } else {
            0
        }
    }
}

/// Adds one segment at an address of the device.
#[inline(never)]
fn add_single<const WRITE: bool, F: Format<Platform = Kernel>>(
    mut ring: RingRef<'_, F>,
    token: RawToken,
    addr: u64,
    len: u32,
) -> c_int {
    let one = One::<WRITE>(Segment::premapped(addr, len));
    let added = ring.add_single(token, &one);
    done(&mut ring, added, !WRITE)
}

/// Adds a list.
///
/// # Safety
///
/// As [`List::new`].
#[inline(never)]
unsafe fn add_list<F: Format<Platform = Kernel>>(
    mut ring: RingRef<'_, F>,
    token: RawToken,
    sg: *mut scatterlist,
    params: AddParams,
) -> c_int {
    // SAFETY: By the safety requirements, `sg` starts a well-formed list that stays as long as
    // `list`, which ends with this function.
    let list = unsafe { List::new(sg, params.write, params.premapped) };
    ring.may_sleep(params.sleeps);
    let added = match u16::try_from(params.segments) {
        Ok(segments) => ring.add(token, segments, &list, params.attrs()),
        Err(_) => Err(EINVAL),
    };
    done(&mut ring, added, !params.write)
}

/// Maps one segment and adds it.
///
/// # Safety
///
/// As [`List::new`].
#[inline(never)]
unsafe fn add_with_mappings<const WRITE: bool, F: Format<Platform = Kernel>>(
    mut ring: RingRef<'_, F>,
    token: RawToken,
    sg: *mut scatterlist,
    attrs: usize,
) -> c_int {
    // SAFETY: By the safety requirements, `sg` is an entry of a list that the driver did not map.
    let one = One::<WRITE>(unsafe { segment(sg, false) });
    let added = ring.add_with_mappings(token, 1, &one, attrs);
    done(&mut ring, added, !WRITE)
}

/// Adds a list of one segment.
///
/// # Safety
///
/// `sg` is as [`List::new`] wants it.
unsafe fn add_one<const WRITE: bool, F: Format<Platform = Kernel>>(
    ring: RingRef<'_, F>,
    token: RawToken,
    sg: *mut scatterlist,
    params: AddParams,
) -> c_int {
    // SAFETY: `sg` is as `List::new` wants it, and has one segment.
    unsafe {
        if !params.premapped && ring.needs_mapping() {
            return add_with_mappings::<WRITE, _>(ring, token, sg, params.attrs());
        }
        let segment = segment(sg, params.premapped);
        add_single::<WRITE, _>(ring, token, segment.phys(WRITE), segment.len())
    }
}

/// Adds a list that the device writes, or reads; all else is as in `params`.
///
/// # Safety
///
/// `vq` is a queue of this ring that the caller serialises; `sg` is as [`List::new`] wants it.
#[inline(always)]
unsafe fn add<const WRITE: bool>(
    vq: *mut virtqueue,
    sg: *mut scatterlist,
    data: *mut c_void,
    ctx: *mut c_void,
    mut params: AddParams,
) -> c_int {
    let Some(token) = RawToken::new(data, ctx) else {
        return -(C_EINVAL as c_int);
    };
    params.write = WRITE;
    // SAFETY: By the safety requirements, `vq` is a queue of this ring, and the caller serialises.
    let exclusive = unsafe { Queue::from_raw(vq).exclusive() };
    // SAFETY: `sg` is as `List::new` wants it, as the caller sees to.
    unsafe {
        if params.segments == 1 {
            with_ring!(exclusive, |ring| add_one::<WRITE, _>(
                ring, token, sg, params
            ))
        } else {
            with_ring!(exclusive, |ring| add_list(ring, token, sg, params))
        }
    }
}

/// Adds lists; `NEEDS_MAPPING` says whether the ring maps their memory.
///
/// # Safety
///
/// As [`Lists::new`].
#[inline(never)]
unsafe fn add_lists<const NEEDS_MAPPING: bool, F: Format<Platform = Kernel>>(
    mut ring: RingRef<'_, F>,
    sgs: *const *mut scatterlist,
    out: u32,
    all: u32,
    data: *mut c_void,
) -> c_int {
    // SAFETY: By the safety requirements, there are `all` lists from `sgs` on.
    let trio = unsafe { Trio::new(sgs, out, all) };
    let (Some(trio), Some(token)) = (trio, RawToken::new(data, null_mut())) else {
        // SAFETY: By the safety requirements, there are `all` lists from `sgs` on, each
        // well-formed.
        return unsafe { add_any_lists(ring, sgs, out, all, data) };
    };
    let added = if NEEDS_MAPPING {
        ring.add_with_mappings(token, Trio::COUNT, &trio, 0)
    } else {
        ring.add_physical(token, Trio::COUNT, &trio)
    };
    done(&mut ring, added, true)
}

/// Adds lists of any number of segments.
///
/// # Safety
///
/// As [`Lists::new`].
#[inline(never)]
unsafe fn add_any_lists<F: Format<Platform = Kernel>>(
    mut ring: RingRef<'_, F>,
    sgs: *const *mut scatterlist,
    out: u32,
    all: u32,
    data: *mut c_void,
) -> c_int {
    // SAFETY: By the safety requirements, there are `all` lists from `sgs` on, each well-formed;
    // they stay as long as `lists`, which ends with this function.
    let lists = unsafe { Lists::new(sgs, out, all) };
    let token = RawToken::new(data, null_mut());
    let added = match (token, u16::try_from(lists.count())) {
        (Some(token), Ok(segments)) => ring.add(token, segments, &lists, 0),
        _ => Err(EINVAL),
    };
    done(&mut ring, added, out != 0)
}

/// Adds lists to read and lists to write.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_add_sgs(
    vq: *mut virtqueue,
    sgs: *mut *mut scatterlist,
    out_sgs: c_uint,
    in_sgs: c_uint,
    data: *mut c_void,
    gfp: gfp_t,
) -> c_int {
    // SAFETY: C says that it is a queue, which the caller serialises.
    let exclusive = unsafe { Queue::from_raw(vq).exclusive() };
    // OVERFLOW: There is not memory for that many.
    let all = out_sgs.wrapping_add(in_sgs);
    with_ring!(exclusive, |mut ring| {
        ring.may_sleep(may_sleep(gfp));
        // SAFETY: Kernel-doc of `virtqueue_add_sgs`: there are that many lists.
        unsafe {
            if ring.needs_mapping() {
                add_lists::<true, _>(ring, sgs, out_sgs, all, data)
            } else {
                add_lists::<false, _>(ring, sgs, out_sgs, all, data)
            }
        }
    })
}

/// Adds a list to read.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_add_outbuf(
    vq: *mut virtqueue,
    sg: *mut scatterlist,
    num: c_uint,
    data: *mut c_void,
    gfp: gfp_t,
) -> c_int {
    // SAFETY: kernel-doc of `virtqueue_add_outbuf`: `vq` is a queue whose caller serialises, and
    // `sg` a well-formed list that stays during the call.
    unsafe { add::<false>(vq, sg, data, null_mut(), AddParams::new(num, gfp)) }
}

/// Adds a list to read that the driver mapped.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_add_outbuf_premapped(
    vq: *mut virtqueue,
    sg: *mut scatterlist,
    num: c_uint,
    data: *mut c_void,
    gfp: gfp_t,
) -> c_int {
    // SAFETY: As `virtqueue_add_outbuf`, with a list that the driver mapped, which `premapped`
    // says.
    unsafe {
        add::<false>(
            vq,
            sg,
            data,
            null_mut(),
            AddParams {
                premapped: true,
                ..AddParams::new(num, gfp)
            },
        )
    }
}

/// Adds a list to write.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_add_inbuf(
    vq: *mut virtqueue,
    sg: *mut scatterlist,
    num: c_uint,
    data: *mut c_void,
    gfp: gfp_t,
) -> c_int {
    // SAFETY: kernel-doc of `virtqueue_add_inbuf`: `vq` is a queue whose caller serialises, and
    // `sg` a well-formed list that stays during the call.
    unsafe { add::<true>(vq, sg, data, null_mut(), AddParams::new(num, gfp)) }
}

/// Adds a list to write, parts of which share cache lines with others that are mapped.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_add_inbuf_cache_clean(
    vq: *mut virtqueue,
    sg: *mut scatterlist,
    num: c_uint,
    data: *mut c_void,
    gfp: gfp_t,
) -> c_int {
    // SAFETY: As `virtqueue_add_inbuf`: a queue whose caller serialises, and a well-formed list.
    unsafe {
        add::<true>(
            vq,
            sg,
            data,
            null_mut(),
            AddParams {
                clean: true,
                ..AddParams::new(num, gfp)
            },
        )
    }
}

/// Adds a list to write, with a context that comes back with it.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_add_inbuf_ctx(
    vq: *mut virtqueue,
    sg: *mut scatterlist,
    num: c_uint,
    data: *mut c_void,
    ctx: *mut c_void,
    gfp: gfp_t,
) -> c_int {
    // SAFETY: As `virtqueue_add_inbuf`: a queue whose caller serialises, and a well-formed list.
    unsafe { add::<true>(vq, sg, data, ctx, AddParams::new(num, gfp)) }
}

/// Adds a list to write that the driver mapped, with a context that comes back with it.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_add_inbuf_premapped(
    vq: *mut virtqueue,
    sg: *mut scatterlist,
    num: c_uint,
    data: *mut c_void,
    ctx: *mut c_void,
    gfp: gfp_t,
) -> c_int {
    // SAFETY: As `virtqueue_add_inbuf`, with a list that the driver mapped, which `premapped` says.
    unsafe {
        add::<true>(
            vq,
            sg,
            data,
            ctx,
            AddParams {
                premapped: true,
                ..AddParams::new(num, gfp)
            },
        )
    }
}
