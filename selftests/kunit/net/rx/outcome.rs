// SPDX-License-Identifier: GPL-2.0

//! The outcome of a frame that a device sends: it arrives, or is dropped and counted.

use super::super::{
    fake_nic::{
        receive,
        rx_header, //
    },
    frame::{
        to_us,
        ETHER_TYPE, //
    },
    NetFixture, //
};
use kernel::prelude::*;
use virtio_fake::{
    wait,
    Capture,
    DropReason,
    Nic,
    NicStats, //
};

/// Whether this number of frames arrived, and no more.
pub(super) fn arrived(capture: &Capture, count: usize) -> bool {
    wait::until(5_000, || capture.len() >= count) && capture.len() == count
}

/// Whether the last frame that arrived is this one.
pub(super) fn last_is(capture: &Capture, frame: &[u8]) -> bool {
    capture.with(|frames| frames.last().is_some_and(|f| f[..] == *frame))
}

/// Receives a valid frame, and checks that it arrives: the queue still works.
pub(super) fn still_works(fixture: &NetFixture, capture: &Capture) -> Result {
    check!(wait::until(5_000, || fixture.fake.held(0) > 0));
    let before = capture.len();
    let frame = to_us(0xee, 200)?;
    receive(&fixture.fake, &[&rx_header(1), &frame], None)?;
    check!(arrived(capture, before + 1));
    check!(last_is(capture, &frame));
    Ok(())
}

/// Receives an invalid packet. It must not arrive, and has to count as `counted` says: as an error,
/// not as dropped for lack of memory.
pub(super) fn dropped(
    features: &[u32],
    parts: &[&[u8]],
    len: Option<u32>,
    counted: fn(&NicStats) -> u64,
) -> Result {
    refused(features, parts, len, counted, Some(0))
}

/// As [`dropped`], for a packet that counts as dropped `drops` times too.
pub(super) fn refused(
    features: &[u32],
    parts: &[&[u8]],
    len: Option<u32>,
    counted: fn(&NicStats) -> u64,
    drops: Option<u64>,
) -> Result {
    let fixture = NetFixture::with(features)?;
    let nic = fixture.up()?;
    let capture = nic.capture(ETHER_TYPE)?;
    let traced = nic.drops()?;
    let before = nic.stats();
    let once = counted(&before) + 1;
    receive(&fixture.fake, parts, len)?;
    check!(wait::until(5_000, || counted(&nic.stats()) >= once));
    check_eq!(counted(&nic.stats()), once);
    if let Some(drops) = drops {
        check_eq!(nic.stats().rx_dropped, before.rx_dropped + drops);
    }
    let malformed = nic.stats().rx_frame_errors - before.rx_frame_errors;
    if malformed != 0 {
        let reported = || traced.are(malformed, DropReason::DevHdr);
        check!(wait::until(5_000, reported));
    }
    check!(capture.is_empty());
    still_works(&fixture, &capture)
}

/// Returns the number of frames with a wrong length.
pub(super) fn length_errors(stats: &NicStats) -> u64 {
    stats.rx_length_errors
}

/// Returns the number of frames with a wrong header.
pub(super) fn frame_errors(stats: &NicStats) -> u64 {
    stats.rx_frame_errors
}

/// Receives frames of several sizes, and checks that all of them arrive and are counted.
pub(super) fn frames(fixture: &NetFixture, nic: &Nic) -> Result {
    let capture = nic.capture(ETHER_TYPE)?;
    let before = nic.stats();
    let mut bytes = 0;
    for (i, len) in [60, 64, 129, 1000, 1514].into_iter().enumerate() {
        check!(wait::until(5_000, || fixture.fake.held(0) > 0));
        let frame = to_us(i as u8, len)?;
        bytes += len as u64;
        receive(&fixture.fake, &[&rx_header(1), &frame], None)?;
        check!(arrived(&capture, i + 1));
        check!(last_is(&capture, &frame));
    }
    let after = nic.stats();
    check_eq!(after.rx_packets, before.rx_packets + 5);
    check_eq!(after.rx_bytes, before.rx_bytes + bytes);
    check_eq!(after.rx_dropped, before.rx_dropped);
    check_eq!(fixture.fake.violations(), 0);
    Ok(())
}
