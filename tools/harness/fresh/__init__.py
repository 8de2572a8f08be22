# SPDX-License-Identifier: GPL-2.0
"""Set-up from nothing, on bare Debian machines."""
