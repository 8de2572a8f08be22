// SPDX-License-Identifier: GPL-2.0

//! Tag sets: the requests of a disk, and its hardware queues.

use super::{
    Operations,
    OperationsVTable, //
};
use crate::bindings;
use core::marker::PhantomData;
use kernel::{
    cpu::{
        nr_cpu_ids,
        CpuId, //
    },
    cpumask::Cpumask,
    error::to_result,
    prelude::*,
    time::msecs_to_jiffies,
    types::Opaque, //
};

/// The requests of one disk or several, with their hardware queues, C `struct blk_mq_tag_set`.
///
/// # Invariants
///
/// `set` was allocated, and its `driver_data` points to `data`.
#[pin_data(PinnedDrop)]
pub struct TagSet<T: Operations> {
    data: T::TagSetData,
    #[pin]
    set: Opaque<bindings::blk_mq_tag_set>,
}

// SAFETY: A tag set has its own locks; its data is `Send`.
unsafe impl<T: Operations> Send for TagSet<T> {}

// SAFETY: A tag set has its own locks; its data is `Sync`.
unsafe impl<T: Operations> Sync for TagSet<T> {}

impl<T: Operations> TagSet<T> {
    /// Returns an initialiser for `queues` hardware queues of `depth` requests each. `maps`, 1 to
    /// 3, is the number of kinds of queues ([`QueueKind`]). A request times out after `timeout`
    /// milliseconds, unless `/sys/block/*/queue/io_timeout` is written. Process context.
    ///
    /// The block layer reduces the depth if it is above its limit, or if there is too little
    /// memory.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: no queue, no depth, no map or too many.
    /// - `ENOMEM`.
    pub fn new(
        data: T::TagSetData,
        queues: u32,
        depth: u32,
        maps: u32,
        timeout: u32,
    ) -> impl PinInit<Self, Error> {
        const {
            // The data follows the request, in one allocation.
            assert!(align_of::<T::RequestData>() <= align_of::<bindings::request>());
            assert!(size_of::<T::RequestData>() <= u32::MAX as usize);
        }
        pin_init::pin_init!(&this in Self {
            data,
            set <- Opaque::try_ffi_init(|set: *mut bindings::blk_mq_tag_set| {
                if maps == 0 || maps > bindings::hctx_type_HCTX_MAX_TYPES {
                    return Err(EINVAL);
                }
                // SAFETY: The slot is valid; `data` was initialised and is pinned with it.
                unsafe {
                    set.write(bindings::blk_mq_tag_set {
                        ops: &OperationsVTable::<T>::OPS,
                        nr_hw_queues: queues,
                        queue_depth: depth,
                        nr_maps: maps,
                        // CAST: A 32-bit number of milliseconds is at most as many jiffies.
                        timeout: msecs_to_jiffies(timeout) as u32,
                        numa_node: bindings::NUMA_NO_NODE,
                        cmd_size: size_of::<T::RequestData>() as u32,
                        driver_data: (&raw mut (*this.as_ptr()).data).cast(),
                        ..pin_init::zeroed()
                    });
                    to_result(bindings::blk_mq_alloc_tag_set(set))
                }
            }),
        }? Error)
    }

    /// Returns the data of the set.
    pub fn data(&self) -> &T::TagSetData {
        &self.data
    }

    /// Returns the number of requests per hardware queue.
    pub fn depth(&self) -> u32 {
        // SAFETY: `set` was allocated (type invariant), after which the depth does not change.
        unsafe { (*self.set.get()).queue_depth }
    }

    pub(crate) fn raw(&self) -> *mut bindings::blk_mq_tag_set {
        self.set.get()
    }
}

#[pinned_drop]
impl<T: Operations> PinnedDrop for TagSet<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: The set was allocated (type invariant). Disks keep the set alive, so there is no
        // disk left, and no request.
        unsafe { bindings::blk_mq_free_tag_set(self.set.get()) };
    }
}

/// The purpose of a hardware queue.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueKind {
    /// A queue for all requests that no other kind is for.
    Default = bindings::hctx_type_HCTX_TYPE_DEFAULT,
    /// A queue for reads.
    Read = bindings::hctx_type_HCTX_TYPE_READ,
    /// A queue that is polled for completions.
    Poll = bindings::hctx_type_HCTX_TYPE_POLL,
}

impl QueueKind {
    /// All kinds, in the order of the maps.
    pub const ALL: [Self; 3] = [Self::Default, Self::Read, Self::Poll];
}

/// The maps from CPUs to hardware queues, one for each [`QueueKind`].
///
/// # Invariants
///
/// `set` is valid, and its maps may be written.
pub struct QueueMaps<'a> {
    set: *mut bindings::blk_mq_tag_set,
    _set: PhantomData<&'a mut bindings::blk_mq_tag_set>,
}

impl QueueMaps<'_> {
    /// # Safety
    ///
    /// `set` fulfils the type invariants for the life of the result.
    pub(super) unsafe fn from_raw(set: *mut bindings::blk_mq_tag_set) -> Self {
        Self {
            set,
            _set: PhantomData,
        }
    }

    /// Whether the set has a map for this kind.
    pub fn has(&self, kind: QueueKind) -> bool {
        // SAFETY: `set` is valid (type invariant), and its number of maps does not change.
        (kind as u32) < unsafe { (*self.set).nr_maps }
    }

    /// Maps requests of a kind to `count` queues, beginning with `first`, spread over the CPUs. If
    /// `count` is 0, such requests use the queues of [`QueueKind::Default`].
    ///
    /// # Errors
    ///
    /// `EINVAL`: the set has no map for the kind, or fewer queues.
    pub fn spread(&mut self, kind: QueueKind, first: u32, count: u32) -> Result {
        // SAFETY: `set` is valid (type invariant), and its number of queues does not change during
        // the call.
        let queues = unsafe { (*self.set).nr_hw_queues };
        if !self.has(kind) || first.checked_add(count).is_none_or(|end| end > queues) {
            return Err(EINVAL);
        }
        // SAFETY: By the type invariants, and the kind was checked.
        let map = unsafe { &raw mut (*self.set).map[kind as usize] };
        // SAFETY: The map may be written (type invariant). The queues were checked, and a map
        // without queues is not filled.
        unsafe {
            (*map).nr_queues = count;
            (*map).queue_offset = first;
            if count != 0 {
                bindings::blk_mq_map_queues(map);
            }
        }
        Ok(())
    }

    /// As [`QueueMaps::spread`], but maps each queue to the CPUs in its mask, which get its
    /// interrupt. If a mask is not known, all masks are ignored.
    ///
    /// # Errors
    ///
    /// As [`QueueMaps::spread`].
    pub fn follow<'m>(
        &mut self,
        kind: QueueKind,
        first: u32,
        masks: impl ExactSizeIterator<Item = Option<&'m Cpumask>> + Clone,
    ) -> Result {
        let count = u32::try_from(masks.len()).map_err(|_| EINVAL)?;
        self.spread(kind, first, count)?;
        if masks.clone().any(|mask| mask.is_none()) {
            return Ok(());
        }
        // SAFETY: By the type invariants; `spread` checked the kind.
        let map = unsafe { (*self.set).map[kind as usize].mq_map };
        for (queue, mask) in (first..first + count).zip(masks) {
            let Some(mask) = mask else { continue };
            for cpu in 0..nr_cpu_ids() {
                if CpuId::from_u32(cpu).is_some_and(|id| mask.test(id)) {
                    // SAFETY: A map has an entry for each CPU, and `spread` checked the queue.
                    unsafe { *map.add(cpu as usize) = queue };
                }
            }
        }
        Ok(())
    }
}
