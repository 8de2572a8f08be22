# SPDX-License-Identifier: GPL-2.0
"""Tests of what prepare-kdir says of kernels, headers and compilers that do not fit, and of what DKMS gets."""

import hashlib
import os
import re
import signal
import subprocess
import time
import unittest
from pathlib import Path

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"
KDIR = PACKAGING / "dkms" / "prepare-kdir"
BUILD = PACKAGING / "dkms" / "dkms-build"
CONF = PACKAGING / "dkms" / "dkms.conf"
RELEASE = "7.3.4+deb13-amd64"
RUSTC = "rustc 1.85.1 (4eb161250 2025-03-15)"


class PrepareKdir(unittest.TestCase):
    """Headers of a kernel, compilers and a source, all of files that look the part."""

    def setUp(self):
        self.root = self.top
        self.configure()
        for path, text in (("headers/Makefile", "VERSION = 7\n"), ("headers/Module.symvers", ""),
                           ("headers/include/config/auto.conf", ""),
                           ("headers/include/generated/autoconf.h", ""),
                           ("headers/include/generated/utsrelease.h",
                            f'#define UTS_RELEASE "{RELEASE}"\n'),
                           ("source/Makefile", "VERSION = 7\n"), ("source/rust/x.rs", "")):
            self.write(path, text)
        self.compiler("rustc", RUSTC, self.root)
        self.compiler("bindgen", "bindgen 0.71.1", self.root)
        self.write("lib/rustlib/src/rust/library/core/src/lib.rs", "")

    def configure(self, **changed):
        """Writes the kernel's configuration."""
        values = {"X86_64": "y", "RUST": "y", "RUSTC_VERSION_TEXT": f'"{RUSTC}"',
                  "BINDGEN_VERSION_TEXT": '"bindgen 0.71.1"', **changed}
        self.write("headers/.config", "".join(f"CONFIG_{name}={value}\n"
                                              for name, value in values.items() if value))

    def compiler(self, name, text, sysroot):
        """Makes a compiler that can tell its version."""
        self.write(f"bin/{name}", f"#!/bin/sh\ncase $* in\n*sysroot*) echo {sysroot} ;;\n"
                                  f"*) echo '{text}' ;;\nesac\n")
        (self.root / "bin" / name).chmod(0o755)

    def fingerprint(self):
        """Returns what metadata that was made earlier is known by."""
        def digest(path):
            return hashlib.sha256((self.root / path).read_bytes()).hexdigest()
        recipe = re.search(r"^RECIPE=(.*)", KDIR.read_text(), re.M)[1]
        return (f"recipe {recipe}\nheaders {(self.root / 'headers').resolve()}\nconfig {digest('headers/.config')}\n"
                f"symbols {digest('headers/Module.symvers')}\n"
                f"rustc {hashlib.sha256((RUSTC + chr(10)).encode()).hexdigest()}\n")

    def write(self, path, text):
        """Writes a file."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def run_it(self, *argv, release=RELEASE, status=1):
        """Runs the script; returns what it wrote."""
        done = subprocess.run(
            ["sh", KDIR, "--headers", self.root / "headers", "--source", self.root / "source",
             "--output", self.root / "cache/kernel", *argv, release],
            capture_output=True, text=True, check=False,
            env={"PATH": f"{self.root}/bin:{os.environ['PATH']}", "RUSTC": f"{self.root}/bin/rustc",
                 "BINDGEN": f"{self.root}/bin/bindgen"})
        assert done.returncode == status, done.stderr
        assert not (self.root / "cache/kernel").exists()
        if (self.root / "cache").exists():
            assert os.listdir(self.root / "cache") == [], "nothing half-made is left"
        return done.stdout + done.stderr

    def test_all_there(self):
        assert "can be made" in self.run_it("--check", status=0)

    def test_metadata_that_is_there_is_not_all(self):
        """What compiles the modules is needed as well; the source is not."""
        made = self.root / "made"
        self.write("made/rust/libkernel.rmeta", "")
        self.write("made/.prepared", "x")
        argv = ["--output", made, "--source", "/nonexistent.tar.xz"]
        assert "lack the metadata" in self.run_it("--check", *argv)
        (made / ".prepared").write_text(self.fingerprint())
        assert "is up to date" in self.run_it("--check", *argv, status=0)
        self.compiler("bindgen", "bindgen 0.72.0", self.root)
        assert "found: bindgen 0.72.0" in self.run_it("--check", *argv)
        assert "is up to date" in self.run_it(*argv, status=0)

    def test_old_kernel(self):
        assert "too old: the Rust virtio drivers need 7.3" in self.run_it(release="6.12.1-amd64")

    def test_kernel_without_rust(self):
        self.configure(RUST="")
        assert "without CONFIG_RUST" in self.run_it()

    def test_other_architecture(self):
        self.configure(X86_64="")
        assert "only amd64" in self.run_it()

    def test_headers_of_another_kernel(self):
        assert f"is for kernel {RELEASE}, not for 7.3.5-amd64" in self.run_it(release="7.3.5-amd64")

    def test_incomplete_headers(self):
        (self.root / "headers/Module.symvers").unlink()
        assert "lacks Module.symvers" in self.run_it()

    def test_other_rustc(self):
        self.compiler("rustc", "rustc 1.97.1 (abc 2026-01-01)", self.root)
        out = self.run_it()
        assert f"was built with '{RUSTC}'" in out
        assert "rustc 1.97.1" in out

    def test_other_bindgen(self):
        self.compiler("bindgen", "bindgen 0.72.0", self.root)
        assert "found: bindgen 0.72.0" in self.run_it()

    def test_no_rust_src(self):
        self.compiler("rustc", RUSTC, "/nonexistent")
        assert "rust-src" in self.run_it()

    def test_no_source(self):
        assert "lack the metadata" in self.run_it("--source", "/nonexistent.tar.xz")

    def test_source_of_another_release(self):
        self.write("source/Makefile", "VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 9\n")
        assert "it is 7.3.9" in self.run_it()

    def test_metadata_in_the_headers_is_used(self):
        self.write("headers/rust/libkernel.rmeta", "")
        self.write("headers/scripts/target.json", "{}")
        out = self.run_it(status=0)
        assert str((self.root / "headers").resolve()) in out.splitlines()

    def test_a_directory_of_others_is_left_alone(self):
        self.write("mine/thesis", "years of work")
        out = self.run_it("--output", self.root / "mine")
        assert "mine is there, and was not made by prepare-kdir" in out
        assert "making the metadata" not in out
        self.write("file", "text")
        assert "was not made by prepare-kdir" in self.run_it("--output", self.root / "file")
        assert (self.root / "file").read_text() == "text"

    def test_an_empty_directory_and_an_old_one_are_taken(self):
        (self.root / "empty").mkdir()
        self.write("old/.prepared", "recipe 0")
        for name in ("empty", "old"):
            assert "making the metadata" in self.run_it("--output", self.root / name)

    def test_what_a_killed_run_left_goes_and_no_more(self):
        self.write("cache/.kernel.prepare-kdir.Ab3xYz/half", "")
        self.run_it()
        self.write(".mine.backup/thesis", "years of work")
        self.run_it("--output", self.root / "mine")
        assert (self.root / ".mine.backup/thesis").exists()

    def whole(self):
        """Makes of the headers, the source and rustc what the crates can be made of, as far as the script
        sees: its steps run to their end. The recipe of the kernel goes on while there is a file "slow"."""
        for path in ("headers/arch/x86/Makefile", "headers/include/uapi/linux/types.h", "headers/tools/x",
                     "headers/scripts/Makefile.build", "headers/scripts/basic/fixdep",
                     "source/drivers/base/base.h", "source/scripts/generate_rust_target.rs",
                     "source/scripts/rust_is_available.sh", "source/scripts/min-tool-version.sh",
                     "source/scripts/cc-version.sh"):
            self.write(path, "")
        recipe = (f"VERSION = 7\nprepare:\n\t@echo begun >{self.root}/begun\n"
                  f"\t@while [ -e {self.root}/slow ]; do sleep 0.1; done\n"
                  "\t@mkdir -p rust/kernel\n\t@touch rust/libkernel.rmeta rust/libmacros.so "
                  "rust/kernel/generated_arch_x.rs\n"
                  "\t@echo 'EXPORT_SYMBOL_RUST_GPL(_RNvCs1_6kernel5print);' >rust/exports_kernel_generated.h\n")
        for tree in ("headers", "source"):
            self.write(f"{tree}/Makefile", recipe)
        self.write("headers/Module.symvers", "0x0\t_RNvCs1_6kernel5print\tvmlinux\tEXPORT_SYMBOL_GPL\t\n")
        self.write("bin/rustc", "#!/bin/sh\ncase $* in\n*sysroot*) echo " + str(self.root) + " ;;\n*--version*) "
                   f"echo '{RUSTC}' ;;\n*)\n\twhile [ \"$1\" != -o ]; do shift; done\n"
                   "\tprintf '#!/bin/sh\\necho {}\\n' >\"$2\"\n\tchmod 755 \"$2\"\n\t;;\nesac\n")

    def test_what_was_interrupted_leaves_nothing_and_is_made_by_the_next_run(self):
        self.whole()
        output = self.root / "cache/kernel"
        command = ["sh", KDIR, "--headers", self.root / "headers", "--source", self.root / "source",
                   "--output", output, RELEASE]
        env = {"PATH": f"{self.root}/bin:{os.environ['PATH']}"}
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

        def heed():
            """Takes signals that whoever runs the tests ignores, as nohup does: a shell cannot."""
            for number in numbers:
                signal.signal(number, signal.SIG_DFL)

        for number in numbers:
            self.write("slow", "")
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  env=env, preexec_fn=heed) as run:
                while not (self.root / "begun").exists() and run.poll() is None:
                    time.sleep(0.05)
                run.send_signal(number)
                said = run.communicate()[0]
            assert run.returncode == 128 + number, said
            assert "interrupted: nothing was changed" in said
            assert os.listdir(self.root / "cache") == [], "nothing half-made is left"
            (self.root / "begun").unlink()
            (self.root / "slow").unlink()
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
        assert (done.returncode, done.stdout) == (0, f"{output}\n"), done.stderr
        for name in ("rust/libkernel.rmeta", "rust/libmacros.so", "rust/kernel/generated_arch_x.rs",
                     "scripts/target.json", "scripts/Makefile.build", "include/generated/autoconf.h", "Makefile"):
            assert (output / name).exists(), name
        assert os.listdir(self.root / "cache") == ["kernel"]
        again = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
        assert "is up to date" in again.stderr

    def test_crates_that_are_not_those_of_the_kernel_are_not_kept(self):
        self.whole()
        self.write("headers/Module.symvers", "0x0\t_RNvCs2_6kernel5print\tvmlinux\tEXPORT_SYMBOL_GPL\t\n")
        out = self.run_it()
        assert "are not those of kernel" in out
        assert "_RNvCs2_6kernel5print" in out

    def test_no_headers(self):
        done = subprocess.run(["sh", KDIR, "--output", self.root / "cache/kernel", "7.3.99-none"],
                              capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (1, "")
        self.assertRegex(done.stderr, r"^prepare-kdir: error: kernel 7\.3\.99-none has no headers here: "
                                      r"(apt install linux-headers-7\.3\.99-none|install the package)")
        assert not (self.root / "cache").exists()

    def test_wrong_usage(self):
        self.run_it("--frob", status=2)
        self.run_it("-j", "many", status=2)

    def test_compilers_are_printed_where_headers_do_not_name_them(self):
        self.write("headers/rust/libkernel.rmeta", "")
        self.write("headers/scripts/target.json", "{}")
        assert self.run_it("--compilers", status=0).splitlines()[:2] == [str((self.root / "headers").resolve()),
            f"RUSTC={self.root}/bin/rustc BINDGEN={self.root}/bin/bindgen"]

    def test_dkms_builds_by_compilers_of_versioned_packages(self):
        self.write("headers/rust/libkernel.rmeta", "")
        self.write("headers/scripts/target.json", "{}")
        self.write("headers/Makefile", "RUSTC = rustc\nBINDGEN = bindgen\n"
                                       "modules: ; @echo 'by $(RUSTC) and $(BINDGEN)'\n")
        self.compiler("rustc", "rustc 1.97.1 (abc 2026-01-01)", self.root)
        self.compiler("bindgen", "bindgen 0.73.0", self.root)
        self.compiler("rustc-1.85", RUSTC, self.root)
        self.compiler("bindgen-0.71", "bindgen 0.71.1", self.root)
        log = self.dkms(PATH=f"{self.root}/bin:{os.environ['PATH']}", RUSTC="", BINDGEN="")[1]
        # Another rustc of that version may be on this machine.
        self.assertRegex(log, "\nby /\\S*rustc\\S* and /\\S*bindgen\\S*\n")
        by = [name for line in log.splitlines() if line.startswith("by ") for name in line.split()[1::2]]
        for name, text in zip(by, (RUSTC, "bindgen 0.71.1")):
            assert subprocess.run([name, "--version"], capture_output=True, text=True,
                check=True).stdout.strip() == text

    def dkms(self, **env):
        """Builds as DKMS does; returns what the console gets, and the log."""
        for script in (KDIR, BUILD):
            self.write(f"build/{script.name}", script.read_text())
        self.write("build/dkms.conf", CONF.read_text().replace("#MODULE_VERSION#", "1.2~3"))
        console = self.root / "console"
        script = "kernelver=$1 kernel_source_dir=$2; . ./dkms.conf; (eval \"${MAKE[0]}\") >log 2>&1; exit 0"
        with open(console, "w", encoding="utf-8") as err:
            subprocess.run(["bash", "-c", script, "bash", RELEASE, self.root / "headers"],
                           cwd=self.root / "build", stderr=err, check=True,
                           env={**os.environ, "RUST_VIRTIO_KDIRS": str(self.root / "cache"),
                                "RUSTC": f"{self.root}/bin/rustc", "BINDGEN": f"{self.root}/bin/bindgen", **env})
        return console.read_text(), (self.root / "build/log").read_text()

    def test_dkms_gets_the_reason_in_one_line(self):
        self.configure(RUST="")
        for text in self.dkms():
            self.assertRegex(text.strip().splitlines()[-1],
                             f"^rust-virtio: not built for {RELEASE.replace('+', '.')}: .*CONFIG_RUST")

    def test_dkms_builds_modules_of_the_version_of_the_package(self):
        self.write("headers/rust/libkernel.rmeta", "")
        self.write("headers/scripts/target.json", "{}")
        self.write("headers/Makefile", "modules: ; @echo 'modules of $(RUST_VIRTIO_VERSION)'\n")
        assert "\nmodules of 1.2~3\n" in self.dkms()[1]

    def test_dkms_replaces_metadata_whose_removal_was_interrupted(self):
        self.write(f"cache/{RELEASE}/rust/libkernel.rmeta", "")
        assert "lack the metadata" in self.dkms()[0]
