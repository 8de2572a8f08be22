// SPDX-License-Identifier: GPL-2.0

//! Received frames of the hostile catalogue (`docs/hostile.md`), besides those of the suite
//! `rust_virtio_net_rx`.

use super::{
    super::{
        MAC, //
    },
    *,
};
use virtio_fake::{
    leave_dirt,
    Addresses,
    Chain,
    GuestByte,
    Task, //
};

/// Whether the kernel has the DMA API. Otherwise the test is skipped.
fn has_dma() -> bool {
    if !cfg!(CONFIG_HAS_DMA) {
        messages::skip(c"there is no DMA API");
    }
    cfg!(CONFIG_HAS_DMA)
}

/// Number of pages that are filled and freed, so that receive buffers may come from them.
const DIRTY_PAGES: usize = 1024;

/// Writes a frame to a buffer, behind its header.
fn fill(chain: &mut Chain, header: &[u8; 12], frame: &[u8]) -> Action {
    let at = chain.write(0, header).unwrap_or(0);
    let end = at + chain.write(at, frame).unwrap_or(0);
    Action::Complete(end as u32)
}

/// Changes a byte back and forth.
fn flip(byte: GuestByte) -> Result {
    for round in 0..2000 {
        byte.write(if round % 2 == 0 { 0x7f } else { 0 })?;
    }
    Ok(())
}

/// Whether all bytes of a buffer that the device may write are zero.
fn is_clean(chain: &Chain) -> Result<bool> {
    let mut bytes = KVec::from_elem(0xff, chain.writable(), GFP_KERNEL)?;
    check_eq!(chain.peek(0, &mut bytes)?, bytes.len());
    Ok(bytes.iter().all(|&byte| byte == 0))
}

/// Uses the oldest buffer twice for a frame.
fn use_twice(fixture: &NetFixture, frame: &[u8]) -> Result {
    fixture
        .fake
        .finish(0, |chain| match fill(chain, &rx_header(1), frame) {
            Action::Complete(len) => Action::Twice(len),
            other => other,
        })
}

/// Whether the card was started anew since it had `resets` resets, and has buffers again.
fn starts_anew(fixture: &NetFixture, nic: &Nic, resets: u32) -> bool {
    wait::until(20_000, || {
        fixture.fake.resets() > resets
            && !fixture.fake.may_do_io()
            && fixture.fake.held(0) > 0
            && nic.state().carrier
    })
}

/// Has the device use all buffers, each for the frame. The driver can add none.
fn use_up(fixture: &NetFixture, frame: &[u8]) -> Result {
    // The device may not have taken the last of them yet.
    while wait::until(50, || fixture.fake.held(0) > 0) {
        receive(&fixture.fake, &[&rx_header(1), frame], None)?;
        wait::pause(1);
    }
    Ok(())
}

/// Rings whose buffers are used in any order.
const RINGS: [&[u32]; 3] = [&[], &[INDIRECT_DESC, EVENT_IDX], &[RING_PACKED]];

/// Calls `f` with a card for each kind of ring and of buffers.
fn on_each(f: impl Fn(&NetFixture, &Nic) -> Result) -> Result {
    for ring in RINGS {
        for mode in MODES {
            let mut features = KVec::new();
            features.extend_from_slice(ring, GFP_KERNEL)?;
            features.extend_from_slice(mode, GFP_KERNEL)?;
            let fixture = NetFixture::with(&features)?;
            let nic = fixture.up()?;
            f(&fixture, &nic).inspect_err(|_| pr_err!("    # with features {:?}\n", features))?;
        }
    }
    Ok(())
}

#[kunit_tests(rust_virtio_hostile_net_rx)]
mod suite {
    use super::*;

