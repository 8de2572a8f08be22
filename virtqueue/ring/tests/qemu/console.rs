// SPDX-License-Identifier: GPL-2.0

//! A console: two queues in one device with one interrupt. Buffers are used in the order in which
//! they were added, and input buffers in part.

use crate::{
    common::{memory::Arena, Setup},
    machine::{Machine, Memory},
    mmio::Mmio,
    side::{How, Side},
};
use proptest::prelude::*;
use ring_core::IndirectRule;
use std::{
    cell::RefCell,
    collections::VecDeque,
    fs::File,
    io::{Read, Write},
    process::Command,
    sync::Arc,
};
use vm_memory::{Bytes, GuestAddress};

/// The addresses of the two rings and of their buffers in the memory of the machine.
const RINGS: [u64; 2] = [1 << 20, 8 << 20];
const RING_BYTES: usize = 7 << 20;
const BUFFERS: [u64; 2] = [16 << 20, 32 << 20];
/// The number of bytes of a buffer, and the number of buffers, which is more than a ring takes.
const BUFFER: u64 = 4096;
const COUNT: u64 = 1024;
/// The largest size that the console's queues have room for, whatever the registers say (10.0.2).
const MOST: u16 = 128;
/// The queues of a console (§5.3.2).
const INPUT: usize = 0;
const OUTPUT: usize = 1;
/// The largest number of bytes on the way to the guest: less than a pipe takes.
const UNREAD: u64 = 8192;

#[derive(Clone, Debug)]
enum Step {
    /// Adds a buffer to a queue: bytes and segments.
    Add(usize, u32, u32),
    Kick(usize),
    Get(usize, usize),
    Disable(usize),
    /// Sleeps until there is input, or until output is done.
    SleepForInput(How),
    SleepForOutput(How),
    /// The other end of the console sends that many bytes, or reads.
    Send(u64),
    Receive,
}

fn step() -> impl Strategy<Value = Step> {
    let queue = || prop_oneof![Just(INPUT), Just(OUTPUT)];
    let bytes = prop_oneof![1u32..40, 1..=BUFFER as u32];
    prop_oneof![
        10 => (queue(), bytes, 1u32..6).prop_map(|(q, bytes, n)| Step::Add(q, bytes, n)),
        3 => queue().prop_map(Step::Kick),
        3 => (queue(), 1usize..20).prop_map(|(q, most)| Step::Get(q, most)),
        1 => queue().prop_map(Step::Disable),
        2 => How::at_once().prop_map(Step::SleepForInput),
        2 => How::any().prop_map(Step::SleepForOutput),
        4 => (1..UNREAD / 2).prop_map(Step::Send),
        1 => Just(Step::Receive),
    ]
}

fn setup() -> impl Strategy<Value = Setup> {
    let features = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let size = prop_oneof![2 => 1u16..20, 1 => 20..=MOST];
    (features, size, 2u16..6, 0u16..8).prop_map(
        |((packed, in_order, event_idx, tables), size, from, keep_free)| {
            let setup = Setup {
                packed,
                in_order,
                event_idx,
                tables: if tables { 4 } else { 0 },
                rule: IndirectRule { from, keep_free },
                ..Setup::SPLIT
            };
            setup.of_size(if packed { size } else { 1 << size.ilog2() })
        },
    )
}

