#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# in-root.sh PACKAGE.deb NEWER.deb
#
# Tests the life of the package, from installation to purge, in a Debian 13 root that may be thrown
# away. Prints TAP. Needs no guest: nothing is booted. KERNELS names the kernels (default: the newest
# of the backports, of each flavour).

set -u
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
[ $# -eq 2 ] || {
	echo "usage: in-root.sh PACKAGE.deb NEWER.deb" >&2
	exit 2
}
[ -e /etc/debian_version ] && [ "$(id -u)" = 0 ] || {
	echo "in-root.sh: run this as root of a Debian 13 root that may be thrown away" >&2
	exit 1
}
deb=$(readlink -f "$1")
newer=$(readlink -f "$2")
work=$(mktemp -d)
count=0
failed=0

# check TEXT COMMAND ...: one test.
check() {
	text=$1
	shift
	count=$((count + 1))
	if "$@" >"$work/check" 2>&1; then
		echo "ok $count - $text"
	else
		echo "not ok $count - $text"
		{
			head -n 20 "$work/check"
			echo "the last command said:"
			tail -n 20 "$work/log"
		} | sed 's/^/# /'
		failed=$((failed + 1))
	fi
}
note() { echo "# $(date -u +%T) $*"; }

apt() { nice apt-get install -y --no-install-recommends "$@" >"$work/log" 2>&1; }
says() { grep -q -- "$1" "$work/log"; }
etc_list() { find /etc -xdev \( -type f -o -type l \) ! -path '/etc/.*' -print0 | sort -z | xargs -0 sha256sum 2>/dev/null; }
# An initramfs is made anew with other times: its content is what counts.
boot_list() {
	for kernel in $kernels; do
		rm -rf "$work/unpacked"
		unmkinitramfs "/boot/initrd.img-$kernel" "$work/unpacked"
		(cd "$work/unpacked" && find . -type f -print0 | sort -z | xargs -0 sha256sum; find . | sort)
	done
}
same() { [ -s "$work/$1.before" ] && diff "$work/$1.before" "$work/$1.after"; }
keep() {
	etc_list >"$work/etc.$1"
	boot_list >"$work/boot.$1"
}
same_as_before() {
	keep after
	same etc && same boot
}
is_installed() { dkms status -m rust-virtio -k "$1" | grep -q ': installed'; }
is_gone() { ! is_installed "$1"; }
built() { for kernel in $kernels; do is_installed "$kernel" || return 1; done; }
# content_of KERNEL: the names of the files in its initramfs.
content_of() {
	if command -v lsinitrd >/dev/null; then
		lsinitrd "/boot/initrd.img-$1" | awk '{ print $NF }'
	else
		lsinitramfs "/boot/initrd.img-$1"
	fi
}
both_families() {
	for kernel in $kernels; do
		content_of "$kernel" >"$work/content"
		for file in /rust_vring.ko /rust_virtqueue.ko /rust_virtio_blk.ko /rust_virtio_net.ko \
			/virtio_blk.ko /virtio_net.ko rust-virtio/load etc/modprobe.d/rust-virtio-enabled.conf \
			usr/lib/modprobe.d/rust-virtio-dkms.conf; do
			grep -q "$file" "$work/content" || { echo "$kernel: no $file"; return 1; }
		done
	done
}
# shared KERNEL: the symbols that our modules for it export to each other.
shared() {
	for name in rust_vring rust_virtqueue; do
		for file in "/lib/modules/$1/updates/dkms/$name.ko"*; do
			case $file in
			*.xz) xz -dc "$file" ;;
			*.zst) zstd -dcq "$file" ;;
			*) cat "$file" ;;
			esac >"$work/module"
			nm "$work/module" | sed -n 's/^.* __ksymtab_\(_R.*\)/\1/p'
		done
	done | sort -u
}
shares_nothing() {
	shared "$last" >"$work/shared.after"
	[ -s "$work/shared.before" ] && [ -s "$work/shared.after" ] || { echo "no symbols"; return 1; }
	[ "$(comm -12 "$work/shared.before" "$work/shared.after" | tee /dev/stderr | wc -l)" = 0 ]
}
no_rust_in_boot() {
	for kernel in $kernels; do
		content_of "$kernel" >"$work/content"
		grep -q '/virtio_blk.ko' "$work/content" || { echo "$kernel: no virtio_blk"; return 1; }
		! grep 'rust_v\|rust-virtio/load\|rust-virtio-enabled\|rust-virtio/enabled' "$work/content" || return 1
	done
}

