// SPDX-License-Identifier: GPL-2.0

//! XDP programs: attaching, replacing and detaching them.

mod hash;
mod rx;
mod tx;

use super::{
    fake_nic::{
        receive,
        rx_header,
        Answer, //
    },
    frame::{
        to_us,
        ETHER_TYPE, //
    },
    Config,
    NetFixture,
    F_CTRL_GUEST_OFFLOADS,
    F_CTRL_VQ,
    F_GUEST_CSUM,
    F_GUEST_TSO4,
    F_HASH_REPORT,
    F_MAC,
    F_MRG_RXBUF,
    F_MTU, //
};
use kernel::{
    cpu::nr_cpu_ids,
    prelude::*, //
};
use virtio_fake::{
    messages, wait, Capture, Nic, XdpActions, XdpTest,
    XdpVerdict::{
        self,
        Aborted,
        Drop,
        Pass,
        Redirect,
        Tx,
        Unknown, //
    },
};

/// Classes of commands.
const MQ: u8 = 4;
const OFFLOADS: u8 = 5;

/// The number of the command for hash reports, of class `MQ`.
const HASH: u8 = 2;

/// The time in which a setting has to be sent again, in milliseconds.
const DEADLINE_MS: u32 = 40_000;

/// Returns a program that only decides.
fn program(verdict: XdpVerdict) -> Result<XdpTest> {
    XdpTest::new(XdpActions::new(verdict))
}

/// Attaches a program, or detaches it. The driver must do so.
fn set(nic: &Nic, prog: Option<&XdpTest>) -> Result {
    nic.set_xdp(prog).map_err(|(e, message)| {
        pr_err!("    # refused: {:?}\n", message.text());
        e
    })
}

/// Whether the kernel counts no references to programs, and redirects no packets. A test that needs
/// either is skipped then.
fn lacks_bpf() -> bool {
    let lacks = !cfg!(CONFIG_BPF_SYSCALL);
    if lacks {
        messages::skip(c"the kernel has no system call for BPF");
    }
    lacks
}

/// Whether the driver has references to a program, as far as the kernel counts them.
fn is_held(prog: &XdpTest) -> bool {
    prog.references() > 0 || !cfg!(CONFIG_BPF_SYSCALL)
}

/// Whether the driver refuses a program with this error and message.
fn refuses(nic: &Nic, prog: &XdpTest, error: Error, text: &str) -> bool {
    match nic.set_xdp(Some(prog)) {
        Ok(()) => false,
        Err((e, message)) => {
            let got = message.text().to_bytes();
            let matches = got.strip_prefix(b"rust_virtio_net: ") == Some(text.as_bytes());
            if e != error || !matches {
                pr_err!("    # {:?}: {:?}\n", e, message.text());
            }
            e == error && matches && prog.references() == 0
        }
    }
}

/// Returns the sum of the bytes of a frame.
fn sum(frame: &[u8]) -> u32 {
    frame.iter().map(|&byte| u32::from(byte)).sum()
}

/// Receives a frame in one buffer, and waits until the program has got it.
fn run(fixture: &NetFixture, prog: &XdpTest, frame: &[u8]) -> Result {
    let before = prog.seen().count;
    receive(&fixture.fake, &[&rx_header(1), frame], None)?;
    check!(wait::until(5_000, || prog.seen().count == before + 1));
    let seen = prog.seen();
    check_eq!((seen.len, seen.sum), (frame.len() as u32, sum(frame)));
    Ok(())
}

/// Whether the frame arrives next, and no other.
fn arrives(capture: &Capture, frame: &[u8]) -> bool {
    if !wait::until(5_000, || !capture.is_empty()) {
        pr_err!("    # no frame arrived\n");
        return false;
    }
    let got = capture.pop();
    got.is_some_and(|got| got[..] == *frame) && capture.is_empty()
}

/// Plugs a card with `pairs` pairs and offloads that can be switched.
fn with_pairs(pairs: u16) -> Result<NetFixture> {
    let features = [
        F_CTRL_GUEST_OFFLOADS,
        F_GUEST_CSUM,
        F_GUEST_TSO4,
        F_MRG_RXBUF,
    ];
    NetFixture::with_pairs(pairs, &features)
}

