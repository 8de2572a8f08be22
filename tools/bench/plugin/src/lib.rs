// SPDX-License-Identifier: GPL-2.0

//! A QEMU plugin that counts what a guest executes between two marks.
//!
//! ```text
//! qemu-system-x86_64 -plugin libbench_plugin.so,out=FILE[,exits=on][,lines=ADDRESS] ...
//! ```
//!
//! Every block of the kernel has a counter for each virtual processor, which generated code adds to
//! without calling anything. A mark is an instruction that the guest executes
//! (`tools/bench/guest/mark.h`); at the end of each phase the counters that moved are written to
//! FILE:
//!
//! ```text
//! bench-plugin 1
//! phase ID
//! user N                  instructions outside of the kernel
//! b ADDRESS SIZE N        a kernel block of SIZE instructions was executed N times
//! x NAME ADDRESS N        exits=on: an instruction that leaves the guest
//! m r|w ADDRESS N REGION  exits=on: an instruction accessed a device's memory
//! lost N                  instructions that could not be attributed
//! op                      lines=ADDRESS: an operation begins, followed by its cache lines
//! l ADDRESS r|w|rw ...    a cache line, with the blocks that read and wrote it
//! end ID
//! ```
//!
//! A block counts as executed when it is entered. A fault in its middle, or one repeat of a string
//! instruction more, is not seen: both are the same from run to run.
//!
//! With `lines=`, accesses to memory by kernel code from that address on are looked at. An
//! operation is what lies between two marks of that kind. Accesses to devices are no cache lines.

mod counters;
mod decode;
mod ffi;
mod lines;

use counters::{Counters, Key};
use decode::{Kind, Moment};
use lines::Lines;
use std::ffi::{c_char, c_int, c_uint, c_void, CStr};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::{Mutex, MutexGuard, OnceLock};

/// Counters for so many blocks, unless the argument `slots` says otherwise: a booted kernel with
/// its modules has executed a quarter of that.
const SLOTS: usize = 1 << 18;

/// The kernel's half of the address space.
const KERNEL: u64 = 1 << 63;

/// The kernel's direct map, without randomization and with four levels of page tables: no device is
/// mapped there, so accesses are not looked at.
const DIRECT_MAP: std::ops::Range<u64> = 0xffff_8880_0000_0000..0xffff_c880_0000_0000;

struct Plugin {
    counters: Counters,
    out: BufWriter<File>,
    exits: bool,
    /// The code whose cache lines are of interest begins here.
    lines_from: Option<u64>,
    lines: Lines,
}

static PLUGIN: OnceLock<Mutex<Plugin>> = OnceLock::new();

#[no_mangle]
pub static qemu_plugin_version: c_int = ffi::VERSION;

fn plugin() -> Option<MutexGuard<'static, Plugin>> {
    PLUGIN.get()?.lock().ok()
}

/// Called by QEMU when it loads the plugin; returns 0 if it may go on.
///
/// # Safety
///
/// `argv` holds `argc` strings.
#[no_mangle]
pub unsafe extern "C" fn qemu_plugin_install(
    id: u64,
    _info: *const ffi::Info,
    argc: c_int,
    argv: *const *const c_char,
) -> c_int {
    // SAFETY: by the safety requirements, `argv` holds `argc` strings.
    let arguments = (0..argc as usize).map(|i| unsafe { CStr::from_ptr(*argv.add(i)) });
    match install(arguments.map(|arg| arg.to_string_lossy().into_owned())) {
        Ok(()) => {
            // SAFETY: the functions live as long as QEMU.
            unsafe {
                ffi::qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
                ffi::qemu_plugin_register_atexit_cb(id, at_exit, std::ptr::null_mut());
            }
            0
        }
        Err(reason) => {
            eprintln!("bench-plugin: {reason}");
            1
        }
    }
}

