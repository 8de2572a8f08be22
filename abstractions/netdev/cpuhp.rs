// SPDX-License-Identifier: GPL-2.0

//! CPU hotplug.
//!
//! C header: [`include/linux/cpuhotplug.h`](srctree/include/linux/cpuhotplug.h)

use crate::{
    affinity::CpusLocked,
    bindings,
    rtnl::{
        ByRtnl,
        Rtnl, //
    },
};
use core::mem::transmute;
use kernel::{
    error::to_result,
    ffi::{
        c_int,
        c_uint, //
    },
    prelude::*,
    types::Opaque, //
};

/// A change of the state of a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuChange {
    /// The CPU came online.
    Online,
    /// The CPU is about to go offline.
    GoingDown,
    /// The CPU is offline.
    Dead,
}

/// The names of the states of a module, for `/sys/devices/system/cpu/hotplug/states`.
#[derive(Clone, Copy)]
pub struct Names {
    /// The name of the state for CPUs that come online or are about to go offline.
    pub online: &'static CStr,
    /// The name of the state for CPUs that are offline.
    pub dead: &'static CStr,
}

/// The hotplug states of the module. They are registered while an instance is in them.
///
/// # Invariants
///
/// If there are users, `online` and `dead` are registered states.
struct States {
    users: usize,
    online: bindings::cpuhp_state,
    dead: bindings::cpuhp_state,
}

static STATES: ByRtnl<States> = ByRtnl::new(States {
    users: 0,
    online: 0,
    dead: 0,
});

/// Registers a state of instances.
fn setup(
    state: bindings::cpuhp_state,
    name: &'static CStr,
    up: Callback,
    down: Callback,
) -> Result<bindings::cpuhp_state> {
    // SAFETY: The callbacks are those of instances, as the last argument says. The name outlives
    // the state, which is removed with its last instance.
    let ret =
        unsafe { bindings::__cpuhp_setup_state(state, name.as_char_ptr(), false, up, down, true) };
    to_result(ret)?;
    Ok(ret as bindings::cpuhp_state)
}

/// Removes a state.
///
/// # Safety
///
/// It is registered, and has no instance.
unsafe fn teardown(state: bindings::cpuhp_state) {
    // SAFETY: By the safety requirements, `state` is registered and has no instance.
    unsafe { bindings::__cpuhp_remove_state(state, false) };
}

impl States {
    /// Adds a user. The first one registers the states.
    ///
    /// # Errors
    ///
    /// `ENOSPC`: there are too many states.
    fn get(&mut self, names: Names) -> Result {
        if self.users == 0 {
            self.online = setup(
                bindings::cpuhp_state_CPUHP_AP_ONLINE_DYN,
                names.online,
                erase(cpu_online),
                erase(cpu_down_prep),
            )?;
            self.dead = setup(
                bindings::cpuhp_state_CPUHP_BP_PREPARE_DYN,
                names.dead,
                None,
                erase(cpu_dead),
            )
            // SAFETY: It was registered just now.
            .inspect_err(|_| unsafe { teardown(self.online) })?;
        }
        // INVARIANT: Both states are registered: now, or by an earlier user.
        self.users += 1;
        Ok(())
    }

