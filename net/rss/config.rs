// SPDX-License-Identifier: GPL-2.0

//! The configuration of the hash, and the data of the commands that send it.

use super::{
    limits::Limits,
    types::HashTypes, //
};
use kernel::{
    alloc::KVec,
    prelude::*, //
};
use netdev::ethtool::rss::{
    default_key,
    default_queue, //
};

/// The queue of packets that have no hash.
const UNCLASSIFIED_QUEUE: u16 = 0;

/// The data of a command, in two segments as in C.
pub(super) type Parts = [KVec<u8>; 2];

/// The configuration of the hash.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HashConfig {
    /// The kinds of packets to hash.
    pub(super) types: HashTypes,
    /// Hashes are switched off: the device hashes no packets.
    pub(super) is_off: bool,
    /// Indices of receive queues; empty without RSS. Its length is a power of two.
    table: KVec<u16>,
    /// The hash key, of at most 255 bytes.
    key: KVec<u8>,
}

impl HashConfig {
    /// Returns the default: every kind of packet that the device can hash, the hash key of the
    /// kernel, and a table with `queues` queues. Process context.
    pub(super) fn new(limits: &Limits, queues: u16) -> Result<Self> {
        let mut config = Self {
            types: limits.types,
            is_off: false,
            table: KVec::from_elem(0, limits.table.into(), GFP_KERNEL)?,
            key: KVec::from_elem(0, limits.key.into(), GFP_KERNEL)?,
        };
        default_key(&mut config.key);
        config.reset_table(queues);
        Ok(config)
    }

    /// Returns a copy.
    pub(super) fn try_clone(&self) -> Result<Self> {
        let mut copy = Self {
            types: self.types,
            is_off: self.is_off,
            table: KVec::with_capacity(self.table.len(), GFP_KERNEL)?,
            key: KVec::with_capacity(self.key.len(), GFP_KERNEL)?,
        };
        copy.table.extend_from_slice(&self.table, GFP_KERNEL)?;
        copy.key.extend_from_slice(&self.key, GFP_KERNEL)?;
        Ok(copy)
    }

    /// Returns the indirection table.
    pub(super) fn table(&self) -> &[u16] {
        &self.table
    }

    /// Returns the hash key.
    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Fills the table with `queues` queues in turn.
    pub(super) fn reset_table(&mut self, queues: u16) {
        for (i, entry) in self.table.iter_mut().enumerate() {
            *entry = default_queue(i, queues);
        }
    }

    /// Replaces the table.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the length is another one, or there is no queue of such an index.
    pub(super) fn set_table(&mut self, table: &[u32]) -> Result {
        if table.len() != self.table.len() {
            return Err(EINVAL);
        }
        for (to, &queue) in self.table.iter_mut().zip(table) {
            *to = u16::try_from(queue)?;
        }
        Ok(())
    }

    /// Replaces the hash key.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the length is another one.
    pub(super) fn set_key(&mut self, key: &[u8]) -> Result {
        if key.len() != self.key.len() {
            return Err(EINVAL);
        }
        self.key.copy_from_slice(key);
        Ok(())
    }

    /// Returns the data of `VIRTIO_NET_CTRL_MQ_RSS_CONFIG` for `pairs` pairs in use (`struct
    /// virtio_net_rss_config`, virtio spec §5.1.6.5.7).
    ///
    /// An entry of the table for a queue that is not in use is replaced by that of the default
    /// table, since the device may refuse it (§5.1.6.5.7).
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn rss_parts(&self, pairs: u16) -> Result<Parts> {
        let mut head = Data::with_capacity(8 + 2 * self.table.len())?;
        head.put_u32(self.active_types().into_word())?;
        // The mask. The table has at least one entry.
        head.put_u16(self.table.len().saturating_sub(1) as u16)?;
        head.put_u16(UNCLASSIFIED_QUEUE)?;
        for (i, &queue) in self.table.iter().enumerate() {
            head.put_u16(if queue < pairs {
                queue
            } else {
                default_queue(i, pairs)
            })?;
        }
        Ok([head.0, self.trailer(pairs)?])
    }

