// SPDX-License-Identifier: GPL-2.0

//! Disks.
//!
//! A [`GenDisk`] is made with its queue, its limits and its data. [`GenDisk::register`] shows it to
//! user space. Dropping the [`Registration`], or unbinding the parent device, removes it again.
//! Files that user space still has open then return errors, and the data of the disk lives until
//! the last close.

use crate::{
    attr::AttributeGroup,
    bindings,
    limits::{
        self,
        Limits, //
    },
    major::DeviceNumbers,
    mq::{
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
    /// Heads, that is tracks per cylinder.
    pub heads: u8,
    /// Sectors per track.
    pub sectors: u8,
}

/// A disk as those see it who do not own it, C `struct gendisk`.
///
/// # Invariants
///
/// A valid disk that was made by [`GenDisk::new`] with `T`, whose data is alive.
#[repr(transparent)]
pub struct Disk<T: Operations>(Opaque<bindings::gendisk>, PhantomData<T>);

// SAFETY: The methods may be called from any thread, and the data is `Sync`.
unsafe impl<T: Operations> Sync for Disk<T> {}

impl<T: Operations> Disk<T> {
    /// The disk behind a pointer.
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

    /// The data of the disk.
    pub fn data(&self) -> &T::DiskData {
        // SAFETY: `private_data` is the disk's `T::DiskData`, which is alive (type invariant).
        unsafe { &*(*self.raw()).private_data.cast::<T::DiskData>() }
    }

    /// The name, such as `vda`.
    pub fn name(&self) -> &CStr {
        // SAFETY: By the type invariants; the name was set when the disk was made.
        unsafe { CStr::from_char_ptr((*self.raw()).disk_name.as_ptr()) }
    }

    /// The capacity in sectors.
    pub fn capacity(&self) -> u64 {
        // SAFETY: The disk is valid (type invariant), and its capacity may be read without a lock.
        unsafe { bindings::get_capacity(self.raw()) }
    }

    /// Sets the capacity in sectors, and tells user space if the disk is registered and this is
    /// a change. More than the block layer can address is cut. Process context.
    pub fn set_capacity_and_notify(&self, sectors: u64) {
        // SAFETY: The disk is valid (type invariant), added or not.
        unsafe { bindings::set_capacity_and_notify(self.raw(), sectors) };
    }

    /// Makes the disk read-only, or writable. Process context.
    pub fn set_read_only(&self, read_only: bool) {
        // SAFETY: The disk is valid (type invariant), added or not.
        unsafe { bindings::set_disk_ro(self.raw(), read_only) };
    }

    /// Bytes of a logical block.
    pub fn logical_block_size(&self) -> u32 {
        // SAFETY: By the type invariants. The block layer reads it without a lock, too.
        unsafe { (&raw const (*self.queue()).limits.logical_block_size).read_volatile() }
    }

    /// Most data segments of a request.
    pub fn max_segments(&self) -> u16 {
        // SAFETY: By the type invariants. The block layer reads it without a lock, too.
        unsafe { (&raw const (*self.queue()).limits.max_segments).read_volatile() }
    }

    /// Changes the limits, with no request under way. Process context, sleeps; the queue must
    /// not be [frozen](Disk::freeze) by the caller.
    ///
    /// Updates exclude each other: what `update` asks the device is what the limits say
    /// afterwards.
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

    /// As [`Disk::update_limits`], but waits for nobody: neither for requests nor for other changes
    /// of the limits, which may wait for requests. The change is such that requests under way may
    /// see it or not. Process context.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: somebody else changes them.
    /// - `EINVAL`: the limits do not go together.
    pub fn try_update_limits(&self, update: impl FnOnce(&mut Limits)) -> Result {
        let queue = self.queue();
        // SAFETY: The queue is valid, as the disk is (type invariant), and so is its lock.
        if unsafe { bindings::mutex_trylock(&raw mut (*queue).limits_lock) } == 0 {
            return Err(EBUSY);
        }
        // SAFETY: By the type invariants; with the lock held nobody changes them.
        let mut limits = Limits(unsafe { (*queue).limits });
        update(&mut limits);
        // SAFETY: By the type invariants; the lock is held, and released here.
        to_result(unsafe { bindings::queue_limits_commit_update(queue, &mut limits.0) })
    }

    /// Declares the disk dead, as after a surprise removal: whoever uses it is told, and no
    /// request is accepted any more. Process context, sleeps.
    pub fn mark_dead(&self) {
        // SAFETY: The disk is valid (type invariant), added or not.
        unsafe { bindings::blk_mark_disk_dead(self.raw()) };
    }

    /// Calls `f`, which schedules work, unless the disk was deleted, or has no request and can get
    /// none: deleting it waits for its work, and nobody does afterwards. Any context.
    fn while_in_use<R>(&self, f: impl FnOnce() -> R) {
        let queue = self.queue();
        // SAFETY: The queue is valid, as the disk is (type invariant).
        if unsafe { bindings::rust_queue_tryget(queue) } {
            let _ = f();
            // SAFETY: By the type invariants; the reference was just taken.
            unsafe { bindings::rust_queue_put(queue) };
        }
    }

    /// Has requests queued that were [given back](crate::mq::Request::requeue_later). Any context.
    pub fn queue_again(&self) {
        self.while_in_use(|| {
            // SAFETY: The queue is valid, as the disk is (type invariant), and kept in use.
            unsafe { bindings::blk_mq_kick_requeue_list(self.queue()) }
        });
    }

    /// Returns how many requests have ended so far, if the disk counts that.
    pub fn ended_so_far(&self) -> usize {
        // SAFETY: The queue is valid, as the disk is, and still has this disk (type invariant).
        unsafe { bindings::ended_ios(self.queue()) }
    }

    /// Whether the limits have a property. One that changes meanwhile may be seen or not.
    pub fn has_feature(&self, feature: limits::Feature) -> bool {
        // SAFETY: By the type invariants. The block layer reads it without a lock, too.
        let features = unsafe { (&raw const (*self.queue()).limits.features).read_volatile() };
        features & feature.as_raw() != 0
    }

    /// Starts the hardware queues that were [stopped](crate::mq::HwQueue::stop), unless the disk
    /// was deleted, or has no request and can get none. Any context.
    ///
    /// Nothing waits in a stopped queue without a request. A deleted disk has nothing to start: its
    /// tag set may be gone, at which the block layer looks, and nobody waits for work of the queue.
    pub fn start_stopped_queues(&self) {
        self.while_in_use(|| {
            // SAFETY: The queue is valid, as the disk is (type invariant). The disk was not
            // deleted, so that it has its hardware queues and its tag set.
            unsafe { bindings::blk_mq_start_stopped_hw_queues(self.queue(), true) }
        });
    }
}

/// A reference to a disk that its driver has.
///
/// # Invariants
///
/// - `disk` fulfils the invariants of [`Disk`], and one reference to it is owned.
/// - Its data is a counted reference, which is given up when the disk is freed if it was
///   registered once, and else when this is dropped.
/// - `registered` is one of the values below.
pub struct GenDisk<T: Operations> {
    disk: NonNull<bindings::gendisk>,
    set: Arc<TagSet<T>>,
    registered: Atomic<i32>,
}

/// The disk was not added.
const NEVER: i32 = 0;
/// The disk was not added, and will not be: or it is just being added.
const FAILED: i32 = 1;
/// The disk was added, and not deleted since.
const ADDED: i32 = 2;
/// The disk was deleted, or is just being deleted.
const DELETED: i32 = 3;

// SAFETY: The reference may be dropped from any thread.
unsafe impl<T: Operations> Send for GenDisk<T> {}

// SAFETY: A reference gives `Disk` and `TagSet`, which are `Sync`; `registered` is atomic.
unsafe impl<T: Operations> Sync for GenDisk<T> {}

impl<T: Operations> GenDisk<T> {
    /// Makes a disk. Process context.
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
        // SAFETY: The set is valid, and kept for as long as the disk; the lock class is static.
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
        // SAFETY: The disk is valid and nobody else knows it yet; the name fits, with its end.
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
        // INVARIANT: The disk was just made with its data, which is a counted reference.
        Ok(Self {
            disk,
            set,
            registered: Atomic::new(NEVER),
        })
    }

    /// The tag set of the disk.
    pub fn tag_set(&self) -> &TagSet<T> {
        &self.set
    }

    /// Brings the disk before user space, as a child of `parent`, with attributes of its own.
    /// Can be done once. It is read before this returns, for its partitions.
    ///
    /// It is there until the result is dropped, and not longer than `parent` is bound: code of the
    /// driver's module serves it. Process context, sleeps.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: this was done before.
    /// - `EEXIST`: there is something of the name.
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
        // Whatever becomes of that: the disk is gone when the binding is over, and the module goes
        // after that only.
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
        // INVARIANT: From here on the data goes with the last reference to the disk.
        self.registered.store(ADDED, Release);
        Ok(registration)
    }

    /// Takes the disk away, if it was added and nobody does by now. Process context, sleeps.
    fn delete(&self) {
        if self.registered.cmpxchg(ADDED, DELETED, Full).is_ok() {
            // SAFETY: By the type invariants; the disk was added, and is deleted by nobody else.
            unsafe { bindings::del_gendisk(self.disk.as_ptr()) };
        }
    }
}

