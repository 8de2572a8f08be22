// SPDX-License-Identifier: GPL-2.0

//! Interfaces of virtio devices.

use kernel::{
    prelude::*,
    sync::Arc, //
};
use netdev::{
    NewDevice,
    Operations, //
};
use virtio::{
    Hold,
    Scope, //
};

/// Makes an interface below the device of `scope`, as [`NewDevice::new`] does.
///
/// The data and the states may borrow for the time of the binding, which does not end before the
/// interface is dropped. Process context, sleeps.
///
/// # Errors
///
/// `ENOMEM`, and those of `queue`.
pub fn new_interface<'bound, T>(
    scope: Scope<'bound>,
    data: impl PinInit<T, Error>,
    pairs: usize,
    weight: i32,
    queue: impl Fn(usize) -> Result<(Arc<T::Pair>, T::Rx, T::Tx)>,
) -> Result<NewDevice<T>>
where
    T: Operations<Hold = Hold> + 'bound,
{
    let parent = scope.dev().as_ref();
    // The reset of a device in software waits for work on workqueues without a rescuer, as that of
    // VDUSE does.
    let rescuer = !scope.dev().is_mapped_by_transport();
    // SAFETY: Everything that `T` borrows outlives `'bound`. Such a borrow is valid as long as a
    // hold exists (type invariant of `Scope`), and the interface keeps the hold.
    unsafe { NewDevice::new(scope.hold(), parent, data, rescuer, pairs, weight, queue) }
}
