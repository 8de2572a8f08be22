// SPDX-License-Identifier: GPL-2.0

//! Statistics that the card counts: names, values, and replies that are not valid.

use super::{
    device,
    fake_nic::Answer,
    Config,
    NetFixture,
    F_CTRL_VQ,
    F_DEVICE_STATS,
    F_MAC,
    F_MQ, //
};
use kernel::prelude::*;
use virtio::time_limit::Haste;
use virtio_fake::{
    messages,
    Nic, //
};

/// The class of the commands, and their numbers.
const STATS: u8 = 8;
const QUERY: u8 = 0;
const GET: u8 = 1;

/// All types that the specification has.
const ALL: u64 = 0x1_000f_000f;
/// The types of a receive, a transmit, and a control queue in `ethtool -S`.
const RX_NAMED: u64 = 0xb;
const TX_NAMED: u64 = 0xd_0000;
const CONTROL: u64 = 1 << 32;

/// The names of a card with one pair and all types, in order.
const NAMES: &[&str] = &[
    "rx_drops",
    "rx_xdp_packets",
    "rx_xdp_tx",
    "rx_xdp_redirects",
    "rx_xdp_drops",
    "rx_kicks",
    "rx_hw_packets",
    "rx_hw_bytes",
    "rx_hw_notifications",
    "rx_hw_interrupts",
    "rx_hw_needs_csum",
    "rx_hw_ratelimit_bytes",
    "tx_xdp_tx",
    "tx_xdp_tx_drops",
    "tx_kicks",
    "tx_tx_timeouts",
    "tx_hw_packets",
    "tx_hw_bytes",
    "tx_hw_notifications",
    "tx_hw_interrupts",
    "tx_hw_gso_packets_noseg",
    "tx_hw_gso_bytes_noseg",
    "tx_hw_ratelimit_bytes",
    "cq_hw_command_num",
    "cq_hw_ok_num",
    "rx0_drops",
    "rx0_xdp_packets",
    "rx0_xdp_tx",
    "rx0_xdp_redirects",
    "rx0_xdp_drops",
    "rx0_kicks",
    "rx0_hw_packets",
    "rx0_hw_bytes",
    "rx0_hw_notifications",
    "rx0_hw_interrupts",
    "rx0_hw_needs_csum",
    "rx0_hw_ratelimit_bytes",
    "tx0_xdp_tx",
    "tx0_xdp_tx_drops",
    "tx0_kicks",
    "tx0_tx_timeouts",
    "tx0_hw_packets",
    "tx0_hw_bytes",
    "tx0_hw_notifications",
    "tx0_hw_interrupts",
    "tx0_hw_gso_packets_noseg",
    "tx0_hw_gso_bytes_noseg",
    "tx0_hw_ratelimit_bytes",
];

/// The values of the card in `ethtool -S`, by name without prefix, as [`reply`] has them.
const RX_VALUES: [(&str, u64); 6] = [
    ("hw_packets", 102),
    ("hw_bytes", 103),
    ("hw_notifications", 101),
    ("hw_interrupts", 104),
    ("hw_needs_csum", 202),
    ("hw_ratelimit_bytes", 402),
];
const TX_VALUES: [(&str, u64); 7] = [
    ("hw_packets", 1102),
    ("hw_bytes", 1103),
    ("hw_notifications", 1101),
    ("hw_interrupts", 1104),
    ("hw_gso_packets_noseg", 1305),
    ("hw_gso_bytes_noseg", 1306),
    ("hw_ratelimit_bytes", 1402),
];

/// A value that is not known.
const UNKNOWN: u64 = u64::MAX;

/// Plugs a card with one pair of queues and these types of statistics.
fn fixture(types: u64) -> Result<NetFixture> {
    with_result(&types.to_le_bytes(), 1)
}

/// Plugs a card that answers the question for its types with this result.
fn with_result(types: &[u8], pairs: u16) -> Result<NetFixture> {
    let features = [F_MAC, F_MQ, F_CTRL_VQ, F_DEVICE_STATS];
    let config = Config::default().pairs(pairs);
    let (fake_nic, fake) = device(config, &features, usize::from(pairs) * 2 + 1)?;
    fake_nic.set_result(STATS, QUERY, types)?;
    let plug = fake.plug()?;
    check!(fake.is_bound());
    super::check_driver(&fake)?;
    Ok(NetFixture::around(fake_nic, fake, Some(plug)))
}

