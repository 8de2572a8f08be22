// SPDX-License-Identifier: GPL-2.0

//! A disk, whose requests complete in any order.

use crate::{
    common::{memory::Arena, Setup},
    disk::{Disk, Kind, PIECE},
    machine::Machine,
    mmio::Mmio,
    side::{How, Side},
};
use proptest::prelude::*;
use ring_core::IndirectRule;
use std::{cell::RefCell, sync::Arc};

/// The address of the ring in the memory of the machine, and the address of the buffers.
const RING: u64 = 1 << 20;
const BUFFERS: u64 = 16 << 20;
/// The largest number of outstanding requests.
const PIECES: u32 = 512;
/// The largest number of segments of a request.
const SEGMENTS: u16 = 8;
/// The largest size of the device's queue.
const MOST: u16 = 1024;

#[derive(Clone, Debug)]
enum Step {
    /// Adds a request: the number of sectors, the number of segments of data, and where they are
    /// cut.
    Add(Kind, u32, u32, u32),
    /// Makes the added requests available to the device.
    Publish,
    Kick,
    /// Takes up to that many used requests.
    Get(usize),
    Disable,
    /// Kicks, and sleeps until a request is used.
    Sleep(How),
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![4 => Just(Kind::Read), 4 => Just(Kind::Write), 1 => Just(Kind::Flush)];
    prop_oneof![
        12 => (kind, 1u32..=8, 1u32..6, any::<u32>())
            .prop_map(|(kind, sectors, pieces, cuts)| Step::Add(kind, sectors, pieces, cuts)),
        1 => Just(Step::Publish),
        3 => Just(Step::Kick),
        3 => (1usize..20).prop_map(Step::Get),
        1 => Just(Step::Disable),
        3 => How::any().prop_map(Step::Sleep),
    ]
}

fn setup() -> impl Strategy<Value = Setup> {
    let features = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let size = prop_oneof![4 => 2u16..20, 2 => 20u16..300, 1 => 300..=MOST];
    let rule = (2u16..6, 0u16..8).prop_map(|(from, keep_free)| IndirectRule { from, keep_free });
    (features, size, rule).prop_map(|((packed, in_order, event_idx, tables), size, rule)| {
        let setup = Setup {
            packed,
            in_order,
            event_idx,
            tables: if tables || in_order { SEGMENTS } else { 0 },
            rule: if in_order {
                IndirectRule::DEFAULT
            } else {
                rule
            },
            ..Setup::SPLIT
        };
        setup.of_size(fitting(&setup, size))
    })
}

/// Returns the nearest size that a ring can have.
///
/// A disk completes requests in any order. To report them in order, QEMU looks for a request from
/// the oldest on. It does not always find the request if requests differ in descriptors, if the
/// ring is full, or if its size is not a power of two (10.0.2: `virtqueue_ordered_fill`). So in
/// order, each request takes one descriptor, which needs a table, and one descriptor is left free.
fn fitting(setup: &Setup, size: u16) -> u16 {
    match (setup.packed, setup.in_order) {
        (_, true) => 1 << size.max(2 * SEGMENTS).ilog2(),
        (true, false) => size,
        (false, false) => 1 << size.ilog2(),
    }
}

struct World {
    device: Mmio,
    arena: Arc<Arena>,
    disk: Disk,
}

/// A ring, and its device.
struct Run<'a> {
    world: &'a mut World,
    side: Side,
}

impl World {
    fn new() -> Self {
        let machine = Machine::new("blk", |scratch| {
            let (_, disk) = scratch.file("disk", u64::from(PIECES) * PIECE);
            let disk = disk.display();
            vec![
                "-blockdev".into(),
                format!("driver=file,node-name=disk,aio=threads,filename={disk}"),
                "-device".into(),
                format!("virtio-blk-device,drive=disk,packed=on,in_order=on,queue-size={MOST}"),
            ]
        });
        Self {
            arena: machine.arena(RING, (BUFFERS - RING) as usize),
            disk: Disk::new(machine.memory.clone(), BUFFERS, PIECES),
            device: Mmio::find(machine, 2),
        }
    }
}

impl<'a> Run<'a> {
    fn new(world: &'a mut World, setup: Setup) -> Self {
        world.device.reset();
        let side = Side::new(setup, &world.arena, 0);
        world.device.start(&[(setup, &world.arena)]);
        Self { world, side }
    }

    fn step(&mut self, step: &Step) {
        let World { device, disk, .. } = self.world;
        let done = |token, len| disk.done(token, len);
        match *step {
            Step::Add(kind, sectors, pieces, cuts) => self.add(kind, sectors, pieces, cuts),
            Step::Publish => self.side.driver.publish(),
            Step::Kick => self.side.kick(device),
            Step::Get(most) => {
                self.side.get(most, done);
            }
            Step::Disable => self.side.driver.disable_cb(),
            Step::Sleep(how) => self.side.sleep(device, how, done),
        }
    }

    fn add(&mut self, kind: Kind, sectors: u32, pieces: u32, cuts: u32) {
        let driver = &mut self.side.driver;
        if self.side.setup.in_order && driver.num_free() == 1 {
            return;
        }
        let disk = &mut self.world.disk;
        let Some(request) = disk.request(kind, sectors, pieces, cuts) else {
            return;
        };
        let (out, in_) = request.lists();
        match driver.add(request.token, out, in_) {
            Ok(_) => disk.issued(request),
            Err((_, token)) => {
                assert_eq!(token, request.token);
                disk.refused(request);
            }
        }
    }

    /// Takes all requests back from the device.
    fn finish(&mut self) {
        while self.side.driver.outstanding() != 0 {
            self.step(&Step::Sleep(How::Enable));
        }
        assert_eq!(self.world.disk.under_way(), 0);
        assert_eq!(self.side.driver.num_free(), self.side.setup.size);
    }

    /// Continues with a ring of another size, whatever requests are outstanding.
    fn resize(&mut self, size: u16) {
        self.world.device.reset();
        let old = self.side.setup;
        let size = fitting(&old, size.min(old.size * 2));
        for token in self.side.driver.resize(size) {
            self.world.disk.given_back(token);
        }
        assert_eq!(self.world.disk.under_way(), 0, "all come back");
        self.side.setup = old.of_size(size);
        let ring = (self.side.setup, &*self.world.arena);
        self.world.device.start(&[ring]);
    }
}

#[test]
#[ignore = "needs QEMU"]
fn any_schedule_on_a_disk_of_qemu() {
    // The machine is kept from case to case; a case that fails takes it away.
    let kept = RefCell::new(None);
    let steps = || prop::collection::vec(step(), 1..150);
    let strategy = (setup(), steps(), 2u16..MOST, steps());
    proptest!(crate::config(200), |((setup, first, size, second) in strategy)| {
        let mut world = kept.take().unwrap_or_else(World::new);
        let mut run = Run::new(&mut world, setup);
        first.iter().for_each(|step| run.step(step));
        run.resize(size);
        second.iter().for_each(|step| run.step(step));
        run.finish();
        kept.replace(Some(world));
    });
    let device = kept.take().unwrap().device;
    println!(
        "{} notifications, {} interrupts",
        device.kicks, device.interrupts
    );
    assert!(device.kicks > 1000 && device.interrupts > 1000);
}
