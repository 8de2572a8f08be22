#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# upstream-build.sh SOURCE VMLINUX OUT: builds the kernel's tests of network drivers from a kernel's source, and
# installs them in OUT, by the tests' own makefiles. VMLINUX has the types of the kernel that they are for (BTF). Runs
# in a Debian root with compilers; the source is left as it is.

set -e
source=$1
vmlinux=$2
out=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What the makefiles read: no drivers, and no file systems.
tar -C "$source" -cf - Makefile Kbuild Kconfig MAINTAINERS arch/x86 scripts include usr \
	Documentation/netlink Documentation/bpf kernel/bpf net/xdp tools | tar -C "$work" -xf -
make -C "$work" headers
# FORCE_TARGETS: a target that does not build is an error. The compiler for BPF is clang of the release.
make -C "$work/tools/testing/selftests" -j"$(nproc)" FORCE_TARGETS=1 install KSFT_INSTALL_PATH="$out" \
	TARGETS="drivers/net drivers/net/hw drivers/net/virtio_net"
# Those of BPF that are given a device: all others need no driver.
make -C "$work/tools/testing/selftests/bpf" -j"$(nproc)" VMLINUX_BTF="$vmlinux" xdp_features xskxceiver
install -D -t "$out/bpf" "$work/tools/testing/selftests/bpf/xdp_features" "$work/tools/testing/selftests/bpf/xskxceiver"
# The tests are started from any place, and read what is generated from the specifications.
test -x "$out/net/lib/csum" && test -e "$out/net/lib/xdp_native.bpf.o" && test -d "$out/net/lib/ynl"