/// Appends the header of a type.
fn header(to: &mut KVec<u8>, number: u8, queue: u16, size: u16) -> Result {
    let [queue_low, queue_high] = queue.to_le_bytes();
    let [low, high] = size.to_le_bytes();
    let header = [number, 0, queue_low, queue_high, 0, 0, low, high];
    Ok(to.extend_from_slice(&header, GFP_KERNEL)?)
}

/// Appends a type with its values, the first of which is `first + 1`.
fn add(to: &mut KVec<u8>, number: u8, queue: u16, values: u16, first: u64) -> Result {
    header(to, number, queue, 8 + 8 * values)?;
    for value in 1..=u64::from(values) {
        to.extend_from_slice(&(first + value).to_le_bytes(), GFP_KERNEL)?;
    }
    Ok(())
}

/// Returns the reply about a pair of queues and the control queue for `ethtool -S`.
fn reply(pair: u16, control: u16) -> Result<KVec<u8>> {
    let mut reply = KVec::new();
    add(&mut reply, 0, 2 * pair, 6, 100)?;
    add(&mut reply, 1, 2 * pair, 4, 200)?;
    add(&mut reply, 3, 2 * pair, 2, 400)?;
    add(&mut reply, 16, 2 * pair + 1, 6, 1100)?;
    add(&mut reply, 18, 2 * pair + 1, 6, 1300)?;
    add(&mut reply, 19, 2 * pair + 1, 2, 1400)?;
    add(&mut reply, 32, control, 2, 3200)?;
    Ok(reply)
}

/// Returns the data of a command that asks for these types of these queues.
fn request(queues: &[(u16, u64)]) -> Result<KVec<u8>> {
    let mut data = KVec::new();
    for &(queue, types) in queues {
        data.extend_from_slice(&u64::from(queue).to_le_bytes(), GFP_KERNEL)?;
        data.extend_from_slice(&types.to_le_bytes(), GFP_KERNEL)?;
    }
    Ok(data)
}

/// Checks that all values of the card are 0, and that there are as many values as names.
fn check_zero(nic: &Nic) -> Result {
    let stats = nic.ethtool_stats()?;
    check_eq!(stats.names().count(), stats.values().len());
    for (name, &value) in stats.names().zip(stats.values()) {
        let by_device = name.windows(4).any(|part| part == b"_hw_");
        check!(!by_device || value == 0);
        check!(value != UNKNOWN);
    }
    Ok(())
}

/// Checks that the values of the card in the `netdev` statistics are not known.
fn check_unknown(nic: &Nic) -> Result {
    let (rx, tx) = nic.queue_stats(Some(0))?;
    check!(rx[2..].iter().all(|&value| value == UNKNOWN));
    check!(tx[2..11].iter().all(|&value| value == UNKNOWN));
    check!(rx[..2].iter().all(|&value| value != UNKNOWN));
    check!(tx[..2].iter().all(|&value| value != UNKNOWN));
    Ok(())
}

#[kunit_tests(rust_virtio_net_device_stats)]
mod suite {
    use super::*;

    /// H126: names, order and values of `ethtool -S`, and the command for them.
    #[test]
    fn h126_names_and_values() -> Result {
        let fixture = fixture(u64::MAX)?;
        check!(fixture.fake_nic.was_told(STATS, QUERY, &[]));
        let nic = fixture.up()?;
        fixture.fake_nic.set_result(STATS, GET, &reply(0, 2)?)?;
        let stats = nic.ethtool_stats()?;
        check!(stats.names().eq(NAMES.iter().map(|name| name.as_bytes())));
        check_eq!(stats.values().len(), NAMES.len());
        let asked = request(&[(0, RX_NAMED), (1, TX_NAMED), (2, CONTROL)])?;
        check!(fixture.fake_nic.was_told(STATS, GET, &asked));
        check_eq!(fixture.fake_nic.commands(STATS, GET), 1);
        // Sums come first. With one pair, they are the values of that pair.
        let values = |from: usize, expected: &[(&str, u64)]| {
            let values = stats.values().iter().skip(from);
            values
                .zip(expected)
                .all(|(value, (_, expected))| value == expected)
        };
        check!(values(6, &RX_VALUES) && values(31, &RX_VALUES));
        check!(values(16, &TX_VALUES) && values(41, &TX_VALUES));
        check_eq!(stats.value("cq_hw_command_num"), Some(3201));
        check_eq!(stats.value("cq_hw_ok_num"), Some(3202));
        check_eq!(fixture.fake.violations(), 0);
        Ok(())
    }

