// SPDX-License-Identifier: GPL-2.0

//! The part of QEMU's plugin interface that is used here (`qemu-plugin.h`, version 3: QEMU 9.1).

use std::ffi::{c_char, c_int, c_uint, c_void};

/// The version of the interface that these declarations are of.
pub const VERSION: c_int = 3;

#[repr(C)]
pub struct Info {
    pub target_name: *const c_char,
    pub version_min: c_int,
    pub version_cur: c_int,
    pub system_emulation: bool,
}

#[repr(C)]
pub struct Scoreboard {
    _opaque: [u8; 0],
}

#[repr(C)]
pub struct Tb {
    _opaque: [u8; 0],
}

#[repr(C)]
pub struct Insn {
    _opaque: [u8; 0],
}

#[repr(C)]
pub struct Hwaddr {
    _opaque: [u8; 0],
}

/// A 64-bit field of a scoreboard.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct U64 {
    pub score: *mut Scoreboard,
    pub offset: usize,
}

/// `QEMU_PLUGIN_INLINE_ADD_U64`.
pub const INLINE_ADD: c_uint = 0;
/// `QEMU_PLUGIN_CB_NO_REGS`.
pub const NO_REGS: c_uint = 0;
/// `QEMU_PLUGIN_MEM_RW`.
pub const MEM_RW: c_uint = 3;

pub type ExecCb = extern "C" fn(c_uint, *mut c_void);
pub type MemCb = extern "C" fn(c_uint, u32, u64, *mut c_void);

extern "C" {
    pub fn qemu_plugin_register_vcpu_tb_trans_cb(id: u64, cb: extern "C" fn(u64, *mut Tb));
    pub fn qemu_plugin_register_atexit_cb(
        id: u64,
        cb: extern "C" fn(u64, *mut c_void),
        data: *mut c_void,
    );
    pub fn qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(
        tb: *mut Tb,
        op: c_uint,
        entry: U64,
        imm: u64,
    );
    pub fn qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
        insn: *mut Insn,
        op: c_uint,
        entry: U64,
        imm: u64,
    );
    pub fn qemu_plugin_register_vcpu_insn_exec_cb(
        insn: *mut Insn,
        cb: ExecCb,
        flags: c_uint,
        data: *mut c_void,
    );
    pub fn qemu_plugin_register_vcpu_mem_cb(
        insn: *mut Insn,
        cb: MemCb,
        flags: c_uint,
        rw: c_uint,
        data: *mut c_void,
    );
    pub fn qemu_plugin_tb_n_insns(tb: *const Tb) -> usize;
    pub fn qemu_plugin_tb_vaddr(tb: *const Tb) -> u64;
    pub fn qemu_plugin_tb_get_insn(tb: *const Tb, index: usize) -> *mut Insn;
    pub fn qemu_plugin_insn_data(insn: *const Insn, dest: *mut c_void, len: usize) -> usize;
    pub fn qemu_plugin_insn_vaddr(insn: *const Insn) -> u64;
    pub fn qemu_plugin_mem_is_store(info: u32) -> bool;
    pub fn qemu_plugin_mem_size_shift(info: u32) -> c_uint;
    pub fn qemu_plugin_get_hwaddr(info: u32, vaddr: u64) -> *mut Hwaddr;
    pub fn qemu_plugin_hwaddr_is_io(addr: *const Hwaddr) -> bool;
    pub fn qemu_plugin_hwaddr_device_name(addr: *const Hwaddr) -> *const c_char;
    pub fn qemu_plugin_scoreboard_new(element_size: usize) -> *mut Scoreboard;
    pub fn qemu_plugin_scoreboard_find(score: *mut Scoreboard, vcpu: c_uint) -> *mut c_void;
    pub fn qemu_plugin_u64_add(entry: U64, vcpu: c_uint, added: u64);
    pub fn qemu_plugin_num_vcpus() -> c_int;
}
