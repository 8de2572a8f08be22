#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# turn.sh NUMBER COMMAND...: runs the command when it is this guest's turn. The turn is over with the
# next one that is asked for: only then has all output gone the way of such requests. The command finds the
# number in HARNESS_TURN.

. /run/harness/job/devices.sh

export HARNESS_TURN="$1"
shift
host run turn "$HARNESS_TURN" || fail "the turn did not come"
exec "$@"
