// SPDX-License-Identifier: GPL-2.0

//! Writing a request for the device, and reading its status.

use crate::{
    header::{
        self,
        Type,
        HEADER_LEN,
        IN_HEADER_LEN,
        RANGE_LEN,
        STATUS_LEN, //
    },
    status,
    Blk, //
};
use blk_buffers::{
    Command,
    RequestBuffer, //
};
use blockdev::{
    mq::{
        IdleRequest,
        Op,
        Rejected,
        Request,
        RequestList, //
    },
    Status, //
};
use virtio::Endian;

/// A request as the device sees it, kept with each request.
pub(crate) type BlkCommand = Command<HEADER_LEN, IN_HEADER_LEN, [u8; RANGE_LEN]>;

/// A buffer of a virtqueue of the driver.
pub(crate) type BlkBuffer = RequestBuffer<Blk>;

/// Writes the header of a request, and its ranges, for the device.
///
/// # Errors
///
/// The request, and why it cannot be queued.
#[inline(always)]
pub(crate) fn prepare(
    endian: Endian,
    strict: bool,
    mut rq: IdleRequest<Blk>,
) -> Result<IdleRequest<Blk>, (IdleRequest<Blk>, Status)> {
    let Some(kind) = Type::of_data(rq.op()) else {
        return match prepare_other(endian, rq) {
            (rq, Status::OK) => Ok(rq),
            (rq, status) => Err((rq, status)),
        };
    };
    let header = header::header(endian, kind, rq.ioprio(), rq.sector());
    rq.data_mut().set_header(header);
    BlkCommand::prepare(&mut rq, STATUS_LEN, strict);
    Ok(rq)
}

/// As [`prepare`], for a request that is neither a read nor a write. Success is [`Status::OK`].
///
/// PERF: A pair is returned in registers. A `Result` of this size is returned in memory, and reads
/// and writes would have to use that memory, too: 5 instructions for each.
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
        // The block layer sends only operations that the limits allow.
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

/// Returns the status of a request that the device has answered.
#[inline(always)]
pub(crate) fn take_status(rq: &mut Request<Blk>) -> Status {
    let command = rq.data_mut();
    match status::from_device(command.status()) {
        Status::OK if command.is_whole() => Status::OK,
        status => take_status_slow(command, status),
    }
}

/// As [`take_status`], for requests that failed, are short, or have ranges.
#[cold]
fn take_status_slow(command: &mut BlkCommand, status: Status) -> Status {
    let status = match status {
        // The device reports success, but not that it has written the data. The memory may have its
        // old content.
        Status::OK if command.is_short() => Status::IOERR,
        status => status,
    };
    command.drop_ranges();
    status
}

/// Gives a request, which could not be added to the ring, back to the block layer, with a status.
#[cold]
pub(crate) fn reject(mut rq: Request<Blk>, status: Status) -> Rejected<Blk> {
    rq.data_mut().drop_ranges();
    rq.reject(status)
}

/// Ends all requests of a list with an I/O error.
pub(crate) fn fail_all(list: &mut RequestList<Request<Blk>>) {
    while let Some(mut rq) = list.pop_front() {
        rq.data_mut().drop_ranges();
        rq.end(Status::IOERR);
    }
}
