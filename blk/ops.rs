// SPDX-License-Identifier: GPL-2.0

//! The operations that the block layer calls.

use crate::{
    geometry,
    header::{
        self,
        Type,
        HEADER_LEN,
        IN_HEADER_LEN,
        RANGE_LEN,
        STATUS_LEN, //
    },
    queue::Slot,
    setup::QueueSplit,
    shared::Shared,
    status,
    BlkModule, //
};
use blk_buffers::{
    Command,
    RequestBuffer, //
};
use blockdev::{
    mq::{
        CompletionBatch,
        HwQueue,
        IdleRequest,
        LateRequest,
        Op,
        Operations,
        QueueKind,
        QueueMaps,
        Rejected,
        Request,
        RequestList, //
    },
    Disk,
    Geometry,
    Status, //
};
use kernel::{
    prelude::*,
    sync::Mutex, //
};
use virtio::{
    Endian,
    QueueHandle, //
};

/// The driver, of devices ([`virtio::Driver`]) and of disks ([`Operations`]).
pub(crate) struct Blk;

/// A request as the device sees it, kept with each request.
pub(crate) type BlkCommand = Command<HEADER_LEN, IN_HEADER_LEN, [u8; RANGE_LEN]>;

/// A buffer of a virtqueue of the driver.
pub(crate) type BlkBuffer = RequestBuffer<Blk>;

/// The map that decides which CPU uses which queue.
#[pin_data]
pub(crate) struct QueueMap {
    pub(crate) split: QueueSplit,
    /// The queues with an interrupt, while the tag set is made.
    #[pin]
    pub(crate) handles: Mutex<KVec<QueueHandle>>,
}

#[vtable]
impl Operations for Blk {
    type Module = BlkModule;
    type TagSetData = Pin<KBox<QueueMap>>;
    type DiskData = Shared;
    type HwData = Slot;
    type RequestData = BlkCommand;

    fn new_request_data(_set: &Self::TagSetData) -> BlkCommand {
        Command::new()
    }

    fn hw_data(shared: &Shared, index: usize) -> Option<&Slot> {
        shared.slot(index).map(|slot| slot.get_ref())
    }

    #[inline]
    fn queue_rq(
        hw: &HwQueue<Self>,
        rq: IdleRequest<Self>,
        last: bool,
    ) -> Result<(), Rejected<Self>> {
        let slot = hw.data();
        match prepare(slot, rq) {
            Ok(rq) => slot.add(hw, rq.start(), last),
            Err((rq, status)) => Err(rq.reject(status)),
        }
    }

    fn queue_rqs(shared: &Shared, list: &mut RequestList<IdleRequest<Self>>) {
        let mut left = RequestList::new();
        while let Some(index) = list.front().map(|rq| rq.hw_queue().index()) {
            let Some(slot) = shared.slot(index) else {
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
                match prepare(&slot, rq) {
                    Ok(rq) => batch.push_back(rq.start()),
                    // Queued by itself, it can return the status.
                    Err((rq, _)) => left.push_back(rq),
                }
            }
            slot.add_all(&mut batch);
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
        let status = finish(&mut rq);
        rq.end(status);
    }

    fn timeout(shared: &Shared, late: &LateRequest<'_, Self>) {
        shared.late(late);
    }

    fn poll(hw: &HwQueue<Self>, batch: &mut CompletionBatch<'_, Self>) -> u32 {
        hw.data().poll(batch)
    }

    fn map_queues(set: &Self::TagSetData, maps: &mut QueueMaps<'_>) {
        let (default, poll) = (set.split.default.into(), set.split.poll.into());
        let handles = set.handles.lock();
        // What was asked for is what the set was made with, so none of this can fail.
        let _ = if handles.is_empty() {
            maps.spread(QueueKind::Default, 0, default)
        } else {
            let masks = handles.iter().map(|queue| queue.affinity());
            maps.follow(QueueKind::Default, 0, masks)
        };
        if maps.has(QueueKind::Poll) {
            // No queue of its own: reads go with the rest.
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

/// Lays out a request for the device.
///
/// # Errors
///
/// The request, and why it cannot be queued.
#[inline(always)]
fn prepare(
    slot: &Slot,
    mut rq: IdleRequest<Blk>,
) -> Result<IdleRequest<Blk>, (IdleRequest<Blk>, Status)> {
    let Some(kind) = Type::of_data(rq.op()) else {
        return match prepare_other(slot.endian, rq) {
            (rq, Status::OK) => Ok(rq),
            (rq, status) => Err((rq, status)),
        };
    };
    let header = header::header(slot.endian, kind, rq.ioprio(), rq.sector());
    rq.data_mut().set_header(header);
    BlkCommand::prepare(&mut rq, STATUS_LEN, slot.strict);
    Ok(rq)
}

/// Lays out a request that neither reads nor writes.
///
/// Returns it with [`Status::OK`], or with why it cannot be queued: in registers, so that nothing
/// has to be in memory for those that do.
#[cold]
fn prepare_other(endian: Endian, mut rq: IdleRequest<Blk>) -> (IdleRequest<Blk>, Status) {
    let (kind, flags) = match rq.op() {
        Op::FLUSH => (Type::FLUSH, 0),
        // The sender of the request has set its header.
        Op::DRV_IN => {
            BlkCommand::prepare(&mut rq, STATUS_LEN, false);
            return (rq, Status::OK);
        }
        Op::DISCARD => (Type::DISCARD, 0),
        Op::WRITE_ZEROES if rq.is_no_unmap() => (Type::WRITE_ZEROES, 0),
        Op::WRITE_ZEROES => (Type::WRITE_ZEROES, header::RANGE_UNMAP),
        Op::SECURE_ERASE => (Type::SECURE_ERASE, 0),
        // No device of this driver has zones.
        Op::ZONE_OPEN | Op::ZONE_CLOSE | Op::ZONE_FINISH | Op::ZONE_RESET | Op::ZONE_RESET_ALL => {
            return (rq, Status::NOTSUPP)
        }
        // The block layer makes only what the limits let it.
        _ => return (rq, Status::IOERR),
    };
    let header = header::header(endian, kind, rq.ioprio(), 0);
    rq.data_mut().set_header(header);
    if kind == Type::FLUSH {
        BlkCommand::prepare(&mut rq, STATUS_LEN, false);
        return (rq, Status::OK);
    }
    let ranges = BlkCommand::prepare_ranges(&mut rq, STATUS_LEN, |sector, sectors| {
        header::range(sector, sectors, flags)
    });
    match ranges {
        Ok(()) => (rq, Status::OK),
        Err(_) => (rq, Status::RESOURCE),
    }
}

/// Looks how a request went, once the device is done with it.
#[inline(always)]
pub(crate) fn finish(rq: &mut Request<Blk>) -> Status {
    let command = rq.data_mut();
    match status::from_device(command.status()) {
        Status::OK if command.is_whole() => Status::OK,
        status => finish_other(command, status),
    }
}

/// Looks how a request went that has something to drop, or not well.
#[cold]
fn finish_other(command: &mut BlkCommand, status: Status) -> Status {
    let status = match status {
        // Success, but the device does not say that it wrote the data: what is there may be what
        // was in memory before.
        Status::OK if command.is_short() => Status::IOERR,
        status => status,
    };
    command.finish();
    status
}
