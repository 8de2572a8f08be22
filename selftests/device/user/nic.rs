// SPDX-License-Identifier: GPL-2.0

//! The network interface that a driver made of a fake device.

use crate::{
    bindings,
    fake::Fake,
    user, //
};
use kernel::{
    alloc::KVec,
    error::to_result,
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        SpinLock, //
    },
    types::Opaque, //
};

/// Frames that a [`Capture`] keeps; it forgets those after.
const CAPTURE_LEN: usize = 64;

/// The state of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NicState {
    /// Largest payload.
    pub mtu: u32,
    /// Largest payload that can be set.
    pub max_mtu: u32,
    /// Transmit queues in use.
    pub tx_queues: u32,
    /// Receive queues in use.
    pub rx_queues: u32,
    /// Hardware address.
    pub mac: [u8; 6],
    /// Whether the driver made the address up.
    pub random_mac: bool,
    /// Whether it is up.
    pub running: bool,
    /// Whether it has a link.
    pub carrier: bool,
    /// Whether the driver stopped the first transmit queue, or has it stopped as the interface is
    /// detached.
    pub tx_stopped: bool,
    /// The features that are on, `NETIF_F_...`.
    pub features: u64,
    /// Speed in Mbit/s, all ones if it is not known.
    pub speed: u32,
    /// 0 for half duplex, 1 for full, 0xff if it is not known.
    pub duplex: u8,
    /// Whether there is anything of XDP or AF_XDP.
    pub xdp: bool,
    /// Whether the address is checked when the interface goes up, and is a good one.
    pub checks_address: bool,
    /// The smallest weight of its NAPI instances, negative if there is none.
    pub napi_weight: i32,
}

/// The statistics that the tests look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the names are those of `struct rtnl_link_stats64`"
)]
pub struct NicStats {
    pub rx_packets: u64,
    pub rx_bytes: u64,
    pub rx_errors: u64,
    pub rx_dropped: u64,
    pub rx_length_errors: u64,
    pub rx_frame_errors: u64,
    pub tx_packets: u64,
    pub tx_bytes: u64,
    pub tx_errors: u64,
    pub tx_dropped: u64,
    pub tx_fifo_errors: u64,
}

/// The work that a frame leaves to the device.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offload {
    /// The offset at which the checksum starts, and from there the offset at which it is stored.
    pub csum: Option<(u16, u16)>,
    /// Payload of a segment, if the device is to cut TCP over IPv4; 0 if not.
    pub gso_size: u16,
}

/// A network interface.
///
/// # Invariants
///
/// A reference to a `struct net_device` that was registered.
pub struct Nic(*mut bindings::net_device);

// SAFETY: An interface may be used from any thread.
unsafe impl Send for Nic {}

// SAFETY: What is done to it takes the locks that it needs.
unsafe impl Sync for Nic {}

impl Nic {
    /// The interface of a fake device. As long as this exists, removal waits.
    ///
    /// # Errors
    ///
    /// `ENODEV`: no driver made an interface of it.
    pub fn of(fake: &Fake) -> Result<Self> {
        let child = user::child(fake, c"net").ok_or(ENODEV)?;
        // INVARIANT: The function takes a reference.
        // SAFETY: A device of class "net" is embedded in a `struct net_device`.
        Ok(Self(unsafe { bindings::rust_virtio_fake_netdev(child.0) }))
    }

    /// Returns the state of the interface.
    pub fn state(&self) -> NicState {
        let mut raw = bindings::rust_virtio_fake_nic::default();
        // SAFETY: This is a reference to the interface (type invariant); the helper takes the RTNL.
        unsafe { bindings::rust_virtio_fake_nic(self.0, &mut raw) };
        NicState {
            mtu: raw.mtu,
            max_mtu: raw.max_mtu,
            tx_queues: raw.tx_queues,
            rx_queues: raw.rx_queues,
            mac: raw.mac,
            random_mac: raw.assign_type == bindings::NET_ADDR_RANDOM as u8,
            running: raw.running,
            carrier: raw.carrier,
            tx_stopped: raw.tx_stopped,
            features: raw.features,
            speed: raw.speed,
            duplex: raw.duplex,
            xdp: raw.xdp,
            checks_address: raw.checks_address,
            napi_weight: raw.napi_weight,
        }
    }

