// SPDX-License-Identifier: GPL-2.0

//! Receive-side scaling (RSS) and hash reports: the device computes a hash of each received packet
//! (virtio spec §5.1.6.4.3).
//!
//! With RSS the hash selects the receive queue, by the indirection table. With hash reports the
//! device writes the hash to the header of the packet. One command configures both, and with RSS
//! also sets the number of pairs in use.
//!
//! If the device refuses the first configuration, neither is used. All functions are called with
//! the RTNL held.

mod config;
pub(crate) mod limits;
pub(crate) mod state;
mod types;

use self::config::HashConfig;
use crate::{
    features,
    nic::Nic,
    settings::pending::Setting, //
};
use kernel::{
    prelude::*,
    sync::atomic::Relaxed, //
};
use netdev::{
    ethtool::rss::{
        Flow,
        HashFields, //
    },
    Device,
    Features,
    Rtnl, //
};

/// Whether the number of pairs is set together with the configuration of RSS.
///
/// A device without a configuration gets one after the number. So the pairs can be used even if the
/// device refuses the configuration.
pub(crate) fn sets_pairs(nic: &Nic<'_>) -> bool {
    nic.rss.has_rss() && (nic.rss.is_accepted() || !nic.ctrl.has(features::MQ))
}

/// Sends the configuration for `pairs` pairs in use. Errors are those of the control queue, and
/// `ENOMEM`.
pub(crate) fn set_pairs(dev: &Device<Nic<'_>>, pairs: usize, rtnl: &Rtnl) -> Result {
    change(dev, pairs, rtnl, |_| Ok(()))
}

/// Sends the configuration to a device that computes hashes, after a reset. Errors are those of
/// [`set_pairs`].
pub(crate) fn restore(dev: &Device<Nic<'_>>, rtnl: &Rtnl) -> Result {
    if !dev.data().rss.has_hash() {
        return Ok(());
    }
    set_pairs(dev, dev.data().current_pairs(), rtnl)
}

/// Sends the configuration of hash reports again after a command that sets only the number of
/// pairs. With such a command the device may switch reports off, as QEMU's does.
pub(crate) fn follow_pairs(dev: &Device<Nic<'_>>, rtnl: &Rtnl) {
    let nic = dev.data();
    if !sets_pairs(nic) && nic.rss.is_accepted() {
        if let Err(e) = restore(dev, rtnl) {
            nic.pending.failed(dev, Setting::Hash, e);
        }
    }
}

/// Gives up RSS and hash reports, because the device refuses the first configuration.
pub(crate) fn disable(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) {
    let nic = dev.data();
    dev_warn!(
        nic.vdev.as_ref(),
        "RSS disabled because committing failed.\n"
    );
    dev.remove_switchable(Features::RXHASH, rtnl);
    nic.rss.disable();
}

/// Copies the indirection table and the hash key, for `ethtool -x`.
pub(crate) fn show(dev: &Device<Nic<'_>>, table: &mut [u32], key: &mut [u8]) {
    let config = dev.data().rss.config.lock();
    for (to, &queue) in table.iter_mut().zip(config.table()) {
        *to = queue.into();
    }
    for (to, &byte) in key.iter_mut().zip(config.key()) {
        *to = byte;
    }
}

/// Sets the indirection table, the hash key, or both.
///
/// # Errors
///
/// Nothing has changed.
///
/// - `EOPNOTSUPP`: the device has no such setting.
/// - `EINVAL`: the device refused, or did not answer.
/// - `ENOMEM`.
pub(crate) fn set(
    dev: &Device<Nic<'_>>,
    table: Option<&[u32]>,
    key: Option<&[u8]>,
    rtnl: &Rtnl,
) -> Result {
    let rss = &dev.data().rss;
    if (table.is_some() && !rss.has_rss()) || (key.is_some() && !rss.has_hash()) {
        return Err(EOPNOTSUPP);
    }
    if table.is_none() && key.is_none() {
        return Ok(());
    }
    change_for_user(dev, rtnl, |config| {
        if let Some(table) = table {
            config.set_table(table)?;
        }
        if let Some(key) = key {
            config.set_key(key)?;
        }
        Ok(())
    })
}

