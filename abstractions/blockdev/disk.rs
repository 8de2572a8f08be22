// SPDX-License-Identifier: GPL-2.0

//! Disks.
//!
//! A [`GenDisk`] is created with its queue, its limits and its data. [`GenDisk::register`] makes it
//! visible to user space. Dropping the [`Registration`], or unbinding the parent device, removes it
//! again. Files that user space still has open then return errors, and the data of the disk lives
//! until the last close.

use crate::{
    attr::AttributeGroup,
    bindings,
    limits::{
        self,
        Limits, //
    },
    major::DeviceNumbers,
    mq::{
        any_started,
        Op,
        Operations,
        RequestInfo,
        TagSet, //
    },
    Status, //
};
use core::{
    marker::PhantomData,
    ops::Deref,
    ptr::NonNull, //
};
use kernel::{
    device,
    devres,
    error::{
        from_err_ptr,
        from_result,
        to_result, //
    },
    module::this_module,
    prelude::*,
    static_lock_class,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Full,
            Release, //
        },
        Arc, //
    },
    types::Opaque, //
};

mod execute;
mod quiesce;
mod timeouts;

pub use self::{
    execute::{
        Executed,
        Pending, //
    },
    quiesce::{
        Freezing,
        Frozen,
        Quiesced, //
    },
    timeouts::TimeoutsHeld, //
};

/// The geometry that old partitioning tools ask for; C `struct hd_geometry`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Number of cylinders.
    pub cylinders: u16,
    /// Number of heads (tracks per cylinder).
    pub heads: u8,
    /// Number of sectors per track.
    pub sectors: u8,
}

/// A borrowed disk, C `struct gendisk`.
///
/// # Invariants
///
/// A valid disk that was made by [`GenDisk::new`] with `T`, whose data is alive.
#[repr(transparent)]
pub struct Disk<T: Operations>(Opaque<bindings::gendisk>, PhantomData<T>);

// SAFETY: The methods may be called from any thread, and the data is `Sync`.
unsafe impl<T: Operations> Sync for Disk<T> {}

impl<T: Operations> Disk<T> {
    /// Returns the disk behind a pointer.
    ///
    /// # Safety
    ///
    /// `disk` fulfils the type invariants for `'a`.
    pub(crate) unsafe fn from_raw<'a>(disk: *mut bindings::gendisk) -> &'a Self {
        // SAFETY: By the safety requirements; `Self` is a transparent wrapper.
        unsafe { &*disk.cast() }
    }

    fn raw(&self) -> *mut bindings::gendisk {
        self.0.get()
    }

    fn queue(&self) -> *mut bindings::request_queue {
        // SAFETY: By the type invariants; a disk has a queue as long as it lives.
        unsafe { (*self.raw()).queue }
    }

    /// Returns the data of the disk.
    pub fn data(&self) -> &T::DiskData {
        // SAFETY: `private_data` is the disk's `T::DiskData`, which is alive (type invariant).
        unsafe { &*(*self.raw()).private_data.cast::<T::DiskData>() }
    }

    /// Returns the name of the disk, such as `vda`.
    pub fn name(&self) -> &CStr {
        // SAFETY: By the type invariants; the name was set when the disk was made.
        unsafe { CStr::from_char_ptr((*self.raw()).disk_name.as_ptr()) }
    }

    /// Returns the capacity in sectors.
    pub fn capacity(&self) -> u64 {
        // SAFETY: The disk is valid (type invariant), and its capacity may be read without a lock.
        unsafe { bindings::get_capacity(self.raw()) }
    }

    /// Sets the capacity in sectors, limited to the range of the block layer. Sends a uevent if the
    /// disk is registered and the capacity changes. Process context.
    pub fn set_capacity_and_notify(&self, sectors: u64) {
        // SAFETY: The disk is valid (type invariant), added or not.
        unsafe { bindings::set_capacity_and_notify(self.raw(), sectors) };
    }

    /// Makes the disk read-only, or writable. Process context.
    pub fn set_read_only(&self, read_only: bool) {
        // SAFETY: The disk is valid (type invariant), added or not.
        unsafe { bindings::set_disk_ro(self.raw(), read_only) };
    }

    /// Returns the size of a logical block in bytes.
    pub fn logical_block_size(&self) -> u32 {
        // SAFETY: By the type invariants. The block layer reads it without a lock, too.
        unsafe { (&raw const (*self.queue()).limits.logical_block_size).read_volatile() }
    }

    /// Returns the largest number of data segments of a request.
    pub fn max_segments(&self) -> u16 {
        // SAFETY: By the type invariants. The block layer reads it without a lock, too.
        unsafe { (&raw const (*self.queue()).limits.max_segments).read_volatile() }
    }

