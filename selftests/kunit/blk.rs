// SPDX-License-Identifier: GPL-2.0

//! The block driver with a fake disk, end to end: the tests send I/O to the block layer.

mod broken;
mod cache;
mod config;
#[path = "hostile/blk.rs"]
mod hostile;
mod io;
mod lengths;
mod probe;
mod queue_restart;
mod ramdisk;
mod removal;
mod request_status;
mod requeue;
mod slow;
mod timeout;

use self::{
    config::Config,
    ramdisk::{
        Answer,
        RamDisk, //
    }, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use virtio::time_limit::Haste;
use virtio_fake::{
    Addresses,
    Disk,
    Fake,
    Plug,
    Spec, //
};

/// The device type of disks (virtio spec §5.2.1).
const ID: u32 = 2;

/// Feature: `size_max` is valid.
const F_SIZE_MAX: u32 = 1;
/// Feature: `seg_max` is valid.
const F_SEG_MAX: u32 = 2;
/// Feature: the disk is read-only.
const F_RO: u32 = 5;
/// Feature: `blk_size` is valid.
const F_BLK_SIZE: u32 = 6;
/// Feature: there is a flush command.
const F_FLUSH: u32 = 9;
/// Feature: the topology fields are valid.
const F_TOPOLOGY: u32 = 10;
/// Feature: the cache mode can be switched.
const F_CONFIG_WCE: u32 = 11;
/// Feature: `num_queues` is valid.
const F_MQ: u32 = 12;
/// Feature: there is a discard command.
const F_DISCARD: u32 = 13;
/// Feature: there is a command to write zeroes.
const F_WRITE_ZEROES: u32 = 14;
/// Feature: there is a command to erase securely.
const F_SECURE_ERASE: u32 = 16;

/// A disk with the driver bound to it.
struct DiskFixture {
    disk: Arc<RamDisk>,
    fake: Fake,
    plug: Option<Plug>,
    /// The backend of the device. Dropped after the device.
    haste: Option<Haste>,
}

impl Drop for DiskFixture {
    /// Repairs the disk before it is removed, so that a test that fails does not hang.
    fn drop(&mut self) {
        if self.plug.is_some() {
            self.disk.answer(Answer::Honest, None);
            self.fake.rescue();
        }
    }
}

/// Sets up a device without plugging it.
fn device(config: Config, features: &[u32], queues: usize) -> Result<(Arc<RamDisk>, Fake)> {
    device_of(config, features, queues, None)
}

/// As [`device`], with mapping operations of the transport for addresses of this kind.
fn device_of(
    config: Config,
    features: &[u32],
    queues: usize,
    mapping: Option<Addresses>,
) -> Result<(Arc<RamDisk>, Fake)> {
    let disk = RamDisk::new()?;
    let mut spec = Spec::new(ID)
        .features(features)
        .config(config.bytes())?
        .queues(queues, 64)?;
    if let Some(addresses) = mapping {
        spec = spec.mapping(addresses);
    }
    let fake = Fake::new(spec, disk.clone())?;
    fake.set_auto(true);
    Ok((disk, fake))
}

/// Fails with a reason if the bound driver is not the driver under test.
fn check_driver(fake: &Fake) -> Result {
    let ours = fake
        .driver()
        .is_some_and(|name| &*name == c"rust_virtio_blk");
    if !ours && !crate::ANY_DRIVER {
        pr_err!("    # the disk is not bound to rust_virtio_blk: load it first\n");
        return Err(ENODEV);
    }
    Ok(())
}

impl DiskFixture {
    /// Plugs a disk; the driver must bind.
    fn new(config: Config, features: &[u32], queues: usize) -> Result<Self> {
        let (disk, fake) = device(config, features, queues)?;
        let plug = fake.plug()?;
        check!(fake.is_bound());
        check_driver(&fake)?;
        Ok(Self::around(disk, fake, plug))
    }

    /// Returns the fixture of a plugged and bound device.
    fn around(disk: Arc<RamDisk>, fake: Fake, plug: Plug) -> Self {
        Self {
            disk,
            fake,
            plug: Some(plug),
            haste: None,
        }
    }

    /// Shortens the time limits of the driver for this device, until it is removed.
    fn hasten(&mut self) {
        self.haste = Some(Haste::new());
    }

    /// Removes the disk by `how`, within a time limit.
    fn remove(mut self, millis: u32, how: fn(Plug)) -> Result {
        let result = self.plug.take().ok_or(ENODEV)?.within(millis, how);
        if result.is_err() {
            // Let waiting threads go on.
            self.disk.answer(Answer::Honest, None);
            self.fake.rescue();
        }
        result
    }

    /// Returns a fixture with the usual features.
    fn plain() -> Result<Self> {
        Self::new(Config::default(), &[F_SEG_MAX, F_BLK_SIZE, F_FLUSH], 1)
    }

    /// Opens the disk.
    fn open(&self) -> Result<Disk> {
        Disk::open(&self.fake, true)
    }
}

/// Returns bytes that differ from sector to sector.
fn pattern(seed: u8, len: usize) -> Result<KVec<u8>> {
    let mut bytes = KVec::from_elem(0, len, GFP_KERNEL)?;
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = seed ^ (i as u8) ^ ((i / 512) as u8).wrapping_mul(37);
    }
    Ok(bytes)
}
