// SPDX-License-Identifier: GPL-2.0

//! A QEMU plugin that counts what a guest executes between two marks.
//!
//! ```text
//! qemu-system-x86_64 -plugin libbench_plugin.so,out=FILE[,exits=on] ...
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
//! end ID
//! ```
//!
//! A block counts as executed when it is entered. A fault in its middle, or one repeat of a string
//! instruction more, is not seen: both are the same from run to run.

mod counters;
mod decode;
mod ffi;

use counters::{Counters, Key};
use decode::Kind;
use std::ffi::{c_char, c_int, c_uint, c_void, CStr};
use std::fs::File;
use std::io::{BufWriter, Write};
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
    let (mut path, mut exits, mut slots) = (None, false, SLOTS);
    for argument in arguments {
        match argument.split_once('=') {
            Some(("out", value)) => path = Some(value.to_owned()),
            Some(("exits", value)) => exits = value == "on",
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

/// Looks at one instruction: marks outside of the kernel, exits inside.
fn instrument(plugin: &mut Plugin, insn: *mut ffi::Insn, kernel: bool) {
    let mut bytes = [0u8; decode::BYTES];
    // SAFETY: the instruction is valid while its block is being translated.
    let length = unsafe {
        ffi::qemu_plugin_insn_data(insn, bytes.as_mut_ptr().cast::<c_void>(), bytes.len())
    };
    match decode::kind(&bytes[..length.min(bytes.len())]) {
        Some(Kind::Mark { end, id }) if !kernel => {
            let data = (usize::from(end) << 32 | id as usize) as *mut c_void;
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
    let (end, id) = (data as usize >> 32 != 0, data as usize as u32);
    let Plugin { counters, out, .. } = &mut *plugin;
    if !end {
        counters.begin();
    } else if let Err(error) = counters.end(id, out) {
        eprintln!("bench-plugin: {error}");
    }
}

/// The kernel accesses memory: counts it if a device is behind it.
extern "C" fn accessed(vcpu: c_uint, info: u32, vaddr: u64, pc: *mut c_void) {
    if vaddr < KERNEL || DIRECT_MAP.contains(&vaddr) {
        return;
    }
    // SAFETY: called from a memory callback, where both functions may be, with what it was given.
    let name = unsafe {
        let address = ffi::qemu_plugin_get_hwaddr(info, vaddr);
        if address.is_null() || !ffi::qemu_plugin_hwaddr_is_io(address) {
            return;
        }
        ffi::qemu_plugin_hwaddr_device_name(address)
    };
    let region = match name.is_null() {
        true => "unnamed".to_owned(),
        // SAFETY: QEMU's names are strings that stay.
        false => unsafe { CStr::from_ptr(name) }
            .to_string_lossy()
            .into_owned(),
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
