# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash

_rust_virtio()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} words

	case $COMP_CWORD:${COMP_WORDS[1]-}:$prev in
	1:*) words='status enable disable doctor refresh --help --version' ;;
	2:enable:* | 2:disable:*) words='net blk all' ;;
	*:enable:--device)
		words=$(rust-virtio status 2>/dev/null |
			awk 'NR > 1 && NF > 4 && /^virtio/ { print $1, $2, $3 }')
		;;
	*:enable:*) words='--device' ;;
	*:refresh:*) words=$(ls /lib/modules 2>/dev/null) ;;
	*) words='' ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _rust_virtio rust-virtio