/// Returns the header fields that the hash of a flow covers, for `ethtool -n`.
pub(crate) fn fields(dev: &Device<Nic<'_>>, flow: Flow) -> HashFields {
    dev.data().rss.config.lock().types.fields(flow)
}

/// Sets the header fields that the hash of a flow covers.
///
/// # Errors
///
/// Nothing has changed. `EINVAL`: the device cannot hash such fields. Those of [`set`].
pub(crate) fn set_fields(
    dev: &Device<Nic<'_>>,
    flow: Flow,
    fields: HashFields,
    rtnl: &Rtnl,
) -> Result {
    let rss = &dev.data().rss;
    let (before, is_off) = {
        let config = rss.config.lock();
        (config.types, config.is_off)
    };
    let types = before.with_fields(flow, fields).ok_or(EINVAL)?;
    if !types.is_subset(rss.limits.types) {
        return Err(EINVAL);
    }
    if types == before {
        return Ok(());
    }
    if is_off || !rss.has_hash() {
        rss.config.lock().types = types;
        return Ok(());
    }
    change_for_user(dev, rtnl, |config| {
        config.types = types;
        Ok(())
    })
}

/// Switches the computation of hashes: `ethtool -K ... rxhash`. A device without queues gets the
/// setting once it is back.
///
/// # Errors
///
/// Those of [`set`].
pub(crate) fn switch(dev: &Device<Nic<'_>>, on: bool, rtnl: &Rtnl) -> Result {
    let nic = dev.data();
    if !nic.has_queues.load(Relaxed) || !nic.rss.has_hash() {
        nic.rss.config.lock().is_off = !on;
        return Ok(());
    }
    change_for_user(dev, rtnl, |config| {
        config.is_off = !on;
        Ok(())
    })
}

/// Changes the configuration, as the user asks. If the device does not answer, the configuration
/// before the change is sent again later.
///
/// # Errors
///
/// Nothing has changed. `EINVAL`: the device refused, or did not answer. `ENOMEM`. Those of `edit`.
fn change_for_user(
    dev: &Device<Nic<'_>>,
    rtnl: &Rtnl,
    edit: impl FnOnce(&mut HashConfig) -> Result,
) -> Result {
    let nic = dev.data();
    change(dev, nic.current_pairs(), rtnl, edit)
        .map_err(|e| nic.pending.failed_for_user(dev, Setting::Hash, e))
}

/// Changes the configuration, and sends it for `pairs` pairs in use. If the user has not chosen the
/// indirection table, `edit` begins with the default table for this number.
///
/// # Errors
///
/// Those of the control queue, `ENOMEM`, and those of `edit`. The configuration stays.
fn change(
    dev: &Device<Nic<'_>>,
    pairs: usize,
    rtnl: &Rtnl,
    edit: impl FnOnce(&mut HashConfig) -> Result,
) -> Result {
    let nic = dev.data();
    let pairs = u16::try_from(pairs)?;
    let mut config = nic.rss.config.lock();
    let mut new = config.try_clone()?;
    if !dev.is_rxfh_configured(rtnl) {
        new.reset_table(pairs);
    }
    edit(&mut new)?;
    if let Err(e) = send(dev, &new, pairs) {
        if e == EINVAL && nic.rss.is_accepted() {
            // A device may drop its configuration when it refuses another one, as QEMU's does.
            let _ = send(dev, &config, u16::try_from(nic.current_pairs())?);
        }
        return Err(e);
    }
    *config = new;
    nic.rss.accept();
    Ok(())
}

/// Sends a configuration. Errors are those of the control queue, and `ENOMEM`.
fn send(dev: &Device<Nic<'_>>, config: &HashConfig, pairs: u16) -> Result {
    let nic = dev.data();
    let sent = if nic.rss.has_rss() {
        config
            .rss_parts(pairs)
            .and_then(|parts| nic.ctrl.set_rss(dev, parts))
    } else {
        config
            .hash_parts()
            .and_then(|parts| nic.ctrl.set_hash(dev, parts))
    };
    sent.inspect_err(|_| dev.dev_warn(fmt!("VIRTIONET issue with committing RSS sgs\n")))
}
