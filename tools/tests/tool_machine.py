# SPDX-License-Identifier: GPL-2.0
"""A machine of files, for the tests of the tool of the package and of its loader."""

import os
import subprocess
from pathlib import Path

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"
TOOL = PACKAGING / "tool" / "rust-virtio"
LOADER = PACKAGING / "tool" / "load"
KERNEL = "7.3.4+deb13-amd64"
OLD = "6.12.1+deb13-amd64"
ENABLED = "etc/modprobe.d/rust-virtio-enabled.conf"
IMAGE = f"boot/initrd.img-{KERNEL}"

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

_FILES = {
    "proc/cmdline": "root=/dev/vda1 quiet\n", "proc/sys/kernel/osrelease": KERNEL + "\n", "dev/kmsg": "",
    "put.sh": PUT, "usr/lib/rust-virtio/load": LOADER.read_text(), "etc/modprobe.d/other.conf": "options foo bar=1\n",
    "sys/bus/virtio/drivers_autoprobe": "1\n", "bin/modprobe": MODPROBE, "bin/update-initramfs": UPDATE_INITRAMFS,
    "bin/lsinitramfs": "#!/bin/sh\ncat \"$1\"\n", "bin/mokutil": "#!/bin/sh\n", "bin/dkms": "#!/bin/sh\n"}


class Machine:
    """A machine with two disks, an interface, a kernel with the modules and one without."""

    def __init__(self, root: Path, write):
        self.root, self.write = root, write
        self.bus = root / "sys/bus/virtio"
        for name in ("devices", "drivers"):
            (self.bus / name).mkdir(parents=True)
        for path, text in _FILES.items():
            write(path, text)
        for kernel in (KERNEL, OLD):
            write(f"boot/vmlinuz-{kernel}")
            write(f"boot/initrd.img-{kernel}", f"made of {kernel}\n")
            write(f"boot/config-{kernel}", "CONFIG_RUST=y\n")
            write(f"lib/modules/{kernel}/modules.builtin", "kernel/drivers/virtio/virtio.ko\n")
        self.add_modules(KERNEL)
        self.add_device(0, 1, "0000:00:03.0", "net/eth0")
        self.add_device(1, 2, "0000:00:04.0", "block/vda")
        self.add_device(10, 2, "0000:00:05.0", "block/vdb")
        self.add_device(2, 3, "0000:00:06.0", None)

    def add_modules(self, kernel):
        for name in ("rust_virtio_blk", "rust_virtio_net"):
            self.write(f"lib/modules/{kernel}/updates/dkms/{name}.ko")

    def remove_modules(self):
        for path in (self.root / f"lib/modules/{KERNEL}/updates/dkms").iterdir():
            path.unlink()

    def add_device(self, number, kind, place, name):
        """Adds a device without a driver."""
        top = self.root / f"sys/devices/pci0000:00/{place}/virtio{number}"
        top.mkdir(parents=True)
        (top / "device").write_text(f"0x{kind:04x}\n")
        (top / "features").write_text("".join("1" if bit in (9, 28, 32, 34) else "0" for bit in range(64)) + "\n")
        if name:
            (top / name).mkdir(parents=True)
        transport = self.root / "sys/bus/pci/drivers/virtio-pci"
        transport.mkdir(parents=True, exist_ok=True)
        (top.parent / "driver").symlink_to(transport)
        (self.bus / "devices" / f"virtio{number}").symlink_to(top)

    def bind(self, driver):
        """Binds the first disk to a driver."""
        (self.bus / "drivers" / driver).mkdir()
        (self.bus / "devices/virtio1/driver").symlink_to(self.bus / "drivers" / driver)

    def use_dracut(self):
        (self.root / "bin/lsinitramfs").rename(self.root / "bin/lsinitrd")
        self.write("bin/dracut", DRACUT)
        self.write("bin/make-image", UPDATE_INITRAMFS.replace("image=$R/boot/initrd.img-$3",
                                                              "image=$RUST_VIRTIO_IMAGE"))

    def read(self, path):
        return (self.root / path).read_text()

    def has(self, path):
        return (self.root / path).exists()

    def names(self, path):
        return sorted(os.listdir(self.root / path))

    def call(self, *argv):
        return subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=False, env=self.env())

    def env(self):
        return dict(os.environ, RUST_VIRTIO_ROOT=str(self.root), PATH=f"{self.root}/bin:{os.environ['PATH']}")

    def tool(self, *argv, status=0):
        """Runs the tool, and returns what it printed."""
        done = self.call(TOOL, *argv)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def load(self, *argv):
        """Runs the loader, and returns what it told the kernel log."""
        self.write("dev/kmsg")
        done = self.call(LOADER, *argv, "--")
        assert done.returncode == 0, done.stderr
        return self.read("dev/kmsg")

    def drivers(self):
        """Returns the driver of each device that has one."""
        return {device.name: os.readlink(device / "driver").rsplit("/", 1)[-1]
                for device in sorted((self.bus / "devices").iterdir()) if (device / "driver").is_symlink()}

    def snapshot(self):
        """Returns the configuration and each initramfs."""
        return {str(path): path.read_text() for top in ("etc", "boot")
                for path in sorted((self.root / top).rglob("*")) if path.is_file()}
