# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash

_rust_virtio()
{
	local line=${COMP_LINE:0:COMP_POINT} typed cur prev words
	# Bash takes words apart at the colons of an address, and at "=".
	read -ra typed <<<"$line"
	case $line in *[[:space:]]) typed+=('') ;; esac
	cur=${typed[-1]}
	prev=${typed[-2]-}
	case $cur in
	--device=*)
		cur=${cur#*=}
		prev=--device
		;;
	esac

	case $((${#typed[@]} - 1)):${typed[1]-}:$prev in
	1:*) words='status enable disable doctor conflicts refresh --help --version' ;;
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
	# What is before the last colon stays on the line.
	case $COMP_WORDBREAKS in *:*) COMPREPLY=("${COMPREPLY[@]#"${cur%"${cur##*:}"}"}") ;; esac
}
complete -F _rust_virtio rust-virtio
