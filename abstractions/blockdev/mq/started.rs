// SPDX-License-Identifier: GPL-2.0

//! The operations of all outstanding requests.

use super::{
    op::OP_MASK,
    Op, //
};
use crate::bindings;
use core::ffi::c_void;

/// A predicate, and whether it has held.
struct Search<F> {
    f: F,
    found: bool,
}

/// Whether `f` holds for the operation of an outstanding request: one that the driver was given and
/// has not ended. Requests that begin or end during the call may be left out.
///
/// # Safety
///
/// `set` is an allocated tag set during the call.
pub(crate) unsafe fn any_started<F: FnMut(Op) -> bool>(
    set: *mut bindings::blk_mq_tag_set,
    f: F,
) -> bool {
    let mut search = Search { f, found: false };
    // SAFETY: By the safety requirements. The callback gets the search, which outlives the call.
    unsafe {
        bindings::blk_mq_tagset_busy_iter(
            set,
            Some(look_at::<F>),
            (&raw mut search).cast::<c_void>(),
        )
    };
    search.found
}

/// Looks at a request. Returns whether to go on.
///
/// # Safety
///
/// Called by the block layer, with a started request whose tag is not used for another request
/// during the call, and with a `Search<F>` that no other code uses.
unsafe extern "C" fn look_at<F: FnMut(Op) -> bool>(
    rq: *mut bindings::request,
    search: *mut c_void,
) -> bool {
    // SAFETY: By the safety requirements, this is the search, and no other code uses it.
    let search = unsafe { &mut *search.cast::<Search<F>>() };
    // SAFETY: By the safety requirements, the request is valid. The block layer reads the word
    // without a lock, too.
    let flags = unsafe { (&raw const (*rq).cmd_flags).read_volatile() };
    search.found = (search.f)(Op::from_raw(flags & OP_MASK));
    !search.found
}
