// SPDX-License-Identifier: GPL-2.0

//! Adds, kicks and gets buffers of a number of segments, each described by a chain in the ring or
//! by a table, for a tool that counts instructions: `segments LAYOUT chain|table SEGMENTS TIMES`.
//! The measurements that use it are described in `segments.sh`.

use ring_bench::{
    device::{bench_device_step, Device},
    ours::{packed, split, Segmented, TABLE},
    Features, DATA,
};
use std::{env, hint::black_box, process::exit};

/// As a disk reads: a header to read, the rest to write.
fn run<R: Segmented>((mut ring, mut device): (R, Device), segments: usize, times: u64) {
    ring.disable_cb();
    let all = [(0x1000, DATA); TABLE as usize];
    for _ in 0..times {
        // So that the number is not known when this is compiled, as in a driver.
        let (out, in_) = black_box(&all[..segments]).split_at(1);
        ring.add(7, out, in_);
        let kick = ring.kick();
        let used = bench_device_step(&mut device);
        let token = ring.get();
        assert!(kick && used == 1 && token.is_some());
    }
}

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let [layout, how, segments, times] = args.as_slice() else {
        exit(2)
    };
    let segments = segments.parse().unwrap_or(0);
    let times = times.parse().unwrap_or_else(|_| exit(2));
    if !(1..=usize::from(TABLE)).contains(&segments) || !["chain", "table"].contains(&&**how) {
        exit(2);
    }
    let features = |packed, in_order| Features {
        packed,
        in_order,
        indirect: how == "table",
        event_idx: true,
    };
    match layout.as_str() {
        "split" => run(split::<false>(features(false, false)), segments, times),
        "split-in-order" => run(split::<true>(features(false, true)), segments, times),
        "packed" => run(packed::<false>(features(true, false)), segments, times),
        "packed-in-order" => run(packed::<true>(features(true, true)), segments, times),
        _ => exit(2),
    }
}
