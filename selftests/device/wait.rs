// SPDX-License-Identifier: GPL-2.0

//! Waiting with an end.

use kernel::time::{
    delay::fsleep,
    Delta,
    Instant,
    Monotonic, //
};

/// The factor by which something may take longer than its test says. An event comes soon or never,
/// so limits only end tests that are stuck; with KASAN, and the checkers that go with it, soon is
/// later.
const PATIENCE: i64 = if cfg!(CONFIG_KASAN) { 10 } else { 1 };

/// Waits until `condition` holds, for up to `millis`; returns whether it does.
pub fn until(millis: u32, mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::<Monotonic>::now();
    loop {
        if condition() {
            return true;
        }
        if start.elapsed().as_millis() > i64::from(millis) * PATIENCE {
            return condition();
        }
        fsleep(Delta::from_micros(200));
    }
}

/// Lets time pass.
pub fn pause(millis: u32) {
    fsleep(Delta::from_millis(millis.into()));
}

/// Milliseconds that `f` took.
pub fn time<R>(f: impl FnOnce() -> R) -> (R, i64) {
    let start = Instant::<Monotonic>::now();
    let result = f();
    (result, start.elapsed().as_millis())
}
