// SPDX-License-Identifier: GPL-2.0

//! Tests with a driver without `unsafe`.

use crate::{
    bindings,
    limits::Feature,
    major::DeviceNumbers,
    mq::{
        HwQueue,
        IdleRequest,
        Op,
        Operations,
        Rejected,
        Request,
        RequestInfo,
        TagSet, //
    },
    GenDisk,
    Limits,
    Registration,
    Status, //
};
use core::ptr::null_mut;
use kernel::{
    faux,
    module::ThisModule,
    prelude::*,
    sync::Arc,
    ModuleMetadata, //
};

mod timeouts;

// SAFETY: The functions that count users of a module accept null.
const BUILT_IN: ThisModule = unsafe { ThisModule::from_ptr(null_mut()) };

/// A placeholder for a module, which has no users to count.
pub(crate) struct NoModule;

impl ModuleMetadata for NoModule {
    const NAME: &'static CStr = c"rust_block_test";
    const THIS_MODULE: ThisModule = BUILT_IN;
}

/// A driver whose disks fail every request.
struct Failing;

#[vtable]
impl Operations for Failing {
    type Module = NoModule;
    type TagSetData = ();
    type DiskData = ();
    type HwData = ();
    type RequestData = ();

    fn new_request_data(_set: &()) {}

    fn hw_data(disk: &(), _index: usize) -> Option<&()> {
        Some(disk)
    }

    fn queue_rq(
        _hw: &HwQueue<Self>,
        rq: IdleRequest<Self>,
        _last: bool,
    ) -> Result<(), Rejected<Self>> {
        Err(rq.reject(Status::IOERR))
    }

    fn commit_rqs(_hw: &HwQueue<Self>) {}

    fn complete(rq: Request<Self>) {
        rq.end(Status::IOERR);
    }
}

crate::attribute_group! {
    /// The attributes of the disk.
    static ATTRIBUTES: Failing = [Nothing];
}

/// An attribute without a value.
struct Nothing;

#[vtable]
impl crate::attr::Attribute for Nothing {
    type Operations = Failing;
    const NAME: &'static CStr = c"nothing";
    const MODE: u16 = 0o444;

    fn show(_disk: &crate::Disk<Failing>, _page: &mut crate::attr::Page<'_>) -> Result {
        Ok(())
    }
}

/// Returns a disk that is not registered.
fn disk_of<T: Operations<TagSetData = ()>>(data: Arc<T::DiskData>) -> Result<Arc<GenDisk<T>>> {
    let set = Arc::pin_init(TagSet::new((), 1, 4, 1, 30_000), GFP_KERNEL)?;
    let numbers = DeviceNumbers {
        major: 0,
        first_minor: 0,
        minors: 0,
    };
    let disk = GenDisk::new(set, Limits::new(), c"rust_block_test", numbers, data)?;
    Ok(Arc::new(disk, GFP_KERNEL)?)
}

/// Returns a registered disk, and its parent device.
fn registered() -> Result<(
    Arc<GenDisk<Failing>>,
    Registration<Failing>,
    faux::Registration,
)> {
    let parent = faux::Registration::new(c"rust_block_test", None)?;
    let disk = disk_of(Arc::new((), GFP_KERNEL)?)?;
    let generic: &kernel::device::Device<kernel::device::Bound> = parent.as_ref().as_ref();
    let registration = disk.register(generic, &ATTRIBUTES)?;
    // The capacity shows whether the disk was deleted: deleting sets it to 0.
    disk.set_capacity_and_notify(8);
    Ok((disk, registration, parent))
}

/// Stops the hardware queues of a disk, as a full queue does.
fn stop(disk: &crate::Disk<Failing>) {
    let raw = core::ptr::from_ref(disk).cast::<bindings::gendisk>();
    // SAFETY: A disk is a `struct gendisk` with a queue.
    unsafe { bindings::blk_mq_stop_hw_queues((*raw).queue) };
}

/// Whether the first hardware queue of a disk is stopped.
fn is_stopped(disk: &crate::Disk<Failing>) -> bool {
    let raw = core::ptr::from_ref(disk).cast::<bindings::gendisk>();
    // SAFETY: A disk is a `struct gendisk` with a queue, which has its hardware queues until the
    // disk is freed.
    let state = unsafe { (*(*(*(*raw).queue).queue_hw_ctx)).__bindgen_anon_1.state };
    state & (1 << bindings::BLK_MQ_S_STOPPED) != 0
}

