// SPDX-License-Identifier: GPL-2.0

//! The inputs that fuzzing has found (`fuzz/corpus.txt`), and random ones, run without a fuzzer.

#[path = "../fuzz/hostile.rs"]
mod hostile;

use hostile::{layout, run, Layout};
use proptest::prelude::*;
use ring_core::BrokenReason;
use std::{collections::HashMap, collections::HashSet, fs, path::Path};

const ALL: [Layout; 4] = [
    Layout {
        packed: false,
        in_order: false,
    },
    Layout {
        packed: false,
        in_order: true,
    },
    Layout {
        packed: true,
        in_order: false,
    },
    Layout {
        packed: true,
        in_order: true,
    },
];

/// Returns the bytes of a number in hex.
fn bytes(digits: &str) -> Vec<u8> {
    let nibbles: Vec<u8> = digits
        .chars()
        .map(|c| c.to_digit(16).unwrap() as u8)
        .collect();
    nibbles
        .chunks_exact(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

#[test]
fn inputs_that_fuzzing_found() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus.txt");
    let mut ends: HashMap<Layout, HashSet<Option<&str>>> = HashMap::new();
    for line in fs::read_to_string(file).unwrap().lines() {
        let Some(digits) = line.split_whitespace().next().filter(|&word| word != "#") else {
            continue;
        };
        println!("{line}");
        let data = bytes(digits);
        let reason = run(&data).map(BrokenReason::as_str);
        ends.entry(layout(&data)).or_default().insert(reason);
    }
    // The inputs break a ring of each kind for every possible reason.
    for layout in ALL {
        let wanted = [
            Some(BrokenReason::IdOutOfRange),
            Some(BrokenReason::NotOutstanding),
            (!layout.packed).then_some(BrokenReason::IndexJump),
            (!layout.packed && layout.in_order).then_some(BrokenReason::WrongBatch),
        ];
        let wanted = wanted
            .into_iter()
            .flatten()
            .map(|reason| Some(reason.as_str()));
        for end in wanted.chain([None]) {
            assert!(ends[&layout].contains(&end), "{layout:?}: {end:?}");
        }
    }
}

#[test]
fn any_input() {
    let config = ProptestConfig {
        cases: 8000,
        failure_persistence: None,
        ..Default::default()
    };
    proptest!(config, |(data in prop::collection::vec(any::<u8>(), 0..1000))| {
        run(&data);
    });
}