    /// Returns the statistics of the interface.
    pub fn stats(&self) -> NicStats {
        let mut raw = bindings::rtnl_link_stats64::default();
        // SAFETY: This is a reference (type invariant), for which the driver waits before it frees
        // what it is asked for.
        unsafe { bindings::dev_get_stats(self.0, &mut raw) };
        NicStats {
            rx_packets: raw.rx_packets,
            rx_bytes: raw.rx_bytes,
            rx_errors: raw.rx_errors,
            rx_dropped: raw.rx_dropped,
            rx_length_errors: raw.rx_length_errors,
            rx_frame_errors: raw.rx_frame_errors,
            tx_packets: raw.tx_packets,
            tx_bytes: raw.tx_bytes,
            tx_errors: raw.tx_errors,
            tx_dropped: raw.tx_dropped,
            tx_fifo_errors: raw.tx_fifo_errors,
        }
    }

    /// Brings it up, or down.
    ///
    /// # Errors
    ///
    /// Any error of the driver.
    pub fn set_up(&self, up: bool) -> Result {
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_set_up(self.0, up) })
    }

    /// Sets the largest payload.
    ///
    /// # Errors
    ///
    /// Any error of the driver.
    pub fn set_mtu(&self, mtu: i32) -> Result {
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_set_mtu(self.0, mtu) })
    }

    /// Sets the hardware address.
    ///
    /// # Errors
    ///
    /// Any error of the driver.
    pub fn set_mac(&self, mac: [u8; 6]) -> Result {
        // SAFETY: By the type invariant; the address has six bytes.
        to_result(unsafe { bindings::rust_virtio_fake_set_mac(self.0, mac.as_ptr()) })
    }

    /// Asks for the frames of others too, or takes it back.
    ///
    /// # Errors
    ///
    /// Those of the core.
    pub fn set_promiscuous(&self, on: bool) -> Result {
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_set_promisc(self.0, on) })
    }

    /// Asks for the frames of a VLAN, or takes it back.
    ///
    /// # Errors
    ///
    /// Those of the core and of the driver.
    pub fn set_vlan(&self, vid: u16, on: bool) -> Result {
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_set_vlan(self.0, vid, on) })
    }

    /// Asks for the frames to a group address.
    ///
    /// # Errors
    ///
    /// Those of the core.
    pub fn add_multicast(&self, addr: [u8; 6]) -> Result {
        // SAFETY: By the type invariant; the address has six bytes.
        to_result(unsafe { bindings::rust_virtio_fake_add_multicast(self.0, addr.as_ptr()) })
    }

    /// Takes the interface from the stack, or gives it back, with the driver unaware of it.
    ///
    /// # Errors
    ///
    /// `ENODEV`: it is not registered any more.
    pub fn set_present(&self, present: bool) -> Result {
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_set_present(self.0, present) })
    }

    /// Has received packets come merged by the device, or takes it back.
    ///
    /// # Errors
    ///
    /// `EIO`: the interface does not do that.
    pub fn set_gro_hw(&self, on: bool) -> Result {
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_set_gro_hw(self.0, on) })
    }

    /// Sets the number of queue pairs.
    ///
    /// # Errors
    ///
    /// Any error of the driver.
    pub fn set_pairs(&self, pairs: u32) -> Result {
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_set_channels(self.0, pairs) })
    }

    /// Sets how many transmitted packets there may be before an interrupt: one, or with 0 none at
    /// all, as transmitted packets are looked for at other times.
    ///
    /// # Errors
    ///
    /// Any error of the driver.
    pub fn set_tx_frames(&self, frames: u32) -> Result {
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_set_tx_frames(self.0, frames) })
    }

    /// Polls the queues as netpoll does, if wanted while a transmit queue is locked by this CPU.
    /// The interface is up.
    pub fn netpoll(&self, locked: Option<u16>) {
        // SAFETY: This is a reference (type invariant), for which the driver waits before it
        // deletes NAPI instances. The helper locks no queue that the interface has not.
        unsafe {
            bindings::rust_virtio_fake_netpoll(self.0, locked.is_some(), locked.unwrap_or(0))
        };
    }

    /// Sends a frame through a queue.
    ///
    /// # Errors
    ///
    /// Any error of the interface; `EINVAL`: the checksum is outside of the frame, or there is no
    /// such queue.
    pub fn send(&self, frame: &[u8], queue: u16, offload: Offload) -> Result {
        let (start, offset) = offload
            .csum
            .map_or((-1, 0), |(start, offset)| (i32::from(start), offset));
        // SAFETY: This is a reference (type invariant); the frame is copied, and the helper checks
        // that the interface has the queue.
        let ret = unsafe {
            bindings::rust_virtio_fake_send(
                self.0,
                frame.as_ptr().cast(),
                frame.len() as u32,
                queue,
                offload.gso_size,
                start,
                offset,
            )
        };
        if ret > 0 {
            return Err(EBUSY);
        }
        to_result(ret)
    }

    /// Returns how many frames that were sent so far hold nothing of the stack any more: they were
    /// freed, or let go of their sender.
    pub fn let_go() -> u32 {
        // SAFETY: May be called at any time.
        unsafe { bindings::rust_virtio_fake_let_go() }
    }

    /// Listens to what the interface receives of an Ethernet type. As long as the result exists,
    /// removal waits, as for this.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn capture(&self, ether_type: u16) -> Result<Capture> {
        let frames = KVec::with_capacity(CAPTURE_LEN, GFP_KERNEL)?;
        let inner = Arc::pin_init(
            try_pin_init!(CaptureInner {
                handler <- Opaque::ffi_init(|slot: *mut bindings::packet_type| {
                    // SAFETY: `slot` is memory for a `struct packet_type`.
                    unsafe {
                        slot.write(bindings::packet_type::default());
                        (*slot).type_ = ether_type.to_be();
                        (*slot).dev = self.0;
                        (*slot).func = Some(CaptureInner::receive);
                    }
                }),
                frames <- new_spinlock!(frames),
                linear: Atomic::new(0),
                headroom: Atomic::new(0),
                summed: Atomic::new(0),
            }? Error),
            GFP_KERNEL,
        )?;
        // SAFETY: The handler stays until `Capture` is dropped, and the interface, which the core
        // keeps the handler with, as long as that.
        unsafe { bindings::dev_add_pack(inner.handler.get()) };
        Ok(Capture {
            inner,
            _nic: self.clone(),
        })
    }
}

