// SPDX-License-Identifier: GPL-2.0

//! Kicks, interrupts, and their suppression.

use super::{
    add,
    get,
    on,
    on_each,
    post,
    use_one,
    RINGS, //
};
use crate::fixture::Setup;
use kernel::prelude::*;
use virtio_fake::{
    Action,
    EVENT_IDX,
    RING_PACKED, //
};

#[kunit_tests(rust_virtio_ring_callback)]
mod suite {
    use super::*;

    /// A kick notifies the device if it asks for that, and succeeds if no notification is needed.
    /// If the transport cannot notify, the queue is broken (R7, R18, R25).
    #[test]
    fn kicks() -> Result {
        on_each(Setup::default, |_, fake, dev, _queues| {
            let mut vq = fake.c_queue(0)?;
            fake.want_kicks(0, false)?;
            add(&mut vq, 1, 1, 0)?;
            check!(!vq.kick_prepare());
            check!(vq.kick());
            check_eq!(fake.traffic(0).kicks, 0);
            check_eq!(fake.serve(0)?, 1);
            add(&mut vq, 2, 1, 0)?;
            check!(vq.kick());
            check_eq!(fake.traffic(0).kicks, 1);
            check_eq!(fake.serve(0)?, 1);
            fake.fault(|f| f.notify_fails = true);
            add(&mut vq, 3, 1, 0)?;
            check!(!vq.kick());
            check!(vq.is_broken());
            check!(!vq.notify());
            check_eq!(fake.traffic(0).kicks, 2);
            dev.reset();
            Ok(())
        })
    }

    /// With an index, the device is notified when the buffer that it asks for is added, and not for
    /// buffers before and after that (R18, R25).
    #[test]
    fn kicks_by_index() -> Result {
        on(
            &[RINGS[1], RINGS[4], RINGS[7], RINGS[10]],
            Setup::default,
            |_, fake, _, _queues| {
                let mut vq = fake.c_queue(0)?;
                let packed = fake.negotiated(RING_PACKED);
                for round in 0..6u16 {
                    let asked = 4 * round + 2;
                    fake.inject(0, |ring| {
                        if packed {
                            let wrap = 1 - asked / 8 % 2;
                            ring.packed()?
                                .write_device_event((asked % 8) | (wrap << 15), 2)
                        } else {
                            ring.split()?.write_avail_event(asked)
                        }
                    })?;
                    let before = fake.traffic(0).kicks;
                    for (number, kicks) in [(0, 0), (1, 0), (2, 1), (3, 1)] {
                        add(&mut vq, number, 1, 0)?;
                        check!(vq.kick());
                        check_eq!(fake.traffic(0).kicks, before + kicks);
                    }
                    check_eq!(fake.serve(0)?, 4);
                    for number in 0..4 {
                        fake.finish(0, |_| Action::Complete(0))?;
                        check_eq!(get(&mut vq)?.buffer.number(), number);
                    }
                }
                Ok(())
            },
        )
    }

    /// If a queue breaks between an add and the kick, the device is not notified. The kick fails if
    /// the device had asked for a notification (R14, R18).
    #[test]
    fn kick_of_a_broken_queue() -> Result {
        on_each(Setup::default, |_, fake, dev, _queues| {
            let mut vq = fake.c_queue(0)?;
            fake.want_kicks(0, false)?;
            add(&mut vq, 1, 1, 0)?;
            vq.declare_broken();
            check!(vq.kick());
            vq.unbreak();
            check_eq!(fake.serve(0)?, 1);
            add(&mut vq, 2, 1, 0)?;
            vq.declare_broken();
            check!(!vq.kick());
            check_eq!(fake.traffic(0).kicks, 0);
            vq.unbreak();
            dev.reset();
            Ok(())
        })
    }

    /// Callbacks can be disabled and enabled, without losing buffers that were used in between
    /// (R8).
    #[test]
    fn callbacks_off_and_on() -> Result {
        on_each(Setup::default, |bound, fake, _, _queues| {
            let mut vq = fake.c_queue(0)?;
            post(&mut vq, fake, 0, 4)?;
            check!(vq.enable_cb());
            use_one(fake)?;
            check_eq!(bound.callbacks(), 1);
            vq.disable_cb();
            check!(!vq.enable_cb());
            vq.disable_cb();
            let armed = vq.enable_cb_prepare();
            check!(vq.poll(armed));
            check_eq!(get(&mut vq)?.buffer.number(), 0);
            vq.disable_cb();
            let armed = vq.enable_cb_prepare();
            check!(!vq.poll(armed));
            use_one(fake)?;
            check_eq!(bound.callbacks(), 2);
            check!(vq.poll(armed));
            check_eq!(get(&mut vq)?.buffer.number(), 1);
            check!(vq.enable_cb());
            use_one(fake)?;
            use_one(fake)?;
            check_eq!(get(&mut vq)?.buffer.number(), 2);
            check_eq!(get(&mut vq)?.buffer.number(), 3);
            check!(vq.enable_cb());
            Ok(())
        })
    }

    /// A shared interrupt belongs to the queue if a buffer was used. A broken queue calls no
    /// callback (R9, R35).
    #[test]
    fn shared_interrupt() -> Result {
        on_each(Setup::default, |bound, fake, dev, _queues| {
            let mut vq = fake.c_queue(0)?;
            check!(!vq.interrupt());
            post(&mut vq, fake, 0, 2)?;
            check!(!vq.interrupt());
            fake.finish_silently(0, |_| Action::Complete(1))?;
            check_eq!(bound.callbacks(), 0);
            check!(vq.interrupt());
            check_eq!(bound.callbacks(), 1);
            vq.declare_broken();
            check!(vq.interrupt());
            check_eq!(bound.callbacks(), 1);
            vq.unbreak();
            check_eq!(get(&mut vq)?.buffer.number(), 0);
            check!(!vq.interrupt());
            dev.reset();
            Ok(())
        })
    }

