// SPDX-License-Identifier: GPL-2.0

//! The inputs that fuzzing has found (`fuzz/corpus`), and random ones, without a fuzzer.

#[path = "../fuzz/hostile.rs"]
mod hostile;

use hostile::{layout, run, Layout};
use proptest::prelude::*;
use std::{collections::HashMap, collections::HashSet, fs, path::Path};
use ring_core::Broken;

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

#[test]
fn inputs_that_fuzzing_found() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/ring");
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut ends: HashMap<Layout, HashSet<Option<&str>>> = HashMap::new();
    for file in &files {
        println!("{}", file.display());
        let data = fs::read(file).unwrap();
        let reason = run(&data).map(Broken::as_str);
        ends.entry(layout(&data)).or_default().insert(reason);
    }
    // They have every end that a ring of each kind can come to.
    for layout in ALL {
        let wanted = [
            Some(Broken::IdOutOfRange),
            Some(Broken::NotOutstanding),
            (!layout.packed).then_some(Broken::IndexJump),
            (!layout.packed && layout.in_order).then_some(Broken::WrongBatch),
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
