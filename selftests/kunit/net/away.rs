// SPDX-License-Identifier: GPL-2.0

//! Settings that change while the card is away: it ends with what was asked for last.

use super::{
    card::Answer,
    Config,
    Rig,
    F_CTRL_MAC_ADDR,
    F_CTRL_RX,
    F_CTRL_VLAN,
    F_CTRL_VQ,
    F_MAC,
    F_MQ, //
};
use kernel::prelude::*;
use virtio_fake::Nic;

/// Class of the commands for queue pairs.
const MQ: u8 = 4;

/// A card with as many pairs as there can be in use, and all that can be told.
fn rig() -> Result<Rig> {
    let features = [
        F_MAC,
        F_MQ,
        F_CTRL_VQ,
        F_CTRL_RX,
        F_CTRL_VLAN,
        F_CTRL_MAC_ADDR,
    ];
    Rig::new(Config::default().pairs(4), &features, 9)
}

/// Has a card away for a while, and forget what it was told.
fn away(rig: &Rig, meanwhile: impl FnOnce() -> Result) -> Result {
    let plug = rig.plug.as_ref().ok_or(ENODEV)?;
    plug.reset_prepare()?;
    let done = meanwhile();
    plug.reset_done()?;
    done
}

/// Queues in use, of both kinds.
fn queues(nic: &Nic) -> (u32, u32) {
    (nic.state().rx_queues, nic.state().tx_queues)
}

#[kunit_tests(rust_virtio_net_away)]
mod suite {
    use super::*;

    /// The number of pairs is refused once: the next time it is asked for again. What the user asks for
    /// after that counts from then on.
    #[test]
    fn pairs_refused_once() -> Result {
        let rig = rig()?;
        let nic = rig.up()?;
        nic.set_pairs(3)?;
        let refuse = |ack| {
            away(&rig, || {
                rig.card.answer_class(MQ, Answer::Ack(ack));
                Ok(())
            })
        };
        refuse(1)?;
        check_eq!(queues(&nic), (1, 1));
        refuse(1)?;
        check_eq!(queues(&nic), (1, 1));
        refuse(0)?;
        check_eq!(queues(&nic), (3, 3));
        check!(rig.card.was_told(MQ, 0, &3u16.to_le_bytes()));
        refuse(1)?;
        rig.card.answer_class(MQ, Answer::Ack(0));
        nic.set_pairs(2)?;
        refuse(0)?;
        check_eq!(queues(&nic), (2, 2));
        // A choice that is refused is none.
        rig.card.answer_class(MQ, Answer::Ack(1));
        check!(nic.set_pairs(4).is_err());
        refuse(0)?;
        check_eq!(queues(&nic), (2, 2));
        check!(nic.state().running && nic.state().carrier);
        check_eq!(rig.fake.violations(), 0);
        Ok(())
    }
}
