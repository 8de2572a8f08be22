// SPDX-License-Identifier: GPL-2.0

//! Multi-queue block drivers.
//!
//! A driver implements [`Operations`], makes a [`TagSet`] and a [`GenDisk`](crate::GenDisk) of
//! it, and gets requests.
//!
//! A request goes through these types, each of which owns it:
//!
//! 1. [`IdleRequest`]: the block layer asks for it to be queued;
//! 2. [`Request`]: the driver has [started](IdleRequest::start) it, and holds it, or a device
//!    does for the driver;
//! 3. [`Request::complete`] hands it to [`Operations::complete`] on the right CPU, which checks the
//!    status and [ends](Request::end) it.
//!
//! At any point before its end the driver can [reject](Request::reject) it from
//! [`Operations::queue_rq`]. A request that is dropped ends with [`Status::IOERR`], so none is
//! ever lost.
//!
//! Each request has room for [`Operations::RequestData`], made once when the tag set is made and
//! kept between uses.

mod hw_queue;
mod info;
mod late;
mod list;
mod op;
mod operations;
mod rejected;
mod request;
mod segments;
mod tag_set;

pub use self::{
    hw_queue::HwQueue,
    info::RequestInfo,
    late::LateRequest,
    list::{
        CompletionBatch,
        RequestList,
        RequestStack, //
    },
    op::Op,
    operations::Operations,
    rejected::Rejected,
    request::{
        IdleRequest,
        Request, //
    },
    segments::{
        Segment,
        Segments, //
    },
    tag_set::{
        QueueKind,
        QueueMaps,
        TagSet, //
    },
};

pub(crate) use self::operations::OperationsVTable;

use crate::bindings;
#[cfg(doc)]
use crate::Status;

/// Returns the number of hardware queues that a driver should make, given how many it can: no more
/// than there are CPUs that may be used. Process context.
pub fn num_possible_queues(max: u32) -> u32 {
    // SAFETY: Takes any number.
    unsafe { bindings::blk_mq_num_possible_queues(max) }
}