    /// The first of two buffers is too short. The second one is not taken for a packet, whatever it
    /// begins with.
    #[test]
    fn short_first_buffer() -> Result {
        let frame = to_us(1, 200)?;
        let fixture = NetFixture::with(&[F_MRG_RXBUF])?;
        let nic = fixture.up()?;
        let capture = nic.capture(ETHER_TYPE)?;
        fixture
            .fake
            .finish_silently(0, |chain| fill(chain, &rx_header(2), &frame[..13]))?;
        receive(&fixture.fake, &[&rx_header(1), &frame], None)?;
        check!(wait::until(5_000, || nic.stats().rx_length_errors > 0));
        check_eq!(nic.stats().rx_length_errors, 1);
        still_works(&fixture, &capture)?;
        // Only that frame has arrived.
        check_eq!(capture.len(), 1);
        Ok(())
    }

    /// H097: more bytes than a packet may have, in a buffer of pages with room for all of them.
    #[test]
    fn h097_longer_than_any_packet() -> Result {
        for len in [12 + 65_560, 68_000, 69_632, 69_700, 73_694] {
            let frame = to_us(1, 64)?;
            refused(
                &[F_GUEST_CSUM, F_GUEST_TSO4],
                &[&rx_header(1), &frame],
                Some(len),
                length_errors,
                // A length of more than the pages have room for becomes 0.
                None,
            )?;
        }
        Ok(())
    }

    /// H101: the buffers of a packet have more bytes than a packet may have.
    #[test]
    fn h101_more_than_any_packet() -> Result {
        let fixture = NetFixture::with(&[F_MRG_RXBUF])?;
        let nic = fixture.up()?;
        let capture = nic.capture(ETHER_TYPE)?;
        let before = nic.stats();
        let frame = to_us(1, 1500)?;
        let buffers = 55;
        check!(fixture.fake.held(0) >= buffers.into());
        for i in 0..buffers {
            let header = rx_header(if i == 0 { buffers } else { 0 });
            fixture.fake.finish_silently(0, |chain| {
                fill(chain, &header, &frame);
                Action::Complete(chain.writable() as u32)
            })?;
        }
        fixture.fake.interrupt(0)?;
        check!(wait::until(5_000, || nic.stats().rx_dropped > before.rx_dropped));
        check_eq!(nic.stats().rx_dropped, before.rx_dropped + 1);
        check!(capture.is_empty());
        still_works(&fixture, &capture)
    }

    /// H102: segments larger than any packet: the packet is dropped, or taken without segments.
    #[test]
    fn h102_size_of_segments() -> Result {
        for size in [0xffff_u16, 0x8000] {
            let fixture = NetFixture::with(&[F_GUEST_CSUM, F_GUEST_TSO4, F_MRG_RXBUF])?;
            let nic = fixture.up()?;
            let capture = nic.capture(ETHER_TYPE)?;
            let frame = to_us(1, 200)?;
            let mut header = rx_header(1);
            header[1] = 1;
            header[4..6].copy_from_slice(&size.to_le_bytes());
            receive(&fixture.fake, &[&header, &frame], None)?;
            check!(wait::until(5_000, || {
                nic.stats().rx_frame_errors > 0 || !capture.is_empty()
            }));
            if !capture.is_empty() {
                check!(last_is(&capture, &frame));
            }
            still_works(&fixture, &capture)?;
        }
        Ok(())
    }

    /// H104: a checksum to be completed that was not negotiated: the packet is dropped, or taken as
    /// it is if the fields fit the frame.
    #[test]
    fn h104_checksum_not_negotiated() -> Result {
        for features in [&[][..], &[F_MRG_RXBUF]] {
            let fixture = NetFixture::with(features)?;
            let nic = fixture.up()?;
            let capture = nic.capture(ETHER_TYPE)?;
            let frame = to_us(1, 200)?;
            let mut header = rx_header(1);
            header[0] = 1;
            for (start, fits) in [(34u16, true), (190, false)] {
                let (errors, count) = (nic.stats().rx_frame_errors, capture.len());
                header[6..8].copy_from_slice(&start.to_le_bytes());
                header[8..10].copy_from_slice(&16u16.to_le_bytes());
                receive(&fixture.fake, &[&header, &frame], None)?;
                check!(wait::until(5_000, || {
                    nic.stats().rx_frame_errors > errors || capture.len() > count
                }));
                if capture.len() > count {
                    check!(fits && last_is(&capture, &frame));
                }
            }
            still_works(&fixture, &capture)?;
        }
        Ok(())
    }