    /// Values of several pairs add up, also where the sum overflows. Pairs that are not in use are
    /// left out.
    #[test]
    fn several_pairs() -> Result {
        let fixture = with_result(&ALL.to_le_bytes(), 2)?;
        let nic = fixture.up()?;
        nic.set_pairs(2)?;
        let mut both = reply(1, 4)?;
        add(&mut both, 0, 0, 6, u64::MAX - 50)?;
        fixture.fake_nic.set_result(STATS, GET, &both)?;
        let stats = nic.ethtool_stats()?;
        let asked = request(&[
            (0, RX_NAMED),
            (1, TX_NAMED),
            (2, RX_NAMED),
            (3, TX_NAMED),
            (4, CONTROL),
        ])?;
        check!(fixture.fake_nic.was_told(STATS, GET, &asked));
        check_eq!(stats.value("rx1_hw_packets"), Some(102));
        check_eq!(stats.value("rx0_hw_packets"), Some(u64::MAX - 48));
        check_eq!(stats.value("rx_hw_packets"), Some(53));
        check_eq!(stats.value("tx0_hw_gso_bytes_noseg"), Some(0));
        check_eq!(stats.value("tx_hw_gso_bytes_noseg"), Some(1306));
        nic.set_pairs(1)?;
        let stats = nic.ethtool_stats()?;
        check_eq!(stats.names().count(), NAMES.len());
        check_eq!(stats.value("rx1_hw_packets"), None);
        let asked = request(&[(0, RX_NAMED), (1, TX_NAMED), (4, CONTROL)])?;
        check!(fixture.fake_nic.was_told(STATS, GET, &asked));
        Ok(())
    }

    /// The `netdev` statistics of queues.
    #[test]
    fn of_queues() -> Result {
        let fixture = fixture(ALL)?;
        let nic = fixture.up()?;
        let mut receive = KVec::new();
        add(&mut receive, 0, 0, 6, 100)?;
        add(&mut receive, 1, 0, 4, 200)?;
        add(&mut receive, 2, 0, 4, 300)?;
        add(&mut receive, 3, 0, 2, 400)?;
        fixture.fake_nic.set_result(STATS, GET, &receive)?;
        let (rx, tx) = nic.queue_stats(Some(0))?;
        check_eq!(
            rx[3..],
            [105, 106, UNKNOWN, 201, 203, 204, 301, 302, 303, 304, 401]
        );
        check_eq!(rx[2], UNKNOWN);
        // The card has answered the second command with a reply about another kind of queue.
        check!(tx[2..11].iter().all(|&value| value == UNKNOWN));
        check!(fixture
            .fake_nic
            .was_told_since(0, STATS, GET, &request(&[(0, 0xf)])?));
        check!(fixture
            .fake_nic
            .was_told(STATS, GET, &request(&[(1, 0xf_0000)])?));
        let mut transmit = KVec::new();
        add(&mut transmit, 16, 1, 6, 100)?;
        add(&mut transmit, 17, 1, 2, 200)?;
        add(&mut transmit, 18, 1, 6, 300)?;
        add(&mut transmit, 19, 1, 2, 400)?;
        fixture.fake_nic.set_result(STATS, GET, &transmit)?;
        let (rx, tx) = nic.queue_stats(Some(0))?;
        check_eq!(tx[2..11], [105, 106, 201, 202, 301, 302, 303, 304, 401]);
        check!(rx[2..].iter().all(|&value| value == UNKNOWN));
        Ok(())
    }