/// Returns the number of CPUs.
fn cpus() -> u16 {
    nr_cpu_ids() as u16
}

#[kunit_tests(rust_virtio_net_xdp)]
mod suite {
    use super::*;

    /// The interface says what programs can do.
    #[test]
    fn features() -> Result {
        for (features, expected) in [
            (&[][..], 1 | 2 | 8),
            (&[F_MRG_RXBUF][..], 1 | 2 | 8 | 32),
            // Big buffers.
            (&[F_GUEST_CSUM, F_GUEST_TSO4][..], 0),
        ] {
            let fixture = NetFixture::with(features)?;
            check_eq!(fixture.nic()?.xdp_features(), expected);
        }
        // With a program, also that it is a target.
        let prog = program(Pass)?;
        let fixture = NetFixture::with(&[F_MRG_RXBUF])?;
        let nic = fixture.nic()?;
        set(&nic, Some(&prog))?;
        check_eq!(nic.xdp_features(), 1 | 2 | 4 | 8 | 32 | 64);
        set(&nic, None)?;
        check_eq!(nic.xdp_features(), 1 | 2 | 8 | 32);
        Ok(())
    }

    /// The references of the driver to programs, while they are attached, replaced and detached,
    /// with the interface up and down.
    #[test]
    fn references() -> Result {
        if lacks_bpf() {
            return Ok(());
        }
        let (one, two) = (program(Pass)?, program(Drop)?);
        let fixture = NetFixture::with(&[F_MRG_RXBUF])?;
        let nic = fixture.up()?;
        for up in [true, false] {
            nic.set_up(up)?;
            set(&nic, None)?;
            set(&nic, Some(&one))?;
            check!(one.references() > 0);
            set(&nic, Some(&two))?;
            check_eq!(one.references(), 0);
            check!(two.references() > 0);
            set(&nic, None)?;
            check_eq!(two.references(), 0);
        }
        // A program that is attached when the card goes.
        set(&nic, Some(&one))?;
        drop(nic);
        drop(fixture);
        check_eq!(one.references(), 0);
        Ok(())
    }

    /// Each program that is attached gets the packets from then on, also if the interface is down
    /// then.
    #[test]
    fn replaced() -> Result {
        let (one, two) = (program(Pass)?, program(Drop)?);
        let fixture = NetFixture::with(&[F_MRG_RXBUF])?;
        let nic = fixture.nic()?;
        set(&nic, Some(&one))?;
        nic.set_up(true)?;
        let capture = nic.capture(ETHER_TYPE)?;
        let frame = to_us(1, 300)?;
        run(&fixture, &one, &frame)?;
        check!(arrives(&capture, &frame));
        set(&nic, Some(&two))?;
        run(&fixture, &two, &frame)?;
        check_eq!(one.seen().count, 1);
        check!(capture.is_empty());
        set(&nic, None)?;
        receive(&fixture.fake, &[&rx_header(1), &frame], None)?;
        check!(arrives(&capture, &frame));
        check_eq!(two.seen().count, 1);
        Ok(())
    }

    /// Programs are refused with the messages of C.
    #[test]
    fn refused() -> Result {
        let prog = program(Pass)?;
        let offloads =
            "Can't set XDP while host is implementing GRO_HW/CSUM, disable GRO_HW/CSUM first";
        for feature in [F_GUEST_CSUM, 8, 9, 10] {
            let fixture = NetFixture::with(&[F_GUEST_CSUM, feature, F_MRG_RXBUF])?;
            check!(refuses(&fixture.nic()?, &prog, EOPNOTSUPP, offloads));
        }
        let mtu = NetFixture::new(Config::default().mtu(9000), &[F_MAC, F_MTU, F_MRG_RXBUF], 2)?;
        let nic = mtu.nic()?;
        let too_large = "MTU too large to enable XDP without frags";
        check!(refuses(&nic, &prog, EINVAL, too_large));
        let actions = XdpActions {
            frags: true,
            ..XdpActions::new(Pass)
        };
        let frags = XdpTest::new(actions)?;
        set(&nic, Some(&frags))?;
        // A replacement that is refused changes nothing.
        check!(refuses(&nic, &prog, EINVAL, too_large));
        check!(is_held(&frags));
        set(&nic, None)?;
        if let Some(legacy) = NetFixture::legacy(&[F_MAC, F_MRG_RXBUF])? {
            let text = "XDP expects header/data in single page, any_header_sg required";
            check!(refuses(&legacy.nic()?, &prog, EINVAL, text));
        }
        let big =
            NetFixture::with(&[F_CTRL_VQ, F_CTRL_GUEST_OFFLOADS, F_GUEST_CSUM, F_GUEST_TSO4])?;
        let text = "XDP needs mergeable or small receive buffers";
        check!(refuses(&big.nic()?, &prog, EOPNOTSUPP, text));
        Ok(())
    }

