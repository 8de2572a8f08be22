// SPDX-License-Identifier: GPL-2.0

//! Disks whose cache mode is different after a restart.

use super::{
    config::SECTORS,
    ramdisk::FLUSH,
    timeout::{
        check_read,
        impatient_with,
        read,
        speak,
        speak_after_reset,
        unheard_read,
        write,
        DEADLINE_MS, //
    },
    Config,
    DiskFixture,
    F_CONFIG_WCE,
    F_FLUSH, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use virtio_fake::{
    wait,
    Disk,
    Task, //
};

const OFF: &[u8] = b"write through\n";
/// Device status: the driver is ready.
const DRIVER_OK: u8 = 4;

/// Returns a disk whose cache can be switched, and is on.
fn switchable() -> Result<(DiskFixture, Arc<Disk>)> {
    let config = Config::default().u8(Config::WCE, 1);
    let fixture = DiskFixture::new(config, &[F_FLUSH, F_CONFIG_WCE], 1)?;
    let (fixture, disk) = impatient_with(fixture)?;
    check!(disk.limits().write_cache);
    Ok((fixture, disk))
}

/// Makes the device keep its cache on or off, and ignore writes of the mode.
fn insist(fixture: &DiskFixture, on: bool) {
    fixture.fake.fault(|faults| faults.config_stays = true);
    fixture.fake.set_config(Config::WCE, &[on.into()]);
}

/// Starts a thread that switches the cache off.
fn switch_off(disk: &Arc<Disk>) -> Result<Task<Result>> {
    let disk = disk.clone();
    Task::new(move || disk.set_attribute(c"cache_type", OFF))
}

/// Waits until the recovery of the driver has run: when it follows a second change of the capacity,
/// it has finished the work of the first one.
fn attended(fixture: &DiskFixture, disk: &Disk) -> Result {
    for sectors in [SECTORS / 2, SECTORS] {
        fixture.fake.set_config(0, &sectors.to_le_bytes());
        fixture.fake.config_interrupt();
        check!(wait::until(DEADLINE_MS, || disk.limits().sectors == sectors));
    }
    Ok(())
}

#[kunit_tests(rust_virtio_blk_cache)]
mod suite {
    use super::*;

    /// A cache that was switched off is off after a restart.
    #[test]
    fn stays_off() -> Result {
        let (fixture, disk) = switchable()?;
        disk.set_attribute(c"cache_type", OFF)?;
        check!(!disk.limits().write_cache);
        let resets = fixture.fake.resets();
        let reading = unheard_read(&fixture, &disk)?;
        let writing = write(&disk)?;
        // A reset switches the cache of a device on.
        fixture.fake.set_config(Config::WCE, &[1]);
        speak_after_reset(&fixture, resets)?;
        check_read(reading)?;
        writing.join(DEADLINE_MS)??;
        check_eq!(fixture.fake.config(Config::WCE), [0]);
        check!(!disk.limits().write_cache);
        drop(disk);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// A cache is switched off while the device does not answer a request. The disk waits for this
    /// request before it reports the mode. The cache is off after the restart, after which the
    /// request succeeds.
    #[test]
    fn switched_while_mute() -> Result {
        let (fixture, disk) = switchable()?;
        let resets = fixture.fake.resets();
        let reading = unheard_read(&fixture, &disk)?;
        let switching = switch_off(&disk)?;
        check!(wait::until(DEADLINE_MS, || fixture
            .fake
            .config(Config::WCE)
            == [0]));
        check!(disk.limits().write_cache);
        speak_after_reset(&fixture, resets)?;
        check_read(reading)?;
        switching.join(DEADLINE_MS)??;
        check_eq!(fixture.fake.config(Config::WCE), [0]);
        check!(!disk.limits().write_cache);
        drop(disk);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// The cache comes on. The disk cannot report that at once, because a thread is switching the
    /// cache. Another thread switches the cache off after that. The result is off: the report that
    /// the cache is on is older.
    #[test]
    fn old_news() -> Result {
        let (fixture, disk) = switchable()?;
        let resets = fixture.fake.resets();
        let reading = unheard_read(&fixture, &disk)?;
        let reads = fixture.fake.config_reads();
        // This thread waits for the read before the disk reports the mode.
        let first = switch_off(&disk)?;
        check!(wait::until(DEADLINE_MS, || {
            fixture.fake.config(Config::WCE) == [0] && fixture.fake.config_reads() > reads
        }));
        // This thread waits for the first one.
        let second = switch_off(&disk)?;
        insist(&fixture, true);
        check!(wait::until(DEADLINE_MS, || fixture.fake.resets() > resets));
        check!(wait::until(DEADLINE_MS, || fixture.fake.status()
            & DRIVER_OK
            != 0));
        fixture.fake.fault(|faults| faults.config_stays = false);
        speak(&fixture);
        check_read(reading)?;
        first.join(DEADLINE_MS)??;
        second.join(DEADLINE_MS)??;
        attended(&fixture, &disk)?;
        check_eq!(fixture.fake.config(Config::WCE), [0]);
        check!(!disk.limits().write_cache);
        drop(disk);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// A cache that cannot be switched off again is flushed. A write that was safe when it was
    /// answered is not issued again.
    #[test]
    fn comes_on() -> Result {
        let (fixture, disk) = switchable()?;
        disk.set_attribute(c"cache_type", OFF)?;
        let resets = fixture.fake.resets();
        let reading = unheard_read(&fixture, &disk)?;
        let writing = write(&disk)?;
        check!(wait::until(DEADLINE_MS, || fixture.fake.traffic(0).kicks > 1));
        insist(&fixture, true);
        speak_after_reset(&fixture, resets)?;
        check_read(reading)?;
        check_err!(writing.join(DEADLINE_MS)?, EIO);
        check!(disk.limits().write_cache);
        fixture.disk.forget();
        disk.flush()?;
        check_eq!(fixture.disk.count(FLUSH), 1);
        // The device accepts the mode of the driver again.
        fixture.fake.fault(|faults| faults.config_stays = false);
        disk.set_attribute(c"cache_type", OFF)?;
        check!(!disk.limits().write_cache);
        drop(disk);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// A cache that cannot be switched on again is still flushed: it was on when data was written.
    #[test]
    fn goes_off() -> Result {
        let (fixture, disk) = switchable()?;
        let resets = fixture.fake.resets();
        let reading = unheard_read(&fixture, &disk)?;
        insist(&fixture, false);
        speak_after_reset(&fixture, resets)?;
        check_read(reading)?;
        check!(disk.limits().write_cache);
        fixture.disk.forget();
        disk.flush()?;
        check_eq!(fixture.disk.count(FLUSH), 1);
        drop(disk);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// The cache comes on while the disk sleeps.
    #[test]
    fn comes_on_asleep() -> Result {
        let (fixture, disk) = switchable()?;
        disk.set_attribute(c"cache_type", OFF)?;
        let plug = fixture.plug.as_ref().ok_or(ENODEV)?;
        plug.reset_prepare()?;
        insist(&fixture, true);
        plug.reset_done()?;
        check!(disk.limits().write_cache);
        check_read(read(&disk)?)?;
        drop(disk);
        fixture.remove(DEADLINE_MS, drop)
    }
}
