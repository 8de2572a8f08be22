// SPDX-License-Identifier: GPL-2.0

//! Every index across its end, in rings of every kind of size: no buffer is lost, a side that waits
//! is notified, and none is notified without need.
//!
//! There are three kinds of ends: the end of the ring, where the wrap counters of a packed one are
//! inverted; the end of 16 bits, where the indices of a split ring and the numbers of buffers in
//! order wrap; and the event, which is compared across both.

mod common;

use common::{setups, Pair, Random, Request, Setup};
use ring_core::IndirectRule;
use std::collections::VecDeque;

/// The way in which the driver waits in one lap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Not,
    ForNext,
    ForNextInHalves,
    ForMost,
    ForMostWithKick,
}

const WAITS: [Wait; 5] = [
    Wait::Not,
    Wait::ForNext,
    Wait::ForNextInHalves,
    Wait::ForMost,
    Wait::ForMostWithKick,
];

/// Returns the number that the device may use before it interrupts: buffers of a split ring,
/// descriptors of a packed one.
fn quota(p: &Pair, wait: Wait) -> u32 {
    let out = if p.setup.packed {
        p.driver.size() - p.driver.num_free()
    } else {
        p.driver.outstanding()
    };
    match wait {
        Wait::ForMost | Wait::ForMostWithKick => u32::from(out) * 3 / 4,
        _ => 0,
    }
}

/// Enables callbacks while no buffer is used. The kick is done.
fn ask(p: &mut Pair, wait: Wait) {
    match wait {
        Wait::Not => p.driver.disable_cb(),
        Wait::ForNext => assert!(p.driver.enable_cb()),
        Wait::ForNextInHalves => {
            let armed = p.driver.enable_cb_prepare();
            assert!(!p.driver.poll(armed));
        }
        Wait::ForMost => assert!(p.driver.enable_cb_delayed()),
        Wait::ForMostWithKick => {}
    }
}

/// An entry of the used ring: its size, as `quota` counts, and whether it raised a callback.
type Progress = (u32, bool);

/// Has the device use some buffers, in any order or in order, one by one or in a batch. Returns the
/// progress of each entry, and the expected tokens and lengths.
fn uses(
    p: &mut Pair,
    random: &mut Random,
    with_device: &mut VecDeque<Request>,
) -> (Vec<Progress>, Vec<(u32, u32)>) {
    let n = 1 + random.below(with_device.len() as u64) as usize;
    let units = |p: &Pair, request: &Request| match p.setup.packed {
        true => u32::from(request.descs),
        false => 1,
    };
    let token = |request: &Request| request.in_[0].0 as u32;
    let (mut entries, mut wanted) = (Vec::new(), Vec::new());
    if p.setup.in_order && random.below(2) == 0 {
        let batch: Vec<_> = with_device.drain(..n).collect();
        let covered = batch.iter().map(|request| units(p, request)).sum();
        entries.push((covered, p.device.push_batch(&batch, 1)));
        let room = |i: usize| if i == n - 1 { 1 } else { batch[i].room() };
        wanted.extend((0..n).map(|i| (token(&batch[i]), room(i))));
    } else {
        for _ in 0..n {
            let any = random.below(with_device.len() as u64) as usize;
            let request = match p.setup.in_order {
                true => with_device.pop_front().unwrap(),
                false => with_device.swap_remove_back(any).unwrap(),
            };
            entries.push((units(p, &request), p.device.push(&request, 2)));
            wanted.push((token(&request), 2));
        }
    }
    (entries, wanted)
}

