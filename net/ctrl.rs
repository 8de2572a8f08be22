// SPDX-License-Identifier: GPL-2.0

//! The control queue (virtio spec §5.1.6.5).
//!
//! Commands are sent one at a time, under a mutex that nests inside of the RTNL, and the sender
//! waits for the answer. If there is no answer within [`TIMEOUT`], the command stays in the queue,
//! and later commands fail at once. When the answer comes after all, the queue works again.
//!
//! The commands of a [batch](Control::batch) also have a time limit for all of them together.

use crate::{
    features,
    nic::Nic,
    recovery::{
        self,
        Trouble, //
    },
};
use kernel::{
    alloc::KVec,
    new_mutex,
    prelude::*,
    processor::cpu_relax,
    sync::Mutex,
    time::{
        delay::fsleep,
        Delta,
        Instant,
        Monotonic, //
    },
};
use netdev::{
    addr::ETH_ALEN,
    Device,
    MacAddr,
    Rtnl, //
};
use virtio::{
    Endian,
    FeatureSet,
    Message,
    TimeLimit,
    Virtqueue, //
};

/// The time that a device may take to answer, as [`Patience`] counts it.
const TIMEOUT: TimeLimit = TimeLimit::from_millis(5_000);
/// The time that a device may take to answer the commands of a batch, but for the last one of them.
const BATCH_TIMEOUT: TimeLimit = TimeLimit::from_millis(10_000);
/// The number of times that the queue is looked at before the first pause.
const SPINS: usize = 200;
/// The pause between two looks.
const PAUSE: Delta = Delta::from_micros(50);
/// A pause counts for no more than that.
const LONGEST_PAUSE: Delta = Delta::from_millis(10);

/// The device did as it was told (virtio spec §5.1.6.5).
const ACK_OK: u8 = 0;

/// The acknowledgement of a command that the device did not acknowledge.
const NO_ACK: u8 = !0;

/// A command: class and number, data, a second part of the data, and the acknowledgement.
pub(crate) type Command = Message<(KBox<[u8; 2]>, KVec<u8>, KVec<u8>), u8>;

/// Most segments of a [`Command`].
pub(crate) const COMMAND_SEGMENTS: usize = 4;

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

/// The time that is left for an answer, or for those to a batch, in nanoseconds.
///
/// A pause that takes very long is none of the device's: the virtual machine was stopped, or its
/// host was busy, and the device could not work either. So a pause counts for
/// [`LONGEST_PAUSE`] at most, and a device is looked at [`TIMEOUT`] / [`LONGEST_PAUSE`] times at
/// least before a command is given up.
struct Patience(i64);

impl Patience {
    fn new(limit: TimeLimit) -> Self {
        Self(limit.as_delta().as_nanos())
    }

    /// Counts a pause.
    fn spend(&mut self, pause: Delta) {
        let nanos = pause.as_nanos().clamp(0, LONGEST_PAUSE.as_nanos());
        self.0 = self.0.saturating_sub(nanos);
    }

    fn is_over(&self) -> bool {
        self.0 <= 0
    }

    /// Leaves no time.
    fn end(&mut self) {
        self.0 = 0;
    }
}

/// The queue, and what became of it.
struct State {
    queue: Option<Virtqueue<Command>>,
    /// The queue still has a command that was given up.
    abandoned: bool,
    /// The time for the batch that commands are part of, if there is one.
    batch: Option<Patience>,
}

/// Returns whether a command failed for a reason that may pass, other than that the device refused
/// it: for want of memory, or of an answer.
pub(crate) fn may_pass(e: Error) -> bool {
    e == ENOMEM || is_silence(e)
}

/// Returns whether a command failed as it, or one before it, was not answered.
pub(crate) fn is_silence(e: Error) -> bool {
    [EIO, ETIMEDOUT, EAGAIN].contains(&e)
}

/// Returns the error that a user gets to see for that of a command: `ENOMEM`, or `EINVAL`.
pub(crate) fn for_user(e: Error) -> Error {
    if e == ENOMEM {
        e
    } else {
        EINVAL
    }
}

/// The control queue of a device, or the lack of one.
#[pin_data]
pub(crate) struct Control {
    features: FeatureSet,
    endian: Endian,
    #[pin]
    state: Mutex<State>,
}

impl Control {
    /// A control queue that is still to be [attached](Control::attach).
    pub(crate) fn new(features: FeatureSet, endian: Endian) -> impl PinInit<Self> {
        pin_init!(Self {
            features,
            endian,
            state <- new_mutex!(State {
                queue: None,
                abandoned: false,
                batch: None,
            }),
        })
    }

