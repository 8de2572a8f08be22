// SPDX-License-Identifier: GPL-2.0

//! KUnit suites that run the virtio bus and the drivers with a fake device.
//!
//! A test returns an error at the first failed check ([`check`]). It does not abort by an
//! assertion, because then no destructor would run, and the device would stay plugged for the next
//! tests.

#[macro_use]
mod check;
mod binding;
mod blk;
mod bus;
mod callback;
mod config;
mod fixture;
mod hostile;
mod lifetime;
mod net;
mod power;
mod queue;
mod restart;
mod ring;
mod rng;

use kernel::{
    driver,
    prelude::*,
    InPlaceModule, //
};
use virtio::Adapter;
use virtio_fake::Scripted;

module! {
    type: TestModule,
    name: "rust_virtio_test",
    authors: ["The rust-virtio authors"],
    description: "KUnit suites of the Rust virtio drivers",
    license: "GPL",
}

/// Whether the suites of the drivers accept any driver that binds, for a comparison with C.
const ANY_DRIVER: bool = option_env!("RUST_VIRTIO_ANY_DRIVER").is_some();

/// The module. The suites run when it is loaded.
#[pin_data]
struct TestModule {
    /// The driver of all devices that no real driver is for.
    #[pin]
    _scripted: driver::Registration<Adapter<Scripted>>,
}

impl InPlaceModule for TestModule {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _scripted <- driver::Registration::new(c"rust_virtio_scripted", module),
        })
    }
}
