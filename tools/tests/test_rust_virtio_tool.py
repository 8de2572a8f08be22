# SPDX-License-Identifier: GPL-2.0
"""Tests of the tool of the package, against files in place of a machine."""

import os
import re
import shlex
import subprocess

import pytest
from tool_machine import ENABLED, IMAGE, KERNEL, LOADER, OLD, PACKAGING, TOOL


def test_status_is_a_table(machine):
    lines = machine.tool("status").splitlines()
    assert re.search(r"^DEVICE +NAME +KIND +DRIVER NOW +AT NEXT BOOT +RING +FEATURES$", lines[0])
    assert re.search(r"^virtio1 0000:00:04.0 +vda +blk +none +virtio_blk +- +-$", lines[2])
    assert "virtio2 " not in "\n".join(lines)
    machine.bind("virtio_blk")
    assert re.search(r"virtio_blk +virtio_blk +C, packed +flush, indirect, version-1, packed\n", machine.tool("status"))


def test_status_reads_the_initramfs(machine):
    machine.tool("enable", "blk")
    assert "(initramfs)" not in machine.tool("status")
    machine.write(IMAGE, "made of something else\n")
    said = machine.tool("status")
    assert "virtio_blk (initramfs)" in said and "rust-virtio refresh" in said


@pytest.mark.parametrize("path, text, command, status, said", [
    ("run/rust-virtio/blk", "c rust_virtio=off on the kernel command line\n", "status", 0,
     "virtio_blk instead of rust_virtio_blk: rust_virtio=off"),
    ("proc/cmdline", "quiet rust_virtio=0\n", "status", 0, "rust_virtio=off is on the kernel command line"),
    ("etc/modprobe.d/other.conf", "blacklist virtio_blk\n", "doctor", 3, "PROBLEM  other configuration"),
    ("sys/bus/virtio/drivers_autoprobe", "0\n", "doctor", 3, "PROBLEM  the virtio bus gives new devices no driver"),
    ("sys/kernel/security/lockdown", "none [integrity] confidentiality\n", "doctor", 3,
     "lockdown (integrity) refuses")])
def test_status_and_doctor_report_a_file(machine, path, text, command, status, said):
    assert said not in machine.tool(command)
    machine.write(path, text)
    assert said in machine.tool(command, status=status)


@pytest.mark.parametrize("command, status, said", [
    ("enable blk --device vdz", 1, "no virtio disk or interface 'vdz'"),
    ("enable blk --device eth0", 1, "eth0 is of kind net"),
    *((f"enable net {option}", 2, "needs the name") for option in ("--device ''", "--device=", "--device")),
    *((line, 2, "--help") for line in ("", "frob", "enable", "enable disk", "enable all --device", "status x",
                                       "disable ring"))])
def test_wrong_commands_change_nothing(machine, command, status, said):
    before = machine.snapshot()
    assert said in machine.tool(*shlex.split(command), status=status)
    assert machine.snapshot() == before


@pytest.mark.parametrize("path, text, said", [
    ("etc/modprobe.d/other.conf", "blacklist virtio_blk\n", ["other.conf: blacklist virtio_blk"]),
    ("bin/update-initramfs", "#!/bin/sh\nexit 0\n", ["forbid updates", "nothing was changed"]),
    # The older kernel comes first, so its initramfs is new by then.
    ("full", KERNEL, ["nothing was changed", OLD, f"{KERNEL} could not be made (see above)"]),
    (f"lib/modules/{KERNEL}", None, ["no installed kernel has rust_virtio_blk"])])
def test_enable_that_fails_changes_nothing(machine, path, text, said):
    if text is None:
        machine.remove_modules()
    else:
        machine.add_modules(OLD)
        machine.write(path, text)
    before = machine.snapshot()
    shown = machine.tool("enable", "all", status=1)
    assert all(part in shown for part in said), shown
    assert machine.snapshot() == before


def test_enable_all_and_disable_leave_what_was_there(machine):
    before = machine.snapshot()
    assert f"kernel {OLD} has no Rust modules" in machine.tool("enable", "all")
    assert machine.read(f"boot/initrd.img-{OLD}") == f"made of {OLD}\n"
    assert re.search(r"vda +blk +none +rust_virtio_blk", machine.tool("status"))
    image = machine.read(IMAGE)
    assert "updates/dkms/rust_virtio_blk.ko" in image and "rust-virtio/load" in image
    machine.tool("disable")
    assert machine.snapshot() == before