    /// Takes the queue into use, or, with `None`, out of it; returns the one before.
    pub(crate) fn attach(&self, queue: Option<Virtqueue<Command>>) -> Option<Virtqueue<Command>> {
        let mut state = self.state.lock();
        state.abandoned = false;
        core::mem::replace(&mut state.queue, queue)
    }

    /// Whether the device takes commands of a feature.
    pub(crate) fn has(&self, feature: virtio::Feature) -> bool {
        self.features.has(features::CTRL_VQ) && self.features.has(feature)
    }

    /// Has the commands that `f` sends be a batch: once a command was not answered, or all of them
    /// together took [`BATCH_TIMEOUT`], no other one is sent. So a device that is slow, or answers
    /// each command late, does not keep the RTNL from others for as long as it likes. There is no
    /// batch in a batch. Process context, sleeps.
    pub(crate) fn batch<R>(&self, rtnl: &mut Rtnl, f: impl FnOnce(&mut Rtnl) -> R) -> R {
        self.state.lock().batch = Some(Patience::new(BATCH_TIMEOUT));
        let result = f(rtnl);
        self.state.lock().batch = None;
        result
    }

    /// Sends a command whose data is what `fill` appends, and waits for the answer. Process
    /// context, sleeps.
    ///
    /// # Errors
    ///
    /// - `ENODEV`: there is no control queue now.
    /// - `EAGAIN`: the command was not sent, as the [batch](Control::batch) is over.
    /// - `EIO`: the queue is broken, or the device did not answer an earlier command yet.
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
            abandoned,
            batch,
        } = &mut *state;
        let queue = queue.as_mut().ok_or(ENODEV)?;
        if batch.as_ref().is_some_and(Patience::is_over) {
            return Err(EAGAIN);
        }
        if *abandoned {
            Self::take_late(dev, queue, abandoned)?;
        }
        if let Err(refused) = queue.add_buf(command) {
            if queue.is_broken() {
                Self::report(dev, true);
            }
            return Err(refused.into());
        }
        // A queue that this breaks is seen to be broken below.
        queue.kick();
        match Self::answer(queue, batch.as_mut()) {
            Ok(command) if command.reply() == ACK_OK => Ok(()),
            Ok(_) => Err(EINVAL),
            Err(e) => {
                *abandoned = true;
                if let Some(batch) = batch {
                    batch.end();
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

    /// Takes the answer to a command that was given up, if there is one by now.
    ///
    /// # Errors
    ///
    /// `EIO`: there is none.
    fn take_late(
        dev: &Device<Nic<'_>>,
        queue: &mut Virtqueue<Command>,
        abandoned: &mut bool,
    ) -> Result {
        let Some(late) = queue.get_buf() else {
            Self::report(dev, queue.is_broken());
            return Err(EIO);
        };
        let late = late.into_buffer();
        *abandoned = false;
        dev_info!(
            dev.data().vdev.as_ref(),
            "a control command was answered late: {}\n",
            late.reply()
        );
        Ok(())
    }

    /// Whether a command was given up that the device did not answer to this day. Process context,
    /// sleeps.
    pub(crate) fn is_deaf(&self, dev: &Device<Nic<'_>>) -> bool {
        let mut state = self.state.lock();
        let State {
            queue, abandoned, ..
        } = &mut *state;
        match queue {
            Some(queue) if *abandoned => Self::take_late(dev, queue, abandoned).is_err(),
            _ => false,
        }
    }

    /// Waits for the one command that is in the queue.
    fn answer(queue: &mut Virtqueue<Command>, mut batch: Option<&mut Patience>) -> Result<Command> {
        let mut spins = SPINS;
        let mut patience = Patience::new(TIMEOUT);
        loop {
            // Also after the last pause.
            if let Some(used) = queue.get_buf() {
                return Ok(used.into_buffer());
            }
            if queue.is_broken() {
                return Err(EIO);
            }
            if patience.is_over() {
                return Err(ETIMEDOUT);
            }
            if spins > 0 {
                spins -= 1;
                cpu_relax();
            } else {
                let start = Instant::<Monotonic>::now();
                fsleep(PAUSE);
                let pause = start.elapsed();
                patience.spend(pause);
                if let Some(batch) = &mut batch {
                    batch.spend(pause);
                }
            }
        }
    }

    /// A command got no answer, as the queue is broken, or without a reason to be seen: which
    /// settings the device has is not known from here on.
    #[cold]
    fn report(dev: &Device<Nic<'_>>, broken: bool) {
        let trouble = if broken {
            Trouble::Broken
        } else {
            Trouble::Deaf
        };
        recovery::report(dev, trouble);
    }

    /// Receives all packets, or no more. Errors are those of [`Control::send`].
    pub(crate) fn set_promisc(&self, dev: &Device<Nic<'_>>, on: bool) -> Result {
        self.send(
            dev,
            RX_PROMISC,
            |data| Ok(data.push(on.into(), GFP_KERNEL)?),
        )
    }

    /// Receives all multicast packets, or no more. Errors are those of [`Control::send`].
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
        // Legacy devices may want a descriptor for each list (virtio spec §5.1.6.6).
        self.send_parts(dev, MAC_TABLE_SET, table(unicast)?, table(multicast)?)
    }

    /// Sets the address. Errors are those of [`Control::send`].
    pub(crate) fn set_mac_address(&self, dev: &Device<Nic<'_>>, addr: MacAddr) -> Result {
        self.send(dev, MAC_ADDR_SET, |data| {
            Ok(data.extend_from_slice(&addr.0, GFP_KERNEL)?)
        })
    }

    /// Lets a VLAN through the filter. Errors are those of [`Control::send`].
    pub(crate) fn add_vlan(&self, dev: &Device<Nic<'_>>, vid: u16) -> Result {
        self.send(dev, VLAN_ADD, |data| self.put_u16(data, vid))
    }

    /// Lets a VLAN no more through the filter. Errors are those of [`Control::send`].
    pub(crate) fn del_vlan(&self, dev: &Device<Nic<'_>>, vid: u16) -> Result {
        self.send(dev, VLAN_DEL, |data| self.put_u16(data, vid))
    }

    /// Tells that the interface announced itself. Errors are those of [`Control::send`].
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
            let bytes = match self.endian {
                Endian::Little => offloads.to_le_bytes(),
                Endian::Native => offloads.to_ne_bytes(),
            };
            Ok(data.extend_from_slice(&bytes, GFP_KERNEL)?)
        })
    }

    fn put_u16(&self, data: &mut KVec<u8>, value: u16) -> Result {
        let bytes = match self.endian {
            Endian::Little => value.to_le_bytes(),
            Endian::Native => value.to_ne_bytes(),
        };
        Ok(data.extend_from_slice(&bytes, GFP_KERNEL)?)
    }

    fn put_u32(&self, data: &mut KVec<u8>, value: u32) -> Result {
        let bytes = match self.endian {
            Endian::Little => value.to_le_bytes(),
            Endian::Native => value.to_ne_bytes(),
        };
        Ok(data.extend_from_slice(&bytes, GFP_KERNEL)?)
    }
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kunit_tests(rust_virtio_net_ctrl)]
mod tests {
    use super::*;

