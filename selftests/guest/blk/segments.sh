#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests that requests may have more segments than the ring has descriptors, as an indirect table may:
# QEMU announces 126 for any ring unless it is told to adjust that, as its machines before 5.0 did.
#
# guest: {"vcpus":2,"blk":[
# guest:  {"size":"64M","props":{"num-queues":1,"queue-size":16,"seg-max-adjust":"off",
# guest:   "in_order":"off"}},
# guest:  {"size":"64M","props":{"num-queues":1,"queue-size":16,"seg-max-adjust":"off",
# guest:   "in_order":"off","packed":"on"}},
# guest:  {"size":"64M","props":{"num-queues":1,"queue-size":16,"seg-max-adjust":"off",
# guest:   "in_order":"off","iommu_platform":"on"}}]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/segments.sh"

tap_plan $((3 * SEGMENTS_TESTS))

segments_checks "B14 split" "$(disk_by_serial blk0)" 126
segments_checks "B14 packed" "$(disk_by_serial blk1)" 126
segments_checks "B14 DMA API" "$(disk_by_serial blk2)" 126