    /// Changes the limits while no request is outstanding. Process context, sleeps. The caller must
    /// not have [frozen](Disk::freeze) the queue.
    ///
    /// Updates exclude each other. So if `update` reads the device, the limits have the value that
    /// was read last.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the limits do not go together.
    /// - Any error of `update`; the limits stay as they are.
    pub fn update_limits(&self, update: impl FnOnce(&mut Limits) -> Result) -> Result {
        // SAFETY: By the type invariants; takes the lock that the commit or the cancellation
        // releases.
        let mut limits = Limits(unsafe { bindings::queue_limits_start_update(self.queue()) });
        if let Err(e) = update(&mut limits) {
            // SAFETY: By the type invariants; the lock is held.
            unsafe { bindings::queue_limits_cancel_update(self.queue()) };
            return Err(e);
        }
        // SAFETY: By the type invariants; the lock is held.
        to_result(unsafe {
            bindings::queue_limits_commit_update_frozen(self.queue(), &mut limits.0)
        })
    }

    /// As [`Disk::update_limits`], but does not wait: neither for requests, nor for another change
    /// of the limits, which may itself wait for requests. Outstanding requests may see the old or
    /// the new value. Process context.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: another thread is changing the limits.
    /// - `EINVAL`: the limits do not go together.
    pub fn try_update_limits(&self, update: impl FnOnce(&mut Limits)) -> Result {
        let queue = self.queue();
        // SAFETY: The queue is valid, as the disk is (type invariant), and so is its lock.
        if unsafe { bindings::mutex_trylock(&raw mut (*queue).limits_lock) } == 0 {
            return Err(EBUSY);
        }
        // SAFETY: The queue is valid (type invariant), and the limits do not change while the lock
        // is held.
        let mut limits = Limits(unsafe { (*queue).limits });
        update(&mut limits);
        // SAFETY: By the type invariants; the lock is held, and released here.
        to_result(unsafe { bindings::queue_limits_commit_update(queue, &mut limits.0) })
    }

    /// Marks the disk dead, as after a surprise removal: its users get errors, and no request is
    /// accepted. Process context, sleeps.
    pub fn mark_dead(&self) {
        // SAFETY: The disk is valid (type invariant), added or not.
        unsafe { bindings::blk_mark_disk_dead(self.raw()) };
    }

    /// Calls `f`, which schedules work, unless the disk was deleted or can have no requests.
    /// Deleting the disk waits for such work once, and not for later work. Any context.
    fn while_in_use<R>(&self, f: impl FnOnce() -> R) {
        let queue = self.queue();
        // SAFETY: The queue is valid, as the disk is (type invariant).
        if unsafe { bindings::rust_queue_tryget(queue) } {
            let _ = f();
            // SAFETY: By the type invariants; the reference was just taken.
            unsafe { bindings::rust_queue_put(queue) };
        }
    }

    /// Queues the requests of [`Request::requeue_later`](crate::mq::Request::requeue_later) again.
    /// Any context.
    pub fn queue_again(&self) {
        self.while_in_use(|| {
            // SAFETY: The queue is valid, as the disk is (type invariant), and kept in use.
            unsafe { bindings::blk_mq_kick_requeue_list(self.queue()) }
        });
    }

    /// Returns the number of requests that have ended so far, if the disk counts them.
    pub fn ended_so_far(&self) -> usize {
        // SAFETY: The queue is valid, as the disk is, and still has this disk (type invariant).
        unsafe { bindings::ended_ios(self.queue()) }
    }

    /// Whether the disk counts the requests that have ended (`/sys/block/*/queue/iostats`).
    pub fn counts_ended(&self) -> bool {
        self.has_feature(limits::Feature::IO_STAT)
    }

    /// Whether the limits have a property. Takes no lock: during a change, the result may be old or
    /// new.
    pub fn has_feature(&self, feature: limits::Feature) -> bool {
        // SAFETY: The queue is valid, as the disk is (type invariant).
        unsafe { feature.is_in(self.queue()) }
    }

    /// Starts the hardware queues that were [stopped](crate::mq::HwQueue::stop), unless the disk
    /// was deleted or can have no requests. Any context.
    ///
    /// A disk without requests has no stopped queue to start. After deletion the tag set may be
    /// gone, so the queues must not be touched.
    pub fn start_stopped_queues(&self) {
        self.while_in_use(|| {
            // SAFETY: The queue is valid, as the disk is (type invariant). The disk was not
            // deleted, so that it has its hardware queues and its tag set.
            unsafe { bindings::blk_mq_start_stopped_hw_queues(self.queue(), true) }
        });
    }
}

