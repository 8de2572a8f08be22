// SPDX-License-Identifier: GPL-2.0

//! Waiting with a time limit.

use kernel::time::{
    delay::fsleep,
    Delta,
    Instant,
    Monotonic, //
};

/// The factor for the time limits of tests. An event comes soon or never, so a limit only ends a
/// test that is stuck. An emulated processor that shares one of the machine's with others may stand
/// still for seconds. Kernels with KASAN and other checkers are slower.
const PATIENCE: i64 = if cfg!(CONFIG_KASAN) { 10 } else { 4 };

/// Waits until `condition` holds, for up to `millis` milliseconds. Returns whether it holds.
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

/// Sleeps for `millis` milliseconds.
pub fn pause(millis: u32) {
    fsleep(Delta::from_millis(millis.into()));
}

/// Returns the result of `f`, and the milliseconds that it took.
pub fn time<R>(f: impl FnOnce() -> R) -> (R, i64) {
    let start = Instant::<Monotonic>::now();
    let result = f();
    (result, start.elapsed().as_millis())
}
