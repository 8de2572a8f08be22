// SPDX-License-Identifier: GPL-2.0

//! Memory for receive buffers that runs short: the ring stays partly filled, or empty, until the
//! driver tries again.

use super::{
    super::{
        fake_nic::{
            receive,
            rx_header, //
        },
        frame::{
            to_us,
            ETHER_TYPE, //
        },
        NetFixture,
        F_MRG_RXBUF, //
    },
    outcome::arrived,
    MODES, //
};
use kernel::prelude::*;
use virtio::shortage::Shortage;
use virtio_fake::{
    messages,
    wait,
    Capture,
    Nic,
    Rings,
    INDIRECT_DESC,
    RING_RESET, //
};

/// Number of buffers of the ring.
const RING: usize = 64;
/// The driver fills the ring again when more buffers than this are missing.
const LOW: usize = 32;

/// Number of buffers for which there is memory when the driver fills the ring.
const LEFT: u16 = 5;

/// The length of frames that are not copied, so that each takes its buffer away.
const LEN: usize = 300;

/// Whether a test of a shortage is skipped: only this driver's buffers ask for one.
fn is_other_driver() -> bool {
    if crate::ANY_DRIVER {
        messages::skip(c"only the memory of the Rust driver can be made short");
    }
    crate::ANY_DRIVER
}

/// Plugs a card with these features. With indirect tables, a large buffer takes one descriptor.
fn card(features: &[u32]) -> Result<NetFixture> {
    let mut all = KVec::new();
    all.push(INDIRECT_DESC, GFP_KERNEL)?;
    all.extend_from_slice(features, GFP_KERNEL)?;
    NetFixture::with(&all)
}

/// Whether the device gets exactly so many receive buffers.
fn holds(fixture: &NetFixture, buffers: usize) -> bool {
    let holds = wait::until(5_000, || fixture.fake.held(0) == buffers);
    if !holds {
        pr_err!("    # the device has {} buffers\n", fixture.fake.held(0));
    }
    holds
}

/// Whether the driver tries several times more to allocate memory, without an event of the device.
fn tries_again(shortage: &Shortage) -> bool {
    let before = shortage.failed();
    wait::until(10_000, || shortage.failed() >= before + 3)
}

/// Receives frames number `first` to `last`, and checks that each arrives as it was sent.
fn receive_each(
    fixture: &NetFixture,
    capture: &Capture,
    numbers: core::ops::Range<usize>,
) -> Result {
    for i in numbers {
        let frame = to_us(i as u8, LEN)?;
        receive(&fixture.fake, &[&rx_header(1), &frame], None)?;
        check!(arrived(capture, 1));
        check!(capture.pop().is_some_and(|got| got[..] == frame[..]));
    }
    Ok(())
}

/// Ends a shortage, during which the device has got no buffers, and checks that the ring is filled
/// and that frames arrive.
fn recovers(fixture: &NetFixture, nic: &Nic, shortage: Shortage) -> Result {
    check!(tries_again(&shortage));
    check_eq!(fixture.fake.held(0), 0);
    drop(shortage);
    check!(holds(fixture, RING));
    let capture = nic.capture(ETHER_TYPE)?;
    receive_each(fixture, &capture, 0..2 * RING)?;
    check_eq!(nic.stats().rx_dropped, 0);
    check_eq!(fixture.fake.violations(), 0);
    Ok(())
}

#[kunit_tests(rust_virtio_net_rx_shortage)]
mod suite {
    use super::*;

    /// Memory for a few buffers is left when the driver fills the ring: it adds these. Later there
    /// is none, and the device uses all buffers that it has, so that it causes no other refill.
    /// The driver tries again by itself, and the ring is full when there is memory.
    #[test]
    fn while_receiving() -> Result {
        if is_other_driver() {
            return Ok(());
        }
        for features in MODES {
            let fixture = card(features)?;
            let nic = fixture.up()?;
            check!(holds(&fixture, RING));
            let capture = nic.capture(ETHER_TYPE)?;
            let shortage = Shortage::after(LEFT);
            receive_each(&fixture, &capture, 0..LOW + 1)?;
            let left = usize::from(LEFT);
            check!(holds(&fixture, RING - LOW - 1 + left));
            receive_each(&fixture, &capture, LOW + 1..LOW + 1 + left)?;
            check!(tries_again(&shortage));
            check_eq!(fixture.fake.held(0), RING - LOW - 1);
            receive_each(&fixture, &capture, LOW + 1 + left..RING + left)?;
            drop(capture);
            recovers(&fixture, &nic, shortage)
                .inspect_err(|_| pr_err!("    # with features {:?}\n", features))?;
        }
        Ok(())
    }

    /// The interface goes up without memory for a single buffer, and with memory for a few.
    #[test]
    fn while_opening() -> Result {
        if is_other_driver() {
            return Ok(());
        }
        for features in MODES {
            for left in [0, LEFT] {
                let fixture = card(features)?;
                let nic = fixture.nic()?;
                let shortage = Shortage::after(left);
                nic.set_up(true)?;
                check!(tries_again(&shortage));
                let capture = nic.capture(ETHER_TYPE)?;
                // A large buffer takes several pages, and is added with all of them.
                let held = fixture.fake.held(0);
                check!(held <= left.into());
                receive_each(&fixture, &capture, 0..held)?;
                drop(capture);
                recovers(&fixture, &nic, shortage)
                    .inspect_err(|_| pr_err!("    # with features {:?}\n", features))?;
            }
        }
        Ok(())
    }

    /// The device is reset, and the size of the ring is changed, without memory for new buffers.
    #[test]
    fn while_set_up_anew() -> Result {
        if is_other_driver() {
            return Ok(());
        }
        let fixture = card(&[F_MRG_RXBUF, RING_RESET])?;
        let nic = fixture.up()?;
        check!(holds(&fixture, RING));
        let shortage = Shortage::after(0);
        fixture.reset()?;
        recovers(&fixture, &nic, shortage)?;
        let rings = |size| Rings {
            rx: size,
            tx: size,
            ..Rings::default()
        };
        nic.set_rings(rings(32))?;
        check!(holds(&fixture, 32));
        let shortage = Shortage::after(0);
        nic.set_rings(rings(64))?;
        recovers(&fixture, &nic, shortage)
    }

    /// The card goes, and the interface goes down, during a shortage: all buffers are freed.
    #[test]
    fn until_the_end() -> Result {
        if is_other_driver() {
            return Ok(());
        }
        messages::logged(c"buffers are still in use");
        for features in MODES {
            let fixture = card(features)?;
            let nic = fixture.up()?;
            check!(holds(&fixture, RING));
            let capture = nic.capture(ETHER_TYPE)?;
            let shortage = Shortage::after(LEFT);
            receive_each(&fixture, &capture, 0..LOW + 1 + usize::from(LEFT))?;
            check!(tries_again(&shortage));
            drop(capture);
            nic.set_up(false)?;
            nic.set_up(true)?;
            check!(tries_again(&shortage));
            drop(nic);
            fixture.remove(10_000, drop)?;
        }
        check_eq!(messages::logged(c"buffers are still in use"), 0);
        Ok(())
    }
}
