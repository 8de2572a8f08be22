# SPDX-License-Identifier: GPL-2.0
"""Tests of what prepare-kdir says of kernels, headers and compilers that do not fit, and of what DKMS gets."""

import hashlib
import os
import re
import signal
import subprocess
import time

import pytest
from tool_machine import PACKAGING

KDIR = PACKAGING / "dkms" / "prepare-kdir"
RELEASE = "7.3.4+deb13-amd64"
RUSTC = "rustc 1.85.1 (4eb161250 2025-03-15)"
OTHER_RUSTC = "rustc 1.97.1 (abc 2026-01-01)"

#: A recipe of the kernel that makes crates, and goes on while there is a file "slow".
RECIPE = """VERSION = 7
prepare:
	@echo begun >{root}/begun
	@while [ -e {root}/slow ]; do sleep 0.1; done
	@mkdir -p rust/kernel
	@touch rust/libkernel.rmeta rust/libmacros.so rust/kernel/generated_arch_x.rs
	@echo 'EXPORT_SYMBOL_RUST_GPL(_RNvCs1_6kernel5print);' >rust/exports_kernel_generated.h
"""

#: A compiler that can tell its version and its directory, and makes a program that prints {}.
RUSTC_PROGRAM = r"""#!/bin/sh
case $* in
*sysroot*) echo {sysroot} ;;
*--version*) echo '{version}' ;;
*)
	while [ "$1" != -o ]; do shift; done
	printf '#!/bin/sh\necho {{}}\n' >"$2"
	chmod 755 "$2"
	;;
esac
"""


class Place:
    """Headers of a kernel, compilers and a source, all of files that look the part."""

    def __init__(self, root, write):
        self.root, self.write = root, write
        self.configure()
        for path in ("Module.symvers", "include/config/auto.conf", "include/generated/autoconf.h"):
            write(f"headers/{path}")
        for path, text in (("headers/Makefile", "VERSION = 7\n"), ("source/Makefile", "VERSION = 7\n"),
                           ("headers/include/generated/utsrelease.h", f'#define UTS_RELEASE "{RELEASE}"\n'),
                           ("source/rust/x.rs", ""), ("lib/rustlib/src/rust/library/core/src/lib.rs", "")):
            write(path, text)
        self.compiler("rustc", RUSTC)
        self.compiler("bindgen", "bindgen 0.71.1")
        self.headers = f"{root.resolve()}/headers"

    def configure(self, **changed):
        values = {"X86_64": "y", "RUST": "y", "RUSTC_VERSION_TEXT": f'"{RUSTC}"',
                  "BINDGEN_VERSION_TEXT": '"bindgen 0.71.1"', **changed}
        self.write("headers/.config", "".join(f"CONFIG_{name}={value}\n" for name, value in values.items() if value))

    def compiler(self, name, version, sysroot=None):
        self.write(f"bin/{name}", RUSTC_PROGRAM.format(version=version, sysroot=sysroot or self.root))

    def metadata(self, makefile="VERSION = 7\n"):
        """Gives the headers the metadata of the crates."""
        self.write("headers/rust/libkernel.rmeta")
        self.write("headers/scripts/target.json", "{}")
        self.write("headers/Makefile", makefile)

    def complete(self):
        """Gives headers and source all that the script looks at, so that its steps run to their end."""
        for path in ("headers/arch/x86/Makefile", "headers/include/uapi/linux/types.h", "headers/tools/x",
                     "headers/scripts/Makefile.build", "headers/scripts/basic/fixdep",
                     "source/drivers/base/base.h", "source/scripts/generate_rust_target.rs",
                     "source/scripts/rust_is_available.sh", "source/scripts/min-tool-version.sh",
                     "source/scripts/cc-version.sh"):
            self.write(path)
        for tree in ("headers", "source"):
            self.write(f"{tree}/Makefile", RECIPE.format(root=self.root))
        self.write("headers/Module.symvers", "0x0\t_RNvCs1_6kernel5print\tvmlinux\tEXPORT_SYMBOL_GPL\t\n")

    def command(self, *argv, release=RELEASE) -> tuple:
        """Returns the command of the script, and its environment."""
        return (["sh", KDIR, "--headers", self.root / "headers", "--source", self.root / "source",
                 "--output", self.root / "cache/kernel", *argv, release],
                {"PATH": f"{self.root}/bin:{os.environ['PATH']}", "RUSTC": f"{self.root}/bin/rustc",
                 "BINDGEN": f"{self.root}/bin/bindgen"})

    def made(self) -> list:
        """Returns what is in the cache."""
        return os.listdir(self.root / "cache") if (self.root / "cache").exists() else []

    def run(self, *argv, release=RELEASE, status=1):
        """Runs the script, which makes nothing; returns what it wrote."""
        argv, env = self.command(*argv, release=release)
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env)
        assert done.returncode == status, done.stderr
        assert self.made() == [], "nothing half-made is left"
        return done.stdout + done.stderr

    def dkms(self, **env):
        """Builds as DKMS does; returns what the console gets, and the log."""
        dkms = PACKAGING / "dkms"
        for script in (KDIR, dkms / "dkms-build"):
            self.write(f"build/{script.name}", script.read_text())
        self.write("build/dkms.conf", (dkms / "dkms.conf").read_text().replace("#MODULE_VERSION#", "1.2~3"))
        script = "kernelver=$1 kernel_source_dir=$2; . ./dkms.conf; (eval \"${MAKE[0]}\") >log 2>&1; exit 0"
        done = subprocess.run(["bash", "-c", script, "bash", RELEASE, self.root / "headers"],
                              cwd=self.root / "build", stderr=subprocess.PIPE, text=True, check=True,
                              env={**os.environ, **self.command()[1], "PATH": os.environ["PATH"],
                                   "RUST_VIRTIO_KDIRS": str(self.root / "cache"), **env})
        return done.stderr, (self.root / "build/log").read_text()


