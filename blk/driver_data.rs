// SPDX-License-Identifier: GPL-2.0

//! State that the driver keeps of a bound device.

use crate::{
    recovery::Recovery,
    shared::Shared,
    Blk, //
};
use blockdev::{
    GenDisk,
    Registration, //
};
use kernel::{
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};

/// The state that the driver keeps of a bound device.
#[pin_data]
pub(crate) struct Data {
    /// Follows what the device brings up. Ends first.
    pub(crate) recovery: Arc<Recovery>,
    /// The disk before user space.
    #[pin]
    pub(crate) registration: Mutex<Option<Registration<Blk>>>,
    pub(crate) disk: Arc<GenDisk<Blk>>,
    pub(crate) shared: Arc<Shared>,
}
