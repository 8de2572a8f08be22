// SPDX-License-Identifier: GPL-2.0

//! Disks whose cache is in another mode after a restart than before.

use super::{
    config::SECTORS,
    mute::{
        check_read,
        impatient_with,
        read,
        speak,
        speak_after_reset,
        unheard_read,
        write,
        DEADLINE_MS, //
    },
    ramdisk::FLUSH,
    Config,
    Rig,
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
/// Status: the driver is ready.
const DRIVER_OK: u8 = 4;

/// A disk whose cache can be switched, and is on.
fn switchable() -> Result<(Rig, Arc<Disk>)> {
    let config = Config::default().u8(Config::WCE, 1);
    let rig = Rig::new(config, &[F_FLUSH, F_CONFIG_WCE], 1)?;
    let (rig, disk) = impatient_with(rig)?;
    check!(disk.limits().write_cache);
    Ok((rig, disk))
}

/// The device has its cache on or off, whatever it is told.
fn insist(rig: &Rig, on: bool) {
    rig.fake.fault(|faults| faults.config_stays = true);
    rig.fake.set_config(Config::WCE, &[on.into()]);
}

/// Starts to switch the cache off.
fn switch_off(disk: &Arc<Disk>) -> Result<Task<Result>> {
    let disk = disk.clone();
    Task::new(move || disk.set_attribute(c"cache_type", OFF))
}

/// Waits until the driver has attended to the disk: when it sees a second change, it is done with
/// what goes with the first one.
fn attended(rig: &Rig, disk: &Disk) -> Result {
    for sectors in [SECTORS / 2, SECTORS] {
        rig.fake.set_config(0, &sectors.to_le_bytes());
        rig.fake.config_interrupt();
        check!(wait::until(DEADLINE_MS, || disk.limits().sectors == sectors));
    }
    Ok(())
}

#[kunit_tests(rust_virtio_blk_cache)]
mod suite {
    use super::*;

    /// A cache that was switched off is so after a restart.
    #[test]
    fn stays_off() -> Result {
        let (rig, disk) = switchable()?;
        disk.set_attribute(c"cache_type", OFF)?;
        check!(!disk.limits().write_cache);
        let resets = rig.fake.resets();
        let reading = unheard_read(&rig, &disk)?;
        let writing = write(&disk)?;
        // As devices do at a reset.
        rig.fake.set_config(Config::WCE, &[1]);
        speak_after_reset(&rig, resets)?;
        check_read(reading)?;
        writing.join(DEADLINE_MS)??;
        check_eq!(rig.fake.config(Config::WCE), [0]);
        check!(!disk.limits().write_cache);
        drop(disk);
        rig.remove(DEADLINE_MS, drop)
    }

    /// A cache is switched off while a request is not answered, which the disk waits for before it
    /// says so. It is off after the restart that answers the request.
    #[test]
    fn switched_while_mute() -> Result {
        let (rig, disk) = switchable()?;
        let resets = rig.fake.resets();
        let reading = unheard_read(&rig, &disk)?;
        let switching = switch_off(&disk)?;
        check!(wait::until(DEADLINE_MS, || rig.fake.config(Config::WCE) == [0]));
        check!(disk.limits().write_cache);
        speak_after_reset(&rig, resets)?;
        check_read(reading)?;
        switching.join(DEADLINE_MS)??;
        check_eq!(rig.fake.config(Config::WCE), [0]);
        check!(!disk.limits().write_cache);
        drop(disk);
        rig.remove(DEADLINE_MS, drop)
    }

    /// The cache comes on, which the disk does not say at once, since one thread is just switching
    /// the cache; and another thread switches it off after that. Then it is off: the news that it
    /// is on is older.
    #[test]
    fn old_news() -> Result {
        let (rig, disk) = switchable()?;
        let resets = rig.fake.resets();
        let reading = unheard_read(&rig, &disk)?;
        let reads = rig.fake.config_reads();
        // Waits for the read before the disk says so.
        let first = switch_off(&disk)?;
        check!(wait::until(DEADLINE_MS, || {
            rig.fake.config(Config::WCE) == [0] && rig.fake.config_reads() > reads
        }));
        // Waits for the first one.
        let second = switch_off(&disk)?;
        insist(&rig, true);
        check!(wait::until(DEADLINE_MS, || rig.fake.resets() > resets));
        check!(wait::until(DEADLINE_MS, || rig.fake.status() & DRIVER_OK != 0));
        rig.fake.fault(|faults| faults.config_stays = false);
        speak(&rig);
        check_read(reading)?;
        first.join(DEADLINE_MS)??;
        second.join(DEADLINE_MS)??;
        attended(&rig, &disk)?;
        check_eq!(rig.fake.config(Config::WCE), [0]);
        check!(!disk.limits().write_cache);
        drop(disk);
        rig.remove(DEADLINE_MS, drop)
    }

    /// One that cannot be switched off again is flushed. A write that was to be safe when it is
    /// done is not done again.
    #[test]
    fn comes_on() -> Result {
        let (rig, disk) = switchable()?;
        disk.set_attribute(c"cache_type", OFF)?;
        let resets = rig.fake.resets();
        let reading = unheard_read(&rig, &disk)?;
        let writing = write(&disk)?;
        check!(wait::until(DEADLINE_MS, || rig.fake.traffic(0).kicks > 1));
        insist(&rig, true);
        speak_after_reset(&rig, resets)?;
        check_read(reading)?;
        check_err!(writing.join(DEADLINE_MS)?, EIO);
        check!(disk.limits().write_cache);
        rig.disk.forget();
        disk.flush()?;
        check_eq!(rig.disk.count(FLUSH), 1);
        // The driver's word counts again.
        rig.fake.fault(|faults| faults.config_stays = false);
        disk.set_attribute(c"cache_type", OFF)?;
        check!(!disk.limits().write_cache);
        drop(disk);
        rig.remove(DEADLINE_MS, drop)
    }

    /// One that cannot be switched on again is flushed as before: it was on when data was written.
    #[test]
    fn goes_off() -> Result {
        let (rig, disk) = switchable()?;
        let resets = rig.fake.resets();
        let reading = unheard_read(&rig, &disk)?;
        insist(&rig, false);
        speak_after_reset(&rig, resets)?;
        check_read(reading)?;
        check!(disk.limits().write_cache);
        rig.disk.forget();
        disk.flush()?;
        check_eq!(rig.disk.count(FLUSH), 1);
        drop(disk);
        rig.remove(DEADLINE_MS, drop)
    }

    /// The cache comes on while the disk sleeps.
    #[test]
    fn comes_on_asleep() -> Result {
        let (rig, disk) = switchable()?;
        disk.set_attribute(c"cache_type", OFF)?;
        let plug = rig.plug.as_ref().ok_or(ENODEV)?;
        plug.reset_prepare()?;
        insist(&rig, true);
        plug.reset_done()?;
        check!(disk.limits().write_cache);
        check_read(read(&disk)?)?;
        drop(disk);
        rig.remove(DEADLINE_MS, drop)
    }
}
