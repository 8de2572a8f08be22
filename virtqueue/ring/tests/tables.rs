// SPDX-License-Identifier: GPL-2.0

//! Tables of two kinds. Each buffer is described as the rule says: by the table of its id, or by
//! one that was lent for it. No two buffers have one table. If there is no table, the chain goes
//! into the ring, and only a buffer that does not fit there is refused.

mod common;

use common::{Pair, Request, Setup};
use proptest::prelude::*;
use ring_core::{AddError, IndirectRule};
use std::collections::HashSet;

const LAYOUTS: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];

/// Makes a ring of `size` on each layout, with a table for `small` segments for each id, and
/// `larges` tables to be lent.
fn layouts(size: u16, small: u16, larges: (u16, u16)) -> impl Iterator<Item = Setup> {
    LAYOUTS.into_iter().map(move |(packed, in_order)| Setup {
        packed,
        in_order,
        tables: small,
        larges,
        size,
        ..Setup::SPLIT
    })
}

fn segments(token: u32, n: usize) -> Vec<(u64, u32)> {
    (0..n as u64)
        .map(|i| (u64::from(token) << 16 | i, 8))
        .collect()
}

fn add(p: &mut Pair, token: u32, n: usize) -> Result<Request, AddError> {
    p.driver
        .add(token, &segments(token, n), &[])
        .map_err(|(e, _)| e)?;
    p.driver.publish();
    let request = p.device.pop().unwrap();
    assert_eq!(request.out, segments(token, n));
    Ok(request)
}

fn finish(p: &mut Pair, request: &Request) {
    p.device.push(request, 0);
    assert!(p.driver.get().is_some());
}

#[test]
fn small_ones_first_and_large_ones_while_there_are() {
    for setup in layouts(8, 2, (6, 2)) {
        println!("{setup}");
        let p = &mut setup.build();
        let one = add(p, 1, 2).unwrap();
        let two = add(p, 2, 3).unwrap();
        let three = add(p, 3, 6).unwrap();
        for request in [&one, &two, &three] {
            assert_eq!((request.indirect, request.descs), (true, 1));
        }
        // All large tables are lent: buffers go into the ring as long as there is room.
        let four = add(p, 4, 3).unwrap();
        assert_eq!((four.indirect, four.descs), (false, 3));
        assert_eq!(add(p, 5, 3), Err(AddError::Full));
        let five = add(p, 5, 2).unwrap();
        assert!(five.indirect);
        finish(p, &one);
        // A buffer with a small table returns no large one.
        assert_eq!(add(p, 6, 6), Err(AddError::Full));
        finish(p, &two);
        let six = add(p, 6, 6).unwrap();
        assert_eq!(six.table.unwrap().0, two.table.unwrap().0);
        // No table is that long.
        assert_eq!(add(p, 7, 9), Err(AddError::NoMemory));
    }
}

#[test]
fn more_segments_than_the_ring_has_descriptors() {
    for setup in layouts(4, 0, (10, 1)) {
        println!("{setup}");
        let p = &mut setup.build();
        assert_eq!(add(p, 1, 11), Err(AddError::NoMemory));
        let request = add(p, 1, 10).unwrap();
        assert_eq!((request.indirect, p.driver.num_free()), (true, 3));
        assert_eq!(add(p, 2, 10), Err(AddError::NoMemory));
        // The rule wants a table for the buffer, but there is none.
        assert_eq!(add(p, 2, 3).map(|r| r.descs), Ok(3));
        finish(p, &request);
        assert_eq!(add(p, 3, 10).map(|r| r.indirect), Ok(true));
    }
}

#[test]
fn a_description_that_fails_takes_no_table() {
    for setup in layouts(4, 0, (4, 1)) {
        println!("{setup}");
        let p = &mut setup.build();
        for _ in 0..3 {
            p.driver.add_failing(7, 4, &segments(7, 4));
        }
        assert_eq!(add(p, 1, 4).map(|r| r.indirect), Ok(true));
        p.driver.add_failing(7, 3, &segments(7, 3));
        assert_eq!(add(p, 2, 4), Err(AddError::Full));
    }
}

#[test]
fn one_descriptor_for_any_number_of_segments() {
    for setup in layouts(8, 2, (129, 8)) {
        for maps in [false, true] {
            println!("{setup} maps {maps}");
            let setup = Setup { maps, ..setup };
            let p = &mut setup.build();
            for round in 0..5 {
                let all: Vec<_> = (0..8)
                    .map(|token| {
                        let request = add(p, token, 129).unwrap();
                        assert_eq!((request.indirect, request.descs), (true, 1), "{round}");
                        request
                    })
                    .collect();
                assert_eq!(p.driver.num_free(), 0);
                assert_eq!(add(p, 9, 129), Err(AddError::Full));
                all.iter().for_each(|request| finish(p, request));
                assert_eq!(p.driver.num_free(), 8);
            }
        }
    }
}

