# SPDX-License-Identifier: GPL-2.0
"""Tests of the tool of the package, of its loader and of its scripts, against files in place of a machine."""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"
TOOL = PACKAGING / "tool" / "rust-virtio"
LOADER = PACKAGING / "tool" / "load"
KERNEL = "7.3.4+deb13-amd64"
OLD = "6.12.1+deb13-amd64"

#: What the kernel does when its attributes are written to. A file "refuses-DRIVER" lists the devices
#: that do not bind to the driver.
PUT = r"""
put() {
	echo "$1" 2>/dev/null >"$2"
	echo "$1 >${2#"$R"}" >>"$R/puts"
	case $2 in
	*/virtio/drivers/*/bind)
		driver=${2%/bind}
		grep -qsx "$1" "$R/refuses-${driver##*/}" || ln -s "$driver" "$bus/devices/$1/driver"
		;;
	*/virtio/drivers/*/unbind) rm "$bus/devices/$1/driver" ;;
	*/drivers_probe) echo "$1" >>"$R/probed" ;;
	esac
}
"""

MODPROBE = r"""#!/bin/sh
for name; do :; done
echo "$*" >>"$RUST_VIRTIO_ROOT/modprobes"
if [ -e "$RUST_VIRTIO_ROOT/no-$name" ]; then
	cat "$RUST_VIRTIO_ROOT/no-$name" >&2
	exit 1
fi
if [ "$1" = -r ]; then
	rm -r "$RUST_VIRTIO_ROOT/sys/module/$name" "$RUST_VIRTIO_ROOT/sys/bus/virtio/drivers/$name"
	exit
fi
mkdir -p "$RUST_VIRTIO_ROOT/sys/module/$name" "$RUST_VIRTIO_ROOT/sys/bus/virtio/drivers/$name"
"""

#: An "initramfs" is the list of what would be in it. With a file "full" nothing can be written.
UPDATE_INITRAMFS = r"""#!/bin/sh
R=$RUST_VIRTIO_ROOT
if [ "$(cat "$R/full" 2>/dev/null)" = "$3" ]; then
	echo "cp: No space left on device" >&2
	exit 1
fi
image=$R/boot/initrd.img-$3
{
	echo "made of $3"
	if [ -e "$R/etc/modprobe.d/rust-virtio-enabled.conf" ]; then
		echo etc/modprobe.d/rust-virtio-enabled.conf
		echo usr/lib/rust-virtio/load
		stamp=$(cat "$R/etc/modprobe.d/rust-virtio-enabled.conf" "$R/usr/lib/rust-virtio/load" | cksum | tr ' ' -)
		echo "usr/lib/rust-virtio/enabled-$stamp"
		(cd "$R" && find "lib/modules/$3/updates" -name '*.ko' 2>/dev/null)
	fi
} >"$image.new"
mv "$image.new" "$image"
"""