    /// Offloads are off while there is a program, and cannot be switched. The number of pairs
    /// cannot be changed.
    #[test]
    fn offloads() -> Result {
        let prog = program(Pass)?;
        let fixture = with_pairs(2)?;
        let nic = fixture.up()?;
        nic.set_pairs(1)?;
        set(&nic, Some(&prog))?;
        check!(fixture.fake_nic.was_told(OFFLOADS, 0, &[0; 8]));
        check_eq!(nic.set_gro_hw(false), Err(EIO));
        check_eq!(nic.set_pairs(2), Err(EINVAL));
        let told = fixture.fake_nic.commands(OFFLOADS, 0);
        // Replacing the program changes nothing for the device.
        set(&nic, Some(&prog))?;
        check_eq!(fixture.fake_nic.commands(OFFLOADS, 0), told);
        set(&nic, None)?;
        let all = 1u64 << F_GUEST_CSUM | 1 << F_GUEST_TSO4;
        check!(fixture.fake_nic.was_told(OFFLOADS, 0, &all.to_le_bytes()));
        nic.set_gro_hw(false)?;
        nic.set_pairs(2)?;
        Ok(())
    }

    /// The program is detached, and the card does not answer the command for the offloads. The card
    /// gets them later, also if checksums are all that it can switch.
    #[test]
    fn offloads_unanswered() -> Result {
        let prog = program(Pass)?;
        let mut fixture =
            NetFixture::with(&[F_CTRL_VQ, F_CTRL_GUEST_OFFLOADS, F_GUEST_CSUM, F_MRG_RXBUF])?;
        fixture.hasten();
        let nic = fixture.up()?;
        set(&nic, Some(&prog))?;
        check!(fixture.fake_nic.was_told(OFFLOADS, 0, &[0; 8]));
        let resets = fixture.fake.resets();
        let (done, skip) = fixture.unanswered(&[OFFLOADS], || set(&nic, None))?;
        done?;
        let csum = (1u64 << F_GUEST_CSUM).to_le_bytes();
        let told = || fixture.fake_nic.was_told_since(skip, OFFLOADS, 0, &csum);
        // On a slow machine the late answer comes too late. A card that was reset has all offloads.
        check!(wait::until(DEADLINE_MS, || told() || fixture.fake.resets() > resets));
        Ok(())
    }

    /// With enough pairs, one for each CPU is set aside; with fewer, none.
    #[test]
    fn pairs() -> Result {
        let prog = program(Pass)?;
        let fixture = with_pairs(1 + cpus())?;
        let nic = fixture.up()?;
        nic.set_pairs(1)?;
        set(&nic, Some(&prog))?;
        let all = 1 + cpus();
        check!(fixture.fake_nic.was_told(MQ, 0, &all.to_le_bytes()));
        let state = nic.state();
        check_eq!((state.rx_queues, state.tx_queues), (all.into(), 1));
        set(&nic, None)?;
        check!(fixture.fake_nic.was_told(MQ, 0, &1u16.to_le_bytes()));
        let state = nic.state();
        check_eq!((state.rx_queues, state.tx_queues), (1, 1));
        // One pair too few.
        nic.set_pairs(2)?;
        let told = fixture.fake_nic.commands(MQ, 0);
        set(&nic, Some(&prog))?;
        check_eq!(fixture.fake_nic.commands(MQ, 0), told);
        let state = nic.state();
        check_eq!((state.rx_queues, state.tx_queues), (2, 2));
        Ok(())
    }

