# SPDX-License-Identifier: GPL-2.0
"""Tests of the loader of the package: the choice between the C and the Rust drivers at boot."""

import pytest
from tool_machine import ENABLED, LOADER, MODPROBE

RUST, C = "rust_virtio_blk", "virtio_blk"
LOAD_C = f"--ignore-install {C}"
NO_MODULE = f"no-{RUST}", f"modprobe: FATAL: Module {RUST} not found.\n"
#: The second disk does not bind to the Rust driver, and the first has a number, a name and a partition.
REFUSED = {f"refuses-{RUST}": "virtio10\n", "sys/bus/virtio/devices/virtio1/block/vda/dev": "254:0\n",
           "sys/bus/virtio/devices/virtio1/block/vda/vda1/dev": "254:1\n"}
MOUNTED = {**REFUSED, "proc/self/mountinfo": "22 1 254:1 / / rw - ext4 /dev/vda1 rw\n"}


@pytest.mark.parametrize("files, devices, drivers, said, modprobes", [
    ({}, "all", [RUST, RUST], "2 of kind blk on rust_virtio_blk", [RUST, LOAD_C]),
    ({}, "0000:00:04.0", [RUST, C], "1 of kind blk on rust_virtio_blk", [LOAD_C, RUST]),
    ({"proc/cmdline": "quiet rust_virtio=off\n"}, "all", [], f"{C} instead of {RUST}: rust_virtio=off", [LOAD_C]),
    # Of the Rust modules none stays, nor does a driver without devices.
    (dict([NO_MODULE]), "all", [], f"{C} instead of {RUST}: FATAL: Module", [RUST, LOAD_C, "-r rust_virtqueue"]),
    (REFUSED, "all", [C, C], f"virtio10 (0000:00:05.0) did not bind to {RUST}", [RUST, LOAD_C, f"-r {RUST}"]),
    # A disk that is in use is never taken away.
    (MOUNTED, "all", [RUST], f"0000:00:05.0 (without a driver, as disks on {RUST} are in use)", [RUST, LOAD_C]),
    *(({**REFUSED, path: text}, "all", [RUST], "are in use", [RUST, LOAD_C]) for path, text in (
        ("proc/self/mountinfo", "30 1 0:41 / / rw - btrfs /dev/vda1 rw\n"),
        ("proc/swaps", "Filename Type Size Used Priority\n/dev/vda1 partition 9 0 -2\n"),
        ("sys/devices/pci0000:00/0000:00:04.0/virtio1/block/vda/holders/dm-0", ""))),
    # Another disk is in use.
    ({**REFUSED, "proc/self/mountinfo": "22 1 8:1 / / rw - ext4 /dev/vda10 rw\n"}, "all", [C, C], "did not bind",
     [RUST, LOAD_C, f"-r {RUST}"])])
def test_drivers_of_two_disks(machine, files, devices, drivers, said, modprobes):
    for path, text in files.items():
        machine.write(path, text)
    assert said in machine.load("blk", devices)
    assert machine.drivers() == dict(zip(["virtio1", "virtio10"], drivers))
    assert machine.read("modprobes").splitlines() == modprobes
    assert machine.read("sys/bus/virtio/drivers_autoprobe") == "1\n"


def test_devices_that_came_at_the_same_time_are_probed(machine):
    machine.load("blk", "all")
    assert machine.read("probed").split() == ["virtio0", "virtio2"]
    assert machine.names("run/rust-virtio") == ["blk", "free"]


def test_the_c_driver_names_its_disks_first(machine):
    machine.load("blk", "0000:00:04.0")
    assert "virtio10" in [line for line in machine.read("puts").splitlines() if "/bind" in line][0]


def test_the_reason_of_a_fallback_is_kept_for_the_tool(machine):
    machine.write(*NO_MODULE)
    machine.load("blk", "all")
    assert machine.read("run/rust-virtio/blk").startswith("c FATAL")


def test_a_disk_that_does_not_bind_is_reset(machine):
    machine.write(f"refuses-{RUST}", "virtio10\n")
    machine.load("blk", "all")
    assert "0000:00:05.0 >/sys/bus/pci/drivers/virtio-pci/unbind" in machine.read("puts")


def test_a_disk_beside_one_in_use_stays_without_a_driver_and_doctor_says_so(machine):
    for path, text in MOUNTED.items():
        machine.write(path, text)
    machine.load("blk", "all")
    assert "virtio10" not in machine.read("probed").split(), "the C driver would take a name that is taken"
    assert "PROBLEM  at this boot rust_virtio_blk, but: did not bind: 0000:00:05.0" in machine.tool("doctor", status=3)


def test_a_disk_of_an_earlier_run_is_never_taken_away(machine):
    machine.bind(RUST)
    machine.write(f"refuses-{RUST}", "virtio10\n")
    machine.load("blk", "all")
    assert machine.drivers() == {"virtio1": RUST}


