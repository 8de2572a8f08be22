// SPDX-License-Identifier: GPL-2.0

//! Generators of a driver without `unsafe`.
//!
//! The reader is the thread of the core. It reads from the generator in use, which is the
//! registered one if there is no other.

use crate::{
    Bytes,
    Generator,
    Hwrng,
    Registration, //
};
use core::mem::{
    ManuallyDrop,
    MaybeUninit, //
};
use kernel::{
    device::{
        Bound,
        Device, //
    },
    faux,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
};

/// A generator that a test controls and observes.
struct Toy {
    /// The number of bytes that it has.
    stock: Atomic<i32>,
    /// The number of times that it was asked.
    asked: Atomic<i32>,
    /// Whether the generator fails.
    fails: Atomic<bool>,
    /// The number of generators that were dropped.
    gone: Arc<Atomic<i32>>,
}

impl Drop for Toy {
    fn drop(&mut self) {
        self.gone.fetch_add(1, Relaxed);
    }
}

impl Generator for Toy {
    const QUALITY: u16 = 1;

    fn take(&self, bytes: &mut Bytes<'_>) -> Result {
        self.asked.fetch_add(1, Relaxed);
        if self.fails.load(Relaxed) {
            return Err(EIO);
        }
        while self.stock.load(Relaxed) > 0 && bytes.append(&[7]) == 1 {
            self.stock.fetch_sub(1, Relaxed);
        }
        Ok(())
    }
}

/// A device, its generator, and the number of generators that were dropped.
struct Fixture {
    parent: faux::Registration,
    toy: Arc<Hwrng<Toy>>,
    gone: Arc<Atomic<i32>>,
}

impl Fixture {
    fn new() -> Result<Self> {
        Self::on(c"rust_hwrng_test")
    }

    /// Returns a fixture on a device of this name.
    fn on(name: &CStr) -> Result<Self> {
        let gone = Arc::new(Atomic::new(0), GFP_KERNEL)?;
        let toy = Toy {
            stock: Atomic::new(0),
            asked: Atomic::new(0),
            fails: Atomic::new(false),
            gone: gone.clone(),
        };
        Ok(Self {
            parent: faux::Registration::new(name, None)?,
            toy: Arc::pin_init(Hwrng::new(toy), GFP_KERNEL)?,
            gone,
        })
    }

    fn register(&self) -> Result<Registration<Toy>> {
        let dev: &Device<Bound> = self.parent.as_ref().as_ref();
        Registration::new(dev, c"rust_hwrng_test", self.toy.clone())
    }

    /// Waits until the generator was asked more often than `before`. Returns whether it was.
    fn is_asked(&self, before: i32) -> bool {
        until(|| self.toy.asked.load(Relaxed) > before)
    }
}

/// Waits until a condition holds, for up to 30 seconds. Returns whether it holds.
fn until(mut condition: impl FnMut() -> bool) -> bool {
    for _ in 0..30_000 {
        if condition() {
            return true;
        }
        fsleep(Delta::from_millis(1));
    }
    condition()
}

/// Fails the test unless the condition holds.
macro_rules! check {
    ($cond:expr) => {
        if !$cond {
            kernel::kunit::err(fmt!("    # line {}: {}\n", line!(), stringify!($cond)));
            return Err(EINVAL);
        }
    };
}

#[kunit_tests(rust_virtio_hwrng)]
mod suite {
    use super::*;

    /// A buffer accepts bytes until it is full.
    #[test]
    fn bytes_end_with_their_room() -> Result {
        let mut room = [MaybeUninit::uninit(); 8];
        let mut bytes = Bytes::new(&mut room);
        check!(bytes.is_empty());
        check!(bytes.append(&[1; 5]) == 5);
        check!(bytes.append(&[2; 5]) == 3);
        check!(bytes.append(&[3; 5]) == 0);
        check!(bytes.len() == 8);
        Ok(())
    }

    /// The core reads until no byte is left, waits, and goes on when it is woken.
    #[test]
    fn reader_waits_and_is_woken() -> Result {
        let fixture = Fixture::new()?;
        let registration = fixture.register()?;
        check!(fixture.is_asked(0));
        let before = fixture.toy.asked.load(Relaxed);
        fixture.toy.stock.store(5, Relaxed);
        fixture.toy.wake();
        check!(fixture.is_asked(before));
        check!(until(|| fixture.toy.stock.load(Relaxed) == 0));
        drop(registration);
        check!(fixture.gone.load(Relaxed) == 0);
        Ok(())
    }

    /// A read that waits for a silent device ends with the registration.
    #[test]
    fn removal_ends_a_read_that_waits() -> Result {
        let fixture = Fixture::new()?;
        for _ in 0..3 {
            let before = fixture.toy.asked.load(Relaxed);
            let registration = fixture.register()?;
            check!(fixture.is_asked(before));
            drop(registration);
        }
        let asked = fixture.toy.asked.load(Relaxed);
        fixture.toy.wake();
        check!(fixture.toy.asked.load(Relaxed) == asked);
        Ok(())
    }

    /// A forgotten registration ends when the driver is unbound.
    #[test]
    fn forgotten() -> Result {
        let fixture = Fixture::new()?;
        let registration = ManuallyDrop::new(fixture.register()?);
        check!(fixture.is_asked(0));
        let Fixture { parent, toy, gone } = fixture;
        drop(toy);
        check!(gone.load(Relaxed) == 0);
        drop(parent);
        check!(gone.load(Relaxed) == 1);
        // kmemleak would report the memory of a registration that is never dropped.
        drop(ManuallyDrop::into_inner(registration));
        Ok(())
    }

    /// A registration may be dropped after its device.
    #[test]
    fn later_than_its_device() -> Result {
        let fixture = Fixture::new()?;
        let registration = fixture.register()?;
        check!(fixture.is_asked(0));
        let Fixture { parent, toy, gone } = fixture;
        drop(parent);
        drop(toy);
        check!(gone.load(Relaxed) == 1);
        drop(registration);
        check!(gone.load(Relaxed) == 1);
        Ok(())
    }

    /// Two generators of the same name get different numbers, and both can be unregistered.
    #[test]
    fn two_of_a_name() -> Result {
        let (one, two) = (Fixture::new()?, Fixture::on(c"rust_hwrng_other")?);
        let first = one.register()?;
        let second = two.register()?;
        check!(one.is_asked(0));
        // The core changes to the generator that is left.
        drop(first);
        check!(two.is_asked(0));
        drop(second);
        Ok(())
    }

    /// A generator that is registered cannot be registered again.
    #[test]
    fn twice() -> Result {
        let fixture = Fixture::new()?;
        let registration = fixture.register()?;
        check!(matches!(fixture.register(), Err(e) if e == EBUSY));
        check!(fixture.is_asked(0));
        drop(registration);
        drop(fixture.register()?);
        Ok(())
    }

    /// A failing device does not block the end of its registration.
    #[test]
    fn failing() -> Result {
        let fixture = Fixture::new()?;
        fixture.toy.fails.store(true, Relaxed);
        let registration = fixture.register()?;
        check!(fixture.is_asked(0));
        drop(registration);
        Ok(())
    }
}
