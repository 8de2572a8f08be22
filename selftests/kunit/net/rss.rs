// SPDX-License-Identifier: GPL-2.0

//! Receive-side scaling: the commands that the card gets, and the settings of the user.

mod failures;

use super::{
    device,
    fake_nic::Answer,
    Config,
    NetFixture,
    F_CTRL_VQ,
    F_HASH_REPORT,
    F_MAC,
    F_MQ,
    F_RSS, //
};
use kernel::prelude::*;
use virtio_fake::{
    wait,
    Nic,
    RxFlow, //
};

/// The class of the commands.
const MQ: u8 = 4;
/// The number of the command for the number of pairs only.
const PAIRS: u8 = 0;
/// The number of the command for RSS.
const RSS: u8 = 1;
/// The number of the command for hash reports.
const HASH: u8 = 2;

/// The index of the control queue.
const CONTROL: usize = 8;

/// The length of the key of the card.
const KEY_LEN: usize = 40;
/// The number of entries of the table of the card.
const ENTRIES: usize = 16;
/// The kinds of packets that the driver uses: those of the card without IPv6 extension headers.
const TYPES: u32 = 0x3f;

/// The time in which a setting has to be sent again, in milliseconds.
const DEADLINE_MS: u32 = 40_000;

/// A card with four pairs.
fn config() -> Config {
    Config::default()
        .pairs(4)
        .rss(KEY_LEN as u8, ENTRIES as u16, 0x1ff)
}

/// Plugs a card that spreads packets over its pairs, which number one command sets besides.
fn fixture() -> Result<NetFixture> {
    NetFixture::new(config(), &[F_MAC, F_MQ, F_RSS, F_CTRL_VQ], CONTROL + 1)
}

/// Plugs a card that answers some commands in this way from the beginning.
fn answering(features: &[u32], begin: &[u8], answer: Answer) -> Result<NetFixture> {
    let (fake_nic, fake) = device(config(), features, CONTROL + 1)?;
    fake_nic.answer_some(begin, answer)?;
    let plug = Some(fake.plug()?);
    check!(fake.is_bound());
    super::check_driver(&fake)?;
    Ok(NetFixture::around(fake_nic, fake, plug))
}

/// The content of the command for RSS.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    types: u32,
    table: KVec<u32>,
    pairs: u32,
    key: KVec<u8>,
}

/// Returns the last command for RSS, which has exactly the bytes that its fields say.
fn told(fixture: &NetFixture) -> Result<Told> {
    let data = fixture.fake_nic.last(MQ, RSS).ok_or(ENODATA)?;
    let word = |at: usize| -> Result<u32> {
        let bytes = data.get(at..at + 2).ok_or(ENODATA)?;
        let bytes = bytes.try_into().map_err(|_| EINVAL)?;
        Ok(u16::from_le_bytes(bytes).into())
    };
    let entries = word(4)? as usize + 1;
    // The queue of packets without a hash.
    check_eq!(word(6)?, 0);
    let mut table = KVec::new();
    for i in 0..entries {
        table.push(word(8 + 2 * i)?, GFP_KERNEL)?;
    }
    let trailer = 8 + 2 * entries;
    let mut key = KVec::new();
    key.extend_from_slice(data.get(trailer + 3..).ok_or(ENODATA)?, GFP_KERNEL)?;
    check_eq!(data.get(trailer + 2).copied(), Some(key.len() as u8));
    Ok(Told {
        types: word(0)? | word(2)? << 16,
        table,
        pairs: word(trailer)?,
        key,
    })
}

/// Whether a table is the default one for a number of pairs.
fn is_default(table: &[u32], pairs: u32) -> bool {
    let mut wanted = (0..pairs).cycle();
    table.len() == ENTRIES && table.iter().all(|&queue| Some(queue) == wanted.next())
}

/// The table and the key that a user may choose.
const TABLE: [u32; ENTRIES] = [1, 0, 0, 1, 1, 1, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0];
const KEY: [u8; KEY_LEN] = *b"a hash key of exactly forty octets, yes!";

/// Returns the interface, up, with a choice of the user in each setting, on two pairs.
fn chosen(fixture: &NetFixture) -> Result<Nic> {
    let nic = fixture.up()?;
    nic.set_pairs(2)?;
    nic.set_rxfh(Some(&TABLE), Some(&KEY))?;
    nic.set_rxfh_fields(RxFlow::Udp4, RxFlow::SD)?;
    Ok(nic)
}

