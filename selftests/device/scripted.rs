// SPDX-License-Identifier: GPL-2.0

//! A driver for the fake device, whose steps the test provides.

use crate::{
    fake::Fake,
    transport, //
};
use kernel::{
    device::{
        Bound,
        Core, //
    },
    prelude::*,
    sync::Arc, //
};
use virtio::{
    Device,
    DeviceId,
    Feature,
    FeatureSet,
    IdTable,
    QueueHandle,
    Scope, //
};

/// The device type of [`Scripted`], a number that the specification does not use.
pub const SCRIPTED_ID: u32 = 0x7e57;

virtio::virtio_device_table!(ID_TABLE, [DeviceId::from_device(SCRIPTED_ID)]);

/// The steps of a driver. By default it only binds.
///
/// The methods are those of [`virtio::Driver`], with the device of the test.
pub trait Scenario: Send + Sync {
    /// See [`virtio::Driver::validate`].
    ///
    /// # Errors
    ///
    /// Probe fails with it.
    fn validate(&self, fake: &Fake, dev: &Device<Bound>, features: &mut FeatureSet) -> Result {
        let _ = (fake, dev, features);
        Ok(())
    }

    /// See [`virtio::Driver::probe`].
    ///
    /// # Errors
    ///
    /// Probe fails with it.
    fn probe(&self, fake: &Fake, dev: &Device<Bound>) -> Result {
        let _ = (fake, dev);
        Ok(())
    }

    /// Runs after a successful probe. The device is bound for `scope`.
    fn bound(&self, scope: Scope<'_>) {
        let _ = scope;
    }

    /// See [`virtio::Driver::start`].
    ///
    /// # Errors
    ///
    /// Probe fails with it.
    fn start(&self, fake: &Fake, dev: &Device<Bound>) -> Result {
        let _ = fake;
        dev.ready();
        Ok(())
    }

    /// See [`virtio::Driver::scan`].
    fn scan(&self, fake: &Fake, dev: &Device<Bound>) {
        let _ = (fake, dev);
    }

    /// See [`virtio::Driver::remove`].
    fn remove(&self, fake: &Fake, dev: &Device<Bound>) {
        let _ = (fake, dev);
    }

    /// Runs when the driver data is dropped.
    fn dropped(&self, fake: &Fake) {
        let _ = fake;
    }

    /// See [`virtio::Driver::vq_callback`].
    fn callback(&self, fake: &Fake, dev: &Device<Bound>, queue: &QueueHandle) {
        let _ = (fake, dev, queue);
    }

    /// See [`virtio::Driver::config_changed`].
    fn config_changed(&self, fake: &Fake, dev: &Device<Bound>) {
        let _ = (fake, dev);
    }

    /// See [`virtio::Driver::freeze`]. Also called for [`virtio::Driver::reset_prepare`].
    ///
    /// # Errors
    ///
    /// The device stays awake.
    fn freeze(&self, fake: &Fake, dev: &Device<Bound>) -> Result {
        let _ = (fake, dev);
        Ok(())
    }

    /// See [`virtio::Driver::restore`]. Also called for [`virtio::Driver::reset_done`].
    ///
    /// # Errors
    ///
    /// The device is marked failed.
    fn restore(&self, fake: &Fake, dev: &Device<Bound>) -> Result {
        let _ = (fake, dev);
        Ok(())
    }

    /// See [`virtio::Driver::not_woken`].
    fn not_woken(&self, fake: &Fake) {
        let _ = fake;
    }
}

/// A driver that runs the [`Scenario`] of its device.
pub struct Scripted;

/// The data of the driver.
pub struct ScriptedData {
    fake: Fake,
    scenario: Arc<dyn Scenario>,
}

impl Drop for ScriptedData {
    fn drop(&mut self) {
        self.scenario.dropped(&self.fake);
    }
}

impl ScriptedData {
    /// Returns the fake device of a device, with its scenario.
    fn of(dev: &Device<Bound>) -> Result<Self> {
        let fake = transport::fake_of(dev).ok_or(ENODEV)?;
        let scenario = fake.0.spec.scenario.clone().ok_or(ENODEV)?;
        Ok(Self { fake, scenario })
    }
}

impl virtio::Driver for Scripted {
    type Data<'bound> = ScriptedData;

    const ID_TABLE: IdTable = &ID_TABLE;
    const FEATURES: &'static [Feature] = &[
        Feature::new(0),
        Feature::new(5),
        Feature::new(63),
        Feature::new(64),
        Feature::new(70),
        Feature::new(127),
    ];
    const FEATURES_LEGACY: Option<&'static [Feature]> =
        Some(&[Feature::new(0), Feature::ANY_LAYOUT, Feature::new(63)]);

    fn validate(dev: &Device<Core<'_>>, features: &mut FeatureSet) -> Result {
        let fake = transport::fake_of(dev).ok_or(ENODEV)?;
        let scenario = fake.0.spec.scenario.clone().ok_or(ENODEV)?;
        scenario.validate(&fake, dev, features)
    }

    fn probe<'bound>(
        dev: &'bound Device<Core<'_>>,
        scope: Scope<'bound>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        // The data exists before the scenario runs, so that its drop is seen also if the scenario
        // fails.
        ScriptedData::of(dev).and_then(|data| {
            data.scenario.probe(&data.fake, dev)?;
            data.scenario.bound(scope);
            Ok(data)
        })
    }

    fn start<'bound>(dev: &'bound Device<Core<'_>>, data: Pin<&Self::Data<'bound>>) -> Result {
        data.scenario.start(&data.fake, dev)
    }

    fn scan(dev: &Device<Core<'_>>, data: Pin<&Self::Data<'_>>) {
        data.scenario.scan(&data.fake, dev);
    }

    fn remove(dev: &Device<Core<'_>>, data: Pin<&Self::Data<'_>>) {
        data.scenario.remove(&data.fake, dev);
    }

    fn vq_callback(dev: &Device<Bound>, data: Pin<&Self::Data<'_>>, queue: &QueueHandle) {
        data.scenario.callback(&data.fake, dev, queue);
    }

    fn config_changed(dev: &Device<Bound>, data: Pin<&Self::Data<'_>>) {
        data.scenario.config_changed(&data.fake, dev);
    }

    fn freeze(dev: &Device<Core<'_>>, data: Pin<&Self::Data<'_>>) -> Result {
        data.scenario.freeze(&data.fake, dev)
    }

    fn restore(dev: &Device<Core<'_>>, data: Pin<&Self::Data<'_>>) -> Result {
        data.scenario.restore(&data.fake, dev)
    }

    fn reset_prepare(dev: &Device<Core<'_>>, data: Pin<&Self::Data<'_>>) -> Result {
        data.scenario.freeze(&data.fake, dev)
    }

    fn reset_done(dev: &Device<Core<'_>>, data: Pin<&Self::Data<'_>>) -> Result {
        data.scenario.restore(&data.fake, dev)
    }

    fn not_woken(_dev: &Device<Bound>, data: Pin<&Self::Data<'_>>) {
        data.scenario.not_woken(&data.fake);
    }
}
