// SPDX-License-Identifier: GPL-2.0

//! Names that the examples in the documentation use, of things that each driver has.

#[path = "../refused/common/no_module.rs"]
mod no_module;

use blockdev::{
    mq::{
        HwQueue,
        IdleRequest,
        Operations,
        Rejected,
        Request, //
    },
    Status, //
};
use kernel::{
    device::Core,
    prelude::*, //
};
pub use no_module::NoModule;
use virtio::{
    Device,
    DeviceId,
    Driver,
    IdTable,
    Scope, //
};

/// A driver.
pub struct MyDriver;

virtio::virtio_device_table!(ID_TABLE, [DeviceId::RNG]);

impl Driver for MyDriver {
    type Data<'bound> = ();
    const ID_TABLE: IdTable = &ID_TABLE;

    fn probe<'bound>(
        _dev: &'bound Device<Core<'_>>,
        _scope: Scope<'bound>,
    ) -> impl PinInit<(), Error> + 'bound {
        Ok::<(), Error>(())
    }
}

/// The disks of a driver.
pub struct MyDisk;

#[vtable]
impl Operations for MyDisk {
    type Module = NoModule;
    type OwnerModule = NoModule;
    type TagSetData = ();
    type DiskData = ();
    type HwData = ();
    type RequestData = ();

    fn new_request_data(_set: &()) {}

    fn hw_data(disk: &(), _index: usize) -> Option<&()> {
        Some(disk)
    }

    fn queue_rq(
        _hw: &HwQueue<Self>,
        rq: IdleRequest<Self>,
        _last: bool,
    ) -> Result<(), Rejected<Self>> {
        Err(rq.reject(Status::IOERR))
    }

    fn commit_rqs(_hw: &HwQueue<Self>) {}

    fn complete(rq: Request<Self>) {
        rq.end(Status::OK);
    }
}