/// Whether the card was last told that choice, for a number of pairs.
fn is_chosen(fixture: &NetFixture, pairs: u32) -> Result<bool> {
    let told = told(fixture)?;
    Ok(told.types == TYPES & !4
        && told.table[..] == TABLE
        && told.key[..] == KEY
        && told.pairs == pairs)
}

#[kunit_tests(rust_virtio_net_rss)]
mod suite {
    use super::*;

    /// A new card is told the default: all kinds of packets, all pairs in turn, the kernel's key.
    #[test]
    fn default() -> Result {
        let fixture = fixture()?;
        check!(fixture.fake.negotiated(F_RSS));
        let nic = fixture.nic()?;
        let pairs = nic.state().rx_queues;
        let told = told(&fixture)?;
        check_eq!((told.types, told.pairs), (TYPES, pairs));
        check!(is_default(&told.table, pairs));
        check_eq!(told.key.len(), KEY_LEN);
        check!(told.key.iter().any(|&byte| byte != 0));
        // The user sees the same.
        let shown = nic.rxfh()?;
        check_eq!(shown.table, told.table);
        check_eq!(shown.key, told.key);
        check!(nic.has_rxhash());
        // Class and number, the part with the table, the part with the key.
        check_eq!(fixture.fake_nic.around(0, MQ, RSS).ok_or(ENODATA)?.0, 3);
        check_eq!(fixture.fake.violations(), 0);
        Ok(())
    }

    /// A card without RSS has neither table nor key, and no command for them.
    #[test]
    fn without() -> Result {
        let fixture = NetFixture::new(config(), &[F_MAC, F_MQ, F_CTRL_VQ], CONTROL + 1)?;
        let nic = fixture.nic()?;
        let shown = nic.rxfh()?;
        check!(shown.table.is_empty() && shown.key.is_empty());
        check_eq!(nic.set_rxfh(Some(&[]), None), Err(EOPNOTSUPP));
        check_eq!(nic.set_rxfh(None, Some(&[])), Err(EOPNOTSUPP));
        check_eq!(nic.rxfh_fields(RxFlow::Tcp4)?, 0);
        check_eq!(nic.set_rxfh_fields(RxFlow::Tcp4, RxFlow::SD), Err(EINVAL));
        nic.set_rxfh_fields(RxFlow::Tcp4, RxFlow::R)?;
        check!(!nic.has_rxhash());
        check_eq!(fixture.fake_nic.commands(MQ, RSS), 0);
        Ok(())
    }

    /// A card that only reports hashes is told kinds of packets and the key, and has no table.
    #[test]
    fn reports_only() -> Result {
        let features = [F_MAC, F_CTRL_VQ, F_HASH_REPORT];
        let fixture = NetFixture::new(config(), &features, 3)?;
        let nic = fixture.nic()?;
        check!(nic.has_rxhash());
        let data = fixture.fake_nic.last(MQ, HASH).ok_or(ENODATA)?;
        let (head, key) = data.split_at_checked(13).ok_or(ENODATA)?;
        let mut wanted = [0; 13];
        wanted[0] = TYPES as u8;
        wanted[12] = KEY_LEN as u8;
        check_eq!(head, wanted);
        let shown = nic.rxfh()?;
        check!(shown.table.is_empty() && shown.key[..] == *key);
        check_eq!(fixture.fake_nic.commands(MQ, RSS), 0);
        // Hashes off: no kind of packets.
        nic.set_rxhash(true)?;
        nic.set_rxhash(false)?;
        let data = fixture.fake_nic.last(MQ, HASH).ok_or(ENODATA)?;
        check_eq!(data.get(..4), Some(&[0; 4][..]));
        check_eq!(fixture.fake.violations(), 0);
        Ok(())
    }

    /// The number of pairs is set with the default table for it, by one command.
    #[test]
    fn pairs() -> Result {
        let fixture = fixture()?;
        let nic = fixture.up()?;
        let others = fixture.fake_nic.commands(MQ, PAIRS);
        for pairs in [3, 1, 4, 2] {
            nic.set_pairs(pairs)?;
            let told = told(&fixture)?;
            check_eq!(told.pairs, pairs);
            check!(is_default(&told.table, pairs));
            check_eq!(nic.rxfh()?.table, told.table);
            check_eq!(
                (nic.state().rx_queues, nic.state().tx_queues),
                (pairs, pairs)
            );
        }
        check_eq!(fixture.fake_nic.commands(MQ, PAIRS), others);
        Ok(())
    }