    /// After each change of the number of pairs, by the user or for a program, the card gets the
    /// configuration of hash reports: with the number, it may have dropped the configuration.
    #[test]
    fn hashes_after_pairs() -> Result {
        let prog = program(Pass)?;
        let most = 1 + cpus();
        let fixture = NetFixture::with_pairs(most, &[F_HASH_REPORT, F_MRG_RXBUF])?;
        let nic = fixture.up()?;
        for (what, change) in [
            (1, &(|| nic.set_pairs(most.into())) as &dyn Fn() -> Result),
            (2, &|| nic.set_pairs(1)),
            (3, &|| set(&nic, Some(&prog))),
            (4, &|| set(&nic, None)),
        ] {
            let skip = fixture.fake_nic.told();
            change()?;
            let codes = fixture.fake_nic.codes_since(skip)?;
            check_eq!((what, &codes[..]), (what, &[[MQ, 0], [MQ, HASH]][..]));
        }
        Ok(())
    }

    /// A device that refuses the number of pairs keeps its program, unless the program is detached.
    /// Then the pairs for XDP stay set aside.
    #[test]
    fn pairs_refused() -> Result {
        let (one, two) = (program(Pass)?, program(Drop)?);
        let fixture = with_pairs(1 + cpus())?;
        let nic = fixture.up()?;
        nic.set_pairs(1)?;
        fixture.fake_nic.answer_class(MQ, Answer::Ack(1));
        check!(matches!(nic.set_xdp(Some(&two)), Err((e, _)) if e == EINVAL));
        check_eq!(two.references(), 0);
        check_eq!(nic.state().rx_queues, 1);
        fixture.fake_nic.answer_class(MQ, Answer::Ack(0));
        set(&nic, Some(&one))?;
        fixture.fake_nic.answer_class(MQ, Answer::Ack(1));
        set(&nic, None)?;
        check_eq!(one.references(), 0);
        let state = nic.state();
        check_eq!(
            (state.rx_queues, state.tx_queues),
            (1 + u32::from(cpus()), 1)
        );
        // They are there for the next program.
        set(&nic, Some(&two))?;
        run(&fixture, &two, &to_us(1, 100)?)?;
        fixture.fake_nic.answer_class(MQ, Answer::Ack(0));
        set(&nic, None)?;
        check_eq!(nic.state().rx_queues, 1);
        Ok(())
    }

    /// The program is detached, and the card does not answer the command for the number of pairs.
    /// The card gets the number later.
    #[test]
    fn pairs_unanswered() -> Result {
        let prog = program(Pass)?;
        let mut fixture = with_pairs(1 + cpus())?;
        fixture.hasten();
        let nic = fixture.up()?;
        nic.set_pairs(1)?;
        set(&nic, Some(&prog))?;
        let (done, _) = fixture.unanswered(&[MQ], || set(&nic, None))?;
        done?;
        check_eq!(prog.references(), 0);
        check!(wait::until(DEADLINE_MS, || {
            let state = nic.state();
            (state.rx_queues, state.tx_queues) == (1, 1)
        }));
        Ok(())
    }

    /// The program stays when the device is reset, and so do its pairs. Offloads stay off.
    #[test]
    fn survives_a_reset() -> Result {
        let prog = program(Pass)?;
        let fixture = with_pairs(1 + cpus())?;
        let nic = fixture.up()?;
        nic.set_pairs(1)?;
        set(&nic, Some(&prog))?;
        let (pairs, offloads) = (
            fixture.fake_nic.commands(MQ, 0),
            fixture.fake_nic.commands(OFFLOADS, 0),
        );
        fixture.reset()?;
        check_eq!(fixture.fake_nic.commands(MQ, 0), pairs + 1);
        check!(fixture
            .fake_nic
            .was_told(MQ, 0, &(1 + cpus()).to_le_bytes()));
        check_eq!(fixture.fake_nic.commands(OFFLOADS, 0), offloads + 1);
        check!(fixture.fake_nic.was_told(OFFLOADS, 0, &[0; 8]));
        let capture = nic.capture(ETHER_TYPE)?;
        for i in 0..3 {
            let frame = to_us(i, 400)?;
            run(&fixture, &prog, &frame)?;
            check!(prog.seen().headroom >= 256);
            check!(arrives(&capture, &frame));
        }
        Ok(())
    }
}
