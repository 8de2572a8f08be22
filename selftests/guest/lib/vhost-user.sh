# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# A disk whose back end is a process of the host, QEMU's storage daemon, plugged into the guest. Source it
# after tap.sh. The guest's memory must be shared, as in blk/vhost-user.

IMAGE=vhost-user.img
SOCKET=vhost-user.sock

# daemon: starts the back end on the host; its process is in the file daemon.pid.
daemon() {
	host sh "rm -f $SOCKET daemon.pid; [ -e $IMAGE ] || truncate -s 64M $IMAGE" &&
		host bg "exec qemu-storage-daemon --pidfile daemon.pid \
			--blockdev driver=file,node-name=f,filename=$IMAGE --blockdev driver=raw,node-name=disk,file=f \
			--export vhost-user-blk,id=e,node-name=disk,writable=on,num-queues=2,addr.type=unix,addr.path=$SOCKET" \
			>/dev/null &&
		wait_for 20 host sh "[ -S $SOCKET ]"
}

daemon_dies() {
	host sh 'kill -9 $(cat daemon.pid)'
}

# plug PROPERTIES: plugs a disk on the daemon in.
plug() {
	add_socket vu $SOCKET &&
		qmp_cmd device_add "{\"driver\":\"vhost-user-blk-pci\",\"id\":\"vu\",\"chardev\":\"vu\",\"bus\":\"spare0\"$1}" \
			>/dev/null && wait_for_device new_disk
}

unplug() {
	unplug_device vu test ! -e "/sys/block/$disk" &&
		wait_for 60 qmp_cmd chardev-remove '{"id":"vu"}' && wait_for_slot
}

# new_disk: prints the disk that is not the root disk.
new_disk() {
	for _b in $(virtio_blk_disks); do
		[ "$_b" = "$(disk_by_serial harness-root)" ] || { echo "$_b" && return 0; }
	done
	return 1
}

# shellcheck disable=SC2034 # for scripts
case $HARNESS_FAMILY in
rust) driver=rust_virtio_blk ;;
*) driver=virtio_blk ;;
esac

cleanup() {
	[ -n "$disk" ] && unplug
	host sh 'kill $(cat daemon.pid)'
	host sh "rm -f $IMAGE $SOCKET"
}
