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

/// Whether the device has a volatile write cache that is on: what it says if it lets the driver
/// switch it, and else whether it can flush one.
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

/// Switches the cache, and returns whether it is on then: the device has the last word. One that
/// does not say is taken to have it on.
///
/// # Errors
///
/// Those of [`virtio::Config::write`]: nothing was switched.
pub(crate) fn switch(dev: &Device<Bound>, on: bool) -> Result<bool> {
    dev.config().write(config::WCE, on.into())?;
    Ok(is_on(dev).unwrap_or(true))
}

/// Switches the cache of a device that was reset to what it was: others have been told, or whoever
/// switched it will tell them. Returns whether it is on although it was off; the disk says so from
/// now on, or [will](announce). Nothing is dispatched. Process context.
pub(crate) fn put_back(dev: &Device<Bound>, disk: &Disk<Blk>) -> bool {
    if !dev.has_feature(features::CONFIG_WCE) {
        return false;
    }
    let watch = &disk.data().watch;
    let was = watch.is_cached();
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
        watch.set_cached(true);
        watch.set_cache_news(true);
        // If that does not go now, it is done as soon as it does.
        let _ = announce(disk);
    }
    on
}

/// Has the disk say that its cache is on, if it is to. Process context; waits for no request.
///
/// Whether it is to is decided with the limits locked, and forgotten there: whoever switches the
/// cache has the lock from the switch until the disk says so, and leaves nothing to say.
///
/// # Errors
///
/// - `EBUSY`: somebody else is changing the limits, and should be let.
/// - `EINVAL`: the limits do not go together.
pub(crate) fn announce(disk: &Disk<Blk>) -> Result {
    let watch = &disk.data().watch;
    if !watch.has_cache_news() {
        return Ok(());
    }
    let mut news = false;
    disk.try_update_limits(|limits| {
        news = watch.take_cache_news();
        if news {
            limits.set(Feature::WRITE_CACHE, true);
        }
    })
    .inspect_err(|_| {
        if news {
            watch.set_cache_news(true);
        }
    })
}
