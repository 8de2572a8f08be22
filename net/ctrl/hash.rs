// SPDX-License-Identifier: GPL-2.0

//! The commands that configure the hash of received packets (virtio spec §5.1.6.5.6.4 and
//! §5.1.6.5.7).

use super::{
    queue::Control,
    Code, //
};
use crate::nic::Nic;
use kernel::{
    alloc::KVec,
    prelude::*, //
};
use netdev::Device;

const MQ_RSS_CONFIG: Code = Code(4, 1);
const MQ_HASH_CONFIG: Code = Code(4, 2);

impl Control {
    /// Sets hash, indirection table, and the number of pairs in use: `struct virtio_net_rss_config`
    /// in two parts. Errors are those of `send`.
    pub(crate) fn set_rss(&self, dev: &Device<Nic<'_>>, parts: [KVec<u8>; 2]) -> Result {
        let [head, trailer] = parts;
        self.send_parts(dev, MQ_RSS_CONFIG, head, trailer)
    }

    /// Sets the hash that is reported: `struct virtio_net_hash_config` in two parts. Errors are
    /// those of `send`.
    pub(crate) fn set_hash(&self, dev: &Device<Nic<'_>>, parts: [KVec<u8>; 2]) -> Result {
        let [head, trailer] = parts;
        self.send_parts(dev, MQ_HASH_CONFIG, head, trailer)
    }
}
