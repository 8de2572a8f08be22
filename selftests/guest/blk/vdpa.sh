#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests disks of other hosts than QEMU's device models: the kernel's simulator, QEMU's storage daemon and
# a process of ours, the latter two by VDUSE, where addresses are mapped by the transport.
#
# guest: {"modules":["virtio_vdpa"],"programs":["qemu-storage-daemon"],
# guest:  "allow":["Buffer I/O error","I/O error, dev vd"]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/vdpa.sh"
. "$(dirname "$0")/../lib/vdpa-blk.sh"

vdpa_blk
