// SPDX-License-Identifier: GPL-2.0

//! Binding and the negotiation of features (virtio spec §3.1, §2.2).

use kernel::{
    device::Bound,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Full,
            Relaxed, //
        },
        Arc, //
    },
};
use virtio::{
    Device,
    Endian,
    Feature,
    FeatureSet, //
};
use virtio_fake::{
    Fake,
    HoldAll,
    Plug,
    Scenario,
    Spec, //
};

/// The record of the steps of the driver.
struct Witness {
    /// Features to withdraw, and one to add.
    take_back: Option<u32>,
    slip_in: Option<u32>,
    validate: Result,
    validated: Atomic<i32>,
    probed: Atomic<i32>,
    started: Atomic<i32>,
    removed: Atomic<i32>,
    scanned: Atomic<i32>,
    config_changes: Atomic<i32>,
    /// The features that probe saw.
    low: Atomic<u64>,
    high: Atomic<u64>,
    little: Atomic<i32>,
    signal_early: bool,
    hold_config: bool,
}

impl Default for Witness {
    fn default() -> Self {
        Self {
            take_back: None,
            slip_in: None,
            validate: Ok(()),
            validated: Atomic::new(0),
            probed: Atomic::new(0),
            started: Atomic::new(0),
            removed: Atomic::new(0),
            scanned: Atomic::new(0),
            config_changes: Atomic::new(0),
            low: Atomic::new(0),
            high: Atomic::new(0),
            little: Atomic::new(-1),
            signal_early: false,
            hold_config: false,
        }
    }
}

fn count(counter: &Atomic<i32>) {
    counter.fetch_add(1, Full);
}

impl Scenario for Witness {
    fn validate(&self, _fake: &Fake, _dev: &Device<Bound>, features: &mut FeatureSet) -> Result {
        count(&self.validated);
        if let Some(bit) = self.take_back {
            *features = features.without(Feature::new(bit));
        }
        if let Some(bit) = self.slip_in {
            *features = features.with(Feature::new(bit));
        }
        self.validate
    }

    fn probe(&self, _fake: &Fake, dev: &Device<Bound>) -> Result {
        count(&self.probed);
        let [low, high] = dev.features().words();
        self.low.store(low, Relaxed);
        self.high.store(high, Relaxed);
        self.little
            .store((dev.endian() == Endian::Little).into(), Relaxed);
        check!(dev.bus_name().to_bytes() == b"virtio-fake");
        check_eq!(dev.id(), virtio_fake::SCRIPTED_ID);
        Ok(())
    }

    fn start(&self, fake: &Fake, dev: &Device<Bound>) -> Result {
        count(&self.started);
        dev.ready();
        if self.signal_early {
            fake.config_interrupt();
            check_eq!(self.config_changes.load(Relaxed), 0);
        }
        if self.hold_config {
            dev.config_disable();
        }
        Ok(())
    }

    fn scan(&self, _fake: &Fake, _dev: &Device<Bound>) {
        count(&self.scanned);
    }

    fn remove(&self, _fake: &Fake, dev: &Device<Bound>) {
        count(&self.removed);
        if self.hold_config {
            dev.config_enable();
        }
    }

    fn config_changed(&self, _fake: &Fake, _dev: &Device<Bound>) {
        count(&self.config_changes);
    }
}

impl Witness {
    fn features(&self) -> [u64; 2] {
        [self.low.load(Relaxed), self.high.load(Relaxed)]
    }
}

/// Plugs a device that offers `offer`.
fn plug(witness: Witness, legacy: bool, offer: &[u32]) -> Result<(Arc<Witness>, Fake, Plug)> {
    let witness = Arc::new(witness, GFP_KERNEL)?;
    let mut spec = Spec::scripted(witness.clone()).features(offer);
    if legacy {
        spec = spec.legacy();
    }
    let fake = Fake::new(spec, Arc::new(HoldAll, GFP_KERNEL)?)?;
    let plug = fake.plug()?;
    Ok((witness, fake, plug))
}

/// Returns features in the form of the core.
fn bits(bits: &[u32]) -> [u64; 2] {
    let mut words = [0; 2];
    for &bit in bits {
        if let Some(word) = words.get_mut(bit as usize / 64) {
            *word |= 1 << (bit % 64);
        }
    }
    words
}

const ACKNOWLEDGE: u8 = 1;
const DRIVER: u8 = 2;
const DRIVER_OK: u8 = 4;
const FEATURES_OK: u8 = 8;
const FAILED: u8 = 128;

#[kunit_tests(rust_virtio_bus)]
mod suite {
    use super::*;

    /// The driver takes the steps of §3.1.1 in order, and resets the device at the end.
    #[test]
    fn binds_and_unbinds() -> Result {
        let (witness, fake, plug) = plug(Witness::default(), false, &[])?;
        check!(fake.is_bound());
        check_eq!(witness.probed.load(Relaxed), 1);
        check_eq!(witness.started.load(Relaxed), 1);
        check_eq!(witness.scanned.load(Relaxed), 1);
        check_eq!(witness.removed.load(Relaxed), 0);
        drop(plug);
        check!(!fake.is_bound());
        check_eq!(witness.removed.load(Relaxed), 1);

        let ack = ACKNOWLEDGE | DRIVER;
        let log = fake.status_log()?;
        check_eq!(
            log[..],
            [
                0,
                ACKNOWLEDGE,
                ack,
                ack | FEATURES_OK,
                ack | FEATURES_OK | DRIVER_OK,
                0,
                ACKNOWLEDGE,
            ][..]
        );
        Ok(())
    }