    /// The values that the device has are 0 besides those of queues in use, others are not known.
    #[test]
    fn besides_queues() -> Result {
        let known = |set: &[usize], at: usize| if set.contains(&at) { 0 } else { UNKNOWN };
        for (types, rx_known, tx_known) in [
            (0, &[0, 1][..], &[0, 1, 11, 12][..]),
            (1, &[0, 1, 3, 4], &[0, 1, 11, 12]),
            (2, &[0, 1, 6, 7, 8], &[0, 1, 11, 12]),
            (4, &[0, 1, 9, 10, 11, 12], &[0, 1, 11, 12]),
            (8, &[0, 1, 13], &[0, 1, 11, 12]),
            (1 << 16, &[0, 1], &[0, 1, 2, 3, 11, 12]),
            (1 << 17, &[0, 1], &[0, 1, 4, 5, 11, 12]),
            (1 << 18, &[0, 1], &[0, 1, 6, 7, 8, 9, 11, 12]),
            (1 << 19, &[0, 1], &[0, 1, 10, 11, 12]),
        ] {
            let fixture = fixture(types)?;
            let (rx, tx) = fixture.nic()?.queue_stats(None)?;
            for (at, value) in rx.into_iter().enumerate() {
                check_eq!(value, known(rx_known, at));
            }
            for (at, value) in tx.into_iter().enumerate() {
                check_eq!(value, known(tx_known, at));
            }
        }
        Ok(())
    }

    /// A card with few types is asked for these only.
    #[test]
    fn few_types() -> Result {
        let fixture = fixture(1 << 1)?;
        let nic = fixture.up()?;
        let mut reply = KVec::new();
        add(&mut reply, 1, 0, 4, 200)?;
        fixture.fake_nic.set_result(STATS, GET, &reply)?;
        let stats = nic.ethtool_stats()?;
        check!(fixture.fake_nic.was_told(STATS, GET, &request(&[(0, 2)])?));
        check_eq!(stats.value("rx0_hw_needs_csum"), Some(202));
        check_eq!(stats.value("rx0_hw_packets"), None);
        check_eq!(stats.value("cq_hw_ok_num"), None);
        check_eq!(stats.names().count(), 22);
        // Nothing is known of a transmit queue, so the card is not asked.
        let before = fixture.fake_nic.commands(STATS, GET);
        let (rx, _) = nic.queue_stats(Some(0))?;
        check_eq!(rx[6], 201);
        check_eq!(fixture.fake_nic.commands(STATS, GET), before + 1);
        // Types without names.
        let fixture = self::fixture(1 << 2 | 1 << 17 | 1 << 40)?;
        check_eq!(fixture.nic()?.ethtool_stats()?.names().count(), 20);
        check_eq!(fixture.fake_nic.commands(STATS, GET), 0);
        Ok(())
    }

    /// H121, H122, H123, H124: a reply that is not valid is not used at all. `ethtool -S` shows 0,
    /// and a message says so.
    #[test]
    fn h121_h122_h123_h124_invalid_replies() -> Result {
        const FAILED: &CStr = c"Failed to get hw stats.";
        let fixture = fixture(ALL)?;
        let nic = fixture.up()?;
        messages::logged(FAILED);
        let mut logged = 0;
        for (number, queue, size) in [
            // H121
            (0, 0, 0),
            (0, 0, 8),
            // H122
            (0, 2, 56),
            (0, 60_000, 56),
            (0, u16::MAX, 56),
            // H123
            (0, 0, 57),
            (0, 0, u16::MAX - 7),
            (0, 0, u16::MAX),
            // H124
            (16, 0, 56),
            (0, 1, 56),
            (32, 0, 56),
            (255, 0, 56),
        ] {
            for behind in [false, true] {
                let mut bytes = KVec::new();
                if behind {
                    add(&mut bytes, 3, 0, 2, 400)?;
                }
                header(&mut bytes, number, queue, size)?;
                bytes.extend_from_slice(&[0x55; 72], GFP_KERNEL)?;
                fixture.fake_nic.set_result(STATS, GET, &bytes)?;
                check_zero(&nic)?;
                logged += messages::logged(FAILED);
                check_unknown(&nic)?;
            }
        }
        // Messages are limited in number.
        check!(logged > 0);
        fixture.fake_nic.set_result(STATS, GET, &reply(0, 2)?)?;
        check_eq!(nic.ethtool_stats()?.value("rx_hw_packets"), Some(102));
        check!(nic.state().running && nic.state().carrier);
        Ok(())
    }

