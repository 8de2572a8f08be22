#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# python.sh PYTHON
#
# Sees that there is a Python for the harness, which installs everything else. A minimal Debian has none.

python=$1
command -v "$python" >/dev/null && exit 0

fail() {
	echo "error: $python is not installed, and the harness is written in Python: $1" >&2
	exit 1
}

[ "${python##*/}" = python3 ] || fail "PYTHON= names it"
command -v apt-get >/dev/null || fail "install Python 3.9 or later"
as_root=
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || fail "run 'apt-get install python3' as root"
	[ -t 0 ] || sudo -n true 2>/dev/null ||
		fail "sudo asks for a password here; run 'sudo apt-get install python3'"
	as_root=sudo
fi

# The names of proxies do not pass sudo by themselves.
apt() {
	$as_root env DEBIAN_FRONTEND=noninteractive ${http_proxy:+"http_proxy=$http_proxy"} \
		${https_proxy:+"https_proxy=$https_proxy"} \
		apt-get -q -o DPkg::Lock::Timeout=600 -o APT::Update::Error-Mode=any "$@" </dev/null
}

echo "Installing python3, on which the harness runs"
# The lists may be empty, or too old for what the archive has now.
apt install -y --no-install-recommends python3 >/dev/null 2>&1 ||
	{ apt update && apt install -y --no-install-recommends python3; } ||
	fail "its installation failed; is there a network?"
