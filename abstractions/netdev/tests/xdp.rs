// SPDX-License-Identifier: GPL-2.0

//! Tests of the wrappers for XDP.

use super::{
    fixture::{
        until,
        Fixture, //
    },
    toy::Toy, //
};
use crate::{
    bindings,
    device::Vtable,
    page,
    Gfp,
    Rtnl,
    RxData,
    RxKind,
    XdpFrame,
    XdpFrames, //
};
use core::{
    cell::Cell,
    ptr::NonNull, //
};
use kernel::{
    alloc::KVec,
    page::Page,
    prelude::*,
    sync::atomic::Relaxed, //
};

/// Returns a frame in a page of its own, which goes with the frame.
pub(super) fn frame() -> Result<XdpFrame> {
    const HEADROOM: usize = 256;
    let page = Page::alloc_page(GFP_KERNEL)?;
    let start = page::address(&page).ok_or(ENOMEM)?;
    // Zeroes are the kind of memory that is freed as a page.
    let frame = bindings::xdp_frame {
        // SAFETY: The offset is within the page.
        data: unsafe { start.add(HEADROOM) }.as_ptr().cast(),
        len: 64,
        ..Default::default()
    };
    let place = start.cast::<bindings::xdp_frame>();
    // SAFETY: The page is large enough, aligned, and only this refers to it.
    unsafe { place.write(frame) };
    // The frame owns the page now.
    core::mem::forget(page);
    // SAFETY: The frame is valid, and nothing else owns it.
    Ok(unsafe { XdpFrame::from_raw(place) })
}

/// Has the toy transmit frames as the core does. Returns the result, after the frames were freed
/// that the core would free.
fn transmit(fixture: &Fixture, number: usize) -> Result<i32> {
    let ops = Vtable::<Toy>::net_device_ops();
    let call = ops.ndo_xdp_xmit.ok_or(EINVAL)?;
    let mut frames = KVec::with_capacity(number, GFP_KERNEL)?;
    for _ in 0..number {
        frames.push(frame()?.into_raw().as_ptr(), GFP_KERNEL)?;
    }
    // SAFETY: The device is one of the toy's, and the frames are valid.
    let sent = unsafe { call(fixture.net.as_raw(), number as i32, frames.as_mut_ptr(), 0) };
    let accepted = fixture.net.data().accepts.load(Relaxed) as usize;
    // The number that the core is told is checked by the tests: a wrong one is not to corrupt
    // memory.
    for frame in frames.iter().skip(accepted) {
        // SAFETY: The toy gave this frame back.
        drop(unsafe { XdpFrame::from_raw(NonNull::new(*frame).ok_or(EINVAL)?) });
    }
    Ok(sent)
}

#[kunit_tests(rust_net_xdp)]
mod suite {
    use super::*;

    /// The core is told the number of frames that the driver took, also if the driver fails after
    /// that.
    #[test]
    fn frames_taken_count() -> Result {
        let fixture = Fixture::new(1, 64)?;
        let toy = fixture.net.data();
        for accepted in [0, 1, 3] {
            toy.accepts.store(accepted, Relaxed);
            toy.fails.store(false, Relaxed);
            check_eq!(transmit(&fixture, 3)?, accepted);
            toy.fails.store(true, Relaxed);
            let told = if accepted == 0 {
                EIO.to_errno()
            } else {
                accepted
            };
            check_eq!(transmit(&fixture, 3)?, told);
        }
        Ok(())
    }

    /// A packet for programs has only buffers of its queue, because they go back to the cache that
    /// the poll uses.
    #[test]
    fn buffers_of_another_queue() -> Result {
        let fixture = Fixture::new(2, 64)?;
        let mut rtnl = Rtnl::lock();
        for i in 0..2 {
            fixture.net.set_page_pool(i, Some((16, None)), &mut rtnl)?;
            fixture.net.register_for_xdp(i, 16, &mut rtnl)?;
        }
        let ((), mut slot) = fixture.net.rx_stopped(1, &mut rtnl).ok_or(EBUSY)?;
        let mut pool = slot.get().ok_or(EINVAL)?;
        let mut frags = pool.frags(RxKind::XDP, Gfp::Kernel);
        let mut other = || frags.alloc().map(|frag| RxData::from_parts(frag, 100));
        let foreign = [other().ok_or(ENOMEM)?, other().ok_or(ENOMEM)?];
        let toy = fixture.net.data();
        toy.foreign.put(KBox::new(foreign, GFP_KERNEL)?);
        fixture.net.rx_enable(0, &mut rtnl);
        let results = || toy.joined.each_ref().map(|result| result.load(Relaxed));
        check!(until(|| results()[2] != 0));
        fixture.net.rx_disable(0, &mut rtnl);
        check_eq!(results(), [1, 1, -1, -1]);
        Ok(())
    }

    /// The core gets back no other frames than its own.
    #[test]
    fn another_frame_is_not_given_back() -> Result {
        let mut other = Some(frame()?);
        let mut frames = [frame()?.into_raw().as_ptr(), frame()?.into_raw().as_ptr()];
        let before = frames;
        let sent = Cell::new(0);
        // SAFETY: The frames are valid, and those that are sent are not used again.
        let all = unsafe { XdpFrames::from_raw(frames.as_mut_ptr(), 2, false, &sent) };
        let result = all.send(|frame| {
            let returned = other.take();
            drop(frame);
            returned.map_or(Ok(()), Err)
        });
        // SAFETY: The second frame was not passed on.
        drop(unsafe { XdpFrame::from_raw(NonNull::new(before[1]).ok_or(EINVAL)?) });
        check_eq!((result, sent.get()), (1, 1));
        check_eq!(frames, before);
        Ok(())
    }
}