impl Clone for Nic {
    fn clone(&self) -> Self {
        // SAFETY: This is a reference to the interface (type invariant).
        unsafe { bindings::rust_virtio_fake_dev_hold(self.0) };
        // INVARIANT: It was just taken.
        Self(self.0)
    }
}

impl Drop for Nic {
    fn drop(&mut self) {
        // SAFETY: This owns a reference to the interface (type invariant), and gives it up.
        unsafe { bindings::rust_virtio_fake_dev_put(self.0) };
    }
}

#[pin_data]
struct CaptureInner {
    #[pin]
    handler: Opaque<bindings::packet_type>,
    /// Taken with soft interrupts off on the one side, in them on the other: see `receive`.
    #[pin]
    frames: SpinLock<KVec<KVec<u8>>>,
    /// Bytes of the last frame that were in the head of its packet.
    linear: Atomic<u32>,
    /// Bytes before the last frame that were free.
    headroom: Atomic<u32>,
    /// The last frame's word on its checksum.
    summed: Atomic<i32>,
}

// SAFETY: The C structure may be used from any thread.
unsafe impl Send for CaptureInner {}

// SAFETY: The C structure is used by the network core; the rest is locked.
unsafe impl Sync for CaptureInner {}

impl CaptureInner {
    /// A frame. Soft interrupt context.
    ///
    /// # Safety
    ///
    /// `skb` and `handler` are valid, and the latter is that of a [`CaptureInner`].
    unsafe extern "C" fn receive(
        skb: *mut bindings::sk_buff,
        _dev: *mut bindings::net_device,
        handler: *mut bindings::packet_type,
        _orig: *mut bindings::net_device,
    ) -> c_int {
        // SAFETY: By the safety requirements, `handler` is that of a `CaptureInner`. It stays until
        // `Capture` has removed it and waited for this call.
        let inner =
            unsafe { &*kernel::container_of!(Opaque::cast_from(handler), CaptureInner, handler) };
        // SAFETY: By the safety requirements, `skb` is valid.
        let (len, linear, headroom, summed) = unsafe {
            (
                bindings::rust_virtio_fake_frame_len(skb),
                bindings::rust_virtio_fake_frame_linear(skb),
                bindings::rust_virtio_fake_frame_headroom(skb),
                bindings::rust_virtio_fake_frame_summed(skb),
            )
        };
        inner.linear.store(linear, Relaxed);
        inner.headroom.store(headroom, Relaxed);
        inner.summed.store(summed.into(), Relaxed);
        if let Ok(mut bytes) = KVec::from_elem(0u8, len as usize, GFP_ATOMIC) {
            // SAFETY: The buffer has that length.
            let ret =
                unsafe { bindings::rust_virtio_fake_frame(skb, bytes.as_mut_ptr().cast(), len) };
            if ret == 0 {
                let _ = inner.frames.lock().push_within_capacity(bytes);
            }
        }
        // SAFETY: A handler owns the buffer that it is called with.
        unsafe { bindings::rust_virtio_fake_free(skb) };
        0
    }
}