# --- kernels ---------------------------------------------------------------------------------------

kernels=${KERNELS:-}
if [ -z "$kernels" ]; then
	apt-get update >"$work/log" 2>&1
	release=$(apt-cache depends linux-image-amd64/trixie-backports 2>/dev/null |
		sed -n 's/.*Depends: linux-image-\(.*\)-amd64$/\1/p' | head -n 1)
	[ -n "$release" ] || release=$(apt-cache pkgnames linux-image-7. | sed -n 's/^linux-image-\(7\.[0-9.]*+deb13\)-amd64$/\1/p' | sort -V | tail -n 1)
	kernels="$release-amd64 $release-cloud-amd64 $release-rt-amd64"
fi
note "kernels: $kernels"
set -- initramfs-tools zstd udev man-db
for kernel in $kernels; do set -- "$@" "linux-image-$kernel" "linux-headers-$kernel"; done
series=$(echo "$kernels" | sed 's/^\([0-9]*\.[0-9]*\).*/\1/')
check "the kernels of the backports are installed" apt -t trixie-backports "$@" "linux-source-$series"
last=${kernels##* }
first=${kernels%% *}

# --- installation ------------------------------------------------------------------------------------

images() { sha256sum /boot/initrd.img-*; }
same_images() {
	images >"$work/images.after"
	same images
}
images >"$work/images.before"
note "building for each kernel: some minutes"
check "the package is installed" apt "$deb"
version=$(dpkg-query -W -f '${Version}' rust-virtio-dkms)
check "DKMS has built the modules for each kernel" built
check "installing makes no initramfs anew" same_images
check "udev loads the C driver for a disk, and not ours" sh -c \
	"modprobe -S $first -b -n -v virtio:d00000002v00001AF4 >'$work/alias'; cat '$work/alias'
	grep -q '/virtio_blk.ko' '$work/alias' && ! grep -q rust_ '$work/alias'"
check "what was made for a kernel of metadata is kept" test -e "/var/cache/rust-virtio/$first/rust/libkernel.rmeta"
check "the manual page is there" man -w rust-virtio
rust-virtio doctor >"$work/log" 2>&1
# The machine that the root is in may have problems, kernels and modules here have none.
sound() {
	[ "$(grep -c '^ok       modules: /lib/modules/' "$work/log")" = "$(echo "$kernels" | wc -w)" ] &&
		[ "$(grep -c '^ok       initramfs: as enabled$' "$work/log")" = "$(echo "$kernels" | wc -w)" ] &&
		! grep '^PROBLEM  [im]' "$work/log"
}
check "doctor finds nothing wrong" sound

# --- another user ------------------------------------------------------------------------------------

etc_list >"$work/etc.before"
as_nobody() {
	runuser -u nobody -- rust-virtio "$@" >"$work/log" 2>&1
	[ $? -eq 1 ] && grep -qx "rust-virtio: error: $1 changes the system: run it as root (sudo rust-virtio $1)" "$work/log"
}
same_etc() {
	etc_list >"$work/etc.after"
	same etc && same_images
}
check "enable by another user than root is refused, and says so" as_nobody enable all
check "and disable" as_nobody disable
check "and refresh" as_nobody refresh
check "and changes neither /etc nor an initramfs" same_etc

# --- enable, disable ---------------------------------------------------------------------------------

# Without the package, they lack the file that keeps our drivers from being loaded. From here on all are as
# the system is.
update-initramfs -u -k all >"$work/log" 2>&1
keep before
rust-virtio enable all >"$work/log" 2>&1
check "enable succeeds" says 'At the next boot rust_virtio_blk: all devices'
check "both families are in each initramfs, and the loader" both_families
check "udev runs the loader for a disk" sh -c \
	"modprobe -S $first -b -n -v virtio:d00000002v00001AF4 | grep -q 'install /usr/lib/rust-virtio/load blk all'"
check "the loader of the initramfs is a script that its shell takes" sh -c \
	"rm -rf '$work/u'; unmkinitramfs /boot/initrd.img-$first '$work/u'; f=\$(find '$work/u' -path '*rust-virtio/load'); sh -n \"\$f\" && test -x \"\$f\""
rust-virtio disable >"$work/log" 2>&1
check "disable leaves /etc and each initramfs as they were" same_as_before

# --- a full disk -------------------------------------------------------------------------------------

mkdir -p "$work/boot"
size=$(du -sm /boot | cut -f1)
mount -t tmpfs -o "size=$((size + 8))m" tmpfs "$work/boot"
cp -a /boot/. "$work/boot/"
mount --bind "$work/boot" /boot
keep before
rust-virtio enable all >"$work/log" 2>&1
check "enable on a full disk fails, and says so" says 'nothing was changed'
check "and leaves /etc and /boot as they were" sh -c "ls -a /boot | grep -c 'rust-virtio\|\.new' | grep -qx 0"
check "to the byte" same_as_before
umount /boot
umount "$work/boot"

mkdir -p "$work/small"
mount -t tmpfs -o size=200m tmpfs "$work/small"
sh "/usr/src/rust-virtio-$version/prepare-kdir" --output "$work/small/$first" "$first" >"$work/log" 2>&1
check "metadata on a full disk: a clear line" says 'no space left'
check "and nothing is left of it" sh -c "[ -z \"\$(ls -A '$work/small')\" ]"
umount "$work/small"

# --- builds that fail --------------------------------------------------------------------------------

rust-virtio enable all >/dev/null 2>&1
source=/usr/src/rust-virtio-$version
cp "$source/rust_virtio_blk.rs" "$work/good.rs"
echo 'compile_error!("failed on purpose");' >>"$source/rust_virtio_blk.rs"
dkms remove -m rust-virtio -v "$version" -k "$last" >/dev/null 2>&1
rm "/boot/initrd.img-$last"
# As the kernel's package does when it is installed.
install_kernel() { linux-run-hooks image postinst "$last" "/boot/vmlinuz-$last" -- configure '' >"$work/log" 2>&1; }
check "a kernel is installed where the modules do not build" install_kernel
check "with its initramfs" test -s "/boot/initrd.img-$last"
check "and apt says that it boots on the C drivers" says "^rust-virtio: kernel $last boots on the C drivers"
check "a build that fails gives its reason on the console" says "^rust-virtio: not built for $last: .*failed on purpose"
check "and in the log of DKMS" grep -q "^rust-virtio: not built for $last: .*failed on purpose" \
	"/var/lib/dkms/rust-virtio/$version/build/make.log"
check "and leaves no module" sh -c "! find /lib/modules/$last -name 'rust_v*.ko*' | grep -q ."
rust-virtio refresh >"$work/log" 2>&1
rust-virtio doctor >"$work/log" 2>&1
check "doctor tells the reason" says 'failed on purpose'
cp "$work/good.rs" "$source/rust_virtio_blk.rs"
mv "/usr/src/linux-source-$series.tar.xz" "/var/cache/rust-virtio/$last" "$work/"
dkms build -m rust-virtio -v "$version" -k "$last" >"$work/log" 2>&1
check "without the kernel's source: what to install" says "not built for $last: .*apt install -t trixie-backports linux-source-$series"
mv "$work/linux-source-$series.tar.xz" /usr/src/
mv "$work/$last" /var/cache/rust-virtio/
check "once the reason is gone, the kernel's installation builds" install_kernel
check "and installs" is_installed "$last"
linux-run-hooks image preinst "$last" "/boot/vmlinuz-$last" -- upgrade 1 2 >"$work/log" 2>&1
check "an upgrade of the kernel of the same name takes the modules away" is_gone "$last"
check "and builds them again" install_kernel
check "for the new one" is_installed "$last"
touch "/usr/src/linux-headers-$last/Module.symvers"
linux-run-hooks headers postinst "$last" -- configure '' >"$work/log" 2>&1
check "headers that come later have them built again" says 'Building module'
rust-virtio refresh >"$work/log" 2>&1
check "and refresh puts the modules into the initramfs" both_families

# --- upgrade, removal --------------------------------------------------------------------------------

note "upgrading"
shared "$last" >"$work/shared.before"
check "an upgrade succeeds" apt "$newer"
new=$(dpkg-query -W -f '${Version}' rust-virtio-dkms)
check "and builds for each kernel that had the modules" built
check "whose initramfs has them" both_families
check "to the newer version" dpkg --compare-versions "$new" gt "$version"
check "and leaves nothing of the older" sh -c "! ls -d /usr/src/rust-virtio-$version /var/lib/dkms/rust-virtio/$version"
check "modules of the two versions do not link to each other" shares_nothing
check "what is enabled stays enabled" test -e /etc/modprobe.d/rust-virtio-enabled.conf
nice apt-get remove -y "linux-image-$last" "linux-headers-$last" >"$work/log" 2>&1
check "a kernel that is removed takes its metadata along" test ! -e "/var/cache/rust-virtio/$last"
check "and its modules" sh -c "! dkms status -m rust-virtio -k $last | grep -q ': installed\|: built'"
kernels=$first
nice apt-get remove -y rust-virtio-dkms >"$work/log" 2>&1
check "removing the package succeeds" sh -c "! dpkg -s rust-virtio-dkms 2>/dev/null | grep -q 'ok installed'"
check "and disables the drivers first" no_rust_in_boot
check "no module is left" sh -c "! find /lib/modules -name 'rust_v*.ko*' | grep -q ."
nice apt-get purge -y rust-virtio-dkms >"$work/log" 2>&1
# Except the packages themselves, wherever they are.
left_over() {
	find / -xdev \( -path "$work" -o -path /proc -o -path "${deb%/*}" -o -path "${newer%/*}" \) -prune \
		-o -name '*rust-virtio*' -print 2>/dev/null | grep -v '/var/lib/apt\|/var/log'
}
nothing_left() { ! left_over; }
check "purge leaves nothing" nothing_left
if [ -z "${QUICK:-}" ]; then
	note "installing again, beside a blacklist made by hand: some minutes"
	echo 'blacklist virtio_blk' >/etc/modprobe.d/by-hand.conf
	check "it can be installed again" apt "$newer"
	check "and builds" built
	check "it warns of a blacklist of the C driver" \
		says '^rust-virtio: WARNING: /etc/modprobe.d/by-hand.conf: blacklist virtio_blk: '
	rust-virtio doctor >"$work/log" 2>&1
	check "and doctor tells what to do" says 'make the initramfs again (update-initramfs -u -k all)'
	rm /etc/modprobe.d/by-hand.conf

	# --- dracut ------------------------------------------------------------------------------------

	# It takes the place of initramfs-tools. As in a machine, there is systemd.
	check "dracut is installed" apt dracut systemd
	rust-virtio enable all >"$work/log" 2>&1
	check "enable succeeds with dracut" says 'At the next boot rust_virtio_blk: all devices'
	check "dracut puts both families into the initramfs, and the loader" both_families
	check "the loader finds what it calls" sh -c \
		"rm -rf '$work/u'; mkdir '$work/u' && cd '$work/u' && lsinitrd --unpack /boot/initrd.img-$first &&
		chroot . sh -c 'sh -n /usr/lib/rust-virtio/load &&
		for name in mkdir modprobe mv sleep; do command -v \$name || exit 1; done'"
	check "udev runs the loader for a disk in there" sh -c \
		"chroot '$work/u' modprobe -S $first -b -n -v virtio:d00000002v00001AF4 |
		grep -q 'install /usr/lib/rust-virtio/load blk all'"
	rust-virtio disable >"$work/log" 2>&1
	check "disable succeeds with dracut" says 'At the next boot virtio_blk: all devices'
	# Dracut takes all drivers of disks along, ours as well: the blacklist keeps them from being loaded.
	content_of "$first" >"$work/content"
	check "and leaves no loader in the initramfs, and ours blacklisted" sh -c \
		"! grep 'rust-virtio/load\|rust-virtio-enabled' '$work/content' && grep 'modprobe.d/rust-virtio-dkms.conf' '$work/content'"
fi

rm -rf "$work"
echo "1..$count"
[ "$failed" -eq 0 ] || echo "# $failed of $count failed"
[ "$failed" -eq 0 ]