class Machine(unittest.TestCase):
    """A machine with two disks, an interface, a kernel with the modules and one without."""

    def setUp(self):
        self.root = Path(self.enter(tempfile.TemporaryDirectory(prefix="harness-tool-")))
        self.bus = self.root / "sys/bus/virtio"
        for name in ("devices", "drivers"):
            (self.bus / name).mkdir(parents=True)
        (self.bus / "drivers_autoprobe").write_text("1\n")
        for path, text in (("proc/cmdline", "root=/dev/vda1 quiet\n"),
                           ("proc/sys/kernel/osrelease", KERNEL + "\n"), ("dev/kmsg", ""),
                           ("put.sh", PUT), ("usr/lib/rust-virtio/load", LOADER.read_text()),
                           ("etc/modprobe.d/other.conf", "options foo bar=1\n")):
            self.write(path, text)
        for kernel in (KERNEL, OLD):
            self.write(f"boot/vmlinuz-{kernel}", "")
            self.write(f"boot/initrd.img-{kernel}", f"made of {kernel}\n")
            self.write(f"boot/config-{kernel}", "CONFIG_RUST=y\n")
            self.write(f"lib/modules/{kernel}/modules.builtin", "kernel/drivers/virtio/virtio.ko\n")
        self.modules(KERNEL)
        self.device(0, 1, "0000:00:03.0", "net/eth0")
        self.device(1, 2, "0000:00:04.0", "block/vda")
        self.device(10, 2, "0000:00:05.0", "block/vdb")
        self.device(2, 3, "0000:00:06.0", None)
        for name, text in (("modprobe", MODPROBE), ("update-initramfs", UPDATE_INITRAMFS),
                           ("lsinitramfs", "#!/bin/sh\ncat \"$1\"\n"), ("mokutil", "#!/bin/sh\n"),
                           ("dkms", "#!/bin/sh\n")):
            self.write(f"bin/{name}", text)

    def write(self, path, text):
        """Writes a file of the machine, which can be run if it is a script."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)
        if text.startswith("#!"):
            (self.root / path).chmod(0o755)

    def modules(self, kernel):
        """Gives a kernel the Rust modules."""
        for name in ("rust_virtio_blk", "rust_virtio_net"):
            self.write(f"lib/modules/{kernel}/updates/dkms/{name}.ko", "")

    def device(self, number, kind, place, name):
        """Adds a device without a driver."""
        top = self.root / f"sys/devices/pci0000:00/{place}/virtio{number}"
        top.mkdir(parents=True)
        (top / "device").write_text(f"0x{kind:04x}\n")
        (top / "features").write_text("".join("1" if bit in (9, 28, 32, 34) else "0"
                                              for bit in range(64)) + "\n")
        if name:
            (top / name).mkdir(parents=True)
        transport = self.root / "sys/bus/pci/drivers/virtio-pci"
        transport.mkdir(parents=True, exist_ok=True)
        (top.parent / "driver").symlink_to(transport)
        (self.bus / "devices" / f"virtio{number}").symlink_to(top)

    def call(self, *argv):
        """Runs a program on the machine."""
        return subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=False, env=self.env())

    def env(self):
        """Returns the environment of programs on the machine."""
        return dict(os.environ, RUST_VIRTIO_ROOT=str(self.root), PATH=f"{self.root}/bin:{os.environ['PATH']}")

    def tool(self, *argv, status=0):
        """Runs the tool, and returns what it printed."""
        done = self.call(TOOL, *argv)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def load(self, *argv):
        """Runs the loader, and returns what it told the kernel log."""
        (self.root / "dev/kmsg").write_text("")
        done = self.call(LOADER, *argv, "--")
        assert done.returncode == 0, done.stderr
        return (self.root / "dev/kmsg").read_text()

    def drivers(self):
        """Returns the driver of each device that has one."""
        return {device.name: os.readlink(device / "driver").rsplit("/", 1)[-1]
                for device in sorted((self.bus / "devices").iterdir())
                if (device / "driver").is_symlink()}

    def snapshot(self):
        """Returns the configuration and each initramfs."""
        return {str(path): path.read_text() for top in ("etc", "boot")
                for path in sorted((self.root / top).rglob("*")) if path.is_file()}


class Tool(Machine):
    """status, enable, disable."""

    def test_status_is_a_table(self):
        lines = self.tool("status").splitlines()
        self.assertRegex(lines[0], r"^DEVICE +NAME +KIND +DRIVER NOW +AT NEXT BOOT +RING +FEATURES$")
        self.assertRegex(lines[2], r"^virtio1 0000:00:04.0 +vda +blk +none +virtio_blk +- +-$")
        assert "virtio2 " not in "\n".join(lines)

    def test_status_names_features_and_layout(self):
        (self.bus / "drivers/virtio_blk").mkdir()
        (self.bus / "devices/virtio1/driver").symlink_to(self.bus / "drivers/virtio_blk")
        self.assertRegex(self.tool("status"), r"virtio_blk +virtio_blk +C, packed +"
                                              r"flush, indirect, version-1, packed\n")

    def test_enable_all_and_disable_leave_what_was_there(self):
        before = self.snapshot()
        self.tool("enable", "all")
        self.assertRegex(self.tool("status"), r"vda +blk +none +rust_virtio_blk")
        image = (self.root / f"boot/initrd.img-{KERNEL}").read_text()
        assert "updates/dkms/rust_virtio_blk.ko" in image
        assert "rust-virtio/load" in image
        self.tool("disable")
        assert self.snapshot() == before

    def test_kernel_without_modules_keeps_its_initramfs(self):
        out = self.tool("enable", "all")
        assert f"kernel {OLD} has no Rust modules" in out
        assert (self.root / f"boot/initrd.img-{OLD}").read_text() == f"made of {OLD}\n"

    def test_a_kernel_whose_image_has_another_name_in_boot(self):
        """As Arch has it."""
        for kernel in (KERNEL, OLD):
            (self.root / f"boot/vmlinuz-{kernel}").unlink()
        self.write("boot/vmlinuz-linux", "")
        self.write(f"lib/modules/{KERNEL}/vmlinuz", "")
        self.tool("enable", "all")
        assert f"newest installed: {KERNEL}\n" in self.tool("status")
        self.write(f"boot/vmlinuz-{KERNEL}", "")
        assert self.tool("doctor").count(f"Kernel {KERNEL}\n") == 1

    def test_enable_falls_back_by_modprobe_itself(self):
        self.tool("enable", "net")
        text = (self.root / "etc/modprobe.d/rust-virtio-enabled.conf").read_text()
        self.assertRegex(text, r"install virtio_net /usr/lib/rust-virtio/load net all -- \$CMDLINE_OPTS \|\| "
                               r"\{ .*; /sbin/modprobe --ignore-install virtio_net \$CMDLINE_OPTS; \}\n")
        assert "install virtio_blk" not in text

    def test_devices_are_written_down_by_place(self):
        self.tool("enable", "blk", "--device", "/dev/vdb")
        self.tool("enable", "all", "--device", "eth0", "--device", "00:04.0")
        text = (self.root / "etc/modprobe.d/rust-virtio-enabled.conf").read_text()
        assert " blk 0000:00:05.0 0000:00:04.0 -- " in text
        assert " net 0000:00:03.0 -- " in text

    def test_disable_of_one_kind_keeps_the_other(self):
        self.tool("enable", "all")
        self.tool("disable", "blk")
        self.assertRegex(self.tool("status"), r"vda +blk +none +virtio_blk ")
        self.assertRegex(self.tool("status"), r"eth0 +net +none +rust_virtio_net ")

    def test_wrong_device_changes_nothing(self):
        before = self.snapshot()
        assert "no virtio disk or interface 'vdz'" in self.tool("enable", "blk", "--device", "vdz", status=1)
        assert "eth0 is of kind net" in self.tool("enable", "blk", "--device", "eth0", status=1)
        assert self.snapshot() == before

    def test_wrong_usage(self):
        for argv in ((), ("frob",), ("enable",), ("enable", "disk"), ("enable", "all", "--device"),
                     ("status", "x"), ("disable", "ring")):
            assert "--help" in self.tool(*argv, status=2)

    def test_the_manual_has_all_commands_and_options(self):
        usage = self.tool("--help").partition("On the kernel command line")[0]
        manual = TOOL.with_suffix(".8").read_text()
        commands = re.findall(r"^  ([a-z]+) ", usage, re.M)
        options = re.findall(r"(?<![\w-])-(-[a-z]+|[a-z])\b", usage)
        assert min(len(commands), len(options)) > 3
        for name in commands:
            assert f"\n.Cm {name}\n" in manual
            assert f"\n.It Cm {name}\n" in manual
        for name in options:
            self.assertRegex(manual, rf"\n\.(Op )?Fl (.* )?{name}\b")

    def test_full_disk_brings_everything_back(self):
        self.modules(OLD)
        before = self.snapshot()
        # The older kernel comes first, so its initramfs is new by then.
        self.write("full", KERNEL)
        out = self.tool("enable", "all", status=1)
        assert "nothing was changed" in out
        assert OLD in out
        assert self.snapshot() == before

    def test_failed_disable_keeps_it_enabled(self):
        self.tool("enable", "all")
        before = self.snapshot()
        self.write("full", KERNEL)
        self.tool("disable", status=1)
        assert self.snapshot() == before

    def test_blacklist_of_a_c_driver_is_refused(self):
        self.write("etc/modprobe.d/other.conf", "blacklist virtio_blk\n")
        assert "other.conf: blacklist virtio_blk" in self.tool("enable", "blk", status=1)
        assert "PROBLEM  other configuration" in self.tool("doctor", status=3)

    def test_conflicts_are_shown(self):
        assert self.tool("conflicts") == ""
        self.write("etc/modprobe.d/rust-virtio.conf", "blacklist virtio-blk\ninstall virtio_ring "
                   "/sbin/modprobe rust_virtio_ring\n")
        self.write("proc/cmdline", "quiet modprobe.blacklist=floppy,virtio_net\n")
        shown = self.tool("conflicts", status=3)
        assert "/etc/modprobe.d/rust-virtio.conf: blacklist virtio-blk\n" in shown
        assert "kernel command line: modprobe.blacklist=floppy,virtio_net\n" in shown
        assert len(shown.splitlines()) == 2

    def test_what_the_package_itself_brings_is_no_conflict(self):
        self.write("usr/lib/modprobe.d/rust-virtio-dkms.conf",
                   (PACKAGING / "modprobe.d" / "rust-virtio-dkms.conf").read_text())
        self.tool("enable", "all")
        assert self.tool("conflicts") == ""

    def test_no_modules_at_all(self):
        for path in (self.root / f"lib/modules/{KERNEL}/updates/dkms").iterdir():
            path.unlink()
        assert "no installed kernel has rust_virtio_blk" in self.tool("enable", "all", status=1)

    def test_refresh_takes_up_what_was_built_later(self):
        self.tool("enable", "all")
        image = self.root / f"boot/initrd.img-{OLD}"
        self.modules(OLD)
        self.tool("refresh", OLD)
        assert "rust_virtio_blk.ko" in image.read_text()

    def test_refresh_takes_up_other_places_and_another_loader(self):
        """As after an `enable` that was killed between the configuration and the initramfs."""
        self.tool("enable", "blk", "--device", "vda")
        config = self.root / "etc/modprobe.d/rust-virtio-enabled.conf"
        config.write_text(config.read_text().replace("0000:00:04.0", "0000:00:05.0"))
        assert "PROBLEM  initramfs: not as enabled" in self.tool("doctor", status=3)
        self.tool("refresh")
        assert "PROBLEM  initramfs" not in self.tool("doctor")
        self.write("usr/lib/rust-virtio/load", "#!/bin/sh\n# of another version\n")
        assert "PROBLEM  initramfs: not as enabled" in self.tool("doctor", status=3)
        self.tool("refresh")
        assert "PROBLEM  initramfs" not in self.tool("doctor")

    def test_what_a_power_cut_left_goes(self):
        before = self.snapshot()
        for name in (f"boot/.initrd.img-{KERNEL}.rust-virtio", "boot/.initramfs-7.3.img.rust-virtio",
                     "etc/modprobe.d/rust-virtio-enabled.conf.new"):
            self.write(name, "")
        self.tool("refresh")
        assert self.snapshot() == before

    def test_boot_loaders_hear_of_an_initramfs_that_is_put_back(self):
        self.modules(OLD)
        self.write("etc/initramfs/post-update.d/loader",
                   '#!/bin/sh\necho "$1 $(head -n 1 "$2") $(grep -c rust "$2")" >>"$RUST_VIRTIO_ROOT/heard"\n')
        self.write("full", KERNEL)
        self.tool("enable", "all", status=1)
        assert f"{OLD} made of {OLD} 0\n" in (self.root / "heard").read_text()

    def test_refresh_takes_out_what_was_not_built(self):
        self.tool("enable", "all")
        image = self.root / f"boot/initrd.img-{KERNEL}"
        for path in (self.root / f"lib/modules/{KERNEL}/updates/dkms").iterdir():
            path.unlink()
        self.tool("refresh")
        assert "rust_virtio_blk.ko" not in image.read_text()
        assert (self.root / "etc/modprobe.d/rust-virtio-enabled.conf").exists()

    def test_status_tells_of_a_fallback(self):
        self.write("run/rust-virtio/blk", "c rust_virtio=off on the kernel command line\n")
        assert "virtio_blk instead of rust_virtio_blk: rust_virtio=off" in self.tool("status")

    def test_doctor_of_a_sound_machine(self):
        self.tool("enable", "all")
        out = self.tool("doctor")
        assert "PROBLEM" not in out
        assert "initramfs: as enabled" in out

    def test_doctor_sees_a_stale_initramfs(self):
        self.tool("enable", "all")
        self.write(f"boot/initrd.img-{KERNEL}", "of another time\n")
        assert "PROBLEM  initramfs: not as enabled" in self.tool("doctor", status=3)

    def test_doctor_tells_what_a_build_lacks(self):
        """Also where the modules are there."""
        self.write("usr/src/rust-virtio-0.1/prepare-kdir",
                   '[ "$1 $2" = "--check --output" ] || exit 2\necho /dir\n'
                   '[ ! -e "$RUST_VIRTIO_ROOT/lacks" ] || { echo "prepare-kdir: error: no $4" >&2; exit 1; }\n')
        assert "would fail" not in self.tool("doctor")
        self.write("lacks", "")
        assert f"note     the next build would fail: no {KERNEL}\n" in self.tool("doctor")
        for path in (self.root / f"lib/modules/{KERNEL}/updates/dkms").iterdir():
            path.unlink()
        assert f"         no {KERNEL}\n         then: dkms" in self.tool("doctor", status=3)
        (self.root / "lacks").unlink()
        assert f"all that the build needs is here: dkms install -m rust-virtio -v 0.1 -k {KERNEL}" in self.tool(
            "doctor", status=3)

    def test_others_than_root_are_told_to_be_root(self):
        # On the machine itself: the check is left out where RUST_VIRTIO_ROOT is set. The user nobody can
        # change nothing.
        nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
        self.root.chmod(0o755)
        self.write("tool", TOOL.read_text())
        for command in (["enable", "all"], ["disable"], ["refresh"]):
            done = subprocess.run([self.root / "tool", *command], capture_output=True, text=True, check=False,
                                  cwd="/", env={"PATH": os.environ["PATH"]}, **nobody)
            assert (done.returncode, done.stdout, done.stderr) == (1, "",
                f"rust-virtio: error: {command[0]} changes the system: run it as root "
                f"(sudo rust-virtio {command[0]})\n")

    def test_enable_tells_what_lockdown_refuses(self):
        assert "lockdown" not in self.tool("enable", "blk")
        self.write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
        out = self.tool("enable", "net")
        assert "rust-virtio: lockdown (integrity) refuses modules without a signature" in out
        assert "rust-virtio: dkms generate_mok; mokutil --import /var/lib/dkms/mok.pub" in out
        self.write("var/lib/dkms/mok.pub", "")
        assert "refuses modules signed by DKMS until its key is enrolled" in self.tool("enable", "net")
        self.write("bin/mokutil", "#!/bin/sh\n[ $1 != --test-key ] || echo \"$2 is already enrolled\"\n")
        assert "lockdown" not in self.tool("enable", "net")

    def test_doctor_knows_lockdown(self):
        self.write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
        assert "lockdown (integrity) refuses" in self.tool("doctor", status=3)


class Completion(Machine):
    """The completion of bash, given a line as bash hands it over."""

    def complete(self, line):
        """Returns what Tab offers at the end of a line."""
        self.write("bin/rust-virtio", f"#!/bin/sh\nexec {TOOL} \"$@\"\n")
        script = ". \"$1\"; COMP_LINE=$2 COMP_POINT=${#2}; _rust_virtio; printf '%s\\n' \"${COMPREPLY[@]}\""
        done = self.call("bash", "--norc", "-c", script, "bash", TOOL.with_suffix(".bash"), line)
        assert done.stderr == ""
        return done.stdout.split()

    def test_commands_and_kinds(self):
        assert self.complete("rust-virtio en") == ["enable"]
        assert self.complete("rust-virtio disable ") == ["net", "blk", "all"]
        assert self.complete("rust-virtio status ") == []

    def test_devices(self):
        assert self.complete("rust-virtio enable all --device v") == ["virtio0", "virtio1", "vda", "virtio10", "vdb"]
        assert self.complete("rust-virtio enable all --device=eth") == ["eth0"]

    def test_after_a_colon_the_rest_is_offered(self):
        assert self.complete("rust-virtio enable all --device 0000:00:0") == ["03.0", "04.0", "05.0"]
        assert self.complete("rust-virtio enable all --device 0000") == ["0000:00:03.0", "0000:00:04.0", "0000:00:05.0"]


class Loader(Machine):
    """The choice between the families, at boot."""

    def test_all_devices(self):
        assert "2 of kind blk on rust_virtio_blk" in self.load("blk", "all")
        assert self.drivers() == {"virtio1": "rust_virtio_blk", "virtio10": "rust_virtio_blk"}
        assert (self.bus / "drivers_autoprobe").read_text() == "1\n"
        assert (self.root / "modprobes").read_text() == "rust_virtio_blk\n--ignore-install virtio_blk\n"
        assert sorted(os.listdir(self.root / "run/rust-virtio")) == ["blk", "free"]

    def test_what_came_meanwhile_is_probed(self):
        self.load("blk", "all")
        assert (self.root / "probed").read_text().split() == ["virtio0", "virtio2"]

    def test_single_device(self):
        self.load("blk", "0000:00:04.0")
        assert self.drivers() == {"virtio1": "rust_virtio_blk", "virtio10": "virtio_blk"}
        bound = [line for line in (self.root / "puts").read_text().splitlines() if "/bind" in line]
        assert "virtio10" in bound[0], "the C driver names its disks first"

    def test_switched_off_by_hand(self):
        self.write("proc/cmdline", "quiet rust_virtio=off\n")
        assert "virtio_blk instead of rust_virtio_blk: rust_virtio=off" in self.load("blk", "all")
        assert (self.root / "modprobes").read_text() == "--ignore-install virtio_blk\n"

    def test_missing_module(self):
        self.write("no-rust_virtio_blk", "modprobe: FATAL: Module rust_virtio_blk not found.\n")
        log = self.load("blk", "all")
        assert "virtio_blk instead of rust_virtio_blk: FATAL: Module" in log
        assert (self.bus / "drivers_autoprobe").read_text() == "1\n"
        assert (self.root / "modprobes").read_text().splitlines() == ["rust_virtio_blk", "--ignore-install virtio_blk",
            "-r rust_virtqueue"], "of the Rust modules none stays"
        assert (self.root / "run/rust-virtio/blk").read_text().startswith("c FATAL")

    def test_disk_that_does_not_bind_takes_all_back(self):
        self.write("refuses-rust_virtio_blk", "virtio10\n")
        log = self.load("blk", "all")
        assert self.drivers() == {"virtio1": "virtio_blk", "virtio10": "virtio_blk"}
        assert "virtio10 (0000:00:05.0) did not bind to rust_virtio_blk" in log
        assert "0000:00:05.0 >/sys/bus/pci/drivers/virtio-pci/unbind" in (
            self.root / "puts").read_text(), "the device is reset"

    def test_a_rust_driver_with_nothing_to_do_goes(self):
        self.write("refuses-rust_virtio_blk", "virtio10\n")
        self.load("blk", "all")
        assert (self.root / "modprobes").read_text().splitlines() == ["rust_virtio_blk", "--ignore-install virtio_blk",
            "-r rust_virtio_blk"]

    def disk_in_use(self, path, text):
        """Loads where the second of two disks does not bind, and the first has a number and a name."""
        disk = self.bus / "devices/virtio1/block/vda"
        (disk / "vda1").mkdir()
        (disk / "dev").write_text("254:0\n")
        (disk / "vda1/dev").write_text("254:1\n")
        self.write(path, text)
        self.write("refuses-rust_virtio_blk", "virtio10\n")
        return self.load("blk", "all")

    def test_a_disk_that_is_in_use_is_never_taken_away(self):
        log = self.disk_in_use("proc/self/mountinfo", "22 1 254:1 / / rw - ext4 /dev/vda1 rw\n")
        assert self.drivers() == {"virtio1": "rust_virtio_blk"}
        assert "0000:00:05.0 (without a driver, as disks on rust_virtio_blk are in use)" in log
        assert "virtio10" not in (self.root /
            "probed").read_text().split(), "the C driver would take a name that is taken"
        assert "PROBLEM  at this boot rust_virtio_blk, but: did not bind: 0000:00:05.0" in self.tool("doctor", status=3)

    def test_all_kinds_of_use(self):
        for path, text in (("proc/self/mountinfo", "30 1 0:41 / / rw - btrfs /dev/vda1 rw\n"),
                           ("proc/swaps", "Filename Type Size Used Priority\n/dev/vda1 partition 9 0 -2\n"),
                           ("sys/devices/pci0000:00/0000:00:04.0/virtio1/block/vda/holders/dm-0", "")):
            with self.subTest(path):
                self.disk_in_use(path, text)
                assert self.drivers() == {"virtio1": "rust_virtio_blk"}
            self.setUp()

    def test_another_disk_in_use_is_no_hindrance(self):
        self.disk_in_use("proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/vda10 rw\n")
        assert self.drivers() == {"virtio1": "virtio_blk", "virtio10": "virtio_blk"}

    def test_a_disk_of_an_earlier_run_is_never_taken_away(self):
        (self.bus / "drivers/rust_virtio_blk").mkdir()
        (self.bus / "devices/virtio1/driver").symlink_to(self.bus / "drivers/rust_virtio_blk")
        self.write("refuses-rust_virtio_blk", "virtio10\n")
        self.load("blk", "all")
        assert self.drivers() == {"virtio1": "rust_virtio_blk"}

    def line(self, kind):
        """Runs what modprobe runs in place of loading the C driver of a kind."""
        text = (self.root / "etc/modprobe.d/rust-virtio-enabled.conf").read_text()
        line = next(line for line in text.splitlines() if line.startswith(f"install virtio_{kind} "))
        for name, place in (("/usr/lib/rust-virtio/load", LOADER), ("/sbin/modprobe", "modprobe"),
                            ("/sys/", f"{self.root}/sys/"), ("$CMDLINE_OPTS", "")):
            line = line.replace(name, str(place))
        return self.call("sh", "-c", line.split(None, 2)[2])

    def test_the_line_of_modprobe_runs_the_loader(self):
        self.tool("enable", "blk")
        assert self.line("blk").returncode == 0
        assert self.drivers() == {"virtio1": "rust_virtio_blk", "virtio10": "rust_virtio_blk"}

    def test_a_loader_that_is_killed_leaves_a_bus_that_probes(self):
        """Also the devices that it has not come to."""
        for killer, places in (("rust_virtio_blk", "all"), ("virtio_blk", "0000:00:04.0")):
            with self.subTest(places):
                self.tool("enable", "blk", *([] if places == "all" else ["--device", "vda"]))
                self.write("bin/modprobe", MODPROBE + f'[ "$name" != {killer} ] || [ -e "$RUST_VIRTIO_ROOT/dead" ] '
                           '|| { touch "$RUST_VIRTIO_ROOT/dead"; kill -9 $PPID; }\n')
                assert self.line("blk").returncode == 0
                assert (self.bus / "drivers_autoprobe").read_text() == "1\n"
                assert (self.bus / "drivers_probe").read_text() == "virtio2\n", "the last of all"
                assert (self.root / "sys/module/virtio_blk").exists()
            self.setUp()

    def test_a_bus_that_does_not_probe_is_told_of(self):
        (self.bus / "drivers_autoprobe").write_text("0\n")
        assert "PROBLEM  the virtio bus gives new devices no driver" in self.tool("doctor", status=3)
        self.write(f"run/rust-virtio/held.{os.getpid()}", "")
        assert "PROBLEM" not in self.tool("doctor")

    def test_devices_are_probed_by_number(self):
        """As the bus would: disks are named by that."""
        self.write("no-rust_virtio_blk", "modprobe: FATAL: Module rust_virtio_blk not found.\n")
        self.device(3, 2, "0000:00:07.0", "block/vdc")
        self.load("blk", "0000:00:05.0")
        assert (self.root / "probed").read_text().split() == ["virtio0", "virtio1", "virtio2", "virtio3", "virtio10"]

    def test_a_device_that_has_the_c_driver_by_now_is_left_alone(self):
        (self.bus / "drivers/virtio_blk").mkdir()
        (self.bus / "devices/virtio1/driver").symlink_to(self.bus / "drivers/virtio_blk")
        self.load("blk", "all")
        assert self.drivers() == {"virtio1": "virtio_blk", "virtio10": "rust_virtio_blk"}
        assert "unbind" not in (self.root / "puts").read_text()

    def test_without_a_c_driver_nothing_is_reset_for_ever(self):
        """Each reset is an event for udev, which calls the loader."""
        self.write("no-virtio_blk", "modprobe: FATAL: Module virtio_blk is blacklisted.\n")
        self.write("refuses-rust_virtio_blk", "virtio1\n")
        for _ in range(3):
            self.load("blk", "all")
        assert (self.root / "puts").read_text().count("virtio-pci/unbind") == 1

    def test_interface_that_does_not_bind(self):
        self.write("refuses-rust_virtio_net", "virtio0\n")
        self.load("net", "all")
        assert self.drivers() == {"virtio0": "virtio_net"}

    def test_c_driver_that_is_there_is_left_alone(self):
        (self.root / "sys/module/virtio_blk").mkdir(parents=True)
        self.load("blk", "all")
        assert not (self.root / "modprobes").exists()

    def test_it_waits_for_another_and_finds_the_work_done(self):
        self.write("run/rust-virtio/held", "")
        self.write("bin/sleep", "#!/bin/sh\nmkdir -p \"$RUST_VIRTIO_ROOT/sys/module/virtio_blk\"\n"
                                "mv \"$RUST_VIRTIO_ROOT/run/rust-virtio/held\" "
                                "\"$RUST_VIRTIO_ROOT/run/rust-virtio/free\"\n")
        self.load("blk", "all")
        assert not (self.root / "modprobes").exists()
        assert (self.root / "run/rust-virtio/free").exists()

    def test_the_token_of_a_holder_that_died_is_taken_away(self):
        self.write("run/rust-virtio/held.1", "")
        self.write("bin/sleep", "#!/bin/sh\n")
        log = self.load("blk", "all")
        assert "went on for blk without waiting" in log
        assert "on rust_virtio_blk" in log
        assert sorted(os.listdir(self.root / "run/rust-virtio")) == ["blk", "free"]

    def test_a_token_that_was_taken_away_is_not_given_back(self):
        self.write("bin/modprobe", MODPROBE + "cd \"$RUST_VIRTIO_ROOT/run/rust-virtio\"\n"
                                              "[ -e held.9999999 ] || mv held.* held.9999999\n")
        self.load("blk", "all")
        assert sorted(os.listdir(self.root / "run/rust-virtio")) == ["blk", "held.9999999"]

    def test_options_of_the_initramfs_do_not_reach_modprobe(self):
        self.write("bin/modprobe", MODPROBE + "echo \"$name: ${MODPROBE_OPTIONS-none}\" "
                                              ">>\"$RUST_VIRTIO_ROOT/options\"\n")
        self.enter(mock.patch.dict(os.environ, MODPROBE_OPTIONS="-qb"))
        self.load("blk", "all")
        assert (self.root / "options").read_text().split("\n")[0] == "rust_virtio_blk: none"

    def test_it_runs_in_a_small_shell(self):
        for path in (LOADER, TOOL):
            done = self.call("sh", "-n", path)
            assert done.returncode == 0, done.stderr


DRACUT = r"""#!/bin/sh
# Writes into the file that is there, as Debian's dracut does, removes it where the disk is full, and tells
# boot loaders.
R=$RUST_VIRTIO_ROOT
[ "$1" = --force ] && [ $# -eq 3 ] || exit 2
if [ "$(cat "$R/full" 2>/dev/null)" = "$3" ]; then
	: >"$2"
	rm -f "$2"
	exit 1
fi
RUST_VIRTIO_IMAGE=$2 "$R/bin/make-image" -u -k "$3"
[ -n "${NO_POST_UPDATE_HOOKS:-}" ] || [ ! -d "$R/etc/initramfs/post-update.d" ] ||
	run-parts --arg="$3" --arg="$2" "$R/etc/initramfs/post-update.d"
"""


class Changes(Machine):
    """What enable and disable leave where something is in their way."""

    def no_initramfs_tools(self):
        """Takes initramfs-tools off the machine. Those of the host would be called in its place."""
        (self.root / "bin/update-initramfs").unlink()
        if self.call("sh", "-c", "PATH=$PATH:/usr/sbin:/sbin; command -v update-initramfs dracut").stdout:
            self.skipTest("this host makes its own initramfs")

    def dracut(self):
        """Gives the machine dracut in place of initramfs-tools."""
        self.no_initramfs_tools()
        (self.root / "bin/lsinitramfs").rename(self.root / "bin/lsinitrd")
        maker = UPDATE_INITRAMFS.replace("image=$R/boot/initrd.img-$3", "image=$RUST_VIRTIO_IMAGE")
        for name, text in (("dracut", DRACUT), ("make-image", maker)):
            self.write(f"bin/{name}", text)

    def test_dracut_makes_the_initramfs(self):
        before = self.snapshot()
        self.dracut()
        self.tool("enable", "all")
        assert "rust_virtio_blk.ko" in (self.root / f"boot/initrd.img-{KERNEL}").read_text()
        self.tool("disable")
        assert self.snapshot() == before

    def test_dracut_on_a_full_disk_leaves_what_was_there(self):
        before = self.snapshot()
        self.dracut()
        self.write("full", KERNEL)
        assert "nothing was changed" in self.tool("enable", "all", status=1)
        assert self.snapshot() == before

    def test_updates_that_are_forbidden_are_an_error(self):
        before = self.snapshot()
        self.write("bin/update-initramfs", "#!/bin/sh\nexit 0\n")
        said = self.tool("enable", "all", status=1)
        assert "forbid updates" in said
        assert "nothing was changed" in said
        assert self.snapshot() == before

    def test_status_looks_at_the_initramfs(self):
        self.tool("enable", "blk")
        assert "(initramfs)" not in self.tool("status")
        self.write(f"boot/initrd.img-{KERNEL}", "made of something else\n")
        said = self.tool("status")
        assert "virtio_blk (initramfs)" in said
        assert "rust-virtio refresh" in said

    def test_status_tells_of_the_command_line(self):
        assert "rust_virtio=off" not in self.tool("status")
        self.write("proc/cmdline", "quiet rust_virtio=0\n")
        assert "rust_virtio=off is on the kernel command line" in self.tool("status")

    def test_a_device_does_not_narrow_all(self):
        self.tool("enable", "blk")
        before = self.snapshot()
        self.tool("enable", "blk", "--device", "vda")
        assert self.snapshot() == before

    def test_an_empty_device_is_wrong(self):
        for argv in (["--device", ""], ["--device="], ["--device"]):
            with self.subTest(argv):
                assert "needs the name" in self.tool("enable", "net", *argv, status=2)

    def test_what_names_the_c_driver_is_told(self):
        assert "names the C driver" not in self.tool("enable", "all")
        self.write("etc/systemd/network/10-lan.link", "[Match]\nDriver=virtio_net\n")
        self.write("etc/systemd/network/20-ours.link", "[Match]\nDriver=virtio_net rust_virtio_net\n")
        self.write("etc/modprobe.d/net.conf", "options virtio_net napi_tx=0\n")
        said = self.tool("enable", "all")
        assert "10-lan.link" in said
        assert "napi_tx=0" in said
        assert "20-ours" not in said

    def test_all_ways_to_name_the_c_driver(self):
        for path, line, name in (
                ("etc/systemd/network/1.network", "Driver=virtio*", "virtio*"),
                ("run/systemd/network/1.link", "Driver=e1000 virtio_net", "virtio_net"),
                ("usr/lib/systemd/network/1.link", "  Driver = virtio-net", "virtio_net"),
                ("etc/NetworkManager/system-connections/a", "driver=virtio_net;", "virtio_net"),
                ("etc/NetworkManager/conf.d/a.conf", "match-device=mac:1;driver:virtio_*", "virtio_*"),
                ("etc/udev/rules.d/1.rules", 'A=="b", ENV{ID_NET_DRIVER}=="virtio_net", NAME="x"', "virtio_net"),
                ("usr/lib/udev/rules.d/1.rules", 'DRIVERS=="virtio_blk", NAME="x"', "virtio_blk"),
                ("run/netplan/1.yaml", "  match: {driver: virtio_net}", "virtio_net"),
                ("etc/netplan/1.yaml", '  driver: ["e1000", "virtio_net"]', "virtio_net"),
                ("etc/netplan/2.yaml", "      - virtio_net", "virtio_net"),
                ("usr/lib/modprobe.d/net.conf", "options virtio_net napi_tx=0", "virtio_net")):
            with self.subTest(line):
                self.write(path, line + "\n")
                self.assertIn(f"note     by the name of the C driver: {self.root / path}:{line}\n"
                              f"         write the same for rust_{name}\n", self.tool("doctor"))
                (self.root / path).unlink()

    def test_what_the_rust_driver_has_as_well_is_not_told(self):
        for line in ("Driver=*virtio*", "Driver=rust_virtio_net", "Driver=rust_virtio* virtio*", "Driver=*",
                     "#Driver=virtio_net", "; driver=virtio_net",
                     'DRIVERS=="?*", KERNELS=="virtio*"', 'ENV{ID_NET_DRIVER}=="?*", GOTO="virtio_net"'):
            with self.subTest(line):
                self.write("etc/systemd/network/1.link", line + "\n")
                assert "by the name" not in self.tool("doctor")

    def test_a_kernel_without_an_initramfs_is_told_of(self):
        (self.root / f"boot/initrd.img-{KERNEL}").unlink()
        for command in ("enable", "disable"):
            assert f"kernel {KERNEL} has no initramfs in /boot" in self.tool(command, "all")
        assert "no initramfs" not in self.tool("disable"), "nothing was enabled"

    def test_an_initramfs_that_the_tool_cannot_make_is_told_of(self):
        self.no_initramfs_tools()
        for command in ("enable", "disable"):
            assert "where there is an initramfs, make it again" in self.tool(command, "all")

    def test_dracut_tells_boot_loaders(self):
        self.dracut()
        self.write("etc/initramfs/post-update.d/loader", '#!/bin/sh\necho "$@" >>"$RUST_VIRTIO_ROOT/heard"\n')
        self.tool("enable", "all")
        assert (self.root / "heard").read_text() == f"{KERNEL} {self.root}/boot/initrd.img-{KERNEL}\n"

    def test_the_kernel_that_failed_is_named(self):
        self.modules(OLD)
        self.write("full", KERNEL)
        assert f"{KERNEL} could not be made (see above)" in self.tool("enable", "all", status=1)

    def test_two_runs_do_not_meet(self):
        lock = self.root / "run/lock"
        lock.mkdir(parents=True)
        holder = subprocess.Popen(["flock", lock / "rust-virtio.lock", "sh", "-c",
                                   "echo held; read -r line; echo done >>\"$0\"", self.root / "order"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(holder.stdout.close)
        assert holder.stdout.readline() == "held\n"
        tool = subprocess.Popen([TOOL, "enable", "blk"], env=self.env(), stderr=subprocess.PIPE, text=True,
                                stdout=subprocess.DEVNULL)
        self.addCleanup(tool.stderr.close)
        assert "another run is busy" in tool.stderr.readline()
        assert not (self.root / "etc/modprobe.d/rust-virtio-enabled.conf").exists()
        (self.root / "etc/modprobe.d").mkdir(exist_ok=True)
        # As of a run that enabled the other kind meanwhile.
        self.write("etc/modprobe.d/rust-virtio-enabled.conf",
                   "install virtio_net /usr/lib/rust-virtio/load net 0000:00:03.0 -- x\n")
        holder.communicate("\n")
        assert tool.wait() == 0
        text = (self.root / "etc/modprobe.d/rust-virtio-enabled.conf").read_text()
        assert " blk all -- " in text
        assert " net 0000:00:03.0 -- " in text, "what the other run enabled"


class Upgrade(Machine):
    """The scripts of the Debian package, without what debhelper adds."""

    OTHER = "7.3.4+deb13-rt-amd64"

    def setUp(self):
        super().setUp()
        self.noted = self.root / "var/lib/rust-virtio/kernels"
        self.write("etc/kernel/postinst.d/dkms-rust-virtio",
                   "#!/bin/sh\necho \"$1\" >>\"$RUST_VIRTIO_ROOT/built\"\n"
                   "grep -qx \"$1\" \"$RUST_VIRTIO_ROOT/fails\" 2>/dev/null ||\n"
                   "\techo \"rust-virtio/0.2, $1, x86_64: installed\" >>\"$RUST_VIRTIO_ROOT/status\"\n")
        for name, text in (("dkms", "#!/bin/sh\n[ \"$1 $2 $3\" = 'status -m rust-virtio' ] && "
                                    "grep \"${5:+, $5,}\" \"$RUST_VIRTIO_ROOT/status\"\n"),
                           ("rust-virtio", "#!/bin/sh\necho \"$*\" >>\"$RUST_VIRTIO_ROOT/calls\"\n")):
            self.write(f"bin/{name}", text)
        self.write("status", "".join(f"rust-virtio/0.1, {kernel}, x86_64: {state}\n" for kernel, state in
                                     ((KERNEL, "installed"), (self.OTHER, "installed (WARNING! Diff)"),
                                      (OLD, "built"))) + "rust-virtio/0.2: added\n")
        for kernel in (KERNEL, self.OTHER):
            (self.root / f"lib/modules/{kernel}/build/include").mkdir(parents=True)

    def prerm(self):
        """Runs the script before an upgrade, with what DKMS does in it."""
        self.script("prerm", "upgrade", "0.2")
        self.write("status", "rust-virtio/0.2: added\n")

    def script(self, name, *argv, dkms=""):
        """Runs a script of the package on the machine, with a text in the place of DKMS's."""
        text = (PACKAGING / "debian" / f"rust-virtio-dkms.{name}").read_text().replace("#DEBHELPER#", dkms)
        for place in ("/var/lib/rust-virtio", "/var/lib/dkms", "/lib/modules", "/etc/kernel", "/etc/modprobe.d",
                      "/var/cache", "/run/lock"):
            text = re.sub(rf"(?<![\w/]){place}", f"{self.root}{place}", text)
        done = self.call("sh", "-c", text, name, *argv)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def built(self):
        """Returns the kernels that the modules were built for."""
        path = self.root / "built"
        return path.read_text().split() if path.exists() else []

    def test_an_upgrade_builds_for_each_kernel_that_had_the_modules(self):
        self.prerm()
        self.script("postinst", "configure", "0.1")
        assert self.built() == [KERNEL, self.OTHER]
        assert not self.noted.parent.exists()

    def test_one_that_failed_is_made_up_for(self):
        self.prerm()
        self.write("fails", f"{self.OTHER}\n")
        self.script("postinst", "configure", "0.1")
        assert self.noted.read_text() == f"{self.OTHER}\n"
        self.write("fails", "")
        self.prerm()
        self.script("postinst", "configure", "0.2")
        assert self.built() == [KERNEL, self.OTHER] * 2
        assert not self.noted.parent.exists()

    def test_one_that_is_called_off_is_undone(self):
        self.prerm()
        self.script("postinst", "abort-upgrade", "0.2")
        assert self.built() == [KERNEL, self.OTHER]
        assert (self.root / "calls").read_text() == "refresh\n"

    def test_where_dkms_stops_the_other_kernels_are_built_for(self):
        log = self.root / "var/lib/dkms/rust-virtio/0.1/build/make.log"
        log.parent.mkdir(parents=True)
        fails = f"sleep 0.1\necho 'make.log for rust-virtio/0.1 for kernel {KERNEL} (x86_64)' >{log}\nexit 10\n"
        self.write("status", "rust-virtio/0.1: added\n")
        said = self.script("postinst", "configure", "", dkms=fails)
        assert "modules were not built (status 10" in said
        assert self.built() == [self.OTHER], "that for which DKMS has failed is not built for twice"
        assert not self.noted.exists()

    def test_a_kernel_that_it_cannot_build_for_is_told_of(self):
        self.prerm()
        (self.root / f"lib/modules/{self.OTHER}/build/include").rmdir()
        said = self.script("postinst", "configure", "0.1")
        assert f"kernel {self.OTHER} boots on the C drivers: its headers are gone" in said
        assert self.built() == [KERNEL]
        assert self.noted.read_text() == f"{self.OTHER}\n"

    def test_a_first_installation_builds_for_none(self):
        self.script("postinst", "configure", "")
        assert self.built() == []

    def test_a_removal_leaves_no_note(self):
        self.script("prerm", "upgrade", "0.2")
        self.script("postrm", "upgrade", "0.2")
        assert self.noted.exists()
        self.script("prerm", "remove")
        self.script("postrm", "remove")
        assert not self.noted.parent.exists()
