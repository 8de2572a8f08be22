// SPDX-License-Identifier: GPL-2.0

//! A count of references, whose owner waits for the last of them.

use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Full, //
        },
        Completion, //
    },
};

/// A count of references.
#[pin_data]
pub(crate) struct References {
    /// Number of references, plus one for the owner until it [waits](References::wait).
    count: Atomic<i32>,
    /// Completed when `count` reaches zero.
    #[pin]
    none: Completion,
}

impl References {
    /// Returns a count without references.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            count: Atomic::new(1),
            none <- Completion::new(),
        })
    }

    /// Counts a reference.
    pub(crate) fn get(&self) {
        self.count.fetch_add(1, Full);
    }

    /// Drops a reference. Returns whether there is none left, and no owner.
    pub(crate) fn put(&self) -> bool {
        let last = self.count.fetch_sub(1, Full) == 1;
        if last {
            self.none.complete_all();
        }
        last
    }

    /// Waits until there is no reference. Calls `waits` before that if there is one. Called once,
    /// by the owner, when no reference can be made any longer. Process context, sleeps.
    pub(crate) fn wait(&self, waits: impl FnOnce()) {
        if !self.put() {
            waits();
        }
        self.none.wait_for_completion();
    }
}
