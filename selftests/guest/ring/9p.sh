#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A directory of the host, mounted over 9p on the C driver.
#
# guest: front.json
# transports: pci legacy mmio

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/front.sh"
need_host

tap_plan 5

check "a file tree that is written is the same for the host" front_9p

mkdir -p $SHARE
check "the directory is mounted" \
	mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 share $SHARE
sum=$(host sh 'head -c 3000000 /dev/urandom >share/big && sha256sum <share/big')
check_eq "a file of the host is read" "$(sha256sum <$SHARE/big)" "$sum"
# Every request is of another length.
check_eq "it is read in pieces of any size" \
	"$(dd if=$SHARE/big bs=7777 2>/dev/null | sha256sum)" "$sum"
rm -f $SHARE/big
check "a removed file is gone for the host" host sh 'test ! -e share/big'

cleanup() {
	umount $SHARE
}
