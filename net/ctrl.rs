// SPDX-License-Identifier: GPL-2.0

//! The control queue (virtio spec §5.1.6.5).
//!
//! Commands are sent one at a time, under a mutex that nests inside of the RTNL, and the sender
//! waits for the answer. If there is no answer within [`queue::TIMEOUT`], the command stays in the
//! queue, and later commands fail at once. If the answer comes later, the queue works again.
//!
//! The commands of a [batch](Control::batch) also have a common time limit.

pub(crate) mod error;
pub(crate) mod queue;

pub(crate) use self::{
    error::{
        for_user,
        is_temporary,
        is_unanswered, //
    },
    queue::{
        Command,
        COMMAND_SEGMENTS, //
    },
};

use self::queue::{
    wait_for_answer,
    Control,
    State,
    TimeLeft, //
};
use crate::{health::Failure, nic::Nic};
use kernel::{
    alloc::KVec,
    prelude::*, //
};
use netdev::{
    addr::ETH_ALEN,
    Device,
    MacAddr, //
};
use virtio::Virtqueue;

/// `VIRTIO_NET_OK` (virtio spec §5.1.6.5).
const ACK_OK: u8 = 0;

/// The preset acknowledgement, which no device writes: `VIRTIO_NET_OK` and `VIRTIO_NET_ERR` are 0
/// and 1.
const NO_ACK: u8 = !0;

/// Class and number of a command.
#[derive(Clone, Copy)]
struct Code(u8, u8);

const RX_PROMISC: Code = Code(0, 0);
const RX_ALLMULTI: Code = Code(0, 1);
const MAC_TABLE_SET: Code = Code(1, 0);
const MAC_ADDR_SET: Code = Code(1, 1);
const VLAN_ADD: Code = Code(2, 0);
const VLAN_DEL: Code = Code(2, 1);
const ANNOUNCE_ACK: Code = Code(3, 0);
const MQ_VQ_PAIRS_SET: Code = Code(4, 0);
const GUEST_OFFLOADS_SET: Code = Code(5, 0);

impl Control {
    /// Sends a command, and waits for the answer. `fill` appends the data. Process context, sleeps.
    ///
    /// # Errors
    ///
    /// - `ENODEV`: the device has no control queue now.
    /// - `EAGAIN`: the command was not sent, because the time of the [batch](Control::batch) is
    ///   used up.
    /// - `EIO`: the queue is broken, or the device still owes the answer to an earlier command.
    /// - `ETIMEDOUT`: the device did not answer.
    /// - `EINVAL`: the device refused.
    /// - `ENOMEM`.
    fn send(
        &self,
        dev: &Device<Nic<'_>>,
        code: Code,
        fill: impl FnOnce(&mut KVec<u8>) -> Result,
    ) -> Result {
        let mut data = KVec::new();
        fill(&mut data)?;
        self.send_parts(dev, code, data, KVec::new())
    }

    /// [`Control::send`] for data in two parts, each in a segment of its own.
    fn send_parts(
        &self,
        dev: &Device<Nic<'_>>,
        code: Code,
        data: KVec<u8>,
        second: KVec<u8>,
    ) -> Result {
        let head = KBox::new([code.0, code.1], GFP_KERNEL)?;
        let command = Command::new((head, data, second), NO_ACK)?;
        let mut state = self.state.lock();
        let State {
            queue,
            unanswered,
            batch,
        } = &mut *state;
        let queue = queue.as_mut().ok_or(ENODEV)?;
        if batch.as_ref().is_some_and(TimeLeft::is_over) {
            return Err(EAGAIN);
        }
        if *unanswered {
            Self::take_late_answer(dev, queue, unanswered)?;
        }
        if let Err(refused) = queue.add_buf(command) {
            if queue.is_broken() {
                Self::report(dev, true);
            }
            return Err(refused.into());
        }
        // If the kick breaks the queue, `wait_for_answer` returns the error.
        queue.kick();
        match wait_for_answer(queue, batch.as_mut()) {
            Ok(command) if command.reply() == ACK_OK => Ok(()),
            Ok(_) => Err(EINVAL),
            Err(e) => {
                *unanswered = true;
                if let Some(batch) = batch {
                    batch.use_up();
                }
                Self::report(dev, e != ETIMEDOUT);
                if e == ETIMEDOUT {
                    dev_err!(
                        dev.data().vdev.as_ref(),
                        "control command {}:{} was not answered, later ones fail until it is\n",
                        code.0,
                        code.1
                    );
                }
                Err(e)
            }
        }
    }

    /// Takes the answer to a command that timed out, if it has come.
    ///
    /// # Errors
    ///
    /// `EIO`: it has not come.
    fn take_late_answer(
        dev: &Device<Nic<'_>>,
        queue: &mut Virtqueue<Command>,
        unanswered: &mut bool,
    ) -> Result {
        let Some(late) = queue.get_buf() else {
            Self::report(dev, queue.is_broken());
            return Err(EIO);
        };
        let late = late.into_buffer();
        *unanswered = false;
        dev_info!(
            dev.data().vdev.as_ref(),
            "a control command was answered late: {}\n",
            late.reply()
        );
        Ok(())
    }