fn install(arguments: impl Iterator<Item = String>) -> Result<(), String> {
    let (mut path, mut exits, mut slots, mut lines_from) = (None, false, SLOTS, None);
    for argument in arguments {
        match argument.split_once('=') {
            Some(("out", value)) => path = Some(value.to_owned()),
            Some(("exits", value)) => exits = value == "on",
            Some(("lines", value)) => {
                lines_from = Some(
                    u64::from_str_radix(value, 16)
                        .map_err(|error| format!("{argument}: {error}"))?,
                )
            }
            Some(("slots", value)) => {
                slots = value
                    .parse()
                    .map_err(|error| format!("{argument}: {error}"))?
            }
            _ => return Err(format!("no argument {argument}")),
        }
    }
    let path = path.ok_or("out=FILE is missing")?;
    let file = File::create(&path).map_err(|error| format!("{path}: {error}"))?;
    let mut out = BufWriter::new(file);
    writeln!(out, "bench-plugin 1").map_err(|error| format!("{path}: {error}"))?;
    let plugin = Plugin {
        counters: Counters::new(slots.max(2)),
        out,
        exits,
        lines_from,
        lines: Lines::default(),
    };
    PLUGIN
        .set(Mutex::new(plugin))
        .map_err(|_| "loaded twice".to_owned())
}

extern "C" fn at_exit(_id: u64, _data: *mut c_void) {
    if let Some(mut plugin) = plugin() {
        let _ = plugin.out.flush();
    }
}

/// QEMU has translated a block: puts counters into it.
extern "C" fn translated(_id: u64, tb: *mut ffi::Tb) {
    let Some(mut plugin) = plugin() else { return };
    // SAFETY: the block and its instructions are valid during this call.
    let (start, size) = unsafe {
        (
            ffi::qemu_plugin_tb_vaddr(tb),
            ffi::qemu_plugin_tb_n_insns(tb),
        )
    };
    let kernel = start >= KERNEL;
    let (key, step) = if kernel {
        (Key::Block(start, size), 1)
    } else {
        (Key::User, size as u64)
    };
    match plugin.counters.get(key) {
        Some(entry) => add(tb, entry, step),
        None => add(tb, plugin.counters.get_or_lost(Key::Lost), size as u64),
    }
    if kernel && plugin.lines_from.is_some_and(|from| start >= from) {
        watch(tb, start, size);
    }
    if kernel && !plugin.exits {
        return;
    }
    for index in 0..size {
        // SAFETY: `index` is within the block.
        let insn = unsafe { ffi::qemu_plugin_tb_get_insn(tb, index) };
        instrument(&mut plugin, insn, kernel);
    }
}

fn add(tb: *mut ffi::Tb, entry: ffi::U64, step: u64) {
    // SAFETY: the block is valid while it is being translated, and the counter for ever.
    unsafe {
        ffi::qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(tb, ffi::INLINE_ADD, entry, step)
    }
}

/// Has the accesses to memory of a block looked at.
fn watch(tb: *mut ffi::Tb, start: u64, size: usize) {
    for index in 0..size {
        // SAFETY: `index` is within the block, and the data is a number.
        unsafe {
            let insn = ffi::qemu_plugin_tb_get_insn(tb, index);
            let data = start as *mut c_void;
            ffi::qemu_plugin_register_vcpu_mem_cb(insn, touched, ffi::NO_REGS, ffi::MEM_RW, data)
        }
    }
}

