// SPDX-License-Identifier: GPL-2.0

//! The network driver against a fake card, end to end: frames go in and come out at the stack.

mod adaptive;
mod coalesce;
mod control;
mod detached;
mod device_stats;
mod failover;
mod fake_nic;
mod frame;
mod pending;
mod probe;
mod queue_restart;
mod removal;
mod resize;
mod restart;
mod restore;
mod rss;
mod rx;
mod rx_restart;
mod stopped;
mod tunnel;
mod tx;
mod xdp;
mod xsk;

use self::fake_nic::{
    Answer,
    FakeNic, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use virtio::time_limit::Haste;
use virtio_fake::{
    messages,
    wait,
    Action,
    Addresses,
    Fake,
    Nic,
    Plug,
    Spec, //
};

/// The device type of network cards (virtio spec §5.1.1).
const ID: u32 = 1;

/// Feature: the device completes checksums.
const F_CSUM: u32 = 0;
/// Feature: the driver takes packets with incomplete checksums.
const F_GUEST_CSUM: u32 = 1;
/// Feature: offloads of received packets can be switched.
const F_CTRL_GUEST_OFFLOADS: u32 = 2;
/// Feature: `mtu` is valid.
const F_MTU: u32 = 3;
/// Feature: `mac` is valid.
const F_MAC: u32 = 5;
/// Feature: the driver takes TCP over IPv4 in large pieces.
const F_GUEST_TSO4: u32 = 7;
/// Feature: the device cuts TCP over IPv4.
const F_HOST_TSO4: u32 = 11;
/// Feature: received packets may span buffers.
const F_MRG_RXBUF: u32 = 15;
/// Feature: `status` is valid.
const F_STATUS: u32 = 16;
/// Feature: there is a control queue.
const F_CTRL_VQ: u32 = 17;
/// Feature: receive modes can be set.
const F_CTRL_RX: u32 = 18;
/// Feature: VLANs can be filtered.
const F_CTRL_VLAN: u32 = 19;
/// Feature: the driver can announce the interface.
const F_GUEST_ANNOUNCE: u32 = 21;
/// Feature: there are several pairs of queues.
const F_MQ: u32 = 22;
/// Feature: the address is set by a command.
const F_CTRL_MAC_ADDR: u32 = 23;
/// Feature: the hash of a packet selects its queue.
const F_RSS: u32 = 60;

/// Feature: the device reports statistics.
const F_DEVICE_STATS: u32 = 50;
/// Feature: the limits of notifications of a single queue are set by a command.
const F_VQ_NOTF_COAL: u32 = 52;
/// Feature: the limits of notifications are set by a command.
const F_NOTF_COAL: u32 = 53;

/// Feature: the interface is the standby for another one.
const F_STANDBY: u32 = 62;

/// Feature: the header of a received packet has a hash.
const F_HASH_REPORT: u32 = 57;
/// Feature: the driver reports the length of the headers of packets to segment.
const F_GUEST_HDRLEN: u32 = 59;

/// The address of the card.
const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];

/// The configuration (virtio spec §5.1.4), little-endian.
#[derive(Clone, Copy)]
struct Config([u8; 24]);

impl Default for Config {
    /// A card with a link, one pair of queues, and the smallest RSS that is allowed.
    fn default() -> Self {
        Self([0; 24])
            .mac(MAC)
            .put16(6, 1)
            .put16(8, 1)
            .put16(10, 1500)
            .rss(40, 128, 0x1ff)
    }
}

impl Config {
    fn put<const N: usize>(mut self, at: usize, bytes: [u8; N]) -> Self {
        if let Some(to) = self.0.get_mut(at..at + N) {
            to.copy_from_slice(&bytes);
        }
        self
    }

    fn put16(self, at: usize, value: u16) -> Self {
        self.put(at, value.to_le_bytes())
    }

    fn mac(self, mac: [u8; 6]) -> Self {
        self.put(0, mac)
    }

    fn status(self, status: u16) -> Self {
        self.put16(6, status)
    }

    fn pairs(self, pairs: u16) -> Self {
        self.put16(8, pairs)
    }

    fn mtu(self, mtu: u16) -> Self {
        self.put16(10, mtu)
    }

    /// Sets the largest lengths of the hash key and of the indirection table, and the kinds of
    /// packets that the device can hash.
    fn rss(self, key: u8, table: u16, types: u32) -> Self {
        self.put(17, [key])
            .put16(18, table)
            .put(20, types.to_le_bytes())
    }
}