def test_a_kernel_whose_image_has_another_name_in_boot(machine):
    """As Arch has it."""
    for kernel in (KERNEL, OLD):
        (machine.root / f"boot/vmlinuz-{kernel}").unlink()
    machine.write("boot/vmlinuz-linux")
    machine.write(f"lib/modules/{KERNEL}/vmlinuz")
    machine.tool("enable", "all")
    assert f"newest installed: {KERNEL}\n" in machine.tool("status")
    machine.write(f"boot/vmlinuz-{KERNEL}")
    assert machine.tool("doctor").count(f"Kernel {KERNEL}\n") == 1


def test_enable_falls_back_by_modprobe_itself(machine):
    machine.tool("enable", "net")
    text = machine.read(ENABLED)
    assert re.search(r"install virtio_net /usr/lib/rust-virtio/load net all -- \$CMDLINE_OPTS \|\| "
                     r"\{ .*; /sbin/modprobe --ignore-install virtio_net \$CMDLINE_OPTS; \}\n", text)
    assert "install virtio_blk" not in text


def test_devices_are_written_down_by_place(machine):
    machine.tool("enable", "blk", "--device", "/dev/vdb")
    machine.tool("enable", "all", "--device", "eth0", "--device", "00:04.0")
    text = machine.read(ENABLED)
    assert " blk 0000:00:05.0 0000:00:04.0 -- " in text and " net 0000:00:03.0 -- " in text


def test_disable_of_one_kind_keeps_the_other(machine):
    machine.tool("enable", "all")
    machine.tool("disable", "blk")
    status = machine.tool("status")
    assert re.search(r"vda +blk +none +virtio_blk ", status) and re.search(r"eth0 +net +none +rust_virtio_net ", status)


def test_a_device_does_not_narrow_all(machine):
    machine.tool("enable", "blk")
    before = machine.snapshot()
    machine.tool("enable", "blk", "--device", "vda")
    assert machine.snapshot() == before


def test_the_manual_has_all_commands_and_options(machine):
    usage = machine.tool("--help").partition("On the kernel command line")[0]
    manual = TOOL.with_suffix(".8").read_text()
    commands = re.findall(r"^  ([a-z]+) ", usage, re.M)
    options = re.findall(r"(?<![\w-])-(-[a-z]+|[a-z])\b", usage)
    assert min(len(commands), len(options)) > 3
    for name in commands:
        assert f"\n.Cm {name}\n" in manual and f"\n.It Cm {name}\n" in manual, name
    for name in options:
        assert re.search(rf"\n\.(Op )?Fl (.* )?{name}\b", manual), name


def test_failed_disable_keeps_it_enabled(machine):
    machine.tool("enable", "all")
    before = machine.snapshot()
    machine.write("full", KERNEL)
    machine.tool("disable", status=1)
    assert machine.snapshot() == before


def test_conflicts_are_shown(machine):
    assert machine.tool("conflicts") == ""
    machine.write("etc/modprobe.d/rust-virtio.conf", "blacklist virtio-blk\ninstall virtio_ring "
                  "/sbin/modprobe rust_virtio_ring\n")
    machine.write("proc/cmdline", "quiet modprobe.blacklist=floppy,virtio_net\n")
    shown = machine.tool("conflicts", status=3)
    assert "/etc/modprobe.d/rust-virtio.conf: blacklist virtio-blk\n" in shown
    assert "kernel command line: modprobe.blacklist=floppy,virtio_net\n" in shown
    assert len(shown.splitlines()) == 2


def test_a_bus_that_the_loader_holds_is_no_problem(machine):
    machine.write("sys/bus/virtio/drivers_autoprobe", "0\n")
    machine.write(f"run/rust-virtio/held.{os.getpid()}")
    assert "PROBLEM" not in machine.tool("doctor")


def test_what_the_package_itself_brings_is_no_conflict(machine):
    machine.write("usr/lib/modprobe.d/rust-virtio-dkms.conf",
                  (PACKAGING / "modprobe.d" / "rust-virtio-dkms.conf").read_text())
    machine.tool("enable", "all")
    assert machine.tool("conflicts") == ""


def test_refresh_adds_modules_that_were_built_later_and_takes_out_those_that_are_gone(machine):
    machine.tool("enable", "all")
    machine.add_modules(OLD)
    machine.tool("refresh", OLD)
    assert "rust_virtio_blk.ko" in machine.read(f"boot/initrd.img-{OLD}")
    machine.remove_modules()
    machine.tool("refresh")
    assert "rust_virtio_blk.ko" not in machine.read(IMAGE)
    assert machine.has(ENABLED)


def test_refresh_takes_up_other_places_and_another_loader(machine):
    """As after an `enable` that was killed between the configuration and the initramfs."""
    machine.tool("enable", "blk", "--device", "vda")
    for path, text in ((ENABLED, machine.read(ENABLED).replace("0000:00:04.0", "0000:00:05.0")),
                       ("usr/lib/rust-virtio/load", "#!/bin/sh\n# of another version\n")):
        machine.write(path, text)
        assert "PROBLEM  initramfs: not as enabled" in machine.tool("doctor", status=3)
        machine.tool("refresh")
        assert "PROBLEM  initramfs" not in machine.tool("doctor")