impl<T: Operations> Deref for GenDisk<T> {
    type Target = Disk<T>;

    fn deref(&self) -> &Disk<T> {
        // SAFETY: `disk` is as `Disk` wants it as long as this owns a reference (type invariant).
        unsafe { Disk::from_raw(self.disk.as_ptr()) }
    }
}

impl<T: Operations> Drop for GenDisk<T> {
    fn drop(&mut self) {
        // SAFETY: The disk is valid, as this owns a reference (type invariant).
        let data = unsafe { (*self.disk.as_ptr()).private_data };
        // SAFETY: By the type invariants, this gives the owned reference up.
        unsafe { bindings::put_disk(self.disk.as_ptr()) };
        if matches!(self.registered.load(Acquire), NEVER | FAILED) {
            // SAFETY: A disk that was never added does not call `free_disk`, so that the data
            // is still there; nobody else knew the disk.
            drop(unsafe { Arc::<T::DiskData>::from_raw(data.cast()) });
        }
    }
}

/// A disk that user space sees.
///
/// Dropping it takes the disk away and waits for all requests that are under way, so the device
/// must still work, or its requests end some other way. Process context, sleeps. One that is never
/// dropped does not keep the disk longer than its parent is bound.
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
        // SAFETY: By the safety requirements, the disk is open, so its data is alive; it has this
        // function, so it was made with `T`.
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
    /// Called by the block layer, once, when the last reference to a disk that was added goes.
    unsafe extern "C" fn free_disk(disk: *mut bindings::gendisk) {
        // SAFETY: By the safety requirements; `GenDisk::new` put the data there.
        let data = unsafe { (*disk).private_data };
        // SAFETY: The data came from `into_raw` in `GenDisk::new`; the disk and its queue do
        // not use it any more.
        drop(unsafe { Arc::<T::DiskData>::from_raw(data.cast()) });
    }
}
