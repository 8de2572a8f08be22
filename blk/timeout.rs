// SPDX-License-Identifier: GPL-2.0

//! Requests that were not answered in time.

use crate::{
    disk_data::DiskData,
    health::Phase,
    Blk, //
};
use blockdev::mq::{
    LateRequest,
    Op, //
};

/// The largest number of timeouts of a request while the device ends others.
const MAX_ROUNDS: u32 = 10;
/// The time for a flush, discard, write of zeroes or secure erase, in first timeouts: five minutes
/// with a timeout of 30 s.
const LONG_TIMEOUTS: u32 = 10;
/// The largest number of timeouts of such a request, if the first one is longer: it lasts five
/// minutes more.
const MAX_LONG_ROUNDS: u32 = 60;

/// Handles a request that was not answered in time.
///
/// The interrupt may have been lost, so the queue of the request is checked first. If there is no
/// answer, the notification may have been lost. So the device is notified once more, and the
/// request gets another timeout: one, or more if the device may be busy with [long
/// operations](Op::is_long) or other requests. After that, the [recovery](crate::recovery) is
/// scheduled.
pub(crate) fn handle(disk_data: &DiskData, late: &LateRequest<'_, Blk>) {
    let hw = late.hw_queue();
    let queue = hw.data();
    queue.recheck();
    if !late.is_pending() {
        return;
    }
    if is_patient(disk_data, late) {
        queue.renotify();
    } else {
        queue.set_stuck(true);
        queue.schedule_recovery();
    }
}

/// Whether a late request gets another timeout.
fn is_patient(disk_data: &DiskData, late: &LateRequest<'_, Blk>) -> bool {
    let rounds = late.rounds();
    // Called each time, because it notes the number of requests that have ended.
    let busy = disk_data.health.makes_progress(late.ended_so_far());
    match disk_data.health.phase() {
        Phase::Suspended => true,
        // The watch decides when the device is silent.
        Phase::Removing if late.counts_ended() => true,
        // An honest device may take minutes for such an operation. A restart would fail a flush,
        // and repeat the others, which would be late again.
        _ if late.op().is_long() => late.timeouts() < LONG_TIMEOUTS && rounds < MAX_LONG_ROUNDS,
        // A device that is slow at its first request, such as one whose host has just started,
        // would not be used: the binding is not tried again.
        Phase::Probing => rounds < MAX_ROUNDS,
        // A request for the identification string. Its reader has left, so it may take long, but
        // code that freezes the queue waits for it.
        Phase::Running if late.op() == Op::DRV_IN => rounds < MAX_ROUNDS,
        // During a flush, many devices answer nothing else.
        _ => rounds == 0 || rounds < MAX_ROUNDS && (busy || late.any_outstanding(Op::is_long)),
    }
}
