// SPDX-License-Identifier: GPL-2.0

//! Finding the queues of a device, and deleting them.

use super::{
    Buffer,
    Virtqueue, //
};
use crate::{bindings, device::Device};
use core::ptr::null_mut;
use kernel::{
    alloc::KVec,
    device::Bound,
    error::to_result,
    fmt,
    prelude::*,
    str::CString,
    sync::Arc,
    types::ScopeGuard, //
};

/// The specification of one queue (C: `struct virtqueue_info`).
pub struct QueueSpec {
    name: CString,
    callback: bool,
    ctx: bool,
    max_segments: usize,
}

impl QueueSpec {
    /// Specifies a queue with a callback, for buffers of up to `max_segments` segments. The name
    /// shows in `/proc/interrupts`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(name: fmt::Arguments<'_>, max_segments: usize) -> Result<Self> {
        Ok(Self {
            name: CString::try_from_fmt(name)?,
            callback: true,
            ctx: false,
            max_segments,
        })
    }

    /// Removes the callback. The queue takes no interrupt vector.
    #[must_use]
    pub fn without_callback(mut self) -> Self {
        self.callback = false;
        self
    }

    /// Adds a context to each buffer ([`Buffer::HAS_CTX`]). The queue has no indirect tables.
    #[must_use]
    pub fn with_ctx(mut self) -> Self {
        self.ctx = true;
        self
    }
}

/// The CPUs that get the interrupts of the queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affinity {
    /// The system chooses the CPUs. [`QueueHandle::set_affinity`](super::QueueHandle::set_affinity)
    /// gives it hints.
    Default,
    /// The interrupt core spreads the vectors over the CPUs, except for the first and the last few.
    Spread {
        /// The number of vectors at the start that are left out.
        pre_vectors: u32,
        /// The number of vectors at the end that are left out.
        post_vectors: u32,
    },
}

/// The queues that the transport made for a device. Dropping this value deletes them (`del_vqs`).
///
/// # Invariants
///
/// `dev` is bound, and `find_vqs` succeeded on it, as long as this value exists: unbinding waits
/// for it ([`BindState`](crate::binding::BindState)).
pub(super) struct QueueSet {
    dev: *mut bindings::virtio_device,
    /// The specifications that the queues were found by. The ring keeps pointers to the names.
    specs: KVec<QueueSpec>,
}

// SAFETY: The functions of a set may be called from any thread.
unsafe impl Send for QueueSet {}

// SAFETY: A set has no method that needs exclusion.
unsafe impl Sync for QueueSet {}

impl QueueSet {
    /// Returns the device.
    pub(super) fn dev(&self) -> &Device<Bound> {
        // SAFETY: By the type invariant, `dev` is bound as long as this exists.
        unsafe { &*self.dev.cast() }
    }
}

impl Drop for QueueSet {
    fn drop(&mut self) {
        let dev = self.dev();
        // A set may be dropped before any queue was taken from it.
        if !dev.bind_state().is_reset() {
            dev.reset();
        }
        if let Some(del_vqs) = dev.config_ops().del_vqs {
            dev.keep_status(|| {
                // SAFETY: By the type invariant, the queues exist and nothing refers to them: every
                // `Virtqueue` and every `QueueHandle` keeps the set alive. The device is in reset.
                unsafe { del_vqs(self.dev) };
            });
        }
        dev.bind_state().put_set();
    }
}

/// The queues that [`Device::find_vqs`] found.
pub struct Queues {
    set: Arc<QueueSet>,
    /// The queues; null for each queue that was taken.
    vqs: KVec<*mut bindings::virtqueue>,
}

// SAFETY: The raw pointers are to queues that nothing else refers to.
unsafe impl Send for Queues {}

impl Queues {
    /// See [`Device::find_vqs`].
    pub(crate) fn find(
        dev: &Device<Bound>,
        specs: KVec<QueueSpec>,
        affinity: Affinity,
    ) -> Result<Self> {
        let ops = dev.config_ops();
        let find_vqs = ops.find_vqs.ok_or(EINVAL)?;

        let mut infos = KVec::with_capacity(specs.len(), GFP_KERNEL)?;
        for spec in &specs {
            infos.push(
                bindings::virtqueue_info {
                    name: spec.name.as_char_ptr(),
                    callback: if spec.callback {
                        Some(dev.bind_state().vq_callback())
                    } else {
                        None
                    },
                    ctx: spec.ctx,
                },
                GFP_KERNEL,
            )?;
        }
        let mut vqs = KVec::from_elem(null_mut(), specs.len(), GFP_KERNEL)?;
        let mut desc = bindings::irq_affinity::default();
        let desc = match affinity {
            Affinity::Default => null_mut(),
            Affinity::Spread {
                pre_vectors,
                post_vectors,
            } => {
                // The kernel adds the two up, in 32 bits.
                let apart = pre_vectors.checked_add(post_vectors).ok_or(EINVAL)?;
                if apart as usize > specs.len() {
                    return Err(EINVAL);
                }
                desc.pre_vectors = pre_vectors;
                desc.post_vectors = post_vectors;
                &raw mut desc
            }
        };

        let state = dev.bind_state();
        state.get_set()?;
        let uncount = ScopeGuard::new(|| {
            state.put_set();
        });

        // From now on the transport may have enabled queues, so only a reset takes the memory of
        // the queues from the device. A reset by another thread waits for the lock, and so comes
        // after this.
        let owner = state.owner.lock();
        state.set_reset(false);
        // SAFETY: The device is bound. The three arrays have `specs.len()` entries, and the names
        // stay as long as the queues.
        to_result(unsafe {
            find_vqs(
                dev.as_raw(),
                specs.len() as u32,
                vqs.as_mut_ptr(),
                infos.as_mut_ptr(),
                desc,
            )
        })?;
        drop(owner);

        // INVARIANT: The device is bound, the queues were found, and the set is counted.
        let set = QueueSet {
            dev: dev.as_raw(),
            specs,
        };
        uncount.dismiss();
        Ok(Self {
            // If this fails, the set is dropped and deletes the queues.
            set: Arc::new(set, GFP_KERNEL)?,
            vqs,
        })
    }

    /// Returns the number of queues.
    pub fn len(&self) -> usize {
        self.vqs.len()
    }

    /// Returns whether there is no queue.
    pub fn is_empty(&self) -> bool {
        self.vqs.is_empty()
    }

    /// Takes queue `index`, to carry buffers of type `T`.
    ///
    /// # Errors
    ///
    /// - `ENOENT`: there is no such queue, or it was taken.
    /// - `EINVAL`: buffers of type `T` carry a context, and the queue was found without one.
    /// - `ENOMEM`.
    pub fn take<T: Buffer>(&mut self, index: usize) -> Result<Virtqueue<T>> {
        let vq = self.vqs.get_mut(index).ok_or(ENOENT)?;
        if vq.is_null() {
            return Err(ENOENT);
        }
        let spec = self.set.specs.get(index).ok_or(ENOENT)?;
        // The C ring may keep an indirect table in the place of the context of a buffer.
        if T::HAS_CTX && !spec.ctx {
            return Err(EINVAL);
        }
        let queue = Virtqueue::new(*vq, spec.max_segments, self.set.clone())?;
        *vq = null_mut();
        Ok(queue)
    }
}
