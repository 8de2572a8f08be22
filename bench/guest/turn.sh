#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# turn.sh NUMBER COMMAND...: runs the command when it is this guest's turn. The turn is over with the
# next one that is asked for: only then has all output gone the way of such requests.

. /run/rvt/job/devices.sh

number=$1
shift
host run turn "$number" || fail "the turn did not come"
exec "$@"