/// A card with the driver bound to it.
struct NetFixture {
    fake_nic: Arc<FakeNic>,
    fake: Fake,
    plug: Option<Plug>,
    /// Dropped after the device.
    haste: Option<Haste>,
}

/// Sets up a device with `queues` queues without plugging it. The last queue is the control queue,
/// if there is one.
fn device(config: Config, features: &[u32], queues: usize) -> Result<(Arc<FakeNic>, Fake)> {
    let fake_nic = FakeNic::new(queues, features.contains(&F_CTRL_VQ))?;
    let spec = Spec::new(ID)
        .features(features)
        .config(&config.0)?
        .queues(queues, 64)?;
    let fake = Fake::new(spec, fake_nic.clone())?;
    fake.set_auto(true);
    Ok((fake_nic, fake))
}

/// Whether the kernel has no VLANs. A test that needs them is skipped then.
fn lacks_vlans() -> bool {
    let lacks = !cfg!(CONFIG_VLAN_8021Q);
    if lacks {
        messages::skip(c"the kernel has no VLANs");
    }
    lacks
}

/// Fails with a reason if the driver is not the one to test.
fn check_driver(fake: &Fake) -> Result {
    let ours = fake
        .driver()
        .is_some_and(|name| &*name == c"rust_virtio_net");
    if !ours && !crate::ANY_DRIVER {
        pr_err!("    # the card is not bound to rust_virtio_net: load it first\n");
        return Err(ENODEV);
    }
    Ok(())
}

impl NetFixture {
    /// Plugs a card; the driver must bind.
    fn new(config: Config, features: &[u32], queues: usize) -> Result<Self> {
        let (fake_nic, fake) = device(config, features, queues)?;
        let plug = fake.plug()?;
        check!(fake.is_bound());
        check_driver(&fake)?;
        Ok(Self::around(fake_nic, fake, Some(plug)))
    }

    /// Returns the fixture of a device that is plugged or was.
    fn around(fake_nic: Arc<FakeNic>, fake: Fake, plug: Option<Plug>) -> Self {
        Self {
            fake_nic,
            fake,
            plug,
            haste: None,
        }
    }

    /// Plugs a card with these features besides its address. Memory is mapped for the card.
    fn mapped(addresses: Addresses, features: &[u32]) -> Result<Self> {
        let fake_nic = FakeNic::new(2, false)?;
        let spec = Spec::new(ID)
            .features(&[F_MAC])
            .features(features)
            .mapping(addresses)
            .config(&Config::default().0)?
            .queues(2, 64)?;
        Self::of(fake_nic, spec)
    }

    /// Plugs a card of this specification; the driver must bind.
    fn of(fake_nic: Arc<FakeNic>, spec: Spec) -> Result<Self> {
        let fake = Fake::new(spec, fake_nic.clone())?;
        fake.set_auto(true);
        let plug = fake.plug()?;
        check!(fake.is_bound());
        check_driver(&fake)?;
        Ok(Self::around(fake_nic, fake, Some(plug)))
    }

    /// Plugs a card with the largest number of pairs and with every kind of setting.
    fn with_settings() -> Result<Self> {
        Self::with_settings_on(None)
    }

    /// As [`NetFixture::with_settings`]. The argument says whether memory is mapped for the card.
    fn with_settings_on(addresses: Option<Addresses>) -> Result<Self> {
        let features = [
            F_MAC,
            F_MQ,
            F_CTRL_VQ,
            F_CTRL_RX,
            F_CTRL_MAC_ADDR,
            F_CTRL_VLAN,
            F_CTRL_GUEST_OFFLOADS,
            F_GUEST_CSUM,
            F_GUEST_TSO4,
            F_MRG_RXBUF,
        ];
        let fake_nic = FakeNic::new(9, true)?;
        let mut spec = Spec::new(ID)
            .features(&features)
            .config(&Config::default().pairs(4).0)?
            .queues(9, 64)?;
        if let Some(addresses) = addresses {
            spec = spec.mapping(addresses);
        }
        Self::of(fake_nic, spec)
    }

    /// Plugs a card with one pair of queues and these features besides its address.
    fn with(features: &[u32]) -> Result<Self> {
        let mut all = KVec::new();
        all.push(F_MAC, GFP_KERNEL)?;
        all.extend_from_slice(features, GFP_KERNEL)?;
        let queues = if features.contains(&F_CTRL_VQ) { 3 } else { 2 };
        Self::new(Config::default(), &all, queues)
    }

