// SPDX-License-Identifier: GPL-2.0

//! Messages to the user who asks for a configuration by netlink.

use crate::bindings;
use core::marker::PhantomData;
use kernel::prelude::*;

/// The place for a message, C `struct netlink_ext_ack`.
///
/// # Invariants
///
/// `ack` is null, or valid for `'a` and used by no other code.
pub struct ExtAck<'a> {
    ack: *mut bindings::netlink_ext_ack,
    _ack: PhantomData<&'a mut bindings::netlink_ext_ack>,
}

impl ExtAck<'_> {
    /// # Safety
    ///
    /// `ack` is null, or valid for the life of the result and used by no other code.
    pub(crate) unsafe fn from_raw(ack: *mut bindings::netlink_ext_ack) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            ack,
            _ack: PhantomData,
        }
    }

    /// Sets the message, which replaces an earlier one. It begins with the name of the module (C:
    /// `NL_SET_ERR_MSG_MOD`).
    pub fn set(&mut self, message: &'static CStr) {
        // SAFETY: `ack` is null or valid (type invariant), and the message is constant.
        unsafe { bindings::rust_ext_ack_set(self.ack, message.as_char_ptr()) };
    }
}
