// SPDX-License-Identifier: GPL-2.0

//! What a ring does with a device that keeps to the rules, on every layout.

mod common;

use common::{setups, Pair, Request, Setup};
use virtio_ring::{AddError, Endian, IndirectRule, Interrupt};

/// Runs a test on every layout and feature.
fn on_all(size: u16, test: impl Fn(&mut Pair)) {
    for setup in setups(size) {
        println!("{setup}");
        test(&mut setup.build());
    }
}

const OUT: (u64, u32) = (0x1000, 16);
const DATA: (u64, u32) = (0x2000, 4096);
const STATUS: (u64, u32) = (0x3000, 1);

#[test]
fn a_buffer_goes_and_comes() {
    on_all(8, |p| {
        assert_eq!(p.driver.get(), None);
        assert_eq!(p.device.pop(), None);
        let id = p.driver.add(7, &[OUT], &[DATA, STATUS]).unwrap();
        assert_eq!(p.driver.in_flight(), 1);
        let direct = p.setup.tables == 0;
        assert_eq!(p.driver.num_free(), if direct { 5 } else { 7 });
        assert!(p.driver.kick_prepare());
        let request = p.device.pop().unwrap();
        assert_eq!(
            request,
            Request {
                id,
                out: vec![OUT],
                in_: vec![DATA, STATUS],
                descs: if direct { 3 } else { 1 },
                indirect: !direct,
                table: request.table,
            }
        );
        assert_eq!(p.device.pop(), None);
        assert_eq!(p.driver.get(), None);
        assert!(p.device.push(&request, 4097));
        let used = p.driver.get().unwrap();
        assert_eq!((used.token, used.len, used.id), (7, 4097, id));
        assert_eq!(p.driver.get(), None);
        assert_eq!((p.driver.num_free(), p.driver.in_flight()), (8, 0));
        assert_eq!(p.driver.broken(), None);
    });
}

#[test]
fn nothing_is_seen_before_it_is_published() {
    on_all(8, |p| {
        p.driver.add(1, &[OUT], &[]).unwrap();
        p.driver.add(2, &[OUT], &[]).unwrap();
        assert_eq!(p.device.pop(), None);
        p.driver.publish();
        assert!(p.device.pop().is_some());
        assert!(p.device.pop().is_some());
        p.driver.add(3, &[OUT], &[]).unwrap();
        assert_eq!(p.device.pop(), None);
        p.driver.publish();
        p.driver.publish();
        assert!(p.device.pop().is_some());
        assert_eq!(p.device.pop(), None);
    });
}

#[test]
fn a_full_ring_takes_no_more() {
    on_all(8, |p| {
        for token in 0..8 {
            p.driver.add(token, &[OUT], &[]).unwrap();
        }
        assert_eq!(p.driver.num_free(), 0);
        assert_eq!(p.driver.add(9, &[OUT], &[]), Err((AddError::Full, 9)));
        assert_eq!(p.driver.add(9, &[OUT], &[DATA]), Err((AddError::Full, 9)));
        p.driver.publish();
        let request = p.device.pop().unwrap();
        p.device.push(&request, 0);
        assert_eq!(p.driver.get().unwrap().token, 0);
        p.driver.add(9, &[OUT], &[]).unwrap();
        p.driver.publish();
        for token in (1..8).chain([9]) {
            let request = p.device.pop().unwrap();
            p.device.push(&request, 0);
            assert_eq!(p.driver.get().unwrap().token, token);
        }
        assert_eq!(p.driver.num_free(), 8);
    });
}

#[test]
fn a_chain_may_fill_the_ring() {
    on_all(8, |p| {
        let out: Vec<_> = (0..8).map(|i| (0x1000 * i, 10)).collect();
        p.driver.add(1, &out, &[]).unwrap();
        assert_eq!(p.driver.num_free(), 0);
        p.driver.publish();
        let request = p.device.pop().unwrap();
        assert_eq!((&request.out, request.descs), (&out, 8));
        p.device.push(&request, 0);
        assert_eq!(p.driver.get().unwrap().token, 1);
        assert_eq!(p.driver.num_free(), 8);
        let nine = [(0, 1); 9];
        assert_eq!(p.driver.add(2, &nine, &[]), Err((AddError::TooMany, 2)));
    });
}

