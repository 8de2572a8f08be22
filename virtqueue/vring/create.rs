// SPDX-License-Identifier: GPL-2.0

//! Creation of queues.

use crate::{
    bindings,
    bookkeeping::Bookkeeping,
    device::Virtio,
    dma::Mapper,
    dma_mappings::DmaMappings,
    exclusive::{
        AnyLayout,
        DescStates,
        ExclusiveQueue,
        Ring, //
    },
    queue::{
        fields,
        LocklessPart,
        Notify,
        Queue,
        QueueParts, //
    },
    ring::{
        packed,
        split,
        states_in_reach,
        DescState,
        Endian,
        IndirectRule,
        Packed,
        RingConfig,
        Split, //
    },
    ring_memory::{
        RingMemory,
        RingParams, //
    },
    stats::Counters,
    tables::Tables,
    Once, //
};
use core::ptr::NonNull;
use kernel::{
    alloc::KVVec,
    ffi::c_char,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

/// The largest number of descriptors (virtio spec §2.7, §2.8.10.1).
pub(crate) const MAX_SIZE: u32 = 32768;

/// The parameters that a transport asks for one queue with.
pub struct Spec {
    /// The index of the queue on its device.
    pub index: u32,
    /// The number of descriptors.
    pub size: u32,
    /// A smaller ring is acceptable if memory is short.
    pub may_shrink: bool,
    /// The alignment of the used area of a split ring, a power of two.
    pub align: usize,
    /// The device is another processor, and not hardware behind a bus.
    pub weak_barriers: bool,
    /// Buffers carry a context. Such a queue uses no indirect tables.
    pub ctx: bool,
    /// The function that notifies the device.
    pub notify: Notify,
    /// The function to call when buffers were used.
    pub callback: bindings::vq_callback_t,
    /// The name, which the caller keeps.
    pub name: *const c_char,
    /// The mapper of memory for the device.
    pub mapper: Mapper,
}

/// Whether this crate provides all queues of the system. Set when the first queue is made, since
/// only one module can provide `virtio_ring`. Cleared when the module that exports the functions is
/// unloaded, because another provider may be loaded afterwards.
static PROVIDES: Atomic<i32> = Atomic::new(0);

/// Records that no queue of this crate is left, and that this crate makes no queue until another
/// call of [`Queue::create`].
///
/// # Safety
///
/// No queue of this crate is left: the module that exports the functions is unloaded, and no
/// transport and no driver is loaded.
pub unsafe fn no_provider() {
    PROVIDES.store(0, Relaxed);
}

/// Returns whether the queues of the system are of this crate, so that a pointer to a `struct
/// virtqueue` is one to a [`Queue`].
#[inline(always)]
pub fn is_provider() -> bool {
    PROVIDES.read_once() != 0
}

impl Spec {
    fn params(&self, vdev: Virtio) -> RingParams {
        let modern = vdev.has(bindings::VIRTIO_F_VERSION_1);
        RingParams {
            packed: vdev.has(bindings::VIRTIO_F_RING_PACKED),
            in_order: vdev.has(bindings::VIRTIO_F_IN_ORDER),
            tables: vdev.has(bindings::VIRTIO_RING_F_INDIRECT_DESC) && !self.ctx,
            align: self.align,
            may_shrink: self.may_shrink,
            config: RingConfig {
                event_idx: vdev.has(bindings::VIRTIO_RING_F_EVENT_IDX),
                endian: if modern {
                    Endian::Little
                } else {
                    Endian::Native
                },
                strong_barriers: !self.weak_barriers || vdev.has(bindings::VIRTIO_F_ORDER_PLATFORM),
                indirect: IndirectRule::DEFAULT,
                callbacks: self.callback.is_some(),
            },
        }
    }

    /// Checks that the layout can have the size, and returns the size.
    fn size(&self, vdev: Virtio, params: &RingParams) -> Result<u16> {
        let wrong = self.size == 0 || (!params.packed && !self.size.is_power_of_two());
        if wrong {
            dev_warn!(
                vdev.dev(),
                "queue {}: bad queue length {}\n",
                self.index,
                self.size
            );
            return Err(EINVAL);
        }
        if !self.align.is_power_of_two() {
            return Err(EINVAL);
        }
        // CAST: The size is at most 32768, which is a power of two.
        Ok(self.size.min(MAX_SIZE) as u16)
    }
}

/// Allocates the descriptor states for the ids of a ring.
pub(crate) fn new_states(size: u16) -> Result<DescStates> {
    let reach = states_in_reach(size);
    let mut states = KVVec::with_capacity(reach, GFP_KERNEL | __GFP_ZERO)?;
    for _ in 0..size {
        states.push(DescState::new(), GFP_KERNEL)?;
    }
    Ok(states)
}

/// Creates the ring of a format in its memory, with its bookkeeping.
///
/// # Safety
///
/// The memory stays valid as long as the ring. Only the ring and the device write it.
unsafe fn ring(
    params: &RingParams,
    ring_memory: &RingMemory,
    tables: Tables,
    bookkeeping: Bookkeeping,
) -> Result<(AnyLayout, LocklessPart)> {
    let states = new_states(ring_memory.size())?;
    let config = params.config;
    // SAFETY: By the invariants of `RingMemory`, the memory is mapped as the ring expects. By the
    // safety requirements, it stays so, and only the ring and the device write it. The lockless
    // state and the descriptor states are new.
    unsafe {
        if params.packed {
            let state = Arc::new(packed::LocklessState::new(), GFP_KERNEL)?;
            let lockless_part = LocklessPart::Packed(state.clone());
            let memory = ring_memory.packed();
            let ring = if params.in_order {
                let core = Packed::new(memory, config, states, state, tables)?;
                AnyLayout::PackedInOrder(Ring { core, bookkeeping })
            } else {
                let core = Packed::new(memory, config, states, state, tables)?;
                AnyLayout::Packed(Ring { core, bookkeeping })
            };
            Ok((ring, lockless_part))
        } else {
            let state = Arc::new(split::LocklessState::new(), GFP_KERNEL)?;
            let lockless_part = LocklessPart::Split(state.clone());
            let memory = ring_memory.split();
            let ring = if params.in_order {
                let core = Split::new(memory, config, states, state, tables)?;
                AnyLayout::SplitInOrder(Ring { core, bookkeeping })
            } else {
                let core = Split::new(memory, config, states, state, tables)?;
                AnyLayout::Split(Ring { core, bookkeeping })
            };
            Ok((ring, lockless_part))
        }
    }
}

impl Queue {
    /// Creates a queue. Its memory is at `pages`, or allocated for the device if that is `None`.
    ///
    /// Process context, sleeps.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the layout has no such size or alignment;
    /// - `ENOMEM`.
    ///
    /// # Safety
    ///
    /// - The device, the name and the functions of `spec` outlive the queue. The features of the
    ///   device are negotiated.
    /// - `pages` is valid memory, as large as a split ring of that size and alignment takes, as
    ///   long as the queue exists.
    pub unsafe fn create(
        vdev: Virtio,
        spec: &Spec,
        pages: Option<NonNull<u8>>,
    ) -> Result<KBox<Self>> {
        let params = spec.params(vdev);
        let size = spec.size(vdev, &params)?;
        let needs_mapping = vdev.uses_map_api();
        let mapper = needs_mapping.then_some(&spec.mapper);
        let ring_memory = match pages {
            // The three areas of a packed ring do not follow from one pointer.
            Some(_) if params.packed => return Err(EINVAL),
            // SAFETY: By the safety requirements, `pages` is memory for a split ring of that size.
            Some(pages) => unsafe { RingMemory::of_caller(&params, pages, size) },
            None => RingMemory::new_or_smaller(&params, mapper, size)?,
        };
        let mappings = match mapper {
            Some(&mapper) => Some(DmaMappings::new(mapper, ring_memory.size())?),
            None => None,
        };
        let counters = Arc::new(Counters::new(), GFP_KERNEL)?;
        let tables = Tables::new(params.tables, mapper, ring_memory.size(), counters.clone())?;
        tables.log_missing(vdev, spec.index, ring_memory.size());
        let bookkeeping =
            Bookkeeping::new(mappings, vdev, spec.index, ring_memory.size(), counters)?;
        // SAFETY: The memory goes into the queue together with the ring, so it stays as long. The
        // ring is the only one in it.
        let (ring, lockless_part) = unsafe { ring(&params, &ring_memory, tables, bookkeeping) }?;
        let vq = fields(
            spec.index,
            vdev,
            spec.callback,
            spec.name,
            ring_memory.size().into(),
        );
        let exclusive = ExclusiveQueue { ring };
        let queue = Self::new(QueueParts {
            vq,
            notify: spec.notify,
            lockless_part,
            exclusive,
            mapper: spec.mapper,
            needs_mapping,
            params,
            ring_memory,
        });
        let queue = KBox::new(queue, GFP_KERNEL)?;
        #[cfg(CONFIG_VIRTIO_HARDEN_NOTIFICATION)]
        crate::with_lockless!(queue, |state| state.declare_broken());
        PROVIDES.store(1, Relaxed);
        Ok(queue)
    }
}
