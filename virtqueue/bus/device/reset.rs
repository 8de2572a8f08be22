// SPDX-License-Identifier: GPL-2.0

//! Bounded reset of a device: it ends even if the device does not answer (virtio spec §2.4).

use super::{
    pci::Function,
    Device, //
};
use crate::{
    bindings,
    TimeLimit, //
};
use kernel::{
    device::Bound,
    prelude::*,
    time::{
        delay::fsleep,
        Delta,
        Instant,
        Monotonic, //
    },
};

/// The time that a device may take for a reset.
const RESET_LIMIT: TimeLimit = TimeLimit::from_millis(10_000);
/// The time between two questions whether it is done.
const POLL_INTERVAL: Delta = Delta::from_millis(1);
/// Status of a device that is not there: no device has all bits set (§2.1).
pub(super) const ALL_ONES: u8 = 0xff;

/// Resets a device, or gives it up: either way it uses no memory from here on, where anybody can
/// see to that. Process context, sleeps.
///
/// A device that was given up stays so, but for one that the system wakes up, or whose function was
/// reset: it may be as good as new.
pub(super) fn reset(dev: &Device<Bound>) {
    let state = dev.bind_state();
    let was_given_up = state.is_given_up();
    if was_given_up && !state.is_asleep() {
        return;
    }
    match reset_with_limit(dev) {
        Ok(()) if was_given_up => undo_give_up(dev),
        Ok(()) => {}
        Err(e) => give_up(dev, e),
    }
}

/// Asks the device for a reset.
///
/// # Errors
///
/// - `ENODEV`: the device is not there.
/// - `ETIMEDOUT`: it does not do it.
fn reset_with_limit(dev: &Device<Bound>) -> Result {
    let state = dev.bind_state();
    let function = Function::of(dev);
    let is_present = || function.as_ref().is_none_or(Function::is_present);
    let transport = &state.tables().transport;
    let (Some(get_status), Some(reset)) = (transport.get_status, transport.reset) else {
        return Err(ENODEV);
    };
    if !is_present() {
        return Err(ENODEV);
    }
    match state.status_register() {
        // The transport waits until the device says that it is done, without an end: so it is asked
        // before.
        Some(register) => {
            register.clear();
            wait_for_zero(|| register.read())?;
        }
        None => {
            // SAFETY: This is the transport's operation for its device.
            if unsafe { get_status(dev.as_raw()) } == ALL_ONES {
                return Err(ENODEV);
            }
        }
    }
    // SAFETY: This is the transport's operation for its device.
    unsafe { reset(dev.as_raw()) };
    // SAFETY: The device is bound, so its transport's operation may be called.
    wait_for_zero(|| unsafe { get_status(dev.as_raw()) })?;
    // Where nobody answers, some read zeroes.
    if is_present() {
        Ok(())
    } else {
        Err(ENODEV)
    }
}

/// Waits until a status is 0.
///
/// # Errors
///
/// - `ENODEV`: it has all bits set.
/// - `ETIMEDOUT`.
pub(super) fn wait_for_zero(mut status: impl FnMut() -> u8) -> Result {
    let start = Instant::<Monotonic>::now();
    loop {
        match status() {
            0 => return Ok(()),
            ALL_ONES => return Err(ENODEV),
            _ if start.elapsed() > RESET_LIMIT.as_delta() => return Err(ETIMEDOUT),
            _ => fsleep(POLL_INTERVAL),
        }
    }
}

/// Gives a device up: from here on nobody waits for it.
fn give_up(dev: &Device<Bound>, why: Error) {
    let state = dev.bind_state();
    if let Some(function) = Function::of(dev) {
        // It may not have heard, and go on.
        function.forbid_dma();
    }
    // Interrupts that come from here on find broken queues.
    // SAFETY: By the type invariant of `Device`, the device is registered.
    unsafe { bindings::virtio_break_device(dev.as_raw()) };
    if !state.set_given_up(true) {
        state.tables().install(dev, false);
        let why = match why {
            ENODEV => "the device is gone",
            _ => "the device does not complete a reset",
        };
        dev_err!(
            dev.as_ref(),
            "{}: given up, not used until it is bound again, wakes up or its function is reset\n",
            why
        );
    }
}

/// Takes a device back that was given up.
fn undo_give_up(dev: &Device<Bound>) {
    let state = dev.bind_state();
    if let Some(function) = Function::of(dev) {
        function.allow_dma();
    }
    state.tables().install(dev, true);
    state.set_given_up(false);
    dev_info!(dev.as_ref(), "the device answers again\n");
}

/// Resets a device that its last driver had to leave in use, and brings it to where a driver is
/// probed.
///
/// # Errors
///
/// - `ENODEV`, `ETIMEDOUT`: the device does not do a reset.
/// - Any error of the transport when features are negotiated.
pub(crate) fn reset_if_in_use(dev: &Device<Bound>) -> Result {
    const IN_USE: u8 =
        (bindings::VIRTIO_CONFIG_S_FEATURES_OK | bindings::VIRTIO_CONFIG_S_DRIVER_OK) as u8;
    let allow_dma = || {
        if let Some(function) = Function::of(dev) {
            function.allow_dma();
        }
    };
    let status = dev.status();
    if status != ALL_ONES && status & IN_USE == 0 {
        // It may have done late what it was given up for.
        allow_dma();
        return Ok(());
    }
    // It has what its last driver had, until it is reset.
    dev.try_reset()?;
    allow_dma();
    dev.offer_features()
}