    /// Plugs a card with one pair of queues and these features besides its address. Memory is
    /// mapped for the card if `mapped` says so.
    fn maybe_mapped(mapped: bool, features: &[u32]) -> Result<Self> {
        if mapped {
            Self::mapped(Addresses::Marked, features)
        } else {
            Self::with(features)
        }
    }

    /// Plugs a legacy card without merged buffers, and with a control queue if the features have
    /// one. Returns none if the driver does not support legacy devices.
    fn legacy(features: &[u32]) -> Result<Option<Self>> {
        let control = features.contains(&F_CTRL_VQ);
        let queues = if control { 3 } else { 2 };
        let fake_nic = FakeNic::new(queues, control)?;
        fake_nic.set_header_len(10);
        let spec = Spec::new(ID)
            .legacy()
            .features(features)
            .config(&Config::default().0)?
            .queues(queues, 64)?;
        let fake = Fake::new(spec, fake_nic.clone())?;
        fake.set_auto(true);
        let plug = Some(fake.plug()?);
        Ok(fake.is_bound().then(|| Self::around(fake_nic, fake, plug)))
    }

    /// Returns the interface, which is down.
    fn nic(&self) -> Result<Nic> {
        Nic::of(&self.fake)
    }

    /// Returns the interface, up and ready to receive.
    fn up(&self) -> Result<Nic> {
        let nic = self.nic()?;
        nic.set_up(true)?;
        check!(wait::until(5_000, || self.fake.held(0) > 0 && nic.state().carrier));
        Ok(nic)
    }

    /// Plugs a card with `pairs` pairs of queues, a control queue, and these features besides.
    fn with_pairs(pairs: u16, features: &[u32]) -> Result<Self> {
        let mut all = KVec::new();
        all.extend_from_slice(&[F_MAC, F_MQ, F_CTRL_VQ], GFP_KERNEL)?;
        all.extend_from_slice(features, GFP_KERNEL)?;
        let queues = 2 * usize::from(pairs) + 1;
        Self::new(Config::default().pairs(pairs), &all, queues)
    }

    /// Resets the card with the driver bound to it. Returns the number of commands before the
    /// reset.
    fn reset(&self) -> Result<usize> {
        self.reset_with(|| Ok(()))
    }

    /// As [`NetFixture::reset`]. Calls `meanwhile` while the card has no queues.
    fn reset_with(&self, meanwhile: impl FnOnce() -> Result) -> Result<usize> {
        let plug = self.plug.as_ref().ok_or(ENODEV)?;
        plug.reset_prepare()?;
        let done = meanwhile();
        let told = self.fake_nic.told();
        plug.reset_done()?;
        done.map(|()| told)
    }

    /// Calls `f`, during which the card does not answer commands that begin with these bytes. The
    /// card answers after that. Returns the result of `f`, and the number of commands before the
    /// answer.
    fn unanswered<R>(&self, begin: &[u8], f: impl FnOnce() -> R) -> Result<(R, usize)> {
        self.fake_nic.answer_some(begin, Answer::Later)?;
        let result = f();
        let told = self.fake_nic.told();
        self.fake_nic.answer_some(begin, Answer::Ack(0))?;
        self.answer_late()?;
        Ok((result, told))
    }

    /// Has the card answer the command that it holds.
    fn answer_late(&self) -> Result {
        let control = self.fake_nic.control().ok_or(ENODEV)?;
        self.fake.finish(control, |chain| {
            let _ = chain.write(0, &[0]);
            Action::Complete(1)
        })
    }

    /// Shortens the time limits of the driver for this device until its removal.
    fn hasten(&mut self) {
        self.haste = Some(Haste::new());
    }

    /// Removes the card by `how`, within a time.
    fn remove(mut self, millis: u32, how: fn(Plug)) -> Result {
        let result = self.plug.take().ok_or(ENODEV)?.within(millis, how);
        if result.is_err() {
            // Let the threads that wait go on.
            self.fake_nic.answer(Answer::Ack(1));
            self.fake.rescue();
        }
        result
    }
}

impl Drop for NetFixture {
    /// Ends the use of the card, so that a test that fails does not hang.
    fn drop(&mut self) {
        if self.plug.is_some() {
            self.fake_nic.answer(Answer::Ack(1));
            self.fake.rescue();
        }
    }
}
