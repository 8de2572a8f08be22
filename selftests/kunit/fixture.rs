// SPDX-License-Identifier: GPL-2.0

//! A test fixture: a bound device with its queues.

use kernel::{
    alloc::KVec,
    device::Bound,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Full,
            Relaxed, //
        },
        Arc, //
    },
};
use virtio::{
    Affinity,
    Device,
    QueueHandle,
    QueueSpec,
    Queues, //
};
use virtio_fake::{
    Action,
    Addresses,
    Backend,
    Chain,
    Fake,
    Scenario,
    Spec, //
};

/// The `outcome` of a [`BoundDevice`] before a test runs.
const NOT_RUN: i32 = 1;

/// The code of a test, which runs when the device is ready.
pub(crate) type Body = fn(&BoundDevice, &Fake, &Device<Bound>, Queues) -> Result;

/// A scenario that finds the queues when the driver starts, and runs the test with them.
pub(crate) struct BoundDevice {
    body: Body,
    queues: usize,
    ctx: bool,
    segments: usize,
    outcome: Atomic<i32>,
    callbacks: Atomic<u64>,
    answers: Atomic<bool>,
}

/// The largest number of segments of a buffer.
pub(crate) const MAX_SEGMENTS: usize = 8;

impl BoundDevice {
    /// Returns the number of callbacks so far, of all queues.
    pub(crate) fn callbacks(&self) -> u64 {
        self.callbacks.load(Relaxed)
    }

    /// Makes the device use buffers at once when it [serves](Fake::serve) a queue.
    pub(crate) fn answer_when_served(&self) {
        self.answers.store(true, Relaxed);
    }

    /// Makes the device handle kicks by itself, in parallel with the test.
    pub(crate) fn answer_by_itself(&self, fake: &Fake) {
        self.answer_when_served();
        fake.set_auto(true);
    }
}

/// The backend of a [`BoundDevice`], which keeps buffers, or uses them at once.
struct Answers(Arc<BoundDevice>);

impl Backend for Answers {
    fn process(&self, _queue: usize, chain: &mut Chain) -> Action {
        if self.0.answers.load(Relaxed) {
            Action::Complete(chain.writable() as u32)
        } else {
            Action::Hold
        }
    }
}

impl Scenario for BoundDevice {
    fn start(&self, fake: &Fake, dev: &Device<Bound>) -> Result {
        let run = || {
            let specs = specs_of(self.queues, self.ctx, self.segments)?;
            let queues = dev.find_vqs(specs, Affinity::Default)?;
            dev.ready();
            (self.body)(self, fake, dev, queues)
        };
        self.outcome
            .store(run().map_or_else(|e| e.to_errno(), |()| 0), Relaxed);
        dev.ready();
        Ok(())
    }

    fn callback(&self, _fake: &Fake, _dev: &Device<Bound>, _queue: &QueueHandle) {
        self.callbacks.fetch_add(1, Full);
    }
}

/// Returns the specifications of `count` queues.
pub(crate) fn specs(count: usize, ctx: bool) -> Result<KVec<QueueSpec>> {
    specs_of(count, ctx, MAX_SEGMENTS)
}

/// As [`specs`], for buffers of up to `segments` segments.
fn specs_of(count: usize, ctx: bool, segments: usize) -> Result<KVec<QueueSpec>> {
    let mut specs = KVec::new();
    for i in 0..count {
        let spec = QueueSpec::new(fmt!("queue.{}", i), segments)?;
        specs.push(if ctx { spec.with_ctx() } else { spec }, GFP_KERNEL)?;
    }
    Ok(specs)
}

/// The parameters of a [`BoundDevice`].
pub(crate) struct Setup {
    /// The offered feature bits, besides `VIRTIO_F_VERSION_1`.
    pub(crate) features: &'static [u32],
    /// Whether the device is legacy.
    pub(crate) legacy: bool,
    /// The number of queues.
    pub(crate) queues: usize,
    /// The size of the queues.
    pub(crate) size: u16,
    /// Whether buffers have a context.
    pub(crate) ctx: bool,
    /// The largest number of segments of a buffer.
    pub(crate) segments: usize,
    /// The kind of addresses of mapped memory.
    pub(crate) mapping: Option<Addresses>,
    /// The largest coherent area that can be allocated, in bytes.
    pub(crate) largest_area: usize,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            features: &[],
            legacy: false,
            queues: 1,
            size: 8,
            ctx: false,
            segments: MAX_SEGMENTS,
            mapping: None,
            largest_area: usize::MAX,
        }
    }
}

/// Runs a test on a bound device. The driver must not break a rule of the ring.
pub(crate) fn on_bench(setup: Setup, body: Body) -> Result {
    let bound = Arc::new(
        BoundDevice {
            body,
            queues: setup.queues,
            ctx: setup.ctx,
            segments: setup.segments,
            outcome: Atomic::new(NOT_RUN),
            callbacks: Atomic::new(0),
            answers: Atomic::new(false),
        },
        GFP_KERNEL,
    )?;
    let mut spec = Spec::scripted(bound.clone())
        .features(setup.features)
        .queues(setup.queues, setup.size)?;
    if setup.legacy {
        spec = spec.legacy();
    }
    if let Some(addresses) = setup.mapping {
        spec = spec.mapping(addresses);
    }
    let fake = Fake::new(spec, Arc::new(Answers(bound.clone()), GFP_KERNEL)?)?;
    fake.limit_areas(setup.largest_area);
    let plug = fake.plug()?;
    check!(fake.is_bound());
    drop(plug);
    match bound.outcome.load(Relaxed) {
        0 => (),
        NOT_RUN => return Err(ENODEV),
        errno => return Err(Error::from_errno(errno)),
    }
    check_eq!(fake.violations(), 0);
    check_eq!(fake.queues(), 0);
    check_eq!((fake.mapped(), fake.mapped_wrong()), (0, 0));
    check_eq!(fake.areas(), 0);
    Ok(())
}

/// The rings that a queue test runs on.
pub(crate) const LAYOUTS: [&[u32]; 6] = [
    &[],
    &[virtio_fake::EVENT_IDX],
    &[virtio_fake::INDIRECT_DESC, virtio_fake::EVENT_IDX],
    &[virtio_fake::RING_PACKED],
    &[virtio_fake::RING_PACKED, virtio_fake::EVENT_IDX],
    &[
        virtio_fake::RING_PACKED,
        virtio_fake::INDIRECT_DESC,
        virtio_fake::EVENT_IDX,
    ],
];

/// The layouts of a ring, in any order and in order, without other features.
pub(crate) const FORMATS: [&[u32]; 4] = [
    &[],
    &[virtio_fake::RING_PACKED],
    &[virtio_fake::IN_ORDER],
    &[virtio_fake::IN_ORDER, virtio_fake::RING_PACKED],
];

/// Runs a test on a bound device with each ring layout.
pub(crate) fn on_each_layout(body: Body) -> Result {
    for features in LAYOUTS {
        on_bench(
            Setup {
                features,
                ..Setup::default()
            },
            body,
        )
        .inspect_err(|_| pr_err!("    # with features {:?}\n", features))?;
    }
    Ok(())
}
