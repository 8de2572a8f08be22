// SPDX-License-Identifier: GPL-2.0

//! Requests that were not answered in time.

use crate::{
    shared::Shared,
    watch::Phase,
    Blk, //
};
use blockdev::mq::{
    LateRequest,
    Op, //
};

/// A late request of a device that works is waited for so many rounds.
const MOST_ROUNDS: u32 = 10;

/// A request was not answered in time.
///
/// The interrupt may have been lost, so its queue is looked at first. If there is no answer,
/// the notification may have been lost, so the device is notified once more, and the request
/// gets more time: once, or as long as the device ends others. Then the device is [attended
/// to](crate::recovery).
pub(crate) fn late(shared: &Shared, late: &LateRequest<'_, Blk>) {
    let hw = late.hw_queue();
    let slot = hw.data();
    slot.look();
    if !late.is_pending() {
        return;
    }
    let busy = shared.watch.is_busy(late.ended_so_far());
    let patient = match (shared.watch.phase(), late.rounds()) {
        // The reader of an identification string does not wait for it; code that has the queue
        // frozen does.
        (Phase::Running, rounds) if late.op() == Op::DRV_IN => rounds < MOST_ROUNDS,
        (Phase::Asleep, _) => true,
        (Phase::Going, rounds) => busy && rounds < MOST_ROUNDS,
        (_, rounds) => rounds == 0 || busy && rounds < MOST_ROUNDS,
    };
    if patient {
        slot.notify_again();
    } else {
        slot.set_stuck(true);
        slot.schedule_recovery();
    }
}
