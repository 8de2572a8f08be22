// SPDX-License-Identifier: GPL-2.0

//! The operations that a driver implements.

use super::{
    CompletionBatch,
    HwQueue,
    IdleRequest,
    LateRequest,
    QueueMaps,
    Rejected,
    Request,
    RequestInfo,
    RequestList, //
};
use crate::{
    bindings,
    disk::{
        Disk,
        Geometry, //
    },
    Status, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    prelude::*,
    ModuleMetadata, //
};

/// A multi-queue block driver, C `struct blk_mq_ops` and `struct block_device_operations`.
#[vtable]
pub trait Operations: Sized + 'static {
    /// The module, which stays loaded while a disk is open: `LocalModule`.
    type Module: ModuleMetadata;

    /// The data that the tag set keeps for [`Operations::map_queues`] and
    /// [`Operations::new_request_data`].
    type TagSetData: Send + Sync + 'static;

    /// The data that a disk keeps until its last close.
    type DiskData: Send + Sync + 'static;

    /// The part of the disk's data that belongs to a hardware queue. Each hardware queue has a
    /// pointer to it.
    type HwData: Sync + 'static;

    /// The data that each request keeps.
    type RequestData: Send + 'static;

    /// Creates the data of a request, when the tag set or a scheduler allocates the request.
    fn new_request_data(set: &Self::TagSetData) -> Self::RequestData;

    /// Returns the part of a disk's data that belongs to a hardware queue. `None`: the disk cannot
    /// be created. Process context.
    fn hw_data(disk: &Self::DiskData, index: usize) -> Option<&Self::HwData>;

    /// Queues a request. If `last` is not set, the device need not be notified yet: more requests
    /// follow at once, or a call of [`Operations::commit_rqs`].
    ///
    /// Called with preemption disabled, and interrupts on or off. The driver must
    /// [start](IdleRequest::start) the request.
    ///
    /// # Errors
    ///
    /// The request, [rejected](Request::reject) with a status.
    fn queue_rq(
        hw: &HwQueue<Self>,
        rq: IdleRequest<Self>,
        last: bool,
    ) -> Result<(), Rejected<Self>>;

    /// Queues several requests of one disk, which may be for different hardware queues. The block
    /// layer queues requests that are left in the list one by one.
    ///
    /// Context as for [`Operations::queue_rq`].
    fn queue_rqs(data: &Self::DiskData, list: &mut RequestList<IdleRequest<Self>>) {
        let _ = (data, list);
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Notifies the device of all queued requests, if that was not done.
    ///
    /// Context as for [`Operations::queue_rq`].
    fn commit_rqs(hw: &HwQueue<Self>);

    /// Ends a request that the device has answered. Hard interrupt, softirq or process context.
    fn complete(rq: Request<Self>);

    /// Handles a request that timed out. The request gets another timeout if it is still
    /// [pending](LateRequest::is_pending) afterwards. The driver checks for an answer, and
    /// otherwise schedules work that ends the request.
    ///
    /// Process context, on a workqueue of the block layer, may sleep. Must not wait for a request
    /// or for a freeze.
    fn timeout(data: &Self::DiskData, late: &LateRequest<'_, Self>) {
        let _ = (data, late);
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Completes the requests that the device has answered, on a queue without interrupt. Returns
    /// their number.
    fn poll(hw: &HwQueue<Self>, batch: &mut CompletionBatch<'_, Self>) -> u32 {
        let _ = (hw, batch);
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Maps CPUs to hardware queues. Process context.
    fn map_queues(set: &Self::TagSetData, maps: &mut QueueMaps<'_>) {
        let _ = (set, maps);
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }

    /// Returns the geometry of a disk. Process context; may be called until the last close.
    ///
    /// # Errors
    ///
    /// Any error, which user space gets.
    fn getgeo(disk: &Disk<Self>) -> Result<Geometry> {
        let _ = disk;
        kernel::build_error!(kernel::error::VTABLE_DEFAULT_ERROR)
    }
}

/// The functions that the block layer calls, for a driver `T`.
pub(crate) struct OperationsVTable<T: Operations>(PhantomData<T>);

impl<T: Operations> OperationsVTable<T> {
    pub(crate) const OPS: bindings::blk_mq_ops = bindings::blk_mq_ops {
        queue_rq: Some(Self::queue_rq),
        queue_rqs: if T::HAS_QUEUE_RQS {
            Some(Self::queue_rqs)
        } else {
            None
        },
        commit_rqs: Some(Self::commit_rqs),
        complete: Some(Self::complete),
        timeout: if T::HAS_TIMEOUT {
            Some(Self::timeout)
        } else {
            None
        },
        poll: if T::HAS_POLL { Some(Self::poll) } else { None },
        map_queues: if T::HAS_MAP_QUEUES {
            Some(Self::map_queues)
        } else {
            None
        },
        init_hctx: Some(Self::init_hctx),
        init_request: Some(Self::init_request),
        exit_request: Some(Self::exit_request),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// Called by the block layer, which passes the ownership of the request.
    unsafe extern "C" fn queue_rq(
        hctx: *mut bindings::blk_mq_hw_ctx,
        bd: *const bindings::blk_mq_queue_data,
    ) -> bindings::blk_status_t {
        // SAFETY: By the safety requirements, `hctx` is a hardware queue in use, so it has its
        // data.
        let hw = unsafe { HwQueue::from_raw(hctx) };
        // SAFETY: The block layer calls this (safety requirements): `bd` is valid for the call.
        let (rq, last) = unsafe { ((*bd).rq, (*bd).last) };
        // SAFETY: The block layer passes the ownership (safety requirements). `init_request`
        // initialised the data of the request.
        let idle = unsafe { IdleRequest::from_raw(NonNull::new_unchecked(rq)) };
        match T::queue_rq(hw, idle, last) {
            Ok(()) => Status::OK.into_raw(),
            Err(rejected) => rejected.into_status(rq).into_raw(),
        }
    }

    /// # Safety
    ///
    /// Called by the block layer, which passes the ownership of the requests.
    unsafe extern "C" fn queue_rqs(list: *mut bindings::rq_list) {
        // SAFETY: The block layer passes the ownership of the requests (safety requirements), and
        // lends the list.
        let list = unsafe { RequestList::<IdleRequest<T>>::from_raw(list) };
        let Some(queue) = list.front().map(RequestInfo::queue) else {
            return;
        };
        // SAFETY: All requests are of this queue, which lives with its data as long as they do.
        let data = unsafe { &*(*queue).queuedata.cast::<T::DiskData>() };
        T::queue_rqs(data, list);
    }

    /// # Safety
    ///
    /// Called by the block layer.
    unsafe extern "C" fn commit_rqs(hctx: *mut bindings::blk_mq_hw_ctx) {
        // SAFETY: The block layer passes a hardware queue that is in use, so it has its data.
        T::commit_rqs(unsafe { HwQueue::from_raw(hctx) });
    }

    /// # Safety
    ///
    /// Called by the block layer, for a request that the driver has passed to it for completion.
    unsafe extern "C" fn complete(rq: *mut bindings::request) {
        // SAFETY: By the safety requirements, the driver has passed the ownership of this started
        // request.
        T::complete(unsafe { Request::from_raw(NonNull::new_unchecked(rq)) });
    }

    /// # Safety
    ///
    /// Called by the block layer for a started request, whose tag it keeps during the call.
    unsafe extern "C" fn timeout(rq: *mut bindings::request) -> bindings::blk_eh_timer_return {
        // SAFETY: By the safety requirements, `rq` is valid, and so are its queue and the data of
        // that.
        let data = unsafe { &*(*(*rq).q).queuedata.cast::<T::DiskData>() };
        // SAFETY: By the safety requirements, the request was started, and keeps its tag during the
        // call.
        let late = unsafe { LateRequest::<T>::from_raw(NonNull::new_unchecked(rq)) };
        T::timeout(data, &late);
        if late.is_pending() {
            late.prolong();
            bindings::blk_eh_timer_return_BLK_EH_RESET_TIMER
        } else {
            bindings::blk_eh_timer_return_BLK_EH_DONE
        }
    }

    /// # Safety
    ///
    /// Called by the block layer.
    unsafe extern "C" fn poll(
        hctx: *mut bindings::blk_mq_hw_ctx,
        iob: *mut bindings::io_comp_batch,
    ) -> c_int {
        // SAFETY: The block layer passes a hardware queue that is in use, so it has its data.
        let hw = unsafe { HwQueue::from_raw(hctx) };
        // SAFETY: By the safety requirements, `iob` is null, or a batch that only this call uses.
        let mut batch = unsafe { CompletionBatch::from_raw(iob) };
        c_int::try_from(T::poll(hw, &mut batch)).unwrap_or(c_int::MAX)
    }

    /// # Safety
    ///
    /// Called by the block layer, for a set made by [`TagSet::new`](super::TagSet::new).
    unsafe extern "C" fn map_queues(set: *mut bindings::blk_mq_tag_set) {
        // SAFETY: By the safety requirements, `driver_data` points to the data of the set.
        let data = unsafe { &*(*set).driver_data.cast::<T::TagSetData>() };
        // SAFETY: By the safety requirements, the set is valid, and this call may write its maps.
        T::map_queues(data, &mut unsafe { QueueMaps::from_raw(set) });
    }

    /// # Safety
    ///
    /// Called by the block layer, for a hardware queue of a disk that
    /// [`GenDisk::new`](crate::GenDisk::new) is making.
    unsafe extern "C" fn init_hctx(
        hctx: *mut bindings::blk_mq_hw_ctx,
        _set: *mut c_void,
        index: c_uint,
    ) -> c_int {
        // SAFETY: By the safety requirements, `hctx` is of a disk made by `GenDisk::new`. That sets
        // `queuedata` before there are hardware queues, and the data lives as long as these.
        let disk = unsafe { &*(*(*hctx).queue).queuedata.cast::<T::DiskData>() };
        let Some(data) = T::hw_data(disk, index as usize) else {
            return EINVAL.to_errno();
        };
        // SAFETY: By the safety requirements, `hctx` is valid. The field belongs to the driver.
        unsafe { (*hctx).driver_data = core::ptr::from_ref(data).cast_mut().cast() };
        0
    }

    /// # Safety
    ///
    /// Called by the block layer, for a set made by [`TagSet::new`](super::TagSet::new), with a
    /// request that has room for its data.
    unsafe extern "C" fn init_request(
        set: *mut bindings::blk_mq_tag_set,
        rq: *mut bindings::request,
        _hctx: c_uint,
        _node: c_int,
    ) -> c_int {
        // SAFETY: By the safety requirements, `driver_data` points to the data of the set.
        let data = unsafe { &*(*set).driver_data.cast::<T::TagSetData>() };
        let made = T::new_request_data(data);
        // SAFETY: By the safety requirements, `rq` has room for its data: `TagSet::new` set the
        // size, and checked the alignment.
        unsafe { RequestInfo::<T>::data_ptr(rq).write(made) };
        0
    }

    /// # Safety
    ///
    /// Called by the block layer, once for each request that `init_request` was called for.
    unsafe extern "C" fn exit_request(
        _set: *mut bindings::blk_mq_tag_set,
        rq: *mut bindings::request,
        _hctx: c_uint,
    ) {
        // SAFETY: By the safety requirements, `init_request` made the data, which is dropped once.
        unsafe { RequestInfo::<T>::data_ptr(rq).drop_in_place() };
    }
}
