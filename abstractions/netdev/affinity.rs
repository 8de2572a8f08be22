// SPDX-License-Identifier: GPL-2.0

//! Spreading queues over CPUs.

use crate::{
    bindings,
    device::{
        Device,
        Operations, //
    },
};
use kernel::{
    alloc::KVec,
    cpu::CpuId,
    cpumask::{
        Cpumask,
        CpumaskVar, //
    },
    error::to_result,
    prelude::*, //
};

/// Evidence that no CPU goes online or offline.
///
/// # Invariants
///
/// CPU hotplug is blocked for the life of the value.
pub struct CpusLocked {
    locked: bool,
}

impl CpusLocked {
    /// Blocks CPU hotplug until the result is dropped. Process context, sleeps; not from a hotplug
    /// callback.
    pub fn lock() -> Self {
        // SAFETY: May be called in process context.
        unsafe { bindings::cpus_read_lock() };
        // INVARIANT: Until dropped.
        Self { locked: true }
    }

    /// Returns the evidence for a callback of CPU hotplug.
    ///
    /// # Safety
    ///
    /// For the life of the value, hotplug is blocked, or the caller is one of its callbacks.
    pub(crate) unsafe fn assume_held() -> Self {
        // INVARIANT: By the safety requirements.
        Self { locked: false }
    }
}

impl Drop for CpusLocked {
    fn drop(&mut self) {
        if self.locked {
            // SAFETY: It was locked by `lock`.
            unsafe { bindings::cpus_read_unlock() };
        }
    }
}

/// Returns the number of CPUs that are online.
pub fn num_online_cpus() -> usize {
    // SAFETY: May be called in any context.
    unsafe { bindings::num_online_cpus() as usize }
}

/// Returns the number of CPUs in group `index` of `groups`. All groups have the same number. If
/// CPUs are left over, the first groups have one more.
pub fn group_size(cpus: usize, groups: usize, index: usize) -> usize {
    if groups == 0 {
        return 0;
    }
    let stride = (cpus / groups).max(1);
    let stragglers = if cpus >= groups { cpus % groups } else { 0 };
    stride + usize::from(index < stragglers)
}

/// Spreads the CPUs that are online over `groups` groups of neighbours, and calls `f` with each
/// group.
///
/// If there are fewer CPUs than groups, a CPU is in several groups. Process context, sleeps.
///
/// # Errors
///
/// `ENOMEM`.
pub fn spread(_cpus: &CpusLocked, groups: usize, mut f: impl FnMut(usize, &Cpumask)) -> Result {
    let mut online = KVec::new();
    let mut cpu = -1;
    loop {
        // SAFETY: May be called in any context; hotplug is blocked.
        let next = unsafe { bindings::cpumask_next_online(cpu) };
        let Some(id) = CpuId::from_u32(next) else {
            break;
        };
        online.push(id, GFP_KERNEL)?;
        cpu = next as i32;
    }
    let mut cpus = online.iter().cycle();
    for i in 0..groups {
        let mut mask = CpumaskVar::new_zero(GFP_KERNEL)?;
        for cpu in cpus.by_ref().take(group_size(online.len(), groups, i)) {
            mask.set(*cpu);
        }
        f(i, &mask);
    }
    Ok(())
}

impl<T: Operations> Device<T> {
    /// Makes the CPUs of `mask` prefer a transmit queue (XPS). Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EINVAL`: there is no such queue.
    pub fn set_xps(&self, queue: usize, mask: &Cpumask, _cpus: &CpusLocked) -> Result {
        // The core does not check the index, and would write behind the array of queues.
        if queue >= self.queues() {
            return Err(EINVAL);
        }
        let queue = u16::try_from(queue)?;
        // SAFETY: The device is valid (type invariant), and has this queue. The mask is valid, and
        // hotplug is blocked.
        to_result(unsafe { bindings::netif_set_xps_cpus(self.as_raw(), mask.as_raw(), queue) })
    }
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kunit_tests(rust_net_affinity)]
mod tests {
    use super::*;

    #[test]
    fn groups_cover_all_cpus() {
        for cpus in 1..20 {
            for groups in 1..=cpus {
                let sum: usize = (0..groups).map(|i| group_size(cpus, groups, i)).sum();
                assert_eq!(sum, cpus);
            }
        }
    }

    #[test]
    fn more_groups_than_cpus() {
        assert!((0..8).all(|i| group_size(3, 8, i) == 1));
        assert_eq!(group_size(3, 0, 0), 0);
    }
}
