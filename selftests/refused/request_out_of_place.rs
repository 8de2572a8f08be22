// SPDX-License-Identifier: GPL-2.0

//! A request of the block layer, or what is lent with it, is used after it or elsewhere.

#[path = "common/no_module.rs"]
mod no_module;

extern crate blockdev;

use blockdev::{
    disk::Frozen,
    mq::{
        CompletionBatch,
        HwQueue,
        IdleRequest,
        Operations,
        Rejected,
        Request,
        RequestInfo, //
    },
    Disk,
    Status, //
};
use kernel::prelude::*;
use no_module::NoModule;

/// A driver.
pub struct Blk;

#[vtable]
impl Operations for Blk {
    type Module = NoModule;
    type OwnerModule = NoModule;
    type TagSetData = ();
    type DiskData = ();
    type HwData = ();
    type RequestData = u32;

    fn new_request_data(_set: &()) -> u32 {
        0
    }

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

/// A request ends twice.
pub fn end(rq: Request<Blk>) {
    rq.end(Status::OK);
    rq.end(Status::OK); //~ E0382
}

/// One ends that was put back.
pub fn requeue(rq: Request<Blk>) {
    rq.requeue();
    rq.end(Status::OK); //~ E0382
}

/// One is given to a batch and looked at.
pub fn batch(rq: Request<Blk>, batch: &mut CompletionBatch<'_, Blk>) -> u64 {
    batch.end(rq, Status::OK);
    rq.sector() //~ E0382
}

/// Its data is kept beyond its end.
pub fn data(mut rq: Request<Blk>) {
    let data = rq.data_mut();
    rq.end(Status::OK); //~ E0505
    *data = 1;
}

/// The request's word on itself is kept.
pub fn info(rq: &Request<Blk>) -> &'static RequestInfo<Blk> {
    rq //~ lifetime may not live long enough
}

/// One that was not started is completed.
pub fn idle(rq: IdleRequest<Blk>) {
    rq.complete(); //~ E0599
}

/// The batch of a caller is kept.
pub fn keep<'a>(batch: CompletionBatch<'a, Blk>) -> CompletionBatch<'static, Blk> {
    batch //~ lifetime may not live long enough
}

fn elsewhere<T: Send>(_value: T) {}

/// A disk is released by another thread than the one that froze it.
pub fn send(disk: &Disk<Blk>) {
    let frozen: Frozen<'_, Blk> = disk.freeze();
    elsewhere(frozen); //~ E0277
}
