#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Prints what a change of configuration can leave behind, for the host to compare:
#
#	etc <checksum or target> <name>
#	initramfs <name>
#
# Of the initramfs the modules, and what decides about them: the rest depends on the machine it is made on.

find /etc -xdev -type f -exec sha256sum {} + | while read -r sum name; do
	echo "etc $sum $name"
done | sort -k 3
find /etc -xdev -type l -printf 'etc %l %p\n' | sort -k 3
lsinitramfs "/boot/initrd.img-$(uname -r)" | grep -E '\.ko|modprobe|conf/modules|rust' | sort | sed 's/^/initramfs /'
