// SPDX-License-Identifier: GPL-2.0

//! Tracepoints. Each is a no-op while it is disabled.
//!
//! C header: `trace.h`, which documents each tracepoint.

use crate::bindings::{
    self,
    virtqueue, //
};

/// Defines functions, each of which traces if the tracepoint of its name is enabled.
///
/// PERF: The arguments come from a closure, so that they are read only if the tracepoint is
/// enabled: the compiler moves no read past the branch. That saves three instructions for a buffer
/// that is added, and one for each other event.
macro_rules! tracepoint {
    ($(fn $name:ident($tracepoint:ident, $call:ident $(, $arg:ident: $kind:ty)* $(,)?);)*) => {$(
        /// Traces an event. `event` returns its queue and the other arguments.
        ///
        /// # Safety
        ///
        /// The queue that `event` returns is valid.
        #[inline(always)]
        pub(crate) unsafe fn $name(event: impl FnOnce() -> (*const virtqueue, $($kind),*)) {
            #[cfg(CONFIG_TRACEPOINTS)]
            {
                // SAFETY: The key is that of the tracepoint, which C defined.
                let is_on = unsafe {
                    kernel::jump_label::static_branch_unlikely!(
                        bindings::$tracepoint,
                        bindings::tracepoint,
                        key
                    )
                };
                if is_on {
                    let (vq, $($arg),*) = event();
                    // SAFETY: By the safety requirements of this function, `vq` is a queue.
                    unsafe { bindings::$call(vq, $($arg),*) };
                }
            }
            #[cfg(not(CONFIG_TRACEPOINTS))]
            let _ = event;
        }
    )*};
}

tracepoint! {
    fn add(__tracepoint_vring_add, rust_do_trace_vring_add, id: u32, segments: u32, free: u32);
    fn kick(__tracepoint_vring_kick, rust_do_trace_vring_kick, notify: bool);
    fn get_buf(__tracepoint_vring_get_buf, rust_do_trace_vring_get_buf, id: u32, len: u32);
    fn callback(__tracepoint_vring_callback, rust_do_trace_vring_callback);
    fn broken(
        __tracepoint_vring_broken,
        rust_do_trace_vring_broken,
        reason: u32,
        value: u32,
        limit: u32
    );
}
