// SPDX-License-Identifier: GPL-2.0

//! The operations that the block layer calls.

use crate::{
    disk_data::DiskData,
    geometry,
    queue::LockedQueue,
    queues::QueueMap,
    request::{
        prepare,
        take_status,
        BlkCommand, //
    },
    timeout,
    Blk,
    BlkModule, //
};
use blk_buffers::Command;
use blockdev::{
    mq::{
        CompletionBatch,
        HwQueue,
        IdleRequest,
        LateRequest,
        Operations,
        QueueKind,
        QueueMaps,
        Rejected,
        Request,
        RequestList, //
    },
    Disk,
    Geometry, //
};
use kernel::prelude::*;

#[vtable]
impl Operations for Blk {
    type Module = BlkModule;
    type TagSetData = Pin<KBox<QueueMap>>;
    type DiskData = DiskData;
    type HwData = LockedQueue;
    type RequestData = BlkCommand;

    fn new_request_data(_set: &Self::TagSetData) -> BlkCommand {
        Command::new()
    }

    fn hw_data(disk_data: &DiskData, index: usize) -> Option<&LockedQueue> {
        disk_data.queue(index).map(|queue| queue.get_ref())
    }

    #[inline]
    fn queue_rq(
        hw: &HwQueue<Self>,
        rq: IdleRequest<Self>,
        last: bool,
    ) -> Result<(), Rejected<Self>> {
        let queue = hw.data();
        match prepare(queue.endian, queue.strict, rq) {
            Ok(rq) => queue.add(hw, rq.start(), last),
            Err((rq, status)) => Err(rq.reject(status)),
        }
    }

    fn queue_rqs(disk_data: &DiskData, list: &mut RequestList<IdleRequest<Self>>) {
        let mut left = RequestList::new();
        while let Some(index) = list.front().map(|rq| rq.hw_queue().index()) {
            let Some(queue) = disk_data.queue(index) else {
                break;
            };
            let mut batch = RequestList::new();
            while list
                .front()
                .is_some_and(|rq| rq.hw_queue().index() == index)
            {
                let Some(rq) = list.pop_front() else {
                    break;
                };
                match prepare(queue.endian, queue.strict, rq) {
                    Ok(rq) => batch.push_back(rq.start()),
                    // The block layer then queues this request by itself, and gets the status.
                    Err((rq, _)) => left.push_back(rq),
                }
            }
            queue.add_all(&mut batch);
        }
        while let Some(rq) = list.pop_front() {
            left.push_back(rq);
        }
        core::mem::swap(list, &mut left);
    }

    #[inline]
    fn commit_rqs(hw: &HwQueue<Self>) {
        hw.data().commit();
    }

    #[inline]
    fn complete(mut rq: Request<Self>) {
        let status = take_status(&mut rq);
        rq.end(status);
    }

    fn timeout(disk_data: &DiskData, late: &LateRequest<'_, Self>) {
        timeout::handle(disk_data, late);
    }

    fn poll(hw: &HwQueue<Self>, batch: &mut CompletionBatch<'_, Self>) -> u32 {
        hw.data().poll(batch)
    }

    fn map_queues(set: &Self::TagSetData, maps: &mut QueueMaps<'_>) {
        let (default, poll) = (set.split.default.into(), set.split.poll.into());
        let handles = set.handles.lock();
        // The tag set was made with these numbers, so none of these calls can fail.
        let _ = if handles.is_empty() {
            maps.spread(QueueKind::Default, 0, default)
        } else {
            let masks = handles.iter().map(|queue| queue.affinity());
            maps.follow(QueueKind::Default, 0, masks)
        };
        if maps.has(QueueKind::Poll) {
            // There are no separate queues for reads.
            let _ = maps.spread(QueueKind::Read, default, 0);
            let _ = maps.spread(QueueKind::Poll, default, poll);
        }
    }

    fn getgeo(disk: &Disk<Self>) -> Result<Geometry> {
        disk.data()
            .with_device(|dev| geometry::read(dev, disk.capacity()))
            .ok_or(ENXIO)?
    }
}