def call_line_of_modprobe(machine, kind):
    """Runs what modprobe runs in place of loading the C driver of a kind."""
    line = next(line for line in machine.read(ENABLED).splitlines() if line.startswith(f"install virtio_{kind} "))
    for name, place in (("/usr/lib/rust-virtio/load", LOADER), ("/sbin/modprobe", "modprobe"),
                        ("/sys/", f"{machine.root}/sys/"), ("$CMDLINE_OPTS", "")):
        line = line.replace(name, str(place))
    assert machine.call("sh", "-c", line.split(None, 2)[2]).returncode == 0


def test_the_line_of_modprobe_runs_the_loader(machine):
    machine.tool("enable", "blk")
    call_line_of_modprobe(machine, "blk")
    assert machine.drivers() == {"virtio1": RUST, "virtio10": RUST}


@pytest.mark.parametrize("killer, device", [("rust_virtio_blk", []), ("virtio_blk", ["--device", "vda"])])
def test_a_loader_that_is_killed_leaves_a_bus_that_probes(machine, killer, device):
    """Also the devices that it has not come to."""
    machine.tool("enable", "blk", *device)
    machine.write("bin/modprobe", MODPROBE + f'[ "$name" != {killer} ] || [ -e "$RUST_VIRTIO_ROOT/dead" ] '
                  '|| { touch "$RUST_VIRTIO_ROOT/dead"; kill -9 $PPID; }\n')
    call_line_of_modprobe(machine, "blk")
    assert machine.read("sys/bus/virtio/drivers_autoprobe") == "1\n"
    assert machine.read("sys/bus/virtio/drivers_probe") == "virtio2\n", "the last of all"
    assert machine.has("sys/module/virtio_blk")


def test_devices_are_probed_by_number(machine):
    """As the bus would: disks are named by that."""
    machine.write(*NO_MODULE)
    machine.add_device(3, 2, "0000:00:07.0", "block/vdc")
    machine.load("blk", "0000:00:05.0")
    assert machine.read("probed").split() == ["virtio0", "virtio1", "virtio2", "virtio3", "virtio10"]


def test_a_device_that_has_the_c_driver_by_now_is_left_alone(machine):
    machine.bind("virtio_blk")
    machine.load("blk", "all")
    assert machine.drivers() == {"virtio1": C, "virtio10": RUST}
    assert "unbind" not in machine.read("puts")


def test_without_a_c_driver_nothing_is_reset_for_ever(machine):
    """Each reset is an event for udev, which calls the loader."""
    machine.write("no-virtio_blk", "modprobe: FATAL: Module virtio_blk is blacklisted.\n")
    machine.write("refuses-rust_virtio_blk", "virtio1\n")
    for _ in range(3):
        machine.load("blk", "all")
    assert machine.read("puts").count("virtio-pci/unbind") == 1


def test_interface_that_does_not_bind(machine):
    machine.write("refuses-rust_virtio_net", "virtio0\n")
    machine.load("net", "all")
    assert machine.drivers() == {"virtio0": "virtio_net"}


def test_c_driver_that_is_there_is_left_alone(machine):
    machine.write("sys/module/virtio_blk/x")
    machine.load("blk", "all")
    assert not machine.has("modprobes")


def test_it_waits_for_another_and_finds_the_work_done(machine):
    machine.write("run/rust-virtio/held")
    machine.write("bin/sleep", "#!/bin/sh\nmkdir -p \"$RUST_VIRTIO_ROOT/sys/module/virtio_blk\"\n"
                               "cd \"$RUST_VIRTIO_ROOT/run/rust-virtio\" && mv held free\n")
    machine.load("blk", "all")
    assert not machine.has("modprobes")
    assert machine.has("run/rust-virtio/free")


def test_the_token_of_a_holder_that_died_is_taken_away(machine):
    machine.write("run/rust-virtio/held.1")
    machine.write("bin/sleep", "#!/bin/sh\n")
    log = machine.load("blk", "all")
    assert "went on for blk without waiting" in log and "on rust_virtio_blk" in log
    assert machine.names("run/rust-virtio") == ["blk", "free"]


def test_a_token_that_was_taken_away_is_not_given_back(machine):
    machine.write("bin/modprobe", MODPROBE + "cd \"$RUST_VIRTIO_ROOT/run/rust-virtio\"\n"
                                             "[ -e held.9999999 ] || mv held.* held.9999999\n")
    machine.load("blk", "all")
    assert machine.names("run/rust-virtio") == ["blk", "held.9999999"]


def test_options_of_the_initramfs_do_not_reach_modprobe(machine, monkeypatch):
    machine.write("bin/modprobe", MODPROBE + "echo \"$name: ${MODPROBE_OPTIONS-none}\" "
                                             ">>\"$RUST_VIRTIO_ROOT/options\"\n")
    monkeypatch.setenv("MODPROBE_OPTIONS", "-qb")
    machine.load("blk", "all")
    assert machine.read("options").split("\n")[0] == "rust_virtio_blk: none"
