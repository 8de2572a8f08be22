// SPDX-License-Identifier: GPL-2.0

//! Does some work a number of times, for a tool that counts instructions:
//! `instr WORK RING LAYOUT INDIRECT EVENT_IDX TIMES`; `instr list` prints what there is.

use ring_bench::{for_each, work::Work, Case, Features, Visit};
use std::{env, process::exit};

struct Once {
    wanted: Vec<String>,
    times: u64,
    found: bool,
}

impl Visit for Once {
    fn visit<R: ring_bench::Ring>(
        &mut self,
        case: Case,
        make: impl Fn() -> (R, ring_bench::device::Device),
    ) {
        for work in Work::ALL {
            if !case.can(work) {
                continue;
            }
            let Features {
                indirect,
                event_idx,
                ..
            } = case.features;
            let name = [
                work.name().into(),
                case.ring.into(),
                case.features.layout().into(),
                indirect.to_string(),
                event_idx.to_string(),
            ];
            if self.wanted.is_empty() {
                println!("{}", name.join(" "));
            } else if self.wanted == name {
                let (mut ring, mut device) = make();
                work.start(&mut ring);
                work.run(&mut ring, &mut device, self.times);
                self.found = true;
            }
        }
    }
}

fn main() {
    let mut args: Vec<String> = env::args().skip(1).collect();
    let times = match args.pop() {
        Some(last) if last == "list" => 0,
        Some(last) => last.parse().unwrap_or_else(|_| exit(2)),
        None => exit(2),
    };
    let mut once = Once {
        wanted: args,
        times,
        found: times == 0,
    };
    for_each(&mut once);
    exit(if once.found { 0 } else { 2 });
}