    /// Table, key and header fields are those that the user chooses. With another number of pairs
    /// they stay.
    #[test]
    fn chosen_by_the_user() -> Result {
        let fixture = fixture()?;
        let nic = chosen(&fixture)?;
        check!(is_chosen(&fixture, 2)?);
        let others = fixture.fake_nic.commands(MQ, PAIRS);
        nic.set_pairs(4)?;
        check!(is_chosen(&fixture, 4)?);
        check_eq!(fixture.fake_nic.commands(MQ, PAIRS), others);
        let shown = nic.rxfh()?;
        check!(shown.table[..] == TABLE && shown.key[..] == KEY);
        // The key alone, and the table alone.
        let other = [7; KEY_LEN];
        nic.set_rxfh(None, Some(&other))?;
        check!(told(&fixture)?.table[..] == TABLE && told(&fixture)?.key[..] == other);
        nic.set_rxfh(Some(&[3; ENTRIES]), None)?;
        check!(told(&fixture)?.table[..] == [3; ENTRIES] && told(&fixture)?.key[..] == other);
        Ok(())
    }

    /// Only Toeplitz is there. A request without a change is no command.
    #[test]
    fn hash_functions() -> Result {
        let fixture = fixture()?;
        let nic = fixture.nic()?;
        let commands = fixture.fake_nic.told();
        for xor in [2, 4, 0xff] {
            check_eq!(nic.set_rxfh_by(Some(&TABLE), None, xor), Err(EOPNOTSUPP));
        }
        nic.set_rxfh_by(None, None, 1)?;
        check_eq!(fixture.fake_nic.told(), commands);
        nic.set_pairs(2)?;
        nic.set_rxfh_by(Some(&TABLE), None, 1)?;
        check!(told(&fixture)?.table[..] == TABLE);
        Ok(())
    }

    /// The header fields of each kind of packets.
    #[test]
    fn header_fields() -> Result {
        let fixture = fixture()?;
        let nic = fixture.nic()?;
        let types = || Ok::<_, Error>(told(&fixture)?.types);
        for flow in [RxFlow::Tcp4, RxFlow::Udp4, RxFlow::Tcp6, RxFlow::Udp6] {
            check_eq!(nic.rxfh_fields(flow)?, RxFlow::SDFN);
        }
        for flow in [RxFlow::Ip4, RxFlow::Ip6] {
            check_eq!(nic.rxfh_fields(flow)?, RxFlow::SD);
        }
        nic.set_rxfh_fields(RxFlow::Udp4, RxFlow::SD)?;
        check_eq!(
            (nic.rxfh_fields(RxFlow::Udp4)?, types()?),
            (RxFlow::SD, 0x3b)
        );
        nic.set_rxfh_fields(RxFlow::Tcp6, RxFlow::R)?;
        check_eq!((nic.rxfh_fields(RxFlow::Tcp6)?, types()?), (0, 0x23));
        nic.set_rxfh_fields(RxFlow::Ip6, RxFlow::SD)?;
        check_eq!(
            (nic.rxfh_fields(RxFlow::Tcp6)?, types()?),
            (RxFlow::SD, 0x2b)
        );
        nic.set_rxfh_fields(RxFlow::Udp4, RxFlow::SDFN)?;
        check_eq!(
            (nic.rxfh_fields(RxFlow::Udp4)?, types()?),
            (RxFlow::SDFN, 0x2f)
        );
        // The same again is no command.
        let commands = fixture.fake_nic.told();
        nic.set_rxfh_fields(RxFlow::Udp4, RxFlow::SDFN)?;
        // Other fields, and other packets.
        for data in [0, 0x10, 0x70, 0xc0, 0xf4] {
            check_eq!(nic.set_rxfh_fields(RxFlow::Udp4, data), Err(EINVAL));
        }
        check_eq!(nic.rxfh_fields(RxFlow::Sctp4)?, 0);
        check_eq!(nic.set_rxfh_fields(RxFlow::Sctp4, RxFlow::SD), Err(EINVAL));
        check_eq!(fixture.fake_nic.told(), commands);
        Ok(())
    }

