// SPDX-License-Identifier: GPL-2.0

//! Multi-queue block drivers.
//!
//! A driver implements [`Operations`], creates a [`TagSet`], and with that a
//! [`GenDisk`](crate::GenDisk).
//!
//! A request goes through these types, each of which owns it:
//!
//! 1. [`IdleRequest`]: the block layer passes the request to the driver;
//! 2. [`Request`]: the driver has [started](IdleRequest::start) the request. The driver owns it,
//!    also while a device has it;
//! 3. [`Request::complete`] passes the request to [`Operations::complete`] on the right CPU, which
//!    checks the status and [ends](Request::end) the request.
//!
//! [`Operations::queue_rq`] can [reject](Request::reject) a request, before and after it is
//! started. A request that is dropped ends with [`Status::IOERR`], so no request is ever lost.
//!
//! Each request has an [`Operations::RequestData`], which is created with the tag set and kept
//! between uses.

mod hw_queue;
mod info;
mod late;
mod list;
mod op;
mod operations;
mod rejected;
mod request;
mod segments;
mod started;
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

pub(crate) use self::{
    operations::OperationsVTable,
    started::any_started, //
};

use crate::bindings;
#[cfg(doc)]
use crate::Status;

/// Returns the number of hardware queues that a driver should have, at most `max` (0 for no limit),
/// and at most one for each possible CPU. Process context.
pub fn num_possible_queues(max: u32) -> u32 {
    // SAFETY: Takes any number.
    unsafe { bindings::blk_mq_num_possible_queues(max) }
}
