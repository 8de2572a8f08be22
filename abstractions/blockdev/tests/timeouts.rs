// SPDX-License-Identifier: GPL-2.0

//! A disk whose requests are late.

use super::*;
use crate::{
    disk::Executed,
    mq::LateRequest, //
};
use kernel::{
    alloc::KVVec,
    new_spinlock,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        SpinLock, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    workqueue, //
};

/// A driver whose disks answer nothing.
struct Mute;

/// The request that a disk has, the number of its timeouts, and whether a test has ended it.
#[pin_data]
struct State {
    #[pin]
    kept: SpinLock<Option<Request<Mute>>>,
    late: Atomic<i32>,
    ended: Atomic<bool>,
}

#[vtable]
impl Operations for Mute {
    type Module = NoModule;
    type TagSetData = ();
    type DiskData = State;
    type HwData = State;
    type RequestData = ();

    fn new_request_data(_set: &()) {}

    fn hw_data(disk: &State, _index: usize) -> Option<&State> {
        Some(disk)
    }

    fn queue_rq(
        hw: &HwQueue<Self>,
        rq: IdleRequest<Self>,
        _last: bool,
    ) -> Result<(), Rejected<Self>> {
        *hw.data().kept.lock() = Some(rq.start());
        Ok(())
    }

    fn commit_rqs(_hw: &HwQueue<Self>) {}

    fn complete(rq: Request<Self>) {
        rq.end(Status::IOERR);
    }

    fn timeout(state: &State, _late: &LateRequest<'_, Self>) {
        state.late.fetch_add(1, Relaxed);
    }
}

/// Sets the timeout of requests of a disk to one jiffy.
fn hurry(disk: &crate::Disk<Mute>) {
    let raw = core::ptr::from_ref(disk).cast::<bindings::gendisk>();
    // SAFETY: A disk is a `struct gendisk` with a queue; the field is a word.
    unsafe { (&raw mut (*(*raw).queue).rq_timeout).write_volatile(1) };
}

/// Returns a disk that is not registered, and its state.
fn mute() -> Result<(Arc<crate::GenDisk<Mute>>, Arc<State>)> {
    let state = Arc::pin_init(
        pin_init!(State {
            kept <- new_spinlock!(None),
            late: Atomic::new(0),
            ended: Atomic::new(false),
        }),
        GFP_KERNEL,
    )?;
    let disk = disk_of::<Mute>(state.clone())?;
    hurry(&disk);
    Ok((disk, state))
}

/// Checks that a disk that was never registered is freed after the last of its requests.
pub(super) fn are_awaited() -> Result {
    let (disk, state) = mute()?;
    let executed = disk.execute_in(KVVec::from_elem(0, 512, GFP_KERNEL)?, |()| {})?;
    let later = state.clone();
    workqueue::system().try_spawn(GFP_KERNEL, move || {
        fsleep(Delta::from_millis(300));
        let rq = later.kept.lock().take();
        later.ended.store(true, Relaxed);
        if let Some(rq) = rq {
            rq.end(Status::IOERR);
        }
    })?;
    drop(disk);
    match (executed, state.ended.load(Relaxed)) {
        (Executed::Pending(_), true) => Ok(()),
        _ => Err(EIO),
    }
}

/// Checks that a request that times out while timeouts are held back is handled when they are
/// released, and not before.
pub(super) fn are_held() -> Result {
    let (disk, state) = mute()?;
    let late = || state.late.load(Relaxed);

    let held = disk.hold_timeouts();
    let executed = disk.execute_in(KVVec::from_elem(0, 512, GFP_KERNEL)?, |()| {})?;
    // The block layer rounds times up to the next second.
    fsleep(Delta::from_secs(3));
    let early = late();
    drop(held);
    for _ in 0..1000 {
        if late() > 0 {
            break;
        }
        fsleep(Delta::from_millis(10));
    }
    let in_time = late();

    let held = disk.hold_timeouts();
    let rq = state.kept.lock().take();
    if let Some(rq) = rq {
        rq.end(Status::IOERR);
    }
    // The disk was never registered, so the block layer frees it with timer and work as they are.
    core::mem::forget(held);
    match (executed, early, in_time) {
        (Executed::Pending(_), 0, 1..) => Ok(()),
        _ => Err(EIO),
    }
}