    /// H108: the header changes while the driver reads it. The frames are short, so that their
    /// buffers stay with the driver.
    #[test]
    fn h108_header_changes() -> Result {
        for features in MODES {
            let fixture = NetFixture::with(features)?;
            let nic = fixture.up()?;
            let capture = nic.capture(ETHER_TYPE)?;
            let frame = to_us(7, 100)?;
            let mut arrived = 0;
            for _ in 0..10 {
                check!(wait::until(5_000, || fixture.fake.held(0) > 0));
                let errors = nic.stats().rx_frame_errors;
                let mut byte = Err(ENODATA);
                fixture.fake.finish_silently(0, |chain| {
                    // The kind of segmentation.
                    byte = chain.byte_at(1);
                    fill(chain, &rx_header(1), &frame)
                })?;
                let byte = byte?;
                let flipper = Task::new(move || flip(byte))?;
                fixture.fake.interrupt(0)?;
                check!(wait::until(5_000, || {
                    capture.len() > arrived || nic.stats().rx_frame_errors > errors
                }));
                flipper.join(10_000)??;
                if capture.len() > arrived {
                    arrived += 1;
                    check!(last_is(&capture, &frame));
                }
                check_eq!(capture.len(), arrived);
            }
            still_works(&fixture, &capture)?;
        }
        Ok(())
    }

    /// H109: a length of more than was written: old contents of the memory are not in the frame.
    #[test]
    fn h109_less_written_than_told() -> Result {
        if !has_dma() {
            return Ok(());
        }
        for features in MODES {
            leave_dirt(DIRTY_PAGES)?;
            let fixture = NetFixture::mapped(Addresses::Dma, features)?;
            let nic = fixture.up()?;
            let capture = nic.capture(ETHER_TYPE)?;
            let frame = to_us(1, 60)?;
            receive(&fixture.fake, &[&rx_header(1), &frame], Some(12 + 1400))?;
            check!(arrived(&capture, 1));
            let got = capture.pop().ok_or(ENODATA)?;
            check_eq!((got.len(), got.get(..6)), (1400, Some(&MAC[..])));
            check!(got.iter().skip(60).all(|&byte| byte == 0));
        }
        Ok(())
    }

    /// H110: the buffers that a device gets have no old contents of the memory.
    #[test]
    fn h110_buffers_are_clean() -> Result {
        if !has_dma() {
            return Ok(());
        }
        for features in MODES {
            leave_dirt(DIRTY_PAGES)?;
            let fixture = NetFixture::mapped(Addresses::Dma, features)?;
            let _nic = fixture.up()?;
            for _ in 0..fixture.fake.held(0) {
                let mut clean = Err(ENODATA);
                fixture.fake.finish_silently(0, |chain| {
                    clean = is_clean(chain);
                    Action::Hold
                })?;
                check!(clean?);
            }
        }
        Ok(())
    }

    /// H113: the device uses all buffers, and there is no memory that could be mapped for new ones:
    /// the driver adds them when there is memory.
    #[test]
    fn h113_no_buffers_for_now() -> Result {
        for features in MODES {
            let fixture = NetFixture::mapped(Addresses::Marked, features)?;
            let nic = fixture.up()?;
            let capture = nic.capture(ETHER_TYPE)?;
            let frame = to_us(1, 300)?;
            fixture.fake.limit_maps(Some(0));
            use_up(&fixture, &frame)?;
            let mut count = 0;
            // The frames that arrived are as they were sent.
            check!(wait::until(5_000, || {
                while let Some(got) = capture.pop() {
                    count += usize::from(got[..] == frame[..]);
                }
                count > 0
            }));
            wait::pause(50);
            check_eq!(fixture.fake.held(0), 0);
            fixture.fake.limit_maps(None);
            while capture.pop().is_some() {}
            still_works(&fixture, &capture)?;
        }
        Ok(())
    }

