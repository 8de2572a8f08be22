#compdef rust-virtio
# SPDX-License-Identifier: GPL-2.0

_rust_virtio_devices() {
	local -a devices
	devices=(${(f)"$(rust-virtio status 2>/dev/null |
		awk 'NR > 1 && NF > 4 && /^virtio/ { print $1; print $2; print $3 }')"})
	compadd -a devices
}

_rust_virtio_kernels() {
	local -a kernels
	kernels=(/lib/modules/*(N:t))
	compadd -a kernels
}

_arguments -C \
	'(- *)'{-h,--help}'[print the usage]' \
	'(- *)--version[print the version]' \
	'1:command:((status\:"show the devices and their drivers" enable\:"have the Rust drivers at the next boot" disable\:"have the C drivers at the next boot" doctor\:"check what the Rust drivers need" conflicts\:"show other configuration of these drivers" refresh\:"make the initramfs again"))' \
	'*::argument:->rest'

case $words[1] in
enable)
	_arguments '1:kind:(net blk all)' '*--device=[only this device]:device:_rust_virtio_devices'
	;;
disable)
	_arguments '1:kind:(net blk all)'
	;;
refresh)
	_arguments '*:kernel:_rust_virtio_kernels'
	;;
esac