@pytest.fixture
def place(tmp_path, write):
    """Returns headers, compilers and a source from which the crates can be made, as far as the checks see."""
    return Place(tmp_path, write)


def test_all_there(place):
    assert "can be made" in place.run("--check", status=0)


@pytest.mark.parametrize("change, said", [
    (lambda place: place.configure(RUST=""), "without CONFIG_RUST"),
    (lambda place: place.configure(X86_64=""), "only amd64"),
    (lambda place: (place.root / "headers/Module.symvers").unlink(), "lacks Module.symvers"),
    (lambda place: place.compiler("rustc", OTHER_RUSTC), f"was built with '{RUSTC}'"),
    (lambda place: place.compiler("rustc", OTHER_RUSTC), "rustc 1.97.1"),
    (lambda place: place.compiler("bindgen", "bindgen 0.72.0"), "found: bindgen 0.72.0"),
    (lambda place: place.compiler("rustc", RUSTC, "/nonexistent"), "rust-src"),
    (lambda place: place.write("source/Makefile", "VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 9\n"), "it is 7.3.9")])
def test_a_part_that_does_not_fit(place, change, said):
    change(place)
    assert said in place.run()


@pytest.mark.parametrize("argv, release, status, said", [
    ([], "6.12.1-amd64", 1, "too old: the Rust virtio drivers need 7.3"),
    ([], "7.3.5-amd64", 1, f"is for kernel {RELEASE}, not for 7.3.5-amd64"),
    (["--source", "/nonexistent.tar.xz"], RELEASE, 1, "lack the metadata"),
    (["--frob"], RELEASE, 2, ""), (["-j", "many"], RELEASE, 2, "")])
def test_arguments_that_do_not_fit(place, argv, release, status, said):
    assert said in place.run(*argv, release=release, status=status)