    /// Bits of all 128 are negotiated, and only those that both sides support.
    #[test]
    fn negotiates_wide_features() -> Result {
        let (witness, fake, _plug) = plug(
            Witness::default(),
            false,
            &[0, 1, 5, 63, 64, 65, 70, 100, 127],
        )?;
        let want = bits(&[0, 5, 32, 63, 64, 70, 127]);
        check_eq!(witness.features(), want);
        check_eq!(fake.driver_features(), want);
        check_eq!(witness.little.load(Relaxed), 1);
        Ok(())
    }

    /// Features that the device does not offer are not negotiated.
    #[test]
    fn negotiates_nothing_unoffered() -> Result {
        let (witness, _fake, _plug) = plug(Witness::default(), false, &[])?;
        check_eq!(witness.features(), bits(&[32]));
        Ok(())
    }

    /// For a legacy device, the bus uses the legacy table, the low word only, no `FEATURES_OK`, and
    /// the byte order of the guest.
    #[test]
    fn negotiates_legacy_table() -> Result {
        let (witness, fake, plug) = plug(Witness::default(), true, &[0, 5, 27, 63, 64, 70, 127])?;
        check!(fake.is_bound());
        check_eq!(witness.features(), bits(&[0, 27, 63]));
        check_eq!(witness.little.load(Relaxed), 0);
        drop(plug);
        check!(fake.status_log()?.iter().all(|s| s & FEATURES_OK == 0));
        Ok(())
    }

    /// Transport bits need not be in the driver's table, if ring or transport supports them.
    #[test]
    fn keeps_transport_bits() -> Result {
        let (witness, _fake, _plug) = plug(
            Witness::default(),
            false,
            &[28, 29, 33, 34, 35, 36, 37, 38, 39, 40],
        )?;
        check_eq!(
            witness.features(),
            bits(&[28, 29, 32, 33, 34, 35, 36, 38, 40])
        );
        Ok(())
    }

    /// The driver can withdraw a feature before `FEATURES_OK`, and the device sees that.
    #[test]
    fn validate_takes_features_back() -> Result {
        let witness = Witness {
            take_back: Some(5),
            ..Witness::default()
        };
        let (witness, fake, _plug) = plug(witness, false, &[0, 5, 70])?;
        check_eq!(witness.features(), bits(&[0, 32, 70]));
        check_eq!(fake.driver_features(), bits(&[0, 32, 70]));
        Ok(())
    }

    /// The driver cannot add a feature that was not negotiated.
    #[test]
    fn validate_adds_no_feature() -> Result {
        let witness = Witness {
            slip_in: Some(64),
            ..Witness::default()
        };
        let (witness, fake, _plug) = plug(witness, false, &[0])?;
        check_eq!(witness.validated.load(Relaxed), 1);
        check_eq!(witness.features(), bits(&[0, 32]));
        check_eq!(fake.driver_features(), bits(&[0, 32]));
        Ok(())
    }

    /// A driver that refuses the combination is not probed.
    #[test]
    fn validate_refuses() -> Result {
        let witness = Witness {
            validate: Err(EINVAL),
            ..Witness::default()
        };
        let (witness, fake, plug) = plug(witness, false, &[])?;
        check!(!fake.is_bound());
        check_eq!(witness.probed.load(Relaxed), 0);
        check!(fake.status() & FAILED != 0);
        drop(plug);
        check_eq!(witness.removed.load(Relaxed), 0);
        Ok(())
    }

    /// A device that refuses `FEATURES_OK` is not probed (§3.1.1 step 6).
    #[test]
    fn h052_device_refuses_features() -> Result {
        let witness = Arc::new(Witness::default(), GFP_KERNEL)?;
        let fake = Fake::new(
            Spec::scripted(witness.clone()),
            Arc::new(HoldAll, GFP_KERNEL)?,
        )?;
        fake.fault(|f| f.refuse_features = true);
        let plug = fake.plug()?;
        check!(!fake.is_bound());
        check_eq!(witness.validated.load(Relaxed), 1);
        check_eq!(witness.probed.load(Relaxed), 0);
        check!(fake.status() & FAILED != 0);
        check!(fake.status() & DRIVER_OK == 0);
        drop(plug);
        Ok(())
    }

    /// A change of the configuration reaches the driver once it is bound, and not before.
    #[test]
    fn h044_config_change_waits_for_probe() -> Result {
        let witness = Witness {
            signal_early: true,
            ..Witness::default()
        };
        let (witness, fake, plug) = plug(witness, false, &[])?;
        check!(fake.is_bound());
        check_eq!(witness.config_changes.load(Relaxed), 1);
        fake.config_interrupt();
        check_eq!(witness.config_changes.load(Relaxed), 2);
        drop(plug);
        check_eq!(witness.config_changes.load(Relaxed), 2);
        Ok(())
    }

    /// The driver can hold back changes. It gets one call for all of them after that.
    #[test]
    fn config_change_held_back() -> Result {
        let witness = Witness {
            hold_config: true,
            ..Witness::default()
        };
        let (witness, fake, plug) = plug(witness, false, &[])?;
        fake.config_interrupt();
        fake.config_interrupt();
        check_eq!(witness.config_changes.load(Relaxed), 0);
        // Enabled again in `remove`, after the core has disabled it: no change must be reported.
        drop(plug);
        check_eq!(witness.config_changes.load(Relaxed), 0);
        Ok(())
    }
}
