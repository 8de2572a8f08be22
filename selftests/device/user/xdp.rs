// SPDX-License-Identifier: GPL-2.0

//! XDP programs for a network interface.

use super::nic::Nic;
use crate::{
    bindings,
    wait, //
};
use core::ptr::NonNull;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// Largest number of fragments of a packet after its first buffer.
pub const MAX_SKB_FRAGS: usize = bindings::MAX_SKB_FRAGS;

/// The decision of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XdpVerdict {
    /// The program failed.
    Aborted = 0,
    /// The packet is dropped.
    Drop = 1,
    /// The stack gets the packet.
    Pass = 2,
    /// The interface sends the packet back.
    Tx = 3,
    /// Another interface sends the packet.
    Redirect = 4,
    /// A value without a meaning.
    Unknown = 77,
}

/// The actions of a program.
#[derive(Clone, Copy, Debug)]
pub struct XdpActions {
    /// The decision.
    pub verdict: XdpVerdict,
    /// The number of bytes to remove from the start of the packet; negative to add some, of value
    /// 0xaa.
    pub head: i32,
    /// The number of bytes of metadata to put before the packet.
    pub metadata: u32,
    /// The index of the interface to redirect to.
    pub ifindex: i32,
    /// Whether the program takes packets in several buffers.
    pub frags: bool,
    /// Whether to exchange the addresses of the packet.
    pub turn: bool,
    /// The address of the AF_XDP socket to redirect to, or 0.
    pub socket: usize,
}

impl XdpActions {
    /// Returns the actions of a program that only decides.
    pub const fn new(verdict: XdpVerdict) -> Self {
        Self {
            verdict,
            head: 0,
            metadata: 0,
            ifindex: 0,
            frags: false,
            turn: false,
            socket: 0,
        }
    }
}

/// The packets that a program got: their number, and the last of them as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XdpSeen {
    /// The number of packets.
    pub count: u32,
    /// The length of the last packet.
    pub len: u32,
    /// The number of buffers after the first one.
    pub frags: u32,
    /// The number of bytes before the packet.
    pub headroom: u32,
    /// The receive queue.
    pub queue: u32,
    /// The sum of all bytes.
    pub sum: u32,
    /// The hash and its type, `XDP_RSS_TYPE_*`, or the error of asking for them.
    pub hash: Result<(u32, u32)>,
}

/// A program. Dropping it waits until no driver has it any longer.
///
/// # Invariants
///
/// The pointer is to a program of `user/xdp.c`, and this owns a reference to it.
pub struct XdpTest(NonNull<bindings::bpf_prog>);

// SAFETY: A program may be used from any thread.
unsafe impl Send for XdpTest {}

impl XdpTest {
    /// Returns a program.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(actions: XdpActions) -> Result<Self> {
        let raw = bindings::rust_virtio_fake_xdp_actions {
            verdict: actions.verdict as u32,
            head: actions.head,
            metadata: actions.metadata,
            ifindex: actions.ifindex,
            frags: actions.frags,
            turn: actions.turn,
            socket: core::ptr::without_provenance_mut(actions.socket),
        };
        // SAFETY: The actions are copied.
        let prog = unsafe { bindings::rust_virtio_fake_xdp_new(&raw) };
        // INVARIANT: The program is new, with one reference.
        Ok(Self(NonNull::new(prog).ok_or(ENOMEM)?))
    }

    /// Returns the packets that the program got.
    pub fn seen(&self) -> XdpSeen {
        let mut raw = bindings::rust_virtio_fake_xdp_seen::default();
        // SAFETY: The program is valid (type invariant).
        unsafe { bindings::rust_virtio_fake_xdp_seen(self.0.as_ptr(), &mut raw) };
        XdpSeen {
            count: raw.count,
            len: raw.len,
            frags: raw.frags,
            headroom: raw.headroom,
            queue: raw.queue,
            sum: raw.sum,
            hash: to_result(raw.hash_ret).map(|()| (raw.hash, raw.hash_type)),
        }
    }

    /// Returns the number of references of drivers to the program.
    pub fn references(&self) -> i64 {
        // SAFETY: The program is valid (type invariant).
        unsafe { bindings::rust_virtio_fake_xdp_references(self.0.as_ptr()) - 1 }
    }

    /// Returns the number of exceptions that were reported for the program.
    pub fn exceptions(&self) -> u32 {
        // SAFETY: The program is valid (type invariant).
        unsafe { bindings::rust_virtio_fake_xdp_exceptions(self.0.as_ptr()) }
    }
}

impl Drop for XdpTest {
    fn drop(&mut self) {
        if !wait::until(5_000, || self.references() == 0) {
            pr_err!("    # a driver has kept an XDP program\n");
            return;
        }
        // SAFETY: This has the last reference (type invariant), and does not use it again.
        unsafe { bindings::rust_virtio_fake_xdp_free(self.0.as_ptr()) };
    }
}

/// A message of the driver to the user.
pub struct Message([u8; 128]);

impl Message {
    /// Returns the text.
    pub fn text(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or(c"")
    }
}

impl Nic {
    /// Attaches a program, or detaches it.
    ///
    /// # Errors
    ///
    /// Any error of the driver, with its message.
    #[expect(clippy::result_large_err, reason = "the message is what tests look at")]
    pub fn set_xdp(&self, prog: Option<&XdpTest>) -> Result<(), (Error, Message)> {
        let mut message = Message([0; 128]);
        let prog = prog.map_or(core::ptr::null_mut(), |prog| prog.0.as_ptr());
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        // The program is valid, and there is room for the message.
        let ret = unsafe {
            bindings::rust_virtio_fake_set_xdp(
                self.0,
                prog,
                message.0.as_mut_ptr().cast(),
                message.0.len(),
            )
        };
        to_result(ret).map_err(|e| (e, message))
    }

    /// Asks the interface to transmit no frame of XDP, with these flags.
    ///
    /// # Errors
    ///
    /// Any error of the driver.
    pub fn xdp_xmit_none(&self, flags: u32) -> Result {
        // SAFETY: This is a reference (type invariant).
        to_result(unsafe { bindings::rust_virtio_fake_xdp_xmit_none(self.0, flags) })
    }

    /// Returns the XDP features, `NETDEV_XDP_ACT_*`.
    pub fn xdp_features(&self) -> u64 {
        // SAFETY: This is a reference (type invariant).
        unsafe { bindings::rust_virtio_fake_xdp_features(self.0) }
    }

    /// Returns the index of the interface.
    pub fn ifindex(&self) -> i32 {
        // SAFETY: This is a reference (type invariant).
        unsafe { bindings::rust_virtio_fake_ifindex(self.0) }
    }
}
