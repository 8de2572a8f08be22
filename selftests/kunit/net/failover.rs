// SPDX-License-Identifier: GPL-2.0

//! A card with `VIRTIO_NET_F_STANDBY`: a failover master above its interface.
//!
//! A primary interface has to be that of a PCI device, which these tests lack.

use super::{
    device,
    fake_nic::{
        receive,
        rx_header, //
    },
    frame::{
        from_us,
        to_us,
        ETHER_TYPE, //
    },
    lacks_vlans,
    Config,
    NetFixture,
    F_CTRL_MAC_ADDR,
    F_CTRL_VLAN,
    F_CTRL_VQ,
    F_MAC,
    F_MRG_RXBUF,
    F_MTU,
    F_STANDBY,
    F_STATUS,
    MAC, //
};
use kernel::prelude::*;
use virtio_fake::{
    messages,
    wait,
    Nic,
    Offload,
    OpensFirst,
    Plug, //
};

/// The time in which a removal has to end, in milliseconds.
const DEADLINE_MS: u32 = 10_000;

/// Whether the kernel has no failover. A test that needs it is skipped then.
fn lacks_failover() -> bool {
    let lacks = !cfg!(CONFIG_NET_FAILOVER);
    if lacks {
        messages::skip(c"the kernel has no failover");
    }
    lacks
}

/// A frame goes out by the master, and one comes in there. `sent` frames went out before.
fn passes_frames(fixture: &NetFixture, master: &Nic, sent: usize) -> Result {
    let frame = from_us(sent as u8, 300)?;
    // The master passes frames on from the queueing discipline of the standby interface, once the
    // core has seen the carrier of the master.
    check!(wait::until(5_000, || master
        .send(&frame, 0, Offload::default())
        .is_ok()));
    check!(wait::until(5_000, || fixture.fake_nic.sent() > sent));
    check!(fixture.fake_nic.has_sent(sent, &[0; 12], &frame));
    let capture = master.capture(ETHER_TYPE)?;
    let frame = to_us(0x33, 400)?;
    receive(&fixture.fake, &[&rx_header(1), &frame], None)?;
    check!(wait::until(5_000, || capture.len() == 1));
    check!(capture.pop().is_some_and(|got| got[..] == frame[..]));
    Ok(())
}

/// Brings the master up, which brings the standby interface up.
fn up(fixture: &NetFixture, master: &Nic) -> Result<Nic> {
    master.set_up(true)?;
    let standby = fixture.nic()?;
    check!(standby.state().running);
    check!(wait::until(5_000, || fixture.fake.held(0) > 0
        && standby.state().carrier
        && master.state().carrier));
    Ok(standby)
}

/// Removes a card by `how` while the master is up and frames pass.
fn removed(how: fn(Plug)) -> Result {
    let fixture = NetFixture::with(&[F_STANDBY, F_MRG_RXBUF])?;
    let master = Nic::master_of(&fixture.fake)?;
    let standby = up(&fixture, &master)?;
    passes_frames(&fixture, &master, 0)?;
    drop((master, standby));
    let fake = fixture.fake.clone();
    fixture.remove(DEADLINE_MS, how)?;
    check_eq!(fake.violations(), 0);
    check_eq!(fake.queues(), 0);
    Ok(())
}

#[kunit_tests(rust_virtio_net_failover)]
mod suite {
    use super::*;

    /// The master has the address of the card, and the interface of the card is its slave, with the
    /// name of a standby port.
    #[test]
    fn master() -> Result {
        if lacks_failover() {
            return Ok(());
        }
        let fixture = NetFixture::with(&[F_STANDBY])?;
        check!(fixture.fake.negotiated(F_STANDBY));
        let (master, standby) = (Nic::master_of(&fixture.fake)?, fixture.nic()?);
        check_eq!((master.state().mac, standby.state().mac), (MAC, MAC));
        check!(!standby.state().running && !master.state().carrier);
        let (above, below) = (master.place(), standby.place());
        check!(below.is_slave && !above.is_slave);
        check_eq!(below.upper, above.index);
        // The master was registered first.
        check!(above.index < below.index);
        check_eq!(above.upper, 0);
        check_eq!(below.port_name, Ok(*b"sby\0\0\0\0\0\0\0\0\0\0\0\0\0"));
        check_eq!(above.port_name, Err(EOPNOTSUPP));
        Ok(())
    }