    /// The card reports to have written less than it has, or more than there is room for: nothing
    /// is used beyond the number that it reports.
    #[test]
    fn h123_reported_lengths() -> Result {
        let fixture = fixture(ALL)?;
        let nic = fixture.up()?;
        fixture.fake_nic.set_result(STATS, GET, &reply(0, 2)?)?;
        for len in [0, 1, 2, 8, 9, 56, 100_000, u32::MAX] {
            fixture.fake_nic.answer_class(STATS, Answer::Counted(len));
            check_zero(&nic)?;
            check_unknown(&nic)?;
        }
        // The first type only.
        fixture.fake_nic.answer_class(STATS, Answer::Counted(57));
        let stats = nic.ethtool_stats()?;
        check_eq!(stats.value("rx0_hw_packets"), Some(102));
        check_eq!(stats.value("rx0_hw_needs_csum"), Some(0));
        check_eq!(stats.value("tx0_hw_packets"), Some(0));
        Ok(())
    }

    /// The card refuses: the values are 0.
    #[test]
    fn refused() -> Result {
        let fixture = fixture(ALL)?;
        let nic = fixture.up()?;
        fixture.fake_nic.set_result(STATS, GET, &reply(0, 2)?)?;
        for answer in [Answer::Ack(1), Answer::Ack(7), Answer::Empty] {
            fixture.fake_nic.answer_class(STATS, answer);
            check_zero(&nic)?;
            check_unknown(&nic)?;
        }
        Ok(())
    }

    /// The card does not answer: the values are 0 after a time.
    #[test]
    fn silence() -> Result {
        let mut fixture = fixture(ALL)?;
        fixture.hasten();
        let nic = fixture.up()?;
        fixture.fake_nic.answer_class(STATS, Answer::Silence);
        check_zero(&nic)?;
        check_unknown(&nic)?;
        drop(nic);
        fixture.remove(10_000, drop)
    }

    /// The card refuses the question for its types: the driver does not bind, as in C.
    #[test]
    fn types_refused() -> Result {
        for answer in [Answer::Ack(1), Answer::Empty] {
            let features = [F_MAC, F_CTRL_VQ, F_DEVICE_STATS];
            let (fake_nic, fake) = device(Config::default(), &features, 3)?;
            fake_nic.answer_class(STATS, answer);
            let _plug = fake.plug()?;
            check!(!fake.is_bound());
            check_eq!(fake.queues(), 0);
        }
        Ok(())
    }

    /// The card does not answer the question for its types, or with too few bytes: it works without
    /// statistics.
    #[test]
    fn types_not_told() -> Result {
        for len in 0..8 {
            let fixture = with_result(&[0xff; 8][..len], 1)?;
            let nic = fixture.up()?;
            check_eq!(nic.ethtool_stats()?.names().count(), 20);
            check_eq!(fixture.fake_nic.commands(STATS, GET), 0);
        }
        let haste = Haste::new();
        let features = [F_MAC, F_CTRL_VQ, F_DEVICE_STATS];
        let (fake_nic, fake) = device(Config::default(), &features, 3)?;
        fake_nic.answer_class(STATS, Answer::Silence);
        let plug = fake.plug()?;
        check!(fake.is_bound());
        let mut fixture = NetFixture::around(fake_nic, fake, Some(plug));
        fixture.haste = Some(haste);
        let nic = fixture.nic()?;
        check_eq!(nic.ethtool_stats()?.names().count(), 20);
        drop(nic);
        fixture.remove(10_000, drop)
    }

    /// After a reset the card is asked as before.
    #[test]
    fn after_a_reset() -> Result {
        let fixture = fixture(ALL)?;
        let nic = fixture.up()?;
        fixture.fake_nic.set_result(STATS, GET, &reply(0, 2)?)?;
        // Without queues.
        fixture.reset_with(|| check_zero(&nic))?;
        check_eq!(nic.ethtool_stats()?.value("rx_hw_packets"), Some(102));
        Ok(())
    }
}
