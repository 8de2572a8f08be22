// SPDX-License-Identifier: GPL-2.0

//! The kernel's ring, through the functions that it exports.

use crate::{
    device::{self, Device},
    Arena, Features, Ring, DATA, SIZE,
};
use std::ffi::c_void;

/// A queue of `c/ring.c`.
#[repr(C)]
struct Rb(c_void);

extern "C" {
    fn rb_new(
        num: u32,
        features: u64,
        header: *mut c_void,
        data: *mut c_void,
        len: u32,
        status: *mut c_void,
    ) -> *mut Rb;
    fn rb_desc(rb: *mut Rb) -> *mut c_void;
    fn rb_avail(rb: *mut Rb) -> *mut c_void;
    fn rb_used(rb: *mut Rb) -> *mut c_void;
    fn rb_add3(rb: *mut Rb, token: *mut c_void) -> i32;
    fn rb_add1(rb: *mut Rb, token: *mut c_void) -> i32;
    fn rb_kick_prepare(rb: *mut Rb) -> bool;
    fn rb_get(rb: *mut Rb, len: *mut u32) -> *mut c_void;
    fn rb_disable_cb(rb: *mut Rb);
    fn rb_enable_cb(rb: *mut Rb) -> bool;
    fn rb_interrupt(rb: *mut Rb) -> bool;
}

/// A queue, which is never given back.
pub struct CRing(*mut Rb);

/// A ring and its device.
pub fn ring(features: Features) -> (CRing, Device) {
    let arena = Arena::new(3 * 4096);
    let [header, data, status] = [0, 4096, 8192].map(|offset| arena.ptr(offset).as_ptr());
    // SAFETY: The memory is never given back.
    let rb = unsafe { rb_new(SIZE.into(), features.bits(), header, data, DATA, status) };
    // SAFETY: The queue exists.
    let (avail, used) = unsafe { (rb_avail(rb), rb_used(rb)) };
    let device = if features.packed {
        // SAFETY: The queue exists.
        let desc = unsafe { rb_desc(rb) };
        Device::Packed(device::Packed {
            desc: desc.cast(),
            event: used.cast(),
            size: SIZE,
            event_idx: features.event_idx,
            slot: 0,
            wrap: true,
        })
    } else {
        Device::Split(device::Split {
            avail: avail.cast(),
            used: used.cast(),
            size: SIZE,
            event_idx: features.event_idx,
            next: 0,
        })
    };
    (CRing(rb), device)
}

impl Ring for CRing {
    #[inline(always)]
    fn add3(&mut self, token: usize) {
        // The ring wants no null.
        // SAFETY: The queue exists, and only the caller uses it.
        if unsafe { rb_add3(self.0, (token + 1) as *mut c_void) } != 0 {
            panic!("full");
        }
    }

    #[inline(always)]
    fn add1(&mut self, token: usize) {
        // SAFETY: The queue exists, and only the caller uses it.
        if unsafe { rb_add1(self.0, (token + 1) as *mut c_void) } != 0 {
            panic!("full");
        }
    }

    #[inline(always)]
    fn kick(&mut self) -> bool {
        // SAFETY: The queue exists, and only the caller uses it.
        unsafe { rb_kick_prepare(self.0) }
    }

    #[inline(always)]
    fn get(&mut self) -> Option<usize> {
        let mut len = 0;
        // SAFETY: The queue exists, and only the caller uses it.
        let token = unsafe { rb_get(self.0, &mut len) };
        (!token.is_null()).then(|| token as usize - 1)
    }

    #[inline(always)]
    fn disable_cb(&mut self) {
        // SAFETY: The queue exists, and only the caller uses it.
        unsafe { rb_disable_cb(self.0) };
    }

    #[inline(always)]
    fn enable_cb(&mut self) -> bool {
        // SAFETY: The queue exists, and only the caller uses it.
        unsafe { rb_enable_cb(self.0) }
    }

    #[inline(always)]
    fn interrupt(&mut self) -> bool {
        // SAFETY: The queue exists, and only the caller uses it.
        unsafe { rb_interrupt(self.0) }
    }
}
