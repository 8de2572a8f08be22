// SPDX-License-Identifier: GPL-2.0

//! A ring that is emptied, or broken by its owner.

use crate::{on_all, DATA, OUT};
use ring_core::{AddError, BrokenReason, Interrupt};

#[test]
fn detached_in_order_of_ids() {
    on_all(8, |p| {
        for token in 0..4 {
            p.driver.add(token, &[OUT], &[DATA]).unwrap();
        }
        p.driver.publish();
        let request = p.device.pop().unwrap();
        p.device.push(&request, 0);
        assert_eq!(p.driver.get().unwrap().token, 0);
        for token in 1..4 {
            assert_eq!(p.driver.detach_unused(), Some(token));
        }
        assert_eq!(p.driver.detach_unused(), None);
        assert_eq!((p.driver.num_free(), p.driver.outstanding()), (8, 0));
    });
}

#[test]
fn reset_and_resize_give_back_and_start_again() {
    on_all(8, |p| {
        for size in [8, 4, 16, 1, 8] {
            for token in 0..p.driver.size().min(4).into() {
                p.driver.add(token, &[OUT], &[]).unwrap();
            }
            p.driver.publish();
            p.driver.declare_broken();
            let given: Vec<u32> = (0..p.driver.size().min(4).into()).collect();
            let setup = p.setup.of_size(size);
            if size == p.driver.size() {
                assert_eq!(p.driver.reset(), given);
            } else {
                assert_eq!(p.driver.resize(size), given);
            }
            // The queue stays broken until its owner says otherwise.
            assert_eq!(p.driver.broken(), Some(BrokenReason::Declared));
            p.driver.unbreak();
            assert_eq!(p.driver.broken(), None);
            assert_eq!((p.driver.size(), p.driver.num_free()), (size, size));
            let mut device = setup.device(p.arena.clone());
            for token in 0..100 {
                p.driver.add(token, &[OUT], &[]).unwrap();
                assert!(p.driver.kick_prepare());
                let request = device.pop().unwrap();
                assert_eq!(device.pop(), None);
                assert!(device.push(&request, 0));
                assert_eq!(p.driver.get().unwrap().token, token);
            }
        }
    });
}

#[test]
fn a_broken_queue_takes_and_gives_nothing() {
    on_all(8, |p| {
        p.driver.add(1, &[OUT], &[]).unwrap();
        p.driver.publish();
        let request = p.device.pop().unwrap();
        p.device.push(&request, 0);
        p.driver.declare_broken();
        assert_eq!(p.driver.add(2, &[OUT], &[]), Err((AddError::Broken, 2)));
        assert_eq!(p.driver.get(), None);
        // The notification of the buffers that were added before: it fails.
        assert!(p.driver.kick_prepare());
        assert!(p.driver.enable_cb() && p.driver.enable_cb_delayed());
        let armed = p.driver.enable_cb_prepare();
        assert!(!p.driver.poll(armed));
        assert_eq!(p.driver.interrupt(), Interrupt::Ignore);
        assert_eq!(p.driver.take_broken_report(), None);
        assert_eq!(p.driver.detach_unused(), Some(1));
        // Taking the last buffer back does not repair the queue.
        assert_eq!(p.driver.broken(), Some(BrokenReason::Declared));
        assert_eq!(p.driver.add(3, &[OUT], &[]), Err((AddError::Broken, 3)));
    });
}
