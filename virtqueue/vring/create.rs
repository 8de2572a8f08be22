// SPDX-License-Identifier: GPL-2.0

//! Making queues.

use crate::{
    backing::{
        Backing,
        Format, //
    },
    bindings,
    device::Virtio,
    dma::Mapper,
    inner::{
        Inner,
        Ring,
        Slots, //
    },
    mapped::Mapped,
    queue::{
        fields,
        Notify,
        Queue,
        Shared, //
    },
    ring::{
        packed,
        split,
        Config,
        Endian,
        IndirectRule,
        Packed,
        Slot,
        Split, //
    },
    side::Side,
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

/// The largest ring (virtio spec §2.7, §2.8.10.1).
pub(crate) const MAX_SIZE: u32 = 32768;

/// The wishes of a transport for one queue.
pub struct Spec {
    /// Index of the queue on its device.
    pub index: u32,
    /// Descriptors.
    pub size: u32,
    /// Whether fewer will do if memory is short.
    pub may_shrink: bool,
    /// Alignment of the used area of a split ring, a power of two.
    pub align: usize,
    /// Whether the other side is another processor, not a device behind a bus.
    pub weak_barriers: bool,
    /// Whether buffers carry a context. Such a queue uses no indirect tables.
    pub ctx: bool,
    /// Notifies the device.
    pub notify: Notify,
    /// Called when buffers were used.
    pub callback: bindings::vq_callback_t,
    /// Name, which the caller keeps.
    pub name: *const c_char,
    /// Maps memory for the device.
    pub mapper: Mapper,
}

/// Whether a queue was made: then all queues are of this crate, as only one ring can be there.
/// Until the module goes by which transports make them: another ring may come then.
pub static PROVIDES: Atomic<i32> = Atomic::new(0);

/// Says that there is no queue of this crate, and will be none before another one is
/// [made](Queue::create).
///
/// Called when what makes queues for transports goes: there are no transports, and no drivers.
pub fn no_provider() {
    PROVIDES.store(0, Relaxed);
}

/// Whether the queues of the system are of this crate, so that a pointer to a `struct virtqueue`
/// is one to a [`Queue`].
#[inline(always)]
pub fn is_provider() -> bool {
    PROVIDES.read_once() != 0
}

impl Spec {
    fn format(&self, vdev: Virtio) -> Format {
        let modern = vdev.has(bindings::VIRTIO_F_VERSION_1);
        Format {
            packed: vdev.has(bindings::VIRTIO_F_RING_PACKED),
            in_order: vdev.has(bindings::VIRTIO_F_IN_ORDER),
            tables: vdev.has(bindings::VIRTIO_RING_F_INDIRECT_DESC) && !self.ctx,
            align: self.align,
            may_shrink: self.may_shrink,
            config: Config {
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

    /// Checks the size against the layout.
    fn size(&self, vdev: Virtio, format: &Format) -> Result<u16> {
        let wrong = self.size == 0 || (!format.packed && !self.size.is_power_of_two());
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
        // CAST: At most 32768, which is a power of two.
        Ok(self.size.min(MAX_SIZE) as u16)
    }
}

/// Makes slots for the ids of a ring.
pub(crate) fn slots(size: u16) -> Result<Slots> {
    let mut slots = KVVec::with_capacity(usize::from(size), GFP_KERNEL)?;
    for _ in 0..size {
        slots.push(Slot::new(), GFP_KERNEL)?;
    }
    Ok(slots)
}

/// Makes the ring of a format in its memory.
///
/// # Safety
///
/// Nobody else writes the memory, but for the device, and it stays as long as the ring.
unsafe fn ring(format: &Format, backing: &Backing, tables: Tables) -> Result<(Ring, Shared)> {
    let slots = slots(backing.size())?;
    let config = format.config;
    // SAFETY: By the safety requirements and the invariants of `Backing`; the controls are new.
    unsafe {
        if format.packed {
            let control = Arc::new(packed::Control::new(), GFP_KERNEL)?;
            let shared = Shared::Packed(control.clone());
            let memory = backing.packed();
            let ring = if format.in_order {
                Ring::PackedInOrder(Packed::new(memory, config, slots, control, tables)?)
            } else {
                Ring::Packed(Packed::new(memory, config, slots, control, tables)?)
            };
            Ok((ring, shared))
        } else {
            let control = Arc::new(split::Control::new(), GFP_KERNEL)?;
            let shared = Shared::Split(control.clone());
            let memory = backing.split();
            let ring = if format.in_order {
                Ring::SplitInOrder(Split::new(memory, config, slots, control, tables)?)
            } else {
                Ring::Split(Split::new(memory, config, slots, control, tables)?)
            };
            Ok((ring, shared))
        }
    }
}

impl Queue {
    /// Makes a queue, whose memory is allocated for the device, or is at `pages`.
    ///
    /// Process context, sleeps.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the size, or the alignment, is none that the layout can have;
    /// - `ENOMEM`.
    ///
    /// # Safety
    ///
    /// - `spec` has a device that outlives the queue, with its features negotiated, and a name and
    ///   functions that do.
    /// - `pages` is as much memory as a split ring of that size and alignment takes, as long as
    ///   the queue exists.
    pub unsafe fn create(
        vdev: Virtio,
        spec: &Spec,
        pages: Option<NonNull<u8>>,
    ) -> Result<KBox<Self>> {
        let format = spec.format(vdev);
        let size = spec.size(vdev, &format)?;
        let is_mapped = vdev.uses_map_api();
        let mapper = is_mapped.then_some(&spec.mapper);
        let backing = match pages {
            // A packed ring has three areas, of which a caller says one.
            Some(_) if format.packed => return Err(EINVAL),
            // SAFETY: By the safety requirements, `pages` is memory for a split ring of that size.
            Some(pages) => unsafe { Backing::foreign(&format, pages, size) },
            None => Backing::shrinking(&format, mapper, size)?,
        };
        let mapped = match mapper {
            Some(&mapper) => Some(Mapped::new(mapper, backing.size())?),
            None => None,
        };
        let counters = Arc::new(Counters::new(), GFP_KERNEL)?;
        let tables = Tables::new(format.tables, mapper, backing.size(), counters.clone())?;
        tables.tell(vdev, spec.index, backing.size());
        // SAFETY: The memory goes into the queue, with the ring.
        let (ring, shared) = unsafe { ring(&format, &backing, tables) }?;
        let vq = fields(
            spec.index,
            vdev,
            spec.callback,
            spec.name,
            backing.size().into(),
        );
        let side = Side::new(mapped, vdev, spec.index, backing.size(), counters)?;
        let inner = Inner { ring, side };
        let queue = KBox::new(
            Self::new(
                vq,
                spec.notify,
                shared,
                inner,
                spec.mapper,
                is_mapped,
                format,
                backing,
            ),
            GFP_KERNEL,
        )?;
        #[cfg(CONFIG_VIRTIO_HARDEN_NOTIFICATION)]
        queue.declare_broken();
        PROVIDES.store(1, Relaxed);
        Ok(queue)
    }
}