#[test]
fn what_cannot_be_added_leaves_no_trace() {
    on_all(8, |p| {
        let d = &mut p.driver;
        assert_eq!(d.add(1, &[], &[]), Err((AddError::Empty, 1)));
        assert_eq!(
            d.add_claiming(2, 1, &[OUT], &[DATA]),
            Err((AddError::TooMany, 2))
        );
        assert_eq!(d.add_claiming(2, 3, &[OUT], &[]).map(|_| ()), Ok(()));
        let long = [(0, u32::MAX), (0, 1)];
        assert_eq!(d.add(3, &long, &[]), Err((AddError::TooLong, 3)));
        assert_eq!(d.add(3, &[], &long), Err((AddError::TooLong, 3)));
        assert_eq!(d.add_failing(4, 4, &[OUT, DATA, STATUS]), 4);
        assert_eq!((d.num_free(), d.in_flight()), (7, 1));
        d.publish();
        let request = p.device.pop().unwrap();
        assert_eq!(request.out, [OUT]);
        assert_eq!(p.device.pop(), None);
        // And again with shorter ones than those that failed, all around the ring.
        for token in 0..50 {
            assert_eq!(p.driver.add_failing(5, 4, &[OUT, DATA, STATUS, OUT]), 5);
            p.driver.add(token, &[DATA], &[]).unwrap();
            p.driver.publish();
            let next = p.device.pop().unwrap();
            assert_eq!(
                (next.out.as_slice(), next.in_.len()),
                ([DATA].as_slice(), 0)
            );
            assert_eq!(p.device.pop(), None);
            if token == 0 {
                p.device.push(&request, 0);
                assert_eq!(p.driver.get().unwrap().token, 2);
            }
            p.device.push(&next, 0);
            assert_eq!(p.driver.get().unwrap().token, token);
        }
    });
}

#[test]
fn used_in_any_order() {
    on_all(8, |p| {
        if p.setup.in_order {
            return;
        }
        let mut random = common::Random(1);
        let mut with_device = Vec::new();
        let mut out = 0u32;
        for round in 0..2000u32 {
            let n = 1 + random.below(3) as usize;
            let segments: Vec<_> = (0..n as u64).map(|i| (round as u64 * 16 + i, 8)).collect();
            match p.driver.add(round, &segments, &[(1, 5)]) {
                Ok(_) => out += 1,
                Err((e, token)) => assert_eq!((e, token), (AddError::Full, round)),
            }
            p.driver.kick_prepare();
            while let Some(request) = p.device.pop() {
                with_device.push(request);
            }
            assert_eq!(with_device.len() as u32, out);
            while random.below(3) != 0 && !with_device.is_empty() {
                let i = random.below(with_device.len() as u64) as usize;
                let request = with_device.swap_remove(i);
                p.device.push(&request, 5);
                let used = p.driver.get().unwrap();
                assert_eq!(request.out[0].0, used.token as u64 * 16);
                assert_eq!(used.id, request.id);
                out -= 1;
            }
        }
        assert_eq!(p.driver.broken(), None);
    });
}