/// Returns byte number `at` of the data in one direction.
fn content(queue: usize, at: u64) -> u8 {
    (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8 ^ queue as u8
}

fn contents(queue: usize, at: u64, bytes: u64) -> Vec<u8> {
    (at..at + bytes).map(|at| content(queue, at)).collect()
}

/// The number of bytes in one direction that one side has sent, and that the other one has
/// received.
#[derive(Default)]
struct Stream {
    sent: u64,
    received: u64,
}

struct World {
    device: Mmio,
    memory: Memory,
    arenas: [Arc<Arena>; 2],
    /// The file into which the other end of the console sends, and the file that it has received.
    input: File,
    output: File,
    streams: [Stream; 2],
    /// The number of the next buffer of each queue, and of the next one to come back.
    next: [u32; 2],
    back: [u32; 2],
    /// The number of bytes of the buffers for input.
    rooms: VecDeque<u32>,
}

impl World {
    fn new() -> Self {
        let mut fifo = None;
        let machine = Machine::new("console", |scratch| {
            let input = scratch.path("input");
            let made = Command::new("mkfifo").arg(&input).status().unwrap();
            assert!(made.success());
            // Serve both directions, so that neither end waits for the other.
            let options = File::options().read(true).write(true).open(&input);
            fifo = Some(options.unwrap());
            let (_, output) = scratch.file("output", 0);
            let (input, output) = (input.display(), output.display());
            vec![
                "-chardev".into(),
                format!("file,id=other,input-path={input},path={output}"),
                "-device".into(),
                "virtio-serial-device,packed=on,in_order=on,max_ports=1".into(),
                "-device".into(),
                "virtconsole,chardev=other".into(),
            ]
        });
        Self {
            memory: machine.memory.clone(),
            arenas: RINGS.map(|start| machine.arena(start, RING_BYTES)),
            input: fifo.unwrap(),
            output: File::open(machine.scratch.path("output")).unwrap(),
            device: Mmio::find(machine, 3),
            streams: Default::default(),
            next: [0; 2],
            back: [0; 2],
            rooms: VecDeque::new(),
        }
    }

    fn at(queue: usize, token: u32) -> GuestAddress {
        GuestAddress(BUFFERS[queue] + u64::from(token) % COUNT * BUFFER)
    }

    fn add(&mut self, side: &mut Side, queue: usize, bytes: u32, pieces: u32) {
        let (token, at) = (self.next[queue], Self::at(queue, self.next[queue]));
        let stream = &mut self.streams[queue];
        if queue == OUTPUT {
            let data = contents(OUTPUT, stream.sent, bytes.into());
            self.memory.write_slice(&data, at).unwrap();
        }
        let ends: Vec<u32> = (0..=pieces).map(|i| bytes * i / pieces).collect();
        let segments = ends.windows(2).filter(|pair| pair[0] != pair[1]);
        let segments: Vec<_> = segments
            .map(|pair| (at.0 + u64::from(pair[0]), pair[1] - pair[0]))
            .collect();
        let added = match queue {
            OUTPUT => side.driver.add(token, &segments, &[]),
            _ => side.driver.add(token, &[], &segments),
        };
        match added {
            Ok(_) if queue == OUTPUT => stream.sent += u64::from(bytes),
            Ok(_) => self.rooms.push_back(bytes),
            Err((_, same)) => {
                assert_eq!(same, token);
                return;
            }
        }
        self.next[queue] += 1;
    }

    /// A buffer came back.
    fn done(&mut self, queue: usize, token: u32, len: u32) {
        assert_eq!(token, self.back[queue], "in order, if negotiated or not");
        self.back[queue] += 1;
        if queue == OUTPUT {
            assert_eq!(len, 0);
            return;
        }
        assert!(len <= self.rooms.pop_front().unwrap());
        let mut data = vec![0; len as usize];
        self.memory
            .read_slice(&mut data, Self::at(queue, token))
            .unwrap();
        let stream = &mut self.streams[INPUT];
        assert_eq!(data, contents(INPUT, stream.received, len.into()));
        stream.received += u64::from(len);
    }

    /// The other end sends.
    fn send(&mut self, bytes: u64) {
        let stream = &mut self.streams[INPUT];
        let bytes = bytes.min(UNREAD - (stream.sent - stream.received));
        let data = contents(INPUT, stream.sent, bytes);
        self.input.write_all(&data).unwrap();
        stream.sent += bytes;
    }

    /// The other end takes all output.
    fn receive(&mut self) {
        let mut data = Vec::new();
        self.output.read_to_end(&mut data).unwrap();
        let stream = &mut self.streams[OUTPUT];
        assert!(data == contents(OUTPUT, stream.received, data.len() as u64));
        stream.received += data.len() as u64;
    }
}

struct Run<'a> {
    world: &'a mut World,
    sides: [Side; 2],
}

impl<'a> Run<'a> {
    fn new(world: &'a mut World, setup: Setup) -> Self {
        world.device.reset();
        let sides = [INPUT, OUTPUT].map(|q| Side::new(setup, &world.arenas[q], q as u32));
        let [input, output] = &world.arenas;
        world.device.start(&[(setup, input), (setup, output)]);
        Self { world, sides }
    }

    fn step(&mut self, step: &Step) {
        let world = &mut *self.world;
        match *step {
            Step::Add(q, bytes, pieces) => world.add(&mut self.sides[q], q, bytes, pieces),
            Step::Kick(q) => self.sides[q].kick(&mut world.device),
            Step::Get(q, most) => {
                self.sides[q].get(most, |token, len| world.done(q, token, len));
            }
            Step::Disable(q) => self.sides[q].driver.disable_cb(),
            Step::SleepForInput(how) => {
                let stream = &world.streams[INPUT];
                // Input is on the way, and there is room for it.
                if stream.sent != stream.received {
                    self.sleep(INPUT, how);
                }
            }
            Step::SleepForOutput(how) => self.sleep(OUTPUT, how),
            Step::Send(bytes) => world.send(bytes),
            Step::Receive => world.receive(),
        }
    }

    fn sleep(&mut self, queue: usize, how: How) {
        let mut used = Vec::new();
        let take = |token, len| used.push((token, len));
        self.sides[queue].sleep(&mut self.world.device, how, take);
        for (token, len) in used {
            self.world.done(queue, token, len);
        }
    }

    /// Waits until all data has arrived.
    fn finish(&mut self) {
        while self.sides[OUTPUT].driver.outstanding() != 0 {
            self.sleep(OUTPUT, How::Enable);
        }
        self.world.receive();
        let output = &self.world.streams[OUTPUT];
        assert_eq!(output.received, output.sent, "all output arrived");
        while self.world.streams[INPUT].received != self.world.streams[INPUT].sent
            || self.sides[INPUT].driver.outstanding() != 0
        {
            self.step(&Step::Send(1));
            if self.sides[INPUT].driver.outstanding() == 0 {
                self.step(&Step::Add(INPUT, BUFFER as u32, 1));
            }
            self.sleep(INPUT, How::Enable);
        }
        for side in &self.sides {
            assert_eq!(side.driver.num_free(), side.setup.size);
        }
    }
}

#[test]
#[ignore = "needs QEMU"]
fn any_schedule_on_a_console_of_qemu() {
    // The machine is kept from case to case; a case that fails takes it away.
    let kept = RefCell::new(None);
    let strategy = (setup(), prop::collection::vec(step(), 1..300));
    proptest!(crate::config(200), |((setup, steps) in strategy)| {
        let mut world = kept.take().unwrap_or_else(World::new);
        let mut run = Run::new(&mut world, setup);
        steps.iter().for_each(|step| run.step(step));
        run.finish();
        kept.replace(Some(world));
    });
    let world: World = kept.take().unwrap();
    let [input, output] = &world.streams;
    println!(
        "{} notifications, {} interrupts, {} bytes in, {} out",
        world.device.kicks, world.device.interrupts, input.received, output.received
    );
    assert!(world.device.kicks > 1000 && world.device.interrupts > 1000);
}
