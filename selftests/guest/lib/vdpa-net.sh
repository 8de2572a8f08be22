# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# NICs on the vDPA bus. Source it after vdpa.sh and cable.sh; the guest's family and ring are those of the script.

# Without a byte that is 0: the simulator compares addresses as strings.
SIM_MAC=52:54:11:76:64:11
OTHER_MAC=52:54:11:76:64:12
# echoes INTERFACE ADDRESS COUNT [SECONDS]: packets to that address come back with what was in them, each within so many
# seconds. Those that the device has no buffer for are lost, so that one is sent at a time.
echoes() {
	within 120 python3 - "$@" <<'END'
import os, socket, struct, sys
name, address, count = sys.argv[1], bytes.fromhex(sys.argv[2].replace(":", "")), int(sys.argv[3])
seconds = int(sys.argv[4]) if sys.argv[4:] else 60
KIND = 0x88b5
back = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(KIND))
back.bind((name, KIND))
back.settimeout(seconds)
for number in range(count):
    length = 46 + number * 37 % 1455
    sent = address + bytes(6) + struct.pack("!H", KIND) + os.urandom(length)
    back.send(sent)
    while True:
        got, where = back.recvfrom(4096)
        if where[2] != socket.PACKET_OUTGOING:
            break
    assert got == sent, f"packet {number} of {len(sent)} bytes came back with {len(got)}"
END
}

# is_deaf INTERFACE ADDRESS: packets to that address do not come back.
is_deaf() {
	! echoes "$1" "$2" 1 5
}

sim() {
	vdpa_add sim vdpasim_net mac $SIM_MAC mtu 1500
	nic=$(vdpa_child sim net)
	check_eq "simulated NIC: it is on the driver" "$(driver_of "$nic")" "$(expected_driver net)"
	check_eq "N8 simulated NIC: the address is the device's" "$(cat "/sys/class/net/$nic/address")" $SIM_MAC
	check_eq "N30 simulated NIC: the MTU is the device's" "$(cat "/sys/class/net/$nic/mtu")" 1500
	check_eq "R21 simulated NIC: addresses are the host's" "$(vdpa_feature sim 33)" 1
	check "simulated NIC: it comes up" ip link set "$nic" up
	check "N12 N21 simulated NIC: packets come back as they were" echoes "$nic" $SIM_MAC 200
	check "N42 simulated NIC: the address changes" ip link set "$nic" address $OTHER_MAC
	check "N42 simulated NIC: the device has the new one" echoes "$nic" $OTHER_MAC 20
	check "N42 simulated NIC: and not the old one" is_deaf "$nic" $SIM_MAC
	virtio=$(vdpa_virtio sim)
	driver=/sys/bus/virtio/drivers/$(expected_driver net)
	flood "$nic" &
	check "N29 simulated NIC: it is unbound under traffic" within 100 sh -c "sleep 1; echo $virtio >$driver/unbind"
	wait $!
	check "N29 simulated NIC: it is bound again" within 100 sh -c "echo $virtio >$driver/bind"
	nic=$(vdpa_child sim net)
	ip link set "$nic" up
	check "N12 simulated NIC: packets come back after that" echoes "$nic" $OTHER_MAC 20
	flood "$nic" &
	check "N63 simulated NIC: the device goes under traffic" sh -c "sleep 1; timeout 100 vdpa dev del sim"
	wait $!
	check "N63 simulated NIC: no interface is left" test ! -e "/sys/class/net/$nic"
}

# flood INTERFACE: sends packets to all, until the interface goes.
flood() {
	within 60 python3 - "$1" <<'END'
import socket, sys
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
out.bind((sys.argv[1], 0))
packet = b"\xff" * 6 + bytes(6) + b"\x88\xb5" + bytes(1000)
try:
    while True:
        try:
            out.send(packet)
        except BlockingIOError:
            pass
except OSError:
    pass
END
	:
}

# vduse_cable LAYOUT ARGUMENT...: two NICs of ours.
vduse_cable() {
	layout=$1
	shift
	vduse_nics "$@" near far
	vdpa_add near vduse && vdpa_add far vduse
	check_eq "$layout: both NICs are on the driver" \
		"$(driver_of "$(vdpa_child near net)") $(driver_of "$(vdpa_child far net)")" \
		"$(expected_driver net) $(expected_driver net)"
	check_eq "N8 $layout: the address is the device's" \
		"$(cat "/sys/class/net/$(vdpa_child near net)/address")" 52:54:00:76:64:01
	check_eq "R44 $layout: addresses are the host's" "$(vdpa_feature near 33)" 1
	near=$(vdpa_child near net)
	check "$layout: the interfaces come up" cable_up "$near" "$(vdpa_child far net)"
	check "N12 $layout: ping" ping -c3 -i0.2 -W5 "$CABLE_FAR"
	check "N12 $layout: large ping in fragments" ping -c3 -i0.2 -W5 -s 20000 "$CABLE_FAR"
	check "N12 $layout: a file arrives" send_file 4
}

# cable_dies ARGUMENT...: the process dies while a file goes over the cable, and another one goes on.
cable_dies() {
	_n=0
	while [ $_n -lt 3 ]; do
		rm -f "$CABLE_TMP"/in
		send_file 8 &
		_file=$!
		wait_for 60 test -s "$CABLE_TMP"/in
		vduse_kill
		vduse_nics "$@" near far
		wait $_file || return 1
		_n=$((_n + 1))
	done
}

# cable_leaves LAYOUT: a device goes under traffic, and the other stays.
cable_leaves() {
	ping -q -f -w 60 -s 3000 "$CABLE_FAR" >/dev/null 2>&1 &
	check "N63 $1: the device goes under traffic" sh -c "sleep 1; timeout 100 vdpa dev del near"
	kill $! 2>/dev/null
	wait $! 2>/dev/null
	check "N63 $1: no interface is left" test ! -e "/sys/class/net/$near"
	check "N63 $1: the other device goes" vdpa_del far
	cable_down
	vduse_stop
	check "$1: no device is left" wait_for 20 vduse_gone far
}

vdpa_net() {
	if vdpa_has vdpa_sim_net; then
		sim
	else
		skip "simulated NIC" "the kernel has no vdpa_sim_net"
	fi
	if ! vdpa_has vduse; then
		skip "NICs of a process" "the kernel has no vduse"
		return
	fi
	vduse_cable split --event-idx
	check_eq "N22 split: buffers are merged" "$(vdpa_feature near 15)" 1
	check "F008 split: a file arrives though the process dies" cable_dies --event-idx
	cable_leaves split
	vduse_cable packed --packed --event-idx
	check_eq "R44 packed: the ring is" "$(vdpa_feature near 34)" 1
	cable_leaves packed
	vduse_cable plain --plain
	check_eq "N21 plain: buffers are not merged" "$(vdpa_feature near 15)" 0
	cable_leaves plain
}

cleanup() {
	for _d in sim near far; do
		[ -e "/sys/bus/vdpa/devices/$_d" ] && vdpa_del "$_d"
	done
	cable_down
	vduse_stop
	[ "$TAP_FAILED" -eq 0 ] || diag "$(cat "$VDPA_TMP"/log)"
	rm -rf "$VDPA_TMP"
}
