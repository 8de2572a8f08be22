// SPDX-License-Identifier: GPL-2.0

//! The volatile write cache of a device.
//!
//! The block layer sends flushes only to a disk that reports a cache, so the report decides whether
//! data is safe. After a reset, the driver puts the cache back into the mode that it had. If the
//! cache stays on although it was off before, the disk reports a cache from then on. If the cache
//! stays off although the disk reports one, flushes go on: the cache may have been on when data was
//! written.

use crate::{
    config,
    features,
    Blk, //
};
use blockdev::{
    limits::Feature,
    Disk, //
};
use kernel::{
    device::Bound,
    prelude::*, //
};
use virtio::Device;

/// Whether the device has a volatile write cache that is on. If the driver can switch the cache,
/// the device reports its mode. If not, a device that can flush is taken to have a cache.
///
/// # Errors
///
/// Those of [`virtio::Config::read`].
pub(crate) fn is_on(dev: &Device<Bound>) -> Result<bool> {
    Ok(
        match dev.config().read_if(features::CONFIG_WCE, config::WCE)? {
            Some(wce) => wce != 0,
            None => dev.has_feature(features::FLUSH),
        },
    )
}

/// Switches the cache, and returns whether it is on afterwards: the device decides that. If the
/// mode cannot be read, the cache is taken to be on.
///
/// # Errors
///
/// Those of [`virtio::Config::write`]: nothing was switched.
pub(crate) fn switch(dev: &Device<Bound>, on: bool) -> Result<bool> {
    dev.config().write(config::WCE, on.into())?;
    Ok(is_on(dev).unwrap_or(true))
}

/// Switches the cache of a device that was reset into its former mode, which the disk reports or is
/// about to report. Returns whether the cache is on although it was off. The disk reports that from
/// now on, or [later](report_on). Dispatch of requests is stopped during the call. Process context.
pub(crate) fn restore_mode(dev: &Device<Bound>, disk: &Disk<Blk>) -> bool {
    if !dev.has_feature(features::CONFIG_WCE) {
        return false;
    }
    let health = &disk.data().health;
    let was = health.is_cache_on();
    let on = switch(dev, was).unwrap_or(true);
    if on == was {
        return false;
    }
    dev_warn!(
        dev.as_ref(),
        "[{}] the cache cannot be switched back: it is {} and flushed\n",
        disk.name(),
        if on { "on" } else { "off" }
    );
    if on {
        health.set_cache_on(true);
        health.set_cache_report_due(true);
        // If the limits are locked, the recovery reports it later.
        let _ = report_on(disk);
    }
    on
}

/// Makes the disk report that its cache is on, if such a report is due. Process context; waits for
/// no request.
///
/// Whether the report is due is decided with the limits locked. A user who switches the cache holds
/// that lock from the switch until the disk reports the new mode. So no older report can follow.
///
/// # Errors
///
/// - `EBUSY`: another thread is changing the limits. Try again later.
/// - `EINVAL`: the limits contradict each other.
pub(crate) fn report_on(disk: &Disk<Blk>) -> Result {
    let health = &disk.data().health;
    if !health.is_cache_report_due() {
        return Ok(());
    }
    let mut due = false;
    disk.try_update_limits(|limits| {
        due = health.take_cache_report();
        if due {
            limits.set(Feature::WRITE_CACHE, true);
        }
    })
    .inspect_err(|_| {
        if due {
            health.set_cache_report_due(true);
        }
    })
}