#[test]
fn a_table_that_cannot_be_shown_is_none() {
    for setup in layouts(4, 2, (5, 1)) {
        for maps in [false, true] {
            println!("{setup} maps {maps}");
            let setup = Setup {
                unexposable: true,
                maps,
                ..setup
            };
            let p = &mut setup.build();
            for _ in 0..3 {
                assert_eq!(add(p, 1, 5), Err(AddError::NoMemory));
                assert_eq!((p.driver.num_free(), p.driver.outstanding()), (4, 0));
                assert!(p.device.pop().is_none());
            }
            // The table came back each time, and the buffer was not described by it again.
            let four = add(p, 1, 4);
            if maps {
                assert_eq!(four, Err(AddError::NoMemory));
            } else {
                let four = four.unwrap();
                assert_eq!((four.indirect, four.descs), (false, 4));
                finish(p, &four);
            }
            // The table of an id is exposed from the beginning.
            assert_eq!(add(p, 1, 2).map(|r| r.indirect), Ok(true));
        }
    }
}

#[test]
fn the_table_of_an_id_is_for_short_buffers_only() {
    for setup in layouts(4, 2, (4, 4)) {
        println!("{setup}");
        let p = &mut setup.build();
        for n in [4, 2, 4, 2] {
            let all: Vec<_> = (0..4).map(|token| add(p, token, n).unwrap()).collect();
            assert!(all.iter().all(|request| request.indirect));
            all.iter().for_each(|request| finish(p, request));
        }
        for token in 0..4 {
            assert_eq!(add(p, token, 2).map(|r| r.indirect), Ok(true));
        }
        assert_eq!(p.driver.reset(), [0, 1, 2, 3]);
        // The tables count the loans when the ring is dropped.
    }
}

#[test]
fn all_come_back_with_reset_and_resize_and_detaching() {
    for setup in layouts(4, 0, (4, 2)) {
        for how in 0..3 {
            println!("{setup} {how}");
            let p = &mut setup.build();
            for round in 0..5 {
                for token in 1..3 {
                    assert_eq!(add(p, token, 4).map(|r| r.indirect), Ok(true), "{round}");
                }
                assert_eq!(add(p, 3, 4), Err(AddError::Full));
                match how {
                    0 => assert_eq!(p.driver.reset(), [1, 2]),
                    1 => assert_eq!(p.driver.resize(4), [1, 2]),
                    _ => while p.driver.detach_unused().is_some() {},
                }
                p.device = setup.device(p.arena.clone());
            }
        }
    }
}

/// Returns the expected result for a buffer of `n` segments: a table, a chain, or an error.
fn wanted(p: &Pair, n: u16, larges_out: u16) -> Result<bool, AddError> {
    let (free, setup) = (p.driver.num_free(), &p.setup);
    let (large, larges) = setup.larges;
    let wants = n > 1
        && (n >= setup.rule.from || u32::from(n) + u32::from(setup.rule.keep_free) > free.into());
    let fits = n <= setup.tables || n <= large && larges_out < larges;
    if wants && free != 0 && fits {
        Ok(true)
    } else if n <= free {
        Ok(false)
    } else if n <= setup.size {
        Err(AddError::Full)
    } else if setup.table_bytes() == 0 {
        Err(AddError::TooMany)
    } else if free == 0 {
        Err(AddError::Full)
    } else {
        Err(AddError::NoMemory)
    }
}

fn overlap(a: (u64, u32), b: (u64, u32)) -> bool {
    a.0 < b.0 + u64::from(b.1) && b.0 < a.0 + u64::from(a.1)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn never_one_for_two_buffers(
        steps in prop::collection::vec((any::<bool>(), 1u16..13, any::<usize>()), 1..200),
        (packed, in_order) in prop::sample::select(LAYOUTS.to_vec()),
        size in prop::sample::select(vec![1u16, 2, 4, 8]),
        tables in 0u16..5,
        large in 0u16..12,
        larges in 0u16..9,
        from in 2u16..6,
        keep_free in 0u16..4,
        maps in any::<bool>(),
    ) {
        let setup = Setup {
            packed,
            in_order,
            size,
            tables,
            larges: (large, larges.min(size)),
            rule: IndirectRule { from, keep_free },
            maps,
            ..Setup::SPLIT
        };
        let p = &mut setup.build();
        // The tokens, and the requests at the device, oldest first.
        let mut out: Vec<(u32, Request)> = Vec::new();
        let mut larges: HashSet<u32> = HashSet::new();
        for (token, (adds, n, which)) in (0u32..).zip(steps) {
            if adds {
                let wanted = wanted(p, n, larges.len() as u16);
                let result = add(p, token, n.into());
                prop_assert_eq!(result.as_ref().map(|r| r.indirect).map_err(|e| *e), wanted);
                match result {
                    Ok(request) => {
                        if let Some(table) = request.table {
                            let mut others = out.iter().filter_map(|(_, other)| other.table);
                            prop_assert!(!others.any(|other| overlap(table, other)));
                            if n > setup.tables {
                                larges.insert(token);
                            }
                        }
                        out.push((token, request));
                    }
                    Err(AddError::TooMany | AddError::NoMemory) => prop_assert!(n > size),
                    Err(e) => prop_assert!(e == AddError::Full && !out.is_empty()),
                }
            } else if !out.is_empty() {
                let which = if in_order { 0 } else { which % out.len() };
                let (token, request) = out.remove(which);
                p.device.push(&request, 0);
                prop_assert_eq!(p.driver.get().map(|used| used.token), Some(token));
                larges.remove(&token);
            }
        }
        prop_assert_eq!(p.driver.broken(), None);
    }
}