    /// Whether the device still owes the answer to a command that timed out. Takes the answer if it
    /// has come. Process context, sleeps.
    pub(crate) fn has_unanswered_command(&self, dev: &Device<Nic<'_>>) -> bool {
        let mut state = self.state.lock();
        let State {
            queue, unanswered, ..
        } = &mut *state;
        match queue {
            Some(queue) if *unanswered => Self::take_late_answer(dev, queue, unanswered).is_err(),
            _ => false,
        }
    }

    /// Reports a command without an answer. From here on it is unknown which settings the device
    /// has.
    #[cold]
    fn report(dev: &Device<Nic<'_>>, broken: bool) {
        let failure = if broken {
            Failure::QueueBroken
        } else {
            Failure::CommandTimeout
        };
        dev.data().health.report(dev, failure);
    }

    /// Enables or disables promiscuous mode. Errors are those of [`Control::send`].
    pub(crate) fn set_promisc(&self, dev: &Device<Nic<'_>>, on: bool) -> Result {
        self.send(
            dev,
            RX_PROMISC,
            |data| Ok(data.push(on.into(), GFP_KERNEL)?),
        )
    }

    /// Enables or disables reception of all multicast packets. Errors are those of
    /// [`Control::send`].
    pub(crate) fn set_allmulti(&self, dev: &Device<Nic<'_>>, on: bool) -> Result {
        self.send(dev, RX_ALLMULTI, |data| {
            Ok(data.push(on.into(), GFP_KERNEL)?)
        })
    }

    /// Replaces the filter of addresses. Errors are those of [`Control::send`].
    pub(crate) fn set_mac_table(
        &self,
        dev: &Device<Nic<'_>>,
        unicast: &[u8],
        multicast: &[u8],
    ) -> Result {
        let table = |list: &[u8]| {
            let mut data = KVec::new();
            self.put_u32(&mut data, u32::try_from(list.len() / ETH_ALEN)?)?;
            data.extend_from_slice(list, GFP_KERNEL)?;
            Ok::<_, Error>(data)
        };
        // A legacy device may require a descriptor for each list (virtio spec §5.1.6.6).
        self.send_parts(dev, MAC_TABLE_SET, table(unicast)?, table(multicast)?)
    }

    /// Sets the address. Errors are those of [`Control::send`].
    pub(crate) fn set_mac_address(&self, dev: &Device<Nic<'_>>, addr: MacAddr) -> Result {
        self.send(dev, MAC_ADDR_SET, |data| {
            Ok(data.extend_from_slice(&addr.0, GFP_KERNEL)?)
        })
    }

    /// Adds a VLAN to the filter. Errors are those of [`Control::send`].
    pub(crate) fn add_vlan(&self, dev: &Device<Nic<'_>>, vid: u16) -> Result {
        self.send(dev, VLAN_ADD, |data| self.put_u16(data, vid))
    }

    /// Removes a VLAN from the filter. Errors are those of [`Control::send`].
    pub(crate) fn del_vlan(&self, dev: &Device<Nic<'_>>, vid: u16) -> Result {
        self.send(dev, VLAN_DEL, |data| self.put_u16(data, vid))
    }

    /// Reports to the device that the interface was announced. Errors are those of
    /// [`Control::send`].
    pub(crate) fn ack_announce(&self, dev: &Device<Nic<'_>>) -> Result {
        self.send(dev, ANNOUNCE_ACK, |_| Ok(()))
    }

    /// Sets how many pairs of queues are in use. Errors are those of [`Control::send`].
    pub(crate) fn set_pairs(&self, dev: &Device<Nic<'_>>, pairs: u16) -> Result {
        self.send(dev, MQ_VQ_PAIRS_SET, |data| self.put_u16(data, pairs))
    }

    /// Sets the offloads of received packets. Errors are those of [`Control::send`].
    pub(crate) fn set_guest_offloads(&self, dev: &Device<Nic<'_>>, offloads: u64) -> Result {
        self.send(dev, GUEST_OFFLOADS_SET, |data| {
            let bytes = self.endian.u64(offloads).to_ne_bytes();
            Ok(data.extend_from_slice(&bytes, GFP_KERNEL)?)
        })
    }

    fn put_u16(&self, data: &mut KVec<u8>, value: u16) -> Result {
        let bytes = self.endian.u16(value).to_ne_bytes();
        Ok(data.extend_from_slice(&bytes, GFP_KERNEL)?)
    }

    fn put_u32(&self, data: &mut KVec<u8>, value: u32) -> Result {
        let bytes = self.endian.u32(value).to_ne_bytes();
        Ok(data.extend_from_slice(&bytes, GFP_KERNEL)?)
    }
}