def test_what_a_power_cut_left_goes(machine):
    before = machine.snapshot()
    for name in (f"boot/.initrd.img-{KERNEL}.rust-virtio", "boot/.initramfs-7.3.img.rust-virtio", f"{ENABLED}.new"):
        machine.write(name)
    machine.tool("refresh")
    assert machine.snapshot() == before


def test_boot_loaders_hear_of_an_initramfs_that_is_put_back(machine):
    machine.add_modules(OLD)
    machine.write("etc/initramfs/post-update.d/loader",
                  '#!/bin/sh\necho "$1 $(head -n 1 "$2") $(grep -c rust "$2")" >>"$RUST_VIRTIO_ROOT/heard"\n')
    machine.write("full", KERNEL)
    machine.tool("enable", "all", status=1)
    assert f"{OLD} made of {OLD} 0\n" in machine.read("heard")


def test_doctor_of_a_sound_machine_and_with_a_stale_initramfs(machine):
    machine.tool("enable", "all")
    out = machine.tool("doctor")
    assert "PROBLEM" not in out and "initramfs: as enabled" in out
    machine.write(IMAGE, "of another time\n")
    assert "PROBLEM  initramfs: not as enabled" in machine.tool("doctor", status=3)


def test_doctor_names_what_a_build_lacks(machine):
    """Also where the modules are there."""
    machine.write("usr/src/rust-virtio-0.1/prepare-kdir",
                  '[ "$1 $2" = "--check --output" ] || exit 2\necho /dir\n'
                  '[ ! -e "$RUST_VIRTIO_ROOT/lacks" ] || { echo "prepare-kdir: error: no $4" >&2; exit 1; }\n')
    assert "would fail" not in machine.tool("doctor")
    lacks = machine.write("lacks")
    assert f"note     the next build would fail: no {KERNEL}\n" in machine.tool("doctor")
    machine.remove_modules()
    assert f"         no {KERNEL}\n         then: dkms" in machine.tool("doctor", status=3)
    lacks.unlink()
    assert f"all that the build needs is here: dkms install -m rust-virtio -v 0.1 -k {KERNEL}" in machine.tool(
        "doctor", status=3)


@pytest.mark.parametrize("command", ["enable all", "disable", "refresh"])
def test_others_than_root_are_told_to_be_root(machine, command):
    # On the machine itself: the check is left out where RUST_VIRTIO_ROOT is set. The user nobody can change nothing.
    nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
    machine.root.chmod(0o755)
    tool = machine.write("tool", TOOL.read_text())
    done = subprocess.run([tool, *command.split()], capture_output=True, text=True, check=False, cwd="/",
                          env={"PATH": os.environ["PATH"]}, **nobody)
    name = command.split()[0]
    assert (done.returncode, done.stdout, done.stderr) == (
        1, "", f"rust-virtio: error: {name} changes the system: run it as root (sudo rust-virtio {name})\n")


def test_enable_tells_what_lockdown_refuses(machine):
    assert "lockdown" not in machine.tool("enable", "blk")
    machine.write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
    out = machine.tool("enable", "net")
    assert "rust-virtio: lockdown (integrity) refuses modules without a signature" in out
    assert "rust-virtio: dkms generate_mok; mokutil --import /var/lib/dkms/mok.pub" in out
    machine.write("var/lib/dkms/mok.pub")
    assert "refuses modules signed by DKMS until its key is enrolled" in machine.tool("enable", "net")
    machine.write("bin/mokutil", "#!/bin/sh\n[ $1 != --test-key ] || echo \"$2 is already enrolled\"\n")
    assert "lockdown" not in machine.tool("enable", "net")


@pytest.mark.parametrize("line, offered", [
    ("en", "enable"), ("disable ", "net blk all"), ("status ", ""),
    ("enable all --device v", "virtio0 virtio1 vda virtio10 vdb"), ("enable all --device=eth", "eth0"),
    # bash takes a colon for the end of a word.
    ("enable all --device 0000:00:0", "03.0 04.0 05.0"),
    ("enable all --device 0000", "0000:00:03.0 0000:00:04.0 0000:00:05.0")])
def test_completion_by_bash(machine, line, offered):
    machine.write("bin/rust-virtio", f"#!/bin/sh\nexec {TOOL} \"$@\"\n")
    script = ". \"$1\"; COMP_LINE=$2 COMP_POINT=${#2}; _rust_virtio; printf '%s\\n' \"${COMPREPLY[@]}\""
    done = machine.call("bash", "--norc", "-c", script, "bash", TOOL.with_suffix(".bash"), f"rust-virtio {line}")
    assert (done.stdout.split(), done.stderr) == (offered.split(), "")


