// SPDX-License-Identifier: GPL-2.0

//! A virtqueue with its lock.
//!
//! Requests are added and taken under the lock. A hardware queue is stopped, because the ring is
//! full, and started again under the same lock: otherwise the start could come before the stop.

use crate::{
    recovery::Recovery,
    request::BlkBuffer,
    Blk, //
};
use blockdev::mq::{
    Request,
    RequestList, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Release, //
        },
        new_spinlock_irq,
        Arc,
        SpinLockIrq, //
    },
};
use virtio::{
    Doorbell,
    Endian,
    Virtqueue, //
};

mod complete;
mod reclaim;
mod submit;

/// The virtqueue of a hardware queue, with its lock. There is none while the device sleeps, or
/// after it failed.
///
/// PERF: Aligned so that no two queues share a cache line.
#[pin_data]
#[repr(align(64))]
pub(crate) struct LockedQueue {
    #[pin]
    state: SpinLockIrq<State>,
    #[pin]
    doorbell: Doorbell,
    /// Byte order of request headers.
    pub(crate) endian: Endian,
    /// Whether a read fails if the device does not report that it has written the data.
    pub(crate) strict: bool,
    /// Whether a request was not answered in time.
    stuck: Atomic<bool>,
}

/// The state that the lock of a queue protects.
struct State {
    /// The virtqueue, if there is one.
    active: Option<ActiveQueue>,
    /// The recovery to schedule if the queue is broken.
    recovery: Option<Arc<Recovery>>,
}

/// A virtqueue and its state.
struct ActiveQueue {
    vq: Virtqueue<BlkBuffer>,
    /// Whether the hardware queue was stopped because the ring was full.
    stopped: bool,
    /// Requests whose answers fault injection has dropped.
    lost: RequestList<Request<Blk>>,
}

impl State {
    /// Schedules the recovery if the queue is broken.
    fn recover_if_broken(&self) {
        if let (Some(recovery), true) = (&self.recovery, self.is_broken()) {
            recovery.schedule();
        }
    }

    /// Whether there is a virtqueue that is broken.
    fn is_broken(&self) -> bool {
        self.active
            .as_ref()
            .is_some_and(|queue| queue.vq.is_broken())
    }
}

impl LockedQueue {
    /// Returns a locked queue without a virtqueue.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(endian: Endian, strict: bool) -> Result<Pin<KBox<Self>>> {
        KBox::pin_init(
            pin_init!(Self {
                state <- new_spinlock_irq!(State {
                    active: None,
                    recovery: None,
                }),
                doorbell <- Doorbell::new(),
                endian,
                strict,
                stuck: Atomic::new(false),
            }),
            GFP_KERNEL,
        )
    }

    /// Installs a virtqueue. There must be none. Process context.
    pub(crate) fn install(self: Pin<&Self>, vq: Virtqueue<BlkBuffer>) {
        self.doorbell.set(Some(vq.handle()));
        self.state.lock().active = Some(ActiveQueue {
            vq,
            stopped: false,
            lost: RequestList::new(),
        });
    }

    /// Sets the recovery to schedule if the queue is broken. Process context, sleeps.
    pub(crate) fn set_recovery(&self, recovery: Option<Arc<Recovery>>) {
        let old = core::mem::replace(&mut self.state.lock().recovery, recovery);
        drop(old);
    }

    /// Whether there is a virtqueue.
    pub(crate) fn has_queue(&self) -> bool {
        self.state.lock().active.is_some()
    }

    /// Sets whether a request was not answered in time.
    pub(crate) fn set_stuck(&self, stuck: bool) {
        self.stuck.store(stuck, Release);
    }

    /// Whether a request was not answered in time.
    pub(crate) fn is_stuck(&self) -> bool {
        self.stuck.load(Acquire)
    }

    /// Whether the queue is broken.
    pub(crate) fn is_broken(&self) -> bool {
        self.state.lock().is_broken()
    }

    /// Schedules the recovery.
    pub(crate) fn schedule_recovery(&self) {
        let recovery = self.state.lock().recovery.clone();
        if let Some(recovery) = recovery {
            recovery.schedule();
        }
    }
}