/// The frames that an interface received.
pub struct Capture {
    inner: Arc<CaptureInner>,
    /// The interface, which stays until the handler was removed.
    _nic: Nic,
}

impl Capture {
    /// Returns the number of frames that came so far, up to 64.
    pub fn len(&self) -> usize {
        self.with(|frames| frames.len())
    }

    /// Returns how many bytes of the last frame were in the head of its packet, in the stack's own
    /// memory or in the buffer that the frame was received in.
    pub fn linear(&self) -> u32 {
        self.inner.linear.load(Relaxed)
    }

    /// Returns how many bytes before the last frame were free for other headers.
    pub fn headroom(&self) -> u32 {
        self.inner.headroom.load(Relaxed)
    }

    /// Returns the last frame's word on its checksum: 0 nothing, 1 that it was checked, 3 that it
    /// is to be completed.
    pub fn summed(&self) -> i32 {
        self.inner.summed.load(Relaxed)
    }

    /// Whether none came.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Looks at the frames.
    pub fn with<R>(&self, f: impl FnOnce(&[KVec<u8>]) -> R) -> R {
        // SAFETY: Matched below; `receive` takes the lock in soft interrupts.
        unsafe { bindings::rust_virtio_fake_bh(false) };
        let result = f(&self.inner.frames.lock());
        // SAFETY: Matches the call above.
        unsafe { bindings::rust_virtio_fake_bh(true) };
        result
    }

    /// The first frame, and forgets it.
    pub fn pop(&self) -> Option<KVec<u8>> {
        // SAFETY: Matched below; `receive` takes the lock in soft interrupts.
        unsafe { bindings::rust_virtio_fake_bh(false) };
        let frame = {
            let mut frames = self.inner.frames.lock();
            if frames.is_empty() {
                None
            } else {
                frames.remove(0).ok()
            }
        };
        // SAFETY: Matches the call above.
        unsafe { bindings::rust_virtio_fake_bh(true) };
        frame
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // SAFETY: The handler was added, and is removed once; this waits until it runs nowhere. The
        // interface is there until then.
        unsafe { bindings::dev_remove_pack(self.inner.handler.get()) };
    }
}
