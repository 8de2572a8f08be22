# SPDX-License-Identifier: GPL-2.0
"""The initramfs of a guest: busybox, the modules, /init, and the files of the job."""

import re
import shutil
from pathlib import Path

from ..paths import GUEST_SCRIPTS, SELFTESTS
from ..proc import output, program
from ..say import Failure
from .cpio import Cpio
from .machine import exports


def root_9p(directory: Path) -> Path:
    """Fills a directory to be shared as a root file system: busybox, and what init.sh moves into."""
    for name in ("bin", "sbin", "usr/bin", "usr/sbin", "etc", "lib", "root", "mnt", "var"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(program("busybox", "busybox-static"), directory / "bin" / "busybox")
    # The others are made by busybox in the guest; main.sh needs this one to begin with.
    (directory / "bin" / "sh").symlink_to("busybox")
    return directory


#: The names that kmod goes by.
_KMOD = ("modprobe", "insmod", "rmmod", "lsmod", "modinfo", "depmod")


def _libraries(program: Path) -> list:
    """Returns the paths of what a program of this machine is linked with, the dynamic linker included."""
    # Lines of ldd: "name => path (address)", or "path (address)" for the dynamic linker.
    return sorted(set(re.findall(r"(/\S+) \(0x", output(["ldd", program]))))


def _add_program(cpio: Cpio, name: str) -> None:
    """Adds a program of this machine as /harness/programs/<name>, with its libraries: the guest's own may be
    older, or not there."""
    found = Path(program(name)).resolve()
    libraries = _libraries(found)
    for library in libraries:
        cpio.add_file(f"harness/programs/lib/{Path(library).name}", Path(library).resolve(), 0o755)
    linker = next((Path(one).name for one in libraries if Path(one).name.startswith("ld-")), "")
    if not linker:
        raise Failure(f"{found} has no dynamic linker: ldd does not know what it needs")
    cpio.add_file(f"harness/programs/lib/{name}", found, 0o755)
    cpio.add(f"harness/programs/{name}", f"""#!/bin/sh
lib=/run/harness/programs/lib
exec $lib/{linker} --library-path $lib $lib/{name} "$@"
""".encode(), 0o755)


def _add_kmod(cpio: Cpio, config: list) -> None:
    """Adds the machine's kmod with its libraries, and its configuration."""
    found = Path(program("kmod", "kmod")).resolve()
    for library in _libraries(found):
        cpio.add_file(library, Path(library).resolve(), 0o755)
    cpio.add_file("usr/local/sbin/kmod", found, 0o755)
    for name in _KMOD:
        cpio.symlink(f"usr/local/sbin/{name}", "kmod")
    cpio.add("etc/modprobe.d/harness.conf", "".join(f"{line}\n" for line in config).encode())


def build(path: Path, modules: Path, job: dict, files: dict, env: dict, kmod: list = None, programs=()) -> None:
    """Writes the initramfs to `path`.

    * `modules`: a lib/modules/<release> directory.
    * `job`: name -> bytes, files put in /harness/job of the guest.
    * `files`: name -> path, files put there too.
    * `env`: what /init and the job read from /harness/env.
    * `kmod`: the configuration of kmod; modules are loaded by busybox if None.
    * `programs`: names of programs of this machine, put in /harness/programs with their libraries.
    """
    cpio = Cpio()
    for name in ("bin", "dev", "proc", "sys", "run", "tmp", "mnt", "etc", "root", "sbin", "usr/bin", "usr/sbin"):
        cpio.directory(name)
    cpio.device("dev/console", 5, 1)
    cpio.device("dev/null", 1, 3)
    cpio.add_file("bin/busybox", Path(program("busybox", "busybox-static")), 0o755)
    cpio.symlink("bin/sh", "busybox")
    cpio.add_file("init", GUEST_SCRIPTS / "init.sh", 0o755)
    for script in sorted(GUEST_SCRIPTS.glob("*.sh")):
        cpio.add_file(f"harness/{script.name}", script, 0o755)
    for script in sorted(SELFTESTS.glob("**/*")):
        if script.is_file():
            cpio.add_file(f"harness/selftests/{script.relative_to(SELFTESTS)}", script)
    for source in sorted(modules.glob("**/*")):
        if source.is_file():
            cpio.add_file(f"lib/modules/{modules.name}/{source.relative_to(modules)}", source)
    if kmod is not None:
        _add_kmod(cpio, kmod)
    for name in programs:
        _add_program(cpio, name)
    cpio.directory("harness/job")
    for name, data in job.items():
        cpio.add(f"harness/job/{name}", data, 0o755)
    for name, source in files.items():
        cpio.add_file(f"harness/job/{name}", Path(source))
    cpio.add("harness/env", exports(env))
    cpio.write(path)
