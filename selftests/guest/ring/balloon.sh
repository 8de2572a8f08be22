#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The memory balloon on the C driver.
#
# guest: front.json
# transports: pci legacy mmio

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/front.sh"
need_host

tap_plan 2

stats() {
	qmp_cmd qom-get '{"path":"/machine/peripheral/balloon","property":"guest-stats"}' |
		jq '.stats["stat-total-memory"]'
}
stats_are() {
	[ "$(stats)" = "$1" ]
}

check "memory goes to the host and comes back" front_balloon
qmp_cmd qom-set \
	'{"path":"/machine/peripheral/balloon","property":"guest-stats-polling-interval","value":1}' \
	>/dev/null
check "the host hears how much memory the guest has" wait_for 30 stats_are "$(mem_total)"

cleanup() {
	qmp_cmd qom-set \
		'{"path":"/machine/peripheral/balloon","property":"guest-stats-polling-interval","value":0}' \
		>/dev/null
}