@pytest.fixture
def no_initramfs_tools(machine):
    """Takes initramfs-tools off the machine. Those of the host would be called in its place."""
    (machine.root / "bin/update-initramfs").unlink()
    if machine.call("sh", "-c", "PATH=$PATH:/usr/sbin:/sbin; command -v update-initramfs dracut").stdout:
        pytest.skip("this host makes its own initramfs")


def test_dracut_makes_the_initramfs_and_tells_boot_loaders(machine, no_initramfs_tools):
    before = machine.snapshot()
    for command in ("enable", "disable"):
        assert "where there is an initramfs, make it again" in machine.tool(command, "all"), "dracut is not there yet"
    machine.use_dracut()
    full = machine.write("full", KERNEL)
    assert "nothing was changed" in machine.tool("enable", "all", status=1)
    assert machine.snapshot() == before
    full.unlink()
    machine.tool("enable", "all")
    assert "rust_virtio_blk.ko" in machine.read(IMAGE)
    machine.tool("disable")
    assert machine.snapshot() == before
    machine.write("etc/initramfs/post-update.d/loader", '#!/bin/sh\necho "$@" >>"$RUST_VIRTIO_ROOT/heard"\n')
    machine.tool("enable", "all")
    assert machine.read("heard") == f"{KERNEL} {machine.root}/{IMAGE}\n"


def test_a_kernel_without_an_initramfs_is_reported(machine):
    (machine.root / IMAGE).unlink()
    for command in ("enable", "disable"):
        assert f"kernel {KERNEL} has no initramfs in /boot" in machine.tool(command, "all")
    assert "no initramfs" not in machine.tool("disable"), "nothing was enabled"


def test_enable_lists_what_names_the_c_driver(machine):
    assert "names the C driver" not in machine.tool("enable", "all")
    machine.write("etc/systemd/network/10-lan.link", "[Match]\nDriver=virtio_net\n")
    machine.write("etc/systemd/network/20-ours.link", "[Match]\nDriver=virtio_net rust_virtio_net\n")
    machine.write("etc/modprobe.d/net.conf", "options virtio_net napi_tx=0\n")
    said = machine.tool("enable", "all")
    assert "10-lan.link" in said and "napi_tx=0" in said and "20-ours" not in said


@pytest.mark.parametrize("path, line, name", [
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
    ("usr/lib/modprobe.d/net.conf", "options virtio_net napi_tx=0", "virtio_net"),
    # The Rust driver fits as well, or the line does not count.
    *(("etc/systemd/network/1.link", line, None) for line in (
        "Driver=*virtio*", "Driver=rust_virtio_net", "Driver=rust_virtio* virtio*", "Driver=*", "#Driver=virtio_net",
        "; driver=virtio_net", 'DRIVERS=="?*", KERNELS=="virtio*"', 'ENV{ID_NET_DRIVER}=="?*", GOTO="virtio_net"'))])
def test_ways_to_name_the_c_driver(machine, path, line, name):
    machine.write(path, line + "\n")
    said = machine.tool("doctor")
    if name:
        assert (f"note     by the name of the C driver: {machine.root / path}:{line}\n"
                f"         write the same for rust_{name}\n") in said
    else:
        assert "by the name" not in said


def test_two_runs_wait_for_each_other(machine):
    lock = machine.root / "run/lock"
    lock.mkdir(parents=True)
    with subprocess.Popen(["flock", lock / "rust-virtio.lock", "sh", "-c",
                           "echo held; read -r line; echo done >>\"$0\"", machine.root / "order"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with subprocess.Popen([TOOL, "enable", "blk"], env=machine.env(), stderr=subprocess.PIPE, text=True,
                              stdout=subprocess.DEVNULL) as tool:
            assert "another run is busy" in tool.stderr.readline()
            assert not machine.has(ENABLED)
            # As of a run that enabled the other kind at the same time.
            machine.write(ENABLED, "install virtio_net /usr/lib/rust-virtio/load net 0000:00:03.0 -- x\n")
            holder.communicate("\n")
            assert tool.wait() == 0
    text = machine.read(ENABLED)
    assert " blk all -- " in text
    assert " net 0000:00:03.0 -- " in text, "what the other run enabled"


@pytest.mark.parametrize("script", [LOADER, TOOL], ids=["load", "tool"])
def test_scripts_run_in_a_small_shell(machine, script):
    done = machine.call("sh", "-n", script)
    assert done.returncode == 0, done.stderr
