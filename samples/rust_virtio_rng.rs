// SPDX-License-Identifier: GPL-2.0

//! Virtio entropy driver (virtio spec §5.4): a sample, and the smallest complete driver.
//!
//! Replaces `drivers/char/hw_random/virtio-rng.c`: `/dev/hwrng` reads from the device.
//! `docs/write-a-driver.md` goes through it.

#![deny(unsafe_code)]

use hwrng::{
    Bytes,
    Generator,
    Hwrng,
    Registration, //
};
use kernel::{
    device::{
        Bound,
        Core, //
    },
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};
use virtio::{
    Device,
    DeviceId,
    Driver,
    IdTable,
    QueueHandle,
    Scope,
    Used,
    Virtqueue, //
};

virtio::module_virtio_driver! {
    type: RngDriver,
    name: "rust_virtio_rng",
    authors: ["The rust-virtio authors"],
    description: "Virtio entropy driver, a sample",
    license: "GPL",
}

virtio::virtio_device_table!(ID_TABLE, [DeviceId::RNG]);

/// A buffer for the device to write random bytes to.
type Chunk = KBox<[u8; 64]>;

/// The queue and its only chunk, which is in the queue, `idle`, or `used`.
#[derive(Default)]
struct State {
    /// None while the device sleeps or is in reset.
    queue: Option<Virtqueue<Chunk>>,
    /// The chunk before it is given to the device.
    idle: Option<Chunk>,
    /// The chunk after the device has written it.
    used: Option<Used<Chunk>>,
    /// Number of bytes of `used` that readers have got.
    read: usize,
}

impl State {
    fn new(dev: &Device<Bound>) -> Result<Self> {
        Ok(Self {
            queue: Some(dev.find_vq(c"input", 1)?),
            idle: Some(KBox::new([0; 64], GFP_KERNEL)?),
            ..Self::default()
        })
    }

    /// Gives the chunk to the device if it is idle.
    fn ask(&mut self) -> Result {
        let queue = self.queue.as_mut().ok_or(ENODEV)?;
        if let Some(chunk) = self.idle.take() {
            if let Err(refused) = queue.add_buf(chunk) {
                self.idle = Some(refused.buffer);
                return Err(refused.error);
            }
            queue.kick();
        }
        Ok(())
    }

    /// Takes bytes from the chunk. After the last byte, gives the chunk to the device again.
    fn take(&mut self, bytes: &mut Bytes<'_>) -> Result {
        self.ask()?;
        if self.used.is_none() {
            let queue = self.queue.as_mut().ok_or(ENODEV)?;
            self.used = queue.get_buf();
            self.read = 0;
            if self.used.is_none() && queue.is_broken() {
                return Err(EIO);
            }
        }
        if let Some(used) = self.used.take() {
            let unread = used.buffer().get(self.read..used.len() as usize);
            self.read += bytes.append(unread.unwrap_or_default());
            if self.read < used.len() as usize {
                self.used = Some(used);
                return Ok(());
            }
            let mut chunk = used.into_buffer();
            // If the device writes less than it reports, readers get zeroes and not old random
            // bytes.
            chunk.fill(0);
            self.idle = Some(chunk);
            self.ask()?;
        }
        Ok(())
    }
}

/// The generator that the core reads from.
#[pin_data]
struct Rng {
    #[pin]
    state: Mutex<State>,
}

impl Generator for Rng {
    fn take(&self, bytes: &mut Bytes<'_>) -> Result {
        self.state.lock().take(bytes)
    }
}

/// The data of a bound device.
#[pin_data]
struct Data {
    rng: Arc<Hwrng<Rng>>,
    #[pin]
    registration: Mutex<Option<Registration<Rng>>>,
}

struct RngDriver;

impl Driver for RngDriver {
    type Data<'bound> = Data;
    const ID_TABLE: IdTable = &ID_TABLE;

    fn probe<'bound>(
        dev: &'bound Device<Core<'_>>,
        _scope: Scope<'bound>,
    ) -> impl PinInit<Data, Error> + 'bound {
        pin_init::pin_init_scope(move || {
            let state = State::new(dev)?;
            let rng = pin_init!(Rng { state <- new_mutex!(state) });
            Ok(try_pin_init!(Data {
                rng: Arc::pin_init(Hwrng::new(rng), GFP_KERNEL)?,
                registration <- new_mutex!(None),
            }? Error))
        })
    }

    fn start<'bound>(dev: &'bound Device<Core<'_>>, data: Pin<&Data>) -> Result {
        dev.ready();
        data.rng.state.lock().ask()?;
        let registration = Registration::new(dev.as_ref(), c"virtio_rng", data.rng.clone())?;
        *data.registration.lock() = Some(registration);
        Ok(())
    }

    fn remove(_dev: &Device<Core<'_>>, data: Pin<&Data>) {
        let registration = data.registration.lock().take();
        // Readers that wait get an error.
        drop(registration);
    }

    fn vq_callback(_dev: &Device<Bound>, data: Pin<&Data>, _queue: &QueueHandle) {
        data.rng.wake();
    }

    fn freeze(_dev: &Device<Core<'_>>, data: Pin<&Data>) -> Result {
        // Dropping the queue resets the device.
        *data.rng.state.lock() = State::default();
        data.rng.wake();
        Ok(())
    }

    fn restore(dev: &Device<Core<'_>>, data: Pin<&Data>) -> Result {
        let mut state = data.rng.state.lock();
        *state = State::new(dev)?;
        dev.ready();
        state.ask()
    }

    fn reset_prepare(dev: &Device<Core<'_>>, data: Pin<&Data>) -> Result {
        Self::freeze(dev, data)
    }

    fn reset_done(dev: &Device<Core<'_>>, data: Pin<&Data>) -> Result {
        Self::restore(dev, data)
    }
}
