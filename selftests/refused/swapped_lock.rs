// SPDX-License-Identifier: GPL-2.0

//! The evidence of a lock takes the place of other evidence.

use core::mem::swap;
use netdev::{
    DevLock,
    Rtnl, //
};

/// The evidence outlives the lock.
pub fn exchange(lock: &mut DevLock, rtnl: &mut Rtnl) {
    swap::<DevLock>(lock, rtnl); //~ E0277
}

fn elsewhere<T: Send>(_value: T) {}

/// Another thread uses it.
pub fn send(lock: &'static mut DevLock) {
    elsewhere(lock); //~ E0277
}
