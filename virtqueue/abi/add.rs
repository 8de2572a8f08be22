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

/// Publishes an added buffer to the device, and returns the result for C. `reads` says whether the
/// device reads a part of the buffer.
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

/// Returns whether allocations may sleep.
fn may_sleep(gfp: gfp_t) -> bool {
    gfp & (1 << bindings::___GFP_DIRECT_RECLAIM_BIT) != 0
}

/// The parameters of an add, without its memory.
///
/// PERF: It fits into a register, so that the functions below have at most as many arguments as
/// there are argument registers, and are entered by a jump.
#[derive(Clone, Copy)]
struct AddParams {
    segments: u32,
    /// The device writes the memory. Otherwise the device reads it.
    write: bool,
    /// The driver mapped the memory.
    premapped: bool,
    /// Parts of the memory share cache lines with other mapped memory.
    clean: bool,
    /// Allocations of the add may sleep.
    sleeps: bool,
}

impl AddParams {
    /// Returns the parameters of a list that the device reads, and that the driver did not map.
    fn new(segments: u32, gfp: gfp_t) -> Self {
        Self {
            segments,
            write: false,
            premapped: false,
            clean: false,
            sleeps: may_sleep(gfp),
        }
    }

    /// Returns the attributes of the mappings.
    fn attrs(self) -> usize {
        if self.clean {
            DMA_ATTR_DEBUGGING_IGNORE_CACHELINES as usize
        } else {
            0
        }
    }
}

/// Adds one segment, at an address that the device uses.
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
    // SAFETY: By the safety requirements, `sg` starts a well-formed list, which exists as long as
    // `list`.
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
/// `sg` meets the requirements of [`List::new`].
unsafe fn add_one<const WRITE: bool, F: Format<Platform = Kernel>>(
    ring: RingRef<'_, F>,
    token: RawToken,
    sg: *mut scatterlist,
    params: AddParams,
) -> c_int {
    // SAFETY: `sg` meets the requirements of `List::new`, and is a list of one segment.
    unsafe {
        if !params.premapped && ring.needs_mapping() {
            return add_with_mappings::<WRITE, _>(ring, token, sg, params.attrs());
        }
        let segment = segment(sg, params.premapped);
        add_single::<WRITE, _>(ring, token, segment.phys(WRITE), segment.len())
    }
}

/// Adds a list that the device writes or reads, as `WRITE` says. All else is as in `params`.
///
/// # Safety
///
/// `vq` is a queue of this ring that the caller serialises. `sg` meets the requirements of
/// [`List::new`].
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
    // SAFETY: By the safety requirements, `sg` meets those of `List::new`.
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
    // SAFETY: By the safety requirements, there are `all` lists from `sgs` on. Each is well-formed,
    // and exists as long as `lists`.
    let lists = unsafe { Lists::new(sgs, out, all) };
    let token = RawToken::new(data, null_mut());
    let added = match (token, u16::try_from(lists.count())) {
        (Some(token), Ok(segments)) => ring.add(token, segments, &lists, 0),
        _ => Err(EINVAL),
    };
    done(&mut ring, added, out != 0)
}

/// Adds lists that the device reads, and lists that it writes.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_add_sgs(
    vq: *mut virtqueue,
    sgs: *mut *mut scatterlist,
    out_sgs: c_uint,
    in_sgs: c_uint,
    data: *mut c_void,
    gfp: gfp_t,
) -> c_int {
    // SAFETY: By the contract of `virtqueue_add_sgs`, `vq` is a queue whose caller serialises.
    let exclusive = unsafe { Queue::from_raw(vq).exclusive() };
    // OVERFLOW: Memory does not have room for that many lists.
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

/// Adds a list that the device reads.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_add_outbuf(
    vq: *mut virtqueue,
    sg: *mut scatterlist,
    num: c_uint,
    data: *mut c_void,
    gfp: gfp_t,
) -> c_int {
    // SAFETY: kernel-doc of `virtqueue_add_outbuf`: `vq` is a queue whose caller serialises, and
    // `sg` is a well-formed list that exists during the call.
    unsafe { add::<false>(vq, sg, data, null_mut(), AddParams::new(num, gfp)) }
}

/// Adds a list that the device reads and that the driver mapped.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_add_outbuf_premapped(
    vq: *mut virtqueue,
    sg: *mut scatterlist,
    num: c_uint,
    data: *mut c_void,
    gfp: gfp_t,
) -> c_int {
    // SAFETY: As in `virtqueue_add_outbuf`. The driver mapped the list, as `premapped` says.
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

/// Adds a list that the device writes.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_add_inbuf(
    vq: *mut virtqueue,
    sg: *mut scatterlist,
    num: c_uint,
    data: *mut c_void,
    gfp: gfp_t,
) -> c_int {
    // SAFETY: kernel-doc of `virtqueue_add_inbuf`: `vq` is a queue whose caller serialises, and
    // `sg` is a well-formed list that exists during the call.
    unsafe { add::<true>(vq, sg, data, null_mut(), AddParams::new(num, gfp)) }
}

/// Adds a list that the device writes. Parts of it share cache lines with other mapped memory.
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

/// Adds a list that the device writes, with a context that comes back with the buffer.
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

/// Adds a list that the device writes and that the driver mapped, with a context that comes back
/// with the buffer.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_add_inbuf_premapped(
    vq: *mut virtqueue,
    sg: *mut scatterlist,
    num: c_uint,
    data: *mut c_void,
    ctx: *mut c_void,
    gfp: gfp_t,
) -> c_int {
    // SAFETY: As in `virtqueue_add_inbuf`. The driver mapped the list, as `premapped` says.
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
