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

/// Handles a request that was not answered in time.
///
/// The interrupt may have been lost, so the queue of the request is checked first. If there is no
/// answer, the notification may have been lost. So the device is notified once more, and the
/// request gets another timeout: one, or more while the device ends other requests. After that, the
/// [recovery](crate::recovery) is scheduled.
pub(crate) fn handle(disk_data: &DiskData, late: &LateRequest<'_, Blk>) {
    let hw = late.hw_queue();
    let queue = hw.data();
    queue.recheck();
    if !late.is_pending() {
        return;
    }
    let busy = disk_data.health.makes_progress(late.ended_so_far());
    let patient = match (disk_data.health.phase(), late.rounds()) {
        // A request for the identification string. Its reader has left, so it may take long, but
        // code that freezes the queue waits for it.
        (Phase::Running, rounds) if late.op() == Op::DRV_IN => rounds < MAX_ROUNDS,
        (Phase::Suspended, _) => true,
        (Phase::Removing, rounds) => busy && rounds < MAX_ROUNDS,
        (_, rounds) => rounds == 0 || busy && rounds < MAX_ROUNDS,
    };
    if patient {
        queue.renotify();
    } else {
        queue.set_stuck(true);
        queue.schedule_recovery();
    }
}