    #[test]
    fn patience_ends() {
        let mut patience = Patience::new(TIMEOUT);
        let mut pauses = 0;
        while !patience.is_over() {
            patience.spend(Delta::from_millis(5));
            pauses += 1;
        }
        assert_eq!(pauses, 1000);
    }

    /// The machine was stopped for an hour between two looks.
    #[test]
    fn a_stopped_machine_is_not_impatient() {
        let mut patience = Patience::new(TIMEOUT);
        patience.spend(Delta::from_secs(3600));
        assert!(!patience.is_over());
        // A clock that goes backwards gives nothing back.
        patience.spend(Delta::from_secs(-3600));
        let mut pauses = 1;
        while !patience.is_over() {
            patience.spend(Delta::from_secs(3600));
            pauses += 1;
        }
        assert_eq!(pauses, 500);
    }

    /// A device takes its time for each command.
    #[test]
    fn a_batch_ends() {
        let mut batch = Patience::new(BATCH_TIMEOUT);
        let mut commands = 0;
        while !batch.is_over() {
            for _ in 0..100 {
                batch.spend(Delta::from_millis(5));
            }
            commands += 1;
        }
        assert_eq!(commands, 20);
    }

    /// A device does not answer: it is asked no more, even if it does so after all.
    #[test]
    fn a_batch_ends_with_silence() {
        let mut batch = Patience::new(BATCH_TIMEOUT);
        assert!(!batch.is_over());
        batch.end();
        assert!(batch.is_over());
    }

    #[test]
    fn refusals_do_not_pass() {
        for e in [ENOMEM, EIO, ETIMEDOUT, EAGAIN] {
            assert!(may_pass(e));
        }
        for e in [EINVAL, ENODEV] {
            assert!(!may_pass(e));
        }
        assert!(!is_silence(ENOMEM));
    }
}
