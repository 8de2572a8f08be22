// SPDX-License-Identifier: GPL-2.0

//! The time that each ring takes for each work. A benchmark is named
//! `WORK_LAYOUT_INDIRECT_EVENTIDX/RING`.

use criterion::{criterion_group, criterion_main, Criterion, Throughput};
use ring_bench::{device::Device, for_each, work::Work, Case, Ring, Visit};
use std::time::Duration;

/// The time that this thread has had a processor: what others of the machine do is not in it.
fn processor_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: The pointer is to a variable of this function.
    let ret = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(ret, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

struct Measure<'a>(&'a mut Criterion, Work);

impl Visit for Measure<'_> {
    fn visit<R: Ring>(&mut self, case: Case, make: impl Fn() -> (R, Device)) {
        let work = self.1;
        if !case.can(work) {
            return;
        }
        let features = case.features;
        let name = format!(
            "{}_{}_{}_{}",
            work.name(),
            features.layout(),
            features.indirect,
            features.event_idx
        );
        let mut group = self.0.benchmark_group(name);
        group.throughput(Throughput::Elements(work.operations() as u64));
        let (mut ring, mut device) = make();
        work.start(&mut ring);
        group.bench_function(case.ring, |b| {
            b.iter_custom(|times| {
                let start = processor_time();
                work.run(&mut ring, &mut device, times);
                processor_time() - start
            });
        });
        group.finish();
    }
}

fn rings(c: &mut Criterion) {
    for work in Work::ALL {
        for_each(&mut Measure(c, work));
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1000));
    targets = rings
}
criterion_main!(benches);