    /// Kinds of packets that the card cannot hash are refused.
    #[test]
    fn header_fields_of_the_card() -> Result {
        let config = config().rss(KEY_LEN as u8, ENTRIES as u16, 0xb);
        let features = [F_MAC, F_MQ, F_RSS, F_CTRL_VQ];
        let fixture = NetFixture::new(config, &features, CONTROL + 1)?;
        let nic = fixture.nic()?;
        check_eq!(told(&fixture)?.types, 0xb);
        check_eq!(nic.rxfh_fields(RxFlow::Tcp4)?, RxFlow::SDFN);
        check_eq!(nic.rxfh_fields(RxFlow::Udp4)?, RxFlow::SD);
        for flow in [RxFlow::Udp4, RxFlow::Tcp6, RxFlow::Udp6] {
            check_eq!(nic.set_rxfh_fields(flow, RxFlow::SDFN), Err(EINVAL));
        }
        nic.set_rxfh_fields(RxFlow::Tcp6, RxFlow::SD)?;
        Ok(())
    }

    /// Hashes are switched off and on. The choice of header fields stays.
    #[test]
    fn switched() -> Result {
        let fixture = fixture()?;
        let nic = chosen(&fixture)?;
        nic.set_rxhash(true)?;
        check!(is_chosen(&fixture, 2)?);
        nic.set_rxhash(false)?;
        check_eq!(told(&fixture)?.types, 0);
        check_eq!(nic.rxfh_fields(RxFlow::Udp4)?, RxFlow::SD);
        // Off stays off.
        let commands = fixture.fake_nic.told();
        nic.set_rxfh_fields(RxFlow::Tcp6, RxFlow::SD)?;
        check_eq!(fixture.fake_nic.told(), commands);
        nic.set_rxfh(None, Some(&KEY))?;
        nic.set_pairs(3)?;
        check_eq!(told(&fixture)?.types, 0);
        nic.set_rxhash(true)?;
        check_eq!(told(&fixture)?.types, 0x2b);
        Ok(())
    }

    /// A card without the command for the number of pairs: that of RSS sets it.
    #[test]
    fn without_mq() -> Result {
        let features = [F_MAC, F_RSS, F_CTRL_VQ];
        let fixture = NetFixture::new(config(), &features, CONTROL + 1)?;
        let nic = fixture.up()?;
        check_eq!(told(&fixture)?.pairs, nic.state().rx_queues);
        nic.set_pairs(3)?;
        check_eq!((told(&fixture)?.pairs, nic.state().tx_queues), (3, 3));
        let skip = fixture.reset()?;
        check!(fixture.fake_nic.around(skip, MQ, RSS).is_some());
        check_eq!((told(&fixture)?.pairs, nic.state().tx_queues), (3, 3));
        check_eq!(fixture.fake_nic.commands(MQ, PAIRS), 0);
        drop(nic);
        drop(fixture);
        // If it refuses, one pair is in use.
        let fixture = answering(&features, &[MQ, RSS], Answer::Ack(1))?;
        let nic = fixture.up()?;
        check_eq!((nic.state().rx_queues, nic.state().tx_queues), (1, 1));
        check_eq!(nic.set_pairs(3), Err(EINVAL));
        check_eq!((nic.state().rx_queues, nic.state().tx_queues), (1, 1));
        check_eq!(fixture.fake_nic.commands(MQ, PAIRS), 0);
        Ok(())
    }

    /// The choice of the user is sent again after a reset, before there is traffic.
    #[test]
    fn restored() -> Result {
        let fixture = fixture()?;
        let nic = chosen(&fixture)?;
        let mut buffers = 0;
        let skip = fixture.reset_with(|| {
            buffers = fixture.fake_nic.buffers();
            Ok(())
        })?;
        let around = fixture.fake_nic.around(skip, MQ, RSS);
        check_eq!(around.ok_or(ENODATA)?.1, buffers);
        check!(is_chosen(&fixture, 2)?);
        check_eq!((nic.state().rx_queues, nic.state().tx_queues), (2, 2));
        // Also that hashes are off.
        nic.set_rxhash(true)?;
        nic.set_rxhash(false)?;
        fixture.reset()?;
        check_eq!(told(&fixture)?.types, 0);
        check!(nic.state().running && nic.state().carrier);
        Ok(())
    }

    /// A card that is started anew gets the choice of the user, too.
    #[test]
    fn restarted() -> Result {
        let fixture = fixture()?;
        let nic = chosen(&fixture)?;
        let (resets, skip) = (fixture.fake.resets(), fixture.fake_nic.told());
        fixture.fake.needs_reset();
        check!(wait::until(DEADLINE_MS, || fixture.fake.resets() > resets
            && nic.state().carrier
            && fixture.fake_nic.around(skip, MQ, RSS).is_some()));
        check!(is_chosen(&fixture, 2)?);
        check_eq!((nic.state().rx_queues, nic.state().tx_queues), (2, 2));
        Ok(())
    }
}
