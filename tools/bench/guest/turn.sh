#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# turn.sh NUMBER COMMAND...: runs the command when it is this guest's turn. The turn is over with the
# next one that is asked for: only then has all output gone the way of such requests. The command finds the
# number in RVT_TURN.

. /run/rvt/job/devices.sh

export RVT_TURN="$1"
shift
host run turn "$RVT_TURN" || fail "the turn did not come"
exec "$@"
