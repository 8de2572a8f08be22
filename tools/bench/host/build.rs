// SPDX-License-Identifier: GPL-2.0

//! Compiles the kernel's ring for user space, with the headers that the kernel has for its own
//! tests of it (tools/virtio). Without a kernel source, or where it does not compile, the
//! benchmark goes without.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

fn main() {
    println!("cargo::rustc-check-cfg=cfg(c_ring)");
    println!("cargo::rerun-if-env-changed=KSRC");
    println!("cargo::rerun-if-env-changed=RUST_VIRTIO_CACHE");
    println!("cargo::rerun-if-changed=c/ring.c");
    println!("cargo::rerun-if-changed=build.rs");
    let Some(ksrc) = kernel_source() else {
        println!("cargo::warning=no kernel source: set KSRC to compare with its ring");
        return;
    };
    match compile(&ksrc) {
        Ok(()) => println!("cargo::rustc-cfg=c_ring"),
        Err(e) => println!(
            "cargo::warning=the ring of {} does not compile here: {e}",
            ksrc.display()
        ),
    }
}

/// The tree that `KSRC` names, or the newest that the harness has fetched.
fn kernel_source() -> Option<PathBuf> {
    let has_ring = |dir: &Path| dir.join("drivers/virtio/virtio_ring.c").is_file();
    if let Some(dir) = env::var_os("KSRC").filter(|dir| !dir.is_empty()) {
        return Some(PathBuf::from(dir)).filter(|dir| has_ring(dir));
    }
    let set = |name| {
        env::var_os(name)
            .filter(|dir| !dir.is_empty())
            .map(PathBuf::from)
    };
    let cache = match (set("RUST_VIRTIO_CACHE"), set("XDG_CACHE_HOME")) {
        (Some(dir), _) => dir,
        (None, Some(dir)) => dir.join("rust-virtio"),
        (None, None) => set("HOME")?.join(".cache/rust-virtio"),
    };
    let mut trees: Vec<_> = fs::read_dir(cache.join("src"))
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|dir| has_ring(dir))
        .collect();
    trees.sort();
    trees.pop()
}

fn compile(ksrc: &Path) -> Result<(), String> {
    // One header that those for the tests include is nowhere in their search path.
    let shim = PathBuf::from(env::var_os("OUT_DIR").ok_or("no OUT_DIR")?).join("shim");
    fs::create_dir_all(shim.join("linux")).map_err(|e| e.to_string())?;
    let link = shim.join("linux/device-id");
    let _ = fs::remove_file(&link);
    symlink(ksrc.join("include/linux/device-id"), &link).map_err(|e| e.to_string())?;

    let ring = ksrc.join("drivers/virtio/virtio_ring.c");
    println!("cargo::rerun-if-changed={}", ring.display());
    cc::Build::new()
        .file(ring)
        .file("c/ring.c")
        .include(shim)
        .include(ksrc.join("tools/virtio"))
        .include(ksrc.join("tools/include"))
        .include(ksrc.join("usr/include"))
        .flag("-include")
        .flag(ksrc.join("include/linux/kconfig.h"))
        .flag("-w")
        .define("CONFIG_PHYS_ADDR_T_64BIT", "1")
        // As the kernel is compiled, but for what protects it from side channels.
        .flag("-fno-strict-overflow")
        .flag("-fno-strict-aliasing")
        .flag("-fno-common")
        .flag("-fcf-protection=none")
        .flag("-U_FORTIFY_SOURCE")
        .opt_level(2)
        .cargo_warnings(false)
        .try_compile("c_ring")
        .map_err(|e| e.to_string())
}
