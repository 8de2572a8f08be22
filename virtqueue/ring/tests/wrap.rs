// SPDX-License-Identifier: GPL-2.0

//! Every index over its end, in rings of every kind of size: nothing is lost, and whoever waits is
//! called.

mod common;

use common::{setups, Pair, Random};
use std::collections::VecDeque;

/// Moves `total` buffers through a ring, in bursts of random length.
fn stream(p: &mut Pair, total: u32, most: u64) {
    let mut random = Random(u64::from(total) + most);
    let mut with_device = VecDeque::new();
    let (mut added, mut taken) = (0u32, 0u32);
    while taken < total {
        assert_eq!(
            p.device.pop(),
            None,
            "the device has all, and asks to be notified"
        );
        let burst = 1 + random.below(most);
        let mut any = false;
        for _ in 0..burst {
            let n = 1 + random.below(3.min(p.setup.size.into())) as usize;
            let segments = [(u64::from(added), 8); 3];
            if p.driver.add(added, &[], &segments[..n]).is_err() {
                break;
            }
            added += 1;
            any = true;
        }
        let kick = p.driver.kick_prepare();
        assert!(kick || !any, "a device that waits is notified");
        with_device.extend(std::iter::from_fn(|| p.device.pop()));
        if p.driver.in_flight() == 0 {
            continue;
        }
        // Use some, at least one, with the driver waiting for the first.
        let armed = if random.below(2) == 0 {
            assert!(p.driver.enable_cb());
            true
        } else {
            p.driver.disable_cb();
            false
        };
        let n = 1 + random.below(with_device.len() as u64) as usize;
        let mut called = false;
        let mut wanted = VecDeque::new();
        if p.setup.in_order && random.below(2) == 0 {
            let batch: Vec<_> = with_device.drain(..n).collect();
            called |= p.device.push_batch(&batch, 1);
            let room = |i: usize| if i == n - 1 { 1 } else { batch[i].room() };
            wanted.extend((0..n).map(|i| (batch[i].in_[0].0 as u32, room(i))));
        } else {
            for _ in 0..n {
                let request = if p.setup.in_order {
                    with_device.pop_front().unwrap()
                } else {
                    let i = random.below(with_device.len() as u64) as usize;
                    with_device.swap_remove_back(i).unwrap()
                };
                called |= p.device.push(&request, 2);
                wanted.push_back((request.in_[0].0 as u32, 2));
            }
        }
        assert!(called || !armed, "a driver that waits is called");
        while let Some((token, len)) = wanted.pop_front() {
            let used = p.driver.get().expect("what was used is there");
            assert_eq!((used.token, used.len), (token, len));
            taken += 1;
        }
        assert_eq!(p.driver.get(), None);
        assert_eq!(u32::from(p.driver.in_flight()), added - taken);
    }
    assert_eq!(p.driver.broken(), None);
}

fn sizes(sizes: &[u16], total: u32, most: u64) {
    for &size in sizes {
        for setup in setups(size) {
            println!("{setup}");
            stream(&mut setup.build(), total, most);
        }
    }
}

#[test]
fn one_two_and_three() {
    sizes(&[1, 2, 3], 140_000, 3);
}

#[test]
fn small_and_odd() {
    sizes(&[4, 5, 7, 8], 70_000, 9);
}

#[test]
fn usual_and_odd() {
    sizes(&[100, 128, 255, 256, 1000], 70_000, 300);
}

#[test]
fn the_largest() {
    sizes(&[32767, 32768], 140_000, 40_000);
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
        // By an index, it cannot be told any more whether the device is to be notified.
        assert_eq!(p.driver.kick_prepare(), setup.event_idx && !setup.packed);
    }
}
