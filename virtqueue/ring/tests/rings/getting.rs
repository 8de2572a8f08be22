// SPDX-License-Identifier: GPL-2.0

//! The buffers that come back from the device.

use crate::{
    common::{Random, Request},
    on_all, DATA, OUT, STATUS,
};
use ring_core::{AddError, Interrupt};

#[test]
fn a_buffer_goes_and_comes() {
    on_all(8, |p| {
        assert_eq!(p.driver.get(), None);
        assert_eq!(p.device.pop(), None);
        let id = p.driver.add(7, &[OUT], &[DATA, STATUS]).unwrap();
        assert_eq!(p.driver.outstanding(), 1);
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
        assert_eq!((used.token, used.len(), used.id), (7, 4097, id));
        assert_eq!(p.driver.get(), None);
        assert_eq!((p.driver.num_free(), p.driver.outstanding()), (8, 0));
        assert_eq!(p.driver.broken(), None);
    });
}

#[test]
fn used_in_any_order() {
    on_all(8, |p| {
        if p.setup.in_order {
            return;
        }
        let mut random = Random(1);
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
        let mut random = Random(3);
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
                assert_eq!((used.token, used.len()), (back, len));
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
fn drained_by_interrupts() {
    on_all(8, |p| {
        let mut random = Random(5);
        let mut with_device: std::collections::VecDeque<Request> = Default::default();
        let (mut given, mut used, mut back) = (0, 0, 0);
        for _ in 0..3000 {
            while random.below(3) != 0 && p.driver.add(given, &[OUT], &[(0, 9)]).is_ok() {
                given += 1;
            }
            p.driver.kick_prepare();
            with_device.extend(std::iter::from_fn(|| p.device.pop()));
            // The first used buffer raises a callback, whether the driver drained one or many
            // before.
            let mut first = true;
            while random.below(3) != 0 {
                let Some(request) = with_device.pop_front() else {
                    break;
                };
                let calls = p.device.push(&request, 9);
                assert!(calls || !first);
                first = false;
                used += 1;
            }
            if first {
                assert_eq!(p.driver.interrupt(), Interrupt::None);
                continue;
            }
            assert_eq!(p.driver.interrupt(), Interrupt::Callback);
            let (all, broken) = p.driver.drain();
            assert!(!broken);
            for one in all {
                assert_eq!((one.token, one.len()), (back, 9));
                back += 1;
            }
            assert_eq!(back, used, "all that was used was there");
            assert_eq!(p.driver.interrupt(), Interrupt::None);
        }
        assert!(back > 1000);
        p.driver.declare_broken();
        assert_eq!(p.driver.drain(), (Vec::new(), true));
    });
}

#[test]
fn added_again() {
    on_all(8, |p| {
        let keeps = !p.setup.packed && !p.setup.in_order;
        let mut random = Random(7);
        let mut with_device = Vec::new();
        let (mut given, mut out, mut again, mut taken) = (0, 0, 0, 0);
        assert_eq!(p.driver.look(true), None);
        for _ in 0..3000 {
            while random.below(3) != 0 {
                let segments = &[(u64::from(given), 8), (1, 2)][..1 + random.below(2) as usize];
                if p.driver.add(given, segments, &[(3, 5)]).is_err() {
                    break;
                }
                given += 1;
                out += 1;
            }
            p.driver.kick_prepare();
            with_device.extend(std::iter::from_fn(|| p.device.pop()));
            assert_eq!(with_device.len(), out, "{}", p.setup);
            while random.below(3) != 0 && !with_device.is_empty() {
                let i = match p.setup.in_order {
                    true => 0,
                    false => random.below(with_device.len() as u64) as usize,
                };
                let request: Request = with_device.remove(i);
                p.device.push(&request, 5);
                if !keeps {
                    assert_eq!(p.driver.look(true), None);
                    assert_eq!(p.driver.get().unwrap().id, request.id);
                    out -= 1;
                    continue;
                }
                let before = (p.driver.num_free(), p.driver.outstanding());
                let unkicked = p.driver.num_unkicked();
                let added = random.below(2) != 0;
                let shown = p.driver.peek().unwrap();
                assert_eq!(request.out[0].0, shown.token.into());
                assert_eq!((shown.id, shown.len()), (request.id, 5));
                assert_eq!(p.driver.look(added), Some(shown));
                if !added {
                    assert_eq!(p.driver.outstanding(), before.1 - 1);
                    taken += 1;
                    out -= 1;
                    continue;
                }
                again += 1;
                assert_eq!((p.driver.num_free(), p.driver.outstanding()), before);
                assert_eq!(p.driver.num_unkicked(), unkicked + 1);
                // The device finds it after the next kick.
                assert_eq!(p.device.pop(), None);
                p.driver.kick_prepare();
                assert_eq!(p.device.pop(), Some(request.clone()));
                with_device.push(request);
            }
            assert_eq!(p.driver.look(true), None);
        }
        assert!(!keeps || taken > 1000 && again > 1000, "{}", p.setup);
        assert_eq!(p.driver.broken(), None);
        p.driver.declare_broken();
        assert_eq!(p.driver.look(true), None);
    });
}
