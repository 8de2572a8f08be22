// SPDX-License-Identifier: GPL-2.0

//! Bounded reset of a device: the reset ends even if the device does not answer (virtio spec §2.4).

use super::{
    pci::Function,
    Device, //
};
use crate::{
    bindings,
    Feature,
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
/// The time between two reads of the status.
const POLL_INTERVAL: Delta = Delta::from_millis(1);
/// The status of a device that is not there: no device has all bits set (§2.1).
pub(super) const ALL_ONES: u8 = 0xff;
const FAILED: u8 = bindings::VIRTIO_CONFIG_S_FAILED as u8;

/// Resets a device, or gives it up if the device does not complete the reset. Afterwards the device
/// uses no memory, as far as the bus can prevent it. Process context, sleeps.
///
/// A device that was given up stays given up, unless the system wakes it up or its function was
/// reset.
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

/// Asks the device for a reset, and waits for it, with a time limit.
///
/// # Errors
///
/// - `ENODEV`: the device is not there.
/// - `ENOTSUPP`: the device cannot be reset.
/// - `ETIMEDOUT`: the device does not complete the reset.
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
        // The transport waits for the device without a limit. So the device is reset here.
        Some(register) => {
            let before = register.read();
            register.clear();
            wait_for_zero(|| unless_refused(before, register.read()))?;
            if transport.synchronize_cbs.is_some() && !dev.has_feature(Feature::ADMIN_VQ) {
                // The transport's reset would do no more than this, after another wait.
                dev.synchronize_callbacks();
            } else {
                // SAFETY: This is the transport's operation for its device.
                unsafe { reset(dev.as_raw()) };
            }
        }
        None => {
            // SAFETY: This is the transport's operation for its device.
            let before = unsafe { get_status(dev.as_raw()) };
            if before == ALL_ONES {
                return Err(ENODEV);
            }
            // SAFETY: This is the transport's operation for its device.
            unsafe { reset(dev.as_raw()) };
            // SAFETY: The device is bound, so its transport's operation may be called.
            wait_for_zero(|| unless_refused(before, unsafe { get_status(dev.as_raw()) }))?;
        }
    }
    // Some systems read zeroes if there is no device.
    if is_present() {
        Ok(())
    } else {
        Err(ENODEV)
    }
}

/// Returns the status that a device has since it was asked for a reset.
///
/// # Errors
///
/// `ENOTSUPP`: the device has set FAILED, which it had not set `before`. Firecracker's devices say
/// in this way that they cannot be reset.
fn unless_refused(before: u8, status: u8) -> Result<u8> {
    if status != ALL_ONES && status & !before & FAILED != 0 {
        return Err(ENOTSUPP);
    }
    Ok(status)
}

/// Waits until a status is 0.
///
/// # Errors
///
/// - `ENODEV`: all bits are set.
/// - `ETIMEDOUT`.
/// - Errors of `status`.
pub(super) fn wait_for_zero(mut status: impl FnMut() -> Result<u8>) -> Result {
    let start = Instant::<Monotonic>::now();
    loop {
        match status()? {
            0 => return Ok(()),
            ALL_ONES => return Err(ENODEV),
            _ if start.elapsed() > RESET_LIMIT.as_delta() => return Err(ETIMEDOUT),
            _ => fsleep(POLL_INTERVAL),
        }
    }
}

/// Gives a device up: no operation waits for it any longer.
fn give_up(dev: &Device<Bound>, why: Error) {
    let state = dev.bind_state();
    if let Some(function) = Function::of(dev) {
        // The device may go on, because it may not have received the reset.
        function.forbid_dma();
    }
    // Later interrupts find broken queues.
    // SAFETY: By the type invariant of `Device`, the device is registered.
    unsafe { bindings::virtio_break_device(dev.as_raw()) };
    if !state.set_given_up(true) {
        state.tables().install(dev, false);
        let why = match why {
            ENODEV => "the device is gone",
            ENOTSUPP => "the device cannot be reset",
            _ => "the device does not complete a reset",
        };
        dev_err!(
            dev.as_ref(),
            "{}: given up, not used until it is bound again, wakes up or its function is reset\n",
            why
        );
    }
}

/// Takes a device back into use that was given up.
fn undo_give_up(dev: &Device<Bound>) {
    let state = dev.bind_state();
    if let Some(function) = Function::of(dev) {
        function.allow_dma();
    }
    state.tables().install(dev, true);
    state.set_given_up(false);
    dev_info!(dev.as_ref(), "the device answers again\n");
}

/// Resets a device that an earlier driver left in use, and negotiates up to the state in which the
/// core calls `probe`.
///
/// # Errors
///
/// - `ENODEV`, `ETIMEDOUT`: the device does not complete a reset.
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
        // If the device was given up, it may have completed the reset since.
        allow_dma();
        return Ok(());
    }
    // Until the reset, the device has the queues of its last driver.
    dev.try_reset()?;
    allow_dma();
    dev.offer_features()
}
