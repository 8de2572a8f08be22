#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A console and a port of virtio_console, the C driver.
#
# guest: front.json
# transports: pci legacy mmio

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/front.sh"
need_host

tap_plan 4

# Text of many lines, which is longer than one buffer.
seq 1 20000 | sed 's/^/a line of the console, number /' >/tmp/lines

check "a port carries bytes both ways" front_console
port=$(port_named org.rust-virtio.port)
check "text arrives at the host" port_to_host "$port" 7102 /tmp/lines

# Kept open, as the last close brings back line editing and echo.
exec 5<>/dev/hvc0
stty raw -echo <&5
head -c 20000 /tmp/lines >/tmp/short
check "the console prints text at the host" port_to_host /dev/hvc0 7101 /tmp/short
check "the console reads what the host types" port_from_host /dev/hvc0 7101 3000
