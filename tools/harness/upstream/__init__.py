# SPDX-License-Identifier: GPL-2.0
"""The kernel's own tests of network drivers, on the C driver and on ours."""
