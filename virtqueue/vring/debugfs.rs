// SPDX-License-Identifier: GPL-2.0

//! The debugfs directory `rust_virtio_ring/`, with a file for each queue that is named like its
//! interrupt.

use crate::{
    bindings,
    queue::Queue,
    stats::Stamps,
    with_lockless, //
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

/// The file of a queue. It exists as long as this value.
pub(crate) type QueueFile = Pin<KBox<File<FileData>>>;

/// The queue and the time stamps from which the file of a queue is made.
///
/// # Invariants
///
/// The queue is valid as long as the file exists.
pub(crate) struct FileData {
    queue: *const Queue,
    stamps: Arc<Stamps>,
}

// SAFETY: The fields of the queue that are read here may be read from any thread.
unsafe impl Send for FileData {}

// SAFETY: The file only reads, and the fields of the queue that it reads may be read from any
// thread.
unsafe impl Sync for FileData {}

/// The directory: a box that exists from the first queue on until the module is unloaded, or null.
static DIRECTORY: Atomic<*mut c_void> = Atomic::new(null_mut());

/// Returns the directory. The first caller creates it.
fn directory() -> Option<&'static Dir> {
    let mut dir = DIRECTORY.load(Acquire);
    if dir.is_null() {
        let new = KBox::new(Dir::new(c"rust_virtio_ring"), GFP_KERNEL).ok()?;
        let new = KBox::into_raw(new).cast::<c_void>();
        match DIRECTORY.cmpxchg(null_mut(), new, Full) {
            Ok(_) => dir = new,
            Err(other) => {
                // SAFETY: `new` came from a box above, and was not stored anywhere.
                drop(unsafe { KBox::from_raw(new.cast::<Dir>()) });
                dir = other;
            }
        }
    }
    // SAFETY: `dir` came from a box that stays until the module is unloaded, which no queue
    // outlives.
    unsafe { dir.cast::<Dir>().as_ref() }
}

/// Removes the directory when no queue is left.
pub(crate) fn remove_directory() {
    let dir = DIRECTORY.xchg(null_mut(), Full);
    if !dir.is_null() {
        // SAFETY: `DIRECTORY` held a box or null, and there is no queue that could use it.
        drop(unsafe { KBox::from_raw(dir.cast::<Dir>()) });
    }
}

/// Creates the debugfs file of a queue. Returns `None` without memory or debugfs.
///
/// # Safety
///
/// The queue is valid as long as the result exists.
pub(crate) unsafe fn create_file(queue: &Queue, stamps: Arc<Stamps>) -> Option<QueueFile> {
    let vq = queue.as_raw();
    let index = queue.vdev().index();
    // SAFETY: The fields do not change. The transport keeps the name as long as the queue.
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
    // INVARIANT: By the safety requirements, the queue is valid as long as the file exists.
    let data = FileData { queue, stamps };
    let file = directory()?.read_callback_file(&name, data, &write);
    KBox::pin_init(file, GFP_KERNEL).ok()
}

/// Writes the contents of the file of a queue.
fn write(data: &FileData, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    // SAFETY: By the type invariant, the queue is valid as long as the file exists.
    let queue = unsafe { &*data.queue };
    let counters = &queue.counters;
    let (outstanding, oldest) = data.stamps.outstanding();
    let (kicks, notified) = (counters.kicks.get(), counters.notified.get());
    // SAFETY: `jiffies64_to_msecs` may be called in any context.
    let oldest = unsafe { bindings::jiffies64_to_msecs(oldest.into()) };
    let (next_avail, next_used) = with_lockless!(queue, |state| state.next_indices());

    writeln!(f, "layout: {}", queue.params.name())?;
    writeln!(f, "size: {}", queue.size())?;
    writeln!(f, "memory: {} bytes", queue.memory_bytes())?;
    writeln!(f, "mapped: {}", queue.mapper().is_some())?;
    writeln!(f, "next available: {next_avail:#06x}")?;
    writeln!(f, "next used: {next_used:#06x}")?;
    writeln!(f, "in flight: {outstanding}")?;
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
    let wanted = with_lockless!(queue, |state| state.wants_callbacks());
    writeln!(f, "callbacks wanted: {wanted}")?;
    writeln!(f, "lengths cut: {}", queue.lengths_cut())?;
    let broken = with_lockless!(queue, |state| state.broken());
    writeln!(f, "broken: {}", broken.map_or("no", |b| b.as_str()))
}