/// Moves `total` buffers through a ring, in bursts of random length up to `most`.
fn stream(p: &mut Pair, total: u32, most: u64) {
    let mut random = Random(u64::from(total) + most);
    let mut with_device = VecDeque::new();
    let (mut added, mut taken) = (0u32, 0u32);
    let longest = p.setup.size.min(3).into();
    while taken < total {
        assert_eq!(
            p.device.pop(),
            None,
            "the device has all, and asks to be notified"
        );
        let before = added;
        for _ in 0..1 + random.below(most) {
            let n = 1 + random.below(longest) as usize;
            let segments = [(u64::from(added), 8); 3];
            if p.driver.add(added, &[], &segments[..n]).is_err() {
                break;
            }
            added += 1;
        }
        let wait = WAITS[random.below(WAITS.len() as u64) as usize];
        let kick = if wait == Wait::ForMostWithKick {
            let (kick, quiet) = p.driver.kick_prepare_enable_cb_delayed();
            assert!(quiet, "nothing is used");
            kick
        } else {
            p.driver.kick_prepare()
        };
        let any = added != before;
        assert!(kick || !any, "a device that waits is notified");
        assert!(!kick || any || !p.setup.event_idx, "of something");
        with_device.extend(std::iter::from_fn(|| p.device.pop()));
        if p.driver.outstanding() == 0 {
            continue;
        }
        ask(p, wait);
        let quota = quota(p, wait);
        let (entries, wanted) = uses(p, &mut random, &mut with_device);
        let mut used = 0;
        for (covered, called) in entries {
            // Without an event index, each used buffer raises a callback; with one, the buffer that
            // passes it.
            let goes_past = used <= quota && used + covered > quota;
            let expected = wait != Wait::Not && (!p.setup.event_idx || goes_past);
            assert_eq!(called, expected, "{wait:?}, {used} + {covered} of {quota}");
            used += covered;
        }
        for wanted in wanted {
            let used = p.driver.get().expect("what was used is there");
            assert_eq!((used.token, used.len()), wanted);
            taken += 1;
        }
        assert_eq!(p.driver.get(), None);
        assert_eq!(u32::from(p.driver.outstanding()), added - taken);
    }
    assert_eq!(p.driver.broken(), None);
}

/// Every layout with every way to describe a buffer: in the ring, by a table of its own, or by any
/// of these in turn.
fn all(size: u16) -> Vec<Setup> {
    let mut all = setups(size);
    if size > 1 {
        let mixed = setups(size).into_iter().filter(|setup| setup.tables != 0);
        all.extend(mixed.map(|setup| Setup {
            tables: 2,
            larges: (3, 2),
            rule: IndirectRule {
                from: 3,
                keep_free: 1,
            },
            ..setup
        }));
    }
    all
}

/// Moves some buffers through rings of a size.
fn at(size: u16, total: u32, which: impl Fn(&Setup) -> bool) {
    for setup in all(size).into_iter().filter(which) {
        println!("{setup} larges {:?}", setup.larges);
        stream(&mut setup.build(), total, u64::from(size) * 5 / 4 + 1);
    }
}

/// More buffers than 16 bits can count.
const OVER: u32 = 70_000;

/// The indices of a split ring have 16 bits at any size.
#[test]
fn split_at_every_size() {
    (0..16).for_each(|n| at(1 << n, OVER, |setup| !setup.packed));
}

/// Many laps in each ring.
#[test]
fn packed_at_every_size_up_to_100() {
    (1..=100).for_each(|size| at(size, 40 * u32::from(size), |setup| setup.packed));
}

/// Sizes at which a comparison or a mask would fail first.
#[test]
fn packed_around_powers_of_two() {
    for n in 7..15 {
        for size in [(1 << n) - 1, 1 << n, (1 << n) + 1] {
            at(size, 3 * u32::from(size), |setup| setup.packed);
        }
    }
}

/// Numbers of buffers in order have 16 bits.
#[test]
fn packed_with_many_buffers() {
    for size in [1, 2, 3, 7, 256, 1000, 32767, 32768] {
        at(size, OVER, |setup| setup.packed);
    }
}

#[test]
fn more_adds_than_indices_without_a_kick() {
    for setup in setups(4) {
        let p = &mut setup.build();
        p.device.want_kicks(false);
        for token in 0..70_000 {
            p.driver.add(token, &[(0, 1)], &[]).unwrap();
            p.driver.publish();
            let request = p.device.pop().unwrap();
            p.device.push(&request, 0);
            assert_eq!(p.driver.get().unwrap().token, token);
        }
        // An event index cannot tell any longer whether the device wants a notification.
        assert_eq!(p.driver.kick_prepare(), setup.event_idx && !setup.packed);
    }
}