def test_no_headers(tmp_path):
    done = subprocess.run(["sh", KDIR, "--output", tmp_path / "cache/kernel", "7.3.99-none"],
                          capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(r"^prepare-kdir: error: kernel 7\.3\.99-none has no headers here: "
                     r"(apt install linux-headers-7\.3\.99-none|install the package)", done.stderr)
    assert not (tmp_path / "cache").exists()


def test_metadata_that_is_there_is_not_all(place):
    """A compiler for the modules is needed as well; the source is not."""
    def digest(data):
        return hashlib.sha256(data).hexdigest()

    place.write("made/rust/libkernel.rmeta")
    place.write("made/.prepared", "x")
    argv = ["--output", place.root / "made", "--source", "/nonexistent.tar.xz"]
    assert "lack the metadata" in place.run("--check", *argv)
    recipe = re.search(r"^RECIPE=(.*)", KDIR.read_text(), re.M)[1]
    config, symbols = (digest((place.root / "headers" / name).read_bytes()) for name in (".config", "Module.symvers"))
    place.write("made/.prepared", f"recipe {recipe}\nheaders {place.headers}\nconfig {config}\nsymbols {symbols}\n"
                f"rustc {digest((RUSTC + chr(10)).encode())}\n")
    assert "is up to date" in place.run("--check", *argv, status=0)
    place.compiler("bindgen", "bindgen 0.72.0")
    assert "found: bindgen 0.72.0" in place.run("--check", *argv)
    assert "is up to date" in place.run(*argv, status=0)


def test_metadata_in_the_headers_is_used(place):
    place.metadata()
    assert place.headers in place.run(status=0).splitlines()
    assert place.run("--compilers", status=0).splitlines()[:2] == [
        place.headers, f"RUSTC={place.root}/bin/rustc BINDGEN={place.root}/bin/bindgen"]


def test_a_directory_of_others_is_left_alone(place):
    place.write("mine/thesis", "years of work")
    out = place.run("--output", place.root / "mine")
    assert "mine is there, and was not made by prepare-kdir" in out and "making the metadata" not in out
    file = place.write("file", "text")
    assert "was not made by prepare-kdir" in place.run("--output", file)
    assert file.read_text() == "text"


def test_an_empty_directory_and_an_old_one_are_taken(place):
    (place.root / "empty").mkdir()
    place.write("old/.prepared", "recipe 0")
    for name in ("empty", "old"):
        assert "making the metadata" in place.run("--output", place.root / name)


def test_what_a_killed_run_left_goes_and_no_more(place):
    place.write("cache/.kernel.prepare-kdir.Ab3xYz/half")
    place.run()
    thesis = place.write(".mine.backup/thesis", "years of work")
    place.run("--output", place.root / "mine")
    assert thesis.exists()


def test_what_was_interrupted_leaves_nothing_and_is_made_by_the_next_run(place):
    place.complete()
    output = place.root / "cache/kernel"
    command, env = place.command()[0], {"PATH": f"{place.root}/bin:{os.environ['PATH']}"}
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def heed():
        """Takes signals that whoever runs the tests ignores, as nohup does: a shell cannot."""
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)

    for number in numbers:
        slow, begun = place.write("slow"), place.root / "begun"
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env=env, preexec_fn=heed) as run:
            while not begun.exists() and run.poll() is None:
                time.sleep(0.05)
            run.send_signal(number)
            said = run.communicate()[0]
        assert run.returncode == 128 + number, said
        assert "interrupted: nothing was changed" in said
        assert place.made() == [], "nothing half-made is left"
        begun.unlink()
        slow.unlink()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert (done.returncode, done.stdout) == (0, f"{output}\n"), done.stderr
    for name in ("rust/libkernel.rmeta", "rust/libmacros.so", "rust/kernel/generated_arch_x.rs",
                 "scripts/target.json", "scripts/Makefile.build", "include/generated/autoconf.h", "Makefile"):
        assert (output / name).exists(), name
    assert place.made() == ["kernel"]
    again = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    assert "is up to date" in again.stderr


def test_crates_that_are_not_those_of_the_kernel_are_not_kept(place):
    place.complete()
    place.write("headers/Module.symvers", "0x0\t_RNvCs2_6kernel5print\tvmlinux\tEXPORT_SYMBOL_GPL\t\n")
    out = place.run()
    assert "are not those of kernel" in out and "_RNvCs2_6kernel5print" in out


def test_dkms_builds_by_compilers_of_versioned_packages(place):
    place.metadata("RUSTC = rustc\nBINDGEN = bindgen\nmodules: ; @echo 'by $(RUSTC) and $(BINDGEN)'\n")
    for name, version in (("rustc", OTHER_RUSTC), ("bindgen", "bindgen 0.73.0"), ("rustc-1.85", RUSTC),
                          ("bindgen-0.71", "bindgen 0.71.1")):
        place.compiler(name, version)
    log = place.dkms(PATH=f"{place.root}/bin:{os.environ['PATH']}", RUSTC="", BINDGEN="")[1]
    # Another rustc of that version may be on this machine.
    by = re.search("\nby (/\\S*rustc\\S*) and (/\\S*bindgen\\S*)\n", log).groups()
    for name, text in zip(by, (RUSTC, "bindgen 0.71.1")):
        assert subprocess.run([name, "--version"], capture_output=True, text=True, check=True).stdout.strip() == text


def test_dkms_gets_the_reason_in_one_line(place):
    place.configure(RUST="")
    for text in place.dkms():
        assert re.search(f"^rust-virtio: not built for {RELEASE.replace('+', '.')}: .*CONFIG_RUST",
                         text.strip().splitlines()[-1])


def test_dkms_builds_modules_of_the_version_of_the_package(place):
    place.metadata("modules: ; @echo 'modules of $(RUST_VIRTIO_VERSION)'\n")
    assert "\nmodules of 1.2~3\n" in place.dkms()[1]


def test_dkms_replaces_metadata_whose_removal_was_interrupted(place):
    place.write(f"cache/{RELEASE}/rust/libkernel.rmeta")
    assert "lack the metadata" in place.dkms()[0]
