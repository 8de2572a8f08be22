// SPDX-License-Identifier: GPL-2.0

//! Devices that lie in every way that a ring allows. The queue is broken and reported once, and the
//! outstanding buffers stay in the queue until it is emptied.

mod common;

use common::{setups, Pair, Random, Request, Setup};
use ring_core::{BrokenReason, Callbacks};
use std::collections::HashSet;

const SEGMENT: (u64, u32) = (0x1000, 64);

/// A ring of 8 descriptors with three outstanding buffers.
fn three(setup: Setup) -> (Pair, Vec<Request>) {
    let mut p = setup.build();
    for token in 0..3 {
        p.driver.add(token, &[SEGMENT], &[SEGMENT]).unwrap();
    }
    p.driver.publish();
    let requests = std::iter::from_fn(|| p.device.pop()).collect();
    (p, requests)
}

/// Checks that the queue is broken for that reason, which is reported once, and that emptying it
/// returns `left`.
fn is_broken(p: &mut Pair, reason: BrokenReason, left: &[u32]) {
    println!("{}: {}", p.setup, reason.as_str());
    assert_eq!(p.driver.get(), None);
    assert_eq!(p.driver.broken(), Some(reason));
    assert_eq!(p.driver.take_broken_report().unwrap().reason, reason);
    assert_eq!(p.driver.take_broken_report(), None);
    assert_eq!(p.driver.get(), None);
    assert_eq!(p.driver.take_broken_report(), None);
    // A driver that waits for more buffers learns of it as well.
    assert!(p.driver.enable_cb() && p.driver.enable_cb_delayed());
    assert_eq!(p.driver.arm_cb(), [Callbacks::Broken; 2]);
    assert_eq!(usize::from(p.driver.outstanding()), left.len());
    assert_eq!(p.driver.reset(), left);
    assert_eq!(p.driver.broken(), Some(reason));
    p.driver.unbreak();
    // The queue works again.
    let mut device = p.setup.device(p.arena.clone());
    p.driver.add(9, &[SEGMENT], &[]).unwrap();
    assert!(p.driver.kick_prepare());
    let request = device.pop().unwrap();
    device.push(&request, 0);
    assert_eq!(p.driver.arm_cb(), [Callbacks::Missed; 2]);
    assert_eq!(p.driver.get().unwrap().token, 9);
    assert_eq!(p.driver.arm_cb(), [Callbacks::On; 2]);
}

#[test]
fn ids_out_of_range() {
    for setup in setups(8) {
        for id in [8, 9, 0x7fff, 0xffff, 0x1_0000, 0x8000_0000, u32::MAX] {
            if setup.packed && id > 0xffff {
                continue;
            }
            let (mut p, _) = three(setup);
            p.device.forge(id, 0);
            is_broken(&mut p, BrokenReason::IdOutOfRange, &[0, 1, 2]);
        }
    }
}

#[test]
fn ids_that_the_device_does_not_have() {
    for setup in setups(8) {
        let (_, requests) = three(setup);
        for id in 0..8 {
            // A descriptor that is no head, and an id that was never used.
            if requests.iter().any(|request| request.id == id) {
                continue;
            }
            let (mut p, _) = three(setup);
            p.device.forge(id.into(), 0);
            is_broken(&mut p, BrokenReason::NotOutstanding, &[0, 1, 2]);
        }
    }
}

/// A look at a buffer finds the same lies.
#[test]
fn lies_that_a_look_finds() {
    for setup in setups(8) {
        if setup.packed || setup.in_order {
            continue;
        }
        for id in [8, 0xffff, 0x1_0000, u32::MAX] {
            let (mut p, _) = three(setup);
            p.device.forge(id, 0);
            assert_eq!(p.driver.look(true), None);
            is_broken(&mut p, BrokenReason::IdOutOfRange, &[0, 1, 2]);
        }
        let (mut p, requests) = three(setup);
        p.device.push(&requests[1], 1);
        p.device.forge(requests[1].id.into(), 1);
        assert_eq!(p.driver.look(false).unwrap().token, 1);
        assert_eq!(p.driver.look(true), None);
        is_broken(&mut p, BrokenReason::NotOutstanding, &[0, 2]);
        let (mut p, _) = three(setup);
        p.device.jump(4);
        assert_eq!(p.driver.look(true), None);
        is_broken(&mut p, BrokenReason::IndexJump, &[0, 1, 2]);
        // A device may report a buffer that was added again before it can have found it.
        let (mut p, requests) = three(setup);
        p.device.push(&requests[0], 64);
        assert_eq!(p.driver.look(true).unwrap().token, 0);
        p.device.push(&requests[0], 65);
        let used = p.driver.look(true).unwrap();
        assert_eq!((used.token, used.claimed, used.len()), (0, 65, 64));
        assert_eq!((p.driver.outstanding(), p.driver.num_unkicked()), (3, 5));
        assert_eq!(p.driver.broken(), None);
        // But not more buffers than it was told of.
        p.device.push(&requests[0], 1);
        p.device.push(&requests[0], 1);
        assert_eq!(p.driver.look(true), None);
        is_broken(&mut p, BrokenReason::IndexJump, &[0, 1, 2]);
    }
}

