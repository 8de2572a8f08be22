// SPDX-License-Identifier: GPL-2.0

//! A card that refuses RSS, or does not answer.

use super::{
    super::{
        fake_nic::FakeNic,
        ID, //
    },
    *,
};
use virtio_fake::{
    messages,
    Addresses,
    Spec, //
};

/// The messages of the driver.
const NOT_SENT: &CStr = c"VIRTIONET issue with committing RSS sgs";
const DISABLED: &CStr = c"RSS disabled because committing failed.";
const PAIRS_NOT_SET: &CStr = c"because committing RSS failed";

#[kunit_tests(rust_virtio_net_rss_failures)]
mod suite {
    use super::*;

    /// The card refuses the number of pairs: number and table stay, also on the card.
    #[test]
    fn pairs_refused() -> Result {
        let fixture = fixture()?;
        let nic = fixture.up()?;
        nic.set_pairs(3)?;
        let before = (nic.rxfh()?, told(&fixture)?);
        fixture.fake_nic.answer_some(&[MQ, RSS], Answer::Ack(1))?;
        messages::logged(PAIRS_NOT_SET);
        check_eq!(nic.set_pairs(2), Err(EINVAL));
        check!(messages::logged(PAIRS_NOT_SET) == 1);
        check_eq!((nic.state().rx_queues, nic.state().tx_queues), (3, 3));
        // The card may have dropped what it had.
        check_eq!((nic.rxfh()?, told(&fixture)?), before);
        Ok(())
    }

    /// The card refuses a change: nothing changes, and the card is told again what it had.
    #[test]
    fn refused() -> Result {
        let fixture = fixture()?;
        let nic = chosen(&fixture)?;
        nic.set_rxhash(true)?;
        let before = (nic.rxfh()?, told(&fixture)?);
        for answer in [Answer::Ack(1), Answer::Ack(0xff), Answer::Empty] {
            fixture.fake_nic.answer_some(&[MQ, RSS], answer)?;
            messages::logged(NOT_SENT);
            let commands = fixture.fake_nic.told();
            check_eq!(nic.set_rxfh(Some(&[0; ENTRIES]), None), Err(EINVAL));
            check_eq!(nic.set_rxfh(None, Some(&[0; KEY_LEN])), Err(EINVAL));
            check_eq!(nic.set_rxfh_fields(RxFlow::Udp4, RxFlow::SDFN), Err(EINVAL));
            check!(nic.set_rxhash(false).is_err());
            check_eq!(fixture.fake_nic.told(), commands + 8);
            check!(messages::logged(NOT_SENT) == 8);
            check_eq!((nic.rxfh()?, told(&fixture)?), before);
            check_eq!(nic.rxfh_fields(RxFlow::Udp4)?, RxFlow::SD);
        }
        fixture.fake_nic.answer_some(&[MQ, RSS], Answer::Ack(0))?;
        nic.set_rxfh(Some(&[0; ENTRIES]), None)?;
        check!(told(&fixture)?.table[..] == [0; ENTRIES]);
        check_eq!(told(&fixture)?.types, TYPES & !4);
        Ok(())
    }

    /// A new card refuses RSS: all pairs are in use without it.
    #[test]
    fn refused_at_first() -> Result {
        messages::logged(DISABLED);
        let features = [F_MAC, F_MQ, F_RSS, F_CTRL_VQ];
        let fixture = answering(&features, &[MQ, RSS], Answer::Ack(1))?;
        check!(messages::logged(DISABLED) == 1);
        check_eq!(fixture.fake_nic.commands(MQ, RSS), 1);
        let nic = fixture.up()?;
        let pairs = nic.state().rx_queues;
        check!(fixture
            .fake_nic
            .was_told(MQ, PAIRS, &(pairs as u16).to_le_bytes()));
        check!(!nic.has_rxhash());
        // The user still sees the sizes.
        let shown = nic.rxfh()?;
        check_eq!((shown.table.len(), shown.key.len()), (ENTRIES, KEY_LEN));
        let commands = fixture.fake_nic.commands(MQ, RSS);
        check_eq!(nic.set_rxfh(Some(&[0; ENTRIES]), None), Err(EOPNOTSUPP));
        check_eq!(nic.set_rxfh(None, Some(&KEY)), Err(EOPNOTSUPP));
        nic.set_rxfh_fields(RxFlow::Udp4, RxFlow::SD)?;
        nic.set_pairs(3)?;
        check!(fixture.fake_nic.was_told(MQ, PAIRS, &3u16.to_le_bytes()));
        fixture.reset()?;
        check_eq!(nic.state().rx_queues, 3);
        check_eq!(fixture.fake_nic.commands(MQ, RSS), commands);
        Ok(())
    }

    /// After a reset the card refuses RSS: all pairs are in use, and the user may try again.
    #[test]
    fn refused_after_reset() -> Result {
        let fixture = fixture()?;
        let nic = chosen(&fixture)?;
        fixture.reset_with(|| fixture.fake_nic.answer_some(&[MQ, RSS], Answer::Ack(1)))?;
        check_eq!((nic.state().rx_queues, nic.state().tx_queues), (2, 2));
        check!(fixture.fake_nic.was_told(MQ, PAIRS, &2u16.to_le_bytes()));
        nic.set_pairs(4)?;
        check!(fixture.fake_nic.was_told(MQ, PAIRS, &4u16.to_le_bytes()));
        fixture.fake_nic.answer_some(&[MQ, RSS], Answer::Ack(0))?;
        nic.set_rxfh(None, Some(&KEY))?;
        check!(is_chosen(&fixture, 4)?);
        Ok(())
    }

    /// The card does not answer: the user gets an error, and the card gets what the user sees once
    /// it answers.
    #[test]
    fn unanswered() -> Result {
        long!();
        let fixture = fixture()?;
        let nic = chosen(&fixture)?;
        let change = || nic.set_rxfh(Some(&[0; ENTRIES]), None);
        let (done, skip) = fixture.unanswered(&[MQ, RSS], change)?;
        check_eq!(done, Err(EINVAL));
        check!(nic.rxfh()?.table[..] == TABLE);
        check!(wait::until(DEADLINE_MS, || fixture
            .fake_nic
            .around(skip, MQ, RSS)
            .is_some()));
        check!(is_chosen(&fixture, 2)?);
        Ok(())
    }

    /// There is no memory for the command: nothing changes.
    #[test]
    fn no_memory() -> Result {
        let fake_nic = FakeNic::new(CONTROL + 1, true)?;
        let spec = Spec::new(ID)
            .features(&[F_MAC, F_MQ, F_RSS, F_CTRL_VQ])
            .mapping(Addresses::Marked)
            .config(&config().0)?
            .queues(CONTROL + 1, 64)?;
        let fixture = NetFixture::of(fake_nic, spec)?;
        let nic = chosen(&fixture)?;
        let commands = fixture.fake_nic.told();
        fixture.fake.limit_maps(Some(0));
        check_eq!(nic.set_rxfh(Some(&[0; ENTRIES]), None), Err(ENOMEM));
        check_eq!(nic.set_rxfh_fields(RxFlow::Udp4, RxFlow::SDFN), Err(ENOMEM));
        check!(nic.set_pairs(3).is_err());
        fixture.fake.limit_maps(None);
        check_eq!(fixture.fake_nic.told(), commands);
        check!(nic.rxfh()?.table[..] == TABLE);
        check_eq!(nic.rxfh_fields(RxFlow::Udp4)?, RxFlow::SD);
        check_eq!(nic.state().rx_queues, 2);
        Ok(())
    }
}