/// The reference of a driver to a disk.
///
/// # Invariants
///
/// - `disk` fulfils the invariants of [`Disk`], and one reference to it is owned.
/// - `private_data` is a counted reference. If the disk was ever registered, the reference is
///   dropped when the disk is freed. Otherwise it is dropped with this.
/// - `registered` is one of the values below.
///
/// Dropping the last reference to a disk that was never added waits for the requests that the
/// driver itself has [sent](Disk::execute_in). Deleting waits for those of other disks. Process
/// context, sleeps.
pub struct GenDisk<T: Operations> {
    disk: NonNull<bindings::gendisk>,
    set: Arc<TagSet<T>>,
    registered: Atomic<i32>,
}

/// The disk was not added.
const NEVER: i32 = 0;
/// Adding the disk has failed, or is in progress.
const FAILED: i32 = 1;
/// The disk was added, and not deleted.
const ADDED: i32 = 2;
/// The disk was deleted, or is being deleted.
const DELETED: i32 = 3;

// SAFETY: The reference may be dropped from any thread.
unsafe impl<T: Operations> Send for GenDisk<T> {}

// SAFETY: A reference gives `Disk` and `TagSet`, which are `Sync`; `registered` is atomic.
unsafe impl<T: Operations> Sync for GenDisk<T> {}

impl<T: Operations> GenDisk<T> {
    /// Creates a disk. Process context.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the limits do not go together, or the name is empty or too long.
    /// - `ENOMEM`.
    pub fn new(
        set: Arc<TagSet<T>>,
        mut limits: Limits,
        name: &CStr,
        numbers: DeviceNumbers,
        data: Arc<T::DiskData>,
    ) -> Result<Self> {
        let bytes = name.to_bytes_with_nul();
        if bytes.len() < 2 || bytes.len() > bindings::DISK_NAME_LEN as usize {
            return Err(EINVAL);
        }
        let data = Arc::into_raw(data).cast_mut().cast::<c_void>();
        // SAFETY: The set is valid, and lives as long as the disk. The lock class is static.
        let disk = from_err_ptr(unsafe {
            bindings::__blk_mq_alloc_disk(
                set.raw(),
                &mut limits.0,
                data,
                static_lock_class!().as_ptr(),
            )
        })
        .and_then(|disk| NonNull::new(disk).ok_or(ENOMEM))
        .inspect_err(|_| {
            // SAFETY: The data came from `into_raw` and was not taken.
            drop(unsafe { Arc::<T::DiskData>::from_raw(data.cast()) });
        })?;

        let raw = disk.as_ptr();
        // SAFETY: The disk is valid, and no other code has a reference to it yet. The name fits
        // with its terminator.
        unsafe {
            for (to, &from) in (*raw).disk_name.iter_mut().zip(bytes) {
                *to = from as c_char;
            }
            (*raw).major = numbers.major as c_int;
            (*raw).first_minor = numbers.first_minor as c_int;
            (*raw).minors = numbers.minors as c_int;
            (*raw).fops = &Callbacks::<T>::FOPS;
            (*raw).private_data = data;
        }
        // INVARIANT: The disk was created with its data, which is a counted reference.
        Ok(Self {
            disk,
            set,
            registered: Atomic::new(NEVER),
        })
    }

    /// Returns the tag set of the disk.
    pub fn tag_set(&self) -> &TagSet<T> {
        &self.set
    }

    /// Whether `f` holds for the operation of an outstanding request of the disk: one that the
    /// driver was given and has not ended. Requests that begin or end during the call may be left
    /// out. Process context.
    pub fn any_outstanding(&self, f: impl FnMut(Op) -> bool) -> bool {
        // SAFETY: The set is allocated (type invariant of `TagSet`), and this keeps it.
        unsafe { any_started(self.set.raw(), f) }
    }

    /// Registers the disk as a child of `parent`, with `attributes`. Possible once. Reads the
    /// partition table before it returns.
    ///
    /// The disk exists until the result is dropped, or `parent` is unbound, because code of the
    /// driver's module serves it. Process context, sleeps.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: this was called before.
    /// - `EEXIST`: another device has the name.
    /// - `EINVAL`: the device numbers are out of range.
    /// - `ENOMEM`.
    pub fn register(
        self: &Arc<Self>,
        parent: &device::Device<device::Bound>,
        attributes: &'static AttributeGroup<T>,
    ) -> Result<Registration<T>> {
        self.registered
            .cmpxchg(NEVER, FAILED, Full)
            .map_err(|_| EBUSY)?;
        let registration = Registration { disk: self.clone() };
        // This second registration ends with the binding, also if the caller forgets the first one.
        // So the disk is deleted before the module can be unloaded.
        let last = Registration { disk: self.clone() };
        devres::register::<Registration<T>, Error>(parent, Ok(last), GFP_KERNEL)?;
        // `Device` is a transparent wrapper of `struct device`.
        let raw = core::ptr::from_ref(parent)
            .cast_mut()
            .cast::<bindings::device>();
        // SAFETY: The disk is valid and was not added before; the groups are static.
        to_result(unsafe {
            bindings::device_add_disk(raw, self.disk.as_ptr(), attributes.groups())
        })?;
        // INVARIANT: From here on, the last reference to the disk drops the data.
        self.registered.store(ADDED, Release);
        Ok(registration)
    }