    /// H004, H031: a buffer that is used twice, for a frame that takes the buffer away. The first
    /// use counts. The second one breaks the queue, and the card is started anew: the queue has all
    /// its buffers, and frames of all sizes arrive.
    #[test]
    fn h004_h031_used_twice() -> Result {
        on_each(|fixture, nic| {
            let capture = nic.capture(ETHER_TYPE)?;
            let held = fixture.fake.held(0);
            let resets = fixture.fake.resets();
            let frame = to_us(1, 300)?;
            use_twice(fixture, &frame)?;
            check!(starts_anew(fixture, nic, resets));
            check!(arrived(&capture, 1));
            check!(last_is(&capture, &frame));
            check!(wait::until(5_000, || fixture.fake.held(0) >= held));
            drop(capture);
            frames(fixture, nic)
        })
    }

    /// H004, H031: as before, for frames that are copied. The driver may have added the buffer
    /// again, so that the second use is one of that. No frame arrives that the card did not write,
    /// and the queue works on, anew or not.
    #[test]
    fn h004_h031_used_twice_copied() -> Result {
        long!();
        on_each(|fixture, nic| {
            let capture = nic.capture(ETHER_TYPE)?;
            let resets = fixture.fake.resets();
            let frame = to_us(1, 60)?;
            use_twice(fixture, &frame)?;
            check!(wait::until(5_000, || !capture.is_empty()));
            check!(capture.len() <= 2);
            check!(capture.with(|frames| frames.iter().all(|f| f[..] == frame[..])));
            // As many as the ring has buffers: the device uses each of them again.
            for i in 0..64 {
                // A capture has room for fewer frames.
                while capture.pop().is_some() {}
                let frame = to_us(i, 60)?;
                let taken = receive(&fixture.fake, &[&rx_header(1), &frame], None);
                // A frame that does not come means a reset, which may take longer.
                let came = taken.is_ok()
                    && wait::until(20_000, || {
                        !capture.is_empty() || fixture.fake.resets() > resets
                    });
                if !came || fixture.fake.resets() > resets {
                    check!(starts_anew(fixture, nic, resets));
                    break;
                }
                check!(last_is(&capture, &frame));
            }
            drop(capture);
            frames(fixture, nic)
        })
    }

    /// H113: the interface goes down while the driver is to try again. The attempts find nothing to
    /// do, and the buffers are added when the interface is up again and there is memory, also if
    /// there is none at first.
    #[test]
    fn h113_down_without_buffers() -> Result {
        for features in MODES {
            let fixture = NetFixture::mapped(Addresses::Marked, features)?;
            let nic = fixture.up()?;
            let frame = to_us(1, 300)?;
            fixture.fake.limit_maps(Some(0));
            use_up(&fixture, &frame)?;
            for memory in [false, true] {
                // The attempts come after about 20 ms each: one is due when the interface is down.
                nic.set_up(false)?;
                wait::pause(100);
                check_eq!(fixture.fake.held(0), 0);
                if memory {
                    fixture.fake.limit_maps(None);
                    wait::pause(100);
                    check_eq!(fixture.fake.held(0), 0);
                }
                nic.set_up(true)?;
                check!(wait::until(5_000, || nic.state().carrier));
                check!(!memory || wait::until(5_000, || fixture.fake.held(0) > 0));
            }
            let capture = nic.capture(ETHER_TYPE)?;
            still_works(&fixture, &capture)?;
            check_eq!(fixture.fake.violations(), 0);
        }
        Ok(())
    }
}
