// SPDX-License-Identifier: GPL-2.0

//! Kicks and callbacks, and how they are suppressed.

use crate::{
    common::{setups, Pair, Request, Setup},
    on_all, OUT,
};
use ring_core::Interrupt;

#[test]
fn suppressed_kicks() {
    on_all(8, |p| {
        assert_eq!(p.device.pop(), None);
        p.driver.add(1, &[OUT], &[]).unwrap();
        assert!(p.driver.kick_prepare());
        p.device.want_kicks(false);
        p.driver.add(2, &[OUT], &[]).unwrap();
        assert!(!p.driver.kick_prepare());
        p.driver.add(3, &[OUT], &[]).unwrap();
        p.driver.add(4, &[OUT], &[]).unwrap();
        assert!(!p.driver.kick_prepare());
        while p.device.pop().is_some() {}
        p.device.want_kicks(true);
        assert_eq!(p.driver.kick_prepare(), !p.setup.event_idx);
        p.driver.add(5, &[OUT], &[]).unwrap();
        p.driver.add(6, &[OUT], &[]).unwrap();
        assert!(p.driver.kick_prepare());
        // No buffer was added since.
        assert_eq!(p.driver.kick_prepare(), !p.setup.event_idx);
    });
}

#[test]
fn callbacks() {
    on_all(8, |p| {
        let one = |p: &mut Pair| {
            p.driver.add(1, &[OUT], &[]).unwrap();
            p.driver.kick_prepare();
            let request = p.device.pop().unwrap();
            p.device.push(&request, 0)
        };
        // Callbacks are enabled at first, and after each buffer that was taken, whether or not
        // `get` found the ring empty.
        for _ in 0..3 {
            assert!(one(p));
            assert!(p.driver.get().is_some());
        }
        assert!(one(p));
        assert!(p.driver.get().is_some() && p.driver.get().is_none());
        // Callbacks are disabled.
        p.driver.disable_cb();
        for _ in 0..3 {
            assert!(!one(p));
            assert!(p.driver.get().is_some());
        }
        // Callbacks are enabled again, with no used buffer.
        assert!(p.driver.enable_cb());
        assert!(one(p));
        assert_eq!(p.driver.interrupt(), Interrupt::Callback);
        // Callbacks are disabled after the callback, and enabled while a used buffer is there.
        p.driver.disable_cb();
        assert!(!p.driver.enable_cb());
        assert!(p.driver.get().is_some());
        assert_eq!(p.driver.interrupt(), Interrupt::None);
        // In two halves: `enable_cb_prepare` and `poll`.
        p.driver.disable_cb();
        let armed = p.driver.enable_cb_prepare();
        assert!(!p.driver.poll(armed));
        assert!(one(p));
        assert!(p.driver.poll(armed));
        assert!(p.driver.get().is_some());
    });
}

/// Callbacks that are disabled in a callback do not come, whether or not the device is asked for
/// them by index.
#[test]
fn disabled_in_a_callback() {
    on_all(8, |p| {
        for token in 0..4 {
            p.driver.add(token, &[OUT], &[]).unwrap();
        }
        p.driver.kick_prepare();
        for token in 0..4 {
            let request = p.device.pop().unwrap();
            assert_eq!(p.device.push(&request, 0), token == 0);
            if token == 0 {
                assert_eq!(p.driver.interrupt(), Interrupt::Callback);
                p.driver.disable_cb();
            }
        }
        while p.driver.get().is_some() {}
        assert!(p.driver.enable_cb());
        p.driver.add(4, &[OUT], &[]).unwrap();
        p.driver.kick_prepare();
        let request = p.device.pop().unwrap();
        assert!(p.device.push(&request, 0));
    });
}

#[test]
fn delayed_callbacks() {
    on_all(16, |p| {
        p.driver.disable_cb();
        for token in 0..8 {
            p.driver.add(token, &[OUT], &[]).unwrap();
        }
        p.driver.kick_prepare();
        assert!(p.driver.enable_cb_delayed());
        let mut interrupts = Vec::new();
        for n in 1..=8 {
            let request = p.device.pop().unwrap();
            if p.device.push(&request, 0) {
                interrupts.push(n);
            }
        }
        if p.setup.event_idx {
            assert_eq!(interrupts.len(), 1);
            assert!(interrupts[0] >= 6, "{interrupts:?}");
        } else {
            assert_eq!(interrupts.len(), 8);
        }
        assert!(!p.driver.enable_cb_delayed());
        while p.driver.get().is_some() {}
        assert!(p.driver.enable_cb_delayed());
    });
}

#[test]
fn kicks_and_delayed_callbacks_in_one() {
    on_all(16, |p| {
        assert_eq!(p.device.pop(), None);
        p.driver.disable_cb();
        for token in 0..8 {
            p.driver.add(token, &[OUT], &[]).unwrap();
        }
        assert_eq!(p.driver.kick_prepare_enable_cb_delayed(), (true, true));
        let mut requests: Vec<_> = std::iter::from_fn(|| p.device.pop()).collect();
        let rest = requests.split_off(5);
        let mut calls = |requests: &[Request]| {
            let called = requests.iter().filter(|request| p.device.push(request, 0));
            called.count()
        };
        assert_eq!(calls(&requests), if p.setup.event_idx { 0 } else { 5 });
        assert_ne!(calls(&rest), 0);
        // No buffer is added, and every one is used.
        let (kick, quiet) = p.driver.kick_prepare_enable_cb_delayed();
        assert_eq!((kick, quiet), (!p.setup.event_idx, false));
        p.driver.declare_broken();
        assert_eq!(p.driver.kick_prepare_enable_cb_delayed(), (false, true));
    });
}

#[test]
fn without_a_callback() {
    for setup in setups(4) {
        let setup = Setup {
            callbacks: false,
            ..setup
        };
        let p = &mut setup.build();
        p.driver.add(1, &[OUT], &[]).unwrap();
        p.driver.kick_prepare();
        let request = p.device.pop().unwrap();
        // The event index of a split ring cannot say never.
        let called = setup.event_idx && !setup.packed;
        assert_eq!(p.device.push(&request, 0), called);
        assert!(p.driver.get().is_some());
    }
}

#[test]
fn notification_data() {
    for setup in setups(4) {
        let p = &mut setup.build();
        for n in 1..=9u32 {
            p.driver.add(n, &[OUT], &[]).unwrap();
            p.driver.kick_prepare();
            let next = if setup.packed {
                // The wrap counter is 1 at first.
                (n % 4) | (u32::from(n / 4 % 2 == 0) << 15)
            } else {
                n
            };
            assert_eq!(p.driver.notification_data(5), next << 16 | 5);
            let request = p.device.pop().unwrap();
            p.device.push(&request, 0);
            assert!(p.driver.get().is_some());
        }
    }
}