#[test]
fn an_id_twice() {
    for setup in setups(8) {
        let (mut p, requests) = three(setup);
        p.device.push(&requests[0], 1);
        p.device.forge(requests[0].id.into(), 1);
        assert_eq!(p.driver.get().unwrap().token, 0);
        is_broken(&mut p, BrokenReason::NotOutstanding, &[1, 2]);
    }
}

/// A length is cut to the room in the buffer, and the queue keeps working.
#[test]
fn more_written_than_there_is_room() {
    for setup in setups(8) {
        for len in [65, 128, 0x8000_0000, -5i32 as u32, u32::MAX] {
            let (mut p, requests) = three(setup);
            p.device.push(&requests[0], len);
            p.device.push(&requests[1], 64);
            let got: Vec<_> = (0..2).map(|_| p.driver.get().unwrap()).collect();
            let seen = |i: usize| (got[i].token, got[i].claimed, got[i].len(), got[i].is_cut());
            assert_eq!((seen(0), seen(1)), ((0, len, 64, true), (1, 64, 64, false)));
            // In a callback, and for the last buffer of a batch: the others are used in full.
            let (mut p, requests) = three(setup);
            if setup.in_order {
                p.device.push_batch(&requests, len);
            } else {
                for (request, len) in requests.iter().zip([64, 64, len]) {
                    p.device.push(request, len);
                }
            }
            let (all, broken) = p.driver.drain();
            let cut: Vec<_> = all.iter().map(|u| (u.token, u.len(), u.is_cut())).collect();
            let wanted = vec![(0, 64, false), (1, 64, false), (2, 64, true)];
            assert_eq!((cut, broken), (wanted, false), "{setup}");
            assert_eq!(
                (p.driver.broken(), p.driver.take_broken_report()),
                (None, None)
            );
        }
        // A buffer without memory to write.
        let mut p = setup.build();
        p.driver.add(1, &[SEGMENT], &[]).unwrap();
        p.driver.publish();
        let request = p.device.pop().unwrap();
        p.device.push(&request, 16);
        let used = p.driver.get().unwrap();
        assert_eq!((used.len(), used.is_cut()), (0, true));
        assert_eq!(p.driver.broken(), None);
    }
}

#[test]
fn index_further_than_there_are_buffers() {
    for setup in setups(8).into_iter().filter(|setup| !setup.packed) {
        for n in [4, 8, 9, 0x7fff, 0x8000, 0xffff] {
            let (mut p, requests) = three(setup);
            p.device.push(&requests[0], 1);
            p.device.jump(n - 1);
            is_broken(&mut p, BrokenReason::IndexJump, &[0, 1, 2]);
        }
        // Also backwards.
        let (mut p, requests) = three(setup);
        p.device.push(&requests[0], 1);
        assert_eq!(p.driver.get().unwrap().token, 0);
        p.device.jump(0xffff);
        is_broken(&mut p, BrokenReason::IndexJump, &[1, 2]);
    }
}

