// SPDX-License-Identifier: GPL-2.0

//! The control queue (virtio spec §5.1.6.5).
//!
//! Commands are sent one at a time, under a mutex that nests inside of the RTNL, and the sender
//! waits for the answer. If there is no answer within [`queue::TIMEOUT`], the command stays in the
//! queue, and later commands fail at once. If the answer comes later, the queue works again.
//!
//! The commands of a [batch](Control::batch) also have a common time limit, and so have those that
//! the core asks for while it holds the RTNL, outside of a batch: an RTNL section may have a
//! command for each of 4096 VLANs. The driver does not see where a section ends. So if half of the
//! time is over, a command schedules a work item that takes the RTNL, and that
//! [ends the section](Control::end_section).

mod coalesce;
pub(crate) mod error;
mod hash;
pub(crate) mod queue;
mod stats;

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
use virtio::{
    Used,
    Virtqueue, //
};

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
const NOTF_COAL_TX_SET: Code = Code(6, 0);
const NOTF_COAL_RX_SET: Code = Code(6, 1);
const NOTF_COAL_VQ_SET: Code = Code(6, 2);
const STATS_QUERY: Code = Code(8, 0);
const STATS_GET: Code = Code(8, 1);

impl Control {
    /// Sends a command, and waits for the answer. `fill` appends the data. Process context, sleeps.
    ///
    /// # Errors
    ///
    /// - `ENODEV`: the device has no control queue now.
    /// - `EAGAIN`: the command was not sent, because the time of the [batch](Control::batch) or of
    ///   the RTNL section is used up.
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
        self.exchange(dev, code, (data, second), 0).map(drop)
    }

    /// Sends a command with a result of at most `room` bytes, and waits for the answer. Errors are
    /// those of [`Control::send`].
    fn exchange(
        &self,
        dev: &Device<Nic<'_>>,
        code: Code,
        (data, second): (KVec<u8>, KVec<u8>),
        room: usize,
    ) -> Result<Used<Command>> {
        let head = KBox::new([code.0, code.1], GFP_KERNEL)?;
        let command = Command::with_tail((head, data, second), NO_ACK, room)?;
        let mut state = self.lock_state();
        let is_batch = state.is_batch();
        let (queue, unanswered, time_left) = state.parts();
        let queue = queue.ok_or(ENODEV)?;
        if time_left.is_over() {
            if !is_batch {
                // Again, as the work item does nothing before the interface is registered.
                dev.schedule_later(0);
            }
            return Err(EAGAIN);
        }
        let result = Self::exchange_now(dev, code, command, queue, unanswered, time_left);
        if is_batch {
            if matches!(&result, Err(e) if *e == ETIMEDOUT) {
                time_left.use_up();
            }
        } else if time_left.is_half_over() {
            dev.schedule_later(0);
            if time_left.is_over() {
                dev.dev_warn(fmt!(
                    "control commands have taken too long in all, the others fail for now\n"
                ));
            }
        }
        result
    }

    /// As [`Control::exchange`], with the parts of the state. Takes the time that the device needs
    /// off `time_left`.
    fn exchange_now(
        dev: &Device<Nic<'_>>,
        code: Code,
        command: Command,
        queue: &mut Virtqueue<Command>,
        unanswered: &mut bool,
        time_left: &mut TimeLeft,
    ) -> Result<Used<Command>> {
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
        match wait_for_answer(queue, time_left) {
            Ok(used) if used.buffer().reply() == ACK_OK => Ok(used),
            Ok(_) => Err(EINVAL),
            Err(e) => {
                *unanswered = true;
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
        let mut state = self.lock_state();
        let (queue, unanswered, _) = state.parts();
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
