#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests that the rings come from the provider that was asked for, and from no other.
#
# guest: front.json
# transports: pci legacy mmio
# config: VIRTIO=m

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/front.sh"
need_host

tap_plan 6

case $HARNESS_RING in
rust) mine=rust_virtio_ring other=virtio_ring ;;
*) mine=virtio_ring other=rust_virtio_ring ;;
esac
case $HARNESS_TRANSPORT in
mmio*) transport=virtio_mmio ;;
*) transport=virtio_pci ;;
esac

# users MODULE: prints the modules that use it.
users() {
	awk -v m="$1" '$1 == m { print $4 }' /proc/modules | tr ',' '\n' | grep .
}

check "the provider is loaded" test -d /sys/module/$mine
check_not "the other provider is not there" modinfo $other
check "the transport is on it" sh -c "awk '\$1 == \"$mine\" { print \$4 }' /proc/modules | grep -qw $transport"
missing=
for m in virtio_net virtio_blk virtio_rng 9pnet_virtio virtio_console virtio_balloon virtio_scsi; do
	users $mine | grep -qx $m || missing="$missing $m"
done
check_eq "the front ends are on it" "$missing" ""

# Legacy devices have split rings only.
layout=$HARNESS_LAYOUT
case $HARNESS_TRANSPORT in
*legacy) layout="split" ;;
esac
wrong=
for v in /sys/bus/virtio/devices/*; do
	[ "$(layout_of "${v##*/}")" = "$layout" ] || wrong="$wrong ${v##*/}"
done
check_eq "devices have the layout asked for" "$wrong" ""

# What our ring says of itself is the same.
if [ "$HARNESS_RING" = rust ]; then
	case $layout in
	split) shown="split" ;;
	packed) shown=packed ;;
	in-order) shown="split, in order" ;;
	packed-in-order) shown="packed, in order" ;;
	esac
	check_eq "every queue is shown with that layout" \
		"$(sed -n 's/^layout: //p' /sys/kernel/debug/rust_virtio_ring/* | sort -u)" "$shown"
else
	skip "every queue is shown with that layout" "only our ring shows its queues"
fi
