// SPDX-License-Identifier: GPL-2.0

//! The buffers that a ring takes, and the part of them that the device sees.

use crate::{
    common::{setups, Pair, Setup, Stubborn},
    on_all, DATA, OUT, STATUS,
};
use ring_core::{host::Host, AddError, Endian, IndirectRule, Platform};

#[test]
fn nothing_is_seen_before_it_is_published() {
    on_all(8, |p| {
        // If stores are seen in order, the device sees the buffer at once.
        if p.setup.packed && !p.setup.weak && Host::STORES_IN_ORDER {
            return;
        }
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
        let error = if p.setup.tables == 0 {
            AddError::TooMany
        } else {
            AddError::NoMemory
        };
        assert_eq!(p.driver.add(2, &nine, &[]), Err((error, 2)));
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
        assert_eq!((d.num_free(), d.outstanding()), (7, 1));
        d.publish();
        let request = p.device.pop().unwrap();
        assert_eq!(request.out, [OUT]);
        assert_eq!(p.device.pop(), None);
        // And again with shorter buffers than the ones that failed, all around the ring.
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
        // Two descriptors are left.
        assert_eq!(add(p, 2), (true, 1));
        assert_eq!(add(p, 1), (false, 1));
        assert_eq!(p.driver.num_free(), 0);
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
            assert_eq!(p.driver.get().unwrap().len(), 99);
        }
    }
}

#[test]
fn a_buffer_may_tell_less_than_it_claims() {
    on_all(64, |p| {
        for told in (1..=20u16).cycle().take(200) {
            let out: Vec<_> = (0..told).map(|i| (0x1000 * u64::from(i), 10)).collect();
            p.driver.add_claiming(told.into(), 20, &out, &[]).unwrap();
            p.driver.publish();
            let request = p.device.pop().unwrap();
            assert_eq!(request.out, out);
            assert_eq!(p.device.pop(), None);
            p.device.push(&request, 0);
            assert_eq!(p.driver.get().unwrap().token, told.into());
        }
        assert_eq!(p.driver.num_free(), 64);
    });
}

#[test]
fn a_refused_segment_is_not_counted() {
    on_all(8, |p| {
        let buffer = Stubborn {
            out: &[OUT],
            in_: &[DATA, STATUS],
        };
        p.driver.add_stubborn(1, 2, &buffer).unwrap();
        p.driver.publish();
        let request = p.device.pop().unwrap();
        assert_eq!(
            (&request.out[..], &request.in_[..]),
            (&[OUT][..], &[DATA][..])
        );
        p.device.push(&request, DATA.1 + STATUS.1);
        let used = p.driver.get().unwrap();
        assert_eq!((used.token, used.writable_len), (1, DATA.1));
        assert!(used.is_cut());

        // With the segment that is refused, the buffer would be too long.
        let buffer = Stubborn {
            out: &[OUT, (0x4000, u32::MAX)],
            in_: &[],
        };
        p.driver.add_stubborn(2, 1, &buffer).unwrap();
        p.driver.publish();
        let request = p.device.pop().unwrap();
        assert_eq!(request.out, [OUT]);
        p.device.push(&request, 0);
        assert_eq!(p.driver.get().unwrap().token, 2);
        assert_eq!(p.driver.num_free(), 8);
    });
}
