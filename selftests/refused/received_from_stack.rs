// SPDX-License-Identifier: GPL-2.0

//! A packet of the stack, which may be shared, is taken for one that was received.

use netdev::{
    EthSkb,
    RxPacket,
    RxSkb,
    SkBuff, //
};

/// For GRO.
pub fn eth(skb: SkBuff) -> Option<EthSkb> {
    EthSkb::new(skb) //~ E0308
}

/// To have buffers appended.
pub fn packet(skb: SkBuff) -> RxPacket {
    RxPacket::new(skb) //~ E0308
}

/// By force.
pub fn rx(skb: SkBuff) -> RxSkb {
    RxSkb(skb) //~ E0423
}