/// Calls `look` with a request as the block layer makes it: one of the operation `op`, whose bio
/// has an entry of 512 bytes.
fn with_request<R>(op: Op, look: impl FnOnce(&RequestInfo<Failing>) -> R) -> Result<R> {
    fn zeroed<T>() -> Result<KVec<u64>> {
        Ok(KVec::from_elem(
            0,
            size_of::<T>().div_ceil(8) + 1,
            GFP_KERNEL,
        )?)
    }
    let mut entry = bindings::bio_vec {
        bv_len: 512,
        ..Default::default()
    };
    let (mut bio, mut rq) = (zeroed::<bindings::bio>()?, zeroed::<bindings::request>()?);
    let bio: *mut bindings::bio = bio.as_mut_ptr().cast();
    let rq: *mut bindings::request = rq.as_mut_ptr().cast();
    // SAFETY: The memory is large enough, zeroes are valid values, and nothing else uses it. The
    // data of the driver in a request has no size.
    unsafe {
        (*bio).bi_io_vec = &raw mut entry;
        (*bio).bi_iter.bi_size = 512;
        (*rq).bio = bio;
        (*rq).__data_len = 512;
        (*rq).nr_phys_segments = 1;
        (*rq).cmd_flags = op.as_raw();
        Ok(look(&*rq.cast()))
    }
}

#[kunit_tests(rust_block)]
mod suite {
    use super::*;

    /// Dropping the registration deletes the disk, before the parent is unbound.
    #[test]
    fn registration_ends_the_disk() -> Result {
        let (disk, registration, parent) = registered()?;
        assert_eq!(disk.capacity(), 8);
        drop(registration);
        assert_eq!(disk.capacity(), 0);
        drop(parent);
        Ok(())
    }

    /// If the registration is forgotten, unbinding the parent deletes the disk.
    #[test]
    fn binding_ends_the_disk() -> Result {
        let (disk, registration, parent) = registered()?;
        core::mem::forget(registration);
        assert_eq!(disk.capacity(), 8);
        drop(parent);
        assert_eq!(disk.capacity(), 0);
        Ok(())
    }

    /// One thread at a time changes the limits. A change that does not wait fails while another is
    /// in progress.
    #[test]
    fn limits_are_tried() -> Result {
        let disk = disk_of::<Failing>(Arc::new((), GFP_KERNEL)?)?;
        disk.update_limits(|_| {
            assert_eq!(disk.try_update_limits(|_| ()), Err(EBUSY));
            Ok(())
        })?;
        assert!(!disk.has_feature(Feature::WRITE_CACHE));
        disk.try_update_limits(|limits| {
            limits.set(Feature::WRITE_CACHE, true);
        })?;
        assert!(disk.has_feature(Feature::WRITE_CACHE));
        disk.update_limits(|_| Ok(()))
    }

    /// The hardware queues of a deleted disk are not started: no code waits for their work, and the
    /// tag set may be gone.
    #[test]
    fn deleted_queues_are_not_started() -> Result {
        let (disk, registration, parent) = registered()?;
        stop(&disk);
        assert!(is_stopped(&disk));
        disk.start_stopped_queues();
        assert!(!is_stopped(&disk));
        stop(&disk);
        drop(registration);
        disk.start_stopped_queues();
        assert!(is_stopped(&disk));
        drop(parent);
        Ok(())
    }

    /// A request that times out while timeouts are held back is handled after that.
    #[test]
    fn timeouts_are_held() -> Result {
        timeouts::are_held()
    }

    /// A disk that was never registered is freed after the last of its requests.
    #[test]
    fn unregistered_waits() -> Result {
        timeouts::are_awaited()
    }

    /// The range of a request without data counts in `phys_segments`, but is no segment.
    #[test]
    fn ranges_are_no_segments() -> Result {
        for op in [Op::DISCARD, Op::SECURE_ERASE, Op::WRITE_ZEROES] {
            let segments = with_request(op, |rq| {
                assert_eq!(rq.phys_segments(), 1);
                (rq.only_segment().is_some(), rq.segments().count())
            })?;
            assert_eq!(segments, (false, 0));
        }
        for op in [Op::READ, Op::WRITE, Op::DRV_IN] {
            let len = with_request(op, |rq| rq.only_segment().map(|segment| segment.len))?;
            assert_eq!(len, Some(512));
        }
        Ok(())
    }
}
