// SPDX-License-Identifier: GPL-2.0

//! Tests of the wrappers in hard interrupts.

use super::{
    fixture::{
        until,
        Fixture,
        Handover, //
    },
    xdp::frame,
};
use crate::{
    context::leaked,
    Gfp,
    Rtnl,
    RxFrag,
    RxKind,
    XdpFrame, //
};
use kernel::{
    impl_has_hr_timer,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Release, //
        },
        Arc,
        ArcBorrow, //
    },
    time::{
        hrtimer::{
            HrTimer,
            HrTimerCallback,
            HrTimerCallbackContext,
            HrTimerPointer,
            HrTimerRestart,
            RelativeHardMode, //
        },
        Delta,
        Monotonic, //
    },
};

/// A timer whose interrupt drops a value.
#[pin_data]
struct Dropper<T: Send + 'static> {
    #[pin]
    timer: HrTimer<Self>,
    value: Handover<T>,
    done: Atomic<bool>,
}

impl_has_hr_timer! {
    impl{T: Send + 'static} HasHrTimer<Self> for Dropper<T> {
        mode: RelativeHardMode<Monotonic>, field: self.timer
    }
}

impl<T: Send + 'static> HrTimerCallback for Dropper<T> {
    type Pointer<'a> = Arc<Self>;

    fn run(this: ArcBorrow<'_, Self>, _: HrTimerCallbackContext<'_, Self>) -> HrTimerRestart {
        drop(this.value.take());
        this.done.store(true, Release);
        HrTimerRestart::NoRestart
    }
}

/// Drops a value in a hard interrupt. Returns the number of buffers that were leaked.
fn drop_in_interrupt<T: Send + 'static>(value: T) -> Result<u32> {
    let before = leaked();
    let dropper = Arc::pin_init(
        pin_init!(Dropper {
            timer <- HrTimer::new(),
            value: Handover::new(),
            done: Atomic::new(false),
        }),
        GFP_KERNEL,
    )?;
    dropper.value.put(KBox::new(value, GFP_KERNEL)?);
    let timer = dropper.clone().start(Delta::from_micros(100));
    let done = until(|| dropper.done.load(Acquire));
    drop(timer);
    if !done {
        return Err(ETIMEDOUT);
    }
    Ok(leaked().wrapping_sub(before))
}

#[kunit_tests(rust_net_hardirq)]
mod suite {
    use super::*;

    /// A receive buffer that is dropped in an interrupt does not go to the cache of its pool. The
    /// test frees it later.
    #[test]
    fn receive_buffer() -> Result {
        let fixture = Fixture::new(1, 64)?;
        let mut rtnl = Rtnl::lock();
        fixture.net.set_page_pool(0, Some((16, None)), &mut rtnl)?;
        let ((), mut slot) = fixture.net.rx_stopped(0, &mut rtnl).ok_or(EBUSY)?;
        let mut pool = slot.get().ok_or(EINVAL)?;
        let frag = pool.frags(RxKind::XDP, Gfp::Kernel).alloc().ok_or(ENOMEM)?;
        let (start, sizes) = frag.into_raw();
        // SAFETY: Both are of the buffer, which is used again only if this one was leaked.
        let leaks = drop_in_interrupt(unsafe { RxFrag::from_raw(start, sizes) })?;
        check_eq!(leaks, 1);
        // SAFETY: Both are of the buffer, which was leaked.
        drop(unsafe { RxFrag::from_raw(start, sizes) });
        Ok(())
    }

    /// The same with a frame.
    #[test]
    fn frame_of_xdp() -> Result {
        let raw = frame()?.into_raw();
        // SAFETY: The frame is valid, and is used again only if it was leaked.
        let leaks = drop_in_interrupt(unsafe { XdpFrame::from_raw(raw) })?;
        check_eq!(leaks, 1);
        // SAFETY: The frame is valid, and was leaked.
        drop(unsafe { XdpFrame::from_raw(raw) });
        Ok(())
    }
}
