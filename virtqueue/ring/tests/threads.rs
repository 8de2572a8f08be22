// SPDX-License-Identifier: GPL-2.0

//! A driver and a device on two processors, each asleep when it has nothing to do: every buffer is
//! added and comes back, and no side sleeps for ever.

mod common;

use common::{setups, Pair, Setup};
use std::{
    sync::{
        atomic::{fence, AtomicBool, Ordering::SeqCst},
        Arc,
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

/// The number of buffers of each run.
const TOTAL: u32 = 20_000;

/// An event that one side waits for and the other one signals.
#[derive(Default)]
struct Bell(AtomicBool);

impl Bell {
    fn ring(&self, thread: &Thread) {
        self.0.store(true, SeqCst);
        thread.unpark();
    }

    fn wait(&self, what: &str) {
        let start = Instant::now();
        while !self.0.swap(false, SeqCst) {
            thread::park_timeout(Duration::from_secs(1));
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "{what} sleeps for ever"
            );
        }
    }
}

fn run(setup: Setup) {
    println!("{setup}");
    let Pair {
        mut driver, arena, ..
    } = setup.build();
    let (kicked, called) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
    let (bell, other, main) = (kicked.clone(), called.clone(), thread::current());
    let device_side = thread::spawn(move || {
        let mut device = setup.device(arena);
        let mut seen = 0;
        while seen < TOTAL {
            // With no buffer available, asks for a notification and looks again.
            let request = device.pop().or_else(|| {
                fence(SeqCst);
                device.pop()
            });
            match request {
                Some(request) => {
                    seen += 1;
                    if device.push(&request, 1) {
                        other.ring(&main);
                    }
                }
                None => bell.wait("the device"),
            }
        }
    });
    let device = device_side.thread().clone();
    let (mut added, mut taken) = (0, 0);
    while taken < TOTAL {
        let before = added;
        while added < TOTAL && driver.add(added, &[(1, 1)], &[(2, 1)]).is_ok() {
            added += 1;
        }
        if added != before && driver.kick_prepare() {
            kicked.ring(&device);
        }
        driver.disable_cb();
        loop {
            while let Some(used) = driver.get() {
                if setup.in_order {
                    assert_eq!(used.token, taken);
                }
                assert_eq!(used.len(), 1);
                taken += 1;
            }
            assert_eq!(driver.broken(), None);
            let delayed = taken % 2 == 0;
            let sleeps = if delayed {
                driver.enable_cb_delayed()
            } else {
                driver.enable_cb()
            };
            if sleeps || taken == TOTAL {
                break;
            }
            driver.disable_cb();
        }
        if taken < TOTAL && driver.outstanding() != 0 && (driver.num_free() < 2 || added == TOTAL) {
            called.wait("the driver");
        }
    }
    device_side.join().unwrap();
}

#[test]
fn asleep_and_awake() {
    for size in [2, 8, 64] {
        setups(size).into_iter().for_each(run);
    }
}
