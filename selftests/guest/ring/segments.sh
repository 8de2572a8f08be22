#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A disk on the C driver, whose requests have more segments than the ring has descriptors.
#
# guest: {"family":"c","vcpus":2,"blk":[
# guest:  {"size":"64M","props":{"num-queues":1,"queue-size":16,"seg-max-adjust":"off",
# guest:   "in_order":"off"}},
# guest:  {"size":"64M","props":{"num-queues":1,"queue-size":16,"seg-max-adjust":"off",
# guest:   "in_order":"off","packed":"on"}}]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/segments.sh"

tap_plan $((2 * SEGMENTS_TESTS))

segments_checks "R17 split" "$(disk_by_serial blk0)" 126
segments_checks "R17 packed" "$(disk_by_serial blk1)" 126
