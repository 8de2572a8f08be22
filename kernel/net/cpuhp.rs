// SPDX-License-Identifier: GPL-2.0

//! CPUs that come and go.
//!
//! C header: [`include/linux/cpuhotplug.h`](srctree/include/linux/cpuhotplug.h)

use crate::{
    affinity::CpusLocked,
    bindings, //
};
use core::mem::transmute;
use kernel::{
    error::to_result,
    ffi::{
        c_int,
        c_uint, //
    },
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    types::Opaque, //
};

/// What happens to a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuChange {
    /// It came online.
    Online,
    /// It is about to go offline.
    GoingDown,
    /// It is gone.
    Dead,
}

/// The states of this crate's user, 0 if there are none.
static ONLINE: Atomic<i32> = Atomic::new(0);
static DEAD: Atomic<i32> = Atomic::new(0);

/// Holds the hotplug states of a module: one for CPUs that come online or are about to go, and
/// one for those that are gone.
///
/// A module has it from before the first device to after the last.
pub struct Hotplug(());

impl Hotplug {
    /// In place of a state: it is being registered.
    const REGISTERING: i32 = -1;

    /// Registers the states. Process context, sleeps.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: the module has registered them before.
    /// - `ENOSPC`: there are too many states.
    pub fn register(online: &'static CStr, dead: &'static CStr) -> Result<Self> {
        if ONLINE.cmpxchg(0, Self::REGISTERING, Relaxed).is_err() {
            return Err(EBUSY);
        }
        // SAFETY: The callbacks are those of instances, as the last argument says.
        let ret = unsafe {
            bindings::__cpuhp_setup_state(
                bindings::cpuhp_state_CPUHP_AP_ONLINE_DYN,
                online.as_char_ptr(),
                false,
                erase(cpu_online),
                erase(cpu_down_prep),
                true,
            )
        };
        ONLINE.store(ret.max(0), Relaxed);
        to_result(ret)?;
        let this = Self(());
        // SAFETY: As above.
        let ret = unsafe {
            bindings::__cpuhp_setup_state(
                bindings::cpuhp_state_CPUHP_BP_PREPARE_DYN,
                dead.as_char_ptr(),
                false,
                None,
                erase(cpu_dead),
                true,
            )
        };
        to_result(ret)?;
        DEAD.store(ret, Relaxed);
        Ok(this)
    }
}

impl Drop for Hotplug {
    fn drop(&mut self) {
        for state in [&DEAD, &ONLINE] {
            let n = state.xchg(0, Relaxed);
            if n != 0 {
                // SAFETY: The state was registered, and has no instance any more.
                unsafe { bindings::__cpuhp_remove_state(n as bindings::cpuhp_state, false) };
            }
        }
    }
}

/// An instance in one of the states.
///
/// # Invariants
///
/// While it is in a state, it does not move, and `call` may be called with it.
#[repr(C)]
struct Node {
    node: Opaque<bindings::hlist_node>,
    state: Atomic<i32>,
    call: unsafe fn(owner: *const (), CpuChange, &CpusLocked),
    owner: *const (),
}

/// What wants to know of CPUs.
pub(crate) struct Instance {
    online: Node,
    dead: Node,
}

impl Instance {
    /// An instance, in no state.
    pub(crate) fn new(
        owner: *const (),
        call: unsafe fn(owner: *const (), CpuChange, &CpusLocked),
    ) -> Self {
        let node = || Node {
            node: Opaque::zeroed(),
            state: Atomic::new(0),
            call,
            owner,
        };
        Self {
            online: node(),
            dead: node(),
        }
    }

    /// In place of a state: the instance is being added to one.
    const ADDING: i32 = -1;

    /// Adds the instance to the states.
    ///
    /// # Errors
    ///
    /// - `ENODEV`: there are no states.
    /// - `EBUSY`: it was added before.
    ///
    /// # Safety
    ///
    /// The instance does not move, and its function may be called with its owner, until
    /// [`Instance::remove`].
    pub(crate) unsafe fn add(&self) -> Result {
        for (node, state) in [(&self.online, &ONLINE), (&self.dead, &DEAD)] {
            let n = state.load(Relaxed);
            if n <= 0 {
                self.remove();
                return Err(ENODEV);
            }
            // Nobody else adds it meanwhile.
            if node.state.cmpxchg(0, Self::ADDING, Relaxed).is_err() {
                return Err(EBUSY);
            }
            // SAFETY: The state is registered, and the node stays by the safety requirements.
            let ret = to_result(unsafe {
                bindings::__cpuhp_state_add_instance(
                    n as bindings::cpuhp_state,
                    node.node.get(),
                    false,
                )
            });
            if let Err(e) = ret {
                node.state.store(0, Relaxed);
                self.remove();
                return Err(e);
            }
            node.state.store(n, Relaxed);
        }
        Ok(())
    }

    /// Removes the instance; when this returns, its function is not running.
    pub(crate) fn remove(&self) {
        for node in [&self.dead, &self.online] {
            let n = node.state.load(Relaxed);
            if n > 0 {
                // SAFETY: The node is in that state, and only the owner of the instance removes
                // it.
                unsafe {
                    bindings::__cpuhp_state_remove_instance(
                        n as bindings::cpuhp_state,
                        node.node.get(),
                        false,
                    )
                };
                node.state.store(0, Relaxed);
            }
        }
    }
}

type InstanceFn = unsafe extern "C" fn(cpu: c_uint, node: *mut bindings::hlist_node) -> c_int;

/// The type under which the core takes the callback of an instance.
fn erase(f: InstanceFn) -> Option<unsafe extern "C" fn(cpu: c_uint) -> c_int> {
    // SAFETY: Both are function pointers; the core calls it with the type that it has, as the
    // state is one of instances.
    Some(unsafe { transmute::<InstanceFn, unsafe extern "C" fn(c_uint) -> c_int>(f) })
}

/// # Safety
///
/// Called by the core for a node that was added by [`Instance::add`].
unsafe fn call(node: *mut bindings::hlist_node, change: CpuChange) {
    let node = Opaque::cast_from(node);
    // SAFETY: By the safety requirements.
    let node = unsafe { &*kernel::container_of!(node, Node, node) };
    // SAFETY: This is a hotplug callback.
    let cpus = unsafe { CpusLocked::assume_held() };
    // SAFETY: By the type invariants.
    unsafe { (node.call)(node.owner, change, &cpus) };
}

extern "C" fn cpu_online(_cpu: c_uint, node: *mut bindings::hlist_node) -> c_int {
    // SAFETY: Called by the core for a node of this state.
    unsafe { call(node, CpuChange::Online) };
    0
}

extern "C" fn cpu_down_prep(_cpu: c_uint, node: *mut bindings::hlist_node) -> c_int {
    // SAFETY: Called by the core for a node of this state.
    unsafe { call(node, CpuChange::GoingDown) };
    0
}

extern "C" fn cpu_dead(_cpu: c_uint, node: *mut bindings::hlist_node) -> c_int {
    // SAFETY: Called by the core for a node of this state.
    unsafe { call(node, CpuChange::Dead) };
    0
}
