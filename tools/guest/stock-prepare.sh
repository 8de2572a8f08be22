#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Makes a machine of a Debian root, inside it: kernels, root file system, network. HARNESS_UUID is that of
# the file system it will be in.

set -e

# Backports bring a newer kernel of the second flavour along: of that flavour the old one is wanted.
surplus=$(cd /boot && for kernel in vmlinuz-*-cloud-amd64; do echo "${kernel#vmlinuz-}"; done |
	sort -V | tail -n +2)
for release in $surplus; do
	dpkg-query -W -f '${Package}\n' "linux-*-$release" | xargs apt-get purge -y
done

echo "UUID=$HARNESS_UUID / ext4 defaults 0 1" >/etc/fstab
systemd-machine-id-setup

# The last NIC is the machine's; others belong to the tests.
cat >/etc/systemd/network/80-dhcp.network <<END
[Match]
MACAddress=52:54:00:00:00:02

[Network]
DHCP=yes
END
systemctl enable systemd-networkd
# There is no archive in reach.
systemctl mask apt-daily.timer apt-daily-upgrade.timer
# An emulated processor takes minutes for the usual level.
echo COMPRESSLEVEL=1 >/etc/initramfs-tools/conf.d/harness
rm -rf /var/cache/apt/archives/*.deb