    /// A card without the feature has neither a master nor a name of its port.
    #[test]
    fn no_master() -> Result {
        let fixture = NetFixture::with(&[])?;
        check!(Nic::master_of(&fixture.fake).is_err());
        let place = fixture.nic()?.place();
        check!(!place.is_slave && place.upper == 0);
        check_eq!(place.port_name, Err(EOPNOTSUPP));
        Ok(())
    }

    /// The feature is not negotiated with a card that has no address: the primary interface would
    /// not be found.
    #[test]
    fn no_address() -> Result {
        const WARNING: &CStr = c"device advertises feature VIRTIO_NET_F_STANDBY but not \
                                 VIRTIO_NET_F_MAC, disabling standby";
        messages::logged(WARNING);
        let fixture = NetFixture::new(Config::default(), &[F_STANDBY], 2)?;
        check_eq!(messages::logged(WARNING), 1);
        check!(!fixture.fake.negotiated(F_STANDBY));
        check!(Nic::master_of(&fixture.fake).is_err());
        check_eq!(fixture.nic()?.place().port_name, Err(EOPNOTSUPP));
        Ok(())
    }

    /// H138: nor with a card whose address is not allowed. The interface works without a master.
    #[test]
    fn h138_bad_address() -> Result {
        for mac in [[0; 6], [0xff; 6], [1, 0, 0x5e, 0, 0, 1]] {
            let config = Config::default().mac(mac);
            let fixture = NetFixture::new(config, &[F_MAC, F_STANDBY], 2)?;
            check!(!fixture.fake.negotiated(F_STANDBY));
            check!(Nic::master_of(&fixture.fake).is_err());
            let nic = fixture.up()?;
            check_eq!(nic.set_mac([2, 0, 0, 0, 0, 9]), Ok(()));
        }
        Ok(())
    }

    /// The address of the interface cannot be changed, whatever the new one is, and no command is
    /// sent.
    #[test]
    fn address_stays() -> Result {
        if lacks_failover() {
            return Ok(());
        }
        let features = [F_STANDBY, F_CTRL_VQ, F_CTRL_MAC_ADDR];
        let fixture = NetFixture::with(&features)?;
        let nic = fixture.nic()?;
        for mac in [[2, 0, 0, 0, 0, 9], [1, 0, 0x5e, 0, 0, 1], [0; 6]] {
            check_eq!(nic.set_mac(mac), Err(EOPNOTSUPP));
        }
        check_eq!(nic.state().mac, MAC);
        check_eq!(fixture.fake_nic.commands(1, 1), 0);
        Ok(())
    }

    /// Frames pass through the master while it is up, and do so again after it was down.
    #[test]
    fn frames() -> Result {
        if lacks_failover() {
            return Ok(());
        }
        for features in [&[F_STANDBY][..], &[F_STANDBY, F_STATUS, F_MRG_RXBUF]] {
            let fixture = NetFixture::with(features)?;
            let master = Nic::master_of(&fixture.fake)?;
            for round in 0..3 {
                let standby = up(&fixture, &master)?;
                passes_frames(&fixture, &master, round)?;
                master.set_up(false)?;
                check!(!standby.state().running && !standby.state().carrier);
            }
            check_eq!(fixture.fake.violations(), 0);
        }
        Ok(())
    }

    /// The master sets the MTU of the interface, within the limits of the card.
    #[test]
    fn mtu() -> Result {
        if lacks_failover() {
            return Ok(());
        }
        let config = Config::default().mtu(9000);
        let fixture = NetFixture::new(config, &[F_MAC, F_STANDBY, F_MTU], 2)?;
        let (master, standby) = (Nic::master_of(&fixture.fake)?, fixture.nic()?);
        check_eq!((master.state().mtu, standby.state().mtu), (1500, 1500));
        check_eq!(master.state().max_mtu, 9000);
        check_eq!(master.set_mtu(4000), Ok(()));
        check_eq!(standby.state().mtu, 4000);
        check!(master.set_mtu(9001).is_err());
        Ok(())
    }

