#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# First process of a guest. Mounts what a Linux system has, loads the modules it was told to, goes
# to the root file system on the disk if asked, and runs the job there (main.sh).

/bin/busybox mkdir -p /proc /sys /dev /run /tmp
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev 2>/dev/null
/bin/busybox mkdir -p /dev/pts /dev/shm
/bin/busybox mount -t devpts devpts /dev/pts
/bin/busybox mount -t tmpfs run /run
/bin/busybox mount -t tmpfs tmp /tmp
/bin/busybox mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
/bin/busybox mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
/bin/busybox --install -s
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb

# The machine channel: fd 3 in this process and in all its children.
stty -F /dev/ttyS1 raw -echo -echoe -echok 2>/dev/null
exec 3<>/dev/ttyS1
stty -F /dev/ttyS1 raw -echo 2>/dev/null

cp -a /harness /run/harness
. /run/harness/env

die() {
	echo "harness: $*" >/dev/kmsg
	echo "fatal $*" >&3
	sync
	"$HARNESS_OFF" -f
	sleep 60
}

echo "hello $(cut -d' ' -f1 /proc/uptime)" >&3

# What a job has to do before any driver is there.
[ -z "$HARNESS_EARLY" ] || sh "$HARNESS_EARLY" || die "$HARNESS_EARLY failed"

# The shell of busybox would take its own modprobe, even if kmod is there.
modprobe=/usr/local/sbin/modprobe
[ -x $modprobe ] || modprobe=modprobe
for m in $HARNESS_MODULES; do
	$modprobe "$m" >/run/harness/modprobe.log 2>&1 || {
		while read -r line; do echo "note $line" >&3; done </run/harness/modprobe.log
		die "modprobe $m failed"
	}
done

ip link set lo up

# The drivers probe asynchronously; the root file system shows up when it shows up.
patiently() {
	i=0
	until "$@"; do
		i=$((i + 1))
		[ $i -gt 300 ] && return 1
		sleep 0.1
	done
}
find_disk() {
	root=$(findfs LABEL=harness-root 2>/dev/null) && [ -n "$root" ]
}
mount_9p() {
	mount -t 9p -o trans=virtio,version=9p2000.L,msize=131072 "$root" /mnt 2>/dev/null
}

case $HARNESS_ROOT in
disk)
	patiently find_disk || die "no disk holds the root file system"
	mount -t ext4 "$root" /mnt || die "cannot mount the root file system on $root"
	;;
9p)
	root=harness-root
	patiently mount_9p || die "cannot mount the root file system from the host"
	chroot /mnt /bin/busybox --install -s || die "cannot write to the root file system"
	;;
*)
	mkdir -p /var/run /var/tmp
	exec sh /run/harness/main.sh
	;;
esac
echo "root $root" >&3

cp -a /lib/modules /run/harness/lib-modules
for d in proc sys dev run tmp; do
	mkdir -p /mnt/$d
	mount --move /$d /mnt/$d || die "cannot move /$d"
done
mkdir -p /mnt/lib/modules
mount --bind /mnt/run/harness/lib-modules /mnt/lib/modules || die "cannot bind the modules"
exec switch_root /mnt /bin/sh /run/harness/main.sh
