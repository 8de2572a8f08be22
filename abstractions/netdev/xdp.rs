// SPDX-License-Identifier: GPL-2.0

//! XDP: programs that decide about a received packet before there is an `sk_buff`.
//!
//! - An [`XdpProg`] is a reference to a program. The owner of a receive queue keeps one for each
//!   queue, and replaces it while the NAPI instance is disabled.
//! - An [`XdpBuff`] is a received packet in a poll: a buffer of the queue's page pool, and perhaps
//!   more buffers. [`XdpBuff::run`] consumes it, and the [`Verdict`] has it again if the driver has
//!   to act.
//! - An [`XdpFrame`] is a packet that leaves the poll, to be transmitted by this driver or by
//!   another.
//!
//! The head of a frame, and the list of its fragments, are in the memory of the packet, and consist
//! of pointers. So this memory must not be writable by a device, and a buffer of a pool whose pages
//! stay mapped is never the memory of an [`XdpBuff`]: the driver copies the packet.
//!
//! C header: [`include/net/xdp.h`](srctree/include/net/xdp.h)

mod buff;
mod frame;
pub(crate) mod metadata;
mod prog;
mod queue;

pub use self::{
    buff::{
        Redirection,
        Verdict,
        XdpBuff, //
    },
    frame::{
        XdpFrame,
        XdpFrames, //
    },
    metadata::{
        RssType,
        XdpHash, //
    },
    prog::XdpProg, //
};

pub(crate) use self::queue::XdpQueue;

use crate::{
    bindings,
    frag::{
        skb_data_align,
        SKB_SHARED_INFO, //
    },
};
use kernel::page::PAGE_SIZE;

/// Bytes before a packet that programs may use, C `XDP_PACKET_HEADROOM`.
pub const HEADROOM: u32 = 256;

/// Bytes of a page that are not for the packet.
pub const ROOM: u32 = skb_data_align(HEADROOM + SKB_SHARED_INFO);

/// Largest packet in one page.
pub const MAX_LEN: u32 = PAGE_SIZE as u32 - ROOM;

/// A set of XDP features of an interface, `NETDEV_XDP_ACT_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XdpFeatures(u32);

impl XdpFeatures {
    /// Programs can pass, drop, and transmit packets.
    pub const BASIC: Self = Self(bindings::netdev_xdp_act_NETDEV_XDP_ACT_BASIC);
    /// Programs can redirect packets.
    pub const REDIRECT: Self = Self(bindings::netdev_xdp_act_NETDEV_XDP_ACT_REDIRECT);
    /// A device receives to memory of AF_XDP sockets, and transmits from there.
    pub const XSK_ZEROCOPY: Self = Self(bindings::netdev_xdp_act_NETDEV_XDP_ACT_XSK_ZEROCOPY);
    /// Programs can get packets in several buffers.
    pub const RX_SG: Self = Self(bindings::netdev_xdp_act_NETDEV_XDP_ACT_RX_SG);

    /// Returns the features of both sets.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn into_raw(self) -> u32 {
        self.0
    }
}
