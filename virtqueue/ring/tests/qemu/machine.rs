// SPDX-License-Identifier: GPL-2.0

//! A virtual machine without software: its memory is shared with the test, and its registers are
//! reached through the qtest port, one command for each access.
//!
//! The processor halts at its first instruction. It exists because devices work only while the
//! machine runs.

use crate::common::memory::Arena;
use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    ptr::NonNull,
    sync::Arc,
};
use vm_memory::{FileOffset, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};

pub type Memory = GuestMemoryMmap<()>;

/// The number of bytes of the machine's memory.
pub const MEMORY: usize = 64 << 20;

pub struct Machine {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    line: String,
    pub memory: Memory,
    pub scratch: Scratch,
}

/// A directory for the files of a machine.
pub struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("qemu-{name}-{}", std::process::id());
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Creates a file of that many zeroes.
    pub fn file(&self, name: &str, bytes: u64) -> (File, PathBuf) {
        let path = self.path(name);
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(true);
        let file = file.open(&path).unwrap();
        file.set_len(bytes).unwrap();
        (file, path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Machine {
    /// Starts a machine with the devices in `arguments`.
    pub fn new(name: &str, arguments: impl FnOnce(&Scratch) -> Vec<String>) -> Self {
        let scratch = Scratch::new(name);
        let (ram, ram_path) = scratch.file("ram", MEMORY as u64);
        let (mut firmware, firmware_path) = scratch.file("firmware", 64 << 10);
        let mut text = vec![0; 64 << 10];
        // At the reset vector: cli; hlt; and back.
        text[0xfff0..0xfff4].copy_from_slice(&[0xfa, 0xf4, 0xeb, 0xfd]);
        firmware.write_all(&text).unwrap();

        let mut command = Command::new("qemu-system-x86_64");
        command
            .args(["-nodefaults", "-display", "none", "-accel", "tcg"])
            .args([
                "-machine",
                "microvm,pic=off,pit=off,rtc=off,memory-backend=ram",
            ])
            .args(["-m", &format!("{}M", MEMORY >> 20)])
            .arg("-object")
            .arg(format!(
                "memory-backend-file,id=ram,share=on,size={MEMORY},mem-path={}",
                ram_path.display()
            ))
            .arg("-bios")
            .arg(firmware_path)
            .args(["-global", "virtio-mmio.force-legacy=false"])
            .args(arguments(&scratch))
            .args(["-qtest", "stdio", "-qtest-log", "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        // SAFETY: Between fork and exec, the closure only does a system call.
        unsafe {
            command.pre_exec(|| {
                // A test that is killed leaves no machine behind.
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            });
        }
        let mut process = command.spawn().expect("qemu-system-x86_64 runs");
        let range = (GuestAddress(0), MEMORY, Some(FileOffset::new(ram, 0)));
        let mut machine = Self {
            to: process.stdin.take().unwrap(),
            from: BufReader::new(process.stdout.take().unwrap()),
            process,
            line: String::new(),
            memory: Memory::from_ranges_with_files([range]).unwrap(),
            scratch,
        };
        // QEMU answers when all of its files are open.
        machine.read(0);
        machine
    }

    /// Returns a part of the memory as an arena for rings, which has no other use.
    pub fn arena(&self, start: u64, bytes: usize) -> Arc<Arena> {
        assert!(start as usize + bytes <= MEMORY);
        let base = self.memory.get_host_address(GuestAddress(start)).unwrap();
        let base = NonNull::new(base).unwrap();
        // SAFETY: The part of the machine's memory is mapped as long as there is a copy of
        // `memory`. The test accesses it through the arena, atomically, and the device is another
        // process.
        Arc::new(unsafe { Arena::shared(base, bytes, start, self.memory.clone()) })
    }

    fn command(&mut self, command: &str) -> &str {
        self.to.write_all(command.as_bytes()).unwrap();
        self.to.write_all(b"\n").unwrap();
        self.line.clear();
        self.from.read_line(&mut self.line).unwrap();
        let answer = self.line.trim();
        match answer.strip_prefix("OK") {
            Some(value) => value.trim(),
            None => panic!("{command}: {answer:?}"),
        }
    }

    /// Reads four bytes.
    pub fn read(&mut self, addr: u64) -> u32 {
        let value = self.command(&format!("readl {addr:#x}"));
        let value = u64::from_str_radix(value.trim_start_matches("0x"), 16);
        value.expect("a number") as u32
    }

    /// Writes four bytes.
    pub fn write(&mut self, addr: u64, value: u32) {
        self.command(&format!("writel {addr:#x} {value:#x}"));
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
