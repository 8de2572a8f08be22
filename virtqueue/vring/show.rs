// SPDX-License-Identifier: GPL-2.0

//! The directory `rust_virtio_ring/` in debugfs: a file for each queue, named like its interrupt.

use crate::{
    bindings,
    queue::Queue,
    stats::Stamps, //
};
use core::{
    ffi::c_void,
    ptr::null_mut, //
};
use kernel::{
    debugfs::{
        Dir,
        File, //
    },
    fmt,
    prelude::*,
    str::CString,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Full, //
        },
        Arc, //
    },
};

/// The file of a queue: it is there as long as this is.
pub(crate) type Shown = Pin<KBox<File<View>>>;

/// The values from which the file of a queue is made.
///
/// # Invariants
///
/// The queue is valid as long as the file exists.
pub(crate) struct View {
    queue: *const Queue,
    stamps: Arc<Stamps>,
}

// SAFETY: What is read of the queue may be read from any thread.
unsafe impl Send for View {}

// SAFETY: A view only reads, and what it reads of the queue may be read from any thread.
unsafe impl Sync for View {}

/// The directory, from the first queue on until the module goes: a box, or null.
static DIRECTORY: Atomic<*mut c_void> = Atomic::new(null_mut());

/// The directory, made by whoever is first.
fn directory() -> Option<&'static Dir> {
    let mut dir = DIRECTORY.load(Acquire);
    if dir.is_null() {
        let new = KBox::new(Dir::new(c"rust_virtio_ring"), GFP_KERNEL).ok()?;
        let new = KBox::into_raw(new).cast::<c_void>();
        match DIRECTORY.cmpxchg(null_mut(), new, Full) {
            Ok(_) => dir = new,
            Err(other) => {
                // SAFETY: It came from a box, and nobody has seen it.
                drop(unsafe { KBox::from_raw(new.cast::<Dir>()) });
                dir = other;
            }
        }
    }
    // SAFETY: It is a box that stays until the module goes, which no queue outlives.
    unsafe { dir.cast::<Dir>().as_ref() }
}

/// Removes the directory, when there are no queues any more.
pub(crate) fn remove_directory() {
    let dir = DIRECTORY.xchg(null_mut(), Full);
    if !dir.is_null() {
        // SAFETY: It came from a box, and there is no queue that could use it.
        drop(unsafe { KBox::from_raw(dir.cast::<Dir>()) });
    }
}

/// Shows a queue. Without memory, or debugfs, it is not shown.
///
/// # Safety
///
/// The queue is valid as long as the result exists.
pub(crate) unsafe fn show(queue: &Queue, stamps: Arc<Stamps>) -> Option<Shown> {
    let vq = queue.as_raw();
    let index = queue.vdev().index();
    // SAFETY: The fields do not change, and the name is its transport's as long as the queue.
    let name = unsafe {
        let name = (*vq).name;
        if name.is_null() {
            CString::try_from_fmt(fmt!("virtio{index}-{}", (*vq).index))
        } else {
            CString::try_from_fmt(fmt!(
                "virtio{index}-{}.{}",
                (*vq).index,
                CStr::from_char_ptr(name)
            ))
        }
    }
    .ok()?;
    // INVARIANT: By the safety requirements.
    let view = View { queue, stamps };
    let file = directory()?.read_callback_file(&name, view, &write);
    KBox::pin_init(file, GFP_KERNEL).ok()
}

/// Writes the file of a queue.
fn write(view: &View, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    // SAFETY: By the type invariant, the queue is valid as long as the file exists.
    let queue = unsafe { &*view.queue };
    let counters = &queue.counters;
    let (in_flight, oldest) = view.stamps.in_flight();
    let (kicks, notified) = (counters.kicks.get(), counters.notified.get());
    // SAFETY: May be called anywhere.
    let oldest = unsafe { bindings::jiffies64_to_msecs(oldest.into()) };
    let (next, taken) = queue.places();

    writeln!(f, "layout: {}", queue.format.name())?;
    writeln!(f, "size: {}", queue.size())?;
    writeln!(f, "memory: {} bytes", queue.memory())?;
    writeln!(f, "mapped: {}", queue.mapper().is_some())?;
    writeln!(f, "next available: {next:#06x}")?;
    writeln!(f, "next used: {taken:#06x}")?;
    writeln!(f, "in flight: {in_flight}")?;
    writeln!(f, "oldest in flight: {oldest} ms")?;
    writeln!(f, "ring full: {}", counters.full.get())?;
    writeln!(f, "kicks: {kicks}")?;
    writeln!(f, "kicks notified: {notified}")?;
    writeln!(f, "kicks suppressed: {}", kicks.saturating_sub(notified))?;
    writeln!(f, "callbacks: {}", counters.callbacks.get())?;
    writeln!(
        f,
        "interrupts without work: {}",
        counters.idle_interrupts.get()
    )?;
    writeln!(f, "callbacks wanted: {}", queue.wants_callbacks())?;
    writeln!(f, "lengths cut: {}", queue.lengths_cut())?;
    writeln!(f, "broken: {}", queue.broken().map_or("no", |b| b.as_str()))
}