#[test]
fn batches_that_are_none() {
    for setup in setups(8).into_iter().filter(|setup| setup.in_order) {
        if !setup.packed {
            // Three buffers by the id, one by the index.
            let (mut p, requests) = three(setup);
            p.device.forge(requests[2].id.into(), 1);
            is_broken(&mut p, BrokenReason::WrongBatch, &[0, 1, 2]);
        }
        // One buffer by the id, three by the index: the entries of the other two are old ones.
        let (mut p, requests) = three(setup);
        p.device.push(&requests[0], 1);
        if !setup.packed {
            p.device.jump(2);
            assert_eq!(p.driver.get().unwrap().token, 0);
            let mut more = 0;
            while p.driver.get().is_some() {
                more += 1;
            }
            assert!(p.driver.broken().is_some() && more == 0);
        }
        // An old id again in the middle.
        let (mut p, requests) = three(setup);
        p.device.push_batch(&requests[..2], 1);
        p.device.forge(requests[0].id.into(), 1);
        assert_eq!(p.driver.get().unwrap().token, 0);
        assert_eq!(p.driver.get().unwrap().token, 1);
        is_broken(&mut p, BrokenReason::NotOutstanding, &[2]);
    }
}

#[test]
fn flags_where_nothing_was_given() {
    for setup in setups(8).into_iter().filter(|setup| setup.packed) {
        let mut p = setup.build();
        p.device.jump(8);
        assert_eq!(p.driver.get(), None);
        // A driver that takes buffers until there is none comes to an end.
        assert_eq!(p.driver.drain(), (Vec::new(), false));
        p.driver.disable_cb();
        assert!(p.driver.enable_cb() && p.driver.enable_cb_delayed());
        assert!(p.driver.kick_prepare_enable_cb_delayed().1);
        assert_eq!(p.driver.broken(), None);
    }
}

#[test]
fn an_index_where_nothing_was_given() {
    for setup in setups(8).into_iter().filter(|setup| !setup.packed) {
        let mut p = setup.build();
        p.device.jump(1);
        // A driver that drains the queue learns of it, too.
        assert_eq!(p.driver.drain(), (Vec::new(), true));
        is_broken(&mut p, BrokenReason::IndexJump, &[]);
    }
}

#[test]
fn reserved_suppression_is_a_wish_to_be_notified() {
    for setup in setups(8).into_iter().filter(|setup| setup.packed) {
        for (position, flags) in [(0u16, 3u16), (0xffff, 3), (8, 2), (0x7fff, 2), (0xffff, 2)] {
            let mut p = setup.build();
            p.arena.write16(64, position.to_le());
            p.arena.write16(66, flags.to_le());
            p.driver.add(1, &[SEGMENT], &[]).unwrap();
            assert!(p.driver.kick_prepare());
        }
    }
}

/// Random writes to the memory of the ring, again and again: no token is lost or returned twice,
/// and no call panics or hangs.
#[test]
fn garbage() {
    for setup in setups(8) {
        let mut reasons = HashSet::new();
        for seed in 1..400 {
            let mut random = Random(seed);
            let mut p = setup.build();
            let (mut next, mut alive) = (0, HashSet::new());
            for _ in 0..200 {
                match random.below(16) {
                    0..=5 => {
                        let n = random.below(4) as usize;
                        if p.driver.add(next, &[SEGMENT; 3][..n], &[SEGMENT]).is_ok() {
                            alive.insert(next);
                        }
                        next += 1;
                    }
                    6 | 7 => {
                        p.driver.kick_prepare();
                    }
                    8 => p.driver.disable_cb(),
                    9 => {
                        let _ = p.driver.enable_cb();
                    }
                    10 => {
                        let _ = p.driver.enable_cb_delayed();
                        p.driver.interrupt();
                    }
                    11 => {
                        let bits = random.below(17);
                        p.device
                            .scribble(&mut || (random.next() as u32 & ((1 << bits) - 1)) as u16);
                    }
                    12 | 13 => p
                        .device
                        .forge(random.below(9) as u32, random.below(80) as u32),
                    14 => {
                        for used in p.driver.drain().0 {
                            assert!(alive.remove(&used.token), "a token of ours, once");
                        }
                    }
                    _ => {
                        if let Some(used) = p.driver.get() {
                            assert!(alive.remove(&used.token), "a token of ours, once");
                            assert!(used.len() <= SEGMENT.1);
                        }
                    }
                }
                assert_eq!(usize::from(p.driver.outstanding()), alive.len());
            }
            reasons.extend(p.driver.broken().map(|reason| reason as u16));
            for token in p.driver.reset() {
                assert!(alive.remove(&token));
            }
            assert!(alive.is_empty(), "no token is lost");
        }
        assert!(reasons.len() > 1, "{setup}: {reasons:?}");
        assert!(!reasons.contains(&(BrokenReason::Internal as u16)));
    }
}