    /// Deletes the disk, if it was added and no other thread is deleting it. Process context,
    /// sleeps.
    fn delete(&self) {
        if self.registered.cmpxchg(ADDED, DELETED, Full).is_ok() {
            // SAFETY: The disk is valid (type invariant) and was added. No other thread deletes it:
            // `registered` changes from `ADDED` once.
            unsafe { bindings::del_gendisk(self.disk.as_ptr()) };
        }
    }
}

impl<T: Operations> Deref for GenDisk<T> {
    type Target = Disk<T>;

    fn deref(&self) -> &Disk<T> {
        // SAFETY: `disk` fulfils the invariants of `Disk` while this owns a reference (type
        // invariant).
        unsafe { Disk::from_raw(self.disk.as_ptr()) }
    }
}

impl<T: Operations> Drop for GenDisk<T> {
    fn drop(&mut self) {
        let was_added = !matches!(self.registered.load(Acquire), NEVER | FAILED);
        if !was_added {
            // The block layer waits for requests when a disk is deleted, but this one never will
            // be. No new request can begin: nothing else has a reference to the disk.
            drop(self.freeze());
        }
        // SAFETY: The disk is valid, as this owns a reference (type invariant).
        let data = unsafe { (*self.disk.as_ptr()).private_data };
        // SAFETY: This owns the reference (type invariant), and does not use it again.
        unsafe { bindings::put_disk(self.disk.as_ptr()) };
        if !was_added {
            // SAFETY: The block layer does not call `free_disk` for a disk that was never added, so
            // the data was not dropped. No other code had a reference to the disk.
            drop(unsafe { Arc::<T::DiskData>::from_raw(data.cast()) });
        }
    }
}

/// The registration of a disk, which makes the disk visible to user space.
///
/// Dropping it deletes the disk, and waits for all outstanding requests. So the device must still
/// work, or other code must end its requests. Process context, sleeps. If it is never dropped, the
/// disk is deleted when its parent is unbound.
pub struct Registration<T: Operations> {
    disk: Arc<GenDisk<T>>,
}

impl<T: Operations> Drop for Registration<T> {
    fn drop(&mut self) {
        self.disk.delete();
    }
}

/// The functions that the block layer calls for a disk.
struct Callbacks<T: Operations>(PhantomData<T>);

impl<T: Operations> Callbacks<T> {
    const FOPS: bindings::block_device_operations = bindings::block_device_operations {
        owner: this_module::<T::Module>().as_ptr(),
        getgeo: if T::HAS_GETGEO {
            Some(Self::getgeo)
        } else {
            None
        },
        free_disk: Some(Self::free_disk),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// Called by the block layer for an open disk.
    unsafe extern "C" fn getgeo(
        disk: *mut bindings::gendisk,
        geo: *mut kernel::bindings::hd_geometry,
    ) -> c_int {
        // SAFETY: By the safety requirements, the disk is open, so its data is alive. The disk has
        // this function, so it was made with `T`.
        let disk = unsafe { Disk::<T>::from_raw(disk) };
        from_result(|| {
            let geometry = T::getgeo(disk)?;
            let geo = geo.cast::<bindings::hd_geometry>();
            // SAFETY: By the safety requirements, `geo` is the caller's to fill.
            unsafe {
                (*geo).heads = geometry.heads;
                (*geo).sectors = geometry.sectors;
                (*geo).cylinders = geometry.cylinders;
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// Called by the block layer, once, when the last reference to a disk that was added is
    /// dropped.
    unsafe extern "C" fn free_disk(disk: *mut bindings::gendisk) {
        // SAFETY: By the safety requirements; `GenDisk::new` put the data there.
        let data = unsafe { (*disk).private_data };
        // SAFETY: The data came from `into_raw` in `GenDisk::new`. The disk and its queue do not
        // use it again.
        drop(unsafe { Arc::<T::DiskData>::from_raw(data.cast()) });
    }
}