    /// Returns the data of `VIRTIO_NET_CTRL_MQ_HASH_CONFIG` (`struct virtio_net_hash_config`,
    /// virtio spec §5.1.6.5.6.4): that of RSS, with zeroes in all fields for queues.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn hash_parts(&self) -> Result<Parts> {
        let mut head = Data::with_capacity(10)?;
        head.put_u32(self.active_types().into_word())?;
        for _ in 0..3 {
            head.put_u16(0)?;
        }
        Ok([head.0, self.trailer(0)?])
    }

    fn active_types(&self) -> HashTypes {
        if self.is_off {
            HashTypes::NONE
        } else {
            self.types
        }
    }

    /// Returns the second part: the number of transmit queues, and the key with its length.
    fn trailer(&self, pairs: u16) -> Result<KVec<u8>> {
        let mut data = Data::with_capacity(3 + self.key.len())?;
        data.put_u16(pairs)?;
        data.0.push(u8::try_from(self.key.len())?, GFP_KERNEL)?;
        data.0.extend_from_slice(&self.key, GFP_KERNEL)?;
        Ok(data.0)
    }
}

/// Data with little-endian fields.
struct Data(KVec<u8>);

impl Data {
    fn with_capacity(len: usize) -> Result<Self> {
        Ok(Self(KVec::with_capacity(len, GFP_KERNEL)?))
    }

    fn put_u16(&mut self, value: u16) -> Result {
        Ok(self.0.extend_from_slice(&value.to_le_bytes(), GFP_KERNEL)?)
    }

    fn put_u32(&mut self, value: u32) -> Result {
        Ok(self.0.extend_from_slice(&value.to_le_bytes(), GFP_KERNEL)?)
    }
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kunit_tests(rust_virtio_net_rss_config)]
mod tests {
    use super::*;

    fn config(table: u16, key: u16, queues: u16) -> Result<HashConfig> {
        let limits = Limits {
            table,
            key,
            types: HashTypes::from_device(0x2b),
        };
        HashConfig::new(&limits, queues)
    }

    #[test]
    fn default_table() -> Result {
        let config = config(8, 40, 3)?;
        assert_eq!(config.table(), [0, 1, 2, 0, 1, 2, 0, 1]);
        assert_eq!(config.key().len(), 40);
        // All interfaces have the same key.
        assert_eq!(self::config(0, 40, 1)?.key(), config.key());
        assert!(config.key().iter().any(|&byte| byte != 0));
        Ok(())
    }

    #[test]
    fn data_of_rss() -> Result {
        let mut config = config(4, 3, 2)?;
        config.set_table(&[1, 0, 0, 1])?;
        config.set_key(&[7, 8, 9])?;
        let [head, tail] = config.rss_parts(2)?;
        assert_eq!(
            head[..],
            [0x2b, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0]
        );
        assert_eq!(tail[..], [2, 0, 3, 7, 8, 9]);
        Ok(())
    }

    /// No command names a queue that is not in use.
    #[test]
    fn queues_out_of_use() -> Result {
        let mut config = config(4, 0, 4)?;
        config.set_table(&[3, 1, 2, 3])?;
        let [head, tail] = config.rss_parts(2)?;
        assert_eq!(head.get(8..), Some(&[0, 0, 1, 0, 0, 0, 1, 0][..]));
        assert_eq!(tail[..], [2, 0, 0]);
        // The table itself stays.
        assert_eq!(config.table(), [3, 1, 2, 3]);
        Ok(())
    }

    #[test]
    fn data_of_hashes() -> Result {
        let mut config = config(0, 2, 4)?;
        config.set_key(&[7, 8])?;
        let [head, tail] = config.hash_parts()?;
        assert_eq!(head[..], [0x2b, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(tail[..], [0, 0, 2, 7, 8]);
        Ok(())
    }

    #[test]
    fn switched_off() -> Result {
        let mut config = config(1, 0, 1)?;
        config.is_off = true;
        let [head, _] = config.rss_parts(1)?;
        assert_eq!(head[..], [0; 10]);
        assert_eq!(config.hash_parts()?[0][..], [0; 10]);
        assert_eq!(config.types.into_word(), 0x2b);
        Ok(())
    }

    #[test]
    fn other_lengths_are_refused() -> Result {
        let mut config = config(4, 3, 2)?;
        let before = config.try_clone()?;
        for len in [0, 3, 5] {
            assert!(config.set_table(&[0; 5][..len]).is_err());
        }
        assert!(config.set_key(&[0; 2]).is_err());
        assert!(config.set_key(&[0; 4]).is_err());
        assert_eq!(config, before);
        assert!(config.set_table(&[0, 0, 0, 0x1_0000]).is_err());
        Ok(())
    }

    /// The longest data that there may be.
    #[test]
    fn largest() -> Result {
        let [head, tail] = config(8192, 255, 0x8000)?.rss_parts(0x8000)?;
        assert_eq!(head.len(), 8 + 2 * 8192);
        assert_eq!(head.get(4..6), Some(&0x1fffu16.to_le_bytes()[..]));
        assert_eq!(tail.len(), 3 + 255);
        Ok(())
    }
}
