#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# enter.sh ROOT [DIR:INSIDE[:ro] ...] -- COMMAND [ARGUMENT ...]
#
# Runs a command with ROOT as its root directory. Each DIR is there as INSIDE. The mounts are of this
# process's own mount namespace, which the caller makes (unshare --mount --pid --fork). The root is
# changed by pivot_root, as user namespaces cannot be made below chroot.

set -e
root=$1
shift
mount --make-rprivate /
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
mount -t proc proc "$root/proc"
while [ "$1" != -- ]; do
	inside=$root${1#*:}
	inside=${inside%:ro}
	if [ -d "${1%%:*}" ]; then
		mkdir -p "$inside"
	else
		mkdir -p "${inside%/*}"
		[ -e "$inside" ] || : >"$inside"
	fi
	mount --rbind "${1%%:*}" "$inside"
	case $1 in *:ro) mount -o remount,bind,ro "$inside" ;; esac
	shift
done
shift
cd "$root"
# Of a name of its own: another run may be in the same root.
outside=$(mktemp -d .outside.XXXXXX)
pivot_root . "$outside"
umount -l "/$outside"
rmdir "/$outside" 2>/dev/null || :
exec "$@"