    /// A delayed callback comes when three quarters of the outstanding buffers were used (R28).
    #[test]
    fn delayed() -> Result {
        on(
            &[RINGS[1], RINGS[4], RINGS[7], RINGS[10]],
            Setup::default,
            |bound, fake, _, _queues| {
                let mut vq = fake.c_queue(0)?;
                // The first interrupt of a device is unconditional.
                post(&mut vq, fake, 0, 1)?;
                use_one(fake)?;
                check!(vq.get()?.is_some());
                let before = bound.callbacks();
                post(&mut vq, fake, 1, 6)?;
                // The packed C ring uses an index only after callbacks were disabled.
                vq.disable_cb();
                check!(vq.enable_cb_delayed());
                for _ in 0..4 {
                    use_one(fake)?;
                }
                check_eq!(bound.callbacks(), before);
                for _ in 0..2 {
                    use_one(fake)?;
                }
                check_eq!(bound.callbacks(), before + 1);
                // The index has passed the event.
                check!(!vq.enable_cb_delayed());
                for _ in 0..6 {
                    check!(vq.get()?.is_some());
                }
                check!(vq.enable_cb_delayed());
                Ok(())
            },
        )
    }

    /// After the callback for an index has come, disabling callbacks writes nothing: there is no
    /// other callback to suppress (R29).
    #[test]
    fn callback_that_has_come() -> Result {
        on(
            &[RINGS[1], RINGS[7]],
            Setup::default,
            |bound, fake, dev, _queues| {
                let mut vq = fake.c_queue(0)?;
                let event = || fake.inject(0, |ring| ring.split()?.read_used_event());
                post(&mut vq, fake, 0, 4)?;
                check_eq!(event()?, 0);
                for number in 0..3 {
                    use_one(fake)?;
                    check_eq!(get(&mut vq)?.buffer.number(), number);
                }
                // With callbacks enabled, each taken buffer asks for a callback at the next one.
                check_eq!(event()?, 3);
                use_one(fake)?;
                check_eq!(bound.callbacks(), 4);
                vq.disable_cb();
                check_eq!(event()?, 3);
                check_eq!(get(&mut vq)?.buffer.number(), 3);
                check_eq!(event()?, 3);
                check!(vq.enable_cb());
                check_eq!(event()?, 4);
                // Without a callback in between, disabling writes to the ring.
                vq.disable_cb();
                check!(event()? != 4);
                dev.reset();
                Ok(())
            },
        )
    }

    /// A broken queue releases threads that wait for a used buffer (R14).
    #[test]
    fn broken() -> Result {
        on_each(Setup::default, |_, fake, dev, _queues| {
            let mut vq = fake.c_queue(0)?;
            post(&mut vq, fake, 0, 2)?;
            fake.finish_silently(0, |_| Action::Complete(1))?;
            let armed = vq.enable_cb_prepare();
            fake.break_queues(true);
            check!(vq.is_broken());
            check!(vq.get()?.is_none());
            check!(!vq.poll(armed));
            check!(vq.enable_cb());
            check!(vq.enable_cb_delayed());
            check!(!vq.notify());
            fake.break_queues(false);
            check!(!vq.is_broken());
            check!(vq.poll(armed));
            check_eq!(get(&mut vq)?.buffer.number(), 0);
            dev.reset();
            Ok(())
        })
    }

    /// The data of a notification has the index of the queue, and the index of the next buffer, or
    /// its position and wrap counter (R36).
    #[test]
    fn notification_data() -> Result {
        let two = || Setup {
            queues: 2,
            ..Setup::default()
        };
        on_each(two, |_, fake, _, _queues| {
            let first = u32::from(fake.negotiated(RING_PACKED)) << 31;
            check_eq!(fake.c_queue(1)?.notification_data(), first | 1);
            let mut vq = fake.c_queue(0)?;
            for number in 0..21u32 {
                let (lap, place) = (number / 8, number % 8);
                let next = if fake.negotiated(RING_PACKED) {
                    place | (1 - lap % 2) << 15
                } else {
                    number
                };
                check_eq!(vq.notification_data(), next << 16);
                post(&mut vq, fake, number.into(), 1)?;
                use_one(fake)?;
                check!(vq.get()?.is_some());
            }
            Ok(())
        })
    }

    /// Without an event index, a flag disables callbacks (R8, R18).
    #[test]
    fn by_flag() -> Result {
        on(
            &[RINGS[0], RINGS[3], RINGS[6], RINGS[9]],
            Setup::default,
            |bound, fake, _, _queues| {
                check!(!fake.negotiated(EVENT_IDX));
                let mut vq = fake.c_queue(0)?;
                post(&mut vq, fake, 0, 3)?;
                vq.disable_cb();
                use_one(fake)?;
                check_eq!(bound.callbacks(), 0);
                check!(!vq.enable_cb());
                use_one(fake)?;
                check_eq!(bound.callbacks(), 1);
                use_one(fake)?;
                check_eq!(bound.callbacks(), 2);
                for _ in 0..3 {
                    check!(vq.get()?.is_some());
                }
                Ok(())
            },
        )
    }
}