#[test]
fn batches_in_order() {
    on_all(8, |p| {
        if !p.setup.in_order {
            return;
        }
        let mut random = common::Random(3);
        let mut with_device: std::collections::VecDeque<Request> = Default::default();
        let (mut given, mut back) = (0, 0);
        for _ in 0..3000 {
            while random.below(3) != 0 {
                let n = random.below(3) as usize;
                let room = 10 + given % 7;
                if p.driver
                    .add(given, &[OUT, DATA][..n], &[(0, room)])
                    .is_err()
                {
                    break;
                }
                given += 1;
            }
            p.driver.kick_prepare();
            with_device.extend(std::iter::from_fn(|| p.device.pop()));
            // One or two batches before the driver looks.
            let mut lens = Vec::new();
            for _ in 0..1 + random.below(2) {
                let n = random.below(with_device.len() as u64 + 1) as usize;
                if n != 0 {
                    let batch: Vec<_> = with_device.drain(..n).collect();
                    lens.extend(batch.iter().map(Request::room));
                    *lens.last_mut().unwrap() = 3;
                    p.device.push_batch(&batch, 3);
                }
            }
            for len in lens {
                assert_eq!(p.driver.interrupt(), Interrupt::Callback);
                let used = p.driver.get().unwrap();
                assert_eq!((used.token, used.len), (back, len));
                back += 1;
            }
            assert_eq!(p.driver.get(), None);
            assert_eq!(p.driver.interrupt(), Interrupt::None);
        }
        assert!(back > 1000);
        assert_eq!(p.driver.broken(), None);
    });
}

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
        // On at first, and after each that was taken, whether or not `get` is called in vain.
        for _ in 0..3 {
            assert!(one(p));
            assert!(p.driver.get().is_some());
        }
        assert!(one(p));
        assert!(p.driver.get().is_some() && p.driver.get().is_none());
        // Off.
        p.driver.disable_cb();
        for _ in 0..3 {
            assert!(!one(p));
            assert!(p.driver.get().is_some());
        }
        // On again, with nothing there.
        assert!(p.driver.enable_cb());
        assert!(one(p));
        assert_eq!(p.driver.interrupt(), Interrupt::Callback);
        // Off after the callback, on while something is there.
        p.driver.disable_cb();
        assert!(!p.driver.enable_cb());
        assert!(p.driver.get().is_some());
        assert_eq!(p.driver.interrupt(), Interrupt::None);
        // In two halves.
        p.driver.disable_cb();
        let armed = p.driver.enable_cb_prepare();
        assert!(!p.driver.poll(armed));
        assert!(one(p));
        assert!(p.driver.poll(armed));
        assert!(p.driver.get().is_some());
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
        // Nothing is added, and all is used.
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
        assert_eq!((p.driver.num_free(), p.driver.in_flight()), (8, 0));
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
        assert!(!p.driver.kick_prepare());
        assert!(p.driver.enable_cb() && p.driver.enable_cb_delayed());
        let armed = p.driver.enable_cb_prepare();
        assert!(!p.driver.poll(armed));
        assert_eq!(p.driver.interrupt(), Interrupt::Ignore);
        assert_eq!(p.driver.take_report(), None);
        assert_eq!(p.driver.detach_unused(), Some(1));
    });
}

#[test]
fn wrong_lengths_that_are_known_and_harmless_are_cut() {
    for setup in setups(8) {
        let p = &mut Setup {
            trim: true,
            ..setup
        }
        .build();
        p.driver.add(1, &[OUT], &[STATUS]).unwrap();
        p.driver.publish();
        let request = p.device.pop().unwrap();
        p.device.push(&request, 17);
        assert_eq!(p.driver.get().unwrap().len, 1);

        let p = &mut setup.build();
        p.driver.add(1, &[OUT], &[]).unwrap();
        p.driver.publish();
        let request = p.device.pop().unwrap();
        p.device.push(&request, 16);
        assert_eq!(p.driver.get().unwrap().len, 0);
        assert_eq!(p.driver.broken(), None);
    }
}

#[test]
fn legacy_byte_order() {
    for setup in setups(8) {
        let p = &mut Setup {
            endian: Endian::Native,
            ..setup
        }
        .build();
        for token in 0..20 {
            p.driver.add(token, &[OUT], &[DATA]).unwrap();
            assert!(p.driver.kick_prepare());
            let request = p.device.pop().unwrap();
            assert_eq!((request.out[0], request.in_[0]), (OUT, DATA));
            assert_eq!(p.device.pop(), None);
            assert!(p.device.push(&request, 99));
            assert_eq!(p.driver.get().unwrap().len, 99);
        }
    }
}

#[test]
fn tables_by_rule() {
    for setup in setups(8).into_iter().filter(|s| s.tables != 0) {
        let rule = IndirectRule {
            from: 4,
            keep_free: 2,
        };
        let p = &mut Setup { rule, ..setup }.build();
        let add = |p: &mut Pair, n: usize| {
            p.driver.add(1, &[OUT; 5][..n], &[]).unwrap();
            p.driver.publish();
            let request = p.device.pop().unwrap();
            assert_eq!(request.out.len(), n);
            (request.indirect, request.descs)
        };
        assert_eq!(add(p, 1), (false, 1));
        assert_eq!(add(p, 2), (false, 2));
        assert_eq!(add(p, 4), (true, 1));
        assert_eq!(add(p, 2), (false, 2));
        // Two are left.
        assert_eq!(add(p, 2), (true, 1));
        assert_eq!(add(p, 1), (false, 1));
        assert_eq!(p.driver.num_free(), 0);
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
                n % 4 | u32::from(n / 4 % 2 == 0) << 15
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