/// Looks at one instruction: marks outside of the kernel, exits inside.
fn instrument(plugin: &mut Plugin, insn: *mut ffi::Insn, kernel: bool) {
    let mut bytes = [0u8; decode::BYTES];
    // SAFETY: the instruction is valid while its block is being translated.
    let length = unsafe {
        ffi::qemu_plugin_insn_data(insn, bytes.as_mut_ptr().cast::<c_void>(), bytes.len())
    };
    match decode::kind(&bytes[..length.min(bytes.len())]) {
        Some(Kind::Mark { moment, id }) if !kernel => {
            if moment == Moment::Operation && plugin.lines_from.is_none() {
                return;
            }
            let data = ((moment as usize) << 32 | id as usize) as *mut c_void;
            // SAFETY: as above; the data is a number.
            unsafe { ffi::qemu_plugin_register_vcpu_insn_exec_cb(insn, marked, ffi::NO_REGS, data) }
        }
        Some(Kind::Exit(name)) if kernel => {
            // SAFETY: the instruction is valid while its block is being translated.
            let pc = unsafe { ffi::qemu_plugin_insn_vaddr(insn) };
            let entry = plugin.counters.get_or_lost(Key::Exit(name, pc));
            // SAFETY: as above; the counter lives for ever.
            unsafe {
                ffi::qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
                    insn,
                    ffi::INLINE_ADD,
                    entry,
                    1,
                )
            }
        }
        _ => {}
    }
    if kernel {
        // SAFETY: as above; the data is a number.
        unsafe {
            let pc = ffi::qemu_plugin_insn_vaddr(insn) as *mut c_void;
            ffi::qemu_plugin_register_vcpu_mem_cb(insn, accessed, ffi::NO_REGS, ffi::MEM_RW, pc)
        }
    }
}

/// The guest executes a mark.
extern "C" fn marked(_vcpu: c_uint, data: *mut c_void) {
    let Some(mut plugin) = plugin() else { return };
    let (moment, id) = (data as usize >> 32, data as usize as u32);
    if moment == Moment::Begin as usize {
        plugin.lines.begin();
        plugin.counters.begin();
    } else if moment == Moment::Operation as usize {
        plugin.lines.operation();
    } else if let Err(error) = plugin.end(id) {
        eprintln!("bench-plugin: {error}");
    }
}

impl Plugin {
    /// Writes what was counted in a phase.
    fn end(&mut self, id: u32) -> io::Result<()> {
        let Self {
            counters,
            out,
            lines,
            ..
        } = self;
        writeln!(out, "phase {id}")?;
        counters.end(out)?;
        lines.end(out)?;
        writeln!(out, "end {id}")?;
        out.flush()
    }
}

/// Returns the name of the device behind an address of the kernel, `None` if it is memory.
fn device(info: u32, vaddr: u64) -> Option<String> {
    if DIRECT_MAP.contains(&vaddr) {
        return None;
    }
    // SAFETY: called from a memory callback, where both functions may be, with what it was given.
    let name = unsafe {
        let address = ffi::qemu_plugin_get_hwaddr(info, vaddr);
        if address.is_null() || !ffi::qemu_plugin_hwaddr_is_io(address) {
            return None;
        }
        ffi::qemu_plugin_hwaddr_device_name(address)
    };
    if name.is_null() {
        return Some("unnamed".to_owned());
    }
    // SAFETY: QEMU's names are strings that stay.
    let name = unsafe { CStr::from_ptr(name) };
    Some(name.to_string_lossy().into_owned())
}

/// The kernel accesses memory: counts it if a device is behind it.
extern "C" fn accessed(vcpu: c_uint, info: u32, vaddr: u64, pc: *mut c_void) {
    if vaddr < KERNEL {
        return;
    }
    let Some(region) = device(info, vaddr) else {
        return;
    };
    // SAFETY: no precondition.
    let way = if unsafe { ffi::qemu_plugin_mem_is_store(info) } {
        "w"
    } else {
        "r"
    };
    if let Some(mut plugin) = plugin() {
        let entry = plugin
            .counters
            .get_or_lost(Key::Mmio(way, pc as u64, region));
        // SAFETY: the counter exists, and so does the processor that runs this.
        unsafe { ffi::qemu_plugin_u64_add(entry, vcpu, 1) }
    }
}

/// A block of interest accesses memory: notes the cache lines.
extern "C" fn touched(_vcpu: c_uint, info: u32, vaddr: u64, block: *mut c_void) {
    if vaddr < KERNEL || device(info, vaddr).is_some() {
        return;
    }
    // SAFETY: no precondition.
    let (store, size) = unsafe {
        (
            ffi::qemu_plugin_mem_is_store(info),
            1 << ffi::qemu_plugin_mem_size_shift(info),
        )
    };
    if let Some(mut plugin) = plugin() {
        plugin.lines.touch(block as u64, vaddr, size, store);
    }
}