    /// Removes a user, whose instance is in no state. The last one removes the states.
    fn put(&mut self) {
        self.users -= 1;
        if self.users == 0 {
            for state in [self.dead, self.online] {
                // SAFETY: By the type invariants; each user has taken its instance out.
                unsafe { teardown(state) };
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
    call: unsafe fn(owner: *const (), CpuChange, &CpusLocked),
    owner: *const (),
}

impl Node {
    /// # Safety
    ///
    /// `state` is registered, and the instance is in no state. While it is in a state, it does not
    /// move, and its function may be called.
    unsafe fn add(&self, state: bindings::cpuhp_state) -> Result {
        // SAFETY: By the safety requirements, `state` is registered, and the node is in none and
        // does not move while it is in this one.
        to_result(unsafe { bindings::__cpuhp_state_add_instance(state, self.node.get(), false) })
    }

    /// # Safety
    ///
    /// The instance is in `state`.
    unsafe fn remove(&self, state: bindings::cpuhp_state) {
        // SAFETY: By the safety requirements, the node is in `state`, which is a registered one.
        unsafe { bindings::__cpuhp_state_remove_instance(state, self.node.get(), false) };
    }
}

/// A user of the hotplug states.
///
/// # Invariants
///
/// If `added` is set, the nodes are in the states, and this is a user of [`States`]. Otherwise they
/// are in no state.
pub(crate) struct Instance {
    online: Node,
    dead: Node,
    added: ByRtnl<bool>,
}

impl Instance {
    /// Returns an instance that is in no state.
    pub(crate) fn new(
        owner: *const (),
        call: unsafe fn(owner: *const (), CpuChange, &CpusLocked),
    ) -> Self {
        let node = || Node {
            node: Opaque::zeroed(),
            call,
            owner,
        };
        Self {
            online: node(),
            dead: node(),
            added: ByRtnl::new(false),
        }
    }

    /// Adds the instance to the states, which get `names` if it is the first. Process context,
    /// sleeps.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: it was added before.
    /// - `ENOSPC`: there are too many states.
    ///
    /// # Safety
    ///
    /// The instance does not move, and its function may be called with its owner, until
    /// [`Instance::remove`].
    pub(crate) unsafe fn add(&self, names: Names, rtnl: &mut Rtnl) -> Result {
        if *self.added.get(rtnl) {
            return Err(EBUSY);
        }
        let states = STATES.get(rtnl);
        states.get(names)?;
        // SAFETY: `get` has registered the states. `added` is not set, so the nodes are in none
        // (type invariant); by the safety requirements, they do not move, and their function may be
        // called.
        let ret = unsafe {
            self.online.add(states.online).and_then(|()| {
                self.dead
                    .add(states.dead)
                    .inspect_err(|_| self.online.remove(states.online))
            })
        };
        if ret.is_err() {
            states.put();
        } else {
            // INVARIANT: The nodes are in the states.
            *self.added.get(rtnl) = true;
        }
        ret
    }

    /// Removes the instance, if it is in the states; when this returns, its function is not
    /// running. Process context, sleeps.
    pub(crate) fn remove(&self, rtnl: &mut Rtnl) {
        // INVARIANT: The nodes are removed from the states below.
        if !core::mem::replace(self.added.get(rtnl), false) {
            return;
        }
        let states = STATES.get(rtnl);
        // SAFETY: `added` was set, so the nodes are in the states, which are registered as this is
        // a user of them (type invariants of `Instance` and `States`).
        unsafe {
            self.dead.remove(states.dead);
            self.online.remove(states.online);
        }
        states.put();
    }
}

/// A callback, as the core takes it.
type Callback = Option<unsafe extern "C" fn(cpu: c_uint) -> c_int>;

type InstanceFn = unsafe extern "C" fn(cpu: c_uint, node: *mut bindings::hlist_node) -> c_int;

/// Converts the callback of an instance to the type in which the core takes it.
fn erase(f: InstanceFn) -> Callback {
    // SAFETY: Both are function pointers; the core calls it with the type that it has, as the
    // state is one of instances.
    Some(unsafe { transmute::<InstanceFn, unsafe extern "C" fn(c_uint) -> c_int>(f) })
}

/// # Safety
///
/// Called by the core for a node that was added by [`Instance::add`].
unsafe fn call(node: *mut bindings::hlist_node, change: CpuChange) {
    let node = Opaque::cast_from(node);
    // SAFETY: By the safety requirements, `node` is that of a `Node`. The instance stays where it
    // is until `Instance::remove`, which waits for this call, has returned.
    let node = unsafe { &*kernel::container_of!(node, Node, node) };
    // SAFETY: This is a hotplug callback.
    let cpus = unsafe { CpusLocked::assume_held() };
    // SAFETY: The node is in a state, so the function may be called (type invariant of `Node`).
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