    /// A VLAN of the master is added to the filter of the card.
    #[test]
    fn vlans() -> Result {
        if lacks_failover() || lacks_vlans() {
            return Ok(());
        }
        let fixture = NetFixture::with(&[F_STANDBY, F_CTRL_VQ, F_CTRL_VLAN])?;
        let master = Nic::master_of(&fixture.fake)?;
        master.set_vlan(7, true)?;
        check!(fixture.fake_nic.was_told(2, 0, &7u16.to_le_bytes()));
        master.set_vlan(7, false)?;
        check!(fixture.fake_nic.was_told(2, 1, &7u16.to_le_bytes()));
        Ok(())
    }

    /// A master that is brought up at once brings the interface up while that is registered. The
    /// card is ready by then.
    #[test]
    fn up_at_once() -> Result {
        if lacks_failover() {
            return Ok(());
        }
        for features in [
            &[F_MAC, F_STANDBY][..],
            &[F_MAC, F_STANDBY, F_STATUS, F_CTRL_VQ, F_CTRL_VLAN],
        ] {
            let queues = if features.len() > 2 { 3 } else { 2 };
            let (fake_nic, fake) = device(Config::default(), features, queues)?;
            let opens = OpensFirst::of(&fake)?;
            let plug = Some(fake.plug()?);
            drop(opens);
            check!(fake.is_bound());
            check_eq!(fake.early_kicks(), 0);
            let fixture = NetFixture::around(fake_nic, fake, plug);
            let (master, standby) = (Nic::master_of(&fixture.fake)?, fixture.nic()?);
            check!(master.state().running && standby.state().running);
            check!(wait::until(5_000, || fixture.fake.held(0) > 0
                && standby.state().carrier
                && master.state().carrier));
            passes_frames(&fixture, &master, 0)?;
        }
        Ok(())
    }

    /// The card asks for a reset: frames pass through the same master after it.
    #[test]
    fn restarted() -> Result {
        if lacks_failover() {
            return Ok(());
        }
        let fixture = NetFixture::with(&[F_STANDBY, F_STATUS])?;
        let master = Nic::master_of(&fixture.fake)?;
        let standby = up(&fixture, &master)?;
        let resets = fixture.fake.resets();
        fixture.fake.needs_reset();
        check!(wait::until(DEADLINE_MS, || fixture.fake.resets() > resets
            && standby.state().carrier
            && fixture.fake.held(0) > 0));
        check_eq!(standby.place().upper, master.place().index);
        check!(wait::until(DEADLINE_MS, || master.state().carrier));
        passes_frames(&fixture, &master, 0)
    }

    /// The system sleeps and wakes up: frames pass through the same master after it.
    #[test]
    fn slept() -> Result {
        if lacks_failover() {
            return Ok(());
        }
        let fixture = NetFixture::with(&[F_STANDBY, F_STATUS])?;
        let master = Nic::master_of(&fixture.fake)?;
        let standby = up(&fixture, &master)?;
        for round in 0..2 {
            let plug = fixture.plug.as_ref().ok_or(ENODEV)?;
            plug.freeze()?;
            plug.restore()?;
            check!(wait::until(DEADLINE_MS, || fixture.fake.held(0) > 0
                && standby.state().carrier
                && master.state().carrier));
            check_eq!(standby.place().upper, master.place().index);
            passes_frames(&fixture, &master, round)?;
        }
        Ok(())
    }

    /// The card is unplugged while its master is up.
    #[test]
    fn unplugged() -> Result {
        if lacks_failover() {
            return Ok(());
        }
        removed(drop)
    }

    /// The card is gone without a warning while its master is up.
    #[test]
    fn torn_out() -> Result {
        if lacks_failover() {
            return Ok(());
        }
        removed(Plug::yank)
    }
}
